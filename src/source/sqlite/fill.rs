//! Putting rows back whose values are too long to be held.
//!
//! SQLite makes room for a blob of zeros that is the last of its row without holding it, and takes the
//! bytes afterwards. Any other long value it must hold, as when it was written first.

use std::io::Read;

use rusqlite::MAIN_DB;

use super::build::Builder;
use super::error::SqliteError;
use super::sql::same;
use crate::piece::cut::LongKind;
use crate::source::{Cell, LongValue};
use crate::value::{Value, ValueRef};

/// Bytes that are written at once.
const CHUNK: usize = 1 << 20;

impl Builder {
    /// The same as [`Builder::put`], for a row that has long values in place of some cells.
    ///
    /// # Errors
    /// As for [`Builder::put`], and when a long value cannot be read.
    pub fn put_long(
        &mut self,
        table: usize,
        rowid: Option<i64>,
        cells: &[Cell<'_>],
        long: Vec<LongValue<'_>>,
    ) -> Result<(), SqliteError> {
        if long.is_empty() {
            return self.put(table, rowid, cells);
        }
        match rowid {
            Some(rowid) if self.can_fill(table, cells, &long) => {
                self.put_and_fill(table, rowid, cells, long)
            }
            _ => self.put_held(table, rowid, cells, long),
        }
    }

    /// Whether room can be made for all long values of a row: blobs behind which nothing has any bytes,
    /// that nothing else is made of before they are filled, and beside which all is bound as it is.
    fn can_fill(&self, table: usize, cells: &[Cell<'_>], long: &[LongValue<'_>]) -> bool {
        let (Some(entry), Some(first)) = (self.schema.tables.get(table), long.first()) else {
            return false;
        };
        let is_long = |at: usize| long.iter().any(|value| value.column == at);
        let has_bytes = |(at, cell): (usize, &Cell<'_>)| {
            let none = Cell::Kept(ValueRef::Null);
            let cell = if is_long(at) { &none } else { cell };
            !matches!(cell, Cell::Kept(ValueRef::Null | ValueRef::Int(0 | 1)))
        };
        let indexed = |column: &str| {
            let shape = &self.shapes[table];
            let unique = shape.unique.iter().flatten();
            unique.chain(&shape.primary).any(|name| same(name, column))
        };
        let blobs = long.iter().all(|value| {
            value.kind == LongKind::Blob && !indexed(&entry.columns[value.column].name)
        });
        let insert = &self.inserts[table];
        let differs = |cell: &Cell<'_>| match cell {
            Cell::Kept(value) => insert.is_fragile(*value),
            Cell::Lost(_) => true,
        };
        let mut behind = cells.iter().enumerate().skip(first.column);
        if !blobs || cells.iter().any(differs) || !entry.has_rowid || behind.any(has_bytes) {
            return false;
        }
        // SQLite fills no row of a table in which anything is computed.
        !self.shapes[table].computes(entry)
    }

    fn put_and_fill(
        &mut self,
        table: usize,
        rowid: i64,
        cells: &[Cell<'_>],
        long: Vec<LongValue<'_>>,
    ) -> Result<(), SqliteError> {
        let room = |at: usize| long.iter().find(|value| value.column == at);
        let values = cells.iter().enumerate().map(|(at, cell)| match cell {
            Cell::Kept(value) => (*value, room(at).map(|value| value.len)),
            Cell::Lost(_) => (ValueRef::Null, None),
        });
        let entry = &self.schema.tables[table];
        match self.inserts[table].make_room(&self.conn, rowid, values) {
            Ok(()) => {}
            // A CHECK wants to see the value itself.
            Err(_) => return self.put_held(table, Some(rowid), cells, long),
        }
        for value in long {
            let column = &entry.columns[value.column].name;
            let blob =
                self.conn
                    .blob_open(MAIN_DB, entry.name.as_str(), column.as_str(), rowid, false);
            let mut blob = blob.map_err(SqliteError::writing(&entry.name))?;
            fill(&mut blob, value).map_err(|source| SqliteError::WriteLong {
                table: entry.name.clone(),
                source,
            })?;
        }
        self.built.rows += 1;
        Ok(())
    }

    fn put_held(
        &mut self,
        table: usize,
        rowid: Option<i64>,
        cells: &[Cell<'_>],
        long: Vec<LongValue<'_>>,
    ) -> Result<(), SqliteError> {
        let name = || match self.schema.tables.get(table) {
            Some(table) => table.name.clone(),
            None => table.to_string(),
        };
        let mut held: Vec<(usize, Value)> = Vec::with_capacity(long.len());
        for value in long {
            let column = value.column;
            let value = value.into_value();
            let fail = |source| SqliteError::WriteLong {
                table: name(),
                source,
            };
            held.push((column, value.map_err(fail)?));
        }
        let mut cells = cells.to_vec();
        for (column, value) in &held {
            cells[*column] = Cell::Kept(value.as_ref());
        }
        self.put(table, rowid, &cells)
    }
}

/// Writes a value into the room that was made for it.
fn fill(blob: &mut rusqlite::blob::Blob<'_>, mut value: LongValue<'_>) -> std::io::Result<()> {
    let (mut buffer, mut at) = (vec![0; CHUNK], 0_usize);
    loop {
        let read = value.bytes.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        let written = blob.write_at(&buffer[..read], at);
        written.map_err(std::io::Error::other)?;
        at += read;
    }
    match at as u64 == value.len {
        true => Ok(()),
        false => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}
