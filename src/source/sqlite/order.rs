//! The order of the schema's entries.
//!
//! Tables are made before their rows, indexes after them, views and triggers last; in the database
//! that was read they may have come in any order. What lists the schema shows that order, so it is
//! made again: entries change places in the schema table itself, which is all that they do.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::schema::Schema;

/// Puts the entries into the order of `schema`, inside the transaction that made them. What it does
/// not list was made with what stands before it (an index that is part of a table, a shadow table), and
/// stays behind that.
pub(super) fn restore(conn: &Connection, schema: &Schema) -> rusqlite::Result<()> {
    let listed = schema.statements.iter().enumerate();
    let places: HashMap<(&str, &str), usize> = listed
        .map(|(at, s)| ((s.kind.as_str(), s.name.as_str()), at))
        .collect();
    let sql = "SELECT rowid, type, name FROM sqlite_schema ORDER BY rowid";
    let mut prepared = conn.prepare(sql)?;
    let mut rows = prepared.query([])?;
    let mut entries: Vec<(usize, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, name): (String, String) = (row.get(1)?, row.get(2)?);
        let listed = places.get(&(kind.as_str(), name.as_str())).copied();
        let before = entries.last().map_or(0, |(place, _)| *place);
        entries.push((listed.unwrap_or(before), row.get(0)?));
    }
    drop(rows);
    if entries.is_sorted() {
        return Ok(());
    }
    entries.sort_unstable();
    conn.execute_batch("PRAGMA writable_schema = ON")?;
    let moved = move_all(conn, &entries);
    conn.execute_batch("PRAGMA writable_schema = OFF")?;
    moved
}

fn move_all(conn: &Connection, entries: &[(usize, i64)]) -> rusqlite::Result<()> {
    // Out of the way first: two entries never have one place.
    conn.execute_batch("UPDATE sqlite_schema SET rowid = -rowid")?;
    let mut place = conn.prepare("UPDATE sqlite_schema SET rowid = ?1 WHERE rowid = ?2")?;
    for ((_, before), at) in entries.iter().zip(1_i64..) {
        place.execute((at, -before))?;
    }
    Ok(())
}
