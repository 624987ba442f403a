//! Databases that change while they are read, and between: their rows, their schema, the whole file.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::{BANK, REGISTER, balanced, snapshot_while};
use crate::support::compare::same;
use crate::support::place::Place;

const MODES: [&str; 2] = ["DELETE", "WAL"];

fn made(mode: &str) -> Place {
    Place::new(REGISTER, "", |path| {
        run(path, &format!("PRAGMA journal_mode = {mode}; {BANK}"));
    })
}

fn run(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// A copy of what the database is now, made by the engine.
fn kept(place: &Place, name: &str) -> std::path::PathBuf {
    let to = place.path(name);
    // A log that nobody has open is moved into the file when the last one leaves.
    drop(
        Connection::open(&place.db)
            .unwrap()
            .query_row("SELECT 1 FROM customers", [], |_| Ok(())),
    );
    assert!(!place.path("crm.db-wal").exists());
    fs::copy(&place.db, &to).unwrap();
    to
}

#[test]
fn a_schema_that_changes_during_a_snapshot_is_in_the_next_one() {
    for mode in MODES {
        let place = made(mode);
        let before = kept(&place, "before.db");
        snapshot_while(&place, || {
            run(
                &place.db,
                "ALTER TABLE customers ADD COLUMN email TEXT;
                 ALTER TABLE payments RENAME COLUMN amount TO cents;
                 UPDATE customers SET email = name || '@example.com', balance = 0;
                 CREATE TABLE calls (id INTEGER PRIMARY KEY, customer_id REFERENCES customers, text);
                 INSERT INTO calls VALUES (1, 2, 'hello');
                 DELETE FROM customers WHERE id = 20;
                 CREATE INDEX by_email ON customers (email);",
            );
        });
        let after = kept(&place, "after.db");
        place.snapshot(false);
        snapshot_while(&place, || {
            run(
                &place.db,
                "DROP TABLE payments; DROP INDEX by_email; ALTER TABLE customers DROP COLUMN name; VACUUM;",
            );
        });
        let last = kept(&place, "last.db");
        place.snapshot(false);
        for (number, state) in [(1, &before), (2, &after), (3, &after), (4, &last)] {
            let back = place.restore(number, "a");
            same(state, &back).unwrap_or_else(|why| panic!("{mode}, {number}: {why}"));
        }
    }
}

#[test]
fn a_database_that_is_replaced_during_a_snapshot_is_read_to_its_end() {
    for mode in MODES {
        let place = made(mode);
        let old = kept(&place, "old.db");
        let new = place.path("new.db");
        run(
            &new,
            &format!(
                "PRAGMA journal_mode = {mode}; {BANK}
                 UPDATE customers SET name = 'another'; ALTER TABLE payments ADD COLUMN more;"
            ),
        );
        let expected = place.path("expected.db");
        fs::copy(&new, &expected).unwrap();
        snapshot_while(&place, || {
            // As whoever replaces a database must, with what belongs to the old one.
            for file in ["crm.db-wal", "crm.db-shm"] {
                let _ = fs::remove_file(place.path(file));
            }
            fs::rename(&new, &place.db).unwrap();
            run(&place.db, "PRAGMA user_version = 7");
            run(&expected, "PRAGMA user_version = 7");
        });
        place.snapshot(false);
        same(&old, &place.restore(1, "a")).unwrap_or_else(|why| panic!("{mode}: {why}"));
        same(&expected, &place.restore(2, "a")).unwrap_or_else(|why| panic!("{mode}: {why}"));
        assert_eq!(balanced(&place.restore(2, "b")), 0);
    }
}

#[test]
fn rules_that_the_schema_has_left_behind_are_named_and_stop_no_snapshot() {
    let rules =
        "shared = [\"rates\"]\n[[source.owns]]\ntable = \"payments\"\nby = \"customer_id\"\n";
    let place = Place::new(REGISTER, rules, |path| {
        run(path, &format!("{BANK} CREATE TABLE rates (day, rate);"));
    });
    assert!(place.snapshot(false).unsettled.is_empty());
    let moved = "DROP TABLE rates; ALTER TABLE payments RENAME COLUMN customer_id TO payer";
    run(&place.db, moved);
    let before = kept(&place, "before.db");
    let taken = place.snapshot(false);
    let told = taken.unsettled.join("\n");
    for what in ["\"rates\"", "\"customer_id\"", "\"payments\" is unsettled"] {
        assert!(told.contains(what), "{told}");
    }
    same(&before, &place.restore(2, "b")).unwrap();
}
