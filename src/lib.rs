//! Tenure keeps customer data for exactly as long as it may be kept.

pub mod cbor;
pub mod certificate;
pub mod clock;
pub mod fsx;
pub mod ids;
pub mod journal;
pub mod manifest;
pub mod object;
pub mod pack;
pub mod page;
pub mod piece;
pub mod report;
pub mod schema;
pub mod seal;
pub mod secret;
pub mod sign;
pub mod source;
pub mod value;
