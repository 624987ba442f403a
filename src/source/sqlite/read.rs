//! Reading a database: one read transaction from the first look to the last row.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension, Row as Record, ffi};

use super::connect::View;
use super::damage::GoOn;
use super::error::SqliteError;
use super::foreign;
use super::functions::{self, AskKnown};
use super::long::{self, Limited};
use super::plan::{Plan, Trouble, settle, settle_trusting};
use super::schema;
use super::shape::Shape;
use super::short::{self, Short};
use super::sql::quote;
use super::track::Only;
use super::wide::Wide;
use crate::schema::{Ownership, Schema, Table};
use crate::source::{Owner, Row, Rules};
use crate::value::ValueRef;

/// What the function that knows keys is called in SQL.
const IS_KNOWN: &str = "tenure_is_known";

/// How long we wait for a writer that locks us out.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// One database, seen as it was at one moment, for as long as this lives.
pub struct Database {
    pub(super) conn: View,
    pub(super) schema: Schema,
    pub(super) shapes: Vec<Shape>,
    pub(super) plan: Plan,
    pub(super) wide: Option<Wide>,
    /// Whether owners whom the register does not hold are told.
    pub(super) tells_missing: bool,
    /// Whether keys of the register are told without a look into it.
    pub(super) takes_keys: bool,
    /// Which rows are read, if not all.
    pub(super) only: Option<Only>,
    /// What is there of it, if not all.
    short: Option<Short>,
    /// Whether rows that cannot be read are passed over.
    pub(super) tolerant: bool,
    /// The tables that have such rows.
    pub(super) damaged: RefCell<BTreeSet<usize>>,
}

/// Which way rows are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// From this rowid on.
    From(i64),
    /// All, where rowids do not tell them.
    Forward,
    /// The same, without their owners.
    Bare,
    /// The same, from the last to the first.
    Backward,
}

/// Where reading a table has stopped, and why.
pub(super) struct Stop {
    /// The last rowid that was given.
    pub last: Option<i64>,
    pub error: rusqlite::Error,
}

impl Database {
    /// Opens the database at `path` for reading, and settles by `rules` whose its tables are.
    ///
    /// # Errors
    /// When there is no readable database, or when `rules` name what it does not have.
    pub fn open(path: &Path, rules: &Rules) -> Result<Self, SqliteError> {
        Self::of(path, View::live(path)?, rules, Trouble::IsRefused)
    }

    /// Like [`Database::open`], whatever rules there are for tables that were dropped.
    ///
    /// # Errors
    /// As for [`Database::open`].
    pub fn open_as_it_is(path: &Path, rules: &Rules) -> Result<Self, SqliteError> {
        Self::of(
            path,
            View::live(path)?,
            rules,
            Trouble::IsRefusedUnlessDropped,
        )
    }

    /// Like [`Database::open`], for readings that take long. In rollback-journal mode, where a reader
    /// keeps writers out, they wait for no more than a copy into `dir`: an encrypted file without a name,
    /// as large as the database, of which everything is read.
    ///
    /// It also reads what [`Database::open`] cannot: the state before a transaction whose writer died, and
    /// a database with a log on a read-only file system.
    ///
    /// # Errors
    /// As for [`Database::open`], or when there is no room for the copy.
    pub fn open_apart(
        path: &Path,
        rules: &Rules,
        dir: &Path,
        trouble: Trouble,
    ) -> Result<Self, SqliteError> {
        Self::of(path, View::apart(path, dir, trouble)?, rules, trouble)
    }

    /// Like [`Database::open`], without a look at all rows for such as have several owners: for those who trust that
    /// there were none, and look at what has changed since ([`Database::touched`]).
    ///
    /// # Errors
    /// As for [`Database::open`].
    pub fn open_trusting(path: &Path, rules: &Rules) -> Result<Self, SqliteError> {
        Self::by(
            path,
            View::live(path)?,
            Trouble::IsRefused,
            |conn, schema, shapes| settle_trusting(conn, rules, schema, shapes),
        )
    }

    fn of(path: &Path, conn: View, rules: &Rules, trouble: Trouble) -> Result<Self, SqliteError> {
        Self::by(path, conn, trouble, |conn, schema, shapes| {
            settle(conn, rules, schema, shapes, trouble)
        })
    }

    fn by(
        path: &Path,
        conn: View,
        trouble: Trouble,
        settle: impl FnOnce(&Connection, &mut Schema, &[Shape]) -> Result<Plan, SqliteError>,
    ) -> Result<Self, SqliteError> {
        let short = short::of(&conn, path).map_err(|e| SqliteError::on_open(path, e))?;
        if let Some(Short { there, pages }) = short
            && trouble != Trouble::IsNoted
        {
            let path = path.to_owned();
            return Err(SqliteError::Short { path, there, pages });
        }
        let (mut schema, shapes) = schema::read(&conn)?;
        let plan = settle(&conn, &mut schema, &shapes)?;
        Ok(Self {
            wide: Wide::of(&schema),
            tells_missing: false,
            takes_keys: false,
            only: None,
            tolerant: trouble == Trouble::IsNoted,
            short,
            damaged: RefCell::new(plan.unexamined.iter().copied().collect()),
            conn,
            schema,
            shapes,
            plan,
        })
    }

    /// The same state once more, to be read by another thread; none if it cannot be had. It is to be asked anew to tell
    /// of missing owners ([`Database::tell_missing`]).
    pub fn second(&mut self) -> Option<Self> {
        if self.only.is_some() {
            return None;
        }
        Some(Self {
            conn: self.conn.second()?,
            schema: self.schema.clone(),
            shapes: self.shapes.clone(),
            plan: self.plan.clone(),
            wide: self.wide,
            tells_missing: false,
            takes_keys: self.takes_keys,
            only: None,
            short: self.short,
            tolerant: self.tolerant,
            damaged: self.damaged.clone(),
        })
    }

    /// Takes over what the second one has seen.
    pub fn join(&mut self, second: &Self) {
        let seen = second.damaged.borrow();
        self.damaged.borrow_mut().extend(seen.iter());
    }

    /// What the database is made of, and how its tables are owned.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What of the schema could not be made again as it is, in words.
    ///
    /// # Errors
    /// When SQLite fails to try.
    pub fn cannot_be_made(&self) -> Result<Vec<String>, SqliteError> {
        let told = foreign::cannot_be_made(&self.schema);
        told.map_err(SqliteError::reading("the schema"))
    }

    /// That the file ends before the database does, in words that follow on the source's name.
    pub fn is_short(&self) -> Option<String> {
        let Short { there, pages } = self.short?;
        Some(format!(
            "the file is too short: {there} of its {pages} pages are there whole, and what of them can be read is \
             backed up"
        ))
    }

    /// Rules that could not be followed, in words.
    pub fn unmet(&self) -> &[String] {
        &self.plan.unmet
    }

    /// From now on rows tell of owners whom the register does not hold: where there is no owner, but
    /// a way to the register's key over whatever other rows, that key's token is told in the owner's
    /// place, and so with what owned tables' rows are referred to. It takes further lookups. Where
    /// several ways lead to keys, it is one that `is_known`, if there is one.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn tell_missing(&mut self, is_known: AskKnown) -> Result<(), SqliteError> {
        let made = functions::ask(&self.conn, IS_KNOWN, is_known);
        made.map_err(SqliteError::reading("the settings"))?;
        self.plan.owners.is_known = Some(IS_KNOWN);
        self.tells_missing = true;
        Ok(())
    }

    /// Holds up to 256 MiB of pages in memory, for looks at all rows that meet others in no order.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn hold_much(&self) -> Result<(), SqliteError> {
        let held = self.conn.execute_batch("PRAGMA cache_size = -262144");
        held.map_err(SqliteError::reading("the settings"))
    }

    /// From now on a key of the register that a row leads to may be told as its owner's token although the
    /// register does not hold it, and what leads to the owner alone is not told as a reference: for readers
    /// who know all whom the register holds. It spares most lookups: a large register is met in no order,
    /// and each lookup reads another page.
    pub fn take_keys(&mut self) {
        self.takes_keys = true;
    }

    /// How many rows each of the tables has; none of one that is damaged, if damage is tolerated.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn counts(&self) -> Result<Vec<u64>, SqliteError> {
        let count = |(at, table): (usize, &Table)| {
            let sql = format!("SELECT count(*) FROM {}", quote(&table.name));
            match self.conn.query_row(&sql, [], |row| row.get::<_, i64>(0)) {
                Err(error) if self.passes(at, &error) => Ok(0),
                count => count
                    .map(i64::unsigned_abs)
                    .map_err(SqliteError::reading(&table.name)),
            }
        };
        self.schema.tables.iter().enumerate().map(count).collect()
    }

    /// The size of the database in bytes, as this reading sees it.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn file_bytes(&self) -> Result<u64, SqliteError> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let bytes = self.conn.query_row(sql, [], |row| row.get::<_, i64>(0));
        bytes
            .map(i64::unsigned_abs)
            .map_err(SqliteError::reading("the size"))
    }

    /// Foreign keys that lead nowhere: how many rows of each table that has any.
    pub fn violations(&self) -> Vec<(String, u64)> {
        schema::violations(&self.conn, &self.schema)
    }

    /// Calls `each` with every row of table number `table`, in the order of rowids (or, WITHOUT
    /// ROWID, of primary keys).
    ///
    /// # Errors
    /// The first error of `each`, or when SQLite fails to read.
    pub fn rows<E: From<SqliteError>>(
        &self,
        table: usize,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let entry = self
            .schema
            .tables
            .get(table)
            .ok_or_else(|| SqliteError::Shape {
                table: table.to_string(),
            })?;
        let shape = &self.shapes[table];
        if shape.rowid.is_none() {
            return self.both_ends(table, each);
        }
        let limit = match shape.computes(entry) {
            true => usize::MAX,
            false => long::limit(entry.columns.len()),
        };
        let mut from = Some(i64::MIN);
        while let Some(start) = from {
            let way = Way::From(start);
            let Some(stop) = self.scan(table, way, limit, each)? else {
                break;
            };
            from = match self.go_on(table, start, stop)? {
                GoOn::End => None,
                GoOn::Behind(rowid) => Some(rowid),
                GoOn::Alone(rowid) => {
                    self.row_alone(table, rowid, each)?;
                    rowid.checked_add(1)
                }
            };
        }
        Ok(())
    }

    /// Gives rows to `each` until the end, or until SQLite fails, as it does for a value of more than
    /// `limit` bytes.
    pub(super) fn scan<E: From<SqliteError>>(
        &self,
        table: usize,
        way: Way,
        limit: usize,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<Option<Stop>, E> {
        let entry = &self.schema.tables[table];
        let fail = |error| SqliteError::reading(&entry.name)(error);
        let mut prepared = self.conn.prepare(&self.select(table, way)).map_err(fail)?;
        let mut rows = match way {
            Way::From(rowid) => prepared.query([rowid]).map_err(fail)?,
            Way::Forward | Way::Bare | Way::Backward => prepared.query([]).map_err(fail)?,
        };
        // Not before: the query may be longer than that.
        let _limited = Limited::new(&self.conn, limit).map_err(fail)?;
        let width = entry.columns.len() + entry.references.len();
        let mut buffer = Vec::with_capacity(width);
        let mut last = None;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(Stop { last, error })),
            };
            let rowid = row.get(0).map_err(fail)?;
            if last.is_some() && rowid <= last {
                // A page stands where another belongs, or its tree goes round in a circle.
                let error = out_of_order();
                return Ok(Some(Stop { last, error }));
            }
            let texts = match self.wide {
                Some(wide) => texts(row, wide, width + 2).map_err(fail)?,
                None => Vec::new(),
            };
            let mut values = emptied(buffer);
            for at in 0..width {
                values.push(match texts.get(at) {
                    Some(Some(text)) => ValueRef::Text(text),
                    _ => borrowed(row.get_ref(at + 2).map_err(fail)?),
                });
            }
            let (cells, targets) = values.split_at(entry.columns.len());
            last = rowid;
            each(Row {
                table,
                rowid: last.filter(|_| entry.has_rowid),
                owner: self.owner(table, borrowed(row.get_ref(1).map_err(fail)?)),
                cells,
                long: Vec::new(),
                targets,
            })?;
            buffer = emptied(values);
        }
    }

    /// Whose a row is by its token.
    pub(super) fn owner<'v>(&self, table: usize, token: ValueRef<'v>) -> Owner<'v> {
        match (self.schema.tables[table].ownership, token) {
            (Ownership::Register | Ownership::Owned, ValueRef::Null) => Owner::Orphan,
            (Ownership::Register | Ownership::Owned, token) => Owner::Customer(token),
            _ => Owner::Table,
        }
    }

    /// The first rowid from `from` on.
    pub(super) fn first_from(&self, table: usize, from: i64) -> rusqlite::Result<Option<i64>> {
        let (rowid, name) = (self.rowid_of(table), quote(&self.schema.tables[table].name));
        let sql = format!(
            "SELECT t0.{rowid} FROM {name} AS t0 WHERE t0.{rowid} >= ?1{} ORDER BY t0.{rowid} LIMIT 1",
            self.and_only(table)
        );
        let first = self.conn.query_row(&sql, [from], |row| row.get(0));
        first.optional()
    }

    /// How the rowid of a table's rows is spelled in SQL.
    pub(super) fn rowid_of(&self, table: usize) -> &str {
        self.shapes[table].rowid.as_deref().unwrap_or("NULL")
    }
}

/// The absolute path of the file at `path`, which must be one already.
pub(super) fn regular_file(path: &Path) -> Result<PathBuf, SqliteError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SqliteError::Missing {
            path: path.to_owned(),
        },
        _ => SqliteError::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    // Metadata only: opening and closing the file by ourselves would drop SQLite's locks on it. The
    // path is made absolute because SQLite takes one that begins with `file:` for a URI.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SqliteError::NotAFile {
            path: path.to_owned(),
        });
    }
    std::path::absolute(path).map_err(unreadable)
}

/// The same value in our words.
pub(super) fn borrowed(stored: Stored<'_>) -> ValueRef<'_> {
    match stored {
        Stored::Null => ValueRef::Null,
        Stored::Integer(i) => ValueRef::Int(i),
        Stored::Real(r) => ValueRef::Real(r),
        Stored::Text(t) => ValueRef::Text(t),
        Stored::Blob(b) => ValueRef::Blob(b),
    }
}

/// The texts of a row of a UTF-16 database, each in the place of its column. Which are, column `marks`
/// says.
fn texts(row: &Record<'_>, wide: Wide, marks: usize) -> rusqlite::Result<Vec<Option<Vec<u8>>>> {
    let marks = row.get_ref(marks)?.as_str()?;
    let text = |(at, mark): (usize, char)| match mark {
        '1' => Ok(Some(wide.text(row.get_ref(at + 2)?.as_blob()?))),
        _ => Ok(None),
    };
    marks.chars().enumerate().map(text).collect()
}

fn out_of_order() -> rusqlite::Error {
    let corrupt = ffi::Error::new(ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(corrupt, Some("rows are out of order".into()))
}

/// The same allocation for values of another row: nothing is in it, so nothing outlives its row.
fn emptied<'to>(mut values: Vec<ValueRef<'_>>) -> Vec<ValueRef<'to>> {
    values.clear();
    values.into_iter().map(|_| ValueRef::Null).collect()
}
