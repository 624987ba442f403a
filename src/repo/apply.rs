//! What a journal entry means for the catalog.

use super::identity::open_identity;
use super::read_in::{TAKEN, taken_words};
use super::{Placed, Recogniser};
use crate::catalog::{Change, Customer, KeyPlace};
use crate::error::Outcome;
use crate::ids::{Class, Domain, Incarnation, KeyedHash, RepoId, SnapshotId};
use crate::journal::{Entry, Event, Order, Recognised};
use crate::keyring::tree::Forest;

/// The catalog's note of the stores that were not read since the recovery, by name.
pub(super) const UNREAD: &str = "unread";

/// Brings the catalog up to the journal, entry by entry. Entries about somebody who was erased since
/// say nothing any more.
pub(super) struct Applying<'a> {
    pub(super) repo: RepoId,
    /// The incarnation that writes here.
    pub(super) inc: Incarnation,
    pub(super) forest: &'a Forest,
    pub(super) recogniser: &'a Recogniser,
}

impl Applying<'_> {
    /// Applies an entry.
    pub(super) fn apply(&self, change: &Change<'_>, placed: &Placed) -> Outcome<()> {
        let Placed { inc, number, entry } = placed;
        let number = *number;
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
            Event::Pruned { snapshots, former } => {
                let own = snapshots
                    .iter()
                    .map(|&number| SnapshotId { inc: *inc, number });
                let former = former.iter().flatten().copied();
                own.chain(former).try_for_each(|id| Ok(change.prune(id)?))
            }
            Event::Recovered {
                recipients,
                journals,
                unread,
                ..
            } => {
                let incs = journals.iter().map(|position| position.inc);
                change.set_incarnations(&incs.chain([*inc]).collect::<Vec<_>>())?;
                change.set_note("recipients", &recipients.join(" "))?;
                Ok(change.set_note(UNREAD, &unread.join(" "))?)
            }
            Event::Read { store, journals } => {
                if *inc == self.inc {
                    change.set_note(TAKEN, &taken_words(journals))?;
                }
                Ok(change.take_from_note(UNREAD, store)?)
            }
            Event::GivenUp { store } => Ok(change.take_from_note(UNREAD, store)?),
            Event::Certified {
                erasure, is_final, ..
            } => Ok(change.set_certified(*erasure, number, *is_final)?),
            Event::Hidden { domain, .. }
            | Event::Unhidden { domain, .. }
            | Event::Held { domain, .. }
            | Event::Released { domain, .. } => match self.forest.is_punctured(*domain) {
                true => Ok(()),
                false => Ok(change.decided(change.first_of(*domain)?, entry)?),
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
        // Numbers of tables' own domains are this incarnation's.
        let here = |domain: &&Domain| domain.class != Class::OWN || domain.inc == self.inc;
        let here: Vec<_> = domains.iter().filter(here).copied().collect();
        change.erase(number, &here, recognised)?;
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
        let next = match domain.inc == self.inc {
            true => domain.arrival + 1,
            false => 0,
        };
        change.readmit(&who, next)?;
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
