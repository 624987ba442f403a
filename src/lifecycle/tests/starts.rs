//! Dates as registers hold them.

use chrono_tz::Tz;

use super::utc;
use crate::lifecycle::{Absurd, Start};
use crate::value::Value;

const NOW: &str = "2026-11-25T12:00:00Z";

fn read(values: &[Value], zone: Tz) -> Start {
    Start::read(values.iter().map(Value::as_ref), zone, utc(NOW))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[track_caller]
fn reads(value: Value, zone: Tz, meant: &str) {
    assert_eq!(read(&[value], zone), Start::At(utc(meant)));
}

#[track_caller]
fn absurd(value: Value, why: Absurd) {
    assert_eq!(read(&[value], Tz::UTC), Start::Absurd(why));
}

#[test]
fn a_date_is_its_last_moment_in_the_zone() {
    reads(text("2021-03-01"), Tz::UTC, "2021-03-01T23:59:59.999Z");
    reads(
        text(" 2021-03-01\n"),
        Tz::Asia__Shanghai,
        "2021-03-01T15:59:59.999Z",
    );
    reads(
        text("2021-03-01"),
        Tz::America__New_York,
        "2021-03-02T04:59:59.999Z",
    );
    reads(
        text("2024-02-29"),
        Tz::Asia__Kolkata,
        "2024-02-29T18:29:59.999Z",
    );
}

#[test]
fn a_time_with_a_zone_is_that_moment() {
    for form in [
        "2021-03-01T12:00:00Z",
        "2021-03-01t12:00:00z",
        "2021-03-01 12:00:00 Z",
        "2021-03-01T17:30:00+05:30",
        "2021-03-01 17:30:00.000+0530",
        "2021-03-01 13:00:00 +01",
        "2021-03-01 04:00-08:00",
        "2021-03-01T12:00Z",
    ] {
        reads(text(form), Tz::Asia__Shanghai, "2021-03-01T12:00:00Z");
    }
    reads(
        text("2021-03-01T12:00:00.0015Z"),
        Tz::UTC,
        "2021-03-01T12:00:00.002Z",
    );
}

#[test]
fn a_time_without_a_zone_is_the_zones_or_utc_whichever_is_later() {
    for form in [
        "2021-03-01 12:00",
        "2021-03-01T12:00:00",
        "2021-03-01 12:00:00.000",
    ] {
        reads(text(form), Tz::UTC, "2021-03-01T12:00:00Z");
        reads(text(form), Tz::Asia__Shanghai, "2021-03-01T12:00:00Z");
        reads(text(form), Tz::America__New_York, "2021-03-01T17:00:00Z");
    }
    let fine = text("2021-03-01 12:00:00.123000001");
    reads(fine.clone(), Tz::UTC, "2021-03-01T12:00:00.124Z");
    reads(fine, Tz::America__New_York, "2021-03-01T17:00:00.124Z");
    reads(
        text("2021-03-01 12:00:00.123"),
        Tz::UTC,
        "2021-03-01T12:00:00.123Z",
    );
}

#[test]
fn numbers_of_one_meaning_are_read() {
    reads(Value::Int(1_614_600_000), Tz::UTC, "2021-03-01T12:00:00Z");
    reads(
        Value::Int(1_614_600_000_001),
        Tz::UTC,
        "2021-03-01T12:00:00.001Z",
    );
    reads(text("1614600000"), Tz::UTC, "2021-03-01T12:00:00Z");
    reads(Value::Int(1_000_000_000), Tz::UTC, "2001-09-09T01:46:40Z");
    reads(
        Value::Int(1_000_000_000_000),
        Tz::UTC,
        "2001-09-09T01:46:40Z",
    );
    reads(
        Value::Real(1_614_600_000.25),
        Tz::UTC,
        "2021-03-01T12:00:00.250Z",
    );
    reads(
        Value::Real(1_614_600_000_000.5),
        Tz::UTC,
        "2021-03-01T12:00:00.001Z",
    );
    reads(Value::Real(1e9), Tz::UTC, "2001-09-09T01:46:40Z");
    reads(Value::Real(1e12), Tz::UTC, "2001-09-09T01:46:40Z");
    reads(Value::Real(2_459_275.0), Tz::UTC, "2021-03-01T12:00:00Z");
    reads(Value::Real(2_459_275.75), Tz::UTC, "2021-03-02T06:00:00Z");
}

#[test]
fn numbers_of_several_meanings_are_absurd() {
    for number in [
        -1_614_600_000,
        0,
        2021,
        44_256,
        2_459_275,
        20_210_301,
        636_000_000,
        999_999_999,
        10_000_000_000,
        202_103_011_200,
        999_999_999_999,
        10_000_000_000_000,
        20_210_301_120_000,
        1_614_600_000_000_000,
        i64::MIN,
        i64::MAX,
    ] {
        absurd(Value::Int(number), Absurd::Number);
        absurd(text(&number.to_string()), Absurd::Number);
        absurd(
            Value::Real(number as f64 + 0.5),
            match number {
                2_459_275 => continue,
                _ => Absurd::Number,
            },
        );
    }
    for number in [
        f64::NAN,
        f64::INFINITY,
        -0.0,
        2_399_999.9,
        2.6e6,
        1e10,
        1e13,
    ] {
        absurd(Value::Real(number), Absurd::Number);
    }
    absurd(Value::Real(2.4e6), Absurd::Old);
    absurd(Value::Int(9_999_999_999), Absurd::Future);
    absurd(Value::Int(9_999_999_999_999), Absurd::Future);
}

#[test]
fn what_is_no_date_is_absurd() {
    for form in [
        "yesterday",
        "2021-02-29",
        "2021-13-01",
        "0000-00-00",
        "01.03.2021",
        "03/01/2021",
        "01-03-2021",
        "2021-03",
        "2021-03-01 24:00",
        "2021-03-01 12",
        "2021-03-01 12:00:00 CET",
        "2021-03-01T12:00:00+25:00",
        "2021-03-01 x",
        "12:00",
    ] {
        absurd(text(form), Absurd::Unreadable);
    }
    absurd(Value::Text(vec![0xff]), Absurd::Unreadable);
    absurd(Value::Blob(b"2021-03-01".to_vec()), Absurd::Unreadable);
}

#[test]
fn what_stands_for_nothing_and_what_cannot_be_is_absurd() {
    for (form, why) in [
        ("0001-01-01", Absurd::Old),
        ("21-03-01", Absurd::Old),
        ("1899-12-30", Absurd::Old),
        ("1900-01-01", Absurd::Old),
        ("1900-01-02T23:59:59.999Z", Absurd::Old),
        ("1970-01-01", Absurd::Zero),
        ("1970-01-01 00:00:00", Absurd::Zero),
        ("1969-12-30T00:00:00.001Z", Absurd::Zero),
        ("1970-01-02T23:59:59.999Z", Absurd::Zero),
        ("2026-11-27T12:00:00.001Z", Absurd::Future),
        ("2026-11-27", Absurd::Future),
        ("2062-03-01", Absurd::Future),
        ("9999-12-31", Absurd::Future),
    ] {
        absurd(text(form), why);
    }
    for edge in [
        "1900-01-03T00:00:00Z",
        "1969-12-30T00:00:00Z",
        "1970-01-03T00:00:00Z",
        "2026-11-27T12:00:00Z",
    ] {
        reads(text(edge), Tz::UTC, edge);
    }
    // Today, in UTC and in the zone that is furthest behind.
    let late = utc("2026-11-26T00:30:00Z");
    let today = Value::Text(b"2026-11-26".to_vec());
    let start = Start::read([today.as_ref()], Tz::Etc__GMTPlus12, late);
    assert_eq!(start, Start::At(utc("2026-11-27T11:59:59.999Z")));
}

#[test]
fn the_latest_column_counts_and_an_absurd_one_spoils_all() {
    let (older, newer) = (text("2020-01-01"), text("2021-01-01"));
    let latest = Start::At(utc("2021-01-01T23:59:59.999Z"));
    let (none, empty, bad) = (Value::Null, text(" "), text("?"));
    for (columns, start) in [
        (vec![], Start::Missing),
        (vec![&none], Start::Missing),
        (vec![&none, &empty], Start::Missing),
        (vec![&older, &newer], latest),
        (vec![&newer, &older], latest),
        (vec![&none, &newer, &empty], latest),
        (vec![&newer, &bad], Start::Absurd(Absurd::Unreadable)),
        (vec![&bad, &newer], Start::Absurd(Absurd::Unreadable)),
        (vec![&none, &bad], Start::Absurd(Absurd::Unreadable)),
    ] {
        let columns: Vec<Value> = columns.into_iter().cloned().collect();
        assert_eq!(read(&columns, Tz::UTC), start, "{columns:?}");
    }
}

#[test]
fn an_absurd_date_is_told_without_the_date() {
    let told = [
        Absurd::Unreadable,
        Absurd::Number,
        Absurd::Old,
        Absurd::Zero,
        Absurd::Future,
    ];
    let told = told.map(|why| why.to_string());
    assert_eq!(told[0], "cannot be read as a date");
    assert_eq!(told[4], "lies in the future");
    assert!(told[1].contains("10 digits"));
    assert!(told[2].contains("1900") && told[3].contains("1970-01-01"));
}
