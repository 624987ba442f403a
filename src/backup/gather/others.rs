//! Customers whose rows are not gathered, and who are referred to by some that are.

use std::collections::{HashMap, HashSet};

use super::people::Met;
use crate::backup::dangling::key_of;
use crate::clock::Timestamp;
use crate::error::{Failure, Outcome};
use crate::ids::{Domain, KeyedHash};
use crate::piece::Identity;
use crate::repo::{Recogniser, Repository};
use crate::source::RegisterRow;
use crate::source::sqlite::Database;
use crate::value::{Value, ValueRef};

/// Customers who were not touched, and are referred to.
pub(super) struct Others {
    pub recogniser: Recogniser,
    pub erased: HashMap<KeyedHash, Domain>,
    /// How many columns the register's key has.
    pub columns: usize,
    /// Those who were touched.
    pub touched: Vec<Domain>,
}

impl Others {
    pub(super) fn new(repository: &Repository) -> Outcome<Self> {
        let register = repository
            .config
            .source(repository.config.register.as_str());
        let rule = register.and_then(|source| source.rules.register.as_ref());
        Ok(Self {
            recogniser: Recogniser::new(repository)?,
            erased: repository.catalog.erased()?,
            columns: rule.map_or(1, |rule| rule.key.len()),
            touched: Vec::new(),
        })
    }

    pub(super) fn identify(&self, row: RegisterRow) -> (Value, Identity, KeyedHash) {
        let identity = Identity {
            key: row.key,
            since: row.since.filter(|since| *since != Value::Null),
        };
        let who = self.recogniser.who(&identity);
        (row.token, identity, who)
    }

    /// Finds out whom a token means, if the register has it.
    pub(super) fn look_up(
        &self,
        repository: &Repository,
        database: &Database,
        token: ValueRef<'_>,
        known: &mut HashMap<Value, Met>,
    ) -> Outcome<()> {
        let token = token.to_value();
        if known.contains_key(&token) {
            return Ok(());
        }
        let Some(key) = key_of(token.as_ref(), self.columns) else {
            return Ok(());
        };
        let Some(row) = database.holder(&key)? else {
            return Ok(());
        };
        let (_, identity, who) = self.identify(row);
        let living = repository
            .catalog
            .recognised(&self.recogniser.key(&identity.key), &who)?;
        let met = match (living, self.erased.get(&who)) {
            (Some(domain), _) => Met {
                domain,
                erased: false,
            },
            (None, Some(domain)) => Met {
                domain: *domain,
                erased: true,
            },
            (None, None) => {
                return Err(Failure::new(
                    "a customer is in the register of whom no note tells",
                ));
            }
        };
        known.insert(token, met);
        Ok(())
    }
}

/// Notes since when the register lacks those who held the keys that were touched, and who is back in it.
pub(super) fn note_missing(
    repository: &mut Repository,
    holders: &HashSet<Domain>,
    found: &HashSet<Domain>,
) -> Outcome<()> {
    let mut changes = Vec::new();
    for domain in holders.union(found) {
        let missing = repository.catalog.life(*domain)?.missing;
        match (found.contains(domain), missing) {
            (true, Some(_)) => changes.push((*domain, None)),
            (false, None) => changes.push((*domain, Some(Timestamp::now()))),
            _ => {}
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    repository.catalog.change(|change| -> Outcome<()> {
        for (domain, since) in changes {
            change.set_missing(domain, since)?;
        }
        Ok(())
    })
}
