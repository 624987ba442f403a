//! An entry of the audit log: who did what, to what, and how it went.
//!
//! # Record
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 16 | salt: random |
//! | 16 | … | the CBOR of [`Entry`], sealed (see [`crate::seal`]), in a frame of codec 0 |
//!
//! The key is `field_key(salt, "audit")` of the incarnation's `meta` domain, and the number of the
//! entry, from 1 within the incarnation, is in the associated data: a record opens in its own place
//! alone. The CBOR is arrays whose positions are the `n` numbers below. A record is at most 1 MiB
//! long ([`MAX`]); it is a leaf of the log's Merkle tree as it is ([`crate::merkle`]), so the log can
//! be checked against a checkpoint without any key.
//!
//! An entry holds nothing personal of customers: they are domain numbers here, which lead nowhere
//! once the customer is erased.

use minicbor::{Decode, Encode};

use crate::cbor::{self, Malformed};
use crate::clock::Timestamp;
use crate::ids::{Domain, Incarnation, RepoId, SnapshotId};
use crate::seal::{self, Kind, Place, SealError};
use crate::secret::{self, DomainKey};

const SALT: usize = 16;
/// No record is longer.
pub const MAX: usize = 1 << 20;

/// Why an entry is not written, or a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Shorter than it must be.
    #[error("it is cut short")]
    Torn,
    /// More than a record can hold.
    #[error("{0} bytes are too many for one entry")]
    TooLong(usize),
    /// It cannot be opened.
    #[error("it cannot be opened")]
    Sealed(#[source] SealError),
    /// It does not hold an entry.
    #[error("what it holds is wrong, or of a later version")]
    Malformed(#[from] Malformed),
    /// No salt could be had.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Who {
    /// The user's number on this host; none for the daemon's own tasks.
    #[n(0)]
    pub uid: Option<u32>,
    /// The user's name, as the host knew it then.
    #[n(1)]
    pub name: String,
    /// The roles that the user had.
    #[n(2)]
    pub roles: Vec<String>,
}

/// What it was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Object {
    /// Customers' and other domains.
    #[n(0)]
    pub domains: Vec<Domain>,
    /// Snapshots.
    #[n(1)]
    pub snapshots: Vec<SnapshotId>,
    /// Names of stores.
    #[n(2)]
    pub stores: Vec<String>,
    /// A task of the daemon.
    #[n(3)]
    pub task: Option<String>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Phase {
    /// It is about to be done. Another entry tells its end; if none does, a crash has ended it.
    #[n(1)]
    Begun,
    /// It was done.
    #[n(2)]
    Done,
    /// It was done in part.
    #[n(3)]
    Part,
    /// It was tried and did not work.
    #[n(4)]
    Failed,
    /// It was not allowed.
    #[n(5)]
    Refused,
}

impl Phase {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Part => "part",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// When, by the host's clock.
    #[n(0)]
    pub time: Timestamp,
    /// Who.
    #[n(1)]
    pub who: Who,
    /// What, such as `customer.hide`.
    #[n(2)]
    pub action: String,
    /// To what.
    #[n(3)]
    pub object: Object,
    /// How far.
    #[n(4)]
    pub phase: Phase,
    /// How it went, in a few words that hold nothing personal: whoever writes the entry sees to that.
    #[n(5)]
    pub result: String,
    /// The number of the entry that told the beginning of this; none in an entry that is not the
    /// end of something.
    #[n(6)]
    pub begun: Option<u64>,
}

fn place(repo: RepoId, inc: &Incarnation, number: u64) -> Place<'_> {
    Place {
        repo,
        kind: Kind::Audit,
        number,
        field: &inc.0,
    }
}

impl Entry {
    /// The record of this as entry `number` of an incarnation whose own data `meta` seals.
    pub fn seal(
        &self,
        repo: RepoId,
        inc: Incarnation,
        number: u64,
        meta: &DomainKey,
    ) -> Result<Vec<u8>, EntryError> {
        let salt: [u8; SALT] = secret::random().map_err(|_| EntryError::NoRandomness)?;
        let frame = seal::plain_frame(&cbor::to_vec(self));
        let len = SALT + frame.len() + seal::TAG;
        if len > MAX {
            return Err(EntryError::TooLong(len));
        }
        let key = meta.field_key(&salt, b"audit");
        let sealed = seal::encrypt(&key, &place(repo, &inc, number), frame);
        Ok([&salt[..], &sealed].concat())
    }

    /// Opens what should be the record of entry `number`.
    pub fn open(
        repo: RepoId,
        inc: Incarnation,
        number: u64,
        record: &[u8],
        meta: &DomainKey,
    ) -> Result<Self, EntryError> {
        let (salt, sealed) = record.split_at_checked(SALT).ok_or(EntryError::Torn)?;
        let key = meta.field_key(salt, b"audit");
        let plain =
            seal::open(&key, &place(repo, &inc, number), sealed).map_err(EntryError::Sealed)?;
        Ok(cbor::from_slice(&plain)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Seed;

    const REPO: RepoId = RepoId([1; 16]);
    const INC: Incarnation = Incarnation([2; 8]);

    fn meta() -> DomainKey {
        DomainKey::new(Seed::from_bytes([3; 32]))
    }

    fn entry() -> Entry {
        Entry {
            time: Timestamp(5),
            who: Who {
                uid: Some(1000),
                name: "ann".into(),
                roles: vec!["dpo".into()],
            },
            action: "customer.erase".into(),
            object: Object {
                domains: vec![Domain::meta(INC)],
                snapshots: vec![SnapshotId {
                    inc: INC,
                    number: 7,
                }],
                stores: vec!["local".into()],
                task: Some("retention".into()),
            },
            phase: Phase::Part,
            result: "pending in one store".into(),
            begun: Some(4),
        }
    }

    #[test]
    fn a_record_opens_in_its_own_place_alone() {
        let (entry, meta) = (entry(), meta());
        let record = entry.seal(REPO, INC, 9, &meta).unwrap();
        let refused = Err(EntryError::Sealed(SealError::NotAuthentic));
        assert_eq!(Entry::open(REPO, INC, 9, &record, &meta), Ok(entry));
        assert_eq!(Entry::open(REPO, INC, 8, &record, &meta), refused);
        assert_eq!(
            Entry::open(REPO, Incarnation([4; 8]), 9, &record, &meta),
            refused
        );
        assert_eq!(
            Entry::open(RepoId([4; 16]), INC, 9, &record, &meta),
            refused
        );
        for at in 0..record.len() {
            let mut flipped = record.clone();
            flipped[at] ^= 1;
            assert_eq!(Entry::open(REPO, INC, 9, &flipped, &meta), refused);
        }
        assert_eq!(
            Entry::open(REPO, INC, 9, &record[..15], &meta),
            Err(EntryError::Torn)
        );
    }

    #[test]
    fn nothing_of_an_entry_can_be_read_without_the_key() {
        let record = entry().seal(REPO, INC, 9, &meta()).unwrap();
        for word in ["ann", "dpo", "erase", "pending", "local"] {
            let found = record.windows(word.len()).any(|w| w == word.as_bytes());
            assert!(!found, "{word}");
        }
        assert_ne!(record, entry().seal(REPO, INC, 9, &meta()).unwrap());
    }

    #[test]
    fn what_holds_something_else_or_too_much_is_refused() {
        let meta = meta();
        let salt = [6; SALT];
        let place = place(REPO, &INC, 1);
        let frame = seal::plain_frame(&[0x80, 0]);
        let sealed = seal::encrypt(&meta.field_key(&salt, b"audit"), &place, frame);
        let record = [&salt[..], &sealed].concat();
        assert_eq!(
            Entry::open(REPO, INC, 1, &record, &meta),
            Err(EntryError::Malformed(Malformed))
        );
        let mut long = entry();
        long.result = "x".repeat(MAX);
        let error = long.seal(REPO, INC, 1, &meta).unwrap_err();
        assert!(matches!(error, EntryError::TooLong(n) if n > MAX));
    }
}
