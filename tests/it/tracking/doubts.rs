//! Whatever is in doubt, everything is read, and that is said.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rusqlite::Connection;

use super::thin::{OWNERSHIP, SCHEMA};
use super::{exact, quick, run, track as tracking, tracked};
use crate::support::place::Place;
use tenure::track::{self, Tracking};

/// Takes an incremental that reads everything for this reason, and is exact; the next one reads what has changed.
fn slow(place: &Place, why: &str) {
    let taken = exact(place);
    let told = taken.why_scanned.unwrap_or_default();
    assert!(!taken.tracked && told.contains(why), "{told:?}");
}

#[test]
fn a_table_that_a_migration_has_rebuilt_is_read_as_a_whole() {
    let place = tracked(OWNERSHIP, SCHEMA);
    quick(&place);
    run(
        &place,
        "CREATE TABLE anew(id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, total);
         INSERT INTO anew SELECT id, customer_id, total + 1 FROM orders; DROP TABLE orders;
         ALTER TABLE anew RENAME TO orders; CREATE INDEX orders_customer ON orders(customer_id);",
    );
    slow(&place, "not the one for its schema");
    run(&place, "UPDATE orders SET total = 9 WHERE id = 11");
    slow(&place, "not the one for its schema");
    tracking(&place, Tracking::Install);
    slow(&place, "is not known");
    run(&place, "UPDATE orders SET total = 10 WHERE id = 11");
    assert_eq!(quick(&place).totals.changed, 1);
}

#[test]
fn triggers_that_were_away_for_a_moment_are_not_trusted() {
    let place = tracked(OWNERSHIP, SCHEMA);
    let db = Connection::open(&place.db).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'tenure_customers_update'";
    let sql: String = db.query_row(sql, [], |row| row.get(0)).unwrap();
    let all = format!(
        "DROP TRIGGER tenure_customers_update; UPDATE customers SET name = 'unseen' WHERE id = 8; {sql}"
    );
    db.execute_batch(&all).unwrap();
    drop(db);
    slow(&place, "its schema was changed");
    quick(&place);
}

#[test]
fn rowids_that_vacuum_has_moved_are_seen() {
    let place = tracked("shared = [\"country\"]\n[[source.owns]]\ntable = \"notes\"\nby = \"customer_id\"", &format!(
        "{SCHEMA} CREATE TABLE notes(customer_id INTEGER, body); INSERT INTO notes SELECT id, 'note' FROM customers;
         DELETE FROM notes WHERE customer_id < 50;"
    ));
    quick(&place);
    run(&place, "VACUUM");
    slow(&place, "its schema was changed");
    quick(&place);
}

#[test]
fn a_database_that_was_put_back_from_an_older_copy_is_read_as_a_whole() {
    let place = tracked(OWNERSHIP, SCHEMA);
    let back = |from: &str| {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(place.path(&format!("crm.db{end}")));
        }
        fs::copy(place.path(from), &place.db).unwrap();
    };
    let copy = |to: &str| {
        run(&place, "PRAGMA wal_checkpoint(TRUNCATE)");
        fs::copy(&place.db, place.path(to)).unwrap();
    };
    run(&place, "UPDATE customers SET name = 'one' WHERE id = 1");
    copy("older.db");
    quick(&place);
    run(&place, "UPDATE customers SET name = 'two' WHERE id = 2");
    quick(&place);
    back("older.db");
    run(&place, "UPDATE customers SET name = 'three' WHERE id = 3");
    slow(&place, "an older copy was put back");
    // One that is no older than the last snapshot has noted all that has happened to it since then.
    run(&place, "UPDATE customers SET name = 'four' WHERE id = 4");
    copy("newer.db");
    run(&place, "UPDATE customers SET name = 'five' WHERE id = 5");
    back("newer.db");
    assert_eq!(quick(&place).totals.changed, 1);
}

#[test]
fn what_was_noted_is_kept_until_a_snapshot_has_its_name() {
    let place = tracked(OWNERSHIP, SCHEMA);
    run(&place, "UPDATE customers SET name = 'one' WHERE id = 1");
    let away = ["a", "b"].map(|store| (place.path(store), place.path(&format!("{store}-away"))));
    for (here, there) in &away {
        fs::rename(here, there).unwrap();
    }
    assert!(place.try_snapshot().is_err());
    for (here, there) in &away {
        fs::rename(there, here).unwrap();
    }
    run(&place, "UPDATE customers SET name = 'two' WHERE id = 2");
    assert_eq!(quick(&place).totals.changed, 2);
}

#[test]
fn rows_that_get_several_owners_make_their_table_ambiguous() {
    let schema = format!(
        "{SCHEMA} CREATE TABLE visits(customer_id INTEGER REFERENCES customers, order_id INTEGER REFERENCES orders);
         INSERT INTO visits SELECT customer_id, id FROM orders;"
    );
    let place = tracked(OWNERSHIP, &schema);
    run(
        &place,
        "UPDATE visits SET customer_id = NULL WHERE order_id = 11",
    );
    quick(&place);
    run(&place, "UPDATE orders SET customer_id = 9 WHERE id = 52");
    slow(&place, "\"visits\" is ambiguous now");
    slow(&place, "\"visits\" is ambiguous");
    run(
        &place,
        "UPDATE visits SET customer_id = 9 WHERE order_id = 52",
    );
    slow(&place, "\"visits\" is ambiguous");
    quick(&place);
}

#[test]
fn a_full_snapshot_counts_what_triggers_had_missed() {
    let place = tracked(OWNERSHIP, SCHEMA);
    run(
        &place,
        "UPDATE customers SET name = 'seen' WHERE id IN (1, 2)",
    );
    assert_eq!(place.snapshot(true).missed, Some(0));
    let db = Connection::open(&place.db).unwrap();
    db.set_db_config(
        rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        false,
    )
    .unwrap();
    let sql = "PRAGMA foreign_keys = OFF; UPDATE customers SET name = 'unseen' WHERE id IN (3, 4, 5); DELETE FROM customers WHERE id = 200;";
    db.execute_batch(sql).unwrap();
    drop(db);
    run(
        &place,
        "UPDATE customers SET name = 'seen' WHERE id IN (5, 6)",
    );
    let full = place.snapshot(true);
    // Two whose rows have changed, one who is gone, and none who is referred to by others.
    assert_eq!(full.missed, Some(3), "{:?}", full.totals);
}

#[test]
fn nothing_is_lost_while_others_write() {
    let place = tracked(OWNERSHIP, SCHEMA);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..2_i64 {
            let (stop, path) = (&stop, &place.db);
            scope.spawn(move || {
                let db = Connection::open(path).unwrap();
                db.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
                let mut step = writer;
                while !stop.load(Ordering::Relaxed) {
                    step = (step * 48_271 + 11) % 2_147_483_647;
                    let (one, two) = (step % 200 + 1, step / 200 % 200 + 1);
                    let sql = format!(
                        "BEGIN IMMEDIATE; UPDATE customers SET name = '{step}' WHERE id = {one};
                         UPDATE orders SET customer_id = {two}, total = {step} WHERE id = {one}1; COMMIT"
                    );
                    db.execute_batch(&sql).unwrap();
                    thread::sleep(std::time::Duration::from_millis(3));
                }
            });
        }
        let tracked: Vec<bool> = (0..6).map(|_| place.snapshot(false).tracked).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(tracked.contains(&true), "{tracked:?}");
    });
    quick(&place);
}

#[test]
fn what_triggers_could_not_see_is_not_tracked() {
    for (more, why) in [
        (
            "CREATE UNIQUE INDEX u ON orders(abs(id))",
            "unique index over an expression",
        ),
        (
            "CREATE TABLE x(customer_id TEXT REFERENCES customers)",
            "do not compare alike",
        ),
        (
            "CREATE VIRTUAL TABLE x USING fts5(words)",
            "full-text table",
        ),
    ] {
        let place = Place::new(super::REGISTER, OWNERSHIP, |db| {
            Connection::open(db)
                .unwrap()
                .execute_batch(&format!("{SCHEMA} {more}"))
                .unwrap();
        });
        let refused = track::run(&place.config(), "crm", Tracking::Install, true)
            .err()
            .unwrap();
        assert!(refused.to_string().contains(why), "{refused}");
        let tables = Connection::open(&place.db).unwrap();
        let ours = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tenure%'";
        assert_eq!(
            tables
                .query_row(ours, [], |row| row.get::<_, i64>(0))
                .unwrap(),
            0
        );
    }
}
