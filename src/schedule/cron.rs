//! When a schedule is next due, in a time zone whose clocks are changed.
//!
//! A schedule that names times of the day ([`Cron::names_times`]) comes once for each of them: one
//! that does not exist, because the clock was put forward over it, comes at the first moment after
//! the gap; one that exists twice comes the first time. croner does that by itself only for a single
//! time (not for `0 0 2,14`), not where the gap reaches into the next day, and not where it is longer
//! than two hours (Apia skipped a whole day); so here it only finds the local times, and what moment
//! each of them is is decided below.
//!
//! A schedule that says how often it runs goes on through both: it comes at every moment at which
//! the clock on the wall shows a time that it names.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::config::Cron;

/// No clock of any zone is this far from UTC, or was ever put forward by more.
const FAR: TimeDelta = TimeDelta::hours(48);

/// The first moment after `after` at which the schedule is due; none beyond the end of the calendar.
/// Always a whole second.
pub fn next_after(cron: &Cron, zone: Tz, after: Timestamp) -> Option<Timestamp> {
    let whole = after.0.div_euclid(1000);
    let after = DateTime::from_timestamp(whole, 0)?;
    let next = if cron.names_times() {
        next_named(cron, zone, after)?
    } else {
        let after = after.with_timezone(&zone);
        let next = cron.pattern().find_next_occurrence(&after, false).ok()?;
        next.with_timezone(&Utc)
    };
    Some(Timestamp(next.timestamp_millis()))
}

/// The last moment at which the schedule is due that lies after `after` and not after `until`.
pub(super) fn last_until(
    cron: &Cron,
    zone: Tz,
    after: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let next = |after| next_after(cron, zone, after).filter(|next| *next <= until);
    let mut last = next(after)?;
    // Nothing is due after `open` and not after `until`.
    let mut open = until.0;
    while open - last.0 >= 1000 {
        let middle = Timestamp(last.0 + (open - last.0) / 2);
        match next(middle) {
            Some(later) => last = later,
            None => open = middle.0,
        }
    }
    Some(last)
}

fn next_named(cron: &Cron, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut local = after.with_timezone(&zone).naive_local();
    loop {
        local = cron.next_local(local)?;
        // Times that exist twice were due when they came first.
        let moment = moment(zone, local)?;
        if moment > after {
            return Some(moment);
        }
    }
}

/// The first moment at which the clock shows `local`, or else more than that.
fn moment(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(moment) | MappedLocalTime::Ambiguous(moment, _) => {
            Some(moment.with_timezone(&Utc))
        }
        MappedLocalTime::None => after_gap(zone, local),
    }
}

/// When the clock was put forward over `local`.
fn after_gap(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let shows = |moment: DateTime<Utc>| moment.with_timezone(&zone).naive_local();
    let mut before = local.and_utc().checked_sub_signed(FAR)?;
    let mut behind = local.and_utc().checked_add_signed(FAR)?;
    while behind - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((behind - before).num_seconds() / 2);
        if shows(middle) < local {
            before = middle;
        } else {
            behind = middle;
        }
    }
    Some(behind)
}
