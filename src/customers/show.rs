//! One customer: state, snapshots, and what the newest of them holds.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::error::{FailureKind, Outcome};
use crate::ids::{Class, Domain, SnapshotId};
use crate::manifest::SourceState;
use crate::page::Entry;
use crate::piece::{Identity, RowReader};
use crate::repo::Repository;
use crate::repo::objects::Fetcher;
use crate::repo::view::View;

use super::{Flag, State, each_of_register, holders, identity, key_of, keys_as_typed};

/// One customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The register's key, as people type it.
    pub id: String,
    /// The name in the live register, if a name column is configured.
    pub name: Option<String>,
    /// Where the customer's life stands.
    pub state: State,
    /// What else is true.
    pub flags: Vec<Flag>,
    /// When the state changes by itself.
    pub due: Option<Timestamp>,
    /// Until when a legal hold stands.
    pub hold: Option<Timestamp>,
    /// The snapshots that hold the customer, oldest first.
    pub snapshots: Vec<SnapshotId>,
    /// What the newest of them holds.
    pub sources: Vec<ShownSource>,
}

/// What a snapshot holds of a customer in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSource {
    /// The source's name.
    pub name: String,
    /// Its tables that hold something.
    pub tables: Vec<ShownTable>,
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownTable {
    /// The table's name.
    pub table: String,
    /// How many rows.
    pub rows: u64,
}

/// Shows a customer by an id as typed: whoever is in the register under it, else the last one who
/// was. Reads of the stores about as much as the customer has in the newest snapshot.
///
/// # Errors
/// `NotFound` when nobody has the id, or only somebody who was erased.
pub fn show(repository: &Repository, id: &str) -> Outcome<Shown> {
    let found = holders(repository, id);
    let mut shown = Shown {
        id: String::new(),
        name: None,
        state: State::Active,
        flags: Vec::new(),
        due: None,
        hold: None,
        snapshots: Vec::new(),
        sources: Vec::new(),
    };
    let holder = match present(repository, id)? {
        Some((here, name)) => {
            let who = repository.who(&here)?;
            (shown.id, shown.name) = (here.key.text(), name);
            // Whom no snapshot has met yet is known from the register alone.
            let found = match found {
                Err(failure) if failure.kind() == FailureKind::NotFound => Vec::new(),
                found => found?,
            };
            found.into_iter().find(|holder| holder.who == who)
        }
        None => {
            let last = found?.pop();
            shown.id = match &last {
                Some(last) => key_of(repository, last)?.text(),
                None => id.to_owned(),
            };
            // A label may name whom the register holds.
            let here = match present(repository, &shown.id)? {
                Some((here, name)) => Some((repository.who(&here)?, name)),
                None => None,
            };
            match here.filter(|(who, _)| last.as_ref().is_some_and(|last| last.who == *who)) {
                Some((_, name)) => shown.name = name,
                None => shown.flags.push(Flag::Vanished),
            }
            last
        }
    };
    if let Some(holder) = holder {
        look_into_snapshots(repository, holder.domain, &mut shown)?;
    }
    Ok(shown)
}

/// Whom the live register holds under an id, and under which name; nobody who was erased.
fn present(repository: &Repository, id: &str) -> Outcome<Option<(Identity, Option<String>)>> {
    let keys = keys_as_typed(repository, id);
    let erased = repository.catalog.erased()?;
    let mut present = None;
    each_of_register(repository, &mut |row| {
        if present.is_none() && keys.contains(&row.key) {
            let name = row.name.clone();
            let identity = identity(row);
            if !erased.contains_key(&repository.who(&identity)?) {
                present = Some((identity, name));
            }
        }
        Ok(())
    })?;
    Ok(present)
}

/// Finds the snapshots that hold the customer, and counts the rows of the newest.
fn look_into_snapshots(repository: &Repository, domain: Domain, shown: &mut Shown) -> Outcome<()> {
    let fetcher = repository.fetcher(&repository.stores);
    let mut newest = None;
    for snapshot in repository.catalog.snapshots()? {
        let view = View::open(repository, &fetcher, snapshot.id)?;
        let entries = entries(repository, &view, &fetcher, domain)?;
        if !entries.is_empty() {
            shown.snapshots.push(snapshot.id);
            newest = Some((view, entries));
        }
    }
    if let Some((view, entries)) = newest {
        for state in &view.manifest().sources {
            let own = entries.iter().filter(|entry| entry.source == state.number);
            let tables = tables(repository, &fetcher, state, own)?;
            if !tables.is_empty() {
                shown.sources.push(ShownSource {
                    name: state.name.clone(),
                    tables,
                });
            }
        }
    }
    Ok(())
}

/// What a snapshot has of the customer, in all classes that can still be read.
fn entries(
    repository: &Repository,
    view: &View,
    fetcher: &Fetcher,
    domain: Domain,
) -> Outcome<Vec<Entry>> {
    let meta = repository.meta()?;
    let mut entries = Vec::new();
    for class in 1..=u8::try_from(view.manifest().classes.len()).unwrap_or(u8::MAX) {
        let domain = Domain {
            class: Class(class),
            ..domain
        };
        if !repository.keyring.forest.is_punctured(domain) {
            entries.append(&mut view.find(fetcher, &meta, domain)?);
        }
    }
    Ok(entries)
}

/// Opens the customer's pieces of one source, and counts rows by table.
fn tables<'e>(
    repository: &Repository,
    fetcher: &Fetcher,
    state: &SourceState,
    entries: impl Iterator<Item = &'e Entry>,
) -> Outcome<Vec<ShownTable>> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for entry in entries {
        let Some(key) = repository.keyring.forest.key(entry.domain) else {
            continue;
        };
        let mut reader = RowReader::default();
        for piece in entry.pieces.iter().flatten() {
            let plain = fetcher.piece(piece, &key)?;
            reader.piece(&plain, |row, _| -> Outcome<()> {
                *counts.entry(row.table).or_default() += 1;
                Ok(())
            })?;
        }
        reader.finish()?;
    }
    // Every table of the schema has a number.
    let tables = state.schema.tables.iter().zip(&state.tables);
    let counted = tables.filter_map(|(table, numbered)| {
        let rows = *counts.get(&numbered.number)?;
        Some(ShownTable {
            table: table.name.clone(),
            rows,
        })
    });
    Ok(counted.collect())
}
