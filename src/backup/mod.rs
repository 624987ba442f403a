//! Takes a snapshot: sources → pieces → seal → packs → stores.
//!
//! Durable before named: packs, then the pages that refer to them, then the manifest. A store that
//! fails on the way is left *behind*; the snapshot exists when one store has all of it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Failure, Outcome};
use crate::ids::{SnapshotId, StoreName};
use crate::manifest::{Manifest, SnapshotKind, Totals};
use crate::page::Entry;
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
mod storing;
#[cfg(test)]
mod tests;
mod tracked;
mod uploads;

pub use admission::{New, admit};
use compare::Sources;
use dictionary::Sample;
pub use fill::{Copied, Level, kept, level};
use gather::{Before, Gathered, GatheredSome, gather, gather_some};
pub use publish::{Swept, resume, sweep};
use storing::{Goods, store};

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
    /// Erased customers whom the register does not hold any more, and whose rows in other tables, or
    /// whose keys in rows of others, were left out.
    pub dangling: Vec<CustomerKey>,
    /// What somebody must settle, in words.
    pub unsettled: Vec<String>,
    /// Why it is full though an incremental was asked for.
    pub why_full: Option<&'static str>,
    /// Whether only what triggers had noted was read.
    pub tracked: bool,
    /// Why it was not, though triggers note what changes, in words.
    pub why_scanned: Option<String>,
    /// How many customers had changed without a note, where everything was read and notes were to tell of all.
    pub missed: Option<u64>,
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
    tracked::begin(repository);
    let (mut gathered, before, why_scanned) = gather_by(repository, &mut basis, &level, report)?;
    let stands = std::mem::take(&mut gathered.stands);
    let tracked = before.is_some();
    // What stays as it was is read in no snapshot but the one before.
    basis.full &= gathered.carried.is_empty();
    let written = write(repository, (gathered, before), &basis, &level, report)?;
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
    let id = SnapshotId {
        inc: repository.inc(),
        number: basis.number,
    };
    // Whom a scan meets each time, notes do not tell of.
    if written.left_out.is_empty() && written.dangling.is_empty() {
        tracked::named(repository, id, &stands)?;
    }
    Ok(Taken {
        id,
        kind: basis.kind(),
        totals,
        seconds: Timestamp::now().seconds_since(started),
        stores: repository.store_states(level.behind),
        left_out: written.left_out,
        dangling: written.dangling,
        unsettled: written.unsettled,
        why_full: basis.why_full,
        tracked,
        why_scanned,
        missed: written.missed,
    })
}

/// What is to be stored; what the snapshot before had of the same domains, if that is not all; and why all was read though
/// changes are tracked.
type By = (Gathered, Option<Vec<Entry>>, Option<String>);

/// Gathers what triggers have noted as changed, if they tell of everything, and else everything.
fn gather_by(
    repository: &mut Repository,
    basis: &mut Basis,
    level: &Level,
    report: &dyn Report,
) -> Outcome<By> {
    let mut why = None;
    let fetcher = repository.fetcher(&level.stores);
    if let Some(view) = basis
        .view
        .as_ref()
        .filter(|_| !basis.full && is_tracked(repository))
    {
        match gather_tracked(
            repository,
            &Before {
                view,
                fetcher: &fetcher,
            },
            report,
        ) {
            Ok(Ok(GatheredSome { gathered, before })) => return Ok((gathered, Some(before), None)),
            Ok(Err(doubt)) => why = Some(doubt),
            Err(failure) => why = Some(failure.in_one_line()),
        }
    }
    basis.check_pages(&fetcher);
    let sample = basis.dictionary.is_none().then(Sample::new);
    let gathered = gather(repository, basis.view.as_ref(), sample, report)?;
    Ok((gathered, None, why))
}

fn is_tracked(repository: &Repository) -> bool {
    repository.config.sources.iter().any(tracked::is_tracked)
}

fn gather_tracked(
    repository: &mut Repository,
    before: &Before<'_>,
    report: &dyn Report,
) -> Outcome<Result<GatheredSome, String>> {
    match tracked::trusted(repository, before.view.id, before.view.manifest())? {
        Ok(trusted) => gather_some(repository, trusted, before, report),
        Err(doubt) => Ok(Err(doubt)),
    }
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

    /// Does without the snapshot before if its pages cannot all be read.
    fn check_pages(&mut self, fetcher: &Fetcher) {
        let chain = self.view.iter().flat_map(View::chain);
        let mut pages = chain.flat_map(|manifest| &manifest.pages);
        if pages.any(|page| fetcher.page(page).is_err()) {
            *self = Self {
                number: self.number,
                view: None,
                dictionary: None,
                full: true,
                why_full: Some("no store has the last snapshot's pages whole"),
            };
        }
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
    missed: Option<u64>,
}

/// Stores what was gathered, and says what the manifest is to say of it.
fn write(
    repository: &mut Repository,
    (gathered, earlier): (Gathered, Option<Vec<Entry>>),
    basis: &Basis,
    level: &Level,
    report: &dyn Report,
) -> Outcome<Written> {
    let next = repository
        .catalog
        .change(|change| -> Outcome<_> { Ok((change.next_customer()?, change.next_own()?)) })?;
    let mut sources = gathered.sources;
    let goods = Goods {
        sorted: gathered.sorted,
        sample: gathered.sample,
        ranks: gathered.ranks,
        rows: gathered.rows,
        noted: gathered.noted,
        earlier,
        sources: Sources {
            register: sources.first().map_or(0, |source| source.number),
            kept: gathered.carried.iter().map(|kept| kept.number).collect(),
        },
    };
    let stored = store(repository, goods, basis, level, report)?;
    sources.extend(gathered.carried);
    let totals = Totals {
        customers: gathered.customers,
        rows: gathered.rows + gathered.other_rows,
        plain_bytes: stored.packed.plain_bytes,
        changed: stored.changes.changed,
        removed: stored.changes.removed,
        read_bytes: gathered.read_bytes,
        stored_bytes: stored.bytes,
    };
    Ok(Written {
        manifest: Manifest {
            kind: basis.kind(),
            base: basis.number,
            started: Timestamp(0),
            finished: Timestamp(0),
            pages: stored.packed.pages,
            packs: stored.packed.packs,
            sources,
            classes: gathered.classes,
            totals,
            journal: Vec::new(),
            next_customer: next.0,
            next_own: next.1,
            config: String::new(),
        },
        whole: stored.whole,
        failed: stored.failed,
        left_out: gathered.left_out,
        dangling: gathered.dangling,
        unsettled: gathered.unsettled,
        missed: stored.missed,
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
