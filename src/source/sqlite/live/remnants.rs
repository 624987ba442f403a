//! What an engine leaves behind of rows that it has deleted, and what becomes of it.
//!
//! - *Pages of the database*: `secure_delete` fills what the deletion frees with zeros, within pages
//!   and as whole pages. What the application itself deleted or changed before stands in free space
//!   that nothing but VACUUM reaches; VACUUM and `auto_vacuum` shorten the file, whose cut-off end
//!   stays on the disk as it was.
//! - *The write-ahead log*: see `wal`. *The rollback journal*: see `journal`.
//! - *Full-text indexes*: see `index`.
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
}

impl Live {
    /// Deals once more with what the engine leaves behind of rows that were deleted before: after an
    /// erasure that left something pending, or whose end was cut short.
    ///
    /// # Errors
    /// When a file beside the database cannot be read or written.
    pub fn sweep(&mut self, vacuum: bool) -> Result<Vec<Remnant>, SqliteError> {
        self.keep_journal()?;
        let pages = self.pages();
        self.remnants(vacuum, pages, false)
    }

    /// Deals with log or journal, with VACUUM between. There were so many `pages` before, and
    /// `written` says that we have just committed.
    pub(super) fn remnants(
        &mut self,
        vacuum: bool,
        pages: i64,
        written: bool,
    ) -> Result<Vec<Remnant>, SqliteError> {
        let mut log = self.fill_log(written)?;
        let mut free = Level::Left(
            "what the application deleted or changed before stands in free space until a VACUUM"
                .into(),
        );
        if vacuum {
            let done = self.conn.execute_batch("VACUUM");
            free = match done {
                Ok(()) => Level::Renewed,
                Err(error) => Level::Pending(format!("VACUUM was not possible: {error}")),
            };
            if free == Level::Renewed {
                log = worse(log, self.fill_log(true)?);
            }
        }
        let journal = self.let_journal_go()?;
        let mut all = vec![
            remnant("the deleted rows' pages", Level::Overwritten),
            remnant("free space from before", free),
            remnant("the write-ahead log", log),
            remnant("the rollback journal", journal),
        ];
        if self.pages() < pages {
            let reason = "the file was shortened, and its old end may stand on the disk";
            all.push(remnant("the file's end", Level::Left(reason.into())));
        }
        Ok(all)
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

/// Of two levels of one thing the one that promises less.
fn worse(one: Level, other: Level) -> Level {
    match (&one, &other) {
        (Level::Left(_), _) => one,
        (_, Level::Left(_)) => other,
        (Level::Pending(_), _) => one,
        _ => other,
    }
}
