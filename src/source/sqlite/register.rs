//! Reading the register.

use std::collections::HashSet;

use rusqlite::OptionalExtension;
use rusqlite::types::ValueRef as Stored;

use super::damage::GoOn;
use super::error::SqliteError;
use super::insert::Bound;
use super::live::exactly;
use super::read::{Database, Stop, borrowed};
use super::sql::quote;
use crate::source::{RegisterRow, RegisterRule};
use crate::value::{CustomerKey, Value, ValueRef};

/// Takes a row of the register and the values of some columns more.
type WithMore<'e, E> = dyn FnMut(RegisterRow, &[ValueRef<'_>]) -> Result<(), E> + 'e;

impl Database {
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

    /// Whether the register's key is the rowid, so that no two rows have the same one.
    pub fn key_is_rowid(&self) -> bool {
        self.plan.owners.key_is_rowid
    }

    /// The keys that the register holds, if they are its rowids.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn rowid_keys(&self) -> Result<Option<HashSet<i64>>, SqliteError> {
        let Some((register, key)) = &self.plan.owners.register else {
            return Ok(None);
        };
        let ([key], true) = (&key[..], self.key_is_rowid()) else {
            return Ok(None);
        };
        let name = &self.schema.tables[*register].name;
        let sql = format!("SELECT {} FROM {}", quote(key), quote(name));
        let read = || -> rusqlite::Result<HashSet<i64>> {
            let mut prepared = self.conn.prepare(&sql)?;
            prepared.query_map([], |row| row.get(0))?.collect()
        };
        read().map(Some).map_err(SqliteError::reading(name))
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
        let table = *table;
        let mut from = Some(i64::MIN);
        while let Some(start) = from {
            let Some(stop) = self.scan_register(rule, table, start, more, each)? else {
                break;
            };
            from = match self.go_on(table, start, stop)? {
                GoOn::End => None,
                GoOn::Behind(rowid) => Some(rowid),
                // Whom the row is of cannot be told without it.
                GoOn::Alone(rowid) => rowid.checked_add(1),
            };
        }
        Ok(())
    }

    /// The customer whose key is exactly this one; none if the register has none.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn holder(&self, key: &CustomerKey) -> Result<Option<RegisterRow>, SqliteError> {
        let (Some(rule), Some((table, columns))) =
            (&self.plan.register, &self.plan.owners.register)
        else {
            return Ok(None);
        };
        let token = self.plan.owners.of_row(*table, 0);
        let since = rule
            .since
            .iter()
            .map(|since| format!("t0.{}", quote(since)));
        let told: Vec<String> = std::iter::once(token).chain(since).collect();
        let (name, condition) = (quote(&rule.table), exactly("t0", columns, key)?);
        let sql = format!(
            "SELECT {} FROM {name} AS t0 WHERE {condition}",
            told.join(", ")
        );
        let bound = key.0.iter().map(|value| Bound(value.as_ref()));
        let read = || -> rusqlite::Result<Option<RegisterRow>> {
            let mut prepared = self.conn.prepare_cached(&sql)?;
            let row = prepared.query_row(rusqlite::params_from_iter(bound), |row| {
                let value = |at| row.get_ref(at).map(|stored| borrowed(stored).to_value());
                Ok(RegisterRow {
                    token: value(0)?,
                    key: key.clone(),
                    since: rule.since.as_ref().map(|_| value(1)).transpose()?,
                    name: None,
                })
            });
            row.optional()
        };
        read().map_err(SqliteError::reading(&rule.table))
    }

    /// The query for the register: token, key, `since`, name, and some columns more. Its parameter is the
    /// first rowid, where there are any.
    fn select_register(&self, rule: &RegisterRule, table: usize, more: &[String]) -> String {
        let token = self.plan.owners.of_row(table, 0);
        let plain = |column: &String| format!("t0.{}", quote(column));
        let rowid = self.shapes[table].rowid.as_ref();
        let mut columns = vec![
            rowid.map_or("NULL".into(), |name| format!("t0.{name}")),
            token.clone(),
        ];
        columns.extend(rule.key.iter().chain(&rule.since).map(plain));
        let name = rule.name.iter();
        columns.extend(name.map(|column| format!("CAST({} AS TEXT)", plain(column))));
        columns.extend(more.iter().map(plain));
        let from = match (
            rowid,
            self.only.as_ref().and_then(|only| only.register.as_ref()),
        ) {
            (None, None) => String::new(),
            (None, Some(only)) => format!(" AND {only}"),
            (Some(name), None) => format!(" AND t0.{name} >= ?1"),
            (Some(name), Some(only)) => format!(" AND +t0.{name} >= ?1 AND {only}"),
        };
        format!(
            "SELECT {} FROM {} AS t0 WHERE {token} IS NOT NULL{from}{}",
            columns.join(", "),
            quote(&rule.table),
            self.order(table),
        )
    }

    /// Gives customers to `each` until the end, or until SQLite fails.
    fn scan_register<E: From<SqliteError>>(
        &self,
        rule: &RegisterRule,
        table: usize,
        from: i64,
        more: &[String],
        each: &mut WithMore<'_, E>,
    ) -> Result<Option<Stop>, E> {
        let fail = |error| SqliteError::reading(&rule.table)(error);
        let sql = self.select_register(rule, table, more);
        let mut prepared = self.conn.prepare(&sql).map_err(fail)?;
        let mut rows = match prepared.parameter_count() {
            0 => prepared.query([]).map_err(fail)?,
            _ => prepared.query([from]).map_err(fail)?,
        };
        let mut last = None;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(Stop { last, error })),
            };
            let value = |at: usize| row.get_ref(at).map(|stored| borrowed(stored).to_value());
            let keys = 2..2 + rule.key.len();
            let since = keys.end;
            let name = since + usize::from(rule.since.is_some());
            let first = name + usize::from(rule.name.is_some());
            let key: Result<_, _> = keys.map(value).collect();
            let found = RegisterRow {
                token: value(1).map_err(fail)?,
                key: CustomerKey(key.map_err(fail)?),
                since: match &rule.since {
                    Some(_) => Some(value(since).map_err(fail)?),
                    None => None,
                },
                name: match &rule.name {
                    Some(_) => text(row.get_ref(name).map_err(fail)?),
                    None => None,
                },
            };
            let values = (first..first + more.len())
                .map(|at| row.get_ref(at).map(borrowed))
                .collect::<Result<Vec<_>, _>>()
                .map_err(fail)?;
            last = row.get(0).map_err(fail)?;
            each(found, &values)?;
        }
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
