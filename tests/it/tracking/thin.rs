//! From the triggers to the restored database.

use tenure::track::Tracking;

use super::{exact, quick, run, track, tracked};

pub const SCHEMA: &str = "
    CREATE TABLE customers(id INTEGER PRIMARY KEY, joined TEXT, name TEXT, referred_by INT REFERENCES customers);
    CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, total);
    CREATE TABLE items(order_id INTEGER REFERENCES orders, line INTEGER, what, PRIMARY KEY(order_id, line)) WITHOUT ROWID;
    CREATE TABLE country(code TEXT PRIMARY KEY, name);
    CREATE INDEX orders_customer ON orders(customer_id);
    INSERT INTO country VALUES ('de', 'Germany');
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
      INSERT INTO customers SELECT i, '2020-01-01', 'name ' || i, nullif(i % 7, 0) FROM n;
    INSERT INTO orders SELECT id * 10 + 1, id, 5 FROM customers UNION ALL SELECT id * 10 + 2, id, 6 FROM customers;
    INSERT INTO items SELECT id, 1, 'thing' FROM orders UNION ALL SELECT id, 2, 'other' FROM orders;";

pub const OWNERSHIP: &str = "shared = [\"country\"]";

#[test]
fn one_changed_row_is_all_that_is_read() {
    let place = tracked(OWNERSHIP, SCHEMA);
    let first = exact(&place);
    assert!(first.tracked, "{:?}", first.why_scanned);
    assert_eq!((first.totals.changed, first.totals.read_bytes), (0, 0));
    run(&place, "UPDATE customers SET name = 'another' WHERE id = 7");
    let taken = quick(&place);
    assert_eq!((taken.totals.changed, taken.totals.removed), (1, 0));
    assert_eq!((taken.totals.customers, taken.totals.rows), (200, 1401));
    assert!(
        (1..400).contains(&taken.totals.read_bytes),
        "{}",
        taken.totals.read_bytes
    );
    assert_eq!(quick(&place).totals.read_bytes, 0);
}

#[test]
fn whatever_happens_is_noted() {
    let place = tracked(OWNERSHIP, SCHEMA);
    for (sql, changed, removed) in [
        ("UPDATE items SET what = 'x' WHERE order_id = 51", 1, 0),
        ("UPDATE orders SET customer_id = 9 WHERE id = 51", 2, 0),
        ("UPDATE country SET name = 'Deutschland'", 0, 0),
        (
            "INSERT INTO customers VALUES (1000, '2024', 'new', 4)",
            1,
            0,
        ),
        (
            "INSERT INTO orders VALUES (9999, 1000, 1); INSERT INTO items VALUES (9999, 1, 'a')",
            1,
            0,
        ),
        // Whoever was referred by this one is changed as well.
        ("UPDATE customers SET joined = '2021' WHERE id = 5", 28, 1),
        (
            "DELETE FROM items WHERE order_id = 61; DELETE FROM orders WHERE id = 61",
            1,
            0,
        ),
        // Rows that dangle are nobody's.
        ("DELETE FROM customers WHERE id = 100", 0, 1),
        (
            "INSERT INTO customers VALUES (100, '2025', 'once more', NULL)",
            1,
            0,
        ),
        ("REPLACE INTO orders VALUES (71, 8, 'displaced')", 2, 0),
        ("UPDATE OR REPLACE orders SET id = 81 WHERE id = 91", 2, 0),
        ("DELETE FROM orders WHERE id = 111", 1, 0),
        ("INSERT INTO orders VALUES (111, 12, 'of another')", 1, 0),
    ] {
        run(&place, sql);
        let taken = quick(&place);
        let found = (taken.totals.changed, taken.totals.removed);
        assert_eq!(found.1, removed, "{sql}");
        assert!(found.0 >= changed, "{sql}: {found:?}");
    }
    // All of it once more by reading everything.
    let last = place.restore(14, "a");
    let full = place.snapshot(true);
    assert_eq!((full.totals.changed, full.totals.removed), (0, 0));
    crate::support::compare::same(&last, &place.restore(full.id.number as usize, "b")).unwrap();
}

#[test]
fn it_can_be_taken_out_again() {
    let place = tracked(OWNERSHIP, SCHEMA);
    track(&place, Tracking::Remove);
    run(&place, "UPDATE customers SET name = 'unseen' WHERE id = 3");
    let taken = exact(&place);
    assert!(!taken.tracked && taken.why_scanned.is_none());
    assert_eq!(taken.totals.changed, 1);
}

#[test]
fn values_that_are_too_long_to_be_held_are_read_among_the_others() {
    let schema = format!(
        "{SCHEMA} UPDATE orders SET total = zeroblob(5000000) WHERE id IN (101, 301, 401);"
    );
    let place = tracked(OWNERSHIP, &schema);
    run(
        &place,
        "UPDATE orders SET total = x'01' WHERE id IN (301, 501)",
    );
    assert_eq!(quick(&place).totals.changed, 2);
    run(
        &place,
        "UPDATE orders SET total = zeroblob(6000000) WHERE id IN (301, 302); UPDATE customers SET name = 'x' WHERE id = 40",
    );
    assert_eq!(quick(&place).totals.changed, 2);
}
