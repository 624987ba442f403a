//! Whether notes are complete.

use std::collections::BTreeSet;

use rusqlite::Row;

use super::Tracking;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::read::Database;
use crate::source::sqlite::sql::ours;

/// Where the notes of a source stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The random id that the last snapshot has left.
    pub lineage: String,
    /// What is noted now is noted under this number.
    pub generation: i64,
    /// How often the schema has changed.
    pub schema_version: i64,
}

impl Database {
    pub(super) fn tracking(&self) -> Result<Tracking<'_>, SqliteError> {
        Tracking::of(&self.conn, &self.schema, &self.shapes, &self.plan)
    }

    /// Where the notes stand; or why they do not tell of every change, in words that follow on the source's name.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn noted(&self) -> Result<Result<Noted, String>, SqliteError> {
        let tracking = self.tracking()?;
        if let Some(objection) = tracking.objections.first() {
            return Ok(Err(objection.clone()));
        }
        let fail = || SqliteError::reading("the change tracking");
        let wanted: BTreeSet<(String, String)> = tracking
            .made()
            .into_iter()
            .map(|made| (made.name, made.sql))
            .collect();
        let there = self.tracking_there().map_err(fail())?;
        if there.is_empty() {
            return Ok(Err(
                "change tracking is not installed (see `tenure track`)".to_owned()
            ));
        }
        if there != wanted {
            let what =
                "its change tracking is not the one for its schema and rules (see `tenure track`)";
            return Ok(Err(what.to_owned()));
        }
        let sql = "SELECT lineage, generation, (SELECT schema_version FROM pragma_schema_version), \
                   (SELECT count(*) FROM main.tenure_lineage) FROM main.tenure_lineage";
        let row = |row: &Row<'_>| {
            let noted = Noted {
                lineage: row.get(0)?,
                generation: row.get(1)?,
                schema_version: row.get(2)?,
            };
            Ok((noted, row.get::<_, i64>(3)?))
        };
        match self.conn.query_row(sql, [], row) {
            Ok((noted, 1)) => Ok(Ok(noted)),
            Ok(_)
            | Err(rusqlite::Error::QueryReturnedNoRows | rusqlite::Error::InvalidColumnType(..)) => {
                Ok(Err(
                    "what its change tracking stands at is lost (see `tenure track`)".to_owned(),
                ))
            }
            Err(error) => Err(fail()(error)),
        }
    }

    /// What of the tracking stands in the database: names and text.
    fn tracking_there(&self) -> rusqlite::Result<BTreeSet<(String, String)>> {
        let sql = "SELECT type, name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL AND name LIKE 'tenure%'";
        let entry = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let all: Vec<(String, String, String)> = self
            .conn
            .prepare(sql)?
            .query_map([], entry)?
            .collect::<Result<_, _>>()?;
        let ours = all
            .into_iter()
            .filter(|(kind, name, sql)| ours(kind, name, sql));
        Ok(ours.map(|(_, name, sql)| (name, sql)).collect())
    }
}
