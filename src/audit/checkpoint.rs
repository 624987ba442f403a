//! Signs how far the log has come, and sends that away from this host.

use bytes::Bytes;

use super::AuditLog;
use crate::error::{Context, Failure, Outcome};
use crate::fsx::{self, Sharing};
use crate::ids::{Incarnation, StoreName};
use crate::merkle::Tree;
use crate::note::Checkpoint;
use crate::repo::Repository;
use crate::repo::log::on_all;
use crate::sign::SigningKey;
use crate::store::Store;

/// How a checkpoint went.
#[derive(Debug)]
pub struct Checkpointed {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The stores that have not got it, and why. The next checkpoint covers what this one did.
    pub failed: Vec<(StoreName, Failure)>,
}

/// The folder of a store in which an incarnation's checkpoints lie.
pub(super) fn folder(inc: Incarnation) -> String {
    format!("audit/{inc}")
}

/// The place of a checkpoint in a store.
pub(super) fn path(inc: Incarnation, size: u64) -> String {
    format!("{}/{size:010}", folder(inc))
}

impl AuditLog {
    /// Signs a checkpoint of all entries so far, keeps it here and puts it into every store.
    ///
    /// # Errors
    /// When the log cannot be read, or no longer is what this host's last checkpoint says: then
    /// nothing is signed. Stores that fail are no error; they are named in the result.
    pub fn checkpoint(&self, repository: &Repository) -> Outcome<Checkpointed> {
        let mut done = self.checkpoint_to(repository.writer(), &repository.stores)?;
        let absent = repository.absent.iter();
        done.failed
            .extend(absent.map(|(name, failure)| (name.clone(), failure.again())));
        Ok(done)
    }

    pub(super) fn checkpoint_to(
        &self,
        writer: &SigningKey,
        stores: &[Store],
    ) -> Outcome<Checkpointed> {
        let checkpoint = self
            .compute()
            .failed_to(|| "sign a checkpoint of the audit log")?;
        let note = Bytes::from(checkpoint.sign(writer)?);
        self.keep(&checkpoint, &note)?;
        let path = path(self.inc, checkpoint.size);
        let puts = on_all(stores, |store| {
            // What a crash has left of one that was being put.
            store.sweep("audit")?;
            store.put_new(&path, note.clone())?;
            store.read_back(&path, &note)
        });
        let failed = stores.iter().zip(puts).filter_map(|(store, put)| {
            let failure = put.err()?.into();
            Some((store.name().clone(), failure))
        });
        Ok(Checkpointed {
            failed: failed.collect(),
            checkpoint,
        })
    }

    /// What the log is, which must go on from what was signed before.
    fn compute(&self) -> Outcome<Checkpoint> {
        let before = self.own_checkpoint()?;
        let (log, end) = self.snapshot()?;
        let mut tree = Tree::default();
        let mut follows = before.is_none();
        let mut compare = |tree: &Tree| {
            let same =
                |before: &Checkpoint| before.size == tree.size() && before.root == tree.root();
            follows |= before.as_ref().is_some_and(same);
        };
        compare(&tree);
        if let Some(mut log) = log {
            // Signed for good, so it must not vanish in a power cut.
            log.sync()?;
            let mut frames = log.frames(end.offset)?;
            while let Some((_, record)) = frames.next()? {
                tree.push(record);
                compare(&tree);
            }
        }
        if !follows {
            let what = "the log is no longer what this host's last checkpoint says";
            return Err(Failure::new(what).hint("see `tenure audit verify`"));
        }
        Ok(Checkpoint {
            origin: self.origin(),
            size: tree.size(),
            root: tree.root(),
        })
    }

    /// Keeps a checkpoint here, unless another one that covers more was made in the meantime.
    fn keep(&self, checkpoint: &Checkpoint, note: &[u8]) -> Outcome<()> {
        let _lock = self.lock(Sharing::Alone)?;
        let kept = self.own_checkpoint()?;
        if kept.is_none_or(|kept| kept.size < checkpoint.size) {
            fsx::write(&self.checkpoint_path(), note)?;
        }
        Ok(())
    }
}
