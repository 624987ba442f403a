//! Brings stores level: what a kept snapshot names and a store lacks is copied there from another.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::mend::Damaged;
use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::{ObjectName, SnapshotId, StoreName};
use crate::manifest::Manifest;
use crate::object::{self, Chain};
use crate::repo::Repository;
use crate::repo::listing::{Listing, lacking, lacks, listing, named};
use crate::repo::log::on_all;
use crate::repo::objects::pack_path;
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
    /// What was copied to each store that lacked something.
    pub copied: BTreeMap<StoreName, Copied>,
}

/// How much was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Looks at every store, and copies what it lacks if another store has it.
pub fn level(repository: &mut Repository, report: &dyn Report) -> Outcome<Level> {
    let snapshots = kept(repository)?;
    let listings = on_all(&repository.stores, listing);
    let mut level = Level {
        stores: Vec::new(),
        behind: Vec::new(),
        packs: HashSet::new(),
        copied: BTreeMap::new(),
    };
    let mut listed = Vec::new();
    for (store, listing) in repository.stores.iter().zip(listings) {
        match listing {
            Ok(listing) => listed.push((store.clone(), listing)),
            Err(failure) => level.behind.push((store.name().clone(), failure)),
        }
    }
    for (name, failure) in &repository.absent {
        level.behind.push((name.clone(), failure.again()));
    }
    let damaged = Damaged::look_again(repository, &mut listed)?;
    let copied = &mut level.copied;
    let failed = fill(repository, &snapshots, &mut listed, copied, report);
    let mended: Vec<_> = damaged.mended(&listed).cloned().collect();
    let mut complete = Vec::new();
    for (store, listing) in listed {
        let lacking = lacking(&snapshots, &listing);
        for (id, lack) in &lacking {
            complete.push((*id, store.name().clone(), lack.is_none()));
        }
        match lacking.last().and_then(|(_, lack)| lack.as_ref()) {
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
                let why = Failure::new(format!("it lacks {what}"));
                let cause = failed.get(store.name()).map(Failure::again);
                let why = match cause {
                    Some(cause) => why.because(cause),
                    None => why,
                };
                level.behind.push((store.name().clone(), why));
            }
        }
    }
    repository.catalog.change(|change| -> Outcome<()> {
        for (id, store, whole) in &complete {
            change.set_complete(*id, store, *whole)?;
        }
        for (store, path) in &mended {
            change.set_damaged(store, path, false)?;
            // What is not mended keeps its snapshots from being complete.
            change.set_broken(store, &[])?;
        }
        Ok(())
    })?;
    Ok(level)
}

/// The kept snapshots, oldest first, with their manifests.
pub fn kept(repository: &Repository) -> Outcome<Vec<(SnapshotId, Manifest)>> {
    let fetcher = repository.fetcher(&repository.stores);
    let snapshots = repository.catalog.snapshots()?;
    let kept = snapshots.into_iter();
    kept.map(|snapshot| Ok((snapshot.id, manifest(repository, &fetcher, snapshot.id)?)))
        .collect()
}

/// Copies what is lacking, as far as any store has it; the manifest last, as always. Returns the
/// first failure of each store that stays behind.
fn fill(
    repository: &Repository,
    snapshots: &[(SnapshotId, Manifest)],
    listed: &mut [(Store, Listing)],
    copied: &mut BTreeMap<StoreName, Copied>,
    report: &dyn Report,
) -> BTreeMap<StoreName, Failure> {
    let mut failed = BTreeMap::new();
    for at in 0..listed.len() {
        let (to, has) = listed[at].clone();
        let lacking: Vec<_> = snapshots
            .iter()
            .filter(|(id, m)| lacks(*id, m, &has).is_some())
            .collect();
        if lacking.is_empty() {
            continue;
        }
        report.note(&format!(
            "bringing store {:?} up to date",
            to.name().as_str()
        ));
        let mut copier = Copier {
            repository,
            to: &to,
            has,
            listed,
            copied: Copied::default(),
            report,
        };
        report.begin("copying", Some(copier.lacking(&lacking)), Unit::Bytes);
        let mut skipped = HashSet::new();
        for (id, manifest) in lacking {
            // What builds upon a snapshot that stays lacking gets no name here either.
            let mut below = (manifest.base..id.number).map(|number| SnapshotId { number, ..*id });
            if below.any(|below| skipped.contains(&below)) {
                skipped.insert(*id);
                continue;
            }
            if let Err(failure) = copier.snapshot(*id, manifest) {
                skipped.insert(*id);
                failed.entry(to.name().clone()).or_insert(failure);
            }
        }
        report.end();
        copied.insert(to.name().clone(), copier.copied);
        listed[at].1 = copier.has;
    }
    failed
}

/// Copies to one store what others have.
struct Copier<'a> {
    repository: &'a Repository,
    to: &'a Store,
    /// What it has by now.
    has: Listing,
    /// What all stores had.
    listed: &'a [(Store, Listing)],
    /// What was copied so far.
    copied: Copied,
    report: &'a dyn Report,
}

impl Copier<'_> {
    /// Bytes of the packs and pages that these snapshots name and the store lacks.
    fn lacking(&self, snapshots: &[&(SnapshotId, Manifest)]) -> u64 {
        let named = snapshots.iter().flat_map(|(_, manifest)| named(manifest));
        let lacking = named.filter(|(path, size)| self.has.get(path) != Some(size));
        lacking.collect::<BTreeMap<_, _>>().into_values().sum()
    }

    fn put(&mut self, path: String, bytes: Bytes) -> Outcome<()> {
        let size = bytes.len() as u64;
        self.to.put_new(&path, bytes)?;
        self.has.insert(path, size);
        self.copied.objects += 1;
        self.copied.bytes += size;
        Ok(())
    }

    fn snapshot(&mut self, id: SnapshotId, manifest: &Manifest) -> Outcome<()> {
        for (path, size) in named(manifest) {
            if self.has.get(&path) == Some(&size) {
                continue;
            }
            let bytes = whole_copy(&path, size, self.listed)?;
            if self.has.contains_key(&path) {
                // The right name and the wrong size: a torn or damaged object, which nothing can use.
                self.to.delete(&path)?;
                self.has.remove(&path);
            }
            self.put(path, bytes)?;
            self.report.advance(size);
        }
        let path = Chain::Manifest.path(id.inc, id.number);
        if !self.has.contains_key(&path) {
            let own = self
                .repository
                .state
                .object(Chain::Manifest, id.inc, id.number);
            let own = match fsx::read_if_there(&own, object::MAX)? {
                Some(own) => own.into(),
                None => {
                    let fetcher = self.repository.fetcher(&self.repository.stores);
                    fetcher.object(&path, object::MAX)?
                }
            };
            self.put(path, own)?;
        }
        Ok(())
    }
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
