//! How the rows of a saved table go into a live one that may have changed since: by column name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Work;
use super::put::SavedRow;
use crate::schema::{ParentColumn, Table};
use crate::source::sqlite::edges::To;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::shape::{Kept, place};
use crate::source::sqlite::sql::{quote, same};
use crate::value::Value;

/// Where the values of a saved table go in the live one.
pub(super) struct Fit {
    /// The table.
    pub(super) live: usize,
    /// What addresses a row, quoted.
    pub(super) address: Vec<String>,
    /// What tells whether two rows are the same, quoted, and where a saved row has it; none if that
    /// is the rowid.
    pub(super) identity: Option<Vec<(String, From)>>,
    /// The columns, quoted, and where a saved row has their values.
    pub(super) columns: Vec<(String, From)>,
    /// By what a rowid is set that is no column.
    pub(super) rowid: Option<String>,
}

/// Where a saved row has a value.
#[derive(Clone, Copy)]
pub(super) enum From {
    /// It is the rowid.
    Rowid,
    /// It is this cell.
    Cell(usize),
}

impl From {
    /// The value of `row`.
    pub(super) fn value(self, row: &SavedRow) -> Value {
        match self {
            Self::Rowid => row.rowid.map_or(Value::Null, Value::Int),
            Self::Cell(at) => row.cells[at].clone(),
        }
    }
}

impl Work<'_> {
    /// The fits of all tables that `rows` come from, by their places among `tables`.
    pub(super) fn fit_all(
        &self,
        tables: &[Table],
        rows: &[SavedRow],
    ) -> Result<BTreeMap<usize, Fit>, SqliteError> {
        let mut fits = BTreeMap::new();
        for row in rows {
            let table = tables.get(row.table).ok_or_else(|| SqliteError::Shape {
                table: row.table.to_string(),
            })?;
            if table.columns.len() != row.cells.len() {
                return Err(SqliteError::Shape {
                    table: table.name.clone(),
                });
            }
            if let Entry::Vacant(vacant) = fits.entry(row.table) {
                vacant.insert(self.fit(table)?);
            }
        }
        for (at, fit) in &fits {
            let rows = || rows.iter().filter(|row| row.table == *at);
            self.check_columns(&tables[*at], fit, rows())?;
            self.check_values(&tables[*at], fit, rows())?;
        }
        Ok(fits)
    }

    fn fit(&self, saved: &Table) -> Result<Fit, SqliteError> {
        let not_owned = |what| SqliteError::NotOwned {
            table: saved.name.clone(),
            what,
        };
        let mut tables = self.settled.schema.tables.iter();
        let live = tables
            .position(|table| same(&table.name, &saved.name))
            .ok_or_else(|| not_owned("is not there any more"))?;
        let (table, shape) = (
            &self.settled.schema.tables[live],
            &self.settled.shapes[live],
        );
        if !self.owned(live) {
            return Err(not_owned("does not belong to customers any more"));
        }
        let columns = values_of(saved).filter_map(|(name, from)| {
            let there = place(table, shape, name)?;
            matches!(there, Kept::Stored(_)).then(|| (quote(name), from))
        });
        let columns: Vec<(String, From)> = columns.collect();
        let named = |name: &String| {
            let mut values = values_of(saved);
            let (_, from) = values.find(|(saved, _)| same(saved, name))?;
            Some((quote(name), from))
        };
        let keyed = !shape.primary.is_empty();
        let identity = shape.primary.iter().map(named).collect::<Option<Vec<_>>>();
        let rowid = shape.rowid.clone().filter(|_| shape.alias().is_none());
        let leads = rowid.clone().filter(|rowid| self.leads(live, rowid));
        Ok(Fit {
            live,
            address: self.address(live)?,
            identity: match leads {
                Some(rowid) => Some(vec![(rowid, From::Rowid)]),
                None => identity.filter(|_| keyed),
            },
            columns,
            rowid,
        })
    }

    /// Whether a path to owners goes by the rowid of a table, which is then no mere address.
    fn leads(&self, table: usize, rowid: &str) -> bool {
        let mut edges = self.settled.plan.owners.edges.iter().enumerate();
        edges.any(|(from, edges)| {
            edges.iter().any(|edge| {
                let there = match &edge.to {
                    To::Row { table, columns } | To::PointedAtBy { table, columns } => {
                        Some((*table, columns))
                    }
                    To::Token => None,
                };
                let own = Some((from, &edge.columns)).into_iter().chain(there);
                let mut ends = own.filter(|(at, _)| *at == table);
                ends.any(|(_, columns)| columns.iter().any(|column| column == rowid))
            })
        })
    }

    /// A column that is gone, or computed by now, may be missing where no row has a value in it.
    fn check_columns<'r>(
        &self,
        saved: &Table,
        fit: &Fit,
        rows: impl Iterator<Item = &'r SavedRow>,
    ) -> Result<(), SqliteError> {
        let there = |name: &str| {
            let (table, shape) = (
                &self.settled.schema.tables[fit.live],
                &self.settled.shapes[fit.live],
            );
            matches!(place(table, shape, name), Some(Kept::Stored(_)))
        };
        let gone: Vec<(&str, From)> = values_of(saved).filter(|(name, _)| !there(name)).collect();
        for row in rows {
            if let Some((column, _)) = gone.iter().find(|(_, from)| from.value(row) != Value::Null)
            {
                return Err(SqliteError::ColumnGone {
                    table: saved.name.clone(),
                    column: (*column).to_owned(),
                });
            }
        }
        Ok(())
    }

    /// What led to somebody who was forgotten is NULL by now; and SQLite would give a rowid that is NULL a number.
    fn check_values<'r>(
        &self,
        saved: &Table,
        fit: &Fit,
        rows: impl Iterator<Item = &'r SavedRow>,
    ) -> Result<(), SqliteError> {
        let (table, shape) = (
            &self.settled.schema.tables[fit.live],
            &self.settled.shapes[fit.live],
        );
        let needed = |name: &str| match place(table, shape, name) {
            Some(Kept::Stored(ParentColumn::Rowid)) => true,
            Some(Kept::Stored(ParentColumn::Column(at))) => table.columns[at].not_null,
            _ => false,
        };
        let needed: Vec<(&str, From)> = values_of(saved).filter(|(name, _)| needed(name)).collect();
        for row in rows {
            let mut nothing = needed
                .iter()
                .filter(|(_, from)| from.value(row) == Value::Null);
            if let Some((column, _)) = nothing.next() {
                return Err(SqliteError::NoValue {
                    table: saved.name.clone(),
                    column: (*column).to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The columns of a saved table, the rowid's among them, and where a row has their values.
fn values_of(saved: &Table) -> impl Iterator<Item = (&str, From)> {
    let alias = saved.rowid_alias.iter();
    let alias = alias.map(|column| (column.name.as_str(), From::Rowid));
    let columns = saved.columns.iter().enumerate();
    alias.chain(columns.map(|(at, column)| (column.name.as_str(), From::Cell(at))))
}
