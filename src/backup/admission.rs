//! New customers get the next arrivals, durably, before anything is sealed under them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::numbers::note_next;
use crate::catalog::{Change, Customer};
use crate::error::{Failure, Outcome};
use crate::ids::{Class, Domain, KeyedHash, RepoId};
use crate::keyring::tree::Forest;
use crate::piece::Identity;
use crate::repo::identity::seal_identity;
use crate::repo::{Recogniser, Repository};
use crate::secret;
use crate::source::sqlite::Database;
use crate::value::Value;

/// How many new customers are held, where the first of a register are admitted as they come: some ten megabytes, and in
/// tests fewer than they have customers.
const HELD: usize = if cfg!(test) { 64 } else { 1 << 16 };

/// New customers who wait until they are admitted.
///
/// Among those who are known, all wait until the whole register was read: whether any is recognised tells whether they
/// are new at all. Where nobody is known and no two rows can have one key, nobody has to wait.
pub struct Admission {
    waiting: Vec<New>,
    as_they_come: bool,
    /// The number of the last one who came so.
    last: Option<i64>,
}

impl Admission {
    /// Nobody is waiting. So many customers are known.
    pub fn begin(repository: &mut Repository, known: u64, register: &Database) -> Outcome<Self> {
        let as_they_come = known == 0 && register.key_is_rowid();
        if as_they_come {
            // It is made when all are there; after a run that ended before, by the next one.
            repository.catalog.drop_key_index()?;
        } else {
            repository.catalog.make_key_index()?;
        }
        Ok(Self {
            waiting: Vec::new(),
            as_they_come,
            last: None,
        })
    }

    /// Whether this one, who is new, comes out of order: a damaged register shows rows twice. From then on anybody may
    /// have been admitted before, and all have to wait.
    pub fn loses_order(&mut self, token: &Value) -> bool {
        let Value::Int(number) = *token else {
            return false;
        };
        if !self.as_they_come {
            return false;
        }
        let last = self.last.replace(number);
        self.as_they_come = last.is_none_or(|last| last < number);
        !self.as_they_come
    }

    /// Whether somebody came out of order.
    pub fn has_lost_order(&self) -> bool {
        !self.as_they_come && self.last.is_some()
    }

    /// One more waits. Returns whether those who wait are to be admitted now.
    pub fn push(&mut self, new: New) -> bool {
        self.waiting.push(new);
        self.as_they_come && self.waiting.len() >= HELD
    }

    /// Whether nobody is waiting.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All who wait.
    pub fn drain(&mut self) -> Vec<New> {
        std::mem::take(&mut self.waiting)
    }
}

/// A customer whom the register has and the catalog has not.
pub struct New {
    /// By what other rows name the customer.
    pub token: Value,
    /// Who that is.
    pub identity: Identity,
    /// By what the customer is recognised.
    pub who: KeyedHash,
}

/// Gives new customers their arrivals, durably: a domain for each.
pub fn admit(
    repository: &mut Repository,
    recogniser: &Recogniser,
    new: &[New],
) -> Outcome<Vec<Domain>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let inc = repository.inc();
    let first = repository.catalog.next_customer()?;
    let number = |before: usize| {
        let before = u32::try_from(before).ok();
        let number = before.and_then(|before| first.checked_add(before));
        number.ok_or_else(|| Failure::new("there are no numbers left for customers"))
    };
    let mut seen = HashMap::with_capacity(new.len());
    let mut admitted = Vec::with_capacity(new.len());
    for customer in new {
        // Two rows with one key, where the register allows that, are one customer.
        let next = number(seen.len())?;
        admitted.push(Domain {
            inc,
            class: Class::CUSTOMER,
            arrival: *seen.entry(customer.who).or_insert(next),
        });
    }
    let arrivals = first..number(seen.len())?;
    add_customers(repository, recogniser, (new, &admitted), arrivals)?;
    Ok(admitted)
}

fn add_customers(
    repository: &mut Repository,
    recogniser: &Recogniser,
    (new, admitted): (&[New], &[Domain]),
    arrivals: Range<u32>,
) -> Outcome<()> {
    let (repo, forest) = (repository.id(), &repository.keyring.forest);
    let state = &repository.state;
    let add = |change: &Change<'_>| -> Outcome<()> {
        // One thread seals while this one writes.
        thread::scope(|scope| {
            let (to, from) = sync_channel(4);
            let seal = move || seal_all(repo, forest, recogniser, (new, admitted), &to);
            let sealing = scope.spawn(seal);
            let added = from
                .iter()
                .flatten()
                .try_for_each(|(customer, key)| Outcome::Ok(change.add_customer(&customer, &key)?));
            drop(from);
            let sealed = sealing.join();
            let sealed = sealed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            added.and(sealed)
        })
    };
    repository.catalog.change(|change| -> Outcome<()> {
        match arrivals.len() > arrivals.start as usize {
            true => change.add_many(|| add(change))?,
            false => add(change)?,
        }
        change.set_note("next_customer", &arrivals.end.to_string())?;
        note_next(state, change)
    })
}

/// How many customers are handed over at once: as many as there are salts in what is drawn at once.
const BATCH: usize = 256;

/// Makes the catalog's rows, each domain once, with the hash of the customer's key.
fn seal_all(
    repo: RepoId,
    forest: &Forest,
    recogniser: &Recogniser,
    (new, admitted): (&[New], &[Domain]),
    to: &SyncSender<Vec<(Customer, KeyedHash)>>,
) -> Outcome<()> {
    let mut keys = forest.walker();
    let mut last = None;
    for (new, domains) in new.chunks(BATCH).zip(admitted.chunks(BATCH)) {
        let salts: [u8; 16 * BATCH] = secret::random()?;
        let mut batch = Vec::with_capacity(new.len());
        for ((new, domain), salt) in new.iter().zip(domains).zip(salts.as_chunks().0) {
            // Arrivals ascend but for second rows with one key.
            if last.is_some_and(|last| last >= *domain) {
                continue;
            }
            last = Some(*domain);
            let key = keys.key(*domain);
            let key = key.ok_or_else(|| Failure::new("a new domain has no key"))?;
            let customer = Customer {
                domain: *domain,
                who: new.who,
                sealed: seal_identity(repo, *domain, &key, &new.identity, salt),
            };
            batch.push((customer, recogniser.key(&new.identity.key)));
        }
        // Whoever takes no more has failed, and tells why.
        if to.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::CustomerKey;

    fn begun(as_they_come: bool) -> Admission {
        Admission {
            waiting: Vec::new(),
            as_they_come,
            last: None,
        }
    }

    fn new(number: usize) -> New {
        let token = Value::Int(number as i64);
        let identity = Identity {
            key: CustomerKey(vec![token.clone()]),
            since: None,
        };
        New {
            token,
            identity,
            who: KeyedHash([0; 16]),
        }
    }

    #[test]
    fn order_is_lost_by_a_number_that_does_not_ascend_and_once_for_all() {
        for (numbers, lost) in [
            (&[-3, 0, 7][..], None),
            (&[-3, 0, 0, -1, 9], Some(2)),
            (&[5, 4, 6], Some(1)),
        ] {
            let mut admission = begun(true);
            for (at, number) in numbers.iter().enumerate() {
                assert_eq!(
                    admission.loses_order(&Value::Int(*number)),
                    lost == Some(at)
                );
                assert_eq!(
                    admission.has_lost_order(),
                    lost.is_some_and(|lost| lost <= at)
                );
            }
            // Nobody has to be looked for where all wait from the first on.
            let mut admission = begun(false);
            for number in numbers {
                assert!(!admission.loses_order(&Value::Int(*number)));
                assert!(!admission.has_lost_order());
            }
        }
        let mut admission = begun(true);
        assert!(!admission.loses_order(&Value::Text(b"a".to_vec())));
        assert!(!admission.has_lost_order());
    }

    #[test]
    fn so_many_are_held_who_are_admitted_as_they_come_and_all_others() {
        for as_they_come in [true, false] {
            let mut admission = begun(as_they_come);
            for number in 1..HELD {
                assert!(!admission.push(new(number)));
            }
            assert_eq!(admission.push(new(HELD)), as_they_come);
            assert_eq!(admission.push(new(HELD + 1)), as_they_come);
            assert_eq!(admission.drain().len(), HELD + 1);
            assert!(admission.is_empty());
            assert!(!admission.push(new(1)));
        }
    }
}
