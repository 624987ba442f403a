//! Every combination of what can stand in the way of an erasure.

use chrono_tz::Tz;

use super::*;

const NOW: &str = "2024-06-15T12:00:00Z";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    Runs,
    Grace,
    Over,
    Missing,
    Unclear,
    VanishedLately,
    VanishedLongAgo,
}
use Time::*;

const TIMES: [Time; 7] = [
    Runs,
    Grace,
    Over,
    Missing,
    Unclear,
    VanishedLately,
    VanishedLongAgo,
];

/// With 30 days to keep and 30 of grace, at [`NOW`].
fn at_time(time: Time) -> Fact {
    let mut found = fact(&[match time {
        Runs => at("2024-06-01T12:00:00Z"),
        Grace => at("2024-05-01T12:00:00Z"),
        Over => at("2024-01-01T12:00:00Z"),
        Missing => Start::Missing,
        Unclear => Start::Absurd(Absurd::Number),
        VanishedLately | VanishedLongAgo => Start::Missing,
    }]);
    found.vanished = match time {
        VanishedLately => Some(utc("2024-06-01T12:00:00Z")),
        VanishedLongAgo => Some(utc("2024-01-01T12:00:00Z")),
        _ => None,
    };
    found
}

fn holds() -> [(Option<Hold>, bool); 4] {
    let until = |text| {
        Some(Hold {
            until: Some(utc(text)),
        })
    };
    [
        (None, false),
        (until("2024-06-15T11:59:59.999Z"), false),
        (until(NOW), true),
        (Some(Hold { until: None }), true),
    ]
}

/// Every combination, each with whether it is bound by a hold, and its time.
fn all() -> Vec<(Fact, bool, Time)> {
    let mut all = Vec::new();
    for time in TIMES {
        for (held, binds) in holds() {
            for flags in 0..16 {
                let mut fact = at_time(time);
                fact.held = held;
                fact.restricted = flags & 1 != 0;
                fact.hidden = flags & 2 != 0;
                fact.reappeared = flags & 4 != 0;
                fact.doubtful = flags & 8 != 0;
                all.push((fact, binds, time));
            }
        }
    }
    all
}

#[test]
fn fates_follow_the_precedence() {
    for then in [AtEnd::Erase, AtEnd::Review] {
        let rules = vec![rule(["30d", "0d", "30d"], then)];
        let policy = policy(rules, ("30d", then), Tz::UTC);
        for (fact, held, time) in all() {
            let unsure = fact.reappeared || fact.doubtful;
            let expected = match (held || fact.restricted, unsure, time) {
                (true, _, _) => Fate::Keep,
                (_, true, _) | (_, _, Missing | Unclear) => Fate::Review,
                (_, _, Runs | VanishedLately) => Fate::Keep,
                (_, _, Grace) => Fate::Expired,
                (_, _, Over | VanishedLongAgo) => then.into(),
            };
            let verdict = one(&fact, &policy, utc(NOW));
            assert_eq!(verdict.fate, expected, "{then:?} {time:?} {fact:?}");
        }
    }
}

#[test]
fn requests_are_refused_by_bonds_and_minimums_alone() {
    for (at_least, minimum) in [("0d", false), ("30d", true)] {
        let rules = vec![rule(["9y", at_least, "9y"], AtEnd::Review)];
        let policy = policy(rules, ("9y", AtEnd::Review), Tz::UTC);
        for (fact, held, time) in all() {
            let waits = minimum && matches!(time, Runs | Missing | Unclear | VanishedLately);
            let expected = usize::from(held) + usize::from(fact.restricted) + usize::from(waits);
            let refused = may_erase(&fact, &policy, utc(NOW));
            let found = refused.map_or_else(|why| why.len(), |()| 0);
            assert_eq!(found, expected, "{at_least} {time:?} {fact:?}");
        }
    }
}
