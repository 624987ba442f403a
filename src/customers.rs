//! Who the customers are: those whom the register holds, those whom snapshots hold, and the erased;
//! and how each one's life stands.

mod list;
mod show;
mod standing;

pub use crate::register::find;
pub use list::{Filter, Hidden, Listed, list};
pub use show::{Shown, ShownSource, ShownTable, show};
pub use standing::{Flag, State};
