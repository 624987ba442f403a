//! Moments on the calendar of a zone.

use chrono::{DateTime, Days, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::config::Period;

/// A moment that does not come.
pub(super) const NEVER: Timestamp = Timestamp(i64::MAX);

/// What clocks in the zone show at a moment; none beyond the calendar.
pub(super) fn local(moment: Timestamp, zone: Tz) -> Option<NaiveDateTime> {
    let utc = DateTime::from_timestamp_millis(moment.0)?.naive_utc();
    utc.checked_add_offset(zone.offset_from_utc_datetime(&utc).fix())
}

/// The moment at which clocks in the zone show `local`, to the millisecond, never too early: the
/// later one if they show it twice; if they pass over it, as if they had not been set forward.
pub(super) fn moment(local: NaiveDateTime, zone: Tz) -> Timestamp {
    let ahead = match zone.offset_from_local_datetime(&local) {
        LocalResult::Single(offset) => offset.fix().local_minus_utc(),
        LocalResult::Ambiguous(a, b) => a.fix().local_minus_utc().min(b.fix().local_minus_utc()),
        LocalResult::None => {
            // Two days before in UTC is before the change in any zone, the skipped days included.
            let before = local.checked_sub_days(Days::new(2)).unwrap_or(local);
            let offset = zone.offset_from_utc_datetime(&before);
            offset.fix().local_minus_utc()
        }
    };
    Timestamp(local.and_utc().timestamp_millis() - i64::from(ahead) * 1000)
}

/// The last moment of a period that began at `start`; [`NEVER`] beyond the calendar.
pub(super) fn end(start: Timestamp, period: Period, zone: Tz) -> Timestamp {
    let end = local(start, zone).and_then(|start| period.after(start));
    end.map_or(NEVER, |end| moment(end, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn local_times_are_moments_and_never_too_early() {
        for (zone, shown, meant) in [
            (
                Tz::UTC,
                "2024-02-29T23:59:59.999",
                "2024-02-29T23:59:59.999Z",
            ),
            (
                Tz::Asia__Shanghai,
                "2024-03-01T00:00:00",
                "2024-02-29T16:00:00Z",
            ),
            (
                Tz::Asia__Kolkata,
                "2024-03-01T00:00:00",
                "2024-02-29T18:30:00Z",
            ),
            (
                Tz::Asia__Kathmandu,
                "2024-03-01T00:00:00",
                "2024-02-29T18:15:00Z",
            ),
            (
                Tz::Australia__Adelaide,
                "2024-01-01T00:00:00",
                "2023-12-31T13:30:00Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-07-01T12:00:00",
                "2024-07-01T10:00:00Z",
            ),
            // Set forward at 02:00: these times are passed over.
            (
                Tz::Europe__Berlin,
                "2024-03-31T01:59:59.999",
                "2024-03-31T00:59:59.999Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-03-31T02:00:00",
                "2024-03-31T01:00:00Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-03-31T02:30:00",
                "2024-03-31T01:30:00Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-03-31T03:00:00",
                "2024-03-31T01:00:00Z",
            ),
            // Set back at 03:00: these are shown twice.
            (
                Tz::Europe__Berlin,
                "2024-10-27T01:59:59.999",
                "2024-10-26T23:59:59.999Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-10-27T02:00:00",
                "2024-10-27T01:00:00Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-10-27T02:59:59.999",
                "2024-10-27T01:59:59.999Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-10-27T03:00:00",
                "2024-10-27T02:00:00Z",
            ),
            // By half an hour.
            (
                Tz::Australia__Lord_Howe,
                "2024-10-06T02:15:00",
                "2024-10-05T15:45:00Z",
            ),
            (
                Tz::Australia__Lord_Howe,
                "2024-04-07T01:45:00",
                "2024-04-06T15:15:00Z",
            ),
            // At midnight: a day that ends twice.
            (
                Tz::America__Havana,
                "2024-11-02T23:59:59.999",
                "2024-11-03T03:59:59.999Z",
            ),
            (
                Tz::America__Havana,
                "2024-11-03T00:30:00",
                "2024-11-03T05:30:00Z",
            ),
            (
                Tz::America__Havana,
                "2024-03-10T00:30:00",
                "2024-03-10T05:30:00Z",
            ),
            // A whole day is passed over: then the next one is meant.
            (
                Tz::Pacific__Apia,
                "2011-12-30T12:00:00",
                "2011-12-30T22:00:00Z",
            ),
        ] {
            let found = moment(shown.parse().unwrap(), zone);
            assert_eq!(found, utc(meant), "{zone} {shown}: {found}");
        }
    }

    #[test]
    fn moments_are_shown_as_clocks_show_them() {
        let shown = |text, zone: Tz| local(utc(text), zone).unwrap().to_string();
        assert_eq!(
            shown("2024-10-27T00:30:00.001Z", Tz::Europe__Berlin),
            "2024-10-27 02:30:00.001"
        );
        assert_eq!(
            shown("2024-10-27T01:30:00Z", Tz::Europe__Berlin),
            "2024-10-27 02:30:00"
        );
        for edge in [i64::MIN, i64::MAX] {
            assert_eq!(local(Timestamp(edge), Tz::Asia__Shanghai), None);
        }
        let last = NaiveDateTime::MAX.and_utc().timestamp_millis();
        assert_eq!(local(Timestamp(last), Tz::Asia__Shanghai), None);
        assert!(local(Timestamp(last), Tz::UTC).is_some());
    }

    #[test]
    fn periods_end_on_the_zones_calendar() {
        for (zone, start, period, last) in [
            (
                Tz::UTC,
                "2024-02-29T23:59:59.999Z",
                "1y",
                "2025-02-28T23:59:59.999Z",
            ),
            (
                Tz::UTC,
                "2024-02-29T23:59:59.999Z",
                "4y",
                "2028-02-29T23:59:59.999Z",
            ),
            (
                Tz::UTC,
                "2023-02-28T23:59:59.999Z",
                "1y",
                "2024-02-28T23:59:59.999Z",
            ),
            (
                Tz::UTC,
                "2024-01-31T12:00:00Z",
                "1m",
                "2024-02-29T12:00:00Z",
            ),
            (
                Tz::UTC,
                "2024-01-31T12:00:00Z",
                "30d",
                "2024-03-01T12:00:00Z",
            ),
            (
                Tz::UTC,
                "2024-01-31T12:00:00Z",
                "1m1d",
                "2024-03-01T12:00:00Z",
            ),
            // 29 February in Shanghai, the 28th in UTC.
            (
                Tz::Asia__Shanghai,
                "2024-02-28T16:30:00Z",
                "1y",
                "2025-02-27T16:30:00Z",
            ),
            (
                Tz::Asia__Shanghai,
                "2024-02-28T15:30:00Z",
                "1y",
                "2025-02-28T15:30:00Z",
            ),
            // From winter to summer and back: the same hour on the wall.
            (
                Tz::Europe__Berlin,
                "2024-01-15T11:00:00Z",
                "6m",
                "2024-07-15T10:00:00Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-07-15T10:00:00Z",
                "6m",
                "2025-01-15T11:00:00Z",
            ),
            // Onto times that are shown twice, and not at all.
            (
                Tz::Europe__Berlin,
                "2024-09-27T00:30:00Z",
                "1m",
                "2024-10-27T01:30:00Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-10-27T00:30:00Z",
                "0d",
                "2024-10-27T01:30:00Z",
            ),
            (
                Tz::Europe__Berlin,
                "2024-03-30T01:30:00Z",
                "1d",
                "2024-03-31T01:30:00Z",
            ),
        ] {
            let found = end(utc(start), period.parse().unwrap(), zone);
            assert_eq!(found, utc(last), "{zone} {start} {period}: {found}");
        }
    }

    #[test]
    fn what_lies_beyond_the_calendar_never_comes() {
        let long: Period = "300000y".parse().unwrap();
        assert_eq!(end(utc("2024-01-01T00:00:00Z"), long, Tz::UTC), NEVER);
        assert_eq!(end(NEVER, Period::days(0), Tz::UTC), NEVER);
        assert_eq!(end(Timestamp(i64::MIN), Period::days(1), Tz::UTC), NEVER);
    }
}
