//! The middle of a snapshot: what was gathered is compared, sealed and stored.

use std::sync::Arc;
use std::thread;

use super::Basis;
use super::compare::{Changes, Comparer, Earlier, Sources};
use super::dictionary::Sample;
use super::fill::Level;
use super::gather::Ranks;
use super::line::{Awaited, Line};
use super::packing::{Packed, Packer};
use super::uploads::Uploads;
use crate::error::{Failure, Outcome};
use crate::ids::StoreName;
use crate::page::Entry;
use crate::repo::Repository;
use crate::repo::arrivals::Arrivals;
use crate::report::Report;
use crate::spill::Sorted;
use crate::store::Store;

/// What is to be stored, and what it is compared with.
pub struct Goods {
    pub sorted: Sorted,
    pub sample: Option<Sample>,
    pub ranks: Ranks,
    pub rows: u64,
    /// Whom notes told of, if they were to tell of everybody.
    pub noted: Option<Arrivals>,
    /// What the snapshot before had of the same domains, if those are not all.
    pub earlier: Option<Vec<Entry>>,
    pub sources: Sources,
}

/// How storing went.
pub struct Stored {
    pub changes: Changes,
    /// How many had changed of whom no note told, if notes were to tell of everybody.
    pub missed: Option<u64>,
    pub packed: Packed,
    pub bytes: u64,
    pub whole: Vec<Store>,
    pub failed: Vec<(StoreName, Failure)>,
}

/// Compares, seals and stores: the main thread cuts pieces and compares, several threads
/// compress, one seals and packs, and one per store writes.
pub fn store(
    repository: &Repository,
    goods: Goods,
    basis: &Basis,
    level: &Level,
    report: &dyn Report,
) -> Outcome<Stored> {
    let meta = repository.meta()?;
    let fetcher = repository.fetcher(&level.stores);
    let (known, sample) = (basis.dictionary.clone(), goods.sample);
    let counted = || sample.and_then(Sample::dictionary).map(Arc::new);
    let forest = &repository.keyring.forest;
    thread::scope(|scope| {
        let dictionary = Awaited::begin(scope, || known.or_else(counted));
        let (line, ends) = Line::start(scope, dictionary);
        let uploads = Uploads::start(scope, &level.stores);
        let (id, inc, state) = (repository.id(), repository.inc(), &repository.state);
        let packer = Packer::new(id, inc, forest, &meta, state, uploads)?;
        let packing = scope.spawn(move || packer.run(&ends));
        let before = match (goods.earlier, &basis.view) {
            (Some(earlier), _) => Earlier::Some(earlier.into_iter()),
            (None, Some(view)) => Earlier::All(view.entries(&fetcher, id)?),
            (None, None) => Earlier::Nothing,
        };
        let (full, packs) = (basis.full, &level.packs);
        let comparer = Comparer::new(forest, line, before, full, packs, goods.sources)?;
        let counts_missed = goods.noted.is_some();
        let comparer = comparer.expecting(goods.noted);
        let compared = comparer.run(goods.sorted, &goods.ranks, goods.rows, report);
        let packed = packing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // If the packer failed, the comparer did as well, and the packer knows why.
        let (packed, uploads): (Packed, Uploads<'_>) = packed?;
        let changes: Changes = compared?;
        let bytes = uploads.bytes;
        let (whole, failed) = uploads.finish();
        let failed = failed.into_iter();
        let failed = failed.map(|(store, failure)| (store.name().clone(), failure));
        Ok(Stored {
            changes,
            missed: counts_missed.then_some(changes.missed),
            packed,
            bytes,
            whole,
            failed: failed.collect(),
        })
    })
}
