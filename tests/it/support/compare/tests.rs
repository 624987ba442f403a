use std::path::PathBuf;

use super::*;

const BASE: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
    CREATE TABLE notes (customer_id REFERENCES customers(id), body);
    CREATE TABLE items (a TEXT, b INT, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE TABLE all_taken (rowid, _rowid_, oid, n INTEGER PRIMARY KEY);
    CREATE TABLE odd (\"rowid\" TEXT, \"the \"\"x\" ANY, twice AS (\"the \"\"x\" || 'y'));
    CREATE INDEX notes_body ON notes(body);
    CREATE INDEX items_c ON items(c, b);
    CREATE TRIGGER t AFTER DELETE ON notes BEGIN DELETE FROM items; END;
    INSERT INTO customers VALUES (1, 'a'), (2, 'b'), (9, 'c');
    INSERT INTO notes VALUES (1, 0.5), (2, 'two'), (2, x'00ff'), (NULL, NULL);
    INSERT INTO items VALUES ('x', 1, 9), ('x', 2, 3), ('a', 7, 5);
    INSERT INTO all_taken VALUES (1, 2, 3, 4);
    INSERT INTO odd VALUES ('r', 1), ('s', 'z');
    ANALYZE";

fn database(dir: &Path, name: &str, script: &str) -> PathBuf {
    let path = dir.join(name);
    Connection::open(&path)
        .unwrap()
        .execute_batch(script)
        .unwrap();
    path
}

/// What `same` says of the base and the base after a change.
fn after(change: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let a = database(dir.path(), "a", BASE);
    let b = database(dir.path(), "b", &format!("{BASE}; {change}"));
    same(&a, &b)
}

#[test]
fn what_does_not_show_makes_no_difference() {
    assert_eq!(after(""), Ok(()));
    assert_eq!(after("ANALYZE"), Ok(()));
    assert_eq!(after("UPDATE notes SET body = body; REINDEX"), Ok(()));
}

#[test]
fn every_kind_of_difference_is_named() {
    for (change, expected) in [
        ("PRAGMA user_version=1", "user_version"),
        ("PRAGMA application_id=1", "application_id"),
        ("PRAGMA journal_mode=WAL", "journal_mode: text wal"),
        ("PRAGMA page_size=8192; VACUUM", "page_size"),
        ("PRAGMA auto_vacuum=1; VACUUM", "auto_vacuum"),
        ("CREATE VIEW v AS SELECT 1", "schema: text view, text v"),
        ("DROP INDEX items_c", "schema: text trigger"),
        (
            "DROP INDEX notes_body; CREATE INDEX notes_body ON notes(body)",
            "schema",
        ),
        (
            "UPDATE sqlite_stat1 SET stat = '1 1' WHERE idx = 'items_c'",
            "sqlite_stat1: text items, text items_c, text 1 1 instead",
        ),
        ("DROP TABLE sqlite_stat1", "schema"),
        (
            "UPDATE customers SET name = 'B' WHERE id = 2",
            "customers: row 2, name: text B instead",
        ),
        (
            "UPDATE notes SET body = 'two' || char(0) WHERE body = 'two'",
            "notes: row 2, body",
        ),
        (
            "UPDATE notes SET body = CAST(body AS BLOB) WHERE body = 'two'",
            "blob two instead of",
        ),
        (
            "UPDATE notes SET body = 0 WHERE body = 0.5",
            "integer 0 instead of real 0.5",
        ),
        (
            "UPDATE notes SET rowid = 77 WHERE rowid = 4",
            "notes: row 4, rowid: integer 77",
        ),
        (
            "DELETE FROM notes WHERE rowid = 4; DELETE FROM notes WHERE 0",
            "items: row 1 is missing",
        ),
        (
            "INSERT INTO notes VALUES (1, NULL)",
            "notes: row 5 is too much",
        ),
        (
            "UPDATE items SET c = '9' WHERE c = 9",
            "items: row 2, c: text 9 instead of integer 9",
        ),
        (
            "UPDATE odd SET \"the \"\"x\" = 3 WHERE rowid = 'r'",
            "odd: row 1, the \"x: integer 3",
        ),
        (
            "DELETE FROM odd WHERE rowid = 's'",
            "odd: row 2 is missing: [integer 2] rowid=text s",
        ),
        (
            "UPDATE sqlite_sequence SET seq = 10",
            "sqlite_sequence: text customers, integer 10",
        ),
    ] {
        let found = after(change).expect_err(change);
        assert!(found.contains(expected), "after {change:?}: {found}");
    }
}

#[test]
fn reals_are_compared_by_their_bits() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, value: f64| {
        let path = database(dir.path(), name, "CREATE TABLE t (x)");
        let db = Connection::open(&path).unwrap();
        db.execute("INSERT INTO t VALUES (?)", [value]).unwrap();
        path
    };
    let (a, b) = (
        make("a", 0.1),
        make("b", f64::from_bits(0.1_f64.to_bits() + 1)),
    );
    assert!(same(&a, &b).unwrap_err().contains("t: row 1, x"));
    assert!(identical(ValueRef::Real(-0.0), ValueRef::Real(-0.0)));
    assert!(!identical(ValueRef::Real(-0.0), ValueRef::Real(0.0)));
    assert!(!identical(ValueRef::Integer(0), ValueRef::Real(0.0)));
}

#[test]
fn the_encoding_counts_and_wide_text_is_read_by_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let wide = "PRAGMA encoding='UTF-16le'; CREATE TABLE t (x);";
    let a = database(
        dir.path(),
        "a",
        &format!("{wide} INSERT INTO t VALUES ('é')"),
    );
    let b = database(
        dir.path(),
        "b",
        &format!("{wide} INSERT INTO t VALUES ('é')"),
    );
    assert_eq!(same(&a, &b), Ok(()));
    // Two different lone surrogates are the same replacement character once they are UTF-8.
    let lone = |hex: &str| format!("{wide} INSERT INTO t VALUES (CAST(x'{hex}' AS TEXT))");
    let c = database(dir.path(), "c", &lone("00d8"));
    let d = database(dir.path(), "d", &lone("01d8"));
    assert!(same(&c, &d).is_err());
    let narrow = database(
        dir.path(),
        "e",
        "CREATE TABLE t (x); INSERT INTO t VALUES ('é')",
    );
    assert!(same(&a, &narrow).unwrap_err().starts_with("encoding"));
}

#[test]
fn an_exception_is_exactly_what_the_script_says() {
    let dir = tempfile::tempdir().unwrap();
    let a = database(dir.path(), "a", &format!("PRAGMA journal_mode=WAL; {BASE}"));
    let gone = "DELETE FROM notes WHERE customer_id = 2; DELETE FROM customers WHERE id = 2";
    let rows = "INSERT INTO items VALUES ('x', 1, 9), ('x', 2, 3), ('a', 7, 5)";
    let b = format!("PRAGMA journal_mode=WAL; {BASE}; {gone}; {rows}");
    let b = database(dir.path(), "b", &b);
    assert_eq!(
        same_except(&a, &b, gone),
        Ok(()),
        "the script fired a trigger"
    );
    let half = same_except(&a, &b, "DELETE FROM customers WHERE id = 2").unwrap_err();
    assert!(half.contains("notes: row 2"), "{half}");
    assert!(same(&a, &b).is_err(), "the original was changed");
    let unclear = same_except(&a, &b, "DELETE FROM nothing").unwrap_err();
    assert!(unclear.contains("cannot run the script"), "{unclear}");
}

#[test]
fn soundness_forgives_what_the_original_had_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let broken = |extra: &str| format!("PRAGMA foreign_keys=OFF; {BASE}; {extra}");
    let a = database(dir.path(), "a", &broken("INSERT INTO notes VALUES (77, 0)"));
    let b = database(dir.path(), "b", &broken("INSERT INTO notes VALUES (77, 0)"));
    assert_eq!(sound(&a, &b), Ok(()));
    let c = database(dir.path(), "c", BASE);
    assert_eq!(sound(&a, &c), Ok(()));
    let found = sound(&c, &a).unwrap_err();
    assert!(found.contains("notes"), "{found}");
    let d = database(
        dir.path(),
        "d",
        &format!(
            "{BASE}; PRAGMA writable_schema=ON;
             UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema
               WHERE name = 'items_c') WHERE name = 'notes_body'"
        ),
    );
    assert!(sound(&d, &d).unwrap_err().starts_with("integrity_check"));
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let found = after("CREATE TABLE blind (rowid, oid, _rowid_)").unwrap_err();
    assert!(found.starts_with("the schema"), "{found}");
    let dir = tempfile::tempdir().unwrap();
    let a = database(dir.path(), "a", "CREATE TABLE blind (rowid, oid, _rowid_)");
    assert!(same(&a, &a).unwrap_err().contains("cannot be read"));
}

#[test]
fn a_missing_file_is_an_error_and_stays_missing() {
    let dir = tempfile::tempdir().unwrap();
    let a = database(dir.path(), "a", BASE);
    let none = dir.path().join("none");
    assert!(same(&a, &none).is_err() && same(&none, &a).is_err());
    assert!(!none.exists());
}
