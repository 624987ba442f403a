//! What a journal entry means for the catalog.

use super::Recogniser;
use super::identity::open_identity;
use crate::catalog::{Change, Customer, KeyPlace};
use crate::error::Outcome;
use crate::ids::{Domain, Incarnation, KeyedHash, RepoId, SnapshotId};
use crate::journal::{Entry, Event, Order, Recognised};
use crate::keyring::tree::Forest;

/// Brings the catalog up to the journal, entry by entry. Entries about somebody who was erased since
/// say nothing any more.
pub(super) struct Applying<'a> {
    pub(super) repo: RepoId,
    pub(super) inc: Incarnation,
    pub(super) forest: &'a Forest,
    pub(super) recogniser: &'a Recogniser,
}

impl Applying<'_> {
    /// Applies entry `number`.
    pub(super) fn apply(&self, change: &Change<'_>, number: u64, entry: &Entry) -> Outcome<()> {
        match &entry.event {
            Event::Erased {
                domains,
                recognised,
                order,
            } => self.erased(change, number, entry, domains, recognised, order.as_ref()),
            Event::Readmitted {
                who,
                domain,
                identity,
                ..
            } => self.readmitted(change, *who, *domain, identity),
            // Noted here, before the keyring takes the entry in: from then on it is no longer
            // among the recent ones, and later epochs would go to the former recipients.
            Event::Opened { recipients } | Event::Recipients { recipients } => {
                Ok(change.set_note("recipients", &recipients.join(" "))?)
            }
            Event::StoreOpened { name, url } => {
                let place = KeyPlace {
                    url: url.clone(),
                    epoch: 0,
                    seen: entry.time,
                };
                Ok(change.add_key_place(name, &place)?)
            }
            Event::Pruned { snapshots } => snapshots.iter().try_for_each(|&number| {
                let inc = self.inc;
                Ok(change.prune(SnapshotId { inc, number })?)
            }),
            Event::Certified {
                erasure, is_final, ..
            } => Ok(change.set_certified(*erasure, number, *is_final)?),
            Event::Hidden { domain, .. }
            | Event::Unhidden { domain, .. }
            | Event::Held { domain, .. }
            | Event::Released { domain, .. } => match self.forest.is_punctured(*domain) {
                true => Ok(()),
                false => Ok(change.decided(*domain, entry)?),
            },
        }
    }

    fn erased(
        &self,
        change: &Change<'_>,
        number: u64,
        entry: &Entry,
        domains: &[Domain],
        recognised: &[Recognised],
        order: Option<&Order>,
    ) -> Outcome<()> {
        change.erase(number, domains, recognised)?;
        if let Some(order) = order {
            change.add_erasure(number, entry.time, order, recognised.len() as u64)?;
        }
        Ok(())
    }

    fn readmitted(
        &self,
        change: &Change<'_>,
        who: KeyedHash,
        domain: Domain,
        identity: &[u8],
    ) -> Outcome<()> {
        change.readmit(&who, domain.arrival + 1)?;
        // Who was erased once more since then stays unknown.
        let Some(key) = self.forest.key(domain) else {
            return Ok(());
        };
        let key = open_identity(self.repo, domain, &key, identity)?.key;
        let customer = Customer {
            domain,
            who,
            sealed: identity.to_vec(),
        };
        Ok(change.add_customer(&customer, &self.recogniser.key(&key))?)
    }
}
