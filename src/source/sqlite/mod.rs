//! SQLite databases as sources.
//!
//! [`Database`] reads one in a single read transaction (`connect`), for long readings of a database whose
//! writers would have to wait from a copy (`apart`): what it is made of (`schema`, `shape`),
//! whose its rows are (`plan`, in SQL that `edges` writes), and the rows (`read`). [`Builder`] makes
//! a database again that is equal to the one that was read: schema text, storage classes, values, rowids,
//! counters and pragmas; full-text indexes are built anew (`virtuals`, `full_text`). Where a row referred to somebody who has been forgotten, it puts NULL, or a
//! neutral row that stands for the one who is gone (`placing`, `tombstone`,
//! `neutral`, `shaped`, `keyspace`).
//!
//! [`Live`] alone writes into a source: it flags, erases and puts back single customers, in one
//! transaction each that checks itself (`live`); and triggers of ours note there what changes (`track`).
//!
//! **Invariant:** whoever reads a source does not write it: the connection is read-only, and leaving it
//! does not checkpoint; a transaction that a dead writer began is rolled back in a copy alone.
//! **Invariant:** no database file is opened but by SQLite, whose locks on it would be lost.
//! **Invariant:** nothing spills to SQLite's temporary files: sorting happens in memory.

mod advice;
mod apart;
mod astray;
mod beside;
mod build;
mod collations;
mod connect;
mod damage;
mod edges;
mod error;
mod fill;
mod foreign;
mod full_text;
mod functions;
mod insert;
mod keyform;
mod keyspace;
mod late;
mod live;
mod long;
mod looks;
mod misfit;
mod neutral;
mod order;
mod personal;
mod placing;
mod plan;
mod query;
mod read;
mod register;
mod schema;
mod shape;
mod shaped;
mod short;
mod slots;
mod sql;
mod statistics;
#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "what a test copies is thrown away"
)]
mod tests;
mod tombstone;
mod track;
mod tree;
mod unfinished;
mod uniques;
mod virtuals;
mod wide;

pub use advice::{Look, PointedAt, since};
pub use build::{Builder, Built};
pub use error::SqliteError;
pub use functions::{AskKnown, Known};
pub use keyform::KeyForm;
pub use live::{
    Erased, Erasing, Level, Live, Nulled, PutBack, Remnant, SavedRow, has_table, roll_back,
};
pub use plan::Trouble;
pub use read::Database;
pub use track::{Noted, Part, Touched, Tracker, begin, done};
