//! Restores one customer into an empty directory: rows as JSON lines, and as a database with the
//! same schema. Reads the blocks and blobs of that customer, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use super::export::Exporter;
use super::rows::{Resolved, Resolver, Tables, decode, resolve};
use super::{check_empty, check_journal, fetcher};
use crate::customers;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Class, Domain, SnapshotId, StoreName};
use crate::manifest::SourceState;
use crate::page::Entry;
use crate::piece::RowReader;
use crate::repo::Repository;
use crate::repo::objects::Fetcher;
use crate::repo::view::View;
use crate::report::{Report, Unit};
use crate::source::Cell;
use crate::source::sqlite::Builder;

/// What was restored.
pub struct CustomerRestored {
    /// The customer's key, as typed.
    pub id: String,
    /// From which snapshot.
    pub snapshot: SnapshotId,
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes read from stores.
    pub read_bytes: u64,
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
    let entries = find(repository, &view, &fetcher, id)?;
    fsx::create_dir(to)?;
    report.begin("restoring the customer", None, Unit::Items);
    let rows = read_rows(repository, &fetcher, &entries)?;
    let mut total = 0;
    for state in &view.manifest().sources {
        if let Some(rows) = rows.get(&state.number) {
            total += write(repository, to, state, rows)
                .failed_to(|| format!("restore from source {:?}", state.name))?;
        }
    }
    report.end();
    check_journal(repository).inspect_err(|_| {
        // What is void is not left lying about; if it cannot be removed, the failure says enough.
        let _ = std::fs::remove_dir_all(to);
    })?;
    Ok(CustomerRestored {
        id: id.to_owned(),
        snapshot,
        rows: total,
        read_bytes: fetcher.bytes_read(),
    })
}

/// What the snapshot has of the customer who is asked for: of the present holder of the key, else of
/// the one before who is in the snapshot.
fn find(repository: &Repository, view: &View, fetcher: &Fetcher, id: &str) -> Outcome<Vec<Entry>> {
    let meta = repository.meta()?;
    let classes = view.manifest().classes.len() as u8;
    for holder in customers::holders(repository, id)?.into_iter().rev() {
        let mut entries = Vec::new();
        for class in 1..=classes {
            let domain = Domain {
                class: Class(class),
                ..holder.domain
            };
            entries.append(&mut view.find(fetcher, &meta, domain)?);
        }
        if !entries.is_empty() {
            return Ok(entries);
        }
    }
    let what = format!("customer {id} is not in snapshot {}", view.id.number);
    Err(Failure::of(FailureKind::NotFound, what)
        .hint(format!("`tenure customer show {id}` tells which")))
}

/// All rows by source, as encoded.
fn read_rows(
    repository: &Repository,
    fetcher: &Fetcher,
    entries: &[Entry],
) -> Outcome<BTreeMap<u32, Vec<Vec<u8>>>> {
    let mut rows: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for entry in entries {
        // A class of the customer's may be erased while others live.
        let Some(key) = repository.keyring.forest.key(entry.domain) else {
            continue;
        };
        let mut reader = RowReader::default();
        let rows = rows.entry(entry.source).or_default();
        for piece in entry.pieces.iter().flatten() {
            let plain = fetcher.piece(piece, &key)?;
            reader.piece(&plain, |_, bytes| -> Outcome<()> {
                rows.push(bytes.to_vec());
                Ok(())
            })?;
        }
        reader.finish()?;
    }
    Ok(rows)
}

/// Writes one source's rows in both forms.
fn write(
    repository: &Repository,
    to: &Path,
    state: &SourceState,
    rows: &[Vec<u8>],
) -> Outcome<u64> {
    let tables = Tables::new(state);
    let mut resolver = Resolver::new(repository.id(), &repository.keyring.forest);
    let mut builder = Builder::create(&to.join(format!("{}.sqlite", state.name)), &state.schema)?;
    let mut exporter = Exporter::new(&to.join(&state.name))?;
    for record in rows {
        let (index, row) = decode(record, &tables)?;
        let values = row.cells.iter().map(|cell| resolve(*cell, &mut resolver));
        let values = values.collect::<Outcome<Vec<_>>>()?;
        exporter.row(tables.table(index), row.rowid, &values)?;
        let cells = values.iter().map(|value| match value {
            Resolved::Kept(value) => Cell::Kept(value.as_ref()),
            Resolved::Lost(number) => Cell::Lost(*number),
        });
        builder.put(index, row.rowid, &cells.collect::<Vec<_>>())?;
    }
    builder.finish()?;
    exporter.finish()?;
    Ok(rows.len() as u64)
}
