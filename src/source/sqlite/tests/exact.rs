//! A database that is read and built again is the same.

use super::*;

/// Chinook, in a directory of its own.
pub(super) fn chinook() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chinook.db");
    std::fs::copy("tests/fixtures/chinook.sqlite", &path).unwrap();
    (dir, path)
}

#[test]
fn chinook_is_the_same_after_reading_and_building() {
    let (_dir, path) = chinook();
    let rules = register("Customer", &["CustomerId"]);
    let built = expect_exact(&path, &rules);
    let db = open(&path, &rules);
    assert_eq!(built.rows, db.counts().unwrap().iter().sum::<u64>());
    assert_eq!(built.rows, 15_607);
    assert_eq!(
        db.file_bytes().unwrap(),
        std::fs::metadata(&path).unwrap().len()
    );
}

#[test]
fn a_difference_would_be_seen() {
    let (_dir, path) = chinook();
    let before = everything(&path);
    for change in [
        "UPDATE Invoice SET Total = '1,98' WHERE InvoiceId = 7",
        "UPDATE PlaylistTrack SET rowid = 100000 WHERE rowid = 5",
        "DROP INDEX IFK_AlbumArtistId",
        "PRAGMA user_version = 3",
    ] {
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!("PRAGMA foreign_keys = OFF; {change}"))
            .unwrap();
        drop(conn);
        let after = everything(&path);
        assert!(before != after, "{change}");
        std::fs::copy("tests/fixtures/chinook.sqlite", &path).unwrap();
    }
}

#[test]
fn every_part_of_a_schema_comes_back() {
    let (_dir, path) = database(
        "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA user_version = -7;
         PRAGMA application_id = 123456789;
         CREATE TABLE IF NOT EXISTS main.customers(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, -- hello
            low TEXT AS (lower(name)) VIRTUAL, len INT AS (length(name)) STORED, note);
         CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT);
         CREATE TABLE plain AS SELECT 1 AS a, 'b' AS b;
         CREATE TABLE wr(a TEXT COLLATE NOCASE, b, c, PRIMARY KEY(b DESC, a)) WITHOUT ROWID;
         CREATE TABLE strict(a ANY, b INTEGER, c REAL) STRICT;
         CREATE TABLE log(what);
         CREATE UNIQUE INDEX by_name ON customers(name COLLATE NOCASE) WHERE name <> '';
         CREATE INDEX by_len ON customers(length(note), len DESC);
         CREATE VIEW v AS SELECT * FROM customers;
         CREATE TRIGGER t AFTER INSERT ON customers BEGIN INSERT INTO log VALUES ('in'); END;
         CREATE TRIGGER tv INSTEAD OF INSERT ON v BEGIN INSERT INTO log VALUES ('v'); END;
         INSERT INTO customers(id, name, note) VALUES (5, 'Ä', x'00ff'), (9, 'b', NULL), (-3, NULL, 1.5);
         INSERT INTO counted VALUES (40); DELETE FROM counted;
         INSERT INTO wr VALUES ('x', 1, 2), ('y', 1, 'z'), ('X', 0, NULL);
         INSERT INTO strict VALUES ('1', 2, 3), (4.0, NULL, -0.0);
         UPDATE sqlite_sequence SET seq = 77 WHERE name = 'customers';
         PRAGMA journal_mode = WAL;",
    );
    let built = expect_exact(&path, &register("customers", &["id"]));
    assert_eq!(built.rows, 3 + 1 + 3 + 2 + 3);
}

#[test]
fn a_counter_outlives_its_table() {
    let (_dir, path) = database(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY);
         CREATE TABLE gone(id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE gone;",
    );
    assert!(
        everything(&path)
            .iter()
            .any(|line| line.contains("sqlite_sequence"))
    );
    expect_exact(&path, &register("customers", &["id"]));
}

#[test]
fn the_other_encodings_keep_their_texts() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let (_dir, path) = database(&format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE 客户(号 TEXT PRIMARY KEY, 姓名);
             INSERT INTO 客户 VALUES ('甲', 'Ünï 😀'), ('', x'0001');"
        ));
        expect_exact(&path, &register("客户", &["号"]));
    }
}

#[test]
fn rows_that_never_met_their_check_come_back_too() {
    let (_dir, path) = database(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY, age CHECK(age > 0));
         PRAGMA ignore_check_constraints = ON; INSERT INTO customers VALUES (1, -1), (2, 1);",
    );
    let before = everything(&path);
    let (copy, built) = rebuild(&path, &register("customers", &["id"]), &[]);
    assert_eq!(before, everything(&copy));
    assert_eq!(built.unchecked, 1);
    assert_eq!(built.problems.len(), 1);
}

#[test]
fn what_a_table_does_on_conflict_costs_no_row() {
    let (_dir, path) = database(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, n TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'x');
         INSERT INTO customers VALUES (1, 'a');",
    );
    let db = open(&path, &register("customers", &["id"]));
    let mut builder = Builder::create(&path.with_file_name("b.db"), db.schema()).unwrap();
    let a = [Cell::Kept(ValueRef::Text(b"a"))];
    builder.put(0, Some(1), &a).unwrap();
    // What no such table can hold is told, and replaces nothing.
    builder
        .put(0, Some(1), &[Cell::Kept(ValueRef::Text(b"b"))])
        .unwrap();
    builder
        .put(0, Some(2), &[Cell::Kept(ValueRef::Null)])
        .unwrap();
    let built = builder.finish().unwrap();
    assert_eq!((built.rows, built.problems.len()), (1, 1));
    assert!(built.problems[0].contains("customers") && built.problems[0].contains('2'));
    let copy = path.with_file_name("b.db");
    assert_eq!(ask(&copy, "SELECT * FROM customers"), ["1 'a'"]);
}

#[test]
fn the_file_belongs_to_its_owner_alone_and_nothing_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, path) =
        database("CREATE TABLE c(id INTEGER PRIMARY KEY); PRAGMA journal_mode = WAL;");
    let (copy, _) = rebuild(&path, &register("c", &["id"]), &[]);
    assert_eq!(
        std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let beside = std::fs::read_dir(dir.path()).unwrap();
    let beside = beside.filter(|f| {
        f.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("again.db-")
    });
    assert_eq!(beside.count(), 0);
}

#[test]
fn an_existing_file_is_refused_and_an_unfinished_one_removed() {
    let (_dir, path) = database("CREATE TABLE c(id INTEGER PRIMARY KEY)");
    let db = open(&path, &register("c", &["id"]));
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        Builder::create(&path, db.schema()),
        Err(SqliteError::Exists { .. })
    ));
    assert_eq!(before, std::fs::read(&path).unwrap());
    let new = path.with_file_name("new.db");
    let mut builder = Builder::create(&new, db.schema()).unwrap();
    builder.put(0, Some(1), &[]).unwrap();
    assert!(new.exists());
    drop(builder);
    assert!(!new.exists());
}

#[test]
fn a_row_of_another_shape_is_refused() {
    let (_dir, path) = database("CREATE TABLE c(id TEXT PRIMARY KEY, a) WITHOUT ROWID");
    let db = open(&path, &register("c", &["id"]));
    let mut builder = Builder::create(&path.with_file_name("b.db"), db.schema()).unwrap();
    let one = Cell::Kept(ValueRef::Int(1));
    for (table, rowid, cells) in [
        (0, None, &[one][..]),
        (0, Some(1), &[one, one]),
        (1, None, &[one, one]),
    ] {
        assert!(matches!(
            builder.put(table, rowid, cells),
            Err(SqliteError::Shape { .. })
        ));
    }
}

#[test]
fn text_of_utf_16_databases_comes_back_unit_by_unit() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let (_dir, path) = database(&format!(
            "PRAGMA encoding = '{encoding}';
             CREATE TABLE c(id INTEGER PRIMARY KEY, t TEXT, n NUMERIC, x);
             CREATE TABLE o(id TEXT PRIMARY KEY, c INT REFERENCES c, other INT NOT NULL REFERENCES c) WITHOUT ROWID;
             INSERT INTO c VALUES (1, CAST(x'41003dd8' AS TEXT), CAST(x'3dd8410000de' AS TEXT), x'3dd8'),
                (2, 'aé客😀', 'é', CAST(x'fffefeffffff0000d8dc' AS TEXT)), (3, NULL, 1.5, 7), (4, '', '', '');
             INSERT INTO o VALUES (CAST(x'd83dd83d' AS TEXT), 1, 3), ('plain', 1, 1);"
        ));
        let mut rules = register("c", &["id"]);
        rules.owns = vec![owns("o", key(&["c"]))];
        expect_exact(&path, &rules);
        let bytes = "SELECT typeof(t), CAST(t AS BLOB), typeof(n), CAST(n AS BLOB), typeof(x), CAST(x AS BLOB) FROM c";
        let (copy, _) = rebuild(&path, &rules, &[]);
        assert_eq!(ask(&copy, bytes), ask(&path, bytes), "{encoding}");
        std::fs::remove_file(&copy).unwrap();
        // A row that waits for a tombstone keeps its text too.
        let (copy, built) = rebuild(&path, &rules, &["3"]);
        assert_eq!(built.tombstones, 1);
        let bytes = "SELECT CAST(id AS BLOB) FROM o ORDER BY id";
        assert_eq!(ask(&copy, bytes), ask(&path, bytes), "{encoding}");
    }
}
