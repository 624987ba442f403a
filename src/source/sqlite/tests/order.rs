//! The order of a schema's entries is part of what comes back.

use super::*;

#[test]
fn entries_of_the_schema_come_back_in_their_order() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, a UNIQUE, b, UNIQUE (b, a));
         CREATE INDEX late ON c(b);
         CREATE VIEW v AS SELECT * FROM c;
         CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, what, UNIQUE (what));
         CREATE TRIGGER t AFTER INSERT ON c BEGIN INSERT INTO log(what) VALUES (new.id); END;
         CREATE TABLE w(k TEXT PRIMARY KEY, n) WITHOUT ROWID;
         CREATE INDEX early ON c(a);
         INSERT INTO c VALUES (1, 2, 3), (2, 3, 4); INSERT INTO w VALUES ('x', 1);",
    );
    expect_exact(&path, &register("c", &["id"]));
    // What was moved is a database like any other, to a connection that opens it anew as well.
    let (copy, _) = rebuild(&path, &register("c", &["id"]), &[]);
    let all = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid";
    similar(&ask(&path, all), &ask(&copy, all));
    let conn = Connection::open(&copy).unwrap();
    conn.execute_batch("INSERT INTO c VALUES (3, 4, 5); DROP INDEX late; VACUUM")
        .unwrap();
    drop(conn);
    assert_eq!(ask(&copy, "PRAGMA integrity_check"), ["'ok'"]);
    assert_eq!(ask(&copy, "SELECT count(*) FROM log"), ["3"]);
}

#[test]
fn the_tables_of_a_full_text_index_stay_behind_it() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, a UNIQUE); CREATE INDEX i ON c(a);
         CREATE VIRTUAL TABLE words USING fts5(a, content='c', content_rowid='id');
         CREATE VIEW v AS SELECT * FROM c; CREATE TABLE last(x); INSERT INTO c VALUES (1, 'word');
         INSERT INTO words(words) VALUES ('rebuild');",
    );
    let (copy, _) = rebuild(&path, &register("c", &["id"]), &[]);
    let all = "SELECT type, name FROM sqlite_schema ORDER BY rowid";
    similar(&ask(&path, all), &ask(&copy, all));
    let found = "SELECT rowid FROM words WHERE words MATCH 'word'";
    assert_eq!(ask(&copy, found), ["1"]);
}
