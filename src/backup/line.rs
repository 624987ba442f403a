//! The line between the one who cuts pieces and the one who packs them: pieces are compressed on all cores.
//!
//! Work comes in batches. Batch *n* goes to compressor *n* modulo their number, and is taken from there again in the same
//! turn, so that the order is kept without sorting.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use crate::error::{Context, Failure, Outcome};
use crate::ids::{Domain, PieceName};
use crate::page::PieceRef;
use crate::seal::{Compressor, Dictionary};

/// Plain bytes after which a batch is handed on.
const BATCH: usize = 1 << 20;
/// Items after which a batch is handed on.
const BATCH_ITEMS: usize = 4096;
/// A dictionary is worth its room in a pack where the pieces have so many times its bytes; a day on which less has changed
/// stores none.
const WORTH: usize = 4;

/// What is handed on, in the order of the snapshot.
pub enum Item {
    /// A piece that must be stored. `bytes` is the plain text on the way to a compressor, and the
    /// frame behind it.
    Piece {
        domain: Domain,
        name: PieceName,
        bytes: Vec<u8>,
        plain: u32,
        rows: u32,
    },
    /// All that the snapshot has of a domain in a source; its new pieces came just before.
    Entry {
        domain: Domain,
        source: u32,
        id: Option<Vec<u8>>,
        pieces: Option<Vec<Part>>,
    },
}

/// A piece of an entry.
pub enum Part {
    /// It stands in a pack that every store has.
    Known(PieceRef),
    /// The next of the pieces that were handed on.
    New,
}

/// Items on their way, and what short pieces among them are compressed with: the same for all batches.
pub struct Batch {
    pub items: Vec<Item>,
    pub dictionary: Option<Arc<Dictionary>>,
}

/// The near end of the line.
pub struct Line {
    batch: Vec<Item>,
    size: usize,
    turn: usize,
    dictionary: Option<Arc<Dictionary>>,
    compressors: Vec<SyncSender<Batch>>,
}

impl Line {
    /// Starts the compressors. Returns the near end, and the far ends of all, to be taken in turn.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        dictionary: Option<Arc<Dictionary>>,
    ) -> (Self, Vec<Receiver<Outcome<Batch>>>) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut compressors, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..cores {
            let (send, queue) = sync_channel(2);
            let (done, end) = sync_channel(2);
            scope.spawn(move || compress_all(&queue, &done));
            compressors.push(send);
            ends.push(end);
        }
        let line = Self {
            batch: Vec::new(),
            size: 0,
            turn: 0,
            dictionary,
            compressors,
        };
        (line, ends)
    }

    /// Hands an item on.
    pub fn send(&mut self, item: Item) -> Outcome<()> {
        if let Item::Piece { bytes, .. } = &item {
            self.size += bytes.len();
        }
        self.batch.push(item);
        if self.size >= BATCH || self.batch.len() >= BATCH_ITEMS {
            self.hand_on()?;
        }
        Ok(())
    }

    /// Hands on what is left.
    pub fn finish(mut self) -> Outcome<()> {
        let all = self.turn == 0;
        let worth = |dictionary: &Arc<Dictionary>| self.size >= WORTH * dictionary.bytes().len();
        self.dictionary = self.dictionary.take().filter(|it| !all || worth(it));
        self.hand_on()
    }

    fn hand_on(&mut self) -> Outcome<()> {
        self.size = 0;
        let batch = Batch {
            items: std::mem::take(&mut self.batch),
            dictionary: self.dictionary.clone(),
        };
        let compressor = &self.compressors[self.turn % self.compressors.len()];
        self.turn += 1;
        compressor
            .send(batch)
            .map_err(|_| Failure::new("the snapshot could not be stored"))
    }
}

/// One compressor's work, until no more batches come or one cannot be compressed.
fn compress_all(queue: &Receiver<Batch>, done: &SyncSender<Outcome<Batch>>) {
    let Ok(first) = queue.recv() else { return };
    let dictionary = first.dictionary.clone();
    let compressor = match dictionary.as_deref() {
        Some(dictionary) => Compressor::with(dictionary),
        None => Compressor::new(),
    };
    let mut compressor = match compressor.failed_to(|| "start a compressor") {
        Ok(compressor) => compressor,
        Err(failure) => return drop(done.send(Err(failure))),
    };
    for mut batch in std::iter::once(first).chain(queue) {
        let compressed = compress(&mut compressor, &mut batch.items);
        let failed = compressed.is_err();
        if done.send(compressed.map(|()| batch)).is_err() || failed {
            return;
        }
    }
}

fn compress(compressor: &mut Compressor<'_>, items: &mut [Item]) -> Outcome<()> {
    for item in items {
        if let Item::Piece { bytes, .. } = item {
            *bytes = compressor.frame(bytes)?;
        }
    }
    Ok(())
}
