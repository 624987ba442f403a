//! Which way leads to the owner, and what is said of it.

use super::live::id;
use super::*;
use crate::source::sqlite::{Erasing, Live};

#[test]
fn a_cycle_is_broken_where_the_way_to_the_register_is_shorter() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE a(id INTEGER PRIMARY KEY, c REFERENCES c);
         CREATE TABLE far(id INTEGER PRIMARY KEY, near REFERENCES near, a REFERENCES a);
         CREATE TABLE near(id INTEGER PRIMARY KEY, far REFERENCES far, c REFERENCES c);
         INSERT INTO c VALUES (1); INSERT INTO near VALUES (5, 6, 1); INSERT INTO far VALUES (6, 5, NULL);",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(owners(&db, "far"), ["1"]);
    assert_eq!(table(&db, "near").path, "c -> c");
    assert_eq!(table(&db, "far").path, "near -> near.c -> c; a -> a.c -> c");
}

#[test]
fn a_key_of_a_register_elsewhere_is_the_shortest_way() {
    let (_dir, path) = database(
        "CREATE TABLE top(c);
         CREATE TABLE far(id INTEGER PRIMARY KEY, near REFERENCES near, top REFERENCES top(rowid));
         CREATE TABLE near(id INTEGER PRIMARY KEY, far, c);
         INSERT INTO near VALUES (5, 6, 1); INSERT INTO far VALUES (6, 5, NULL);",
    );
    let rules = Rules {
        register: None,
        owns: vec![
            owns("top", key(&["c"])),
            owns("far", through(&["near"], "near")),
            owns("far", through(&["rowid"], "top")),
            owns("near", key(&["c"])),
            owns("near", through(&["far"], "far")),
        ],
        ..register("", &[])
    };
    let db = open(&path, &rules);
    assert_eq!(table(&db, "near").path, "c -> the register elsewhere");
    assert_eq!(owners(&db, "far"), ["1"]);
}

#[test]
fn paths_are_told_over_rows_that_are_pointed_at() {
    let (_dir, path) = database(
        "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, a REFERENCES a);
         CREATE TABLE b(a REFERENCES a, id INTEGER PRIMARY KEY); CREATE TABLE d(b REFERENCES b);
         CREATE TABLE z(id INTEGER PRIMARY KEY); CREATE INDEX b_a ON b(a); ALTER TABLE b ADD z REFERENCES z;",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![
        owns("a", pointed_at_by("c", &["a"])),
        owns("b", through(&["a"], "a")),
        owns("z", pointed_at_by("b", &["z"])),
    ];
    let db = open(&path, &rules);
    assert_eq!(table(&db, "a").path, "<- c.a");
    assert_eq!(table(&db, "b").path, "a -> a <- c.a");
    assert_eq!(table(&db, "d").path, "b -> b.a -> a <- c.a");
    assert_eq!(table(&db, "z").path, "<- b.z, a -> a <- c.a");
}

#[test]
fn the_two_paths_that_disagree_are_the_ones_that_are_named() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2);
         CREATE TABLE o(x REFERENCES c, y REFERENCES c, z REFERENCES c);
         INSERT INTO o VALUES (1, 1, NULL), (NULL, 1, 2);",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(
        table(&db, "o").warnings,
        ["one row (or more) has different owners by y -> c and by z -> c"]
    );
}

#[test]
fn a_row_whose_owners_cannot_be_compared_is_an_error() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE o(x, y, about TEXT);
         INSERT INTO c VALUES (1); INSERT INTO o VALUES (1, 1, 'no json');",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![
        owns("o", key(&["x"])),
        OwnsRule {
            filter: Some("about ->> 'kind' = 'customer'".into()),
            ..owns("o", key(&["y"]))
        },
    ];
    let error = Database::open(&path, &rules).err().unwrap();
    assert!(
        matches!(&error, SqliteError::Read { what, .. } if what == "the owners of o"),
        "{error:?}"
    );
}

#[test]
fn nothing_is_erased_where_damage_hides_whether_rows_have_two_owners() {
    let (_dir, path) = database(
        "PRAGMA page_size = 1024; CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1);
         CREATE TABLE o(x REFERENCES c, y REFERENCES c, what);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
            INSERT INTO o SELECT 1, NULL, hex(randomblob(40)) FROM n;",
    );
    let pages = ask(
        &path,
        "SELECT pageno FROM dbstat WHERE name = 'o' AND pagetype = 'leaf' ORDER BY path",
    );
    let mut bytes = std::fs::read(&path).unwrap();
    let at = (pages[3].parse::<usize>().unwrap() - 1) * 1024;
    bytes[at..at + 1024].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    assert_eq!(ownership(&db, "o"), Ownership::Owned);
    assert!(db.is_damaged(1) && !db.is_damaged(0));
    drop(db);
    let erased = Live::open(&path, &rules)
        .and_then(|mut live| live.erase(&[id(1)], Erasing::ForReal { vacuum: false }));
    let error = erased.err().unwrap();
    assert!(
        matches!(&error, SqliteError::Read { what, .. } if what == "the owners of o"),
        "{error:?}"
    );
}
