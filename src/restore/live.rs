//! Puts one customer's rows back into the live systems, one transaction for each source.

use super::customer::{find, read_rows};
use super::lives::Lives;
use super::rows::{Resolver, Tables, each_row};
use super::whole::not_hidden;
use super::{check_journal, fetcher};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::SnapshotId;
use crate::manifest::SourceState;
use crate::piece::Identity;
use crate::register;
use crate::repo::Repository;
use crate::repo::identity::open_identity;
use crate::repo::view::View;
use crate::report::{Report, Unit};
use crate::source::sqlite::{Live, PutBack, SavedRow};
use crate::spill::Sorted;
use crate::value::ValueRef;

/// What was put back.
pub struct LiveRestored {
    /// The customer's key, as typed.
    pub id: String,
    /// From which snapshot.
    pub snapshot: SnapshotId,
    /// Each source that the snapshot has rows of the customer in.
    pub sources: Vec<LiveSource>,
    /// What was left out, in words.
    pub left_out: Vec<String>,
    /// Bytes read from stores.
    pub read_bytes: u64,
}

impl LiveRestored {
    /// How many rows of the snapshot stand in the live systems now.
    pub fn rows(&self) -> u64 {
        self.sources.iter().map(|source| source.rows).sum()
    }
}

/// What was done in one source.
pub struct LiveSource {
    /// Its name.
    pub name: String,
    /// How many rows of the snapshot stand there now.
    pub rows: u64,
    /// Values that led to forgotten customers and are NULL now.
    pub lost: u64,
    /// What became of the rows.
    pub put: PutBack,
}

/// Puts a customer's rows from a snapshot back into the live systems; with `replace` they are
/// afterwards exactly those of the snapshot. Whoever is hidden stays hidden. The repository must have
/// been opened for changing.
///
/// # Errors
/// `NotFound` for whoever was erased or is not in the snapshot; `Refused` when somebody else has the key
/// by now, or when rows are in the way and `replace` is not said. What was done in sources before one
/// that fails stays, and is named.
pub fn live(
    repository: &Repository,
    id: &str,
    snapshot: SnapshotId,
    replace: bool,
    report: &dyn Report,
) -> Outcome<LiveRestored> {
    let fetcher = fetcher(repository, snapshot, None)?;
    let view = View::open(repository, &fetcher, snapshot)?;
    let (holder, entries) = find(repository, &view, &fetcher, id)?;
    let key = repository.keyring.forest.key(holder.domain);
    let key = key.ok_or_else(|| register::not_found(repository, id))?;
    let identity = open_identity(repository.id(), holder.domain, &key, &holder.sealed)?;
    check_key(repository, id, &identity)?;
    let lives = Lives::new(repository, view.manifest())?;
    report.begin("restoring the customer", None, Unit::Items);
    let spill = repository.state.path().join("spill");
    crate::fsx::create_dir(&spill)?;
    let mut rows = read_rows(repository, &fetcher, &lives, &entries, &spill)?;
    check_journal(repository)?;
    let mut sources: Vec<LiveSource> = Vec::new();
    for state in register_first(repository, &view) {
        let Some(rows) = rows.remove(&state.number) else {
            continue;
        };
        let put = source(repository, state, &identity, rows, replace).failed_to(|| {
            let done: Vec<_> = sources.iter().map(|done| done.name.as_str()).collect();
            match done.is_empty() {
                true => format!("restore into source {:?}", state.name),
                false => format!(
                    "restore into source {:?} (it is done in {})",
                    state.name,
                    done.join(", ")
                ),
            }
        });
        sources.push(put?);
    }
    report.end();
    Ok(LiveRestored {
        id: id.to_owned(),
        snapshot,
        sources,
        left_out: not_hidden(&lives).into_iter().collect(),
        read_bytes: fetcher.bytes_read(),
    })
}

/// That nobody else has the key by now.
fn check_key(repository: &Repository, id: &str, identity: &Identity) -> Outcome<()> {
    if register::unshared_keys(repository, std::slice::from_ref(identity))?.is_empty() {
        let what = format!("the key of customer {id:?} is another customer's by now");
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("`--to DIR` restores the rows beside the live system"));
    }
    if register::is_held_otherwise(repository, &identity.key)? {
        let what = format!(
            "the key of customer {id:?} is another customer's by now, in another form: rows of other sources cannot be told apart"
        );
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("`--to DIR` restores the rows beside the live system"));
    }
    Ok(())
}

/// The sources as the snapshot has them, that of the register first: whoever is in it is somebody.
fn register_first<'v>(repository: &Repository, view: &'v View) -> Vec<&'v SourceState> {
    let register = repository.config.register.as_str();
    let mut sources: Vec<_> = view.manifest().sources.iter().collect();
    sources.sort_by_key(|state| state.name != register);
    sources
}

fn source(
    repository: &Repository,
    state: &SourceState,
    identity: &Identity,
    rows: Sorted,
    replace: bool,
) -> Outcome<LiveSource> {
    let source = repository.config.source(&state.name).ok_or_else(|| {
        let what = format!("the configuration has no source {:?} any more", state.name);
        Failure::of(FailureKind::Usage, what)
    })?;
    let (rows, lost) = saved(repository, state, rows)?;
    let mut keys = vec![identity.key.clone()];
    if source.name != repository.config.register {
        keys = register::keys_elsewhere(repository, &keys)?;
    }
    let put = || {
        let mut live = Live::open(&source.path, &source.rules)?;
        live.put(&keys, &state.schema.tables, &rows, replace)
    };
    let put = repository.changing(&state.name, put)??;
    Ok(LiveSource {
        name: state.name.clone(),
        rows: rows.len() as u64,
        lost,
        put,
    })
}

/// Rows as a live source takes them, and how many values led to forgotten customers.
fn saved(
    repository: &Repository,
    state: &SourceState,
    rows: Sorted,
) -> Outcome<(Vec<SavedRow>, u64)> {
    let tables = Tables::new(state);
    let mut resolver = Resolver::new(repository.id(), &repository.keyring.forest);
    let (mut saved, mut lost) = (Vec::new(), 0);
    each_row(rows, &tables, &mut resolver, |row| {
        let long = row.long().into_iter().map(|value| {
            let (column, table) = (value.column, &tables.table(row.index).name);
            let value = value.into_value();
            Ok((column, value.map_err(|error| long_value(table, error))?))
        });
        let long = long.collect::<Outcome<Vec<_>>>()?;
        let (table, rowid) = (row.index, row.rowid);
        let mut cells = Vec::with_capacity(row.cells.len());
        for value in &row.cells {
            lost += u64::from(value.value().is_none());
            let value = value.value().unwrap_or(ValueRef::Null);
            cells.push(value.to_value());
        }
        for (column, value) in long {
            cells[column] = value;
        }
        saved.push(SavedRow {
            table,
            rowid,
            cells,
        });
        Ok(())
    })?;
    Ok((saved, lost))
}

fn long_value(table: &str, error: std::io::Error) -> Failure {
    Failure::new(format!("cannot read a long value of table {table:?}")).because(error)
}
