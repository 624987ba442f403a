//! Putting a row of known values into a table.

use rusqlite::blob::ZeroBlob;
use rusqlite::types::{ToSqlOutput, ValueRef as Stored};
use rusqlite::{Connection, ToSql};

use super::shape::Shape;
use super::sql::quote;
use super::wide::Wide;
use crate::schema::Table;
use crate::value::ValueRef;

/// A table's INSERT.
pub(super) struct Insert {
    /// As far as the values.
    head: String,
    /// The whole.
    sql: String,
    /// Whether the rowid is the first of its parameters.
    named: bool,
    /// How the database keeps text, if not as UTF-8.
    pub wide: Option<Wide>,
}

impl Insert {
    /// `OR ABORT` overrules what a table's own ON CONFLICT would do, such as replacing another's row.
    /// The rowid is left to SQLite where it has no name.
    pub(super) fn new(table: &Table, shape: &Shape, wide: Option<Wide>) -> Self {
        let columns = table.columns.iter().map(|column| quote(&column.name));
        let columns: Vec<String> = shape.rowid.clone().into_iter().chain(columns).collect();
        let marks: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let (name, columns) = (quote(&table.name), columns.join(", "));
        let head = format!("INSERT OR ABORT INTO {name}({columns}) VALUES");
        Self {
            sql: format!("{head} ({})", marks.join(", ")),
            named: shape.rowid.is_some(),
            head,
            wide,
        }
    }

    /// Runs it.
    pub(super) fn run<'v>(
        &self,
        conn: &Connection,
        rowid: Option<i64>,
        values: impl Iterator<Item = ValueRef<'v>> + Clone,
    ) -> rusqlite::Result<()> {
        if let Some(wide) = self.wide
            && values.clone().any(|value| self.is_fragile(value))
        {
            return self.run_exact(wide, conn, rowid, values);
        }
        let mut statement = conn.prepare_cached(&self.sql)?;
        let first = usize::from(self.named) + 1;
        if self.named {
            statement.raw_bind_parameter(1, rowid)?;
        }
        for (at, value) in values.enumerate() {
            statement.raw_bind_parameter(first + at, Bound(value))?;
        }
        statement.raw_execute().map(drop)
    }

    /// Whether a value is text that SQLite would change if it were bound as it is.
    pub(super) fn is_fragile(&self, value: ValueRef<'_>) -> bool {
        let changes =
            |wide: Wide| matches!(value, ValueRef::Text(text) if wide.bytes(text).is_some());
        self.wide.is_some_and(changes)
    }

    /// Runs it with room of so many zeros in place of some values. No value may be fragile.
    pub(super) fn make_room<'v>(
        &self,
        conn: &Connection,
        rowid: i64,
        values: impl Iterator<Item = (ValueRef<'v>, Option<u64>)>,
    ) -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached(&self.sql)?;
        let first = usize::from(self.named) + 1;
        if self.named {
            statement.raw_bind_parameter(1, rowid)?;
        }
        for (at, (value, room)) in values.enumerate() {
            match room {
                Some(len) => statement.raw_bind_parameter(first + at, ZeroBlob(len))?,
                None => statement.raw_bind_parameter(first + at, Bound(value))?,
            }
        }
        statement.raw_execute().map(drop)
    }

    /// Runs it with the text that SQLite would change as bytes.
    fn run_exact<'v>(
        &self,
        wide: Wide,
        conn: &Connection,
        rowid: Option<i64>,
        values: impl Iterator<Item = ValueRef<'v>>,
    ) -> rusqlite::Result<()> {
        let mut marks = Vec::new();
        let mut bound: Vec<Box<dyn ToSql + 'v>> = Vec::new();
        if self.named {
            marks.push("?");
            bound.push(Box::new(rowid));
        }
        for value in values {
            let bytes = match value {
                ValueRef::Text(text) => wide.bytes(text),
                _ => None,
            };
            marks.push(mark(bytes.is_some()));
            bound.push(match bytes {
                Some(bytes) => Box::new(bytes),
                None => Box::new(Bound(value)),
            });
        }
        let sql = format!("{} ({})", self.head, marks.join(", "));
        let bound = rusqlite::params_from_iter(bound);
        conn.prepare(&sql)?.execute(bound).map(drop)
    }
}

/// A parameter in SQL; bytes that are text in the database's own encoding become it.
pub(super) fn mark(is_bytes: bool) -> &'static str {
    if is_bytes { "CAST(? AS TEXT)" } else { "?" }
}

/// A value on its way into a statement, in the storage class that it has. Text goes as bytes, since
/// it need not be UTF-8.
pub(super) struct Bound<'v>(pub ValueRef<'v>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            ValueRef::Null => Stored::Null,
            ValueRef::Int(i) => Stored::Integer(i),
            ValueRef::Real(r) => Stored::Real(r),
            ValueRef::Text(t) => Stored::Text(t),
            ValueRef::Blob(b) => Stored::Blob(b),
        }))
    }
}
