//! Legal holds. While one stands nothing erases the customer: not a request, not a rule, not
//! `keys forget`.

use super::subject::{Subject, key};
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::StoreName;
use crate::journal::Event;
use crate::repo::identity::seal_reason;
use crate::repo::{Repository, Settled};

/// A hold that was put or lifted.
pub struct Held {
    /// The key, as typed.
    pub id: String,
    /// Whether a hold stands now.
    pub stands: bool,
    /// Until when; none: until it is released.
    pub until: Option<Timestamp>,
    /// Stores that do not know of it yet. A hold is done when all of them do.
    pub unaware: Vec<StoreName>,
}

/// Puts a hold, in place of one that stands already and ends no later.
///
/// # Errors
/// `Refused` when one stands that lasts longer: a hold is ended by releasing it.
pub fn hold(
    repository: &mut Repository,
    id: &str,
    reason: &str,
    until: Option<Timestamp>,
) -> Outcome<Held> {
    if until.is_some_and(|until| until <= Timestamp::now()) {
        return Err(Failure::of(
            FailureKind::Usage,
            "a hold cannot end in the past",
        ));
    }
    let subject = Subject::find(repository, id)?;
    let domain = subject.domain();
    let stands = repository.catalog.life(domain)?;
    if stands.is_held(Timestamp::now()) && is_shorter(until, stands.hold_until) {
        let what = format!("a hold stands for customer {id:?} that lasts longer");
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("`tenure customer release` ends it; then put the other one"));
    }
    let key = key(repository, domain)?;
    let reason = seal_reason(repository.id(), domain, &key, reason)?;
    let unaware = repository.decide(Event::Held {
        domain,
        until,
        reason,
    })?;
    done(repository, id, until, unaware)
}

/// Whether a hold until then ends before one that stands.
fn is_shorter(until: Option<Timestamp>, stands: Option<Timestamp>) -> bool {
    match (until, stands) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(until), Some(stands)) => until < stands,
    }
}

/// Lifts the hold.
///
/// # Errors
/// `NotFound` when none stands.
pub fn release(repository: &mut Repository, id: &str, reason: &str) -> Outcome<Held> {
    let subject = Subject::find(repository, id)?;
    let domain = subject.domain();
    if repository.catalog.life(domain)?.held.is_none() {
        let what = format!("no hold stands for customer {id:?}");
        return Err(Failure::of(FailureKind::NotFound, what));
    }
    let key = key(repository, domain)?;
    let reason = seal_reason(repository.id(), domain, &key, reason)?;
    let unaware = repository.decide(Event::Released { domain, reason })?;
    let done = done(repository, id, None, unaware)?;
    Ok(Held {
        stands: false,
        ..done
    })
}

fn done(
    repository: &mut Repository,
    id: &str,
    until: Option<Timestamp>,
    mut unaware: Vec<StoreName>,
) -> Outcome<Held> {
    repository.carry_out_decisions(&mut Settled::default())?;
    unaware.extend(repository.absent.keys().cloned());
    unaware.sort();
    Ok(Held {
        id: id.to_owned(),
        stands: true,
        until,
        unaware,
    })
}
