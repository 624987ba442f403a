//! Hiding a customer by a column of the register.

use rusqlite::OptionalExtension;

use super::rows::exactly;
use super::softdelete::looks_soft_deleted;
use super::watch::{Op, Watch};
use super::{Live, Work, double_quoted};
use crate::schema::ParentColumn;
use crate::source::sqlite::edges::{Edge, To};
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::insert::Bound;
use crate::source::sqlite::read::borrowed;
use crate::source::sqlite::shape::{Kept, place};
use crate::source::sqlite::sql::{quote, same};
use crate::value::{CustomerKey, Value};

impl Live {
    /// Why `column` of the register cannot hide customers; none if it can.
    pub fn hide_column_problem(&self, column: &str) -> Option<String> {
        self.reading().hide_column_problem(column)
    }

    /// What stands in `column` of the customer's row in the register; none if there is no such row.
    ///
    /// # Errors
    /// When SQLite fails to read, when the column cannot hide anybody, or several rows have the key.
    pub fn flagged(&self, key: &CustomerKey, column: &str) -> Result<Option<Value>, SqliteError> {
        match self.reading().register_row(key, column) {
            Err(SqliteError::NoCustomer) => Ok(None),
            found => found.map(|(_, value)| Some(value)),
        }
    }

    /// Work that only reads, by what was settled last.
    fn reading(&self) -> Work<'_> {
        Work {
            path: &self.path,
            conn: &self.conn,
            settled: &self.settled,
        }
    }

    /// Puts `value` into `column` of the customer's row in the register, and gives what stood there.
    /// The same with that value is the way back.
    ///
    /// # Errors
    /// When the column cannot hide anybody, when not exactly one row has the key, when another program
    /// holds the database, or when triggers change anything else. Nothing is changed then.
    pub fn flag(
        &mut self,
        key: &CustomerKey,
        column: &str,
        value: &Value,
    ) -> Result<Value, SqliteError> {
        self.transaction(true, |work| work.flag(key, column, value))
    }
}

impl Work<'_> {
    fn hide_column_problem(&self, column: &str) -> Option<String> {
        let plan = &self.settled.plan;
        let Some((register, key)) = &plan.owners.register else {
            return Some("this source does not hold the register".into());
        };
        let (table, shape) = (
            &self.settled.schema.tables[*register],
            &self.settled.shapes[*register],
        );
        let among = |names: &[String]| names.iter().any(|name| same(name, column));
        let points = |edge: &Edge| match &edge.to {
            To::PointedAtBy { table, columns } => table == register && among(columns),
            _ => false,
        };
        let since = plan.register.as_ref().and_then(|rule| rule.since.as_ref());
        let reason = match place(table, shape, column) {
            None => format!("the register {} has no such column", table.name),
            Some(Kept::Generated) => "it is generated from other columns".into(),
            Some(_) if among(key) || among(&shape.primary) => "it is part of the key".into(),
            Some(Kept::Stored(ParentColumn::Rowid)) => "it is part of the key".into(),
            Some(_) if shape.keys.iter().any(|key| among(&key.columns)) => {
                "it is a foreign key".into()
            }
            Some(_) if plan.owners.edges.iter().flatten().any(points) => {
                "it says whose rows of another table are".into()
            }
            Some(_) if since.is_some_and(|since| same(since, column)) => {
                "it is `since`, which never changes".into()
            }
            Some(_) if looks_soft_deleted(column) => {
                "CRMs purge what is soft-deleted on their own".into()
            }
            Some(_) => return None,
        };
        Some(reason)
    }

    /// The condition that finds the customer's one row, and what stands in its column.
    fn register_row(
        &self,
        key: &CustomerKey,
        column: &str,
    ) -> Result<(String, Value), SqliteError> {
        if let Some(reason) = self.hide_column_problem(column) {
            let column = column.to_owned();
            return Err(SqliteError::CannotHide { column, reason });
        }
        let Some((register, columns)) = &self.settled.plan.owners.register else {
            return Err(SqliteError::NoCustomer);
        };
        let (name, condition) = (self.name(*register), exactly("t0", columns, key)?);
        let (table, column) = (quote(name), quote(column));
        let sql = format!(
            "SELECT t0.{column}, count(*) OVER () FROM main.{table} AS t0 WHERE {condition} LIMIT 1"
        );
        let bound = key.0.iter().map(|value| Bound(value.as_ref()));
        let found = self
            .conn
            .query_row(&sql, rusqlite::params_from_iter(bound), |row| {
                Ok((borrowed(row.get_ref(0)?).to_value(), row.get::<_, i64>(1)?))
            })
            .optional()
            .map_err(self.fail(name))?;
        match found {
            None => Err(SqliteError::NoCustomer),
            Some((value, 1)) => Ok((condition, value)),
            Some((_, rows)) => Err(SqliteError::SeveralRows {
                table: name.to_owned(),
                rows: rows.unsigned_abs(),
            }),
        }
    }

    fn flag(&self, key: &CustomerKey, column: &str, value: &Value) -> Result<Value, SqliteError> {
        let (condition, former) = self.register_row(key, column)?;
        let Some((register, _)) = &self.settled.plan.owners.register else {
            return Err(SqliteError::NoCustomer);
        };
        let name = self.name(*register);
        let mut watch = Watch::begin(self)?;
        double_quoted(self.conn, true).map_err(self.fail("the settings"))?;
        let bound = || {
            key.0
                .iter()
                .chain([value])
                .map(|value| Bound(value.as_ref()))
        };
        let (table, quoted, last) = (quote(name), quote(column), key.0.len() + 1);
        let sql = format!("UPDATE main.{table} AS t0 SET {quoted} = ?{last} WHERE {condition}");
        self.conn
            .execute(&sql, rusqlite::params_from_iter(bound()))
            .map_err(self.fail(name))?;
        watch.expect(*register, Op::Update, 1);
        watch.check(self)?;
        // A trigger may have put another value in its place, and the column's affinity another
        // storage class, which is the value all the same.
        let sql =
            format!("SELECT t0.{quoted} IS ?{last} FROM main.{table} AS t0 WHERE {condition}");
        let stands: bool = self
            .conn
            .query_row(&sql, rusqlite::params_from_iter(bound()), |row| row.get(0))
            .map_err(self.fail(name))?;
        if !stands {
            let table = name.to_owned();
            return Err(SqliteError::NotAsItWas { table, rows: 1 });
        }
        Ok(former)
    }
}
