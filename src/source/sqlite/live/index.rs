//! Full-text indexes that belong to the database: making them forget.
//!
//! An index holds the words of the rows that it stands on. Deleting from it leaves the words in its
//! segments until they are merged, and nothing deletes from it at all where the application does so by
//! itself and not by triggers. So each index that stands on a changed table, or that a trigger of one
//! writes to, is built again from its content; `secure_delete` fills the old one with zeros.

use super::Work;
use super::remnants::{Level, Remnant};
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::sql::{quote, same};

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

/// Where a full-text index has its text.
enum Content {
    Own,
    Nowhere,
    Table(String),
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
            let module = module(&sql);
            let level = match module.as_str() {
                "fts3" | "fts4" | "fts5" => self.renew(&name, &sql, &names)?,
                _ => Level::Left("what is in it is not known".into()),
            };
            indexes.push(Index {
                name,
                module,
                level,
            });
        }
        Ok(indexes)
    }

    fn renew(&self, name: &str, sql: &str, touched: &[&str]) -> Result<Level, SqliteError> {
        let content = content(sql);
        let stands_on_it = match &content {
            Content::Table(table) => self.may_show(table, touched),
            _ => false,
        };
        if !stands_on_it && !self.written_by_triggers(name, touched)? {
            return Ok(match content {
                Content::Table(_) => Level::Untouched,
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

/// The arguments of a virtual table's module, with its name before them.
fn parts(sql: &str) -> (&str, &str) {
    let after = sql
        .to_ascii_lowercase()
        .find(" using ")
        .map_or("", |at| sql[at + 7..].trim_start());
    after.split_once('(').unwrap_or((after, ""))
}

fn module(sql: &str) -> String {
    parts(sql).0.trim().to_ascii_lowercase()
}

fn content(sql: &str) -> Content {
    let arguments = parts(sql).1.trim_end().trim_end_matches([';', ')']);
    for argument in arguments.split(',') {
        let Some((option, value)) = argument.split_once('=') else {
            continue;
        };
        if !same(option.trim(), "content") {
            continue;
        }
        let value = value
            .trim()
            .trim_matches(['\'', '"', '`', '[', ']'])
            .to_owned();
        return match value.is_empty() {
            true => Content::Nowhere,
            false => Content::Table(value),
        };
    }
    Content::Own
}
