//! Collations and functions of the application's own, which SQLite by itself does not have.
//!
//! A collation is stood in for by the order of bytes, so that such tables can be read and made again; the
//! application must then build what it orders anew. For functions see `functions`.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::collations::stand_in;
use super::functions::Functions;
use super::sql::internal;
use crate::schema::Schema;

/// The collations that bytes stand in for so far.
fn stood_in(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT name FROM pragma_collation_list \
               WHERE name NOT IN ('BINARY', 'NOCASE', 'RTRIM') ORDER BY name";
    let mut prepared = conn.prepare(sql)?;
    let names = prepared.query_map([], |row| row.get(0))?;
    names.collect()
}

/// What is to be done in a database that was made with collations that are not known.
pub(super) fn to_be_ordered(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let names = stood_in(conn)?.join(", ");
    let told = format!(
        "the application's own collations {names} are not known here, and what they order was ordered by \
         bytes: let the application run REINDEX"
    );
    Ok((!names.is_empty()).then_some(told))
}

/// What of a schema cannot be made again as it is: tried in a database in memory.
pub(super) fn cannot_be_made(schema: &Schema) -> rusqlite::Result<Vec<String>> {
    let conn = Connection::open_in_memory()?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, true)?;
    stand_in(&conn)?;
    let mut told = Vec::new();
    // A view or a trigger is taken as it is, and what it needs is asked for when it is used.
    let statements = schema.statements.iter().filter(|statement| {
        ["table", "index"].contains(&statement.kind.as_str()) && !internal(&statement.name)
    });
    for statement in statements {
        let made = match statement.kind.as_str() {
            "table" => Functions::default().needed_by(&conn, &statement.sql),
            _ => conn.execute_batch(&statement.sql).map(|()| Vec::new()),
        };
        if let Ok(needed) = &made
            && !needed.is_empty()
        {
            told.push(format!(
                "the table {} needs the application's own functions {}, which are not known here: a restore brings \
                 back its rows, and does not check or compute what needs them",
                statement.name,
                needed.join(", ")
            ));
        }
        if let Err(error) = made {
            let what = match &error {
                rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
                error => error.to_string(),
            };
            told.push(format!(
                "the {} {} cannot be made again as it is: {what}",
                statement.kind, statement.name
            ));
        }
    }
    let collations = stood_in(&conn)?;
    if !collations.is_empty() {
        told.push(format!(
            "the application's own collations {} are not known here: a restore orders by bytes, and needs REINDEX",
            collations.join(", ")
        ));
    }
    Ok(told)
}
