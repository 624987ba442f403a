//! What stores know of former incarnations that this one does not: a store that was away when this host
//! recovered, or to which the old host has gone on writing.
//!
//! Decisions are stated again, as entries of our own: an erasure stays an erasure, and a hold binds. Snapshots
//! are entered. Whoever was erased here and stands in them under a number that nobody here knew is erased
//! under that number too. That all of it was taken in is an entry of its own; until then it is repeated.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::apply::UNREAD;
use super::view::read_manifest;
use super::{Former, Repository};
use crate::catalog::{CatalogError, Change};
use crate::clock::Timestamp;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Class, Domain, Incarnation, SnapshotId, StoreName, hex, unhex};
use crate::journal::{Entry, Event, Position};
use crate::object::{self, Chain};
use crate::store::Store;

/// The catalog's note of domains that have to be erased because whoever has them was.
const REVENANTS: &str = "revenants";

/// The catalog's note of how far former journals were taken in.
pub(super) const TAKEN: &str = "taken_in";

/// Positions as [`TAKEN`] has them.
pub(super) fn taken_words(journals: &[Position]) -> String {
    let words = journals.iter();
    let words = words.map(|it| format!("{}/{}/{}", it.inc, it.len, hex(&it.hash)));
    words.collect::<Vec<_>>().join(" ")
}

/// What one store has beyond what counts here.
#[derive(Default)]
struct Beyond {
    entries: Vec<(Position, Bytes, Entry)>,
    manifests: Vec<(SnapshotId, Bytes)>,
    /// Manifests that no snapshot can be read by, each as its failure.
    unfit: Vec<Failure>,
}

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

    /// All domains of a customer, of every class: those of one whom two recoveries have numbered twice, too.
    pub fn domains_of(&self, customer: Domain) -> Outcome<Vec<Domain>> {
        let last = self.catalog.last_class()?;
        let doubles = self.catalog.doubles()?.into_iter();
        let doubles = doubles.filter(|(_, of)| *of == customer);
        let all = [customer]
            .into_iter()
            .chain(doubles.map(|(double, _)| double));
        let of_classes = all.flat_map(|domain| {
            (1..=last.0).map(move |class| Domain {
                class: Class(class),
                ..domain
            })
        });
        Ok(of_classes.collect())
    }

    /// Takes in what stores have beyond what counts here. A store that cannot be read is set aside.
    pub(super) fn read_in(&mut self) -> Outcome<()> {
        if self.former().is_empty() {
            return Ok(());
        }
        for store in self.stores.clone() {
            let name = store.name().clone();
            if let Err(failure) = self.read_in_store(&store) {
                if failure.kind() == FailureKind::Refused {
                    return Err(failure);
                }
                self.stores.retain(|store| *store.name() != name);
                self.absent.insert(name, failure);
            }
        }
        Ok(())
    }

    /// The same for a reader: whoever was erased there is not opened here, and the reader is told.
    pub(super) fn heed_former(&mut self) -> Outcome<()> {
        if self.former().is_empty() {
            return Ok(());
        }
        for store in self.stores.clone() {
            let name = store.name();
            let beyond = self.beyond(&store);
            let beyond =
                beyond.failed_to(|| format!("read what store {name} has since the recovery"));
            let beyond = beyond.and_then(|beyond| {
                self.check_not_held(name, &beyond)?;
                Ok(beyond)
            });
            let beyond = match beyond {
                Ok(beyond) => beyond,
                Err(failure) => {
                    self.notes.push(failure);
                    continue;
                }
            };
            for (_, _, entry) in &beyond.entries {
                if let Event::Erased { domains, .. } = &entry.event {
                    self.keyring.forest.puncture(domains);
                }
            }
            if !beyond.entries.is_empty() || !beyond.manifests.is_empty() {
                let what = format!(
                    "store {name} has {} decisions and {} snapshots of the host before the recovery that were not \
                     known then",
                    beyond.entries.len(),
                    beyond.manifests.len()
                );
                let hint = "the next command that changes something takes them in, such as `tenure snapshot`";
                self.notes.push(Failure::new(what).hint(hint));
            }
        }
        Ok(())
    }

    fn read_in_store(&mut self, store: &Store) -> Outcome<()> {
        let name = store.name();
        let beyond = self.beyond(store);
        let mut beyond =
            beyond.failed_to(|| format!("read what store {name} has since the recovery"))?;
        for failure in std::mem::take(&mut beyond.unfit) {
            let what = format!("store {name} has a snapshot that cannot be read by its manifest");
            self.notes.push(Failure::new(what).because(failure));
        }
        self.check_not_held(name, &beyond)?;
        let is_unread = self.unread()?.contains(name);
        if beyond.entries.is_empty() && beyond.manifests.is_empty() && !is_unread {
            return Ok(());
        }
        let mut taken = self.taken()?;
        for (position, bytes, _) in &beyond.entries {
            let own = self
                .state
                .object(Chain::Journal, position.inc, position.len);
            fsx::create_dir(own.parent().unwrap_or(self.state.path()))?;
            fsx::write(&own, bytes)?;
            taken.insert(position.inc, *position);
        }
        for (_, _, entry) in beyond.entries {
            if self.is_news(&entry.event)? {
                self.record(entry.event)?;
                self.apply_to_catalog()?;
                self.keyring.forest.puncture(&self.log.erased_recently());
            }
        }
        // Only now: whoever was let in again there would be taken for one who stands in a snapshot though erased.
        for (id, bytes) in &beyond.manifests {
            let own = self.state.object(Chain::Manifest, id.inc, id.number);
            fsx::create_dir(own.parent().unwrap_or(self.state.path()))?;
            fsx::write(&own, bytes)?;
        }
        if !beyond.manifests.is_empty() {
            self.enter_missing()?;
            self.erase_revenants()?;
        }
        self.record(Event::Read {
            store: name.to_string(),
            journals: taken.into_values().collect(),
        })?;
        self.apply_to_catalog()
    }

    /// That nobody whom a store's entries erase is held here: held means held, and a person decides.
    fn check_not_held(&self, store: &StoreName, beyond: &Beyond) -> Outcome<()> {
        let (lives, now) = (self.catalog.lives()?, Timestamp::now());
        let held = |domain: &Domain| {
            let customer = Domain {
                class: Class::CUSTOMER,
                ..*domain
            };
            lives.get(&customer).is_some_and(|life| life.is_held(now))
        };
        let erases = |event: &Event| match event {
            Event::Erased { domains, .. } => domains.iter().any(held),
            _ => false,
        };
        if beyond
            .entries
            .iter()
            .any(|(_, _, entry)| erases(&entry.event))
        {
            let what = format!("store {store} has erasures of customers who are held here");
            let hint = "it is left alone until the holds are lifted: `tenure customer list --held` shows them";
            return Err(Failure::new(what).hint(hint));
        }
        Ok(())
    }

    /// Whether an entry of a former journal says something that is to be stated again. What was decided here since may
    /// be newer than it: so nobody is released or shown again by it.
    fn is_news(&self, event: &Event) -> Outcome<bool> {
        let forest = &self.keyring.forest;
        Ok(match event {
            Event::Erased { domains, order, .. } => {
                order.is_some() || domains.iter().any(|domain| !forest.is_punctured(*domain))
            }
            Event::Hidden { domain, .. } | Event::Held { domain, .. } => {
                !forest.is_punctured(*domain)
            }
            Event::Readmitted { who, domain, .. } => {
                !forest.is_punctured(*domain) && self.catalog.erased()?.contains_key(who)
            }
            Event::StoreOpened { name, .. } => !self.catalog.key_places()?.contains_key(name),
            Event::Opened { .. }
            | Event::Unhidden { .. }
            | Event::Released { .. }
            | Event::Recipients { .. }
            | Event::Certified { .. }
            | Event::Pruned { .. }
            | Event::Recovered { .. }
            | Event::Read { .. }
            | Event::GivenUp { .. } => false,
        })
    }

    fn beyond(&self, store: &Store) -> Outcome<Beyond> {
        let mut beyond = Beyond::default();
        let known = self.catalog.snapshots()?.into_iter();
        let known: Vec<_> = known.map(|snapshot| snapshot.id).collect();
        let taken = self.taken()?;
        let voided = self.voided()?;
        // Whose last entries were declared void was broken in to: what turns up of that one later is void as well.
        let count = |former: &&Former| !voided.iter().any(|void| void.inc == former.writer.inc);
        for former in self.former().iter().filter(count) {
            let inc = former.writer.inc;
            let from = taken.get(&inc).copied().unwrap_or(former.position);
            self.entries_beyond_former(store, former, from, &mut beyond)?;
            let pruned = self.catalog.pruned(inc)?;
            for path in store
                .list(&format!("{}/{inc}", Chain::Manifest.folder()))?
                .keys()
            {
                let Some((_, number)) = Chain::Manifest.parse(path) else {
                    continue;
                };
                let id = SnapshotId { inc, number };
                if !known.contains(&id) && !pruned.contains_key(&number) {
                    let bytes = store.get(path, object::MAX)?;
                    // Keys that are not here are no damage.
                    self.meta_of(inc)?;
                    let manifest = match read_manifest(self, id, &bytes) {
                        Ok(manifest) => manifest,
                        // It costs its snapshot, as in a recovery, and is told.
                        Err(failure) => {
                            beyond.unfit.push(failure);
                            continue;
                        }
                    };
                    for position in &manifest.journal {
                        self.check_known(position, &beyond)
                            .failed_to(|| format!("rely on {path}"))?;
                    }
                    beyond.manifests.push((id, bytes));
                }
            }
        }
        Ok(beyond)
    }

    /// That an entry which a snapshot was taken after is here, or in the store. The entries that a store lacks may
    /// say who in that snapshot is erased.
    fn check_known(&self, position: &Position, beyond: &Beyond) -> Outcome<()> {
        let Position { inc, len, hash } = *position;
        let mut there = beyond.entries.iter().map(|(position, ..)| position);
        if len == 0 || there.any(|it| it == position) {
            return Ok(());
        }
        let own = self.state.object(Chain::Journal, inc, len);
        match fsx::read_if_there(&own, object::MAX)? {
            Some(bytes) if object::hash(&bytes) == hash => Ok(()),
            _ => {
                let what = format!(
                    "it was taken after entry {len} of the journal of incarnation {inc}, which is lost here"
                );
                Err(Failure::new(what).hint(
                    "the store's journal was cut short: bring back a store that has all of it, or give this one up",
                ))
            }
        }
    }

    fn entries_beyond_former(
        &self,
        store: &Store,
        former: &Former,
        from: Position,
        beyond: &mut Beyond,
    ) -> Outcome<()> {
        let (repo, inc, verify) = (self.id(), former.writer.inc, &former.writer.verify);
        let listed = store.list(&format!("{}/{inc}", Chain::Journal.folder()))?;
        let numbers = listed.keys().filter_map(|path| Chain::Journal.parse(path));
        let last = numbers.map(|(_, number)| number).max().unwrap_or(0);
        let meta = self.meta_of(inc)?;
        let mut position = from;
        for number in from.len + 1..=last {
            let path = Chain::Journal.path(inc, number);
            let read = || -> Outcome<(Bytes, Entry)> {
                let bytes = store.get(&path, object::MAX)?;
                let sealed = object::read(Chain::Journal, repo, inc, number, &bytes, verify)?;
                if sealed.head.previous != position.hash {
                    return Err(object::ObjectError::BrokenChain.into());
                }
                let entry = sealed.open(&meta)?;
                Ok((bytes, entry))
            };
            let (bytes, entry) = read().failed_to(|| format!("read {path}"))?;
            position = Position {
                inc,
                len: number,
                hash: object::hash(&bytes),
            };
            beyond.entries.push((position, bytes, entry));
        }
        Ok(())
    }

    /// How far former journals were taken in, where that is further than they count.
    pub(super) fn taken(&self) -> Outcome<BTreeMap<Incarnation, Position>> {
        let noted = self.catalog.note(TAKEN)?.unwrap_or_default();
        let read = |word: &str| -> Option<(Incarnation, Position)> {
            let mut parts = word.split('/');
            let inc = parts.next()?.parse().ok()?;
            let len = parts.next()?.parse().ok()?;
            let hash = unhex(parts.next()?)?;
            Some((inc, Position { inc, len, hash }))
        };
        let taken = noted.split_whitespace().map(read);
        let taken: Option<_> = taken.collect();
        taken.ok_or_else(|| Failure::new("a note of the catalog is damaged"))
    }

    /// Erases those who were erased under another number, and stand in snapshots that were found since.
    pub(super) fn erase_revenants(&mut self) -> Outcome<()> {
        let domains = self.revenants()?;
        if domains.is_empty() {
            return Ok(());
        }
        self.record(Event::Erased {
            domains,
            recognised: Vec::new(),
            order: None,
        })?;
        self.keyring.forest.puncture(&self.log.erased_recently());
        self.apply_to_catalog()?;
        let clear = |change: &Change<'_>| change.set_note(REVENANTS, "");
        Ok(self.catalog.change(clear)?)
    }

    /// The domains of whom the catalog has noted that they are to be erased, of every class.
    pub(super) fn revenants(&self) -> Outcome<Vec<Domain>> {
        let noted = self.catalog.note(REVENANTS)?.unwrap_or_default();
        let mut domains = Vec::new();
        for word in noted.split_whitespace() {
            let parsed = word
                .split_once('/')
                .and_then(|(inc, leaf)| Domain::from_leaf(inc.parse().ok()?, leaf.parse().ok()?));
            let customer =
                parsed.ok_or_else(|| Failure::new("a note of the catalog is damaged"))?;
            domains.extend(self.domains_of(customer)?);
        }
        Ok(domains)
    }
}

/// Notes, with the customers who were found, who of them is to be erased.
pub(super) fn note_revenants(change: &Change<'_>, found: &[Domain]) -> Result<(), CatalogError> {
    let words = found
        .iter()
        .map(|domain| format!("{}/{}", domain.inc, domain.leaf()));
    match found.is_empty() {
        true => Ok(()),
        false => change.set_note(REVENANTS, &words.collect::<Vec<_>>().join(" ")),
    }
}
