//! What is not a database, or not the right one, is refused by name; and a reader changes nothing.

use super::*;

fn refused(path: &Path, rules: &Rules) -> SqliteError {
    match Database::open(path, rules) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[test]
fn what_is_no_database_is_refused_with_a_hint() {
    let dir = TempDir::new().unwrap();
    let rules = register("customers", &["id"]);
    let missing = refused(&dir.path().join("none.db"), &rules);
    assert!(matches!(missing, SqliteError::Missing { .. }));
    assert!(!dir.path().join("none.db").exists());
    let directory = refused(dir.path(), &rules);
    assert!(matches!(directory, SqliteError::NotAFile { .. }));
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "these are notes, and no database at all".repeat(40)).unwrap();
    let not = refused(&text, &rules);
    assert!(matches!(not, SqliteError::NotADatabase { .. }));
    let through_a_file = refused(&text.join("crm.db"), &rules);
    assert!(matches!(through_a_file, SqliteError::Unreadable { .. }));
    for error in [missing, directory, not, through_a_file] {
        assert!(error.hint().is_some(), "{error}");
    }
}

#[test]
fn where_there_is_nothing_the_hint_offers_nothing() {
    let (_dir, path) = database("PRAGMA user_version = 1");
    let mut rules = register("customers", &["id"]);
    rules.register = None;
    rules.shared = strings(&["country"]);
    let hint = refused(&path, &rules).hint().unwrap();
    assert_eq!(
        hint,
        "the database has no tables: check `path` of the source"
    );
}

#[test]
fn a_missing_register_table_or_column_is_named_with_those_that_are_there() {
    let (_dir, path) =
        database("CREATE TABLE customers(id INTEGER PRIMARY KEY, name); CREATE TABLE t(a)");
    let error = refused(&path, &register("clients", &["id"]));
    assert!(matches!(&error, SqliteError::NoTable { table, .. } if table == "clients"));
    assert!(error.hint().unwrap().ends_with("there are: customers, t"));
    let error = refused(&path, &register("customers", &["number"]));
    assert!(matches!(&error, SqliteError::NoColumn { column, .. } if column == "number"));
    let hint = error.hint().unwrap();
    assert!(
        hint.ends_with(
            "if it was renamed, give the new name under [customers]; there are: id, name"
        )
    );
    let mut rules = register("customers", &["id"]);
    rules.register.as_mut().unwrap().since = Some("born".into());
    assert!(matches!(
        refused(&path, &rules),
        SqliteError::NoColumn { .. }
    ));
    let mut rules = register("customers", &["id"]);
    rules.shared = strings(&["countries"]);
    assert!(matches!(
        refused(&path, &rules),
        SqliteError::NoTable { .. }
    ));
}

#[test]
fn rules_that_cannot_be_followed_are_refused() {
    let (_dir, path) = database(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY); CREATE TABLE calls(c, d); CREATE TABLE notes(c)",
    );
    let bad = |rule: OwnsRule| {
        let mut rules = register("customers", &["id"]);
        rules.owns = vec![rule];
        refused(&path, &rules)
    };
    assert!(matches!(
        bad(owns("call", key(&["c"]))),
        SqliteError::NoTable { .. }
    ));
    assert!(matches!(
        bad(owns("calls", key(&["x"]))),
        SqliteError::NoColumn { .. }
    ));
    assert!(matches!(
        bad(owns("calls", key(&["c", "d"]))),
        SqliteError::BadRule { .. }
    ));
    assert!(matches!(
        bad(owns("calls", through(&["c"], "calls"))),
        SqliteError::BadRule { .. }
    ));
    assert!(matches!(
        bad(owns("calls", through(&["c"], "notes"))),
        SqliteError::BadRule { .. }
    ));
    assert!(matches!(
        bad(owns("calls", pointed_at_by("notes", &["x"]))),
        SqliteError::NoColumn { .. }
    ));
    assert!(matches!(
        bad(owns("calls", pointed_at_by("notes", &["c"]))),
        SqliteError::BadRule { .. }
    ));
    assert!(matches!(
        bad(owns("customers", key(&["id"]))),
        SqliteError::BadRule { .. }
    ));
    assert!(matches!(
        bad(also("calls", "x")),
        SqliteError::NoColumn { .. }
    ));
    for filter in [
        "kind = 'customer'",
        "\"customer\" = 'customer'",
        "c = ",
        "t0.c = 1",
        "calls.c = 1",
        "c = ?1",
    ] {
        let rule = OwnsRule {
            filter: Some(filter.into()),
            ..owns("calls", key(&["c"]))
        };
        let error = bad(rule);
        assert!(
            matches!(error, SqliteError::BadFilter { .. }),
            "{filter}: {error:?}"
        );
    }
    let mut rules = register("customers", &["id"]);
    rules.shared = strings(&["customers"]);
    assert!(matches!(
        refused(&path, &rules),
        SqliteError::BadRule { .. }
    ));
}

#[test]
fn the_view_stays_fixed_and_the_source_unchanged() {
    let (dir, path) = database(
        "PRAGMA journal_mode = WAL; CREATE TABLE customers(id INTEGER PRIMARY KEY);
         INSERT INTO customers VALUES (1);",
    );
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO customers VALUES (2)")
        .unwrap();
    let db = open(&path, &register("customers", &["id"]));
    let file = std::fs::read(&path).unwrap();
    writer
        .execute_batch("INSERT INTO customers VALUES (3); CREATE TABLE later(x)")
        .unwrap();
    assert_eq!(owners(&db, "customers"), ["1", "2"]);
    assert_eq!(db.counts().unwrap(), [2]);
    // Where the reader is the last to leave, it does not checkpoint either.
    let (alone, wal) = (dir.path().join("alone.db"), dir.path().join("alone.db-wal"));
    std::fs::copy(&path, &alone).unwrap();
    std::fs::copy(dir.path().join("crm.db-wal"), &wal).unwrap();
    let before = std::fs::read(&wal).unwrap();
    assert_eq!(
        owners(&open(&alone, &register("customers", &["id"])), "customers"),
        ["1", "2", "3"]
    );
    assert_eq!(std::fs::read(&wal).unwrap(), before);
    assert_eq!(std::fs::read(&alone).unwrap(), file);
    drop(db);
    assert_eq!(std::fs::read(&path).unwrap(), file);
}

#[test]
fn an_interrupted_transaction_is_told_from_other_failures() {
    let (dir, path) = database("CREATE TABLE customers(id INTEGER PRIMARY KEY, x);");
    let hot = dir.path().join("hot.db");
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch(
            "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO customers SELECT i, randomblob(200) FROM n;",
        )
        .unwrap();
    std::fs::copy(
        dir.path().join("crm.db-journal"),
        dir.path().join("hot.db-journal"),
    )
    .unwrap();
    std::fs::copy(&path, &hot).unwrap();
    drop(writer);
    let error = refused(&hot, &register("customers", &["id"]));
    assert!(
        matches!(error, SqliteError::Interrupted { .. }),
        "{error:?}"
    );
}

#[test]
fn the_register_gives_keys_since_and_names() {
    let (_dir, path) = database(
        "CREATE TABLE c(a TEXT, b INT, born, who, PRIMARY KEY(a, b));
         INSERT INTO c VALUES ('x''y', 1, '2020', 'Ann'), ('z', 2, NULL, NULL), (NULL, 3, 1, 'No'), ('n', 4, 1, 17);",
    );
    let mut rules = register("C", &["A", "b"]);
    let rule = rules.register.as_mut().unwrap();
    rule.since = Some("born".into());
    rule.name = Some("WHO".into());
    let db = open(&path, &rules);
    let mut rows = Vec::new();
    db.register::<SqliteError>(&mut |row| {
        let since = row.since.as_ref().map(|since| show(since.as_ref()));
        rows.push((show(row.token.as_ref()), row.key.text(), since, row.name));
        Ok(())
    })
    .unwrap();
    let row = |token: &str, key: &str, since: &str, name: Option<&str>| {
        (
            token.to_owned(),
            key.to_owned(),
            Some(since.to_owned()),
            name.map(str::to_owned),
        )
    };
    let expected = [
        row("''x''y',1'", "x'y,1", "'2020'", Some("Ann")),
        row("''z',2'", "z,2", "NULL", None),
        row("''n',4'", "n,4", "1", Some("17")),
    ];
    assert_eq!(rows[1..], expected[1..]);
    assert_eq!(rows[0].1, "x'y,1");
    // The tokens of the rows are those of the register.
    let tokens: Vec<_> = rows.into_iter().map(|row| row.0).collect();
    let mut seen = owners(&db, "c");
    assert_eq!(seen.remove(2), "orphan");
    assert_eq!(seen, tokens);
}
