//! Reading a database from a copy of our own, so that its writers wait no longer than copying takes.
//!
//! In rollback-journal mode whoever reads keeps writers out. So the file is copied, byte for byte, under
//! SQLite's lock (`live`, `copy`) into an encrypted file without a name (`frames`), and everything else is
//! read from there, through a file system of ours (`vfs`, `files`, `calls`).
//!
//! A journal that a dead writer has left is copied along, and SQLite rolls the transaction back in the copy,
//! which can be written to. **Invariant:** the source is not.

mod calls;
mod copy;
mod files;
mod frames;
mod live;
mod vfs;

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use self::files::Files;
use self::frames::FrameFile;
use self::live::{LiveFile, Locked};
use self::vfs::Mounted;
use super::error::SqliteError;
use crate::unnamed::UnnamedFile;

/// How the database's writers work, by what its file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They note in a journal what they overwrite; readers keep them out.
    Rollback,
    /// They add to a log, and readers are not in their way.
    Log,
    /// It is no database.
    None,
}

/// What the file of a connection that has not begun to read says of itself, in a moment without writers.
pub(super) fn mode(connection: &mut Connection, patience: Duration) -> rusqlite::Result<Mode> {
    let mut file = LiveFile::of(connection)?;
    mode_of(&mut file.lock(patience)?)
}

fn mode_of(locked: &mut Locked<'_>) -> rusqlite::Result<Mode> {
    // The magic, the page size, and the versions that it takes to write and to read.
    let mut head = [0; 20];
    locked.read(&mut head, 0)?;
    Ok(match head {
        _ if locked.len()? == 0 => Mode::Rollback,
        [magic @ .., _, _, write, read] if magic == *b"SQLite format 3\0" => {
            match write == 2 || read == 2 {
                true => Mode::Log,
                false => Mode::Rollback,
            }
        }
        _ => Mode::None,
    })
}

/// How many bytes of the file are whole pages: for the rest of a page SQLite would read zeros.
fn whole_pages(locked: &mut Locked<'_>) -> rusqlite::Result<u64> {
    let mut size = [0; 2];
    let len = locked.len()?;
    locked.read(&mut size, 16)?;
    let whole = match u64::from(u16::from_be_bytes(size)) {
        1 => len - len % 65536,
        size if size.is_power_of_two() && size >= 512 => len - len % size,
        _ => len,
    };
    // What has not even a first page is not empty.
    Ok(if whole == 0 { len } else { whole })
}

/// A copy of a database, with a connection to it.
pub(super) struct Copy(Mounted);

impl Copy {
    /// One more connection to the same copy; none if a transaction was rolled back in it.
    pub(super) fn again(&self) -> rusqlite::Result<Option<Self>> {
        Ok(self.0.again()?.map(Self))
    }
}

impl Deref for Copy {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0.connection()
    }
}

/// Copies the database of a connection that has not begun to read; none if it is not in `mode` any more.
///
/// # Errors
/// When the database is locked for longer than `patience`, or cannot be read; when there is no room in
/// `dir`.
pub(super) fn copy(
    path: &Path,
    connection: &mut Connection,
    mode: Mode,
    dir: &Path,
    patience: Duration,
) -> Result<Option<Copy>, SqliteError> {
    let fail = |error| SqliteError::on_open(path, error);
    let copying = Copying { path, dir };
    let mut file = LiveFile::of(connection).map_err(fail)?;
    let beside = match mode {
        Mode::Log => file.log(),
        Mode::Rollback | Mode::None => file.journal(),
    };
    // Room is made before writers have to wait.
    let len = file.lock(patience).and_then(|locked| locked.len());
    let into = copying.file(len.map_err(fail)?)?;
    let mut locked = file.lock(patience).map_err(fail)?;
    if mode_of(&mut locked).map_err(fail)? != mode {
        return Ok(None);
    }
    let database = copying.database(&mut locked, into)?;
    // While somebody has announced that they will write, the journal is a living writer's.
    let left = mode == Mode::Log || !locked.is_reserved().map_err(fail)?;
    let beside = if left { copying.beside(&beside)? } else { None };
    drop(locked);
    let (journal, log) = match mode {
        Mode::Log => (None, beside),
        Mode::Rollback | Mode::None => (beside, None),
    };
    let files = Files {
        dir: dir.to_owned(),
        database,
        journal,
        log,
    };
    Ok(Some(Copy(Mounted::open(files).map_err(fail)?)))
}

/// What is copied, and where to.
struct Copying<'a> {
    path: &'a Path,
    dir: &'a Path,
}

impl Copying<'_> {
    /// A file with room for `len` bytes.
    fn file(&self, len: u64) -> Result<UnnamedFile, SqliteError> {
        let file = UnnamedFile::create(self.dir).map_err(|e| self.failed(len, e))?;
        let reserved = file.reserve(copy::room(len));
        reserved.map_err(|e| self.failed(len, e))?;
        Ok(file)
    }

    /// A copy of the database, made while nobody writes.
    fn database(
        &self,
        locked: &mut Locked<'_>,
        into: UnnamedFile,
    ) -> Result<FrameFile, SqliteError> {
        let len = whole_pages(locked).map_err(|e| SqliteError::on_open(self.path, e))?;
        let read = |into: &mut [u8], at: u64| locked.read(into, at).map_err(io::Error::other);
        copy::copy(len, &into, read).map_err(|e| self.failed(len, e))?;
        Ok(FrameFile::new(into, len))
    }

    /// A copy of what lies beside the database; none if nothing does. SQLite has no locks on it that
    /// opening it by ourselves would cost.
    fn beside(&self, path: &Path) -> Result<Option<FrameFile>, SqliteError> {
        let failed = |error| SqliteError::Copy {
            path: path.to_owned(),
            source: error,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let len = file.metadata().map_err(failed)?.len();
        let mut first = [0];
        // Where the first byte is zero it is what a finished transaction has left.
        if len == 0 || file.read_at(&mut first, 0).map_err(failed)? == 0 || first == [0] {
            return Ok(None);
        }
        let into = self.file(len)?;
        let read = |into: &mut [u8], at: u64| file.read_exact_at(into, at);
        copy::copy(len, &into, read).map_err(|e| self.failed(len, e))?;
        Ok(Some(FrameFile::new(into, len)))
    }

    fn failed(&self, len: u64, error: io::Error) -> SqliteError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SqliteError::NoRoom {
                path: self.path.to_owned(),
                dir: self.dir.to_owned(),
                bytes: copy::room(len),
            },
            _ => SqliteError::Copy {
                path: self.path.to_owned(),
                source: error,
            },
        }
    }
}
