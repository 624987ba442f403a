//! The form of a schedule: six fields, seconds first.
//!
//! A slip is found here, at the start, and not at the hour at which nothing happens. When a
//! schedule is next due in a time zone, `schedule` knows.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime};

/// A schedule of six fields: second, minute, hour, day of month, month, day of week.
///
/// Where both a day of the month and a day of the week are named, either is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
}

impl Cron {
    /// The schedule as written, in the configuration's time zone.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it means, for croner.
    pub fn pattern(&self) -> &croner::Cron {
        &self.pattern
    }

    /// Whether it names times of the day, and not how often it runs: a value or a list of values
    /// for each of second, minute and hour.
    pub fn names_times(&self) -> bool {
        let mut times = self.text.split(' ').take(3);
        let single = self.pattern.determine_job_type() == croner::JobType::FixedTime;
        single || times.all(|field| !field.contains(['*', '-', '/']))
    }

    /// The next time that it names after `after`, on a clock that is never changed.
    pub fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        self.pattern.find_next_occurrence(&after, false).ok()
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
    /// No day is ever the one that it names, such as 30 February.
    #[error("this schedule never comes")]
    Never,
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
            let Some((range, step)) = part.split_once('/') else {
                return self.accepts_range(part);
            };
            let steps = number(step).is_some_and(|step| (1..=self.high).contains(&step));
            // Of a single value there is nothing to step through.
            steps && (range == "*" || range.contains('-')) && self.accepts_range(range)
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
            None => number(text),
        }
        .filter(|value| (self.low..=self.high).contains(value))
    }
}

/// A number without a sign.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl FromStr for Cron {
    type Err = BadCron;

    fn from_str(text: &str) -> Result<Self, BadCron> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            return Err(BadCron::Fields(parts.len()));
        }
        let mut fields = FIELDS.iter().zip(&parts);
        if let Some((field, part)) = fields.find(|(field, part)| !field.accepts(part)) {
            return Err(BadCron::Field {
                field: field.name,
                text: (*part).to_owned(),
            });
        }
        let text = parts.join(" ");
        let pattern = text.parse().map_err(|_| BadCron::Never)?;
        let cron = Self { text, pattern };
        let start = DateTime::UNIX_EPOCH.naive_utc();
        cron.next_local(start).ok_or(BadCron::Never)?;
        Ok(cron)
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
            ("0 0/15 2 * * *", "minute"),
            ("0 +1 2 * * *", "minute"),
            ("0 0 2 * * +1", "day of the week"),
            ("0 0 2 * * 1L", "day of the week"),
        ] {
            let error = text.parse::<Cron>().unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }

    #[test]
    fn what_never_comes_is_refused() {
        for text in ["0 0 2 30 2 *", "0 0 2 31 2,4,6,9,11 *"] {
            assert_eq!(text.parse::<Cron>(), Err(BadCron::Never), "{text}");
        }
        for text in ["0 0 2 29 2 *", "0 0 2 30 2 Mon", "0 0 2 30,31 2,3 *"] {
            assert!(text.parse::<Cron>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_schedule_names_times_or_says_how_often() {
        for (text, times) in [
            ("0 0 2 * * *", true),
            ("0,30 15,45 2,14 */2 * Mon-Fri", true),
            ("0 */15 2 * * *", false),
            ("0 0 0-6 * * *", false),
            ("* 0 2 * * *", false),
        ] {
            assert_eq!(text.parse::<Cron>().unwrap().names_times(), times, "{text}");
        }
    }

    proptest::proptest! {
        /// What the form allows croner understands: every refusal but `Never` is one of the form.
        #[test]
        fn croner_understands_what_the_form_allows(
            parts in proptest::collection::vec("[*0-9]{1,2}(-[0-9]{1,2})?(/[0-9]{1,2})?(,[0-9]{1,2})?", 6),
        ) {
            let text = parts.join(" ");
            if let Err(BadCron::Never) = text.parse::<Cron>() {
                let never: croner::Cron = text.parse().unwrap();
                assert!(never.pattern.days.count_set_values(1) > 0);
            }
        }
    }
}
