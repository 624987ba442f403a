//! Rows arrive as they were read, whatever becomes of those before them.

use std::path::Path;

use super::*;
use crate::error::FailureKind;
use crate::source::sqlite::Trouble;
use crate::source::{RegisterRule, Rules};

/// Longer than what a row may hold itself.
const LONG: usize = 6 << 20;

fn opened(dir: &Path, sql: &str) -> Database {
    let path = dir.join("crm.db");
    let made = rusqlite::Connection::open(&path).unwrap();
    made.execute_batch(sql).unwrap();
    drop(made);
    let register = RegisterRule {
        table: "customers".to_owned(),
        key: vec!["id".to_owned()],
        since: None,
        name: None,
    };
    let rules = Rules {
        source: "crm".parse().unwrap(),
        register: Some(register),
        shared: Vec::new(),
        owns: Vec::new(),
    };
    Database::open_apart(&path, &rules, dir, Trouble::IsRefused).unwrap()
}

#[test]
fn rows_come_in_order_over_many_batches() {
    let dir = tempfile::tempdir().unwrap();
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY, a, b);
               WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
               INSERT INTO customers SELECT i, 'row ' || i, CASE i % 3 WHEN 0 THEN i WHEN 1 THEN i / 2.0 END FROM n";
    let mut database = opened(dir.path(), sql);
    let mut next = 1;
    rows(vec![&mut database], &[0], &mut |row| {
        let text = format!("row {next}");
        let b = match next % 3 {
            0 => ValueRef::Int(next),
            1 => ValueRef::Real(next as f64 / 2.0),
            _ => ValueRef::Null,
        };
        assert_eq!(row.rowid, Some(next));
        assert_eq!(row.owner, Owner::Customer(ValueRef::Int(next)));
        assert_eq!(row.cells, [ValueRef::Text(text.as_bytes()), b]);
        next += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(next, 20_001);
}

#[test]
fn long_values_arrive_also_behind_some_that_nobody_has_read() {
    let dir = tempfile::tempdir().unwrap();
    let sql = format!(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY, a, b, c);
         INSERT INTO customers VALUES (1, zeroblob({LONG}), 'x', zeroblob({LONG})),
           (2, 'short', 'y', 1), (3, replace(hex(zeroblob({LONG})), '0', 'z'), 'x', zeroblob({LONG} + 5))"
    );
    let mut database = opened(dir.path(), &sql);
    let mut met = Vec::new();
    rows(vec![&mut database], &[0], &mut |row| {
        let mut lens = Vec::new();
        for mut value in row.long {
            // Of the first row nothing is read.
            if row.rowid == Some(3) {
                let mut bytes = Vec::new();
                value.bytes.read_to_end(&mut bytes).unwrap();
                let expected = if value.column == 0 { b'z' } else { 0 };
                assert!(bytes.iter().all(|byte| *byte == expected));
                assert_eq!(bytes.len() as u64, value.len);
            }
            lens.push((value.column, value.len as usize));
        }
        met.push((row.rowid.unwrap(), lens));
        Ok(())
    })
    .unwrap();
    let expected = [
        (1, vec![(0, LONG), (2, LONG)]),
        (2, Vec::new()),
        (3, vec![(0, 2 * LONG), (2, LONG + 5)]),
    ];
    assert_eq!(met, expected);
}

#[test]
fn who_takes_no_more_stops_the_reader_and_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY, a);
               WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
               INSERT INTO customers SELECT i, zeroblob(100) FROM n";
    let mut database = opened(dir.path(), sql);
    let mut taken = 0;
    let stopped = rows(vec![&mut database], &[0], &mut |_| {
        taken += 1;
        Err(Failure::of(FailureKind::Refused, "enough"))
    });
    assert_eq!(
        (taken, stopped.unwrap_err().to_string().as_str()),
        (1, "enough")
    );
}

const MANY: &str = "CREATE TABLE customers(id INTEGER PRIMARY KEY, a);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
    INSERT INTO customers SELECT i, 'somebody' || i FROM n;
    CREATE TABLE orders(id INTEGER PRIMARY KEY, customer REFERENCES customers);
    INSERT INTO orders SELECT id, id FROM customers;
    CREATE TABLE notes(id INTEGER PRIMARY KEY, customer REFERENCES customers);
    INSERT INTO notes SELECT id, id FROM customers WHERE id < 100";

#[test]
fn two_read_a_table_each_and_both_are_heard_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = opened(dir.path(), MANY);
    let mut second = database.second().unwrap();
    let mut met = [const { Vec::new() }; 3];
    rows(vec![&mut database, &mut second], &[0, 1, 2], &mut |row| {
        let rowid = row.rowid.unwrap();
        assert_eq!(row.owner, Owner::Customer(ValueRef::Int(rowid)));
        met[row.table].push(rowid);
        Ok(())
    })
    .unwrap();
    for (rowids, last) in met.iter().zip([30_000, 30_000, 99]) {
        assert!(rowids.iter().copied().eq(1..=last));
    }
}

#[test]
fn what_one_of_two_cannot_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = opened(dir.path(), MANY);
    let mut second = database.second().unwrap();
    // There is no table 7; whoever takes which is chance.
    for tables in [[0, 7, 1], [7, 0, 1], [0, 1, 7]] {
        let readers = vec![&mut database, &mut second];
        assert!(rows(readers, &tables, &mut |_| Ok(())).is_err());
    }
}
