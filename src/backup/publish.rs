//! Gives a snapshot its name: the manifest, put where none is, in every store that has all the rest.
//!
//! As with journal entries, the manifest stands as an *intent* in the state directory first, so that
//! one of ours that a crash interrupted is told from one that another writer has put in its place.

use std::collections::HashSet;

use bytes::Bytes;

use super::fill::kept;
use crate::catalog::Snapshot;
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{SnapshotId, StoreName};
use crate::manifest::Manifest;
use crate::object::{self, Chain, Head};
use crate::repo::Repository;
use crate::repo::listing::{Listing, lacks, lacks_named, listing};
use crate::repo::log::on_all;
use crate::repo::objects::{pack_path, page_path};
use crate::repo::sole::second_writer;
use crate::repo::view::read_manifest;
use crate::store::Store;

/// Writes the manifest. Returns the stores that did not take it, and why.
pub fn publish(
    repository: &mut Repository,
    number: u64,
    manifest: &Manifest,
    stores: &[Store],
) -> Outcome<Vec<(StoreName, Failure)>> {
    let last = repository.last_snapshot()?;
    let previous = last.map_or([0; 32], |last| last.hash);
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
    let before = kept(repository)?;
    let puts = on_all(stores, |store| {
        if let Some(lost) = lost(
            &before,
            SnapshotId { inc, number },
            manifest,
            &listing(store)?,
        ) {
            return Err(Failure::new(format!("it has lost {lost}")));
        }
        let put = store.put_new(&path, Bytes::copy_from_slice(bytes));
        put.map_err(|error| match error.is_conflict() {
            true => second_writer(error.to_string()),
            false => error.into(),
        })
    });
    let (mut whole, mut failed) = (Vec::new(), Vec::new());
    for (store, put) in stores.iter().zip(puts) {
        match put {
            Ok(()) => whole.push(store.name().clone()),
            Err(failure) if failure.kind() == FailureKind::Refused => return Err(failure),
            Err(failure) => failed.push((store.name().clone(), failure)),
        }
    }
    if whole.is_empty() {
        let failure = Failure::new("no store took the snapshot");
        return Err(match failed.into_iter().next() {
            Some((_, cause)) => failure.because(cause),
            None => failure.hint("see `tenure check`"),
        });
    }
    enter(
        repository,
        SnapshotId { inc, number },
        manifest,
        bytes,
        &whole,
    )?;
    Ok(failed)
}

/// The first object that a store lacks of a snapshot without a name, and of those it builds upon.
fn lost(
    before: &[(SnapshotId, Manifest)],
    id: SnapshotId,
    manifest: &Manifest,
    listing: &Listing,
) -> Option<String> {
    let numbers = manifest.base..id.number;
    let mut chain = before
        .iter()
        .filter(|(below, _)| below.inc == id.inc && numbers.contains(&below.number));
    lacks_named(manifest, listing)
        .or_else(|| chain.find_map(|(id, manifest)| lacks(*id, manifest, listing)))
}

/// Enters a snapshot that has its name into state directory and catalog.
fn enter(
    repository: &mut Repository,
    id: SnapshotId,
    manifest: &Manifest,
    bytes: &[u8],
    whole: &[StoreName],
) -> Outcome<()> {
    let own = repository.state.object(Chain::Manifest, id.inc, id.number);
    fsx::create_dir(own.parent().unwrap_or(repository.state.path()))?;
    let intent = repository.state.intent(Chain::Manifest, id.inc);
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
        for store in whole {
            change.set_complete(id, store, true)?;
        }
        Ok(())
    })?;
    Ok(fsx::remove(&intent)?)
}

/// Finishes, or gives up, a snapshot that was interrupted while it got its name.
pub fn resume(repository: &mut Repository) -> Outcome<()> {
    let intent = repository.state.intent(Chain::Manifest, repository.inc());
    let Some(bytes) = fsx::read_if_there(&intent, object::MAX)? else {
        return Ok(());
    };
    let last = repository.last_snapshot_number()?;
    let newest = repository.last_snapshot()?;
    let newest = newest.map(|snapshot| snapshot.hash);
    if newest == Some(object::hash(&bytes)) {
        return Ok(fsx::remove(&intent)?);
    }
    let id = SnapshotId {
        inc: repository.inc(),
        number: last + 1,
    };
    let manifest = read_manifest(repository, id, &bytes)?;
    let path = Chain::Manifest.path(id.inc, id.number);
    let before = kept(repository)?;
    let mut unseen = repository.absent.keys().next().cloned();
    let (mut whole, mut named) = (Vec::new(), false);
    for store in &repository.stores {
        let Ok(listing) = listing(store) else {
            unseen.get_or_insert(store.name().clone());
            continue;
        };
        named |= listing.contains_key(&path);
        if lost(&before, id, &manifest, &listing).is_none() {
            whole.push(store.clone());
        }
    }
    if !whole.is_empty() {
        carry_out(repository, id.number, &manifest, &bytes, &whole)?;
        return Ok(());
    }
    if named {
        // It has its name already, in a store that has lost something of it since.
        return enter(repository, id, &manifest, &bytes, &[]);
    }
    if let Some(unseen) = unseen {
        let what = format!(
            "snapshot {} was interrupted, and may stand in store {:?}",
            id.number,
            unseen.as_str()
        );
        return Err(Failure::new(what).hint(
            "make that store reachable and run this again, or, if it is lost for good, take it \
             out of the configuration",
        ));
    }
    Ok(fsx::remove(&intent)?)
}

/// What a sweep has done in one store.
pub struct Swept {
    /// Which store.
    pub store: StoreName,
    /// Bytes of the objects and staged files that were deleted.
    pub freed: u64,
    /// Why not everything was that should have been.
    pub failure: Option<Failure>,
}

/// Deletes what crashes and pruned snapshots have left: packs and pages that no manifest names,
/// staged files, and pages in the state directory that nothing compares with any more.
///
/// To be called under the lock, after [`resume`]: what an intent names is then named by a manifest,
/// or was given up.
pub fn sweep(repository: &Repository) -> Outcome<Vec<Swept>> {
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
    let swept = on_all(&repository.stores, |store| {
        let mut freed = 0;
        let done = sweep_store(store, &named, &known, &mut freed);
        Swept {
            store: store.name().clone(),
            freed,
            failure: done.err(),
        }
    });
    let last = snapshots.last();
    let last = last.map(|(id, manifest)| (id.inc, manifest.base));
    let is_wanted =
        |id: &SnapshotId| last.is_some_and(|(inc, base)| id.inc == inc && id.number >= base);
    let chain = snapshots.iter().filter(|(id, _)| is_wanted(id));
    let chain = chain.flat_map(|(_, manifest)| &manifest.pages);
    let wanted: HashSet<String> = chain.map(|page| page.object.name.to_string()).collect();
    let pages = repository.state.pages();
    for name in fsx::names(&pages)?
        .iter()
        .filter(|name| !wanted.contains(*name))
    {
        fsx::remove(&pages.join(name))?;
    }
    Ok(swept)
}

fn sweep_store(
    store: &Store,
    named: &HashSet<String>,
    known: &HashSet<String>,
    freed: &mut u64,
) -> Outcome<()> {
    for folder in [
        "packs",
        "pages",
        "snapshots",
        "journal",
        "writer",
        "audit",
        "",
    ] {
        *freed += store.sweep(folder)?;
    }
    let manifests = store.list("snapshots")?;
    if let Some(unknown) = manifests.keys().find(|path| !known.contains(*path)) {
        let what = format!("it holds {unknown}, so nobody here can say what is named in it");
        return Err(Failure::new(what));
    }
    for folder in ["packs", "pages"] {
        let listed = store.list(folder)?.into_iter();
        for (path, size) in listed.filter(|(path, _)| !named.contains(path)) {
            store.delete(&path)?;
            *freed += size;
        }
    }
    Ok(())
}
