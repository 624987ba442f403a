//! The right half of the arrow: pieces are compressed on all cores, sealed into packs, named in
//! pages, and both handed to the stores.
//!
//! Work comes in batches. Batch *n* goes to compressor *n* modulo their number, and is taken from
//! there again in the same turn, so that the order is kept without sorting. An entry waits until
//! the pack that its last new piece went into is finished, since only then has that pack a name.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::uploads::Uploads;
use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::{Class, Domain, Incarnation, ObjectName, PieceName, RepoId};
use crate::keyring::tree::{Forest, ForestWalker};
use crate::manifest::{ObjectRef, PageRef};
use crate::pack::{PackWriter, Slot};
use crate::page::{Entry, FinishedPage, PackRef, PageWriter, PieceRef};
use crate::repo::objects::{pack_path, page_path};
use crate::repo::state::StateDir;
use crate::seal::Compressor;
use crate::secret::DomainKey;

/// Plain bytes after which a batch is handed on.
const BATCH: usize = 1 << 20;
/// Items after which a batch is handed on.
const BATCH_ITEMS: usize = 4096;

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

/// The near end of the line.
pub struct Line {
    batch: Vec<Item>,
    size: usize,
    turn: usize,
    compressors: Vec<SyncSender<Vec<Item>>>,
}

impl Line {
    /// Starts the compressors. Returns the near end, and the far ends of all, to be taken in turn.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
    ) -> Outcome<(Self, Vec<Receiver<Vec<Item>>>)> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut compressors, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..cores {
            let (send, queue) = sync_channel::<Vec<Item>>(2);
            let (done, end) = sync_channel(2);
            let mut compressor = Compressor::new()?;
            scope.spawn(move || {
                for mut batch in queue {
                    batch
                        .iter_mut()
                        .for_each(|item| compress(&mut compressor, item));
                    if done.send(batch).is_err() {
                        break;
                    }
                }
            });
            compressors.push(send);
            ends.push(end);
        }
        Ok((
            Self {
                batch: Vec::new(),
                size: 0,
                turn: 0,
                compressors,
            },
            ends,
        ))
    }

    /// Hands an item on.
    pub fn send(&mut self, item: Item) -> Outcome<()> {
        if let Item::Piece { bytes, .. } = &item {
            self.size += bytes.len();
        }
        self.batch.push(item);
        if self.size >= BATCH || self.batch.len() >= BATCH_ITEMS {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands on what has been gathered.
    pub fn flush(&mut self) -> Outcome<()> {
        let batch = std::mem::take(&mut self.batch);
        self.size = 0;
        let compressor = &self.compressors[self.turn % self.compressors.len()];
        self.turn += 1;
        compressor
            .send(batch)
            .map_err(|_| Failure::new("the snapshot could not be stored"))
    }
}

fn compress(compressor: &mut Compressor, item: &mut Item) {
    if let Item::Piece { bytes, .. } = item {
        // A piece is far shorter than what a frame takes, which is the one thing that can fail.
        if let Ok(frame) = compressor.frame(bytes) {
            *bytes = frame;
        }
    }
}

/// What packing has written.
#[derive(Default)]
pub struct Packed {
    /// The pages, in order.
    pub pages: Vec<PageRef>,
    /// Every pack that the pages refer to, sorted.
    pub packs: Vec<ObjectRef>,
    /// Plain bytes of all pieces that the pages refer to.
    pub plain_bytes: u64,
}

/// The far end of the line.
pub struct Packer<'a, 'scope> {
    repo: RepoId,
    inc: Incarnation,
    keys: ForestWalker<'a>,
    meta: &'a DomainKey,
    state: &'a StateDir,
    uploads: Uploads<'scope>,
    pack: PackWriter,
    /// New pieces of the entry that is coming, in the pack being filled or in finished ones.
    pieces: VecDeque<Stored>,
    /// Entries that wait for the pack being filled.
    waiting: Vec<Waiting>,
    page: PageWriter,
    packed: Packed,
}

/// A new piece's place; the pack is none while it is being filled.
struct Stored {
    pack: Option<PackRef>,
    slot: Slot,
    plain: u32,
    rows: u32,
    name: PieceName,
}

struct Waiting {
    domain: Domain,
    source: u32,
    id: Option<Vec<u8>>,
    pieces: Option<Vec<Stored>>,
}

impl<'a, 'scope> Packer<'a, 'scope> {
    /// A packer that hands packs and pages to `uploads`.
    pub fn new(
        repo: RepoId,
        inc: Incarnation,
        forest: &'a Forest,
        meta: &'a DomainKey,
        state: &'a StateDir,
        uploads: Uploads<'scope>,
    ) -> Outcome<Self> {
        Ok(Self {
            repo,
            inc,
            keys: forest.walker(),
            meta,
            state,
            uploads,
            pack: PackWriter::new(repo, inc)?,
            pieces: VecDeque::new(),
            waiting: Vec::new(),
            page: PageWriter::new(repo, inc)?,
            packed: Packed::default(),
        })
    }

    /// Takes everything that comes along the line, to its end.
    pub fn run(mut self, ends: &[Receiver<Vec<Item>>]) -> Outcome<(Packed, Uploads<'scope>)> {
        for end in ends.iter().cycle() {
            // The first end that is closed when its turn comes is the end of all: batches go round.
            let Ok(batch) = end.recv() else { break };
            for item in batch {
                self.item(item)?;
            }
        }
        self.finish_pack()?;
        self.finish_page()?;
        self.packed.packs.sort_unstable();
        self.packed.packs.dedup();
        Ok((self.packed, self.uploads))
    }

    fn item(&mut self, item: Item) -> Outcome<()> {
        match item {
            Item::Piece {
                domain,
                name,
                bytes,
                plain,
                rows,
            } => {
                let key = self.key(domain)?;
                let slot = self.pack.add(domain, &key, name, bytes);
                self.pieces.push_back(Stored {
                    pack: None,
                    slot,
                    plain,
                    rows,
                    name,
                });
                if self.pack.is_full() {
                    self.finish_pack()?;
                }
                Ok(())
            }
            Item::Entry {
                domain,
                source,
                id,
                pieces,
            } => {
                let pieces = match pieces {
                    Some(parts) => Some(self.places(parts)?),
                    None => None,
                };
                self.waiting.push(Waiting {
                    domain,
                    source,
                    id,
                    pieces,
                });
                if self.pack.is_empty() {
                    self.release()
                } else {
                    Ok(())
                }
            }
        }
    }

    fn key(&mut self, domain: Domain) -> Outcome<DomainKey> {
        // What cannot be encrypted is not written.
        self.keys
            .key(domain)
            .ok_or_else(|| Failure::new(format!("domain {domain} has no key")))
    }

    fn places(&mut self, parts: Vec<Part>) -> Outcome<Vec<Stored>> {
        parts
            .into_iter()
            .map(|part| match part {
                Part::Known(PieceRef {
                    pack,
                    slot,
                    plain,
                    rows,
                    name,
                }) => Ok(Stored {
                    pack: Some(pack),
                    slot,
                    plain,
                    rows,
                    name,
                }),
                Part::New => self
                    .pieces
                    .pop_front()
                    .ok_or_else(|| Failure::new("a piece was lost")),
            })
            .collect()
    }

    fn finish_pack(&mut self) -> Outcome<()> {
        if !self.pack.is_empty() {
            let next = PackWriter::new(self.repo, self.inc)?;
            let salt = self.pack.salt();
            let (name, bytes) = std::mem::replace(&mut self.pack, next).finish(self.meta)?;
            self.uploads.put(&pack_path(name), &bytes)?;
            let pack = PackRef {
                name,
                size: bytes.len() as u64,
                salt,
            };
            let waiting = self
                .waiting
                .iter_mut()
                .filter_map(|entry| entry.pieces.as_mut())
                .flatten();
            for piece in waiting.chain(&mut self.pieces) {
                piece.pack.get_or_insert(pack);
            }
        }
        self.release()
    }

    /// Writes the entries whose packs all have names into the page.
    fn release(&mut self) -> Outcome<()> {
        for waiting in std::mem::take(&mut self.waiting) {
            let pieces = match waiting.pieces {
                Some(pieces) => Some(pieces.into_iter().map(named).collect::<Outcome<Vec<_>>>()?),
                None => None,
            };
            for piece in pieces.iter().flatten() {
                let pack = ObjectRef {
                    name: piece.pack.name,
                    size: piece.pack.size,
                };
                if self.packed.packs.last() != Some(&pack) {
                    self.packed.packs.push(pack);
                }
                self.packed.plain_bytes += u64::from(piece.plain);
            }
            let (domain, source) = (waiting.domain, waiting.source);
            let first = domain.class != Class::OWN && self.page.is_new(domain);
            let id = match waiting.id.filter(|_| first) {
                Some(id) => {
                    let key = self.key(domain)?;
                    Some(self.page.seal_id(domain, &key, &id))
                }
                None => None,
            };
            self.page.add(
                &Entry {
                    domain,
                    source,
                    id,
                    pieces,
                },
                self.meta,
            )?;
            if self.page.is_full() {
                self.finish_page()?;
            }
        }
        if self.packed.packs.len() > 1 << 16 {
            self.packed.packs.sort_unstable();
            self.packed.packs.dedup();
        }
        Ok(())
    }

    fn finish_page(&mut self) -> Outcome<()> {
        let next = PageWriter::new(self.repo, self.inc)?;
        let Some(page) = std::mem::replace(&mut self.page, next).finish(self.meta)? else {
            return Ok(());
        };
        let FinishedPage {
            name,
            bytes,
            tail,
            first,
            last,
            entries,
        } = page;
        keep_page(self.state, name, &bytes)?;
        self.uploads.put(&page_path(name), &bytes)?;
        let object = ObjectRef {
            name,
            size: bytes.len() as u64,
        };
        self.packed.pages.push(PageRef {
            object,
            tail,
            first,
            last,
            entries,
        });
        Ok(())
    }
}

fn named(piece: Stored) -> Outcome<PieceRef> {
    let pack = piece
        .pack
        .ok_or_else(|| Failure::new("a pack has no name"))?;
    Ok(PieceRef {
        pack,
        slot: piece.slot,
        plain: piece.plain,
        rows: piece.rows,
        name: piece.name,
    })
}

/// Keeps a page at hand for the next snapshot to compare with.
fn keep_page(state: &StateDir, name: ObjectName, bytes: &[u8]) -> Outcome<()> {
    fsx::create_dir(&state.pages())?;
    Ok(fsx::write(&state.pages().join(name.to_string()), bytes)?)
}
