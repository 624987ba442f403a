//! Fetching objects from whichever store gives them whole.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Context, Failure, Outcome};
use crate::fsx;
use crate::ids::{Domain, Incarnation, ObjectName, PieceName, RepoId};
use crate::keyring::tree::Forest;
use crate::manifest::PageRef;
use crate::object::{self, Chain};
use crate::pack::{self, Head, Pack};
use crate::page::{self, PackRef, Page, PieceRef};
use crate::piece;
use crate::repo::state::StateDir;
use crate::seal::{self, Decompressor, Dictionary};
use crate::secret::DomainKey;
use crate::store::Store;

/// The place of a pack in a store.
pub fn pack_path(name: ObjectName) -> String {
    format!("packs/{name}")
}

/// The place of a page in a store.
pub fn page_path(name: ObjectName) -> String {
    format!("pages/{name}")
}

/// Whether an object that is named by its content is there, and has that content.
pub fn is_whole(store: &Store, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let found = store.get(path, page::MAX.max(pack::MAX));
    found.is_ok_and(|bytes| ObjectName::of(&bytes).to_string() == name)
}

/// Bytes of whole packs, with their dictionaries, that are kept at hand. A snapshot is read along one line per snapshot of its
/// chain, and the packs of incrementals are small.
const CACHED: u64 = 160 << 20;
/// Dictionaries that are kept at hand for readers of single blobs: as many as a chain has snapshots.
const DICTIONARIES: usize = 8;

/// A pack and its dictionary.
struct Whole {
    pack: Pack,
    dictionary: Option<Dictionary>,
}

impl Whole {
    /// The bytes of memory that it takes.
    fn size(&self) -> u64 {
        let dictionary = self.dictionary.as_ref().map_or(0, Dictionary::size);
        self.pack.len() + dictionary as u64
    }
}

/// Reads objects from the stores it was given, in their order: the first whole copy counts.
pub struct Fetcher {
    repo: RepoId,
    stores: Vec<Store>,
    state: Option<StateDir>,
    packs: RefCell<VecDeque<(ObjectName, Rc<Whole>)>>,
    dictionaries: RefCell<VecDeque<(ObjectName, Arc<Dictionary>)>>,
    /// Packs that every store was asked for, and none has whole.
    lost: RefCell<BTreeSet<ObjectName>>,
    read: Cell<u64>,
}

impl Fetcher {
    /// A fetcher from `stores`; pages come from the state directory where it has them.
    pub fn new(repo: RepoId, stores: Vec<Store>, state: Option<StateDir>) -> Self {
        Self {
            repo,
            stores,
            state,
            packs: RefCell::default(),
            dictionaries: RefCell::default(),
            lost: RefCell::default(),
            read: Cell::new(0),
        }
    }

    /// Bytes read from stores so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// What the first store that succeeds gives; the last failure if none does.
    fn first<T>(&self, get: impl Fn(&Store) -> Outcome<T>) -> Outcome<T> {
        let mut failure = None;
        for store in &self.stores {
            match get(store) {
                Ok(found) => return Ok(found),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::new("no store can be reached")))
    }

    /// The state directory's copy of a control object, if it is used and has one.
    pub fn kept_object(
        &self,
        chain: Chain,
        inc: Incarnation,
        number: u64,
    ) -> Outcome<Option<Bytes>> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let kept = fsx::read_if_there(&state.object(chain, inc, number), object::MAX)?;
        Ok(kept.map(Bytes::from))
    }

    /// A whole object that was not named by its content.
    pub fn object(&self, path: &str, limit: u64) -> Outcome<Bytes> {
        self.first(|store| {
            let bytes = store.get(path, limit)?;
            self.read.set(self.read.get() + bytes.len() as u64);
            Ok(bytes)
        })
    }

    /// A whole page, checked against its name.
    pub fn page(&self, page: &PageRef) -> Outcome<Bytes> {
        let name = page.object.name;
        if let Some(state) = &self.state {
            let kept = fsx::read_if_there(&state.pages().join(name.to_string()), page::MAX)?;
            if let Some(bytes) = kept.filter(|bytes| ObjectName::of(bytes) == name) {
                return Ok(bytes.into());
            }
        }
        self.first(|store| {
            let bytes = store.get(&page_path(name), page::MAX)?;
            self.read.set(self.read.get() + bytes.len() as u64);
            if ObjectName::of(&bytes) != name {
                let what = format!("store {:?}: page {name} is damaged", store.name().as_str());
                return Err(Failure::new(what));
            }
            Ok(bytes)
        })
    }

    /// A page's index, without its blocks.
    pub fn page_index(&self, page: &PageRef, meta: &DomainKey) -> Outcome<Page> {
        let (path, size) = (page_path(page.object.name), page.object.size);
        self.first(|store| {
            let head = store.get_range(&path, 0..page::HEAD as u64)?;
            let tail = store.get_range(&path, size.saturating_sub(u64::from(page.tail))..size)?;
            self.read
                .set(self.read.get() + (head.len() + tail.len()) as u64);
            Ok(Page::open(self.repo, &head, &tail, size, meta)?)
        })
    }

    /// A part of a page: from the state directory if that has the page, else from a store.
    fn near(&self, page: &PageRef, range: Range<u64>) -> Outcome<Bytes> {
        let name = page.object.name;
        if let Some(state) = &self.state
            && let Some(bytes) = fsx::read_part(&state.pages().join(name.to_string()), &range)
        {
            return Ok(bytes.into());
        }
        self.first(|store| {
            let bytes = store.get_range(&page_path(name), range.clone())?;
            self.read.set(self.read.get() + bytes.len() as u64);
            Ok(bytes)
        })
    }

    /// A page's index, from as near as it is to be had; what is sealed needs no other check.
    pub fn near_index(&self, page: &PageRef, meta: &DomainKey) -> Outcome<Page> {
        let size = page.object.size;
        let head = self.near(page, 0..page::HEAD as u64)?;
        let tail = self.near(page, size.saturating_sub(u64::from(page.tail))..size)?;
        Ok(Page::open(self.repo, &head, &tail, size, meta)?)
    }

    /// One block's stored bytes, likewise.
    pub fn near_block(&self, page: &PageRef, block: &page::Block) -> Outcome<Bytes> {
        self.near(page, block.offset..block.offset + block.len)
    }

    /// One block's stored bytes.
    pub fn block(&self, page: &PageRef, block: &page::Block) -> Outcome<Bytes> {
        let path = page_path(page.object.name);
        self.first(|store| {
            let bytes = store.get_range(&path, block.offset..block.offset + block.len)?;
            self.read.set(self.read.get() + bytes.len() as u64);
            Ok(bytes)
        })
    }

    /// A whole pack, checked against its name; the last few are kept at hand.
    fn pack(&self, pack: &PackRef, forest: &Forest) -> Outcome<Rc<Whole>> {
        let mut cached = self.packs.borrow_mut();
        if let Some(at) = cached.iter().position(|(name, _)| *name == pack.name)
            && let Some(found) = cached.remove(at)
        {
            let whole = Rc::clone(&found.1);
            cached.push_back(found);
            return Ok(whole);
        }
        let path = pack_path(pack.name);
        if self.is_lost(pack.name) {
            return Err(Failure::new(format!("no store has {path} whole")));
        }
        let all_answered = Cell::new(!self.stores.is_empty());
        let whole = self.first(|store| {
            let bytes = store.get(&path, pack::MAX).inspect_err(|error| {
                all_answered.set(all_answered.get() && error.is_not_found());
            })?;
            self.read.set(self.read.get() + bytes.len() as u64);
            let whole = || -> Outcome<Whole> {
                let pack = Pack::read(pack.name, bytes)?;
                let dictionary = open_dictionary(self.repo, pack.head(), pack.bytes(), forest)?;
                Ok(Whole { pack, dictionary })
            };
            whole().map_err(|failure| in_store(store, &path, failure))
        });
        if whole.is_err() && all_answered.get() {
            self.lost.borrow_mut().insert(pack.name);
        }
        let whole = Rc::new(whole?);
        cached.push_back((pack.name, Rc::clone(&whole)));
        let mut kept: u64 = cached.iter().map(|(_, whole)| whole.size()).sum();
        while kept > CACHED && cached.len() > 1 {
            kept -= cached.pop_front().map_or(0, |(_, whole)| whole.size());
        }
        Ok(whole)
    }

    /// Whether a pack was asked for, and every store has answered that it has none, or a damaged one.
    fn is_lost(&self, pack: ObjectName) -> bool {
        self.lost.borrow().contains(&pack)
    }

    /// Whether a piece can be read: from a whole pack, or else by its blob.
    ///
    /// # Errors
    /// When no store has given the pack, and one has not answered.
    pub fn gives(&self, piece: &PieceRef, key: &DomainKey, forest: &Forest) -> Outcome<bool> {
        match self.pack(&piece.pack, forest) {
            Ok(_) => Ok(true),
            Err(_) if self.is_lost(piece.pack.name) => Ok(self.piece(piece, key, forest).is_ok()),
            Err(failure) => Err(failure),
        }
    }

    /// The packs that were asked for, and that no store has whole.
    pub fn lost(&self) -> Vec<ObjectName> {
        self.lost.borrow().iter().copied().collect()
    }

    /// A pack's dictionary, if it has one, without the rest of the pack.
    pub fn dictionary(&self, pack: &PackRef, forest: &Forest) -> Outcome<Option<Arc<Dictionary>>> {
        if pack.dictionary == 0 {
            return Ok(None);
        }
        let mut cached = self.dictionaries.borrow_mut();
        if let Some((_, known)) = cached.iter().find(|(name, _)| *name == pack.name) {
            return Ok(Some(Arc::clone(known)));
        }
        let path = pack_path(pack.name);
        let found = self.first(|store| {
            let bytes = store.get_range(&path, 0..Head::len(pack.dictionary))?;
            self.read.set(self.read.get() + bytes.len() as u64);
            let open = || -> Outcome<Option<Dictionary>> {
                let head = Head::read(&bytes)?;
                if *head.salt() != pack.salt || head.dictionary_len() != pack.dictionary {
                    return Err(Failure::new("its head is not the one that pages give"));
                }
                open_dictionary(self.repo, &head, &bytes, forest)
            };
            open().map_err(|failure| in_store(store, &path, failure))
        })?;
        let found = found.map(Arc::new);
        if let Some(found) = &found {
            cached.truncate(DICTIONARIES - 1);
            cached.push_front((pack.name, Arc::clone(found)));
        }
        Ok(found)
    }

    /// One piece, by its blob alone.
    pub fn piece(
        &self,
        piece: &PieceRef,
        key: &DomainKey,
        forest: &Forest,
    ) -> Outcome<zeroize::Zeroizing<Vec<u8>>> {
        let path = pack_path(piece.pack.name);
        let start = u64::from(piece.slot.offset);
        let (slot, salt) = (piece.slot, &piece.pack.salt);
        let frame = self.first(|store| {
            let sealed = store.get_range(&path, start..start + u64::from(slot.len))?;
            self.read.set(self.read.get() + sealed.len() as u64);
            pack::open_blob(self.repo, key, salt, slot.offset, &sealed)
                .map_err(|error| in_store(store, &path, error.into()))
        })?;
        // What needs no dictionary is read without it, also where that is damaged.
        let dictionary = match seal::wants_dictionary(&frame) {
            true => self.dictionary(&piece.pack, forest)?,
            false => None,
        };
        let open = || -> Outcome<_> {
            let plain = Decompressor::new()?.plain(&frame, dictionary.as_deref())?;
            check_name(key, &plain, piece.name)?;
            Ok(plain)
        };
        open().failed_to(|| format!("read a piece of {path}"))
    }

    /// One piece, by way of its whole pack: for those who read most of it. What is left of a lost pack is read by its
    /// blobs.
    pub fn piece_of_pack(
        &self,
        piece: &PieceRef,
        key: &DomainKey,
        forest: &Forest,
        decompressor: &mut Decompressor,
    ) -> Outcome<zeroize::Zeroizing<Vec<u8>>> {
        let whole = match self.pack(&piece.pack, forest) {
            Err(_) if self.is_lost(piece.pack.name) => return self.piece(piece, key, forest),
            whole => whole?,
        };
        let (sealed, dictionary) = (whole.pack.blob(piece.slot)?, whole.dictionary.as_ref());
        open_piece(self.repo, piece, key, sealed, decompressor, dictionary)
    }
}

/// The dictionary of a pack, if it has one, from at least the first bytes of the pack.
pub fn open_dictionary(
    repo: RepoId,
    head: &Head,
    bytes: &[u8],
    forest: &Forest,
) -> Outcome<Option<Dictionary>> {
    if head.dictionary_len() == 0 {
        return Ok(None);
    }
    let common = forest.key(Domain::common(head.incarnation()));
    let common = common.ok_or_else(|| Failure::new("an unknown incarnation wrote it"))?;
    Ok(Some(head.dictionary(repo, &common, bytes)?))
}

fn in_store(store: &Store, path: &str, failure: Failure) -> Failure {
    let what = format!("store {:?}: {path} is damaged", store.name().as_str());
    Failure::new(what).because(failure)
}

/// Opens a blob, and computes the piece's name again.
pub fn open_piece(
    repo: RepoId,
    piece: &PieceRef,
    key: &DomainKey,
    sealed: &[u8],
    decompressor: &mut Decompressor,
    dictionary: Option<&Dictionary>,
) -> Outcome<zeroize::Zeroizing<Vec<u8>>> {
    let frame = pack::open_blob(repo, key, &piece.pack.salt, piece.slot.offset, sealed)?;
    let plain = decompressor.plain(&frame, dictionary)?;
    check_name(key, &plain, piece.name)?;
    Ok(plain)
}

/// That an opened piece is the one that its name says.
pub fn check_name(key: &DomainKey, plain: &[u8], name: PieceName) -> Outcome<()> {
    if piece::name(&key.name_key(), plain) == name {
        Ok(())
    } else {
        Err(Failure::new("a piece is not what its name says"))
    }
}
