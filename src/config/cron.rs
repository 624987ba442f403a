//! The form of a schedule: six fields, seconds first.
//!
//! Only the form is checked here, so that a slip is found at the start and not at the hour at
//! which nothing happens. When a schedule is next due, the scheduler knows.

use std::fmt;
use std::str::FromStr;

/// A schedule of six fields: second, minute, hour, day of month, month, day of week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron(String);

impl Cron {
    /// The schedule as written, in the configuration's time zone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCron {
    /// It has too many or too few fields.
    #[error("a schedule has six fields, and this one has {0}")]
    Fields(usize),
    /// One field cannot be understood.
    #[error("{text:?} is no {field}")]
    Field {
        /// Which of the six.
        field: &'static str,
        /// What stands there.
        text: String,
    },
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    words: &'static [&'static str],
}

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 6] = [
    field("second (0-59)", 0, 59, &[]),
    field("minute (0-59)", 0, 59, &[]),
    field("hour (0-23)", 0, 23, &[]),
    field("day of the month (1-31)", 1, 31, &[]),
    field("month (1-12 or Jan-Dec)", 1, 12, MONTHS),
    field("day of the week (0-7 or Sun-Sat)", 0, 7, DAYS),
];

const fn field(name: &'static str, low: u32, high: u32, words: &'static [&'static str]) -> Field {
    Field {
        name,
        low,
        high,
        words,
    }
}

impl Field {
    /// Whether `text` is a list of `*`, values, ranges and steps of this field.
    fn accepts(&self, text: &str) -> bool {
        text.split(',').all(|part| {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let steps = step
                .parse()
                .is_ok_and(|step: u32| (1..=self.high).contains(&step));
            steps && self.accepts_range(range)
        })
    }

    fn accepts_range(&self, range: &str) -> bool {
        match range.split_once('-') {
            _ if range == "*" => true,
            None => self.value(range).is_some(),
            Some((from, to)) => match (self.value(from), self.value(to)) {
                (Some(from), Some(to)) => from <= to,
                _ => false,
            },
        }
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = |word: &&str| word.eq_ignore_ascii_case(text);
        match self.words.iter().position(named) {
            Some(index) => Some(self.low + u32::try_from(index).ok()?),
            None => text.parse().ok(),
        }
        .filter(|value| (self.low..=self.high).contains(value))
    }
}

impl FromStr for Cron {
    type Err = BadCron;

    fn from_str(text: &str) -> Result<Self, BadCron> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            return Err(BadCron::Fields(parts.len()));
        }
        match FIELDS
            .iter()
            .zip(&parts)
            .find(|(field, part)| !field.accepts(part))
        {
            None => Ok(Self(parts.join(" "))),
            Some((field, part)) => Err(BadCron::Field {
                field: field.name,
                text: (*part).to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_fields_are_a_schedule() {
        for text in [
            "0 0 2 * * Mon-Sat",
            "0 0 2 * * Sun",
            "0 */15 0-6,22,23 1 jan-MAR 7",
            "59 59 23 31 12 0",
            "0  0 2 1-31/2 * *",
        ] {
            assert!(text.parse::<Cron>().is_ok(), "{text}");
        }
        assert_eq!(
            "0  0 2 * * *".parse::<Cron>().unwrap().as_str(),
            "0 0 2 * * *"
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_its_field() {
        assert_eq!("0 2 * * *".parse::<Cron>(), Err(BadCron::Fields(5)));
        for (text, field) in [
            ("60 0 2 * * *", "second"),
            ("0 x 2 * * *", "minute"),
            ("0 0 24 * * *", "hour"),
            ("0 0 2 0 * *", "day of the month"),
            ("0 0 2 * 13 *", "month"),
            ("0 0 2 * * Fri-Mon", "day of the week"),
            ("0 0 2 * * Mo", "day of the week"),
            ("0 */0 2 * * *", "minute"),
            ("0 1,,2 2 * * *", "minute"),
        ] {
            let error = text.parse::<Cron>().unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
