//! Rows on their way back: values that lead to other customers are opened again, where they can be.

use std::collections::HashMap;

use minicbor::Decoder;

use crate::error::{Failure, Outcome};
use crate::ids::{Domain, RepoId};
use crate::keyring::tree::Forest;
use crate::manifest::SourceState;
use crate::piece::{self, Cell};
use crate::schema::Table;
use crate::value::Value;

/// A value of a row, resolved.
pub enum Resolved {
    /// As it was.
    Kept(Value),
    /// It led to somebody who was forgotten; equal numbers led to the same row.
    Lost(u64),
}

/// Opens references, and numbers those that lead to forgotten customers.
pub struct Resolver<'a> {
    repo: RepoId,
    forest: &'a Forest,
    lost: HashMap<(Domain, Vec<u8>), u64>,
}

impl<'a> Resolver<'a> {
    /// A resolver with the keys of a forest.
    pub fn new(repo: RepoId, forest: &'a Forest) -> Self {
        Self {
            repo,
            forest,
            lost: HashMap::new(),
        }
    }

    /// What a reference stands for.
    pub fn resolve(&mut self, domain: Domain, sealed: &[u8]) -> Outcome<Resolved> {
        let key = self.forest.key(domain).filter(|_| !sealed.is_empty());
        let Some(key) = key else {
            let next = self.lost.len() as u64;
            let number = self.lost.entry((domain, sealed.to_vec())).or_insert(next);
            return Ok(Resolved::Lost(*number));
        };
        Ok(Resolved::Kept(piece::open_reference(
            self.repo, domain, &key, sealed,
        )?))
    }
}

/// The tables of a source by the number that rows carry.
pub struct Tables<'a> {
    state: &'a SourceState,
    by_number: HashMap<u32, usize>,
}

impl<'a> Tables<'a> {
    /// The tables of one source.
    pub fn new(state: &'a SourceState) -> Self {
        let numbers = state
            .tables
            .iter()
            .enumerate()
            .map(|(at, table)| (table.number, at));
        Self {
            state,
            by_number: numbers.collect(),
        }
    }

    /// Where in the schema the table with this number stands.
    pub fn index(&self, number: u32) -> Outcome<usize> {
        self.by_number.get(&number).copied().ok_or_else(|| {
            Failure::new(format!(
                "source {:?} has no table number {number}",
                self.state.name
            ))
        })
    }

    /// The table at that place.
    pub fn table(&self, index: usize) -> &'a Table {
        &self.state.schema.tables[index]
    }
}

/// Reads one encoded row, and checks that it has the shape of its table.
pub fn decode<'b>(record: &'b [u8], tables: &Tables<'_>) -> Outcome<(usize, piece::Row<'b>)> {
    let row = piece::decode_row(&mut Decoder::new(record))?;
    let index = tables.index(row.table)?;
    let table = tables.table(index);
    // Rowids are kept unless columns take all three of their names; an alias is always one.
    let rowid_fits = match row.rowid {
        Some(_) => table.has_rowid,
        None => table.rowid_alias.is_none(),
    };
    if row.cells.len() != table.columns.len() || !rowid_fits {
        return Err(Failure::new(format!(
            "a row does not fit table {:?}",
            table.name
        )));
    }
    Ok((index, row))
}

/// Resolves one value.
pub fn resolve(cell: Cell<'_>, resolver: &mut Resolver<'_>) -> Outcome<Resolved> {
    match cell {
        Cell::Value(value) => Ok(Resolved::Kept(value.to_value())),
        Cell::Reference { domain, sealed } => resolver.resolve(domain, sealed),
    }
}
