//! The life of a customer: what becomes of whom, when and why.
//!
//! ```text
//! active ⇄ hidden ─▶ expired (in grace) ─▶ erased          a hold or a restriction stops it anywhere
//!        └────────────────┴──────────────▶ review          a person decides
//! ```
//!
//! [`decide`] makes verdicts of facts, a policy and a time; [`may_erase`] says whether an erasure
//! that somebody asks for may be done now; [`blown`] and [`plausible`] stop a run that should not
//! go on without a person. These are pure; `facts` gathers what they look at, and [`hide`], [`hold`],
//! [`erase`] and [`retention`] are the flows that carry out and record.
//!
//! **Invariant:** what decides knows no clock, no catalog, no store and no database in here: equal facts at an equal
//! time get equal verdicts, each customer's alone and whatever the order.
//! **Invariant:** in doubt a customer is kept or put up for review, never erased.
//!
//! # Precedence
//!
//! Highest first:
//!
//! 1. a **hold**: nothing is erased while it stands. One with an end stands until that moment is
//!    over and then no longer binds, though the journal shows it until it is released;
//! 2. a **restriction** that the customer has asked for (GDPR art. 18): likewise;
//! 3. the **statutory minimum**, `at_least`: neither a request nor the end of another period
//!    outweighs it. Where its start is not known nobody can tell that it is over, so it is not;
//! 4. a **request** to erase: may be carried out as soon as nothing above stands against it;
//! 5. **expiry**: a customer is erased as a whole, so the longest of all rules decides, of whatever
//!    class. One rule with `then = "review"` makes a review of the end;
//! 6. a **hide** for business reasons: it does not stop the time.
//!
//! # When a period is over
//!
//! Years, months and days are counted on the calendar of the configured zone, from the latest of
//! the rule's start columns ([`Start`]). A month after 31 January ends on the last day of February.
//! An end that clocks show twice is meant the second time; one that they pass over is counted as if
//! they had not yet been set forward. The last moment still belongs to the period: whoever may be
//! kept until noon is not erased at noon, but a millisecond later.
//!
//! A customer who **vanished** from the register has no start dates any more. `vanished.after` is
//! counted from when it was missed, and so is every statutory minimum.

mod calendar;
mod certify;
mod clock;
mod course;
pub mod erase;
mod facts;
mod fuse;
pub mod hide;
pub mod hold;
mod live_part;
mod lives;
mod pending;
mod policy;
mod reason;
pub mod retention;
mod start;
mod subject;

pub use certify::{show as certificate, verify as verify_certificate};
pub use live_part::{absent_in_words, unreached_in_words};

pub use clock::{Implausible, plausible};
pub use fuse::{Blown, blown, hash};
pub use lives::lives;
pub use pending::Pending;
pub use policy::{Fact, Fate, Hold, Policy, Rule, Verdict, decide, may_erase};
pub use reason::{Day, Reason};
pub use start::{Absurd, Start};

use crate::config::Source;
use crate::error::{Context, Failure, Outcome};
use crate::repo::Repository;
use crate::source::sqlite::roll_back;

/// Finishes what earlier commands have decided and could not finish: in live rows, and in
/// certificates. Every command that changes something does this first. Returns what could still not
/// be done.
pub fn finish(repository: &mut Repository) -> Outcome<Vec<Failure>> {
    // A command that was killed while it tried or did an erasure leaves a database that only a writer
    // can open. What another program has left is left alone.
    let mut failed = Vec::new();
    for name in repository.cut_short()? {
        match repository.config.source(&name) {
            Some(source) => match rolled_back(source) {
                Ok(()) => repository.in_order(&name)?,
                Err(failure) => failed.push(failure),
            },
            None => repository.in_order(&name)?,
        }
    }
    failed.extend(hide::finish(repository)?);
    failed.extend(erase::finish(repository)?);
    certify::all(repository)?;
    Ok(failed)
}

/// Rolls back what dead writers left in any source in the middle of a transaction, as any program does
/// that is about to write there. Returns what could not be done.
pub fn roll_back_all(repository: &Repository) -> Vec<Failure> {
    let sources = repository.config.sources.iter();
    sources
        .filter_map(|source| rolled_back(source).err())
        .collect()
}

fn rolled_back(source: &Source) -> Outcome<()> {
    let done = roll_back(&source.path).map(drop);
    done.failed_to(|| format!("roll back in source {}", source.name))
}

#[cfg(test)]
mod tests;
