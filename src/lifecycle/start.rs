//! From when a rule counts: dates as registers hold them.
//!
//! No value of the register is trusted to be a date because its column is named for one. What is
//! accepted has one meaning; anything else is [`Start::Absurd`], and a person looks at it.
//!
//! | stored | accepted | meaning |
//! |---|---|---|
//! | text | `2021-03-01` | the last moment of that day in the zone |
//! | text | `2021-03-01 12:00[:00[.5]]`, also with `T` | in the zone or in UTC, whichever is later |
//! | text | the same with `Z`, `+01`, `+0100` or `+01:00` | that moment |
//! | integer, real, digits as text | 10 digits before the point | seconds since 1970 |
//! | integer, real, digits as text | 13 digits before the point | milliseconds since 1970 |
//! | real | 2,400,000 to 2,600,000 | Julian day, as SQLite counts |
//!
//! A clock time without a zone may be the zone's, or UTC, which is what `CURRENT_TIMESTAMP` and many
//! frameworks write; taking the later of the two is never early and at most some hours late. Unix
//! times of fewer digits (before September 2001) could as well be `20210301`, a serial day or seconds
//! since 2001. Fractions of a millisecond are rounded up.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike};
use chrono_tz::Tz;

use super::calendar::moment;
use crate::clock::Timestamp;
use crate::value::ValueRef;

const DAY_MS: i64 = 86_400_000;
/// How far the last moment of a day in any zone can lie from the first one of that date in UTC.
const TWO_DAYS_MS: i64 = 2 * DAY_MS;
/// 1900-01-01T00:00:00Z
const YEAR_1900_MS: i64 = -2_208_988_800_000;
/// 1970-01-01T00:00:00Z as a Julian day.
const JULIAN_1970: f64 = 2_440_587.5;

/// From when a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From this moment.
    At(Timestamp),
    /// The register has no date: NULL or empty text in every column.
    Missing,
    /// A column holds something that cannot be counted from.
    Absurd(Absurd),
}

/// Why a value cannot be counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absurd {
    /// It is no date in any form that is accepted.
    Unreadable,
    /// It is a number that could mean several things.
    Number,
    /// It lies before 1900, or on 1900-01-01, which some systems write for nothing.
    Old,
    /// It is 1970-01-01, the zero of Unix time, which others write for nothing.
    Zero,
    /// It lies in the future.
    Future,
}

impl fmt::Display for Absurd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "cannot be read as a date",
            Self::Number => {
                "is a number of neither 10 digits (seconds since 1970) nor 13 (milliseconds)"
            }
            Self::Old => "does not lie after the beginning of 1900",
            Self::Zero => "is 1970-01-01, as if nothing had been written",
            Self::Future => "lies in the future",
        })
    }
}

impl Start {
    /// The latest of a rule's start columns, as the register holds them at `now`. A column without
    /// a value is passed over if another has one; an absurd one spoils all, since it might have been
    /// the latest.
    pub fn read<'a>(
        columns: impl IntoIterator<Item = ValueRef<'a>>,
        zone: Tz,
        now: Timestamp,
    ) -> Self {
        let starts = columns.into_iter().map(|value| match one(value, zone) {
            Ok(None) => Self::Missing,
            Ok(Some(at)) => credible(at, now),
            Err(absurd) => Self::Absurd(absurd),
        });
        starts.fold(Self::Missing, Self::later)
    }

    fn later(self, other: Self) -> Self {
        match (self, other) {
            (Self::Absurd(why), _) | (_, Self::Absurd(why)) => Self::Absurd(why),
            (Self::At(a), Self::At(b)) => Self::At(a.max(b)),
            (Self::Missing, start) | (start, Self::Missing) => start,
        }
    }
}

/// Two days of slack let in today's date in a zone that is behind the one it was written in.
fn credible(at: Timestamp, now: Timestamp) -> Start {
    if at.0 < YEAR_1900_MS + TWO_DAYS_MS {
        Start::Absurd(Absurd::Old)
    } else if at.0.abs() < TWO_DAYS_MS {
        Start::Absurd(Absurd::Zero)
    } else if at.0 > now.0.saturating_add(TWO_DAYS_MS) {
        Start::Absurd(Absurd::Future)
    } else {
        Start::At(at)
    }
}

fn one(value: ValueRef<'_>, zone: Tz) -> Result<Option<Timestamp>, Absurd> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Int(number) => integer(number).map(Some),
        ValueRef::Real(number) => real(number).map(Some),
        ValueRef::Blob(_) => Err(Absurd::Unreadable),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Absurd::Unreadable)?;
            match text.trim() {
                "" => Ok(None),
                text => written(text, zone).map(Some),
            }
        }
    }
}

fn integer(number: i64) -> Result<Timestamp, Absurd> {
    match number {
        1_000_000_000..10_000_000_000 => Ok(Timestamp(number * 1000)),
        1_000_000_000_000..10_000_000_000_000 => Ok(Timestamp(number)),
        _ => Err(Absurd::Number),
    }
}

fn real(number: f64) -> Result<Timestamp, Absurd> {
    let millis = if (1e9..1e10).contains(&number) {
        number * 1000.0
    } else if (1e12..1e13).contains(&number) {
        number
    } else if (2.4e6..2.6e6).contains(&number) {
        (number - JULIAN_1970) * DAY_MS as f64
    } else {
        return Err(Absurd::Number);
    };
    Ok(Timestamp(millis.ceil() as i64))
}

fn written(text: &str, zone: Tz) -> Result<Timestamp, Absurd> {
    if let Ok(number) = text.parse() {
        return integer(number);
    }
    let text = text.replacen(['T', 't'], " ", 1);
    let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
    if let Some(last) = date.and_then(|date| date.and_hms_milli_opt(23, 59, 59, 999)) {
        return Ok(moment(last, zone));
    }
    let exact = ["%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%d %H:%M %#z"];
    let mut exact = exact.iter();
    if let Some(time) = exact.find_map(|form| DateTime::parse_from_str(&text, form).ok()) {
        return Ok(rounded_up(time.naive_utc(), Tz::UTC));
    }
    let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let mut local = local.iter();
    let local = local.find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let local = local.ok_or(Absurd::Unreadable)?;
    Ok(rounded_up(local, zone).max(rounded_up(local, Tz::UTC)))
}

fn rounded_up(local: NaiveDateTime, zone: Tz) -> Timestamp {
    let whole = local.nanosecond().is_multiple_of(1_000_000);
    Timestamp(moment(local, zone).0 + i64::from(!whole))
}
