//! Counting what happens to every table while we change a few.
//!
//! A temporary trigger on each table counts each row that is inserted, updated or deleted, whoever
//! does it: we, the application's triggers, or the actions of foreign keys. The inner tables of
//! virtual tables are not watched: what a full-text index does there follows from its own rows.
//! Nor are tables of ours (`tenure_…`), which exist to note changes.

use std::collections::BTreeMap;

use super::Work;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::sql::quote;

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Insert,
    Update,
    Delete,
}

const OPS: [(Op, &str, &str); 3] = [
    (Op::Insert, "INSERT", "inserted"),
    (Op::Update, "UPDATE", "updated"),
    (Op::Delete, "DELETE", "deleted"),
];

/// What is to happen to each table.
pub(super) struct Watch {
    expected: BTreeMap<(usize, Op), u64>,
}

impl Watch {
    /// Watches every table from now on.
    pub(super) fn begin(work: &Work<'_>) -> Result<Self, SqliteError> {
        let mut sql =
            "CREATE TEMP TABLE tenure_seen(t, op, n, PRIMARY KEY(t, op)) WITHOUT ROWID;".to_owned();
        for (at, table) in work.settled.schema.tables.iter().enumerate() {
            let name = quote(&table.name);
            for (op, word, _) in OPS {
                let op = op as i64;
                sql += &format!(
                    "INSERT INTO temp.tenure_seen VALUES ({at}, {op}, 0);
                     CREATE TEMP TRIGGER tenure_seen_{at}_{op} AFTER {word} ON main.{name} BEGIN \
                     UPDATE tenure_seen SET n = n + 1 WHERE t = {at} AND op = {op}; END;"
                );
            }
        }
        work.conn
            .execute_batch(&sql)
            .map_err(work.fail("temporary triggers"))?;
        Ok(Self {
            expected: BTreeMap::new(),
        })
    }

    /// Expects this to happen to so many rows of a table.
    pub(super) fn expect(&mut self, table: usize, op: Op, rows: u64) {
        *self.expected.entry((table, op)).or_default() += rows;
    }

    /// Whether what has happened is what was expected.
    pub(super) fn check(&self, work: &Work<'_>) -> Result<(), SqliteError> {
        let fail = || work.fail("temporary triggers");
        let sql = "SELECT n FROM temp.tenure_seen WHERE t = ?1 AND op = ?2";
        let mut seen = work.conn.prepare(sql).map_err(fail())?;
        let mut found = Vec::new();
        for table in 0..work.settled.schema.tables.len() {
            for (op, _, word) in OPS {
                let seen: i64 = seen
                    .query_row((table as i64, op as i64), |row| row.get(0))
                    .map_err(fail())?;
                let seen = seen.unsigned_abs();
                let expected = self.expected.get(&(table, op)).copied().unwrap_or_default();
                if seen != expected {
                    let name = work.name(table);
                    found.push(format!("{seen} rows of {name} {word}, not {expected}"));
                }
            }
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(SqliteError::ReachesFurther { found }),
        }
    }
}
