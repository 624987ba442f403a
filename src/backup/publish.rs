//! Gives a snapshot its name: the manifest, put where none is, in every store that has all the rest.
//!
//! As with journal entries, the manifest stands as an *intent* in the state directory first, so that
//! one of ours that a crash interrupted is told from one that another writer has put in its place.

use std::collections::HashSet;

use bytes::Bytes;

use super::fill::{kept, lacks, listing};
use crate::catalog::Snapshot;
use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::{SnapshotId, StoreName};
use crate::manifest::Manifest;
use crate::object::{self, Chain, Head};
use crate::repo::Repository;
use crate::repo::log::{on_all, second_writer};
use crate::repo::objects::{pack_path, page_path};
use crate::repo::view::read_manifest;
use crate::store::Store;

/// Writes the manifest. Returns the stores that did not take it, and why.
pub fn publish(
    repository: &mut Repository,
    number: u64,
    manifest: &Manifest,
    stores: &[Store],
) -> Outcome<Vec<(StoreName, Failure)>> {
    let previous = repository
        .catalog
        .snapshots()?
        .last()
        .map_or([0; 32], |last| last.hash);
    let head = Head {
        repo: repository.id(),
        inc: repository.inc(),
        number,
        previous,
    };
    let meta = repository.meta()?;
    let bytes = object::write(Chain::Manifest, &head, manifest, &meta, repository.writer())?;
    let intent = repository.state.intent(Chain::Manifest, repository.inc());
    fsx::create_dir(intent.parent().unwrap_or(repository.state.path()))?;
    fsx::write(&intent, &bytes)?;
    carry_out(repository, number, manifest, &bytes, stores)
}

fn carry_out(
    repository: &mut Repository,
    number: u64,
    manifest: &Manifest,
    bytes: &[u8],
    stores: &[Store],
) -> Outcome<Vec<(StoreName, Failure)>> {
    let inc = repository.inc();
    let path = Chain::Manifest.path(inc, number);
    let puts = on_all(stores, |store| {
        store.put_new(&path, Bytes::copy_from_slice(bytes))
    });
    let (mut whole, mut failed) = (Vec::new(), Vec::new());
    for (store, put) in stores.iter().zip(puts) {
        match put {
            Ok(()) => whole.push(store.name().clone()),
            Err(error) if error.is_conflict() => return Err(second_writer(error.to_string())),
            Err(error) => failed.push((store.name().clone(), Failure::from(error))),
        }
    }
    if whole.is_empty() {
        let failure = Failure::new("no store took the snapshot");
        return Err(match failed.into_iter().next() {
            Some((_, cause)) => failure.because(cause),
            None => failure.hint("see `tenure check`"),
        });
    }
    let own = repository.state.object(Chain::Manifest, inc, number);
    fsx::create_dir(own.parent().unwrap_or(repository.state.path()))?;
    let intent = repository.state.intent(Chain::Manifest, inc);
    let id = SnapshotId { inc, number };
    let snapshot = Snapshot {
        id,
        kind: manifest.kind,
        base: manifest.base,
        started: manifest.started,
        finished: manifest.finished,
        customers: manifest.totals.customers,
        stored_bytes: manifest.totals.stored_bytes + bytes.len() as u64,
        hash: object::hash(bytes),
    };
    // The intent goes last: until then whatever is missing can be done again from it.
    fsx::write(&own, bytes)?;
    repository.catalog.change(|change| -> Outcome<()> {
        change.add_snapshot(&snapshot)?;
        for store in &whole {
            change.set_complete(id, store, true)?;
        }
        Ok(())
    })?;
    fsx::remove(&intent)?;
    Ok(failed)
}

/// Finishes, or gives up, a snapshot that was interrupted while it got its name.
pub fn resume(repository: &mut Repository) -> Outcome<()> {
    let intent = repository.state.intent(Chain::Manifest, repository.inc());
    let Some(bytes) = fsx::read_if_there(&intent, object::MAX)? else {
        return Ok(());
    };
    let last = repository.last_snapshot_number()?;
    let newest = repository
        .catalog
        .snapshots()?
        .last()
        .map(|snapshot| snapshot.hash);
    if newest == Some(object::hash(&bytes)) {
        return Ok(fsx::remove(&intent)?);
    }
    let id = SnapshotId {
        inc: repository.inc(),
        number: last + 1,
    };
    let manifest = read_manifest(repository, id, &bytes)?;
    let path = Chain::Manifest.path(id.inc, id.number);
    let has_all = |store: &&Store| {
        listing(store).is_ok_and(|mut listing| {
            listing.entry(path.clone()).or_insert(0);
            lacks(id, &manifest, &listing).is_none()
        })
    };
    let whole: Vec<Store> = repository.stores.iter().filter(has_all).cloned().collect();
    if !whole.is_empty() {
        carry_out(repository, id.number, &manifest, &bytes, &whole)?;
        return Ok(());
    }
    if let Some(absent) = repository.absent.keys().next() {
        let what = format!(
            "snapshot {} was interrupted, and may stand in store {:?}",
            id.number,
            absent.as_str()
        );
        return Err(Failure::new(what).hint("make that store reachable, and run this again"));
    }
    Ok(fsx::remove(&intent)?)
}

/// Deletes what crashes have left: packs and pages that no manifest names, staged files, and pages
/// in the state directory that nothing compares with any more.
pub fn sweep(repository: &Repository) -> Outcome<()> {
    let snapshots = kept(repository)?;
    let named: HashSet<String> = snapshots
        .iter()
        .flat_map(|(_, manifest)| {
            let packs = manifest.packs.iter().map(|pack| pack_path(pack.name));
            packs.chain(
                manifest
                    .pages
                    .iter()
                    .map(|page| page_path(page.object.name)),
            )
        })
        .collect();
    let known: HashSet<String> = snapshots
        .iter()
        .map(|(id, _)| Chain::Manifest.path(id.inc, id.number))
        .collect();
    // A store that cannot be swept says so again when it is written to.
    let _ = on_all(&repository.stores, |store| {
        sweep_store(store, &named, &known)
    });
    let base = snapshots.last().map_or(0, |(_, manifest)| manifest.base);
    let chain = snapshots.iter().filter(|(id, _)| id.number >= base);
    let chain = chain.flat_map(|(_, manifest)| &manifest.pages);
    let wanted: HashSet<String> = chain.map(|page| page.object.name.to_string()).collect();
    let pages = repository.state.pages();
    for name in fsx::names(&pages)?
        .iter()
        .filter(|name| !wanted.contains(*name))
    {
        fsx::remove(&pages.join(name))?;
    }
    Ok(())
}

fn sweep_store(store: &Store, named: &HashSet<String>, known: &HashSet<String>) -> Outcome<()> {
    // Where there are manifests that are not known here, nobody can say what is named.
    if store
        .list("snapshots")?
        .keys()
        .all(|path| known.contains(path))
    {
        for folder in ["packs", "pages"] {
            for path in store
                .list(folder)?
                .into_keys()
                .filter(|path| !named.contains(path))
            {
                store.delete(&path)?;
            }
        }
    }
    Ok(store.sweep()?)
}
