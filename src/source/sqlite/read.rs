//! Reading a database: one read transaction from the first look to the last row.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::error::SqliteError;
use super::long::{self, Limited};
use super::plan::{Plan, settle};
use super::query::Halves;
use super::schema;
use super::shape::Shape;
use super::sql::quote;
use super::wide::Wide;
use crate::schema::{Ownership, Schema, Table};
use crate::source::{Owner, RegisterRow, Row, Rules};
use crate::value::{CustomerKey, Value, ValueRef};

/// How long we wait for a writer that locks us out.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// One database, seen as it was at one moment, for as long as this lives.
pub struct Database {
    pub(super) conn: Connection,
    pub(super) schema: Schema,
    pub(super) shapes: Vec<Shape>,
    pub(super) plan: Plan,
    pub(super) wide: Option<Wide>,
}

/// Where reading a table has stopped, and why.
struct Stop {
    /// The last rowid that was given.
    last: Option<i64>,
    error: rusqlite::Error,
}

/// Takes a row of the register and the values of some columns more.
type WithMore<'e, E> = dyn FnMut(RegisterRow, &[ValueRef<'_>]) -> Result<(), E> + 'e;

impl Database {
    /// Opens the database at `path` for reading, and settles by `rules` whose its tables are.
    ///
    /// # Errors
    /// When there is no readable database, or when `rules` name what it does not have.
    pub fn open(path: &Path, rules: &Rules) -> Result<Self, SqliteError> {
        let conn = connect(path)?;
        let (mut schema, shapes) = schema::read(&conn)?;
        let plan = settle(&conn, rules, &mut schema, &shapes)?;
        Ok(Self {
            wide: Wide::of(&schema),
            conn,
            schema,
            shapes,
            plan,
        })
    }

    /// What the database is made of, and how its tables are owned.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many rows each of the tables has.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn counts(&self) -> Result<Vec<u64>, SqliteError> {
        let count = |table: &Table| {
            let sql = format!("SELECT count(*) FROM {}", quote(&table.name));
            let count = self.conn.query_row(&sql, [], |row| row.get::<_, i64>(0));
            count
                .map(i64::unsigned_abs)
                .map_err(SqliteError::reading(&table.name))
        };
        self.schema.tables.iter().map(count).collect()
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

    /// Calls `each` with every customer of the register, in the order of its rows. A row whose key
    /// has a NULL is nobody, and is left out. Without a register nothing is called.
    ///
    /// # Errors
    /// The first error of `each`, or when SQLite fails to read.
    pub fn register<E: From<SqliteError>>(
        &self,
        each: &mut dyn FnMut(RegisterRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.register_with(&[], &mut |row, _| each(row))
    }

    /// The same as [`Database::register`], with the values of some columns more.
    ///
    /// # Errors
    /// The first error of `each`, or when SQLite fails to read, as for a column that is not there.
    pub fn register_with<E: From<SqliteError>>(
        &self,
        more: &[String],
        each: &mut WithMore<'_, E>,
    ) -> Result<(), E> {
        let (Some(rule), Some((table, _))) = (&self.plan.register, &self.plan.owners.register)
        else {
            return Ok(());
        };
        let fail = |error| SqliteError::reading(&rule.table)(error);
        let token = self.plan.owners.of_row(*table, 0);
        let mut columns = vec![token.clone()];
        columns.extend(
            rule.key
                .iter()
                .map(|column| format!("t0.{}", quote(column))),
        );
        columns.extend(
            rule.since
                .iter()
                .map(|column| format!("t0.{}", quote(column))),
        );
        columns.extend(
            rule.name
                .iter()
                .map(|column| format!("CAST(t0.{} AS TEXT)", quote(column))),
        );
        let first = columns.len();
        columns.extend(more.iter().map(|column| format!("t0.{}", quote(column))));
        let sql = format!(
            "SELECT {} FROM {} AS t0 WHERE {token} IS NOT NULL{}",
            columns.join(", "),
            quote(&rule.table),
            self.order(*table),
        );
        let mut prepared = self.conn.prepare(&sql).map_err(fail)?;
        let mut rows = prepared.query([]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let value = |at: usize| row.get_ref(at).map(|stored| borrowed(stored).to_value());
            let keys = 1..=rule.key.len();
            let since = keys.end() + 1;
            let name = since + usize::from(rule.since.is_some());
            let found = RegisterRow {
                token: value(0).map_err(fail)?,
                key: CustomerKey(keys.map(value).collect::<Result<_, _>>().map_err(fail)?),
                since: rule
                    .since
                    .as_ref()
                    .map(|_| value(since))
                    .transpose()
                    .map_err(fail)?,
                name: match &rule.name {
                    Some(_) => text(row.get_ref(name).map_err(fail)?),
                    None => None,
                },
            };
            let values = (first..first + more.len())
                .map(|at| row.get_ref(at).map(borrowed))
                .collect::<Result<Vec<_>, _>>()
                .map_err(fail)?;
            each(found, &values)?;
        }
        Ok(())
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
        let fail = |error| SqliteError::reading(&entry.name)(error);
        let shape = &self.shapes[table];
        if shape.rowid.is_none() {
            return match self.scan(table, None, usize::MAX, each)? {
                None => Ok(()),
                Some(stop) => Err(fail(stop.error).into()),
            };
        }
        let limit = match shape.computes(entry) {
            true => usize::MAX,
            false => long::limit(entry.columns.len()),
        };
        let mut from = Some(i64::MIN);
        while let Some(start) = from {
            let Some(stop) = self.scan(table, Some(start), limit, each)? else {
                break;
            };
            if stop.error.sqlite_error_code() != Some(ErrorCode::TooBig) {
                return Err(fail(stop.error).into());
            }
            let next = match stop.last {
                Some(last) => last.checked_add(1),
                None => Some(start),
            };
            let Some(rowid) = self.first_from(table, next).map_err(fail)? else {
                break;
            };
            self.long_row(table, rowid, each)?;
            from = rowid.checked_add(1);
        }
        Ok(())
    }

    /// Gives rows to `each`, those with a rowid from `from` on if it is said, until the end, or until
    /// SQLite fails, as it does for a value of more than `limit` bytes.
    fn scan<E: From<SqliteError>>(
        &self,
        table: usize,
        from: Option<i64>,
        limit: usize,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<Option<Stop>, E> {
        let entry = &self.schema.tables[table];
        let fail = |error| SqliteError::reading(&entry.name)(error);
        let (select, from) = (self.select(table).map_err(fail)?, from.into_iter());
        let from = || rusqlite::params_from_iter(from.clone());
        let mut first = self.conn.prepare(&select.first).map_err(fail)?;
        let mut rows = first.query(from()).map_err(fail)?;
        let rest = select.rest.as_ref().map(|sql| self.conn.prepare(sql));
        let mut rest = rest.transpose().map_err(fail)?;
        let behind = rest.as_mut().map(|rest| rest.query(from()));
        let mut behind = behind.transpose().map_err(fail)?;
        // Not before: the query may be longer than that.
        let _limited = Limited::new(&self.conn, limit).map_err(fail)?;
        let width = entry.columns.len() + entry.references.len();
        let mut buffer = Vec::with_capacity(width);
        let mut last = None;
        loop {
            let first = rows.next();
            let rest = behind.as_mut().map_or(Ok(None), rusqlite::Rows::next);
            let (first, rest) = match (first, rest) {
                (Ok(Some(first)), Ok(rest)) => (first, rest),
                (Ok(None), Ok(_)) => return Ok(None),
                (Err(error), _) | (_, Err(error)) => return Ok(Some(Stop { last, error })),
            };
            let (cut, stored) = (select.cut, entry.columns.len());
            let row = Halves {
                first,
                rest,
                cut,
                stored,
            };
            let texts = match self.wide {
                Some(wide) => texts(&row, wide, width + 2).map_err(fail)?,
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
            last = first.get(0).map_err(fail)?;
            each(Row {
                table,
                rowid: last,
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
    fn first_from(&self, table: usize, from: Option<i64>) -> rusqlite::Result<Option<i64>> {
        let Some(from) = from else { return Ok(None) };
        let (rowid, name) = (self.rowid_of(table), quote(&self.schema.tables[table].name));
        let sql =
            format!("SELECT {rowid} FROM {name} WHERE {rowid} >= ?1 ORDER BY {rowid} LIMIT 1");
        let first = self.conn.query_row(&sql, [from], |row| row.get(0));
        first.optional()
    }

    /// How the rowid of a table's rows is spelled in SQL.
    pub(super) fn rowid_of(&self, table: usize) -> &str {
        self.shapes[table].rowid.as_deref().unwrap_or("NULL")
    }
}

/// A read-only connection in a read transaction that has begun to read.
fn connect(path: &Path) -> Result<Connection, SqliteError> {
    let absolute = regular_file(path)?;
    let fail = |error| SqliteError::on_open(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(absolute, flags).map_err(fail)?;
    prepare(&conn).map_err(fail)?;
    Ok(conn)
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

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(PATIENCE)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A column misspelt in a `where` shall be an error, not a string.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; BEGIN")?;
    // BEGIN alone does not look at the file: this read is what fixes the view.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
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

fn text(stored: Stored<'_>) -> Option<String> {
    match borrowed(stored) {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        value => match value.to_value() {
            Value::Null => None,
            other => Some(CustomerKey(vec![other]).text()),
        },
    }
}

/// The texts of a row of a UTF-16 database, each in the place of its column. Which are, column `marks`
/// says.
fn texts(row: &Halves<'_>, wide: Wide, marks: usize) -> rusqlite::Result<Vec<Option<Vec<u8>>>> {
    let marks = row.get_ref(marks)?.as_str()?;
    let text = |(at, mark): (usize, char)| match mark {
        '1' => Ok(Some(wide.text(row.get_ref(at + 2)?.as_blob()?))),
        _ => Ok(None),
    };
    marks.chars().enumerate().map(text).collect()
}

/// The same allocation for values of another row: nothing is in it, so nothing outlives its row.
fn emptied<'to>(mut values: Vec<ValueRef<'_>>) -> Vec<ValueRef<'to>> {
    values.clear();
    values.into_iter().map(|_| ValueRef::Null).collect()
}
