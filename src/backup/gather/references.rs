//! Values that lead to other customers.

use super::people::Met;
use super::{Gatherer, InTable};
use crate::error::Outcome;
use crate::ids::{Class, Domain, RepoId};
use crate::keyring::tree::ForestWalker;
use crate::piece::{self, Cell};
use crate::repo::Repository;
use crate::schema::Reference;
use crate::secret::DomainKey;
use crate::source::{Owner, Row};
use crate::value::ValueRef;

/// A value of a row, sealed under the keys of all to whom it leads; not kept at all if one of them was erased.
pub(super) struct Sealed {
    /// Where in the row it stands.
    pub column: usize,
    /// Whose key was the last.
    domain: Domain,
    sealed: Vec<u8>,
}

impl Sealed {
    /// For somebody who has a key, or was erased.
    fn new(
        repo: RepoId,
        (column, value): (usize, ValueRef<'_>),
        (domain, key): (Domain, Option<&DomainKey>),
    ) -> Self {
        let sealed = key.map(|key| piece::seal_reference(repo, domain, key, value));
        Self {
            column,
            domain,
            sealed: sealed.unwrap_or_default(),
        }
    }

    /// The same for one more.
    fn again(&mut self, repo: RepoId, (domain, key): (Domain, Option<&DomainKey>)) {
        if self.sealed.is_empty() || self.domain == domain {
            return;
        }
        let before = (self.domain, &self.sealed[..]);
        let sealed = key.map(|key| piece::seal_again(repo, domain, key, before));
        self.sealed = sealed.unwrap_or_default();
        self.domain = domain;
    }

    /// What stands in the row.
    pub(super) fn cell(&self) -> Cell<'_> {
        Cell::Reference {
            domain: self.domain,
            sealed: &self.sealed,
        }
    }
}

impl Gatherer {
    /// The columns that lead to other customers: to whom, and the value sealed under that one's key. What leads to
    /// several is sealed under the keys of all; but a column that leads to some by itself tells of none to whom it
    /// leads together with others.
    pub(super) fn references(
        &mut self,
        repository: &Repository,
        place: &InTable<'_>,
        row: &Row<'_>,
        owner: Domain,
        keys: &mut ForestWalker<'_>,
    ) -> Outcome<Vec<Sealed>> {
        let led = self.led(repository, place, row, owner)?;
        let mut found: Vec<Sealed> = Vec::new();
        // What leads furthest is sealed first: a row to which others lead has only that of it, and where its owner is
        // living, what is left of theirs is the same as in the row.
        for (reference, target) in led.iter().rev() {
            for column in reference.columns.iter().copied() {
                let by_itself = |(other, _): &(&Reference, Met)| {
                    other.columns.contains(&column) && other.width() < reference.width()
                };
                if led.iter().any(by_itself) {
                    continue;
                }
                let key = keys.key(target.domain).filter(|_| !target.erased);
                let whose = (target.domain, key.as_ref());
                match found.iter_mut().find(|sealed| sealed.column == column) {
                    Some(sealed) => sealed.again(self.repo, whose),
                    None => found.push(Sealed::new(self.repo, (column, row.cells[column]), whose)),
                }
            }
        }
        Ok(found)
    }

    /// The references by which a row leads to others than its owner, and to whom.
    fn led<'t>(
        &mut self,
        repository: &Repository,
        place: &InTable<'t>,
        row: &Row<'_>,
        owner: Domain,
    ) -> Outcome<Vec<(&'t Reference, Met)>> {
        let mut led = Vec::new();
        let targets = place.table.references.iter().zip(row.targets);
        for (at, (reference, target)) in targets.enumerate() {
            let target = match &row.owner {
                // A row of nobody's may still tell whose it was.
                Owner::Customer(token)
                    if owner.class == Class::OWN && place.to_owner == Some(at) =>
                {
                    token
                }
                _ => target,
            };
            if *target == ValueRef::Null {
                continue;
            }
            let found = self.find(repository, place, *target)?;
            // Their rows are nobody's by now and stay; it is their key that must be able to go.
            let to_register = place.register == Some(reference.parent);
            let departed = || {
                let found = self.dangling.departed(*target, place.form);
                let erased = false;
                found
                    .filter(|_| to_register)
                    .map(|domain| Met { domain, erased })
            };
            let Some(met) = found.or_else(departed) else {
                continue;
            };
            let own = owner.class != Class::OWN
                && (owner.inc, owner.arrival) == (met.domain.inc, met.domain.arrival);
            if own {
                continue;
            }
            let domain = Domain {
                class: place.classes[reference.parent],
                ..met.domain
            };
            led.push((reference, Met { domain, ..met }));
        }
        Ok(led)
    }
}
