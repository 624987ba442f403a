//! Fills pages; their layout is the text of the module above.

use bytes::Bytes;

use super::{
    BLOCK, CUSTOMER_ID, Entry, INDEX, MAGIC, PackRef, PageError, TARGET, VERSION, block_label,
    block_place, id_place, index_place,
};
use crate::cbor;
use crate::ids::{Domain, Incarnation, ObjectName, RepoId};
use crate::pack::{Salt, Slot};
use crate::seal;
use crate::secret::{self, DomainKey, SecretError};

/// A position among a growing list of distinct things; the last one is looked at first.
fn position<T: PartialEq>(list: &mut Vec<T>, item: T) -> u64 {
    match list.iter().rposition(|known| *known == item) {
        Some(at) => at as u64,
        None => {
            list.push(item);
            list.len() as u64 - 1
        }
    }
}

/// A page that is being filled.
pub struct PageWriter {
    repo: RepoId,
    salt: Salt,
    bytes: Vec<u8>,
    block: Vec<u8>,
    block_first: Option<Domain>,
    /// Where the last piece listed in the block ends in its pack.
    end: i64,
    incs: Vec<Incarnation>,
    packs: Vec<PackRef>,
    blocks: Vec<(u64, u64, u64)>,
    first: Option<Domain>,
    last: Option<(Domain, u32)>,
    entries: u64,
}

/// A page that is done.
pub struct FinishedPage {
    /// Its name.
    pub name: ObjectName,
    /// Its bytes.
    pub bytes: Bytes,
    /// The length of its index and trailer, for readers that fetch only those.
    pub tail: u32,
    /// The first domain in it.
    pub first: Domain,
    /// The last domain in it.
    pub last: Domain,
    /// How many entries it has.
    pub entries: u64,
}

impl PageWriter {
    /// Begins a page under a salt of its own.
    pub fn new(repo: RepoId, inc: Incarnation) -> Result<Self, SecretError> {
        let salt: Salt = secret::random()?;
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend_from_slice(&inc.0);
        bytes.extend_from_slice(&salt);
        Ok(Self {
            repo,
            salt,
            bytes,
            block: Vec::with_capacity(BLOCK + BLOCK / 4),
            block_first: None,
            end: 0,
            incs: Vec::new(),
            packs: Vec::new(),
            blocks: Vec::new(),
            first: None,
            last: None,
            entries: 0,
        })
    }

    /// Whether it has reached its size.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= TARGET
    }

    /// Whether the next entry of `domain` is the first of it in this page, and should carry the id.
    pub fn is_new(&self, domain: Domain) -> bool {
        self.last.is_none_or(|(last, _)| last != domain)
    }

    /// Seals a customer's identity for this page.
    pub fn seal_id(&self, domain: Domain, key: &DomainKey, id: &[u8]) -> Vec<u8> {
        let key = key.field_key(&self.salt, CUSTOMER_ID);
        seal::encrypt(&key, &id_place(self.repo, domain), seal::bare_frame(id))
    }

    /// Appends an entry, which must come after all before it.
    pub fn add(&mut self, entry: &Entry, meta: &DomainKey) -> Result<(), PageError> {
        if self.last.is_some_and(|last| last >= entry.key()) {
            return Err(PageError::Disorder);
        }
        let inc = position(&mut self.incs, entry.domain.inc);
        let (packs, end) = (&mut self.packs, &mut self.end);
        cbor::append(&mut self.block, |w| {
            w.array(5)?
                .u64(inc)?
                .u64(entry.domain.leaf())?
                .u32(entry.source)?;
            match &entry.id {
                Some(id) => w.bytes(id)?,
                None => w.null()?,
            };
            let Some(pieces) = &entry.pieces else {
                return w.null()?.ok();
            };
            w.array(pieces.len() as u64)?;
            for piece in pieces {
                let Slot { offset, len } = piece.slot;
                let gap = i64::from(offset) - *end;
                *end = piece.slot.end();
                w.array(6)?.u64(position(packs, piece.pack))?;
                w.i64(gap)?.u32(len)?;
                w.u32(piece.plain)?.u32(piece.rows)?.bytes(&piece.name.0)?;
            }
            Ok(())
        });
        self.block_first.get_or_insert(entry.domain);
        self.first.get_or_insert(entry.domain);
        self.last = Some(entry.key());
        self.entries += 1;
        if self.block.len() >= BLOCK {
            self.close_block(meta)?;
        }
        Ok(())
    }

    fn close_block(&mut self, meta: &DomainKey) -> Result<(), PageError> {
        let Some(first) = self.block_first.take() else {
            return Ok(());
        };
        let number = self.blocks.len() as u64;
        let sealed = seal::seal(
            &meta.field_key(&self.salt, &block_label(number)),
            &block_place(self.repo, number),
            &self.block,
        )
        .map_err(|e| PageError::Sealed("block", e))?;
        let inc = position(&mut self.incs, first.inc);
        self.blocks.push((inc, first.leaf(), sealed.len() as u64));
        self.bytes.extend_from_slice(&sealed);
        self.block.clear();
        self.end = 0;
        Ok(())
    }

    /// Appends the index, and names the page. None if it has no entries.
    pub fn finish(mut self, meta: &DomainKey) -> Result<Option<FinishedPage>, PageError> {
        self.close_block(meta)?;
        let (Some(first), Some((last, _))) = (self.first, self.last) else {
            return Ok(None);
        };
        let index = self.index();
        let key = meta.field_key(&self.salt, INDEX);
        let sealed = seal::seal(&key, &index_place(self.repo), &index)
            .map_err(|e| PageError::Sealed("index", e))?;
        self.bytes.extend_from_slice(&sealed);
        self.bytes
            .extend_from_slice(&(sealed.len() as u32).to_le_bytes());
        Ok(Some(FinishedPage {
            name: ObjectName::of(&self.bytes),
            bytes: self.bytes.into(),
            tail: sealed.len() as u32 + 4,
            first,
            last,
            entries: self.entries,
        }))
    }

    fn index(&self) -> Vec<u8> {
        let mut index = Vec::new();
        cbor::append(&mut index, |w| {
            w.array(3)?.array(self.incs.len() as u64)?;
            for inc in &self.incs {
                w.bytes(&inc.0)?;
            }
            w.array(self.packs.len() as u64)?;
            for pack in &self.packs {
                let has_one = pack.dictionary > 0;
                w.array(if has_one { 4 } else { 3 })?
                    .bytes(&pack.name.0)?
                    .u64(pack.size)?
                    .bytes(&pack.salt)?;
                if has_one {
                    w.u32(pack.dictionary)?;
                }
            }
            w.array(self.blocks.len() as u64)?;
            for (inc, leaf, len) in &self.blocks {
                w.array(3)?.u64(*inc)?.u64(*leaf)?.u64(*len)?;
            }
            Ok(())
        });
        index
    }
}
