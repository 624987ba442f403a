//! The write-ahead log, which holds pages as they were before and during the deletion.
//!
//! First everything in the log is moved into the database and synced, and readers are waited for until
//! none of them reads from the log (a checkpoint RESTART). Then the next writer starts the log anew at
//! its beginning: we are that writer, and write the first page as it is. From then on everything in
//! the file beyond the new last frame is nobody's: readers look at no frame beyond the last one that they
//! began with, those of the log before had to be gone before it was started anew, and a recovery stops at the last frame
//! whose salt is that of the header. It is where the next writer appends, so it is filled with zeros while we
//! hold the write lock, and synced; only after that is the file truncated.
//!
//! A crash at any point leaves what SQLite itself could have left: a log whose rest is void.
//!
//! That the log was started anew is seen by its salt, which changes each time. A reader that does not
//! end in time leaves the log pending. While we wait for it nobody is held up: the checkpoint, which takes
//! the write lock, is tried for a moment at a time.

use std::fs::File;
use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::journal::{beside, fill};
use super::remnants::Level;
use super::{Live, connect};
use crate::source::sqlite::error::SqliteError;

/// How long a checkpoint may hold the write lock while it waits for readers.
const MOMENT: Duration = Duration::from_millis(50);

/// How long others may write in between.
const PAUSE: Duration = Duration::from_millis(100);

/// The log's header, and the one of each frame.
const HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// What tells one start of a log from the next.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    salt: [u8; 8],
    bytes: u64,
}

impl Live {
    /// Overwrites what the log holds from before now: `written` says that we have just committed.
    pub(super) fn fill_log(&mut self, written: bool) -> Result<Level, SqliteError> {
        if !self.is_wal()? {
            return Ok(Level::Absent);
        }
        let gone = || Level::Left("another program truncated it before it was overwritten".into());
        let Some(before) = self.stamp()? else {
            return Ok(if written { gone() } else { Level::Absent });
        };
        let until = Instant::now() + self.patience;
        let fail = |error| SqliteError::changing(&self.path, "the write-ahead log", error);
        let other = connect(&self.path).map_err(fail)?;
        let mut reason = "a reader does not end";
        loop {
            if self.start_anew(before)? {
                match self.fill_rest(&other, before)? {
                    Filled::Done => break,
                    Filled::Gone => return Ok(gone()),
                    Filled::Busy => reason = "another program writes or checkpoints",
                }
            }
            if Instant::now() >= until {
                return Ok(Level::Pending(reason.into()));
            }
            sleep(PAUSE);
        }
        // What is cut off is void by now, so it does not matter if this is not possible.
        let _ = self.briefly("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(Level::Overwritten)
    }

    /// Whether the log was started anew since `before`; if not, tries to.
    fn start_anew(&self, before: Stamp) -> Result<bool, SqliteError> {
        let anew = |stamp: Option<Stamp>| stamp.is_none_or(|stamp| stamp.salt != before.salt);
        if anew(self.stamp()?) {
            return Ok(true);
        }
        if self.briefly("PRAGMA wal_checkpoint(RESTART)")? != Some(0) {
            return Ok(false);
        }
        self.rewrite_first_page()?;
        Ok(anew(self.stamp()?))
    }

    /// Writes the first page as it is.
    fn rewrite_first_page(&self) -> Result<(), SqliteError> {
        let write = || -> rusqlite::Result<()> {
            self.conn.execute_batch("BEGIN IMMEDIATE")?;
            let version: i64 = self
                .conn
                .query_row("PRAGMA user_version", [], |row| row.get(0))?;
            self.conn
                .execute_batch(&format!("PRAGMA user_version = {version}; COMMIT"))
        };
        let written = write();
        if !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        match written
            .map_err(|error| SqliteError::changing(&self.path, "the write-ahead log", error))
        {
            Err(SqliteError::Busy { .. }) => Ok(()),
            written => written,
        }
    }

    /// Fills the log beyond its last frame, under the write lock.
    fn fill_rest(&self, other: &Connection, before: Stamp) -> Result<Filled, SqliteError> {
        let fail = |error| SqliteError::changing(&self.path, "the write-ahead log", error);
        match self.conn.execute_batch("BEGIN IMMEDIATE").map_err(fail) {
            Err(SqliteError::Busy { .. }) => return Ok(Filled::Busy),
            begun => begun?,
        }
        let filled = self.fill_locked(other, before);
        let _ = self.conn.execute_batch("ROLLBACK");
        filled
    }

    fn fill_locked(&self, other: &Connection, before: Stamp) -> Result<Filled, SqliteError> {
        let fail = |error| SqliteError::changing(&self.path, "the write-ahead log", error);
        match self.stamp()? {
            Some(now) if now.bytes >= before.bytes => {}
            _ => return Ok(Filled::Gone),
        }
        // A passive checkpoint says how many frames there are; it cannot be run inside of a transaction,
        // so another connection runs it.
        let (busy, frames): (i64, i64) = other
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(fail)?;
        if busy != 0 || frames < 0 {
            return Ok(Filled::Busy);
        }
        let page: i64 = self
            .conn
            .query_row("PRAGMA page_size", [], |row| row.get(0))
            .map_err(fail)?;
        let end = HEADER + frames.unsigned_abs() * (FRAME_HEADER + page.unsigned_abs());
        fill(&beside(&self.path, "-wal"), end)?;
        Ok(Filled::Done)
    }

    /// The first number that a PRAGMA answers, waiting for others no longer than a moment; none if they
    /// do not let us.
    fn briefly(&self, pragma: &str) -> Result<Option<i64>, SqliteError> {
        let fail = |error| SqliteError::changing(&self.path, "the write-ahead log", error);
        self.conn.busy_timeout(MOMENT).map_err(fail)?;
        let answer = self.conn.query_row(pragma, [], |row| row.get(0));
        self.conn.busy_timeout(self.patience).map_err(fail)?;
        match answer.map_err(fail) {
            Err(SqliteError::Busy { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The log's salt and length; none where there is no log, or nothing in it.
    fn stamp(&self) -> Result<Option<Stamp>, SqliteError> {
        let path = beside(&self.path, "-wal");
        let read = || -> std::io::Result<Option<Stamp>> {
            let mut header = [0; HEADER as usize];
            let mut file = match File::open(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            let bytes = file.metadata()?.len();
            if bytes < HEADER {
                return Ok(None);
            }
            file.read_exact(&mut header)?;
            let mut salt = [0; 8];
            salt.copy_from_slice(&header[16..24]);
            Ok(Some(Stamp { salt, bytes }))
        };
        read().map_err(|source| SqliteError::Fill {
            path: path.clone(),
            source,
        })
    }
}

enum Filled {
    Done,
    Gone,
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{RegisterRule, Rules};

    const CANARY: &str = "a canary that must not sing: 5f1d0b7c";

    fn sings(path: &std::path::Path) -> bool {
        let bytes = std::fs::read(path).unwrap();
        bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes())
    }

    #[test]
    fn the_log_is_filled_before_it_is_truncated_and_others_go_on() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("crm.db");
        let app = Connection::open(&path).unwrap();
        app.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE c(id INTEGER PRIMARY KEY, t);",
        )
        .unwrap();
        for id in 0..50 {
            app.execute("INSERT INTO c VALUES (?1, ?2)", (id, CANARY.repeat(200)))
                .unwrap();
        }
        let rules = Rules {
            source: "crm".parse().unwrap(),
            register: Some(RegisterRule {
                table: "c".into(),
                key: vec!["id".into()],
                since: None,
                name: None,
            }),
            shared: Vec::new(),
            owns: Vec::new(),
        };
        let live = Live::open(&path, &rules).unwrap();
        live.conn
            .execute_batch("DELETE FROM c WHERE id < 49")
            .unwrap();
        live.conn.execute_batch("UPDATE c SET t = 'kept'").unwrap();
        let log = beside(&path, "-wal");
        let before = live.stamp().unwrap().unwrap();
        assert!(sings(&log));
        assert!(live.start_anew(before).unwrap());
        assert!(sings(&log), "starting anew alone overwrites nothing");
        // Somebody writes after the log was started anew, and somebody reads that from the log.
        app.execute_batch("INSERT INTO c VALUES (100, 'new'); BEGIN")
            .unwrap();
        let count = |conn: &Connection| -> i64 {
            conn.query_row("SELECT count(*) FROM c", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(count(&app), 2);
        let other = connect(&path).unwrap();
        assert!(matches!(
            live.fill_rest(&other, before).unwrap(),
            Filled::Done
        ));
        assert_eq!(std::fs::metadata(&log).unwrap().len(), before.bytes);
        assert!(!sings(&log) && !sings(&path));
        // What a crash would leave now.
        let after = dir.path().join("after.db");
        for suffix in ["", "-wal"] {
            std::fs::write(
                beside(&after, suffix),
                std::fs::read(beside(&path, suffix)).unwrap(),
            )
            .unwrap();
        }
        assert_eq!(count(&app), 2);
        app.execute_batch("COMMIT; INSERT INTO c VALUES (101, 'newer')")
            .unwrap();
        assert_eq!(count(&app), 3);
        let after = Connection::open(&after).unwrap();
        assert_eq!(count(&after), 2);
        for conn in [&app, &after] {
            let check: String = conn
                .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                .unwrap();
            assert_eq!(check, "ok");
        }
    }
}
