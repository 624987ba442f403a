//! Full-text indexes that belong to the database: making them forget.
//!
//! An index holds the words of the rows that it stands on. Deleting from it leaves the words in its
//! segments until they are merged, and nothing deletes from it at all where the application does so by
//! itself and not by triggers. So each index that has lost rows of its own, that stands on a changed table,
//! or that a trigger of one writes to, is built again from its content; `secure_delete` fills the old one with zeros.
//!
//! Text that an index keeps for itself, and of which nobody has said whose it is, is gone only if the
//! application's triggers delete it along with the rows. Where they do not, it stays, and that is told.

use std::path::Path;

use super::Work;
use super::remnants::{Level, Remnant};
use crate::schema::Ownership;
use crate::source::sqlite::connect::View;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::sql::{quote, same};
use crate::source::sqlite::virtuals::{Content, Module, TriggerText};

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
            let any = |modules: &[&str]| modules.iter().any(|known| module.is(known));
            let level = match () {
                () if any(&["fts3", "fts4", "fts5"]) => {
                    self.renew(&name, &module.content, &names)?
                }
                // These show what stands elsewhere.
                () if any(&["fts4aux", "fts5vocab", "dbstat"]) => Level::Untouched,
                () => stays(&name, "what is in it is not known"),
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
        let written = self.written_by_triggers(name, touched)?;
        let is_known = matches!(content, Content::Table(_)) || self.is_settled(name);
        match written {
            _ if stands_on_it => {}
            Written::Never if is_known => return Ok(Level::Untouched),
            Written::Never => {
                let why = "its text is its own, and nothing says whose it is";
                return Ok(stays(name, why));
            }
            Written::AndKept if !is_known => {
                let why = "triggers write to it, and none takes out of it what is deleted";
                return Ok(stays(name, why));
            }
            Written::AndKept | Written::AndDeleted => {}
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
            Err(error) => stays(name, &format!("it cannot be built again: {error}")),
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

    /// What triggers of changed tables do to the index.
    fn written_by_triggers(&self, name: &str, touched: &[&str]) -> Result<Written, SqliteError> {
        let fail = || self.fail("the triggers");
        let sql = "SELECT tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger'";
        let mut prepared = self.conn.prepare(sql).map_err(fail())?;
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let all = prepared.query_map([], pair).map_err(fail())?;
        let all: Vec<(String, String)> = all.collect::<Result<_, _>>().map_err(fail())?;
        let mut written = Written::Never;
        for table in touched {
            let own = all.iter().filter(|(on, _)| same(on, table));
            let own = own.map(|(_, sql)| TriggerText::of(sql));
            let naming: Vec<_> = own.filter(|text| text.names(name)).collect();
            if naming.is_empty() {
                continue;
            }
            if !naming.iter().any(|text| text.is_on_delete) {
                return Ok(Written::AndKept);
            }
            written = Written::AndDeleted;
        }
        Ok(written)
    }
}

/// Whether the database at `path` has a table of this name.
///
/// # Errors
/// When it cannot be read.
pub fn has_table(path: &Path, table: &str) -> Result<bool, SqliteError> {
    let view = View::live(path)?;
    let sql = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let found = view
        .prepare(sql)
        .and_then(|mut found| found.exists([table]));
    found.map_err(SqliteError::reading("the schema"))
}

/// What triggers of changed tables do to an index.
enum Written {
    /// None names it.
    Never,
    /// Each table whose triggers name it has one that does so when rows are deleted.
    AndDeleted,
    /// Some table has none that does.
    AndKept,
}

fn stays(table: &str, why: &str) -> Level {
    Level::Stays {
        table: table.to_owned(),
        why: why.to_owned(),
    }
}
