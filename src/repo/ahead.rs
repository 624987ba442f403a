//! What a reader heeds that only stores know: entries of the journal beyond this host's own.
//!
//! A store whose journal is longer means that this state directory is an older one (a copy that was
//! put back), or that somebody else goes on with the repository. Either way what was decided there
//! counts: whoever was erased is not opened here, and the reader is told.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::apply::Applying;
use super::log::on_all;
use super::{Placed, Recogniser, Repository};
use crate::catalog::Change;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::StoreName;
use crate::journal::Event;
use crate::object::{self, Chain, ObjectError, Sealed};
use crate::store::Store;

/// What to do about a state directory that knows less than a store.
pub(super) const OLDER: &str = "was an older copy of the state directory put back? then go on with the newer one alone; if two \
     hosts write to the same repository, stop one of them for good";

/// What the stores hold beyond this host's journal.
#[derive(Default)]
struct Beyond {
    entries: Vec<Placed>,
    /// Which store has the last of them.
    store: Option<StoreName>,
}

impl Repository {
    /// Reads what stores have beyond this host's journal, and applies it in memory.
    pub(super) fn read_ahead(&mut self) -> Outcome<()> {
        let listed = self.entries_beyond();
        let meta = self.meta()?;
        let mut beyond = Beyond::default();
        let mut previous = Some(self.log.position().hash);
        for (number, stores) in listed {
            let Some((store, bytes)) = self.signed_beyond(number, &stores)? else {
                previous = None;
                continue;
            };
            // A command that runs now has decided it, or one that was interrupted.
            if !self.log.is_own(number, &bytes)? {
                let sealed = self.signed(number, &bytes)?;
                // What was signed counts, also where the one before it is another or is not there.
                if previous != Some(sealed.head.previous) {
                    let path = Chain::Journal.path(self.inc(), number);
                    let what = format!(
                        "store {store}: {path} does not follow the one before it here: the two were \
                         written apart"
                    );
                    self.notes
                        .push(Failure::of(FailureKind::Refused, what).hint(OLDER));
                }
                beyond.entries.push(Placed {
                    inc: self.inc(),
                    number: self.entries_before() + number,
                    entry: sealed.open(&meta)?,
                });
                beyond.store = Some(store);
            }
            previous = Some(object::hash(&bytes));
        }
        self.heed(&beyond)
    }

    /// The numbers beyond our own, and the stores that list them.
    fn entries_beyond(&mut self) -> BTreeMap<u64, Vec<Store>> {
        let (inc, len) = (self.inc(), self.log.position().len);
        let folder = format!("{}/{inc}", Chain::Journal.folder());
        let ours = Chain::Journal.path(inc, len);
        let listings = on_all(&self.stores, |store| store.list_after(&folder, &ours));
        let mut beyond: BTreeMap<u64, Vec<Store>> = BTreeMap::new();
        for (store, listing) in self.stores.iter().zip(listings) {
            let paths = match listing {
                Ok(listing) => listing.into_keys(),
                Err(error) => {
                    self.notes.push(error.into());
                    continue;
                }
            };
            let numbers = paths.filter_map(|path| Chain::Journal.parse(&path));
            for (_, number) in numbers.filter(|(_, number)| *number > len) {
                beyond.entry(number).or_default().push(store.clone());
            }
        }
        beyond
    }

    /// One entry from the first store that has it signed; if none has, that is told.
    fn signed_beyond(
        &mut self,
        number: u64,
        stores: &[Store],
    ) -> Outcome<Option<(StoreName, Bytes)>> {
        let path = Chain::Journal.path(self.inc(), number);
        let mut failed = Vec::new();
        for store in stores {
            let name = store.name().as_str();
            match store.get(&path, object::MAX) {
                Err(error) => failed.push(Failure::from(error)),
                Ok(bytes) => match self.signed(number, &bytes) {
                    Ok(_) => return Ok(Some((store.name().clone(), bytes))),
                    Err(error) => {
                        let what = format!(
                            "store {name} has {path}, which this host lacks and cannot read"
                        );
                        failed.push(Failure::new(what).because(Failure::from(error)).hint(OLDER));
                    }
                },
            }
        }
        self.notes.append(&mut failed);
        Ok(None)
    }

    fn signed<'b>(&self, number: u64, bytes: &'b [u8]) -> Result<Sealed<'b>, ObjectError> {
        let (repo, inc, verify) = (self.id(), self.inc(), &self.certificate.verify);
        object::read(Chain::Journal, repo, inc, number, bytes, verify)
    }

    fn heed(&mut self, beyond: &Beyond) -> Outcome<()> {
        let (Some(store), Some(Placed { number: last, .. })) =
            (&beyond.store, beyond.entries.last())
        else {
            return Ok(());
        };
        let what = format!(
            "store {store} has {} journal entries up to number {last} that this host lacks: its state \
             directory is older than the store; what they erase is left out here",
            beyond.entries.len()
        );
        self.notes
            .push(Failure::of(FailureKind::Refused, what).hint(OLDER));
        for Placed { entry, .. } in &beyond.entries {
            if let Event::Erased { domains, .. } = &entry.event {
                self.keyring.forest.puncture(domains);
            }
        }
        self.use_copy_of_catalog()?;
        self.apply_to_catalog()?;
        let recogniser = Recogniser::new(self)?;
        let applying = Applying {
            repo: self.certificate.repo,
            inc: self.certificate.inc,
            forest: &self.keyring.forest,
            recogniser: &recogniser,
        };
        self.catalog.change(|change: &Change<'_>| -> Outcome<()> {
            let mut entries = beyond.entries.iter();
            entries.try_for_each(|placed| applying.apply(change, placed))
        })
    }

    /// From here on the catalog is a copy in memory, which a reader may change.
    pub(super) fn use_copy_of_catalog(&mut self) -> Outcome<()> {
        if !self.catalog.is_in_memory() {
            self.catalog = self.catalog.in_memory()?;
        }
        Ok(())
    }
}
