//! Full-text indexes, and virtual tables that are none.

use super::*;
use crate::schema::{FullText, Setting};

/// Notes of customers under three indexes: over a table, over a view, and with text of its own.
pub(super) const NOTES: &str = "
    CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT);
    CREATE VIRTUAL TABLE seen USING fts5(title, body, content=shown, content_rowid='id');
    CREATE TABLE notes(id INTEGER PRIMARY KEY, customer INT REFERENCES customers, body TEXT);
    CREATE VIRTUAL TABLE \"found 'it'\" USING fts5(body, content='notes', content_rowid=id, prefix='2 3');
    CREATE VIRTUAL TABLE own USING fts5(body, \"the customer\" UNINDEXED, tokenize=\"unicode61 tokenchars '-'\");
    CREATE VIEW shown AS SELECT id, upper(body) AS title, body FROM notes;
    CREATE TRIGGER kept AFTER INSERT ON notes BEGIN
      INSERT INTO \"found 'it'\"(rowid, body) VALUES (new.id, new.body); END;
    CREATE TRIGGER dropped AFTER DELETE ON notes BEGIN
      INSERT INTO \"found 'it'\"(\"found 'it'\", rowid, body) VALUES ('delete', old.id, old.body); END;
    INSERT INTO own(own, rank) VALUES ('rank', 'bm25(10.0, 5.0)'), ('automerge', 8), ('secure-delete', 1), ('pgsz', 512);
    INSERT INTO seen(seen, rank) VALUES ('crisismerge', 9);
    INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bob');
    INSERT INTO notes VALUES (1, 1, 'the red fox'), (5, 2, 'a blue whale'), (-7, 1, NULL), (9, NULL, 'nobody''s red');
    INSERT INTO own(rowid, body, \"the customer\") VALUES (1, 'red-fox runs', 1), (5, 'whale', 2), (-3, x'00ff', '1'),
      (9223372036854775807, 1.5, 2), (6, NULL, NULL), (7, -0.0, 77), (8, 42, x'01');
    INSERT INTO seen(seen) VALUES ('rebuild');";

pub(super) fn notes_rules() -> Rules {
    let mut rules = register("customers", &["id"]);
    rules.owns = vec![owns("own", key(&["the customer"]))];
    rules
}

fn matches(path: &Path, index: &str, words: &str) -> Vec<String> {
    let name = super::super::sql::quote(index);
    let sql = format!("SELECT rowid FROM {name} WHERE {name} MATCH '{words}' ORDER BY rowid");
    ask(path, &sql)
}

fn check(path: &Path, index: &str) {
    let name = super::super::sql::quote(index);
    let conn = Connection::open(path).unwrap();
    let sql = format!("INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)");
    conn.execute_batch(&sql).unwrap();
}

#[test]
fn indexes_come_back_with_their_text_settings_and_matches() {
    let (_dir, path) = database(NOTES);
    let db = open(&path, &notes_rules());
    assert_eq!(db.schema().not_restorable, Vec::<String>::new());
    let tables: Vec<&str> = db.schema().tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(tables, ["customers", "notes", "own"]);
    let indexes = db.schema().full_text.iter();
    let indexes: Vec<(&str, bool)> = indexes.map(|i| (i.name.as_str(), i.external)).collect();
    assert_eq!(
        indexes,
        [("seen", true), ("found 'it'", true), ("own", false)]
    );
    let set = |name: &str, number| (name.to_owned(), Setting::Int(number));
    let rank = ("rank".to_owned(), Setting::Text("bm25(10.0, 5.0)".into()));
    let settings = &db.schema().full_text[2].settings;
    assert_eq!(
        *settings,
        [
            set("automerge", 8),
            set("pgsz", 512),
            rank,
            set("secure-delete", 1)
        ]
    );
    assert_eq!(
        owners(&db, "own"),
        ["1", "1", "2", "orphan", "orphan", "orphan", "2"]
    );
    assert_eq!(table(&db, "own").columns.len(), 2);
    drop(db);
    expect_exact(&path, &notes_rules());
    let (copy, _) = rebuild(&path, &notes_rules(), &[]);
    let order =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage = 0 ORDER BY rowid";
    assert_eq!(ask(&copy, order), ask(&path, order));
    let all = "SELECT rowid, typeof(body), quote(body), typeof(\"the customer\"), quote(\"the customer\") FROM own";
    assert_eq!(ask(&copy, all), ask(&path, all));
    assert_eq!(ask(&copy, all).len(), 7);
    for (index, words, found) in [
        ("seen", "title:red OR whale", &["1", "5", "9"][..]),
        ("found 'it'", "re*", &["1", "9"]),
        ("own", "\"red-fox\" OR whale", &["1", "5"]),
    ] {
        assert_eq!(matches(&path, index, words), found, "{index}");
        assert_eq!(matches(&copy, index, words), found, "{index}");
        check(&copy, index);
        let config = format!("SELECT k, v FROM \"{index}_config\" WHERE k <> 'version'");
        assert_eq!(ask(&copy, &config), ask(&path, &config));
    }
}

#[test]
fn the_forgotten_are_in_no_index_and_all_others_are() {
    let (_dir, path) = database(NOTES);
    let (copy, built) = rebuild(&path, &notes_rules(), &["1"]);
    assert_eq!(built.problems, Vec::<String>::new());
    assert_eq!(
        ask(&copy, "SELECT rowid FROM own"),
        ["5", "6", "7", "8", "9223372036854775807"]
    );
    for index in ["seen", "found 'it'", "own"] {
        assert_eq!(
            matches(&copy, index, "fox OR runs OR \"red-fox\""),
            Vec::<String>::new()
        );
        assert_eq!(matches(&copy, index, "whale"), ["5"]);
        check(&copy, index);
    }
    assert_eq!(matches(&copy, "seen", "red"), ["9"]);
    let bytes = std::fs::read(&copy).unwrap();
    assert!(!bytes.windows(3).any(|three| three == b"fox"));
}

#[test]
fn an_index_is_owned_by_rowid_and_so_is_any_table() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE notes(no TEXT PRIMARY KEY, c REFERENCES c); CREATE TABLE plain(x); CREATE TABLE more(note, OID);
         CREATE VIRTUAL TABLE words USING fts5(text); CREATE VIRTUAL TABLE people USING fts5(name);
         CREATE TABLE of_words(word INT, z);
         INSERT INTO c VALUES (1), (2); INSERT INTO notes(rowid, no, c) VALUES (10, '3', 1), (11, '10', 2);
         INSERT INTO words(rowid, text) VALUES (10, 'a'), (11, 'b'), (12, 'c'); INSERT INTO people(rowid, name) VALUES (2, 'Bob');
         INSERT INTO plain(rowid, x) VALUES (11, 'x'); INSERT INTO more VALUES (10, 1), (11, 2), (3, 3);
         INSERT INTO of_words VALUES (11, 1), (10, 2), (13, 3);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![
        owns("words", through(&["rowid"], "notes")),
        owns("people", key(&["ROWID"])),
        owns("plain", through(&["_rowid_"], "notes")),
        owns("more", through(&["note"], "words")),
        owns("of_words", through(&["word"], "words")),
    ];
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "words"), ["1", "2", "orphan"]);
    assert_eq!(table(&db, "words").path, "rowid -> notes.c -> c");
    assert_eq!(owners(&db, "people"), ["2"]);
    assert_eq!(owners(&db, "plain"), ["2"]);
    assert_eq!(owners(&db, "more"), ["1", "2", "orphan"]);
    assert_eq!(owners(&db, "of_words"), ["2", "1", "orphan"]);
    // The word, and the note that it is of.
    let both = [["2", "2"], ["1", "1"], ["NULL", "NULL"]];
    assert_eq!(targets(&db, "of_words"), both);
    assert!(table(&db, "words").references.is_empty() && table(&db, "words").warnings.is_empty());
    drop(db);
    expect_exact(&path, &rules);
    let (copy, built) = rebuild(&path, &rules, &["1"]);
    assert_eq!((built.nulled, built.problems.len()), (0, 0));
    assert_eq!(
        ask(&copy, "SELECT rowid, text FROM words"),
        ["11 'b'", "12 'c'"]
    );
    // A column of that name is a column, and a table without rowids has none.
    rules.owns = vec![owns("more", key(&["oid"]))];
    assert_eq!(owners(&open(&path, &rules), "more"), ["1", "2", "orphan"]);
    let (_dir, path) = database(
        "CREATE TABLE c(id INT PRIMARY KEY) WITHOUT ROWID; CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID;",
    );
    rules.owns = vec![owns("w", through(&["rowid"], "c"))];
    let error = Database::open(&path, &rules).err().unwrap();
    assert!(matches!(error, SqliteError::NoColumn { .. }), "{error}");
}

#[test]
fn an_index_whose_text_is_gone_is_told_at_the_restore() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE t(a); INSERT INTO c VALUES (1);
         CREATE VIRTUAL TABLE broken USING fts5(a, content=t); DROP TABLE t;",
    );
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    assert_eq!(db.schema().not_restorable, Vec::<String>::new());
    let (copy, built) = rebuild(&path, &rules, &[]);
    assert_eq!(
        built.problems,
        ["the full-text table broken was not built: no such table: main.t"]
    );
    assert_eq!(ask(&copy, "SELECT id FROM c"), ["1"]);
    let there = "SELECT sql FROM sqlite_schema WHERE name = 'broken'";
    assert_eq!(ask(&copy, there), ask(&path, there));
}

#[test]
fn what_is_no_index_is_named_and_the_rest_is_backed_up() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1);
         CREATE VIRTUAL TABLE nowhere USING fts5(a, content='');
         CREATE VIRTUAL TABLE deletes USING fts5(a, content='', contentless_delete=1);
         CREATE VIRTUAL TABLE partly USING fts5(a, b UNINDEXED, content='', contentless_unindexed=1);
         CREATE VIRTUAL TABLE old USING fts4(a); CREATE VIRTUAL TABLE spots USING rtree(id, x0, x1);
         CREATE VIRTUAL TABLE spoken USING fts5(a, locale=1);
         INSERT INTO nowhere VALUES ('x'); INSERT INTO deletes VALUES ('x'); INSERT INTO partly VALUES ('x', 'y');
         INSERT INTO old VALUES ('x'); INSERT INTO spoken VALUES ('x');
         CREATE TABLE odd_data(x); INSERT INTO odd_data VALUES (7);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES ('table', 'odd', 'odd', 0, 'CREATE VIRTUAL TABLE odd USING \"no module\"(a)');
         INSERT INTO sqlite_schema VALUES ('table', 'spelt', 'spelt', 0, 'CREATE VIRTUAL TABLE spelt USING fts5(a, tokenize=klingon)');",
    );
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    let told = db.schema().not_restorable.join("\n");
    for words in [
        "the virtual table nowhere (fts5), with its tables nowhere_data, nowhere_idx, nowhere_docsize, nowhere_config",
        "the virtual table deletes (fts5), with",
        "the virtual table partly (fts5), with its tables partly_data, partly_idx, partly_content,",
        "the virtual table old (fts4), with its tables old_content, old_segments, old_segdir",
        "the virtual table spots (rtree), with its tables spots_rowid, spots_node, spots_parent",
        "the virtual table odd (no module)",
        "the virtual table spelt (fts5), which cannot be opened: ",
        "the locales of the full-text table spoken",
    ] {
        assert!(told.contains(words), "{words} in\n{told}");
    }
    assert_eq!(told.lines().count(), 8, "{told}");
    let tables: Vec<&str> = db.schema().tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(tables, ["c", "spoken", "odd_data"]);
    drop(db);
    let (copy, built) = rebuild(&path, &rules, &[]);
    assert_eq!(built.problems, Vec::<String>::new());
    let left = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'spoken_%'";
    assert_eq!(ask(&copy, left), ["'c'", "'spoken'", "'odd_data'"]);
    assert_eq!(matches(&copy, "spoken", "x"), ["1"]);
}

#[test]
fn tables_that_are_only_named_like_shadows_are_tables() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE t_content(id INTEGER PRIMARY KEY, a TEXT, c REFERENCES c); CREATE INDEX ix ON t_content(a);
         CREATE VIRTUAL TABLE t USING fts5(a, content='t_content', content_rowid=id, columnsize=0);
         CREATE TABLE t_docsize(c REFERENCES c);
         CREATE VIRTUAL TABLE a USING fts5(x); CREATE VIRTUAL TABLE a_b USING fts5(x);
         INSERT INTO c VALUES (1); INSERT INTO t_content VALUES (3, 'word', 1); INSERT INTO t_docsize VALUES (1);
         INSERT INTO t(t) VALUES ('rebuild');",
    );
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    let tables: Vec<&str> = db.schema().tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(tables, ["c", "t_content", "t_docsize", "a", "a_b"]);
    assert_eq!(owners(&db, "t_content"), ["1"]);
    drop(db);
    expect_exact(&path, &rules);
    let (copy, _) = rebuild(&path, &rules, &[]);
    assert_eq!(matches(&copy, "t", "word"), ["3"]);
}

#[test]
fn an_index_in_a_utf_16_database_comes_back() {
    let (_dir, path) = database(
        "PRAGMA encoding = 'UTF-16be'; CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE VIRTUAL TABLE \"客户 \"\"注\" USING fts5(\"正文\", \"select\" UNINDEXED);
         INSERT INTO c VALUES (1); INSERT INTO \"客户 \"\"注\" VALUES ('你好 wörld', 1), (x'd83d', NULL);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("客户 \"注", key(&["SELECT"]))];
    assert_eq!(owners(&open(&path, &rules), "客户 \"注"), ["1", "orphan"]);
    expect_exact(&path, &rules);
    let (copy, _) = rebuild(&path, &rules, &[]);
    assert_eq!(matches(&copy, "客户 \"注", "wörld"), ["1"]);
    check(&copy, "客户 \"注");
}

#[test]
fn what_an_older_snapshot_says_of_a_schema_has_no_indexes() {
    let (_dir, path) = database(NOTES);
    let schema = open(&path, &notes_rules()).schema().clone();
    let bytes = minicbor::to_vec(&schema).unwrap();
    assert_eq!(
        minicbor::decode::<crate::schema::Schema>(&bytes).unwrap(),
        schema
    );
    // Eight fields, the last two of which are not there.
    assert_eq!(bytes[0], 0x88);
    let mut older = schema.clone();
    older.full_text = Vec::<FullText>::new();
    let mut bytes = minicbor::to_vec(&older).unwrap();
    assert_eq!([bytes.pop(), bytes.pop()], [Some(0x80); 2]);
    bytes[0] = 0x86;
    assert_eq!(
        minicbor::decode::<crate::schema::Schema>(&bytes).unwrap(),
        older
    );
}
