//! Whom a decision is about.

use crate::backup::{New, admit};
use crate::catalog::Customer;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::Domain;
use crate::piece::Identity;
use crate::register;
use crate::repo::identity::open_identity;
use crate::repo::{Recogniser, Repository};
use crate::secret::DomainKey;
use crate::value::Value;

/// A living customer whom something is decided about.
pub struct Subject {
    /// The key, as typed.
    pub id: String,
    /// Number, hash and sealed identity.
    pub customer: Customer,
    /// Who it is.
    pub identity: Identity,
}

impl Subject {
    /// The customer whom an id means. One whom only the register holds gets a number first.
    ///
    /// # Errors
    /// `NotFound` when nobody has the id, `Usage` when several have it.
    pub fn find(repository: &mut Repository, id: &str) -> Outcome<Self> {
        let known = match register::holder(repository, id) {
            Err(failure) if failure.kind() == FailureKind::NotFound => {
                newcomer(repository, id)?.ok_or(failure)?
            }
            known => known?,
        };
        let key = key(repository, known.domain)?;
        let identity = open_identity(repository.id(), known.domain, &key, &known.sealed)?;
        Ok(Self {
            id: id.to_owned(),
            customer: known,
            identity,
        })
    }

    /// The number.
    pub fn domain(&self) -> Domain {
        self.customer.domain
    }
}

/// The key of a living customer.
pub fn key(repository: &Repository, domain: Domain) -> Outcome<DomainKey> {
    let key = repository.keyring.forest.key(domain);
    key.ok_or_else(|| Failure::of(FailureKind::NotFound, "the customer was erased"))
}

/// Gives somebody a number who came into the register after the last snapshot.
fn newcomer(repository: &mut Repository, id: &str) -> Outcome<Option<Customer>> {
    let recogniser = Recogniser::new(repository)?;
    let erased = repository.catalog.erased()?;
    let found = register::in_register(repository, id)?.into_iter();
    let mut found = found.filter(|identity| !erased.contains_key(&recogniser.who(identity)));
    let Some(identity) = found.next() else {
        return Ok(None);
    };
    let new = New {
        token: Value::Null,
        who: recogniser.who(&identity),
        identity,
    };
    match admit(repository, &recogniser, &[new])?.first() {
        Some(domain) => Ok(repository.catalog.customer(*domain)?),
        None => Ok(None),
    }
}
