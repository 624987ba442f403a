//! What is known of everybody, for policy to decide on.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::policy::{Fact, Hold, Policy};
use super::start::Start;
use crate::catalog::Life;
use crate::clock::Timestamp;
use crate::error::Outcome;
use crate::ids::{Domain, KeyedHash};
use crate::piece::Identity;
use crate::register;
use crate::repo::identity::open_identity;
use crate::repo::{Recogniser, Repository};
use crate::value::ValueRef;

/// Everybody who is known, in the order of the register, then those who vanished from it.
pub struct People {
    /// What is known of each.
    pub facts: Vec<Fact>,
    /// Who each is.
    pub identities: Vec<Identity>,
    /// Those in the register who have no number yet: the next snapshot gives them one.
    pub unknown: u64,
}

/// Gathers the facts of everybody.
pub fn gather(repository: &Repository, policy: &Policy, now: Timestamp) -> Outcome<People> {
    let mut gathering = Gathering::new(repository, policy, now)?;
    let columns = start_columns(policy);
    register::each_with(repository, &columns, &mut |row, values| {
        gathering.met(register::identity(row), values);
        Ok(())
    })?;
    gathering.vanished(repository)?;
    Ok(gathering.people)
}

/// The facts of one customer.
pub fn of_one(
    repository: &Repository,
    policy: &Policy,
    domain: Domain,
    identity: &Identity,
    now: Timestamp,
) -> Outcome<Fact> {
    let mut gathering = Gathering::new(repository, policy, now)?;
    register::each_with(repository, &start_columns(policy), &mut |row, values| {
        if row.key == identity.key {
            gathering.met(register::identity(row), values);
        }
        Ok(())
    })?;
    let facts = gathering.people.facts.into_iter();
    let found = facts.into_iter().find(|fact| fact.domain == domain);
    let life = gathering.lives.remove(&domain).unwrap_or_default();
    Ok(found.unwrap_or_else(|| missing(domain, &life, now)))
}

/// The start columns of all rules, in order.
fn start_columns(policy: &Policy) -> Vec<String> {
    let rules = policy.rules.iter();
    rules.flat_map(|rule| rule.terms.start.clone()).collect()
}

struct Gathering<'p> {
    policy: &'p Policy,
    now: Timestamp,
    recogniser: Recogniser,
    arrivals: HashMap<KeyedHash, Domain>,
    erased: HashMap<KeyedHash, Domain>,
    lives: BTreeMap<Domain, Life>,
    met: HashSet<Domain>,
    people: People,
}

impl<'p> Gathering<'p> {
    fn new(repository: &Repository, policy: &'p Policy, now: Timestamp) -> Outcome<Self> {
        Ok(Self {
            policy,
            now,
            recogniser: Recogniser::new(repository)?,
            arrivals: repository.catalog.arrivals()?,
            erased: repository.catalog.erased()?,
            lives: super::lives(repository)?,
            met: HashSet::new(),
            people: People {
                facts: Vec::new(),
                identities: Vec::new(),
                unknown: 0,
            },
        })
    }

    /// A row of the register, with the values of all start columns.
    fn met(&mut self, identity: Identity, values: &[ValueRef<'_>]) {
        let who = self.recogniser.who(&identity);
        let (domain, reappeared) = match (self.arrivals.get(&who), self.erased.get(&who)) {
            (Some(domain), _) => (*domain, false),
            (None, Some(domain)) => (*domain, true),
            (None, None) => {
                self.people.unknown += 1;
                return;
            }
        };
        if !self.met.insert(domain) {
            return;
        }
        let life = self.lives.get(&domain).cloned().unwrap_or_default();
        let fact = Fact {
            starts: self.starts(values),
            reappeared,
            vanished: None,
            ..known(domain, &life)
        };
        self.people.facts.push(fact);
        self.people.identities.push(identity);
    }

    /// From when each rule counts.
    fn starts(&self, values: &[ValueRef<'_>]) -> Vec<Start> {
        let mut rest = values;
        let rules = self.policy.rules.iter();
        let starts = rules.map(|rule| {
            let (own, after) = rest.split_at(rule.terms.start.len().min(rest.len()));
            rest = after;
            Start::read(own.iter().copied(), self.policy.zone, self.now)
        });
        starts.collect()
    }

    /// Those whom snapshots hold and the register does not.
    fn vanished(&mut self, repository: &Repository) -> Outcome<()> {
        let known = self.arrivals.values().copied();
        let mut gone: Vec<Domain> = known.filter(|domain| !self.met.contains(domain)).collect();
        gone.sort();
        for domain in gone {
            let (Some(key), Some(customer)) = (
                repository.keyring.forest.key(domain),
                repository.catalog.customer(domain)?,
            ) else {
                continue;
            };
            let identity = open_identity(repository.id(), domain, &key, &customer.sealed)?;
            let life = self.lives.get(&domain).cloned().unwrap_or_default();
            self.people.facts.push(missing(domain, &life, self.now));
            self.people.identities.push(identity);
        }
        Ok(())
    }
}

/// What was decided of somebody.
fn known(domain: Domain, life: &Life) -> Fact {
    Fact {
        domain,
        starts: Vec::new(),
        held: life.held.map(|_| Hold {
            until: life.hold_until,
        }),
        restricted: life.is_restricted(),
        hidden: life.hidden.is_some(),
        vanished: None,
        reappeared: false,
        doubtful: false,
    }
}

/// Somebody whom the register lacks: since a snapshot has noticed it, else since now.
fn missing(domain: Domain, life: &Life, now: Timestamp) -> Fact {
    Fact {
        vanished: Some(life.missing.unwrap_or(now)),
        ..known(domain, life)
    }
}
