//! Objects that `verify` found damaged count as not there until they are whole again.

use std::collections::BTreeSet;

use crate::error::Outcome;
use crate::ids::StoreName;
use crate::repo::Repository;
use crate::repo::listing::Listing;
use crate::repo::objects::is_whole;
use crate::store::Store;

/// The length under which a damaged object is listed: no object has it, so this one is replaced from
/// another store like one that was torn.
const DAMAGED: u64 = u64::MAX;

/// What is known to be damaged, as it is looked at again.
pub struct Damaged(Vec<(StoreName, String)>);

impl Damaged {
    /// Reads what is noted as damaged once more, and lists it as damaged if it still is.
    pub fn look_again(repository: &Repository, listed: &mut [(Store, Listing)]) -> Outcome<Self> {
        let noted = repository.catalog.damaged()?;
        let mut damaged = Vec::new();
        for (store, listing) in listed {
            let paths = noted.get(store.name()).map(BTreeSet::iter);
            for path in paths.into_iter().flatten() {
                damaged.push((store.name().clone(), path.clone()));
                if let Some(size) = listing.get_mut(path)
                    && !is_whole(store, path)
                {
                    *size = DAMAGED;
                }
            }
        }
        Ok(Self(damaged))
    }

    /// Those that are whole by now, or gone.
    pub fn mended<'d>(
        &'d self,
        listed: &'d [(Store, Listing)],
    ) -> impl Iterator<Item = &'d (StoreName, String)> {
        self.0.iter().filter(|(name, path)| {
            let listing = listed.iter().find(|(store, _)| store.name() == name);
            listing.is_some_and(|(_, listing)| listing.get(path) != Some(&DAMAGED))
        })
    }
}
