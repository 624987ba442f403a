//! Free space inside of the database: what SQLite leaves in it is overwritten.
//!
//! `secure_delete` fills with zeros what our own deletion frees. It does not reach copies that were made
//! before: when a page is split, cells move to a new one, and the old page keeps their bytes in the gap
//! between its pointers and its cells; pages that were freed keep what they held. An application
//! without `secure_delete` leaves many such copies. Here each page is looked at, and in it the gap, the
//! free blocks, the rest of an overflow chain's last page, and the pages of the free list are
//! filled with zeros. Pages without anything to fill are not written. Fragments of one to three bytes
//! between cells stay.
//!
//! It goes through SQLite's own pager (`sqlite_dbpage`, which must be compiled in), so journal, log, locks and
//! caches hold as for any other write; one transaction for each table or index, in which `dbstat` says
//! what its pages are. None of it is content: readers see no difference.

use rusqlite::Connection;

use super::Live;
use super::remnants::Level;
use crate::source::sqlite::error::SqliteError;

/// A page and what is in it.
struct Page {
    number: i64,
    kind: Kind,
}

enum Kind {
    Tree,
    /// With so many bytes of content behind the pointer to the next page.
    Overflow(usize),
    /// A trunk of the free list.
    Trunk,
    /// A page of the free list that holds nothing.
    Free,
}

impl Live {
    /// Overwrites free space in all pages.
    pub(super) fn scrub(&self) -> Level {
        match self.scrub_all() {
            Ok(()) => Level::Overwritten,
            Err(SqliteError::Busy { .. }) => {
                Level::Pending("another program holds the database".into())
            }
            Err(error) => Level::Left(format!("only VACUUM reaches it: {error}")),
        }
    }

    fn scrub_all(&self) -> Result<(), SqliteError> {
        // Without it nothing is begun.
        self.conn
            .prepare("SELECT data FROM sqlite_dbpage")
            .map_err(SqliteError::reading("the pages"))?;
        let names =
            "SELECT name FROM sqlite_schema WHERE rootpage > 0 UNION SELECT 'sqlite_schema'";
        let names: Vec<String> = self
            .conn
            .prepare(names)
            .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect())
            .map_err(|error| self.scrubbing(error))?;
        for name in &names {
            self.in_transaction(|conn| scrub_pages(conn, &tree(conn, name)?))?;
        }
        self.in_transaction(|conn| scrub_pages(conn, &free_list(conn)?))
    }

    fn in_transaction(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), SqliteError> {
        let begun = self.conn.execute_batch("BEGIN IMMEDIATE");
        let done = begun.and_then(|()| work(&self.conn));
        let done = done.and_then(|()| self.conn.execute_batch("COMMIT"));
        if !self.conn.is_autocommit() {
            // Whatever failed is told already.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done.map_err(|error| self.scrubbing(error))
    }

    fn scrubbing(&self, error: rusqlite::Error) -> SqliteError {
        SqliteError::changing(&self.path, "free space", error)
    }
}

/// The pages of a table or an index.
fn tree(conn: &Connection, name: &str) -> rusqlite::Result<Vec<Page>> {
    let sql = "SELECT pageno, pagetype, payload FROM dbstat WHERE schema = 'main' AND name = ?1";
    let page = |row: &rusqlite::Row<'_>| {
        let kind: String = row.get(1)?;
        let content: i64 = row.get(2)?;
        Ok(Page {
            number: row.get(0)?,
            kind: match kind.as_str() {
                "overflow" => Kind::Overflow(content.unsigned_abs() as usize),
                _ => Kind::Tree,
            },
        })
    };
    conn.prepare(sql)?.query_map([name], page)?.collect()
}

/// The pages of the free list.
fn free_list(conn: &Connection) -> rusqlite::Result<Vec<Page>> {
    let mut pages = Vec::new();
    let mut trunk = number(&read(conn, 1)?, 32);
    while trunk != 0 {
        let bytes = read(conn, i64::from(trunk))?;
        let leaves = number(&bytes, 4) as usize;
        let leaves = (0..leaves).map(|at| number(&bytes, 8 + 4 * at));
        pages.extend(leaves.map(|leaf| Page {
            number: i64::from(leaf),
            kind: Kind::Free,
        }));
        pages.push(Page {
            number: i64::from(trunk),
            kind: Kind::Trunk,
        });
        trunk = number(&bytes, 0);
    }
    Ok(pages)
}

fn scrub_pages(conn: &Connection, pages: &[Page]) -> rusqlite::Result<()> {
    let reserved = usize::from(read(conn, 1)?.get(20).copied().unwrap_or_default());
    let mut write = conn.prepare("UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1")?;
    for page in pages {
        let mut bytes = read(conn, page.number)?;
        let usable = bytes.len().saturating_sub(reserved);
        let spaces = match page.kind {
            Kind::Tree => free_in_tree(&bytes, if page.number == 1 { 100 } else { 0 }),
            Kind::Overflow(content) => vec![(4 + content, usable)],
            Kind::Trunk => vec![(8 + 4 * number(&bytes, 4) as usize, usable)],
            Kind::Free => vec![(0, usable)],
        };
        let mut changed = false;
        for (from, to) in spaces {
            if let Some(space) = bytes.get_mut(from..to)
                && space.iter().any(|byte| *byte != 0)
            {
                space.fill(0);
                changed = true;
            }
        }
        if changed {
            write.execute((page.number, &bytes))?;
        }
    }
    Ok(())
}

/// Where a page of a tree, whose header is at `header`, has nothing: the gap, and within free blocks what
/// is behind their length.
fn free_in_tree(bytes: &[u8], header: usize) -> Vec<(usize, usize)> {
    let short = |at: usize| {
        let pair = bytes.get(at..at + 2);
        pair.map_or(0, |pair| usize::from(pair[0]) << 8 | usize::from(pair[1]))
    };
    let pointers = match bytes.get(header) {
        Some(2 | 5) => header + 12,
        Some(10 | 13) => header + 8,
        _ => return Vec::new(),
    };
    let content = match short(header + 5) {
        0 => 1 << 16,
        content => content,
    };
    let mut spaces = vec![(pointers + 2 * short(header + 3), content)];
    // Each block comes after the one before: a chain that does not is broken, and left alone.
    let (mut block, mut last) = (short(header + 1), 0);
    while block > last {
        spaces.push((block + 4, block + short(block + 2)));
        (block, last) = (short(block), block);
    }
    spaces
}

fn read(conn: &Connection, number: i64) -> rusqlite::Result<Vec<u8>> {
    conn.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?
        .query_row([number], |row| row.get(0))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_be_bytes)
}
