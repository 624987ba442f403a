//! Who the customers are: those the register holds, those who are new, and those who had been erased.

use std::collections::HashMap;

use super::known::KnownOnes;
use super::{Gatherer, IDENTITY, InTable};
use crate::backup::admission::{Admission, New, admit};
use crate::backup::dangling::other_form;
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Class, Domain, Incarnation};
use crate::piece::Identity;
use crate::repo::{Recogniser, Repository};
use crate::schema::Ownership;
use crate::source::RegisterRow;
use crate::source::sqlite::Database;
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
    fn insert(&mut self, token: Value, met: Met) -> Outcome<()> {
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
    fn settle(&mut self) {
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

    fn get(&self, token: ValueRef<'_>) -> Option<Met> {
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

    fn is_empty(&self) -> bool {
        self.stretches.is_empty() && self.by_value.is_empty()
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = Met> {
        let numbered = self.stretches.iter().flat_map(Stretch::all);
        let numbered = numbered.map(|(_, known)| self.met(known));
        numbered.chain(self.by_value.values().copied())
    }
}

impl Gatherer {
    /// Reads the register: who is known, who is new, and who had been erased.
    pub(super) fn meet(
        &mut self,
        repository: &mut Repository,
        register: &Database,
        classes: &[String],
    ) -> Outcome<()> {
        let recogniser = Recogniser::new(repository)?;
        let mut known = KnownOnes::of(&repository.catalog)?;
        let erased = repository.catalog.erased()?;
        let mut new = Admission::begin(repository, known.total, register)?;
        register.register(&mut |row: RegisterRow| -> Outcome<()> {
            let identity = Identity {
                key: row.key,
                since: row.since.filter(|s| *s != Value::Null),
            };
            let who = recogniser.who(&identity);
            let found = known.find(&repository.catalog, &recogniser, (&identity, &who))?;
            if let Some(domain) = found {
                self.take(row.token, domain, &identity, classes)?;
            } else if let Some(domain) = erased.get(&who) {
                let (domain, erased) = (*domain, true);
                self.people.insert(row.token, Met { domain, erased })?;
                self.left_out.push(identity.key);
            } else {
                if new.loses_order(&row.token) {
                    self.admit(repository, &recogniser, new.drain(), classes)?;
                    repository.catalog.make_key_index()?;
                }
                if new.has_lost_order() {
                    let key = recogniser.key(&identity.key);
                    if let Some(domain) = repository.catalog.recognised(&key, &who)? {
                        return self.take(row.token, domain, &identity, classes);
                    }
                }
                let token = row.token;
                let full = new.push(New {
                    token,
                    identity,
                    who,
                });
                if full {
                    self.admit(repository, &recogniser, new.drain(), classes)?;
                }
            }
            Ok(())
        })?;
        if self.people.is_empty() && !new.is_empty() && known.total > 0 && !erased.is_empty() {
            // Recognised by nothing that is known of them, the forgotten would be strangers as well.
            let what = "not one customer of the register is recognised, so the forgotten would not be either";
            return Err(Failure::of(FailureKind::Refused, what)
                .hint("were `key` or `since` in [customers] changed? put them back as they were"));
        }
        // Whom damage keeps us from seeing is not gone.
        let tables = register.schema().tables.iter().enumerate();
        let mut registers = tables.filter(|(_, table)| table.ownership == Ownership::Register);
        self.some_unseen = registers.any(|(at, _)| register.is_damaged(at));
        if !self.some_unseen {
            note_missing(repository, &known)?;
        }
        self.admit(repository, &recogniser, new.drain(), classes)?;
        repository.catalog.make_key_index()?;
        self.people.settle();
        Ok(())
    }

    /// Admits new customers, and takes them.
    fn admit(
        &mut self,
        repository: &mut Repository,
        recogniser: &Recogniser,
        new: Vec<New>,
        classes: &[String],
    ) -> Outcome<()> {
        let admitted = admit(repository, recogniser, &new)?;
        for (customer, domain) in new.into_iter().zip(admitted) {
            self.take(customer.token, domain, &customer.identity, classes)?;
        }
        Ok(())
    }

    /// Takes a customer who is living.
    fn take(
        &mut self,
        token: Value,
        domain: Domain,
        identity: &Identity,
        classes: &[String],
    ) -> Outcome<()> {
        let erased = false;
        self.people.insert(token, Met { domain, erased })?;
        self.remember(domain, identity, classes)
    }

    /// A record that comes before a customer's rows, for pages to carry, in each class.
    fn remember(&mut self, domain: Domain, identity: &Identity, classes: &[String]) -> Outcome<()> {
        let bytes = identity.encode_short();
        for class in 1..=classes.len() as u8 {
            let key = self.ranks.of(Domain {
                class: Class(class),
                ..domain
            });
            self.sorter.push((key, IDENTITY), &bytes)?;
        }
        Ok(())
    }

    /// Who is meant by a token: one of the register's, or one who was erased and has left it.
    pub(super) fn find(
        &mut self,
        repository: &Repository,
        place: &InTable<'_>,
        token: ValueRef<'_>,
    ) -> Outcome<Option<Met>> {
        if let Some(met) = self.people.get(token) {
            return Ok(Some(met));
        }
        if !place.with_register
            && let Some(other) = other_form(token)
            && let Some(met) = self.people.get(other.as_ref())
        {
            return Ok(Some(met));
        }
        if self.some_unseen
            && let Some(domain) = self.dangling.living(repository, token)?
        {
            return Ok(Some(Met {
                domain,
                erased: false,
            }));
        }
        let domain = self.dangling.owner(repository, token)?;
        Ok(domain.map(|domain| Met {
            domain,
            erased: true,
        }))
    }
}

/// Notes since when the register lacks those who are known, and who is back in it.
fn note_missing(repository: &mut Repository, known: &KnownOnes) -> Outcome<()> {
    let lives = repository.catalog.lives()?;
    let noted = |domain: &Domain| lives.get(domain).and_then(|life| life.missing).is_some();
    let (back, away): (Vec<_>, Vec<_>) = lives
        .keys()
        .filter(|domain| noted(domain))
        .partition(|domain| known.has_found(**domain));
    let back = back.into_iter().map(|domain: &Domain| (*domain, None));
    let mut changes: Vec<_> = back.collect();
    // Most days nobody has left, and then there is nobody to look for.
    if known.found() + (away.len() as u64) < known.total {
        let now = Timestamp::now();
        let mut last = None;
        loop {
            let next = repository.catalog.customers_after(last, 4096)?;
            let Some((domain, _)) = next.last() else {
                break;
            };
            last = Some(*domain);
            let gone = next.iter().map(|(domain, _)| *domain);
            let gone = gone.filter(|domain| !known.has_found(*domain) && !noted(domain));
            changes.extend(gone.map(|domain| (domain, Some(now))));
        }
    }
    repository.catalog.change(|change| -> Outcome<()> {
        for (domain, since) in changes {
            change.set_missing(domain, since)?;
        }
        Ok(())
    })
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
