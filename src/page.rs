//! A page: a sorted run of what a snapshot holds, domain by domain.
//!
//! # Layout
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `tenurePG` |
//! | 8 | 1 | version, 2 |
//! | 9 | 8 | incarnation that wrote it |
//! | 17 | 16 | salt: random, new for each page |
//! | 33 | … | blocks, back to back |
//! | | n | index, sealed |
//! | end − 4 | 4 | n, little endian |
//!
//! Version 1, which is read and not written any more, knows no dictionaries, and gives each piece's offset in place of
//! the gap.
//!
//! A page's name is the BLAKE3 of all its bytes, and it is `pages/<name>` in a store. Blocks and index are sealed frames (see
//! [`crate::seal`]) under `field_key(salt, "page block" ‖ number as u64 big endian)` and
//! `field_key(salt, "page index")` of the writer's `meta` domain.
//!
//! The **index** is a CBOR array of three:
//!
//! - incarnations, `[bytes(8), …]`, to which entries refer by position;
//! - packs, `[[name: bytes(32), size: uint, salt: bytes(16)], …]`, likewise; a pack with a dictionary has a fourth
//!   item, the stored length of that as uint;
//! - blocks, `[[incarnation: uint, first leaf: uint, stored length: uint], …]` in order.
//!
//! A **block** is a CBOR sequence of entries, some 64 KiB before compression and at least one.
//! An **entry** is `[incarnation: uint, leaf: uint, source: uint, id: bytes or null,
//! pieces: array or null]`. Entries ascend strictly by (incarnation's bytes, leaf, source), over the
//! whole page and from page to page of a snapshot. `pieces` is null where an incremental says that
//! the domain has nothing in that source any more; otherwise it lists *all* pieces of that domain
//! in that source, in order, each as
//! `[pack: uint, gap: int, stored length: uint, plain length: uint, rows: uint, name: bytes(16)]`. A gap is what
//! lies between the end of the piece listed before it in the block, or 0, and the piece's first byte, each counted
//! from the start of its own pack: mostly nothing.
//! An entry of a later snapshot replaces the earlier one of the same (domain, source) whole.
//!
//! `id` stands in the first entry of each customer in a page: the customer's key (see
//! [`crate::piece::Identity`]) sealed under `field_key(salt, "customer id")` of the customer's own
//! domain, so that it goes when the customer goes.
//!
//! To find one customer: the manifest names the page whose range holds the domain, the index names
//! the block, and one block is opened.

use minicbor::Decoder;

use crate::cbor::{self, Malformed};
use crate::ids::{Domain, Incarnation, ObjectName, PieceName, RepoId};
use crate::pack::{Salt, Slot};
use crate::seal::{self, Kind, Place, SealError};
use crate::secret::DomainKey;

mod write;

pub use write::{FinishedPage, PageWriter};

const MAGIC: &[u8; 8] = b"tenurePG";
const VERSION: u8 = 2;
const HEADER: usize = 33;
/// Plain bytes after which a block is closed.
const BLOCK: usize = 64 << 10;
/// Stored bytes after which a page is closed.
const TARGET: usize = 8 << 20;
/// No page is longer than this.
pub const MAX: u64 = 1 << 30;

/// Why a page's bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The bytes are not those that the name stands for.
    #[error("the bytes are not those of its name: it is damaged, cut short or another object")]
    WrongName,
    /// Not a page at all.
    #[error("it is not a page")]
    NotAPage,
    /// Written by a later version.
    #[error("version {0} of pages is not known to this version")]
    UnknownVersion(u8),
    /// Shorter than it must be, or lengths that do not fit.
    #[error("its lengths do not fit")]
    Torn,
    /// A sealed part of it cannot be opened.
    #[error("its {0} cannot be opened")]
    Sealed(&'static str, #[source] SealError),
    /// A part of it is not what it should be.
    #[error("its contents are wrong")]
    Malformed(#[from] Malformed),
    /// Entries do not ascend.
    #[error("its entries are not in order")]
    Disorder,
}

/// A pack as pages refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackRef {
    /// What it is called.
    pub name: ObjectName,
    /// Its length in bytes.
    pub size: u64,
    /// The salt of its keys.
    pub salt: Salt,
    /// The stored length of its dictionary; 0 if it has none.
    pub dictionary: u32,
}

/// Where one piece is stored, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceRef {
    /// In which pack.
    pub pack: PackRef,
    /// Where in it.
    pub slot: Slot,
    /// The piece's length in bytes when opened.
    pub plain: u32,
    /// How many rows it holds.
    pub rows: u32,
    /// Its name, to be computed again after opening.
    pub name: PieceName,
}

/// All that a snapshot has of one domain in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub domain: Domain,
    /// The source's number.
    pub source: u32,
    /// The customer's identity, sealed in this page; see [`Page::open_id`].
    pub id: Option<Vec<u8>>,
    /// The pieces in order; none if there is nothing any more.
    pub pieces: Option<Vec<PieceRef>>,
}

impl Entry {
    /// What entries are sorted by.
    pub fn key(&self) -> (Domain, u32) {
        (self.domain, self.source)
    }
}

const INDEX: &[u8] = b"page index";
const CUSTOMER_ID: &[u8] = b"customer id";

fn block_label(number: u64) -> Vec<u8> {
    [&b"page block"[..], &number.to_be_bytes()].concat()
}

fn block_place(repo: RepoId, number: u64) -> Place<'static> {
    Place {
        repo,
        kind: Kind::PageBlock,
        number,
        field: b"",
    }
}

fn index_place(repo: RepoId) -> Place<'static> {
    Place {
        repo,
        kind: Kind::PageIndex,
        number: 0,
        field: b"",
    }
}

fn id_place(repo: RepoId, domain: Domain) -> Place<'static> {
    Place {
        repo,
        kind: Kind::CustomerId,
        number: domain.leaf(),
        field: b"",
    }
}

/// A block as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number, from 0.
    pub number: u64,
    /// The domain of its first entry.
    pub first: Domain,
    /// Its first byte in the page.
    pub offset: u64,
    /// Its length as stored.
    pub len: u64,
}

/// A page's index: enough to fetch and open single blocks.
#[derive(Debug)]
pub struct Page {
    repo: RepoId,
    version: u8,
    salt: Salt,
    incs: Vec<Incarnation>,
    packs: Vec<PackRef>,
    blocks: Vec<Block>,
}

/// Bytes that [`Page::open`] needs from the start of a page.
pub const HEAD: usize = HEADER;

/// The incarnation whose `meta` key opens the page with this head.
pub fn incarnation(head: &[u8]) -> Result<Incarnation, PageError> {
    let header = head.get(..HEADER).ok_or(PageError::Torn)?;
    if header[..8] != *MAGIC {
        return Err(PageError::NotAPage);
    }
    if !(1..=VERSION).contains(&header[8]) {
        return Err(PageError::UnknownVersion(header[8]));
    }
    let mut inc = [0; 8];
    inc.copy_from_slice(&header[9..17]);
    Ok(Incarnation(inc))
}

fn pack(r: &mut Decoder<'_>) -> Result<PackRef, Malformed> {
    let items = r.array()?;
    Ok(PackRef {
        name: ObjectName(cbor::fixed(r)?),
        size: r.u64()?,
        salt: cbor::fixed(r)?,
        dictionary: match items {
            Some(3) => 0,
            Some(4) => r.u32()?,
            _ => return Err(Malformed),
        },
    })
}

impl Page {
    /// Opens the index of a whole page, after checking that the bytes are those of `name`.
    pub fn read(
        repo: RepoId,
        name: ObjectName,
        bytes: &[u8],
        meta: &DomainKey,
    ) -> Result<Self, PageError> {
        if ObjectName::of(bytes) != name {
            return Err(PageError::WrongName);
        }
        Self::open(repo, bytes, bytes, bytes.len() as u64, meta)
    }

    /// Opens the index from the page's first bytes (at least [`HEAD`]) and its last ones (at least
    /// [`FinishedPage::tail`]); `size` is the whole page's length.
    pub fn open(
        repo: RepoId,
        head: &[u8],
        tail: &[u8],
        size: u64,
        meta: &DomainKey,
    ) -> Result<Self, PageError> {
        incarnation(head)?;
        let mut salt = Salt::default();
        salt.copy_from_slice(&head[17..HEADER]);
        let end = tail.len().checked_sub(4).ok_or(PageError::Torn)?;
        let mut len = [0; 4];
        len.copy_from_slice(&tail[end..]);
        let len = u32::from_le_bytes(len) as usize;
        let sealed = end
            .checked_sub(len)
            .map(|start| &tail[start..end])
            .ok_or(PageError::Torn)?;
        let index = seal::open(&meta.field_key(&salt, INDEX), &index_place(repo), sealed)
            .map_err(|e| PageError::Sealed("index", e))?;
        let mut page = Self {
            repo,
            version: head[8],
            salt,
            incs: vec![],
            packs: vec![],
            blocks: vec![],
        };
        let blocks_end = page.read_index(&index)?;
        if blocks_end.checked_add(len as u64 + 4) != Some(size) {
            return Err(PageError::Torn);
        }
        Ok(page)
    }

    fn read_index(&mut self, index: &[u8]) -> Result<u64, PageError> {
        let mut r = Decoder::new(index);
        cbor::array(&mut r, 3)?;
        for _ in 0..r.array().map_err(Malformed::from)?.ok_or(Malformed)? {
            self.incs.push(Incarnation(cbor::fixed(&mut r)?));
        }
        for _ in 0..r.array().map_err(Malformed::from)?.ok_or(Malformed)? {
            self.packs.push(pack(&mut r)?);
        }
        let mut offset = HEADER as u64;
        for number in 0..r.array().map_err(Malformed::from)?.ok_or(Malformed)? {
            cbor::array(&mut r, 3)?;
            let first = self.domain(&mut r)?;
            let len = r.u64().map_err(Malformed::from)?;
            self.blocks.push(Block {
                number,
                first,
                offset,
                len,
            });
            offset = offset.checked_add(len).ok_or(PageError::Torn)?;
        }
        Ok(offset)
    }

    fn domain(&self, r: &mut Decoder<'_>) -> Result<Domain, Malformed> {
        let inc = *usize::try_from(r.u64()?)
            .ok()
            .and_then(|i| self.incs.get(i))
            .ok_or(Malformed)?;
        Domain::from_leaf(inc, r.u64()?).ok_or(Malformed)
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The packs that entries of this page refer to.
    pub fn packs(&self) -> &[PackRef] {
        &self.packs
    }

    /// The blocks that may hold entries of `domain`.
    pub fn blocks_of(&self, domain: Domain) -> &[Block] {
        let end = self.blocks.partition_point(|b| b.first <= domain);
        let start = self.blocks[..end].partition_point(|b| b.first < domain);
        // The block before the first that begins with the domain may end with it.
        &self.blocks[start.saturating_sub(1)..end]
    }

    /// The entries of a block, given its stored bytes.
    pub fn entries(
        &self,
        block: &Block,
        sealed: &[u8],
        meta: &DomainKey,
    ) -> Result<Vec<Entry>, PageError> {
        let key = meta.field_key(&self.salt, &block_label(block.number));
        let plain = seal::open(&key, &block_place(self.repo, block.number), sealed)
            .map_err(|e| PageError::Sealed("block", e))?;
        let mut r = Decoder::new(&plain);
        let mut entries: Vec<Entry> = Vec::new();
        let mut end = 0;
        while r.position() < plain.len() {
            let entry = self.entry(&mut r, &mut end)?;
            if entries.last().is_some_and(|last| last.key() >= entry.key()) {
                return Err(PageError::Disorder);
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entry(&self, r: &mut Decoder<'_>, end: &mut i64) -> Result<Entry, Malformed> {
        cbor::array(r, 5)?;
        let domain = self.domain(r)?;
        let source = r.u32()?;
        let id = r
            .decode::<Option<&minicbor::bytes::ByteSlice>>()?
            .map(|id| id.to_vec());
        if r.datatype()? == minicbor::data::Type::Null {
            r.null()?;
            return Ok(Entry {
                domain,
                source,
                id,
                pieces: None,
            });
        }
        let pieces = (0..r.array()?.ok_or(Malformed)?)
            .map(|_| self.piece(r, end))
            .collect::<Result<_, _>>()?;
        Ok(Entry {
            domain,
            source,
            id,
            pieces: Some(pieces),
        })
    }

    /// Reads a piece; the one before it in the block ended at `end`.
    fn piece(&self, r: &mut Decoder<'_>, end: &mut i64) -> Result<PieceRef, Malformed> {
        cbor::array(r, 6)?;
        let pack = usize::try_from(r.u64()?)
            .ok()
            .and_then(|i| self.packs.get(i))
            .ok_or(Malformed)?;
        let gap = r.i64()?;
        let from = if self.version == 1 { 0 } else { *end };
        let offset = from.checked_add(gap).and_then(|at| u32::try_from(at).ok());
        let slot = Slot {
            offset: offset.ok_or(Malformed)?,
            len: r.u32()?,
        };
        *end = slot.end();
        Ok(PieceRef {
            pack: *pack,
            slot,
            plain: r.u32()?,
            rows: r.u32()?,
            name: PieceName(cbor::fixed(r)?),
        })
    }

    /// Opens the identity that an entry of this page carries.
    pub fn open_id(
        &self,
        domain: Domain,
        key: &DomainKey,
        sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError> {
        seal::open(
            &key.field_key(&self.salt, CUSTOMER_ID),
            &id_place(self.repo, domain),
            sealed,
        )
    }
}

#[cfg(test)]
mod tests;
