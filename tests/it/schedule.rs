//! What the daemon does by itself, and when: against a slow evaluator of schedules, and through a
//! year with outages, clock changes and failures.

use chrono::{TimeZone, Utc};
use chrono_tz::Tz;
use tenure::clock::Timestamp;
use tenure::config::Cron;
use tenure::schedule::next_after;

use brute::Fields;

mod brute;
mod world;
mod year;

/// Zones, each with two years in which something happens to its clocks.
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

fn seconds(year: i32) -> i64 {
    Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0)
        .unwrap()
        .timestamp()
}

#[test]
fn due_times_are_those_that_a_look_at_every_minute_finds() {
    for (zone, year) in CHANGES {
        let (from, until) = (seconds(year), seconds(year + 2));
        for text in SCHEDULES {
            let cron: Cron = text.parse().unwrap();
            let expected = Fields::parse(text).due(zone, from, until);
            let mut after = Timestamp(from * 1000 - 1);
            for expected in &expected {
                let next = next_after(&cron, zone, after).unwrap();
                assert_eq!(
                    next,
                    Timestamp(expected * 1000),
                    "{zone} {text} after {after}"
                );
                after = next;
            }
            let beyond = next_after(&cron, zone, after).unwrap();
            assert!(beyond.0 >= until * 1000, "{zone} {text}: {beyond}");
        }
    }
}

/// From wherever one looks, to the millisecond, within the days around each change of the clocks.
#[test]
fn the_next_time_is_found_from_everywhere_around_a_change() {
    for (zone, year) in CHANGES {
        let (from, until) = (seconds(year), seconds(year + 2));
        for text in SCHEDULES {
            let cron: Cron = text.parse().unwrap();
            let expected = Fields::parse(text).due(zone, from, until + 400 * 86_400);
            for change in brute::changes(zone, from, until) {
                for step in -150..150_i64 {
                    let after = Timestamp((change + step * 613) * 1000 + step.rem_euclid(3) * 499);
                    let next = expected.iter().find(|due| **due * 1000 > after.0);
                    let Some(next) = next.map(|next| Timestamp(next * 1000)) else {
                        continue;
                    };
                    let found = next_after(&cron, zone, after).unwrap();
                    assert_eq!(found, next, "{zone} {text} after {after}");
                }
            }
        }
    }
}
