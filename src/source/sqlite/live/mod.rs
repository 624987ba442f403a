//! Writing into a live database, beside the application that owns it.
//!
//! Whatever is changed is changed in one immediate transaction. Ownership is settled anew inside it,
//! the rows are chosen before the first is touched (`rows`), and triggers of our own, which are
//! temporary and nobody else's, count what happens to every table (`watch`): if the application's
//! triggers or cascades reach further than was planned, everything is rolled back and said.
//! `total_changes` would tell that something did, not where, and it counts the inner tables of a
//! full-text index, whose changes belong to the erasure.
//!
//! What an engine leaves behind of deleted rows is dealt with afterwards (`remnants`): an error there
//! is a level in the result, since the rows are gone by then.
//!
//! **Invariant:** a database is never created, and its journal mode stays the application's.
//! **Invariant:** shared, ambiguous and unsettled tables lose no row; in them, references to a row that
//! goes become NULL.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::SqliteError;
use super::plan::{Plan, Trouble, settle};
use super::read::{PATIENCE, regular_file};
use super::schema;
use super::shape::Shape;
use crate::schema::{Ownership, Schema};
use crate::source::Rules;

mod erase;
mod fit;
mod flag;
mod index;
mod journal;
mod near;
mod put;
mod remnants;
mod rows;
mod scrub;
mod softdelete;
mod wal;
mod watch;

pub use erase::{Erased, Erasing, Nulled};
pub use index::has_table;
pub use journal::roll_back;
pub use put::{PutBack, SavedRow};
pub use remnants::{Level, Remnant};
pub(super) use rows::exactly;

/// A live database, open for changes to single customers.
pub struct Live {
    path: PathBuf,
    rules: Rules,
    conn: Connection,
    settled: Settled,
    patience: Duration,
}

/// What the database is made of and whose it is, at one moment.
struct Settled {
    schema: Schema,
    shapes: Vec<Shape>,
    plan: Plan,
}

/// One transaction: the connection and what holds as long as it lasts.
struct Work<'a> {
    path: &'a Path,
    conn: &'a Connection,
    settled: &'a Settled,
}

impl Live {
    /// Opens the database at `path` for writing, and settles by `rules` whose its tables are.
    ///
    /// # Errors
    /// When there is no database that can be written, or when `rules` name what it does not have;
    /// tables that were dropped are passed over.
    pub fn open(path: &Path, rules: &Rules) -> Result<Self, SqliteError> {
        let absolute = regular_file(path)?;
        let conn = connect(&absolute).map_err(|error| SqliteError::on_open(path, error))?;
        // SQLite falls back to reading alone where the file may not be written.
        if conn.is_readonly("main").unwrap_or(true) {
            let source = io::Error::from(io::ErrorKind::PermissionDenied);
            let path = path.to_owned();
            return Err(SqliteError::Unreadable { path, source });
        }
        let settled = Settled::read(&conn, rules)?;
        Ok(Self {
            path: absolute,
            rules: rules.clone(),
            conn,
            settled,
            patience: PATIENCE,
        })
    }

    /// How long others who read or write are waited for: 5 seconds unless it is said here.
    ///
    /// # Errors
    /// When SQLite does not take it.
    pub fn set_patience(&mut self, patience: Duration) -> Result<(), SqliteError> {
        let fail = SqliteError::writing("the time-out");
        self.conn.busy_timeout(patience).map_err(fail)?;
        self.patience = patience;
        Ok(())
    }

    /// What the database is made of, and how its tables are owned.
    pub fn schema(&self) -> &Schema {
        &self.settled.schema
    }

    /// The connection, and what was settled last.
    pub(in crate::source::sqlite) fn parts(&self) -> (&Connection, &Schema, &[Shape], &Plan) {
        let Settled {
            schema,
            shapes,
            plan,
        } = &self.settled;
        (&self.conn, schema, shapes, plan)
    }

    /// Runs statements of ours in one transaction.
    pub(in crate::source::sqlite) fn run_all(&mut self, sql: &[String]) -> Result<(), SqliteError> {
        self.transaction(true, |work| {
            let mut all = sql.iter();
            all.try_for_each(|sql| {
                work.conn
                    .execute_batch(sql)
                    .map_err(work.fail("the change tracking"))
            })
        })
    }

    /// Runs `work` in one transaction, on ownership that is settled inside of it. It is rolled back
    /// when `work` fails, and when `keep` says so.
    fn transaction<T>(
        &mut self,
        keep: bool,
        work: impl FnOnce(&Work<'_>) -> Result<T, SqliteError>,
    ) -> Result<T, SqliteError> {
        let fail = |what: &str, error| SqliteError::changing(&self.path, what, error);
        self.conn
            .execute_batch("BEGIN IMMEDIATE; PRAGMA defer_foreign_keys = ON")
            .map_err(|error| fail("the database", error))?;
        let done = Settled::read(&self.conn, &self.rules).and_then(|settled| {
            self.settled = settled;
            let done = work(&Work {
                path: &self.path,
                conn: &self.conn,
                settled: &self.settled,
            })?;
            // Ours go first, so that a commit leaves nothing of them; a rollback takes them along.
            rows::clear(&self.conn).map_err(|error| fail("temporary tables", error))?;
            if keep {
                let commit = self.conn.execute_batch("COMMIT");
                commit.map_err(|error| fail("the changes", error))?;
            }
            Ok(done)
        });
        if !self.conn.is_autocommit() {
            let undone = self.conn.execute_batch("ROLLBACK");
            if done.is_ok() {
                undone.map_err(|error| fail("the way back", error))?;
            }
        }
        done
    }
}

impl Settled {
    fn read(conn: &Connection, rules: &Rules) -> Result<Self, SqliteError> {
        double_quoted(conn, false).map_err(SqliteError::reading("the settings"))?;
        let (mut schema, mut shapes) = schema::read(conn)?;
        // Nothing stands in for the application's own collations here: by bytes, rows could be another's.
        shapes.iter_mut().for_each(|shape| shape.unordered.clear());
        let plan = settle(
            conn,
            rules,
            &mut schema,
            &shapes,
            Trouble::IsRefusedUnlessDropped,
        )?;
        Ok(Self {
            schema,
            shapes,
            plan,
        })
    }
}

impl Work<'_> {
    /// An error while writing `what`.
    fn fail(&self, what: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> SqliteError {
        let (path, what) = (self.path, what.into());
        move |error| SqliteError::changing(path, what, error)
    }

    /// The name of a table.
    fn name(&self, table: usize) -> &str {
        &self.settled.schema.tables[table].name
    }

    /// Whether the rows of a table belong to customers.
    fn owned(&self, table: usize) -> bool {
        let ownership = self.settled.schema.tables[table].ownership;
        matches!(ownership, Ownership::Register | Ownership::Owned)
    }

    /// Whether a table is a full-text index with text of its own.
    fn holds_text(&self, table: usize) -> bool {
        let schema = &self.settled.schema;
        schema.holds_text(&schema.tables[table])
    }

    /// Checks that no foreign key of the tables `children` leads nowhere that did not before.
    fn check_keys(&self, before: &[(usize, u64)]) -> Result<(), SqliteError> {
        let mut found = Vec::new();
        for (table, before) in before {
            let now = self.dangling(*table);
            if now > *before {
                found.push(format!("{} rows of {}", now - before, self.name(*table)));
            }
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(SqliteError::Dangling { found }),
        }
    }

    /// How many rows of each table that refers to one of `touched`, or is one, refer to nothing.
    fn dangling_around(&self, touched: &[usize]) -> Vec<(usize, u64)> {
        let shapes = self.settled.shapes.iter().enumerate();
        let near = shapes.filter(|(table, shape)| {
            touched.contains(table) || shape.keys.iter().any(|key| touched.contains(&key.parent))
        });
        near.map(|(table, _)| (table, self.dangling(table)))
            .collect()
    }

    fn dangling(&self, table: usize) -> u64 {
        schema::dangling(self.conn, self.name(table))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(PATIENCE)?;
    // `secure_delete` fills what is freed with zeros. Statement journals stay in memory with
    // `temp_store`. A journal must keep its length, or what is cut off would stay on the disk.
    conn.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL; \
         PRAGMA secure_delete = ON; PRAGMA journal_size_limit = -1; SELECT 1 FROM sqlite_schema",
    )?;
    Ok(conn)
}

/// Whether `"text"` in double quotes may be a string: not in our own SQL, where a misspelt column
/// shall be an error, but in that of the application's triggers.
fn double_quoted(conn: &Connection, allowed: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, allowed)
        .map(drop)
}
