//! The rules by example, and what holds for any snapshots and any rules.

use proptest::prelude::*;

use super::*;
use crate::ids::Incarnation;

const DAY: i64 = 86_400_000;
const NOBODY: &dyn Fn(SnapshotId) -> bool = &|_| false;

fn id(number: u64) -> SnapshotId {
    let inc = Incarnation([1; 8]);
    SnapshotId { inc, number }
}

/// A snapshot at noon UTC of a day, counted from 1970-01-01.
fn at_day(number: u64, base: u64, day: i64) -> Facts {
    Facts {
        id: id(number),
        base,
        started: Timestamp(day * DAY + DAY / 2),
        verified: false,
        last_good: false,
    }
}

fn rules(daily: u32, weekly: u32, monthly: u32) -> Keep {
    Keep {
        daily,
        weekly,
        monthly,
    }
}

fn kept(verdicts: &[Verdict]) -> Vec<u64> {
    let kept = verdicts.iter().filter(|verdict| verdict.is_kept());
    kept.map(|verdict| verdict.id.number).collect()
}

fn why(verdicts: &[Verdict], number: u64) -> Vec<Reason> {
    let found = verdicts.iter().find(|verdict| verdict.id.number == number);
    found.unwrap().why.clone()
}

/// The number of days from 1970-01-01 to a date.
fn day(year: i32, month: u32, day: u32) -> i64 {
    let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
    i64::from(date.to_epoch_days())
}

#[test]
fn a_year_of_fulls_by_the_default_rules() {
    // One a day, from 2025-01-01 to 2026-01-15, a Thursday.
    let (first, last) = (day(2025, 1, 1), day(2026, 1, 15));
    let taken: Vec<_> = (first..=last)
        .map(|day| at_day((day - first + 1) as u64, (day - first + 1) as u64, day))
        .collect();
    let verdicts = keep(&taken, &rules(14, 5, 12), Tz::UTC, NOBODY);
    let mut expected: Vec<i64> = (day(2026, 1, 2)..=last).collect();
    // Sundays end ISO weeks.
    expected.extend([day(2025, 12, 21), day(2025, 12, 28)]);
    let ends = [
        (2, 28),
        (3, 31),
        (4, 30),
        (5, 31),
        (6, 30),
        (7, 31),
        (8, 31),
    ];
    let ends = ends
        .into_iter()
        .chain([(9, 30), (10, 31), (11, 30), (12, 31)]);
    expected.extend(ends.map(|(month, last)| day(2025, month, last)));
    expected.sort_unstable();
    let expected: Vec<u64> = expected
        .iter()
        .map(|day| (day - first + 1) as u64)
        .collect();
    assert_eq!(kept(&verdicts), expected);
    let sunday = (day(2026, 1, 4) - first + 1) as u64;
    assert_eq!(why(&verdicts, sunday), [Reason::Daily, Reason::Weekly]);
    let newest = taken.len() as u64;
    assert_eq!(
        why(&verdicts, newest),
        [
            Reason::Newest,
            Reason::Daily,
            Reason::Weekly,
            Reason::Monthly
        ]
    );
}

#[test]
fn days_without_a_snapshot_use_nothing_up() {
    let taken = [(1, 0), (2, 10), (3, 10), (4, 700), (5, 4000)];
    let taken = taken.map(|(number, day)| at_day(number, number, day));
    let of = |daily| kept(&keep(&taken, &rules(daily, 0, 0), Tz::UTC, NOBODY));
    assert_eq!(of(1), [5]);
    assert_eq!(of(3), [3, 4, 5]);
    assert_eq!(of(4), [1, 3, 4, 5]);
    assert_eq!(of(u32::MAX), [1, 3, 4, 5]);
}

#[test]
fn days_are_those_of_the_zone() {
    // 23:30 and 00:30 in Shanghai are 15:30 and 16:30 of one day in UTC.
    let hour = DAY / 24;
    let mut taken = [at_day(1, 1, 9), at_day(2, 2, 9)];
    taken[0].started = Timestamp(9 * DAY + 15 * hour + hour / 2);
    taken[1].started = Timestamp(9 * DAY + 16 * hour + hour / 2);
    let of = |zone| kept(&keep(&taken, &rules(2, 0, 0), zone, NOBODY));
    assert_eq!(of(Tz::UTC), [2]);
    assert_eq!(of(Tz::Asia__Shanghai), [1, 2]);
}

#[test]
fn a_week_belongs_to_its_iso_year() {
    // 2024-12-30 to 2025-01-05 is one week; the month ends in it.
    let taken = [
        at_day(1, 1, day(2024, 12, 29)),
        at_day(2, 2, day(2024, 12, 31)),
        at_day(3, 3, day(2025, 1, 1)),
    ];
    let of = |weekly, monthly| kept(&keep(&taken, &rules(0, weekly, monthly), Tz::UTC, NOBODY));
    assert_eq!(of(2, 0), [1, 3]);
    assert_eq!(of(0, 2), [2, 3]);
}

#[test]
fn a_clock_that_was_in_the_future_for_a_while_does_not_outlive_the_present() {
    let days = [100, 101, 40_000, 40_001, 102, 103];
    let taken: Vec<_> = (1..)
        .zip(days)
        .map(|(number, day)| at_day(number, number, day))
        .collect();
    let verdicts = keep(&taken, &rules(3, 0, 0), Tz::UTC, NOBODY);
    assert_eq!(kept(&verdicts), [4, 5, 6]);
    // A time that no calendar has is a day like another.
    let mut taken = taken;
    taken[5].started = Timestamp(i64::MAX);
    assert_eq!(
        kept(&keep(&taken, &rules(2, 0, 0), Tz::UTC, NOBODY)),
        [5, 6]
    );
}

#[test]
fn chains_floor_and_holds_keep_what_the_rules_would_not() {
    // Two weeks of a full and three incrementals each.
    let bases = [1, 1, 1, 1, 5, 5, 5, 5];
    let taken: Vec<_> = (1..)
        .zip(bases)
        .map(|(number, base)| at_day(number, base, number as i64))
        .collect();
    let one = rules(1, 0, 0);
    let verdicts = keep(&taken, &one, Tz::UTC, NOBODY);
    assert_eq!(kept(&verdicts), [5, 6, 7, 8]);
    assert_eq!(why(&verdicts, 5), [Reason::Base]);
    assert_eq!(why(&verdicts, 8), [Reason::Newest, Reason::Daily]);
    // Of a chain, what stands behind the kept one goes.
    let held = |held: SnapshotId| held == id(2);
    let verdicts = keep(&taken, &one, Tz::UTC, &held);
    assert_eq!(kept(&verdicts), [1, 2, 5, 6, 7, 8]);
    assert_eq!(why(&verdicts, 1), [Reason::Base]);
    assert_eq!(why(&verdicts, 2), [Reason::Held]);
    let mut verified = taken.clone();
    (verified[0].verified, verified[3].verified) = (true, true);
    let verdicts = keep(&verified, &one, Tz::UTC, NOBODY);
    assert_eq!(kept(&verdicts), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(why(&verdicts, 4), [Reason::Floor]);
    assert_eq!(why(&verdicts, 3), [Reason::Base]);
    let mut behind = taken;
    behind[1].last_good = true;
    let verdicts = keep(&behind, &one, Tz::UTC, NOBODY);
    assert_eq!(kept(&verdicts), [1, 2, 5, 6, 7, 8]);
    assert_eq!(why(&verdicts, 2), [Reason::LastGood]);
    assert_eq!(keep(&[], &one, Tz::UTC, NOBODY), []);
}

/// Snapshots as they could have been taken: some fulls, gaps in the numbers from earlier prunes
/// only between chains, and a clock that jumps now and then.
fn taken() -> impl Strategy<Value = Vec<Facts>> {
    let one = (any::<bool>(), 1..4_u64, -2..40_i64, 0..20_u8);
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let (mut number, mut base, mut hours) = (0, 0, 400_000);
        let facts = all.into_iter().map(|(full, gap, passed, luck)| {
            let full = full || number == 0;
            number += if full { gap } else { 1 };
            base = if full { number } else { base };
            hours += passed * passed.abs();
            Facts {
                id: id(number),
                base,
                started: Timestamp(hours * 3_600_000),
                verified: luck == 0,
                last_good: luck == 1,
            }
        });
        facts.collect()
    })
}

fn any_rules() -> impl Strategy<Value = Keep> {
    (0..9_u32, 0..5_u32, 0..4_u32)
        .prop_map(|(daily, weekly, monthly)| rules(daily, weekly, monthly))
}

fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![Tz::UTC, Tz::Europe__Berlin, Tz::Pacific__Apia])
}

proptest! {
    #[test]
    fn whatever_the_rules(
        taken in taken(),
        some in any_rules(),
        more in any_rules(),
        zone in zone(),
        held in prop::collection::btree_set(1..80_u64, 0..4),
    ) {
        let is_held = |id: SnapshotId| held.contains(&id.number);
        let verdicts = keep(&taken, &some, zone, &is_held);
        let stays = kept(&verdicts);
        let stays_of = |facts: &&Facts| stays.contains(&facts.id.number);
        let left: Vec<Facts> = taken.iter().filter(stays_of).copied().collect();
        // The newest, the floor with all since, and what is held.
        let floor = taken.iter().rposition(|facts| facts.verified);
        let from = floor.unwrap_or(taken.len().saturating_sub(1));
        prop_assert!(taken[from..].iter().all(|facts| stays.contains(&facts.id.number)));
        prop_assert!(taken.iter().all(|facts| !facts.last_good || stays.contains(&facts.id.number)));
        prop_assert!(taken.iter().all(|facts| !is_held(facts.id) || stays.contains(&facts.id.number)));
        // All that a kept one builds upon.
        for facts in &left {
            for number in facts.base..facts.id.number {
                prop_assert!(stays.contains(&number), "{number} below {}", facts.id);
            }
        }
        // Every one of the last days has its last snapshot.
        let mut days = Vec::new();
        for facts in taken.iter().rev() {
            let day = date(facts.started, zone);
            if !days.contains(&day) && days.len() < some.daily as usize {
                days.push(day);
                prop_assert!(stays.contains(&facts.id.number));
            }
        }
        // Again deletes nothing more, and for the same reasons.
        let again = keep(&left, &some, zone, &is_held);
        let before: Vec<_> = verdicts.into_iter().filter(Verdict::is_kept).collect();
        prop_assert_eq!(again, before);
        // Who asks for more keeps more.
        let both = rules(
            some.daily + more.daily,
            some.weekly + more.weekly,
            some.monthly + more.monthly,
        );
        let larger = kept(&keep(&taken, &both, zone, &is_held));
        prop_assert!(stays.iter().all(|number| larger.contains(number)));
    }
}
