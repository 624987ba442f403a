//! What SQLite calls of the file system that a copy lies in.
//!
//! What is not one of its files is not opened. Whether something else exists, the real file system is
//! asked: a journal may name a super-journal, and on whether that exists depends what the journal is worth.

#![allow(
    unsafe_code,
    reason = "SQLite calls with raw pointers; each block says why it is sound"
)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
use std::{ptr, slice};

use rusqlite::ffi;

use super::files::{Files, Which};

/// An open file. SQLite makes room for it, and knows only its first field.
#[repr(C)]
pub(super) struct Handle {
    base: ffi::sqlite3_file,
    files: *const Mutex<Files>,
    which: Which,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(nothing_to_do),
    xFileSize: Some(file_size),
    xLock: Some(nothing_to_do),
    xUnlock: Some(nothing_to_do),
    xCheckReservedLock: Some(not_reserved),
    xFileControl: Some(no_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(no_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Calls `then` with the files; `code` if it fails. An error is not told further than that it was one,
/// since SQLite has only its codes.
fn with(
    files: &Mutex<Files>,
    code: c_int,
    then: impl FnOnce(&mut Files) -> io::Result<c_int>,
) -> c_int {
    let Ok(mut files) = files.lock() else {
        return code;
    };
    then(&mut files).unwrap_or(code)
}

/// The files that a VFS is made for.
///
/// # Safety
/// `vfs` is one that [`Mounted::open`](super::vfs::Mounted::open) has made, and that still lives.
unsafe fn files_of<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Mutex<Files> {
    // SAFETY: `pAppData` points to the files that the VFS is made for, which live as long, behind a lock.
    unsafe { &*(*vfs).pAppData.cast::<Mutex<Files>>() }
}

/// All files, and which of them an open one is.
///
/// # Safety
/// `file` is one that [`open`] has filled, and that is not closed.
unsafe fn handle_of<'a>(file: *mut ffi::sqlite3_file) -> (&'a Mutex<Files>, Which) {
    // SAFETY: it is the first field of a `Handle`, and all files outlive the connection, and with it this one.
    unsafe {
        let handle = &*file.cast::<Handle>();
        (&*handle.files, handle.which)
    }
}

// Below, SQLite promises with each call: the VFS is the one that was registered, the file is one that was
// opened by it and not yet closed, and pointers to results and buffers are good for what is written there.
// None of these functions panics.

pub(super) unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: see above; `file` has room for `szOsFile` bytes, aligned for any object. Its methods are null
    // until it is open, so that SQLite does not close what never was.
    unsafe { (*file).pMethods = ptr::null() };
    // SAFETY: see above; a name is null or ends with a zero.
    let (all, name) = unsafe {
        (
            files_of(vfs),
            (!name.is_null()).then(|| CStr::from_ptr(name)),
        )
    };
    let which = match name.and_then(Which::named) {
        Some(which) => which,
        None if flags & ffi::SQLITE_OPEN_SUPER_JOURNAL != 0 => Which::Nothing,
        // Nothing is sorted on disk: temporary tables and indexes live in memory.
        None => return ffi::SQLITE_CANTOPEN,
    };
    let opened = with(all, ffi::SQLITE_CANTOPEN, |files| {
        files.make(which)?;
        Ok(ffi::SQLITE_OK)
    });
    if opened == ffi::SQLITE_OK {
        // SAFETY: as for the first write; the result is null or a place for an integer.
        unsafe {
            file.cast::<Handle>().write(Handle {
                base: ffi::sqlite3_file {
                    pMethods: &raw const METHODS,
                },
                files: all,
                which,
            });
            if let Some(out) = out.as_mut() {
                *out = flags;
            }
        }
    }
    opened
}

pub(super) unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _sync: c_int,
) -> c_int {
    // SAFETY: see above.
    let (all, name) = unsafe { (files_of(vfs), CStr::from_ptr(name)) };
    // Only our own files: a super-journal belongs to others.
    with(all, ffi::SQLITE_IOERR_DELETE, |files| {
        if let Some(which) = Which::named(name) {
            files.remove(which);
        }
        Ok(ffi::SQLITE_OK)
    })
}

pub(super) unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: see above.
    let (all, name) = unsafe { (files_of(vfs), CStr::from_ptr(name)) };
    with(all, ffi::SQLITE_IOERR_ACCESS, |files| {
        let exists = match Which::named(name) {
            Some(which) => files.get(which).is_some(),
            None => Path::new(OsStr::from_bytes(name.to_bytes())).try_exists()?,
        };
        // SAFETY: see above.
        unsafe { *out = c_int::from(exists) };
        Ok(ffi::SQLITE_OK)
    })
}

pub(super) unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: see above.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if name.len() > room.max(0) as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `out` has that room, and is none of SQLite's names.
    unsafe { ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: see above; `into` has room for `count` bytes, which are first made to be bytes.
    let ((all, which), into) = unsafe {
        ptr::write_bytes(into.cast::<u8>(), 0, count as usize);
        (
            handle_of(file),
            slice::from_raw_parts_mut(into.cast::<u8>(), count as usize),
        )
    };
    with(all, ffi::SQLITE_IOERR_READ, |files| {
        let read = match files.get(which) {
            Some(file) => file.read(into, offset.unsigned_abs())?,
            None => 0,
        };
        Ok(match read == into.len() {
            true => ffi::SQLITE_OK,
            false => ffi::SQLITE_IOERR_SHORT_READ,
        })
    })
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: see above; `from` holds `count` bytes.
    let ((all, which), from) = unsafe {
        (
            handle_of(file),
            slice::from_raw_parts(from.cast::<u8>(), count as usize),
        )
    };
    with(all, ffi::SQLITE_IOERR_WRITE, |files| {
        match files.get(which) {
            Some(file) => file.write(from, offset.unsigned_abs())?,
            None => return Ok(ffi::SQLITE_IOERR_WRITE),
        }
        Ok(ffi::SQLITE_OK)
    })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: ffi::sqlite3_int64) -> c_int {
    // SAFETY: see above.
    let (all, which) = unsafe { handle_of(file) };
    with(all, ffi::SQLITE_IOERR_TRUNCATE, |files| {
        match files.get(which) {
            Some(file) => file.truncate(len.unsigned_abs())?,
            None => return Ok(ffi::SQLITE_IOERR_TRUNCATE),
        }
        Ok(ffi::SQLITE_OK)
    })
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: see above.
    let (all, which) = unsafe { handle_of(file) };
    with(all, ffi::SQLITE_IOERR_FSTAT, |files| {
        let len = files.get(which).map_or(0, |file| file.len());
        // SAFETY: see above.
        unsafe { *out = len as i64 };
        Ok(ffi::SQLITE_OK)
    })
}

unsafe extern "C" fn nothing_to_do(_file: *mut ffi::sqlite3_file, _how: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn not_reserved(_file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: see above.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn no_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn no_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    0
}
