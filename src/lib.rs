//! Tenure keeps customer data for exactly as long as it may be kept.
//!
//! The customer is the unit of everything: of storage, of encryption, of restore and of erasure.
//!
//! ```text
//! source ─▶ piece ─▶ seal (zstd, AES-256-GCM) ─▶ pack ─▶ store(s)       restore is the same way back
//!                         ▲                        │
//!                      keyring ──(age)──▶ stores   └─▶ catalog
//!                         ▲
//!                      journal: what was decided about customers' lives
//! ```
//!
//! # Words
//!
//! A **source** is a database that is protected; its **register** is the table whose rows are the
//! **customers**; **ownership** says which rows are whose. A **domain** is what is erased as one and
//! has a key of its own: a (customer, **class**) pair, a shared table, a table's orphans, an unsettled
//! table. A **piece** is a run of one domain's rows; a **blob** is a piece, compressed and encrypted;
//! a **pack** is an object of many blobs; a **page** lists what a **snapshot** (full or incremental)
//! has of each domain, and its **manifest** names pages and packs. The **keyring** is the only secret
//! that decides what can be read: a forest of key trees, one per **incarnation** of the writer, that
//! can lose single leaves. The **journal** records every decision; its erasures are the **ledger**.
//! The **catalog** is a local index that any store can rebuild.
//!
//! # Invariants
//!
//! **Invariant:** nothing about a customer leaves a source except under that customer's key, so
//! destroying one key erases one customer from every copy at once.
//! **Invariant:** nothing is shared across domains: no deduplication, no compression window; and a dictionary's content is
//! but what at least 50 customers share.
//! **Invariant:** durable before named: packs, then pages, then the manifest.
//! **Invariant:** removal rolls forward: the journal's entry commits, every later step can be repeated.
//! **Invariant:** a restore reads the journal first and last, and opens nothing that it has erased.
//! **Invariant:** what cannot be encrypted is not written; what was not read back is not claimed.
//!
//! Modules stand here in layers; a `use crate::` points down or stays in its own folder, which a test
//! watches.

// drivers: decide when and for whom; hold no backup logic
pub mod actions;
pub mod admin;
pub mod cli;
pub mod daemon;
pub mod demo;
pub mod schedule;

// flows: verbs, the only place where edges meet
pub mod audit;
pub mod backup;
pub mod check;
pub mod customers;
pub mod forget;
pub mod init;
pub mod inspect;
pub mod install;
pub mod keys;
pub mod lifecycle;
pub mod prune;
pub mod recover;
pub mod register;
pub mod replicate;
pub mod repo;
pub mod restore;
pub mod selftest;
pub mod setup;
pub mod status;
pub mod track;
pub mod verify;

// edges: each speaks to one outside thing, never to another edge
pub mod catalog;
pub mod config;
pub mod keyring;
pub mod source;
pub mod spill;
pub mod store;

// formats: bytes in, bytes out; no clock, no network, no async
pub mod audit_entry;
pub mod cbor;
pub mod certificate;
pub mod journal;
pub mod manifest;
pub mod merkle;
pub mod note;
pub mod object;
pub mod pack;
pub mod page;
pub mod piece;
pub mod seal;
pub mod sign;
pub mod unnamed;

// vocabulary: imports nothing of ours
pub mod clock;
pub mod error;
pub mod fsx;
pub mod ids;
pub mod report;
pub mod rules;
pub mod schema;
pub mod secret;
pub mod value;
