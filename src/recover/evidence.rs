//! What all stores that can be reached say together: keyrings, journals and manifests.
//!
//! The journal is the measure of everything else. It must be there from its first entry to the last that
//! anything knows of: a keyring, a manifest, a later journal. What it erases is punctured before anything of a
//! customer is opened.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::offline::Offline;
use super::seen::Seen;
use crate::certificate::Certificate;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Domain, Incarnation, RepoId, SnapshotId};
use crate::journal::{Entry, Event, Position};
use crate::keyring::tree::Forest;
use crate::keyring::{Keyring, file, recovery};
use crate::manifest::Manifest;
use crate::object::{self, Chain};
use crate::secret::DomainKey;

/// One incarnation's journal, whole.
pub(super) struct Journal {
    pub(super) position: Position,
    pub(super) entries: Vec<(Bytes, Entry)>,
}

/// A snapshot that can be read.
pub(super) struct Named {
    pub(super) bytes: Bytes,
    pub(super) manifest: Manifest,
}

/// See the module's text.
pub(super) struct Evidence {
    pub(super) repo: RepoId,
    /// In their order.
    pub(super) writers: Vec<(Certificate, Bytes)>,
    /// Nothing is punctured in it that the keyrings do not lack.
    pub(super) forest: Forest,
    /// The highest epoch of a keyring that was opened.
    pub(super) epoch: u64,
    /// By incarnation, in the order of `writers`.
    pub(super) journals: Vec<Journal>,
    pub(super) snapshots: BTreeMap<(u32, SnapshotId), Named>,
    /// Whose manifest lies in stores, and is whole in none.
    pub(super) damaged: BTreeSet<SnapshotId>,
    /// What was there and could not be used, in words.
    pub(super) lost: Vec<String>,
}

impl Evidence {
    /// Puts together what the stores say.
    ///
    /// # Errors
    /// When no keyring opens, or the journal is not whole.
    pub(super) fn gather(stores: &[Seen], offline: &Offline) -> Outcome<Self> {
        let mut writers = BTreeMap::new();
        for seen in stores {
            writers.extend(seen.writers.clone());
        }
        let mut writers: Vec<_> = writers.into_values().collect();
        writers.sort_by_key(|(writer, _)| (writer.ordinal, writer.inc));
        let repo = writers.first().map(|(writer, _)| writer.repo);
        let repo = repo.ok_or_else(|| Failure::new("no store was read"))?;
        let mut evidence = Self::of(repo, writers);
        let mut known = evidence.keyrings(stores, offline)?;
        let writers: Vec<_> = evidence.writers.iter().map(|(writer, _)| *writer).collect();
        for writer in &writers {
            let journal = evidence.journal(stores, writer)?;
            for (_, entry) in &journal.entries {
                if let Event::Recovered { journals, .. } | Event::Read { journals, .. } =
                    &entry.event
                {
                    known.extend(journals.iter().copied());
                }
            }
            evidence.journals.push(journal);
        }
        for writer in &writers {
            evidence.manifests(stores, writer)?;
        }
        let named = evidence.snapshots.values();
        known.extend(named.flat_map(|named| named.manifest.journal.iter().copied()));
        evidence.check_whole(&known)?;
        Ok(evidence)
    }

    /// Where nothing was read yet.
    fn of(repo: RepoId, writers: Vec<(Certificate, Bytes)>) -> Self {
        Self {
            repo,
            writers,
            forest: Forest::new(),
            epoch: 0,
            journals: Vec::new(),
            snapshots: BTreeMap::new(),
            damaged: BTreeSet::new(),
            lost: Vec::new(),
        }
    }

    /// Opens all keyrings, and returns the journals' positions that they carry.
    ///
    /// Those of the newest incarnation come first: a tree that contradicts theirs is not taken, and their epoch
    /// counts. Who has got hold of a retired host's key can still write keyrings in its name.
    fn keyrings(&mut self, stores: &[Seen], offline: &Offline) -> Outcome<Vec<Position>> {
        let (mut known, mut failures) = (Vec::new(), Vec::new());
        let mut listed: BTreeSet<_> = BTreeSet::new();
        for (inc, epoch) in stores.iter().flat_map(|seen| &seen.keyrings) {
            listed.insert((self.ordinal(*inc), *inc, *epoch));
        }
        let mut newest = None;
        for (ordinal, inc, epoch) in listed.into_iter().rev() {
            let path = file::path(inc, epoch);
            let holders = stores
                .iter()
                .filter(|seen| seen.keyrings.contains(&(inc, epoch)));
            let mut opened = None;
            for seen in holders {
                match self.open_keyring(seen, (inc, epoch), offline) {
                    Ok(keyring) if opened.is_none() => opened = Some(keyring),
                    Ok(_) => {}
                    Err(failure) => failures.push(failure),
                }
            }
            let Some(keyring) = opened else {
                self.lost
                    .push(format!("{path} could not be opened in any store"));
                continue;
            };
            if *newest.get_or_insert(ordinal) == ordinal {
                self.epoch = self.epoch.max(epoch);
            }
            known.extend(keyring.journal.iter().copied());
            for inc in self.forest.merge(keyring.forest) {
                self.lost.push(format!(
                    "{path} has other keys for incarnation {inc} than a newer keyring, which counts"
                ));
            }
        }
        for (writer, _) in &self.writers {
            if self.forest.tree(writer.inc).is_none() {
                let what = format!(
                    "no keyring with the keys of incarnation {} opens",
                    writer.inc
                );
                let failure = Failure::new(what).hint(
                    "is this the identity of this repository? a store with `keys = false` holds none: name one that \
                     does with another --store",
                );
                return Err(match failures.into_iter().next() {
                    Some(cause) => failure.because(cause),
                    None => failure,
                });
            }
        }
        Ok(known)
    }

    fn ordinal(&self, inc: Incarnation) -> Option<u32> {
        let writer = self.writers.iter().find(|(writer, _)| writer.inc == inc);
        writer.map(|(writer, _)| writer.ordinal)
    }

    fn open_keyring(
        &self,
        seen: &Seen,
        (inc, epoch): (Incarnation, u64),
        offline: &Offline,
    ) -> Outcome<Keyring> {
        let path = file::path(inc, epoch);
        let sealed = seen.store.get(&path, file::MAX)?;
        let plain = recovery::decrypt(&offline.identities, &sealed)?;
        let verify = |inc| {
            let writer = self.writers.iter().find(|(writer, _)| writer.inc == inc);
            writer.map(|(writer, _)| writer.verify)
        };
        let keyring = Keyring::decode(&plain, self.repo, &offline.fingerprint, verify)?;
        match (keyring.inc, keyring.epoch) == (inc, epoch) {
            true => Ok(keyring),
            false => Err(Failure::new(format!("{path} is another keyring"))),
        }
    }

    fn meta(&self, inc: Incarnation) -> Outcome<DomainKey> {
        let key = self.forest.key(Domain::meta(inc));
        key.ok_or_else(|| Failure::new(format!("the keyrings lack incarnation {inc}")))
    }

    /// One incarnation's journal, each entry from any store that has it whole, up to the last that any has.
    fn journal(&self, stores: &[Seen], writer: &Certificate) -> Outcome<Journal> {
        let meta = self.meta(writer.inc)?;
        let last_of = |seen: &Seen| seen.journals.get(&writer.inc)?.last().copied();
        let last = stores.iter().filter_map(last_of).max().unwrap_or(0);
        let mut journal = Journal {
            position: Position {
                inc: writer.inc,
                len: 0,
                hash: [0; 32],
            },
            entries: Vec::new(),
        };
        for number in 1..=last {
            let (bytes, entry) = self.entry(stores, writer, number, &journal.position, &meta)?;
            journal.position.len = number;
            journal.position.hash = object::hash(&bytes);
            journal.entries.push((bytes, entry));
        }
        // Each carries the hash of the one before: stores that agree on an entry agree on all before.
        for seen in stores {
            if let Some(number) = last_of(seen).filter(|number| *number > 0) {
                check_same(seen, writer, number, &journal, self.repo)?;
            }
        }
        Ok(journal)
    }

    /// The entry that follows on `before`.
    fn entry(
        &self,
        stores: &[Seen],
        writer: &Certificate,
        number: u64,
        before: &Position,
        meta: &DomainKey,
    ) -> Outcome<(Bytes, Entry)> {
        let path = Chain::Journal.path(writer.inc, number);
        let mut failure = None;
        for seen in stores {
            let listed = seen.journals.get(&writer.inc);
            if !listed.is_some_and(|numbers| numbers.contains(&number)) {
                continue;
            }
            let read = || -> Outcome<(Bytes, Entry)> {
                let bytes = seen.store.get(&path, object::MAX)?;
                let (repo, verify) = (self.repo, &writer.verify);
                let sealed =
                    object::read(Chain::Journal, repo, writer.inc, number, &bytes, verify)?;
                if sealed.head.previous != before.hash {
                    return Err(object::ObjectError::BrokenChain.into());
                }
                let entry = sealed.open(meta)?;
                Ok((bytes, entry))
            };
            match read() {
                Ok(found) => return Ok(found),
                Err(error) => failure = Some(error),
            }
        }
        let what = format!("no store that was read has {path} whole");
        let stop = stopped(what);
        Err(match failure {
            Some(cause) => stop.because(cause),
            None => stop,
        })
    }

    /// Every manifest that any store has whole, and that a snapshot can be read by.
    fn manifests(&mut self, stores: &[Seen], writer: &Certificate) -> Outcome<()> {
        let meta = self.meta(writer.inc)?;
        let numbers = stores
            .iter()
            .filter_map(|seen| seen.manifests.get(&writer.inc));
        let numbers: BTreeSet<u64> = numbers.flatten().copied().collect();
        for number in numbers {
            let path = Chain::Manifest.path(writer.inc, number);
            let read = |seen: &Seen| -> Outcome<Named> {
                let bytes = seen.store.get(&path, object::MAX)?;
                let (repo, verify) = (self.repo, &writer.verify);
                let sealed =
                    object::read(Chain::Manifest, repo, writer.inc, number, &bytes, verify)?;
                let manifest: Manifest = sealed.open(&meta)?;
                match manifest.fault(number) {
                    Some(fault) => Err(Failure::new(fault)),
                    None => Ok(Named { bytes, manifest }),
                }
            };
            let holds = |seen: &&Seen| {
                let listed = seen.manifests.get(&writer.inc);
                listed.is_some_and(|numbers| numbers.contains(&number))
            };
            let found = stores.iter().filter(holds).find_map(|seen| read(seen).ok());
            let inc = writer.inc;
            match found {
                Some(named) => {
                    let key = (writer.ordinal, SnapshotId { inc, number });
                    self.snapshots.insert(key, named);
                }
                None => drop(self.damaged.insert(SnapshotId { inc, number })),
            }
        }
        Ok(())
    }

    /// The stores that the journals tell as far as they can be read, whether or not they are whole.
    pub(super) fn hinted_stores(
        stores: &[Seen],
        offline: &Offline,
    ) -> Outcome<BTreeMap<String, String>> {
        let mut hinted = BTreeMap::new();
        for seen in stores {
            for (writer, _) in seen.writers.values() {
                let writers = seen.writers.values().cloned();
                let mut evidence = Self::of(writer.repo, writers.collect());
                evidence.keyrings(std::slice::from_ref(seen), offline)?;
                let meta = evidence.meta(writer.inc)?;
                for number in seen.journals.get(&writer.inc).into_iter().flatten() {
                    let path = Chain::Journal.path(writer.inc, *number);
                    let Ok(bytes) = seen.store.get(&path, object::MAX) else {
                        continue;
                    };
                    let (repo, verify) = (writer.repo, &writer.verify);
                    let read =
                        object::read(Chain::Journal, repo, writer.inc, *number, &bytes, verify);
                    let entry = read.and_then(|sealed| sealed.open::<Entry>(&meta));
                    if let Ok(Event::StoreOpened { name, url }) = entry.map(|entry| entry.event) {
                        hinted.insert(name, url);
                    }
                }
            }
        }
        Ok(hinted)
    }

    /// That the journals reach as far as anything knows of.
    fn check_whole(&self, known: &[Position]) -> Outcome<()> {
        for position in known.iter().filter(|position| position.len > 0) {
            let journal = self
                .journals
                .iter()
                .find(|j| j.position.inc == position.inc);
            let entries = journal.map_or(&[][..], |journal| &journal.entries);
            let Some((bytes, _)) = entries.get(position.len as usize - 1) else {
                let what = format!(
                    "the journal is shorter than it was: {} of {} entries of incarnation {} are left",
                    entries.len(),
                    position.len,
                    position.inc
                );
                return Err(stopped(what));
            };
            if object::hash(bytes) != position.hash {
                let what = format!(
                    "entry {} of the journal of incarnation {} is not the one that was there before",
                    position.len, position.inc
                );
                return Err(stopped(what));
            }
        }
        Ok(())
    }
}

/// That a store's last entry is the one that counts.
fn check_same(
    seen: &Seen,
    writer: &Certificate,
    number: u64,
    journal: &Journal,
    repo: RepoId,
) -> Outcome<()> {
    let path = Chain::Journal.path(writer.inc, number);
    let bytes = seen.store.get(&path, object::MAX)?;
    let counts = journal.entries.get(number as usize - 1);
    let verify = &writer.verify;
    let signed = object::read(Chain::Journal, repo, writer.inc, number, &bytes, verify).is_ok();
    if counts.is_some_and(|(counts, _)| *counts == bytes) || !signed {
        return Ok(());
    }
    let what = format!(
        "store {:?} has another {path} than the other stores: two hosts have written as one",
        seen.store.name().as_str()
    );
    Err(stopped(what))
}

/// A hard stop.
fn stopped(what: String) -> Failure {
    Failure::of(FailureKind::Refused, what).hint(
        "the journal says who was erased: nothing is opened without it. Name further stores with --store; one of \
         them may have it",
    )
}
