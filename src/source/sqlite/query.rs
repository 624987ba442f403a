//! The queries for rows and their owners.

use super::edges::Edge;
use super::insert::Bound;
use super::read::{Database, Way, borrowed};
use super::sql::quote;
use super::wide;
use crate::value::{Value, ValueRef};

/// Which row is asked for.
pub(super) enum Which<'r> {
    /// The one with this rowid.
    Rowid(i64),
    /// One with these values in its stored columns, whether or not it can be found.
    Like(&'r [ValueRef<'r>]),
}

impl Database {
    /// The query for the rows of a table: rowid, owner, the stored columns, the targets' owners; in a
    /// UTF-16 database also which columns hold text. Its parameter is the first rowid, where there are any.
    pub(super) fn select(&self, table: usize, way: Way) -> String {
        let entry = &self.schema.tables[table];
        let rowid = self.shapes[table].rowid.as_ref();
        let stored = entry.columns.iter();
        let stored: Vec<String> = stored
            .map(|column| format!("t0.{}", quote(&column.name)))
            .collect();
        let bare = matches!(way, Way::Bare | Way::Backward);
        let known = |owners: String| if bare { "NULL".to_owned() } else { owners };
        let mut columns = vec![
            rowid.map_or("NULL".into(), |name| format!("t0.{name}")),
            known(self.owner_of(table)),
        ];
        match self.wide {
            Some(_) => columns.extend(stored.iter().map(|column| wide::exact(column))),
            None => columns.extend(stored.iter().cloned()),
        }
        columns.extend(self.targets(table).map(known));
        columns.extend(self.wide.map(|_| wide::marks(&stored)));
        let from = match (rowid, &self.only) {
            (None, None) => String::new(),
            (None, Some(only)) => format!(" WHERE {}", only.tables[table]),
            (Some(name), None) => format!(" WHERE t0.{name} >= ?1"),
            // Those rows are found by what they are, not by looking through all from the first on.
            (Some(name), Some(only)) => {
                format!(" WHERE +t0.{name} >= ?1 AND {}", only.tables[table])
            }
        };
        let name = quote(&entry.name);
        let order = match way {
            Way::Backward => format!(" ORDER BY {}", self.shapes[table].backward),
            Way::From(_) | Way::Forward | Way::Bare => self.order(table),
        };
        format!(
            "SELECT {} FROM {name} AS t0{from}{order}",
            columns.join(", ")
        )
    }

    /// The owner of a row, in SQL.
    pub(super) fn owner_of(&self, table: usize) -> String {
        let owners = &self.plan.owners;
        let by_key = self.takes_keys.then(|| owners.of_row_by_key(table, 0));
        let found = by_key.flatten().unwrap_or_else(|| owners.of_row(table, 0));
        let missing = || owners.missing(table, 0);
        or(found, self.tells_missing.then(missing))
    }

    /// The owners of what a row refers to, in SQL.
    fn targets(&self, table: usize) -> impl Iterator<Item = String> {
        let owners = &self.plan.owners;
        let to_owner = self.to_owner(table);
        let target = move |(at, edge): (usize, &Edge)| {
            if to_owner == Some(at) {
                return "NULL".into();
            }
            let missing = || owners.missing_along(edge, 0);
            or(owners.along(edge, 0), self.tells_missing.then(missing))
        };
        self.plan.references[table].iter().enumerate().map(target)
    }

    /// The reference that is the one way to the owner, and leads to nobody else: where keys are taken, its targets are not
    /// told.
    pub fn to_owner(&self, table: usize) -> Option<usize> {
        match &self.plan.owners.edges[table][..] {
            [only] if self.takes_keys => {
                let mut edges = self.plan.references[table].iter();
                edges.position(|edge| edge == only)
            }
            _ => None,
        }
    }

    /// The token of the owner of one row, and those of whom it refers to.
    pub(super) fn read_owners(
        &self,
        table: usize,
        which: &Which<'_>,
    ) -> rusqlite::Result<Vec<Value>> {
        let owner = self.owner_of(table);
        let columns: Vec<String> = std::iter::once(owner).chain(self.targets(table)).collect();
        self.read_tokens(table, which, &columns)
    }

    /// The same by the register's keys that the row leads to, whether or not the register has them.
    pub(super) fn read_keys(
        &self,
        table: usize,
        which: &Which<'_>,
    ) -> rusqlite::Result<Vec<Value>> {
        let owners = &self.plan.owners;
        let edges = self.plan.references[table].iter();
        let targets = edges.map(|edge| owners.missing_along(edge, 0));
        let columns = std::iter::once(owners.missing(table, 0)).chain(targets);
        self.read_tokens(table, which, &columns.collect::<Vec<_>>())
    }

    fn read_tokens(
        &self,
        table: usize,
        which: &Which<'_>,
        columns: &[String],
    ) -> rusqlite::Result<Vec<Value>> {
        let entry = &self.schema.tables[table];
        let number = ValueRef::Int(match which {
            Which::Rowid(rowid) => *rowid,
            Which::Like(_) => 0,
        });
        let (from, bound) = match which {
            Which::Rowid(_) => {
                let (name, rowid) = (quote(&entry.name), self.rowid_of(table));
                let from = format!("{name} AS t0 WHERE t0.{rowid} = ?1");
                (from, std::slice::from_ref(&number))
            }
            Which::Like(cells) => {
                let columns = (1..).zip(&entry.columns);
                let columns =
                    columns.map(|(at, column)| format!("?{at} AS {}", quote(&column.name)));
                let columns: Vec<String> = columns.collect();
                (format!("(SELECT {}) AS t0", columns.join(", ")), *cells)
            }
        };
        let sql = format!("SELECT {} FROM {from}", columns.join(", "));
        let mut prepared = self.conn.prepare_cached(&sql)?;
        let bound = bound.iter().map(|value| Bound(*value));
        prepared.query_row(rusqlite::params_from_iter(bound), |row| {
            let value = |at| row.get_ref(at).map(|stored| borrowed(stored).to_value());
            (0..columns.len()).map(value).collect()
        })
    }

    /// What follows on another condition, where not all rows of a table are read.
    pub(super) fn and_only(&self, table: usize) -> String {
        let only = self.only.as_ref();
        only.map_or(String::new(), |only| format!(" AND {}", only.tables[table]))
    }

    pub(super) fn order(&self, table: usize) -> String {
        match self.shapes[table].order.as_str() {
            "" => String::new(),
            order => format!(" ORDER BY {order}"),
        }
    }
}

/// SQL for the first of two that is not NULL.
fn or(sql: String, other: Option<String>) -> String {
    match other.filter(|other| other != "NULL") {
        None => sql,
        Some(other) => format!("coalesce({sql}, {other})"),
    }
}
