//! The queries for rows and their owners.
//!
//! A table may have as many columns as SQLite gives in one result, and then they do not all fit beside rowid
//! and owners. Those that do not are read by a second query that goes along with the first, in the same
//! order, within the same view.

use rusqlite::Row as Record;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef as Stored;

use super::edges::Edge;
use super::read::Database;
use super::sql::quote;
use super::wide;

/// The queries for the rows of a table.
pub(super) struct Select {
    /// Gives rowid, owner, the first of the stored columns, and what follows on them.
    pub first: String,
    /// Gives the stored columns that are left, if any are.
    pub rest: Option<String>,
    /// How many of the stored columns are among the first.
    pub cut: usize,
}

/// One row, from both queries.
pub(super) struct Halves<'r> {
    pub first: &'r Record<'r>,
    pub rest: Option<&'r Record<'r>>,
    /// As [`Select`] has it.
    pub cut: usize,
    /// How many columns are stored.
    pub stored: usize,
}

impl<'r> Halves<'r> {
    /// What stands at a place of the result, as if it were one.
    pub(super) fn get_ref(&self, at: usize) -> rusqlite::Result<Stored<'r>> {
        let (from, to) = (2 + self.cut, 2 + self.stored);
        match at {
            at if at < from => self.first.get_ref(at),
            at if at < to => {
                let missing = rusqlite::Error::InvalidColumnIndex(at);
                self.rest.ok_or(missing)?.get_ref(at - from)
            }
            at => self.first.get_ref(at - (to - from)),
        }
    }
}

impl Database {
    /// The query for the rows of a table: rowid, owner, the stored columns, the targets' owners; in a
    /// UTF-16 database also which columns hold text. Its parameter is the first rowid, where there are any.
    pub(super) fn select(&self, table: usize) -> rusqlite::Result<Select> {
        let entry = &self.schema.tables[table];
        let rowid = self.shapes[table].rowid.as_ref();
        let stored = entry.columns.iter();
        let stored: Vec<String> = stored
            .map(|column| format!("t0.{}", quote(&column.name)))
            .collect();
        let exact = |column: &String| match self.wide {
            Some(_) => wide::exact(column),
            None => column.clone(),
        };
        let mut columns = vec![
            rowid.map_or("NULL".into(), |name| format!("t0.{name}")),
            self.plan.owners.of_row(table, 0),
        ];
        let mut others: Vec<String> = self.targets(table).collect();
        others.extend(self.wide.map(|_| wide::marks(&stored)));
        let limit = self.conn.limit(Limit::SQLITE_LIMIT_COLUMN)?;
        let limit = usize::try_from(limit).unwrap_or_default();
        let room = limit.saturating_sub(columns.len() + others.len());
        let cut = stored.len().min(room);
        let (fitting, left) = stored.split_at(cut);
        columns.extend(fitting.iter().map(exact));
        columns.append(&mut others);
        let from = rowid.map_or(String::new(), |name| format!(" WHERE t0.{name} >= ?1"));
        let (name, order) = (quote(&entry.name), self.order(table));
        // Without an order two queries would go along different indexes.
        let along = match order.as_str() {
            "" => " NOT INDEXED",
            _ => "",
        };
        let sql = |columns: &[String]| {
            let columns = columns.join(", ");
            format!("SELECT {columns} FROM {name} AS t0{along}{from}{order}")
        };
        let left: Vec<String> = left.iter().map(exact).collect();
        Ok(Select {
            first: sql(&columns),
            rest: (!left.is_empty()).then(|| sql(&left)),
            cut,
        })
    }

    /// The owners of what a row refers to, in SQL.
    fn targets(&self, table: usize) -> impl Iterator<Item = String> {
        let target = |edge: &Edge| self.plan.owners.along(edge, 0);
        self.plan.references[table].iter().map(target)
    }

    /// The query for the owner of one row, and of what it refers to.
    pub(super) fn select_owners(&self, table: usize, rowid: i64) -> String {
        let owner = self.plan.owners.of_row(table, 0);
        let columns: Vec<String> = std::iter::once(owner).chain(self.targets(table)).collect();
        let (columns, name) = (columns.join(", "), quote(&self.schema.tables[table].name));
        let number = self.rowid_of(table);
        format!("SELECT {columns} FROM {name} AS t0 WHERE t0.{number} = {rowid}")
    }

    pub(super) fn order(&self, table: usize) -> String {
        match self.shapes[table].order.as_str() {
            "" => String::new(),
            order => format!(" ORDER BY {order}"),
        }
    }
}
