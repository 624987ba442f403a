//! Full-text indexes that hold no text of their own: what must become of them.

use std::path::Path;

use rusqlite::Connection;

use super::values::name;

/// The full-text indexes of a database, by what can become of them.
#[derive(Clone, Default)]
pub struct Words {
    /// Those over another table, which are built anew.
    over: Vec<String>,
    /// Those over a table that is not there, or not as it was.
    broken: Vec<String>,
    /// Those without text, which do not come back.
    pub lost: Vec<String>,
}

impl Words {
    /// Makes of a database what a restore must make of it: indexes over tables hold what those hold, and
    /// those that hold no text are not there.
    pub fn settle(kept: &Path) -> rusqlite::Result<Self> {
        let conn = Connection::open(kept)?;
        let sql = "SELECT name, sql FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY rowid";
        let all: Vec<(String, String)> = conn
            .prepare(sql)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut words = Self::default();
        for (called, sql) in all {
            let index = name(&called);
            if sql.ends_with("content='')") {
                conn.execute_batch(&format!("DROP TABLE {index}"))?;
                words.lost.push(called);
            } else if sql.contains(", content='") {
                let built = format!("INSERT INTO {index} ({index}) VALUES ('rebuild')");
                if conn.execute_batch(&built).is_ok() {
                    words.over.push(called);
                } else {
                    conn.execute_batch(&format!(
                        "INSERT INTO {index} ({index}) VALUES ('delete-all')"
                    ))?;
                    words.broken.push(called);
                }
            }
        }
        Ok(words)
    }

    /// That each index finds what stands in its table, or is named.
    pub fn found(&self, back: &Path, problems: &[String]) -> Result<(), String> {
        let conn = Connection::open(back).map_err(|error| error.to_string())?;
        for index in &self.over {
            let sql = format!(
                "INSERT INTO {0} ({0}, rank) VALUES ('integrity-check', 1)",
                name(index)
            );
            let checked = conn.execute_batch(&sql);
            checked
                .map_err(|error| format!("the index {index} is not that of its table: {error}"))?;
        }
        let told = |index: &&String| {
            problems
                .iter()
                .any(|problem| problem.starts_with(&not_built(index)))
        };
        match self.broken.iter().find(|index| !told(index)) {
            Some(index) => Err(format!(
                "the index {index} could not be built, and nothing says so"
            )),
            None => Ok(()),
        }
    }

    /// Whether a problem is that an index cannot be built.
    pub fn told(&self, problem: &str) -> bool {
        self.broken
            .iter()
            .any(|index| problem.starts_with(&not_built(index)))
    }

    /// That a snapshot has named just those that will not come back.
    pub fn named(&self, unsettled: &[String]) -> bool {
        let named = |what: &String| what.starts_with("crm: the virtual table ");
        let of = |index: &String| {
            format!("crm: the virtual table {index} (fts5), with its tables {index}_data")
        };
        let each = |index: &String| unsettled.iter().any(|what| what.starts_with(&of(index)));
        self.lost.iter().all(each)
            && unsettled.iter().filter(|what| named(what)).count() == self.lost.len()
    }
}

fn not_built(index: &str) -> String {
    format!("the full-text table {index} was not built: ")
}
