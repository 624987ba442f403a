//! A database beside the one with the register, locked by its application.

use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tenure::restore;

use super::{BANK, REGISTER};
use crate::support::place::Place;

/// The bank, and notes on its customers in a database of its own.
fn place() -> Place {
    let notes = "[[source]]\nname = \"notes\"\nkind = \"sqlite\"\npath = \"notes.db\"\n\
                 [[source.owns]]\ntable = \"notes\"\nby = \"customer\"";
    Place::new(REGISTER, notes, |db| {
        Connection::open(db).unwrap().execute_batch(BANK).unwrap();
        let notes = Connection::open(db.with_file_name("notes.db")).unwrap();
        let sql = "CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER, text);
                   INSERT INTO notes VALUES (1, 1, 'a')";
        notes.execute_batch(sql).unwrap();
    })
}

/// Somebody who writes into the notes and keeps everybody else out.
fn writer(place: &Place) -> Connection {
    let notes = Connection::open(place.path("notes.db")).unwrap();
    notes.execute_batch("BEGIN EXCLUSIVE").unwrap();
    notes
}

#[test]
fn whoever_comes_while_a_snapshot_waits_for_another_database_is_known_to_it() {
    let place = place();
    let notes = writer(&place);
    thread::scope(|scope| {
        let snapshot = scope.spawn(|| place.snapshot(true));
        // By now it waits, or it has not begun: what it must find is the same.
        thread::sleep(Duration::from_millis(700));
        let sql = "INSERT INTO customers VALUES (21, 'new', 1000)";
        Connection::open(&place.db)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let sql = "INSERT INTO notes VALUES (2, 21, 'b'); COMMIT";
        notes.execute_batch(sql).unwrap();
        assert_eq!(snapshot.join().unwrap().totals.customers, 21);
    });
    let repository = place.read();
    let id = restore::choose(&repository, None, None).unwrap();
    let to = place.path("new");
    let silent = &tenure::report::Silent;
    let new = restore::customer(&repository, "21", &to, id, None, silent).unwrap();
    assert_eq!(new.rows, 2);
}

#[test]
fn a_database_that_stays_locked_fails_a_snapshot_which_may_be_tried_again() {
    let place = place();
    let notes = writer(&place);
    let failure = place.try_snapshot().err().unwrap();
    assert_eq!(failure.to_string(), "cannot read source \"notes\"");
    assert!(failure.causes()[0].contains("locked"), "{failure:?}");
    assert!(failure.next_step().unwrap().contains("try again"));
    notes.execute_batch("ROLLBACK").unwrap();
    let taken = place.snapshot(false);
    assert_eq!((taken.id.number, taken.unsettled.len()), (1, 0));
    assert_eq!(taken.totals.rows, 21);
}
