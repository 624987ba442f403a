//! Names, keys and tables that are unlike others.

use super::*;

#[test]
fn any_name_works_everywhere() {
    let (_dir, path) = database(
        r#"CREATE TABLE "my ""best"" customers"("the id" INTEGER PRIMARY KEY, "select" TEXT, "a.b" , [x"y]);
           CREATE TABLE "order"("from ""it"" all" INT REFERENCES "MY ""best"" customers", `group` , 名字);
           CREATE TABLE 'it''s'("t0" INT, "rowid" TEXT, "e0" INT REFERENCES "order"("group"), "n0" REFERENCES "my ""best"" customers");
           CREATE INDEX "ix "" 1" ON "order"("group");
           CREATE VIEW "a view" AS SELECT "select" FROM "my ""best"" customers";
           INSERT INTO "my ""best"" customers" VALUES (1, 'a', 'b', 'c'), (2, NULL, 2, 3);
           INSERT INTO "order" VALUES (1, 5, '甲'), (2, 6, NULL), (3, 7, '');
           INSERT INTO "it's" VALUES (1, 'r', 6, 2), (2, 's', 5, 1), (3, 't', 9, NULL);"#,
    );
    let mut rules = register("my \"best\" customers", &["THE ID"]);
    rules.register.as_mut().unwrap().since = Some("a.b".into());
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "order"), ["1", "2", "orphan"]);
    assert_eq!(owners(&db, "it's"), ["2", "1", "orphan"]);
    assert_eq!(
        targets(&db, "it's"),
        [["2", "2"], ["1", "1"], ["NULL", "NULL"]]
    );
    drop(db);
    expect_exact(&path, &rules);
    let (copy, built) = rebuild(&path, &rules, &["1"]);
    assert_eq!(built.rows, 1 + 2 + 2);
    assert_eq!(
        ask(&copy, "SELECT rowid FROM \"it's\" ORDER BY _rowid_"),
        ["'r'", "'t'"]
    );
}

#[test]
fn the_rowid_alias_is_what_sqlite_takes_for_one() {
    let (_dir, path) = database(
        "CREATE TABLE a(x INTEGER PRIMARY KEY, y); CREATE TABLE b(x INTEGER PRIMARY KEY DESC, y);
         CREATE TABLE c(x INT PRIMARY KEY, y); CREATE TABLE d(x INTEGER, y, PRIMARY KEY(x));
         CREATE TABLE e(x INTEGER, y, PRIMARY KEY(x DESC)); CREATE TABLE f(x INTEGER PRIMARY KEY, y) WITHOUT ROWID;
         CREATE TABLE g(x INTEGER, y, PRIMARY KEY(x, y)); CREATE TABLE h(\"x\" \"integer\" PRIMARY KEY, y);
         CREATE TABLE i(oid INTEGER PRIMARY KEY, rowid); CREATE TABLE j(rowid, oid, _rowid_, x);
         INSERT INTO a VALUES (7, 1); INSERT INTO b(rowid, x, y) VALUES (3, 7, 1), (4, NULL, 1);
         INSERT INTO c(rowid, x) VALUES (3, 7), (5, 'x'); INSERT INTO d VALUES (7, 1);
         INSERT INTO e VALUES (7, 1); INSERT INTO f VALUES (7, 1), (6, 2);
         INSERT INTO g(rowid, x, y) VALUES (9, 7, 1); INSERT INTO h VALUES (7, 1); INSERT INTO i VALUES (4, 'r');
         INSERT INTO j VALUES (1, 2, 3, 4), (0, 0, 0, 0);",
    );
    let rules = register("a", &["x"]);
    let db = open(&path, &rules);
    let aliases: Vec<bool> = db
        .schema()
        .tables
        .iter()
        .map(|t| t.rowid_alias.is_some())
        .collect();
    // e: only a column's own DESC keeps it from being the rowid.
    assert_eq!(
        aliases,
        [
            true, false, false, true, true, false, false, true, true, false
        ]
    );
    let mut rowids = Vec::new();
    for at in 0..aliases.len() {
        db.rows::<SqliteError>(at, &mut |row| {
            rowids.push((db.schema().tables[at].name.clone(), row.rowid));
            Ok(())
        })
        .unwrap();
    }
    let expected = [
        ("a", Some(7)),
        ("b", Some(3)),
        ("b", Some(4)),
        ("c", Some(3)),
        ("c", Some(5)),
        ("d", Some(7)),
        ("e", Some(7)),
        ("f", None),
        ("f", None),
        ("g", Some(9)),
        ("h", Some(7)),
        ("i", Some(4)),
        ("j", None),
        ("j", None),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(name, rowid)| (name.to_owned(), rowid))
        .collect();
    assert_eq!(rowids, expected);
    assert!(table(&db, "j").warnings[0].contains("rowid"));
    drop(db);
    expect_exact(&path, &rules);
}

#[test]
fn rows_come_in_the_order_of_rowids_and_primary_keys() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, a); CREATE INDEX c_all ON c(a, id);
         CREATE TABLE w(a TEXT COLLATE NOCASE, b INT, PRIMARY KEY(a, b DESC)) WITHOUT ROWID;
         CREATE INDEX w_all ON w(b, a);
         INSERT INTO c VALUES (3, 'a'), (1, 'c'), (2, 'b');
         INSERT INTO w VALUES ('b', 1), ('B', 2), ('a', 9), ('c', 0);",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(owners(&db, "c"), ["1", "2", "3"]);
    let mut cells = Vec::new();
    db.rows::<SqliteError>(1, &mut |row| {
        cells.push(row.cells.iter().map(|cell| show(*cell)).collect::<String>());
        Ok(())
    })
    .unwrap();
    assert_eq!(cells, ["'a'9", "'B'2", "'b'1", "'c'0"]);
}

#[test]
fn virtual_tables_are_named_and_what_is_ours_is_never_read() {
    let (_dir, path) = database(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY, name);
         CREATE VIRTUAL TABLE docs USING fts5(body, content=''); CREATE VIRTUAL TABLE docs2 USING fts4(body);
         CREATE VIRTUAL TABLE spots USING rtree(id, x0, x1);
         CREATE TABLE docs_of_people(customer REFERENCES customers);
         CREATE TABLE tenure_changes(/* made by tenure */ id); CREATE INDEX of_ours ON tenure_changes(id);
         CREATE TABLE Tenure_lineage(id INTEGER PRIMARY KEY AUTOINCREMENT /* made by tenure */);
         INSERT INTO tenure_lineage VALUES (1);
         CREATE TRIGGER tenure_note AFTER INSERT ON customers
            BEGIN /* made by tenure */ INSERT INTO tenure_changes VALUES (1); END;
         INSERT INTO customers VALUES (1, 'a'); ANALYZE;",
    );
    let db = open(&path, &register("customers", &["id"]));
    let names: Vec<&str> = db.schema().tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["customers", "docs_of_people"]);
    let statements: Vec<&str> = db
        .schema()
        .statements
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(
        statements,
        [
            "customers",
            "docs_of_people",
            "sqlite_sequence",
            "sqlite_stat1"
        ]
    );
    assert!(db.schema().sequences.is_empty());
    let mut counted = db.schema().statistics.iter();
    assert!(counted.any(|entry| entry.table == "customers" && entry.counts == "1"));
    assert!(!counted.any(|entry| entry.table.to_lowercase().starts_with("tenure")));
    let told = &db.schema().not_restorable;
    assert_eq!(told.len(), 3);
    assert!(
        told[0].contains("docs (fts5)")
            && told[0].contains("docs_data")
            && !told[0].contains("docs2")
    );
    assert!(told[2].contains("spots (rtree)"), "{told:?}");
    drop(db);
    let (copy, _) = rebuild(&path, &register("customers", &["id"]), &[]);
    let left = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'";
    assert_eq!(ask(&copy, left), ["'customers'", "'docs_of_people'"]);
}

#[test]
fn what_analyze_has_counted_comes_back_and_nothing_else_that_stands_there() {
    let (_dir, path) = database(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, city TEXT); CREATE INDEX names ON customers(name);
         CREATE INDEX cities ON customers(city) WHERE city > 'b';
         CREATE TABLE words_content(id INTEGER PRIMARY KEY, text); INSERT INTO words_content VALUES (1, 'a');
         CREATE VIRTUAL TABLE words USING fts5(text, content='words_content', content_rowid='id');
         INSERT INTO customers VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'b', 'z'); ANALYZE;
         UPDATE sqlite_stat1 SET stat = '3 2 unordered sz=10' WHERE idx = 'cities';
         INSERT INTO sqlite_stat1 VALUES ('customers', 'names', 'of Anna'), (x'61', NULL, '1'), ('old', NULL, '7'),
             ('customers', 7, '1'), (NULL, NULL, '1');",
    );
    let db = open(&path, &register("customers", &["id"]));
    let told = ["entries of sqlite_stat1 that are no statistics: 4"];
    assert_eq!(db.schema().not_restorable, told);
    drop(db);
    let (copy, _) = rebuild(&path, &register("customers", &["id"]), &[]);
    let all = ask(
        &copy,
        "SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY tbl, idx",
    );
    let expected = [
        "'customers' 'cities' '3 2 unordered sz=10'",
        "'customers' 'names' '3 2'",
        "'old' NULL '7'",
        "'words_content' NULL '1'",
    ];
    assert_eq!(all, expected);
    assert!(
        ask(
            &copy,
            "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'"
        )
        .is_empty()
    );
}

#[test]
fn statistics_that_somebody_else_has_made_hinder_no_backup() {
    for made in [
        "CREATE TABLE sqlite_stat1(tbl,idx,stat,more)",
        "CREATE VIEW sqlite_stat1 AS SELECT 1",
    ] {
        let (_dir, path) = database("CREATE TABLE customers(id INTEGER PRIMARY KEY); ANALYZE;");
        let kind = &made[7..made.find(" sqlite").unwrap()].to_lowercase();
        let sql = format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '{made}', type = '{kind}',
             rootpage = CASE '{kind}' WHEN 'view' THEN 0 ELSE rootpage END WHERE name = 'sqlite_stat1'"
        );
        Connection::open(&path)
            .unwrap()
            .execute_batch(&sql)
            .unwrap();
        let db = open(&path, &register("customers", &["id"]));
        let told = ["sqlite_stat1, which was not made by ANALYZE"];
        assert_eq!(db.schema().not_restorable, told);
        drop(db);
        let (copy, _) = rebuild(&path, &register("customers", &["id"]), &[]);
        let left = "SELECT name FROM sqlite_schema";
        assert_eq!(ask(&copy, left), ["'customers'"]);
    }
}

#[test]
fn tables_that_are_only_named_like_ours_are_tables_like_any_other() {
    let (_dir, path) = database(
        "CREATE TABLE tenure_staff(id INTEGER PRIMARY KEY AUTOINCREMENT);
         CREATE TABLE tenure_changes(id INTEGER PRIMARY KEY, staff INT REFERENCES tenure_staff, other INT NOT NULL REFERENCES tenure_staff);
         CREATE TABLE tenure_late(x); CREATE TABLE Tenure_late_1(x); CREATE INDEX tenure_late_1_row ON tenure_late(x);
         CREATE TRIGGER tenure_note AFTER INSERT ON tenure_late BEGIN DELETE FROM tenure_late_1; END;
         CREATE VIEW tenure_view AS SELECT * FROM tenure_late;
         INSERT INTO tenure_staff VALUES (1), (2); INSERT INTO tenure_changes VALUES (1, 1, 2);
         INSERT INTO tenure_late VALUES (1); INSERT INTO tenure_late_1 VALUES (2);",
    );
    let mut rules = register("tenure_staff", &["id"]);
    rules.owns = vec![owns("tenure_changes", key(&["staff"]))];
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "tenure_changes"), ["1"]);
    drop(db);
    expect_exact(&path, &rules);
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    assert_eq!((built.tombstones, built.problems.len()), (1, 0));
    assert_eq!(ask(&copy, "SELECT * FROM tenure_changes"), ["1 1 -1"]);
    let names = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tenure%'";
    assert_eq!(ask(&copy, names), ask(&path, names));
}

#[test]
fn generated_columns_are_made_again_and_may_own() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE o(code TEXT, c INT AS (CAST(substr(code, 2) AS INT)) REFERENCES c, twice AS (code || code) STORED, z);
         INSERT INTO c VALUES (1), (2); INSERT INTO o(code, z) VALUES ('x1', 1), ('x2', 2), ('x9', 3);",
    );
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "o"), ["1", "2", "orphan"]);
    let columns: Vec<&str> = table(&db, "o")
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(columns, ["code", "z"]);
    assert!(table(&db, "o").references.is_empty());
    drop(db);
    expect_exact(&path, &rules);
}

#[test]
fn violations_are_counted_by_table_on_both_sides() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE o(c REFERENCES c); CREATE TABLE p(c REFERENCES c);
         CREATE TABLE unfit(c REFERENCES o(c)); INSERT INTO unfit VALUES (1);
         INSERT INTO o VALUES (1), (2), (NULL); INSERT INTO p VALUES (NULL);",
    );
    let rules = register("c", &["id"]);
    let expected = [("o".to_owned(), 2)];
    assert_eq!(open(&path, &rules).violations(), expected);
    let (_, built) = rebuild(&path, &rules, &[]);
    assert_eq!(built.violations, expected);
}

#[test]
fn a_table_may_have_as_many_columns_as_sqlite_allows() {
    for encoding in ["UTF-8", "UTF-16le"] {
        let columns: Vec<String> = (0..1999).map(|at| format!("c{at}")).collect();
        let (_dir, path) = database(&format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE k(id INTEGER PRIMARY KEY);
             INSERT INTO k VALUES (1), (2); CREATE TABLE t({}, k NOT NULL REFERENCES k);
             INSERT INTO t(c0, c1998, k) VALUES ('first', x'00', 1), (CAST(x'00d8' AS TEXT), 2, 2);",
            columns.join(", ")
        ));
        let mut rules = register("k", &["id"]);
        expect_exact(&path, &rules);
        // Rows that wait for somebody to refer to wait in a table that has some columns more.
        rules.owns = vec![owns("t", key(&["c1998"]))];
        let (copy, built) = rebuild(&path, &rules, &["1"]);
        assert_eq!((built.tombstones, built.rows), (1, 3));
        assert_eq!(
            ask(&copy, "SELECT c0, k FROM t WHERE rowid = 1"),
            ["'first' -1"]
        );
        assert_eq!(built.problems, Vec::<String>::new());
    }
}

#[test]
fn what_is_no_counter_is_named() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO c VALUES (3);
         INSERT INTO sqlite_sequence VALUES ('c', 'many'), (7, 1), ('gone', 5), ('c', NULL);",
    );
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    assert_eq!(
        db.schema().not_restorable,
        ["entries of sqlite_sequence that are no counters: 3"]
    );
    drop(db);
    let (copy, _) = rebuild(&path, &rules, &[]);
    let counters = ask(&copy, "SELECT name, seq FROM sqlite_sequence");
    assert_eq!(counters, ["'c' 3", "'gone' 5"]);
}
