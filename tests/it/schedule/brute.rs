//! When a schedule is due, found by looking at every minute: slow, plain, and nobody's code but its
//! own. Of chrono it takes the days' dates and the zones' offsets.

use chrono::{DateTime, Datelike, Offset, TimeZone};
use chrono_tz::Tz;

const MINUTES_OF_A_DAY: i64 = 24 * 60;

/// A schedule, as the times that it names.
pub struct Fields {
    named: [Vec<u32>; 6],
    any_day: bool,
    any_weekday: bool,
    /// Whether it names times of the day, and does not say how often it runs.
    times: bool,
}

impl Fields {
    pub fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let range = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let mut named = std::array::from_fn(|field| values(parts[field], range[field]));
        if named[5].contains(&7) {
            named[5].push(0);
        }
        Self {
            named,
            any_day: parts[3] == "*",
            any_weekday: parts[5] == "*",
            times: !parts[..3].concat().contains(['*', '-', '/']),
        }
    }

    fn on_day(&self, day: i64) -> bool {
        let date = DateTime::from_timestamp(day * 86_400, 0).unwrap();
        let weekday = date.weekday().num_days_from_sunday();
        let in_month = self.named[3].contains(&date.day());
        let in_week = self.named[5].contains(&weekday);
        let fits = match (self.any_day, self.any_weekday) {
            (false, false) => in_month || in_week,
            _ => in_month && in_week,
        };
        fits && self.named[4].contains(&date.month())
    }

    fn at_minute(&self, minute: i64) -> bool {
        let of_day = u32::try_from(minute.rem_euclid(MINUTES_OF_A_DAY)).unwrap();
        self.named[1].contains(&(of_day % 60)) && self.named[2].contains(&(of_day / 60))
    }

    /// Every second from `from` to before `until` at which it is due, in seconds since 1970.
    pub fn due(&self, zone: Tz, from: i64, until: i64) -> Vec<i64> {
        // Two days before, so that what the clock has shown already is known.
        let start = from.div_euclid(60) - 2 * MINUTES_OF_A_DAY;
        let mut shown = start + offset(zone, start) - 1;
        let mut today = (i64::MIN, false);
        let mut names = |minute: i64| {
            let day = minute.div_euclid(MINUTES_OF_A_DAY);
            if today.0 != day {
                today = (day, self.on_day(day));
            }
            today.1 && self.at_minute(minute)
        };
        let mut due = Vec::new();
        for minute in start..=until.div_euclid(60) {
            let local = minute + offset(zone, minute);
            let leapt = (shown + 1..local).any(&mut names);
            if self.times && leapt {
                due.push(minute * 60);
            }
            if names(local) && (local > shown || !self.times) {
                due.extend(
                    self.named[0]
                        .iter()
                        .map(|second| minute * 60 + i64::from(*second)),
                );
            }
            shown = shown.max(local);
        }
        due.sort_unstable();
        due.dedup();
        due.retain(|second| (from..until).contains(second));
        due
    }
}

/// By how many minutes the clocks of a zone are ahead in a minute since 1970.
fn offset(zone: Tz, minute: i64) -> i64 {
    let moment = DateTime::from_timestamp(minute * 60, 0).unwrap();
    let offset = zone.offset_from_utc_datetime(&moment.naive_utc());
    i64::from(offset.fix().local_minus_utc()) / 60
}

fn values(text: &str, (low, high): (u32, u32)) -> Vec<u32> {
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from), value(to)),
            None if range == "*" => (low, high),
            None => (value(range), value(range)),
        };
        values.extend((from..=to).step_by(step.parse().unwrap()));
    }
    values.sort_unstable();
    values.dedup();
    values
}

fn value(text: &str) -> u32 {
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let day = days.iter().position(|day| *day == text);
    day.map_or_else(|| text.parse().unwrap(), |day| u32::try_from(day).unwrap())
}

/// When the clocks of a zone are changed, in seconds since 1970.
pub fn changes(zone: Tz, from: i64, until: i64) -> Vec<i64> {
    let minutes = from / 60..until / 60;
    let changes = minutes.filter(|minute| offset(zone, *minute) != offset(zone, minute - 1));
    changes.map(|minute| minute * 60).collect()
}
