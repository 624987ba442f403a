//! Rows that wait until a build's last step, because they refer to somebody who is gone and may not
//! say so with a NULL.
//!
//! They wait in the new database itself, in tables `tenure_late_<n>` without types, so that values
//! keep their storage classes and memory stays flat however many there are.

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension, Row};

use super::build::Bound;
use super::keyspace::Place;
use crate::schema::ParentColumn;
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

/// Makes the place where rows of table number `table`, of so many columns, wait.
pub(super) fn create(conn: &Connection, table: usize, columns: usize) -> rusqlite::Result<()> {
    let columns: String = (0..columns).map(|at| format!(", c{at}")).collect();
    // `lost` has one character a column: whether the number in it stands for somebody lost.
    let sql =
        format!("CREATE TABLE tenure_late_{table}(number INTEGER PRIMARY KEY, row, lost{columns})");
    conn.execute_batch(&sql)
}

/// Lets a row wait.
pub(super) fn keep(
    conn: &Connection,
    table: usize,
    rowid: Option<i64>,
    cells: &[Cell<'_>],
) -> rusqlite::Result<()> {
    let marks: String = (0..cells.len())
        .map(|at| format!(", ?{}", at + 3))
        .collect();
    let sql = format!("INSERT INTO tenure_late_{table} VALUES (NULL, ?1, ?2{marks})");
    let mut statement = conn.prepare_cached(&sql)?;
    let lost = cells.iter().map(|cell| {
        if matches!(cell, Cell::Lost(_)) {
            'x'
        } else {
            '.'
        }
    });
    statement.raw_bind_parameter(1, rowid)?;
    statement.raw_bind_parameter(2, lost.collect::<String>())?;
    for (at, cell) in cells.iter().enumerate() {
        let value = match cell {
            Cell::Kept(value) => *value,
            Cell::Lost(number) => ValueRef::Int(number.cast_signed()),
        };
        statement.raw_bind_parameter(at + 3, Bound(value))?;
    }
    statement.raw_execute()?;
    Ok(())
}

/// The first waiting row of table number `table` after the one of this number.
pub(super) fn next(conn: &Connection, table: usize, after: i64) -> rusqlite::Result<Option<Late>> {
    let sql =
        format!("SELECT * FROM tenure_late_{table} WHERE number > ?1 ORDER BY number LIMIT 1");
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

/// Where the keys of waiting rows of table number `table` stand; from now on under an index.
pub(super) fn place(
    conn: &Connection,
    table: usize,
    column: ParentColumn,
) -> rusqlite::Result<Place> {
    let table = format!("tenure_late_{table}");
    let column = match column {
        ParentColumn::Rowid => "row".to_owned(),
        ParentColumn::Column(at) => format!("c{at}"),
    };
    conn.execute_batch(&format!(
        "CREATE INDEX {table}_{column} ON {table}({column})"
    ))?;
    Ok(Place { table, column })
}

/// Removes the place where rows of table number `table` waited.
pub(super) fn drop(conn: &Connection, table: usize) -> rusqlite::Result<()> {
    conn.execute_batch(&format!("DROP TABLE tenure_late_{table}"))
}
