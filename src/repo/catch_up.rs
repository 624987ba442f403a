//! Sees that the catalog belongs to the state directory, and brings up to date one that was lost or
//! that somebody has replaced by an older one.
//!
//! A catalog that knows less than the state would give a customer's number to another one, so it is
//! measured on every opening: by the journal (the keyring says how far the catalog had taken it in)
//! and by the newest manifest. What it lacks is found again: decisions in the journal; snapshots,
//! customers and numbers for life in manifests and pages; the next free numbers in manifests and in
//! the file `numbers`, which is written before any is used. A writer enters it; a reader does so in a
//! copy in memory. Not found again is what no one but this host has seen: what was verified, and that
//! a recovery identity works.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::arrivals::Arrivals;
use super::listing::{lacking, listing};
use super::log::on_all;
use super::objects::Fetcher;
use super::read_in::note_revenants;
use super::refind::{Pages, Refinding};
use super::view::{manifest, read_manifest};
use super::{Recogniser, Repository};
use crate::catalog::{Change, Numbered, Snapshot};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{KeyedHash, SnapshotId, StoreName};
use crate::journal::Event;
use crate::manifest::Manifest;
use crate::object::{self, Chain};

/// The catalog's note of the repository that it belongs to.
const REPOSITORY: &str = "repository";
/// How many numbers are passed over where nobody knows which were used last: more than one run gives.
const MARGIN: u32 = 1 << 24;

/// A snapshot that the catalog lacks.
struct Missing {
    id: SnapshotId,
    manifest: Manifest,
    /// Its length in bytes and its hash.
    len: u64,
    hash: [u8; 32],
}

/// What manifests and pages say that the catalog lacks.
#[derive(Default)]
struct Found {
    snapshots: Vec<Missing>,
    /// The hashes of the manifests before these.
    previous: BTreeMap<SnapshotId, [u8; 32]>,
    /// Snapshots that the journal has pruned.
    pruned: BTreeSet<SnapshotId>,
    numbers: Vec<(Numbered, KeyedHash, u32)>,
}

impl Repository {
    /// Measures the catalog, and if it lacks something lets it take in the journal. Returns whether
    /// it does.
    pub(super) fn catch_up_with_journal(&mut self) -> Outcome<bool> {
        let of = self.catalog.note(REPOSITORY)?;
        if of.is_some_and(|of| of != self.id().to_string()) {
            return Err(self.not_of_here("the catalog is that of another repository"));
        }
        let applied = self.journal_applied()?;
        let before = self.entries_before();
        let known = self.keyring.journal.iter();
        let known = known.filter(|position| position.inc == self.inc());
        let known = known.map(|position| position.len).max().unwrap_or(0);
        // Under a reader's hands the journal may have grown.
        let beyond = applied.saturating_sub(before);
        let own = self.state.object(Chain::Journal, self.inc(), beyond);
        let intent = self.state.intent(Chain::Journal, self.inc());
        if applied > self.last_entry() && !own.exists() && !intent.exists() {
            let what = format!(
                "the journal in {} is shorter than the catalog knows",
                self.state.path().display()
            );
            return Err(Failure::of(FailureKind::Refused, what)
                .hint("copy journal/ from a store into the state directory"));
        }
        let is_new = applied == 0 && self.last_entry() > 0;
        let is_behind = is_new
            || applied < before + known
            || self.lacks_newest_manifest()?
            || self.lacks_former_manifest()?;
        if is_behind {
            if self.lock.is_none() {
                self.use_copy_of_catalog()?;
            }
            self.apply_to_catalog()?;
        }
        Ok(is_behind)
    }

    /// Whether the state directory has a manifest of a former incarnation that is not in the catalog.
    fn lacks_former_manifest(&self) -> Outcome<bool> {
        let snapshots = self.catalog.snapshots()?.into_iter();
        let known: BTreeSet<_> = snapshots.map(|snapshot| snapshot.id).collect();
        for former in self.former() {
            let inc = former.writer.inc;
            let pruned = self.catalog.pruned(inc)?;
            let is_known = |number: &u64| {
                known.contains(&SnapshotId {
                    inc,
                    number: *number,
                }) || pruned.contains_key(number)
            };
            if !self.manifests_of(inc)?.iter().all(is_known) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the newest manifest of the state directory is not in the catalog.
    fn lacks_newest_manifest(&self) -> Outcome<bool> {
        // In this order: one that another command is just naming has its intent until the catalog
        // has it.
        let Some((number, bytes)) = self.newest_own_manifest()? else {
            return Ok(false);
        };
        let snapshots = self.catalog.snapshots()?.into_iter();
        let mut own = snapshots.filter(|snapshot| snapshot.id.inc == self.inc());
        let entered = own.find(|snapshot| snapshot.id.number == number);
        let pruned = self.catalog.pruned(self.inc())?;
        let hash = object::hash(&bytes);
        match entered.map(|snapshot| snapshot.hash) {
            Some(entered) if entered == hash => Ok(false),
            None => Ok(!pruned.contains_key(&number)),
            Some(_) => {
                let id = SnapshotId {
                    inc: self.inc(),
                    number,
                };
                // A damaged copy says nothing about the catalog.
                if read_manifest(self, id, &bytes).is_err() {
                    return Ok(false);
                }
                let what = format!("the catalog knows another snapshot {number} than the state");
                Err(self.not_of_here(what))
            }
        }
    }

    fn not_of_here(&self, what: impl Into<String>) -> Failure {
        let path = self.state.catalog();
        let hint = format!(
            "it belongs to another state directory: move {} away, and what it says is found out anew",
            path.display()
        );
        Failure::of(FailureKind::Refused, what).hint(hint)
    }

    /// The newest manifest in the state directory, unless it is still intended.
    fn newest_own_manifest(&self) -> Outcome<Option<(u64, Vec<u8>)>> {
        let mut numbers = self.manifests_of(self.inc())?;
        let intent = self.state.intent(Chain::Manifest, self.inc());
        let intent = fsx::read_if_there(&intent, object::MAX)?;
        numbers.sort_unstable();
        for number in numbers.into_iter().rev() {
            let path = self.state.object(Chain::Manifest, self.inc(), number);
            let bytes = fsx::read_if_there(&path, object::MAX)?;
            if let Some(bytes) = bytes
                && intent.as_ref() != Some(&bytes)
            {
                return Ok(Some((number, bytes)));
            }
        }
        Ok(None)
    }

    /// Enters what the catalog lacks of snapshots, customers and numbers, and tells it.
    pub(super) fn catch_up_with_snapshots(&mut self) -> Outcome<()> {
        let (snapshots, customers) = self
            .enter_missing()
            .failed_to(|| "make the catalog anew, which was lost or is an older one")?;
        if self.log.position().len == self.log.recent().len() as u64 && snapshots == 0 {
            // Nothing was lost but what the journal says: `init` may have been interrupted.
            return Ok(());
        }
        let what = format!(
            "the catalog was lost, or an older one was put back: what it lacked ({snapshots} of the \
             kept snapshots, {customers} of the customers) was found again in the journal, the \
             manifests and the stores; what was verified, and that a recovery identity works, is to be \
             shown again"
        );
        let hint = match self.lock {
            Some(_) => "`tenure verify --data`, and `tenure keys prove`",
            None => "the next command that changes something enters it, such as `tenure snapshot`",
        };
        self.notes.push(Failure::new(what).hint(hint));
        Ok(())
    }

    /// Enters the snapshots that the state directory has and the catalog lacks, and whoever stands in them.
    /// Returns how many of both there were.
    pub(super) fn enter_missing(&mut self) -> Outcome<(usize, u64)> {
        let found = self.find_missing()?;
        let complete = self.look_where_complete(&found)?;
        let customers = self.enter(&found, &complete)?;
        Ok((found.snapshots.len(), customers))
    }

    /// Reads the manifest of every snapshot that the catalog lacks, oldest first.
    fn find_missing(&self) -> Outcome<Found> {
        let mut found = Found::default();
        for placed in self.entries_that_count(1..self.last_entry() + 1)? {
            if let Event::Pruned { snapshots, former } = placed.entry.event {
                let inc = placed.inc;
                let own = snapshots
                    .into_iter()
                    .map(|number| SnapshotId { inc, number });
                found.pruned.extend(own.chain(former.into_iter().flatten()));
            }
        }
        let known = self.catalog.snapshots()?.into_iter();
        let known: BTreeSet<_> = known.map(|snapshot| snapshot.id).collect();
        let fetcher = Fetcher::new(self.id(), self.stores.clone(), Some(self.state.clone()));
        for id in self.named_here()? {
            if !known.contains(&id) && !found.pruned.contains(&id) {
                self.find_in_manifest(&fetcher, id, &mut found)
                    .failed_to(|| format!("read snapshot {}", id.number))?;
            }
        }
        Ok(found)
    }

    /// The snapshots that the state directory knows of, oldest first. Of its own incarnation it has all up to
    /// the newest, unless they were pruned; of former ones those that the recovery has found.
    fn named_here(&self) -> Outcome<Vec<SnapshotId>> {
        let mut ids = Vec::new();
        for former in self.former() {
            let inc = former.writer.inc;
            let mut numbers = self.manifests_of(inc)?;
            numbers.sort_unstable();
            ids.extend(numbers.into_iter().map(|number| SnapshotId { inc, number }));
        }
        let inc = self.inc();
        let newest = self.newest_own_manifest()?.map_or(0, |(number, _)| number);
        ids.extend((1..=newest).map(|number| SnapshotId { inc, number }));
        Ok(ids)
    }

    fn find_in_manifest(
        &self,
        fetcher: &Fetcher,
        id: SnapshotId,
        found: &mut Found,
    ) -> Outcome<()> {
        let bytes: Bytes = match fetcher.kept_object(Chain::Manifest, id.inc, id.number)? {
            Some(bytes) => bytes,
            None => fetcher.object(&Chain::Manifest.path(id.inc, id.number), object::MAX)?,
        };
        let manifest = read_manifest(self, id, &bytes)?;
        found.previous.insert(
            SnapshotId {
                number: id.number - 1,
                ..id
            },
            object::previous(&bytes),
        );
        self.find_numbers(&manifest, found)?;
        found.snapshots.push(Missing {
            id,
            manifest,
            len: bytes.len() as u64,
            hash: object::hash(&bytes),
        });
        Ok(())
    }

    /// The numbers for life that a manifest tells. A table's domain that was forgotten is not among
    /// them: the table gets another when it is met next.
    fn find_numbers(&self, manifest: &Manifest, found: &mut Found) -> Outcome<()> {
        let named = manifest.classes.iter().zip(1_u32..);
        for (name, number) in named.filter(|(name, _)| !name.is_empty()) {
            let hash = self.name_hash(&[name])?;
            found.numbers.push((Numbered::Class, hash, number));
        }
        for source in &manifest.sources {
            let hash = self.name_hash(&[&source.name])?;
            found.numbers.push((Numbered::Source, hash, source.number));
            for (table, state) in source.schema.tables.iter().zip(&source.tables) {
                let hash = self.name_hash(&[&source.name, &table.name])?;
                found.numbers.push((Numbered::Table, hash, state.number));
                for (kind, domain) in [
                    (Numbered::WholeTable, state.whole),
                    (Numbered::Orphans, state.orphans),
                ] {
                    let own = domain.filter(|own| own.inc == self.inc());
                    let own = own.filter(|own| !self.keyring.forest.is_punctured(*own));
                    found
                        .numbers
                        .extend(own.map(|own| (kind, hash, own.arrival)));
                }
            }
        }
        Ok(())
    }

    /// Enters what was found, all of it or nothing. Returns how many customers were found.
    fn enter(&mut self, found: &Found, complete: &[(SnapshotId, StoreName, bool)]) -> Outcome<u64> {
        let recogniser = Recogniser::new(self)?;
        let mut known = Arrivals::default();
        for domain in self.catalog.arrivals()?.values() {
            known.insert(*domain);
        }
        let is_empty = known.count() == 0;
        for double in self.catalog.doubles()?.keys() {
            known.insert(*double);
        }
        let erased = self.catalog.erased()?;
        let mut revenants = Vec::new();
        let order: Vec<_> = self
            .positions()
            .iter()
            .map(|position| position.inc)
            .collect();
        let mut pages = Vec::new();
        // Whoever stands in several is found in the newest.
        for missing in found.snapshots.iter().rev() {
            pages.push(Pages {
                id: missing.id,
                pages: missing.manifest.pages.clone(),
                meta: self.meta_of(missing.id.inc)?,
            });
        }
        let next = self.next_numbers(found)?;
        let refinding = Refinding {
            repo: self.id(),
            stores: self.stores.clone(),
            state: self.state.clone(),
            forest: &self.keyring.forest,
            recogniser: &recogniser,
            known,
            batch: Vec::new(),
        };
        let mut count = 0;
        self.catalog.change(|change: &Change<'_>| -> Outcome<()> {
            found.enter_numbers(change)?;
            let refind = || {
                refinding.run(pages, |(customer, key)| {
                    count += 1;
                    if erased.contains_key(&customer.who) {
                        revenants.push(customer.domain);
                        return Ok(());
                    }
                    // In an empty catalog doubles are found when all are there.
                    let first = match is_empty {
                        true => None,
                        false => change.recognised(&key, &customer.who)?,
                    };
                    match first {
                        Some(first) => Ok(change.add_double(customer.domain, first)?),
                        None => Ok(change.add_customer(&customer, &key)?),
                    }
                })
            };
            match is_empty {
                true => {
                    change.add_many(refind)?;
                    change.find_doubles(&order)?;
                }
                false => refind()?,
            }
            note_revenants(change, &revenants)?;
            found.enter_snapshots(change)?;
            for (id, store, whole) in complete {
                change.set_complete(*id, store, *whole)?;
            }
            Ok(change.raise(next.0, next.1)?)
        })?;
        Ok(count)
    }

    /// The next numbers that are free for sure, of a customer and of Tenure's own domains.
    fn next_numbers(&self, found: &Found) -> Outcome<(u32, u32)> {
        let noted = self.state.next_numbers()?;
        let mut next = noted.unwrap_or_default();
        let own = found
            .snapshots
            .iter()
            .filter(|found| found.id.inc == self.inc());
        for missing in own {
            next.0 = next.0.max(missing.manifest.next_customer);
            next.1 = next.1.max(missing.manifest.next_own);
        }
        if noted.is_none() {
            // A run that crashed may have sealed something under numbers that nobody has noted.
            let next_customer = self.catalog.next_customer()?.max(next.0);
            next.0 = next_customer.saturating_add(MARGIN);
        }
        Ok(next)
    }

    /// Which stores that can be reached hold which snapshots complete, of those that are entered and those
    /// that were found.
    fn look_where_complete(&self, found: &Found) -> Outcome<Vec<(SnapshotId, StoreName, bool)>> {
        let fetcher = Fetcher::new(self.id(), self.stores.clone(), Some(self.state.clone()));
        let kept = self.catalog.snapshots()?.into_iter();
        let kept = kept.map(|kept| Ok((kept.id, manifest(self, &fetcher, kept.id)?)));
        let found = found.snapshots.iter();
        let found = found.map(|missing| Ok((missing.id, missing.manifest.clone())));
        let kept: Vec<_> = kept.chain(found).collect::<Outcome<_>>()?;
        let listings = on_all(&self.stores, listing);
        let mut complete = Vec::new();
        for (store, listing) in self.stores.iter().zip(listings) {
            let Ok(listing) = listing else { continue };
            let lacking = lacking(&kept, &listing).into_iter();
            complete.extend(lacking.map(|(id, lack)| (id, store.name().clone(), lack.is_none())));
        }
        Ok(complete)
    }

    /// Sees that catalog and state directory agree on which numbers are free: the higher ones count.
    pub(super) fn keep_numbers(&mut self) -> Outcome<()> {
        let noted = self.state.next_numbers()?;
        let least = noted.unwrap_or_default();
        let repo = self.id().to_string();
        let is_named = self.catalog.note(REPOSITORY)?.is_some();
        let next = self.catalog.change(|change| -> Outcome<_> {
            let next = (change.next_customer()?, change.next_own()?);
            if next.0 < least.0 || next.1 < least.1 {
                change.raise(least.0, least.1)?;
            }
            if !is_named {
                change.set_note(REPOSITORY, &repo)?;
            }
            Ok((change.next_customer()?, change.next_own()?))
        })?;
        match noted == Some(next) {
            true => Ok(()),
            false => self.state.set_next_numbers(next),
        }
    }
}

impl Found {
    fn enter_numbers(&self, change: &Change<'_>) -> Outcome<()> {
        for (kind, name, number) in &self.numbers {
            change.set_number(*kind, name, *number)?;
        }
        Ok(())
    }

    fn enter_snapshots(&self, change: &Change<'_>) -> Outcome<()> {
        for missing in &self.snapshots {
            change.add_snapshot(&missing.entered())?;
        }
        for id in &self.pruned {
            let hash = self.previous.get(id).copied().unwrap_or_default();
            change.add_pruned(*id, &hash)?;
        }
        Ok(())
    }
}

impl Missing {
    fn entered(&self) -> Snapshot {
        let manifest = &self.manifest;
        Snapshot {
            id: self.id,
            kind: manifest.kind,
            base: manifest.base,
            started: manifest.started,
            finished: manifest.finished,
            customers: manifest.totals.customers,
            stored_bytes: manifest.totals.stored_bytes + self.len,
            hash: self.hash,
        }
    }
}
