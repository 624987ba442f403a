//! The integration tests: one binary, one module for each thing that is tested from outside.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect, and say so; what it copies is thrown away"
)]

mod admin;
mod ahead;
mod catalog;
mod cli;
mod cloud;
mod config;
mod crashes;
mod daemon;
mod damage;
mod demo;
mod dictionaries;
mod exact;
mod forgets;
mod golden;
mod heavy;
mod journal;
mod keys;
mod layers;
mod lifecycle;
mod live;
mod living;
mod prune;
mod random;
mod reader;
mod recover;
mod schedule;
mod settle;
mod status;
mod stores;
mod support;
mod systemd;
mod threats;
mod tracking;
mod verify;
