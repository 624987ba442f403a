//! Restores of databases whose schema makes it hard to do without those who were forgotten.

use rusqlite::Connection;
use serde_json::json;

use super::{Place, texts};

const CLUB: &str = "
    CREATE TABLE m(id INTEGER PRIMARY KEY, c INT NOT NULL REFERENCES k, about INT NOT NULL REFERENCES k);
    INSERT INTO m VALUES (1, 4, 1), (2, 4, 2), (3, 4, 3);";

/// A repository around members who write about each other: 4 about 1, 2 and 3, who are forgotten.
fn without_three(register: &str, keys: [&str; 4]) -> Place {
    let place = Place::with_database(
        &format!(
            "CREATE TABLE k(id INTEGER PRIMARY KEY, {register});
             INSERT INTO k VALUES (1, {}), (2, {}), (3, {}), (4, {}); {CLUB}",
            keys[0], keys[1], keys[2], keys[3]
        ),
        "k.id",
    );
    place.own("m", "c");
    assert_eq!(place.json(&["snapshot"]).0, 0);
    for id in ["1", "2", "3"] {
        let (code, answer) = place.json(&["keys", "forget", id, "--yes"]);
        assert!(matches!(code, 0 | 3), "{answer:#}");
    }
    place
}

fn living(place: &Place, database: &str) -> (i64, i64) {
    let copy = Connection::open(place.at(database)).unwrap();
    let sql =
        "SELECT count(*), count(DISTINCT about) FROM m WHERE c = 4 AND about NOT IN (1, 2, 3, 4)";
    copy.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

#[test]
fn three_forgotten_customers_stop_no_restore() {
    let place = without_three(
        "email TEXT NOT NULL UNIQUE CHECK(email LIKE '%@%')",
        ["'a@b'", "'b@b'", "'c@b'", "'d@b'"],
    );
    let (code, all) = place.json(&["restore", "--to", "all"]);
    assert_eq!(
        (code, &all["sources"][0]["problems"]),
        (0, &json!([])),
        "{all:#}"
    );
    assert_eq!(all["sources"][0]["tombstones"], 3);
    assert_eq!(living(&place, "all/x/x.db"), (3, 3));
    let (code, one) = place.json(&["customer", "restore", "4", "--to", "one"]);
    assert_eq!((code, &one["problems"]), (0, &json!([])), "{one:#}");
    assert_eq!(living(&place, "one/x.sqlite"), (3, 3));
}

#[test]
fn what_led_to_the_forgotten_is_told_when_a_customer_is_put_back_live() {
    for (about, code) in [("INT", 0), ("INT NOT NULL", 1)] {
        let schema = format!(
            "CREATE TABLE k(id INTEGER PRIMARY KEY); INSERT INTO k VALUES (1), (4);
             CREATE TABLE m(id INTEGER PRIMARY KEY, c INT REFERENCES k, about {about} REFERENCES k);
             INSERT INTO m VALUES (1, 4, 1), (2, 4, 4);"
        );
        let place = Place::with_database(&schema, "k.id");
        place.own("m", "c");
        assert_eq!(place.json(&["snapshot"]).0, 0);
        assert_eq!(place.json(&["keys", "forget", "1", "--yes"]).0, 0);
        let live = Connection::open(place.at("x.db")).unwrap();
        live.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM m; DELETE FROM k")
            .unwrap();
        let back = ["customer", "restore", "4", "--live"];
        let ran = place.run(&back);
        assert_eq!(ran.code, code, "{}", ran.err);
        let said = match code {
            0 => "warning: references to the forgotten: 1 are NULL",
            _ => {
                "a row of the table m has no value for the column \"about\", which may not be NULL"
            }
        };
        assert!(ran.err.contains(said), "{}", ran.err);
        let rows = "SELECT (SELECT count(*) FROM m) + (SELECT count(*) FROM k)";
        let rows: u8 = live.query_row(rows, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, if code == 0 { 3 } else { 0 });
        if code == 0 {
            live.execute_batch("DELETE FROM m; DELETE FROM k").unwrap();
            let (_, answer) = place.json(&back);
            assert_eq!(answer["sources"][0]["lost"], 1, "{answer:#}");
        } else {
            assert!(
                ran.err
                    .contains("nothing was changed: it led to somebody who was forgotten")
            );
        }
    }
}

#[test]
fn what_cannot_be_made_to_fit_is_told_by_both_restores() {
    let place = without_three(
        "sum INT NOT NULL UNIQUE CHECK((sum * 7) % 1000003 = 5390)",
        ["770", "1000773", "2000776", "3000779"],
    );
    for (arguments, database) in [
        (vec!["restore", "--to", "all"], "all/x/x.db"),
        (
            vec!["customer", "restore", "4", "--to", "one"],
            "one/x.sqlite",
        ),
    ] {
        let (code, answer) = place.json(&arguments);
        assert_eq!(code, 3, "{answer:#}");
        let problems = answer
            .get("problems")
            .unwrap_or(&answer["sources"][0]["problems"]);
        let problems = texts(problems);
        assert!(
            problems[0].contains("against the table's CHECKs: 3"),
            "{problems:?}"
        );
        assert!(
            problems[1].contains("CHECK constraint failed in k"),
            "{problems:?}"
        );
        assert_eq!(living(&place, database), (3, 3));
    }
}
