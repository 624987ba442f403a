//! What the evidence says: who was erased, which stores there are, what is void.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Evidence;
use super::{Wanted, config_in};
use crate::config::{self, Config};
use crate::ids::{Domain, Incarnation, SnapshotId};
use crate::journal::{Entry, Event, Voided};

impl Evidence {
    /// Drops what nothing counts of any more: snapshots that were pruned. Notes which of the others are lost:
    /// an incarnation's snapshots are numbered without a gap.
    pub(super) fn drop_pruned(&mut self, voided: &[Voided]) {
        let mut pruned = BTreeSet::new();
        for (inc, entry) in self.entries_that_count(voided) {
            if let Event::Pruned { snapshots, former } = &entry.event {
                let own = snapshots.iter().map(|&number| SnapshotId { inc, number });
                pruned.extend(own.chain(former.iter().flatten().copied()));
            }
        }
        for (writer, _) in &self.writers {
            let (inc, ordinal) = (writer.inc, writer.ordinal);
            let has = |id: &SnapshotId| self.snapshots.contains_key(&(ordinal, *id));
            let known = self.snapshots.keys().map(|(_, id)| id).chain(&pruned);
            let known = known.chain(&self.damaged).filter(|id| id.inc == inc);
            let newest = known.map(|id| id.number).max().unwrap_or(0);
            let numbers = (1..=newest).map(|number| SnapshotId { inc, number });
            for id in numbers.filter(|id| !has(id) && !pruned.contains(id)) {
                let how = match self.damaged.contains(&id) {
                    true => "has its manifest whole",
                    false => "has its manifest",
                };
                let what = format!("snapshot {}: no store that was read {how}", id.number);
                self.lost.push(what);
            }
        }
        self.snapshots.retain(|(_, id), _| !pruned.contains(id));
    }

    /// The entries of all journals but those that are void, with their incarnation.
    pub(super) fn entries_that_count(
        &self,
        voided: &[Voided],
    ) -> impl Iterator<Item = (Incarnation, &Entry)> {
        self.journals.iter().flat_map(move |journal| {
            let inc = journal.position.inc;
            let from = voided
                .iter()
                .filter(|void| void.inc == inc)
                .map(|void| void.from);
            let count = from.min().map_or(usize::MAX, |from| from as usize - 1);
            let entries = journal.entries.iter().take(count);
            entries.map(move |(_, entry)| (inc, entry))
        })
    }

    /// What the recoveries before this one have declared void.
    pub(super) fn voided_before(&self) -> Vec<Voided> {
        let firsts = self
            .journals
            .iter()
            .filter_map(|journal| journal.entries.first());
        let voided = firsts.filter_map(|(_, entry)| match &entry.event {
            Event::Recovered { voided, .. } => Some(voided.clone()),
            _ => None,
        });
        voided.flatten().collect()
    }

    /// Every domain that was erased.
    pub(super) fn ledger(&self, voided: &[Voided]) -> Vec<Domain> {
        let entries = self.entries_that_count(voided);
        let erased = entries.filter_map(|(_, entry)| match &entry.event {
            Event::Erased { domains, .. } => Some(domains),
            _ => None,
        });
        erased.flatten().copied().collect()
    }

    /// The entries that become void with this, with their numbers.
    pub(super) fn becoming_void(&self, before: &[Voided], void: Voided) -> Vec<(u64, &Entry)> {
        let of = self
            .journals
            .iter()
            .find(|journal| journal.position.inc == void.inc);
        let entries = of.map_or(&[][..], |journal| &journal.entries);
        let already = before.iter().filter(|other| other.inc == void.inc);
        let end = already.map(|other| other.from).min().unwrap_or(u64::MAX);
        let numbered = (1..).zip(entries.iter().map(|(_, entry)| entry));
        let becoming = numbered.skip_while(|(number, _)| *number < void.from);
        becoming.take_while(|(number, _)| *number < end).collect()
    }

    /// The journals' lengths, in their order.
    pub(super) fn lengths(&self) -> Vec<(Incarnation, u64)> {
        let positions = self.journals.iter().map(|journal| journal.position);
        positions
            .map(|position| (position.inc, position.len))
            .collect()
    }

    /// How the newest snapshot's configuration says that the store at an address is opened.
    pub(super) fn configured_at(&self, address: &str, wanted: &Wanted) -> Option<config::Store> {
        let newest = self.snapshots.values().next_back()?;
        // Files that it names lie beside it, where it is to be.
        let path = config_in(&wanted.to);
        let config = Config::parse(&path, &newest.manifest.config).ok()?;
        let mut stores = config.stores.into_iter();
        stores.find(|store| store.address() == address)
    }

    /// What was erased by entries that are void, and stays so: no keyring has it any more.
    pub(super) fn beyond_recall(&self, voided: &[Voided]) -> Vec<String> {
        let all = self.ledger(&[]);
        let counts: BTreeSet<_> = self.ledger(voided).into_iter().collect();
        let lost = all.iter().filter(|domain| !counts.contains(domain));
        let lost = lost
            .filter(|domain| self.forest.is_punctured(**domain))
            .count();
        match lost {
            0 => Vec::new(),
            _ => vec![format!(
                "{lost} domains were erased by entries that are void, and stay erased: no older keyring was found"
            )],
        }
    }

    /// Who can recover, as the newest entry says that says so.
    pub(super) fn recipients(&self, voided: &[Voided]) -> Vec<String> {
        let mut newest = Vec::new();
        for (_, entry) in self.entries_that_count(voided) {
            if let Event::Opened { recipients }
            | Event::Recipients { recipients }
            | Event::Recovered { recipients, .. } = &entry.event
            {
                newest.clone_from(recipients);
            }
        }
        newest
    }

    /// Every place that ever was a store, by name, with its address.
    pub(super) fn places(&self) -> BTreeMap<String, String> {
        let mut places = BTreeMap::new();
        for (_, entry) in self.entries_that_count(&[]) {
            if let Event::StoreOpened { name, url } = &entry.event {
                places.insert(name.clone(), url.clone());
            }
        }
        places
    }

    /// The stores that somebody has given up, by name.
    pub(super) fn given_up(&self, voided: &[Voided]) -> BTreeSet<&str> {
        let entries = self.entries_that_count(voided);
        let names = entries.filter_map(|(_, entry)| match &entry.event {
            Event::GivenUp { store } => Some(store.as_str()),
            _ => None,
        });
        names.collect()
    }

    /// The stores that are known, by name, with their addresses.
    pub(super) fn known_stores(&self, voided: &[Voided]) -> BTreeMap<String, String> {
        let mut known = BTreeMap::new();
        for (_, entry) in self.entries_that_count(voided) {
            match &entry.event {
                Event::StoreOpened { name, url } => drop(known.insert(name.clone(), url.clone())),
                Event::GivenUp { store } => drop(known.remove(store)),
                _ => {}
            }
        }
        known
    }
}
