//! Rows that wait until a build's last step, because they refer to somebody who is gone and may not
//! say so with a NULL.
//!
//! They wait in the new database itself, in tables without types, so that values keep their storage
//! classes and memory stays flat however many there are. A row with very many columns waits in several
//! tables, since one could not hold it and what we note of it.

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension, Row, Statement};

use super::insert::Bound;
use super::keyspace::Place;
use super::sql::has_prefix;
use super::wide::survives;
use crate::schema::{ParentColumn, Schema};
use crate::source::Cell;
use crate::value::{Value, ValueRef};

/// A row that waited.
pub(super) struct Late {
    /// Its number among those of its table, from 1.
    pub number: i64,
    /// Its rowid.
    pub rowid: Option<i64>,
    /// Its cells.
    pub cells: Vec<LateCell>,
}

/// A [`Cell`], owned.
pub(super) enum LateCell {
    /// As it was.
    Kept(Value),
    /// It referred to a customer who has been forgotten.
    Lost(u64),
}

/// What no name of the schema begins with.
pub(super) fn free_prefix(schema: &Schema) -> String {
    let mut prefix = "tenure_late".to_owned();
    let taken = |prefix: &str| {
        let mut names = schema.statements.iter().map(|statement| &statement.name);
        names.any(|name| has_prefix(name, prefix))
    };
    while taken(&prefix) {
        prefix.push('_');
    }
    prefix
}

/// How many cells of a row one table takes.
const PART: usize = 1000;

/// The table that has cell number `at` of the rows in `room`.
fn part(room: &str, at: usize) -> String {
    match at / PART {
        0 => room.to_owned(),
        more => format!("{room}_{more}"),
    }
}

/// Makes the table `room` for rows of so many columns to wait in, and what it needs besides.
pub(super) fn create(conn: &Connection, room: &str, columns: usize) -> rusqlite::Result<()> {
    for from in (0..columns.max(1)).step_by(PART) {
        let columns = from..columns.min(from + PART);
        let columns: String = columns.map(|at| format!(", c{at}")).collect();
        // `lost` has one character a column: whether what is in it is a number that stands for somebody
        // lost (x), or bytes that are text (t).
        let noted = if from == 0 { ", row, lost" } else { "" };
        let name = part(room, from);
        let sql = format!("CREATE TABLE {name}(number INTEGER PRIMARY KEY{noted}{columns})");
        conn.execute_batch(&sql)?;
    }
    Ok(())
}

/// Lets a row wait.
pub(super) fn keep(
    conn: &Connection,
    room: &str,
    rowid: Option<i64>,
    cells: &[Cell<'_>],
) -> rusqlite::Result<()> {
    let lost = cells.iter().map(|cell| match cell {
        Cell::Lost(_) => 'x',
        Cell::Kept(ValueRef::Text(text)) if !survives(text) => 't',
        Cell::Kept(_) => '.',
    });
    let (first, rest) = cells.split_at(cells.len().min(PART));
    let marks: String = (0..first.len())
        .map(|at| format!(", ?{}", at + 3))
        .collect();
    let sql = format!("INSERT INTO {room} VALUES (NULL, ?1, ?2{marks})");
    let mut statement = conn.prepare_cached(&sql)?;
    statement.raw_bind_parameter(1, rowid)?;
    statement.raw_bind_parameter(2, lost.collect::<String>())?;
    bind(&mut statement, 3, first)?;
    statement.raw_execute()?;
    let number = conn.last_insert_rowid();
    for (cells, at) in rest.chunks(PART).zip((PART..).step_by(PART)) {
        let marks: String = (0..cells.len())
            .map(|at| format!(", ?{}", at + 2))
            .collect();
        let sql = format!("INSERT INTO {} VALUES (?1{marks})", part(room, at));
        let mut statement = conn.prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, number)?;
        bind(&mut statement, 2, cells)?;
        statement.raw_execute()?;
    }
    Ok(())
}

fn bind(statement: &mut Statement<'_>, from: usize, cells: &[Cell<'_>]) -> rusqlite::Result<()> {
    for (at, cell) in cells.iter().enumerate() {
        let value = match cell {
            Cell::Kept(ValueRef::Text(text)) if !survives(text) => ValueRef::Blob(text),
            Cell::Kept(value) => *value,
            Cell::Lost(number) => ValueRef::Int(number.cast_signed()),
        };
        statement.raw_bind_parameter(from + at, Bound(value))?;
    }
    Ok(())
}

/// The first row in `room` after the one of this number.
pub(super) fn next(conn: &Connection, room: &str, after: i64) -> rusqlite::Result<Option<Late>> {
    let sql = format!("SELECT * FROM {room} WHERE number > ?1 ORDER BY number LIMIT 1");
    let first = conn
        .prepare_cached(&sql)?
        .query_row([after], |row| {
            let lost: String = row.get(2)?;
            let first = lost.chars().take(PART);
            let late = Late {
                number: row.get(0)?,
                rowid: row.get(1)?,
                cells: cells(row, 3, first)?,
            };
            Ok((late, lost))
        })
        .optional()?;
    let Some((mut late, lost)) = first else {
        return Ok(None);
    };
    while late.cells.len() < lost.len() {
        let (name, at) = (part(room, late.cells.len()), late.cells.len());
        let sql = format!("SELECT * FROM {name} WHERE number = ?1");
        let more = conn.prepare_cached(&sql)?.query_row([late.number], |row| {
            cells(row, 1, lost.chars().skip(at).take(PART))
        })?;
        late.cells.extend(more);
    }
    Ok(Some(late))
}

/// The cells that stand in a row from a column on, one for each mark.
fn cells(
    row: &Row<'_>,
    from: usize,
    marks: impl Iterator<Item = char>,
) -> rusqlite::Result<Vec<LateCell>> {
    let cell = |(at, mark): (usize, char)| {
        Ok(match (mark, row.get_ref(from + at)?) {
            ('x', Stored::Integer(number)) => LateCell::Lost(number.cast_unsigned()),
            (_, Stored::Null) => LateCell::Kept(Value::Null),
            (_, Stored::Integer(i)) => LateCell::Kept(Value::Int(i)),
            (_, Stored::Real(r)) => LateCell::Kept(Value::Real(r)),
            (_, Stored::Text(t)) => LateCell::Kept(Value::Text(t.to_vec())),
            ('t', Stored::Blob(b)) => LateCell::Kept(Value::Text(b.to_vec())),
            (_, Stored::Blob(b)) => LateCell::Kept(Value::Blob(b.to_vec())),
        })
    };
    marks.enumerate().map(cell).collect()
}

/// Where the keys of the rows in `room` stand; from now on under an index.
pub(super) fn place(
    conn: &Connection,
    room: &str,
    column: ParentColumn,
) -> rusqlite::Result<Place> {
    let (table, column) = match column {
        ParentColumn::Rowid => (room.to_owned(), "row".to_owned()),
        ParentColumn::Column(at) => (part(room, at), format!("c{at}")),
    };
    conn.execute_batch(&format!(
        "CREATE INDEX {room}_{column} ON {table}({column})"
    ))?;
    Ok(Place { table, column })
}

/// Removes the place where rows of so many columns waited.
pub(super) fn drop(conn: &Connection, room: &str, columns: usize) -> rusqlite::Result<()> {
    for at in (0..columns.max(1)).step_by(PART) {
        conn.execute_batch(&format!("DROP TABLE {}", part(room, at)))?;
    }
    Ok(())
}
