//! Where there is no room for the copy.

use rusqlite::Connection;

use super::{BANK, REGISTER, balanced};
use crate::support::disk::Small;
use crate::support::place::Place;

#[test]
fn a_snapshot_that_has_no_room_says_how_much_it_takes_and_the_next_one_has_everything() {
    let place = Place::new(REGISTER, "", |path| {
        let db = Connection::open(path).unwrap();
        db.execute_batch(BANK).unwrap();
    });
    place.snapshot(false);
    let db = Connection::open(&place.db).unwrap();
    db.execute_batch(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, customer_id REFERENCES customers, more);
         INSERT INTO notes VALUES (1, 1, zeroblob(5000000));",
    )
    .unwrap();
    let spill = place.config().state_dir.join("spill");
    let Some(small) = Small::mount(&spill, 4) else {
        return;
    };
    let failure = place.try_snapshot().err().unwrap();
    let said = format!("{failure:?}");
    assert!(said.contains("there is no room in"), "{said}");
    assert!(said.contains("bytes)"), "{said}");
    let hint = failure.next_step().unwrap();
    assert!(hint.contains("make room there"), "{hint}");
    // Nobody waits for it any more, and what was there is there.
    db.execute_batch("UPDATE notes SET customer_id = 2")
        .unwrap();
    assert_eq!(balanced(&place.restore(1, "a")), 0);
    drop(small);
    assert_eq!(place.snapshot(false).id.number, 2);
    let back = Connection::open(place.restore(2, "b")).unwrap();
    let len: i64 = back
        .query_row(
            "SELECT length(more) FROM notes WHERE customer_id = 2",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(len, 5_000_000);
}
