//! The audit log: who did what here, in an order that nobody can alter unseen.
//!
//! `audit/<incarnation>.log` in the state directory holds the entries ([`crate::audit_entry`]; the
//! file is described in `audit/file.rs`). Nothing keeps root on this host from rewriting that file,
//! so the log is also a Merkle tree ([`crate::merkle`]), and its root leaves the host as a signed
//! **checkpoint** ([`crate::note`]): `audit/<incarnation>/<number of entries, 10 digits>` in every
//! store, and `audit/<incarnation>.checkpoint` here, the newest alone. The origin is
//! `tenure-audit/<repository>/<incarnation>`. What a checkpoint covers can no longer be altered, cut
//! off or replaced without being told; what came after the last one can.
//!
//! The daemon and a command that runs alone may append at the same time: each takes the log's own
//! lock, `audit/lock`, for as long as that lasts. Readers take it only to see how far the log
//! reaches: what stands before that never changes.
//!
//! **Invariant:** an entry is on the disk when `append` returns; when it fails, whatever destroys
//! something is not done.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use crate::audit_entry::{Entry, Object, Phase, Who};
use crate::clock::Timestamp;
use crate::error::{Context, Failure, Outcome};
use crate::fsx::{self, Sharing};
use crate::ids::{Incarnation, RepoId};
use crate::merkle::{Hash, Tree};
use crate::note::{self, Checkpoint};
use crate::repo::Repository;
use crate::repo::state::StateDir;
use crate::secret::DomainKey;
use crate::sign::VerifyKey;

mod checkpoint;
mod file;
mod verify;

pub use checkpoint::Checkpointed;
use file::{End, LogFile};
pub use verify::{Verified, Witness};

/// How long an append of somebody else, or a look at where the log ends, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The audit log of the incarnation that writes here.
pub struct AuditLog {
    state: StateDir,
    repo: RepoId,
    inc: Incarnation,
    verify: VerifyKey,
    meta: DomainKey,
}

impl AuditLog {
    /// The log of a repository. Nothing is read or made yet.
    ///
    /// # Errors
    /// When the keyring lacks the key of the repository's own data.
    pub fn open(repository: &Repository) -> Outcome<Self> {
        Ok(Self::new(
            repository.state.clone(),
            repository.id(),
            repository.inc(),
            repository.certificate.verify,
            repository.meta()?,
        ))
    }

    /// The log of an incarnation in a state directory: `verify` checks its checkpoints, `meta` is
    /// the key of its own data. It stays usable while the repository is being changed.
    pub fn new(
        state: StateDir,
        repo: RepoId,
        inc: Incarnation,
        verify: VerifyKey,
        meta: DomainKey,
    ) -> Self {
        Self {
            state,
            repo,
            inc,
            verify,
            meta,
        }
    }

    fn log_path(&self) -> PathBuf {
        self.state.audit().join(format!("{}.log", self.inc))
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.state.audit().join(format!("{}.checkpoint", self.inc))
    }

    /// What the checkpoints of this log say that they are of; also the name of its key.
    pub fn origin(&self) -> String {
        format!("tenure-audit/{}/{}", self.repo, self.inc)
    }

    /// The key that checks the checkpoints, as other programs take it.
    pub fn verifier_key(&self) -> String {
        note::verifier_key(&self.origin(), &self.verify)
    }

    fn lock(&self, sharing: Sharing) -> Outcome<File> {
        let folder = self.state.audit();
        fsx::create_dir(&folder)?;
        let locked = fsx::lock(&folder.join("lock"), sharing, PATIENCE)?;
        locked.ok_or_else(|| {
            let what = format!("the audit log in {} is kept locked", folder.display());
            Failure::new(what).hint("another process that works on it hangs: look for it, end it")
        })
    }

    /// The newest checkpoint that this host has signed.
    fn own_checkpoint(&self) -> Outcome<Option<Checkpoint>> {
        let path = self.checkpoint_path();
        let Some(bytes) = fsx::read_if_there(&path, note::MAX)? else {
            return Ok(None);
        };
        let opened = Checkpoint::open(&bytes, &self.origin(), &self.verify);
        let opened = opened.failed_to(|| format!("use {}", path.display()))?;
        Ok(Some(opened))
    }

    /// The log's file and how far it reaches; no file where there is no log yet. Under the lock.
    fn reach(&self) -> Outcome<(Option<LogFile>, End)> {
        let Some(mut log) = LogFile::open(&self.log_path(), self.repo, self.inc)? else {
            return Ok((None, End::START));
        };
        let end = log.end(|number, record| self.read(number, record).is_ok())?;
        Ok((Some(log), end))
    }

    fn read(&self, number: u64, record: &[u8]) -> Outcome<Entry> {
        let opened = Entry::open(self.repo, self.inc, number, record, &self.meta);
        opened
            .map_err(|error| file::damaged(&self.log_path(), number).because(Failure::from(error)))
    }

    /// Adds an entry and returns its number, once it is on the disk.
    ///
    /// What a crash has left of an entry is cut off, and an entry of its own says so.
    ///
    /// # Errors
    /// When it could not be made durable, or when the log is damaged or shorter than this host's
    /// checkpoint says. Then nothing may be done that the entry was to be about, unless that only
    /// gives data back.
    pub fn append(&self, entry: &Entry) -> Outcome<u64> {
        self.append_durably(entry)
            .failed_to(|| "write to the audit log")
    }

    fn append_durably(&self, entry: &Entry) -> Outcome<u64> {
        let _lock = self.lock(Sharing::Alone)?;
        let (log, mut end) = self.reach()?;
        self.check_reach(&end)?;
        let log = match log {
            Some(log) => log,
            None => LogFile::create(&self.log_path(), self.repo, self.inc)?,
        };
        if end.torn > 0 {
            end = self.add(&log, end, &mended(&end))?;
        }
        end = self.add(&log, end, entry)?;
        Ok(end.count)
    }

    /// That the log could be written to, as far as that is seen without reading all of it.
    ///
    /// # Errors
    /// When its end is damaged, or it is shorter than this host's checkpoint says.
    pub fn check(&self) -> Outcome<()> {
        let (_, end) = self.snapshot()?;
        self.check_reach(&end)
    }

    /// That the log has all that this host's checkpoint covers.
    fn check_reach(&self, end: &End) -> Outcome<()> {
        let covered = self.own_checkpoint()?.map_or(0, |own| own.size);
        if covered <= end.count {
            return Ok(());
        }
        let what = format!(
            "{} has {} entries, and this host's checkpoint is of {covered}: it was cut",
            self.log_path().display(),
            end.count
        );
        let hint = "keep what is there as evidence, and look for who has changed it";
        Err(Failure::new(what).hint(hint))
    }

    fn add(&self, log: &LogFile, end: End, entry: &Entry) -> Outcome<End> {
        let record = entry.seal(self.repo, self.inc, end.count + 1, &self.meta)?;
        log.append(&end, &record)
    }

    /// A file that holds what the log was a moment ago, and how far it reached then.
    fn snapshot(&self) -> Outcome<(Option<LogFile>, End)> {
        let _lock = self.lock(Sharing::Shared)?;
        self.reach()
    }

    /// How many entries there are.
    pub fn len(&self) -> Outcome<u64> {
        Ok(self.snapshot()?.1.count)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> Outcome<bool> {
        Ok(self.len()? == 0)
    }

    /// Entries from number `first` on, the oldest first, at most `limit`. Reads all before them.
    pub fn entries(&self, first: u64, limit: usize) -> Outcome<Vec<(u64, Entry)>> {
        let (Some(mut log), end) = self.snapshot()? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut frames = log.frames(end.offset)?;
        while found.len() < limit
            && let Some((number, record)) = frames.next()?
        {
            if number >= first {
                found.push((number, self.read(number, record)?));
            }
        }
        Ok(found)
    }

    /// The newest entries, at most `limit`, the newest first. Reads no others.
    pub fn newest(&self, limit: usize) -> Outcome<Vec<(u64, Entry)>> {
        let (Some(log), end) = self.snapshot()? else {
            return Ok(Vec::new());
        };
        let records = log.last(&end, limit)?;
        let entries = records.iter();
        entries
            .map(|(number, record)| Ok((*number, self.read(*number, record)?)))
            .collect()
    }

    /// The root of the Merkle tree over all entries.
    pub fn root(&self) -> Outcome<Hash> {
        let (Some(mut log), end) = self.snapshot()? else {
            return Ok(Tree::default().root());
        };
        let mut tree = Tree::default();
        let mut frames = log.frames(end.offset)?;
        while let Some((_, record)) = frames.next()? {
            tree.push(record);
        }
        Ok(tree.root())
    }
}

/// The entry that says what an append has cut off.
fn mended(end: &End) -> Entry {
    Entry {
        time: Timestamp::now(),
        who: Who {
            uid: None,
            name: String::new(),
            roles: Vec::new(),
        },
        action: "audit.mend".into(),
        object: Object::default(),
        phase: Phase::Done,
        result: format!(
            "cut off {} bytes of an entry {} that a crash had left unfinished",
            end.torn,
            end.count + 1
        ),
        begun: None,
    }
}

#[cfg(test)]
mod tests;
