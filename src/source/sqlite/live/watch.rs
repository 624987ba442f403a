//! Counting what happens to every table while we change a few.
//!
//! A temporary trigger on each table counts each row that is inserted, updated or deleted, whoever
//! does it: we, the application's triggers, or the actions of foreign keys. The inner tables of
//! virtual tables are not watched: what a full-text index does there follows from its own rows. Only
//! where an index holds text of customers, the table of its texts is: by how many rows it has grown or
//! shrunk, since to change a row is to delete it and to insert another there, and since an
//! application's triggers may have done to it already what we would.
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

/// How a table is watched.
enum How {
    ByRows,
    /// It is a full-text index that holds text of customers.
    ByGrowth,
    Not,
}

impl Watch {
    /// Watches every table from now on.
    pub(super) fn begin(work: &Work<'_>) -> Result<Self, SqliteError> {
        let mut sql =
            "CREATE TEMP TABLE tenure_seen(t, op, n, PRIMARY KEY(t, op)) WITHOUT ROWID;".to_owned();
        for (at, table) in work.settled.schema.tables.iter().enumerate() {
            let name = match work.how_watched(at) {
                How::ByRows => quote(&table.name),
                How::ByGrowth => quote(&format!("{}_content", table.name)),
                How::Not => continue,
            };
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
        let mut seen = |table: usize, op: Op| {
            let seen = seen.query_row((table as i64, op as i64), |row| row.get::<_, i64>(0));
            seen.map(i64::unsigned_abs).map_err(fail())
        };
        let expected = |table, op| self.expected.get(&(table, op)).copied().unwrap_or_default();
        for table in 0..work.settled.schema.tables.len() {
            let name = work.name(table);
            match work.how_watched(table) {
                How::Not => {}
                How::ByRows => {
                    for (op, _, word) in OPS {
                        let (seen, expected) = (seen(table, op)?, expected(table, op));
                        if seen != expected {
                            found.push(format!("{seen} rows of {name} {word}, not {expected}"));
                        }
                    }
                }
                How::ByGrowth => {
                    let grown = |inserted: u64, deleted: u64| {
                        inserted.cast_signed().wrapping_sub(deleted.cast_signed())
                    };
                    let seen = grown(seen(table, Op::Insert)?, seen(table, Op::Delete)?);
                    let expected = grown(expected(table, Op::Insert), expected(table, Op::Delete));
                    if seen != expected {
                        found.push(format!("{name} has {seen:+} rows, not {expected:+}"));
                    }
                }
            }
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(SqliteError::ReachesFurther { found }),
        }
    }
}

impl Work<'_> {
    fn how_watched(&self, table: usize) -> How {
        match self.holds_text(table) {
            false => How::ByRows,
            true if self.owned(table) => How::ByGrowth,
            true => How::Not,
        }
    }
}
