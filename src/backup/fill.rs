//! Brings stores level: what a kept snapshot names and a store lacks is copied there from another.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::{ObjectName, SnapshotId, StoreName};
use crate::manifest::Manifest;
use crate::object::{self, Chain};
use crate::repo::Repository;
use crate::repo::log::on_all;
use crate::repo::objects::{pack_path, page_path};
use crate::repo::view::manifest;
use crate::report::{Report, Unit};
use crate::store::Store;

/// Where the stores stand.
pub struct Level {
    /// Stores that have everything that the newest snapshot needs.
    pub stores: Vec<Store>,
    /// The others, and why.
    pub behind: Vec<(StoreName, Failure)>,
    /// Packs that every one of the stores has.
    pub packs: HashSet<ObjectName>,
}

type Listing = BTreeMap<String, u64>;

/// Looks at every store, and copies what it lacks if another store has it.
pub fn level(repository: &mut Repository, report: &dyn Report) -> Outcome<Level> {
    let snapshots = kept(repository)?;
    let listings = on_all(&repository.stores, listing);
    let mut level = Level {
        stores: Vec::new(),
        behind: Vec::new(),
        packs: HashSet::new(),
    };
    let mut listed = Vec::new();
    for (store, listing) in repository.stores.iter().zip(listings) {
        match listing {
            Ok(listing) => listed.push((store.clone(), listing)),
            Err(failure) => level.behind.push((store.name().clone(), failure)),
        }
    }
    for (name, failure) in &repository.absent {
        let why = Failure::new(failure.to_string());
        let why = match failure.next_step() {
            Some(hint) => why.hint(hint),
            None => why,
        };
        level.behind.push((name.clone(), why));
    }
    fill(repository, &snapshots, &mut listed, report);
    let newest = snapshots.last().map_or(0, |(id, _)| id.number);
    let base = snapshots.last().map_or(0, |(_, manifest)| manifest.base);
    let mut complete = Vec::new();
    for (store, listing) in listed {
        let lacking = snapshots
            .iter()
            .map(|(id, manifest)| (*id, lacks(*id, manifest, &listing)));
        let lacking: Vec<_> = lacking.collect();
        let in_chain = |id: &SnapshotId| (base..=newest).contains(&id.number);
        let missing = lacking
            .iter()
            .filter(|(id, _)| in_chain(id))
            .find_map(|(_, l)| l.clone());
        for (id, lack) in &lacking {
            complete.push((*id, store.name().clone(), lack.is_none()));
        }
        match missing {
            None => {
                let has = |(_, manifest): &(SnapshotId, Manifest)| manifest.packs.clone();
                let here = snapshots.iter().flat_map(has);
                let here = here.filter(|p| listing.get(&pack_path(p.name)) == Some(&p.size));
                let here: HashSet<_> = here.map(|pack| pack.name).collect();
                if level.stores.is_empty() {
                    level.packs = here;
                } else {
                    level.packs.retain(|pack| here.contains(pack));
                }
                level.stores.push(store);
            }
            Some(what) => {
                let why = Failure::new(format!("it lacks {what}, and no other store has it"));
                level.behind.push((store.name().clone(), why));
            }
        }
    }
    repository.catalog.change(|change| -> Outcome<()> {
        for (id, store, whole) in &complete {
            change.set_complete(*id, store, *whole)?;
        }
        Ok(())
    })?;
    Ok(level)
}

/// The kept snapshots of this incarnation, oldest first, with their manifests.
pub fn kept(repository: &Repository) -> Outcome<Vec<(SnapshotId, Manifest)>> {
    let fetcher = repository.fetcher(&repository.stores);
    let snapshots = repository.catalog.snapshots()?;
    let own = snapshots
        .into_iter()
        .filter(|snapshot| snapshot.id.inc == repository.inc());
    own.map(|snapshot| Ok((snapshot.id, manifest(repository, &fetcher, snapshot.id)?)))
        .collect()
}

/// What of a snapshot lies in a store, by path and size.
pub fn listing(store: &Store) -> Outcome<Listing> {
    let mut all = store.list("packs")?;
    all.append(&mut store.list("pages")?);
    all.append(&mut store.list("snapshots")?);
    Ok(all)
}

/// The objects that a manifest names, by path and size.
fn named(manifest: &Manifest) -> impl Iterator<Item = (String, u64)> {
    let packs = manifest
        .packs
        .iter()
        .map(|pack| (pack_path(pack.name), pack.size));
    let pages = manifest
        .pages
        .iter()
        .map(|page| (page_path(page.object.name), page.object.size));
    packs.chain(pages)
}

/// The first object of a snapshot that a store lacks.
pub fn lacks(id: SnapshotId, manifest: &Manifest, listing: &Listing) -> Option<String> {
    let path = Chain::Manifest.path(id.inc, id.number);
    if !listing.contains_key(&path) {
        return Some(path);
    }
    named(manifest)
        .find(|(path, size)| listing.get(path) != Some(size))
        .map(|(path, _)| path)
}

/// Copies what is lacking, as far as any store has it; the manifest last, as always.
fn fill(
    repository: &Repository,
    snapshots: &[(SnapshotId, Manifest)],
    listed: &mut [(Store, Listing)],
    report: &dyn Report,
) {
    for at in 0..listed.len() {
        let (store, listing) = listed[at].clone();
        let lacking: Vec<_> = snapshots
            .iter()
            .filter(|(id, m)| lacks(*id, m, &listing).is_some())
            .collect();
        if lacking.is_empty() {
            continue;
        }
        report.note(&format!(
            "bringing store {:?} up to date",
            store.name().as_str()
        ));
        let mut copied = Listing::new();
        for (id, manifest) in lacking {
            report.begin("copying", None, Unit::Bytes);
            let done = copy_snapshot(
                repository,
                *id,
                manifest,
                &store,
                &listing,
                listed,
                &mut copied,
                report,
            );
            report.end();
            if let Err(failure) = done {
                report.note(&format!("store {:?}: {failure}", store.name().as_str()));
                break;
            }
        }
        listed[at].1.append(&mut copied);
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is a different place to read or write"
)]
fn copy_snapshot(
    repository: &Repository,
    id: SnapshotId,
    manifest: &Manifest,
    to: &Store,
    has: &Listing,
    listed: &[(Store, Listing)],
    copied: &mut Listing,
    report: &dyn Report,
) -> Outcome<()> {
    for (path, size) in named(manifest) {
        if has.get(&path) == Some(&size) || copied.contains_key(&path) {
            continue;
        }
        let bytes = whole_copy(&path, size, listed)?;
        if has.contains_key(&path) {
            // The right name and the wrong size: a torn object, which nothing can use.
            to.delete(&path)?;
        }
        to.put_new(&path, bytes)?;
        copied.insert(path, size);
        report.advance(size);
    }
    let path = Chain::Manifest.path(id.inc, id.number);
    if !has.contains_key(&path) {
        let own = fsx::read(
            &repository.state.object(Chain::Manifest, id.inc, id.number),
            object::MAX,
        )?;
        let size = own.len() as u64;
        to.put_new(&path, own.into())?;
        copied.insert(path, size);
    }
    Ok(())
}

/// An object that is named by its content, from the first store that has it whole.
fn whole_copy(path: &str, size: u64, listed: &[(Store, Listing)]) -> Outcome<Bytes> {
    let name = path.rsplit('/').next().unwrap_or(path);
    for (store, listing) in listed {
        if listing.get(path) != Some(&size) {
            continue;
        }
        if let Ok(bytes) = store.get(path, size)
            && ObjectName::of(&bytes).to_string() == name
        {
            return Ok(bytes);
        }
    }
    Err(Failure::new(format!("no store has {path} whole")))
}
