//! The SQLite edge, tried on real and on odd databases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Builder, Built, Database, SqliteError, Trouble};
use crate::schema::{Ownership, Table};
use crate::source::{By, Cell, Owner, OwnsRule, RegisterRule, Rules};
use crate::value::{Value, ValueRef};

mod apart;
mod damage;
mod exact;
mod foreign;
mod fulltext;
mod limits;
mod live;
mod long;
mod lost;
mod missing;
mod oddities;
mod opening;
mod order;
mod ownership;
mod paths;
mod random;
mod unfit;

/// A directory with one database made by `sql`.
fn database(sql: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    conn.execute_batch(sql).unwrap();
    (dir, path)
}

/// Rules with a register and nothing else.
fn register(table: &str, key: &[&str]) -> Rules {
    Rules {
        source: "crm".parse().unwrap(),
        register: Some(RegisterRule {
            table: table.into(),
            key: strings(key),
            since: None,
            name: None,
        }),
        shared: Vec::new(),
        owns: Vec::new(),
    }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn owns(table: &str, by: By) -> OwnsRule {
    OwnsRule {
        table: table.into(),
        by: Some(by),
        filter: None,
        class: None,
        also: None,
    }
}

fn key(columns: &[&str]) -> By {
    By::Key(strings(columns))
}

fn through(columns: &[&str], table: &str) -> By {
    By::Through {
        columns: strings(columns),
        table: table.into(),
    }
}

fn pointed_at_by(table: &str, columns: &[&str]) -> By {
    By::PointedAtBy {
        table: table.into(),
        columns: strings(columns),
    }
}

fn also(table: &str, column: &str) -> OwnsRule {
    OwnsRule {
        by: None,
        also: Some(column.into()),
        ..owns(table, key(&[]))
    }
}

fn open(path: &Path, rules: &Rules) -> Database {
    Database::open(path, rules).unwrap()
}

fn table<'d>(db: &'d Database, name: &str) -> &'d Table {
    db.schema().tables.iter().find(|t| t.name == name).unwrap()
}

fn ownership(db: &Database, name: &str) -> Ownership {
    table(db, name).ownership
}

/// A value as text, so that tests are readable.
fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Int(i) => i.to_string(),
        ValueRef::Real(r) => format!("{r:?}"),
        ValueRef::Text(t) => format!("'{}'", String::from_utf8_lossy(t)),
        ValueRef::Blob(b) => format!("x'{}'", crate::ids::hex(b)),
    }
}

/// Whose each row of a table is: one word a row.
fn owners(db: &Database, name: &str) -> Vec<String> {
    let at = db
        .schema()
        .tables
        .iter()
        .position(|t| t.name == name)
        .unwrap();
    let mut all = Vec::new();
    db.rows::<SqliteError>(at, &mut |row| {
        all.push(match row.owner {
            Owner::Customer(token) => show(token),
            Owner::Table => "table".into(),
            Owner::Orphan => "orphan".into(),
        });
        Ok(())
    })
    .unwrap();
    all
}

/// To whom the references of each row of a table lead: the tokens, one list a row.
fn targets(db: &Database, name: &str) -> Vec<Vec<String>> {
    let at = db
        .schema()
        .tables
        .iter()
        .position(|t| t.name == name)
        .unwrap();
    let mut all = Vec::new();
    db.rows::<SqliteError>(at, &mut |row| {
        all.push(row.targets.iter().map(|target| show(*target)).collect());
        Ok(())
    })
    .unwrap();
    all
}

/// Reads a database and builds it again next to it, without the rows of `forgotten` customers
/// (their tokens as [`show`] has them).
fn rebuild(path: &Path, rules: &Rules, forgotten: &[&str]) -> (PathBuf, Built) {
    let db = open(path, rules);
    let copy = path.with_file_name("again.db");
    let mut builder = Builder::create(&copy, db.schema()).unwrap();
    let mut numbers: HashMap<(usize, Vec<Value>), u64> = HashMap::new();
    for (at, entry) in db.schema().tables.iter().enumerate() {
        db.rows::<SqliteError>(at, &mut |row| {
            let gone = |value: &ValueRef<'_>| forgotten.contains(&show(*value).as_str());
            if matches!(&row.owner, Owner::Customer(token) if gone(token)) {
                return Ok(());
            }
            let mut cells: Vec<Cell<'_>> =
                row.cells.iter().map(|value| Cell::Kept(*value)).collect();
            for (reference, _) in entry
                .references
                .iter()
                .zip(row.targets)
                .filter(|(_, target)| gone(target))
            {
                let values = reference
                    .columns
                    .iter()
                    .map(|c| row.cells[*c].to_value())
                    .collect();
                let next = numbers.len() as u64;
                let number = *numbers.entry((reference.parent, values)).or_insert(next);
                for column in &reference.columns {
                    cells[*column] = Cell::Lost(number);
                }
            }
            builder.put(at, row.rowid, &cells)
        })
        .unwrap();
    }
    let built = builder.finish().unwrap();
    (copy, built)
}

/// One column of the answer to a query, as SQL literals.
fn ask(path: &Path, sql: &str) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let mut prepared = conn.prepare(sql).unwrap();
    let columns = prepared.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let cell = |at| {
            let stored = row.get_ref(at).unwrap();
            show(match stored {
                rusqlite::types::ValueRef::Null => ValueRef::Null,
                rusqlite::types::ValueRef::Integer(i) => ValueRef::Int(i),
                rusqlite::types::ValueRef::Real(r) => ValueRef::Real(r),
                rusqlite::types::ValueRef::Text(t) => ValueRef::Text(t),
                rusqlite::types::ValueRef::Blob(b) => ValueRef::Blob(b),
            })
        };
        Ok((0..columns).map(cell).collect::<Vec<_>>().join(" "))
    };
    prepared
        .query_map([], line)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Everything that can be told of a database: what two equal ones have in common. It goes by plain
/// SQL and shares no code with what it checks.
fn everything(path: &Path) -> Vec<String> {
    let mut all = ask(
        path,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2",
    );
    for pragma in [
        "encoding",
        "page_size",
        "auto_vacuum",
        "user_version",
        "application_id",
        "journal_mode",
    ] {
        all.push(format!(
            "{pragma} {:?}",
            ask(path, &format!("PRAGMA {pragma}"))
        ));
    }
    let conn = Connection::open(path).unwrap();
    let names = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                 AND name NOT IN ('sqlite_schema', 'sqlite_stat1', 'sqlite_stat4') ORDER BY 1";
    let mut prepared = conn.prepare(names).unwrap();
    let tables = prepared
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let tables: Vec<(String, bool)> = tables.map(Result::unwrap).collect();
    for (name, without_rowid) in tables {
        let quoted = name.replace('"', "\"\"");
        let mut info = conn
            .prepare(&format!("PRAGMA table_xinfo(\"{quoted}\")"))
            .unwrap();
        let columns = info.query_map([], |row| row.get::<_, String>(1)).unwrap();
        let columns: Vec<String> = columns
            .map(|c| format!("\"{}\"", c.unwrap().replace('"', "\"\"")))
            .collect();
        let shown: Vec<String> = columns
            .iter()
            .map(|c| format!("typeof({c}), hex({c}), quote({c})"))
            .collect();
        let taken = |name: &str| {
            columns
                .iter()
                .any(|c| c.eq_ignore_ascii_case(&format!("\"{name}\"")))
        };
        let rowid = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|name| !without_rowid && !taken(name));
        let (rowid, order) = match rowid {
            Some(name) => (name, name.to_owned()),
            None => ("NULL", columns.join(", ")),
        };
        for shown in shown.chunks(500) {
            let sql = format!(
                "SELECT {rowid}, {} FROM \"{quoted}\" ORDER BY {order}",
                shown.join(", ")
            );
            let lines = ask(path, &sql).into_iter();
            all.extend(lines.map(|line| format!("{name}: {line}")));
        }
    }
    all
}

/// Reads, builds, and expects everything to be the same; gives what was built.
fn expect_exact(path: &Path, rules: &Rules) -> Built {
    let before = everything(path);
    let (copy, built) = rebuild(path, rules, &[]);
    similar(&before, &everything(&copy));
    assert_eq!(built.problems, Vec::<String>::new());
    assert_eq!((built.nulled, built.tombstones), (0, 0));
    std::fs::remove_file(copy).unwrap();
    built
}

fn similar(before: &[String], after: &[String]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}
