//! Full-text indexes: what they are set to, and making them again.
//!
//! An index with text of its own grows with its rows. One over another table, or over a view, is built when
//! all those are there. Settings come first, since they say how it is built.

use rusqlite::{Connection, Row};

use super::sql::quote;
use crate::schema::{FullText, Schema, Setting};

/// What the index `name` is set to. The version of what it is made of is no setting.
pub(super) fn settings(conn: &Connection, name: &str) -> rusqlite::Result<Vec<(String, Setting)>> {
    let sql = format!(
        "SELECT k, v, typeof(v) = 'integer' FROM main.{} \
         WHERE k <> 'version' AND typeof(v) IN ('integer', 'text') ORDER BY k",
        quote(&format!("{name}_config"))
    );
    let setting = |row: &Row<'_>| {
        let value = match row.get(2)? {
            true => Setting::Int(row.get(1)?),
            false => Setting::Text(row.get(1)?),
        };
        Ok((row.get(0)?, value))
    };
    conn.prepare(&sql)?.query_map([], setting)?.collect()
}

/// Sets every index of a new database as it was: what could not be set, in words.
pub(super) fn configure(conn: &Connection, schema: &Schema) -> Vec<String> {
    let set = |index: &FullText, name: &str, value: &Setting| {
        let table = quote(&index.name);
        let sql = format!("INSERT INTO main.{table}({table}, rank) VALUES (?1, ?2)");
        match value {
            Setting::Int(number) => conn.execute(&sql, (name, number)),
            Setting::Text(text) => conn.execute(&sql, (name, text)),
        }
    };
    let mut problems = Vec::new();
    for index in &schema.full_text {
        for (name, value) in &index.settings {
            if let Err(error) = set(index, name, value) {
                let what = format!(
                    "the full-text table {}: {name} was not set: {error}",
                    index.name
                );
                problems.push(what);
            }
        }
    }
    problems
}

/// Builds the indexes whose text stands elsewhere: what could not be built, in words.
pub(super) fn rebuild(conn: &Connection, schema: &Schema) -> Vec<String> {
    let external = schema.full_text.iter().filter(|index| index.external);
    let build = |index: &FullText| {
        let table = quote(&index.name);
        let sql = format!("INSERT INTO main.{table}({table}) VALUES ('rebuild')");
        let error = conn.execute(&sql, []).err()?;
        Some(format!(
            "the full-text table {} was not built: {error}",
            index.name
        ))
    };
    external.filter_map(build).collect()
}
