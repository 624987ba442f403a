//! Hands rows from the threads that read a source to the one that gathers them, in batches, so that all are
//! at work at once.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::{Context, Failure, Outcome};
use crate::piece::cut::LongKind;
use crate::source::sqlite::Database;
use crate::source::{LongValue, Owner, Row};
use crate::value::ValueRef;

/// Bytes of rows that are handed over at once, and of a long value.
const BATCH: usize = 128 << 10;
/// How many batches the readers may be ahead, and one the pieces of a long value.
const AHEAD: usize = 4;

/// Reads tables in threads of their own, one for each of `readers`, and gives their rows to `each` in this one: a table's
/// rows in its order, those of several as they come. Whoever is done with one table takes the next.
pub(super) fn rows(
    readers: Vec<&mut Database>,
    tables: &[usize],
    each: &mut dyn FnMut(Row<'_>) -> Outcome<()>,
) -> Outcome<()> {
    let (to, from) = sync_channel(AHEAD);
    let left = Mutex::new(tables.iter().copied());
    let next = || left.lock().ok()?.next();
    thread::scope(|scope| {
        for database in readers {
            let to = to.clone();
            let work = move || {
                let read = std::iter::from_fn(next).try_for_each(|at| read(database, at, &to));
                if let Err(failure) = read {
                    // Whoever takes no more has failed as well, and tells why.
                    to.send(Sent::Failed(failure)).ok();
                }
            };
            let reading = thread::Builder::new().spawn_scoped(scope, work);
            reading.failed_to(|| "start a thread that reads")?;
        }
        drop(to);
        // Whoever stops taking must be seen to by the readers: `from` goes before they are waited for.
        take(from, each)
    })
}

/// What a reader hands over.
enum Sent {
    /// Rows of a table.
    Rows(usize, Batch),
    /// One row with long values.
    LongRow(usize, Batch, Vec<LongHead>, Pieces),
    /// Why there are no more.
    Failed(Failure),
}

/// The bytes of a row's long values, one behind the other, or why there are no more.
type Pieces = Receiver<io::Result<Vec<u8>>>;

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
            send(to, Sent::Rows(table, std::mem::take(&mut batch)))?;
            return send_long(to, row);
        }
        batch.add(&row);
        match batch.is_full() {
            true => send(to, Sent::Rows(table, std::mem::take(&mut batch))),
            false => Ok(()),
        }
    })?;
    send(to, Sent::Rows(table, batch))
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
    let (pieces, taken) = sync_channel(AHEAD);
    send(to, Sent::LongRow(row.table, batch, heads, taken))?;
    for mut value in row.long {
        let mut left = value.len;
        while left > 0 {
            let mut bytes = vec![0; left.min(BATCH as u64) as usize];
            let read = value.bytes.read_exact(&mut bytes);
            left -= bytes.len() as u64;
            let failed = read.is_err();
            // Not everybody who takes a row wants to know what is in it.
            if pieces.send(read.map(|()| bytes)).is_err() || failed {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The gatherer's part.
fn take(from: Receiver<Sent>, each: &mut dyn FnMut(Row<'_>) -> Outcome<()>) -> Outcome<()> {
    while let Ok(sent) = from.recv() {
        match sent {
            Sent::Rows(table, batch) => batch.each(table, each)?,
            Sent::LongRow(table, batch, heads, pieces) => batch.each(table, &mut |row| {
                let long = heads.iter().map(|head| arriving(&pieces, head)).collect();
                each(Row { long, ..row })
            })?,
            Sent::Failed(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// A long value whose bytes come behind its row; those of a row are to be read one after the other.
fn arriving<'r>(from: &'r Pieces, head: &LongHead) -> LongValue<'r> {
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
    from: &'r Pieces,
    /// How many of its bytes have not come yet.
    left: u64,
    bytes: Vec<u8>,
    at: usize,
}

impl Read for LongReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() && self.left > 0 {
            let Ok(bytes) = self.from.recv() else {
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
