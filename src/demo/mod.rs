//! The demonstration: a sample CRM, and the whole job done to it in front of one's eyes.

pub mod crm;

mod random;
mod words;
