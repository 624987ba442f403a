//! Reading past damage.
//!
//! A page that cannot be read, or that is not what it should be, ends a query. Where the next one begins, the
//! inner pages of the table's tree tell, and rows are asked for from there on. A row that can be read, but
//! not its owner (who stands in a damaged part of another table), is told by the register's key that it leads to, and
//! is nobody's where it leads to none.
//!
//! WITHOUT ROWID there is no such asking: those rows are read from both ends, as far as each goes.

use rusqlite::{ErrorCode, ffi};

use super::error::SqliteError;
use super::query::Which;
use super::read::{Database, Stop, Way};
use super::tree::end_of_leaf;
use crate::source::Row;
use crate::value::{Value, ValueRef};

/// Where reading goes on after it has stopped.
pub(super) enum GoOn {
    /// Nowhere: that was the last row.
    End,
    /// With the row of this rowid, which must be read by itself.
    Alone(i64),
    /// With the rows from this rowid on.
    Behind(i64),
}

/// Whether an error says that a part of the file is damaged or cannot be read.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    const UNREAD: [i32; 4] = [
        ffi::SQLITE_IOERR_READ,
        ffi::SQLITE_IOERR_SHORT_READ,
        ffi::SQLITE_IOERR_DATA,
        ffi::SQLITE_IOERR_CORRUPTFS,
    ];
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DatabaseCorrupt || UNREAD.contains(&error.extended_code)
    })
}

impl Database {
    /// Whether some of a table's rows could not be read, or not whose they are.
    pub fn is_damaged(&self, table: usize) -> bool {
        self.damaged.borrow().contains(&table)
    }

    /// Whether an error is to be passed over; then it is noted.
    pub(super) fn passes(&self, table: usize, error: &rusqlite::Error) -> bool {
        let passes = self.tolerant && is_damage(error);
        if passes {
            self.damaged.borrow_mut().insert(table);
        }
        passes
    }

    /// The same of an error that was met in a row that is read by itself.
    pub(super) fn passes_over(&self, table: usize, error: &SqliteError) -> bool {
        match error {
            SqliteError::Read { source, .. } => self.passes(table, source),
            SqliteError::ReadLong { .. } if self.tolerant => {
                self.damaged.borrow_mut().insert(table);
                true
            }
            _ => false,
        }
    }

    /// Where to go on in a table with rowids that was read from `start` on.
    pub(super) fn go_on(&self, table: usize, start: i64, stop: Stop) -> Result<GoOn, SqliteError> {
        let fail = |error| SqliteError::reading(&self.schema.tables[table].name)(error);
        let is_long = stop.error.sqlite_error_code() == Some(ErrorCode::TooBig);
        if !is_long && !self.passes(table, &stop.error) {
            return Err(fail(stop.error));
        }
        let next = match stop.last {
            Some(last) => last.checked_add(1),
            None => Some(start),
        };
        let Some(next) = next.filter(|_| self.shapes[table].rowid.is_some()) else {
            return Ok(GoOn::End);
        };
        Ok(match self.first_from(table, next) {
            Ok(Some(rowid)) => GoOn::Alone(rowid),
            Ok(None) => GoOn::End,
            Err(error) if self.passes(table, &error) => {
                self.beyond(table, next).map_or(GoOn::End, GoOn::Behind)
            }
            Err(error) => return Err(fail(error)),
        })
    }

    /// The first rowid after `from`, behind damage there, from which on rows can be asked for.
    fn beyond(&self, table: usize, from: i64) -> Option<i64> {
        let name = &self.schema.tables[table].name;
        let mut from = from;
        loop {
            from = end_of_leaf(&self.conn, name, from)?.checked_add(1)?;
            if self.first_from(table, from).is_ok() {
                return Some(from);
            }
        }
    }

    /// Gives the rows of a table that rowids do not tell to `each`: from the first on, and where damage bars
    /// that way, from the last one back.
    pub(super) fn both_ends<E: From<SqliteError>>(
        &self,
        table: usize,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut done = 0_u64;
        let counted = &mut |row: Row<'_>| {
            done += 1;
            each(row)
        };
        if self.pass(table, Way::Forward, counted)? {
            return Ok(());
        }
        // It may be that owners could not be read, and the rows themselves can.
        let mut skip = done;
        let rest = &mut |row: Row<'_>| match skip.checked_sub(1) {
            Some(left) => {
                skip = left;
                Ok(())
            }
            None => self.with_owner(table, row, each),
        };
        if !self.pass(table, Way::Bare, rest)? && !self.shapes[table].backward.is_empty() {
            let back = &mut |row: Row<'_>| self.with_owner(table, row, each);
            self.pass(table, Way::Backward, back)?;
        }
        Ok(())
    }

    /// Gives rows to `each` one way, until the end (true), or until damage.
    fn pass<E: From<SqliteError>>(
        &self,
        table: usize,
        way: Way,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        match self.scan(table, way, usize::MAX, each)? {
            None => Ok(true),
            Some(stop) if self.passes(table, &stop.error) => Ok(false),
            Some(stop) => {
                let fail = SqliteError::reading(&self.schema.tables[table].name);
                Err(fail(stop.error).into())
            }
        }
    }

    /// Gives a row that comes without its owner to `each`.
    fn with_owner<E: From<SqliteError>>(
        &self,
        table: usize,
        row: Row<'_>,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let owners = self.owners_of(table, &Which::Like(row.cells))?;
        let targets: Vec<ValueRef<'_>> = owners[1..].iter().map(Value::as_ref).collect();
        each(Row {
            owner: self.owner(table, owners[0].as_ref()),
            targets: &targets,
            ..row
        })
    }

    /// The token of a row's owner and those of whom it refers to: where that cannot be read, the register's
    /// keys that the row itself leads to, and nobody's where there are none.
    pub(super) fn owners_of(
        &self,
        table: usize,
        which: &Which<'_>,
    ) -> Result<Vec<Value>, SqliteError> {
        let entry = &self.schema.tables[table];
        match self.read_owners(table, which) {
            // A row that cannot be found lacks what is computed of it, which an owner may be found by.
            Err(error) if matches!(which, Which::Like(_)) || self.passes(table, &error) => {
                let nobody = || vec![Value::Null; 1 + entry.references.len()];
                Ok(self.read_keys(table, which).unwrap_or_else(|_| nobody()))
            }
            owners => owners.map_err(SqliteError::reading(&entry.name)),
        }
    }
}
