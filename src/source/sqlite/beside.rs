//! The system's files for SQLite, but that temporary ones lie beside the database.
//!
//! What SQLite sorts for an index is as plain as the database, and belongs nowhere else; nor does it belong into memory,
//! which it may exceed. Its file has no name any more once it is open.

#![allow(
    unsafe_code,
    reason = "SQLite takes file systems as raw pointers; each block says why it is sound"
)]

use std::ffi::{CString, c_int};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use rusqlite::{Connection, OpenFlags, ffi};

use crate::secret;

/// The VFS. SQLite is given a pointer to the first field and finds the others behind it.
#[repr(C)]
struct Inside {
    vfs: ffi::sqlite3_vfs,
    /// The default VFS, which is never unregistered.
    system: *mut ffi::sqlite3_vfs,
    name: CString,
    /// The path of every temporary file, which nothing else has: each has lost it before another is made.
    temporary: CString,
}

/// A connection whose temporary files lie beside its database. Fields are dropped in this order, and a connection must
/// go before the file system that it calls.
pub(super) struct Beside {
    connection: Connection,
    _files: Files,
}

impl Beside {
    /// Opens the database at `path`, which is there, for writing.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let files = Files::new(path)?;
        Ok(Self {
            connection: files.connect(path)?,
            _files: files,
        })
    }

    /// Closes the connection, which may write for a last time.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        let Self { connection, _files } = self;
        connection.close().map_err(|(_, error)| error)
    }
}

impl Deref for Beside {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// The file system. Invariant: the pointer is to a value that was boxed, and is unboxed on drop only.
struct Files(NonNull<Inside>);

// SAFETY: it is the only owner of what it points to. The pointers in there lead into that value itself, to functions, and
// to SQLite's default VFS, none of which depends on the thread.
unsafe impl Send for Files {}

impl Files {
    fn new(path: &Path) -> rusqlite::Result<Self> {
        // SAFETY: without a name this gives the default VFS, or null.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: null or a whole VFS, as which SQLite has registered it.
        let Some(vfs) = (unsafe { system.as_ref() }).copied() else {
            return Err(failure(ffi::SQLITE_ERROR));
        };
        // A name that nothing has.
        let random: [u8; 8] = secret::random().map_err(|_| failure(ffi::SQLITE_CANTOPEN))?;
        let random = format!("-{:016x}", u64::from_be_bytes(random));
        let temporary = [path.as_os_str().as_bytes(), random.as_bytes()].concat();
        // All of it is the system's own, `pAppData` too, but how a file is opened.
        let vfs = ffi::sqlite3_vfs {
            pNext: ptr::null_mut(),
            xOpen: Some(open),
            ..vfs
        };
        let inside = NonNull::from(Box::leak(Box::new(Inside {
            vfs,
            system,
            name: CString::default(),
            temporary: CString::new(temporary).map_err(|_| failure(ffi::SQLITE_CANTOPEN))?,
        })));
        let files = Self(inside);
        let place = inside.as_ptr();
        // SAFETY: just made, and nobody else knows of it. No two such values have one address at a time.
        unsafe {
            (*place).name = CString::new(format!("tenure-beside-{place:p}")).unwrap_or_default();
            (*place).vfs.zName = (*place).name.as_ptr();
        }
        Ok(files)
    }

    /// A connection that uses this file system. It is registered only until the connection has found it.
    fn connect(&self, path: &Path) -> rusqlite::Result<Connection> {
        let place = self.0.as_ptr();
        // SAFETY: the value lives (invariant of `Files`), and nobody writes to its name any more.
        let name = unsafe { (*place).name.as_c_str() };
        // SAFETY: a whole VFS whose name is unlike all others; it is taken from the list before it ends.
        let code = unsafe { ffi::sqlite3_vfs_register(place.cast(), 0) };
        if code != ffi::SQLITE_OK {
            return Err(failure(code));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags_and_vfs(path, flags, name);
        // SAFETY: registered above. The connection keeps its pointer, which stays good (see `Beside`).
        unsafe { ffi::sqlite3_vfs_unregister(place.cast()) };
        opened
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: boxed in `new`, and given back once; the connection is closed (see `Beside`).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Opens a file as the system does, after giving one without a name its place.
unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with the VFS that was registered, the first field of an `Inside` that still lives, and with
    // arguments as the system's own function wants them. That one keeps the name, which lives as long. It is asked to
    // remove the name with the file, and does so as soon as it is open.
    unsafe {
        let inside = vfs.cast::<Inside>();
        let system = (*inside).system;
        let name = match name.is_null() {
            true => (&raw const (*inside).temporary)
                .as_ref()
                .map_or(name, |path| path.as_ptr()),
            false => name,
        };
        match (*system).xOpen {
            Some(open) => open(system, name, file, flags, out),
            None => ffi::SQLITE_CANTOPEN,
        }
    }
}

fn failure(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn temporary_files_lie_beside_the_database_and_have_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        fs::write(&path, "").unwrap();
        let conn = Beside::open(&path).unwrap();
        conn.execute_batch(
            "PRAGMA temp_store = FILE; PRAGMA temp.cache_size = 10; CREATE TEMP TABLE t (x);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                INSERT INTO t SELECT randomblob(1000) FROM n;",
        )
        .unwrap();
        let beside = format!("{}-", path.display());
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let open = open.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        let open: Vec<_> = open.map(|link| link.display().to_string()).collect();
        let without_name =
            |link: &&String| link.starts_with(&beside) && link.ends_with(" (deleted)");
        assert!(open.iter().any(|link| without_name(&link)), "{open:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        conn.close().unwrap();
    }
}
