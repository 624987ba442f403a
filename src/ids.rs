//! Names of things: one type per word of the glossary, so that mixing two up does not compile.
//!
//! In CBOR an id is a byte string, and a [`Domain`] is `[incarnation: bytes(8), leaf: uint]`, where the leaf is
//! `class (8 bits) | arrival (32)`. In paths and texts ids are lower-case hexadecimal digits. Of class 0,
//! Tenure's own, arrival 0 is `meta` and arrival 1 is `common`; both are never punctured.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{self, Decode, Decoder};
use minicbor::encode::{self, Encode, Encoder, Write};
use serde::{Deserialize, Serialize};

/// What is wrong with a text that should be a name or a number of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct BadName {
    /// The text as given.
    pub text: String,
    /// What a valid one looks like.
    pub expected: &'static str,
}

impl BadName {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Reads exactly `N` bytes of lower-case hexadecimal digits.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    fn digit(c: u8) -> Option<u8> {
        match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        }
    }
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                unhex(text).map(Self).ok_or_else(|| BadName::new(text, $expected))
            }
        }

        /// A byte string.
        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?.try_into();
                bytes.map(Self).map_err(|_| decode::Error::message($expected))
            }
        }
    };
}

bytes_id!(
    /// One repository, for life: random, made by `init`, the same in all its stores.
    RepoId, 16, "a repository id (32 hexadecimal digits)"
);
bytes_id!(
    /// One life of the repository's writer, from an `init` or a `recover` to the next; random.
    Incarnation, 8, "an incarnation (16 hexadecimal digits)"
);
bytes_id!(
    /// BLAKE3 of an object's bytes: what names a pack or a page in a store.
    ObjectName, 32, "an object's name (64 hexadecimal digits)"
);
bytes_id!(
    /// Keyed BLAKE3 of a piece's plain bytes under its domain's naming key.
    PieceName, 16, "a piece's name (32 hexadecimal digits)"
);
bytes_id!(
    /// Keyed BLAKE3 by which a customer is recognised without being named.
    KeyedHash, 16, "a keyed hash (32 hexadecimal digits)"
);

impl ObjectName {
    /// The name of an object that consists of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// A kind of record with a retention period of its own. Number 0 is Tenure's own, 1 is `customer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u8);

impl Class {
    /// Tenure's own domains: `meta`, `common`, shared tables, orphans, unsettled tables.
    pub const OWN: Self = Self(0);
    /// The class of all that no other class is named for.
    pub const CUSTOMER: Self = Self(1);
}

/// What is erased as one and has a key of its own: one leaf of one incarnation's key tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain {
    /// Whose tree.
    pub inc: Incarnation,
    /// Which class; the high 8 of the leaf's 40 bits.
    pub class: Class,
    /// A customer's (or an own domain's) number by arrival; the low 32 bits.
    pub arrival: u32,
}

impl Domain {
    /// Control data: domain numbers, sizes, states. Never punctured.
    pub const fn meta(inc: Incarnation) -> Self {
        Self {
            inc,
            class: Class::OWN,
            arrival: 0,
        }
    }

    /// Dictionaries, which are nobody's. Never punctured.
    pub const fn common(inc: Incarnation) -> Self {
        Self {
            inc,
            class: Class::OWN,
            arrival: 1,
        }
    }

    /// The number of the leaf in its tree: `class (8 bits) | arrival (32)`.
    pub fn leaf(self) -> u64 {
        u64::from(self.class.0) << 32 | u64::from(self.arrival)
    }

    /// The domain of leaf `leaf` in the tree of `inc`; none if it has more than 40 bits.
    pub fn from_leaf(inc: Incarnation, leaf: u64) -> Option<Self> {
        Some(Self {
            inc,
            class: Class(u8::try_from(leaf >> 32).ok()?),
            arrival: leaf as u32,
        })
    }
}

/// `[incarnation: bytes(8), leaf: uint]`
impl<C> Encode<C> for Domain {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.bytes(&self.inc.0)?.u64(self.leaf())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Domain {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("a domain has two parts"));
        }
        let inc = d.decode()?;
        Self::from_leaf(inc, d.u64()?).ok_or_else(|| decode::Error::message("a leaf has 40 bits"))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.inc, self.class.0, self.arrival)
    }
}

/// A snapshot: its number, from 1, within its incarnation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
pub struct SnapshotId {
    /// Which incarnation wrote it.
    #[n(0)]
    pub inc: Incarnation,
    /// Numbered from 1 within the incarnation.
    #[n(1)]
    pub number: u64,
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.inc, self.number)
    }
}

macro_rules! short_name {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Box<str>);

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
                if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
                    return Err(BadName::new(text, $expected));
                }
                Ok(Self(text.into()))
            }
        }
    };
}

short_name!(
    /// A source's name in the configuration: `[a-z0-9_-]+`.
    SourceName, "a source's name (a-z, 0-9, _ and -)"
);
short_name!(
    /// A store's name in the configuration: `[a-z0-9_-]+`.
    StoreName, "a store's name (a-z, 0-9, _ and -)"
);
