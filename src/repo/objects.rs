//! Fetching objects, whole or in parts, from whichever store gives them undamaged.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::windows::{Limits, Windows};
use crate::error::{Context, Failure, Outcome};
use crate::fsx;
use crate::ids::{Domain, Incarnation, ObjectName, PieceName, RepoId};
use crate::keyring::tree::Forest;
use crate::manifest::PageRef;
use crate::object::{self, Chain};
use crate::pack::{self, Head};
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

/// Bytes of dictionaries that are kept at hand: readers of single blobs have one for each snapshot of a chain, others one for
/// each of the packs that they go through at a time.
const DICTIONARIES: usize = 16 << 20;

/// Reads objects from the stores it was given, in their order: the first undamaged copy counts.
pub struct Fetcher {
    repo: RepoId,
    stores: Vec<Store>,
    state: Option<StateDir>,
    windows: RefCell<Windows>,
    /// With which store windows begin: not with one that has just not answered.
    begin: Cell<usize>,
    /// How many stores further those of a pack begin: behind one where it is damaged.
    further: RefCell<HashMap<ObjectName, usize>>,
    /// The one that was used last at the end.
    dictionaries: RefCell<VecDeque<(ObjectName, Arc<Dictionary>)>>,
    /// Packs with a piece that no store gave, and what looking at them has shown.
    looked_at: RefCell<BTreeMap<ObjectName, Looked>>,
    read: Cell<u64>,
}

impl Fetcher {
    /// A fetcher from `stores`; pages come from the state directory where it has them.
    pub fn new(repo: RepoId, stores: Vec<Store>, state: Option<StateDir>) -> Self {
        Self {
            repo,
            stores,
            state,
            windows: RefCell::new(Windows::new(Limits::default())),
            begin: Cell::new(0),
            further: RefCell::default(),
            dictionaries: RefCell::default(),
            looked_at: RefCell::default(),
            read: Cell::new(0),
        }
    }

    /// Bytes read from stores so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// What the first store that succeeds gives; the last failure if none does.
    fn first<T>(&self, get: impl Fn(&Store) -> Outcome<T>) -> Outcome<T> {
        self.first_from(0, get)
    }

    /// Likewise, beginning with that store, and at the first again behind the last.
    fn first_from<T>(&self, begin: usize, get: impl Fn(&Store) -> Outcome<T>) -> Outcome<T> {
        let mut failure = None;
        let (before, from) = self.stores.split_at(begin % self.stores.len().max(1));
        for store in from.iter().chain(before) {
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

    /// What the stores have of a pack of which one piece was not given: each is asked for all of it, once.
    fn look_at(&self, pack: &PackRef) -> Looked {
        if let Some(known) = self.known(pack) {
            return known;
        }
        let path = pack_path(pack.name);
        let mut found = Looked::Gone;
        for store in &self.stores {
            found = found.max(match store.get(&path, pack::MAX) {
                Ok(bytes) if ObjectName::of(&bytes) == pack.name => Looked::Open,
                Ok(_) => Looked::Damaged,
                Err(error) if error.is_not_found() => Looked::Gone,
                Err(_) => Looked::Open,
            });
        }
        if self.stores.is_empty() {
            found = Looked::Open;
        }
        self.looked_at.borrow_mut().insert(pack.name, found);
        found
    }

    fn known(&self, pack: &PackRef) -> Option<Looked> {
        self.looked_at.borrow().get(&pack.name).copied()
    }

    /// The packs of which a piece was asked for and not given, and that no store has whole.
    pub fn lost(&self) -> Vec<ObjectName> {
        let looked_at = self.looked_at.borrow();
        let lost = looked_at.iter().filter(|(_, found)| **found < Looked::Open);
        lost.map(|(pack, _)| *pack).collect()
    }

    /// Whether a piece can be read; if not, it is lost with its pack.
    ///
    /// # Errors
    /// When no store gives the piece, and one has not answered or has the pack whole.
    pub fn gives(
        &self,
        piece: &PieceRef,
        key: &DomainKey,
        forest: &Forest,
        decompressor: &mut Decompressor,
    ) -> Outcome<bool> {
        let mut get = || self.piece_of_pack(piece, key, forest, decompressor);
        let Err(failure) = get() else {
            return Ok(true);
        };
        match self.look_at(&piece.pack) {
            Looked::Gone => Ok(false),
            // The one store that has this piece may have been away just now: only what all have refused is lost.
            Looked::Damaged if self.all_answer() => Ok(get().is_ok()),
            Looked::Damaged | Looked::Open => Err(failure),
        }
    }

    /// A pack's dictionary, if it has one, without the rest of the pack.
    pub fn dictionary(&self, pack: &PackRef, forest: &Forest) -> Outcome<Option<Arc<Dictionary>>> {
        if pack.dictionary == 0 {
            return Ok(None);
        }
        let mut cached = self.dictionaries.borrow_mut();
        let at = cached.iter().rposition(|(name, _)| *name == pack.name);
        if let Some(known) = at.and_then(|at| cached.remove(at)) {
            let dictionary = Arc::clone(&known.1);
            cached.push_back(known);
            return Ok(Some(dictionary));
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
            cached.push_back((pack.name, Arc::clone(found)));
            let mut kept: usize = cached.iter().map(|(_, known)| known.size()).sum();
            while kept > DICTIONARIES && cached.len() > 1 {
                kept -= cached.pop_front().map_or(0, |(_, oldest)| oldest.size());
            }
        }
        Ok(found)
    }

    /// One piece, by its blob alone.
    pub fn piece(
        &self,
        piece: &PieceRef,
        key: &DomainKey,
        forest: &Forest,
    ) -> Outcome<Zeroizing<Vec<u8>>> {
        let path = pack_path(piece.pack.name);
        let start = u64::from(piece.slot.offset);
        let (slot, salt) = (piece.slot, &piece.pack.salt);
        let frame = self.first(|store| {
            let sealed = store.get_range(&path, start..start + u64::from(slot.len))?;
            self.read.set(self.read.get() + sealed.len() as u64);
            pack::open_blob(self.repo, key, salt, slot.offset, &sealed)
                .map_err(|error| in_store(store, &path, error.into()))
        })?;
        let opened = self.open(piece, &frame, key, forest, &mut Decompressor::new()?);
        opened.failed_to(|| format!("read a piece of {path}"))
    }

    /// What a blob's frame holds. What needs no dictionary is read without it, also where that is damaged.
    fn open(
        &self,
        piece: &PieceRef,
        frame: &[u8],
        key: &DomainKey,
        forest: &Forest,
        decompressor: &mut Decompressor,
    ) -> Outcome<Zeroizing<Vec<u8>>> {
        let dictionary = match seal::wants_dictionary(frame) {
            true => self.dictionary(&piece.pack, forest)?,
            false => None,
        };
        let plain = decompressor.plain(frame, dictionary.as_deref())?;
        check_name(key, &plain, piece.name)?;
        Ok(plain)
    }

    /// One piece, and with it what lies behind it in its pack: for those who read a snapshot in its order.
    ///
    /// # Errors
    /// When no store gives it; then each is asked for the whole pack, and [`Fetcher::lost`] says if none has it.
    pub fn piece_of_pack(
        &self,
        piece: &PieceRef,
        key: &DomainKey,
        forest: &Forest,
        decompressor: &mut Decompressor,
    ) -> Outcome<Zeroizing<Vec<u8>>> {
        let pack = &piece.pack;
        if self.known(pack) == Some(Looked::Gone) {
            let what = format!("no store has {}", pack_path(pack.name));
            return Err(Failure::new(what));
        }
        let mut along = || {
            let read = |range: Range<u64>| self.part_of_pack(pack, range);
            let sealed = self.windows.borrow_mut().blob(pack, piece.slot, read)?;
            let frame = pack::open_blob(self.repo, key, &pack.salt, piece.slot.offset, &sealed)?;
            self.open(piece, &frame, key, forest, decompressor)
        };
        if let Ok(plain) = along() {
            return Ok(plain);
        }
        match self.piece(piece, key, forest) {
            // What is damaged in the store that gave the window is whole in another.
            Ok(plain) => {
                self.windows.borrow_mut().drop(pack.name);
                *self.further.borrow_mut().entry(pack.name).or_default() += 1;
                Ok(plain)
            }
            Err(failure) => {
                self.look_at(pack);
                Err(failure)
            }
        }
    }

    fn part_of_pack(&self, pack: &PackRef, range: Range<u64>) -> Outcome<Bytes> {
        let path = pack_path(pack.name);
        let further = self.further.borrow().get(&pack.name).copied();
        let begin = self.begin.get() + further.unwrap_or(0);
        self.first_from(begin, |store| {
            let bytes = store.get_range(&path, range.clone());
            let bytes = bytes.inspect_err(|error| {
                if !error.is_not_found() {
                    self.begin.set(self.begin.get() + 1);
                }
            })?;
            self.read.set(self.read.get() + bytes.len() as u64);
            Ok(bytes)
        })
    }

    /// Whether every store answers, where little is asked for.
    fn all_answer(&self) -> bool {
        self.stores.iter().all(|store| store.list("writer").is_ok())
    }
}

/// What stores have of a pack, the most that any has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Looked {
    /// None has it.
    Gone,
    /// Where there is one, it is damaged.
    Damaged,
    /// One has it whole, or has not answered.
    Open,
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

/// That an opened piece is the one that its name says.
pub fn check_name(key: &DomainKey, plain: &[u8], name: PieceName) -> Outcome<()> {
    if piece::name(&key.name_key(), plain) == name {
        Ok(())
    } else {
        Err(Failure::new("a piece is not what its name says"))
    }
}
