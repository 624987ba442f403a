//! The register's customers by what other rows name them with.

use std::collections::HashMap;

use crate::error::{Failure, Outcome};
use crate::ids::{Class, Domain, Incarnation};
use crate::value::{Value, ValueRef};

/// A customer of the register.
#[derive(Clone, Copy)]
pub(super) struct Met {
    pub domain: Domain,
    pub erased: bool,
}

/// The register's customers by token. Most registers have numbers for keys, and most numbers follow one another as
/// the customers arrived: these take next to nothing, and are found without a look at far memory.
#[derive(Default)]
pub(super) struct People {
    incarnations: Vec<Incarnation>,
    /// Ascending from [`People::settle`] on.
    stretches: Vec<Stretch>,
    by_value: HashMap<Value, Met>,
}

/// A [`Met`] in little room.
#[derive(Clone, Copy, PartialEq)]
struct Known {
    /// Which of the incarnations.
    inc: u16,
    erased: bool,
    arrival: u32,
}

/// Customers whose numbers follow one another, and who arrived so.
struct Stretch {
    /// The number of the first.
    first: i64,
    /// Who that is.
    known: Known,
    /// How many more there are.
    more: u32,
}

impl Stretch {
    /// The one who stands so many behind the first.
    fn at(&self, steps: u64) -> Option<Known> {
        let steps = u32::try_from(steps)
            .ok()
            .filter(|steps| *steps <= self.more)?;
        Some(Known {
            arrival: self.known.arrival + steps,
            ..self.known
        })
    }

    /// All of them, with their numbers.
    fn all(&self) -> impl Iterator<Item = (i64, Known)> {
        let steps = 0..=u64::from(self.more);
        steps.filter_map(|steps| Some((self.first.checked_add_unsigned(steps)?, self.at(steps)?)))
    }

    fn last(&self) -> i64 {
        self.first.saturating_add_unsigned(self.more.into())
    }

    /// Takes one more, if that is the next; tells whether it was.
    fn takes(&mut self, number: i64, known: Known) -> bool {
        let Some(steps) = self.more.checked_add(1) else {
            return false;
        };
        let next = Known {
            arrival: self.known.arrival.wrapping_add(steps),
            ..self.known
        };
        // Numbers do not wrap around, nor do arrivals.
        let takes = number > self.first
            && number.abs_diff(self.first) == u64::from(steps)
            && next.arrival > self.known.arrival
            && next == known;
        self.more += u32::from(takes);
        takes
    }
}

impl People {
    pub(super) fn insert(&mut self, token: Value, met: Met) -> Outcome<()> {
        let Value::Int(number) = token else {
            self.by_value.insert(token, met);
            return Ok(());
        };
        let Met { domain, erased } = met;
        let incarnations = &mut self.incarnations;
        let at = incarnations.iter().position(|inc| *inc == domain.inc);
        let at = at.unwrap_or_else(|| {
            incarnations.push(domain.inc);
            incarnations.len() - 1
        });
        let inc = u16::try_from(at).map_err(|_| Failure::new("there are too many incarnations"))?;
        let arrival = domain.arrival;
        let known = Known {
            inc,
            erased,
            arrival,
        };
        self.push(number, known);
        Ok(())
    }

    fn push(&mut self, first: i64, known: Known) {
        let last = self.stretches.last_mut();
        if !last.is_some_and(|last| last.takes(first, known)) {
            let more = 0;
            self.stretches.push(Stretch { first, known, more });
        }
    }

    /// Makes them ready to be found: of two with one token the one that came last is found.
    pub(super) fn settle(&mut self) {
        if self.stretches.is_sorted_by(|a, b| a.last() < b.first) {
            return;
        }
        let stretches = std::mem::take(&mut self.stretches);
        let mut one_by_one: Vec<_> = stretches.iter().flat_map(Stretch::all).collect();
        one_by_one.sort_by_key(|(number, _)| *number);
        one_by_one.reverse();
        one_by_one.dedup_by_key(|(number, _)| *number);
        for (number, known) in one_by_one.into_iter().rev() {
            self.push(number, known);
        }
    }

    pub(super) fn get(&self, token: ValueRef<'_>) -> Option<Met> {
        match token {
            ValueRef::Int(number) => {
                let stretches = &self.stretches;
                let after = stretches.partition_point(|stretch| stretch.first <= number);
                let stretch = stretches.get(after.checked_sub(1)?)?;
                let known = stretch.at(number.abs_diff(stretch.first));
                known.map(|known| self.met(known))
            }
            // Most registers have none of these: no value is made to look for it.
            _ if self.by_value.is_empty() => None,
            other => self.by_value.get(&other.to_value()).copied(),
        }
    }

    fn met(&self, known: Known) -> Met {
        Met {
            domain: Domain {
                inc: self.incarnations[usize::from(known.inc)],
                class: Class::CUSTOMER,
                arrival: known.arrival,
            },
            erased: known.erased,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty() && self.by_value.is_empty()
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = Met> {
        let numbered = self.stretches.iter().flat_map(Stretch::all);
        let numbered = numbered.map(|(_, known)| self.met(known));
        numbered.chain(self.by_value.values().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INC: [Incarnation; 2] = [Incarnation([1; 8]), Incarnation([2; 8])];

    fn met(inc: usize, arrival: u32, erased: bool) -> Met {
        Met {
            domain: Domain {
                inc: INC[inc],
                class: Class::CUSTOMER,
                arrival,
            },
            erased,
        }
    }

    #[test]
    fn numbers_that_follow_one_another_are_found_like_any_others() {
        // First number, first arrival, how many, incarnation, erased.
        let runs = [
            (10, 0, 5, 0, false),
            (15, 5, 3, 0, true),
            (18, 8, 2, 1, true),
            (20, 11, 4, 1, true),
            (30, 15, 6, 0, false),
            (33, 40, 2, 1, false),
            (i64::MAX - 1, 50, 2, 0, false),
            (i64::MIN, 52, 2, 0, false),
            (-2, u32::MAX - 1, 2, 0, false),
            (0, 0, 3, 0, false),
            // These arrived so, and their numbers do not follow.
            (80, 80, 2, 0, false),
            (85, 82, 2, 0, false),
            (84, 84, 1, 0, false),
            (83, 85, 1, 0, false),
        ];
        let mut people = People::default();
        let mut expected = HashMap::new();
        for (first, arrival, many, inc, erased) in runs {
            for step in 0..many {
                let (number, met) = (first + i64::from(step), met(inc, arrival + step, erased));
                people.insert(Value::Int(number), met).unwrap();
                expected.insert(number, (met.domain, met.erased));
            }
        }
        people.settle();
        let near = expected
            .keys()
            .flat_map(|number| (-3..=3).map(|by| number.saturating_add(by)));
        for number in near.chain([12_345, -100]) {
            let found = people.get(ValueRef::Int(number));
            let found = found.map(|met| (met.domain, met.erased));
            assert_eq!(found, expected.get(&number).copied(), "{number}");
        }
        assert_eq!(people.all().count(), expected.len());
    }

    #[test]
    fn customers_are_found_by_whatever_number_they_have() {
        let mut people = People::default();
        let numbers = [7, i64::MAX, 1, 2, i64::MIN, 900, -1, 4, 5];
        for (arrival, number) in (0..).zip(numbers) {
            let met = met(arrival as usize % 2, arrival, arrival == 3);
            people.insert(Value::Int(number), met).unwrap();
        }
        let text = met(0, 77, false);
        for text in [met(1, 76, true), text] {
            people.insert(Value::Text(b"5".to_vec()), text).unwrap();
        }
        let last = met(1, 78, true);
        people.insert(Value::Int(900), last).unwrap();
        people.settle();
        let found = |token: ValueRef<'_>| people.get(token).map(|met| (met.domain, met.erased));
        for (arrival, number) in (0..).zip(numbers).filter(|(_, number)| *number != 900) {
            let met = met(arrival as usize % 2, arrival, arrival == 3);
            let expected = Some((met.domain, met.erased));
            assert_eq!(found(ValueRef::Int(number)), expected, "{number}");
        }
        assert_eq!(found(ValueRef::Int(900)), Some((last.domain, true)));
        assert_eq!(found(ValueRef::Text(b"5")), Some((text.domain, false)));
        for number in [0, 3, 6, 8, 899, 901, i64::MIN + 1, i64::MAX - 1, -2] {
            assert_eq!(found(ValueRef::Int(number)), None, "{number}");
        }
        assert_eq!(people.all().count(), numbers.len() + 1);
    }

    #[test]
    fn of_two_with_one_number_the_last_one_counts_wherever_they_stand() {
        for numbers in [
            &[1, 2, 2][..],
            &[2, 2],
            &[2, 3, 2],
            &[1, 2, 2, 3],
            &[3, 2, 1, 2],
        ] {
            let mut people = People::default();
            for (arrival, number) in (0..).step_by(2).zip(numbers) {
                let met = met(0, arrival, false);
                people.insert(Value::Int(*number), met).unwrap();
            }
            people.settle();
            let last = numbers.iter().rposition(|number| *number == 2).unwrap();
            let found = people.get(ValueRef::Int(2)).map(|met| met.domain.arrival);
            assert_eq!(found, Some(last as u32 * 2), "{numbers:?}");
            assert_eq!(people.all().count(), numbers.len() - 1, "{numbers:?}");
        }
    }

    #[test]
    fn whoever_is_there_has_a_number_or_another_key() {
        for token in [Value::Int(1), Value::Text(b"1".to_vec())] {
            let mut people = People::default();
            assert!(people.is_empty());
            people.insert(token, met(0, 0, false)).unwrap();
            people.settle();
            assert!(!people.is_empty());
        }
    }

    #[test]
    fn there_may_be_more_customers_than_incarnations_can_be_told() {
        let mut people = People::default();
        for arrival in 0..70_000 {
            let met = met(arrival as usize % 2, arrival, false);
            people.insert(Value::Int(arrival.into()), met).unwrap();
        }
        people.settle();
        assert_eq!(people.incarnations, INC);
        let last = people.get(ValueRef::Int(69_999)).map(|met| met.domain);
        assert_eq!(last, Some(met(1, 69_999, false).domain));
    }
}
