//! Puts objects into all stores at once: one thread per store, in the order given.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Scope, ScopedJoinHandle};

use bytes::Bytes;

use crate::error::{Failure, Outcome};
use crate::store::Store;

/// Objects that wait for a slow store, at most: each may be a whole pack.
const WAITING: usize = 2;

type Object = (Arc<str>, Bytes);

/// The running uploads.
pub struct Uploads<'scope> {
    lanes: Vec<Lane<'scope>>,
    /// Bytes handed to each store.
    pub bytes: u64,
}

struct Lane<'scope> {
    store: Store,
    objects: SyncSender<Object>,
    failed: Arc<OnceLock<Failure>>,
    thread: ScopedJoinHandle<'scope, Outcome<()>>,
}

impl<'scope> Uploads<'scope> {
    /// Starts a thread for each store.
    pub fn start<'env>(scope: &'scope Scope<'scope, 'env>, stores: &[Store]) -> Self {
        let lanes = stores.iter().map(|store| {
            let (objects, queue) = sync_channel(WAITING);
            let failed = Arc::new(OnceLock::new());
            let (own, flag) = (store.clone(), Arc::clone(&failed));
            let thread = scope.spawn(move || put_all(&own, &queue, &flag));
            Lane {
                store: store.clone(),
                objects,
                failed,
                thread,
            }
        });
        Self {
            lanes: lanes.collect(),
            bytes: 0,
        }
    }

    /// Hands an object to every store. Fails when no store is left that takes it.
    pub fn put(&mut self, path: &str, bytes: &Bytes) -> Outcome<()> {
        self.bytes += bytes.len() as u64;
        let path: Arc<str> = path.into();
        let mut taken = false;
        for lane in &self.lanes {
            // A lane takes objects until its queue is dropped, which is at its very end.
            let sent = lane
                .objects
                .send((Arc::clone(&path), bytes.clone()))
                .is_ok();
            taken |= sent && lane.failed.get().is_none();
        }
        if taken {
            return Ok(());
        }
        let failure = Failure::new("no store is left to write to");
        Err(match self.lanes.iter().find_map(|lane| lane.failed.get()) {
            Some(why) => failure.because(why.again()),
            None => failure,
        })
    }

    /// Waits for all stores: those that have every object durably, and those that failed.
    pub fn finish(self) -> (Vec<Store>, Vec<(Store, Failure)>) {
        let (mut whole, mut failed) = (Vec::new(), Vec::new());
        for lane in self.lanes {
            drop(lane.objects);
            match lane.thread.join() {
                Ok(Ok(())) => whole.push(lane.store),
                Ok(Err(error)) => failed.push((lane.store, error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        (whole, failed)
    }
}

/// Puts objects until there are no more. After the first failure the rest is only taken, so that
/// the other stores are not held up.
fn put_all(store: &Store, queue: &Receiver<Object>, failed: &OnceLock<Failure>) -> Outcome<()> {
    let mut result = Ok(());
    for (path, bytes) in queue {
        if result.is_ok() {
            result = store.put_new(&path, bytes).map_err(Failure::from);
            if let Err(failure) = &result {
                // There is no other that could have been first.
                let _ = failed.set(failure.again());
            }
        }
    }
    result
}
