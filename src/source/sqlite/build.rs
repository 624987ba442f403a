//! Building a database that is equal to the one that was read.
//!
//! Pragmas that shape the file come first, then the tables, then rows in any order, all in one
//! transaction whose journal stays in memory, where it takes no room: it would hold what pages were
//! before, and before they were not. A build that does not finish is removed. Indexes are made when the rows are there, views
//! and triggers last, so that nothing fires, and then full-text indexes over what is there. Rows that need somebody to refer to in place of a
//! customer who is gone wait in tables of ours until all keys in use are known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::beside::Beside;
use super::collations;
use super::error::SqliteError;
use super::foreign;
use super::full_text;
use super::functions::Functions;
use super::insert::Insert;
use super::late;
use super::misfit::Misfit;
use super::order;
use super::schema::{PRAGMAS, dangling, violations};
use super::shape::{Shape, shape};
use super::sql::{internal, same};
use super::statistics;
use super::tombstone::Tombstones;
use super::unfinished::Unfinished;
use super::uniques;
use super::wide::Wide;
use crate::schema::{Schema, Statement};
use crate::source::Cell;
use crate::value::ValueRef;

/// KiB of pages that SQLite holds while rows are put in.
const CACHE: u32 = 64 << 10;

/// A database that is being built; dropping it unfinished removes it.
pub struct Builder {
    pub(super) schema: Schema,
    pub(super) shapes: Vec<Shape>,
    /// One INSERT for each table.
    pub(super) inserts: Vec<Insert>,
    /// For each table whose rows wait for a tombstone, where they wait.
    waiting: Vec<Option<String>>,
    /// What the names of those places begin with.
    prefix: String,
    /// In which tables two NULLs may be one too many; looked up when something is lost.
    wary: Option<Vec<bool>>,
    /// How many rows each table has refused, and why the first.
    refused: BTreeMap<usize, (u64, String)>,
    pub(super) built: Built,
    functions: Functions,
    // The connection goes before the file that it stands on.
    pub(super) conn: Beside,
    file: Unfinished,
}

/// What was built, and what is not as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// Rows put in.
    pub rows: u64,
    /// Values that referred to a forgotten customer and are NULL now.
    pub nulled: u64,
    /// Neutral rows made because a reference to a forgotten customer may not be NULL.
    pub tombstones: u64,
    /// Rows that do not meet a CHECK of their table, as they did not before.
    pub unchecked: u64,
    /// What is not as it should be, in words: what stands for the forgotten against the schema or not
    /// at all, rows that a damaged table had and no table can have, indexes that could not be made, and what SQLite finds wrong with it. Nothing, if all
    /// is well.
    pub problems: Vec<String>,
    /// Foreign keys that lead nowhere: how many rows of each table that has any.
    pub violations: Violations,
}

/// How many rows of each table have a foreign key that leads nowhere; tables without any left out.
type Violations = Vec<(String, u64)>;

impl Builder {
    /// Makes a new database with the tables of `schema` at `path`, readable by its owner alone.
    ///
    /// # Errors
    /// When something is at `path` already, or the file or a table cannot be made.
    pub fn create(path: &Path, schema: &Schema) -> Result<Self, SqliteError> {
        let path = std::path::absolute(path).map_err(|source| SqliteError::Make {
            path: path.to_owned(),
            source,
        })?;
        let file = Unfinished::create(path)?;
        let conn = open(&file.path, schema).map_err(|source| SqliteError::Open {
            path: file.path.clone(),
            source,
        })?;
        let prefix = late::free_prefix(schema);
        let functions = Functions::default();
        create_tables(&conn, schema, &prefix, &functions)?;
        let problems = full_text::configure(&conn, schema);
        let mut shapes = Vec::new();
        for table in &schema.tables {
            let shape =
                shape(&conn, &schema.tables, table).map_err(SqliteError::writing(&table.name))?;
            shapes.push(shape);
        }
        let (inserts, wide) = (schema.tables.iter().zip(&shapes), Wide::of(schema));
        let inserts: Vec<Insert> = inserts
            .map(|(table, shape)| Insert::new(table, shape, wide))
            .collect();
        conn.set_prepared_statement_cache_capacity(inserts.len() + 64);
        Ok(Self {
            waiting: vec![None; inserts.len()],
            prefix,
            wary: None,
            refused: BTreeMap::new(),
            built: Built {
                problems,
                ..Built::default()
            },
            schema: schema.clone(),
            shapes,
            inserts,
            functions,
            conn,
            file,
        })
    }

    /// Puts a row into table number `table`: its rowid, and its stored columns in the order of
    /// [`Table::columns`]. A row that the table refuses is left out, and told at the end.
    ///
    /// # Errors
    /// When the row does not have the table's shape, or SQLite fails to write.
    pub fn put(
        &mut self,
        table: usize,
        rowid: Option<i64>,
        cells: &[Cell<'_>],
    ) -> Result<(), SqliteError> {
        match self.schema.tables.get(table) {
            None => {
                return Err(SqliteError::Shape {
                    table: table.to_string(),
                });
            }
            Some(entry)
                if entry.columns.len() != cells.len() || (rowid.is_some() && !entry.has_rowid) =>
            {
                return Err(SqliteError::Shape {
                    table: entry.name.clone(),
                });
            }
            Some(_) => {}
        }
        if cells.iter().any(|cell| matches!(cell, Cell::Lost(_))) {
            self.built.rows += 1;
            return self.put_with_losses(table, rowid, cells);
        }
        let values = cells.iter().map(|cell| match cell {
            Cell::Kept(value) => *value,
            Cell::Lost(_) => ValueRef::Null,
        });
        let fail = |error| SqliteError::writing(&self.schema.tables[table].name)(error);
        let put = match self.inserts[table].run(&self.conn, rowid, values.clone()) {
            // The row was like this before: it is not for us to judge it.
            Err(error) if is_check(&error) => {
                // What nothing but a stand-in has judged may well meet it.
                self.built.unchecked += u64::from(self.functions.is_empty());
                unchecked(&self.conn, || {
                    self.inserts[table].run(&self.conn, rowid, values.clone())
                })
            }
            result => result,
        };
        let put = match put {
            // It may be that a column which is computed by a stand-in may not be NULL.
            Err(error) if is_refusal(&error) && !self.functions.is_empty() => {
                let run = || self.inserts[table].run(&self.conn, rowid, values.clone());
                let again = self.functions.computing(|| unchecked(&self.conn, run));
                again.or(Err(error))
            }
            result => result,
        };
        match put {
            // A table that is damaged may show a row twice, or half of one: it must not take the others
            // with it.
            Err(error) if is_refusal(&error) => {
                let refused = self.refused.entry(table).or_insert((0, error.to_string()));
                refused.0 += 1;
                Ok(())
            }
            put => {
                self.built.rows += 1;
                put.map_err(fail)
            }
        }
    }

    /// NULL for what is lost, where the schema allows it; else the row has to wait.
    fn put_with_losses(
        &mut self,
        table: usize,
        rowid: Option<i64>,
        cells: &[Cell<'_>],
    ) -> Result<(), SqliteError> {
        let wary = match &self.wary {
            Some(wary) => wary[table],
            None => {
                let fail = SqliteError::writing("the indexes");
                let wary = uniques::wary(&self.schema).map_err(fail)?;
                self.wary.insert(wary)[table]
            }
        };
        let entry = &self.schema.tables[table];
        let nullable = |(cell, column): (&Cell<'_>, &crate::schema::Column)| match cell {
            Cell::Kept(_) => true,
            Cell::Lost(_) => !column.not_null,
        };
        let fail = |error| SqliteError::writing(&entry.name)(error);
        if !wary && cells.iter().zip(&entry.columns).all(nullable) {
            let values = cells.iter().map(|cell| match cell {
                Cell::Kept(value) => *value,
                Cell::Lost(_) => ValueRef::Null,
            });
            match self.inserts[table].run(&self.conn, rowid, values) {
                Ok(()) => {
                    let lost = cells.iter().filter(|cell| matches!(cell, Cell::Lost(_)));
                    self.built.nulled += lost.count() as u64;
                    return Ok(());
                }
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(fail(error)),
            }
        }
        let room = match &self.waiting[table] {
            Some(room) => room,
            None => {
                let room = format!("{}_{table}", self.prefix);
                late::create(&self.conn, &room, cells.len()).map_err(fail)?;
                self.waiting[table].insert(room)
            }
        };
        late::keep(&self.conn, room, rowid, cells).map_err(fail)
    }

    /// Makes tombstones, indexes, views, triggers and counters, checks the whole, and makes it
    /// durable.
    ///
    /// # Errors
    /// When SQLite refuses a part of the schema, or the file cannot be made durable.
    pub fn finish(mut self) -> Result<Built, SqliteError> {
        let fail = |what: &'static str| SqliteError::writing(what);
        self.tell_refused();
        self.make_indexes(|_| true)?;
        self.put_waiting()?;
        self.set_sequences().map_err(fail("sqlite_sequence"))?;
        self.make(&["view", "trigger"])?;
        let unbuilt = full_text::rebuild(&self.conn, &self.schema);
        self.built.problems.extend(unbuilt);
        statistics::restore(&self.conn, &self.schema).map_err(fail("the statistics"))?;
        order::restore(&self.conn, &self.schema).map_err(fail("the order of the schema"))?;
        self.conn
            .execute_batch("COMMIT")
            .map_err(fail("the schema"))?;
        for name in ["user_version", "application_id"] {
            set_pragma(&self.conn, &self.schema, name).map_err(fail("the pragmas"))?;
        }
        let order = foreign::to_be_ordered(&self.conn).map_err(fail("the collations"))?;
        self.built.problems.extend(order);
        self.built.problems.extend(self.functions.told());
        let (found, violations) = self.check().map_err(fail("the check of the whole"))?;
        // What a stand-in computes says nothing of the rows.
        let judged = |line: &String| {
            !line.starts_with("CHECK constraint failed") && !line.starts_with("NULL value in")
        };
        let found = found.into_iter();
        let found = found.filter(|line| self.functions.is_empty() || judged(line));
        self.built.problems.extend(found);
        self.built.violations = violations;
        set_pragma(&self.conn, &self.schema, "journal_mode").map_err(fail("the pragmas"))?;
        self.conn.close().map_err(fail("the last page"))?;
        self.file.make_durable()?;
        Ok(self.built)
    }

    /// What is wrong with the file and its rows, in words, and the foreign keys that lead nowhere. Both take long, and
    /// need nothing of each other.
    fn check(&self) -> rusqlite::Result<(Vec<String>, Violations)> {
        if !self.functions.is_empty() {
            // What stands in for functions is known to this connection alone.
            return Ok((problems(&self.conn)?, violations(&self.conn, &self.schema)));
        }
        let other = Connection::open_with_flags(&self.file.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        collations::stand_in(&other)?;
        other.execute_batch(&format!("PRAGMA cache_size = -{CACHE}"))?;
        // Each takes the next table, and this one begins when it has looked through the file.
        let (tables, next) = (&self.schema.tables, AtomicUsize::new(0));
        let some = |conn: &Connection| -> Vec<(usize, u64)> {
            let places = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let places = places.take_while(|at| *at < tables.len());
            places
                .map(|at| (at, dangling(conn, &tables[at].name)))
                .collect()
        };
        let (found, mut violations) = thread::scope(|scope| {
            let others = scope.spawn(move || some(&other));
            let found = problems(&self.conn);
            let mut violations = some(&self.conn);
            let others = others.join();
            violations.extend(others.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            (found, violations)
        });
        violations.sort_unstable();
        violations.retain(|(_, count)| *count > 0);
        let named = violations.into_iter();
        let named = named.map(|(at, count)| (tables[at].name.clone(), count));
        Ok((found?, named.collect()))
    }

    fn tell_refused(&mut self) {
        for (table, (rows, why)) in &self.refused {
            let name = &self.schema.tables[*table].name;
            let problem = format!("{rows} rows of {name} were not put back, the first: {why}");
            self.built.problems.push(problem);
        }
    }

    /// Runs the schema's statements of some kinds, in its order.
    fn make(&self, kinds: &[&str]) -> Result<(), SqliteError> {
        let wanted = |statement: &&Statement| kinds.contains(&statement.kind.as_str());
        for statement in self.schema.statements.iter().filter(wanted) {
            let what = format!("the {} {}", statement.kind, statement.name);
            self.conn
                .execute_batch(&statement.sql)
                .map_err(SqliteError::writing(what))?;
        }
        Ok(())
    }

    /// Makes the indexes that are `wanted` by their names. One that cannot be made takes no row with it:
    /// it is told.
    fn make_indexes(&mut self, wanted: impl Fn(&str) -> bool) -> Result<(), SqliteError> {
        let cached = |kib: u32| {
            let set = self
                .conn
                .execute_batch(&format!("PRAGMA cache_size = -{kib}"));
            set.map_err(SqliteError::writing("the indexes"))
        };
        // SQLite sorts in runs of the cache's size: those that stay in the processor's own memory take a third of the time.
        cached(1024)?;
        let statements = self.schema.statements.iter();
        for index in statements.filter(|s| s.kind == "index" && wanted(&s.name)) {
            let make = || self.conn.execute_batch(&index.sql);
            match self.functions.without(&self.conn, make) {
                Err(error) if is_refusal(&error) || is_unknown(&error) => {
                    let problem = format!("the index {} was not made: {error}", index.name);
                    self.built.problems.push(problem);
                }
                made => {
                    made.map_err(SqliteError::writing(format!("the index {}", index.name)))?;
                }
            }
        }
        cached(CACHE)
    }

    fn put_waiting(&mut self) -> Result<(), SqliteError> {
        let mut tombstones = Tombstones::new(
            &self.conn,
            &self.schema,
            &self.shapes,
            &self.inserts,
            &self.waiting,
        );
        let rooms = || self.waiting.iter().enumerate();
        let rooms = || rooms().filter_map(|(table, room)| Some((table, room.as_ref()?)));
        for (table, room) in rooms() {
            let fail = |error| SqliteError::writing(&self.schema.tables[table].name)(error);
            let mut after = 0;
            while let Some(row) = late::next(&self.conn, room, after).map_err(fail)? {
                after = row.number;
                tombstones.put(table, &row).map_err(fail)?;
            }
        }
        // Dropped only now: keys of rows that wait are keys in use.
        for (table, room) in rooms() {
            let fail = |error| SqliteError::writing(&self.schema.tables[table].name)(error);
            late::drop(&self.conn, room).map_err(fail)?;
        }
        let astray = tombstones.note_astray();
        astray.map_err(SqliteError::writing("the check of neutral rows"))?;
        self.built.nulled += tombstones.nulled;
        self.built.tombstones += tombstones.made;
        let told = |((table, misfit), rows): (&(usize, Misfit), &u64)| {
            misfit.told(&self.schema.tables[*table].name, *rows)
        };
        self.built
            .problems
            .extend(tombstones.misfits.iter().map(told));
        let loosened = tombstones.loosened;
        self.make_indexes(|name| loosened.iter().any(|index| index == name))
    }

    fn set_sequences(&self) -> rusqlite::Result<()> {
        let there = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
        if !self.conn.prepare(there)?.exists([])? {
            return Ok(());
        }
        self.conn.execute_batch("DELETE FROM sqlite_sequence")?;
        let mut insert = self
            .conn
            .prepare("INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)")?;
        for (name, counter) in &self.schema.sequences {
            insert.execute((name, counter))?;
        }
        Ok(())
    }
}

/// Opens the empty file and sets what must be set before there is anything in it.
fn open(path: &Path, schema: &Schema) -> rusqlite::Result<Beside> {
    let conn = Beside::open(path)?;
    // Old schemas quote strings like names, and use functions that are not marked harmless.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, true)?;
    collations::stand_in(&conn)?;
    // What a schema says is run as it stands: it reaches no other file.
    conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    for name in ["encoding", "page_size", "auto_vacuum"] {
        set_pragma(&conn, schema, name)?;
    }
    // Durability comes at the end, all at once. `secure_delete` wipes the waiting rows' pages.
    conn.execute_batch(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; \
         PRAGMA temp_store = FILE; PRAGMA secure_delete = ON; BEGIN",
    )?;
    conn.execute_batch(&format!("PRAGMA cache_size = -{CACHE}"))?;
    Ok(conn)
}

/// Sets a pragma as `schema` has it; one that it does not have, or that is not among ours, stays.
fn set_pragma(conn: &Connection, schema: &Schema, name: &str) -> rusqlite::Result<()> {
    let known = PRAGMAS.contains(&name);
    match schema
        .pragmas
        .iter()
        .find(|(pragma, _)| known && pragma == name)
    {
        Some((_, value)) => conn
            .pragma_update_and_check(None, name, value, |_| Ok(()))
            .or_else(|error| {
                match error {
                    // Most pragmas answer nothing when they are set.
                    rusqlite::Error::QueryReturnedNoRows => Ok(()),
                    error => Err(error),
                }
            }),
        None => Ok(()),
    }
}

fn create_tables(
    conn: &Connection,
    schema: &Schema,
    prefix: &str,
    functions: &Functions,
) -> Result<(), SqliteError> {
    let mut tables = schema.statements.iter().filter(|s| s.kind == "table");
    // Only a table makes SQLite write its encoding down.
    if tables.clone().next().is_none() && !schema.pragmas.is_empty() {
        conn.execute_batch(&format!("CREATE TABLE {prefix}(id); DROP TABLE {prefix}"))
            .map_err(SqliteError::writing("the schema"))?;
    }
    tables.try_for_each(|statement| {
        let what = format!("the table {}", statement.name);
        // SQLite makes its own tables, this one for the first AUTOINCREMENT: which may have been
        // dropped since.
        let sql = match internal(&statement.name) {
            true if same(&statement.name, "sqlite_sequence") => &format!(
                "CREATE TABLE {prefix}(id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE {prefix}"
            ),
            true => return Ok(()),
            false => &statement.sql,
        };
        let made = functions.make(conn, sql);
        made.map(drop).map_err(SqliteError::writing(what))
    })
}

/// Runs `put` with CHECK constraints ignored.
pub(super) fn unchecked<T>(
    conn: &Connection,
    put: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    conn.execute_batch("PRAGMA ignore_check_constraints = ON")?;
    let result = put();
    conn.execute_batch("PRAGMA ignore_check_constraints = OFF")?;
    result
}

/// Whether SQLite refused a row for what is in it: a constraint, a type, or (plain errors) what an
/// expression of the schema cannot work with.
pub(super) fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::Unknown)
    )
}

/// The same, where it is known without SQLite that it can be no row.
pub(super) fn refusal() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CONSTRAINT), None)
}

/// Whether SQL has something in it that SQLite does not know, such as a function of the application's own.
fn is_unknown(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
}

/// Whether it was a CHECK that refused it.
pub(super) fn is_check(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(ffi::SQLITE_CONSTRAINT_CHECK)
}

/// What is wrong with the file and its rows. Indexes that were filled row by row are compared with their tables; the others
/// SQLite has just made from those.
fn problems(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let own = "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'index' AND sql IS NULL";
    let tables: Vec<String> = lines(conn, own, [])?;
    let mut found = lines(conn, "PRAGMA quick_check", [])?;
    let known: BTreeSet<String> = found.iter().cloned().collect();
    for table in tables {
        let compared = "SELECT integrity_check FROM pragma_integrity_check(?1)";
        let more = lines(conn, compared, [table])?.into_iter();
        found.extend(more.filter(|line| !known.contains(line)));
    }
    found.retain(|line| line != "ok");
    Ok(found)
}

fn lines(
    conn: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<String>> {
    let mut prepared = conn.prepare(sql)?;
    let lines = prepared.query_map(parameters, |row| row.get(0))?;
    lines.collect()
}
