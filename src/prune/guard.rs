//! The shrink guard: a source that was replaced by an empty one must not make the good snapshots go.

use std::collections::HashMap;

use crate::catalog::Snapshot;
use crate::config::Fuse;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Class, Domain, SnapshotId};
use crate::journal::{Entry, Event};
use crate::manifest::Manifest;
use crate::repo::Repository;
use crate::repo::view::{View, manifest};

/// The catalog's note of the snapshot that was the newest when the guard was passed.
const ACCEPTED: &str = "prune_accepted";

/// That the newest snapshot has lost more customers than the fuse bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The newest snapshot.
    pub newest: SnapshotId,
    /// One that had more.
    pub before: SnapshotId,
    /// How many customers the newest holds.
    pub holds: u64,
    /// How many it should hold: those of the one before, without who was erased since.
    pub of: u64,
}

impl Shrunk {
    /// Why nothing is pruned.
    pub fn refusal(&self) -> Failure {
        let Self {
            newest,
            before,
            holds,
            of,
        } = self;
        let what = format!(
            "snapshot {} holds {holds} customers, and snapshot {} had {of} without those erased since",
            newest.number, before.number
        );
        Failure::of(FailureKind::Refused, what).hint(format!(
            "was a source replaced by an empty one? if this is right: `tenure prune --confirm {}`",
            newest.number
        ))
    }
}

/// Compares the newest of the own snapshots with each since the last that passed the guard, that
/// one too. Who was erased in between is not missed.
pub(super) fn shrunk(repository: &Repository, snapshots: &[Snapshot]) -> Outcome<Option<Shrunk>> {
    let Some((newest, before)) = snapshots.split_last() else {
        return Ok(None);
    };
    let fuse = repository.config.retention.as_ref();
    let fuse = fuse.map_or_else(Fuse::default, |retention| retention.fuse);
    let accepted = repository.catalog.note(ACCEPTED)?;
    let accepted = accepted
        .as_deref()
        .and_then(|noted| place(repository, noted));
    let is_since = |before: &&Snapshot| Some(rank(repository, before.id)) >= accepted;
    for before in before.iter().filter(is_since) {
        if !is_blown(fuse, before.customers, newest.customers) {
            continue;
        }
        let erased = erased_between(repository, before.id, newest.id)?;
        let mut of = before.customers.saturating_sub(erased.len() as u64);
        // Counting takes reading the pages, and is done only if it may matter.
        if !is_blown(fuse, of, newest.customers) {
            of = before.customers - held(repository, before.id, &erased)?;
        }
        if is_blown(fuse, of, newest.customers) {
            return Ok(Some(Shrunk {
                newest: newest.id,
                before: before.id,
                holds: newest.customers,
                of,
            }));
        }
    }
    Ok(None)
}

/// Where a snapshot stands among all.
fn rank(repository: &Repository, id: SnapshotId) -> (u32, u64) {
    let writer = repository.writers.get(&id.inc);
    (writer.map_or(0, |writer| writer.ordinal), id.number)
}

/// The place of a snapshot that was noted, as `INC.N`. Older versions have noted a number alone.
fn place(repository: &Repository, noted: &str) -> Option<(u32, u64)> {
    let (inc, number) = match noted.split_once('.') {
        Some((inc, number)) => (inc.parse().ok()?, number),
        None => (repository.inc(), noted),
    };
    let number = number.parse().ok()?;
    Some(rank(repository, SnapshotId { inc, number }))
}

/// Notes that the newest snapshot has passed, or was confirmed.
pub(super) fn accept(repository: &mut Repository, newest: SnapshotId) -> Outcome<()> {
    let newest = newest.to_string();
    let change = &mut repository.catalog;
    Ok(change.change(|change| change.set_note(ACCEPTED, &newest))?)
}

/// Whether so few of so many are more lost than the fuse bears.
fn is_blown(fuse: Fuse, of: u64, holds: u64) -> bool {
    let lost = of.saturating_sub(holds);
    lost > fuse.number || lost as f64 > fuse.share * of as f64
}

/// The customers who were erased after one snapshot and before another, and not let in again.
fn erased_between(
    repository: &Repository,
    before: SnapshotId,
    newest: SnapshotId,
) -> Outcome<Vec<Domain>> {
    let fetcher = repository.fetcher(&repository.stores);
    let read = |id| manifest(repository, &fetcher, id);
    let position = |id: SnapshotId, manifest: &Manifest| {
        let mut own = manifest.journal.iter();
        let own = own.find(|position| position.inc == id.inc);
        own.map_or(0, |position| repository.counted_through(position))
    };
    let from = position(before, &read(before)?);
    let to = position(newest, &read(newest)?);
    let entries = repository.entries(from + 1..to + 1)?.into_iter();
    Ok(erased(entries.map(|placed| placed.entry).collect()))
}

fn erased(entries: Vec<Entry>) -> Vec<Domain> {
    let mut erased = HashMap::new();
    for entry in entries {
        match entry.event {
            Event::Erased { recognised, .. } => {
                erased.extend(recognised.into_iter().map(|one| (one.who, one.domain)));
            }
            Event::Readmitted { who, .. } => {
                erased.remove(&who);
            }
            _ => {}
        }
    }
    erased.into_values().collect()
}

/// How many of these customers a snapshot held.
fn held(repository: &Repository, id: SnapshotId, customers: &[Domain]) -> Outcome<u64> {
    let fetcher = repository.fetcher(&repository.stores);
    let view = View::open(repository, &fetcher, id)?;
    let mut entries = view.entries(&fetcher, repository.id())?;
    let mut missing: std::collections::HashSet<Domain> = customers.iter().copied().collect();
    while let Some(entry) = entries.next_entry()? {
        if entry.domain.class != Class::OWN {
            missing.remove(&Domain {
                class: Class::CUSTOMER,
                ..entry.domain
            });
        }
    }
    Ok((customers.len() - missing.len()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::{Incarnation, KeyedHash};
    use crate::journal::Recognised;

    #[test]
    fn the_fuse_blows_by_share_or_by_number_and_not_by_growth() {
        let fuse = Fuse {
            share: 0.05,
            number: 1000,
        };
        for (of, holds, blown) in [
            (0, 0, false),
            (100, 100, false),
            (100, 200, false),
            (100, 95, false),
            (100, 94, true),
            (10, 9, true),
            (1, 0, true),
            (100_000, 99_000, false),
            (100_000, 98_999, true),
        ] {
            assert_eq!(is_blown(fuse, of, holds), blown, "{holds} of {of}");
        }
    }

    #[test]
    fn who_was_let_in_again_is_not_counted_as_erased() {
        let domain = |arrival| Domain {
            inc: Incarnation([1; 8]),
            class: Class::CUSTOMER,
            arrival,
        };
        let who = |n| KeyedHash([n; 16]);
        let erased_ = |n| Event::Erased {
            domains: vec![domain(u32::from(n))],
            recognised: vec![Recognised {
                who: who(n),
                domain: domain(u32::from(n)),
                key: None,
            }],
            order: None,
        };
        let readmitted = Event::Readmitted {
            who: who(1),
            domain: domain(9),
            identity: vec![],
            reason: vec![],
        };
        let events = [erased_(1), erased_(2), readmitted];
        let entries = events.map(|event| Entry {
            time: Timestamp(1),
            event,
        });
        assert_eq!(erased(entries.into()), [domain(2)]);
    }
}
