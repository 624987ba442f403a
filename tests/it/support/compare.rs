//! Tells whether two SQLite databases are the same, by its own reading of both: no code is shared
//! with the crate, so that one mistake cannot be on both sides.
//!
//! The same are: what the file's header says (encoding, page size, …), the schema in its order,
//! every row under its rowid with the storage class and the bits of every value, and the counters
//! of AUTOINCREMENT, and what ANALYZE has counted. Not looked at: where things lie in the file, `sqlite_stat4`, which
//! holds samples of rows, and what stands among the counters and is none: a snapshot names it.
//!
//! The files are opened by SQLite and (in [`same_except`]) copied: nobody in this process may hold
//! them open.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

const PRAGMAS: [&str; 6] = [
    "encoding",
    "page_size",
    "auto_vacuum",
    "user_version",
    "application_id",
    "journal_mode",
];
/// What virtual tables are made of. VACUUM puts it before them, and making them after; their statements
/// depend on whether they were renamed.
const SHADOWS: &str =
    "(SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')";
const NOT_SAMPLES: &str = "name <> 'sqlite_stat4'";

/// Whether two databases are the same, or where they first differ.
pub fn same(a: &Path, b: &Path) -> Result<(), String> {
    compare(&open(a)?, &open(b)?)
}

/// Whether two databases are the same but for their rows.
pub fn same_frame(a: &Path, b: &Path) -> Result<(), String> {
    frame(&open(a)?, &open(b)?)
}

/// Whether `b` is what the script makes of `a`. It runs on a copy, with neither triggers nor
/// foreign keys, so it must say everything: which rows go, and what becomes of whatever referred
/// to them.
pub fn same_except(a: &Path, b: &Path, script: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
    let copy = dir.path().join("expected.sqlite");
    for suffix in ["", "-wal"] {
        let (from, to) = (with_suffix(a, suffix), with_suffix(&copy, suffix));
        if suffix.is_empty() || from.exists() {
            std::fs::copy(&from, to).map_err(|e| format!("cannot copy {}: {e}", from.display()))?;
        }
    }
    let expected = Connection::open(&copy).map_err(told("open the copy"))?;
    for setting in [
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY,
    ] {
        expected
            .set_db_config(setting, false)
            .map_err(told("configure the copy"))?;
    }
    expected
        .execute_batch(script)
        .map_err(told("run the script"))?;
    compare(&expected, &open(b)?)
}

/// Whether `b` is whole by the engine's own check, and breaks no foreign key that `a` keeps.
pub fn sound(a: &Path, b: &Path) -> Result<(), String> {
    match integrity(b)?.first() {
        Some(damage) => Err(format!("integrity_check: {damage}")),
        None => sound_but(a, b, &|_, _| 0),
    }
}

/// Whether `b` is as whole as `a`, and breaks no foreign key that `a` keeps, but in so many rows of a table, by a
/// key to another, as are `excused`.
pub fn sound_but(a: &Path, b: &Path, excused: &dyn Fn(&str, &str) -> usize) -> Result<(), String> {
    let before = integrity(a)?;
    let after = integrity(b)?;
    if let Some(new) = after.iter().find(|line| !before.contains(line)) {
        return Err(format!("integrity_check: {new}"));
    }
    let (a, b) = (open(a)?, open(b)?);
    for table in tables(&a)? {
        let (before, after) = (broken(&a, &table.name)?, broken(&b, &table.name)?);
        for ((parent, id), count) in &after {
            let before = before.get(&(parent.clone(), *id)).unwrap_or(&0);
            if *count > before.saturating_add(excused(&table.name, parent)) {
                return Err(format!(
                    "foreign_key_check has more of {}: {parent} ({id}) {count} times",
                    table.name
                ));
            }
        }
    }
    Ok(())
}

/// What the engine's own check has to say: nothing, if all is well.
pub fn integrity(path: &Path) -> Result<Vec<String>, String> {
    let lines = lines(&open(path)?, "PRAGMA integrity_check")?;
    let lines = lines.into_iter().map(|line| line.replacen("text ", "", 1));
    Ok(lines.filter(|line| line != "ok").collect())
}

/// How many rows of a table break which foreign key. A key that does not fit its parent is one
/// that cannot be checked, on either side.
fn broken(db: &Connection, table: &str) -> Result<BTreeMap<(String, i64), usize>, String> {
    let sql = "SELECT parent, fkid FROM pragma_foreign_key_check(?)";
    let mut found = BTreeMap::new();
    let mut statement = db.prepare(sql).map_err(told(sql))?;
    let mut rows = statement.query([table]).map_err(told(sql))?;
    while let Ok(Some(row)) = rows.next() {
        let key = row.get(0).and_then(|parent| Ok((parent, row.get(1)?)));
        *found.entry(key.map_err(told(sql))?).or_default() += 1;
    }
    Ok(found)
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn open(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)
        .map_err(|e| format!("cannot open {}: {e}", path.display()))?;
    db.execute_batch("PRAGMA query_only=ON")
        .map_err(told("open"))?;
    Ok(db)
}

fn told(what: &str) -> impl Fn(rusqlite::Error) -> String {
    move |error| format!("cannot {what}: {error}")
}

fn compare(a: &Connection, b: &Connection) -> Result<(), String> {
    frame(a, b)?;
    let wide = lines(a, "PRAGMA encoding")? != ["text UTF-8"];
    for table in tables(a)? {
        same_rows(a, b, &table, wide)?;
    }
    Ok(())
}

fn frame(a: &Connection, b: &Connection) -> Result<(), String> {
    for pragma in PRAGMAS {
        same_lines(a, b, &format!("PRAGMA {pragma}"), pragma)?;
    }
    let schema = |columns: &str, which: &str, order: &str| {
        format!(
            "SELECT {columns} FROM sqlite_schema WHERE {NOT_SAMPLES} AND name {which} IN {SHADOWS} ORDER BY {order}"
        )
    };
    let all = schema("type, name, tbl_name, sql", "NOT", "rowid");
    same_lines(a, b, &all, "the schema")?;
    same_lines(a, b, &schema("type, name", "", "name"), "the schema")?;
    if !lines(
        a,
        "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'",
    )?
    .is_empty()
    {
        let counters = "SELECT name, seq FROM sqlite_sequence WHERE typeof(name) = 'text' \
                        AND typeof(seq) = 'integer' ORDER BY name, seq";
        same_lines(a, b, counters, "sqlite_sequence")?;
    }
    let counted = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    if !lines(a, counted)?.is_empty() {
        let counts = format!(
            "SELECT tbl, idx, stat FROM sqlite_stat1 WHERE tbl NOT IN {SHADOWS} ORDER BY rowid"
        );
        same_lines(a, b, &counts, "sqlite_stat1")?;
    }
    Ok(())
}

/// Compares two short results line by line.
fn same_lines(a: &Connection, b: &Connection, sql: &str, what: &str) -> Result<(), String> {
    let (a, b) = (lines(a, sql)?, lines(b, sql)?);
    for at in 0..a.len().max(b.len()) {
        let (left, right) = (a.get(at), b.get(at));
        if left != right {
            let shown = |side: Option<&String>| side.map_or("nothing".to_owned(), String::clone);
            return Err(format!(
                "{what}: {} instead of {}",
                shown(right),
                shown(left)
            ));
        }
    }
    Ok(())
}

fn lines(db: &Connection, sql: &str) -> Result<Vec<String>, String> {
    let mut statement = db.prepare(sql).map_err(told(sql))?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).map_err(told(sql))?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next().map_err(told(sql))? {
        let cells: Vec<_> = (0..columns).map(|at| value(row, at).map(shown)).collect();
        lines.push(cells.into_iter().collect::<Result<Vec<_>, _>>()?.join(", "));
    }
    Ok(lines)
}

/// How to read one table completely.
#[derive(Clone)]
struct Table {
    name: String,
    /// The name by which the rowid can be read, where there is one.
    rowid: Option<&'static str>,
    columns: Vec<String>,
    /// By what the rows are ordered, so that no two of them are equal.
    order: String,
}

/// How a full-text index arranges its words depends on its history; what it holds of them does not, and is
/// compared.
const NOT_ARRANGEMENT: &str = "NOT (type = 'shadow' AND (name LIKE '%\\_data' ESCAPE '\\' OR name LIKE '%\\_idx' ESCAPE '\\'))";

fn tables(db: &Connection) -> Result<Vec<Table>, String> {
    let sql = format!(
        "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND {NOT_SAMPLES}
         AND {NOT_ARRANGEMENT}
         AND type IN ('table', 'shadow') AND name NOT IN ('sqlite_schema', 'sqlite_sequence', 'sqlite_stat1')
         ORDER BY name"
    );
    let mut found = db.prepare(&sql).map_err(told("list the tables"))?;
    let found = found
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))
        })
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(told("list the tables"))?;
    found
        .into_iter()
        .map(|(name, without_rowid)| table(db, name, without_rowid))
        .collect()
}

fn table(db: &Connection, name: String, without_rowid: bool) -> Result<Table, String> {
    let named = |filter: &str| -> Result<Vec<String>, String> {
        let sql = format!("SELECT name FROM pragma_table_xinfo(?) WHERE {filter}");
        db.prepare(&sql)
            .and_then(|mut names| names.query_map([&name], |row| row.get(0))?.collect())
            .map_err(told("list the columns"))
    };
    let columns = named("hidden <> 1 ORDER BY cid")?;
    let taken = |word: &str| {
        columns
            .iter()
            .any(|column| column.eq_ignore_ascii_case(word))
    };
    let free = ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|word| !taken(word));
    let (rowid, order) = match free {
        Some(rowid) if !without_rowid => (Some(rowid), rowid.to_owned()),
        _ => {
            let key = named("pk > 0 ORDER BY pk")?;
            let key = key.iter().map(|column| quoted(column) + " COLLATE BINARY");
            (None, key.collect::<Vec<_>>().join(", "))
        }
    };
    if order.is_empty() {
        return Err(format!("{name}: the rowids of this table cannot be read"));
    }
    Ok(Table {
        name,
        rowid,
        columns,
        order,
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    /// Reads the table itself, not an index that holds the same.
    fn sql(&self, wide: bool) -> String {
        let mut sql = format!("SELECT {}", self.rowid.unwrap_or("NULL"));
        for column in self.columns.iter().map(|name| quoted(name)) {
            // What is not UTF-8 would be converted on the way: text is then read as its bytes too.
            let bytes = if wide {
                format!("CAST({column} AS BLOB)")
            } else {
                "NULL".to_owned()
            };
            let _ = write!(
                sql,
                ", {column}, CASE typeof({column}) WHEN 'text' THEN {bytes} END"
            );
        }
        let _ = write!(
            sql,
            " FROM {} NOT INDEXED ORDER BY {}",
            quoted(&self.name),
            self.order
        );
        sql
    }
}

/// A result has at most 2,000 columns: wide tables are read in parts.
fn same_rows(a: &Connection, b: &Connection, table: &Table, wide: bool) -> Result<(), String> {
    for columns in table.columns.chunks(600) {
        let part = Table {
            columns: columns.to_vec(),
            ..table.clone()
        };
        same_part(a, b, &part, wide)?;
    }
    Ok(())
}

fn same_part(a: &Connection, b: &Connection, table: &Table, wide: bool) -> Result<(), String> {
    let sql = table.sql(wide);
    let name = &table.name;
    let mut left = a.prepare(&sql).map_err(told(&sql))?;
    let mut right = b.prepare(&sql).map_err(told(&sql))?;
    let mut left = left.query([]).map_err(told(&sql))?;
    let mut right = right.query([]).map_err(told(&sql))?;
    for number in 1_u64.. {
        match (
            left.next().map_err(told(&sql))?,
            right.next().map_err(told(&sql))?,
        ) {
            (None, None) => break,
            (Some(row), None) => {
                return Err(format!(
                    "{name}: row {number} is missing: {}",
                    whole(row, table)?
                ));
            }
            (None, Some(row)) => {
                return Err(format!(
                    "{name}: row {number} is too much: {}",
                    whole(row, table)?
                ));
            }
            (Some(row), Some(other)) => same_row(row, other, table)
                .map_err(|difference| format!("{name}: row {number}, {difference}"))?,
        }
    }
    Ok(())
}

fn same_row(a: &Row<'_>, b: &Row<'_>, table: &Table) -> Result<(), String> {
    for at in 0..=table.columns.len() * 2 {
        let (left, right) = (value(a, at)?, value(b, at)?);
        if !identical(left, right) {
            let column = match at {
                0 => "rowid",
                _ => &table.columns[(at - 1) / 2],
            };
            let row = whole(a, table)?;
            return Err(format!(
                "{column}: {} instead of {}, in {row}",
                shown(right),
                shown(left)
            ));
        }
    }
    Ok(())
}

fn whole(row: &Row<'_>, table: &Table) -> Result<String, String> {
    let mut text = format!("[{}]", shown(value(row, 0)?));
    for (at, column) in table.columns.iter().enumerate() {
        let _ = write!(text, " {column}={}", shown(value(row, 1 + 2 * at)?));
    }
    Ok(text)
}

fn value<'a>(row: &'a Row<'_>, at: usize) -> Result<ValueRef<'a>, String> {
    row.get_ref(at).map_err(told("read a value"))
}

fn identical(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a, b) {
        (ValueRef::Real(a), ValueRef::Real(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b, // the same storage class, and the same number or bytes
    }
}

/// For people: long values are cut.
fn shown(value: ValueRef<'_>) -> String {
    let cut = |text: String| match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    };
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => format!("integer {number}"),
        ValueRef::Real(number) => format!("real {number:?}"),
        ValueRef::Text(text) => cut(format!("text {}", text.escape_ascii())),
        ValueRef::Blob(bytes) => cut(format!("blob {}", bytes.escape_ascii())),
    }
}

#[cfg(test)]
mod tests;
