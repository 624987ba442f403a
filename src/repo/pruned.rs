//! What is left of snapshots that the journal has pruned: their manifests, in stores and here.
//!
//! Which were pruned is known from the journal, by way of the catalog; which of their manifests
//! still stand is seen by listing. So a store that comes back after a year is cleaned like any
//! other. What only those manifests named is swept like the leavings of a crash.

use super::Repository;
use super::log::on_all;
use super::settle::Settled;
use crate::error::Outcome;
use crate::fsx;
use crate::ids::Incarnation;
use crate::object::Chain;
use crate::store::Store;

impl Repository {
    /// Deletes the manifests of pruned snapshots from every store that can be reached, newest first,
    /// so that none ever stands without what it builds upon; then from the state directory, unless
    /// a store kept one: that it is still here tells that something is left to be done.
    pub(super) fn remove_pruned(&self, settled: &mut Settled) -> Outcome<()> {
        for inc in self.writers.keys() {
            self.remove_pruned_of(*inc, settled)?;
        }
        Ok(())
    }

    fn remove_pruned_of(&self, inc: Incarnation, settled: &mut Settled) -> Outcome<()> {
        let pruned = self.catalog.pruned(inc)?;
        if pruned.is_empty() {
            return Ok(());
        }
        let is_pruned = |number: &u64| pruned.contains_key(number);
        let removed = on_all(&self.stores, |store| {
            let mut freed = 0;
            let done = remove_from(store, inc, is_pruned, &mut freed);
            (store.name().clone(), freed, done)
        });
        for (name, freed, done) in removed {
            if freed > 0 {
                let what = format!("the removal of pruned snapshots from store {name}");
                settled.finished.push(what);
            }
            settled.freed += freed;
            if let Err(failure) = done {
                settled.unpruned.push((name, failure));
            }
        }
        if settled.unpruned.is_empty() {
            for number in self.manifests_of(inc)?.into_iter().filter(is_pruned) {
                fsx::remove(&self.state.object(Chain::Manifest, inc, number))?;
            }
        }
        Ok(())
    }

    /// The numbers of an incarnation's manifests in the state directory.
    pub(super) fn manifests_of(&self, inc: Incarnation) -> Outcome<Vec<u64>> {
        let folder = self.state.objects(Chain::Manifest, inc);
        let number = |name: &String| name.parse().ok();
        Ok(fsx::names(&folder)?.iter().filter_map(number).collect())
    }

    /// Whether manifests of pruned snapshots still lie in the state directory.
    pub(super) fn has_pruned_left(&self) -> bool {
        self.writers.keys().any(|inc| {
            let Ok(pruned) = self.catalog.pruned(*inc) else {
                return false;
            };
            let here = self.manifests_of(*inc).unwrap_or_default();
            here.iter().any(|number| pruned.contains_key(number))
        })
    }
}

fn remove_from(
    store: &Store,
    inc: Incarnation,
    is_pruned: impl Fn(&u64) -> bool,
    freed: &mut u64,
) -> Outcome<()> {
    let folder = format!("{}/{inc}", Chain::Manifest.folder());
    // Numbers are written so that names sort.
    for (path, size) in store.list(&folder)?.into_iter().rev() {
        let number = Chain::Manifest.parse(&path).map(|(_, number)| number);
        if number.is_some_and(|number| is_pruned(&number)) {
            store.delete(&path)?;
            *freed += size;
        }
    }
    Ok(())
}
