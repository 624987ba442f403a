//! Databases that others write to while they are read, that are replaced, changed or left behind by a
//! dead writer, and what reading them costs their writers.

mod beside;
mod changed;
mod child;
mod crashed;
mod damaged;
mod plain;
mod room;
mod writers;

use std::path::Path;

use rusqlite::Connection;
use tenure::backup::{self, Taken};
use tenure::report::{Report, Unit};

use crate::support::place::Place;

/// The register of all these tests.
const REGISTER: &str = "table = \"customers\"\nkey = \"id\"";

/// Customers with a balance, and what they paid each other.
const BANK: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, balance INTEGER NOT NULL);
    CREATE TABLE payments (id INTEGER PRIMARY KEY,
        customer_id INTEGER NOT NULL REFERENCES customers, amount INTEGER NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
    INSERT INTO customers SELECT i, 'customer ' || i, 1000 FROM n;";

/// Whether no money came or went, in all and for each customer: how many payments there are.
fn balanced(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT sum(balance) FROM customers"), 20 * 1000);
    let wrong = "SELECT count(*) FROM customers WHERE balance <> 1000 +
        (SELECT coalesce(sum(amount), 0) FROM payments WHERE customer_id = customers.id)";
    assert_eq!(one(wrong), 0);
    one("SELECT count(*) FROM payments")
}

/// Does something when a stretch of work begins.
struct When<F>(&'static str, F);

impl<F: Fn() + Send + Sync> Report for When<F> {
    fn begin(&self, what: &str, _: Option<u64>, _: Unit) {
        if what == self.0 {
            self.1();
        }
    }
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

/// Takes a snapshot, and does something when all sources are open and nothing of their rows was read.
fn snapshot_while(place: &Place, meanwhile: impl Fn() + Send + Sync) -> Taken {
    let done = std::sync::atomic::AtomicBool::new(false);
    let meanwhile = When("reading", || {
        meanwhile();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let taken = backup::take(&mut place.change(), false, &meanwhile).unwrap();
    assert!(done.load(std::sync::atomic::Ordering::Relaxed));
    taken
}
