//! Numbers for life: looked up or given, durably, before anything is written under them.

use std::collections::HashMap;

use crate::catalog::{Change, Numbered};
use crate::error::{Failure, Outcome};
use crate::ids::{Class, Domain, KeyedHash};
use crate::manifest::TableState;
use crate::repo::Repository;
use crate::repo::state::StateDir;
use crate::schema::{Ownership, Schema, Table};
use crate::source::class_of;
use crate::source::sqlite::Database;

/// The numbers of what the configuration and the schemas name.
pub struct Numbers {
    /// The classes' names by number, from 1; empty where a number is no longer in use.
    pub classes: Vec<String>,
    /// The way back.
    pub by_class: HashMap<String, Class>,
    /// The sources, in the order in which they were opened.
    pub sources: Vec<NumberedSource>,
}

impl Numbers {
    /// The class of each table of a source, in the order of its schema.
    pub fn classes_of(&self, schema: &Schema) -> Outcome<Vec<Class>> {
        let class = |table: &Table| {
            class_of(table, |name| self.by_class.get(name).copied())
                .ok_or_else(|| Failure::new(format!("table {:?} has no class", table.name)))
        };
        schema.tables.iter().map(class).collect()
    }
}

/// A source's number, and those of its tables in the order of its schema.
pub struct NumberedSource {
    /// What entries of pages carry.
    pub number: u32,
    /// What rows carry, and the tables' own domains; rows are not counted yet.
    pub tables: Vec<TableState>,
}

/// Looks up, or gives, the numbers that sources, tables and classes have for life.
pub fn number(
    repository: &mut Repository,
    opened: &[(crate::config::Source, Database)],
) -> Outcome<Numbers> {
    let inc = repository.inc();
    let own = |arrival| Domain {
        inc,
        class: Class::OWN,
        arrival,
    };
    let class_names: Vec<String> = repository
        .config
        .class_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut class_hashes = Vec::new();
    for name in &class_names {
        class_hashes.push((name.clone(), repository.name_hash(&[name])?));
    }
    let mut hashes = Vec::new();
    for (source, database) in opened {
        let name = source.name.as_str();
        let tables = database.schema().tables.iter();
        let tables: Vec<_> = tables
            .map(|table| repository.name_hash(&[name, &table.name]))
            .collect::<Outcome<_>>()?;
        hashes.push((repository.name_hash(&[name])?, tables, database.schema()));
    }
    let state = &repository.state;
    let numbers = repository
        .catalog
        .change(|change: &Change<'_>| -> Outcome<Numbers> {
            let mut by_class = HashMap::new();
            for (name, hash) in &class_hashes {
                let number = change.number(Numbered::Class, hash)?;
                let number =
                    u8::try_from(number).map_err(|_| Failure::new("there are too many classes"))?;
                by_class.insert(name.clone(), Class(number));
            }
            let mut sources = Vec::new();
            for (source, tables, schema) in &hashes {
                let mut states = Vec::new();
                for (table, hash) in schema.tables.iter().zip(tables) {
                    states.push(table_state(change, table, hash, own)?);
                }
                sources.push(NumberedSource {
                    number: change.number(Numbered::Source, source)?,
                    tables: states,
                });
            }
            let mut classes =
                vec![String::new(); by_class.values().map(|c| c.0 as usize).max().unwrap_or(0)];
            for (name, class) in &by_class {
                classes[class.0 as usize - 1].clone_from(name);
            }
            note_next(state, change)?;
            Ok(Numbers {
                classes,
                by_class,
                sources,
            })
        })?;
    Ok(numbers)
}

fn table_state(
    change: &Change<'_>,
    table: &Table,
    hash: &KeyedHash,
    own: impl Fn(u32) -> Domain,
) -> Outcome<TableState> {
    let owned = matches!(table.ownership, Ownership::Register | Ownership::Owned);
    let domain = |kind| Ok::<_, Failure>(Some(own(change.number(kind, hash)?)));
    Ok(TableState {
        number: change.number(Numbered::Table, hash)?,
        whole: if owned {
            None
        } else {
            domain(Numbered::WholeTable)?
        },
        orphans: if owned {
            domain(Numbered::Orphans)?
        } else {
            None
        },
        rows: 0,
    })
}

/// Notes the next free numbers in the state directory before the catalog has given those below them:
/// whatever becomes of the catalog, none is given twice.
pub(super) fn note_next(state: &StateDir, change: &Change<'_>) -> Outcome<()> {
    let next = (change.next_customer()?, change.next_own()?);
    if state.next_numbers()? != Some(next) {
        state.set_next_numbers(next)?;
    }
    Ok(())
}
