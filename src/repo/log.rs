//! The journal as this host has it: read, checked, added to.
//!
//! An entry is written in three steps: as an *intent* in the state directory; then to every store
//! that can be reached, at least one; then under its number in the state directory. The intent tells
//! an interrupted entry of our own, which is carried on with, from one that another writer has put
//! in its place, which stops us.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::state::StateDir;
use crate::clock::Timestamp;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Domain, Incarnation, RepoId};
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
        };
        log.check_start()?;
        while let Some(bytes) = log.bytes(log.position.len + 1)? {
            let entry = log.read_next(&bytes, meta)?;
            log.recent.push(entry);
        }
        Ok(log)
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
    /// position this was opened with may still hold.
    pub fn erased_recently(&self) -> Vec<Domain> {
        let domains = self.recent.iter().filter_map(|entry| match &entry.event {
            Event::Erased { domains, .. } => Some(domains),
            _ => None,
        });
        domains.flatten().copied().collect()
    }

    /// Whether there is an entry behind the last that was read.
    pub fn has_next(&self) -> Outcome<bool> {
        Ok(self.bytes(self.position.len + 1)?.is_some())
    }

    /// The recent entries, oldest first.
    pub fn recent(&self) -> &[Entry] {
        &self.recent
    }

    /// Appends an entry: when this returns it is in at least one store and on this host.
    pub fn append(
        &mut self,
        event: Event,
        meta: &DomainKey,
        writer: &SigningKey,
        stores: &[Store],
    ) -> Outcome<()> {
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
        let bytes = object::write(Chain::Journal, &head, &entry, meta, writer)?;
        let intent = self.state.intent(Chain::Journal, self.inc);
        fsx::create_dir(intent.parent().unwrap_or(self.state.path()))?;
        fsx::write(&intent, &bytes)?;
        self.carry_out(&bytes, stores, meta, true)
    }

    /// Puts the intended entry into the stores, and then under its number. One that is `new` has
    /// been offered to no other store.
    fn carry_out(
        &mut self,
        bytes: &[u8],
        stores: &[Store],
        meta: &DomainKey,
        new: bool,
    ) -> Outcome<()> {
        let number = self.position.len + 1;
        let intent = self.state.intent(Chain::Journal, self.inc);
        let path = Chain::Journal.path(self.inc, number);
        let puts: Vec<_> = on_all(stores, |store| {
            store.put_new(&path, Bytes::copy_from_slice(bytes))
        });
        if let Some(conflict) = puts
            .iter()
            .find_map(|put| put.as_ref().err().filter(|e| e.is_conflict()))
        {
            let what = format!("another writer has written journal entry {number}: {conflict}");
            fsx::remove(&intent)?;
            return Err(second_writer(what));
        }
        if !puts.iter().any(Result::is_ok) {
            // A store that failed may have it all the same: then it must be carried on with, or the
            // next entry would meet it there as another writer's.
            let lacks = |store: &Store| matches!(store.get_if_there(&path, object::MAX), Ok(None));
            let failure = if new && stores.iter().all(lacks) {
                fsx::remove(&intent)?;
                Failure::new("no store took the journal entry, so nothing was changed")
            } else {
                Failure::new("no store has confirmed the journal entry")
                    .hint("the next command that changes something carries on with it")
            };
            return Err(match puts.into_iter().find_map(Result::err) {
                Some(error) => failure.because(error),
                None => failure.hint("no store can be reached: see `tenure check`"),
            });
        }
        let own = self.state.object(Chain::Journal, self.inc, number);
        fsx::create_dir(own.parent().unwrap_or(self.state.path()))?;
        fsx::rename(&intent, &own)?;
        fsx::sync_parent(&intent)?;
        let entry = self.read_next(bytes, meta)?;
        self.recent.push(entry);
        Ok(())
    }

    /// Finishes an entry that a crash interrupted. Returns whether there was one.
    pub fn resume(&mut self, stores: &[Store], meta: &DomainKey) -> Outcome<bool> {
        let intent = self.state.intent(Chain::Journal, self.inc);
        let Some(bytes) = fsx::read_if_there(&intent, object::MAX)? else {
            return Ok(false);
        };
        self.carry_out(&bytes, stores, meta, false)?;
        Ok(true)
    }

    /// Gives a store the entries that it lacks, and sees that it has none that we lack.
    pub fn level(&self, store: &Store, resuming: bool) -> Outcome<()> {
        let listed = store.list(&format!("journal/{}", self.inc))?;
        let numbers: BTreeMap<_, _> = listed
            .keys()
            .filter_map(|path| Some((Chain::Journal.parse(path)?.1, path)))
            .collect();
        let ours = self.position.len + u64::from(resuming);
        if let Some((number, _)) = numbers.range(ours + 1..).next() {
            let what = format!(
                "store {:?} has journal entry {number}, which this host did not write",
                store.name().as_str()
            );
            return Err(second_writer(what));
        }
        for number in 1..=self.position.len {
            // The last one is compared as well: two writers differ there first.
            if !numbers.contains_key(&number) || number == self.position.len {
                let bytes = self.bytes(number)?.ok_or_else(|| {
                    Failure::new(format!("journal entry {number} is missing on this host"))
                        .hint("copy journal/ from a store into the state directory")
                })?;
                match store.put_new(&Chain::Journal.path(self.inc, number), bytes.into()) {
                    Err(error) if error.is_conflict() => {
                        return Err(second_writer(error.to_string()));
                    }
                    done => done?,
                }
            }
        }
        Ok(())
    }
}

/// What is said when somebody else writes to the repository.
pub fn second_writer(what: impl Into<String>) -> Failure {
    Failure::of(FailureKind::Refused, what).hint(
        "two hosts (or a copy of the state directory) write to the same repository: \
         stop one of them for good",
    )
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
