//! Tenure keeps customer data for exactly as long as it may be kept.

pub mod demo;
pub mod ids;
pub mod report;
pub mod schema;
pub mod source;
pub mod value;
