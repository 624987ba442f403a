//! Memory does not grow with what is backed up: one row of 900 MB, and one customer who owns gigabytes.

use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::measure;

/// The most memory that anything may take, in bytes.
const BOUND: u64 = 400 << 20;
/// The length of one value, in bytes.
const VALUE: u64 = 900_000_000;

/// What one customer owns besides, in bytes.
fn owned() -> u64 {
    match std::env::var_os("TENURE_LONG") {
        Some(_) => 5_000_000_000,
        None => 200_000_000,
    }
}

fn build(path: &Path) {
    let rows = owned() / 5000;
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE documents(id INTEGER PRIMARY KEY, customer INT REFERENCES customers, body BLOB);
         CREATE TABLE notes(id INTEGER PRIMARY KEY, customer INT REFERENCES customers, body TEXT);
         INSERT INTO customers VALUES (1, 'one'), (2, 'two'), (3, 'three');
         INSERT INTO documents VALUES (1, 1, randomblob({VALUE})), (2, 3, x'00');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
            INSERT INTO notes SELECT i, 2, hex(randomblob(2000 + i % 1000)) FROM n;
         PRAGMA journal_mode = DELETE;"
    ))
    .unwrap();
}

/// Runs a command: it succeeds within the bound.
fn within_bound(dir: &Path, arguments: &[&str]) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tenure"));
    program.current_dir(dir).args(["--config", "tenure.toml"]);
    program.args(arguments).stdout(Stdio::null());
    let begun = std::time::Instant::now();
    let (ended, memory) = measure::run(&mut program);
    let (took, mib) = (begun.elapsed(), memory >> 20);
    println!("{}: {mib} MiB, {took:.1?}", arguments.join(" "));
    assert!(ended.success());
    assert!(memory > 0 && memory <= BOUND, "{arguments:?}: {mib} MiB");
}

/// How many rows are the same in both databases, by table.
fn same(one: &Path, other: &Path) -> Vec<i64> {
    let db = Connection::open(one).unwrap();
    db.execute("ATTACH ?1 AS other", [other.to_str().unwrap()])
        .unwrap();
    let same = |table: &&str| {
        let sql = format!(
            "SELECT count(*) FROM main.{table} AS a JOIN other.{table} AS b USING (id, customer) \
             WHERE a.body IS b.body AND typeof(a.body) = typeof(b.body)"
        );
        db.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    ["documents", "notes"].iter().map(same).collect()
}

#[test]
fn neither_a_row_of_900_mb_nor_a_customer_of_gigabytes_takes_memory() {
    let dir = TempDir::new().unwrap();
    let (dir, db) = (dir.path(), dir.path().join("crm.db"));
    build(&db);
    let register = format!("crm=sqlite:{}#customers.id", db.display());
    let store = format!("a=file://{}", dir.join("store").display());
    within_bound(dir, &["init", "--register", &register, "--store", &store]);
    within_bound(dir, &["snapshot"]);
    within_bound(dir, &["snapshot"]);
    within_bound(dir, &["verify", "--data"]);
    within_bound(dir, &["restore", "--to", "whole"]);
    let notes = i64::try_from(owned() / 5000).unwrap();
    assert_eq!(same(&db, &dir.join("whole/crm/crm.db")), [2, notes]);
    std::fs::remove_dir_all(dir.join("whole")).unwrap();
    within_bound(dir, &["customer", "restore", "1", "--to", "one"]);
    assert_eq!(same(&db, &dir.join("one/crm.sqlite")), [1, 0]);
    let lines = std::fs::metadata(dir.join("one/crm/documents.jsonl")).unwrap();
    assert!(lines.len() > VALUE / 3 * 4);
    std::fs::remove_dir_all(dir.join("one")).unwrap();
    within_bound(dir, &["customer", "restore", "2", "--to", "two"]);
    assert_eq!(same(&db, &dir.join("two/crm.sqlite")), [0, notes]);
}
