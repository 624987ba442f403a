//! Snapshots that hold data of customers on hold, and stay for it.

use std::collections::HashSet;

use super::keep::Verdict;
use crate::clock::Timestamp;
use crate::error::{Context, Outcome};
use crate::ids::{Class, Domain, SnapshotId};
use crate::lifecycle;
use crate::repo::Repository;
use crate::repo::objects::Fetcher;
use crate::repo::view::View;

/// Which of the snapshots that would go hold data of somebody on hold.
///
/// # Errors
/// When a snapshot cannot be looked into: what may be held does not go.
pub(super) fn among<'v>(
    repository: &Repository,
    going: impl Iterator<Item = &'v Verdict>,
) -> Outcome<HashSet<SnapshotId>> {
    let now = Timestamp::now();
    let lives = lifecycle::lives(repository)?.into_iter();
    let held: Vec<Domain> = lives
        .filter(|(_, life)| life.is_held(now))
        .map(|(domain, _)| domain)
        .collect();
    let mut found = HashSet::new();
    if held.is_empty() {
        return Ok(found);
    }
    let fetcher = repository.fetcher(&repository.stores);
    for Verdict { id, .. } in going {
        let holds = holds(repository, &fetcher, *id, &held);
        if holds.failed_to(|| format!("look for what is on hold in snapshot {}", id.number))? {
            found.insert(*id);
        }
    }
    Ok(found)
}

/// Whether a snapshot holds anything of these customers, of whatever class.
fn holds(
    repository: &Repository,
    fetcher: &Fetcher,
    id: SnapshotId,
    customers: &[Domain],
) -> Outcome<bool> {
    let view = View::open(repository, fetcher, id)?;
    let last = u8::try_from(view.manifest().classes.len()).unwrap_or(u8::MAX);
    for customer in customers {
        for class in (1..=last).map(Class) {
            let domain = Domain { class, ..*customer };
            if !view.find(fetcher, domain)?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
