//! What the daemon does by itself, and when: against a slow evaluator of schedules, and through a
//! year with outages, clock changes and failures.

use chrono::{TimeZone, Utc};
use chrono_tz::Tz;
use tenure::clock::Timestamp;
use tenure::config::Cron;
use tenure::schedule::next_after;

use brute::{Clocks, Fields};

mod brute;
mod world;
mod year;

/// Zones, each with a year in which something happens to its clocks.
const CHANGES: [(Tz, i32); 11] = [
    (Tz::Europe__Berlin, 2025),
    (Tz::America__New_York, 2026),
    // By half an hour.
    (Tz::Australia__Lord_Howe, 2026),
    // Winter time is the one that is special, and the year it is for depends on Ramadan.
    (Tz::Africa__Casablanca, 2023),
    // Summer time until 1991.
    (Tz::Asia__Shanghai, 1990),
    // At midnight.
    (Tz::America__Sao_Paulo, 2017),
    (Tz::America__Havana, 2024),
    // From 23:00 to 0:00: the gap ends in the next day.
    (Tz::America__Nuuk, 2024),
    // Left out 30 December.
    (Tz::Pacific__Apia, 2011),
    // Set the time of the zone itself back by half an hour, at midnight.
    (Tz::Asia__Pyongyang, 2015),
    (Tz::UTC, 2026),
];

const SCHEDULES: [&str; 19] = [
    "0 0 2 * * Mon-Sat",
    "0 0 2 * * Sun",
    "0 30 2 * * *",
    "0 0 0 * * *",
    "0 30 23 * * 0,6",
    "0 0,30 1,2 * * *",
    "30 15 2,14 * * *",
    "15,45 59 23 * * *",
    "0 0 3 29 2 *",
    "0 0 2 1,15 * Fri",
    "0 0 12 30 12 *",
    "0 */15 * * * *",
    "0 */20 1-3 * * *",
    "0 0 * * * *",
    "30 0 0-6/2 * 3,10 7",
    "*/20 10 2 * * *",
    "0 45 * */2 4-10 Tue-Fri",
    "0 0 2-4 31 * *",
    "0 5 */3 * * 1-7",
];

fn is_long() -> bool {
    std::env::var_os("TENURE_LONG").is_some()
}

/// When a year begins in UTC, in seconds since 1970.
fn seconds(year: i32) -> i64 {
    Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0)
        .unwrap()
        .timestamp()
}

/// One after the other through a year (four with TENURE_LONG=1), and from anywhere around each change of the clocks.
#[test]
fn due_times_are_those_that_a_look_at_every_minute_finds() {
    for (zone, year) in CHANGES {
        let years = if is_long() { 4 } else { 1 };
        let (from, until) = (seconds(year), seconds(year + years));
        let clocks = Clocks::new(zone, from, until);
        let changes = clocks.changes();
        for text in SCHEDULES {
            let cron: Cron = text.parse().unwrap();
            let next = |after| next_after(&cron, zone, after).unwrap();
            let expected = Fields::parse(text).due(&clocks);
            // Of those that come all day, each so manieth.
            for pair in expected.windows(2).step_by(1 + expected.len() / 2000) {
                let (after, expected) = (Timestamp(pair[0] * 1000), Timestamp(pair[1] * 1000));
                assert_eq!(next(after), expected, "{zone} {text} after {after}");
            }
            let ends = [from - 1, *expected.last().unwrap_or(&from)];
            let [first, beyond] = ends.map(|end| next(Timestamp(end * 1000)).0 / 1000);
            assert!(expected.first().is_none_or(|expected| first == *expected));
            assert!(beyond >= until, "{zone} {text}: {beyond}");
            for change in &changes {
                for step in -30..30 {
                    let after = Timestamp((change + step * 1213) * 1000 + step.rem_euclid(3) * 499);
                    let past = expected.partition_point(|due| due * 1000 <= after.0);
                    if let Some(expected) = expected.get(past).map(|due| Timestamp(due * 1000)) {
                        assert_eq!(next(after), expected, "{zone} {text} after {after}");
                    }
                }
            }
        }
    }
}
