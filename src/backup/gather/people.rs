//! Who the customers are: those the register holds, those who are new, and those who had been erased.

use std::collections::{HashMap, HashSet};

use super::{Gatherer, IDENTITY, InTable};
use crate::backup::dangling::other_form;
use crate::backup::numbers::admit;
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Class, Domain, KeyedHash};
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

/// The register's customers by token. Most registers have numbers for keys: these take half the room.
#[derive(Default)]
pub(super) struct People {
    by_number: HashMap<i64, Met>,
    by_value: HashMap<Value, Met>,
}

impl People {
    fn insert(&mut self, token: Value, met: Met) {
        match token {
            Value::Int(number) => self.by_number.insert(number, met),
            other => self.by_value.insert(other, met),
        };
    }

    fn get(&self, token: ValueRef<'_>) -> Option<Met> {
        match token {
            ValueRef::Int(number) => self.by_number.get(&number).copied(),
            other => self.by_value.get(&other.to_value()).copied(),
        }
    }

    fn is_empty(&self) -> bool {
        self.by_number.is_empty() && self.by_value.is_empty()
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Met> {
        self.by_number.values().chain(self.by_value.values())
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
        let known = repository.catalog.arrivals()?;
        let erased = repository.catalog.erased()?;
        let mut new: Vec<(Value, Identity)> = Vec::new();
        register.register(&mut |row: RegisterRow| -> Outcome<()> {
            let identity = Identity {
                key: row.key,
                since: row.since.filter(|s| *s != Value::Null),
            };
            let who = recogniser.who(&identity);
            if let Some(domain) = known.get(&who) {
                self.people.insert(
                    row.token,
                    Met {
                        domain: *domain,
                        erased: false,
                    },
                );
                self.remember(*domain, &identity, classes)?;
            } else if let Some(domain) = erased.get(&who) {
                self.people.insert(
                    row.token,
                    Met {
                        domain: *domain,
                        erased: true,
                    },
                );
                self.left_out.push(identity.key);
            } else {
                new.push((row.token, identity));
            }
            Ok(())
        })?;
        if self.people.is_empty() && !new.is_empty() && !known.is_empty() && !erased.is_empty() {
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
            self.note_missing(repository, &known)?;
        }
        for (token, identity, domain) in admit(repository, &recogniser, new)? {
            self.remember(domain, &identity, classes)?;
            self.people.insert(
                token,
                Met {
                    domain,
                    erased: false,
                },
            );
        }
        Ok(())
    }

    /// Notes since when the register lacks those who are known, and who is back in it.
    fn note_missing(
        &self,
        repository: &mut Repository,
        known: &HashMap<KeyedHash, Domain>,
    ) -> Outcome<()> {
        let here: HashSet<Domain> = self.people.all().map(|met| met.domain).collect();
        let lives = repository.catalog.lives()?;
        let noted = |domain: &Domain| lives.get(domain).and_then(|life| life.missing).is_some();
        let gone = known.values().filter(|d| !here.contains(d) && !noted(d));
        let back = here.iter().filter(|d| noted(d));
        let now = Timestamp::now();
        let changes: Vec<_> = gone
            .map(|domain| (*domain, Some(now)))
            .chain(back.map(|domain| (*domain, None)))
            .collect();
        repository.catalog.change(|change| -> Outcome<()> {
            for (domain, since) in changes {
                change.set_missing(domain, since)?;
            }
            Ok(())
        })
    }

    /// A record that comes before a customer's rows, for pages to carry, in each class.
    fn remember(&mut self, domain: Domain, identity: &Identity, classes: &[String]) -> Outcome<()> {
        let bytes = identity.encode();
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
