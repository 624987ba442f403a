//! The journal: what was decided about customers' lives, in an order that nobody can alter.
//!
//! One object per entry, `journal/<incarnation>/<number>`, in the envelope of [`crate::object`].
//!
//! # Body
//!
//! In CDDL (RFC 8610), with optional fields as in [`crate::manifest`], where `time` is described too:
//!
//! ```text
//! entry      = [time, event]
//! event      = [1, [recipients: [* tstr]]]                                       ; opened
//!            / [2, [domains: [* domain], recognised: [* recognised], ? order]]   ; erased
//!            / [3, [who: hash, domain, identity: bstr, reason: bstr]]            ; readmitted
//!            / [4, [recipients: [* tstr]]]                                       ; recipients
//!            / [5, [name: tstr, url: tstr]]                                      ; store opened
//!            / [6, [domain, former: bstr, restricted: bool, reason: bstr]]       ; hidden
//!            / [7, [domain, reason: bstr]]                                       ; unhidden
//!            / [8, [domain, until: time / null, reason: bstr]]                   ; held
//!            / [9, [domain, reason: bstr]]                                       ; released
//!            / [10, [erasure: uint, certificate: tstr, is_final: bool]]          ; certified
//!            / [11, [snapshots: [* uint], ? former: [* snapshot] / null]]        ; pruned
//!            / [12, [recipients: [* tstr], journals: [* position],
//!                    voided: [* [inc: bstr .size 8, from: uint]], unread: [* tstr]]]  ; recovered
//!            / [13, [store: tstr, journals: [* position]]]                       ; read
//!            / [14, [store: tstr]]                                               ; given up
//! snapshot   = [inc: bstr .size 8, number: uint]
//! recognised = [who: hash, domain, ? key: hash]
//! order      = [cause, ground: tstr / null, reasons: [* [domain, bstr]], vacuum: bool]
//! cause      = 0 / 1                                                             ; request / retention
//! hash       = bstr .size 16
//! position   = [inc: bstr .size 8, len: uint, hash: bstr .size 32]               ; also in keyrings, manifests
//! ```
//!
//! `domain` is described in [`crate::ids`]. What the fields mean stands at the types below. A reader that
//! meets an event it does not know must stop: it may be an erasure.
//!
//! # What a journal says
//!
//! A journal begins with [`Event::Opened`], or with [`Event::Recovered`] where others have ended. That one says how
//! far those count and what of them is void, which no other entry can.
//!
//! All erasure entries together, of all incarnations, are the **ledger**. What may be read is the
//! keyring's forest minus the ledger, whatever keyring was found.
//!
//! Keyrings and manifests carry the [`Position`]s up to which the journals had come. A journal that has fewer
//! entries than that, or another one in the last place, may lack erasures: a reader must stop.
//!
//! An erasure entry is the commit point: once it stands in one store, the erasure is finished by
//! whoever comes next, and never undone.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::ids::{Domain, Incarnation, KeyedHash, SnapshotId};

/// The chain's length and last hash in one incarnation: how far somebody had read the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Position {
    /// Whose journal.
    #[n(0)]
    pub inc: Incarnation,
    /// How many entries.
    #[n(1)]
    pub len: u64,
    /// BLAKE3 of the last one; zeros for none.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub hash: [u8; 32],
}

/// One change of lifecycle state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// When, by the host's clock.
    #[n(0)]
    pub time: Timestamp,
    /// What.
    #[n(1)]
    pub event: Event,
}

/// An erased customer who would be known again: the one place where a keyed hash of somebody stands
/// without that one's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recognised {
    /// Keyed BLAKE3 of the customer's identity under the recognising key of the `meta` of the repository's first
    /// incarnation, whoever writes.
    #[n(0)]
    pub who: KeyedHash,
    /// The domain that the customer had, in the class `customer`.
    #[n(1)]
    pub domain: Domain,
    /// The same kind of hash of the customer's key alone: rows that still name the key as their owner
    /// are known by it. Left out in entries of older versions.
    #[n(2)]
    pub key: Option<KeyedHash>,
}

/// Why customers are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Cause {
    /// Somebody asked for it.
    #[n(0)]
    Request,
    /// Their time was over, by the rules of retention.
    #[n(1)]
    Retention,
}

/// An erasure that reaches the live systems.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    /// Why.
    #[n(0)]
    pub cause: Cause,
    /// A code or ticket number without personal data, for the certificate.
    #[n(1)]
    pub ground: Option<String>,
    /// The reason in words, for each customer `salt (16) ‖ frame` under that one's
    /// `field_key(salt, "reason")`: it goes with the customer.
    #[n(2)]
    pub reasons: Vec<Sealed>,
    /// Whether databases are rewritten, so that not even free pages are left.
    #[n(3)]
    pub vacuum: bool,
}

/// A field that is sealed under a customer's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sealed {
    /// Whose key.
    #[n(0)]
    pub domain: Domain,
    /// `salt (16) ‖ frame`.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// The kinds of change.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// An incarnation begins.
    #[n(1)]
    Opened {
        /// Who can recover, as age recipients.
        #[n(0)]
        recipients: Vec<String>,
    },
    /// Domains are erased from everything that the keyring opens.
    #[n(2)]
    Erased {
        /// The punctured domains.
        #[n(0)]
        domains: Vec<Domain>,
        /// The erased customers, to be recognised when they are met again.
        #[n(1)]
        recognised: Vec<Recognised>,
        /// The order to erase in the live systems too; none for the keyring's part alone.
        #[n(2)]
        order: Option<Order>,
    },
    /// A customer who had been erased is let in again, under a new number.
    #[n(3)]
    Readmitted {
        /// As whom the customer had been recognised.
        #[n(0)]
        who: KeyedHash,
        /// The new domain.
        #[n(1)]
        domain: Domain,
        /// The identity, sealed under the new domain's key: `salt (16) ‖ frame`, the frame
        /// encrypted under `field_key(salt, "catalog identity")`.
        #[cbor(n(2), with = "minicbor::bytes")]
        identity: Vec<u8>,
        /// Why, sealed likewise under `field_key(salt, "reason")`.
        #[cbor(n(3), with = "minicbor::bytes")]
        reason: Vec<u8>,
    },
    /// Who can recover has changed.
    #[n(4)]
    Recipients {
        /// All age recipients from here on.
        #[n(0)]
        recipients: Vec<String>,
    },
    /// A store may hold keyrings from here on, and an erasure is not final until it was seen.
    #[n(5)]
    StoreOpened {
        /// The store's name in the configuration.
        #[n(0)]
        name: String,
        /// Its address: the URL, and behind it `?endpoint=` with the server of a bucket that is not Amazon's.
        #[n(1)]
        url: String,
    },
    /// A customer goes out of everyday sight.
    #[n(6)]
    Hidden {
        /// Who.
        #[n(0)]
        domain: Domain,
        /// What stood in the column that hides, as CBOR of a value, sealed under the customer's
        /// `field_key(salt, "hidden")`: `salt (16) ‖ frame`.
        #[cbor(n(1), with = "minicbor::bytes")]
        former: Vec<u8>,
        /// Whether the customer has asked for it (restriction of processing).
        #[n(2)]
        restricted: bool,
        /// Why, sealed under `field_key(salt, "reason")`.
        #[cbor(n(3), with = "minicbor::bytes")]
        reason: Vec<u8>,
    },
    /// A hidden customer is brought back.
    #[n(7)]
    Unhidden {
        /// Who.
        #[n(0)]
        domain: Domain,
        /// Why, sealed likewise.
        #[cbor(n(1), with = "minicbor::bytes")]
        reason: Vec<u8>,
    },
    /// A legal hold: nothing may erase the customer while it stands.
    #[n(8)]
    Held {
        /// Who.
        #[n(0)]
        domain: Domain,
        /// Until when; none: until released.
        #[n(1)]
        until: Option<Timestamp>,
        /// Why, sealed likewise.
        #[cbor(n(2), with = "minicbor::bytes")]
        reason: Vec<u8>,
    },
    /// A hold is lifted.
    #[n(9)]
    Released {
        /// Who.
        #[n(0)]
        domain: Domain,
        /// Why, sealed likewise.
        #[cbor(n(1), with = "minicbor::bytes")]
        reason: Vec<u8>,
    },
    /// What was seen of an erasure: the newest certificate of an entry counts.
    #[n(10)]
    Certified {
        /// The number of the erasure's entry, counted through all journals in the order in which this one's
        /// first entry names the former ones.
        #[n(0)]
        erasure: u64,
        /// The signed certificate, JSON.
        #[n(1)]
        certificate: String,
        /// Whether nothing is pending any more.
        #[n(2)]
        is_final: bool,
    },
    /// Snapshots are given up: their manifests are deleted, and what only those name. A manifest
    /// that is missing below the newest was pruned if an entry names it here, else it was stolen.
    #[n(11)]
    Pruned {
        /// Their numbers in this incarnation. Never the newest, and nothing that one which is
        /// kept builds upon.
        #[n(0)]
        snapshots: Vec<u64>,
        /// Those of former incarnations.
        #[n(1)]
        former: Option<Vec<SnapshotId>>,
    },
    /// An incarnation begins that goes on where others have ended: always the first entry of its journal.
    #[n(12)]
    Recovered {
        /// Who can recover, as age recipients.
        #[n(0)]
        recipients: Vec<String>,
        /// How far the former journals count, the oldest incarnation's first. What was written behind
        /// is taken in by [`Event::Read`] and the entries before that.
        #[n(1)]
        journals: Vec<Position>,
        /// What of them is void.
        #[n(2)]
        voided: Vec<Voided>,
        /// The names of stores that are known and were not read. Until each was, or is given up,
        /// nothing is destroyed.
        #[n(3)]
        unread: Vec<String>,
    },
    /// A store that a recovery had not read was read: what it had behind the former journals stands in
    /// the entries before this one.
    #[n(13)]
    Read {
        /// Which.
        #[n(0)]
        store: String,
        /// How far its former journals were taken in.
        #[n(1)]
        journals: Vec<Position>,
    },
    /// A store that could not be read is given up: nothing waits for it any more.
    #[n(14)]
    GivenUp {
        /// Which.
        #[n(0)]
        store: String,
    },
}

impl Event {
    /// What it is, in words that name nobody.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "the repository was made",
            Self::Erased { .. } => "an erasure",
            Self::Readmitted { .. } => "somebody was let in again",
            Self::Recipients { .. } => "other recovery recipients",
            Self::StoreOpened { .. } => "a store was added",
            Self::Hidden { .. } => "somebody was hidden",
            Self::Unhidden { .. } => "somebody was brought back",
            Self::Held { .. } => "a legal hold",
            Self::Released { .. } => "a hold was lifted",
            Self::Certified { .. } => "the certificate of an erasure",
            Self::Pruned { .. } => "snapshots were pruned",
            Self::Recovered { .. } => "a recovery",
            Self::Read { .. } => "a store was read after a recovery",
            Self::GivenUp { .. } => "a store was given up",
        }
    }
}

/// Entries of a former journal that a recovery has declared void: forged in a break-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Voided {
    /// Whose journal.
    #[n(0)]
    pub inc: Incarnation,
    /// The number of the first that is void: so are all behind it.
    #[n(1)]
    pub from: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;

    #[test]
    fn entries_come_back_and_unknown_ones_stop_the_reader() {
        let domain = Domain::meta(Incarnation([3; 8]));
        let who = KeyedHash([4; 16]);
        let events = [
            Event::Opened {
                recipients: vec!["age1x".into()],
            },
            Event::Erased {
                domains: vec![domain],
                recognised: vec![Recognised {
                    who,
                    domain,
                    key: None,
                }],
                order: None,
            },
            Event::Erased {
                domains: vec![domain],
                recognised: vec![Recognised {
                    who,
                    domain,
                    key: Some(who),
                }],
                order: Some(Order {
                    cause: Cause::Retention,
                    ground: Some("T-1".into()),
                    reasons: vec![Sealed {
                        domain,
                        bytes: vec![1],
                    }],
                    vacuum: false,
                }),
            },
            Event::Hidden {
                domain,
                former: vec![1],
                restricted: true,
                reason: vec![2],
            },
            Event::Unhidden {
                domain,
                reason: vec![1],
            },
            Event::Held {
                domain,
                until: Some(Timestamp(7)),
                reason: vec![1],
            },
            Event::Released {
                domain,
                reason: vec![],
            },
            Event::Certified {
                erasure: 4,
                certificate: "{}".into(),
                is_final: false,
            },
            Event::Readmitted {
                who,
                domain,
                identity: vec![3],
                reason: vec![1, 2],
            },
            Event::Recipients { recipients: vec![] },
            Event::StoreOpened {
                name: "a".into(),
                url: "file:///a".into(),
            },
            Event::Pruned {
                snapshots: vec![1, 2, 5],
                former: None,
            },
            Event::Pruned {
                snapshots: vec![],
                former: Some(vec![SnapshotId {
                    inc: domain.inc,
                    number: 3,
                }]),
            },
            Event::Recovered {
                recipients: vec!["age1x".into()],
                journals: vec![Position {
                    inc: domain.inc,
                    len: 2,
                    hash: [6; 32],
                }],
                voided: vec![Voided {
                    inc: domain.inc,
                    from: 2,
                }],
                unread: vec!["far".into()],
            },
            Event::Read {
                store: "far".into(),
                journals: vec![],
            },
            Event::GivenUp {
                store: "far".into(),
            },
        ];
        for event in events {
            let entry = Entry {
                time: Timestamp(5),
                event,
            };
            assert_eq!(cbor::from_slice(&cbor::to_vec(&entry)), Ok(entry));
        }
        // The order is a later field: an entry that has none is written as it always was.
        let forgotten = Event::Erased {
            domains: vec![],
            recognised: vec![],
            order: None,
        };
        assert_eq!(cbor::to_vec(&forgotten), [0x82, 2, 0x82, 0x80, 0x80]);
        let mut later = Vec::new();
        cbor::append(&mut later, |w| {
            w.array(2)?.i64(5)?.array(2)?.u8(99)?.array(0)?.ok()
        });
        assert!(cbor::from_slice::<Entry>(&later).is_err());
    }
}
