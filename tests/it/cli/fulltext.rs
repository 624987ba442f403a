//! Full-text tables with customers' words, from `init` to the last byte.

use std::fs;

use rusqlite::Connection;
use serde_json::json;

use super::{Place, texts};
use crate::support::canary::{Canary, find};

/// Notes with an index over them, and one with its own text that triggers keep.
fn crm(word: &str) -> String {
    format!(
        "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE notes(id INTEGER PRIMARY KEY, who INT NOT NULL REFERENCES people, body TEXT);
         CREATE VIRTUAL TABLE found USING fts5(body, content='notes', content_rowid='id');
         CREATE VIRTUAL TABLE notes_words USING fts5(body, kind UNINDEXED);
         CREATE VIRTUAL TABLE lost USING fts5(body, content='');
         CREATE TRIGGER n1 AFTER INSERT ON notes BEGIN
            INSERT INTO found(rowid, body) VALUES (new.id, new.body);
            INSERT INTO notes_words(rowid, body, kind) VALUES (new.id, new.body, 7); END;
         CREATE TRIGGER n2 AFTER DELETE ON notes BEGIN
            INSERT INTO found(found, rowid, body) VALUES ('delete', old.id, old.body);
            DELETE FROM notes_words WHERE rowid = old.id; END;
         INSERT INTO notes_words(notes_words, rank) VALUES ('rank', 'bm25(3.0)');
         INSERT INTO people VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cid');
         INSERT INTO notes(who, body) VALUES (1, 'red fox'), (2, '{word} whale'), (2, 'blue {word}'), (3, 'blue sky');"
    )
}

fn ask(place: &Place, database: &str, sql: &str) -> Vec<String> {
    let copy = Connection::open(place.at(database)).unwrap();
    let mut prepared = copy.prepare(sql).unwrap();
    let rows = prepared.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn matches(place: &Place, database: &str, index: &str, words: &str) -> Vec<String> {
    let sql =
        format!("SELECT rowid || '' FROM {index} WHERE {index} MATCH '{words}' ORDER BY rowid");
    ask(place, database, &sql)
}

#[test]
fn words_are_backed_up_restored_erased_and_forgotten() {
    let word = Canary::new();
    let place = Place::with_database(&crm(word.as_str()), "people.id");
    let text = fs::read_to_string(place.at("tenure.toml")).unwrap();
    assert!(text.contains("by = \"rowid -> notes\""), "{text}");
    assert!(text.contains("the virtual table lost (fts5)"), "{text}");
    let (code, said) = place.json(&["snapshot"]);
    assert_eq!(code, 3, "nobody has said whose the words are: {said:#}");
    place.own("notes_words", "rowid -> notes");
    let (code, said) = place.json(&["snapshot"]);
    assert_eq!(code, 3, "{said:#}");
    let said = said.to_string();
    assert!(
        said.contains("lost (fts5)") && !said.contains("notes_words"),
        "{said}"
    );

    let all = |to: &str| {
        let (code, all) = place.json(&["restore", "--to", to]);
        assert_eq!(
            (code, texts(&all["sources"][0]["problems"])),
            (0, Vec::new()),
            "{all:#}"
        );
        format!("{to}/x/x.db")
    };
    let db = all("all");
    for index in ["found", "notes_words"] {
        assert_eq!(matches(&place, &db, index, "blue"), ["3", "4"], "{index}");
        assert_eq!(
            matches(&place, &db, index, word.as_str()),
            ["2", "3"],
            "{index}"
        );
    }
    let rank = "SELECT v FROM notes_words_config WHERE k = 'rank'";
    assert_eq!(ask(&place, &db, rank), ["bm25(3.0)"]);
    let (code, one) = place.json(&["customer", "restore", "2", "--to", "one"]);
    assert_eq!((code, &one["rows"]), (0, &json!(5)), "{one:#}");
    let lines = fs::read_to_string(place.at("one/x/notes_words.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2);
    assert!(
        lines.contains(&format!(
            "{{\"body\":\"{} whale\",\"kind\":7}}",
            word.as_str()
        )),
        "{lines}"
    );
    for index in ["found", "notes_words"] {
        assert_eq!(
            matches(&place, "one/x.sqlite", index, "blue"),
            ["3"],
            "{index}"
        );
    }

    // Deleted live and put back.
    let live = Connection::open(place.at("x.db")).unwrap();
    live.execute_batch("DELETE FROM notes WHERE who = 2")
        .unwrap();
    let (code, back) = place.json(&["customer", "restore", "2", "--live", "--replace"]);
    assert_eq!(code, 0, "{back:#}");
    assert_eq!(matches(&place, "x.db", "notes_words", "blue"), ["3", "4"]);
    drop(live);

    fs::remove_dir_all(place.at("all")).unwrap();
    fs::remove_dir_all(place.at("one")).unwrap();
    assert!(!find(&place.at(""), word.as_bytes()).is_empty());
    let (code, erased) = place.json(&["customer", "erase", "2", "--reason", "asked", "--yes"]);
    assert_eq!((code, erased["state"].as_str()), (3, Some("erasing")));
    // Nobody fills `lost`, but that cannot be known.
    assert!(
        texts(&erased["pending"])[0].contains("source x: the virtual table lost (fts5)"),
        "{erased:#}"
    );
    assert_eq!(
        find(&place.at(""), word.as_bytes()),
        Vec::<std::path::PathBuf>::new()
    );
    let db = all("after");
    for index in ["found", "notes_words"] {
        for database in ["x.db", &db] {
            assert_eq!(
                matches(&place, database, index, "blue OR whale"),
                ["4"],
                "{index}"
            );
        }
    }
    assert_eq!(
        find(&place.at("after"), word.as_bytes()),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(place.json(&["keys", "forget", "3"]).0, 0);
    let db = all("forgotten");
    assert_eq!(matches(&place, &db, "notes_words", "blue OR red"), ["1"]);
}

/// Notes whose words are in indexes that no trigger empties, and in one that triggers do.
fn with_indexes_that_keep(word: &str) -> String {
    format!(
        "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE notes(id INTEGER PRIMARY KEY, who INT NOT NULL REFERENCES people, body TEXT);
         CREATE VIRTUAL TABLE four USING fts4(body);
         CREATE VIRTUAL TABLE bare USING fts5(body, content='');
         CREATE VIRTUAL TABLE tidy USING fts4(body);
         CREATE TRIGGER n1 AFTER INSERT ON notes BEGIN
            INSERT INTO four(docid, body) VALUES (new.id, new.body);
            INSERT INTO tidy(docid, body) VALUES (new.id, new.body); END;
         CREATE TRIGGER n2 AFTER DELETE ON notes BEGIN DELETE FROM tidy WHERE docid = old.id; END;
         INSERT INTO people VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cid');
         INSERT INTO notes(who, body) VALUES (1, 'red fox'), (2, '{word} whale'), (3, '{word} eel');
         INSERT INTO bare(rowid, body) SELECT id, body FROM notes;"
    )
}

#[test]
fn text_that_stays_in_an_index_is_named_until_the_index_is_dropped() {
    let word = Canary::new();
    let place = Place::with_database(&with_indexes_that_keep(word.as_str()), "people.id");
    assert_eq!(place.json(&["snapshot"]).0, 3);
    let erase = ["customer", "erase", "2", "--reason", "asked", "--yes"];
    let (code, erased) = place.json(&erase);
    assert_eq!((code, erased["state"].as_str()), (3, Some("erasing")));
    let pending = texts(&erased["pending"]);
    let of_source = |table: &str| format!("source x: the virtual table {table}: ");
    let named = |said: &[String], table| said.iter().any(|s| s.starts_with(&of_source(table)));
    assert!(
        named(&pending, "four (fts4)") && named(&pending, "bare (fts5)"),
        "{pending:?}"
    );
    assert!(!named(&pending, "tidy (fts4)"), "{pending:?}");
    let number = erased["certificate"].to_string();
    let certificate = || {
        let (code, said) = place.json(&["certificate", "show", &number]);
        assert_eq!(code, 0);
        said["certificate"].clone()
    };
    let said = certificate();
    assert_eq!(said["final"], false);
    assert_eq!(texts(&said["pending"]), pending);
    let remnants = &said["live"]["sources"][0]["remnants"];
    assert_eq!(remnants["the virtual table tidy (fts4)"], "made anew");

    // In words too, and by retention's way of erasing as well, which is the same.
    let ran = place.run(&["customer", "erase", "3", "--reason", "asked", "--yes"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("source x: the virtual table four (fts4)"));

    let live = Connection::open(place.at("x.db")).unwrap();
    live.execute_batch(
        "PRAGMA secure_delete = OFF; DROP TRIGGER n1; DROP TABLE four; DROP TABLE bare",
    )
    .unwrap();
    drop(live);
    assert!(!find(&place.at(""), word.as_bytes()).is_empty());
    place.json(&["snapshot"]);
    let said = certificate();
    assert!(
        !texts(&said["pending"])
            .iter()
            .any(|what| what.starts_with("source")),
        "{said:#}"
    );
    assert_eq!(
        find(&place.at(""), word.as_bytes()),
        Vec::<std::path::PathBuf>::new()
    );
}
