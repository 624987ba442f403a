//! Takes a snapshot: sources → pieces → seal → packs → stores.
//!
//! Durable before named: packs, then the pages that refer to them, then the manifest. A store that
//! fails on the way is left *behind*; the snapshot exists when one store has all of it.

use std::sync::Arc;
use std::thread;

use crate::clock::Timestamp;
use crate::error::{Failure, Outcome};
use crate::ids::{SnapshotId, StoreName};
use crate::manifest::{Manifest, SnapshotKind, Totals};
use crate::repo::Repository;
use crate::repo::objects::Fetcher;
use crate::repo::view::View;
use crate::report::Report;
use crate::seal::Dictionary;
use crate::store::Store;
use crate::value::CustomerKey;

mod admission;
mod compare;
mod dangling;
mod dictionary;
mod fill;
pub mod gather;
mod line;
mod long;
mod mend;
mod numbers;
mod packing;
mod publish;
#[cfg(test)]
mod tests;
mod uploads;

pub use admission::{New, admit};
use compare::{Changes, Comparer, Sources};
use dictionary::Sample;
pub use fill::{Copied, Level, kept, level};
use gather::{Gathered, gather};
use line::{Awaited, Line};
use packing::{Packed, Packer};
pub use publish::{Swept, resume, sweep};
use uploads::Uploads;

/// How a snapshot went.
pub struct Taken {
    /// Which it is.
    pub id: SnapshotId,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// What is in it.
    pub totals: Totals,
    /// How long it took.
    pub seconds: f64,
    /// Each configured store, and why it is behind if it is.
    pub stores: Vec<(StoreName, Option<Failure>)>,
    /// Erased customers who were met in the sources and left out.
    pub left_out: Vec<CustomerKey>,
    /// Erased customers whom the register does not hold any more, and whose rows in other tables were
    /// left out.
    pub dangling: Vec<CustomerKey>,
    /// What somebody must settle, in words.
    pub unsettled: Vec<String>,
    /// Why it is full though an incremental was asked for.
    pub why_full: Option<&'static str>,
}

/// Takes a snapshot now. The first one is always full.
pub fn take(repository: &mut Repository, full: bool, report: &dyn Report) -> Outcome<Taken> {
    let started = Timestamp::now();
    if repository.stores.is_empty() {
        let failure = Failure::new("no store can be used");
        return Err(match repository.absent.values().next() {
            Some(why) => failure.because(why.again()),
            None => failure,
        });
    }
    resume(repository)?;
    // A store that cannot be swept is found behind when it is looked at next.
    sweep(repository)?;
    let mut level = level(repository, report)?;
    let mut basis = Basis::choose(repository, &mut level, full)?;
    let before = basis
        .view
        .as_ref()
        .map(|view| view.manifest().sources.clone());
    let sample = basis.dictionary.is_none().then(Sample::new);
    let gathered = gather(repository, &before.unwrap_or_default(), sample, report)?;
    // What stays as it was is read in no snapshot but the one before.
    basis.full &= gathered.carried.is_empty();
    let written = write(repository, gathered, &basis, &level, report)?;
    if written.whole.is_empty()
        && let Some((_, why)) = written.failed.first()
    {
        return Err(Failure::new("no store took the snapshot").because(why.again()));
    }
    level.behind.extend(written.failed);
    let manifest = Manifest {
        kind: basis.kind(),
        base: basis.base(),
        started,
        finished: Timestamp::now(),
        journal: repository.positions(),
        config: repository.config.text().to_owned(),
        ..written.manifest
    };
    let totals = manifest.totals;
    level.behind.extend(publish::publish(
        repository,
        basis.number,
        &manifest,
        &written.whole,
    )?);
    repository.note_own_rows()?;
    Ok(Taken {
        id: SnapshotId {
            inc: repository.inc(),
            number: basis.number,
        },
        kind: basis.kind(),
        totals,
        seconds: Timestamp::now().seconds_since(started),
        stores: repository.store_states(level.behind),
        left_out: written.left_out,
        dangling: written.dangling,
        unsettled: written.unsettled,
        why_full: basis.why_full,
    })
}

/// What the new snapshot is compared with, and whether it builds upon it.
struct Basis {
    /// The new snapshot's number.
    number: u64,
    /// The snapshot before it.
    view: Option<View>,
    /// What that one's pieces were compressed with, if this one's are to be as well.
    dictionary: Option<Arc<Dictionary>>,
    full: bool,
    why_full: Option<&'static str>,
}

impl Basis {
    fn choose(repository: &Repository, level: &mut Level, full: bool) -> Outcome<Self> {
        let last = repository.last_snapshot_number()?;
        let number = last + 1;
        let alone = |why_full| Self {
            number,
            view: None,
            dictionary: None,
            full: true,
            why_full,
        };
        let Some(before) = repository.catalog.snapshots()?.pop().map(|last| last.id) else {
            return Ok(alone(None));
        };
        // What builds upon a snapshot is of its own incarnation; its blobs may be anyone's.
        let is_first = before.inc != repository.inc();
        if level.stores.is_empty() {
            // No store has all that the last snapshot needs: each gets everything anew.
            level.stores.clone_from(&repository.stores);
            level.packs.clear();
            level
                .behind
                .retain(|(name, _)| repository.absent.contains_key(name));
            return Ok(alone(Some("no store has all that the last snapshot needs")));
        }
        let fetcher = repository.fetcher(&level.stores);
        let view = View::open(repository, &fetcher, before)?;
        let mut pages = view.chain().iter().flat_map(|manifest| &manifest.pages);
        if pages.any(|page| fetcher.page(page).is_err()) {
            return Ok(alone(Some("no store has the last snapshot's pages whole")));
        }
        let dictionary = match full || is_first {
            true => None,
            false => dictionary::of_before(repository, &fetcher, &view),
        };
        Ok(Self {
            number,
            view: Some(view),
            dictionary,
            full: full || is_first,
            why_full: (is_first && !full).then_some("it is the first since the recovery"),
        })
    }

    fn kind(&self) -> SnapshotKind {
        if self.full {
            SnapshotKind::Full
        } else {
            SnapshotKind::Incremental
        }
    }

    /// The number of the full snapshot that the new one builds upon.
    fn base(&self) -> u64 {
        match &self.view {
            Some(view) if !self.full => view.manifest().base,
            _ => self.number,
        }
    }
}

/// What stands in the stores, and is not named yet.
struct Written {
    /// All but what only the end knows.
    manifest: Manifest,
    whole: Vec<Store>,
    failed: Vec<(StoreName, Failure)>,
    left_out: Vec<CustomerKey>,
    dangling: Vec<CustomerKey>,
    unsettled: Vec<String>,
}

/// Compares, seals and stores: the main thread cuts pieces and compares, as many threads as there
/// are cores compress, one seals and packs, and one per store writes.
fn write(
    repository: &mut Repository,
    gathered: Gathered,
    basis: &Basis,
    level: &Level,
    report: &dyn Report,
) -> Outcome<Written> {
    let meta = repository.meta()?;
    let next = repository
        .catalog
        .change(|change| -> Outcome<_> { Ok((change.next_customer()?, change.next_own()?)) })?;
    let Gathered {
        sorted,
        sample,
        ranks,
        mut sources,
        carried,
        classes,
        customers,
        rows,
        read_bytes,
        ..
    } = gathered;
    let known = basis.dictionary.clone();
    let counted = || sample.and_then(Sample::dictionary).map(Arc::new);
    let fetcher = repository.fetcher(&level.stores);
    let register = sources.first().map_or(0, |source| source.number);
    let forest = &repository.keyring.forest;
    let (changes, packed, stored_bytes, (whole, failed)) = thread::scope(|scope| {
        let dictionary = Awaited::begin(scope, || known.or_else(counted));
        let (line, ends) = Line::start(scope, dictionary);
        let uploads = Uploads::start(scope, &level.stores);
        let (id, inc, state) = (repository.id(), repository.inc(), &repository.state);
        let packer = Packer::new(id, inc, forest, &meta, state, uploads)?;
        let packing = scope.spawn(move || packer.run(&ends));
        let before = match &basis.view {
            Some(view) => Some(view.entries(&fetcher, id)?),
            None => None,
        };
        let kept: Vec<u32> = carried.iter().map(|source| source.number).collect();
        let sources = Sources { register, kept };
        let comparer = Comparer::new(forest, line, before, basis.full, &level.packs, sources)?;
        let compared = comparer.run(sorted, &ranks, rows, report);
        let packed = packing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // If the packer failed, the comparer did as well, and the packer knows why.
        let (packed, uploads): (Packed, Uploads<'_>) = packed?;
        let changes: Changes = compared?;
        let bytes = uploads.bytes;
        Ok::<_, Failure>((changes, packed, bytes, uploads.finish()))
    })?;
    sources.extend(carried);
    let totals = Totals {
        customers,
        rows,
        plain_bytes: packed.plain_bytes,
        changed: changes.changed,
        removed: changes.removed,
        read_bytes,
        stored_bytes,
    };
    let failed = failed
        .into_iter()
        .map(|(store, failure)| (store.name().clone(), failure));
    Ok(Written {
        manifest: Manifest {
            kind: basis.kind(),
            base: basis.number,
            started: Timestamp(0),
            finished: Timestamp(0),
            pages: packed.pages,
            packs: packed.packs,
            sources,
            classes,
            totals,
            journal: Vec::new(),
            next_customer: next.0,
            next_own: next.1,
            config: String::new(),
        },
        whole,
        failed: failed.collect(),
        left_out: gathered.left_out,
        dangling: gathered.dangling,
        unsettled: gathered.unsettled,
    })
}

impl Repository {
    /// A fetcher from some stores, with the pages of the state directory.
    pub fn fetcher(&self, stores: &[Store]) -> Fetcher {
        Fetcher::new(self.id(), stores.to_vec(), Some(self.state.clone()))
    }

    /// Every configured store, and why it is behind if it is.
    fn store_states(&self, behind: Vec<(StoreName, Failure)>) -> Vec<(StoreName, Option<Failure>)> {
        let mut behind = behind;
        let states = self.config.stores.iter().map(|store| {
            let at = behind.iter().position(|(name, _)| *name == store.name);
            (store.name.clone(), at.map(|at| behind.swap_remove(at).1))
        });
        states.collect()
    }
}
