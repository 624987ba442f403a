//! The line between the one who cuts pieces and the one who packs them: pieces are compressed on all cores, or on some where
//! there are many.
//!
//! Work comes in batches. Batch *n* goes to compressor *n* modulo their number, and is taken from there again in the same
//! turn, so that the order is kept without sorting.
//!
//! The dictionary may still be being counted when the first batches come: only who has a piece to compress waits for it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread::Scope;

use crate::error::{Context, Failure, Outcome};
use crate::ids::{Domain, PieceName};
use crate::page::PieceRef;
use crate::seal::{Compressor, Dictionary};

/// Compressors at most: one thread seals what they all make, and each holds batches.
const COMPRESSORS: usize = 8;
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

/// Items on their way.
pub struct Batch {
    pub items: Vec<Item>,
    /// What short pieces among them were compressed with: the same for all batches that have pieces.
    pub dictionary: Option<Arc<Dictionary>>,
    /// Whether there are pieces, and enough of them for a dictionary.
    pub(super) wants: bool,
}

/// A dictionary that is there when somebody asks for it.
#[derive(Clone)]
pub struct Awaited(Arc<LazyLock<Option<Arc<Dictionary>>, Make>>);

type Make = Box<dyn FnOnce() -> Option<Arc<Dictionary>> + Send>;

impl Awaited {
    /// What `make` makes, if it makes one: begun in a thread of `scope` at once.
    pub fn begin<'scope>(
        scope: &'scope Scope<'scope, '_>,
        make: impl FnOnce() -> Option<Arc<Dictionary>> + Send + 'static,
    ) -> Self {
        let awaited = Self(Arc::new(LazyLock::new(Box::new(make))));
        let begun = awaited.clone();
        scope.spawn(move || begun.get().is_some());
        awaited
    }

    fn get(&self) -> Option<&Arc<Dictionary>> {
        (**self.0).as_ref()
    }
}

/// The near end of the line.
pub struct Line {
    batch: Vec<Item>,
    size: usize,
    turn: usize,
    dictionary: Awaited,
    compressors: Vec<SyncSender<Batch>>,
}

impl Line {
    /// Starts the compressors. Returns the near end, and the far ends of all, to be taken in turn.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        dictionary: Awaited,
    ) -> (Self, Vec<Receiver<Outcome<Batch>>>) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut compressors, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..cores.min(COMPRESSORS) {
            let (send, queue) = sync_channel(2);
            let (done, end) = sync_channel(2);
            let dictionary = dictionary.clone();
            scope.spawn(move || compress_all(&dictionary, &queue, &done));
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
            self.hand_on(self.size > 0)?;
        }
        Ok(())
    }

    /// Hands on what is left.
    pub fn finish(mut self) -> Outcome<()> {
        let is_worth = |it: &Arc<Dictionary>| self.size >= WORTH * it.bytes().len();
        let wants = self.size > 0 && (self.turn > 0 || self.dictionary.get().is_some_and(is_worth));
        self.hand_on(wants)
    }

    fn hand_on(&mut self, wants: bool) -> Outcome<()> {
        self.size = 0;
        let batch = Batch {
            items: std::mem::take(&mut self.batch),
            dictionary: None,
            wants,
        };
        let compressor = &self.compressors[self.turn % self.compressors.len()];
        self.turn += 1;
        compressor
            .send(batch)
            .map_err(|_| Failure::new("the snapshot could not be stored"))
    }
}

/// One compressor's work, until no more batches come or one cannot be compressed.
fn compress_all(dictionary: &Awaited, queue: &Receiver<Batch>, done: &SyncSender<Outcome<Batch>>) {
    let mut compressor = None;
    for batch in queue {
        let compressed = match batch.wants {
            true => compress(&mut compressor, dictionary.get(), batch),
            false => compress(&mut None, None, batch),
        };
        let failed = compressed.is_err();
        if done.send(compressed).is_err() || failed {
            return;
        }
    }
}

/// Compresses a batch's pieces, by a compressor that is made for the first one.
fn compress<'d>(
    compressor: &mut Option<Compressor<'d>>,
    dictionary: Option<&'d Arc<Dictionary>>,
    mut batch: Batch,
) -> Outcome<Batch> {
    batch.dictionary = dictionary.cloned();
    for item in &mut batch.items {
        if let Item::Piece { bytes, .. } = item {
            *bytes = ready(compressor, dictionary)?.frame(bytes)?;
        }
    }
    Ok(batch)
}

fn ready<'c, 'd>(
    compressor: &'c mut Option<Compressor<'d>>,
    dictionary: Option<&'d Arc<Dictionary>>,
) -> Outcome<&'c mut Compressor<'d>> {
    let made = match compressor.take() {
        Some(compressor) => compressor,
        None => match dictionary {
            Some(dictionary) => Compressor::with(dictionary),
            None => Compressor::new(),
        }
        .failed_to(|| "start a compressor")?,
    };
    Ok(compressor.insert(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Class, Incarnation};

    #[test]
    fn a_dictionary_is_waited_for_by_pieces_alone() {
        let domain = Domain {
            inc: Incarnation([1; 8]),
            class: Class::CUSTOMER,
            arrival: 1,
        };
        let gone = || Item::Entry {
            domain,
            source: 1,
            id: None,
            pieces: None,
        };
        let (counted, counting) = sync_channel::<()>(0);
        std::thread::scope(|scope| {
            let dictionary = Awaited::begin(scope, move || {
                counting.recv().ok();
                None
            });
            let (mut line, ends) = Line::start(scope, dictionary);
            for _ in 0..BATCH_ITEMS {
                line.send(gone()).unwrap();
            }
            let first = ends[0].recv().unwrap().unwrap();
            assert_eq!(first.items.len(), BATCH_ITEMS);
            line.send(Item::Piece {
                domain,
                name: PieceName([2; 16]),
                bytes: b"plain".to_vec(),
                plain: 5,
                rows: 1,
            })
            .unwrap();
            counted.send(()).unwrap();
            line.finish().unwrap();
            let second = ends[1 % ends.len()].recv().unwrap().unwrap();
            assert!(matches!(&second.items[..], [Item::Piece { bytes, .. }] if bytes != b"plain"));
        });
    }
}
