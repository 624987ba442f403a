//! Times as people type and read them: in the configured zone.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};

/// Reads RFC 3339, or `YYYY-MM-DD[ HH:MM[:SS]]` in a zone, a date being its first moment. Of two
/// moments with one name, when clocks are set back, the later is meant: it has seen more.
pub fn read(text: &str, zone: Tz) -> Outcome<Timestamp> {
    if let Some(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    let usage = |what: String| Failure::of(FailureKind::Usage, what);
    let local = naive(text).ok_or_else(|| {
        usage(format!("{text:?} is not a time"))
            .hint("write YYYY-MM-DD[ HH:MM[:SS]], or RFC 3339 such as 2026-03-01T18:00:00+01:00")
    })?;
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(_, time) => {
            Ok(Timestamp(time.timestamp_millis()))
        }
        LocalResult::None => Err(usage(format!(
            "{text:?} is a time that clocks in {zone} passed over"
        ))
        .hint("clocks are set forward there; write a time before or after, or one with an offset")),
    }
}

/// Reads a time until which something lasts: a date counts to its end.
pub fn read_end(text: &str, zone: Tz) -> Outcome<Timestamp> {
    let Ok(date) = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d") else {
        return read(text, zone);
    };
    let next = date
        .succ_opt()
        .map_or_else(String::new, |next| next.to_string());
    Ok(Timestamp(read(&next, zone)?.0 - 1))
}

/// The same to its end: a time to the second means all of that second, as lists show no more.
pub fn read_through(text: &str, zone: Tz) -> Outcome<Timestamp> {
    let Timestamp(time) = read(text, zone)?;
    let to_the_second = time % 1000 == 0 && !text.contains('.');
    Ok(Timestamp(if to_the_second { time + 999 } else { time }))
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim().replacen('T', " ", 1);
    let date = || {
        NaiveDate::parse_from_str(&text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    let minute = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M").ok();
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S")
        .ok()
        .or_else(minute)
        .or_else(date)
}

/// Writes a time to the second, with the zone's name.
pub fn local(time: Timestamp, zone: Tz) -> String {
    match DateTime::<Utc>::from_timestamp_millis(time.0) {
        Some(utc) => utc
            .with_timezone(&zone)
            .format("%Y-%m-%d %H:%M:%S %Z")
            .to_string(),
        None => time.to_string(),
    }
}

/// Writes a length of time.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!(
            "{:.0} h {:.0} min",
            (s / 3600.0).floor(),
            (s % 3600.0 / 60.0).floor()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_time_to_the_second_means_all_of_it() {
        let through = |text| read_through(text, Tz::UTC).unwrap().0 % 1000;
        let of = ["2026-03-01 12:00:07", "2026-03-01T12:00:07Z", "2026-03-01"];
        assert_eq!(of.map(through), [999; 3]);
        assert_eq!(through("2026-03-01T12:00:07.250Z"), 250);
        assert_eq!(through("2026-03-01T12:00:07.000Z"), 0);
    }

    #[test]
    fn times_are_meant_in_the_zone_unless_they_say_otherwise() {
        for (typed, meant) in [
            ("2026-03-01", "2026-02-28T23:00:00Z"),
            ("2026-03-01 18:30", "2026-03-01T17:30:00Z"),
            ("2026-03-01T18:30:05", "2026-03-01T17:30:05Z"),
            ("2026-03-01T18:30:05Z", "2026-03-01T18:30:05Z"),
            ("2026-07-01 18:30", "2026-07-01T16:30:00Z"),
            // Twice that night; the second time.
            ("2026-10-25 02:30", "2026-10-25T01:30:00Z"),
        ] {
            assert_eq!(
                read(typed, Tz::Europe__Berlin).unwrap(),
                utc(meant),
                "{typed}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_wrong_usage() {
        for typed in [
            "",
            "yesterday",
            "2026-02-30",
            "2026-03-01 25:00",
            "2026-03-29 02:30",
            "18:00",
        ] {
            let failure = read(typed, Tz::Europe__Berlin).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Usage, "{typed}");
            assert!(failure.next_step().is_some());
        }
    }

    #[test]
    fn times_are_shown_in_the_zone() {
        let time = utc("2026-03-01T17:30:05.999Z");
        assert_eq!(local(time, Tz::Europe__Berlin), "2026-03-01 18:30:05 CET");
        assert_eq!(local(time, Tz::UTC), "2026-03-01 17:30:05 UTC");
        let lengths = [0.04, 59.0, 61.0, 7325.0].map(seconds);
        assert_eq!(lengths, ["0.0 s", "59.0 s", "1 min 1 s", "2 h 2 min"]);
    }
}
