//! Stores in this process's memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::memory::InMemory;

static PLACES: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

/// The store of this name.
pub(super) fn open(place: &str) -> Arc<InMemory> {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(places.entry(place.to_owned()).or_default())
}
