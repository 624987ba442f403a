//! From `init` to `keys forget` and back, as somebody would go who has read the help.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Place, texts};

#[test]
fn a_repository_is_made_used_and_found_safe() {
    let place = Place::initialised();
    let (code, checked) = place.json(&["check"]);
    assert_eq!((code, &checked["ok"]), (0, &json!(true)), "{checked:#}");

    let (code, plan) = place.json(&["inspect"]);
    assert_eq!(code, 0);
    let tables = plan["sources"][0]["tables"].as_array().unwrap();
    let owner = |name: &str| {
        let table = tables.iter().find(|table| table["table"] == name);
        table.unwrap_or_else(|| panic!("{name} in {plan:#}"))["owner"]
            .as_str()
            .unwrap()
    };
    let owners = ["customers", "orders", "order_items", "country"].map(owner);
    assert_eq!(owners, ["register", "owned", "owned", "shared"]);

    let (code, taken) = place.json(&["snapshot"]);
    assert_eq!(code, 0, "{taken:#}");
    assert_eq!(taken["snapshot"], 1);
    assert_eq!(taken["kind"], "full");
    assert_eq!(taken["customers"], 20);
    for key in [
        "changed",
        "removed",
        "read_bytes",
        "stored_bytes",
        "seconds",
    ] {
        assert!(taken[key].is_number(), "{key}: {taken:#}");
    }
    let complete =
        json!([{ "name": "near", "state": "complete" }, { "name": "far", "state": "complete" }]);
    assert_eq!(taken["stores"], complete);

    let (_, listed) = place.json(&["snapshots"]);
    assert_eq!(listed[0]["snapshot"], 1);
    assert_eq!(listed[0]["stores"], json!(["far", "near"]));
    assert!(
        listed[0]["started"].as_str().unwrap().ends_with('Z'),
        "{listed:#}"
    );

    let (code, status) = place.json(&["status"]);
    assert_eq!(
        (code, &status["ok"]),
        (1, &json!(false)),
        "red until somebody can recover"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let offline = elsewhere.path().join("recovery.key");
    let offline = offline.to_str().unwrap();
    fs::rename(place.at("recovery.key"), offline).unwrap();
    let (code, proved) = place.json(&["keys", "prove", "--identity", offline]);
    assert_eq!((code, &proved["ok"]), (0, &json!(true)), "{proved:#}");
    assert_eq!(
        place.json(&["keys", "recipients"]).1["recipients"],
        proved["recipients"]
    );
    fs::remove_file(offline).unwrap();
    let (code, status) = place.json(&["status"]);
    assert_eq!(
        (code, &status["ok"], &status["problems"]),
        (0, &json!(true), &json!([]))
    );
    assert_eq!(place.json(&["verify", "--data"]).1["ok"], true);
}

#[test]
fn customers_are_listed_shown_restored_forgotten_and_let_in_again() {
    let mut place = Place::with_snapshot();
    let (_, listed) = place.json(&["customer", "list", "--limit", "2", "--after", "1"]);
    let ids: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["2", "3"]);
    assert!(
        listed[0]["name"].is_string() && listed[0]["hold"].is_null(),
        "{listed:#}"
    );
    assert_eq!(place.json(&["customer", "list", "--hidden"]).1, json!([]));

    place.crm.a_day_of_changes(1).unwrap();
    let (_, taken) = place.json(&["snapshot"]);
    assert_eq!(
        (&taken["snapshot"], &taken["kind"]),
        (&json!(2), &json!("incremental"))
    );
    let (_, shown) = place.json(&["customer", "show", "2"]);
    assert_eq!(
        (&shown["id"], &shown["state"]),
        (&json!("2"), &json!("active"))
    );
    assert_eq!(shown["snapshots"], json!([1, 2]));
    assert_eq!(rows(&shown, "customers"), 1);

    let (_, one) = place.json(&["customer", "restore", "2", "--to", "two", "--snapshot", "1"]);
    assert_eq!(
        (&one["id"], &one["snapshot"]),
        (&json!("2"), &json!(1)),
        "{one:#}"
    );
    assert!(place.at("two/crm/customers.jsonl").is_file() && place.at("two/crm.sqlite").is_file());
    let (code, all) = place.json(&["restore", "--to", "all"]);
    assert_eq!(
        (code, &all["snapshot"], &all["left_out"]),
        (0, &json!(2), &json!([]))
    );
    assert_eq!(
        all["sources"][0]["path"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next(),
        Some("crm.db")
    );

    let (code, forgotten) = place.json(&["keys", "forget", "2"]);
    assert_eq!((code, &forgotten["epoch"]), (0, &json!(2)));
    assert_eq!(
        (&forgotten["forgotten"], &forgotten["pending"]),
        (&json!(["2"]), &json!([]))
    );
    let (code, said) = place.failure(&["customer", "show", "2"]);
    assert!(code == 5 && said.contains("was erased"), "{code}: {said}");
    let (_, erased) = place.json(&["customer", "list", "--state", "erased"]);
    assert_eq!(
        (&erased[0]["id"], &erased[0]["flags"]),
        (&json!("2"), &json!(["forgotten"]))
    );
    let (code, taken) = place.json(&["snapshot"]);
    assert_eq!((code, texts(&taken["left_out"])), (3, vec!["2".to_owned()]));
    let (code, all) = place.json(&["restore", "--to", "without", "--snapshot", "1"]);
    assert_eq!(
        (code, texts(&all["left_out"]).len()),
        (0, 1),
        "left out on purpose: {all:#}"
    );

    let (code, readmitted) = place.json(&["customer", "readmit", "2", "--reason", "came back"]);
    assert_eq!(
        (code, readmitted),
        (0, json!({ "id": "2", "state": "active" }))
    );
    assert_eq!(place.json(&["snapshot"]).0, 0);
    assert_eq!(
        place.json(&["customer", "show", "2"]).1["snapshots"],
        json!([4])
    );
}

fn rows(shown: &Value, table: &str) -> u64 {
    let sources = shown["sources"].as_array().unwrap().iter();
    let mut tables = sources.flat_map(|source| source["tables"].as_array().unwrap());
    let found = tables.find(|found| found["table"] == table);
    found.unwrap_or_else(|| panic!("{table} in {shown:#}"))["rows"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_store_that_is_behind_is_named_and_what_is_pending_counts() {
    let place = Place::with_snapshot();
    fs::rename(place.at("far"), place.at("unplugged")).unwrap();
    let (code, taken) = place.json(&["snapshot"]);
    assert_eq!(
        (code, &taken["stores"][1]["state"]),
        (0, &json!("behind")),
        "{taken:#}"
    );
    let (code, forgotten) = place.json(&["keys", "forget", "3"]);
    assert_eq!((code, &forgotten["pending"]), (3, &json!(["far"])));
    fs::rename(place.at("unplugged"), place.at("far")).unwrap();
    let (_, taken) = place.json(&["snapshot"]);
    assert_eq!(taken["stores"][1]["state"], "complete", "{taken:#}");
    let problems = place.json(&["status"]).1["problems"].to_string();
    assert!(!problems.contains("older keyring"), "{problems}");
}

#[test]
fn who_left_the_register_is_shown_by_what_snapshots_hold() {
    let place = Place::with_snapshot();
    let db = place.crm.connection();
    db.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM customers WHERE id = 5")
        .unwrap();
    let (_, shown) = place.json(&["customer", "show", "5"]);
    assert_eq!(
        (&shown["id"], &shown["flags"]),
        (&json!("5"), &json!(["vanished"])),
        "{shown:#}"
    );
    let (_, listed) = place.json(&["customer", "list", "--after", "20"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(
        (&listed[0]["id"], &listed[0]["name"]),
        (&json!("5"), &Value::Null)
    );
    // Whoever is new is known before the first snapshot.
    db.execute_batch(
        "INSERT INTO customers (id, name, email, country_code, created_at, last_contact_at)
         SELECT 777, 'New', 'n@example.org', country_code, created_at, created_at FROM customers LIMIT 1",
    )
    .unwrap();
    let (_, shown) = place.json(&["customer", "show", "777"]);
    assert_eq!(
        (&shown["snapshots"], &shown["flags"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn whoever_is_erased_after_leaving_the_register_may_have_left_rows() {
    let place = Place::with_snapshot();
    let db = place.crm.connection();
    db.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM customers WHERE id = 5")
        .unwrap();
    let erase = |id: &str| {
        place
            .json(&["customer", "erase", id, "--reason", "asked", "--yes"])
            .1
    };
    let cautions = |erased: &Value| erased["signed"]["certificate"]["cautions"].to_string();
    let erased = erase("5");
    let said =
        "1 of the erased had left the register: rows of its source that still hold their keys";
    assert!(cautions(&erased).contains(said), "{erased:#}");
    let live = &erased["signed"]["certificate"]["live"];
    assert_eq!(live["absent"], json!(1), "{erased:#}");
    let erased = erase("6");
    assert!(!cautions(&erased).contains("had left"), "{erased:#}");
    assert_eq!(
        erased["signed"]["certificate"]["live"]["absent"],
        Value::Null
    );
    db.execute_batch("DELETE FROM customers WHERE id = 7")
        .unwrap();
    let ran = place.run(&["customer", "erase", "7", "--reason", "asked", "--yes"]);
    assert!(ran.code == 0 && ran.err.contains(said), "{}", ran.err);
    // Taken up again, as after a crash: nobody knows by then whose keys to look for.
    let number = erased["certificate"].as_u64().unwrap();
    let catalog = Connection::open(place.at("state/catalog.db")).unwrap();
    let undone = catalog.execute(
        "UPDATE erasure SET live = NULL WHERE entry = ?",
        [number as i64],
    );
    assert_eq!(undone, Ok(1));
    drop(catalog);
    place.json(&["snapshot"]);
    let (_, said) = place.json(&["certificate", "show", &number.to_string()]);
    let again = "1 of the erased were not in the register when their erasure was taken up again";
    assert!(
        cautions(&json!({ "signed": said })).contains(again),
        "{said:#}"
    );
}

#[test]
fn text_is_for_people_and_quiet_says_only_what_was_asked_for() {
    let place = Place::initialised();
    let ran = place.run(&["snapshot"]);
    assert!(
        ran.out.starts_with("snapshot 1 (full): 20 customers"),
        "{}",
        ran.out
    );
    let ran = place.run(&["snapshot", "--quiet"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    let ran = place.run(&["--quiet", "snapshots"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(
        lines.len() == 3 && lines[1].contains(" full ") && lines[1].contains(" CE"),
        "{}",
        ran.out
    );
    let ran = place.run(&["keys", "forget", "4"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.err.contains("cannot be undone") && ran.out.contains("epoch 2"),
        "{}{}",
        ran.err,
        ran.out
    );
    let ran = place.run(&["customer", "show", "4"]);
    assert!(
        ran.out.is_empty()
            && ran
                .err
                .starts_with("error: customer \"4\" was erased\n  hint:  "),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains('\u{1b}'), "colours belong on a terminal");
}

#[test]
fn a_snapshot_is_chosen_by_time_in_the_configured_zone() {
    let place = Place::with_snapshot();
    let (_, listed) = place.json(&["snapshots"]);
    let started = listed[0]["started"].as_str().unwrap();
    let at = |time: &str, to: &str| place.json(&["restore", "--to", to, "--at", time]);
    assert_eq!(at(started, "a").1["snapshot"], 1);
    assert_eq!(at("2999-01-01 10:00", "b").1["snapshot"], 1);
    assert_eq!(at("1999-01-01", "c").0, 5);
    assert_eq!(at("soon", "d").0, 2);
    assert!(!place.at("c").exists() && !place.at("d").exists());
}

#[test]
fn a_rule_for_a_table_that_was_dropped_is_named_and_keeps_nobody_from_being_erased() {
    let place = Place::with_database(
        "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE calls(id INTEGER PRIMARY KEY, who INT REFERENCES people, said TEXT);
         INSERT INTO people VALUES (1, 'Ann'), (2, 'Bob');
         INSERT INTO calls VALUES (1, 1, 'hello'), (2, 2, 'bye');",
        "people.id",
    );
    place.own("calls", "who");
    assert_eq!(place.json(&["snapshot"]).0, 0);
    let live = Connection::open(place.at("x.db")).unwrap();
    live.execute_batch("DROP TABLE calls").unwrap();
    let (code, erased) = place.json(&["customer", "erase", "2", "--reason", "asked", "--yes"]);
    assert_eq!(
        (code, &erased["state"]),
        (3, &"erased".into()),
        "{erased:#}"
    );
    let problems = texts(&erased["problems"]);
    assert!(problems.len() == 1 && problems[0].starts_with("source x: a rule for \"calls\""));
    let left: i64 = live
        .query_row("SELECT count(*) FROM people WHERE id = 2", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(left, 0);
    // What is there and is not read may hold anything: nobody says that nothing is live.
    live.execute_batch("CREATE VIRTUAL TABLE calls USING fts4(said)")
        .unwrap();
    let (code, said) = place.failure(&["customer", "erase", "1", "--reason", "asked", "--yes"]);
    assert!(code != 0 && said.contains("calls"), "{said}");
}
