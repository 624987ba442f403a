//! Schemas that take no neutral row easily, or none at all: the build goes on, keeps every row, and
//! tells.

use super::*;

/// Members of a club who write about each other: 4 writes about 1, 2 and 3, who are forgotten.
fn club(register_column: &str, keys: [&str; 4], more: &str) -> (TempDir, PathBuf, Rules) {
    let rows: Vec<String> = keys
        .iter()
        .zip(1..)
        .map(|(key, id)| format!("({id}, {key})"))
        .collect();
    let (dir, path) = database(&format!(
        "CREATE TABLE k(id INTEGER PRIMARY KEY, {register_column}); {more};
         CREATE TABLE m(id INTEGER PRIMARY KEY, c INT NOT NULL REFERENCES k, about INT NOT NULL REFERENCES k);
         INSERT INTO k VALUES {}; INSERT INTO m VALUES (1, 4, 1), (2, 4, 2), (3, 4, 3);",
        rows.join(", ")
    ));
    let mut rules = register("k", &["id"]);
    rules.owns = vec![owns("m", key(&["c"]))];
    (dir, path, rules)
}

/// Forgets 1, 2 and 3, and expects all of the fourth.
fn forget_three(path: &Path, rules: &Rules) -> (PathBuf, Built) {
    let (copy, built) = rebuild(path, rules, &["1", "2", "3"]);
    assert_eq!(ask(&copy, "SELECT id, c FROM m"), ["1 4", "2 4", "3 4"]);
    assert_eq!(ask(&copy, "SELECT count(*) FROM k WHERE id = 4"), ["1"]);
    let distinct = "SELECT count(DISTINCT about), sum(about IN (1, 2, 3, 4)) FROM m";
    assert_eq!(ask(&copy, distinct), ["3 0"]);
    (copy, built)
}

#[test]
fn unique_columns_with_a_shape_get_different_values_of_that_shape() {
    let cases = [
        (
            "email TEXT NOT NULL UNIQUE CHECK(email LIKE '%@%')",
            ["'a@b'", "'b@b'", "'c@b'", "'d@b'"],
        ),
        (
            "code TEXT NOT NULL UNIQUE CHECK(length(code) = 4)",
            ["'aaaa'", "'aaab'", "'0001'", "'9998'"],
        ),
        (
            "phone TEXT NOT NULL UNIQUE CHECK(phone GLOB '+[0-9][0-9] [1-9]*')",
            ["'+49 1'", "'+49 2'", "'+49 3'", "'+49 4'"],
        ),
        (
            "no TEXT NOT NULL UNIQUE CHECK(length(no) = 6 AND no NOT GLOB '*[^0-9]*')",
            ["'100001'", "'100002'", "'100003'", "'100004'"],
        ),
        (
            "no INT NOT NULL UNIQUE CHECK(no BETWEEN 1000 AND 9999)",
            ["1000", "1001", "1002", "9999"],
        ),
        (
            "iban TEXT NOT NULL UNIQUE CHECK(length(iban) = 22 AND substr(iban, 1, 2) GLOB '[A-Z][A-Z]')",
            [
                "printf('DE%020d', 1)",
                "printf('DE%020d', 2)",
                "printf('DE%020d', 3)",
                "printf('DE%020d', 4)",
            ],
        ),
        (
            "doc TEXT NOT NULL UNIQUE CHECK(json_valid(doc))",
            ["'{}'", "'[]'", "'1'", "'2'"],
        ),
        (
            "key BLOB NOT NULL UNIQUE CHECK(length(key) = 16)",
            [
                "zeroblob(16)",
                "randomblob(16)",
                "randomblob(16)",
                "randomblob(16)",
            ],
        ),
    ];
    for (column, keys) in cases {
        let (_dir, path, rules) = club(column, keys, "SELECT 1");
        let (copy, built) = forget_three(&path, &rules);
        assert_eq!(built.problems, Vec::<String>::new(), "{column}");
        assert_eq!(
            (built.tombstones, built.violations.len()),
            (3, 0),
            "{column}"
        );
        drop(copy);
    }
}

#[test]
fn keys_have_the_shape_that_a_check_asks_for() {
    let (_dir, path) = database(
        "CREATE TABLE k(id TEXT PRIMARY KEY CHECK(length(id) = 4));
         CREATE TABLE m(id INTEGER PRIMARY KEY, c TEXT NOT NULL REFERENCES k, about TEXT NOT NULL REFERENCES k);
         INSERT INTO k VALUES ('0001'), ('0002'), ('0003'), ('9999');
         INSERT INTO m VALUES (1, '0001', '0002'), (2, '0001', '0003'), (3, '0001', '9999');",
    );
    let mut rules = register("k", &["id"]);
    rules.owns = vec![owns("m", key(&["c"]))];
    let (copy, built) = rebuild(&path, &rules, &["'0002'", "'0003'"]);
    assert_eq!(built.problems, Vec::<String>::new());
    assert_eq!((built.tombstones, built.violations.len()), (2, 0));
    let sql = "SELECT count(DISTINCT about), max(about) FROM m";
    assert_eq!(ask(&copy, sql), ["3 '9999'"]);
}

#[test]
fn an_expression_that_tells_few_apart_runs_out_without_stopping_anything() {
    let unique = "CREATE UNIQUE INDEX ku ON k(substr(hex(b), 1, 1))";
    let (_dir, path, rules) = club(
        "b BLOB NOT NULL",
        ["x'10'", "x'20'", "x'30'", "x'40'"],
        unique,
    );
    let (_, built) = forget_three(&path, &rules);
    assert_eq!(
        (built.problems.len(), built.tombstones),
        (0, 3),
        "{built:?}"
    );

    let unique = "CREATE UNIQUE INDEX ku ON k(length(b) > 0)";
    let (_dir, path, rules) = club(
        "b BLOB NOT NULL",
        ["x''", "x'20'", "x'30'", "x'40'"],
        "SELECT 1",
    );
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    conn.execute_batch("DELETE FROM k WHERE id IN (2, 3)")
        .unwrap();
    conn.execute_batch(unique).unwrap();
    conn.execute_batch("UPDATE m SET about = 1").unwrap();
    drop(conn);
    // One of two values is taken by the fourth: one tombstone is all that there is room for.
    let (copy, built) = rebuild(&path, &rules, &["1"]);
    assert_eq!(
        (built.problems.len(), built.tombstones),
        (0, 1),
        "{built:?}"
    );
    assert_eq!(
        ask(&copy, "SELECT count(*) FROM m JOIN k ON k.id = about"),
        ["3"]
    );
}

#[test]
fn where_no_row_can_stand_in_the_reference_leads_nowhere() {
    let never = "CREATE UNIQUE INDEX ku ON k(length(b) > 99)";
    let (_dir, path, rules) = club(
        "b BLOB NOT NULL",
        ["zeroblob(100)", "x''", "x''", "x''"],
        "SELECT 1",
    );
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    conn.execute_batch(&format!(
        "DELETE FROM k WHERE id IN (2, 3); {never}; UPDATE m SET about = 1;
         CREATE TABLE one(b CHECK(b = 1)); CREATE UNIQUE INDEX just_one ON k((1)) WHERE id <> 1"
    ))
    .unwrap();
    drop(conn);
    let (copy, built) = rebuild(&path, &rules, &["1"]);
    assert_eq!(built.tombstones, 0);
    assert_eq!(
        built.problems,
        [
            "table k: forgotten rows that nothing can stand for, so that references to them lead nowhere: 1"
        ]
    );
    assert_eq!(built.violations, [("m".to_owned(), 3)]);
    assert_eq!(
        ask(&copy, "SELECT id, c, about < 0 FROM m"),
        ["1 4 1", "2 4 1", "3 4 1"]
    );
    assert_eq!(ask(&copy, "SELECT id FROM k"), ["4"]);
}

#[test]
fn a_check_that_nothing_meets_is_told_and_all_rows_are_there() {
    let column = "sum INT NOT NULL UNIQUE CHECK((sum * 7) % 1000003 = 5390)";
    let (_dir, path, rules) = club(column, ["770", "1000773", "2000776", "3000779"], "SELECT 1");
    let (_, built) = forget_three(&path, &rules);
    assert_eq!((built.tombstones, built.violations.len()), (3, 0));
    assert_eq!(
        built.problems[0],
        "table k: neutral rows that stand for forgotten ones against the table's CHECKs: 3"
    );
    assert_eq!(built.problems[1..], ["CHECK constraint failed in k"; 3]);
}

#[test]
fn a_row_whose_check_names_the_forgotten_stays_against_it() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE t(id INTEGER PRIMARY KEY, c INT REFERENCES c, also INT NOT NULL CHECK(also = 2));
         INSERT INTO c VALUES (1), (2); INSERT INTO t VALUES (1, 1, 2);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![also("t", "also")];
    let (copy, built) = rebuild(&path, &rules, &["2"]);
    assert_eq!(ask(&copy, "SELECT * FROM t"), ["1 1 -1"]);
    assert_eq!(
        built.problems,
        [
            "table t: rows that do not meet the table's CHECKs without those they referred to: 1",
            "CHECK constraint failed in t"
        ]
    );
    assert_eq!(built.violations, Vec::<(String, u64)>::new());
}

#[test]
fn rows_that_an_index_tells_apart_by_whom_they_named_all_stay() {
    for (unique, problems) in [
        // Two NULLs are the same to these.
        ("CREATE UNIQUE INDEX u ON t(coalesce(other, 0))", 0),
        ("CREATE UNIQUE INDEX u ON t(c) WHERE other IS NULL", 0),
        // Each row refers to somebody else, so each has a tombstone of its own.
        ("CREATE UNIQUE INDEX u ON t(abs(other) % 8)", 0),
        // Nothing at all can make three rows different here: the index gives way.
        (
            "CREATE UNIQUE INDEX u ON t(CASE WHEN other < 5 AND other > 0 THEN other ELSE 0 END)",
            1,
        ),
    ] {
        let (_dir, path) = database(&format!(
            "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2), (3), (4);
             CREATE TABLE t(id INTEGER PRIMARY KEY, c INT NOT NULL REFERENCES c, other INT REFERENCES c);
             INSERT INTO t VALUES (1, 1, 2), (2, 1, 3), (3, 1, 4), (4, 1, 1); {unique};"
        ));
        let mut rules = register("c", &["id"]);
        rules.owns = vec![owns("t", key(&["c"]))];
        let (copy, built) = rebuild(&path, &rules, &["2", "3", "4"]);
        assert_eq!(
            ask(&copy, "SELECT id, c FROM t"),
            ["1 1", "2 1", "3 1", "4 1"],
            "{unique}"
        );
        assert_eq!(built.problems.len(), problems, "{unique}: {built:?}");
        assert_eq!(
            ask(&copy, "SELECT count(*) FROM t WHERE other IN (2, 3, 4)"),
            ["0"]
        );
        let made = ask(&copy, "SELECT count(*) FROM sqlite_schema WHERE name = 'u'");
        assert_eq!(
            made == ["0"],
            built.problems.iter().any(|p| p.starts_with("the index u "))
        );
    }
}
