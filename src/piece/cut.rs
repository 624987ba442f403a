//! Rows that are too long to be held at once: written and read in parts.
//!
//! The parts are the bodies of a row's fragments. All but the last have [`MAX`](super::MAX) bytes when they
//! are written; a reader takes any lengths.

use std::ops::Range;

use minicbor::Decoder;

use super::{Cell, MAX, decode_cell};
use crate::cbor::{self, Malformed};
use crate::ids::Domain;
use crate::value::Value;

/// Values of more bytes are not held in memory when a row is read that was cut.
pub const LONG: u64 = 1 << 20;

/// What a long value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongKind {
    /// A blob.
    Blob,
    /// Text in UTF-8.
    Text,
    /// Text that is not UTF-8.
    OtherText,
}

/// Writes one row; whatever is as long as a part goes to a sink at once.
pub struct CutWriter {
    part: Vec<u8>,
}

impl CutWriter {
    /// Begins a row with so many values.
    pub fn new(table: u32, rowid: Option<i64>, cells: usize) -> Self {
        let mut part = Vec::new();
        cbor::append(&mut part, |w| {
            w.array(2 + cells as u64)?.u32(table)?;
            match rowid {
                Some(rowid) => w.i64(rowid)?,
                None => w.null()?,
            };
            Ok(())
        });
        Self { part }
    }

    /// Writes the next value.
    pub fn cell<E>(
        &mut self,
        cell: Cell<'_>,
        sink: &mut impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = Vec::new();
        cbor::append(&mut bytes, |w| super::encode_cell(w, cell));
        self.bytes(&bytes, sink)
    }

    /// Begins the next value, of so many bytes, which must follow.
    pub fn long<E>(
        &mut self,
        kind: LongKind,
        len: u64,
        sink: &mut impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut head = Vec::new();
        if kind == LongKind::OtherText {
            cbor::append(&mut head, |w| w.array(1)?.ok());
        }
        let major = if kind == LongKind::Text { 0x60 } else { 0x40 };
        push_head(&mut head, major, len);
        self.bytes(&head, sink)
    }

    /// Bytes of the long value that was begun.
    pub fn bytes<E>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.part.len() == MAX {
                sink(std::mem::take(&mut self.part))?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(MAX - self.part.len()));
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// The last part.
    pub fn finish(self) -> Vec<u8> {
        self.part
    }
}

/// The head of a CBOR item (RFC 8949, section 3) in its shortest form.
fn push_head(out: &mut Vec<u8>, major: u8, len: u64) {
    match len {
        0..=23 => out.push(major | len as u8),
        24..=0xff => out.extend([major | 24, len as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((len as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((len as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(len.to_be_bytes());
        }
    }
}

/// A row that was cut, with its long values left where they are.
#[derive(Debug, PartialEq, Eq)]
pub struct CutRow {
    /// The table's number.
    pub table: u32,
    /// The rowid, where the table has them.
    pub rowid: Option<i64>,
    /// The values.
    pub cells: Vec<CutCell>,
}

/// One value of a [`CutRow`].
#[derive(Debug, PartialEq, Eq)]
pub enum CutCell {
    /// A value that is here.
    Value(Value),
    /// It leads to another customer.
    Reference {
        /// To whom.
        domain: Domain,
        /// As in [`Cell::Reference`].
        sealed: Vec<u8>,
    },
    /// A value that is not.
    Long(Long),
}

impl CutCell {
    /// The cell as it is written; none for a long one.
    pub fn short(&self) -> Option<Cell<'_>> {
        match self {
            Self::Value(value) => Some(Cell::Value(value.as_ref())),
            Self::Reference { domain, sealed } => Some(Cell::Reference {
                domain: *domain,
                sealed,
            }),
            Self::Long(_) => None,
        }
    }
}

/// Where a long value stands in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// What it is.
    pub kind: LongKind,
    /// Its bytes.
    pub len: u64,
    /// The part that it begins in, and where there.
    start: (usize, usize),
}

impl Long {
    /// The parts that it stands in, and where in each, given the lengths of all parts of its row.
    pub fn places(self, parts: &[usize]) -> impl Iterator<Item = (usize, Range<usize>)> {
        let ((first, mut from), mut left) = (self.start, self.len);
        parts
            .iter()
            .enumerate()
            .skip(first)
            .map_while(move |(part, len)| {
                let to = left.saturating_add(from as u64).min(*len as u64) as usize;
                let place = (part, from..to);
                let more = left > 0;
                left -= (to - from) as u64;
                from = 0;
                more.then_some(place)
            })
    }
}

/// Reads a row whose parts have these lengths. `part` gives each: always later ones, and not those that
/// nothing but a long value stands in.
pub fn read_cut<E: From<Malformed>>(
    parts: &[usize],
    part: impl FnMut(usize) -> Result<Vec<u8>, E>,
) -> Result<CutRow, E> {
    let mut cursor = Cursor {
        parts,
        part,
        number: 0,
        here: Vec::new(),
        at: 0,
    };
    cursor.here = cursor.load(0)?;
    let items = cursor.array()?.checked_sub(2).ok_or(Malformed)?;
    let table = cursor.short()?;
    let rowid = cursor.short()?;
    let (table, rowid) = match (table, rowid) {
        (Value::Int(table), Value::Int(rowid)) => (table, Some(rowid)),
        (Value::Int(table), Value::Null) => (table, None),
        _ => return Err(Malformed.into()),
    };
    let mut cells = Vec::new();
    for _ in 0..items {
        cells.push(cursor.cell()?);
    }
    cursor.at_end()?;
    Ok(CutRow {
        table: u32::try_from(table).map_err(|_| Malformed)?,
        rowid,
        cells,
    })
}

/// A place in a row that goes on from part to part.
struct Cursor<'p, F> {
    parts: &'p [usize],
    part: F,
    number: usize,
    here: Vec<u8>,
    at: usize,
}

impl<E: From<Malformed>, F: FnMut(usize) -> Result<Vec<u8>, E>> Cursor<'_, F> {
    fn load(&mut self, number: usize) -> Result<Vec<u8>, E> {
        let len = *self.parts.get(number).ok_or(Malformed)?;
        let part = (self.part)(number)?;
        match part.len() == len {
            true => Ok(part),
            false => Err(Malformed.into()),
        }
    }

    /// Passes over so many bytes.
    fn skip(&mut self, len: u64) -> Result<(), E> {
        let (mut number, mut left) = (self.number, len);
        let mut here = self.here.len() - self.at;
        while left > here as u64 {
            left -= here as u64;
            number += 1;
            here = *self.parts.get(number).ok_or(Malformed)?;
        }
        if number != self.number {
            self.here = self.load(number)?;
            (self.number, self.at) = (number, 0);
        }
        self.at += left as usize;
        Ok(())
    }

    fn take(&mut self, mut len: usize, out: &mut Vec<u8>) -> Result<(), E> {
        while len > 0 {
            if self.at == self.here.len() {
                self.number += 1;
                self.here = self.load(self.number)?;
                self.at = 0;
            }
            let now = len.min(self.here.len() - self.at);
            out.extend_from_slice(&self.here[self.at..self.at + now]);
            self.at += now;
            len -= now;
        }
        Ok(())
    }

    fn at_end(&self) -> Result<(), E> {
        match self.number + 1 == self.parts.len() && self.at == self.here.len() {
            true => Ok(()),
            false => Err(Malformed.into()),
        }
    }

    /// The next head: its bytes, its major type and what it says.
    fn head(&mut self) -> Result<(Vec<u8>, u8, u64), E> {
        let mut head = Vec::new();
        self.take(1, &mut head)?;
        let (major, info) = (head[0] >> 5, head[0] & 31);
        let more = match info {
            0..=23 => 0,
            24..=27 => 1 << (info - 24),
            _ => return Err(Malformed.into()),
        };
        self.take(more, &mut head)?;
        let said = head[1..]
            .iter()
            .fold(0, |said, byte| said << 8 | u64::from(*byte));
        Ok((head, major, if more == 0 { u64::from(info) } else { said }))
    }

    fn array(&mut self) -> Result<u64, E> {
        match self.head()? {
            (_, 4, items) => Ok(items),
            _ => Err(Malformed.into()),
        }
    }

    /// A value that must not be long.
    fn short(&mut self) -> Result<Value, E> {
        match self.cell()? {
            CutCell::Value(value) => Ok(value),
            _ => Err(Malformed.into()),
        }
    }

    fn cell(&mut self) -> Result<CutCell, E> {
        let (mut item, major, said) = self.head()?;
        match (major, said) {
            (2, len) if len > LONG => return self.long(LongKind::Blob, len),
            (3, len) if len > LONG => return self.long(LongKind::Text, len),
            (2 | 3, len) => self.take(len as usize, &mut item)?,
            (4, 1) => {
                let (head, major, len) = self.head()?;
                match major {
                    2 if len > LONG => return self.long(LongKind::OtherText, len),
                    0..=2 => {}
                    _ => return Err(Malformed.into()),
                }
                item.extend(head);
                self.take(if major == 2 { len as usize } else { 0 }, &mut item)?;
            }
            (4, 2) => {
                for _ in 0..2 {
                    let (head, ..) = self.head()?;
                    item.extend(head);
                }
            }
            (4, 3) => {
                for _ in 0..3 {
                    let (head, major, len) = self.head()?;
                    item.extend(head);
                    let sealed = usize::try_from(len).map_err(|_| Malformed)?;
                    self.take(if major == 2 { sealed } else { 0 }, &mut item)?;
                }
            }
            _ => {}
        }
        let mut reader = Decoder::new(&item);
        let cell = decode_cell(&mut reader)?;
        if reader.position() != item.len() {
            return Err(Malformed.into());
        }
        Ok(match cell {
            Cell::Reference { domain, sealed } => CutCell::Reference {
                domain,
                sealed: sealed.to_vec(),
            },
            cell => CutCell::Value(cell.to_value().ok_or(Malformed)?),
        })
    }

    fn long(&mut self, kind: LongKind, len: u64) -> Result<CutCell, E> {
        let start = (self.number, self.at);
        self.skip(len)?;
        Ok(CutCell::Long(Long { kind, len, start }))
    }
}

#[cfg(test)]
mod tests;
