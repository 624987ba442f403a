//! Which way leads to the owner, and what is said of it.

use super::live::id;
use super::*;
use crate::source::sqlite::{Erasing, Live};

#[test]
fn a_cycle_is_broken_where_the_way_to_the_register_is_shorter() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE a(id INTEGER PRIMARY KEY, c REFERENCES c);
         CREATE TABLE far(id INTEGER PRIMARY KEY, near REFERENCES near, a REFERENCES a);
         CREATE TABLE near(id INTEGER PRIMARY KEY, far REFERENCES far, c REFERENCES c);
         INSERT INTO c VALUES (1); INSERT INTO near VALUES (5, 6, 1); INSERT INTO far VALUES (6, 5, NULL);",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(owners(&db, "far"), ["1"]);
    assert_eq!(table(&db, "near").path, "c -> c");
    assert_eq!(table(&db, "far").path, "near -> near.c -> c; a -> a.c -> c");
}

#[test]
fn a_key_of_a_register_elsewhere_is_the_shortest_way() {
    let (_dir, path) = database(
        "CREATE TABLE top(c);
         CREATE TABLE far(id INTEGER PRIMARY KEY, near REFERENCES near, top REFERENCES top(rowid));
         CREATE TABLE near(id INTEGER PRIMARY KEY, far, c);
         INSERT INTO near VALUES (5, 6, 1); INSERT INTO far VALUES (6, 5, NULL);",
    );
    let rules = Rules {
        register: None,
        owns: vec![
            owns("top", key(&["c"])),
            owns("far", through(&["near"], "near")),
            owns("far", through(&["rowid"], "top")),
            owns("near", key(&["c"])),
            owns("near", through(&["far"], "far")),
        ],
        ..register("", &[])
    };
    let db = open(&path, &rules);
    assert_eq!(table(&db, "near").path, "c -> the register elsewhere");
    assert_eq!(owners(&db, "far"), ["1"]);
}

#[test]
fn paths_are_told_over_rows_that_are_pointed_at() {
    let (_dir, path) = database(
        "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, a REFERENCES a);
         CREATE TABLE b(a REFERENCES a, id INTEGER PRIMARY KEY); CREATE TABLE d(b REFERENCES b);
         CREATE TABLE z(id INTEGER PRIMARY KEY); CREATE INDEX b_a ON b(a); ALTER TABLE b ADD z REFERENCES z;",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![
        owns("a", pointed_at_by("c", &["a"])),
        owns("b", through(&["a"], "a")),
        owns("z", pointed_at_by("b", &["z"])),
    ];
    let db = open(&path, &rules);
    assert_eq!(table(&db, "a").path, "<- c.a");
    assert_eq!(table(&db, "b").path, "a -> a <- c.a");
    assert_eq!(table(&db, "d").path, "b -> b.a -> a <- c.a");
    assert_eq!(table(&db, "z").path, "<- b.z, a -> a <- c.a");
}

#[test]
fn the_two_paths_that_disagree_are_the_ones_that_are_named() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2);
         CREATE TABLE o(x REFERENCES c, y REFERENCES c, z REFERENCES c);
         INSERT INTO o VALUES (1, 1, NULL), (NULL, 1, 2);",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(
        table(&db, "o").warnings,
        ["one row (or more) has different owners by y -> c and by z -> c"]
    );
}

#[test]
fn a_row_whose_owners_cannot_be_compared_is_an_error() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE o(x, y, about TEXT);
         INSERT INTO c VALUES (1); INSERT INTO o VALUES (1, 1, 'no json');",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![
        owns("o", key(&["x"])),
        OwnsRule {
            filter: Some("about ->> 'kind' = 'customer'".into()),
            ..owns("o", key(&["y"]))
        },
    ];
    let error = Database::open(&path, &rules).err().unwrap();
    assert!(
        matches!(&error, SqliteError::Read { what, .. } if what == "the owners of o"),
        "{error:?}"
    );
}

#[test]
fn nothing_is_erased_where_damage_hides_whether_rows_have_two_owners() {
    let (_dir, path) = database(
        "PRAGMA page_size = 1024; CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1);
         CREATE TABLE o(x REFERENCES c, y REFERENCES c, what);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
            INSERT INTO o SELECT 1, NULL, hex(randomblob(40)) FROM n;",
    );
    let pages = ask(
        &path,
        "SELECT pageno FROM dbstat WHERE name = 'o' AND pagetype = 'leaf' ORDER BY path",
    );
    let mut bytes = std::fs::read(&path).unwrap();
    let at = (pages[3].parse::<usize>().unwrap() - 1) * 1024;
    bytes[at..at + 1024].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let rules = register("c", &["id"]);
    let dir = path.parent().unwrap();
    let db = Database::open_apart(&path, &rules, dir, Trouble::IsNoted).unwrap();
    assert_eq!(ownership(&db, "o"), Ownership::Owned);
    assert!(db.is_damaged(1) && !db.is_damaged(0));
    drop(db);
    let erased = Live::open(&path, &rules)
        .and_then(|mut live| live.erase(&[id(1)], Erasing::ForReal { vacuum: false }));
    let error = erased.err().unwrap();
    assert!(
        matches!(&error, SqliteError::Read { what, .. } if what == "the owners of o"),
        "{error:?}"
    );
}

#[test]
fn a_path_to_the_register_ends_at_the_customers_key_and_to_others_at_theirs() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, code TEXT UNIQUE); INSERT INTO c VALUES (1, 'a'), (2, 'b');
         CREATE TABLE o(no INTEGER PRIMARY KEY, code); INSERT INTO o VALUES (7, 'b'), (8, 1);
         CREATE TABLE l(o); INSERT INTO l VALUES (7), ('b');",
    );
    let mut rules = register("c", &["code"]);
    rules.owns = vec![
        owns("o", through(&["code"], "c")),
        owns("l", through(&["o"], "o")),
    ];
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "o"), ["'b'", "orphan"]);
    assert_eq!(owners(&db, "l"), ["'b'", "orphan"]);
}

#[test]
fn the_declared_key_says_what_the_column_that_points_means() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2);
         CREATE TABLE a(id INTEGER PRIMARY KEY, code INT UNIQUE, at INT UNIQUE); INSERT INTO a VALUES (1, 2, 3), (2, 1, 4);
         CREATE TABLE other(k PRIMARY KEY);
         CREATE TABLE d(c REFERENCES c, at INT REFERENCES a(at), code INT REFERENCES other, also INT REFERENCES a(code),
            FOREIGN KEY(code) REFERENCES a(code));
         INSERT INTO d VALUES (1, 4, 2, 1);",
    );
    let of_a = |column: &str| {
        let mut rules = register("c", &["id"]);
        rules.owns = vec![
            owns("a", pointed_at_by("d", &[column])),
            owns("d", key(&["c"])),
        ];
        owners(&open(&path, &rules), "a")
    };
    assert_eq!(of_a("code"), ["1", "orphan"]);
    assert_eq!(of_a("also"), ["orphan", "1"]);
    assert_eq!(of_a("at"), ["orphan", "1"]);
}

#[test]
fn a_table_that_points_at_itself_is_no_way_to_an_owner() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE t(id INTEGER PRIMARY KEY, parent INT)",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("t", pointed_at_by("t", &["parent"]))];
    let error = Database::open(&path, &rules).err().unwrap();
    assert!(matches!(error, SqliteError::BadRule { .. }), "{error:?}");
}

#[test]
fn a_condition_on_a_column_that_has_a_key_names_nobody_new() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2);
         CREATE TABLE o(kind TEXT, c REFERENCES c); INSERT INTO o VALUES ('x', 1), ('y', 2);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![OwnsRule {
        filter: Some("kind = 'x'".into()),
        ..owns("o", key(&["c"]))
    }];
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "o"), ["1", "orphan"]);
    assert_eq!(targets(&db, "o"), [["1"], ["2"]]);
}

#[test]
fn whose_a_text_is_is_asked_with_the_table_that_it_is_called_after() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE notes(c REFERENCES c);
         CREATE TABLE no(c REFERENCES c); CREATE TABLE unowned_and_long(x); CREATE TABLE owned_and_long(c REFERENCES c);
         CREATE TABLE notes_words(x);
         CREATE VIRTUAL TABLE notes_words_fts USING fts5(text); CREATE VIRTUAL TABLE words USING fts5(text);",
    );
    let db = open(&path, &register("c", &["id"]));
    let asked = |name: &str| table(&db, name).warnings.join("; ");
    assert!(asked("notes_words_fts").ends_with("by = \"rowid -> notes\""));
    assert!(asked("words").ends_with("by = \"rowid -> TABLE\""));
    assert_eq!(asked("unowned_and_long"), "");
}

#[test]
fn what_a_reference_withholds_belongs_to_no_other_key_and_rather_not_to_the_primary_one() {
    let (_dir, path) = database(
        "CREATE TABLE t(id INTEGER PRIMARY KEY);
         CREATE TABLE c(tenant INT, no TEXT, PRIMARY KEY(tenant, no));
         CREATE TABLE by_id(id INTEGER PRIMARY KEY, tenant INT REFERENCES t, no TEXT, FOREIGN KEY(tenant, no) REFERENCES c);
         CREATE TABLE by_no(tenant INT REFERENCES t, no TEXT PRIMARY KEY, FOREIGN KEY(tenant, no) REFERENCES c);
         CREATE TABLE by_tenant(tenant INT PRIMARY KEY, no TEXT, FOREIGN KEY(tenant, no) REFERENCES c);
         CREATE TABLE by_both(tenant INT, no TEXT, PRIMARY KEY(tenant, no), FOREIGN KEY(tenant, no) REFERENCES c);",
    );
    let db = open(&path, &register("c", &["tenant", "no"]));
    let withheld = |name: &str| {
        let table = table(&db, name);
        let [reference] = &table.references[..] else {
            panic!("{name} has other references")
        };
        let names = reference.columns.iter();
        let names = names.map(|at| table.columns[*at].name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(withheld("by_id"), "no");
    assert_eq!(withheld("by_no"), "no");
    assert_eq!(withheld("by_tenant"), "no");
    assert_eq!(withheld("by_both"), "tenant no");
}

#[test]
fn what_is_pointed_at_says_how_the_pointing_column_is_compared() {
    let (_dir, path) = database(
        "CREATE TABLE a(code TEXT COLLATE NOCASE PRIMARY KEY); INSERT INTO a VALUES ('x'), ('Y');
         CREATE TABLE c(id INTEGER PRIMARY KEY, a TEXT REFERENCES a); INSERT INTO c VALUES (1, 'X'), (2, 'Y');",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("a", pointed_at_by("c", &["a"]))];
    assert_eq!(owners(&open(&path, &rules), "a"), ["1", "2"]);
}
