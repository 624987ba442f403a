//! Dates as most databases write them: text that a short number says as well.
//!
//! Days and seconds are counted from 1970-01-01 in the proleptic Gregorian calendar, with no regard to time
//! zones or leap seconds. Only text that comes back the same, byte for byte, is taken for one.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};

use crate::cbor::{Writer, Written};

/// Days of the calendar before 1970-01-01, from the first day of the year 1 on, which is day 1.
const EPOCH: i64 = 719_163;
const SECONDS_A_DAY: i64 = 86_400;

/// The first and the last day of four-digit years.
const DAYS: RangeInclusive<i64> = -719_528..=2_932_896;

/// A text that is a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Form);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `YYYY-MM-DD`.
    Day(i64),
    /// `YYYY-MM-DD HH:MM:SS`.
    Second(i64),
}

impl Stamp {
    /// The text `YYYY-MM-DD` of a day; none beyond the years that it can say.
    pub fn of_day(days: i64) -> Option<Self> {
        DAYS.contains(&days).then_some(Self(Form::Day(days)))
    }

    /// The text `YYYY-MM-DD HH:MM:SS` of a second; likewise.
    pub fn of_second(seconds: i64) -> Option<Self> {
        let days = seconds.div_euclid(SECONDS_A_DAY);
        DAYS.contains(&days).then_some(Self(Form::Second(seconds)))
    }

    /// What a text says, if it is one.
    pub fn of(text: &[u8]) -> Option<Self> {
        match text.len() {
            10 => Self::of_day(day(text)?),
            19 if text[10] == b' ' && text[13] == b':' && text[16] == b':' => {
                let (hour, minute, second) = (
                    number(&text[11..13], 23)?,
                    number(&text[14..16], 59)?,
                    number(&text[17..19], 59)?,
                );
                let seconds = i64::from((hour * 60 + minute) * 60 + second);
                Self::of_second(day(&text[..10])? * SECONDS_A_DAY + seconds)
            }
            _ => None,
        }
    }

    /// As it is written.
    pub(super) fn encode(self, w: &mut Writer<'_>) -> Written {
        match self.0 {
            Form::Second(seconds) => w.array(1)?.i64(seconds)?.ok(),
            Form::Day(days) => w.array(2)?.i64(days)?.null()?.ok(),
        }
    }

    /// The text.
    #[expect(
        clippy::expect_used,
        reason = "a stamp is of a day within the calendar's range"
    )]
    pub fn text(self) -> Vec<u8> {
        let (days, seconds) = match self.0 {
            Form::Day(days) => (days, None),
            Form::Second(seconds) => (
                seconds.div_euclid(SECONDS_A_DAY),
                Some(seconds.rem_euclid(SECONDS_A_DAY) as u32),
            ),
        };
        let date = NaiveDate::from_num_days_from_ce_opt((days + EPOCH) as i32);
        let date = date.expect("a stamp is of a day of the calendar");
        let year = date.year().unsigned_abs();
        let mut text = Vec::with_capacity(19);
        push(&mut text, year / 100);
        push(&mut text, year % 100);
        for (before, number) in [(b'-', date.month()), (b'-', date.day())] {
            text.push(before);
            push(&mut text, number);
        }
        if let Some(seconds) = seconds {
            let (minutes, second) = (seconds / 60, seconds % 60);
            for (before, number) in [(b' ', minutes / 60), (b':', minutes % 60), (b':', second)] {
                text.push(before);
                push(&mut text, number);
            }
        }
        text
    }
}

fn day(text: &[u8]) -> Option<i64> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = number(&text[..4], 9999)?;
    let (month, day) = (number(&text[5..7], 12)?, number(&text[8..], 31)?);
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day)?;
    Some(i64::from(date.num_days_from_ce()) - EPOCH)
}

/// A number of digits alone that is not above `most`.
fn number(digits: &[u8], most: u32) -> Option<u32> {
    let number = digits.iter().try_fold(0, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u32::from(digit))
    });
    number.filter(|number| *number <= most)
}

/// Two digits.
fn push(text: &mut Vec<u8>, number: u32) {
    text.extend([b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_numbers_that_say_the_same_text() {
        for (text, stamp) in [
            ("1970-01-01", Stamp::of_day(0)),
            ("2016-09-14 07:07:15", Stamp::of_second(1_473_836_835)),
            ("1969-12-31 23:59:59", Stamp::of_second(-1)),
            ("0000-01-01", Stamp::of_day(-719_528)),
            ("9999-12-31 23:59:59", Stamp::of_second(253_402_300_799)),
            ("2024-02-29", Stamp::of_day(19_782)),
        ] {
            assert_eq!(Stamp::of(text.as_bytes()), stamp, "{text}");
            assert_eq!(stamp.unwrap().text(), text.as_bytes());
        }
    }

    #[test]
    fn text_that_is_only_like_one_stays_text() {
        for text in [
            "2023-02-29",
            "2016-13-01",
            "2016-00-10",
            "2016-9-14 ",
            "2016-09-14T07:07:15",
            "2016-09-14 24:00:00",
            "2016-09-14 07:60:15",
            "2016-09-14 07:07:60",
            "2016-09-14 07:07",
            "+016-09-14",
            "٢٠١٦-",
            "2016/09/14",
            "",
        ] {
            assert_eq!(Stamp::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_beyond_all_dates_are_no_text() {
        for stamp in [
            Stamp::of_day(i64::MAX),
            Stamp::of_day(i64::MIN),
            Stamp::of_second(i64::MIN),
            Stamp::of_second(253_402_300_800),
            Stamp::of_day(-719_529),
        ] {
            assert_eq!(stamp, None);
        }
    }
}
