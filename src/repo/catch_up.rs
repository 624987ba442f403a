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

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::identity::seal_identity;
use super::listing::{lacking, listing};
use super::log::on_all;
use super::objects::Fetcher;
use super::view::{manifest, read_manifest};
use super::{Recogniser, Repository};
use crate::catalog::{Change, Customer, Numbered, Snapshot};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Class, Domain, KeyedHash, SnapshotId};
use crate::journal::Event;
use crate::manifest::Manifest;
use crate::object::{self, Chain};
use crate::page::Page;
use crate::piece::Identity;
use crate::secret;

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
    /// The hashes of the manifests before these, by their own numbers.
    previous: BTreeMap<u64, [u8; 32]>,
    /// Snapshots that the journal has pruned.
    pruned: BTreeSet<u64>,
    customers: HashMap<Domain, Identity>,
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
        let known = self.keyring.journal.iter();
        let known = known.filter(|position| position.inc == self.inc());
        let known = known.map(|position| position.len).max().unwrap_or(0);
        // Under a reader's hands the journal may have grown.
        let own = self.state.object(Chain::Journal, self.inc(), applied);
        let intent = self.state.intent(Chain::Journal, self.inc());
        if applied > self.log.position().len && !own.exists() && !intent.exists() {
            let what = format!(
                "the journal in {} is shorter than the catalog knows",
                self.state.path().display()
            );
            return Err(Failure::of(FailureKind::Refused, what)
                .hint("copy journal/ from a store into the state directory"));
        }
        let is_new = applied == 0 && self.log.position().len > 0;
        let is_behind = is_new || applied < known || self.lacks_newest_manifest()?;
        if is_behind {
            if self.lock.is_none() {
                self.use_copy_of_catalog()?;
            }
            self.apply_to_catalog()?;
        }
        Ok(is_behind)
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
        let mut numbers = self.own_manifests()?;
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
        let found = self
            .find_missing()
            .failed_to(|| "make the catalog anew, which was lost or is an older one")?;
        let (snapshots, customers) = (found.snapshots.len(), found.customers.len());
        self.enter(found)?;
        self.look_where_complete()?;
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

    /// Reads every snapshot that the catalog lacks, oldest first.
    fn find_missing(&self) -> Outcome<Found> {
        let inc = self.inc();
        let newest = self.newest_own_manifest()?.map_or(0, |(number, _)| number);
        let mut found = Found::default();
        let entries = self
            .log
            .entries(1..self.log.position().len + 1, &self.meta()?)?;
        for entry in entries {
            if let Event::Pruned { snapshots } = entry.event {
                found.pruned.extend(snapshots);
            }
        }
        let known = self.catalog.snapshots()?.into_iter();
        let known: BTreeSet<_> = known.map(|snapshot| snapshot.id).collect();
        let fetcher = Fetcher::new(self.id(), self.stores.clone(), Some(self.state.clone()));
        for number in 1..=newest {
            let id = SnapshotId { inc, number };
            if !known.contains(&id) && !found.pruned.contains(&number) {
                self.find_in_snapshot(&fetcher, id, &mut found)
                    .failed_to(|| format!("read snapshot {number}"))?;
            }
        }
        Ok(found)
    }

    fn find_in_snapshot(
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
        let verify = &self.certificate.verify;
        let sealed = object::read(
            Chain::Manifest,
            self.id(),
            id.inc,
            id.number,
            &bytes,
            verify,
        )?;
        found.previous.insert(id.number - 1, sealed.head.previous);
        self.find_numbers(&manifest, found)?;
        self.find_customers(fetcher, &manifest, found)?;
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

    /// The customers whom a manifest's pages name, and who were not erased.
    fn find_customers(
        &self,
        fetcher: &Fetcher,
        manifest: &Manifest,
        found: &mut Found,
    ) -> Outcome<()> {
        let meta = self.meta()?;
        let mut keys = self.keyring.forest.walker();
        for page in &manifest.pages {
            let bytes = fetcher.page(page)?;
            let index = Page::read(self.id(), page.object.name, &bytes, &meta)?;
            for block in index.blocks() {
                let range = block.offset as usize..(block.offset + block.len) as usize;
                let sealed = bytes.get(range);
                let sealed = sealed.ok_or_else(|| Failure::new("a page is cut short"))?;
                for entry in index.entries(block, sealed, &meta)? {
                    let domain = Domain {
                        class: Class::CUSTOMER,
                        ..entry.domain
                    };
                    let Some(id) = entry.id.filter(|_| !found.customers.contains_key(&domain))
                    else {
                        continue;
                    };
                    if let Some(key) = keys.key(entry.domain) {
                        let id = index.open_id(entry.domain, &key, &id)?;
                        found.customers.insert(domain, Identity::decode(&id)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Enters what was found, all of it or nothing.
    fn enter(&mut self, found: Found) -> Outcome<()> {
        let recogniser = Recogniser::new(self)?;
        let (repo, inc) = (self.id(), self.inc());
        let known: BTreeSet<_> = self.catalog.arrivals()?.into_values().collect();
        let forest = &self.keyring.forest;
        let mut next = self.state.next_numbers()?.unwrap_or_default();
        for missing in &found.snapshots {
            next.0 = next.0.max(missing.manifest.next_customer);
            next.1 = next.1.max(missing.manifest.next_own);
        }
        let is_noted = self.state.next_numbers()?.is_some();
        let next_customer = self.catalog.next_customer()?.max(next.0);
        if !is_noted {
            // A run that crashed may have sealed something under numbers that nobody has noted.
            next.0 = next_customer.saturating_add(MARGIN);
        }
        self.catalog.change(|change: &Change<'_>| -> Outcome<()> {
            for (kind, name, number) in &found.numbers {
                change.set_number(*kind, name, *number)?;
            }
            for (domain, identity) in &found.customers {
                let Some(key) = forest.key(*domain).filter(|_| !known.contains(domain)) else {
                    continue;
                };
                let customer = Customer {
                    domain: *domain,
                    who: recogniser.who(identity),
                    sealed: seal_identity(repo, *domain, &key, identity, &secret::random()?),
                };
                change.add_customer(&customer, &recogniser.key(&identity.key))?;
            }
            for missing in &found.snapshots {
                change.add_snapshot(&missing.entered())?;
            }
            for number in &found.pruned {
                let hash = found.previous.get(number).copied().unwrap_or_default();
                change.add_pruned(
                    SnapshotId {
                        inc,
                        number: *number,
                    },
                    &hash,
                )?;
            }
            Ok(change.raise(next.0, next.1)?)
        })
    }

    /// Notes which stores that can be reached hold which snapshots complete.
    fn look_where_complete(&mut self) -> Outcome<()> {
        let fetcher = Fetcher::new(self.id(), self.stores.clone(), Some(self.state.clone()));
        let own = self.catalog.snapshots()?.into_iter();
        let own = own.filter(|snapshot| snapshot.id.inc == self.inc());
        let kept = own.map(|kept| Ok((kept.id, manifest(self, &fetcher, kept.id)?)));
        let kept: Vec<_> = kept.collect::<Outcome<_>>()?;
        let listings = on_all(&self.stores, listing);
        let mut complete = Vec::new();
        for (store, listing) in self.stores.iter().zip(listings) {
            let Ok(listing) = listing else { continue };
            let lacking = lacking(&kept, &listing).into_iter();
            complete.extend(lacking.map(|(id, lack)| (id, store.name().clone(), lack.is_none())));
        }
        self.catalog.change(|change| -> Outcome<()> {
            for (id, store, whole) in &complete {
                change.set_complete(*id, store, *whole)?;
            }
            Ok(())
        })
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
