//! A pack: one object of many blobs.
//!
//! # Layout
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `tenurePK` |
//! | 8 | 1 | version, 2 |
//! | 9 | 8 | incarnation that wrote it |
//! | 17 | 16 | salt: random, new for each attempt to write a pack |
//! | 33 | 4 | d, little endian: stored length of the dictionary, 0 if there is none |
//! | 37 | d | dictionary |
//! | 37 + d | … | blobs, back to back |
//! | | n | table of contents, sealed |
//! | end − 4 | 4 | n, little endian |
//!
//! A pack's name is the BLAKE3 of all its bytes: any copy can be checked without a key. In a store it is
//! `packs/<name>`, in hexadecimal digits.
//!
//! A **blob** is the frame of a piece (see [`crate::seal`]), encrypted under
//! `blob_key(salt, offset)` of its domain, where `offset` is the blob's first byte in the pack.
//! The offset is the blob's number: it is as unique, and a reader that knows where a blob is knows
//! its key. Salt and offset make the key, so no key ever meets two plain texts, and a blob cannot
//! be moved within its pack or into another.
//!
//! The **dictionary** is what frames by codec 2 were compressed with, see [`Dictionary`]: a frame of its bytes,
//! encrypted like a blob's (its offset is 37) under the `common` domain of the incarnation that wrote the pack.
//! Each pack has its own copy, so that a damaged pack takes nothing with it that stands elsewhere.
//!
//! The **table of contents** is sealed under `field_key(salt, "pack contents")` of the writer's
//! `meta` domain. Its plain text is a CBOR sequence with one array per blob, in order:
//! `[incarnation: bytes(8), leaf: uint, stored length: uint]`. Offsets follow from the lengths; the blobs fill the
//! space between dictionary and table exactly.
//!
//! Version 1, which is read and not written any more, has no dictionary: blobs begin at 33. The arrays of its table
//! have a fourth item, the piece's name in 16 bytes, which pages give as well.
//!
//! A pack is written once, in one go; a torn or unfinished one has the wrong name and is refused.
//! Readers that know where a blob stands need no table, and of what stands before the blobs the dictionary alone.

use bytes::Bytes;
use minicbor::Decoder;
use zeroize::Zeroizing;

use crate::cbor::{self, Malformed};
use crate::ids::{Domain, Incarnation, ObjectName, PieceName, RepoId};
use crate::seal::{self, Compressor, Decompressor, Dictionary, Kind, Place, SealError};
use crate::secret::{self, DomainKey, SecretError};

/// A pack is closed when it holds this much.
pub const TARGET: usize = 32 << 20;
/// No pack is longer than this: one blob of the largest piece may follow just before [`TARGET`].
pub const MAX: u64 = 1 << 30;

const MAGIC: &[u8; 8] = b"tenurePK";
const VERSION: u8 = 2;
/// Where the salt ends; blobs of version 1 begin there.
const OLD_HEADER: usize = 33;
/// Where the dictionary begins.
const HEADER: usize = 37;
const CONTENTS: &[u8] = b"pack contents";

/// Why a pack's bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The bytes are not those that the name stands for.
    #[error("the bytes are not those of its name: it is damaged, cut short or another object")]
    WrongName,
    /// Not a pack at all.
    #[error("it is not a pack")]
    NotAPack,
    /// Written by a later version.
    #[error("version {0} of packs is not known to this version")]
    UnknownVersion(u8),
    /// Shorter than it must be, or lengths that do not fit.
    #[error("its lengths do not fit")]
    Torn,
    /// The table of contents cannot be read.
    #[error("its table of contents cannot be opened")]
    Contents(#[source] SealError),
    /// The dictionary cannot be read.
    #[error("its dictionary cannot be opened")]
    Dictionary(#[source] SealError),
    /// The table of contents is not what it should be.
    #[error("its table of contents is wrong")]
    Malformed(#[from] Malformed),
}

/// Why a pack cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum NewPackError {
    /// No random bytes for its salt.
    #[error(transparent)]
    Random(#[from] SecretError),
    /// The dictionary cannot be sealed.
    #[error("the dictionary cannot be compressed")]
    Dictionary(#[from] SealError),
}

/// A new pack's random salt.
pub type Salt = [u8; DomainKey::PACK_SALT_LEN];

/// A blob's place in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its first byte, from the start of the pack.
    pub offset: u32,
    /// Its length as stored.
    pub len: u32,
}

impl Slot {
    /// Behind its last byte, from the start of the pack; in a page that lies, beyond 32 bits.
    pub fn end(self) -> i64 {
        i64::from(self.offset) + i64::from(self.len)
    }
}

/// A pack being filled.
pub struct PackWriter {
    repo: RepoId,
    salt: Salt,
    dictionary: u32,
    bytes: Vec<u8>,
    contents: Vec<u8>,
}

impl PackWriter {
    /// Begins a pack under a salt of its own. Its dictionary, if it has one, is sealed under the `common` key that
    /// comes with it.
    pub fn new(
        repo: RepoId,
        inc: Incarnation,
        dictionary: Option<(&Dictionary, &DomainKey)>,
    ) -> Result<Self, NewPackError> {
        let salt: Salt = secret::random()?;
        let sealed = match dictionary {
            Some((dictionary, common)) => {
                let frame = Compressor::new()
                    .map_err(|_| SealError::BadFrame)
                    .and_then(|mut compressor| compressor.frame(dictionary.bytes()))?;
                let offset = HEADER as u32;
                let place = blob_place(repo, offset);
                seal::encrypt(&common.blob_key(&salt, offset), &place, frame)
            }
            None => Vec::new(),
        };
        let mut bytes = Vec::with_capacity(TARGET + TARGET / 8);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&inc.0);
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&(sealed.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&sealed);
        Ok(Self {
            repo,
            salt,
            dictionary: sealed.len() as u32,
            bytes,
            contents: Vec::new(),
        })
    }

    /// The pack's salt, which readers of single blobs need.
    pub fn salt(&self) -> Salt {
        self.salt
    }

    /// The stored length of its dictionary, which such readers need as well; 0 if it has none.
    pub fn dictionary(&self) -> u32 {
        self.dictionary
    }

    /// Whether it has reached its size.
    pub fn is_full(&self) -> bool {
        self.bytes.len() + self.contents.len() >= TARGET
    }

    /// Encrypts a piece's frame under its domain's key and appends it.
    pub fn add(&mut self, domain: Domain, key: &DomainKey, frame: Vec<u8>) -> Slot {
        let offset = self.bytes.len() as u32;
        let place = blob_place(self.repo, offset);
        let sealed = seal::encrypt(&key.blob_key(&self.salt, offset), &place, frame);
        let len = sealed.len() as u32;
        self.bytes.extend_from_slice(&sealed);
        cbor::append(&mut self.contents, |w| {
            w.array(3)?.bytes(&domain.inc.0)?.u64(domain.leaf())?;
            w.u32(len)?.ok()
        });
        Slot { offset, len }
    }

    /// Appends the table of contents, and names the pack.
    pub fn finish(mut self, meta: &DomainKey) -> Result<(ObjectName, Bytes), SealError> {
        let key = meta.field_key(&self.salt, CONTENTS);
        let sealed = seal::seal(&key, &contents_place(self.repo), &self.contents)?;
        self.bytes.extend_from_slice(&sealed);
        self.bytes
            .extend_from_slice(&(sealed.len() as u32).to_le_bytes());
        Ok((ObjectName::of(&self.bytes), Bytes::from(self.bytes)))
    }
}

fn blob_place(repo: RepoId, offset: u32) -> Place<'static> {
    Place {
        repo,
        kind: Kind::Blob,
        number: u64::from(offset),
        field: b"",
    }
}

fn contents_place(repo: RepoId) -> Place<'static> {
    Place {
        repo,
        kind: Kind::PackContents,
        number: 0,
        field: b"",
    }
}

/// The frame of one blob, given its bytes and where they stood.
pub fn open_blob(
    repo: RepoId,
    key: &DomainKey,
    salt: &Salt,
    offset: u32,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    seal::decrypt(
        &key.blob_key(salt, offset),
        &blob_place(repo, offset),
        sealed,
    )
}

/// One row of a pack's table of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub domain: Domain,
    /// Where it stands.
    pub slot: Slot,
    /// What it is when opened: version 1 tells it.
    pub name: Option<PieceName>,
}

/// What stands before a pack's blobs.
pub struct Head {
    inc: Incarnation,
    salt: Salt,
    /// Where the sealed dictionary begins and ends: nowhere if there is none.
    dictionary: std::ops::Range<usize>,
    version: u8,
}

impl Head {
    /// How many bytes from the start of a pack it takes, given the stored length of the dictionary.
    pub fn len(dictionary: u32) -> u64 {
        HEADER as u64 + u64::from(dictionary)
    }

    /// Reads it from the first bytes of a pack.
    pub fn read(bytes: &[u8]) -> Result<Self, PackError> {
        let header = bytes.get(..OLD_HEADER).ok_or(PackError::Torn)?;
        if header[..8] != *MAGIC {
            return Err(PackError::NotAPack);
        }
        let version = header[8];
        let dictionary = match version {
            1 => OLD_HEADER..OLD_HEADER,
            2 => {
                let len = bytes.get(OLD_HEADER..HEADER).ok_or(PackError::Torn)?;
                let len = len
                    .iter()
                    .rev()
                    .fold(0, |len, byte| len << 8 | usize::from(*byte));
                HEADER..HEADER + len
            }
            later => return Err(PackError::UnknownVersion(later)),
        };
        let mut inc = [0; 8];
        inc.copy_from_slice(&header[9..17]);
        let mut salt = Salt::default();
        salt.copy_from_slice(&header[17..OLD_HEADER]);
        Ok(Self {
            inc: Incarnation(inc),
            salt,
            dictionary,
            version,
        })
    }

    /// Who wrote the pack: under whose `meta` key the table of contents is sealed, and under whose `common` key the
    /// dictionary.
    pub fn incarnation(&self) -> Incarnation {
        self.inc
    }

    /// The salt of its keys.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The stored length of its dictionary; 0 if it has none.
    pub fn dictionary_len(&self) -> u32 {
        self.dictionary.len() as u32
    }

    /// Its dictionary, from the first bytes of the pack.
    pub fn dictionary(
        &self,
        repo: RepoId,
        common: &DomainKey,
        bytes: &[u8],
    ) -> Result<Dictionary, PackError> {
        let offset = self.dictionary.start as u32;
        let sealed = bytes.get(self.dictionary.clone()).ok_or(PackError::Torn)?;
        let opened = open_blob(repo, common, &self.salt, offset, sealed).and_then(|frame| {
            let failed = |_| SealError::BadFrame;
            let plain = Decompressor::new().map_err(failed)?.plain(&frame, None)?;
            Dictionary::new(plain.to_vec()).map_err(failed)
        });
        opened.map_err(PackError::Dictionary)
    }
}

/// A whole pack, read back.
pub struct Pack {
    bytes: Bytes,
    head: Head,
}

impl Pack {
    /// Takes a pack's bytes and checks that they are those of `name`.
    pub fn read(name: ObjectName, bytes: Bytes) -> Result<Self, PackError> {
        if ObjectName::of(&bytes) != name {
            return Err(PackError::WrongName);
        }
        Ok(Self {
            head: Head::read(&bytes)?,
            bytes,
        })
    }

    /// What stands before its blobs.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it holds.
    pub fn contents(&self, repo: RepoId, meta: &DomainKey) -> Result<Vec<Entry>, PackError> {
        let end = self.bytes.len().checked_sub(4).ok_or(PackError::Torn)?;
        let mut len = [0; 4];
        len.copy_from_slice(&self.bytes[end..]);
        let start = end
            .checked_sub(u32::from_le_bytes(len) as usize)
            .ok_or(PackError::Torn)?;
        let first = self.head.dictionary.end;
        if start < first {
            return Err(PackError::Torn);
        }
        let key = meta.field_key(&self.head.salt, CONTENTS);
        let plain = seal::open(&key, &contents_place(repo), &self.bytes[start..end])
            .map_err(PackError::Contents)?;
        let entries = entries(&plain, self.head.version, first as u32)?;
        match entries.last() {
            Some(last) if last.slot.offset as usize + last.slot.len as usize == start => {
                Ok(entries)
            }
            None if start == first => Ok(entries),
            _ => Err(PackError::Torn),
        }
    }

    /// The bytes of one blob, as stored.
    pub fn blob(&self, slot: Slot) -> Result<&[u8], PackError> {
        let start = slot.offset as usize;
        self.bytes
            .get(start..start + slot.len as usize)
            .ok_or(PackError::Torn)
    }
}

fn entries(plain: &[u8], version: u8, mut offset: u32) -> Result<Vec<Entry>, Malformed> {
    let mut rows = Decoder::new(plain);
    let mut entries = Vec::new();
    while rows.position() < plain.len() {
        cbor::array(&mut rows, if version == 1 { 4 } else { 3 })?;
        let inc = Incarnation(cbor::fixed(&mut rows)?);
        let domain = Domain::from_leaf(inc, rows.u64()?).ok_or(Malformed)?;
        let len = rows.u32()?;
        let name = match version {
            1 => Some(PieceName(cbor::fixed(&mut rows)?)),
            _ => None,
        };
        entries.push(Entry {
            domain,
            slot: Slot { offset, len },
            name,
        });
        offset = offset.checked_add(len).ok_or(Malformed)?;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
