//! The control objects of a store, snapshots aside: root, certificates, journal, keyring.

use super::{Look, told};
use crate::certificate::{self, Certificate};
use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::SnapshotId;
use crate::journal::{self, Event, Position};
use crate::keyring::file;
use crate::object::{self, Chain, ObjectError};
use crate::secret::DomainKey;

/// No root or certificate is longer.
const SMALL: u64 = 1 << 20;
/// The hash before the first of a chain.
pub(super) const NONE_BEFORE: [u8; 32] = [0; 32];

/// What one incarnation's journal is read with.
struct Reading<'a> {
    writer: &'a Certificate,
    meta: DomainKey,
}

impl Look<'_> {
    /// Nobody here can open the root: it must be the very bytes that this host keeps.
    pub(super) fn root(&mut self) {
        let Some(bytes) = self.fetch(certificate::ROOT, SMALL) else {
            return;
        };
        match fsx::read(&self.repository.state.root(), SMALL) {
            Ok(own) if own == bytes => {}
            Ok(_) => self.problem(
                certificate::ROOT,
                "it differs from the state directory's copy",
            ),
            Err(error) => {
                let why = told(&error.into());
                self.problem(certificate::ROOT, format!("it cannot be compared: {why}"));
            }
        }
    }

    /// All that stand there must be signed by the root, and ours must be among them.
    pub(super) fn certificates(&mut self) {
        let own = certificate::path(self.repository.inc());
        let mut paths: Vec<_> = self
            .list("writer")
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        if !paths.contains(&own) {
            paths.push(own.clone());
        }
        for path in paths {
            let Some(bytes) = self.fetch(&path, SMALL) else {
                continue;
            };
            match Certificate::read(&bytes, &self.repository.fingerprint) {
                Ok(found) if certificate::path(found.inc) != path => {
                    self.problem(&path, "it is the certificate of another incarnation");
                }
                Ok(found) if path == own && found != self.repository.certificate => {
                    self.problem(&path, "it differs from the state directory's copy");
                }
                Ok(_) => {}
                Err(error) => self.problem(&path, error.to_string()),
            }
        }
    }

    /// Every entry of every incarnation up to the position that this host knows: there, signed, chained, and
    /// ours. What they say of pruned snapshots is kept in mind.
    pub(super) fn journal(&mut self) -> Outcome<()> {
        for position in self.repository.positions() {
            let meta = self.repository.meta_of(position.inc)?;
            let writer = self.repository.writers.get(&position.inc);
            let writer = writer.ok_or_else(|| Failure::new("a writer is not known"))?;
            self.chain(&position, &Reading { writer, meta })?;
        }
        self.journal_beyond(self.repository.log().position().len)
    }

    fn chain(&mut self, position: &Position, reading: &Reading<'_>) -> Outcome<()> {
        let mut previous = Some(NONE_BEFORE);
        for number in 1..=position.len {
            let path = Chain::Journal.path(position.inc, number);
            let own = self
                .repository
                .state
                .object(Chain::Journal, position.inc, number);
            let own = fsx::read(&own, object::MAX).ok();
            let own_entry = own
                .as_ref()
                .and_then(|own| self.entry(reading, number, own, previous).ok());
            let own_sound = own_entry.is_some();
            let mut entry = own_entry;
            let stored = self.fetch(&path, object::MAX);
            if let Some(bytes) = &stored {
                match self.entry(reading, number, bytes, previous) {
                    Err(error) => self.problem(&path, told(&error.into())),
                    Ok(stored) => {
                        if own.as_deref() != Some(&bytes[..]) {
                            let what = if own_sound {
                                "it differs from the state directory's copy"
                            } else {
                                "it is whole, and the state directory's copy is missing or damaged"
                            };
                            self.problem(&path, what);
                        }
                        entry.get_or_insert(stored);
                    }
                }
            }
            if let Some(Event::Pruned { snapshots, former }) = entry.map(|entry| entry.event) {
                let inc = position.inc;
                let own = snapshots
                    .into_iter()
                    .map(|number| SnapshotId { inc, number });
                self.pruned.extend(own.chain(former.into_iter().flatten()));
            }
            // The next one is held against the good copy of this one.
            previous = match (own, stored) {
                (Some(own), _) if own_sound => Some(object::hash(&own)),
                (_, Some(bytes)) if self.entry(reading, number, &bytes, previous).is_ok() => {
                    Some(object::hash(&bytes))
                }
                _ => None,
            };
        }
        Ok(())
    }

    fn entry(
        &self,
        Reading { writer, meta }: &Reading<'_>,
        number: u64,
        bytes: &[u8],
        previous: Option<[u8; 32]>,
    ) -> Result<journal::Entry, ObjectError> {
        let (repo, verify) = (self.repository.id(), &writer.verify);
        let sealed = object::read(Chain::Journal, repo, writer.inc, number, bytes, verify)?;
        if previous.is_some_and(|previous| previous != sealed.head.previous) {
            return Err(ObjectError::BrokenChain);
        }
        sealed.open(meta)
    }

    /// Entries behind the last that this host knows are another writer's, unless a command of this
    /// host is writing them right now.
    fn journal_beyond(&mut self, last: u64) -> Outcome<()> {
        let listed = self.list(&format!("journal/{}", self.repository.inc()));
        let number = |path: &str| Chain::Journal.parse(path).map_or(0, |(_, number)| number);
        let beyond: Vec<_> = listed
            .into_iter()
            .filter(|(path, _)| number(path) > last)
            .collect();
        if !beyond.is_empty() && !self.repository.has_grown()? {
            for (path, _) in beyond {
                self.problem(&path, "this host did not write it");
            }
        }
        Ok(())
    }

    /// The newest epoch's file and nothing else: an older keyring can revive the forgotten.
    pub(super) fn keyring(&mut self) -> Outcome<()> {
        let path = self.repository.keyring.path();
        let listed = self.list("keyring");
        // A command that runs at the same time may be at the next epoch already.
        if self.repository.has_grown()? {
            self.report
                .note("the keyring is being changed by another command, and was not compared");
            return Ok(());
        }
        if self.store.holds_keys() {
            self.newest_keyring(&path);
        }
        let keep = self.store.holds_keys().then_some(path);
        self.older_keyrings();
        for (found, _) in listed {
            if Some(&found) == keep.as_ref() {
                continue;
            }
            let what = match file::parse_path(&found) {
                _ if keep.is_none() => "this store is to hold no keyring",
                Some(_) => {
                    "it is not the newest keyring: it can bring back what was forgotten since"
                }
                None => "it is no keyring of this repository",
            };
            self.problem(&found, what);
        }
        Ok(())
    }

    /// What was deleted may still be there as an older version.
    fn older_keyrings(&mut self) {
        match self.store.versions("keyring") {
            Ok(versions) => {
                for version in versions.into_iter().flatten() {
                    if !version.newest || version.marker {
                        let what =
                            format!("an older version of it is still there ({})", version.id);
                        self.problem(&version.path, what);
                    }
                }
            }
            Err(error) => {
                let why = told(&error.into());
                self.problem("keyring", format!("older versions cannot be listed: {why}"));
            }
        }
    }

    fn newest_keyring(&mut self, path: &str) {
        let Some(bytes) = self.fetch(path, file::MAX) else {
            return;
        };
        match self.repository.keyring_age() {
            Ok(own) if own == bytes => {}
            Ok(_) => self.problem(path, "it differs from the copy of this host"),
            Err(failure) => {
                let why = told(&failure);
                self.problem(path, format!("it cannot be compared: {why}"));
            }
        }
    }
}
