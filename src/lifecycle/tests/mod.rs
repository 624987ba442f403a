//! What the tests of verdicts have in common.

use chrono_tz::Tz;

use super::*;
use crate::clock::Timestamp;
use crate::config::{AtEnd, Fuse, Period, Retention, RetentionRule, Vanished};
use crate::ids::{Class, Domain, Incarnation};

mod combinations;
mod expiry;
mod precedence;
mod properties;
mod starts;

fn utc(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

/// A rule of these periods: `keep`, `at_least`, `grace`.
fn rule(periods: [&str; 3], then: AtEnd) -> RetentionRule {
    RetentionRule {
        class: "customer".into(),
        basis: "HGB §257".into(),
        start: vec!["last_contact_at".into()],
        keep: period(periods[0]),
        at_least: period(periods[1]),
        grace: period(periods[2]),
        then,
    }
}

fn policy(rules: Vec<RetentionRule>, vanished: (&str, AtEnd), zone: Tz) -> Policy {
    let retention = Retention {
        fuse: Fuse::default(),
        deadline: Period::days(30),
        vanished: Vanished {
            after: period(vanished.0),
            then: vanished.1,
        },
        rules,
    };
    Policy::new(Some(&retention), zone)
}

fn fact(starts: &[Start]) -> Fact {
    Fact {
        domain: Domain {
            inc: Incarnation([7; 8]),
            class: Class::CUSTOMER,
            arrival: 5,
        },
        starts: starts.to_vec(),
        held: None,
        restricted: false,
        hidden: false,
        vanished: None,
        reappeared: false,
        doubtful: false,
    }
}

fn one(fact: &Fact, policy: &Policy, now: Timestamp) -> Verdict {
    let mut verdicts = decide(std::slice::from_ref(fact), policy, now);
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0)
}

fn told(why: &[Reason]) -> Vec<String> {
    why.iter().map(ToString::to_string).collect()
}

/// The verdict at a time, and its reasons in words.
#[track_caller]
fn expect(
    (fact, policy): (&Fact, &Policy),
    now: &str,
    fate: Fate,
    due: Option<&str>,
    why: &[&str],
) {
    let verdict = one(fact, policy, utc(now));
    assert_eq!(verdict.domain, fact.domain);
    assert_eq!((verdict.fate, verdict.due), (fate, due.map(utc)), "{now}");
    assert_eq!(told(&verdict.why), why, "{now}");
}

fn at(text: &str) -> Start {
    Start::At(utc(text))
}
