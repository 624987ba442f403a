//! The only secret that decides what can be read, and that can lose single domains.

pub mod tree;
