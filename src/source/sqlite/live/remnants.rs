//! What an engine leaves behind of rows that it has deleted, and what becomes of it.
//!
//! - *Free space in the database*: `secure_delete` fills what the deletion itself frees with zeros; for
//!   copies from before see `scrub`. What VACUUM and `auto_vacuum` cut off the file stays on the disk as
//!   it was.
//! - *The write-ahead log*: see `wal`. *The rollback journal*: see `journal`.
//! - *Full-text indexes*: see `index`. *Samples of the query planner* (`sqlite_stat4`), which hold
//!   values: those of changed tables are deleted with the rows.
//!
//! What is told is what was achieved.

use super::Live;
use crate::source::sqlite::error::SqliteError;

/// One thing that may hold what was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remnant {
    /// What it is, for people: names of tables, no paths.
    pub what: String,
    /// What became of it.
    pub level: Level,
}

/// What became of a remnant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// There is none.
    Absent,
    /// It had nothing to do with what was deleted.
    Untouched,
    /// Its bytes were overwritten in place, and synced.
    Overwritten,
    /// It was made anew without what was deleted.
    Renewed,
    /// It cannot be done now, for the reason that is said: [`Live::sweep`] tries again.
    Pending(String),
    /// It cannot be done, for the reason that is said.
    Left(String),
    /// What was deleted may still be read in it as text of the database, for the reason that is said:
    /// a person must see to it.
    Stays {
        /// The table.
        table: String,
        /// Why.
        why: String,
    },
}

impl Live {
    /// Deals once more with what the engine leaves behind of rows that were deleted before: after an
    /// erasure that left something pending, or whose end was cut short.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sweep(&mut self, vacuum: bool) -> Result<Vec<Remnant>, SqliteError> {
        self.keep_journal()?;
        let pages = self.pages();
        Ok(self.remnants(vacuum, pages, false))
    }

    /// Deals with log or journal, with VACUUM between. There were so many `pages` before, and
    /// `written` says that we have just committed.
    pub(super) fn remnants(&mut self, vacuum: bool, pages: i64, written: bool) -> Vec<Remnant> {
        let free = self.scrub();
        let mut log = self.fill_log(written).unwrap_or_else(pending);
        let mut all = vec![remnant("free space in the database", free)];
        if vacuum {
            let done = self.conn.execute_batch("VACUUM");
            let done =
                done.map_err(|error| SqliteError::changing(&self.path, "the database", error));
            if done.is_ok() {
                log = worse(log, self.fill_log(true).unwrap_or_else(pending));
            }
            let level = done.map_or_else(pending, |()| Level::Renewed);
            all.push(remnant("the database as a whole", level));
        }
        all.push(remnant("the write-ahead log", log));
        let journal = self.let_journal_go().unwrap_or_else(pending);
        all.push(remnant("the rollback journal", journal));
        if self.pages() < pages {
            let reason = "the file was shortened, and its old end may stand on the disk";
            all.push(remnant("the file's end", Level::Left(reason.into())));
        }
        all
    }

    /// The number of the database's pages.
    pub(super) fn pages(&self) -> i64 {
        let pages = self
            .conn
            .query_row("PRAGMA page_count", [], |row| row.get(0));
        pages.unwrap_or_default()
    }

    /// Whether the database is in WAL mode.
    pub(super) fn is_wal(&self) -> Result<bool, SqliteError> {
        let mode = self
            .conn
            .query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0));
        mode.map(|mode| mode == "wal")
            .map_err(|error| SqliteError::changing(&self.path, "the journal mode", error))
    }
}

fn remnant(what: &str, level: Level) -> Remnant {
    Remnant {
        what: what.to_owned(),
        level,
    }
}

/// What failed can be tried again.
fn pending(error: SqliteError) -> Level {
    let cause = std::error::Error::source(&error);
    Level::Pending(match cause {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

/// Of two levels of one thing the one that promises less.
fn worse(one: Level, other: Level) -> Level {
    match (&one, &other) {
        (Level::Left(_), _) => one,
        (_, Level::Left(_)) => other,
        (Level::Pending(_), _) => one,
        _ => other,
    }
}
