//! What stands in the way of an erasure, case by case.

use chrono_tz::Tz;

use super::*;

#[test]
fn the_vanished_stay_for_a_time_and_for_every_statutory_minimum() {
    let rules = vec![
        rule(["9y", "0d", "9y"], AtEnd::Review),
        rule(["0d", "40d", "9y"], AtEnd::Erase),
    ];
    let erase = policy(rules.clone(), ("30d", AtEnd::Erase), Tz::UTC);
    let mut fact = fact(&[Start::Missing, Start::Absurd(Absurd::Old)]);
    fact.vanished = Some(utc("2024-01-01T12:00:00Z"));
    let since = "missing from the register since 2024-01-01 12:00:00; 30d from then";
    let minimum = "rule 2 (HGB §257): at least 40d from 2024-01-01 12:00:00";
    let (day_30, day_40) = ("2024-01-31 12:00:00", "2024-02-10 12:00:00");
    let due = Some("2024-02-10T12:00:00.001Z");
    for (now, verb) in [
        ("2024-01-31T12:00:00Z", "ends"),
        ("2024-01-31T12:00:00.001Z", "ended"),
        ("2024-02-10T12:00:00Z", "ended"),
    ] {
        let why = [
            format!("{since} {verb} on {day_30}"),
            format!("{minimum} ends on {day_40}"),
        ];
        expect((&fact, &erase), now, Fate::Keep, due, &[&why[0], &why[1]]);
    }
    let why = [
        format!("{since} ended on {day_30}"),
        format!("{minimum} ended on {day_40}"),
    ];
    let why = [why[0].as_str(), &why[1]];
    let after = "2024-02-10T12:00:00.001Z";
    expect((&fact, &erase), after, Fate::Erase, None, &why);
    let review = policy(rules, ("30d", AtEnd::Review), Tz::UTC);
    expect((&fact, &review), after, Fate::Review, None, &why);
}

#[test]
fn a_hold_binds_until_its_last_moment_and_says_so() {
    let policy = policy(
        vec![rule(["1d", "0d", "1d"], AtEnd::Erase)],
        ("30d", AtEnd::Review),
        Tz::UTC,
    );
    let mut fact = fact(&[at("2024-01-01T23:59:59.999Z")]);
    let hold = |until: &str| {
        Some(Hold {
            until: Some(utc(until)),
        })
    };
    let ended = "rule 1 (HGB §257): 1d from 2024-01-01 ended on 2024-01-02";
    let out = "the time of grace ended on 2024-01-03";

    fact.held = hold("2024-06-30T23:59:59.999Z");
    let stands = ["a hold stands until 2024-06-30", ended, out];
    let due = Some("2024-07-01T00:00:00Z");
    expect(
        (&fact, &policy),
        "2024-06-30T23:59:59.999Z",
        Fate::Keep,
        due,
        &stands,
    );
    let over = [ended, out, "a hold ended on 2024-06-30 and binds no longer"];
    expect(
        (&fact, &policy),
        "2024-07-01T00:00:00Z",
        Fate::Erase,
        None,
        &over,
    );

    // It ends while the period still runs, and while the time of grace does.
    let now = "2024-01-01T12:00:00Z";
    for (until, due) in [
        ("2024-01-02T12:00:00Z", "2024-01-03T00:00:00Z"),
        ("2024-01-03T12:00:00Z", "2024-01-03T12:00:00.001Z"),
    ] {
        fact.held = hold(until);
        assert_eq!(one(&fact, &policy, utc(now)).due, Some(utc(due)), "{until}");
    }

    fact.held = Some(Hold { until: None });
    let stands = ["a hold stands without end", ended, out];
    expect(
        (&fact, &policy),
        "2400-01-01T00:00:00Z",
        Fate::Keep,
        None,
        &stands,
    );
}

#[test]
fn every_flag_is_told_in_the_order_of_precedence() {
    let policy = policy(vec![], ("30d", AtEnd::Review), Tz::UTC);
    let mut fact = fact(&[]);
    fact.held = Some(Hold { until: None });
    (fact.restricted, fact.hidden, fact.reappeared, fact.doubtful) = (true, true, true, true);
    let why = [
        "a hold stands without end",
        "the customer has asked for restriction",
        "it is not certain that the register means the same customer as before",
        "was erased and is in the register again",
        "no retention rule says when the time is up",
        "hidden, which does not stop the time",
    ];
    expect(
        (&fact, &policy),
        "2024-01-01T00:00:00Z",
        Fate::Keep,
        None,
        &why,
    );
}

#[test]
fn what_ends_beyond_the_calendar_is_kept() {
    let policy = policy(
        vec![rule(["300000y", "0d", "1d"], AtEnd::Erase)],
        ("30d", AtEnd::Review),
        Tz::UTC,
    );
    let fact = fact(&[at("2024-01-01T23:59:59.999Z")]);
    let why = ["rule 1 (HGB §257): 300000y from 2024-01-01 ends on a day beyond the calendar"];
    expect(
        (&fact, &policy),
        "9999-01-01T00:00:00Z",
        Fate::Keep,
        None,
        &why,
    );
    assert_eq!(one(&fact, &policy, Timestamp(i64::MAX)).fate, Fate::Keep);
}

#[test]
fn a_request_waits_for_the_statutory_minimum_alone() {
    let rules = vec![
        rule(["9y", "0d", "9d"], AtEnd::Review),
        rule(["9y", "1y", "9d"], AtEnd::Review),
        rule(["0d", "1m", "0d"], AtEnd::Erase),
    ];
    let policy = policy(rules, ("30d", AtEnd::Review), Tz::UTC);
    let start = at("2023-02-28T23:59:59.999Z");
    let refused = |fact: &Fact, now| match may_erase(fact, &policy, utc(now)) {
        Ok(()) => vec![],
        Err(why) => told(&why),
    };
    let year = "rule 2 (HGB §257): at least 1y from 2023-02-28 ends on 2024-02-28";
    let month = "rule 3 (HGB §257): at least 1m from 2023-02-28 ends on 2023-03-28";
    // The first rule has no minimum: its start does not matter.
    let known = fact(&[Start::Absurd(Absurd::Zero), start, start]);
    assert_eq!(refused(&known, "2023-03-28T23:59:59.999Z"), [year, month]);
    assert_eq!(refused(&known, "2023-03-29T00:00:00Z"), [year]);
    assert_eq!(refused(&known, "2024-02-28T23:59:59.999Z"), [year]);
    assert!(refused(&known, "2024-02-29T00:00:00Z").is_empty());

    let late = "2400-01-01T00:00:00Z";
    let absurd = Start::Absurd(Absurd::Unreadable);
    assert_eq!(
        refused(&fact(&[start, Start::Missing, absurd]), late),
        [
            "rule 2 (HGB §257): no date to count from in last_contact_at",
            "rule 3 (HGB §257): the date in last_contact_at cannot be read as a date",
        ]
    );

    let mut vanished = fact(&[start, Start::Missing, absurd]);
    vanished.vanished = Some(utc("2024-01-31T23:59:59.999Z"));
    let year = "rule 2 (HGB §257): at least 1y from 2024-01-31 ends on 2025-01-31";
    let month = "rule 3 (HGB §257): at least 1m from 2024-01-31 ends on 2024-02-29";
    assert_eq!(
        refused(&vanished, "2024-02-29T23:59:59.999Z"),
        [year, month]
    );
    assert_eq!(refused(&vanished, "2025-01-31T23:59:59.999Z"), [year]);
    assert!(refused(&vanished, "2025-02-01T00:00:00Z").is_empty());
}

#[test]
fn fates_have_words() {
    let words = [Fate::Keep, Fate::Expired, Fate::Erase, Fate::Review].map(Fate::as_str);
    assert_eq!(words, ["keep", "expired", "erase", "review"]);
}
