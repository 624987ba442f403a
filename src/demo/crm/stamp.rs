//! Points in time as the CRM writes them: `2024-03-05 16:20:00`, in UTC.

use chrono::{Datelike as _, NaiveDate};

/// Days from the first of January of year 1, counted from 1, to the first of January 1970.
const EPOCH_DAY: i64 = 719_163;

/// Writes points in time. Keeps its last day, since most follow closely upon one another.
pub struct Stamp {
    day: i64,
    text: String,
}

impl Stamp {
    /// One that has written nothing yet.
    pub fn new() -> Self {
        Self {
            day: i64::MIN,
            text: String::new(),
        }
    }

    /// The text for a time in seconds since 1970; beyond the calendar, the last day written.
    pub fn text(&mut self, seconds: i64) -> &str {
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        if day != self.day {
            self.turn_to(day);
        }
        self.text.truncate(11);
        for (value, sign) in [
            (second / 3600, ':'),
            (second / 60 % 60, ':'),
            (second % 60, ' '),
        ] {
            two(&mut self.text, value);
            self.text.push(sign);
        }
        self.text.pop();
        &self.text
    }

    fn turn_to(&mut self, day: i64) {
        let date = i32::try_from(day + EPOCH_DAY).ok();
        let Some(date) = date.and_then(NaiveDate::from_num_days_from_ce_opt) else {
            return;
        };
        self.day = day;
        self.text = format!("{:04}-{:02}-{:02} ", date.year(), date.month(), date.day());
    }
}

/// Appends two digits of a number below 100.
fn two(text: &mut String, value: i64) {
    let digit = |n: i64| char::from(b'0' + (n % 10) as u8);
    text.push(digit(value / 10));
    text.push(digit(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_times_as_chrono_does() {
        let mut stamp = Stamp::new();
        for seconds in [
            0,
            59,
            86_399,
            86_400,
            951_782_400,
            1_709_164_799,
            1_767_225_599,
            3_661,
        ] {
            let expected = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            assert_eq!(
                stamp.text(seconds),
                expected.format("%Y-%m-%d %H:%M:%S").to_string()
            );
        }
    }
}
