//! What a database is made of, as its own schema table and pragmas tell.
//!
//! Everything is read through table-valued pragmas with bound names, so that no name needs care.
//! Of virtual tables, full-text indexes can be made again (`virtuals`); the others are named as not
//! restorable and otherwise left out. So are shadow tables, which virtual tables make for themselves.
//! What Tenure itself has made is left out and not named.

use rusqlite::{Connection, Row};

use super::error::SqliteError;
use super::shape::{Shape, shape};
use super::sql::{internal, ours, same};
use super::statistics;
use super::virtuals::Virtuals;
use crate::schema::{Column, Ownership, Schema, Statement, Table};

/// The pragmas that a database is made again with, in the order in which they must be set.
pub(super) const PRAGMAS: [&str; 6] = [
    "encoding",
    "page_size",
    "auto_vacuum",
    "user_version",
    "application_id",
    "journal_mode",
];

/// The whole schema, with every table still unsettled, and the shapes of its tables.
pub(super) fn read(conn: &Connection) -> Result<(Schema, Vec<Shape>), SqliteError> {
    let fail = |what: &'static str| SqliteError::reading(what);
    let own = own_tables(conn).map_err(fail("the list of tables"))?;
    let listed = list(conn, &own).map_err(fail("the list of tables"))?;
    let virtuals = Virtuals::read(conn, &listed).map_err(fail("the virtual tables"))?;
    let hidden = |name: &str| {
        let mut listed = listed.iter();
        listed.any(|t| same(&t.name, name) && virtuals.leave_out(t))
    };
    let mut tables = Vec::new();
    for entry in listed
        .iter()
        .filter(|t| virtuals.has_rows(t) && !internal(&t.name))
    {
        let table = table(conn, entry).map_err(SqliteError::reading(&entry.name))?;
        tables.push(table);
    }
    let mut shapes = Vec::new();
    for table in &tables {
        let shape = shape(conn, &tables, table).map_err(SqliteError::reading(&table.name))?;
        shapes.push(shape);
    }
    for (table, shape) in tables.iter_mut().zip(&shapes) {
        if table.has_rowid && shape.rowid.is_none() {
            let warning = "has columns by all three names of the rowid: rowids are not kept";
            table.warnings.push(warning.into());
        }
    }
    let mut statistics = statistics::read(conn).map_err(fail("the statistics"))?;
    let counts = &mut statistics.counts;
    counts.retain(|entry| !is_own(&own, &entry.table) && !hidden(&entry.table));
    let internal_too = |name: &str| {
        same(name, "sqlite_sequence") || (statistics.there && same(name, statistics::NAME))
    };
    let schema = Schema {
        engine: format!("SQLite {}", rusqlite::version()),
        pragmas: pragmas(conn).map_err(fail("the pragmas"))?,
        statements: statements(conn, &own, hidden, internal_too).map_err(fail("the schema"))?,
        tables,
        sequences: sequences(conn, &own).map_err(fail("sqlite_sequence"))?,
        not_restorable: virtuals
            .lost
            .into_iter()
            .chain(odd_counters(conn).map_err(fail("sqlite_sequence"))?)
            .chain(statistics.odd)
            .collect(),
        full_text: virtuals.full_text,
        statistics: statistics.counts,
    };
    Ok((schema, shapes))
}

/// Foreign keys that lead nowhere: how many rows of each table, tables without any left out. A
/// table whose keys do not fit their parents' cannot be checked (by SQLite either), and is left out.
pub(super) fn violations(conn: &Connection, schema: &Schema) -> Vec<(String, u64)> {
    let tables = schema.tables.iter();
    tables
        .map(|table| (table.name.clone(), dangling(conn, &table.name)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// How many foreign keys of one table lead nowhere.
pub(super) fn dangling(conn: &Connection, table: &str) -> u64 {
    conn.query_row(
        "SELECT count(*) FROM pragma_foreign_key_check(?1)",
        [table],
        |row| row.get::<_, i64>(0),
    )
    .map_or(0, i64::unsigned_abs)
}

/// One line of `pragma table_list`.
pub(super) struct Listed {
    pub name: String,
    /// `table`, `view`, `virtual` or `shadow`.
    pub kind: String,
    without_rowid: bool,
}

/// The tables that Tenure has made.
fn own_tables(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL";
    let entry = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let all: Vec<(String, String)> = conn
        .prepare(sql)?
        .query_map([], entry)?
        .collect::<Result<_, _>>()?;
    let own = all
        .into_iter()
        .filter(|(name, sql)| ours("table", name, sql));
    Ok(own.map(|(name, _)| name).collect())
}

fn is_own(own: &[String], name: &str) -> bool {
    own.iter().any(|table| same(table, name))
}

fn list(conn: &Connection, own: &[String]) -> rusqlite::Result<Vec<Listed>> {
    // The schema table gives the order; `table_list` has none that is promised.
    let sql = "SELECT l.name, l.type, l.wr FROM pragma_table_list AS l \
               JOIN sqlite_schema AS s ON s.name = l.name AND s.type IN ('table', 'view') \
               WHERE l.schema = 'main' ORDER BY s.rowid";
    let listed = |row: &Row<'_>| {
        Ok(Listed {
            name: row.get(0)?,
            kind: row.get(1)?,
            without_rowid: row.get(2)?,
        })
    };
    let mut all: Vec<Listed> = conn
        .prepare(sql)?
        .query_map([], listed)?
        .collect::<Result<_, _>>()?;
    all.retain(|entry| !is_own(own, &entry.name));
    Ok(all)
}

fn statements(
    conn: &Connection,
    own: &[String],
    hidden: impl Fn(&str) -> bool,
    internal_too: impl Fn(&str) -> bool,
) -> rusqlite::Result<Vec<Statement>> {
    let sql =
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";
    let mut prepared = conn.prepare(sql)?;
    let mut rows = prepared.query([])?;
    let mut statements = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, name, of): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sql: String = row.get(3)?;
        let own = is_own(own, &of) || ours(&kind, &name, &sql);
        // Statistics with samples of rows are left out.
        if own || hidden(&of) || (internal(&name) && !internal_too(&name)) {
            continue;
        }
        statements.push(Statement { kind, name, sql });
    }
    Ok(statements)
}

/// None of a file of zero bytes: whatever it is asked for are SQLite's defaults, and setting one would
/// make it longer.
fn pragmas(conn: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    if pages == 0 {
        return Ok(Vec::new());
    }
    let read = |name: &str| {
        let text = conn.query_row(&format!("PRAGMA {name}"), [], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })?;
        Ok((name.to_owned(), text))
    };
    PRAGMAS.into_iter().map(read).collect()
}

fn sequences(conn: &Connection, own: &[String]) -> rusqlite::Result<Vec<(String, i64)>> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
    if !conn.prepare(there)?.exists([])? {
        return Ok(Vec::new());
    }
    let sql = "SELECT name, seq FROM sqlite_sequence \
               WHERE typeof(name) = 'text' AND typeof(seq) = 'integer' ORDER BY rowid";
    let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let mut all: Vec<(String, i64)> = conn
        .prepare(sql)?
        .query_map([], pair)?
        .collect::<Result<_, _>>()?;
    all.retain(|(name, _)| !is_own(own, name));
    Ok(all)
}

/// What stands in sqlite_sequence and counts nothing: somebody has put it there by hand.
fn odd_counters(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
    if !conn.prepare(there)?.exists([])? {
        return Ok(None);
    }
    let sql = "SELECT count(*) FROM sqlite_sequence \
               WHERE typeof(name) <> 'text' OR typeof(seq) <> 'integer'";
    let odd: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    let what = format!("entries of sqlite_sequence that are no counters: {odd}");
    Ok((odd > 0).then_some(what))
}

fn table(conn: &Connection, entry: &Listed) -> rusqlite::Result<Table> {
    let mut columns = Vec::new();
    let mut primary = Vec::new();
    let mut prepared = conn.prepare(
        "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid",
    )?;
    let mut rows = prepared.query([&entry.name])?;
    while let Some(row) = rows.next()? {
        let (pk, hidden): (i64, i64) = (row.get(3)?, row.get(4)?);
        if pk > 0 {
            primary.push(columns.len());
        }
        if hidden == 0 {
            columns.push(Column {
                name: row.get(0)?,
                declared: row.get(1)?,
                not_null: row.get::<_, bool>(2)? || (entry.without_rowid && pk > 0),
            });
        }
    }
    // A primary key without an index of its own is the rowid: that is what an alias is, and it
    // spares us the rules of which declarations make one (`INTEGER PRIMARY KEY DESC` does not).
    let sql = "SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'";
    let indexed = conn.prepare(sql)?.exists([&entry.name])?;
    let rowid_alias = match primary[..] {
        [at] if !entry.without_rowid && !indexed => {
            let column = columns.remove(at);
            Some(Column {
                not_null: true,
                ..column
            })
        }
        _ => None,
    };
    Ok(Table {
        name: entry.name.clone(),
        columns,
        rowid_alias,
        has_rowid: !entry.without_rowid,
        ownership: Ownership::Unsettled,
        class: None,
        path: String::new(),
        references: Vec::new(),
        warnings: Vec::new(),
    })
}
