//! Hands rows from a thread that reads a source to the one that gathers them, in batches, so that both are
//! at work at once.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::{Context, Failure, Outcome};
use crate::piece::cut::LongKind;
use crate::source::sqlite::Database;
use crate::source::{LongValue, Owner, Row};
use crate::value::ValueRef;

/// Bytes of rows that are handed over at once, and of a long value.
const BATCH: usize = 128 << 10;
/// How many batches the reader may be ahead.
const AHEAD: usize = 4;

/// Reads a table in a thread of its own, and gives its rows to `each` in this one.
pub(super) fn rows(
    database: &mut Database,
    table: usize,
    each: &mut dyn FnMut(Row<'_>) -> Outcome<()>,
) -> Outcome<()> {
    let (to, from) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let read = move || read(database, table, &to);
        let reading = thread::Builder::new().spawn_scoped(scope, read);
        let reading = reading.failed_to(|| "start a thread that reads")?;
        // Whoever stops taking must be seen to by the reader: `from` goes before it is waited for.
        let taken = take(table, from, each);
        let read = reading.join();
        let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(read)
    })
}

/// What the reader hands over.
enum Sent {
    /// Rows.
    Rows(Batch),
    /// One row with long values, whose bytes follow, value by value.
    LongRow(Batch, Vec<LongHead>),
    /// Some bytes of a long value, or why there are no more.
    Bytes(io::Result<Vec<u8>>),
}

/// A long value whose bytes are on their way.
struct LongHead {
    column: usize,
    kind: LongKind,
    len: u64,
}

/// Rows of one table.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    values: Vec<Held>,
    rows: Vec<Head>,
}

/// A row in a batch: its cells, then its targets, follow on those of the row before.
struct Head {
    rowid: Option<i64>,
    owner: Whose,
    cells: usize,
    targets: usize,
}

/// An [`Owner`].
enum Whose {
    Customer(Held),
    Table,
    Orphan,
}

/// A value, and where in the batch its bytes are.
enum Held {
    Null,
    Int(i64),
    Real(f64),
    Text(Range<usize>),
    Blob(Range<usize>),
}

impl Batch {
    fn hold(&mut self, value: ValueRef<'_>) -> Held {
        match value {
            ValueRef::Null => Held::Null,
            ValueRef::Int(i) => Held::Int(i),
            ValueRef::Real(r) => Held::Real(r),
            ValueRef::Text(text) => Held::Text(self.append(text)),
            ValueRef::Blob(blob) => Held::Blob(self.append(blob)),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn add(&mut self, row: &Row<'_>) {
        let owner = match row.owner {
            Owner::Customer(token) => Whose::Customer(self.hold(token)),
            Owner::Table => Whose::Table,
            Owner::Orphan => Whose::Orphan,
        };
        for value in row.cells.iter().chain(row.targets) {
            let held = self.hold(*value);
            self.values.push(held);
        }
        self.rows.push(Head {
            rowid: row.rowid,
            owner,
            cells: row.cells.len(),
            targets: row.targets.len(),
        });
    }

    fn is_full(&self) -> bool {
        self.bytes.len() + self.values.len() * size_of::<Held>() >= BATCH
    }

    fn value<'b>(&'b self, held: &Held) -> ValueRef<'b> {
        match held {
            Held::Null => ValueRef::Null,
            Held::Int(i) => ValueRef::Int(*i),
            Held::Real(r) => ValueRef::Real(*r),
            Held::Text(at) => ValueRef::Text(&self.bytes[at.clone()]),
            Held::Blob(at) => ValueRef::Blob(&self.bytes[at.clone()]),
        }
    }

    fn each(&self, table: usize, each: &mut dyn FnMut(Row<'_>) -> Outcome<()>) -> Outcome<()> {
        let values: Vec<_> = self.values.iter().map(|held| self.value(held)).collect();
        let mut rest = &values[..];
        for head in &self.rows {
            let (cells, after) = rest.split_at(head.cells);
            let (targets, after) = after.split_at(head.targets);
            rest = after;
            each(Row {
                table,
                rowid: head.rowid,
                owner: match &head.owner {
                    Whose::Customer(token) => Owner::Customer(self.value(token)),
                    Whose::Table => Owner::Table,
                    Whose::Orphan => Owner::Orphan,
                },
                cells,
                long: Vec::new(),
                targets,
            })?;
        }
        Ok(())
    }
}

/// The reader's part.
fn read(database: &Database, table: usize, to: &SyncSender<Sent>) -> Outcome<()> {
    let mut batch = Batch::default();
    database.rows(table, &mut |row: Row<'_>| -> Outcome<()> {
        if !row.long.is_empty() {
            send(to, Sent::Rows(std::mem::take(&mut batch)))?;
            return send_long(to, row);
        }
        batch.add(&row);
        match batch.is_full() {
            true => send(to, Sent::Rows(std::mem::take(&mut batch))),
            false => Ok(()),
        }
    })?;
    send(to, Sent::Rows(batch))
}

fn send(to: &SyncSender<Sent>, sent: Sent) -> Outcome<()> {
    // Whoever takes no more has failed, and tells why.
    let sent = to.send(sent);
    sent.map_err(|_| Failure::new("rows are not taken any more"))
}

fn send_long(to: &SyncSender<Sent>, row: Row<'_>) -> Outcome<()> {
    let mut batch = Batch::default();
    batch.add(&row);
    let head = |value: &LongValue<'_>| LongHead {
        column: value.column,
        kind: value.kind,
        len: value.len,
    };
    let heads = row.long.iter().map(head).collect();
    send(to, Sent::LongRow(batch, heads))?;
    for mut value in row.long {
        let mut left = value.len;
        while left > 0 {
            let mut bytes = vec![0; left.min(BATCH as u64) as usize];
            let read = value.bytes.read_exact(&mut bytes);
            left -= bytes.len() as u64;
            let failed = read.is_err();
            send(to, Sent::Bytes(read.map(|()| bytes)))?;
            if failed {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The gatherer's part.
fn take(
    table: usize,
    from: Receiver<Sent>,
    each: &mut dyn FnMut(Row<'_>) -> Outcome<()>,
) -> Outcome<()> {
    while let Ok(sent) = from.recv() {
        match sent {
            Sent::Rows(batch) => batch.each(table, each)?,
            Sent::LongRow(batch, heads) => batch.each(table, &mut |row| {
                let long = heads.iter().map(|head| arriving(&from, head)).collect();
                each(Row { long, ..row })
            })?,
            // Of a row that nobody wants.
            Sent::Bytes(_) => {}
        }
    }
    Ok(())
}

/// A long value whose bytes come behind its row; those of a row are to be read one after the other.
fn arriving<'r>(from: &'r Receiver<Sent>, head: &LongHead) -> LongValue<'r> {
    LongValue {
        column: head.column,
        kind: head.kind,
        len: head.len,
        bytes: Box::new(LongReader {
            from,
            left: head.len,
            bytes: Vec::new(),
            at: 0,
        }),
    }
}

/// Reads one long value as it comes.
struct LongReader<'r> {
    from: &'r Receiver<Sent>,
    /// How many of its bytes have not come yet.
    left: u64,
    bytes: Vec<u8>,
    at: usize,
}

impl Read for LongReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() && self.left > 0 {
            let Ok(Sent::Bytes(bytes)) = self.from.recv() else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            self.bytes = bytes?;
            self.left -= self.bytes.len() as u64;
            self.at = 0;
        }
        let len = into.len().min(self.bytes.len() - self.at);
        into[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests;
