//! A manifest: what makes a snapshot exist, and all that is needed to read it.
//!
//! One object per snapshot, `snapshots/<incarnation>/<number>`, in the envelope of
//! [`crate::object`].
//!
//! # Body
//!
//! Nested arrays, here in CDDL (RFC 8610). An optional field that is missing is null, or left out at the
//! end of its array, and readers pass over items behind those that they know. What the fields mean stands at
//! the types below.
//!
//! ```text
//! manifest = [kind, base: uint, started: time, finished: time, pages: [* page], packs: [* object],
//!             sources: [* source], classes: [* tstr], totals, journal: [* position],
//!             next_customer: uint, next_own: uint, config: tstr]
//! kind     = 0 / 1                      ; full / incremental
//! time     = int                        ; milliseconds since 1970 in UTC
//! object   = [name: bstr .size 32, size: uint]
//! page     = [object, tail: uint, first: domain, last: domain, entries: uint]
//! source   = [number: uint, name: tstr, file_name: tstr, schema, tables: [* table]]
//! table    = [number: uint, whole: domain / null, orphans: domain / null, rows: uint]
//! totals   = [customers: uint, rows: uint, plain_bytes: uint, changed: uint, removed: uint,
//!             read_bytes: uint, stored_bytes: uint]
//! ```
//!
//! A source's `name` has only letters from a to z, digits, `_` and `-`; its `file_name` is one name, and no path: a reader that
//! meets another must stop, since a restore makes files of these names.
//!
//! `domain` is described in [`crate::ids`], `position` in [`crate::journal`], `schema` in [`crate::schema`].
//!
//! # Reading
//!
//! A **full** snapshot's pages hold every domain. An **incremental**'s hold the domains that have
//! changed since the snapshot before it, and those that are gone. A snapshot is read by taking its
//! full and all incrementals from there on, newest first: for each (domain, source) the first entry
//! met counts. The chain of `number` is every number from `base` to it, in its own incarnation. What rows
//! mean is told by the sources of the newest manifest alone; a source that could not be read stands in it as
//! it stood in the one before.
//!
//! Numbers have gaps where snapshots were pruned: the journal names each of those
//! ([`crate::journal::Event::Pruned`]), and the newest is never among them. The chain of hashes goes on
//! across a gap: the next manifest carries the hash of the one that is gone.
//!
//! A store holds a snapshot *complete* when its manifest, every page and every pack that the
//! manifests of its chain name are listed there with the sizes named.

use std::path::{Component, Path};

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::ids::{Domain, ObjectName, SourceName};
use crate::journal::Position;
use crate::schema::Schema;

/// Whether a snapshot stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum SnapshotKind {
    /// Its pages hold every domain.
    #[n(0)]
    Full,
    /// Its pages hold what has changed since the one before.
    #[n(1)]
    Incremental,
}

impl std::fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        })
    }
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
    /// Full or incremental.
    #[n(0)]
    pub kind: SnapshotKind,
    /// The number of the full one that it builds upon; its own if it is full.
    #[n(1)]
    pub base: u64,
    /// When the sources began to be read.
    #[n(2)]
    pub started: Timestamp,
    /// When the manifest was written.
    #[n(3)]
    pub finished: Timestamp,
    /// Its pages, in the order of their domains.
    #[n(4)]
    pub pages: Vec<PageRef>,
    /// Every pack that its pages refer to.
    #[n(5)]
    pub packs: Vec<ObjectRef>,
    /// The sources as they were.
    #[n(6)]
    pub sources: Vec<SourceState>,
    /// The classes by number, from 1.
    #[n(7)]
    pub classes: Vec<String>,
    /// What is in it, chain included.
    #[n(8)]
    pub totals: Totals,
    /// How far the journal had come, per incarnation.
    #[n(9)]
    pub journal: Vec<Position>,
    /// The next free arrival of a customer in this incarnation.
    #[n(10)]
    pub next_customer: u32,
    /// The next free arrival among Tenure's own domains in this incarnation.
    #[n(11)]
    pub next_own: u32,
    /// The configuration file, as it was.
    #[n(12)]
    pub config: String,
}

/// An object in a store, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ObjectRef {
    /// BLAKE3 of its bytes.
    #[n(0)]
    pub name: ObjectName,
    /// How many bytes.
    #[n(1)]
    pub size: u64,
}

/// A page, and which domains it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PageRef {
    /// The object.
    #[n(0)]
    pub object: ObjectRef,
    /// The length in bytes of its index with trailer, at its end.
    #[n(1)]
    pub tail: u32,
    /// The first domain in it.
    #[n(2)]
    pub first: Domain,
    /// The last domain in it.
    #[n(3)]
    pub last: Domain,
    /// How many entries.
    #[n(4)]
    pub entries: u64,
}

/// A source as it was when the snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SourceState {
    /// Its number in pages, for life.
    #[n(0)]
    pub number: u32,
    /// Its name in the configuration.
    #[n(1)]
    pub name: String,
    /// The file's own name, which a restored copy gets.
    #[n(2)]
    pub file_name: String,
    /// What the database is made of.
    #[n(3)]
    pub schema: Schema,
    /// For each of the schema's tables: its number in rows, for life, and its own domains.
    #[n(4)]
    pub tables: Vec<TableState>,
}

impl Manifest {
    /// What makes it none of snapshot `number`, or unfit to be restored from, whoever has signed it.
    pub fn fault(&self, number: u64) -> Option<&'static str> {
        let builds_on_one_before = match self.kind {
            SnapshotKind::Full => self.base == number,
            SnapshotKind::Incremental => (1..number).contains(&self.base),
        };
        if !builds_on_one_before {
            return Some("its base is not a snapshot before it");
        }
        // A restore makes files that are called so.
        let named = |source: &SourceState| {
            source.name.parse::<SourceName>().is_ok() && is_file_name(&source.file_name)
        };
        (!self.sources.iter().all(named)).then_some("a source in it is called by a path")
    }
}

fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) => part == name,
        _ => false,
    }
}

/// What a table is called in rows, and which domains are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TableState {
    /// The table's number in the rows of this source.
    #[n(0)]
    pub number: u32,
    /// The domain of the table as a whole, where it is shared, ambiguous or unsettled.
    #[n(1)]
    pub whole: Option<Domain>,
    /// The domain of its orphans.
    #[n(2)]
    pub orphans: Option<Domain>,
    /// How many rows.
    #[n(3)]
    pub rows: u64,
}

/// Counts, for lists and for the shrink guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Totals {
    /// Customers in the snapshot.
    #[n(0)]
    pub customers: u64,
    /// Rows in the snapshot.
    #[n(1)]
    pub rows: u64,
    /// Plain bytes of all its pieces.
    #[n(2)]
    pub plain_bytes: u64,
    /// Customers whose pieces differ from the snapshot before.
    #[n(3)]
    pub changed: u64,
    /// Customers that the snapshot before had, and this one has not.
    #[n(4)]
    pub removed: u64,
    /// Bytes of the sources read for it.
    #[n(5)]
    pub read_bytes: u64,
    /// Bytes of packs, pages and manifest written for it, to each store.
    #[n(6)]
    pub stored_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_no_path() {
        for name in ["crm.db", "Kunden 2026.sqlite", "...", "\u{fffd}", "a\\b"] {
            assert!(is_file_name(name), "{name}");
        }
        for path in ["", ".", "..", "/", "/etc/x", "a/b", "a/", "../x", "./x"] {
            assert!(!is_file_name(path), "{path}");
        }
    }
}
