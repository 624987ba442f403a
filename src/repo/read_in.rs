//! Stores that a recovery had not read, and what they know that this host does not.

use super::Repository;
use super::apply::UNREAD;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::StoreName;

impl Repository {
    /// The stores that are known and were not read since the recovery, and not given up either.
    pub fn unread(&self) -> Outcome<Vec<StoreName>> {
        let noted = self.catalog.note(UNREAD)?.unwrap_or_default();
        let names = noted.split_whitespace();
        names.map(|name| Ok(name.parse()?)).collect()
    }

    /// That nothing may be known to a store alone that nobody has read: a hold, an erasure, a snapshot.
    ///
    /// # Errors
    /// `Refused`, with the stores' names.
    pub fn check_all_read(&self) -> Outcome<()> {
        let unread = self.unread()?;
        let Some(first) = unread.first() else {
            return Ok(());
        };
        let names: Vec<_> = unread.iter().map(StoreName::as_str).collect();
        let what = format!(
            "nothing is destroyed while a store that was not read since the recovery may know of a hold: {}",
            names.join(", ")
        );
        Err(Failure::of(FailureKind::Refused, what).hint(format!(
            "bring it back, and any command that changes something reads it; or, if it is lost for good, run \
             `tenure recover` again with --give-up {first}"
        )))
    }
}
