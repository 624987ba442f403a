//! Installing the change tracking, and taking it out.

use std::path::Path;

use rusqlite::Row;

use super::Tracking;
use super::triggers::Made;
use crate::rules::Rules;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::live::Live;
use crate::source::sqlite::sql::{ours, quote};

/// The change tracking of one database.
pub struct Tracker {
    live: Live,
    made: Vec<Made>,
}

impl Tracker {
    /// Looks at the database at `path`.
    ///
    /// # Errors
    /// When there is no database that can be written, or when `rules` name what it does not have.
    pub fn open(path: &Path, rules: &Rules) -> Result<Self, SqliteError> {
        let live = Live::open(path, rules)?;
        Ok(Self {
            live,
            made: Vec::new(),
        })
    }

    /// The SQL that installs it, in place of what is there.
    ///
    /// # Errors
    /// When SQLite fails to read, or when triggers could not see all changes.
    pub fn install_sql(&mut self) -> Result<Vec<String>, SqliteError> {
        let (conn, schema, shapes, plan) = self.live.parts();
        let tracking = Tracking::of(conn, schema, shapes, plan)?;
        if !tracking.objections.is_empty() {
            let why = tracking.objections.clone();
            return Err(SqliteError::CannotTrack { why });
        }
        self.made = tracking.made();
        let taken = self.taken()?;
        if let Some(name) = taken.first() {
            return Err(SqliteError::TrackedName { name: name.clone() });
        }
        let mut sql = self.remove_sql()?;
        sql.extend(self.made.iter().map(|made| made.sql.clone()));
        sql.push("INSERT INTO tenure_lineage VALUES (lower(hex(randomblob(16))), 1)".to_owned());
        Ok(sql)
    }

    /// The SQL that takes it out; none where nothing is installed.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn remove_sql(&self) -> Result<Vec<String>, SqliteError> {
        let there = self
            .named()?
            .into_iter()
            .filter(|(kind, name, sql)| ours(kind, name, sql));
        // Triggers first: their tables take along no others.
        let mut there: Vec<_> = there
            .map(|(kind, name, _)| (kind != "trigger", kind, name))
            .collect();
        there.sort();
        Ok(there
            .into_iter()
            .map(|(_, kind, name)| format!("DROP {} {}", kind.to_uppercase(), quote(&name)))
            .collect())
    }

    /// Runs statements in one transaction.
    ///
    /// # Errors
    /// When another program holds the database, or when SQLite refuses. Nothing is changed then.
    pub fn run(&mut self, sql: &[String]) -> Result<(), SqliteError> {
        self.live.run_all(sql)
    }

    /// Names that are needed, and are somebody else's.
    fn taken(&self) -> Result<Vec<String>, SqliteError> {
        let named = self.named()?.into_iter();
        let strange = named.filter(|(kind, name, sql)| !ours(kind, name, sql));
        let strange = strange.filter(|(_, name, _)| {
            self.made
                .iter()
                .any(|made| made.name.eq_ignore_ascii_case(name))
        });
        Ok(strange.map(|(_, name, _)| name).collect())
    }

    fn named(&self) -> Result<Vec<(String, String, String)>, SqliteError> {
        let sql = "SELECT type, name, coalesce(sql, '') FROM main.sqlite_schema WHERE name LIKE 'tenure%'";
        let entry = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let (conn, ..) = self.live.parts();
        let read = || {
            conn.prepare(sql)?
                .query_map([], entry)?
                .collect::<Result<_, _>>()
        };
        read().map_err(SqliteError::reading("the schema"))
    }
}
