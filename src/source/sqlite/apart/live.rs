//! The file of a live database, read through SQLite's own file layer.
//!
//! SQLite's locks are POSIX locks, and a process loses all that it has on a file as soon as it closes any
//! descriptor of it. So nothing here opens the database by itself: it borrows the file that a connection
//! has open, and speaks to it as SQLite's pager would.

#![allow(
    unsafe_code,
    reason = "SQLite gives its files as raw pointers; each block says why it is sound"
)]

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::{self, NonNull};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};

/// How long we wait before we ask for a lock again. A writer that is busy all the time leaves gaps no
/// longer than this.
const STEP: Duration = Duration::from_millis(1);

/// The database file that a connection has open.
///
/// Invariants, on which the unsafe code below rests:
/// 1. `file` is the connection's own file object: it stays where it is, open, for as long as the
///    connection, which is borrowed meanwhile;
/// 2. nobody else uses the connection, which is borrowed mutably.
pub(super) struct LiveFile<'c> {
    file: NonNull<ffi::sqlite3_file>,
    connection: &'c mut Connection,
}

impl<'c> LiveFile<'c> {
    /// The file of the main database of `connection`, which must not have begun to read: the lock that
    /// is taken here is none that it knows of.
    pub(super) fn of(connection: &'c mut Connection) -> rusqlite::Result<Self> {
        let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
        // SAFETY: the handle is that of an open connection, and is only used here; no name means the
        // main database; this operation writes one pointer to where the last argument points.
        let code = unsafe {
            ffi::sqlite3_file_control(
                connection.handle(),
                ptr::null(),
                ffi::SQLITE_FCNTL_FILE_POINTER,
                (&raw mut file).cast(),
            )
        };
        checked(code)?;
        match NonNull::new(file) {
            Some(file) => Ok(Self { file, connection }),
            None => Err(failure(ffi::SQLITE_MISUSE)),
        }
    }

    /// Takes the lock under which nobody writes to the file; SQLITE_BUSY if a writer keeps it for longer
    /// than `patience`.
    pub(super) fn lock(&mut self, patience: Duration) -> rusqlite::Result<Locked<'_>> {
        let until = Instant::now() + patience;
        let lock = self.methods()?.xLock.ok_or_else(missing)?;
        loop {
            // SAFETY: the method of an open file (invariant 1), with a lock that it knows.
            let code = unsafe { lock(self.file.as_ptr(), ffi::SQLITE_LOCK_SHARED) };
            match code & 0xff {
                ffi::SQLITE_OK => return Ok(Locked(self)),
                ffi::SQLITE_BUSY if Instant::now() < until => thread::sleep(STEP),
                _ => return Err(failure(code)),
            }
        }
    }

    /// Where the journal of this file's writers lies.
    pub(super) fn journal(&self) -> PathBuf {
        // SAFETY: the name of an open file, from which SQLite finds those that belong to it.
        unsafe { path(ffi::sqlite3_filename_journal(self.name())) }
    }

    /// Where the log of this file's writers lies.
    pub(super) fn log(&self) -> PathBuf {
        // SAFETY: as for the journal.
        unsafe { path(ffi::sqlite3_filename_wal(self.name())) }
    }

    fn name(&self) -> ffi::sqlite3_filename {
        // SAFETY: the handle of an open connection; no name means the main database.
        unsafe { ffi::sqlite3_db_filename(self.connection.handle(), ptr::null()) }
    }

    fn methods(&self) -> rusqlite::Result<&ffi::sqlite3_io_methods> {
        // SAFETY: `file` points to a file object (invariant 1), whose methods are null or a constant.
        unsafe { self.file.as_ref().pMethods.as_ref() }.ok_or_else(missing)
    }
}

/// The file while nobody writes to it. The lock goes with this value.
pub(super) struct Locked<'f>(&'f LiveFile<'f>);

// SAFETY: SQLite lets any thread use a connection and its files, one at a time (it is built for threads,
// which rusqlite checks), and POSIX locks are the process's. Only this value reaches the file: the
// connection is mutably borrowed by the `LiveFile`, and that by `lock`; what is not `&mut self` here is
// not shared either, since this is not `Sync`.
unsafe impl Send for Locked<'_> {}

impl Locked<'_> {
    /// How many bytes the file has.
    pub(super) fn len(&self) -> rusqlite::Result<u64> {
        let size = self.0.methods()?.xFileSize.ok_or_else(missing)?;
        let mut bytes = 0;
        // SAFETY: the method of an open file (invariant 1); it writes one integer.
        checked(unsafe { size(self.0.file.as_ptr(), &raw mut bytes) })?;
        Ok(bytes.unsigned_abs())
    }

    /// Fills `into` from `offset` on; with zeros from the end of the file on.
    pub(super) fn read(&mut self, into: &mut [u8], offset: u64) -> rusqlite::Result<()> {
        let read = self.0.methods()?.xRead.ok_or_else(missing)?;
        let too_far = |_| failure(ffi::SQLITE_IOERR_READ);
        let (count, at) = (
            i32::try_from(into.len()).map_err(too_far)?,
            i64::try_from(offset).map_err(too_far)?,
        );
        // SAFETY: the method of an open file (invariant 1); it writes `count` bytes, as many as `into` has.
        let code = unsafe { read(self.0.file.as_ptr(), into.as_mut_ptr().cast(), count, at) };
        match code {
            ffi::SQLITE_IOERR_SHORT_READ => Ok(()),
            code => checked(code),
        }
    }

    /// Whether somebody has announced that they will write. While nobody has, a journal that lies beside
    /// the file is what a dead writer has left.
    pub(super) fn is_reserved(&self) -> rusqlite::Result<bool> {
        let check = self.0.methods()?.xCheckReservedLock.ok_or_else(missing)?;
        let mut reserved = 0;
        // SAFETY: the method of an open file (invariant 1); it writes one integer.
        checked(unsafe { check(self.0.file.as_ptr(), &raw mut reserved) })?;
        Ok(reserved != 0)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(unlock) = self.0.methods().ok().and_then(|methods| methods.xUnlock) {
            // SAFETY: the method of an open file (invariant 1), on which this value has a lock and the
            // connection has none (see `LiveFile::of`). It cannot fail in a way that matters: closing the
            // connection, which comes next, drops the lock as well.
            unsafe { unlock(self.0.file.as_ptr(), ffi::SQLITE_LOCK_NONE) };
        }
    }
}

/// # Safety
/// `name` is null, or text that ends with a zero.
unsafe fn path(name: *const c_char) -> PathBuf {
    if name.is_null() {
        return PathBuf::new();
    }
    // SAFETY: as promised.
    PathBuf::from(OsStr::from_bytes(
        unsafe { CStr::from_ptr(name) }.to_bytes(),
    ))
}

fn checked(code: i32) -> rusqlite::Result<()> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(failure(code)),
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn missing() -> rusqlite::Error {
    failure(ffi::SQLITE_MISUSE)
}
