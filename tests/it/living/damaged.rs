//! Databases with a damaged page: what can be read is backed up, the rest is named.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rusqlite::Connection;
use tenure::{forget, restore};

use super::{REGISTER, balanced};
use crate::support::place::Place;

/// One customer's payments fill pages of their own.
fn bank(path: &Path, mode: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size = 1024; {} PRAGMA journal_mode = {mode};
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
         INSERT INTO payments (customer_id, amount) SELECT 1 + (i - 1) / 200, 1 - i % 2 * 2 FROM n;",
        super::BANK
    ))
    .unwrap();
}

/// Fills one leaf of a table, of some number, with what is no page. Returns how many rows were in it, and what
/// it was.
fn ruin(path: &Path, table: &str, leaf: usize) -> (u32, u64, Vec<u8>) {
    ruin_page(path, table, "leaf", leaf)
}

/// The same of a page of any type.
fn ruin_page(path: &Path, table: &str, kind: &str, number: usize) -> (u32, u64, Vec<u8>) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let sql = "SELECT pageno, ncell FROM dbstat WHERE name = ?1 AND pagetype = ?2 \
               ORDER BY path LIMIT 1 OFFSET ?3";
    let place = (table, kind, number as i64);
    let (page, rows): (u32, u32) = db
        .query_row(sql, place, |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    drop(db);
    let at = u64::from(page - 1) * 1024;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut before = vec![0; 1024];
    file.read_exact_at(&mut before, at).unwrap();
    file.write_all_at(&[0xa5; 1024], at).unwrap();
    (rows, at, before)
}

fn count(path: &Path, sql: &str) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Restores a snapshot that may have told of something.
fn restored(place: &Place, number: u64) -> std::path::PathBuf {
    let repository = place.read();
    let id = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
    let to = place.path(&format!("back-{number}"));
    let back = restore::whole(&repository, &to, id, None, None, &tenure::report::Silent).unwrap();
    back.sources[0].path.clone()
}

#[test]
fn a_damaged_page_costs_its_own_rows_and_is_named() {
    for mode in ["WAL", "DELETE"] {
        let place = Place::new(REGISTER, "", |db| bank(db, mode));
        assert!(place.snapshot(false).unsettled.is_empty());
        let (rows, at, page) = ruin(&place.db, "payments", 11);
        let taken = place.snapshot(true);
        assert_eq!(taken.unsettled.len(), 1, "{:?}", taken.unsettled);
        assert!(taken.unsettled[0].contains("table \"payments\" is damaged"));
        let back = restored(&place, 2);
        let left = count(&back, "SELECT count(*) FROM payments");
        assert_eq!(left, 4000 - i64::from(rows), "{mode}");
        assert_eq!(count(&back, "SELECT count(*) FROM customers"), 20);
        // Put right, it is whole again.
        let file = OpenOptions::new().write(true).open(&place.db).unwrap();
        file.write_all_at(&page, at).unwrap();
        let taken = place.snapshot(false);
        assert!(taken.unsettled.is_empty());
        assert!((1..=2).contains(&taken.totals.changed));
        assert_eq!(balanced(&place.restore(3, "a")), 4000);
    }
}

#[test]
fn damage_that_is_met_by_reading_alone_is_named() {
    let place = Place::new(REGISTER, "", |db| {
        bank(db, "DELETE");
        let letters =
            "CREATE TABLE letters (id INTEGER PRIMARY KEY, customer REFERENCES customers, text);
            INSERT INTO letters VALUES (1, 1, 'a'), (2, 1, hex(zeroblob(3000))), (3, 2, 'c')";
        Connection::open(db)
            .unwrap()
            .execute_batch(letters)
            .unwrap();
    });
    assert!(place.snapshot(false).unsettled.is_empty());
    // Whoever counts rows does not look at what a long one has elsewhere.
    ruin_page(&place.db, "letters", "overflow", 1);
    let told = place.snapshot(false).unsettled;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("\"letters\" is damaged"), "{told:?}");
    let left = "SELECT count(*) FROM letters WHERE id <> 2";
    assert_eq!(count(&restored(&place, 2), left), 2);
}

#[test]
fn whoever_cannot_be_read_is_not_taken_for_gone() {
    let place = Place::new(REGISTER, "", |db| {
        bank(db, "DELETE");
        let more = "WITH RECURSIVE n(i) AS (SELECT 21 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
            INSERT INTO customers SELECT i, 'customer ' || i, 1000 FROM n";
        Connection::open(db).unwrap().execute_batch(more).unwrap();
    });
    place.snapshot(false);
    let (rows, at, page) = ruin(&place.db, "customers", 0);
    let taken = place.snapshot(false);
    let told = taken.unsettled.join("\n");
    assert!(told.contains("\"customers\" is damaged"), "{told}");
    // Whose they are stands in the payments themselves.
    assert!(!told.contains("\"payments\" is damaged"), "{told}");
    let missing = |place: &Place| {
        let lives = place.read().catalog.lives().unwrap();
        lives.values().filter(|life| life.missing.is_some()).count()
    };
    assert_eq!(missing(&place), 0);
    let back = restored(&place, 2);
    let left = count(&back, "SELECT count(*) FROM customers");
    assert_eq!(left, 500 - i64::from(rows));
    assert_eq!(count(&back, "SELECT count(*) FROM payments"), 4000);
    // Payments of those who cannot be read are still theirs: they go with whom is forgotten.
    forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    std::fs::remove_dir_all(place.path("back-2")).unwrap();
    let left = count(&restored(&place, 2), "SELECT count(*) FROM payments");
    assert_eq!(left, 4000 - 200);
    let file = OpenOptions::new().write(true).open(&place.db).unwrap();
    file.write_all_at(&page, at).unwrap();
    let taken = place.snapshot(false);
    assert!(taken.unsettled.is_empty());
    assert_eq!((taken.totals.customers, missing(&place)), (499, 0));
    // They are who they were.
    assert_eq!(taken.totals.changed, u64::from(rows) - 1);
}

#[test]
fn of_several_who_had_a_key_none_is_taken_for_who_cannot_be_read() {
    let register = format!("{REGISTER}\nsince = \"name\"");
    let place = Place::new(&register, "", |db| {
        bank(db, "DELETE");
        let more = "WITH RECURSIVE n(i) AS (SELECT 21 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
            INSERT INTO customers SELECT i, 'customer ' || i, 1000 FROM n";
        Connection::open(db).unwrap().execute_batch(more).unwrap();
    });
    place.snapshot(false);
    let another = "UPDATE customers SET name = 'another' WHERE id = 1";
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(another)
        .unwrap();
    place.snapshot(false);
    ruin(&place.db, "customers", 0);
    place.snapshot(false);
    // Each of them alone, and both, could have had these payments.
    let holders = tenure::customers::find(&place.read(), "1").unwrap();
    let ids: Vec<String> = holders
        .iter()
        .map(|one| format!("1#{}", one.domain.arrival))
        .collect();
    assert_eq!(ids.len(), 2);
    forget::run(&mut place.change(), &ids, &[]).unwrap();
    let left = "SELECT count(*) FROM payments WHERE customer_id = 1";
    assert_eq!(count(&restored(&place, 3), left), 200);
    // The only one who had a key is taken for that one.
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    std::fs::remove_dir_all(place.path("back-3")).unwrap();
    let left = "SELECT count(*) FROM payments WHERE customer_id = 2";
    assert_eq!(count(&restored(&place, 3), left), 0);
}

#[test]
fn whoever_left_is_gone_though_another_table_is_damaged() {
    let place = Place::new(REGISTER, "", |db| {
        bank(db, "DELETE");
        // Both its ways to the owner are compared before the register is read.
        let receipts = "CREATE TABLE receipts (id INTEGER PRIMARY KEY,
                customer REFERENCES customers, payment REFERENCES payments);
            INSERT INTO receipts SELECT id, customer_id, id FROM payments";
        let db = Connection::open(db).unwrap();
        db.execute_batch(receipts).unwrap();
    });
    assert!(place.snapshot(false).unsettled.is_empty());
    ruin(&place.db, "receipts", 3);
    let leave = "PRAGMA foreign_keys = OFF; DELETE FROM customers WHERE id = 20";
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(leave)
        .unwrap();
    let told = place.snapshot(false).unsettled.join("\n");
    assert!(told.contains("\"receipts\" is damaged"), "{told}");
    let lives = place.read().catalog.lives().unwrap();
    assert_eq!(
        lives.values().filter(|life| life.missing.is_some()).count(),
        1
    );
}

#[test]
fn who_lists_customers_of_a_damaged_register_is_told_which_and_what_to_do() {
    let place = Place::new(REGISTER, "", |db| {
        bank(db, "DELETE");
        let more = "WITH RECURSIVE n(i) AS (SELECT 21 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
            INSERT INTO customers SELECT i, 'customer ' || i, 1000 FROM n";
        Connection::open(db).unwrap().execute_batch(more).unwrap();
    });
    place.snapshot(false);
    ruin(&place.db, "customers", 2);
    let failure = tenure::customers::list(&place.read(), &Default::default()).unwrap_err();
    assert_eq!(failure.to_string(), "cannot read source \"crm\"");
    assert_eq!(failure.causes()[0], "cannot read customers");
    assert!(
        failure
            .next_step()
            .unwrap()
            .contains("restore it from a snapshot")
    );
}

#[test]
fn a_file_that_is_too_short_is_backed_up_as_far_as_it_goes_and_nobody_is_taken_for_gone() {
    for mode in ["DELETE", "WAL"] {
        let place = Place::new(REGISTER, "", |db| bank(db, mode));
        place.snapshot(false);
        let db = Connection::open(&place.db).unwrap();
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(db);
        let before = std::fs::read(&place.db).unwrap();
        let file = OpenOptions::new().write(true).open(&place.db).unwrap();
        file.set_len(before.len() as u64 / 2 + 300).unwrap();
        let taken = place.snapshot(false);
        let told = taken.unsettled.join("\n");
        assert!(told.contains("crm: the file is too short"), "{told}");
        assert!(told.contains("table \"payments\" is damaged"), "{told}");
        let back = restored(&place, 2);
        let left = count(&back, "SELECT count(*) FROM payments");
        assert!((1000..3000).contains(&left), "{left}");
        let lives = place.read().catalog.lives().unwrap();
        assert!(lives.values().all(|life| life.missing.is_none()));
        std::fs::write(&place.db, before).unwrap();
        assert!(place.snapshot(false).unsettled.is_empty());
        assert_eq!(balanced(&place.restore(3, "a")), 4000);
    }
}

#[test]
fn a_source_that_cannot_be_read_stays_as_it_was_and_hinders_no_other() {
    let two = "[[source]]\nname = \"two\"\nkind = \"sqlite\"\npath = \"two.db\"\n\
               [[source.owns]]\ntable = \"notes\"\nby = \"customer\"";
    let place = Place::new(REGISTER, two, |db| {
        bank(db, "DELETE");
        let two = Connection::open(db.with_file_name("two.db")).unwrap();
        let sql = "CREATE TABLE notes(id INTEGER PRIMARY KEY, customer INTEGER, what);
                   INSERT INTO notes(customer, what) VALUES (1, 'a'), (1, 'b'), (2, 'c'), (900, 'nobody')";
        two.execute_batch(sql).unwrap();
    });
    assert!(place.snapshot(false).unsettled.is_empty());
    let file = place.path("two.db");
    let before = std::fs::read(&file).unwrap();
    let mut ruined = before.clone();
    ruined[100..120].fill(0xa5);
    let more = "INSERT INTO customers (name, balance) VALUES ('new', 1000)";
    for (number, full) in [(2, false), (3, true)] {
        std::fs::write(&file, &ruined).unwrap();
        let changed = Connection::open(&place.db).unwrap();
        changed.execute_batch(more).unwrap();
        let taken = place.snapshot(full);
        assert_eq!(taken.unsettled.len(), 1, "{:?}", taken.unsettled);
        let told = &taken.unsettled[0];
        assert!(
            told.starts_with("two: the source cannot be read, so it stays as it was"),
            "{told}"
        );
        for what in [
            "is damaged where all reading begins: ",
            "malformed",
            "restore it from a snapshot",
        ] {
            assert!(told.contains(what), "{told}");
        }
        assert_eq!(taken.kind, tenure::manifest::SnapshotKind::Incremental);
        assert_eq!(taken.totals.removed, 0);
        let back = restored(&place, number);
        assert_eq!(
            count(&back, "SELECT count(*) FROM customers"),
            19 + number as i64
        );
        let two = back.parent().unwrap().with_file_name("two").join("two.db");
        assert_eq!(count(&two, "SELECT count(*) FROM notes"), 4);
    }
    // Whoever is forgotten is gone from what stays as well.
    forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    std::fs::remove_dir_all(place.path("back-3")).unwrap();
    let back = restored(&place, 3);
    let two = back.parent().unwrap().with_file_name("two").join("two.db");
    assert_eq!(count(&two, "SELECT count(*) FROM notes"), 2);
    std::fs::write(&file, &before).unwrap();
    assert!(place.snapshot(true).unsettled.is_empty());
}

#[test]
fn a_register_that_cannot_be_read_stops_a_snapshot_of_all_sources() {
    let two = "[[source]]\nname = \"two\"\nkind = \"sqlite\"\npath = \"two.db\"\n\
               [[source.owns]]\ntable = \"notes\"\nby = \"customer\"";
    let place = Place::new(REGISTER, two, |db| {
        bank(db, "DELETE");
        let two = Connection::open(db.with_file_name("two.db")).unwrap();
        let sql = "CREATE TABLE notes(id INTEGER PRIMARY KEY, customer INTEGER); INSERT INTO notes VALUES (1, 1)";
        two.execute_batch(sql).unwrap();
    });
    place.snapshot(false);
    std::fs::rename(&place.db, place.path("away.db")).unwrap();
    let failure = place.try_snapshot().err().unwrap();
    assert_eq!(failure.to_string(), "cannot read source \"crm\"");
    std::fs::rename(place.path("away.db"), &place.db).unwrap();
    assert_eq!(place.snapshot(false).id.number, 2);
}

#[test]
fn without_the_register_nothing_is_backed_up_and_it_is_said_why() {
    let place = Place::new(REGISTER, "", |db| bank(db, "WAL"));
    place.snapshot(false);
    let rename = "ALTER TABLE customers RENAME COLUMN id TO number";
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(rename)
        .unwrap();
    let failure = place.try_snapshot().err().unwrap();
    let causes = failure.causes().join("; ");
    assert!(
        causes.contains("[customers] names the column \"id\""),
        "{causes}"
    );
    let hint = failure.next_step().unwrap();
    assert!(
        hint.contains("no snapshot") && hint.contains("there are: number, "),
        "{hint}"
    );
    place.reconfigure(|text| text.replace("key = \"id\"", "key = \"number\""));
    let taken = place.snapshot(false);
    assert_eq!((taken.totals.customers, taken.totals.removed), (20, 0));
}
