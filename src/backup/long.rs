//! Rows with values that are too long to be held: they pass through in parts.

use crate::error::{Context, Failure, Outcome};
use crate::piece::Cell;
use crate::piece::cut::CutWriter;
use crate::source::LongValue;
use crate::spill::{Key, Sorter};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Hands a row to the sorter: its table's number and rowid, its cells, and the long values, in the order
/// of their columns, that stand in place of cells.
pub(super) fn push<'c>(
    sorter: &mut Sorter,
    key: Key,
    (table, rowid): (u32, Option<i64>),
    cells: impl ExactSizeIterator<Item = Cell<'c>>,
    long: Vec<LongValue<'_>>,
) -> Outcome<()> {
    let mut writer = CutWriter::new(table, rowid, cells.len());
    let mut parts = Vec::new();
    let mut sink = |part| -> Outcome<()> {
        parts.push(sorter.set_aside(part)?);
        Ok(())
    };
    let mut long = long.into_iter().peekable();
    for (column, cell) in cells.enumerate() {
        match long.next_if(|value| value.column == column) {
            Some(value) => copy(value, &mut writer, &mut sink)?,
            None => writer.cell(cell, &mut sink)?,
        }
    }
    let last = writer.finish();
    if parts.is_empty() {
        return Ok(sorter.push(key, &last)?);
    }
    parts.push(sorter.set_aside(last)?);
    Ok(sorter.push_parts(key, &parts)?)
}

fn copy(
    mut value: LongValue<'_>,
    writer: &mut CutWriter,
    sink: &mut impl FnMut(Vec<u8>) -> Outcome<()>,
) -> Outcome<()> {
    writer.long(value.kind, value.len, sink)?;
    let (mut buffer, mut left) = (vec![0; CHUNK], value.len);
    while left > 0 {
        let read = value.bytes.read(&mut buffer);
        let read = read.failed_to(|| "read a long value")?;
        left = match left.checked_sub(read as u64) {
            Some(left) if read > 0 => left,
            _ => {
                return Err(Failure::new(
                    "a long value is not as long as it was said to be",
                ));
            }
        };
        writer.bytes(&buffer[..read], sink)?;
    }
    Ok(())
}
