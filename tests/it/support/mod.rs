//! What several tests need. None of it shares code with the crate that is tested, but for [`world`],
//! which drives it through its public functions.

#![allow(
    dead_code,
    reason = "each helper is whole, whatever today's tests use of it"
)]

pub mod canary;
pub mod compare;
pub mod crash;
pub mod disk;
pub mod faults;
pub mod history;
pub mod measure;
pub mod place;
pub mod programs;
pub mod proxy;
pub mod raw;
pub mod s3;
pub mod world;
