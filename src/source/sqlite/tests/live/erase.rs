//! Which rows go, and what else becomes of the database.

use super::super::ownership::{CRM, crm_rules};
use super::*;

/// The CRM of the ownership tests, without the key that SQLite itself cannot follow.
fn crm() -> (TempDir, PathBuf) {
    let (dir, path) = database(CRM);
    run(&path, "DROP TABLE visit_notes");
    (dir, path)
}

#[test]
fn all_that_is_a_customers_goes_and_nothing_else() {
    let (_dir, path) = crm();
    let rules = crm_rules();
    let erased = live(&path, &rules).erase(&[id(1)], FOR_REAL).unwrap();
    let expected = [
        ("address", 1),
        ("customers", 1),
        ("orders", 1),
        ("lines", 2),
        ("attachments", 1),
        ("pages", 1),
        ("visits", 1),
    ];
    assert_eq!(erased.tables, rows(&expected));
    assert_eq!(erased.unknown, Vec::<usize>::new());
    let nulled: Vec<_> = erased
        .nulled
        .iter()
        .map(|n| (n.table.as_str(), n.column.as_str(), n.rows))
        .collect();
    let expected = [
        ("customers", "referred_by", 1),
        ("orders", "replaces", 1),
        ("orders", "sold_by", 1),
    ];
    assert_eq!(nulled, expected);
    let left = |sql: &str| ask(&path, sql);
    assert_eq!(
        left("SELECT * FROM customers"),
        ["2 'Bob' NULL 11", "3 'Cid' 99 NULL"]
    );
    assert_eq!(left("SELECT id FROM address"), ["11", "12"]);
    assert_eq!(
        left("SELECT * FROM orders"),
        ["'o2' 2 NULL 2", "'o3' NULL 'o2' NULL", "'o4' 77 NULL NULL"]
    );
    assert_eq!(left("SELECT * FROM lines"), ["'o2' 1", "'o3' 1", "'zz' 1"]);
    assert_eq!(left("SELECT id FROM attachments"), ["1", "3", "4"]);
    assert_eq!(left("SELECT text FROM pages"), ["'p'", "'r'"]);
    assert_eq!(
        left("SELECT * FROM visits"),
        ["2 NULL", "NULL 3", "NULL NULL"]
    );
    let none = live(&path, &rules).erase(&[id(1)], FOR_REAL).unwrap();
    assert_eq!((none.tables, none.unknown), (Vec::new(), vec![0]));
}

#[test]
fn what_goes_is_what_a_snapshot_would_have_called_theirs() {
    let rules = crm_rules();
    for customers in [&[1][..], &[2], &[3], &[1, 2], &[3, 2, 1]] {
        let (_dir, path) = crm();
        let tokens: Vec<String> = customers.iter().map(ToString::to_string).collect();
        let db = open(&path, &rules);
        let names: Vec<String> = db.schema().tables.iter().map(|t| t.name.clone()).collect();
        let stay = |name: &String| {
            let all = owners(&db, name);
            all.into_iter()
                .filter(|owner| !tokens.contains(owner))
                .collect::<Vec<_>>()
        };
        let expected: Vec<Vec<String>> = names.iter().map(stay).collect();
        drop(db);
        let keys: Vec<CustomerKey> = customers.iter().map(|number| id(*number)).collect();
        live(&path, &rules).erase(&keys, FOR_REAL).unwrap();
        let db = open(&path, &rules);
        let left: Vec<Vec<String>> = names.iter().map(|name| owners(&db, name)).collect();
        assert_eq!(left, expected);
    }
}

#[test]
fn a_rehearsal_tells_the_same_and_changes_nothing() {
    for mode in ["WAL", "DELETE"] {
        let (_dir, path) = crm();
        run(&path, &format!("PRAGMA journal_mode = {mode}"));
        let before = everything(&path);
        let told = live(&path, &crm_rules())
            .erase(&[id(1), id(7)], Erasing::Rehearse)
            .unwrap();
        similar(&before, &everything(&path));
        let done = live(&path, &crm_rules())
            .erase(&[id(1), id(7)], FOR_REAL)
            .unwrap();
        let remnants = Vec::new();
        assert_eq!(told, Erased { remnants, ..done });
        assert_eq!(told.unknown, [1]);
    }
}

#[test]
fn keys_are_met_exactly() {
    let (_dir, path) = database(
        "CREATE TABLE c(org TEXT COLLATE NOCASE, no, name, PRIMARY KEY(org, no)) WITHOUT ROWID;
         CREATE TABLE o(org TEXT, no, n, FOREIGN KEY(org, no) REFERENCES c);
         CREATE TABLE d(code TEXT COLLATE NOCASE, id);
         INSERT INTO c VALUES ('a', 1, 'x'), ('a', '1', 'y'), ('b', 1, 'z');
         INSERT INTO o VALUES ('a', 1, 1), ('A', 1, 2), ('a', '1', 3), ('b', 1, 4), ('a', NULL, 5);
         INSERT INTO d VALUES ('ann', 1), ('ANN', 2), ('5', 3);",
    );
    let composite = register("c", &["org", "no"]);
    let pair = |org: &str, no: Value| CustomerKey(vec![Value::Text(org.into()), no]);
    let erase = |key| live(&path, &composite).erase(&[key], FOR_REAL).unwrap();
    assert_eq!(erase(pair("A", Value::Int(1))).unknown, [0]);
    assert_eq!(erase(pair("a", Value::Real(1.0))).unknown, [0]);
    let erased = erase(pair("a", Value::Int(1)));
    assert_eq!(erased.tables, rows(&[("c", 1), ("o", 2)]));
    assert_eq!(ask(&path, "SELECT name FROM c"), ["'y'", "'z'"]);
    assert_eq!(ask(&path, "SELECT n FROM o"), ["3", "4", "5"]);
    let text = register("d", &["code"]);
    let erased = live(&path, &text)
        .erase(&[word("ANN"), id(5)], FOR_REAL)
        .unwrap();
    assert_eq!(erased.unknown, [1]);
    assert_eq!(ask(&path, "SELECT id FROM d"), ["1", "3"]);
}

#[test]
fn a_source_without_the_register_goes_by_the_key_itself() {
    let (_dir, path) = database(
        "CREATE TABLE mails(id INTEGER PRIMARY KEY, customer INT, text); CREATE TABLE parts(mail REFERENCES mails ON DELETE CASCADE);
         INSERT INTO mails VALUES (1, 7, 'a'), (2, 8, 'b'); INSERT INTO parts VALUES (1), (1), (2);",
    );
    let mut rules = register("c", &["id"]);
    rules.register = None;
    rules.owns = vec![owns("mails", key(&["customer"]))];
    let erased = live(&path, &rules).erase(&[id(7)], FOR_REAL).unwrap();
    assert_eq!(erased.tables, rows(&[("mails", 1), ("parts", 2)]));
    assert_eq!(ask(&path, "SELECT count(*) FROM parts"), ["1"]);
}

#[test]
fn cycles_and_self_references_are_no_obstacle() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, main_order REFERENCES o, boss REFERENCES c ON DELETE CASCADE);
         CREATE TABLE o(id INTEGER PRIMARY KEY, c NOT NULL REFERENCES c, before REFERENCES o ON DELETE CASCADE);
         INSERT INTO c VALUES (1, 11, 1), (2, 21, 1), (3, NULL, 2);
         INSERT INTO o VALUES (10, 1, NULL), (11, 1, 10), (12, 1, 12), (20, 2, 12), (21, 2, 20);",
    );
    let rules = register("c", &["id"]);
    let erased = live(&path, &rules).erase(&[id(1)], FOR_REAL).unwrap();
    assert_eq!(erased.tables, rows(&[("c", 1), ("o", 3)]));
    assert_eq!(ask(&path, "SELECT * FROM c"), ["2 21 NULL", "3 NULL 2"]);
    assert_eq!(ask(&path, "SELECT * FROM o"), ["20 2 NULL", "21 2 20"]);
}

#[test]
fn a_reference_that_may_not_be_null_refuses_the_whole() {
    let (_dir, path) = crm();
    run(
        &path,
        "CREATE TABLE prizes(id INTEGER PRIMARY KEY, winner NOT NULL REFERENCES customers, giver NOT NULL REFERENCES customers);
         CREATE TABLE profiles(customer INTEGER PRIMARY KEY REFERENCES customers, likes REFERENCES orders);
         INSERT INTO prizes VALUES (1, 2, 1), (2, 3, 1), (3, 1, 2); INSERT INTO profiles VALUES (1, 'o2'), (2, 'o2');",
    );
    let mut rules = crm_rules();
    rules.owns.push(also("prizes", "giver"));
    rules
        .owns
        .push(owns("profiles", through(&["likes"], "orders")));
    let error = refused(&path, &rules, id(1));
    let SqliteError::StillReferred { found } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        found,
        &[
            "2 rows of prizes by giver".to_owned(),
            "1 rows of profiles by customer".to_owned()
        ]
    );
    assert!(error.hint().is_some());
}

#[test]
fn triggers_and_cascades_that_reach_further_undo_the_whole() {
    let further = [
        (
            "CREATE TABLE log(what); CREATE TRIGGER noted AFTER DELETE ON orders BEGIN INSERT INTO log VALUES (old.id); END;",
            "1 rows of log inserted, not 0",
        ),
        (
            "CREATE TABLE tags(t PRIMARY KEY, n) WITHOUT ROWID; INSERT INTO tags VALUES ('a', 1), ('b', 1);
             CREATE TRIGGER counted AFTER DELETE ON lines BEGIN UPDATE tags SET n = n - 1; END;",
            "4 rows of tags updated, not 0",
        ),
        (
            "CREATE TRIGGER spared BEFORE DELETE ON pages BEGIN SELECT RAISE(IGNORE); END;",
            "0 rows of pages deleted, not 1",
        ),
        (
            "CREATE TRIGGER others AFTER DELETE ON customers BEGIN DELETE FROM customers WHERE name = 'Cid'; END;",
            "2 rows of customers deleted, not 1",
        ),
        (
            "CREATE TABLE deals(id INTEGER PRIMARY KEY, a REFERENCES customers, b REFERENCES customers);
             CREATE TABLE clauses(deal REFERENCES deals ON DELETE CASCADE, d REFERENCES depot(id));
             CREATE TABLE depot(id INTEGER PRIMARY KEY); CREATE TABLE far(a PRIMARY KEY REFERENCES customers(id) ON UPDATE CASCADE);
             INSERT INTO deals VALUES (1, 1, NULL);
             CREATE TRIGGER deep AFTER DELETE ON deals BEGIN INSERT OR REPLACE INTO depot VALUES (old.id); END;",
            "1 rows of depot inserted, not 0",
        ),
    ];
    for (sql, words) in further {
        let (_dir, path) = crm();
        run(&path, sql);
        let error = refused(&path, &crm_rules(), id(1));
        let SqliteError::ReachesFurther { found } = &error else {
            panic!("{words}: {error:?}");
        };
        assert_eq!(found, &[words.to_owned()]);
    }
}

#[test]
fn what_a_cascade_would_take_of_others_is_let_loose_first() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE shared(id INTEGER PRIMARY KEY, maker REFERENCES c ON DELETE CASCADE);
         INSERT INTO c VALUES (1), (2); INSERT INTO shared VALUES (1, 1), (2, 2), (3, NULL);",
    );
    let mut rules = register("c", &["id"]);
    rules.shared = strings(&["shared"]);
    let erased = live(&path, &rules).erase(&[id(1)], FOR_REAL).unwrap();
    assert_eq!((erased.tables, erased.nulled.len()), (rows(&[("c", 1)]), 1));
    assert_eq!(
        ask(&path, "SELECT * FROM shared"),
        ["1 NULL", "2 2", "3 NULL"]
    );
}

#[test]
fn whose_a_table_is_is_looked_at_again_when_it_counts() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE v(host REFERENCES c, guest REFERENCES c);
         INSERT INTO c VALUES (1), (2); INSERT INTO v VALUES (1, 1);",
    );
    let mut live = live(&path, &register("c", &["id"]));
    run(
        &path,
        "INSERT INTO v VALUES (1, 2); CREATE TABLE late(c REFERENCES c); INSERT INTO late VALUES (1)",
    );
    let erased = live.erase(&[id(1)], FOR_REAL).unwrap();
    assert_eq!(erased.tables, rows(&[("c", 1), ("late", 1)]));
    assert_eq!(ask(&path, "SELECT * FROM v"), ["NULL NULL", "NULL 2"]);
}

#[test]
fn strings_in_double_quotes_are_the_applications_own_business() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, t); INSERT INTO c VALUES (1, 'x');
         CREATE TABLE tenure_changes(t /* made by tenure */);
         CREATE TRIGGER q AFTER DELETE ON c WHEN old.t <> \"y\" BEGIN INSERT INTO tenure_changes VALUES (\"z\"); END;",
    );
    let erased = live(&path, &register("c", &["id"]))
        .erase(&[id(1)], FOR_REAL)
        .unwrap();
    assert_eq!(erased.tables, rows(&[("c", 1)]));
}
