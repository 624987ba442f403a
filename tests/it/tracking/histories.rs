//! Random histories: with triggers on, every snapshot is what a scan would have made of it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use rusqlite::Connection;
use tenure::track::Tracking;

use super::{drop_ours, track};
use crate::random::base;
use crate::support::compare::same;
use crate::support::history::{self, apply, create};
use crate::support::place::Place;

fn cases(few: u32) -> TestRunner {
    let long = std::env::var_os("TENURE_LONG").is_some();
    TestRunner::new(Cases {
        cases: if long { few * 10 } else { few },
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Cases::default()
    })
}

/// Lets each of the rounds happen, takes a snapshot after each, and compares all of them. Gives how many read no more than
/// what was noted.
fn all_come_back<R>(
    place: &Place,
    rounds: &[R],
    happen: impl Fn(&Connection, &R),
) -> Result<u64, TestCaseError> {
    track(place, Tracking::Install);
    let (mut kept, mut tracked) = (Vec::new(), 0);
    for (number, round) in (1..).zip(rounds) {
        let connection = Connection::open(&place.db).unwrap();
        happen(&connection, round);
        drop(connection);
        kept.push(place.keep(number));
        let taken = place.snapshot(false);
        prop_assert_eq!(taken.id.number as usize, number);
        prop_assert!(taken.tracked || number == 1 || taken.why_scanned.is_some());
        tracked += u64::from(taken.tracked);
    }
    for (number, kept) in (1..).zip(&kept) {
        drop_ours(kept);
        same(kept, &place.restore(number, "a"))
            .map_err(|why| TestCaseError::fail(format!("snapshot {number}: {why}")))?;
    }
    Ok(tracked)
}

#[test]
fn random_histories_come_back_exactly() {
    let run = cases(24).run(&history::history(), |history| {
        let register = "table = \"customers\"\nkey = \"id\"";
        let place = Place::within(base(), register, history::OWNERSHIP, |db| {
            create(&Connection::open(db).unwrap());
        });
        let mut rounds = vec![history.start];
        rounds.extend(history.rounds);
        let tracked = all_come_back(&place, &rounds, |db, round| drop(apply(db, round)))?;
        prop_assert_eq!(tracked, 6);
        Ok(())
    });
    run.unwrap();
}

/// Tables that displace each other's rows in every way.
const SCHEMA: &str = "
    CREATE TABLE address(id INTEGER PRIMARY KEY, street);
    CREATE TABLE customers(id INTEGER PRIMARY KEY, joined, email TEXT COLLATE NOCASE UNIQUE,
      referred_by INTEGER REFERENCES customers ON DELETE SET NULL, address_id INTEGER);
    CREATE TABLE orders(id INTEGER PRIMARY KEY, number TEXT UNIQUE,
      customer_id INTEGER REFERENCES customers ON UPDATE CASCADE ON DELETE CASCADE);
    CREATE TABLE items(order_number TEXT REFERENCES orders(number) ON UPDATE CASCADE ON DELETE SET NULL, line INTEGER, x,
      UNIQUE(order_number, line));
    CREATE TABLE lines(order_id INTEGER REFERENCES orders ON DELETE CASCADE, line INTEGER,
      mention INTEGER REFERENCES orders, PRIMARY KEY(order_id, line)) WITHOUT ROWID;
    CREATE TABLE parts(order_id INTEGER, line INTEGER, x, FOREIGN KEY(order_id, line) REFERENCES lines ON UPDATE CASCADE);
    CREATE TABLE remarks(record_type, record_id INTEGER, body);
    CREATE TABLE product(id INTEGER PRIMARY KEY, name UNIQUE, contact INTEGER REFERENCES customers);
    CREATE INDEX lines_mention ON lines(mention);";

const OWNERSHIP: &str = r#"shared = ["product"]
[[source.owns]]
table = "address"
by = "<- customers.address_id"
[[source.owns]]
table = "remarks"
by = "record_id"
where = "record_type = 'customer'"
"#;

/// Statements over small numbers `a`, `b` and `c`.
const STATEMENTS: [&str; 44] = [
    "INSERT INTO customers VALUES (a, b, 'e' || c, c, a)",
    "INSERT INTO customers VALUES (a, b, 'E' || c, NULL, NULL)",
    "INSERT OR REPLACE INTO customers VALUES (a, 1, 'e' || b, c, a)",
    "REPLACE INTO customers(joined, email) VALUES (a, 'E' || b)",
    "UPDATE OR REPLACE customers SET id = b WHERE id = a",
    "UPDATE customers SET id = b WHERE id = a",
    "UPDATE OR REPLACE customers SET email = 'E' || b WHERE id = a",
    "UPDATE customers SET joined = b WHERE id = a",
    "UPDATE customers SET referred_by = b WHERE id = a",
    "UPDATE customers SET address_id = b WHERE id = a",
    "DELETE FROM customers WHERE id = a",
    "INSERT INTO customers(id, joined) VALUES (a, b) ON CONFLICT(id) DO UPDATE SET joined = excluded.joined, address_id = id",
    "INSERT OR IGNORE INTO customers VALUES (a, b, 'e' || c, a, NULL)",
    "INSERT INTO orders VALUES (a, 'n' || b, c)",
    "INSERT INTO orders(number, customer_id) VALUES ('n' || b, c)",
    "INSERT OR REPLACE INTO orders VALUES (a, 'n' || b, c)",
    "UPDATE OR REPLACE orders SET number = 'n' || b WHERE id = a",
    "UPDATE OR REPLACE orders SET id = b WHERE id = a",
    "UPDATE orders SET customer_id = b WHERE id = a",
    "UPDATE orders SET customer_id = NULL WHERE id = a",
    "DELETE FROM orders WHERE id = a",
    "INSERT INTO items VALUES ('n' || a, b, c)",
    "INSERT OR REPLACE INTO items VALUES ('n' || a, b % 3, c)",
    "UPDATE OR REPLACE items SET order_number = 'n' || b WHERE rowid = a",
    "UPDATE OR REPLACE items SET rowid = b WHERE rowid = a",
    "UPDATE items SET x = b WHERE order_number = 'n' || a",
    "DELETE FROM items WHERE rowid = a",
    "DELETE FROM items",
    "INSERT OR ABORT INTO lines VALUES (a, b % 3, c)",
    "INSERT OR REPLACE INTO lines VALUES (a, b % 3, c)",
    "UPDATE OR REPLACE lines SET order_id = b WHERE order_id = a",
    "UPDATE lines SET mention = b WHERE order_id = a",
    "DELETE FROM lines WHERE order_id = a AND line = b % 3",
    "INSERT INTO parts VALUES (a, b % 3, c)",
    "UPDATE parts SET order_id = b WHERE rowid = a",
    "DELETE FROM parts WHERE order_id = a",
    "INSERT INTO remarks VALUES ('customer', a, b)",
    "UPDATE remarks SET record_type = CASE WHEN record_type = 'customer' THEN 'other' ELSE 'customer' END WHERE rowid = a",
    "INSERT OR REPLACE INTO product VALUES (a, 'p' || b, c)",
    "UPDATE product SET contact = b WHERE id = a",
    "INSERT OR FAIL INTO address VALUES (a, b)",
    "UPDATE OR REPLACE address SET id = b WHERE id = a",
    "UPDATE address SET street = b",
    "DELETE FROM address WHERE id = a",
];

/// One statement, and its numbers.
type Step = (usize, u8, u8, u8);

/// Whether foreign keys are enforced, whether REPLACE fires triggers, whether all is one transaction; and what happens.
type Round = ([bool; 3], Vec<Step>);

fn happen(db: &Connection, ([keys, recursive, one], steps): &Round) {
    db.execute_batch(&format!(
        "PRAGMA foreign_keys = {keys}; PRAGMA recursive_triggers = {recursive}"
    ))
    .unwrap();
    db.execute_batch(if *one { "BEGIN" } else { "" }).unwrap();
    for (which, a, b, c) in steps {
        let mut sql = format!(" {} ", STATEMENTS[*which]);
        for (name, value) in [("a", a), ("b", b), ("c", c)] {
            for (before, after) in [("(", ","), (" ", ","), (" ", ")"), (" ", " "), ("(", ")")] {
                sql = sql.replace(
                    &format!("{before}{name}{after}"),
                    &format!("{before}{value}{after}"),
                );
            }
        }
        // What breaks a constraint does not happen.
        let _ = db.execute_batch(&sql);
    }
    if !db.is_autocommit() && db.execute_batch("COMMIT").is_err() {
        db.execute_batch("ROLLBACK").unwrap();
    }
}

#[test]
fn rows_that_displace_others_come_back_exactly() {
    let step = (0..STATEMENTS.len(), 1..7_u8, 1..7_u8, 1..7_u8);
    let round = (any::<[bool; 3]>(), vec(step.clone(), 0..6));
    let first = (Just([false; 3]), vec(step, 30..60));
    let rounds = (first, vec(round, 6)).prop_map(|(first, rounds)| [vec![first], rounds].concat());
    let tracked = std::cell::Cell::new(0);
    let run = cases(40).run(&rounds, |rounds: Vec<Round>| {
        let register = "table = \"customers\"\nkey = \"id\"\nsince = \"joined\"";
        let place = Place::within(base(), register, OWNERSHIP, |db| {
            let db = Connection::open(db).unwrap();
            db.execute_batch("PRAGMA journal_mode = WAL").unwrap();
            db.execute_batch(SCHEMA).unwrap();
        });
        tracked.set(tracked.get() + all_come_back(&place, &rounds, happen)?);
        Ok(())
    });
    run.unwrap();
    println!("{} snapshots read what was noted", tracked.get());
    assert!(tracked.get() > 60, "{}", tracked.get());
}
