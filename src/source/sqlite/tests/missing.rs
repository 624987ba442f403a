//! Rows of customers whom the register does not hold.

use super::*;
use crate::source::sqlite::Known;

#[test]
fn the_key_of_a_missing_customer_is_told_along_every_path() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, code TEXT UNIQUE);
         CREATE TABLE a(id INTEGER PRIMARY KEY);
         CREATE TABLE d(no INTEGER PRIMARY KEY, c REFERENCES c, a REFERENCES a);
         CREATE TABLE e(d REFERENCES d, id INTEGER PRIMARY KEY); CREATE TABLE f(e REFERENCES e);
         CREATE TABLE by_code(code REFERENCES c(code), id INTEGER PRIMARY KEY);
         CREATE TABLE of_code(by_code REFERENCES by_code);
         CREATE TABLE two(x REFERENCES c, y REFERENCES d); CREATE TABLE some(kind, c);
         INSERT INTO c VALUES (1, 'one'); INSERT INTO a VALUES (5), (6);
         INSERT INTO d VALUES (10, 1, 5), (11, 99, 6), (12, NULL, NULL);
         INSERT INTO e VALUES (10, 20), (11, 21), (12, 22), (13, 23);
         INSERT INTO f VALUES (20), (21), (22), (23);
         INSERT INTO by_code VALUES ('one', 30), ('two', 31); INSERT INTO of_code VALUES (30), (31);
         INSERT INTO two VALUES (98, NULL), (NULL, 11), (1, NULL); INSERT INTO some VALUES ('c', 97), ('x', 97);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![
        owns("a", pointed_at_by("d", &["a"])),
        OwnsRule {
            filter: Some("kind = 'c'".into()),
            ..owns("some", key(&["c"]))
        },
    ];
    let mut db = open(&path, &rules);
    assert_eq!(owners(&db, "d"), ["1", "orphan", "orphan"]);
    assert_eq!(targets(&db, "e"), [["1"], ["NULL"], ["NULL"], ["NULL"]]);
    db.tell_missing(Box::new(|_| Known::Erased)).unwrap();
    assert_eq!(owners(&db, "d"), ["1", "99", "orphan"]);
    assert_eq!(owners(&db, "e"), ["1", "99", "orphan", "orphan"]);
    assert_eq!(owners(&db, "f"), ["1", "99", "orphan", "orphan"]);
    assert_eq!(owners(&db, "a"), ["1", "99"]);
    assert_eq!(owners(&db, "two"), ["98", "99", "1"]);
    assert_eq!(owners(&db, "some"), ["97", "orphan"]);
    // Another column than the key does not tell whose key it was.
    assert_eq!(owners(&db, "by_code"), ["1", "orphan"]);
    assert_eq!(owners(&db, "of_code"), ["1", "orphan"]);
    // By the key itself, and by a row that is there and is theirs.
    assert_eq!(
        targets(&db, "d"),
        [["1", "1"], ["99", "99"], ["NULL", "NULL"]]
    );
    assert_eq!(targets(&db, "e"), [["1"], ["99"], ["NULL"], ["NULL"]]);
}

#[test]
fn a_key_is_taken_for_its_customer_only_where_it_can_mean_nobody_else() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE d(id INTEGER PRIMARY KEY, c REFERENCES c);
         CREATE TABLE e(d REFERENCES d);
         CREATE TABLE f(c REFERENCES c, d REFERENCES d);
         CREATE TABLE g(a INT UNIQUE REFERENCES c, n INT);
         INSERT INTO c VALUES (1), (2), (7);
         INSERT INTO d VALUES (10, 1), (11, '2'), (12, 7.0), (13, 99), (14, NULL), (15, '99'), (16, x'31');
         INSERT INTO e VALUES (10), (11), (12), (13), (14), (17);
         INSERT INTO f VALUES (99, 10), (2, 11); INSERT INTO g VALUES (99, 1), (1, 2);",
    );
    let rules = Rules {
        owns: vec![OwnsRule {
            filter: Some("n > 1".into()),
            ..owns("g", key(&["a"]))
        }],
        ..register("c", &["id"])
    };
    let mut db = open(&path, &rules);
    let none = "orphan";
    assert_eq!(owners(&db, "d"), ["1", "2", "7", none, none, none, none]);
    assert_eq!(owners(&db, "f"), ["1", "2"]);
    db.take_keys();
    assert_eq!(owners(&db, "d"), ["1", "2", "7", "99", none, none, none]);
    assert_eq!(owners(&db, "e"), ["1", "2", "7", "99", none, none]);
    // By the second way, since the register has nobody by the first.
    assert_eq!(owners(&db, "f"), ["1", "2"]);
    assert_eq!(owners(&db, "g"), [none, "1"]);
}

#[test]
fn the_composite_key_of_a_missing_customer_is_told_in_the_keys_order() {
    let (_dir, path) = database(
        "CREATE TABLE c(no TEXT, tenant INT, PRIMARY KEY(tenant, no));
         CREATE TABLE d(b TEXT, a INT, FOREIGN KEY(b, a) REFERENCES c(no, tenant));
         INSERT INTO c VALUES ('x', 1); INSERT INTO d VALUES ('x', 1), ('y', 2), (NULL, 3);",
    );
    let mut db = open(&path, &register("c", &["tenant", "no"]));
    assert_eq!(owners(&db, "d"), ["'1,'x''", "orphan", "orphan"]);
    db.tell_missing(Box::new(|_| Known::Erased)).unwrap();
    assert_eq!(owners(&db, "d"), ["'1,'x''", "'2,'y''", "orphan"]);
}

#[test]
fn a_value_means_what_the_registers_columns_make_of_it_however_they_are_declared() {
    let text = |text: &str| Value::Text(text.as_bytes().to_vec());
    let (number, same) = (vec![Value::Int(5), Value::Real(5.0)], vec![text("05")]);
    for (table, expected) in [
        ("c(id INTEGER PRIMARY KEY)", &number),
        ("c(id ANY PRIMARY KEY)", &number),
        ("c(id ANY PRIMARY KEY) STRICT", &same),
        ("c(id PRIMARY KEY)", &same),
        ("c(n, id INT GENERATED ALWAYS AS (n) UNIQUE)", &number),
        ("c(n, id TEXT AS (n) STORED UNIQUE)", &same),
    ] {
        let (_dir, path) = database(&format!("CREATE TABLE {table}"));
        let form = open(&path, &register("c", &["ID"])).key_form().unwrap();
        let keys = form.unwrap().keys(vec![text("05")]);
        let expected: Vec<_> = expected.iter().map(|value| vec![value.clone()]).collect();
        assert!(keys == expected, "{table}");
    }
}

#[test]
fn a_key_of_several_columns_is_the_one_that_they_hold() {
    let (_dir, path) = database("CREATE TABLE c(a INT, b TEXT, PRIMARY KEY(a, b))");
    let form = open(&path, &register("c", &["a", "b"])).key_form().unwrap();
    let keys = form.unwrap().keys(vec![Value::Real(5.0), Value::Int(7)]);
    assert!(keys[0] == [Value::Int(5), Value::Text(b"7".to_vec())]);
}
