//! What a snapshot writes into the source: that it begins, and that it has got its name.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::Noted;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::read::regular_file;
use crate::source::sqlite::sql::ours;

/// How long the application is waited for. It is never kept waiting for longer than such a change takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// A snapshot is about to read the database at `path`: what is noted from now on is noted under another
/// generation. False if nothing is tracked there.
///
/// # Errors
/// When the database cannot be written. The snapshot may be taken all the same; what was noted before is then noted for the
/// next one too.
pub fn begin(path: &Path) -> Result<bool, SqliteError> {
    let conn = open(path)?;
    let fail = |error| SqliteError::changing(path, "the change tracking", error);
    if !is_there(&conn).map_err(fail)? {
        return Ok(false);
    }
    let raised = conn.execute(
        "UPDATE main.tenure_lineage SET generation = generation + 1",
        [],
    );
    raised.map_err(fail)?;
    Ok(true)
}

/// A snapshot that saw the notes at `seen` has got its name: what was noted before is not needed any more. Gives the new
/// random id to `keep` before it stands in the database, so that the database never has one that nobody knows of; none
/// is given if another database stands there now.
///
/// # Errors
/// The first of `keep`, or when the database cannot be written. Then it stays as it was.
pub fn done<E: From<SqliteError>>(
    path: &Path,
    seen: &Noted,
    keep: impl FnOnce(&str) -> Result<(), E>,
) -> Result<(), E> {
    let mut conn = open(path)?;
    let fail = |error| SqliteError::changing(path, "the change tracking", error);
    let transaction = conn
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(fail)?;
    let stands = "SELECT lower(hex(randomblob(16))) FROM main.tenure_lineage WHERE lineage = ?1";
    let next: Option<String> = match is_there(&transaction).map_err(fail)? {
        true => transaction
            .query_row(stands, [&seen.lineage], |row| row.get(0))
            .optional()
            .map_err(fail)?,
        false => None,
    };
    let Some(next) = next else { return Ok(()) };
    keep(&next)?;
    let written = || -> rusqlite::Result<()> {
        transaction.execute("UPDATE main.tenure_lineage SET lineage = ?1", [&next])?;
        transaction.execute(
            "DELETE FROM main.tenure_changes WHERE generation < ?1",
            [seen.generation],
        )?;
        Ok(())
    };
    written().map_err(fail)?;
    transaction.commit().map_err(fail)?;
    Ok(())
}

fn open(path: &Path) -> Result<Connection, SqliteError> {
    let absolute = regular_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(absolute, flags)?;
        conn.busy_timeout(PATIENCE)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Notes are keys of customers, who may be erased one day.
        conn.execute_batch(
            "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; SELECT 1 FROM sqlite_schema",
        )?;
        Ok(conn)
    };
    opened().map_err(|error| SqliteError::on_open(path, error))
}

/// Forgets all notes, which have keys of customers who are being erased, inside the transaction that erases them. The next
/// snapshot reads everything, as it does whenever somebody was forgotten.
pub(in crate::source::sqlite) fn forget(conn: &Connection) -> rusqlite::Result<()> {
    if !is_there(conn)? {
        return Ok(());
    }
    conn.execute_batch(
        "DELETE FROM main.tenure_changes; UPDATE main.tenure_lineage SET lineage = lower(hex(randomblob(16)))",
    )
}

/// Whether both tables are there, and are ours.
pub(super) fn is_there(conn: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name IN ('tenure_changes', 'tenure_lineage')";
    let mut prepared = conn.prepare(sql)?;
    let found = prepared.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(String, String)> = found.collect::<Result<_, _>>()?;
    Ok(found
        .iter()
        .filter(|(name, sql)| ours("table", name, sql))
        .count()
        == 2)
}
