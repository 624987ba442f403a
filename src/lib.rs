//! Tenure keeps customer data for exactly as long as it may be kept.

pub mod ids;
pub mod keyring;
pub mod report;
pub mod schema;
pub mod secret;
pub mod source;
pub mod value;
