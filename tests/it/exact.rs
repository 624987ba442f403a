//! What comes back is what was there: Chinook, and random histories of a CRM of six tables. After a
//! full and six incrementals each of the seven snapshots restores to exactly what the database was
//! then, from either store; and with a customer forgotten in between, everybody else's rows do.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use rusqlite::Connection;
use tenure::error::FailureKind;
use tenure::report::Silent;
use tenure::{customers, forget, restore};

use crate::support::compare::{same, same_except, sound};
use crate::support::history::{self, History, apply, create};
use crate::support::place::Place;

const HISTORY: &str = "table = \"customers\"\nkey = \"id\"";

fn seven_snapshots(history: &History) -> Result<(Place, Vec<PathBuf>), TestCaseError> {
    let place = Place::new(HISTORY, history::OWNERSHIP, |db| {
        create(&Connection::open(db).unwrap());
    });
    let connection = Connection::open(&place.db).unwrap();
    apply(&connection, &history.start);
    drop(connection);
    let mut kept = Vec::new();
    for number in 0..=history.rounds.len() {
        if number > 0 {
            let connection = Connection::open(&place.db).unwrap();
            apply(&connection, &history.rounds[number - 1]);
        }
        kept.push(place.keep(number + 1));
        let taken = place.snapshot(false);
        prop_assert_eq!(taken.id.number as usize, number + 1);
        prop_assert!(taken.stores.iter().all(|(_, behind)| behind.is_none()));
    }
    Ok((place, kept))
}

#[test]
fn random_histories_come_back_exactly() {
    let cases = if std::env::var_os("TENURE_LONG").is_some() {
        300
    } else {
        24
    };
    let mut runner = TestRunner::new(Cases {
        cases,
        failure_persistence: None,
        ..Cases::default()
    });
    let run = runner.run(&history::history(), |history| {
        let (place, kept) = seven_snapshots(&history)?;
        for (number, kept) in (1..).zip(&kept) {
            let store = if number % 2 == 0 { "a" } else { "b" };
            let back = place.restore(number, store);
            same(kept, &back)
                .map_err(|why| TestCaseError::fail(format!("snapshot {number}: {why}")))?;
        }
        Ok(())
    });
    run.unwrap();
}

#[test]
fn chinook_comes_back_exactly() {
    let ownership = "shared = [\"Album\", \"Artist\", \"Employee\", \"Genre\", \"MediaType\", \
                     \"Playlist\", \"PlaylistTrack\", \"Track\"]";
    let register = "table = \"Customer\"\nkey = \"CustomerId\"";
    let place = Place::new(register, ownership, |db| {
        fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chinook.sqlite"),
            db,
        )
        .unwrap();
    });
    let rounds = [
        "",
        "UPDATE Customer SET City = 'Trondheim' WHERE CustomerId % 7 = 1",
        "INSERT INTO Invoice SELECT InvoiceId + 1000, 59 - CustomerId, InvoiceDate, 'x', NULL, NULL,
         NULL, NULL, 1.25 FROM Invoice WHERE InvoiceId < 20 AND CustomerId < 59",
        "DELETE FROM InvoiceLine WHERE InvoiceId % 5 = 0",
        "UPDATE Invoice SET CustomerId = CustomerId % 59 + 1 WHERE InvoiceId % 11 = 0",
        "DELETE FROM InvoiceLine WHERE InvoiceId IN (SELECT InvoiceId FROM Invoice WHERE CustomerId = 3);
         DELETE FROM Invoice WHERE CustomerId = 3; DELETE FROM Customer WHERE CustomerId = 3",
        "INSERT INTO Genre VALUES (99, 'Ünïcode')",
    ];
    let mut kept = Vec::new();
    for (number, sql) in (1..).zip(rounds) {
        Connection::open(&place.db)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        kept.push(place.keep(number));
        let taken = place.snapshot(number == 5);
        assert!(taken.unsettled.is_empty(), "{:?}", taken.unsettled);
    }
    for store in ["a", "b"] {
        for (number, kept) in (1..).zip(&kept) {
            same(kept, &place.restore(number, store)).unwrap();
        }
    }
}

#[test]
fn everybody_else_stays_when_one_is_forgotten() {
    let mut runner = TestRunner::new(Cases {
        cases: 12,
        failure_persistence: None,
        ..Cases::default()
    });
    let run = runner.run(
        &(history::history(), any::<prop::sample::Index>()),
        |(history, pick)| {
            let (place, kept) = seven_snapshots(&history)?;
            let last = Connection::open(&kept[6]).unwrap();
            let mut ids = last
                .prepare("SELECT id FROM customers ORDER BY id")
                .unwrap();
            let ids: Vec<i64> = ids
                .query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            prop_assume!(!ids.is_empty());
            let gone = ids[pick.index(ids.len())];
            forget::run(&mut place.change(), &[gone.to_string()], &[]).unwrap();
            for (number, kept) in (1..).zip(&kept) {
                let back = place.restore(number, "a");
                sound(kept, &back).map_err(TestCaseError::fail)?;
                expect_without(kept, &back, gone).map_err(|why| {
                    TestCaseError::fail(format!("snapshot {number}, without {gone}: {why}"))
                })?;
            }
            let again = place.snapshot(false);
            prop_assert_eq!(again.left_out.len(), 1);
            Ok(())
        },
    );
    run.unwrap();
}

/// That `back` is `kept` without the rows of customer `gone`: what referred to that one is NULL, or a
/// neutral row where NULL is forbidden.
fn expect_without(kept: &Path, back: &Path, gone: i64) -> Result<(), String> {
    let was_here = Connection::open(kept).unwrap();
    let was_here = was_here
        .prepare("SELECT 1 FROM customers WHERE id = ?")
        .and_then(|mut found| found.exists([gone]))
        .unwrap();
    if !was_here {
        // Rows that led to a customer who was not there yet were nobody's, and stay.
        return same(kept, back);
    }
    let script = format!(
        "ATTACH '{}' AS back;
         -- First: a neutral row may have the number that the one who is gone had.
         DELETE FROM customers WHERE id = {gone};
         CREATE TEMP TABLE tombstone AS
             SELECT id FROM back.customers WHERE id NOT IN (SELECT id FROM main.customers);
         INSERT INTO main.customers SELECT * FROM back.customers WHERE id IN tombstone
             -- Below the least number there is none.
             AND (id < 0 OR EXISTS (SELECT 1 FROM main.customers WHERE id = -9223372036854775807 - 1))
             AND (SELECT count(*) FROM tombstone) = 1 AND joined = '2020-01-01'
             AND EXISTS (SELECT 1 FROM main.introductions
                         WHERE introduced = {gone} AND customer_id <> {gone});
         DELETE FROM order_items WHERE order_id IN
             (SELECT id FROM orders WHERE customer_id = {gone});
         DELETE FROM orders WHERE customer_id = {gone};
         DELETE FROM notes WHERE customer_id = {gone};
         DELETE FROM introductions WHERE customer_id = {gone};
         UPDATE introductions SET introduced = (SELECT id FROM tombstone) WHERE introduced = {gone};
         UPDATE notes SET mentions = NULL WHERE mentions = {gone};
         UPDATE customers SET referred_by = NULL WHERE referred_by = {gone};
         DROP TABLE tombstone;
         DETACH back;",
        back.display()
    );
    same_except(kept, back, &script)
}

#[test]
fn nobody_is_given_for_another_whose_key_is_written_alike() {
    let register = "table = \"c\"\nkey = \"a, b\"";
    let place = Place::new(register, "", |db| {
        let made = "CREATE TABLE c (a, b, name, PRIMARY KEY (a, b));
                    INSERT INTO c VALUES (1, '1', 'ann'), ('1', 1, 'ben'), (2, 2, 'cid')";
        Connection::open(db).unwrap().execute_batch(made).unwrap();
    });
    place.snapshot(false);
    let repository = place.read();
    let id = restore::choose(&repository, None, None).unwrap();
    let restored = |customer: &str, to: &str| {
        restore::customer(&repository, customer, &place.path(to), id, None, &Silent)
    };
    let refused = restored("1,1", "any").err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Usage);
    let hint = refused.next_step().unwrap().to_owned();
    assert!(hint.contains("1,1#0") && hint.contains("1,1#1"), "{hint}");
    let refused = customers::show(&repository, "1,1", true).err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Usage);
    assert_eq!(refused.next_step().unwrap(), hint);
    for (label, name) in [("1,1#0", "ann"), ("1,1#1", "ben"), ("2,2", "cid")] {
        assert!(customers::show(&repository, label, true).is_ok());
        assert_eq!(restored(label, name).unwrap().rows, 1);
        let back = Connection::open(place.path(name).join("crm.sqlite")).unwrap();
        let found: String = back
            .query_row("SELECT name FROM c", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, name);
    }
}

#[test]
fn a_negative_zero_is_one_customer_with_whatever_equals_it() {
    let place = Place::new("table = \"c\"\nkey = \"id\"", "", |db| {
        let made = "CREATE TABLE c (id PRIMARY KEY, name); CREATE TABLE n (c REFERENCES c, t);
                    INSERT INTO c VALUES (-0.0, 'ann'), (1, 'ben');
                    INSERT INTO n VALUES (0, 'a'), (-0.0, 'b'), (0.0, 'c'), (1, 'd')";
        Connection::open(db).unwrap().execute_batch(made).unwrap();
    });
    place.snapshot(false);
    let repository = place.read();
    let id = restore::choose(&repository, None, None).unwrap();
    let to = place.path("one");
    let one = restore::customer(&repository, "-0.0", &to, id, None, &Silent).unwrap();
    assert_eq!(one.rows, 4);
    drop(repository);
    forget::run(&mut place.change(), &["-0.0".into()], &[]).unwrap();
    place.snapshot(false);
    for number in [1, 2] {
        let (back, _) = place.try_restore(number, "a").unwrap();
        let count = |sql: &str| {
            let back = Connection::open(&back).unwrap();
            back.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(count("SELECT count(*) FROM c"), 1);
        assert_eq!(count("SELECT count(*) FROM n WHERE t <> 'd'"), 0);
    }
}

#[test]
fn a_row_that_stands_for_nobody_has_the_rest_of_the_key_by_which_it_is_meant() {
    let rules = "[[source.owns]]\ntable = \"pairs\"\nby = \"p,q\"\n\
                 [[source.owns]]\ntable = \"pairs\"\nalso = \"r,s\"\n";
    let place = Place::new("table = \"people\"\nkey = \"a,b\"", rules, |db| {
        let sql = "PRAGMA foreign_keys = OFF;
            CREATE TABLE people(a INT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
            CREATE TABLE pairs(p INT NOT NULL, q TEXT NOT NULL, r, s, PRIMARY KEY (p, q, r, s),
              FOREIGN KEY (p, q) REFERENCES people(a, b), FOREIGN KEY (r, s) REFERENCES people(a, b));
            CREATE TABLE notes(p INT NOT NULL, q TEXT NOT NULL, r NOT NULL, s NOT NULL,
              FOREIGN KEY (p, q, r, s) REFERENCES pairs(p, q, r, s));
            INSERT INTO people VALUES (1, 'x'), (0, 'y'); INSERT INTO pairs VALUES (0, 'y', 1, 'x'), (7, 'z', 1, 'x');
            INSERT INTO notes SELECT * FROM pairs;";
        Connection::open(db).unwrap().execute_batch(sql).unwrap();
    });
    place.snapshot(false);
    forget::run(&mut place.change(), &["1,x".into()], &[]).unwrap();
    let (back, _) = place.try_restore(1, "a").unwrap();
    let conn = Connection::open(back).unwrap();
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let lead = "SELECT count(*) FROM notes JOIN pairs USING (p, q, r, s) WHERE (p, q) IN (VALUES (0, 'y'), (7, 'z'))";
    assert_eq!(count(lead), 2);
    assert_eq!(count("SELECT count(*) FROM pairs"), 4);
    assert_eq!(
        count("SELECT count(*) FROM people WHERE b IN ('x', 'z')"),
        0
    );
}
