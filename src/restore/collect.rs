//! Rows leave a snapshot by domain, and go into a database fast only in the order of its tables and
//! rowids: so they pass through the same sorter as on the way out.

use super::lives::Change;
use crate::error::Outcome;
use crate::piece::cut::{CutCell, CutRow, CutWriter, read_cut};
use crate::piece::{self, Cell, Found, RowReader};
use crate::spill::{Key, Part, Sorter};
use crate::value::ValueRef;

/// Takes the pieces of one entry, in order.
pub(super) struct Collector<'l> {
    reader: RowReader,
    change: Option<Change<'l>>,
    /// What has come of a row that was cut.
    parts: Vec<Part>,
    /// That row's place.
    key: Key,
}

impl<'l> Collector<'l> {
    /// Rows are changed on their way as `change` says.
    pub(super) fn new(change: Option<Change<'l>>) -> Self {
        Self {
            reader: RowReader::default(),
            change,
            parts: Vec::new(),
            key: (0, 0),
        }
    }

    /// Hands the rows of the next piece to `sorter`.
    pub(super) fn piece(&mut self, plain: &[u8], sorter: &mut Sorter) -> Outcome<()> {
        let (change, parts, key) = (self.change, &mut self.parts, &mut self.key);
        self.reader.piece(plain, |found| match found {
            Found::Row(row, bytes) => {
                let key = place(row.table, row.rowid.or_else(|| first(&row.cells)));
                match change {
                    Some(change) => sorter.push(key, &change.apply(&row, bytes))?,
                    None => sorter.push(key, bytes)?,
                }
                Ok(())
            }
            Found::Part { body, last } => {
                if parts.is_empty() {
                    let (table, rowid) = piece::head(body)?;
                    *key = place(table, rowid);
                }
                parts.push(sorter.set_aside(body.to_vec())?);
                if last {
                    let mut parts = std::mem::take(parts);
                    if let Some(change) = change {
                        parts = changed(change, parts, sorter)?;
                    }
                    sorter.push_parts(*key, &parts)?;
                }
                Ok(())
            }
        })
    }

    /// That no row is left unfinished.
    pub(super) fn finish(self) -> Outcome<()> {
        Ok(self.reader.finish()?)
    }
}

/// What a row without a rowid is sorted by: its first value, since most primary keys begin with it, and
/// the tree of such a table grows fast only in the order of its keys. Any order gives the same table.
fn first(cells: &[Cell<'_>]) -> Option<i64> {
    match cells.first()? {
        Cell::Value(ValueRef::Int(i)) => Some(*i),
        Cell::Value(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => {
            let mut head = [0; 8];
            let len = bytes.len().min(head.len());
            head[..len].copy_from_slice(&bytes[..len]);
            Some((u64::from_be_bytes(head) ^ (1 << 63)).cast_signed())
        }
        _ => None,
    }
}

/// What a row is sorted by.
fn place(table: u32, rowid: Option<i64>) -> Key {
    // Signed numbers in the order of unsigned ones.
    (
        u64::from(table),
        rowid.unwrap_or(0).cast_unsigned() ^ (1 << 63),
    )
}

/// The parts of a row as it is to be restored.
fn changed(change: Change<'_>, parts: Vec<Part>, sorter: &mut Sorter) -> Outcome<Vec<Part>> {
    let lens: Vec<usize> = parts.iter().map(|part| part.plain_len()).collect();
    let row: CutRow = read_cut(&lens, |n| Outcome::Ok(sorter.part(parts[n])?))?;
    let Some((column, value)) = change.of_cut(&row) else {
        return Ok(parts);
    };
    let mut writer = CutWriter::new(row.table, row.rowid, row.cells.len());
    let mut new = Vec::new();
    for (at, cell) in row.cells.iter().enumerate() {
        let mut sink = |part| -> Outcome<()> {
            new.push(sorter.set_aside(part)?);
            Ok(())
        };
        match cell {
            _ if at == column => writer.cell(Cell::Value(value.as_ref()), &mut sink)?,
            CutCell::Long(long) => {
                writer.long(long.kind, long.len, &mut sink)?;
                for (n, range) in long.places(&lens) {
                    let body = sorter.part(parts[n])?;
                    let mut sink = |part| -> Outcome<()> {
                        new.push(sorter.set_aside(part)?);
                        Ok(())
                    };
                    writer.bytes(&body[range], &mut sink)?;
                }
            }
            short => {
                if let Some(cell) = short.short() {
                    writer.cell(cell, &mut sink)?;
                }
            }
        }
    }
    new.push(sorter.set_aside(writer.finish())?);
    Ok(new)
}
