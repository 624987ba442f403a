//! Collations and functions that only the application has.

use super::*;
use crate::source::sqlite::{Erasing, Live};
use crate::value::CustomerKey;

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
    // Their index is in another order than bytes are: what is looked for in it is not found, or is another's.
    assert_eq!(owners(&db, "o"), ["2", "3"]);
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
fn nothing_is_erased_by_bytes_where_the_applications_own_collation_tells_whose_it_is() {
    let (_dir, path) = with_functions(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT COLLATE loc UNIQUE);
         CREATE TABLE o(c TEXT REFERENCES c(name), what);
         INSERT INTO c VALUES (1, 'a'), (2, 'b'); INSERT INTO o VALUES ('b', 1), ('a', 2);",
    );
    let before = std::fs::read(&path).unwrap();
    let refused = Live::open(&path, &register("c", &["id"]))
        .and_then(|mut live| live.erase(&[CustomerKey(vec![Value::Int(1)])], Erasing::Rehearse));
    let told = format!("{:?}", refused.unwrap_err());
    assert!(told.contains("no such collation sequence: loc"), "{told}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
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

fn theirs(conn: &Connection) {
    use rusqlite::functions::FunctionFlags;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let length = |given: &mut rusqlite::functions::Context<'_>| {
        Ok(given
            .get_raw(0)
            .as_str()
            .map_or(-1, |text| text.len() as i64))
    };
    conn.create_scalar_function("theirs", 1, flags, length)
        .unwrap();
    conn.create_scalar_function("mine", 0, flags, |_| Ok(7))
        .unwrap();
}

#[test]
fn tables_that_need_functions_of_the_applications_own_come_back_with_all_their_rows() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    let conn = Connection::open(&path).unwrap();
    theirs(&conn);
    conn.execute_batch(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT CHECK (theirs(name) IS NOT NULL AND theirs(name) > 0));
         CREATE TABLE v(id INTEGER PRIMARY KEY, c INT REFERENCES c, what TEXT, d DEFAULT (mine()),
            n AS (theirs(what)) NOT NULL, s AS (theirs(what)) STORED NOT NULL, m AS (theirs(what)) UNIQUE);
         CREATE INDEX by_length ON c(theirs(name)); CREATE INDEX some ON v(c) WHERE theirs(what) > 2;
         CREATE INDEX by_m ON v(m); CREATE INDEX by_what ON v(what);
         CREATE VIEW lengths AS SELECT theirs(name) FROM c;
         CREATE TRIGGER tr AFTER INSERT ON c BEGIN UPDATE c SET name = name WHERE theirs(name) = 0; END;
         INSERT INTO c VALUES (1, 'ab'), (2, 'abc'), (3, 'abcd');
         INSERT INTO v(id, c, what) VALUES (1, 1, 'x'), (2, 1, 'xyz'), (3, 2, 'xyzw');",
    )
    .unwrap();
    drop(conn);
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    let told = db.cannot_be_made().unwrap().join("\n");
    for what in [
        "the table c needs the application's own functions theirs",
        "the table v needs",
        "the index by_length",
        "the index some",
        "the index by_m",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert!(!told.contains("by_what"), "{told}");
    drop(db);
    let (copy, built) = rebuild(&path, &rules, &[]);
    assert_eq!((built.rows, built.unchecked), (6, 0));
    let problems = built.problems.join("\n");
    for what in [
        "functions theirs are",
        "the index by_length was not",
        "the index some was not",
        "the index by_m was not",
    ] {
        assert!(problems.contains(what), "{what}: {problems}");
    }
    let schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL
                  AND name NOT IN ('by_length', 'some', 'by_m') ORDER BY rowid";
    assert_eq!(ask(&copy, schema), ask(&path, schema));
    for rows in ["SELECT * FROM c", "SELECT id, c, what, d FROM v"] {
        assert_eq!(ask(&copy, rows), ask(&path, rows));
    }
    // The application makes it what it was, as it was told.
    let again = Connection::open(&copy).unwrap();
    theirs(&again);
    again
        .execute_batch("REINDEX; UPDATE v SET what = what;")
        .unwrap();
    for index in ["by_length ON c(theirs(name))", "by_m ON v(m)"] {
        again
            .execute_batch(&format!("CREATE INDEX {index}"))
            .unwrap();
    }
    let check = "PRAGMA integrity_check";
    let check: String = again.query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let sum = "SELECT sum(n + s + m) FROM v";
    let sum: i64 = again.query_row(sum, [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 3 * (1 + 3 + 4));
}

#[test]
fn a_collation_that_is_not_known_is_stood_in_for_in_utf_16_as_well() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let (_dir, path) = with_functions(&format!(
            "PRAGMA encoding = '{encoding}';
             CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT COLLATE loc UNIQUE, o);
             CREATE TABLE w(k TEXT COLLATE loc PRIMARY KEY, c INT REFERENCES c) WITHOUT ROWID;
             CREATE TABLE o(c TEXT COLLATE loc REFERENCES c(name), what);
             INSERT INTO c VALUES (1, 'a\u{fffd}', 'x'), (2, 'b\u{1f600}', 'y'), (3, 'c', 'z');
             INSERT INTO w VALUES ('a\u{fffd}', 1), ('b\u{1f600}', 2), ('c', 3);
             INSERT INTO o VALUES ('b\u{1f600}', 1), ('c', 2);"
        ));
        let rules = register("c", &["id"]);
        let db = open(&path, &rules);
        let told = db.cannot_be_made().unwrap().join(" ");
        assert!(told.contains("collations loc"), "{told}");
        assert_eq!(owners(&db, "o"), ["2", "3"]);
        drop(db);
        let (copy, built) = rebuild(&path, &rules, &[]);
        assert_eq!(built.rows, 8);
        assert!(
            built.problems.iter().any(|told| told.contains("REINDEX")),
            "{:?}",
            built.problems
        );
        let conn = Connection::open(&copy).unwrap();
        conn.create_collation("loc", |a: &str, b: &str| b.cmp(a))
            .unwrap();
        conn.execute_batch("REINDEX").unwrap();
        let check: String = conn
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        for rows in [
            "SELECT id, name, o FROM c NOT INDEXED ORDER BY id",
            "SELECT * FROM o",
        ] {
            assert_eq!(ask(&copy, rows), ask(&path, rows));
        }
    }
}

#[test]
fn sqlites_own_collations_stay_its_own_in_every_encoding() {
    for encoding in ["UTF-8", "UTF-16le", "UTF-16be"] {
        let (_dir, path) = database(&format!(
            "PRAGMA encoding = '{encoding}';
             CREATE TABLE c(id TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID;
             CREATE TABLE o(c TEXT REFERENCES c, t TEXT COLLATE RTRIM UNIQUE);
             INSERT INTO c VALUES ('B'), ('a'), ('_'); INSERT INTO o VALUES ('b', 'x'), ('A', 'y ');"
        ));
        let rules = register("c", &["id"]);
        let db = open(&path, &rules);
        assert_eq!(owners(&db, "o"), ["'B'", "'a'"], "{encoding}");
        drop(db);
        let (copy, built) = rebuild(&path, &rules, &[]);
        assert_eq!(built.problems, Vec::<String>::new(), "{encoding}");
        let rows = "SELECT c, t FROM o WHERE t = 'y'";
        assert_eq!(ask(&copy, rows), ask(&path, rows));
    }
}

/// A schema comes from a manifest, and whoever has a writer's signing key writes those.
#[test]
fn what_a_schema_says_reaches_no_other_file() {
    let (dir, path) =
        database("CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT 1;");
    let db = open(&path, &register("c", &["id"]));
    let elsewhere = dir.path().join("elsewhere.db");
    // By the system's own files, whatever those of the connection are.
    let at = format!("file:{}?vfs=unix", elsewhere.display());
    let again = |sql: &str, kind: &str| {
        let mut schema = db.schema().clone();
        let mut statements = schema.statements.iter_mut();
        let view = statements.find(|made| made.name == "v").unwrap();
        (view.sql, view.kind) = (sql.to_owned(), kind.to_owned());
        let to = dir.path().join("again.db");
        let built = Builder::create(&to, &schema).and_then(|builder| builder.finish().map(drop));
        let _ = std::fs::remove_file(&to);
        built.is_ok()
    };
    assert!(again("CREATE VIEW v AS SELECT 2", "view"));
    for kind in ["table", "index", "trigger", "view"] {
        again(&format!("ATTACH '{at}' AS e; CREATE TABLE e.x(y)"), kind);
        again(&format!("COMMIT; VACUUM INTO '{at}'; BEGIN"), kind);
        again(
            &format!("COMMIT; ATTACH '{at}' AS e; CREATE TABLE e.x(y); BEGIN"),
            kind,
        );
        assert!(!elsewhere.exists(), "{kind}");
    }
}
