//! Rows that wait until a build's last step, because they refer to somebody who is gone and may not
//! say so with a NULL.
//!
//! They wait in the new database itself, in tables without types, so that values keep their storage
//! classes and memory stays flat however many there are.

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension, Row};

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

/// Makes the table `room` for rows of so many columns to wait in.
pub(super) fn create(conn: &Connection, room: &str, columns: usize) -> rusqlite::Result<()> {
    let columns: String = (0..columns).map(|at| format!(", c{at}")).collect();
    // `lost` has one character a column: whether what is in it is a number that stands for somebody
    // lost (x), or bytes that are text (t).
    let sql = format!("CREATE TABLE {room}(number INTEGER PRIMARY KEY, row, lost{columns})");
    conn.execute_batch(&sql)
}

/// Lets a row wait.
pub(super) fn keep(
    conn: &Connection,
    room: &str,
    rowid: Option<i64>,
    cells: &[Cell<'_>],
) -> rusqlite::Result<()> {
    let marks: String = (0..cells.len())
        .map(|at| format!(", ?{}", at + 3))
        .collect();
    let sql = format!("INSERT INTO {room} VALUES (NULL, ?1, ?2{marks})");
    let mut statement = conn.prepare_cached(&sql)?;
    let lost = cells.iter().map(|cell| match cell {
        Cell::Lost(_) => 'x',
        Cell::Kept(ValueRef::Text(text)) if !survives(text) => 't',
        Cell::Kept(_) => '.',
    });
    statement.raw_bind_parameter(1, rowid)?;
    statement.raw_bind_parameter(2, lost.collect::<String>())?;
    for (at, cell) in cells.iter().enumerate() {
        let value = match cell {
            Cell::Kept(ValueRef::Text(text)) if !survives(text) => ValueRef::Blob(text),
            Cell::Kept(value) => *value,
            Cell::Lost(number) => ValueRef::Int(number.cast_signed()),
        };
        statement.raw_bind_parameter(at + 3, Bound(value))?;
    }
    statement.raw_execute()?;
    Ok(())
}

/// The first row in `room` after the one of this number.
pub(super) fn next(conn: &Connection, room: &str, after: i64) -> rusqlite::Result<Option<Late>> {
    let sql = format!("SELECT * FROM {room} WHERE number > ?1 ORDER BY number LIMIT 1");
    conn.prepare_cached(&sql)?
        .query_row([after], late)
        .optional()
}

fn late(row: &Row<'_>) -> rusqlite::Result<Late> {
    let lost: String = row.get(2)?;
    let cell = |(at, mark): (usize, char)| {
        Ok(match (mark, row.get_ref(at + 3)?) {
            ('x', Stored::Integer(number)) => LateCell::Lost(number.cast_unsigned()),
            (_, Stored::Null) => LateCell::Kept(Value::Null),
            (_, Stored::Integer(i)) => LateCell::Kept(Value::Int(i)),
            (_, Stored::Real(r)) => LateCell::Kept(Value::Real(r)),
            (_, Stored::Text(t)) => LateCell::Kept(Value::Text(t.to_vec())),
            ('t', Stored::Blob(b)) => LateCell::Kept(Value::Text(b.to_vec())),
            (_, Stored::Blob(b)) => LateCell::Kept(Value::Blob(b.to_vec())),
        })
    };
    Ok(Late {
        number: row.get(0)?,
        rowid: row.get(1)?,
        cells: lost
            .chars()
            .enumerate()
            .map(cell)
            .collect::<rusqlite::Result<_>>()?,
    })
}

/// Where the keys of the rows in `room` stand; from now on under an index.
pub(super) fn place(
    conn: &Connection,
    room: &str,
    column: ParentColumn,
) -> rusqlite::Result<Place> {
    let column = match column {
        ParentColumn::Rowid => "row".to_owned(),
        ParentColumn::Column(at) => format!("c{at}"),
    };
    conn.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS {room}_{column} ON {room}({column})"
    ))?;
    Ok(Place {
        table: room.to_owned(),
        column,
    })
}

/// Removes the place where rows waited.
pub(super) fn drop(conn: &Connection, room: &str) -> rusqlite::Result<()> {
    conn.execute_batch(&format!("DROP TABLE {room}"))
}
