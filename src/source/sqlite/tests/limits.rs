//! As much as SQLite takes, and as little.

use super::live::id;
use super::*;
use crate::source::sqlite::{Erasing, Live, SavedRow};

/// No register: every table is a table of its own.
fn nobody() -> Rules {
    Rules {
        register: None,
        ..register("", &[])
    }
}

#[test]
fn a_database_of_zero_bytes_comes_back_with_zero_bytes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    std::fs::write(&path, "").unwrap();
    let db = open(&path, &nobody());
    assert!(db.schema().tables.is_empty() && db.schema().statements.is_empty());
    assert_eq!(
        (db.file_bytes().unwrap(), db.counts().unwrap()),
        (0, Vec::new())
    );
    drop(db);
    let (copy, built) = rebuild(&path, &nobody(), &[]);
    assert_eq!(built, Built::default());
    assert_eq!(std::fs::metadata(&copy).unwrap().len(), 0);
    similar(&everything(&path), &everything(&copy));
    let error = Database::open(&path, &register("c", &["id"]))
        .err()
        .unwrap();
    assert!(matches!(error, SqliteError::NoTable { .. }), "{error}");
}

#[test]
fn a_database_that_has_been_emptied_keeps_what_it_is() {
    let (_dir, path) = database(
        "PRAGMA page_size = 1024; PRAGMA encoding = 'UTF-16le'; PRAGMA user_version = 7; PRAGMA application_id = 9;
         CREATE TABLE t(x); DROP TABLE t;",
    );
    expect_exact(&path, &nobody());
    assert_eq!(ask(&path, "PRAGMA encoding"), ["'UTF-16le'"]);
}

#[test]
fn empty_tables_come_back_and_are_owned() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE o(id INTEGER PRIMARY KEY, c REFERENCES c);
         CREATE TABLE w(a, c REFERENCES c, PRIMARY KEY(a, c)) WITHOUT ROWID; CREATE VIRTUAL TABLE f USING fts5(x);
         CREATE TABLE s(x) STRICT; CREATE INDEX s_x ON s(x);".replace("s(x) STRICT", "s(x INT) STRICT").as_str(),
    );
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    assert_eq!(db.counts().unwrap(), [0; 5]);
    for name in ["c", "o", "w", "f", "s"] {
        assert!(owners(&db, name).is_empty());
    }
    assert_eq!(ownership(&db, "w"), Ownership::Owned);
    drop(db);
    expect_exact(&path, &rules);
}

/// A table with as many columns as SQLite allows, `first` and `last` among them, and three rows.
fn widest(first: &str, last: &str, tail: &str) -> String {
    let given = 2 + first.matches(',').count() + last.matches(',').count();
    let columns: Vec<String> = (given..2000).map(|at| format!("\"c {at}\"")).collect();
    let values = |row: usize| {
        let value = |at: usize| match (at + row) % 5 {
            0 => "NULL".to_owned(),
            1 => at.to_string(),
            2 => format!("'text {at} \u{fe}'"),
            3 => "x'00ff'".to_owned(),
            _ => "-1.5".to_owned(),
        };
        (given..2000).map(value).collect::<Vec<_>>().join(", ")
    };
    let list = columns.join(", ");
    let rows: Vec<String> = (1..=3)
        .map(|row| format!("({row}, {}, {row})", values(row)))
        .collect();
    let names = |declared: &str| declared.split(' ').next().unwrap_or_default().to_owned();
    let (one, two) = (names(first), names(last));
    format!(
        "CREATE TABLE wide({first}, {list}, {last}){tail}; INSERT INTO wide({one}, {list}, {two}) VALUES {};",
        rows.join(", ")
    )
}

#[test]
fn a_table_of_two_thousand_columns_comes_back_whatever_else_is_read_with_it() {
    let people =
        "CREATE TABLE people(id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2), (3);";
    let makes = [
        (
            widest("no INTEGER PRIMARY KEY", "who INT REFERENCES people", ""),
            ["1", "2", "3"],
        ),
        (
            widest("no INT", "who INT REFERENCES people", ""),
            ["1", "2", "3"],
        ),
        (
            widest(
                "no INT",
                "who INT REFERENCES people, PRIMARY KEY(no, who)",
                " WITHOUT ROWID",
            ),
            ["1", "2", "3"],
        ),
        (
            widest(
                "rowid INT",
                "who INT REFERENCES people, oid INT, _rowid_ INT",
                "",
            ),
            ["1", "2", "3"],
        ),
    ];
    for encoding in ["UTF-8", "UTF-16le"] {
        for (wide, expected) in &makes {
            let (_dir, path) =
                database(&format!("PRAGMA encoding = '{encoding}'; {people} {wide}"));
            let rules = register("people", &["id"]);
            let db = open(&path, &rules);
            assert_eq!(owners(&db, "wide"), *expected);
            assert_eq!(targets(&db, "wide"), expected.map(|one| [one]));
            drop(db);
            expect_exact(&path, &rules);
        }
    }
}

#[test]
fn a_row_of_two_thousand_columns_waits_for_somebody_to_refer_to() {
    let (_dir, path) = database(&format!(
        "PRAGMA encoding = 'UTF-16be'; CREATE TABLE people(id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2), (3); {}
         UPDATE wide SET who = 1, host = 2 WHERE no = 1; UPDATE wide SET who = 3, host = 3 WHERE no > 1;
         UPDATE wide SET \"c 1500\" = CAST(x'd83d0041' AS TEXT);",
        widest(
            "no INTEGER PRIMARY KEY",
            "who INT REFERENCES people, host INT NOT NULL DEFAULT 1 REFERENCES people",
            ""
        ),
    ));
    let mut rules = register("people", &["id"]);
    rules.owns = vec![owns("wide", key(&["who"]))];
    let before = ask(
        &path,
        "SELECT * FROM (SELECT \"c 1999\", \"c 1500\", \"c 3\", typeof(\"c 1000\") FROM wide)",
    );
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    assert_eq!((built.tombstones, built.problems.len()), (1, 0));
    let after = ask(
        &copy,
        "SELECT * FROM (SELECT \"c 1999\", \"c 1500\", \"c 3\", typeof(\"c 1000\") FROM wide)",
    );
    assert_eq!(after, before);
    assert_eq!(
        ask(&copy, "SELECT no, who, host FROM wide"),
        ["1 1 -1", "2 3 3", "3 3 3"]
    );
    assert_eq!(
        ask(
            &copy,
            "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tenure%'"
        ),
        ["0"]
    );
}

#[test]
fn a_row_of_two_thousand_columns_is_erased_and_put_back() {
    let (_dir, path) = database(&format!(
        "CREATE TABLE people(id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2), (3); {}",
        widest("no INT", "who INT REFERENCES people", ""),
    ));
    let rules = register("people", &["id"]);
    let before = everything(&path);
    let (mut tables, mut saved) = (Vec::new(), Vec::new());
    let db = open(&path, &rules);
    for at in 0..2 {
        db.rows::<SqliteError>(at, &mut |row| {
            if matches!(row.owner, Owner::Customer(token) if show(token) == "2") {
                let cells = row.cells.iter().map(|cell| cell.to_value()).collect();
                let (table, rowid) = (at, row.rowid);
                saved.push(SavedRow {
                    table,
                    rowid,
                    cells,
                });
            }
            Ok(())
        })
        .unwrap();
    }
    tables.extend(db.schema().tables.iter().cloned());
    drop(db);
    let mut live = Live::open(&path, &rules).unwrap();
    live.erase(&[id(2)], Erasing::ForReal { vacuum: false })
        .unwrap();
    assert_eq!(ask(&path, "SELECT no FROM wide"), ["1", "3"]);
    live.put(&[id(2)], &tables, &saved, false).unwrap();
    similar(&before, &everything(&path));
    Connection::open(&path)
        .unwrap()
        .execute_batch("UPDATE wide SET \"c 1777\" = 'new' WHERE who = 2")
        .unwrap();
    live.put(&[id(2)], &tables, &saved, true).unwrap();
    similar(&before, &everything(&path));
}

#[test]
fn a_table_with_a_hundred_foreign_keys_is_settled() {
    let keys: Vec<String> = (0..100)
        .map(|at| format!("k{at} INT REFERENCES people"))
        .collect();
    let (_dir, path) = database(&format!(
        "CREATE TABLE people(id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2);
         CREATE TABLE links({}); INSERT INTO links(k3, k99) VALUES (1, 1); INSERT INTO links(k50) VALUES (2);",
        keys.join(", ")
    ));
    let rules = register("people", &["id"]);
    assert_eq!(owners(&open(&path, &rules), "links"), ["1", "2"]);
    expect_exact(&path, &rules);
    Connection::open(&path)
        .unwrap()
        .execute_batch("UPDATE links SET k98 = 2 WHERE k99 = 1")
        .unwrap();
    let db = open(&path, &rules);
    let words = "one row (or more) has different owners by k3 -> people and by k98 -> people";
    assert_eq!(table(&db, "links").warnings, [words]);
}

#[test]
fn names_are_keywords_and_any_unicode() {
    let (_dir, path) = database(
        r#"CREATE TABLE "table"("select" TEXT PRIMARY KEY, "from" INT) WITHOUT ROWID;
           CREATE TABLE "where"("index" TEXT REFERENCES "table", "👩‍👩‍👧 ﬁ" TEXT, "ÀÀ" , "" INT);
           CREATE TABLE "🚀"("values" REFERENCES "table", "group by" AS ("values" || '!') STORED);
           CREATE TABLE " "("a
b" REFERENCES "where"(rowid), "%_'" REFERENCES "table");
           CREATE INDEX "order" ON "where"("ÀÀ"); CREATE TRIGGER "begin" AFTER DELETE ON "🚀" BEGIN SELECT 1; END;
           INSERT INTO "table" VALUES ('it''s "x"', 1), ('é ', 2);
           INSERT INTO "where" VALUES ('it''s "x"', 'a', 1, 1), ('é ', NULL, 2, 2), ('nobody', '', 3, 3);
           INSERT INTO "🚀" VALUES ('é '), (NULL); INSERT INTO " " VALUES (1, 'é ');"#,
    );
    let rules = register("TABLE", &["SELECT"]);
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "where"), ["'it's \"x\"'", "'é '", "orphan"]);
    assert_eq!(owners(&db, "🚀"), ["'é '", "orphan"]);
    assert_eq!(owners(&db, " "), ["'é '"]);
    drop(db);
    expect_exact(&path, &rules);
    let (copy, _) = rebuild(&path, &rules, &["'é '"]);
    assert_eq!(ask(&copy, "SELECT \"ÀÀ\" FROM \"where\""), ["1", "3"]);
}
