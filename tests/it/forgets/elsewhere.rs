//! Erased in the live system, also where the register is not, and what is not reached there.

use std::os::unix::fs::FileExt as _;

use rusqlite::Connection;
use tenure::error::FailureKind;
use tenure::journal::Cause;
use tenure::lifecycle::erase::{self, Erased, Wanted};
use tenure::report::Silent;
use tenure::{inspect, restore};

use crate::support::place::Place;

/// A register with one key, and a database of calls without it.
fn two(id: &str, keys: &str, who: &str, calls: &str) -> Place {
    let owns = "[[source]]\nname = \"phone\"\nkind = \"sqlite\"\npath = \"phone.db\"\n\
                [[source.owns]]\ntable = \"calls\"\nby = \"who\"";
    Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
        let make = |path, sql: String| {
            let conn = Connection::open(path).unwrap();
            conn.execute_batch(&sql).unwrap();
        };
        let phone = db.with_file_name("phone.db");
        make(
            db.to_owned(),
            format!("CREATE TABLE people (id {id}); INSERT INTO people VALUES {keys}"),
        );
        make(
            phone,
            format!(
                "CREATE TABLE calls (id INTEGER PRIMARY KEY, who {who}); INSERT INTO calls VALUES {calls}"
            ),
        );
    })
}

fn erase(place: &Place, id: &str) -> Erased {
    let wanted = Wanted {
        cause: Cause::Request,
        reason: "asked",
        ground: None,
        vacuum: false,
    };
    erase::on_request(&mut place.change(), id, &wanted).unwrap()
}

fn calls(path: &std::path::Path) -> String {
    let calls = "SELECT ifnull(group_concat(id, ' '), '') FROM calls";
    let conn = Connection::open(path).unwrap();
    conn.query_row(calls, [], |row| row.get(0)).unwrap()
}

#[test]
fn rows_of_another_database_are_erased_in_whatever_form_they_name_their_owner() {
    for (id, keys, who, rows, left) in [
        (
            "INTEGER PRIMARY KEY",
            "(7), (8)",
            "TEXT",
            "(1, '7'), (2, '8'), (3, '07'), (4, NULL)",
            "2 3 4",
        ),
        (
            "INTEGER PRIMARY KEY",
            "(7), (8)",
            "REAL",
            "(1, 7), (2, 8), (3, 7.5)",
            "2 3",
        ),
        (
            "INTEGER PRIMARY KEY",
            "(7), (8)",
            "",
            "(1, 7), (2, '7'), (3, 7.0), (4, '8'), (5, x'37')",
            "4 5",
        ),
        (
            "TEXT PRIMARY KEY",
            "('7'), ('8')",
            "INT",
            "(1, 7), (2, 8)",
            "2",
        ),
        ("REAL PRIMARY KEY", "(7), (8)", "INT", "(1, 7), (2, 8)", "2"),
        // What is somebody's as it stands is not another's as well.
        (
            "NOT NULL UNIQUE",
            "(7), ('7'), (8)",
            "",
            "(1, 7), (2, '7'), (3, 7.0)",
            "2",
        ),
    ] {
        let place = two(id, keys, who, rows);
        place.snapshot(true);
        erase(
            &place,
            match id {
                "REAL PRIMARY KEY" => "7.0",
                // A number and a text are typed alike: the number came first.
                "NOT NULL UNIQUE" => "7#0",
                _ => "7",
            },
        );
        let what = format!("{id}: {rows}");
        assert_eq!(calls(&place.path("phone.db")), left, "{what}");
        place.snapshot(false);
        for number in [1, 2] {
            place.restore(number, "a");
            let back = place
                .path(&format!("out-{number}-a"))
                .join("phone/phone.db");
            assert_eq!(calls(&back), left, "{what}");
        }
    }
}

#[test]
fn what_means_somebody_living_in_another_database_is_not_theirs_who_left() {
    let place = two(
        "NOT NULL UNIQUE",
        "(7), (8)",
        "",
        "(1, 7), (2, 7.0), (3, '8')",
    );
    place.snapshot(true);
    let crm = Connection::open(&place.db).unwrap();
    crm.execute_batch("UPDATE people SET id = '7' WHERE id = 7")
        .unwrap();
    place.snapshot(false);
    let repository = place.change();
    let snapshot = repository.catalog.snapshots().unwrap()[0].id;
    let refused = restore::live(&repository, "7#0", snapshot, true, &Silent)
        .err()
        .unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    assert!(refused.to_string().contains("in another form"), "{refused}");
    drop(repository);
    let erased = erase(&place, "7#0");
    assert_eq!(erased.absent, 1);
    assert_eq!(calls(&place.path("phone.db")), "1 2 3");
    erase(&place, "7");
    assert_eq!(calls(&place.path("phone.db")), "3");
}

#[test]
fn rows_of_another_database_that_name_nobody_of_the_register_are_counted() {
    for (id, keys, who, rows, orphans) in [
        (
            "INTEGER PRIMARY KEY",
            "(7), (8)",
            "TEXT",
            "(1, '7'), (2, '9'), (3, NULL)",
            2,
        ),
        (
            "INTEGER PRIMARY KEY",
            "(7), (8)",
            "REAL",
            "(1, 7), (2, 7.5)",
            1,
        ),
        (
            "TEXT PRIMARY KEY COLLATE NOCASE",
            "('ann'), ('ben')",
            "TEXT",
            "(1, 'ann'), (2, 'Ann')",
            1,
        ),
    ] {
        let place = two(id, keys, who, rows);
        let inspected = inspect::run(&place.config()).unwrap();
        let names: Vec<_> = inspected.iter().map(|one| one.source.as_str()).collect();
        assert_eq!(names, ["crm", "phone"]);
        assert_eq!(inspected[1].tables[0].orphans, orphans, "{rows}");
        let taken = place.snapshot(true);
        assert_eq!(taken.unsettled, [""; 0]);
    }
}

#[test]
fn rows_of_another_database_come_back_live_in_whatever_form_they_name_their_owner() {
    let place = two(
        "INTEGER PRIMARY KEY",
        "(7), (8)",
        "TEXT",
        "(1, '7'), (2, '8')",
    );
    place.snapshot(true);
    let phone = Connection::open(place.path("phone.db")).unwrap();
    phone
        .execute_batch("DELETE FROM calls WHERE id = 1; INSERT INTO calls VALUES (3, '7')")
        .unwrap();
    let repository = place.change();
    let snapshot = repository.catalog.snapshots().unwrap()[0].id;
    restore::live(&repository, "7", snapshot, true, &Silent).unwrap();
    assert_eq!(calls(&place.path("phone.db")), "1 2");
}

#[test]
fn tables_of_which_nobody_has_said_whose_they_are_are_named() {
    let place = Place::new(
        "table = \"people\"\nkey = \"id\"",
        "shared = [\"towns\"]",
        |db| {
            let schema = "CREATE TABLE people (id INTEGER PRIMARY KEY, home REFERENCES homes);
             CREATE TABLE homes (id INTEGER PRIMARY KEY, a REFERENCES people, b REFERENCES people);
             CREATE TABLE towns (id); CREATE TABLE calls (who, what); CREATE TABLE empty (what);
             INSERT INTO people VALUES (1, NULL), (2, NULL); INSERT INTO homes VALUES (1, 1, 2);
             INSERT INTO towns VALUES (1); INSERT INTO calls VALUES (1, 'one calls');";
            Connection::open(db).unwrap().execute_batch(schema).unwrap();
        },
    );
    place.snapshot(true);
    let erased = erase(&place, "1");
    assert_eq!(erased.not_reached, ["crm.homes", "crm.calls"]);
    let certificate = tenure::lifecycle::certificate(&place.read(), erased.entry).unwrap();
    let cautions = certificate["certificate"]["cautions"].to_string();
    for table in ["homes", "calls", "towns", "empty"] {
        let named = cautions.contains(&format!(
            "not reached: rows of crm.{table} that belong to nobody"
        ));
        assert_eq!(
            named,
            ["homes", "calls"].contains(&table),
            "{table}: {cautions}"
        );
    }
}

#[test]
fn a_damaged_table_of_nobody_keeps_nobody_from_being_erased_and_is_named() {
    let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let schema = "CREATE TABLE people (id INTEGER PRIMARY KEY); CREATE TABLE calls (who, what);
             INSERT INTO people VALUES (1), (2); INSERT INTO calls VALUES (1, 'one calls');";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    let conn = Connection::open(&place.db).unwrap();
    let root =
        "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'calls'";
    let (root, size): (u32, u32) = conn
        .query_row(root, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    drop(conn);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&place.db)
        .unwrap();
    file.write_all_at(
        &vec![0xff; size as usize],
        u64::from(root - 1) * u64::from(size),
    )
    .unwrap();
    assert_eq!(erase(&place, "1").not_reached, ["crm.calls"]);
    let conn = Connection::open(&place.db).unwrap();
    let people = conn.query_row("SELECT group_concat(id) FROM people", [], |row| row.get(0));
    assert_eq!(people, Ok("2".to_owned()));
}
