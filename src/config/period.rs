//! Lengths of time as people agree on them: `90d`, `3y`, `1y6m`.
//!
//! Months and years are the calendar's, so "three years" ends on the same day of the month
//! whatever leap days lie between.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, Months, NaiveDateTime, TimeDelta};

/// A length of time on the calendar. Not ordered: whether 30 days are more than a month depends on
/// when they begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Period {
    months: u32,
    days: u32,
    minutes: u32,
}

impl Period {
    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self {
            months: 0,
            days,
            minutes: 0,
        }
    }

    /// Whether it is no time at all.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// How many days it is at least: a month may be February.
    pub fn fewest_days(self) -> u64 {
        u64::from(self.months) * 28 + u64::from(self.days) + u64::from(self.minutes) / (24 * 60)
    }

    /// The moment that lies this long after `start`, on a clock that is never changed; none beyond
    /// the end of the calendar. A month after 31 January ends on the last day of February.
    pub fn after(self, start: NaiveDateTime) -> Option<NaiveDateTime> {
        start
            .checked_add_months(Months::new(self.months))?
            .checked_add_days(Days::new(self.days.into()))?
            .checked_add_signed(TimeDelta::minutes(self.minutes.into()))
    }

    /// The moment that lies this long before `end`; none before the beginning of the calendar.
    pub fn before(self, end: NaiveDateTime) -> Option<NaiveDateTime> {
        end.checked_sub_months(Months::new(self.months))?
            .checked_sub_days(Days::new(self.days.into()))?
            .checked_sub_signed(TimeDelta::minutes(self.minutes.into()))
    }

    fn add(&mut self, count: u32, unit: &str) -> Option<()> {
        let (field, factor) = match unit {
            "min" => (&mut self.minutes, 1),
            "h" => (&mut self.minutes, 60),
            "d" => (&mut self.days, 1),
            "w" => (&mut self.days, 7),
            "m" => (&mut self.months, 1),
            "y" => (&mut self.months, 12),
            _ => return None,
        };
        *field = count.checked_mul(factor)?.checked_add(*field)?;
        Some(())
    }
}

/// A text that is not a [`Period`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a length of time")]
pub struct BadPeriod {
    /// The text as given.
    pub text: String,
}

impl FromStr for Period {
    type Err = BadPeriod;

    /// One or more counts, each with its unit: `min`, `h`, `d`, `w`, `m` (months), `y`.
    fn from_str(text: &str) -> Result<Self, BadPeriod> {
        parse(text).ok_or_else(|| BadPeriod {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Period> {
    let mut period = Period::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (count, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        period.add(count.parse().ok()?, unit)?;
        rest = after.trim_start();
    }
    Some(period)
}

/// Splits after the longest beginning of which every character passes.
fn split(text: &str, passes: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !passes(c)).unwrap_or(text.len()))
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0d");
        }
        let counts = [
            (self.months / 12, "y"),
            (self.months % 12, "m"),
            (self.days, "d"),
            (self.minutes / 60, "h"),
            (self.minutes % 60, "min"),
        ];
        for (count, unit) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn periods_follow_the_calendar() {
        let after =
            |period: &str, start| period.parse::<Period>().unwrap().after(at(start)).unwrap();
        assert_eq!(
            after("3y", "2024-02-29T12:00:00"),
            at("2027-02-28T12:00:00")
        );
        assert_eq!(
            after("1m", "2023-01-31T00:00:00"),
            at("2023-02-28T00:00:00")
        );
        assert_eq!(
            after("30d", "2023-01-31T00:00:00"),
            at("2023-03-02T00:00:00")
        );
        assert_eq!(
            after("2w", "2023-01-01T00:00:00"),
            at("2023-01-15T00:00:00")
        );
        assert_eq!(
            after("1y 6m 36h 5min", "2020-01-01T00:00:00"),
            at("2021-07-02T12:05:00")
        );
        assert_eq!(
            after("0d", "2020-01-01T00:00:00"),
            at("2020-01-01T00:00:00")
        );
        let quarter: Period = "90d".parse().unwrap();
        assert_eq!(quarter, Period::days(90));
        assert_eq!(
            quarter.before(at("2024-05-01T00:00:00")),
            Some(at("2024-02-01T00:00:00"))
        );
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            " ",
            "90",
            "d",
            "3 y",
            "-3d",
            "3x",
            "1.5y",
            "3dd",
            "99999999999d",
            "900000000y",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_end_of_the_calendar_is_no_panic() {
        let long: Period = "300000000y".parse().unwrap();
        assert_eq!(long.after(at("2024-01-01T00:00:00")), None);
        assert_eq!(long.before(at("2024-01-01T00:00:00")), None);
    }

    proptest! {
        #[test]
        fn a_period_is_read_back_as_written(months in 0..5000u32, days: u32, minutes: u32) {
            let period = Period { months, days, minutes };
            prop_assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
        }
    }
}
