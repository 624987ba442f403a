//! Which tables may not take two NULLs where two different values were.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::sql::internal;
use crate::schema::Schema;

/// For each table, whether something UNIQUE goes by more than plain columns (in those NULLs are never
/// the same): by an expression, by a computed column, or by some rows alone.
///
/// The indexes are looked at in a database of their own, since a build makes them when all rows are
/// there.
pub(super) fn wary(schema: &Schema) -> rusqlite::Result<Vec<bool>> {
    let conn = Connection::open_in_memory()?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
    let made = |kind: &str| kind == "table" || kind == "index";
    for statement in schema.statements.iter().filter(|s| made(&s.kind)) {
        if !internal(&statement.name) {
            // What cannot be made here is not made there either, and is told there.
            let _ = conn.execute_batch(&statement.sql);
        }
    }
    let sql = "SELECT 1 FROM pragma_index_list(?1) AS l WHERE l.\"unique\" AND (l.partial OR EXISTS \
               (SELECT 1 FROM pragma_index_info(l.name) AS i LEFT JOIN pragma_table_xinfo(?1) AS c \
               ON c.cid = i.cid WHERE i.name IS NULL OR c.hidden > 0))";
    let mut prepared = conn.prepare(sql)?;
    let tables = schema.tables.iter();
    tables.map(|table| prepared.exists([&table.name])).collect()
}
