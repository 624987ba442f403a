//! Verdicts as time goes by.

use chrono_tz::Tz;

use super::*;

#[test]
fn a_customer_expires_waits_and_is_erased_to_the_millisecond() {
    let policy = policy(
        vec![rule(["3y", "0d", "30d"], AtEnd::Erase)],
        ("30d", AtEnd::Review),
        Tz::Europe__Berlin,
    );
    let fact = fact(&[at("2021-03-01T22:59:59.999Z")]);
    let case = (&fact, &policy);
    let ends = "rule 1 (HGB §257): 3y from 2021-03-01 ends on 2024-03-01";
    let ended = "rule 1 (HGB §257): 3y from 2021-03-01 ended on 2024-03-01";
    let first = Some("2024-03-01T23:00:00Z");
    expect(case, "2021-03-01T12:00:00Z", Fate::Keep, first, &[ends]);
    expect(case, "2024-03-01T22:59:59.999Z", Fate::Keep, first, &[ends]);
    // Summer time has begun when the time of grace ends.
    let then = Some("2024-03-31T22:00:00Z");
    let grace = [ended, "the time of grace ends on 2024-03-31"];
    expect(case, "2024-03-01T23:00:00Z", Fate::Expired, then, &grace);
    expect(
        case,
        "2024-03-31T21:59:59.999Z",
        Fate::Expired,
        then,
        &grace,
    );
    let over = [ended, "the time of grace ended on 2024-03-31"];
    expect(case, "2024-03-31T22:00:00Z", Fate::Erase, None, &over);
}

#[test]
fn the_longest_of_all_rules_counts_whatever_its_place() {
    let short = rule(["1y", "0d", "2y"], AtEnd::Erase);
    let long = rule(["1y", "2y", "0d"], AtEnd::Erase);
    let starts = [at("2020-02-29T12:00:00Z"), at("2020-01-01T12:00:00Z")];
    let vanished = ("30d", AtEnd::Erase);
    let there = policy(vec![short.clone(), long.clone()], vanished, Tz::UTC);
    let fact_there = fact(&starts);
    let case = (&fact_there, &there);
    let first = "rule 1 (HGB §257): 1y from 2020-02-29 12:00:00 ended on 2021-02-28 12:00:00";
    let minimum = "rule 2 (HGB §257): at least 2y from 2020-01-01 12:00:00";
    let running = format!("{minimum} ends on 2022-01-01 12:00:00");
    let second = format!("{minimum} ended on 2022-01-01 12:00:00");
    let (over, out) = (
        Some("2022-01-01T12:00:00.001Z"),
        Some("2023-02-28T12:00:00.001Z"),
    );
    expect(
        case,
        "2021-12-01T00:00:00Z",
        Fate::Keep,
        over,
        &[first, &running],
    );
    let grace = "the time of grace ends on 2023-02-28 12:00:00";
    expect(
        case,
        "2022-02-01T00:00:00Z",
        Fate::Expired,
        out,
        &[first, &second, grace],
    );

    let back = policy(vec![long, short], vanished, Tz::UTC);
    let fact_back = fact(&[starts[1], starts[0]]);
    for now in [
        "2021-12-01T00:00:00Z",
        "2022-02-01T00:00:00Z",
        "2023-03-01T00:00:00Z",
    ] {
        let (a, b) = (
            one(&fact_there, &there, utc(now)),
            one(&fact_back, &back, utc(now)),
        );
        assert_eq!((a.fate, a.due), (b.fate, b.due), "{now}");
    }
}

#[test]
fn one_rule_that_asks_for_a_person_makes_a_review_of_the_end() {
    let rules = vec![
        rule(["1y", "0d", "1d"], AtEnd::Erase),
        rule(["1d", "0d", "0d"], AtEnd::Review),
    ];
    let policy = policy(rules, ("30d", AtEnd::Erase), Tz::UTC);
    let start = at("2023-01-01T23:59:59.999Z");
    let fact = fact(&[start, start]);
    let second = "rule 2 (HGB §257): 1d from 2023-01-01 ended on 2023-01-02";
    let running = [
        "rule 1 (HGB §257): 1y from 2023-01-01 ends on 2024-01-01",
        second,
    ];
    let over = Some("2024-01-02T00:00:00Z");
    expect(
        (&fact, &policy),
        "2023-06-01T00:00:00Z",
        Fate::Keep,
        over,
        &running,
    );
    let ended = "rule 1 (HGB §257): 1y from 2023-01-01 ended on 2024-01-01";
    let grace = [ended, second, "the time of grace ends on 2024-01-02"];
    let out = Some("2024-01-03T00:00:00Z");
    for now in ["2024-01-02T00:00:00Z", "2024-01-02T23:59:59.999Z"] {
        expect((&fact, &policy), now, Fate::Expired, out, &grace);
    }
    let why = [
        ended,
        second,
        "the time of grace ended on 2024-01-02",
        "rule 2 (HGB §257) leaves the end to a person",
    ];
    expect(
        (&fact, &policy),
        "2024-01-03T00:00:00Z",
        Fate::Review,
        None,
        &why,
    );
}

#[test]
fn without_grace_nothing_lies_between_kept_and_erased() {
    // A minimum that is no longer than the period is not worth telling.
    let policy = policy(
        vec![rule(["1d", "1d", "0d"], AtEnd::Erase)],
        ("30d", AtEnd::Review),
        Tz::UTC,
    );
    let fact = fact(&[at("2023-01-01T12:00:00Z")]);
    let why = ["rule 1 (HGB §257): 1d from 2023-01-01 12:00:00 ended on 2023-01-02 12:00:00"];
    expect(
        (&fact, &policy),
        "2023-01-02T12:00:00.001Z",
        Fate::Erase,
        None,
        &why,
    );
}

#[test]
fn a_start_that_is_not_known_is_for_a_person_though_other_rules_have_ended() {
    let mut second = rule(["1d", "0d", "0d"], AtEnd::Erase);
    second.start = vec!["a".into(), "b".into()];
    let rules = vec![rule(["1d", "0d", "9d"], AtEnd::Review), second];
    let policy = policy(rules, ("30d", AtEnd::Erase), Tz::UTC);
    let known = at("2023-01-01T23:59:59.999Z");
    let ended = "rule 1 (HGB §257): 1d from 2023-01-01 ended on 2023-01-02";
    for (starts, reason) in [
        (
            vec![known, Start::Missing],
            "rule 2 (HGB §257): no date to count from in a or b",
        ),
        (
            vec![known],
            "rule 2 (HGB §257): no date to count from in a or b",
        ),
        (
            vec![known, Start::Absurd(Absurd::Future)],
            "rule 2 (HGB §257): the date in a or b lies in the future",
        ),
    ] {
        let now = "2024-01-01T00:00:00Z";
        expect(
            (&fact(&starts), &policy),
            now,
            Fate::Review,
            None,
            &[ended, reason],
        );
    }
}

#[test]
fn without_rules_nobodys_time_is_up() {
    let none = Policy::new(None, Tz::UTC);
    let empty = policy(vec![], ("30d", AtEnd::Erase), Tz::UTC);
    let why = ["no retention rule says when the time is up"];
    for policy in [&none, &empty] {
        expect(
            (&fact(&[]), policy),
            "2400-01-01T00:00:00Z",
            Fate::Keep,
            None,
            &why,
        );
    }
    let mut gone = fact(&[]);
    gone.vanished = Some(utc("2024-01-01T12:00:00Z"));
    let why = ["missing from the register since 2024-01-01 12:00:00"];
    expect(
        (&gone, &none),
        "2400-01-01T00:00:00Z",
        Fate::Keep,
        None,
        &why,
    );
    assert_eq!(may_erase(&gone, &none, utc("2024-01-01T12:00:00Z")), Ok(()));
}
