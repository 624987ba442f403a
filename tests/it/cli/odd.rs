//! Odd databases, from `init` to both restores.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;
use serde_json::json;

use super::{Place, texts};

fn ask(place: &Place, database: &str, sql: &str) -> Vec<String> {
    let copy = Connection::open(place.at(database)).unwrap();
    let mut prepared = copy.prepare(sql).unwrap();
    let rows = prepared.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_table_whose_columns_take_all_names_of_the_rowid_comes_back() {
    let place = Place::with_database(
        "CREATE TABLE k(id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE odd(rowid TEXT, oid INT REFERENCES k, _rowid_ INT);
         CREATE TABLE odder(id INTEGER PRIMARY KEY, rowid, oid REFERENCES k, _rowid_);
         INSERT INTO k VALUES (1, 'a'), (2, 'b');
         INSERT INTO odd VALUES ('x', 1, 7), ('x', 1, 7), ('y', 2, NULL), (NULL, NULL, NULL);
         INSERT INTO odder VALUES (9, 'x', 1, 7);",
        "k.id",
    );
    let (_, plan) = place.json(&["inspect"]);
    assert!(plan.to_string().contains("rowids are not kept"), "{plan:#}");
    assert_eq!(place.json(&["snapshot"]).0, 0);
    let (code, all) = place.json(&["restore", "--to", "all"]);
    assert_eq!(
        (code, &all["sources"][0]["rows"]),
        (0, &json!(7)),
        "{all:#}"
    );
    let sql = "SELECT quote(rowid) || quote(oid) || quote(_rowid_) FROM odd ORDER BY 1";
    assert_eq!(ask(&place, "all/x/x.db", sql), ask(&place, "x.db", sql));
    assert_eq!(
        ask(&place, "all/x/x.db", "SELECT quote(id) FROM odder"),
        ["9"]
    );
    let (code, one) = place.json(&["customer", "restore", "1", "--to", "one"]);
    assert_eq!((code, &one["rows"]), (0, &json!(4)), "{one:#}");
    assert_eq!(texts(&one["problems"]), Vec::<String>::new());
    assert_eq!(ask(&place, "one/x.sqlite", sql), ["'x'17", "'x'17"]);
}

#[test]
fn a_restore_that_fails_or_is_killed_is_not_in_the_way_of_the_next() {
    let place = Place::with_snapshot();
    let packs = |store: &str| place.at(&format!("{store}/packs"));
    let away = |store: &str| place.at(&format!("{store}-packs"));
    for store in ["near", "far"] {
        fs::rename(packs(store), away(store)).unwrap();
    }
    place.failure(&["restore", "--to", "new/all"]);
    place.failure(&["customer", "restore", "1", "--to", "new/one"]);
    assert!(!place.at("new").exists());
    for store in ["near", "far"] {
        let _ = fs::remove_dir_all(packs(store));
        fs::rename(away(store), packs(store)).unwrap();
    }
    // What a killed one leaves: the directory that it built in.
    fs::create_dir_all(place.at("new/all/.tenure-restoring/crm")).unwrap();
    fs::write(place.at("new/all/.tenure-restoring/crm/crm.db"), "").unwrap();
    let (code, all) = place.json(&["restore", "--to", "new/all"]);
    assert_eq!(code, 0, "{all:#}");
    let database = place.at("new/all/crm/crm.db");
    assert_eq!(all["sources"][0]["path"], "new/all/crm/crm.db");
    let mode = fs::metadata(database).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let names = fs::read_dir(place.at("new/all")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["crm"]);
}
