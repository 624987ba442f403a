//! Full-text indexes that belong to the database: making them forget.
//!
//! An index holds the words of the rows that it stands on. Deleting from it leaves the words in its
//! segments until they are merged, and nothing deletes from it at all where the application does so by
//! itself and not by triggers. So each index that has lost rows of its own, that stands on a changed table,
//! or that a trigger of one writes to, is built again from its content; `secure_delete` fills the old one with zeros.

use super::Work;
use super::remnants::{Level, Remnant};
use crate::schema::Ownership;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::sql::{quote, same};
use crate::source::sqlite::virtuals::{Content, Module};

/// What became of one virtual table.
pub(super) struct Index {
    name: String,
    module: String,
    level: Level,
}

impl Index {
    pub(super) fn remnant(self) -> Remnant {
        Remnant {
            what: format!("the virtual table {} ({})", self.name, self.module),
            level: self.level,
        }
    }
}

impl Work<'_> {
    /// Builds those indexes again that changes to the tables `touched` may reach.
    pub(super) fn renew_indexes(&self, touched: &[usize]) -> Result<Vec<Index>, SqliteError> {
        let fail = || self.fail("the virtual tables");
        let sql = "SELECT name, sql FROM main.sqlite_schema \
                   WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'";
        let mut prepared = self.conn.prepare(sql).map_err(fail())?;
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let all = prepared.query_map([], pair).map_err(fail())?;
        let all: Vec<(String, String)> = all.collect::<Result<_, _>>().map_err(fail())?;
        drop(prepared);
        let names: Vec<&str> = touched.iter().map(|table| self.name(*table)).collect();
        let mut indexes = Vec::new();
        for (name, sql) in all {
            let module = Module::of(&sql);
            let level = match ["fts3", "fts4", "fts5"].iter().any(|fts| module.is(fts)) {
                true => self.renew(&name, &module.content, &names)?,
                false => Level::Left("what is in it is not known".into()),
            };
            indexes.push(Index {
                name,
                module: module.name.to_ascii_lowercase(),
                level,
            });
        }
        Ok(indexes)
    }

    fn renew(&self, name: &str, content: &Content, touched: &[&str]) -> Result<Level, SqliteError> {
        let stands_on_it = match content {
            Content::Table(table) => self.may_show(table, touched),
            Content::Own => touched.iter().any(|table| same(table, name)),
            Content::Nowhere => false,
        };
        if !stands_on_it && !self.written_by_triggers(name, touched)? {
            return Ok(match content {
                Content::Table(_) => Level::Untouched,
                Content::Own if self.is_settled(name) => Level::Untouched,
                _ => Level::Left("its text is its own, and nothing says whose it is".into()),
            });
        }
        let command = match content {
            Content::Nowhere => "optimize",
            _ => "rebuild",
        };
        let index = quote(name);
        let sql = format!("INSERT INTO main.{index}({index}) VALUES ('{command}')");
        // A failed statement undoes itself alone.
        Ok(match self.conn.execute(&sql, []) {
            Ok(_) => Level::Renewed,
            Err(error) => Level::Left(format!("it cannot be built again: {error}")),
        })
    }

    /// Whether it is known whose the rows of the index are.
    fn is_settled(&self, name: &str) -> bool {
        let mut tables = self.settled.schema.tables.iter();
        let found = tables.find(|table| same(&table.name, name));
        let settled = [Ownership::Register, Ownership::Owned, Ownership::Shared];
        found.is_some_and(|table| settled.contains(&table.ownership))
    }

    /// Whether what stands in a changed table may show in `content`: it is one, or it is not a table.
    fn may_show(&self, content: &str, touched: &[&str]) -> bool {
        let mut tables = self.settled.schema.tables.iter();
        touched.iter().any(|table| same(table, content))
            || !tables.any(|table| same(&table.name, content))
    }

    /// Whether a trigger of a changed table names the index.
    fn written_by_triggers(&self, name: &str, touched: &[&str]) -> Result<bool, SqliteError> {
        let fail = || self.fail("the triggers");
        let sql = "SELECT tbl_name FROM main.sqlite_schema \
                   WHERE type = 'trigger' AND instr(lower(sql), lower(?1)) > 0";
        let mut prepared = self.conn.prepare(sql).map_err(fail())?;
        let tables = prepared.query_map([name], |row| row.get(0));
        let tables: Vec<String> = tables.and_then(Iterator::collect).map_err(fail())?;
        Ok(tables
            .iter()
            .any(|table| touched.iter().any(|touched| same(touched, table))))
    }
}
