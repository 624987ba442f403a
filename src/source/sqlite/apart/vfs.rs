//! A file system for SQLite that has one database in it: our encrypted copy, and what lies beside it.
//!
//! Its files may be written to (SQLite does when a dead writer's transaction is rolled back), and nothing
//! plain reaches the disk. Nobody else can see them, so locks do nothing.

#![allow(
    unsafe_code,
    reason = "SQLite takes file systems as raw pointers; each block says why it is sound"
)]

use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};
use std::sync::Mutex;

use rusqlite::{Connection, OpenFlags, ffi};

use super::calls::{self, Handle};
use super::files::{Files, NAME};

/// A connection to a copy. Fields are dropped in this order, and a connection must go before what it
/// reads from.
pub(super) struct Mounted {
    connection: Connection,
    mount: Mount,
}

impl Mounted {
    /// Opens the database of `files`, without having read any of it.
    pub(super) fn open(files: Files) -> rusqlite::Result<Self> {
        let mount = Mount::new(files)?;
        Ok(Self {
            connection: mount.connect()?,
            mount,
        })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// One more connection to the same database, through a file system of its own; none if it is not as it was copied.
    pub(super) fn again(&self) -> rusqlite::Result<Option<Self>> {
        let files = self.mount.files().lock().ok();
        let again = files.and_then(|files| files.again());
        again.map(Self::open).transpose()
    }
}

/// The VFS, and what it leads to. SQLite writes to the first field, at any time and from any thread, so no
/// reference is made to it or to the whole.
struct Inside {
    vfs: ffi::sqlite3_vfs,
    name: CString,
    files: Mutex<Files>,
}

/// The file system. Invariant: the pointer is to a value that was boxed, and is unboxed on drop only.
struct Mount(NonNull<Inside>);

// SAFETY: it is the only owner of what it points to. The pointers in there lead into that value itself, to
// functions, and into SQLite's default VFS, none of which depends on the thread.
unsafe impl Send for Mount {}

impl Mount {
    fn new(files: Files) -> rusqlite::Result<Self> {
        // SAFETY: without a name this gives the default VFS, which is never unregistered, or null.
        let Some(system) = (unsafe { ffi::sqlite3_vfs_find(ptr::null()).as_ref() }) else {
            return Err(failure(ffi::SQLITE_ERROR));
        };
        // Time, sleep and randomness are the default VFS's, whose methods for them do not look at
        // `pAppData`; what came to VFSes after version 2 is not offered.
        let vfs = ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<Handle>() as c_int,
            pNext: ptr::null_mut(),
            xOpen: Some(calls::open),
            xDelete: Some(calls::delete),
            xAccess: Some(calls::access),
            xFullPathname: Some(calls::full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            ..*system
        };
        let inside = NonNull::from(Box::leak(Box::new(Inside {
            vfs,
            name: CString::default(),
            files: Mutex::new(files),
        })));
        let mount = Self(inside);
        // SAFETY: just made, and nobody else knows of it. No two such values have one address at a time.
        unsafe {
            let place = inside.as_ptr();
            (*place).name = CString::new(format!("tenure-copy-{place:p}")).unwrap_or_default();
            (*place).vfs.zName = (*place).name.as_ptr();
            (*place).vfs.pAppData = (&raw mut (*place).files).cast();
        }
        Ok(mount)
    }

    fn files(&self) -> &Mutex<Files> {
        // SAFETY: the value lives (invariant of `Mount`), and of this field there are only shared references.
        unsafe { &(*self.0.as_ptr()).files }
    }

    /// A connection that uses this file system. It is registered only until the connection has found it.
    fn connect(&self) -> rusqlite::Result<Connection> {
        let place = self.0.as_ptr();
        // SAFETY: the value lives (invariant of `Mount`), and nobody writes to its name any more.
        let (vfs, name) = unsafe { (&raw mut (*place).vfs, (*place).name.as_c_str()) };
        // SAFETY: a whole VFS whose name is unlike all others; it is taken from the list before it ends.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        if code != ffi::SQLITE_OK {
            return Err(failure(code));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags_and_vfs(NAME, flags, name);
        // SAFETY: registered above. The connection keeps its pointer, which stays good (see `Mounted`).
        unsafe { ffi::sqlite3_vfs_unregister(vfs) };
        opened
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // SAFETY: boxed in `new`, and given back once; the connection is closed (see `Mounted`).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

fn failure(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}
