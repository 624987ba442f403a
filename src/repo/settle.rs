//! What every command that changes something does first: it sees that nobody else writes here, opens
//! stores that are new, and finishes what an interrupted command has begun.
//!
//! The order is that of the effects themselves, so that this is also how an erasure is carried out:
//! the journal's entry; what the catalog says; the keyring's next epoch on this host; that epoch in
//! every store, read back; then the end of all older ones, seen by listing again; then the manifests
//! of snapshots that were pruned. Each step may be repeated, and none is undone.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::apply::Applying;
use super::log::on_all;
use super::sole::SoleWriter;
use super::state::StateDir;
use super::{Placed, Recogniser, Repository};
use crate::catalog::{Change, KeyPlace, Snapshot};
use crate::certificate;
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{ObjectName, StoreName};
use crate::journal::{Event, Position, Voided};
use crate::keyring::recovery::{self, Recipient};
use crate::object::{self, Chain};
use crate::store::Store;

/// The catalog's note of the BLAKE3 of `root.age`, once that was encrypted anew.
pub const ROOT_HASH: &str = "root_hash";

/// What was found and finished.
#[derive(Debug, Default)]
pub struct Settled {
    /// What an interrupted command had begun and is done now, in words.
    pub finished: Vec<String>,
    /// Stores that may still hold an older keyring.
    pub pending: Vec<StoreName>,
    /// Bytes of the manifests of pruned snapshots that were deleted, over all stores.
    pub freed: u64,
    /// Stores that can be reached and still hold a manifest of a pruned snapshot, and why.
    pub unpruned: Vec<(StoreName, Failure)>,
}

impl Repository {
    /// Gets the repository ready for changes. Safe at any moment, and twice.
    pub fn settle(&mut self) -> Outcome<Settled> {
        let mut settled = Settled::default();
        self.state.sweep()?;
        // Nothing is written to any store before all have been looked at.
        self.check_sole_writer()?;
        let new = self.level_stores()?;
        for (name, placed) in self.place_root()? {
            // A store that does not take it is found by `verify`, and tried again next time.
            if let Ok(true) = placed {
                settled
                    .finished
                    .push(format!("{} in store {name}", certificate::ROOT));
            }
        }
        let meta = self.meta()?;
        if self.log.resume(&self.stores, &meta)? {
            settled
                .finished
                .push("a journal entry that was being written".into());
        }
        if self.log.position().len == 0 {
            let recipients = self
                .config
                .recipients
                .iter()
                .map(ToString::to_string)
                .collect();
            self.decide(Event::Opened { recipients })?;
        }
        for store in &new {
            self.adopt(store)?;
        }
        self.read_in()?;
        self.erase_revenants()?;
        self.carry_out_decisions(&mut settled)?;
        Ok(settled)
    }

    /// Carries out what the journal has decided and the keyrings do not show yet.
    pub fn carry_out_decisions(&mut self, settled: &mut Settled) -> Outcome<()> {
        self.apply_to_catalog()?;
        if self.begins_new_epoch() {
            self.begin_epoch()?;
            settled
                .finished
                .push(format!("keyring epoch {}", self.keyring.epoch));
        }
        settled.pending = self.place_keyrings()?;
        self.host.destroy_others(self.inc(), self.keyring.epoch)?;
        self.remove_pruned(settled)
    }

    /// Gives every store the root's file where that was encrypted anew since `init`, and says for
    /// each whether it had another one. Only if this host's copy is the one that was noted then:
    /// a damaged copy must never replace good ones.
    pub fn place_root(&self) -> Outcome<Vec<(StoreName, Outcome<bool>)>> {
        let Some(noted) = self.catalog.note(ROOT_HASH)? else {
            return Ok(Vec::new());
        };
        let own = fsx::read_if_there(&self.state.root(), 1 << 20)?;
        let Some(own) = own.filter(|own| ObjectName::of(own).to_string() == noted) else {
            return Ok(Vec::new());
        };
        let own = Bytes::from(own);
        let place = |store: &Store| -> Outcome<bool> {
            let same = store
                .get(certificate::ROOT, 1 << 20)
                .is_ok_and(|found| found == own);
            if !same {
                store.replace(certificate::ROOT, own.clone())?;
            }
            Ok(!same)
        };
        Ok(on_all(&self.stores, |store| {
            (store.name().clone(), place(store))
        }))
    }

    /// Gives stores that are empty what makes them stores of this repository, and all of them the
    /// journal. Returns the new ones.
    fn level_stores(&mut self) -> Outcome<Vec<Store>> {
        let known = self.catalog.key_places()?;
        let is_new = |store: &Store| !known.contains_key(store.name().as_str());
        let read = |path: &Path| fsx::read(path, 1 << 20).map(Bytes::from);
        let root = read(&self.state.root())?;
        let incs = self.writers.keys();
        let certificates = incs.map(|inc| {
            let bytes = read(&self.state.certificate(*inc))?;
            Ok((certificate::path(*inc), bytes))
        });
        let certificates: Vec<_> = certificates.collect::<Outcome<_>>()?;
        let (log, sole, state) = (&self.log, self.sole_writer()?, &self.state);
        let keyring = self.keyring.path();
        let age = Bytes::from(self.host.age(self.inc(), self.keyring.epoch)?);
        let taken = self.taken()?;
        let former = self.former().iter().map(|f| f.position);
        let former: Vec<_> = former
            .map(|position| taken.get(&position.inc).copied().unwrap_or(position))
            .collect();
        let opens = !former.is_empty() && log.position().len == 0;
        let levelled = on_all(&self.stores, |store| -> Outcome<()> {
            if is_new(store) {
                store.put_new(certificate::ROOT, root.clone())?;
            }
            // A store that is known lacks none, unless a recovery has just given this incarnation one.
            if is_new(store) || !former.is_empty() {
                // Keys first: a certificate without them would keep every recovery after this one out.
                if opens {
                    place_keyring(store, &keyring, &age)?;
                }
                for (path, bytes) in &certificates {
                    store.put_new(path, bytes.clone())?;
                }
            }
            for position in &former {
                level_former(state, store, position)?;
            }
            log.level(store)?;
            sole.mend(Chain::Manifest, store)
        });
        self.set_aside(levelled)?;
        Ok(self
            .stores
            .iter()
            .filter(|store| is_new(store))
            .cloned()
            .collect())
    }

    /// Goes on without the stores that have failed, and not at all if one was refused.
    fn set_aside(&mut self, results: Vec<Outcome<()>>) -> Outcome<()> {
        let mut working = Vec::new();
        for (store, result) in self.stores.drain(..).zip(results) {
            match result {
                Ok(()) => working.push(store),
                Err(failure) if failure.kind() == FailureKind::Refused => return Err(failure),
                Err(failure) => {
                    self.absent.insert(store.name().clone(), failure);
                }
            }
        }
        self.stores = working;
        Ok(())
    }

    /// From here on a store may hold keyrings, and no erasure is final before it was seen.
    fn adopt(&mut self, store: &Store) -> Outcome<()> {
        let configured = self.config.stores.iter().find(|c| c.name == *store.name());
        let url = configured.map_or(String::new(), crate::config::Store::address);
        let name = store.name().as_str().to_owned();
        self.decide(Event::StoreOpened {
            name: name.clone(),
            url: url.clone(),
        })?;
        let place = KeyPlace {
            url,
            epoch: 0,
            seen: Timestamp::now(),
        };
        self.catalog
            .change(|change| change.set_key_place(&name, &place))?;
        Ok(())
    }

    /// That no store holds anything under this incarnation's numbers that we did not write.
    fn check_sole_writer(&mut self) -> Outcome<()> {
        let (sole, epoch) = (self.sole_writer()?, self.keyring.epoch);
        let checks = on_all(&self.stores, |store| -> Outcome<()> {
            sole.check(Chain::Journal, store)?;
            sole.check(Chain::Manifest, store)?;
            sole.check_epochs(store, epoch)
        });
        self.set_aside(checks)
    }

    fn sole_writer(&self) -> Outcome<SoleWriter<'_>> {
        Ok(SoleWriter {
            state: &self.state,
            repo: self.id(),
            inc: self.inc(),
            verify: &self.certificate.verify,
            pruned: self.catalog.pruned(self.inc())?,
        })
    }

    /// The number of the newest snapshot of this incarnation; 0 if there is none.
    pub fn last_snapshot_number(&self) -> Outcome<u64> {
        let last = self.last_snapshot()?;
        Ok(last.map_or(0, |snapshot| snapshot.id.number))
    }

    /// The newest snapshot of this incarnation.
    pub fn last_snapshot(&self) -> Outcome<Option<Snapshot>> {
        let snapshots = self.catalog.snapshots()?.into_iter();
        let own = snapshots.filter(|snapshot| snapshot.id.inc == self.inc());
        Ok(own.max_by_key(|snapshot| snapshot.id.number))
    }

    /// Entries by number, counted through, without those that a recovery has declared void.
    pub(super) fn entries_that_count(&self, numbers: Range<u64>) -> Outcome<Vec<Placed>> {
        let mut entries = self.entries(numbers)?;
        if self.former.is_empty() {
            return Ok(entries);
        }
        let voided = self.voided()?;
        let is_void = |placed: &Placed| {
            let before = self.former.iter().find(|f| f.writer.inc == placed.inc);
            let own = placed.number - before.map_or(self.entries_before(), |f| f.before);
            let hits = |void: &Voided| void.inc == placed.inc && void.from <= own;
            voided.iter().any(hits)
        };
        entries.retain(|placed| !is_void(placed));
        for placed in &mut entries {
            if let Event::Certified { erasure, .. } = &mut placed.entry.event {
                *erasure = self.renumbered(placed.inc, *erasure)?;
            }
        }
        Ok(entries)
    }

    /// How many entries of the journal the catalog has taken in.
    pub(super) fn journal_applied(&self) -> Outcome<u64> {
        let noted = self.catalog.note("journal_applied")?;
        Ok(noted.and_then(|noted| noted.parse().ok()).unwrap_or(0))
    }

    /// Brings the catalog up to the journal.
    pub fn apply_to_catalog(&mut self) -> Outcome<()> {
        let (last, done) = (self.last_entry(), self.journal_applied()?);
        let entries = self.entries_that_count(done + 1..last + 1)?;
        let recogniser = Recogniser::new(self)?;
        let applying = Applying {
            repo: self.id(),
            inc: self.inc(),
            forest: &self.keyring.forest,
            recogniser: &recogniser,
        };
        self.catalog.change(|change: &Change<'_>| -> Outcome<()> {
            for placed in &entries {
                applying.apply(change, placed)?;
            }
            Ok(change.set_note("journal_applied", &last.to_string())?)
        })
    }

    /// What an interrupted command has left to be finished by the next one that changes something.
    pub fn unfinished(&self) -> Vec<&'static str> {
        let intended = |chain| self.state.intent(chain, self.inc()).exists();
        let found = [
            (
                intended(Chain::Journal),
                "a journal entry that was being written",
            ),
            (intended(Chain::Manifest), "a snapshot that was being named"),
            (
                self.begins_new_epoch(),
                "a decision that the keyring does not show yet",
            ),
            (
                self.has_pruned_left(),
                "manifests of snapshots that are pruned",
            ),
        ];
        found
            .into_iter()
            .filter(|(left, _)| *left)
            .map(|(_, what)| what)
            .collect()
    }

    /// Whether the journal has decided something that the keyring's file does not show.
    fn begins_new_epoch(&self) -> bool {
        let own = self.keyring.journal.iter();
        let mut own = own.filter(|position| position.inc == self.inc());
        let known = own.next().map_or(0, |position| position.len);
        let first = self.log.position().len - self.log.recent().len() as u64 + 1;
        let news = (first..)
            .zip(self.log.recent())
            .filter(|(number, _)| *number > known);
        news.into_iter().any(|(_, entry)| {
            matches!(entry.event, Event::Erased { .. } | Event::Recipients { .. })
        })
    }

    /// Writes the keyring's next epoch on this host.
    fn begin_epoch(&mut self) -> Outcome<()> {
        self.keyring.forest.puncture(&self.log.erased_recently());
        self.keyring.epoch += 1;
        self.keyring.journal = self.positions();
        let recipients = self.recipients()?;
        let age = recovery::encrypt(&recipients, &self.keyring.encode(&self.writer))?;
        self.host.write(&self.keyring, &self.writer, &age)?;
        Ok(())
    }

    /// Who can recover, as the journal has it: the configuration may have been edited since.
    pub fn recipients(&self) -> Outcome<Vec<Recipient>> {
        let newest = self
            .log
            .recent()
            .iter()
            .rev()
            .find_map(|entry| match &entry.event {
                Event::Recipients { recipients } => Some(recipients.clone()),
                _ => None,
            });
        let texts = match newest {
            Some(recipients) => recipients,
            None => match self.catalog.note("recipients")? {
                Some(noted) => noted.split_whitespace().map(str::to_owned).collect(),
                None => self
                    .config
                    .recipients
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            },
        };
        texts
            .iter()
            .map(|text| Recipient::parse(text).map_err(Failure::from))
            .collect()
    }

    /// Puts the newest keyring into every store that may have it, destroys all others there, and
    /// lists again. Returns the stores where an older one may still be.
    fn place_keyrings(&mut self) -> Outcome<Vec<StoreName>> {
        let age = Bytes::from(self.host.age(self.inc(), self.keyring.epoch)?);
        let path = self.keyring.path();
        // Until every store was read, nobody knows that nothing hangs on an older one.
        let alone = self.unread()?.is_empty();
        let placed = on_all(&self.stores, |store| {
            let placed = place_keyring(store, &path, &age).and_then(|()| match alone {
                true => destroy_other_keyrings(store, &path),
                false => Err(Failure::new("stores were not read since the recovery")),
            });
            (store.name().clone(), placed)
        });
        let mut places = self.catalog.key_places()?;
        for (name, placed) in placed {
            let Some(url) = places.get(name.as_str()).map(|place| place.url.clone()) else {
                continue;
            };
            if let Err(failure) = placed {
                let what = format!("store {name} may still hold an older keyring");
                self.notes.push(Failure::new(what).because(failure));
                continue;
            }
            // A store that was renamed in the configuration is the place that it was before.
            for (name, place) in places.iter_mut().filter(|(_, place)| place.url == url) {
                place.epoch = self.keyring.epoch;
                place.seen = Timestamp::now();
                self.catalog
                    .change(|change| change.set_key_place(name, place))?;
            }
        }
        self.pending_places()
    }

    /// Places where an older keyring may still be, by what was last seen.
    pub fn pending_places(&self) -> Outcome<Vec<StoreName>> {
        let places = self.catalog.key_places()?;
        let behind = places
            .iter()
            .filter(|(_, place)| place.epoch < self.keyring.epoch);
        behind
            .map(|(name, _)| name.parse().map_err(Failure::from))
            .collect()
    }

    /// The newest keyring's age file, as every store should have it.
    pub fn keyring_age(&self) -> Outcome<Bytes> {
        Ok(self.host.age(self.inc(), self.keyring.epoch)?.into())
    }

    /// Reads the host's copy of a control object.
    pub fn own_object(&self, chain: Chain, number: u64) -> Outcome<Vec<u8>> {
        Ok(fsx::read(
            &self.state.object(chain, self.inc(), number),
            object::MAX,
        )?)
    }
}

/// Gives a store the entries of a former journal that it lacks.
fn level_former(state: &StateDir, store: &Store, position: &Position) -> Outcome<()> {
    let listed = store.list(&format!("{}/{}", Chain::Journal.folder(), position.inc))?;
    for number in 1..=position.len {
        let path = Chain::Journal.path(position.inc, number);
        if !listed.contains_key(&path) {
            let own = state.object(Chain::Journal, position.inc, number);
            store.put_new(&path, fsx::read(&own, object::MAX)?.into())?;
        }
    }
    Ok(())
}

fn place_keyring(store: &Store, path: &str, age: &Bytes) -> Outcome<()> {
    if store.holds_keys() {
        match store.put_new(path, age.clone()) {
            // The journal is ours, and with it the epoch: this is a damaged copy.
            Err(error) if error.is_conflict() => store.replace(path, age.clone())?,
            done => done?,
        }
        store.read_back(path, age)?;
    }
    Ok(())
}

fn destroy_other_keyrings(store: &Store, path: &str) -> Outcome<()> {
    store.sweep("keyring")?;
    // Whoever may hold it holds nothing else there, and whoever may not holds nothing.
    Ok(store.purge("keyring", store.holds_keys().then_some(path))?)
}
