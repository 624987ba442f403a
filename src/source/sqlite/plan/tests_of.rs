//! What tells rows that have several owners.

use rusqlite::Connection;

use crate::source::sqlite::edges::{Edge, Owners};
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::sql::quote;

/// What tells rows of one table that have several owners.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// What is looked at of each row `t0`.
    columns: Vec<String>,
    /// Conditions on that, and in words what a row is that meets it.
    pub conditions: Vec<(String, String)>,
}

impl Tests {
    /// For rows that are owned along these edges, which these paths tell of in words.
    pub(super) fn of(owners: &Owners, live: &[Edge], paths: &[String]) -> Self {
        let mut tests = Self::default();
        for (at, edge) in live.iter().enumerate() {
            tests
                .columns
                .push(format!("{} AS e{at}", owners.along(edge, 0)));
            for before in 0..at {
                let words = format!(
                    "one row (or more) has different owners by {} and by {}",
                    paths[before], paths[at]
                );
                let differ = format!("(e{before} <> e{at} COLLATE BINARY)");
                tests.conditions.push((differ, words));
            }
            if let Some(count) = owners.count(edge, 0) {
                tests.columns.push(format!("{count} AS n{at}"));
                let words = format!("one row (or more) has several owners by {}", paths[at]);
                tests.conditions.push((format!("(n{at} > 1)"), words));
            }
        }
        tests
    }
}

/// The words of the first of some tests that a row of `table` meets for which the condition `only` holds.
pub fn met(
    conn: &Connection,
    table: &str,
    tests: &Tests,
    only: &str,
) -> Result<Option<String>, SqliteError> {
    // An expression may be only so deep.
    for conditions in tests.conditions.chunks(400) {
        if let Some(words) = one_met(conn, table, (&tests.columns, conditions), only)? {
            return Ok(Some(words));
        }
    }
    Ok(None)
}

fn one_met(
    conn: &Connection,
    table: &str,
    (columns, tests): (&[String], &[(String, String)]),
    only: &str,
) -> Result<Option<String>, SqliteError> {
    let conditions: Vec<&str> = tests.iter().map(|(sql, _)| sql.as_str()).collect();
    let sql = format!(
        "SELECT {} FROM (SELECT {} FROM {} AS t0 WHERE {only}) WHERE {} LIMIT 1",
        conditions.join(", "),
        columns.join(", "),
        quote(table),
        conditions.join(" OR "),
    );
    let fail = |error| SqliteError::reading(format!("the owners of {table}"))(error);
    let mut prepared = conn.prepare(&sql).map_err(fail)?;
    let mut rows = prepared.query([]).map_err(fail)?;
    let Some(row) = rows.next().map_err(fail)? else {
        return Ok(None);
    };
    let holds = |at: usize| row.get::<_, Option<bool>>(at).ok().flatten() == Some(true);
    let words = tests
        .iter()
        .enumerate()
        .find(|(at, _)| holds(*at))
        .map(|(_, (_, words))| words.clone());
    Ok(Some(words.unwrap_or_else(|| {
        "one row (or more) has several owners".into()
    })))
}
