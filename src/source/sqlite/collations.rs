//! Collations of the application's own, for which the order of bytes stands in.
//!
//! SQLite asks for one that it lacks when it first needs it. rusqlite passes that on only where the database's text
//! is UTF-8; here it is answered in any encoding.

#![allow(
    unsafe_code,
    reason = "SQLite calls back with raw pointers; each block says why it is sound"
)]

use std::cmp::Ordering;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::{ptr, slice};

use rusqlite::{Connection, ffi};

/// Lets bytes decide wherever a collation is not known.
pub(super) fn stand_in(conn: &Connection) -> rusqlite::Result<()> {
    // SAFETY: the handle of an open connection; the callback takes what SQLite gives it, and nothing of ours.
    let code =
        unsafe { ffi::sqlite3_collation_needed(conn.handle(), ptr::null_mut(), Some(needed)) };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// SQLite's own. It asks for these too where the text is UTF-16, and without an answer takes its own.
const BUILT_IN: [&[u8]; 3] = [b"BINARY", b"NOCASE", b"RTRIM"];

/// Gives SQLite the collation that it asks for. If that fails, so does what needs it.
unsafe extern "C" fn needed(
    _: *mut c_void,
    conn: *mut ffi::sqlite3,
    _encoding: c_int,
    name: *const c_char,
) {
    // SAFETY: the name is a text that ends with a zero, and stands for as long as this runs.
    let wanted = unsafe { CStr::from_ptr(name) }.to_bytes();
    if BUILT_IN.iter().any(|own| own.eq_ignore_ascii_case(wanted)) {
        return;
    }
    let (utf8, none) = (ffi::SQLITE_UTF8, ptr::null_mut());
    // SAFETY: the connection that asks, and the name that it asks for, which ends with a zero; the function stays
    // for good. SQLite turns other encodings into the one that is named here.
    unsafe { ffi::sqlite3_create_collation_v2(conn, name, utf8, none, Some(by_bytes), None) };
}

unsafe extern "C" fn by_bytes(
    _: *mut c_void,
    one_len: c_int,
    one: *const c_void,
    other_len: c_int,
    other: *const c_void,
) -> c_int {
    // SAFETY: SQLite gives two texts with their lengths, for as long as this runs.
    let (one, other) = unsafe { (bytes(one, one_len), bytes(other, other_len)) };
    match one.cmp(other) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// # Safety
/// `at` is null, or points to `len` bytes that stay what they are as long as the result is used.
unsafe fn bytes<'b>(at: *const c_void, len: c_int) -> &'b [u8] {
    match usize::try_from(len) {
        // SAFETY: as promised.
        Ok(len) if len > 0 && !at.is_null() => unsafe { slice::from_raw_parts(at.cast(), len) },
        _ => &[],
    }
}
