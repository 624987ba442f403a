//! The only secret that decides what can be read, and that can lose single domains.
//!
//! [`tree`] derives and punctures; [`file`] is the keyring as bytes; [`recovery`] the age keys that
//! are kept offline; [`host`] the host's own copy, in two halves.

pub mod file;
pub mod host;
pub mod recovery;
pub mod tree;

pub use file::{Keyring, KeyringError};
pub use host::{HostKeyring, HostKeyringError};
