//! One customer: state, snapshots, and what the newest of them holds.

use std::collections::BTreeMap;

use crate::catalog::Customer;
use crate::clock::Timestamp;
use crate::error::{FailureKind, Outcome};
use crate::ids::{Class, Domain, SnapshotId};
use crate::lifecycle::{self, Hold};
use crate::manifest::SourceState;
use crate::page::Entry;
use crate::piece::{self, Found, Identity, RowReader};
use crate::register;
use crate::repo::Repository;
use crate::repo::identity::open_reason;
use crate::repo::objects::Fetcher;
use crate::repo::view::View;

use super::standing::{Flag, Standing, Standings, State};

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
    /// The legal hold that stands.
    pub hold: Option<Hold>,
    /// Why the state is what it is: what the rules say, and what people have said.
    pub why: Vec<String>,
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
/// `NotFound` when nobody has the id, or only somebody who was erased, or only somebody who is hidden
/// and the hidden may not be seen.
pub fn show(repository: &Repository, id: &str, may_see_hidden: bool) -> Outcome<Shown> {
    let known = register::holders(repository, id);
    let here = present(repository, id)?;
    if here.iter().any(|(who, _)| who.key != here[0].0.key) {
        let holders = register::find(repository, id).unwrap_or_default();
        return Err(register::written_alike(id, &holders));
    }
    let (holder, mut shown) = match here.into_iter().next() {
        Some((here, name)) => {
            let who = repository.who(&here)?;
            // Whom no snapshot has met yet is known from the register alone.
            let known = match known {
                Err(failure) if failure.kind() == FailureKind::NotFound => Vec::new(),
                known => known?,
            };
            let holder = known.into_iter().find(|holder| holder.who == who);
            let standing = match &holder {
                Some(holder) => stands(repository, holder, &here)?,
                None => (
                    Standings::of_one(repository, None)?.present(&who),
                    Vec::new(),
                ),
            };
            if standing.0.state == State::Erased {
                return Err(register::not_found(repository, id));
            }
            (holder, shown(here.key.text(), name, standing))
        }
        None => {
            let Some(last) = known?.pop() else {
                return Err(register::not_found(repository, id));
            };
            let identity = register::identity_of(repository, &last)?;
            // A label may name whom the register holds.
            let here = present(repository, &identity.key.text())?;
            let here = here.into_iter().find(|(here, _)| *here == identity);
            let name = here.and_then(|(_, name)| name);
            let standing = stands(repository, &last, &identity)?;
            (Some(last), shown(identity.key.text(), name, standing))
        }
    };
    if shown.state == State::Hidden && !may_see_hidden {
        return Err(register::not_found(repository, id));
    }
    if let Some(holder) = holder {
        look_into_snapshots(repository, holder.domain, &mut shown)?;
    }
    Ok(shown)
}

fn shown(id: String, name: Option<String>, (standing, why): (Standing, Vec<String>)) -> Shown {
    Shown {
        id,
        name,
        state: standing.state,
        flags: standing.flags,
        due: standing.due,
        hold: standing.hold,
        why,
        snapshots: Vec::new(),
        sources: Vec::new(),
    }
}

/// How the life of somebody stands who was not erased, and why.
fn stands(
    repository: &Repository,
    holder: &Customer,
    identity: &Identity,
) -> Outcome<(Standing, Vec<String>)> {
    let now = Timestamp::now();
    let domain = holder.domain;
    let (verdict, vanished) = lifecycle::retention::verdict_on(repository, domain, identity, now)?;
    let standings = Standings::of_one(repository, Some(&verdict))?;
    let standing = match vanished {
        true => standings.vanished(domain),
        false => standings.living(Some(domain)),
    };
    let mut why: Vec<String> = verdict.why.iter().map(ToString::to_string).collect();
    let lives = lifecycle::lives(repository)?;
    if let (Some(life), Some(key)) = (lives.get(&domain), repository.keyring.forest.key(domain)) {
        let said = [
            ("why held", life.held.and(life.hold_reason.as_ref())),
            ("why hidden", life.hidden.and(life.hide_reason.as_ref())),
        ];
        for (what, sealed) in said {
            if let Some(sealed) = sealed {
                let text = open_reason(repository.id(), domain, &key, sealed)?;
                why.push(format!("{what}: {text}"));
            }
        }
    }
    Ok((standing, why))
}

/// Whom the live register holds under an id, and under which names.
fn present(repository: &Repository, id: &str) -> Outcome<Vec<(Identity, Option<String>)>> {
    let keys = register::keys_as_typed(repository, id);
    let mut present = Vec::new();
    register::each_of_register(repository, &mut |row| {
        if keys.contains(&row.key) {
            let name = row.name.clone();
            present.push((register::identity(row), name));
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
    let mut entries = Vec::new();
    for class in 1..=u8::try_from(view.manifest().classes.len()).unwrap_or(u8::MAX) {
        let domain = Domain {
            class: Class(class),
            ..domain
        };
        if !repository.keyring.forest.is_punctured(domain) {
            entries.append(&mut view.find(fetcher, domain)?);
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
    let forest = &repository.keyring.forest;
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for entry in entries {
        let Some(key) = forest.key(entry.domain) else {
            continue;
        };
        let mut reader = RowReader::default();
        let mut goes_on = false;
        for piece in entry.pieces.iter().flatten() {
            let plain = fetcher.piece(piece, &key, forest)?;
            reader.piece(&plain, |found| -> Outcome<()> {
                let table = match found {
                    Found::Row(row, _) => row.table,
                    Found::Part { last, .. } if goes_on => {
                        goes_on = !last;
                        return Ok(());
                    }
                    Found::Part { body, last } => {
                        goes_on = !last;
                        piece::head(body)?.0
                    }
                };
                *counts.entry(table).or_default() += 1;
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
