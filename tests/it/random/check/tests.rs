//! The checker sees what is wrong.

use std::path::PathBuf;

use super::*;
use crate::random::Kept;
use crate::random::model::{Column, Keys, Role, Said};
use crate::random::values::Takes;

const BASE: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES customers (id), what);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, who, about INT NOT NULL REFERENCES customers (id));
    INSERT INTO customers VALUES (1, 'one'), (2, 'the second one'), (3, 'three');
    INSERT INTO orders VALUES (10, 1, 'a'), (11, 2, 'b'), (12, NULL, 'c'), (13, 9, 'd');
    INSERT INTO notes VALUES (20, 1, 2), (21, 2, 1), (22, 3, 3);";

/// Customer 2 is gone, and a row of no meaning stands for them.
const GONE: &str = "
    DELETE FROM customers WHERE id = 2; DELETE FROM orders WHERE who = 2;
    DELETE FROM notes WHERE who = 2; INSERT INTO customers VALUES (-1, NULL);
    UPDATE notes SET about = -1 WHERE about = 2;";

fn table(name: &str, columns: &[(&str, Role)], links: Vec<Link>) -> Table {
    let column = |(name, role): &(&str, Role)| Column {
        name: (*name).into(),
        alive: true,
        declared: "",
        collate: "",
        takes: Takes::Anything,
        role: *role,
        default: false,
    };
    Table {
        name: name.into(),
        alive: true,
        columns: columns.iter().map(column).collect(),
        key: vec![0],
        primary: true,
        without_rowid: false,
        alias: true,
        counts: false,
        strict: false,
        links,
        said: Said::Nothing,
        class: None,
        text: false,
    }
}

fn link(column: usize, declared: bool, means: Means) -> Link {
    Link {
        columns: vec![column],
        to: 0,
        key: vec![0],
        declared,
        means,
        under: Vec::new(),
    }
}

fn model() -> Model {
    let id = ("id", Role::Key(Keys::Integer));
    let who = ("who", Role::Link);
    Model {
        tables: vec![
            table("customers", &[id, ("name", Role::Data)], Vec::new()),
            table(
                "orders",
                &[id, who, ("what", Role::Data)],
                vec![link(1, true, Means::Nothing)],
            ),
            table(
                "notes",
                &[id, who, ("about", Role::Link)],
                vec![
                    link(1, false, Means::By(None)),
                    link(2, true, Means::Nothing),
                ],
            ),
        ],
    }
}

/// What the checker says of the base, and the base after a change, without customer 2.
fn said(before: &str, change: &str, number: usize, problems: &[&str]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, more: &str| -> PathBuf {
        let path = dir.path().join(name);
        let conn = Connection::open(&path).unwrap();
        let sql = format!("PRAGMA foreign_keys = OFF; {BASE} {more}");
        conn.execute_batch(&sql).unwrap();
        path
    };
    let (kept, back) = (
        make("kept", before),
        make("back", &format!("{before}; {change}")),
    );
    let gone = Gone {
        key: vec![Value::Integer(2)],
        since: Value::Null,
        first: 2,
        after: 3,
        others: false,
    };
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    without(
        &kept,
        &back,
        (&model(), &Words::default()),
        &gone,
        number,
        &problems,
    )
}

#[test]
fn whoever_is_gone_may_be_gone_and_nothing_else() {
    assert_eq!(said("", GONE, 1, &[]), Ok(()));
    for (more, expected) in [
        (
            "INSERT INTO customers VALUES (2, 'the second one')",
            "new row has what was theirs",
        ),
        (
            "INSERT INTO orders VALUES (11, 2, 'b')",
            "orders: row 2 is new, and nobody refers to it",
        ),
        (
            "DELETE FROM orders WHERE id = 10",
            "orders: a row is not as it was",
        ),
        (
            "UPDATE orders SET what = x'61' WHERE id = 10",
            "orders: a row is not as it was",
        ),
        (
            "UPDATE orders SET id = 14 WHERE id = 12",
            "orders: a row is not as it was",
        ),
        (
            "UPDATE orders SET who = NULL WHERE id = 13",
            "orders: a row is not as it was",
        ),
        (
            "UPDATE customers SET name = 'the second one' WHERE id = -1",
            "what was theirs in name",
        ),
        (
            "UPDATE notes SET about = 1 WHERE id = 20",
            "leads to somebody else",
        ),
        ("UPDATE notes SET about = 77 WHERE id = 20", "leads nowhere"),
        ("UPDATE notes SET about = 2 WHERE id = 20", "leads nowhere"),
        (
            "UPDATE notes SET who = 3 WHERE id = 20",
            "that referred to the forgotten is not there",
        ),
        (
            "DELETE FROM notes WHERE id = 20",
            "that referred to the forgotten is not there",
        ),
        ("CREATE INDEX i ON notes(who)", "the schema"),
        ("PRAGMA user_version = 1", "user_version"),
    ] {
        let found = said("", &format!("{GONE} {more}"), 1, &[]).expect_err(more);
        assert!(found.contains(expected), "after {more:?}: {found}");
    }
    let nothing = said("", "", 1, &[]).unwrap_err();
    assert!(
        nothing.contains("leads to somebody else") || nothing.contains("new row"),
        "{nothing}"
    );
}

#[test]
fn a_row_of_the_register_without_a_key_is_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let sql = "CREATE TABLE customers (id INT PRIMARY KEY, name TEXT);
               INSERT INTO customers VALUES (NULL, 'x'), (3, 'y')";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let kept = Kept {
        path,
        model: model(),
        words: Words::default(),
    };
    assert_eq!(kept.people(), [(vec![Value::Integer(3)], Value::Null)]);
}

#[test]
fn a_key_leads_on_as_far_as_what_it_leads_to() {
    for (means, leads_on, under) in [
        (Means::By(None), true, false),
        (Means::Also, true, false),
        (Means::By(Some((2, 0))), true, true),
        (Means::Nothing, false, false),
    ] {
        let who = ("who", Role::Link);
        let mut pairs = table("pairs", &[who, who, ("kind", Role::Kind)], Vec::new());
        pairs.links = vec![link(1, false, means)];
        let key = Link {
            columns: vec![0, 1],
            to: 1,
            key: vec![0, 1],
            declared: true,
            means: Means::Nothing,
            under: Vec::new(),
        };
        let tables = vec![
            table("customers", &[("id", Role::Key(Keys::Text))], Vec::new()),
            pairs,
            table("notes", &[who, who], vec![key]),
        ];
        let leading = Model { tables }.leading(2);
        let on = leading
            .iter()
            .any(|on| on.to == 0 && on.columns == [1] && on.under.is_empty() != under);
        assert_eq!((on, leading.len()), (leads_on, 1 + usize::from(leads_on)));
    }
}

#[test]
fn what_is_told_explains_just_that() {
    let stands = "about = -1";
    let nobody = GONE.replace("INSERT INTO customers VALUES (-1, NULL);", "");
    let nowhere = nobody.replace(stands, "about = -7");
    let unused = GONE.replace(stands, "about = -7");
    let missing = format!("{nobody}; DELETE FROM notes WHERE about = -1");
    let adrift = "rows that lead nowhere in place of those who were forgotten: 1";
    let stand =
        "forgotten rows that nothing can stand for, so that references to them lead nowhere: 1";
    let unplaced = "rows that could not be put back without those they referred to: 1";
    let lost = "neutral rows that stand for forgotten ones and lead nowhere themselves: 1";
    let against = "neutral rows that stand for forgotten ones against the table's CHECKs: 1";
    let all = [adrift, stand, unplaced, lost, against];
    for (change, explained) in [
        (GONE, None),
        (
            &nowhere[..],
            Some([("notes", adrift), ("customers", stand)]),
        ),
        (&unused, Some([("notes", adrift), ("customers", stand)])),
        (&missing, Some([("notes", unplaced), ("notes", unplaced)])),
    ] {
        for table in ["customers", "orders", "notes"] {
            for what in all {
                let explains = explained.is_some_and(|all| all.contains(&(table, what)));
                let said = said("", change, 1, &[&format!("table {table}: {what}")]);
                let accepted = explains || change == GONE;
                assert_eq!(
                    said.is_ok(),
                    accepted,
                    "{change}: {table}: {what}: {said:?}"
                );
            }
        }
        assert_eq!(said("", change, 1, &[]).is_ok(), change == GONE, "{change}");
    }
    let unknown = said("", GONE, 1, &["table notes: rows are odd: 1"]);
    assert!(
        unknown
            .unwrap_err()
            .contains("a problem where there is none")
    );
    // Two rows are more than one.
    let before = "INSERT INTO notes VALUES (23, 3, 2)";
    let both = adrift.replace(": 1", ": 2");
    for (what, accepted) in [(adrift, false), (&both, true)] {
        let said = said(before, &nowhere, 1, &[&format!("table notes: {what}")]);
        assert_eq!(said.is_ok(), accepted, "{what}: {said:?}");
    }
}

#[test]
fn rows_that_break_a_key_are_as_many_as_are_told() {
    let astray = "neutral rows that stand for forgotten ones and lead nowhere themselves";
    let adrift = "rows that lead nowhere in place of those who were forgotten";
    let nobody =
        "forgotten rows that nothing can stand for, so that references to them lead nowhere";
    let problems = [
        format!("table a: b: {astray}: 2"),
        format!("table a: b: {adrift}: 3"),
        format!("table c: {nobody}: 1"),
        format!("table c: {nobody}: many"),
        "table c: is odd: 1".to_owned(),
    ];
    let (told, others) = Told::of(&problems);
    assert_eq!(others, [&problems[3], &problems[4]]);
    assert_eq!([told.broken("a: b", "d"), told.broken("a", "d")], [5, 0]);
    assert_eq!(
        [told.broken("a: b", "c"), told.broken("d", "c")],
        [usize::MAX; 2]
    );
    let gave_up = ["a: b", "c", "d"].map(|table| told.gave_up(table));
    assert_eq!(gave_up, [true, true, false]);
}

#[test]
fn whoever_has_left_the_register_is_gone_only_from_then_on() {
    let left = "DELETE FROM customers WHERE id = 2";
    // Before they were there, their key was nobody's.
    assert_eq!(said(left, "", 2, &[]), Ok(()));
    let own = "DELETE FROM orders WHERE who = 2; DELETE FROM notes WHERE who = 2;";
    let withheld =
        "INSERT INTO customers VALUES (-1, NULL); UPDATE notes SET about = -1 WHERE about = 2;";
    assert_eq!(said(left, &format!("{own}{withheld}"), 4, &[]), Ok(()));
    assert!(said(left, own, 4, &[]).is_err());
    assert!(said(left, "", 4, &[]).is_err());
    assert!(said(left, own, 3, &[]).is_err());
    // From then on their rows are nobody's, and their key can be withheld.
    let key =
        "UPDATE orders SET who = NULL WHERE who = 2; UPDATE notes SET who = NULL WHERE who = 2;";
    assert_eq!(said(left, &format!("{key}{withheld}"), 3, &[]), Ok(()));
    assert!(said(left, &format!("{own}{withheld}"), 3, &[]).is_err());
    assert!(said(left, withheld, 3, &[]).is_err());
    assert!(said(left, "", 3, &[]).is_err());
}

#[test]
fn numbers_in_words_are_another_versions_matter() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, word: &str, size: u8| -> PathBuf {
        let path = dir.path().join(name);
        let sql = format!(
            "CREATE VIRTUAL TABLE w USING fts5(a, b); INSERT INTO w VALUES ('one', {word});
             UPDATE w_docsize SET sz = x'010{size}'"
        );
        Connection::open(&path)
            .unwrap()
            .execute_batch(&sql)
            .unwrap();
        path
    };
    for (number, (word, excused)) in (0..).zip([("2.5", true), ("2", false), ("'2.5'", false)]) {
        let [kept, back] = [2, 3].map(|size| make(&format!("{number}-{size}"), word, size));
        assert_eq!(
            exact_by_another_version(&kept, &back).is_ok(),
            excused,
            "{word}"
        );
    }
}
