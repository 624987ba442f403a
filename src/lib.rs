//! Tenure keeps customer data for exactly as long as it may be kept.

// drivers: decide when and for whom; hold no backup logic
pub mod cli;
pub mod demo;

// flows: verbs, the only place where edges meet
pub mod backup;
pub mod check;
pub mod customers;
pub mod forget;
pub mod init;
pub mod inspect;
pub mod repo;
pub mod restore;
pub mod setup;
pub mod verify;

// edges: each speaks to one outside thing, never to another edge
pub mod catalog;
pub mod config;
pub mod keyring;
pub mod source;
pub mod spill;
pub mod store;

// formats: bytes in, bytes out; no clock, no network, no async
pub mod cbor;
pub mod certificate;
pub mod journal;
pub mod manifest;
pub mod object;
pub mod pack;
pub mod page;
pub mod piece;
pub mod seal;
pub mod sign;

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
