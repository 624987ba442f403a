//! Wrong input to a repository that is there: a clear error, its exit code, and nothing written.

use std::fs;

use serde_json::json;

use super::{Place, texts};

/// Every command fails so, and nothing is written: but for the catalog's note of when the stores
/// were last seen, which every command makes that could change something, and the audit log.
fn fails(place: &Place, cases: &[(&[&str], i32, &str)]) {
    let tree = || {
        let mut tree = place.tree();
        tree.remove(&place.at("state/catalog.db"));
        // That it was tried stands in the audit log.
        tree.retain(|path, _| !path.components().any(|part| part.as_os_str() == "audit"));
        tree
    };
    let before = tree();
    for (arguments, code, expected) in cases {
        let (found, said) = place.failure(arguments);
        assert_eq!(found, *code, "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        let after = tree();
        let changed = after
            .iter()
            .filter(|(path, bytes)| before.get(*path) != Some(bytes));
        let changed: Vec<_> = changed.map(|(path, _)| path).collect();
        assert!(
            changed.is_empty() && after.len() == before.len(),
            "{arguments:?} wrote {changed:?}"
        );
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let place = Place::with_snapshot();
    fs::create_dir(place.at("full")).unwrap();
    fs::write(place.at("full/x"), "x").unwrap();
    fails(
        &place,
        &[
            (
                &["restore", "--to", "new", "--snapshot", "9"],
                5,
                "no snapshot 9",
            ),
            (
                &["restore", "--to", "new", "--store", "moon"],
                5,
                "no store \"moon\"",
            ),
            (
                &["restore", "--to", "new", "--source", "moon"],
                5,
                "no source \"moon\"",
            ),
            (&["restore", "--to", "full"], 2, "not empty"),
            (&["customer", "restore", "4711", "--to", "new"], 5, "4711"),
            (
                &["customer", "restore", "1", "--to", "full"],
                2,
                "not empty",
            ),
            (&["customer", "show", "4711"], 5, "no customer \"4711\""),
            (&["customer", "list", "--after", "4711"], 5, "4711"),
            (&["verify", "--store", "moon"], 5, "no store \"moon\""),
            (&["keys", "forget", "4711"], 5, "4711"),
            (&["keys", "forget", "1", "4711"], 5, "4711"),
            (&["keys", "forget", "--table", "moon"], 5, "moon"),
            (&["customer", "readmit", "1", "--reason", "x"], 5, "1"),
            (&["keys", "prove", "--identity", "full/x"], 1, "identity"),
        ],
    );
    assert_eq!(
        place.json(&["customer", "show", "1"]).0,
        0,
        "nobody was forgotten"
    );
}

#[test]
fn a_wrong_configuration_is_told_with_its_line() {
    let place = Place::with_snapshot();
    let good = fs::read_to_string(place.at("tenure.toml")).unwrap();
    let line = good.lines().count() + 2;
    let at = format!("tenure.toml:{line}:");
    let inside = format!(
        "\n[[store]]\nname = \"third\"\nurl = \"file://{}\"\n",
        place.path("near/third")
    );
    for (more, expected) in [
        ("\ncolour = \"red\"\n", "colour"),
        ("\n[colours]\n", "colours"),
        (inside.as_str(), "lies inside the store \"near\""),
        (
            "\n[[source]]\nname = \"crm\"\nkind = \"sqlite\"\npath = \"/x\"\n",
            "crm",
        ),
    ] {
        fs::write(place.at("tenure.toml"), good.clone() + more).unwrap();
        let commands: [&[&str]; 4] = [
            &["snapshot"],
            &["snapshots"],
            &["status"],
            &["keys", "forget", "1"],
        ];
        for command in commands {
            fails(&place, &[(command, 2, expected)]);
        }
        let (code, checked) = place.json(&["check"]);
        let what = checked["problems"][0]["what"].as_str().unwrap();
        assert!(
            code == 2 && checked["ok"] == false && what.contains(expected),
            "{checked:#}"
        );
    }
    fs::write(place.at("tenure.toml"), good.clone() + "\n[colours]\n").unwrap();
    let (_, said) = place.failure(&["snapshot"]);
    assert!(said.contains(&at), "{at} in {said}");
    fs::remove_file(place.at("tenure.toml")).unwrap();
    fails(
        &place,
        &[
            (&["snapshot"], 2, "tenure init"),
            (&["inspect"], 2, "tenure.toml"),
        ],
    );
}

#[test]
fn a_source_that_cannot_be_read_stops_a_snapshot() {
    let place = Place::with_snapshot();
    let config = fs::read_to_string(place.at("tenure.toml")).unwrap();
    for (from, to, code, expected) in [
        ("crm.db", "gone.db", 1, "no database"),
        (
            "table  = \"customers\"",
            "table  = \"clients\"",
            2,
            "clients",
        ),
        ("key    = \"id\"", "key    = \"number\"", 2, "number"),
    ] {
        assert!(config.contains(from), "{config}");
        fs::write(place.at("tenure.toml"), config.replace(from, to)).unwrap();
        fails(
            &place,
            &[
                (&["inspect"], code, expected),
                (&["snapshot"], code, expected),
            ],
        );
        let (code, checked) = place.json(&["check"]);
        assert!(
            code == 2 && checked["problems"].to_string().contains(expected),
            "{checked:#}"
        );
    }
    fs::write(place.at("tenure.toml"), config).unwrap();
    assert_eq!(
        place.json(&["snapshot"]).1["snapshot"],
        2,
        "no number was lost"
    );
}

/// What a snapshot would stop at is found before: by `check`, and by `init` while nothing is made.
#[test]
fn rows_that_cannot_be_read_are_told_before_the_first_snapshot() {
    const TABLES: &str =
        "CREATE TABLE people(id INTEGER PRIMARY KEY, created_at TEXT NOT NULL DEFAULT '2020');
         INSERT INTO people(id) VALUES (1), (2);
         CREATE TABLE notes(person INT REFERENCES people, about TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            INSERT INTO notes SELECT 1 + i % 2, '{\"of\": 1}' FROM n;";
    let place = Place::with_database(TABLES, "people.id");
    assert_eq!(place.json(&["check"]).0, 0);
    let good = fs::read_to_string(place.at("tenure.toml")).unwrap();
    let rule =
        "\n[[source.owns]]\ntable = \"notes\"\nby = \"person\"\nwhere = \"about ->> 'of' = 1\"\n";
    fs::write(place.at("tenure.toml"), good.clone() + rule).unwrap();
    assert_eq!(place.json(&["check"]).0, 0);
    let db = rusqlite::Connection::open(place.at("x.db")).unwrap();
    let broken = "UPDATE notes SET about = '{' WHERE rowid = 999";
    db.execute(broken, []).unwrap();
    let (code, checked) = place.json(&["check"]);
    assert!(
        code == 2 && checked.to_string().contains("JSON"),
        "{checked:#}"
    );
    assert_ne!(place.json(&["snapshot"]).0, 0);
    fs::write(place.at("tenure.toml"), good).unwrap();
    assert_eq!(place.json(&["check"]).0, 0);
    drop(db);

    // The last page of the table that was filled last.
    let mut bytes = fs::read(place.at("x.db")).unwrap();
    let page = bytes.len() - 4096;
    bytes[page..].fill(0xff);
    fs::write(place.at("x.db"), bytes).unwrap();
    let (code, checked) = place.json(&["check"]);
    assert!(
        code == 2 && checked.to_string().contains("malformed"),
        "{checked:#}"
    );
    let register = format!("sqlite:{}#people.id", place.path("x.db"));
    fs::create_dir(place.at("new")).unwrap();
    let (new, store) = (place.path("new/tenure.toml"), place.path("new/store"));
    let before = place.tree();
    let init = [
        "--config",
        &new,
        "init",
        "--register",
        &register,
        "--store",
        &store,
    ];
    let (_, said) = place.failure(&init);
    assert!(said.contains("malformed"), "{said}");
    assert_eq!(place.tree(), before);
}

#[test]
fn check_tells_all_that_is_wrong_at_once() {
    let place = Place::with_snapshot();
    place
        .crm
        .connection()
        .execute_batch("CREATE TABLE calls (caller INTEGER)")
        .unwrap();
    fs::rename(place.at("far"), place.at("unplugged")).unwrap();
    let before = place.tree();
    let (code, checked) = place.json(&["check"]);
    assert_eq!((code, &checked["ok"]), (2, &json!(false)));
    let whats: Vec<_> = checked["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["what"].to_string())
        .collect();
    for expected in ["calls", "far"] {
        assert!(
            whats.iter().any(|what| what.contains(expected)),
            "{expected} in {whats:?}"
        );
    }
    let mut after = place.tree();
    assert_eq!(
        after.remove(&place.at("near/check")),
        Some(None),
        "an empty directory"
    );
    assert!(after == before, "what was tried is removed again");
    let (code, taken) = place.json(&["snapshot"]);
    assert_eq!(
        code, 3,
        "a new table is backed up, and named until somebody says whose it is"
    );
    assert!(texts(&taken["unsettled"])[0].contains("calls"), "{taken:#}");
}

#[test]
fn without_a_repository_nothing_works_but_looking() {
    let place = Place::initialised();
    fs::remove_dir_all(place.at("state")).unwrap();
    fails(
        &place,
        &[
            (&["snapshot"], 1, "tenure init"),
            (&["status"], 1, "tenure init"),
            (&["customer", "list"], 1, "tenure init"),
        ],
    );
    assert_eq!(place.json(&["inspect"]).0, 0);
    let (code, checked) = place.json(&["check"]);
    assert!(
        code == 2
            && checked["problems"]
                .to_string()
                .contains("there is no repository"),
        "{checked:#}"
    );
}
