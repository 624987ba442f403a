//! What holds of all verdicts, checked against a calendar that shares no code with ours.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::lifecycle::calendar;

const ZONES: [Tz; 9] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::Asia__Shanghai,
    Tz::Asia__Kolkata,
    Tz::Asia__Kathmandu,
    Tz::America__New_York,
    Tz::America__Havana,
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Apia,
];
const DAY: i64 = 86_400_000;

/// A length of time as its parts.
#[derive(Clone, Copy, Debug)]
struct Length {
    months: i64,
    days: i64,
    minutes: i64,
}

impl Length {
    fn text(self) -> String {
        format!("{}m{}d{}min", self.months, self.days, self.minutes)
    }

    /// Its last moment if it begins at `start`, counted on the fingers.
    fn end(self, start: i64, zone: Tz) -> i64 {
        let shown = start + ahead(start, zone);
        let (mut year, mut month, day) = date(shown.div_euclid(DAY));
        month += self.months;
        year += (month - 1).div_euclid(12);
        month = (month - 1).rem_euclid(12) + 1;
        let day = day.min(month_days(year, month)) + self.days;
        let first = days_before_year(year) + (1..month).map(|m| month_days(year, m)).sum::<i64>();
        let day_start = (first + day - 1) * DAY;
        moment(
            day_start + shown.rem_euclid(DAY) + self.minutes * 60_000,
            zone,
        )
    }
}

/// By how much clocks in the zone are ahead of UTC.
fn ahead(moment: i64, zone: Tz) -> i64 {
    let utc = DateTime::from_timestamp_millis(moment).unwrap().naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    i64::from(offset.local_minus_utc()) * 1000
}

/// The last moment at which clocks show a time; if none, as they would have without the change.
fn moment(shown: i64, zone: Tz) -> i64 {
    let near = (-36..=36).map(|hours| ahead(shown + hours * 3_600_000, zone));
    let near: Vec<i64> = near.collect();
    let right = near.iter().map(|ahead| shown - ahead);
    let right = right.filter(|moment| moment + ahead(*moment, zone) == shown);
    right.max().unwrap_or(shown - near.iter().min().unwrap())
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before_year(year: i64) -> i64 {
    let days = |year| if leap(year) { 366 } else { 365 };
    let later: i64 = (1970..year).map(days).sum();
    let earlier: i64 = (year..1970).map(days).sum();
    later - earlier
}

fn date(mut day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(366);
    while days_before_year(year + 1) <= day {
        year += 1;
    }
    day -= days_before_year(year);
    let mut month = 1;
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

#[derive(Clone, Copy, Debug)]
struct Terms {
    keep: Length,
    at_least: Length,
    grace: Length,
    then: AtEnd,
}

impl Terms {
    /// The last moments of the period, of the minimum alone, and of grace.
    fn ends(&self, start: i64, zone: Tz) -> [i64; 3] {
        let least = self.at_least.end(start, zone);
        let over = self.keep.end(start, zone).max(least);
        [over, least, self.grace.end(over, zone)]
    }
}

#[derive(Clone, Debug)]
struct World {
    zone: Tz,
    terms: Vec<Terms>,
    vanished: (Length, AtEnd),
}

impl World {
    fn policy(&self) -> Policy {
        let rules = self.terms.iter().map(|terms| {
            let texts = [terms.keep, terms.at_least, terms.grace].map(Length::text);
            rule([&texts[0], &texts[1], &texts[2]], terms.then)
        });
        let vanished = (self.vanished.0.text(), self.vanished.1);
        policy(rules.collect(), (&vanished.0, vanished.1), self.zone)
    }

    /// The last moment of which it is certain that nobody may be erased in it.
    fn last_safe(&self, fact: &Fact) -> i64 {
        let ends = self.terms.iter().enumerate().map(|(index, terms)| {
            match (fact.vanished, fact.starts[index]) {
                (Some(since), _) => terms.at_least.end(since.0, self.zone),
                (None, Start::At(start)) => terms.ends(start.0, self.zone)[2],
                (None, _) => i64::MAX,
            }
        });
        let gone = fact.vanished;
        let gone = gone.map(|since| self.vanished.0.end(since.0, self.zone));
        ends.chain(gone).max().unwrap_or(i64::MAX)
    }
}

fn a_length() -> impl Strategy<Value = Length> {
    let part = |most: i64| prop_oneof![2 => Just(0), 3 => 0..=most];
    (part(60), part(70), part(3000)).prop_map(|(months, days, minutes)| Length {
        months,
        days,
        minutes,
    })
}

fn an_end() -> impl Strategy<Value = AtEnd> {
    prop_oneof![4 => Just(AtEnd::Erase), 1 => Just(AtEnd::Review)]
}

fn a_world() -> impl Strategy<Value = World> {
    let terms = (a_length(), a_length(), a_length(), an_end());
    let terms = terms.prop_map(|(keep, at_least, grace, then)| Terms {
        keep,
        at_least,
        grace,
        then,
    });
    let zone = prop::sample::select(&ZONES[..]);
    let vanished = (a_length(), an_end());
    (zone, prop::collection::vec(terms, 1..4), vanished).prop_map(|(zone, terms, vanished)| World {
        zone,
        terms,
        vanished,
    })
}

/// A moment in 1999 to 2030, often close to a change of clocks in Berlin, New York or Havana.
fn a_moment() -> impl Strategy<Value = i64> {
    let any = 915_148_800_000..1_893_456_000_000i64;
    let autumn = 1_729_987_200_000 - 3 * DAY..1_729_987_200_000 + 9 * DAY;
    let spring = 1_710_028_800_000 - 3 * DAY..1_710_028_800_000 + 23 * DAY;
    prop_oneof![3 => any, 1 => autumn, 1 => spring]
}

fn a_fact() -> impl Strategy<Value = Fact> {
    let start = prop_oneof![
        9 => a_moment().prop_map(|ms| Start::At(Timestamp(ms))),
        1 => Just(Start::Missing),
        1 => Just(Start::Absurd(Absurd::Number)),
    ];
    let until = prop::option::of(a_moment().prop_map(Timestamp));
    let hold = prop::option::weighted(0.4, until.prop_map(|until| Hold { until }));
    let vanished = prop::option::weighted(0.2, a_moment().prop_map(Timestamp));
    let flag = |often: f64| prop::bool::weighted(often);
    let flags = (flag(0.1), flag(0.5), flag(0.1), flag(0.1));
    let parts = (
        0..20u32,
        prop::collection::vec(start, 3),
        hold,
        vanished,
        flags,
    );
    parts.prop_map(|(arrival, starts, held, vanished, flags)| {
        let mut made = fact(&starts);
        made.domain.arrival = arrival;
        (made.held, made.vanished) = (held, vanished);
        (made.restricted, made.hidden, made.reappeared, made.doubtful) = flags;
        made
    })
}

/// Times that matter for a fact: a random one, and those around every edge.
fn times(world: &World, fact: &Fact, random: i64) -> Vec<i64> {
    let mut edges = vec![random];
    if let Some(Hold { until: Some(until) }) = fact.held {
        edges.push(until.0);
    }
    for (index, terms) in world.terms.iter().enumerate() {
        let since = fact.vanished.map(Start::At);
        if let Start::At(start) = since.unwrap_or(fact.starts[index]) {
            edges.extend(terms.ends(start.0, world.zone));
        }
    }
    if let Some(since) = fact.vanished {
        edges.push(world.vanished.0.end(since.0, world.zone));
    }
    let around = edges
        .into_iter()
        .flat_map(|edge| [edge - 1, edge, edge + 1]);
    around.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_period_ends_where_the_fingers_say(
        zone in prop::sample::select(&ZONES[..]),
        length in a_length(),
        start in a_moment(),
    ) {
        let period = length.text().parse().unwrap();
        let end = calendar::end(Timestamp(start), period, zone);
        prop_assert_eq!(end, Timestamp(length.end(start, zone)));
        prop_assert!(end.0 >= start - DAY);
    }

    #[test]
    fn nobody_is_erased_while_bound_or_early_and_everybody_in_the_end(
        world in a_world(), fact in a_fact(), random in a_moment(),
    ) {
        let policy = world.policy();
        let safe = world.last_safe(&fact);
        for now in times(&world, &fact, random) {
            let verdict = one(&fact, &policy, Timestamp(now));
            let held = fact.held.is_some_and(|hold| hold.until.is_none_or(|until| now <= until.0));
            let bound = held || fact.restricted;
            let unsure = fact.doubtful || fact.reappeared;
            let review = match fact.vanished {
                Some(_) => world.vanished.1 == AtEnd::Review,
                None => world.terms.iter().any(|terms| terms.then == AtEnd::Review),
            };
            let erased = !bound && !unsure && !review && now > safe;
            prop_assert_eq!(verdict.fate == Fate::Erase, erased, "{} {}", now, safe);
            prop_assert!(!bound || verdict.fate == Fate::Keep);
            prop_assert!(!verdict.why.is_empty());
        }
    }

    #[test]
    fn whoever_is_erased_stays_so_and_could_be_erased_on_request(
        world in a_world(), fact in a_fact(), random in a_moment(), later in 0..i64::MAX / 2,
    ) {
        let policy = world.policy();
        for now in times(&world, &fact, random) {
            if one(&fact, &policy, Timestamp(now)).fate == Fate::Erase {
                prop_assert_eq!(may_erase(&fact, &policy, Timestamp(now)), Ok(()));
                let then = one(&fact, &policy, Timestamp(now + later));
                prop_assert_eq!(then.fate, Fate::Erase);
            }
        }
    }

    #[test]
    fn a_request_waits_for_every_minimum_and_no_longer(
        world in a_world(), fact in a_fact(), random in a_moment(),
    ) {
        let policy = world.policy();
        for now in times(&world, &fact, random) {
            let held = fact.held.is_some_and(|hold| hold.until.is_none_or(|until| now <= until.0));
            let waits = world.terms.iter().zip(&fact.starts).any(|(terms, start)| {
                let none = terms.at_least.text() == "0m0d0min";
                !none && match (fact.vanished, start) {
                    (Some(since), _) => now <= terms.at_least.end(since.0, world.zone),
                    (None, Start::At(start)) => now <= terms.at_least.end(start.0, world.zone),
                    (None, _) => true,
                }
            });
            let allowed = may_erase(&fact, &policy, Timestamp(now)).is_ok();
            prop_assert_eq!(allowed, !held && !fact.restricted && !waits);
        }
    }

    #[test]
    fn a_fate_lasts_until_it_is_due_and_not_longer(
        world in a_world(), fact in a_fact(), random in a_moment(),
    ) {
        let policy = world.policy();
        let times = times(&world, &fact, random);
        for now in &times {
            let verdict = one(&fact, &policy, Timestamp(*now));
            let until = verdict.due.map_or(i64::MAX, |due| due.0);
            for later in times.iter().filter(|later| (*now..until).contains(later)) {
                prop_assert_eq!(one(&fact, &policy, Timestamp(*later)).fate, verdict.fate);
            }
            if let Some(due) = verdict.due {
                prop_assert!(due.0 > *now);
                prop_assert_ne!(one(&fact, &policy, due).fate, verdict.fate);
            }
        }
    }

    #[test]
    fn each_customers_verdict_is_its_own(
        world in a_world(),
        facts in prop::collection::vec(a_fact(), 0..8),
        now in a_moment(),
        turn in 0..8usize,
    ) {
        let (policy, now) = (world.policy(), Timestamp(now));
        let verdicts = decide(&facts, &policy, now);
        let alone: Vec<Verdict> = facts.iter().map(|fact| one(fact, &policy, now)).collect();
        prop_assert_eq!(&verdicts, &alone);
        let mut turned = facts.clone();
        turned.reverse();
        turned.rotate_left(turn % facts.len().max(1));
        let mut expected = verdicts.clone();
        expected.reverse();
        expected.rotate_left(turn % facts.len().max(1));
        prop_assert_eq!(decide(&turned, &policy, now), expected);
        prop_assert_eq!(hash(&decide(&turned, &policy, now)), hash(&verdicts));
    }
}
