//! Brings stores that are behind up to date: what a kept snapshot names and a store lacks is copied
//! there, byte for byte, from a store that has it.
//!
//! Nothing is opened or sealed anew for it. What nobody names any more is not copied, so that what was
//! pruned while a store was away does not come back, and goes from there as well.

use crate::backup::{self, Copied};
use crate::error::{Failure, Outcome};
use crate::ids::StoreName;
use crate::repo::Repository;
use crate::report::Report;

/// How a store came out of it.
#[derive(Debug)]
pub struct Replicated {
    /// Which.
    pub store: StoreName,
    /// What was copied to it.
    pub copied: Copied,
    /// Why it is still behind, if it is.
    pub behind: Option<Failure>,
}

/// Brings all configured stores up to date, as far as they can be reached. They are told in the order
/// of the configuration.
///
/// # Errors
/// When no store can be used at all. One that stays behind is no error; it says why.
pub fn run(repository: &mut Repository, report: &dyn Report) -> Outcome<Vec<Replicated>> {
    if repository.stores.is_empty() {
        let failure = Failure::new("no store can be used");
        return Err(match repository.absent.values().next() {
            Some(why) => failure.because(why.again()),
            None => failure,
        });
    }
    backup::resume(repository)?;
    let swept = backup::sweep(repository)?;
    let mut level = backup::level(repository, report)?;
    for swept in swept {
        if let Some(failure) = swept.failure
            && !level.behind.iter().any(|(name, _)| *name == swept.store)
        {
            level.behind.push((swept.store, failure));
        }
    }
    let stores = repository.config.stores.iter().map(|store| {
        let behind = level.behind.iter().find(|(name, _)| *name == store.name);
        Replicated {
            store: store.name.clone(),
            copied: level.copied.get(&store.name).copied().unwrap_or_default(),
            behind: behind.map(|(_, failure)| failure.again()),
        }
    });
    Ok(stores.collect())
}
