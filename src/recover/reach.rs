//! Finds the stores: those that were named, and all that they know of.

use std::collections::{BTreeMap, BTreeSet};

use tokio::runtime::Handle;

use super::Wanted;
use super::evidence::Evidence;
use super::offline::Offline;
use super::seen::Seen;
use crate::config::{self, StorePlace};
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::StoreName;
use crate::repo::places::open_store;
use crate::setup::spec::{BadSpec, StoreSpec};

/// What was found.
pub(super) struct Reached {
    /// The stores that can be read. The first is one that was named.
    pub(super) stores: Vec<Seen>,
    /// Those that are known and cannot, with why.
    pub(super) unread: BTreeMap<StoreName, String>,
}

/// Reads the stores that were named, and all that they know of.
pub(super) fn reach(wanted: &Wanted, offline: &Offline, runtime: &Handle) -> Outcome<Reached> {
    let mut seen = Vec::new();
    for spec in &wanted.stores {
        let found = look(configured(spec)?, runtime, offline)?;
        check_same_repository(&seen, &found)?;
        seen.push(found);
    }
    let mut reached = Reached {
        stores: seen,
        unread: BTreeMap::new(),
    };
    let mut asked = BTreeSet::new();
    loop {
        let evidence = Evidence::gather(&reached.stores, offline);
        // A journal that is not whole may be so with another store's help.
        let known = match &evidence {
            Ok(evidence) => evidence.known_stores(&evidence.voided_before()),
            Err(_) if asked.is_empty() => Evidence::hinted_stores(&reached.stores, offline)?,
            Err(_) => BTreeMap::new(),
        };
        let mut any = false;
        for (name, address) in known {
            reached.call_as_known(&name, &address)?;
            if asked.insert(name.clone()) && !reached.has(&address) {
                let options = evidence.as_ref().ok();
                let options = options.and_then(|evidence| evidence.configured_at(&address, wanted));
                any |= reached.ask(name.parse()?, &address, options, wanted, offline, runtime)?;
            }
        }
        if !any {
            if let Ok(evidence) = &evidence {
                reached.name_anew(wanted, &evidence.places())?;
            }
            return Ok(reached);
        }
    }
}

impl Reached {
    fn has(&self, address: &str) -> bool {
        self.stores.iter().any(|seen| seen.address() == address)
    }

    /// Looks at a store that others know of. Returns whether it can be read.
    fn ask(
        &mut self,
        name: StoreName,
        address: &str,
        known: Option<config::Store>,
        wanted: &Wanted,
        offline: &Offline,
        runtime: &Handle,
    ) -> Outcome<bool> {
        if wanted.alone {
            let why = "it was not to be asked (--alone)".to_owned();
            self.unread.insert(name, why);
            return Ok(false);
        }
        let look = || -> Outcome<Seen> {
            let known = known.map_or_else(|| addressed(address), Ok)?;
            let name = name.clone();
            let found = look(config::Store { name, ..known }, runtime, offline)?;
            check_same_repository(&self.stores, &found)?;
            Ok(found)
        };
        match look() {
            Ok(found) => {
                self.stores.push(found);
                Ok(true)
            }
            Err(failure) => {
                self.unread.insert(name, failure.in_one_line());
                Ok(false)
            }
        }
    }

    /// A store that was named by its address alone has the name that it had, if it lies where it lay.
    fn call_as_known(&mut self, name: &str, address: &str) -> Outcome<()> {
        let there = |seen: &&mut Seen| seen.address() == address;
        for seen in self.stores.iter_mut().filter(there) {
            seen.rename(name.parse()?);
        }
        Ok(())
    }

    /// What lies elsewhere than the store of its name did is another store, and gets another name.
    fn name_anew(&mut self, wanted: &Wanted, places: &BTreeMap<String, String>) -> Outcome<()> {
        for at in 0..self.stores.len() {
            let (name, address) = (self.stores[at].store.name(), self.stores[at].address());
            let Some(before) = places.get(name.as_str()).filter(|it| **it != address) else {
                continue;
            };
            let mut named = wanted.stores.iter().filter_map(|spec| spec.name.as_ref());
            if named.any(|named| named == name) {
                let what = format!("store {:?} was {before} before", name.as_str());
                return Err(Failure::of(FailureKind::Usage, what)
                    .hint("give the new place another name: --store NAME=URL"));
            }
            let taken = |name: &String| {
                places.contains_key(name)
                    || self.stores.iter().any(|s| s.store.name().as_str() == name)
            };
            let mut names = (2..).map(|n| format!("{name}-{n}"));
            if let Some(free) = names.find(|name| !taken(name)) {
                self.stores[at].rename(free.parse()?);
            }
        }
        Ok(())
    }
}

fn configured(spec: &StoreSpec) -> Outcome<config::Store> {
    let place = StorePlace::of(&spec.url);
    let place = place.ok_or_else(|| Failure::new(format!("{} names no store", spec.url)))?;
    Ok(config::Store {
        name: spec.name(),
        url: spec.url.clone(),
        place,
        keys: true,
        options: spec.options.iter().cloned().collect(),
    })
}

fn addressed(address: &str) -> Outcome<config::Store> {
    let spec: Result<StoreSpec, BadSpec> = address.parse();
    configured(&spec.map_err(|error| Failure::new(error.to_string()))?)
}

fn look(configured: config::Store, runtime: &Handle, offline: &Offline) -> Outcome<Seen> {
    let opened = open_store(&configured, false, runtime).map_err(|error| {
        let failure = Failure::from(error);
        match failure.next_step() {
            Some(_) => failure,
            None => failure
                .hint("name a store that is there: its address stands on the page in the binder"),
        }
    })?;
    Seen::look(opened, configured, offline)
}

fn check_same_repository(seen: &[Seen], found: &Seen) -> Outcome<()> {
    if seen.iter().all(|seen| seen.repo() == found.repo()) {
        return Ok(());
    }
    let what = format!(
        "store {:?} holds another repository",
        found.store.name().as_str()
    );
    Err(Failure::new(what))
}
