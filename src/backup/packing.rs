//! The right half of the arrow: compressed pieces are sealed into packs, named in pages, and both handed to the
//! stores.
//!
//! An entry waits until the pack that its last new piece went into is finished, since only then has that pack a
//! name.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::line::{Batch, Item, Part};
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
use crate::seal::Dictionary;
use crate::secret::DomainKey;

/// How many pieces may wait, with their entries, that have their places: so many, and nothing new to fill the pack, are more
/// memory than a small pack costs.
const WAITING: usize = 1 << 17;

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
    /// What the batch at hand was compressed with.
    dictionary: Option<Arc<Dictionary>>,
    /// The pack being filled, once it has a blob.
    pack: Option<PackWriter>,
    /// New pieces of the entry that is coming, in the pack being filled or in finished ones.
    pieces: VecDeque<Stored>,
    /// Entries that wait for the pack being filled, or for one before them that does.
    waiting: Vec<Waiting>,
    /// How many pieces, or entries without any, of those that wait for others alone.
    idle: usize,
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
            dictionary: None,
            pack: None,
            pieces: VecDeque::new(),
            waiting: Vec::new(),
            idle: 0,
            page: PageWriter::new(repo, inc)?,
            packed: Packed::default(),
        })
    }

    /// Takes everything that comes along the line, to its end.
    pub fn run(mut self, ends: &[Receiver<Outcome<Batch>>]) -> Outcome<(Packed, Uploads<'scope>)> {
        for end in ends.iter().cycle() {
            // The first end that is closed when its turn comes is the end of all: batches go round.
            let Ok(batch) = end.recv() else { break };
            let batch = batch?;
            self.dictionary = batch.dictionary;
            for item in batch.items {
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
                let slot = self.pack()?.add(domain, &key, bytes);
                self.pieces.push_back(Stored {
                    pack: None,
                    slot,
                    plain,
                    rows,
                    name,
                });
                if self.pack.as_ref().is_some_and(PackWriter::is_full) {
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
                let has_place = |piece: &Stored| piece.pack.is_some();
                if pieces.iter().flatten().all(has_place) {
                    self.idle += pieces.as_ref().map_or(1, |pieces| pieces.len().max(1));
                }
                self.waiting.push(Waiting {
                    domain,
                    source,
                    id,
                    pieces,
                });
                if self.pack.is_none() || self.idle >= WAITING {
                    self.finish_pack()
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The pack that the next blob goes into.
    fn pack(&mut self) -> Outcome<&mut PackWriter> {
        let pack = match self.pack.take() {
            Some(pack) => pack,
            None => {
                let common = self.key(Domain::common(self.inc))?;
                let dictionary = self.dictionary.as_deref();
                PackWriter::new(self.repo, self.inc, dictionary.map(|it| (it, &common)))?
            }
        };
        Ok(self.pack.insert(pack))
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
        if let Some(pack) = self.pack.take() {
            let (salt, dictionary) = (pack.salt(), pack.dictionary());
            let (name, bytes) = pack.finish(self.meta)?;
            self.uploads.put(&pack_path(name), &bytes)?;
            let pack = PackRef {
                name,
                size: bytes.len() as u64,
                salt,
                dictionary,
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
        self.idle = 0;
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::thread;

    use super::*;
    use crate::backup::tests::Made;

    #[test]
    fn who_has_nothing_new_waits_for_a_pack_only_so_long() {
        let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY)";
        let made = Made::of("", &[("crm.db", sql)]);
        let repository = &made.repository;
        let (repo, inc, meta) = (
            repository.id(),
            repository.inc(),
            repository.meta().unwrap(),
        );
        let domain = |arrival| Domain {
            inc,
            class: Class::CUSTOMER,
            arrival,
        };
        let name = PieceName([1; 16]);
        let pack = PackRef {
            name: ObjectName([7; 32]),
            size: 1 << 20,
            salt: [3; 16],
            dictionary: 0,
        };
        let slot = Slot {
            offset: 100,
            len: 9,
        };
        let (plain, rows) = (5, 1);
        let known = PieceRef {
            pack,
            slot,
            plain,
            rows,
            name,
        };
        let piece = |arrival| Item::Piece {
            domain: domain(arrival),
            name,
            bytes: b"frame".to_vec(),
            plain,
            rows,
        };
        let entry = |arrival, part| Item::Entry {
            domain: domain(arrival),
            source: 1,
            id: None,
            pieces: Some(vec![part]),
        };
        let last = WAITING as u32 + 2;
        let mut items = vec![piece(1), entry(1, Part::New)];
        items.extend((2..last).map(|arrival| entry(arrival, Part::Known(known))));
        items.extend([piece(last), entry(last, Part::New)]);
        let packed = thread::scope(|scope| {
            let uploads = Uploads::start(scope, &repository.stores);
            let (forest, state) = (&repository.keyring.forest, &repository.state);
            let packer = Packer::new(repo, inc, forest, &meta, state, uploads).unwrap();
            let (send, end) = sync_channel(1);
            send.send(Ok(Batch {
                items,
                dictionary: None,
                wants: false,
            }))
            .unwrap();
            drop(send);
            let (packed, uploads) = packer.run(&[end]).unwrap();
            uploads.finish();
            packed
        });
        assert_eq!(packed.packs.len(), 3, "the known one, and two that are new");
        let entries: u64 = packed.pages.iter().map(|page| page.entries).sum();
        assert_eq!(entries, u64::from(last));
    }
}
