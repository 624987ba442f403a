//! The envelope of numbered control objects: manifests and journal entries.
//!
//! # Layout
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic: `tenureMF` for a manifest, `tenureJN` for a journal entry |
//! | 8 | 1 | version, 1 |
//! | 9 | 16 | repository |
//! | 25 | 8 | incarnation that wrote it |
//! | 33 | 8 | number, big endian, from 1 within the incarnation |
//! | 41 | 32 | BLAKE3 of the whole object with the number before; zeros for number 1 |
//! | 73 | 16 | salt: random |
//! | 89 | … | body: a CBOR item, sealed (see [`crate::seal`]) |
//! | end − 64 | 64 | signature by the incarnation's key, as `manifest` or `journal`, over all before |
//!
//! The body's key is `field_key(salt, "manifest")` or `field_key(salt, "journal")` of the
//! incarnation's `meta` domain. Numbers and hashes chain the objects: none can be left out,
//! exchanged or added without the key that signs.

use minicbor::{Decode, Encode};

use crate::cbor::{self, Malformed};
use crate::ids::{Incarnation, ObjectName, RepoId};
use crate::pack::Salt;
use crate::seal::{self, Kind, Place, SealError};
use crate::secret::{self, DomainKey};
use crate::sign::{SIGNATURE, SigningKey, VerifyKey};

const VERSION: u8 = 1;
const HEADER: usize = 89;
/// No control object is longer than this.
pub const MAX: u64 = 256 << 20;

/// Why a control object is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Not an object of this kind.
    #[error("it is not a {0}")]
    NotOne(&'static str),
    /// Written by a later version.
    #[error("version {0} of it is not known to this version")]
    UnknownVersion(u8),
    /// Shorter than it must be.
    #[error("it is cut short")]
    Torn,
    /// It stands where another should.
    #[error("it is number {found} where {expected} should stand")]
    WrongNumber {
        /// The number in the object.
        found: u64,
        /// The number in its name.
        expected: u64,
    },
    /// It belongs to another incarnation or repository.
    #[error("it belongs to another {0}")]
    Foreign(&'static str),
    /// The incarnation's key did not sign it.
    #[error("its writer did not sign it: it is damaged or forged")]
    NotSigned,
    /// It does not follow the one before it.
    #[error("it does not follow the one before it: one of the two was exchanged")]
    BrokenChain,
    /// The body cannot be opened.
    #[error("its body cannot be opened")]
    Sealed(#[source] SealError),
    /// The body is not what it should be.
    #[error("its body is wrong, or of a later version")]
    Malformed(#[from] Malformed),
    /// No salt could be had.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// The two kinds of numbered control objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// One per snapshot.
    Manifest,
    /// One per change of lifecycle state.
    Journal,
}

impl Chain {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Manifest => b"tenureMF",
            Self::Journal => b"tenureJN",
        }
    }

    /// The word for it, in signatures, key derivations and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Journal => "journal",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Manifest => Kind::Manifest,
            Self::Journal => Kind::Journal,
        }
    }

    /// The folder of a store in which they lie.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Manifest => "snapshots",
            Self::Journal => "journal",
        }
    }

    /// The place of one in a store: numbers are written with ten digits, so that names sort.
    pub fn path(self, inc: Incarnation, number: u64) -> String {
        format!("{}/{inc}/{number:010}", self.folder())
    }

    /// The way back of [`Chain::path`].
    pub fn parse(self, path: &str) -> Option<(Incarnation, u64)> {
        let (inc, number) = path
            .strip_prefix(self.folder())?
            .strip_prefix('/')?
            .split_once('/')?;
        let inc = inc.parse().ok()?;
        let number = number.parse().ok()?;
        (self.path(inc, number) == path).then_some((inc, number))
    }
}

/// What stands in front of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which repository.
    pub repo: RepoId,
    /// Who wrote it.
    pub inc: Incarnation,
    /// Its number.
    pub number: u64,
    /// The BLAKE3 of the one before.
    pub previous: [u8; 32],
}

/// Hash of an object, which the next one carries.
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    ObjectName::of(bytes).0
}

/// The hash of the one before that an object carries, which was read by [`read`] before; zeros if it is
/// too short to be one.
pub fn previous(bytes: &[u8]) -> [u8; 32] {
    match bytes.len() < HEADER {
        true => [0; 32],
        false => take(bytes, 41),
    }
}

fn place<'a>(chain: Chain, head: &'a Head) -> Place<'a> {
    Place {
        repo: head.repo,
        kind: chain.kind(),
        number: head.number,
        field: &head.inc.0,
    }
}

/// Seals and signs a body.
pub fn write(
    chain: Chain,
    head: &Head,
    body: &impl Encode<()>,
    meta: &DomainKey,
    writer: &SigningKey,
) -> Result<Vec<u8>, ObjectError> {
    let salt: Salt = secret::random().map_err(|_| ObjectError::NoRandomness)?;
    let key = meta.field_key(&salt, chain.word().as_bytes());
    let body =
        seal::seal(&key, &place(chain, head), &cbor::to_vec(body)).map_err(ObjectError::Sealed)?;
    let mut bytes = Vec::with_capacity(HEADER + body.len() + SIGNATURE);
    bytes.extend_from_slice(chain.magic());
    bytes.push(VERSION);
    bytes.extend_from_slice(&head.repo.0);
    bytes.extend_from_slice(&head.inc.0);
    bytes.extend_from_slice(&head.number.to_be_bytes());
    bytes.extend_from_slice(&head.previous);
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(&body);
    let signature = writer.sign(chain.word(), &bytes);
    bytes.extend_from_slice(&signature);
    Ok(bytes)
}

/// An object whose head and signature have been checked, and whose body is still sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'b> {
    chain: Chain,
    /// What stands in front.
    pub head: Head,
    salt: Salt,
    body: &'b [u8],
}

/// Reads an object that should be number `number` of `inc`, and checks who signed it.
pub fn read<'b>(
    chain: Chain,
    repo: RepoId,
    inc: Incarnation,
    number: u64,
    bytes: &'b [u8],
    verify: &VerifyKey,
) -> Result<Sealed<'b>, ObjectError> {
    let magic = bytes.get(..9).ok_or(ObjectError::Torn)?;
    if magic[..8] != *chain.magic() {
        return Err(ObjectError::NotOne(chain.word()));
    }
    if magic[8] != VERSION {
        return Err(ObjectError::UnknownVersion(magic[8]));
    }
    let signed = bytes
        .len()
        .checked_sub(SIGNATURE)
        .ok_or(ObjectError::Torn)?;
    if signed < HEADER {
        return Err(ObjectError::Torn);
    }
    verify
        .verify(chain.word(), &bytes[..signed], &bytes[signed..])
        .map_err(|_| ObjectError::NotSigned)?;
    let head = Head {
        repo: RepoId(take(bytes, 9)),
        inc: Incarnation(take(bytes, 25)),
        number: u64::from_be_bytes(take(bytes, 33)),
        previous: take(bytes, 41),
    };
    if head.repo != repo {
        return Err(ObjectError::Foreign("repository"));
    }
    if head.inc != inc {
        return Err(ObjectError::Foreign("incarnation"));
    }
    if head.number != number {
        return Err(ObjectError::WrongNumber {
            found: head.number,
            expected: number,
        });
    }
    Ok(Sealed {
        chain,
        head,
        salt: take(bytes, 73),
        body: &bytes[HEADER..signed],
    })
}

/// The `N` bytes from `at`, of bytes that have been measured.
fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl Sealed<'_> {
    /// Opens the body.
    pub fn open<T: for<'d> Decode<'d, ()>>(&self, meta: &DomainKey) -> Result<T, ObjectError> {
        let key = meta.field_key(&self.salt, self.chain.word().as_bytes());
        let body = seal::open(&key, &place(self.chain, &self.head), self.body)
            .map_err(ObjectError::Sealed)?;
        Ok(cbor::from_slice(&body)?)
    }
}

#[cfg(test)]
mod tests;
