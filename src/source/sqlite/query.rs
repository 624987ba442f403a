//! The queries for rows and their owners.

use super::edges::Edge;
use super::read::Database;
use super::sql::quote;
use super::wide;

impl Database {
    /// The query for the rows of a table: rowid, owner, the stored columns, the targets' owners; in a
    /// UTF-16 database also which columns hold text. Its parameter is the first rowid, where there are any.
    pub(super) fn select(&self, table: usize) -> String {
        let entry = &self.schema.tables[table];
        let rowid = self.shapes[table].rowid.as_ref();
        let stored = entry.columns.iter();
        let stored: Vec<String> = stored
            .map(|column| format!("t0.{}", quote(&column.name)))
            .collect();
        let mut columns = vec![
            rowid.map_or("NULL".into(), |name| format!("t0.{name}")),
            self.plan.owners.of_row(table, 0),
        ];
        match self.wide {
            Some(_) => columns.extend(stored.iter().map(|column| wide::exact(column))),
            None => columns.extend(stored.iter().cloned()),
        }
        columns.extend(self.targets(table));
        columns.extend(self.wide.map(|_| wide::marks(&stored)));
        let from = rowid.map_or(String::new(), |name| format!(" WHERE t0.{name} >= ?1"));
        let (name, order) = (quote(&entry.name), self.order(table));
        format!(
            "SELECT {} FROM {name} AS t0{from}{order}",
            columns.join(", ")
        )
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
