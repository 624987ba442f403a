//! Hiding by a column, and back.

use super::*;

const CRM: &str = "
    CREATE TABLE c(id INTEGER PRIMARY KEY, shown INT, state TEXT, any, born, is_deleted INT,
        twice AS (shown * 2), home REFERENCES homes(id), points_to INT);
    CREATE TABLE homes(id INTEGER PRIMARY KEY); CREATE TABLE addresses(id INTEGER PRIMARY KEY);
    INSERT INTO c(id, shown, state, any) VALUES (1, 1, 'open', x'00ff'), (2, NULL, NULL, 2.0), (3, 'yes', 3, 3);";

fn rules() -> Rules {
    let mut rules = register("c", &["id"]);
    rules.register.as_mut().unwrap().since = Some("born".into());
    rules.owns = vec![owns("addresses", pointed_at_by("c", &["points_to"]))];
    rules
}

#[test]
fn a_flag_and_back_is_exact() {
    for mode in ["WAL", "DELETE"] {
        let (_dir, path) = database(CRM);
        run(&path, &format!("PRAGMA journal_mode = {mode}"));
        let mut live = live(&path, &rules());
        let values = [
            Value::Int(0),
            Value::Text(b"hidden".to_vec()),
            Value::Null,
            Value::Real(1.5),
        ];
        for number in 1..=3 {
            for column in ["shown", "STATE", "any"] {
                for value in &values {
                    let before = everything(&path);
                    let former = live.flag(&id(number), column, value).unwrap();
                    let now = live.flagged(&id(number), column).unwrap().unwrap();
                    assert_eq!(live.flag(&id(number), column, &former).unwrap(), now);
                    similar(&before, &everything(&path));
                }
            }
        }
        live.flag(&id(1), "shown", &Value::Int(0)).unwrap();
        assert_eq!(
            ask(&path, "SELECT id, shown FROM c"),
            ["1 0", "2 NULL", "3 'yes'"]
        );
    }
}

#[test]
fn columns_that_hide_nobody_are_refused_with_the_reason() {
    let (_dir, path) = database(CRM);
    let mut live = live(&path, &rules());
    let reasons = [
        ("is_deleted", "soft-deleted"),
        ("id", "key"),
        ("home", "foreign key"),
        ("twice", "generated"),
        ("nowhere", "no such column"),
        ("born", "since"),
        ("points_to", "says whose"),
    ];
    for (column, words) in reasons {
        let reason = live.hide_column_problem(column).unwrap();
        assert!(reason.contains(words), "{column}: {reason}");
        let error = live.flag(&id(1), column, &Value::Int(0)).unwrap_err();
        assert!(matches!(error, SqliteError::CannotHide { .. }), "{error:?}");
    }
    assert_eq!(live.hide_column_problem("shown"), None);
}

#[test]
fn exactly_one_row_changes_or_none() {
    let (_dir, path) = database(
        "CREATE TABLE c(code TEXT COLLATE NOCASE, shown INT, at); CREATE TABLE log(c);
         INSERT INTO c VALUES ('ann', 1, 0), ('ANN', 1, 0), ('bob', 1, 0), ('bob', 1, 0), ('cid', 1, 0);
         CREATE TRIGGER stamp AFTER UPDATE ON c WHEN new.code = 'cid' BEGIN UPDATE c SET at = 1 WHERE rowid = new.rowid; END;
         CREATE TRIGGER never BEFORE UPDATE ON c WHEN new.code = 'ANN' AND new.shown = 7 BEGIN SELECT RAISE(IGNORE); END;",
    );
    let mut live = live(&path, &register("c", &["code"]));
    let before = everything(&path);
    let mut flag = |name: &str, value| live.flag(&word(name), "shown", &Value::Int(value));
    assert!(matches!(flag("dan", 0), Err(SqliteError::NoCustomer)));
    assert!(matches!(
        flag("bob", 0),
        Err(SqliteError::SeveralRows { rows: 2, .. })
    ));
    assert!(matches!(
        flag("ANN", 7),
        Err(SqliteError::ReachesFurther { .. })
    ));
    let error = flag("cid", 0).unwrap_err();
    let SqliteError::ReachesFurther { found } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(found, &["2 rows of c updated, not 1".to_owned()]);
    similar(&before, &everything(&path));
    assert_eq!(flag("ann", 0).unwrap(), Value::Int(1));
    assert_eq!(ask(&path, "SELECT code FROM c WHERE shown = 0"), ["'ann'"]);
    assert_eq!(live.flagged(&word("dan"), "shown").unwrap(), None);
}
