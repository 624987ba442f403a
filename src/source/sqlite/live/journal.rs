//! The rollback journal, which holds what the changed pages were before.
//!
//! With `locking_mode = EXCLUSIVE` our lock on the database lasts beyond the commit, and with
//! `journal_mode = PERSIST` the journal's header alone is cleared: so nobody else can use or remove the
//! file before its bytes are overwritten. It is filled with zeros while we hold a write lock, under
//! which nobody else has a journal, and in a transaction that has written nothing, so neither have we.
//! A crash on the way leaves a journal without a header, which SQLite takes for none. Both modes are
//! the connection's own: the application goes on with the mode that it sets.
//!
//! The file is opened beside SQLite's own descriptors. Closing a file drops a process's POSIX locks on
//! it, but SQLite locks the database file and the -shm alone, never a journal or a log.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::remnants::Level;
use super::{Live, connect};
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::read::regular_file;

impl Live {
    /// Sees to it that the journal of the next transaction stays, unless the database is in WAL mode.
    pub(super) fn keep_journal(&self) -> Result<(), SqliteError> {
        if self.is_wal()? {
            return Ok(());
        }
        self.conn
            .execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = PERSIST")
            .map_err(|error| SqliteError::changing(&self.path, "the journal mode", error))
    }

    /// Overwrites the journal, removes it, and gives the lock up.
    pub(super) fn let_journal_go(&mut self) -> Result<Level, SqliteError> {
        if self.is_wal()? {
            return Ok(Level::Absent);
        }
        let held = self.conn.execute_batch("BEGIN IMMEDIATE");
        let filled = match &held {
            Ok(()) => fill(&beside(&self.path, "-journal"), 0).map(|bytes| match bytes {
                0 => Level::Absent,
                _ => Level::Overwritten,
            }),
            Err(error) => Ok(Level::Pending(format!(
                "another program holds the database: {error}"
            ))),
        };
        if held.is_ok() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        // Leaving PERSIST removes the file under the lock that is still held; reading then drops the
        // lock. What was not overwritten is not removed either.
        let leave = match &filled {
            Ok(Level::Absent | Level::Overwritten) => "PRAGMA journal_mode = DELETE;",
            _ => "",
        };
        let normal = format!("PRAGMA locking_mode = NORMAL; {leave} SELECT 1 FROM sqlite_schema");
        self.conn
            .execute_batch(&normal)
            .map_err(|error| SqliteError::changing(&self.path, "the journal mode", error))?;
        filled
    }
}

/// How a journal begins that is not over.
const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Rolls back a transaction whose writer died, as whoever writes next would, so that the database
/// can be read again; then overwrites the journal, which is nobody's by then. Says whether there was a
/// journal that is not over: that of a writer who lives is left alone.
///
/// # Errors
/// When another program holds the database, or the journal cannot be overwritten.
pub fn roll_back(path: &Path) -> Result<bool, SqliteError> {
    let path = regular_file(path)?;
    let journal = beside(&path, "-journal");
    let fail = |source| SqliteError::Fill {
        path: journal.clone(),
        source,
    };
    let mut file = match OpenOptions::new().read(true).write(true).open(&journal) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(false);
        }
        opened => opened.map_err(fail)?,
    };
    let mut head = [0; MAGIC.len()];
    if file.read_exact(&mut head).is_err() || head != MAGIC {
        return Ok(false);
    }
    let conn = connect(&path).map_err(|error| SqliteError::changing(&path, "the database", error));
    drop(conn?);
    let unlinked = file.metadata().map_err(fail)?.nlink() == 0;
    if unlinked {
        fill_file(&mut file, 0).map_err(fail)?;
    }
    Ok(true)
}

/// The path of a file that SQLite keeps beside a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Fills a file with zeros from an offset to its end, and syncs it: how many bytes. None is filled
/// where there is no file.
pub(super) fn fill(path: &Path, from: u64) -> Result<u64, SqliteError> {
    let overwrite = || -> io::Result<u64> {
        match OpenOptions::new().write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            opened => fill_file(&mut opened?, from),
        }
    };
    overwrite().map_err(|source| SqliteError::Fill {
        path: path.to_owned(),
        source,
    })
}

fn fill_file(file: &mut File, from: u64) -> io::Result<u64> {
    let mut left = file.metadata()?.len().saturating_sub(from);
    let filled = left;
    file.seek(SeekFrom::Start(from))?;
    let zeros = vec![0; 64 << 10];
    while left > 0 {
        let next = left.min(zeros.len() as u64);
        file.write_all(&zeros[..next as usize])?;
        left -= next;
    }
    file.sync_all()?;
    Ok(filled)
}
