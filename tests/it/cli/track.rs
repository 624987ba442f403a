//! `track`, as scripts and people meet it.

use std::fs;

use serde_json::{Value, json};

use super::Place;

#[test]
fn it_shows_the_sql_and_a_dry_run_does_nothing() {
    let place = Place::with_snapshot();
    let before = place.tree();
    let (code, told) = place.json(&["track", "crm", "--dry-run"]);
    assert_eq!(code, 0, "{told:#}");
    let sql = told["sql"].as_array().unwrap();
    let says = |words: &str| sql.iter().any(|sql| sql.as_str().unwrap().contains(words));
    assert!(
        says("CREATE TABLE tenure_changes") && says("tenure_orders_delete"),
        "{told:#}"
    );
    assert!(place.tree() == before);
    let ran = place.run(&["track", "crm", "--dry-run"]);
    assert!(
        ran.out
            .contains("CREATE TRIGGER \"tenure_customers_update\""),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("-- nothing was done\n"), "{}", ran.out);
}

#[test]
fn an_incremental_then_reads_what_has_changed_and_says_when_it_does_not() {
    let place = Place::with_snapshot();
    let text = fs::read_to_string(place.at("tenure.toml")).unwrap();
    let (code, told) = place.json(&["track", "crm"]);
    assert_eq!((code, &told["installed"]), (0, &json!(true)));
    let written = fs::read_to_string(place.at("tenure.toml")).unwrap();
    assert_eq!(
        written,
        text.replace("changes = \"scan\"", "changes = \"triggers\"")
    );

    let (_, told) = place.json(&["snapshot"]);
    assert_eq!(told["tracked"], false);
    assert!(
        told["why_scanned"].as_str().unwrap().starts_with("crm: "),
        "{told:#}"
    );
    place
        .crm
        .connection()
        .execute_batch("UPDATE customers SET city = 'Elsewhere' WHERE id = 3")
        .unwrap();
    let ran = place.run(&["snapshot"]);
    assert!(
        ran.out.contains("1 changed") && ran.out.contains("only what has changed was read"),
        "{}",
        ran.out
    );
    let (_, told) = place.json(&["snapshot", "--full"]);
    assert_eq!(
        (&told["tracked"], &told["missed"], &told["why_scanned"]),
        (&json!(false), &json!(0), &Value::Null)
    );

    place
        .crm
        .connection()
        .execute_batch("ALTER TABLE customers ADD COLUMN more")
        .unwrap();
    let ran = place.run(&["snapshot"]);
    assert!(
        ran.out.contains("everything was read") && ran.out.contains("schema"),
        "{}",
        ran.out
    );

    let ran = place.run(&["track", "crm", "--remove"]);
    assert!(
        ran.code == 0 && ran.out.contains("DROP TABLE \"tenure_changes\""),
        "{}",
        ran.out
    );
    assert_eq!(fs::read_to_string(place.at("tenure.toml")).unwrap(), text);
    let (_, told) = place.json(&["snapshot"]);
    assert_eq!(
        (&told["tracked"], &told["why_scanned"]),
        (&json!(false), &Value::Null)
    );
    let (_, told) = place.json(&["track", "crm", "--remove"]);
    assert_eq!(told["sql"], json!([]));
}

#[test]
fn what_cannot_be_tracked_is_refused_with_the_reason() {
    let place = Place::with_snapshot();
    let (code, said) = place.failure(&["track", "nothing"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("crm"), "{said}");
    place
        .crm
        .connection()
        .execute_batch("CREATE UNIQUE INDEX u ON orders(abs(id))")
        .unwrap();
    let text = fs::read_to_string(place.at("tenure.toml")).unwrap();
    let (code, said) = place.failure(&["track", "crm"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("unique index over an expression"), "{said}");
    assert!(said.contains("scan"), "{said}");
    assert_eq!(fs::read_to_string(place.at("tenure.toml")).unwrap(), text);
}
