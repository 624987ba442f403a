//! Gives up snapshots that the keep rules let go, and what only those had.
//!
//! The journal's entry commits it: from then on the snapshots are out of the catalog, their manifests
//! are deleted wherever they can be reached (see [`crate::repo`]), newest first, and then the pages
//! and packs that no kept manifest names. Every step may be repeated, and whoever comes after an
//! interruption goes on. A store that is away keeps what it has until it is back.

use std::collections::BTreeSet;

use crate::backup;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{SnapshotId, StoreName};
use crate::journal::Event;
use crate::repo::{Repository, Settled};
use crate::report::Report;

mod guard;
mod held;
pub mod keep;

pub use guard::Shrunk;
use keep::{Facts, Verdict, keep};

/// What would be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What becomes of each snapshot, oldest first.
    pub verdicts: Vec<Verdict>,
    /// Why nothing would be done, unless somebody confirms it.
    pub shrunk: Option<Shrunk>,
    /// The newest snapshot that was verified with its data: nothing from there on goes.
    pub floor: Option<SnapshotId>,
}

impl Plan {
    /// The snapshots that go, oldest first.
    pub fn going(&self) -> impl Iterator<Item = SnapshotId> {
        let going = self.verdicts.iter().filter(|verdict| !verdict.is_kept());
        going.map(|verdict| verdict.id)
    }
}

/// What was done.
#[derive(Debug)]
pub struct Pruned {
    /// What it was done by.
    pub plan: Plan,
    /// Bytes of all objects that were deleted, over all stores.
    pub freed_bytes: u64,
    /// Stores that may still hold what should be gone, and why.
    pub left: Vec<(StoreName, Failure)>,
}

/// Judges all snapshots. Changes nothing.
pub fn plan(repository: &Repository) -> Outcome<Plan> {
    let snapshots = repository.catalog.snapshots()?;
    let mut verified = BTreeSet::new();
    for inc in repository.writers.keys() {
        let numbers = repository.catalog.verified(*inc)?.into_keys();
        verified.extend(numbers.map(|number| SnapshotId { inc: *inc, number }));
    }
    let stores = repository.config.stores.iter();
    let last_good = stores
        .map(|store| repository.catalog.last_good(&store.name))
        .collect::<Result<Vec<_>, _>>()?;
    let facts = snapshots.iter().map(|snapshot| Facts {
        id: snapshot.id,
        base: snapshot.base,
        started: snapshot.started,
        verified: verified.contains(&snapshot.id),
        last_good: last_good
            .iter()
            .flatten()
            .any(|good| good.id == snapshot.id),
    });
    let facts: Vec<_> = facts.collect();
    let (rules, zone) = (
        &repository.config.snapshots.keep,
        repository.config.time_zone,
    );
    let floor = facts.iter().rfind(|facts| facts.verified);
    let free = keep(&facts, rules, zone, &|_| false);
    let held = held::among(repository, free.iter().filter(|verdict| !verdict.is_kept()))?;
    Ok(Plan {
        verdicts: keep(&facts, rules, zone, &|id| held.contains(&id)),
        shrunk: guard::shrunk(repository, &snapshots)?,
        floor: floor.map(|facts| facts.id),
    })
}

/// Prunes. `confirm` is the newest snapshot, as somebody typed it who has seen that it shrank.
///
/// # Errors
/// `Refused` when the newest snapshot shrank beyond the fuse and nobody has confirmed it, or when
/// something else than the newest was confirmed. A store that cannot be reached is no error: it is
/// named in the result.
pub fn run(
    repository: &mut Repository,
    confirm: Option<&str>,
    report: &dyn Report,
) -> Outcome<Pruned> {
    backup::resume(repository)?;
    let plan = plan(repository)?;
    if let Some(newest) = plan.verdicts.last().map(|verdict| verdict.id) {
        check(&plan, newest, confirm)?;
        guard::accept(repository, newest)?;
    }
    let (own, former): (Vec<_>, Vec<_>) = plan.going().partition(|id| id.inc == repository.inc());
    let mut settled = Settled::default();
    if own.len() + former.len() > 0 {
        report.note(&format!("deleting {} snapshots", own.len() + former.len()));
        repository.decide(Event::Pruned {
            snapshots: own.into_iter().map(|id| id.number).collect(),
            former: (!former.is_empty()).then_some(former),
        })?;
    }
    repository.carry_out_decisions(&mut settled)?;
    let mut freed_bytes = settled.freed;
    let mut left = settled.unpruned;
    for swept in backup::sweep(repository)? {
        freed_bytes += swept.freed;
        if let Some(failure) = swept.failure
            && !left.iter().any(|(name, _)| *name == swept.store)
        {
            left.push((swept.store, failure));
        }
    }
    let absent = repository.absent.iter();
    left.extend(absent.map(|(name, failure)| (name.clone(), failure.again())));
    Ok(Pruned {
        plan,
        freed_bytes,
        left,
    })
}

/// That the newest snapshot has not shrunk beyond the fuse, or that somebody has confirmed it.
fn check(plan: &Plan, newest: SnapshotId, confirm: Option<&str>) -> Outcome<()> {
    match (confirm, &plan.shrunk) {
        (Some(named), _) if named == newest.number.to_string() || named == newest.to_string() => {
            Ok(())
        }
        (Some(named), _) => {
            let what = format!("{named} was confirmed, and is not the newest snapshot");
            let hint = format!(
                "the newest is {}: look at it, and confirm that",
                newest.number
            );
            Err(Failure::of(FailureKind::Refused, what).hint(hint))
        }
        (None, Some(shrunk)) => Err(shrunk.refusal()),
        (None, None) => Ok(()),
    }
}
