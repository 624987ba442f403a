//! The system's files for SQLite, but that temporary ones lie beside the database.
//!
//! What SQLite sorts for an index is as plain as the database, and belongs nowhere else; nor does it belong into memory,
//! which it may exceed. Its file has no name any more once it is open.

#![allow(
    unsafe_code,
    reason = "SQLite takes file systems as raw pointers; each block says why it is sound"
)]

use std::ffi::{CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use rusqlite::{Connection, OpenFlags, ffi};

/// The VFS. SQLite is given a pointer to the first field and finds the others behind it.
#[repr(C)]
struct Inside {
    vfs: ffi::sqlite3_vfs,
    /// The default VFS, which is never unregistered.
    system: *mut ffi::sqlite3_vfs,
    name: CString,
    /// The path of every temporary file: each has lost it before another is made.
    temporary: CString,
}

/// The file system of one connection, which must be closed before this is dropped. Invariant: the pointer is to a value
/// that was boxed, and is unboxed on drop only.
pub(super) struct Beside(NonNull<Inside>);

// SAFETY: it is the only owner of what it points to. The pointers in there lead into that value itself, to functions, and
// to SQLite's default VFS, none of which depends on the thread.
unsafe impl Send for Beside {}

impl Beside {
    /// Opens the database at `path`, which is there, for writing.
    pub(super) fn open(path: &Path) -> rusqlite::Result<(Connection, Self)> {
        // SAFETY: without a name this gives the default VFS, or null.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: null or a whole VFS, as which SQLite has registered it.
        let Some(vfs) = (unsafe { system.as_ref() }).copied() else {
            return Err(failure(ffi::SQLITE_ERROR));
        };
        let temporary = [path.as_os_str().as_bytes(), b"-sort"].concat();
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
        let beside = Self(inside);
        let place = inside.as_ptr();
        // SAFETY: just made, and nobody else knows of it. No two such values have one address at a time.
        let name = unsafe {
            (*place).name = CString::new(format!("tenure-beside-{place:p}")).unwrap_or_default();
            (*place).vfs.zName = (*place).name.as_ptr();
            (*place).name.as_c_str()
        };
        // SAFETY: a whole VFS whose name is unlike all others; it is taken from the list below, and stays where it is until
        // the connection is closed.
        let code = unsafe { ffi::sqlite3_vfs_register(place.cast(), 0) };
        if code != ffi::SQLITE_OK {
            return Err(failure(code));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags_and_vfs(path, flags, name);
        // SAFETY: registered above. The connection keeps its pointer.
        unsafe { ffi::sqlite3_vfs_unregister(place.cast()) };
        Ok((opened?, beside))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // SAFETY: boxed in `open`, and given back once; the connection is closed (see `Beside`).
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
    // remove the name with the file, and does so as soon as it is open; a second one of that name is not opened.
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
