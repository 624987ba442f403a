//! Rows on their way back: values that lead to other customers are opened again, where they can be.

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;

use minicbor::Decoder;

use crate::error::{Failure, Outcome};
use crate::ids::{Domain, RepoId};
use crate::keyring::tree::Forest;
use crate::manifest::SourceState;
use crate::piece::cut::{CutCell, Long, read_cut};
use crate::piece::{self, Cell, Opened};
use crate::schema::Table;
use crate::source::{self, LongValue};
use crate::spill::{Part, Parts, Record, Sorted};
use crate::value::{Value, ValueRef};

/// A value of a row, resolved.
pub enum Resolved<'r> {
    /// As it is in the row.
    Kept(ValueRef<'r>),
    /// As it was, told in the row in another way.
    Told(Value),
    /// It led to somebody who was forgotten; equal numbers led to the same row.
    Lost(u64),
}

impl Resolved<'_> {
    /// The value, unless it is lost.
    pub fn value(&self) -> Option<ValueRef<'_>> {
        match self {
            Self::Kept(value) => Some(*value),
            Self::Told(value) => Some(value.as_ref()),
            Self::Lost(_) => None,
        }
    }
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
    pub fn resolve(&mut self, domain: Domain, sealed: &[u8]) -> Outcome<Resolved<'static>> {
        let (mut domain, mut sealed) = (domain, sealed.to_vec());
        loop {
            let key = self.forest.key(domain).filter(|_| !sealed.is_empty());
            let Some(key) = key else {
                let next = self.lost.len() as u64;
                let number = self.lost.entry((domain, sealed)).or_insert(next);
                return Ok(Resolved::Lost(*number));
            };
            match piece::open_reference(self.repo, domain, &key, &sealed)? {
                Opened::Value(value) => return Ok(Resolved::Told(value)),
                Opened::Reference(other, again) => (domain, sealed) = (other, again),
            }
        }
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

/// A row on its way back.
pub(super) struct RowBack<'r> {
    /// Where in the schema its table stands.
    pub index: usize,
    /// Its rowid, where the table has them.
    pub rowid: Option<i64>,
    /// Its values; NULL for those that are too long to be held.
    pub cells: Vec<Resolved<'r>>,
    /// Those that are, if there are any.
    long: Option<LongCells>,
}

/// The values of a row that are too long to be held.
struct LongCells {
    /// The parts in which the row came, and where they lie.
    parts: Vec<Part>,
    from: Parts,
    /// Each with its column.
    long: Vec<(usize, Long)>,
}

impl RowBack<'_> {
    /// The values that are too long to be held.
    pub(super) fn long(&self) -> Vec<LongValue<'_>> {
        let Some(row) = &self.long else {
            return Vec::new();
        };
        let value = |(column, long): &(usize, Long)| LongValue {
            column: *column,
            kind: long.kind,
            len: long.len,
            bytes: Box::new(LongReader::new(row, *long)),
        };
        row.long.iter().map(value).collect()
    }
}

/// Gives every sorted row to `each`.
pub(super) fn each_row(
    mut sorted: Sorted,
    tables: &Tables<'_>,
    resolver: &mut Resolver<'_>,
    mut each: impl FnMut(RowBack<'_>) -> Outcome<()>,
) -> Outcome<()> {
    let from = sorted.parts();
    while let Some((_, record)) = sorted.next_record()? {
        match record {
            Record::Whole(bytes) => {
                let row = piece::decode_row(&mut Decoder::new(bytes))?;
                let index = fitting(tables, row.table, row.rowid, row.cells.len())?;
                let cells = row.cells.into_iter().map(|cell| resolve(cell, resolver));
                each(RowBack {
                    index,
                    rowid: row.rowid,
                    cells: cells.collect::<Outcome<_>>()?,
                    long: None,
                })?;
            }
            Record::Parts(parts) => {
                let lens: Vec<usize> = parts.iter().map(|part| part.plain_len()).collect();
                let row = read_cut(&lens, |n| Outcome::Ok(from.part(parts[n])?))?;
                let index = fitting(tables, row.table, row.rowid, row.cells.len())?;
                let (mut cells, mut long) = (Vec::new(), Vec::new());
                for (column, cell) in row.cells.iter().enumerate() {
                    cells.push(match cell.short() {
                        Some(cell) => resolve(cell, resolver)?,
                        None => Resolved::Kept(ValueRef::Null),
                    });
                    if let CutCell::Long(value) = cell {
                        long.push((column, *value));
                    }
                }
                let from = from.clone();
                each(RowBack {
                    index,
                    rowid: row.rowid,
                    cells,
                    long: Some(LongCells { parts, from, long }),
                })?;
            }
        }
    }
    Ok(())
}

/// Where the table of a row stands, which must have the table's shape.
fn fitting(tables: &Tables<'_>, number: u32, rowid: Option<i64>, cells: usize) -> Outcome<usize> {
    let index = tables.index(number)?;
    let table = tables.table(index);
    // Rowids are kept unless columns take all three of their names; an alias is always one.
    let rowid_fits = match rowid {
        Some(_) => table.has_rowid,
        None => table.rowid_alias.is_none(),
    };
    if cells != table.columns.len() || !rowid_fits {
        return Err(Failure::new(format!(
            "a row does not fit table {:?}",
            table.name
        )));
    }
    Ok(index)
}

/// Resolves one value.
fn resolve<'r>(cell: Cell<'r>, resolver: &mut Resolver<'_>) -> Outcome<Resolved<'r>> {
    Ok(match cell {
        Cell::Reference { domain, sealed } => resolver.resolve(domain, sealed)?,
        Cell::Value(value) => Resolved::Kept(value),
        Cell::Stamp(stamp) => Resolved::Told(Value::Text(stamp.text())),
    })
}

/// Values as a database takes them.
pub(super) fn cells<'r>(values: &'r [Resolved<'_>]) -> Vec<source::Cell<'r>> {
    let cell = |value: &'r Resolved<'_>| match value {
        Resolved::Kept(value) => source::Cell::Kept(*value),
        Resolved::Told(value) => source::Cell::Kept(value.as_ref()),
        Resolved::Lost(number) => source::Cell::Lost(*number),
    };
    values.iter().map(cell).collect()
}

/// The bytes of a long value.
struct LongReader<'s> {
    row: &'s LongCells,
    places: std::vec::IntoIter<(usize, Range<usize>)>,
    body: Vec<u8>,
    here: Range<usize>,
}

impl<'s> LongReader<'s> {
    fn new(row: &'s LongCells, long: Long) -> Self {
        let lens: Vec<usize> = row.parts.iter().map(|part| part.plain_len()).collect();
        let places: Vec<_> = long.places(&lens).collect();
        Self {
            row,
            places: places.into_iter(),
            body: Vec::new(),
            here: 0..0,
        }
    }
}

impl Read for LongReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.here.is_empty() {
            let Some((part, range)) = self.places.next() else {
                return Ok(0);
            };
            let part = self.row.parts.get(part);
            let part = part.ok_or(io::ErrorKind::InvalidData)?;
            self.body = self.row.from.part(*part).map_err(io::Error::other)?;
            self.here = range;
        }
        let body = self.body.get(self.here.clone());
        let body = body.ok_or(io::ErrorKind::InvalidData)?;
        let now = buffer.len().min(body.len());
        buffer[..now].copy_from_slice(&body[..now]);
        self.here.start += now;
        Ok(now)
    }
}
