//! The integration tests: one binary, one module for each thing that is tested from outside.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect, and say so"
)]

mod cli;
mod config;
mod crashes;
mod demo;
mod exact;
mod forgets;
mod golden;
mod keys;
mod layers;
mod status;
mod stores;
mod support;
mod verify;
