//! Keeps in the catalog which packs and pages are damaged in which store: the next snapshot replaces
//! them, and until then nothing that needs them counts as complete there.

use std::collections::BTreeSet;

use super::{Verified, reach};
use crate::error::Outcome;
use crate::ids::{SnapshotId, StoreName};
use crate::manifest::Manifest;
use crate::repo::Repository;
use crate::repo::listing::named;
use crate::repo::objects::is_whole;
use crate::repo::view::manifest;

/// What is to be noted of one store.
struct Noted {
    before: BTreeSet<String>,
    damaged: BTreeSet<String>,
    whole: BTreeSet<String>,
}

impl Noted {
    /// All that is damaged by now.
    fn now(&self) -> BTreeSet<String> {
        let all = self.before.union(&self.damaged);
        all.filter(|path| !self.whole.contains(*path))
            .cloned()
            .collect()
    }
}

/// Notes what was found damaged in the stores that were looked at, and what is whole again.
pub(super) fn note(
    repository: &mut Repository,
    store: Option<&StoreName>,
    verified: &Verified,
) -> Outcome<()> {
    let before = repository.catalog.damaged()?;
    let mut noted = Vec::new();
    for configured in &repository.config.stores {
        let name = &configured.name;
        if store.is_some_and(|store| store != name) {
            continue;
        }
        let of_store = verified.problems.iter().filter(|p| p.store == *name);
        let paths = of_store.map(|problem| &problem.object);
        let damaged: BTreeSet<String> = paths.filter(|path| by_content(path)).cloned().collect();
        let before = before.get(name).cloned().unwrap_or_default();
        let mut whole = BTreeSet::new();
        if let Ok(store) = reach(repository, configured) {
            let others = before.difference(&damaged);
            whole.extend(others.filter(|path| is_whole(&store, path)).cloned());
        }
        let of_store = Noted {
            before,
            damaged,
            whole,
        };
        noted.push((name.clone(), of_store));
    }
    noted.retain(|(_, noted)| !noted.damaged.is_empty() || !noted.whole.is_empty());
    if noted.is_empty() {
        return Ok(());
    }
    let snapshots = readable(repository)?;
    repository.catalog.change(|change| -> Outcome<()> {
        for (name, noted) in &noted {
            for path in &noted.damaged {
                change.set_damaged(name, path, true)?;
            }
            for path in &noted.whole {
                change.set_damaged(name, path, false)?;
            }
            change.set_broken(name, &needing(&snapshots, &noted.now()))?;
        }
        Ok(())
    })
}

/// The snapshots whose manifests can be had; the others are problems already.
fn readable(repository: &Repository) -> Outcome<Vec<(SnapshotId, Manifest)>> {
    let fetcher = repository.fetcher(&repository.stores);
    let own = repository.catalog.snapshots()?.into_iter();
    let read = own.filter_map(|own| Some((own.id, manifest(repository, &fetcher, own.id).ok()?)));
    Ok(read.collect())
}

/// Whether an object is named by its content.
fn by_content(path: &str) -> bool {
    path.starts_with("packs/") || path.starts_with("pages/")
}

/// The snapshots that cannot be read without some of these objects.
fn needing(snapshots: &[(SnapshotId, Manifest)], paths: &BTreeSet<String>) -> Vec<SnapshotId> {
    let hit = |manifest: &Manifest| named(manifest).any(|(path, _)| paths.contains(&path));
    let hit = snapshots.iter().filter(|(_, manifest)| hit(manifest));
    let hit: BTreeSet<(_, u64)> = hit.map(|(id, _)| (id.inc, id.number)).collect();
    let needing = snapshots.iter().filter(|(id, manifest)| {
        let mut chain = hit.range((id.inc, manifest.base)..=(id.inc, id.number));
        chain.next().is_some()
    });
    needing.map(|(id, _)| *id).collect()
}
