//! Values that are too long to be held in memory.
//!
//! SQLite holds all values of a row at once. So while a table is read, values above a limit are an error
//! to it (`SQLITE_LIMIT_LENGTH`), which costs nothing where there are none. The row that one stands in is
//! read again by its rowid, value by value, and the long ones through SQLite's incremental I/O. That
//! needs a rowid, and SQLite refuses it where columns are generated: such rows, and those of virtual
//! tables, are held whatever their length.

use std::io::{self, Read};

use rusqlite::blob::Blob;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, MAIN_DB};

use super::error::SqliteError;
use super::query::Which;
use super::read::{Database, borrowed};
use super::sql::quote;
use super::wide::{self, Wide};
use crate::piece::cut::LongKind;
use crate::source::{LongValue, Row};
use crate::value::{Value, ValueRef};

/// How much of one row is held at most, in bytes, unless it has very many columns.
const HELD: usize = 64 << 20;
/// The longest value that is held, in bytes, whatever the number of columns.
const MOST: usize = 4 << 20;
/// A value up to this many bytes is held in any case.
const LEAST: usize = 16 << 10;
/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;
/// Columns that are looked at by one statement, which can have 2,000 results: for each statement SQLite looks anew for the
/// pages of a long row.
const AT_ONCE: usize = 600;

/// How long a value may be to be held, in a row of so many.
pub(super) fn limit(columns: usize) -> usize {
    (HELD / columns.max(1)).clamp(LEAST, MOST)
}

/// Makes values of more than `limit` bytes an error, until it is dropped.
pub(super) struct Limited<'c> {
    conn: &'c Connection,
    before: i32,
}

impl<'c> Limited<'c> {
    pub(super) fn new(conn: &'c Connection, limit: usize) -> rusqlite::Result<Self> {
        let before = conn.limit(Limit::SQLITE_LIMIT_LENGTH)?;
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, limit.min(before))?;
        Ok(Self { conn, before })
    }
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        // It was this before, so it can be that again.
        let _ = self.conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, self.before);
    }
}

/// One column of a row, looked at by itself.
enum Found {
    Held(Value),
    Long { text: bool },
}

/// A row, read value by value.
pub(super) struct Parts {
    /// NULL for the long values.
    held: Vec<Value>,
    long: Vec<LongPlace>,
}

/// A long value that has not been read yet.
struct LongPlace {
    column: usize,
    text: bool,
}

impl Database {
    /// Gives the row with this rowid to `each`, its long values unread. A row that is damaged is passed
    /// over, if that is tolerated.
    pub(super) fn row_alone<E: From<SqliteError>>(
        &self,
        table: usize,
        rowid: i64,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = || {
            let parts = self.parts(table, rowid)?;
            let mut long = Vec::with_capacity(parts.long.len());
            for place in &parts.long {
                long.push(self.long_value(table, rowid, place)?);
            }
            Ok((parts.held, long))
        };
        let (held, long) = match read() {
            Err(error) if self.passes_over(table, &error) => return Ok(()),
            read => read?,
        };
        let owners = self.owners_of(table, &Which::Rowid(rowid))?;
        let cells: Vec<ValueRef<'_>> = held.iter().map(Value::as_ref).collect();
        let targets: Vec<ValueRef<'_>> = owners[1..].iter().map(Value::as_ref).collect();
        each(Row {
            table,
            rowid: Some(rowid).filter(|_| self.schema.tables[table].has_rowid),
            owner: self.owner(table, owners[0].as_ref()),
            cells: &cells,
            long,
            targets: &targets,
        })
    }

    fn parts(&self, table: usize, rowid: i64) -> Result<Parts, SqliteError> {
        let entry = &self.schema.tables[table];
        let (mut held, mut long) = (Vec::new(), Vec::new());
        let all: Vec<usize> = (0..entry.columns.len()).collect();
        for some in all.chunks(AT_ONCE) {
            let found = self.columns(table, rowid, some);
            let found = found.map_err(SqliteError::reading(&entry.name))?;
            for (column, found) in some.iter().zip(found) {
                held.push(match found {
                    Found::Held(value) => value,
                    Found::Long { text } => {
                        let column = *column;
                        long.push(LongPlace { column, text });
                        Value::Null
                    }
                });
            }
        }
        Ok(Parts { held, long })
    }

    /// The values of some columns, unless they are long. What refers to another row is held: it is sealed as one.
    fn columns(&self, table: usize, rowid: i64, columns: &[usize]) -> rusqlite::Result<Vec<Found>> {
        let entry = &self.schema.tables[table];
        let looks = columns
            .iter()
            .map(|column| self.unless_long(table, *column));
        let sql = format!(
            "SELECT {} FROM {} WHERE {} = ?1",
            looks.collect::<Vec<_>>().join(", "),
            quote(&entry.name),
            self.rowid_of(table),
        );
        let found = |row: &rusqlite::Row<'_>, at: usize| {
            let text = row.get_ref(at)?.as_str()? == "text";
            if row.get::<_, Option<bool>>(at + 2)? == Some(true) {
                return Ok(Found::Long { text });
            }
            Ok(Found::Held(match (self.wide, row.get_ref(at + 1)?) {
                (Some(wide), Stored::Blob(bytes)) if text => Value::Text(wide.text(bytes)),
                (_, stored) => borrowed(stored).to_value(),
            }))
        };
        let mut prepared = self.conn.prepare_cached(&sql)?;
        prepared.query_row([rowid], |row| {
            (0..columns.len()).map(|at| found(row, 3 * at)).collect()
        })
    }

    /// SQL for the class of a column's value, the value unless it is long, and whether it is.
    fn unless_long(&self, table: usize, column: usize) -> String {
        let entry = &self.schema.tables[table];
        let mut references = entry.references.iter();
        let limit = match references.any(|reference| reference.columns.contains(&column)) {
            true => i64::MAX,
            false => i64::try_from(limit(entry.columns.len())).unwrap_or(i64::MAX),
        };
        let name = quote(&entry.columns[column].name);
        let value = match self.wide {
            Some(_) => wide::exact(&name),
            None => name.clone(),
        };
        format!(
            "typeof({name}), CASE WHEN octet_length({name}) > {limit} THEN NULL ELSE {value} END, \
             octet_length({name}) > {limit}"
        )
    }

    fn long_value(
        &self,
        table: usize,
        rowid: i64,
        place: &LongPlace,
    ) -> Result<LongValue<'_>, SqliteError> {
        let entry = &self.schema.tables[table];
        let open = || {
            let column = entry.columns[place.column].name.as_str();
            let blob = self
                .conn
                .blob_open(MAIN_DB, entry.name.as_str(), column, rowid, true);
            let blob = blob.map_err(SqliteError::reading(&entry.name))?;
            Ok::<_, SqliteError>(match self.wide {
                Some(wide) if place.text => Bytes::Wide(Box::new(WideText::new(wide, blob))),
                _ => Bytes::Plain(blob),
            })
        };
        // Read once for its length, and so that damage is met before anything is made of it.
        let measured = measure(open()?).map_err(|source| SqliteError::ReadLong {
            table: entry.name.clone(),
            source,
        });
        let (kind, len) = measured?;
        Ok(LongValue {
            column: place.column,
            kind: if place.text { kind } else { LongKind::Blob },
            len,
            bytes: Box::new(open()?),
        })
    }
}

/// The bytes of a long value.
enum Bytes<'c> {
    Plain(Blob<'c>),
    Wide(Box<WideText<'c>>),
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(blob) => blob.read(buffer),
            Self::Wide(text) => text.read(buffer),
        }
    }
}

/// Reads a text to its end: whether it is UTF-8, and how long.
fn measure(mut text: impl Read) -> io::Result<(LongKind, u64)> {
    let (mut buffer, mut kept, mut len, mut kind) = (vec![0; CHUNK], 0, 0_u64, LongKind::Text);
    loop {
        let read = text.read(&mut buffer[kept..])?;
        len += read as u64;
        let end = kept + read;
        // A character may go on in the next chunk: its first bytes are kept for that.
        let valid = match std::str::from_utf8(&buffer[..end]) {
            Ok(_) => end,
            Err(error) if error.error_len().is_none() && read > 0 => error.valid_up_to(),
            Err(_) => {
                kind = LongKind::OtherText;
                end
            }
        };
        if read == 0 {
            return Ok((kind, len));
        }
        buffer.copy_within(valid..end, 0);
        kept = end - valid;
    }
}

/// The text of a UTF-16 database as text of ours.
struct WideText<'c> {
    wide: Wide,
    blob: Blob<'c>,
    raw: Vec<u8>,
    text: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<'c> WideText<'c> {
    fn new(wide: Wide, blob: Blob<'c>) -> Self {
        Self {
            wide,
            blob,
            raw: Vec::new(),
            text: Vec::new(),
            at: 0,
            ended: false,
        }
    }

    /// Converts some more; a unit whose other half may follow waits for it.
    fn more(&mut self) -> io::Result<()> {
        let before = self.raw.len();
        self.raw.resize(before + CHUNK, 0);
        let read = self.blob.read(&mut self.raw[before..])?;
        self.raw.truncate(before + read);
        self.ended = read == 0;
        // An odd byte at the very end is no unit, and is left out wherever text is read.
        let mut whole = self.raw.len() & !1;
        if !self.ended && self.wide.ends_open(&self.raw[..whole]) {
            whole -= 2;
        }
        self.text = self.wide.text(&self.raw[..whole]);
        self.at = 0;
        self.raw.drain(..whole);
        Ok(())
    }
}

impl Read for WideText<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.more()?;
        }
        let now = buffer.len().min(self.text.len() - self.at);
        buffer[..now].copy_from_slice(&self.text[self.at..self.at + now]);
        self.at += now;
        Ok(now)
    }
}
