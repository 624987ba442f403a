//! The journal as this host has it: read, checked, added to.
//!
//! An entry is written in three steps: as an *intent* in the state directory; then to every store
//! that can be reached, at least one; then under its number in the state directory. The intent tells
//! an interrupted entry of our own, which is carried on with, from one that another writer has put
//! in its place, which stops us.

use std::ops::Range;

use bytes::Bytes;

use super::sole::second_writer;
use super::state::StateDir;
use crate::clock::Timestamp;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Domain, Incarnation, RepoId, StoreName};
use crate::journal::{Entry, Event, Position};
use crate::object::{self, Chain, Head};
use crate::secret::DomainKey;
use crate::sign::{SigningKey, VerifyKey};
use crate::store::Store;

/// The journal of the incarnation that writes here.
pub struct Log {
    state: StateDir,
    repo: RepoId,
    inc: Incarnation,
    verify: VerifyKey,
    /// How long it is, and its last hash.
    position: Position,
    /// Entries behind those that the keyring had taken in.
    recent: Vec<Entry>,
    /// An entry that was intended when this was opened, and its hash: an interrupted command's, which
    /// the next change finishes, or a running one's.
    intended: Option<([u8; 32], Entry)>,
}

impl Log {
    /// Reads what has come since `known`, the position that the keyring carries, and checks that it
    /// follows from there.
    pub fn open(
        state: &StateDir,
        repo: RepoId,
        inc: Incarnation,
        verify: VerifyKey,
        known: Option<&Position>,
        meta: &DomainKey,
    ) -> Outcome<Self> {
        let start = known.copied().unwrap_or(Position {
            inc,
            len: 0,
            hash: [0; 32],
        });
        let mut log = Self {
            state: state.clone(),
            repo,
            inc,
            verify,
            position: start,
            recent: Vec::new(),
            intended: None,
        };
        log.check_start()?;
        while let Some(bytes) = log.bytes(log.position.len + 1)? {
            let entry = log.read_next(&bytes, meta)?;
            log.recent.push(entry);
        }
        if let Some(bytes) = log.intent()? {
            let position = log.position;
            let entry = log.read_next(&bytes, meta)?;
            log.position = position;
            log.intended = Some((object::hash(&bytes), entry));
        }
        Ok(log)
    }

    fn intent(&self) -> Outcome<Option<Vec<u8>>> {
        let path = self.state.intent(Chain::Journal, self.inc);
        Ok(fsx::read_if_there(&path, object::MAX)?)
    }

    /// That the entry which the keyring names last is here: a journal that is shorter than the
    /// keyring knows may lack erasures.
    fn check_start(&self) -> Outcome<()> {
        let Position { len, hash, .. } = self.position;
        let here = if len == 0 { None } else { self.bytes(len)? };
        if len == 0 || here.is_some_and(|bytes| object::hash(&bytes) == hash) {
            return Ok(());
        }
        let what = format!(
            "the journal in {} is shorter than the keyring knows",
            self.state.path().display()
        );
        Err(Failure::new(what).hint("copy journal/ from a store into the state directory"))
    }

    fn bytes(&self, number: u64) -> Outcome<Option<Vec<u8>>> {
        let path = self.state.object(Chain::Journal, self.inc, number);
        Ok(fsx::read_if_there(&path, object::MAX)?)
    }

    fn read_next(&mut self, bytes: &[u8], meta: &DomainKey) -> Outcome<Entry> {
        let number = self.position.len + 1;
        let read = || -> Result<Entry, object::ObjectError> {
            let sealed = object::read(
                Chain::Journal,
                self.repo,
                self.inc,
                number,
                bytes,
                &self.verify,
            )?;
            if sealed.head.previous != self.position.hash {
                return Err(object::ObjectError::BrokenChain);
            }
            sealed.open(meta)
        };
        let entry = read().failed_to(|| format!("read journal entry {number}"))?;
        self.position = Position {
            inc: self.inc,
            len: number,
            hash: object::hash(bytes),
        };
        Ok(entry)
    }

    /// How far it has come.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The domains that recent entries erase: the part of the ledger that a keyring with the
    /// position this was opened with may still hold. Also those of an intended entry: it may stand
    /// in a store, and then it is carried out.
    pub fn erased_recently(&self) -> Vec<Domain> {
        let intended = self.intended.iter().map(|(_, entry)| entry);
        let domains = self
            .recent
            .iter()
            .chain(intended)
            .filter_map(|entry| match &entry.event {
                Event::Erased { domains, .. } => Some(domains),
                _ => None,
            });
        domains.flatten().copied().collect()
    }

    /// Whether an entry beyond those that were read on opening is this host's own: intended, or
    /// decided meanwhile.
    pub(super) fn is_own(&self, number: u64, bytes: &[u8]) -> Outcome<bool> {
        // The intent first: if it gets its number meanwhile, it is met under that.
        let intended = self.intent()?;
        let here = [intended, self.bytes(number)?];
        Ok(here.iter().flatten().any(|own| own == bytes))
    }

    /// Whether something was decided since this was opened.
    pub fn has_grown(&self) -> Outcome<bool> {
        let known = self.intended.as_ref().map(|(hash, _)| *hash);
        let number = self.position.len + 1;
        let now = [self.bytes(number)?, self.intent()?];
        let is_new = |bytes: Vec<u8>| Some(object::hash(&bytes)) != known;
        Ok(now.into_iter().flatten().any(is_new) || self.bytes(number + 1)?.is_some())
    }

    /// Whether something was decided since this was opened that bears upon what a reader may show:
    /// that snapshots were pruned does not.
    pub fn has_news(&self, meta: &DomainKey) -> Outcome<bool> {
        let known = self.intended.as_ref().map(|(hash, _)| *hash);
        let bears = |number, bytes: &[u8]| -> Outcome<bool> {
            let is_known = known == Some(object::hash(bytes));
            Ok(!is_known
                && !matches!(
                    self.entry(number, bytes, meta)?.event,
                    Event::Pruned { .. } | Event::Certified { .. }
                ))
        };
        // The intent first: if it gets its number meanwhile, it is met under that.
        let mut intent = self.intent()?;
        let mut number = self.position.len + 1;
        while let Some(bytes) = self.bytes(number)? {
            if bears(number, &bytes)? {
                return Ok(true);
            }
            intent = intent.filter(|intent| *intent != bytes);
            number += 1;
        }
        intent.map_or(Ok(false), |bytes| bears(number, &bytes))
    }

    /// Entries by number, read again from the state directory.
    pub fn entries(&self, numbers: Range<u64>, meta: &DomainKey) -> Outcome<Vec<Entry>> {
        let read = |number| {
            let path = self.state.object(Chain::Journal, self.inc, number);
            self.entry(number, &fsx::read(&path, object::MAX)?, meta)
        };
        numbers.map(read).collect()
    }

    /// An entry's bytes, with no regard to those before it.
    fn entry(&self, number: u64, bytes: &[u8], meta: &DomainKey) -> Outcome<Entry> {
        let (chain, repo, verify) = (Chain::Journal, self.repo, &self.verify);
        object::read(chain, repo, self.inc, number, bytes, verify)
            .and_then(|sealed| sealed.open(meta))
            .failed_to(|| format!("read journal entry {number}"))
    }

    /// The recent entries, oldest first.
    pub fn recent(&self) -> &[Entry] {
        &self.recent
    }

    /// An entry that an interrupted command has intended, and that may stand in a store.
    pub fn intended(&self) -> Option<&Entry> {
        self.intended.as_ref().map(|(_, entry)| entry)
    }

    /// Appends an entry: when this returns it is in at least one store and on this host. Returns the
    /// stores that did not take it; they get it when they are brought level.
    pub fn append(
        &mut self,
        event: Event,
        meta: &DomainKey,
        writer: &SigningKey,
        stores: &[Store],
    ) -> Outcome<Vec<StoreName>> {
        let number = self.position.len + 1;
        let head = Head {
            repo: self.repo,
            inc: self.inc,
            number,
            previous: self.position.hash,
        };
        let entry = Entry {
            time: Timestamp::now(),
            event,
        };
        // A hold binds from here on even if nobody else can be told yet.
        let binds_alone = matches!(entry.event, Event::Held { .. });
        let bytes = object::write(Chain::Journal, &head, &entry, meta, writer)?;
        let intent = self.state.intent(Chain::Journal, self.inc);
        fsx::create_dir(intent.parent().unwrap_or(self.state.path()))?;
        fsx::write(&intent, &bytes)?;
        match self.carry_out(&bytes, stores, meta) {
            Err(failure)
                if binds_alone && failure.kind() != FailureKind::Refused && intent.exists() =>
            {
                self.enter(&bytes, meta)?;
                Ok(stores.iter().map(|store| store.name().clone()).collect())
            }
            Err(failure) if failure.kind() != FailureKind::Refused && intent.exists() => {
                let outcome = if self.take_back(stores)? {
                    "nothing was changed"
                } else {
                    "the next command that can reach a store finishes it"
                };
                Err(failure).failed_to(|| format!("decide it: {outcome}"))
            }
            Err(failure) => {
                // Another writer's entry stands where this one should have been.
                fsx::remove(&intent)?;
                Err(failure)
            }
            done => done,
        }
    }

    /// Puts the intended entry into the stores, and then under its number.
    fn carry_out(
        &mut self,
        bytes: &[u8],
        stores: &[Store],
        meta: &DomainKey,
    ) -> Outcome<Vec<StoreName>> {
        let number = self.position.len + 1;
        let path = Chain::Journal.path(self.inc, number);
        let puts: Vec<_> = on_all(stores, |store| {
            store.put_new(&path, Bytes::copy_from_slice(bytes))
        });
        if let Some(conflict) = puts
            .iter()
            .find_map(|put| put.as_ref().err().filter(|e| e.is_conflict()))
        {
            let what = format!("another writer has written journal entry {number}: {conflict}");
            return Err(second_writer(what));
        }
        if !puts.iter().any(Result::is_ok) {
            let failure = Failure::new("no store took the journal entry");
            return Err(match puts.into_iter().find_map(Result::err) {
                Some(error) => failure.because(error),
                None => failure.hint("no store can be reached: see `tenure check`"),
            });
        }
        self.enter(bytes, meta)?;
        let lacking = stores.iter().zip(&puts).filter(|(_, put)| put.is_err());
        Ok(lacking.map(|(store, _)| store.name().clone()).collect())
    }

    /// Gives the intended entry its number on this host.
    fn enter(&mut self, bytes: &[u8], meta: &DomainKey) -> Outcome<()> {
        let number = self.position.len + 1;
        let intent = self.state.intent(Chain::Journal, self.inc);
        let own = self.state.object(Chain::Journal, self.inc, number);
        fsx::create_dir(own.parent().unwrap_or(self.state.path()))?;
        fsx::rename(&intent, &own)?;
        fsx::sync_parent(&intent)?;
        let entry = self.read_next(bytes, meta)?;
        self.recent.push(entry);
        self.intended = None;
        Ok(())
    }

    /// Takes an entry back that no store took: whether it is certain that none has it after all.
    fn take_back(&mut self, stores: &[Store]) -> Outcome<bool> {
        let path = Chain::Journal.path(self.inc, self.position.len + 1);
        let none = on_all(stores, |store| store.get_if_there(&path, object::MAX));
        let certain = none.iter().all(|found| matches!(found, Ok(None)));
        if certain {
            fsx::remove(&self.state.intent(Chain::Journal, self.inc))?;
        }
        Ok(certain)
    }

    /// Finishes an entry that a crash interrupted. Returns whether there was one. While no store can
    /// be reached it stays: one of them may have it.
    pub fn resume(&mut self, stores: &[Store], meta: &DomainKey) -> Outcome<bool> {
        let Some(bytes) = self.intent()? else {
            return Ok(false);
        };
        self.carry_out(&bytes, stores, meta)
            .failed_to(|| "finish what an interrupted command has decided")?;
        Ok(true)
    }

    /// Gives a store the entries that it lacks, and the newest one again if it is damaged there:
    /// another writer's was looked for before this.
    pub fn level(&self, store: &Store) -> Outcome<()> {
        let listed = store.list(&format!("journal/{}", self.inc))?;
        for number in 1..=self.position.len {
            let path = Chain::Journal.path(self.inc, number);
            let newest = number == self.position.len;
            if listed.contains_key(&path) && !newest {
                continue;
            }
            let bytes = self.bytes(number)?.ok_or_else(|| {
                Failure::new(format!("journal entry {number} is missing on this host"))
                    .hint("copy journal/ from a store into the state directory")
            })?;
            match store.put_new(&path, bytes.clone().into()) {
                Err(error) if error.is_conflict() => store.replace(&path, bytes.into())?,
                done => done?,
            }
        }
        Ok(())
    }
}

/// Does the same on all stores at once.
pub fn on_all<T: Send>(stores: &[Store], each: impl Fn(&Store) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let each = &each;
        let running: Vec<_> = stores
            .iter()
            .map(|store| scope.spawn(move || each(store)))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
