//! Hiding, erasing and putting back work with triggers on, and nothing is left of whom was erased.

use std::fs;

use rusqlite::Connection;
use tenure::journal::Cause;
use tenure::lifecycle::{erase, hide};
use tenure::report::Silent;
use tenure::track::{self, Tracking};
use tenure::{forget, restore};

use super::{exact, quick, run, tracked};
use crate::support::canary::holds;
use crate::support::place::Place;

const SCHEMA: &str = "
    CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, joined TEXT, hidden INTEGER DEFAULT 0,
      referred_by TEXT REFERENCES customers);
    CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id TEXT REFERENCES customers, total);
    CREATE INDEX orders_customer ON orders(customer_id);
    CREATE INDEX referred ON customers(referred_by);
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
      INSERT INTO customers SELECT 'canary-key-' || i, '2020-01-01', 0, 'canary-key-' || nullif(i % 7, 0) FROM n;
    INSERT INTO orders SELECT rowid * 10, id, 5 FROM customers;";

const HIDE: &str = "[source.hide]\nmode = \"flag\"\ncolumn = \"hidden\"\nvalue = 1\n";

fn place() -> Place {
    tracked(HIDE, SCHEMA)
}

fn erase(place: &Place, id: &str) {
    let wanted = erase::Wanted {
        cause: Cause::Request,
        reason: "asked",
        ground: None,
        vacuum: false,
    };
    erase::on_request(&mut place.change(), id, &wanted).unwrap();
}

/// Whether the bytes of a key stand anywhere in the database's files.
fn stands(place: &Place, key: &str) -> bool {
    let read = |end| fs::read(place.path(&format!("crm.db{end}"))).unwrap_or_default();
    ["", "-wal", "-journal"]
        .into_iter()
        .any(|end| holds(&read(end), key.as_bytes()))
}

fn notes(place: &Place) -> i64 {
    let db = Connection::open(&place.db).unwrap();
    db.query_row("SELECT count(*) FROM tenure_changes", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn hiding_is_noted_like_any_change() {
    let place = place();
    hide::hide(&mut place.change(), "canary-key-9", "away", false).unwrap();
    assert_eq!(quick(&place).totals.changed, 1);
    hide::unhide(&mut place.change(), "canary-key-9", "back").unwrap();
    assert_eq!(quick(&place).totals.changed, 1);
}

#[test]
fn nothing_is_left_of_whom_was_erased() {
    let place = place();
    run(
        &place,
        "UPDATE orders SET total = 6 WHERE customer_id IN ('canary-key-55', 'canary-key-56')",
    );
    assert!(notes(&place) > 0 && stands(&place, "canary-key-55"));
    erase(&place, "canary-key-55");
    assert_eq!(notes(&place), 0);
    assert!(!stands(&place, "canary-key-55") && stands(&place, "canary-key-56"));
    let taken = exact(&place);
    assert!(taken.why_scanned.unwrap().contains("forgotten"));
    assert_eq!((taken.totals.removed, taken.totals.customers), (1, 99));
    assert_eq!(quick(&place).totals.changed, 0);
}

#[test]
fn whom_a_snapshot_no_longer_needs_to_be_told_of_leaves_nothing_either() {
    let place = place();
    run(
        &place,
        "UPDATE orders SET total = 6 WHERE customer_id = 'canary-key-55'",
    );
    quick(&place);
    assert_eq!(notes(&place), 0);
    erase(&place, "canary-key-55");
    assert!(!stands(&place, "canary-key-55"));
}

#[test]
fn those_who_are_forgotten_and_still_in_the_register_are_told_of_each_time() {
    let place = place();
    forget::run(&mut place.change(), &["canary-key-3".to_owned()], &[]).unwrap();
    for _ in 0..3 {
        let taken = place.snapshot(false);
        assert_eq!(taken.left_out.len(), 1);
        assert!(!taken.tracked && taken.why_scanned.is_some());
    }
}

#[test]
fn a_customer_is_put_back_with_triggers_on() {
    let place = place();
    run(
        &place,
        "DELETE FROM orders WHERE customer_id = 'canary-key-60'; DELETE FROM customers WHERE id = 'canary-key-60'",
    );
    assert_eq!(quick(&place).totals.removed, 1);
    let repository = place.change();
    let id = restore::choose(&repository, Some("1"), None).unwrap();
    restore::live(&repository, "canary-key-60", id, false, &Silent).unwrap();
    drop(repository);
    let taken = quick(&place);
    assert_eq!((taken.totals.changed, taken.totals.customers), (1, 100));
    run(
        &place,
        "UPDATE orders SET total = 66 WHERE customer_id = 'canary-key-60'",
    );
    let repository = place.change();
    restore::live(&repository, "canary-key-60", id, true, &Silent).unwrap();
    drop(repository);
    quick(&place);
}

#[test]
fn a_restored_database_is_not_tracked() {
    let place = place();
    let back = place.restore(1, "a");
    let db = Connection::open(&back).unwrap();
    let ours = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%tenure%'";
    assert_eq!(
        db.query_row(ours, [], |row| row.get::<_, i64>(0)).unwrap(),
        0
    );
    drop(db);
    // Put into place, it is read as a whole, until it is tracked again.
    run(
        &place,
        "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE",
    );
    fs::copy(&back, &place.db).unwrap();
    let taken = exact(&place);
    assert!(taken.why_scanned.unwrap().contains("not installed"));
    track::run(&place.config(), "crm", Tracking::Install, true).unwrap();
    exact(&place);
    quick(&place);
}
