//! Collations and functions that only the application has.

use super::*;

fn with_functions(sql: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    let conn = Connection::open(&path).unwrap();
    // The other way round than bytes.
    conn.create_collation("loc", |a: &str, b: &str| b.cmp(a))
        .unwrap();
    conn.execute_batch(sql).unwrap();
    (dir, path)
}

#[test]
fn a_collation_of_the_applications_own_is_named_and_hinders_no_restore() {
    let (_dir, path) = with_functions(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT COLLATE loc UNIQUE, o);
         CREATE INDEX by_o ON c(o COLLATE loc);
         CREATE TABLE o(c TEXT COLLATE loc REFERENCES c(name), what);
         INSERT INTO c VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z');
         INSERT INTO o VALUES ('b', 1), ('c', 2);",
    );
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    let told = db.cannot_be_made().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("collations loc"), "{told:?}");
    drop(db);
    let (copy, built) = rebuild(&path, &rules, &[]);
    assert_eq!(built.rows, 5);
    assert!(built.problems.iter().any(|told| told.contains("REINDEX")));
    let rows = "SELECT id, name, o FROM c NOT INDEXED ORDER BY id";
    assert_eq!(ask(&copy, rows), ask(&path, rows));
    // The application makes it what it was.
    let conn = Connection::open(&copy).unwrap();
    conn.create_collation("loc", |a: &str, b: &str| b.cmp(a))
        .unwrap();
    conn.execute_batch("REINDEX").unwrap();
    let check: String = conn
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn what_needs_a_function_of_the_applications_own_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, name); CREATE INDEX i ON c(lower(name));
         INSERT INTO c VALUES (1, 'a'); PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'lower', 'theirs') WHERE name = 'i';",
    )
    .unwrap();
    drop(conn);
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    let told = db.cannot_be_made().unwrap();
    assert!(
        told.len() == 1 && told[0].starts_with("the index i cannot be made again"),
        "{told:?}"
    );
    assert!(told[0].contains("theirs"), "{told:?}");
    drop(db);
    let (copy, built) = rebuild(&path, &rules, &[]);
    assert!(
        built
            .problems
            .iter()
            .any(|told| told.contains("the index i was not made"))
    );
    assert_eq!(ask(&copy, "SELECT * FROM c"), ["1 'a'"]);
}
