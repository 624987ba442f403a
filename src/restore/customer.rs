//! Restores one customer into an empty directory: rows as JSON lines, and as a database with the
//! same schema. Reads the blocks and blobs of that customer, and nothing else.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::collect::Collector;
use super::export::Exporter;
use super::lives::Lives;
use super::rows::{Resolver, Tables, cells, each_row};
use super::site::{Site, check_empty};
use super::whole::not_hidden;
use super::{check_journal, fetcher};
use crate::catalog::Customer;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::{SnapshotId, StoreName};
use crate::manifest::SourceState;
use crate::page::Entry;
use crate::register;
use crate::repo::Repository;
use crate::repo::objects::Fetcher;
use crate::repo::view::View;
use crate::report::{Report, Unit};
use crate::source::sqlite::{Builder, Built};
use crate::spill::{Sorted, Sorter};

/// What was restored.
pub struct CustomerRestored {
    /// The customer's key, as typed.
    pub id: String,
    /// From which snapshot.
    pub snapshot: SnapshotId,
    /// Rows of all tables.
    pub rows: u64,
    /// What was left out, in words.
    pub left_out: Vec<String>,
    /// Bytes read from stores.
    pub read_bytes: u64,
    /// What is not as it should be, with the source's name: see [`Built::problems`].
    pub problems: Vec<String>,
}

/// Restores one customer from a snapshot into `to`, which must be empty or not there.
pub fn customer(
    repository: &Repository,
    id: &str,
    to: &Path,
    snapshot: SnapshotId,
    store: Option<&StoreName>,
    report: &dyn Report,
) -> Outcome<CustomerRestored> {
    check_empty(to)?;
    let fetcher = fetcher(repository, snapshot, store)?;
    let view = View::open(repository, &fetcher, snapshot)?;
    let (_, entries) = find(repository, &view, &fetcher, id)?;
    let lives = Lives::new(repository, view.manifest())?;
    let site = Site::begin(to)?;
    report.begin("restoring the customer", None, Unit::Items);
    let mut rows = read_rows(repository, &fetcher, &lives, &entries, site.work())?;
    let (mut total, mut problems) = (0, Vec::new());
    for state in &view.manifest().sources {
        if let Some(rows) = rows.remove(&state.number) {
            let built = write(repository, site.work(), state, rows)
                .failed_to(|| format!("restore from source {:?}", state.name))?;
            total += built.rows;
            let named = |problem| format!("source {}: {problem}", state.name);
            problems.extend(built.problems.into_iter().map(named));
        }
    }
    report.end();
    check_journal(repository)?;
    site.finish()?;
    Ok(CustomerRestored {
        id: id.to_owned(),
        snapshot,
        rows: total,
        left_out: not_hidden(&lives).into_iter().collect(),
        read_bytes: fetcher.bytes_read(),
        problems,
    })
}

/// What the snapshot has of the customer who is asked for: of the present holder of the key, else of
/// the one before who is in the snapshot.
pub(super) fn find(
    repository: &Repository,
    view: &View,
    fetcher: &Fetcher,
    id: &str,
) -> Outcome<(Customer, Vec<Entry>)> {
    let holders = register::holders(repository, id)?;
    only_one_key(repository, id, &holders)?;
    for holder in holders.into_iter().rev() {
        let mut entries = Vec::new();
        for domain in repository.domains_of(holder.domain)? {
            entries.append(&mut view.find(fetcher, domain)?);
        }
        if !entries.is_empty() {
            return Ok((holder, entries));
        }
    }
    let what = format!("customer {id} is not in snapshot {}", view.id.number);
    Err(Failure::of(FailureKind::NotFound, what)
        .hint(format!("`tenure customer show {id}` tells which")))
}

/// That an id does not mean customers with different keys, such as `1` and `'1'`: whoever is asked for must
/// not be given another one's rows.
fn only_one_key(repository: &Repository, id: &str, holders: &[Customer]) -> Outcome<()> {
    let mut keys = HashSet::new();
    for holder in holders {
        if repository.keyring.forest.key(holder.domain).is_some() {
            keys.insert(register::identity_of(repository, holder)?.key);
        }
    }
    if keys.len() <= 1 {
        return Ok(());
    }
    Err(register::written_alike(id, holders))
}

/// All rows by source, in the order of tables and rowids, as they are to be restored.
pub(super) fn read_rows(
    repository: &Repository,
    fetcher: &Fetcher,
    lives: &Lives,
    entries: &[Entry],
    spill: &Path,
) -> Outcome<BTreeMap<u32, Sorted>> {
    let forest = &repository.keyring.forest;
    let mut sorters: BTreeMap<u32, Sorter> = BTreeMap::new();
    for entry in entries {
        // A class of the customer's may be erased while others live.
        let Some(key) = forest.key(entry.domain) else {
            continue;
        };
        let sorter = sorters.entry(entry.source);
        let sorter = sorter.or_insert_with(|| Sorter::new(spill));
        let mut collector = Collector::new(lives.of(entry.domain, entry.source));
        for piece in entry.pieces.iter().flatten() {
            collector.piece(&fetcher.piece(piece, &key, forest)?, sorter)?;
        }
        collector.finish()?;
    }
    let sorted = sorters
        .into_iter()
        .map(|(source, sorter)| Ok((source, sorter.finish()?)));
    sorted.collect()
}

/// Writes one source's rows in both forms.
fn write(repository: &Repository, to: &Path, state: &SourceState, rows: Sorted) -> Outcome<Built> {
    let tables = Tables::new(state);
    let mut resolver = Resolver::new(repository.id(), &repository.keyring.forest);
    let mut builder = Builder::create(&to.join(format!("{}.sqlite", state.name)), &state.schema)?;
    let mut exporter = Exporter::new(&to.join(&state.name))?;
    each_row(rows, &tables, &mut resolver, |row| {
        exporter.row(tables.table(row.index), row.rowid, &row.cells, row.long())?;
        Ok(builder.put_long(row.index, row.rowid, &cells(&row.cells), row.long())?)
    })?;
    let built = builder.finish()?;
    exporter.finish()?;
    Ok(built)
}
