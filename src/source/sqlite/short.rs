//! Files that end before their database does.
//!
//! How many pages there are stands in the first one. It counts where the change counter of the moment when it was
//! written is the file's change counter (else something wrote that did not know of it, and the file's length
//! counts). SQLite opens no file that is shorter, unless its schema may be written: then it takes the pages that
//! are there, and reading one of the others is damage like any other.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::connect::fix_view;

/// How long somebody may need to write a page at the end of a file.
const A_PAGE: Duration = Duration::from_millis(50);

/// How much of a database is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    /// The whole pages that are there.
    pub there: u64,
    /// The pages that it has.
    pub pages: u64,
}

/// Begins to read, as far as pages go, what SQLite has refused to; none if that is not because the file is too short.
pub(super) fn begin(conn: &Connection, path: &Path) -> rusqlite::Result<Option<Short>> {
    conn.execute_batch("PRAGMA writable_schema = ON")?;
    let found = fix_view(conn).and_then(|()| of(conn, path));
    // What the schema holds is read anew, and strictly.
    conn.execute_batch("PRAGMA writable_schema = RESET")?;
    let found = found?;
    if found.is_some() {
        fix_view(conn)?;
    }
    Ok(found)
}

/// Whether the file at `path` ends within a page.
pub(super) fn is_torn(conn: &Connection, path: &Path) -> rusqlite::Result<bool> {
    Ok(by_length(conn, path)?.is_some())
}

/// Whether the file at `path`, which is read through `conn`, ends too early.
pub(super) fn of(conn: &Connection, path: &Path) -> rusqlite::Result<Option<Short>> {
    let (by_header, by_length) = (by_header(conn)?, by_length(conn, path)?);
    Ok(match (by_header, by_length) {
        (Some(one), Some(other)) => Some(Short {
            there: one.there.min(other.there),
            pages: one.pages.max(other.pages),
        }),
        (one, other) => one.or(other),
    })
}

fn by_header(conn: &Connection) -> rusqlite::Result<Option<Short>> {
    let there = pragma(conn, "page_count")?;
    if there == 0 {
        return Ok(None);
    }
    let sql = "SELECT substr(data, 1, 100) FROM sqlite_dbpage WHERE pgno = 1";
    let head: Vec<u8> = conn.query_row(sql, [], |row| row.get(0))?;
    let number = |at: usize| {
        let bytes = head.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u64::from(u32::from_be_bytes(*bytes)))
    };
    let pages = number(28).filter(|_| number(24) == number(92));
    let pages = pages.filter(|pages| *pages > there);
    Ok(pages.map(|pages| Short { there, pages }))
}

/// Whether a file ends within a page, of which SQLite takes the rest for zeros.
fn by_length(conn: &Connection, path: &Path) -> rusqlite::Result<Option<Short>> {
    let size = pragma(conn, "page_size")?;
    let length = || fs::metadata(path).map_or(0, |data| data.len());
    let len = length();
    if len.is_multiple_of(size) {
        return Ok(None);
    }
    // It may be that somebody is writing that page now.
    thread::sleep(A_PAGE);
    let short = Short {
        there: len / size,
        pages: len.div_ceil(size).max(pragma(conn, "page_count")?),
    };
    Ok((length() == len).then_some(short))
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<u64> {
    let number = conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    number.map(i64::unsigned_abs)
}
