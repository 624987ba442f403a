//! The manifests of a store, and from them all that must be in it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::control::NONE_BEFORE;
use super::expected::Expectations;
use super::{Look, told, unread};
use crate::catalog::Snapshot;
use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::{ObjectName, SnapshotId};
use crate::manifest::{Manifest, ObjectRef};
use crate::object::{self, Chain, ObjectError};
use crate::pack::Salt;
use crate::repo::objects::{pack_path, page_path};
use crate::repo::view::read_manifest;
use crate::report::Unit;

/// A pack that a manifest names.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Name and size.
    pub(super) pack: ObjectRef,
    /// The salt, and the stored length of the dictionary, that pages say it has, once one has said so.
    pub(super) head: Option<(Salt, u32)>,
}

/// A snapshot that is looked at.
struct Kept {
    id: SnapshotId,
    manifest: Manifest,
    /// Whether the store is to have all of it.
    complete: bool,
}

impl Look<'_> {
    /// Every kept snapshot: its manifest, its pages, and all packs that it names. Returns those that
    /// the store is to have complete.
    pub(super) fn snapshots(&mut self) -> Outcome<Vec<SnapshotId>> {
        let mut snapshots = self.repository.catalog.snapshots()?;
        // One that the journal has pruned is on its way out.
        let pruned = &self.pruned;
        snapshots.retain(|kept| !pruned.contains(&kept.id));
        self.gaps(&snapshots);
        let complete = self.repository.catalog.listed_complete()?;
        let hashes = self.hashes(&snapshots)?;
        let listed = self.listing();
        let mut kept = Vec::new();
        for snapshot in &snapshots {
            let id = snapshot.id;
            let stores = complete.get(&id);
            let complete = stores.is_some_and(|stores| stores.contains(self.store.name()));
            let previous = id.number.checked_sub(1);
            let previous = previous.and_then(|number| hashes.get(&SnapshotId { number, ..id }));
            let previous = previous.copied();
            let Some(manifest) = self.manifest(snapshot, previous, complete, &listed)? else {
                continue;
            };
            if !complete {
                self.behind(snapshot, &manifest, &listed);
            }
            kept.push(Kept {
                id,
                manifest,
                complete,
            });
        }
        self.named(&kept, &listed)?;
        let complete = kept.iter().filter(|kept| kept.complete);
        Ok(complete.map(|kept| kept.id).collect())
    }

    /// Numbers below the newest that nobody knows: a missing manifest was pruned or stolen.
    fn gaps(&mut self, snapshots: &[Snapshot]) {
        let known: HashSet<SnapshotId> = snapshots.iter().map(|kept| kept.id).collect();
        let incs: Vec<_> = self.repository.writers.keys().copied().collect();
        for inc in incs {
            let of_inc = known.iter().filter(|id| id.inc == inc);
            let newest = of_inc.map(|id| id.number).max().unwrap_or(0);
            let ids = (1..newest).map(|number| SnapshotId { inc, number });
            for id in ids.filter(|id| !known.contains(id)) {
                if self.pruned.contains(&id) {
                    continue;
                }
                let path = Chain::Manifest.path(inc, id.number);
                let what = "it is not known here any more, and the journal does not say that it \
                            was pruned";
                self.problem(&path, what);
            }
        }
    }

    /// The hashes of manifests by number, those of pruned ones too: what the next one must carry.
    fn hashes(&self, snapshots: &[Snapshot]) -> Outcome<BTreeMap<SnapshotId, [u8; 32]>> {
        let mut hashes = BTreeMap::new();
        for &inc in self.repository.writers.keys() {
            let pruned = self.repository.catalog.pruned(inc)?.into_iter();
            // The hash of one that was pruned may be lost with an older catalog.
            let pruned = pruned.filter(|(_, hash)| *hash != NONE_BEFORE);
            hashes.extend(pruned.map(|(number, hash)| (SnapshotId { inc, number }, hash)));
            hashes.insert(SnapshotId { inc, number: 0 }, NONE_BEFORE);
        }
        hashes.extend(snapshots.iter().map(|kept| (kept.id, kept.hash)));
        Ok(hashes)
    }

    /// What of snapshots the store lists: only for those that it need not have.
    fn listing(&mut self) -> HashSet<String> {
        let folders = ["snapshots", "pages", "packs"];
        folders
            .into_iter()
            .flat_map(|folder| self.list(folder))
            .map(|(path, _)| path)
            .collect()
    }

    /// A snapshot's manifest, in this store's copy or in any good one, so that the rest can be
    /// looked at. None if there is no good copy, which is named.
    fn manifest(
        &mut self,
        snapshot: &Snapshot,
        previous: Option<[u8; 32]>,
        complete: bool,
        listed: &HashSet<String>,
    ) -> Outcome<Option<Manifest>> {
        let path = Chain::Manifest.path(snapshot.id.inc, snapshot.id.number);
        let own_path =
            self.repository
                .state
                .object(Chain::Manifest, snapshot.id.inc, snapshot.id.number);
        let own = fsx::read(&own_path, object::MAX).ok();
        let own = own.filter(|own| object::hash(own) == snapshot.hash);
        let there = complete || listed.contains(&path);
        let stored = if there {
            self.fetch(&path, object::MAX)
        } else {
            None
        };
        if let Some(bytes) = &stored {
            if let Err(failure) = self.sound(snapshot, previous, bytes) {
                self.problem(&path, told(&failure));
            } else if own.is_none() {
                let what = "it is whole, and the state directory's copy is missing or damaged";
                self.problem(&path, what);
            }
        }
        for bytes in own.iter().map(Vec::as_slice).chain(stored.as_deref()) {
            if object::hash(bytes) == snapshot.hash
                && let Ok(manifest) = read_manifest(self.repository, snapshot.id, bytes)
            {
                return Ok(Some(manifest));
            }
        }
        self.problem(
            &path,
            "no good copy of it is here, so what it names cannot be looked at",
        );
        Ok(None)
    }

    /// That a manifest's bytes are those that this host wrote.
    fn sound(&self, snapshot: &Snapshot, previous: Option<[u8; 32]>, bytes: &[u8]) -> Outcome<()> {
        let id = snapshot.id;
        let writer = self.repository.writers.get(&id.inc);
        let writer = writer.ok_or_else(|| Failure::new("its writer is not known"))?;
        let (repo, verify) = (self.repository.id(), &writer.verify);
        let sealed = object::read(Chain::Manifest, repo, id.inc, id.number, bytes, verify)?;
        if previous.is_some_and(|previous| previous != sealed.head.previous) {
            return Err(ObjectError::BrokenChain.into());
        }
        read_manifest(self.repository, id, bytes)?;
        if object::hash(bytes) != snapshot.hash {
            return Err(Failure::new(
                "it is not the manifest that this host wrote last",
            ));
        }
        Ok(())
    }

    /// One problem for a snapshot that never was complete here, with what it lacks.
    fn behind(&mut self, snapshot: &Snapshot, manifest: &Manifest, listed: &HashSet<String>) {
        let path = Chain::Manifest.path(snapshot.id.inc, snapshot.id.number);
        let pages = manifest
            .pages
            .iter()
            .map(|page| page_path(page.object.name));
        let packs = manifest.packs.iter().map(|pack| pack_path(pack.name));
        let all = [path.clone()].into_iter().chain(pages).chain(packs);
        let mut lacking = all.filter(|path| !listed.contains(path));
        let what = match lacking.next() {
            Some(first) => {
                let more = lacking.count();
                let more = if more == 0 {
                    String::new()
                } else {
                    format!(" and {more} more")
                };
                format!("behind: this store lacks {first}{more}")
            }
            None => "behind: this store was not seen to have all of it".to_owned(),
        };
        self.problem(&path, what);
    }

    /// Pages and packs, each once, whatever number of snapshots names it.
    fn named(&mut self, kept: &[Kept], listed: &HashSet<String>) -> Outcome<()> {
        let mut wanted = Vec::new();
        let mut ranks: HashMap<ObjectName, usize> = HashMap::new();
        let mut pages = HashSet::new();
        let mut bytes = 0;
        for Kept {
            manifest, complete, ..
        } in kept
        {
            for pack in &manifest.packs {
                if (*complete || listed.contains(&pack_path(pack.name)))
                    && !ranks.contains_key(&pack.name)
                {
                    ranks.insert(pack.name, wanted.len());
                    wanted.push(Wanted {
                        pack: *pack,
                        head: None,
                    });
                    bytes += pack.size;
                }
            }
            bytes += manifest
                .pages
                .iter()
                .map(|page| page.object.size)
                .sum::<u64>();
        }
        self.report.begin("verifying", Some(bytes), Unit::Bytes);
        let mut expected = Expectations::new(self.repository, self.data)?;
        for Kept {
            id,
            manifest,
            complete,
        } in kept
        {
            self.meta = self.repository.meta_of(id.inc)?;
            let packs = manifest
                .packs
                .iter()
                .map(|pack| (pack.name, pack.size))
                .collect();
            let mut last = None;
            for page in &manifest.pages {
                let here = *complete || listed.contains(&page_path(page.object.name));
                if here && pages.insert(page.object.name) {
                    self.page(page, &packs, &mut last, &mut wanted, &ranks, &mut expected)?;
                }
                self.report.advance(page.object.size);
            }
        }
        self.packs(wanted, expected)?;
        self.report.end();
        Ok(())
    }

    /// Bytes of an object that is named by its content and size.
    pub(super) fn whole(&mut self, path: &str, size: u64) -> Option<bytes::Bytes> {
        let bytes = self.fetch(path, size)?;
        if bytes.len() as u64 != size {
            self.problem(path, wrong_size(bytes.len() as u64, size));
            return None;
        }
        Some(bytes)
    }
}

/// Why an object of another length is refused.
pub(super) fn wrong_size(found: u64, size: u64) -> String {
    format!("it is {found} bytes long, and should be {size}")
}

/// An object of a store that is named by its content and size, for threads of their own.
pub(super) fn get_whole(
    store: &crate::store::Store,
    path: &str,
    size: u64,
) -> Result<bytes::Bytes, String> {
    let bytes = store.get(path, size).map_err(unread)?;
    if bytes.len() as u64 != size {
        return Err(wrong_size(bytes.len() as u64, size));
    }
    Ok(bytes)
}
