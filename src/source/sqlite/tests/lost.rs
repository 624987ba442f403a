//! References to the forgotten, in a database that is built without them.

use super::*;

/// No violation that was not there before, and nothing wrong.
fn expect_whole(built: &Built) {
    assert_eq!(built.problems, Vec::<String>::new());
    assert_eq!(built.violations, Vec::<(String, u64)>::new());
    assert_eq!(built.unchecked, 0);
}

const REFERRED: &str =
    "CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT NOT NULL, by_whom INT REFERENCES c);
    INSERT INTO c VALUES (1, 'a', NULL), (2, 'b', 1), (3, 'c', 2), (4, 'd', 1);";

#[test]
fn null_stands_where_it_may() {
    let (_dir, path) = database(REFERRED);
    let (copy, built) = rebuild(&path, &register("c", &["id"]), &["1"]);
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT * FROM c"),
        ["2 'b' NULL", "3 'c' 2", "4 'd' NULL"]
    );
    assert_eq!((built.rows, built.nulled, built.tombstones), (3, 2, 0));
}

#[test]
fn a_tombstone_stands_where_null_may_not() {
    let (_dir, path) = database(
        "CREATE TABLE country(code TEXT PRIMARY KEY); INSERT INTO country VALUES ('de'), ('fr');
         CREATE TABLE c(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, since DATETIME NOT NULL,
            age INT NOT NULL, photo BLOB NOT NULL, state TEXT NOT NULL DEFAULT 'new', note TEXT DEFAULT 'n',
            country TEXT NOT NULL REFERENCES country);
         CREATE TABLE talks(id INTEGER PRIMARY KEY, host INT NOT NULL REFERENCES c, guest INT NOT NULL);
         INSERT INTO c VALUES (-1, 'a', '2020', 1, x'01', 'old', 'm', 'fr'), (2, 'b', '2020', 1, x'01', 'old', 'm', 'fr'),
            (3, 'c', '2020', 1, x'01', 'old', 'm', 'fr');
         INSERT INTO talks VALUES (1, 2, 3), (2, 3, 2), (3, -1, 2), (4, 3, 2);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![also("talks", "guest")];
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    expect_whole(&built);
    assert_eq!(
        (built.rows, built.nulled, built.tombstones),
        (2 + 2 + 3, 0, 1)
    );
    // -1 is taken, so the next one down it is.
    assert_eq!(
        ask(&copy, "SELECT * FROM talks"),
        ["2 3 -2", "3 -1 -2", "4 3 -2"]
    );
    assert_eq!(
        ask(&copy, "SELECT * FROM c WHERE id = -2"),
        ["-2 '' '1970-01-01' 0 x'' 'new' NULL 'de'"]
    );
    assert_eq!(ask(&copy, "SELECT seq FROM sqlite_sequence"), ["3"]);
    assert_eq!(
        ask(
            &copy,
            "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tenure%'"
        ),
        ["0"]
    );
}

#[test]
fn different_rows_stay_different_for_unique_columns() {
    let (_dir, path) = database(
        "CREATE TABLE c(id TEXT PRIMARY KEY, mail TEXT NOT NULL UNIQUE);
         CREATE TABLE gifts(id INTEGER PRIMARY KEY, giver TEXT REFERENCES c, taker TEXT NOT NULL);
         CREATE UNIQUE INDEX one_each ON gifts(taker);
         INSERT INTO c VALUES ('ann', 'a@'), ('bob', 'b@'), ('cid', 'c@'), ('erased-0', 'e@');
         INSERT INTO gifts VALUES (1, 'cid', 'ann'), (2, 'cid', 'bob'), (3, 'cid', 'cid');",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![also("gifts", "taker")];
    let (copy, built) = rebuild(&path, &rules, &["'ann'", "'bob'"]);
    expect_whole(&built);
    assert_eq!((built.rows, built.tombstones), (5, 2));
    let gifts = [
        "1 'cid' 'erased-0-2'",
        "2 'cid' 'erased-1'",
        "3 'cid' 'cid'",
    ];
    assert_eq!(ask(&copy, "SELECT * FROM gifts"), gifts);
    let sql = "SELECT count(DISTINCT mail) = count(*), count(*) FROM c";
    assert_eq!(ask(&copy, sql), ["1 4"]);
}

#[test]
fn a_check_is_met_by_trying() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY CHECK(id > 0), state TEXT NOT NULL CHECK(state IN ('active', 'left')),
            level INT NOT NULL CONSTRAINT levels CHECK(level BETWEEN 5 AND 9), mail TEXT, phone TEXT,
            code TEXT NOT NULL UNIQUE, CHECK(mail IS NOT NULL OR phone IS NOT NULL));
         CREATE TABLE t(id INTEGER PRIMARY KEY, a INT REFERENCES c, b INT NOT NULL, CHECK(b > 0));
         INSERT INTO c VALUES (1, 'left', 7, 'm', NULL, 'x'), (2, 'left', 7, 'm', NULL, '');
         INSERT INTO t VALUES (1, 2, 1);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![also("t", "b")];
    let (copy, built) = rebuild(&path, &rules, &["1"]);
    expect_whole(&built);
    assert_eq!(ask(&copy, "SELECT * FROM t"), ["1 2 3"]);
    assert_eq!(
        ask(&copy, "SELECT * FROM c WHERE id = 3"),
        ["3 'active' 5 '' NULL '-'"]
    );
}

#[test]
fn a_check_against_null_gets_a_tombstone() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE t(id INTEGER PRIMARY KEY, c INT REFERENCES c, also INT CHECK(also IS NOT NULL OR id > 1));
         INSERT INTO c VALUES (1), (2); INSERT INTO t VALUES (1, 1, 2), (2, 1, 2);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![also("t", "also")];
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    expect_whole(&built);
    assert_eq!((built.nulled, built.tombstones), (1, 1));
    assert_eq!(ask(&copy, "SELECT * FROM t"), ["1 1 -1", "2 1 NULL"]);
}

#[test]
fn a_tombstone_of_an_order_has_a_tombstone_of_a_customer() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, boss INT NOT NULL REFERENCES c);
         CREATE TABLE p(c INTEGER PRIMARY KEY REFERENCES c, x);
         CREATE TABLE o(id INTEGER PRIMARY KEY, c INT NOT NULL UNIQUE REFERENCES c, p INT NOT NULL REFERENCES p);
         CREATE TABLE t(id INTEGER PRIMARY KEY, c INT REFERENCES c, o INT NOT NULL);
         INSERT INTO c VALUES (1, 1), (2, 2), (3, 1); INSERT INTO p VALUES (1, 'x'), (2, 'y'), (3, 'z');
         INSERT INTO o VALUES (10, 1, 1), (20, 2, 2), (30, 3, 3); INSERT INTO t VALUES (1, 2, 10), (2, 2, 30), (3, 2, 20);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("t", key(&["c"])), also("t", "o")];
    // `also` without a key of its own means the register; here one is declared.
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "PRAGMA foreign_keys = OFF; DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, c INT REFERENCES c, o INT NOT NULL REFERENCES o);
         INSERT INTO t VALUES (1, 2, 10), (2, 2, 30), (3, 2, 20);",
    )
    .unwrap();
    drop(conn);
    let (copy, built) = rebuild(&path, &rules, &["1", "3"]);
    expect_whole(&built);
    let rows = ask(
        &copy,
        "SELECT t.id, o.id < 0, c.id < 0, c.boss = c.id FROM t JOIN o ON o.id = t.o JOIN c ON c.id = o.c",
    );
    assert_eq!(rows, ["1 1 1 1", "2 1 1 1", "3 0 0 1"]);
    // Two orders, their two customers, and those customers' two records.
    assert_eq!(built.tombstones, 6);
}

#[test]
fn a_composite_reference_keeps_what_belongs_to_the_row() {
    let schema = |null: &str| {
        format!(
            "CREATE TABLE tenant(id INTEGER PRIMARY KEY); INSERT INTO tenant VALUES (1), (2);
             CREATE TABLE c(tenant INT NOT NULL REFERENCES tenant, no INT NOT NULL, PRIMARY KEY(tenant, no)) WITHOUT ROWID;
             CREATE TABLE o(tenant INT NOT NULL, id INT, no INT NOT NULL, other INT {null}, PRIMARY KEY(tenant, id),
                FOREIGN KEY(tenant, no) REFERENCES c, FOREIGN KEY(tenant, other) REFERENCES c);
             INSERT INTO c VALUES (1, 1), (1, 2), (2, 1), (2, 2);
             INSERT INTO o VALUES (1, 1, 1, 2), (2, 1, 1, 2), (2, 2, 1, 1);"
        )
    };
    let mut rules = register("c", &["tenant", "no"]);
    rules.owns = vec![owns("o", key(&["tenant", "no"]))];
    let forgotten = ["'2,2'"];
    let (_dir, path) = database(&schema(""));
    let (copy, built) = rebuild(&path, &rules, &forgotten);
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT * FROM o"),
        ["1 1 1 2", "2 1 1 NULL", "2 2 1 1"]
    );
    let (_dir, path) = database(&schema("NOT NULL"));
    let (copy, built) = rebuild(&path, &rules, &forgotten);
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT * FROM o"),
        ["1 1 1 2", "2 1 1 -1", "2 2 1 1"]
    );
    assert_eq!(ask(&copy, "SELECT * FROM c"), ["1 1", "1 2", "2 -1", "2 1"]);
}

#[test]
fn a_composite_reference_with_one_nullable_column_needs_no_tombstone() {
    let (_dir, path) = database(
        "CREATE TABLE c(a INT, b TEXT, PRIMARY KEY(a, b)) WITHOUT ROWID;
         CREATE TABLE t(id INTEGER PRIMARY KEY, own_a INT, own_b TEXT, a INT, b TEXT NOT NULL,
            FOREIGN KEY(own_a, own_b) REFERENCES c, FOREIGN KEY(a, b) REFERENCES c);
         INSERT INTO c VALUES (1, 'x'), (2, 'y'); INSERT INTO t VALUES (1, 1, 'x', 2, 'y');",
    );
    let mut rules = register("c", &["a", "b"]);
    rules.owns = vec![owns("t", key(&["own_a", "own_b"]))];
    let (copy, built) = rebuild(&path, &rules, &["'2,'y''"]);
    expect_whole(&built);
    assert_eq!((built.nulled, built.tombstones), (1, 0));
    assert_eq!(
        ask(&copy, "SELECT own_a, own_b, a, b = 'y' FROM t"),
        ["1 'x' NULL 0"]
    );
}

#[test]
fn blob_keys_and_without_rowid_tables_have_tombstones() {
    let (_dir, path) = database(
        "CREATE TABLE c(id BLOB PRIMARY KEY) WITHOUT ROWID; INSERT INTO c VALUES (x'01'), (x'02');
         CREATE TABLE t(c BLOB NOT NULL REFERENCES c, other BLOB NOT NULL, PRIMARY KEY(c, other)) WITHOUT ROWID;
         INSERT INTO t VALUES (x'01', x'02'), (x'01', x'01');",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![also("t", "other")];
    let (copy, built) = rebuild(&path, &rules, &["x'02'"]);
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT count(*), max(length(id)) FROM c"),
        ["2 16"]
    );
    assert_eq!(
        ask(&copy, "SELECT count(*) FROM t JOIN c ON c.id = t.other"),
        ["2"]
    );
}

#[test]
fn ambiguous_tables_lose_whom_they_named() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, n); INSERT INTO c VALUES (1, 'a'), (2, 'b');
         CREATE TABLE friends(a INT REFERENCES c, b INT NOT NULL REFERENCES c, kind TEXT);
         INSERT INTO friends VALUES (1, 2, 'x'), (2, 1, 'y');",
    );
    let rules = register("c", &["id"]);
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT * FROM friends"),
        ["1 -1 'x'", "NULL 1 'y'"]
    );
    assert_eq!(ask(&copy, "SELECT * FROM c"), ["-1 NULL", "1 'a'"]);
}

#[test]
fn the_key_of_a_row_that_waits_is_not_free() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, boss INT NOT NULL REFERENCES c);
         INSERT INTO c VALUES (-2, 5), (-1, 5), (5, 5), (6, 7), (7, 7);",
    );
    let (copy, built) = rebuild(&path, &register("c", &["id"]), &["5", "7"]);
    expect_whole(&built);
    let rows = ["-4 -4", "-3 -3", "-2 -3", "-1 -3", "6 -4"];
    assert_eq!(ask(&copy, "SELECT * FROM c"), rows);
}

#[test]
fn a_new_key_is_beyond_all_that_were_ever_given_out() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY AUTOINCREMENT CHECK(id > 0)); INSERT INTO c VALUES (1), (2), (9);
         CREATE TABLE t(c INT REFERENCES c, other INT NOT NULL); INSERT INTO t VALUES (1, 9);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![also("t", "other")];
    let (copy, built) = rebuild(&path, &rules, &["9"]);
    expect_whole(&built);
    assert_eq!(ask(&copy, "SELECT * FROM t"), ["1 10"]);
    assert_eq!(ask(&copy, "SELECT * FROM sqlite_sequence"), ["'c' 9"]);
}

#[test]
fn a_key_that_refers_on_is_the_key_of_a_tombstone() {
    let (_dir, path) = database(
        "CREATE TABLE c(id TEXT PRIMARY KEY); INSERT INTO c VALUES ('a'), ('b');
         CREATE TABLE p(c TEXT PRIMARY KEY REFERENCES c, x); INSERT INTO p VALUES ('a', 1), ('b', 2);
         CREATE TABLE t(c REFERENCES c, p NOT NULL REFERENCES p); INSERT INTO t VALUES ('a', 'b');",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("t", key(&["c"]))];
    let (copy, built) = rebuild(&path, &rules, &["'b'"]);
    expect_whole(&built);
    assert_eq!(built.tombstones, 2);
    let sql = "SELECT t.c, c.id, p.x FROM t JOIN p ON p.c = t.p JOIN c ON c.id = p.c";
    assert_eq!(ask(&copy, sql), ["'a' 'erased-1' NULL"]);
}

#[test]
fn each_column_of_a_composite_key_may_have_a_number_of_its_own() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE o(a TEXT, b TEXT, c INT NOT NULL REFERENCES c, PRIMARY KEY(a, b));
         CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT NOT NULL, FOREIGN KEY(a, b) REFERENCES o);",
    );
    let db = open(&path, &register("c", &["id"]));
    let at = |name: &str| {
        db.schema()
            .tables
            .iter()
            .position(|t| t.name == name)
            .unwrap()
    };
    let copy = path.with_file_name("again.db");
    let mut builder = Builder::create(&copy, db.schema()).unwrap();
    for (id, a, b) in [(1, 0, 1), (2, 0, 2), (3, 0, 1)] {
        builder
            .put(at("t"), Some(id), &[Cell::Lost(a), Cell::Lost(b)])
            .unwrap();
    }
    let built = builder.finish().unwrap();
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT count(*) FROM t JOIN o USING(a, b)"),
        ["3"]
    );
    assert_eq!(ask(&copy, "SELECT count(*) FROM o"), ["2"]);
}

#[test]
fn rows_that_may_not_refer_to_the_same_have_tombstones_of_their_own() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE o(id INTEGER PRIMARY KEY, c INT NOT NULL REFERENCES c);
         CREATE TABLE t(c INT NOT NULL REFERENCES c, o INT NOT NULL REFERENCES o, PRIMARY KEY(c, o)) WITHOUT ROWID;
         INSERT INTO c VALUES (1); INSERT INTO o VALUES (1, 1);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("t", key(&["c"]))];
    let db = open(&path, &rules);
    let at = |name: &str| {
        db.schema()
            .tables
            .iter()
            .position(|t| t.name == name)
            .unwrap()
    };
    let copy = path.with_file_name("again.db");
    let mut builder = Builder::create(&copy, db.schema()).unwrap();
    builder.put(at("c"), Some(1), &[]).unwrap();
    // Both led to somebody who had been forgotten before they were read: nothing tells to which row.
    for _ in 0..2 {
        builder
            .put(
                at("t"),
                None,
                &[Cell::Kept(ValueRef::Int(1)), Cell::Lost(0)],
            )
            .unwrap();
    }
    let built = builder.finish().unwrap();
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT count(*) FROM t JOIN o ON o.id = t.o"),
        ["2"]
    );
}

#[test]
fn a_key_that_leads_on_to_somebody_is_withheld_with_what_it_refers_to() {
    let (_dir, path) = database(
        "CREATE TABLE r (k TEXT PRIMARY KEY);
         CREATE TABLE m (a TEXT, b TEXT, FOREIGN KEY (b) REFERENCES r (k), PRIMARY KEY (a, b)) WITHOUT ROWID;
         CREATE TABLE s (id INT PRIMARY KEY, x, y, FOREIGN KEY (x, y) REFERENCES m (a, b));
         CREATE TABLE u (p, q, FOREIGN KEY (p, q) REFERENCES s (x, y));
         INSERT INTO r VALUES ('ann'), ('ben'), ('cid');
         INSERT INTO m VALUES ('ann', 'cid'), ('ben', 'ann');
         INSERT INTO s VALUES (0, 'ann', 'cid'), (1, 'ben', 'ann'); INSERT INTO u SELECT x, y FROM s;",
    );
    let mut rules = register("r", &["k"]);
    rules.shared = strings(&["s", "u"]);
    rules.owns = vec![owns("m", key(&["a"]))];
    let db = open(&path, &rules);
    let names = |name: &str| -> Vec<String> {
        let references = table(&db, name).references.iter();
        let parents = references.map(|r| db.schema().tables[r.parent].name.clone());
        parents.collect()
    };
    let all = strings(&["m", "r", "r"]);
    assert_eq!((names("s"), names("u")), (all.clone(), all));
    drop(db);
    let (copy, built) = rebuild(&path, &rules, &["'cid'"]);
    // The member's key may not be NULL, so it refers to a neutral row; what refers to the member need not.
    assert_eq!(built.tombstones, 1);
    assert!((built.problems.is_empty(), built.violations.is_empty()) == (true, true));
    assert_eq!(ask(&copy, "SELECT count(*) FROM s WHERE y = 'cid'"), ["0"]);
    assert_eq!(ask(&copy, "SELECT count(*) FROM u WHERE q = 'cid'"), ["0"]);
    assert_eq!(
        ask(&copy, "SELECT x, y FROM s WHERE id = 1"),
        ["'ben' 'ann'"]
    );
}

#[test]
fn a_neutral_row_that_leads_nowhere_itself_is_told() {
    let (_dir, path) = database(
        "CREATE TABLE c (id NOT NULL UNIQUE, r, FOREIGN KEY (r) REFERENCES c (id));
         CREATE UNIQUE INDEX i4 ON c (typeof(r));
         INSERT INTO c VALUES ('1', NULL), (0, '1'), (3.5, 0);",
    );
    let (_, built) = rebuild(&path, &register("c", &["id"]), &["0"]);
    assert_eq!((built.tombstones, built.violations.len()), (1, 1));
    let told = "table c: neutral rows that stand for forgotten ones and lead nowhere themselves: 1";
    assert_eq!(built.problems, [told]);
}

#[test]
fn a_neutral_row_without_rowid_that_leads_nowhere_itself_is_told() {
    // What the second note refers to was gone before, and so was the customer whom that would have been of.
    let (_dir, path) = database(
        "CREATE TABLE c (id INTEGER PRIMARY KEY);
         CREATE TABLE pairs (a INT, b INT, PRIMARY KEY (b, a), FOREIGN KEY (a) REFERENCES c, FOREIGN KEY (b) REFERENCES c) WITHOUT ROWID;
         CREATE TABLE notes (id INTEGER PRIMARY KEY, a INT NOT NULL, b INT NOT NULL, FOREIGN KEY (a, b) REFERENCES pairs (a, b));
         INSERT INTO c VALUES (1), (2); INSERT INTO pairs VALUES (1, 2); INSERT INTO notes VALUES (1, 1, 2), (2, 7, 2);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("pairs", key(&["a"]))];
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    let told =
        "table pairs: neutral rows that stand for forgotten ones and lead nowhere themselves: 1";
    assert_eq!(built.problems, [told]);
    assert_eq!(
        ask(&copy, "SELECT a FROM notes JOIN pairs USING (a, b)"),
        ["1", "7"]
    );
    assert_eq!(built.violations.len(), 1);
}

#[test]
fn a_key_that_names_the_forgotten_leads_to_the_same_row_as_before() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE pairs(c INT NOT NULL REFERENCES c, other INT NOT NULL REFERENCES c, PRIMARY KEY(c, other));
         CREATE TABLE notes(id INTEGER PRIMARY KEY, a INT NOT NULL, b INT NOT NULL, FOREIGN KEY(a, b) REFERENCES pairs);
         INSERT INTO c VALUES (1), (2), (3); INSERT INTO pairs VALUES (1, 2), (1, 3), (3, 2);
         INSERT INTO notes VALUES (1, 1, 2), (2, 3, 2), (3, 1, 3), (4, 1, 2);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("pairs", key(&["c"])), also("pairs", "other")];
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    expect_whole(&built);
    assert_eq!(
        ask(&copy, "SELECT * FROM pairs ORDER BY c, other"),
        ["1 -1", "1 3", "3 -1"]
    );
    let notes = ["1 1 -1", "2 3 -1", "3 1 3", "4 1 -1"];
    assert_eq!(ask(&copy, "SELECT * FROM notes"), notes);
    assert_eq!(built.tombstones, 1);
}

#[test]
fn a_shared_row_that_names_the_forgotten_in_its_key_leaves_nobody_leading_nowhere() {
    let (_dir, path) = database(
        "CREATE TABLE c(a INT, b TEXT, PRIMARY KEY(a, b));
         CREATE TABLE s(a NOT NULL, b NOT NULL, x, PRIMARY KEY(a, b), FOREIGN KEY(a, b) REFERENCES c);
         CREATE TABLE t(a NOT NULL, b NOT NULL, d NOT NULL, PRIMARY KEY(a, b, d),
            FOREIGN KEY(a, b) REFERENCES s, FOREIGN KEY(a, d) REFERENCES s);
         INSERT INTO c VALUES (0, 'x'), (0, 'y'), (1, 'z');
         INSERT INTO s VALUES (0, 'x', 'p'), (0, 'y', 'q'), (1, 'z', 'r');
         INSERT INTO t VALUES (0, 'x', 'x'), (0, 'x', 'y'), (0, 'y', 'x'), (0, 'y', 'y'), (1, 'z', 'z');",
    );
    let mut rules = register("c", &["a", "b"]);
    rules.shared = strings(&["s", "t"]);
    let (copy, built) = rebuild(&path, &rules, &["'0,'x''"]);
    expect_whole(&built);
    assert_eq!(ask(&copy, "SELECT count(*) FROM t"), ["5"]);
    let named = "SELECT count(*) FROM t WHERE 'x' IN (b, d)";
    assert_eq!(ask(&copy, named), ["0"]);
    let shared = "SELECT x FROM s WHERE x IS NOT NULL ORDER BY x";
    assert_eq!(ask(&copy, shared), ["'p'", "'q'", "'r'"]);
}

#[test]
fn a_column_with_two_keys_gets_a_tombstone_of_either() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE o(id INTEGER PRIMARY KEY, c INT REFERENCES c);
         CREATE TABLE b(id INTEGER PRIMARY KEY, c INT NOT NULL REFERENCES c);
         CREATE TABLE t(id INTEGER PRIMARY KEY, c INT REFERENCES c, x INT NOT NULL REFERENCES b, FOREIGN KEY(x) REFERENCES o);
         INSERT INTO c VALUES (1), (2), (3); INSERT INTO o VALUES (7, 1), (8, 2), (-1, 3); INSERT INTO b VALUES (7, 2), (8, 2), (-2, 3);
         INSERT INTO t VALUES (1, 3, 7), (2, 3, 8);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("t", key(&["c"]))];
    for (forgotten, lost) in [("1", 1), ("2", 2)] {
        let (copy, built) = rebuild(&path, &rules, &[forgotten]);
        expect_whole(&built);
        // What stands for the one who is lost stands for nobody else's row that was there.
        let tombstones = "SELECT count(DISTINCT x), min(x) < -2 FROM t JOIN o ON o.id = x JOIN b ON b.id = x WHERE x < 0";
        assert_eq!(ask(&copy, tombstones), [format!("{lost} 1")]);
        assert_eq!(
            ask(
                &copy,
                "SELECT count(*) FROM t JOIN o ON o.id = x JOIN b ON b.id = x"
            ),
            ["2"]
        );
        std::fs::remove_file(copy).unwrap();
    }
}
