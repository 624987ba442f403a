//! A state directory that was put back from a copy, in place: its journal is shorter than the stores'.
//! What was decided since is heeded by every reader and told, and nothing is written.

use std::fs;
use std::process::Command;

use rusqlite::Connection;
use tenure::error::FailureKind;
use tenure::object::Chain;
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::restore;
use tenure::{check, customers, forget, prune, status};

use crate::support::place::Place;

const SCHEMA: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, since TEXT NOT NULL);
    INSERT INTO people VALUES (1, 'a'), (2, 'a'), (3, 'a');";

fn place() -> Place {
    let register = "table = \"people\"\nkey = \"id\"\nsince = \"since\"";
    Place::new(register, "", |db| {
        Connection::open(db).unwrap().execute_batch(SCHEMA).unwrap();
    })
}

/// Copies what is in one directory into another, which stays the one that it is.
fn put(place: &Place, from: &str, to: &str) {
    let to = place.path(to);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(&to).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
    let all = format!("{}/.", place.path(from).display());
    let copied = Command::new("cp").args(["-a", &all]).arg(&to).status();
    assert!(copied.unwrap().success());
}

/// A state from before customer 1 was forgotten and a snapshot was pruned.
fn rolled_back() -> Place {
    let place = place();
    place.snapshot(true);
    place.snapshot(true);
    put(&place, "state", "older");
    forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    place.reconfigure(|text| text + "[snapshots]\nkeep = { daily = 1 }\n");
    assert_eq!(
        prune::run(&mut place.change(), None, &Silent)
            .unwrap()
            .plan
            .going()
            .count(),
        1
    );
    put(&place, "older", "state");
    place
}

fn notes(repository: &Repository) -> String {
    let notes = repository.notes.iter().map(|note| format!("{note:?}\n"));
    notes.collect()
}

#[test]
fn readers_heed_what_only_the_stores_know() {
    let place = rolled_back();
    let reader = place.read();
    assert_eq!(reader.notes.len(), 1, "{}", notes(&reader));
    assert!(
        notes(&reader).contains("2 journal entries up to number 5"),
        "{}",
        notes(&reader)
    );
    let hint = reader.notes[0].next_step().unwrap();
    assert!(
        hint.contains("put back") && hint.contains("two hosts"),
        "{hint}"
    );
    let failure = customers::find(&reader, "1").unwrap_err();
    assert_eq!(failure.kind(), FailureKind::NotFound);
    let listed = customers::list(&reader, &customers::Filter::default()).unwrap();
    let states: Vec<_> = listed.iter().map(|listed| listed.state.as_str()).collect();
    assert_eq!(states, ["erased", "active", "active"]);
    // The first snapshot was pruned.
    assert!(restore::choose(&reader, Some("1"), None).is_err());
    let id = restore::choose(&reader, None, None).unwrap();
    let restored = restore::whole(&reader, &place.path("out"), id, None, None, &Silent).unwrap();
    assert_eq!(restored.sources[0].rows, 2);
    assert_eq!(restored.left_out.len(), 1);
    let status = status::run(&reader).unwrap();
    assert!(!status.ok && status.problems[0].what.contains("older than the store"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let checked = check::run(Ok(place.config()), runtime.handle());
    assert!(!checked.is_ok());
    assert!(
        checked
            .problems
            .iter()
            .any(|p| p.what.contains("older than the store"))
    );
}

#[test]
fn a_change_is_refused_and_says_what_may_have_happened() {
    let place = rolled_back();
    let failure = place.settled().err().unwrap();
    assert_eq!(failure.kind(), FailureKind::Refused);
    assert!(
        failure.next_step().unwrap().contains("put back"),
        "{failure:?}"
    );
}

#[test]
fn an_entry_that_nobody_signed_or_that_does_not_follow_is_named() {
    let place = rolled_back();
    let inc = place.read().inc();
    let entry = |store: &str, number| place.path(store).join(Chain::Journal.path(inc, number));
    // One store's copy is damaged: the other's counts.
    fs::write(entry("a", 4), "damaged").unwrap();
    assert!(customers::find(&place.read(), "1").is_err());
    // Without the first, the second stands alone: it counts, and that it does is told.
    fs::write(entry("b", 4), "damaged").unwrap();
    let reader = place.read();
    let told = notes(&reader);
    assert!(
        told.contains("cannot read") && told.contains("does not follow"),
        "{told}"
    );
    assert!(restore::choose(&reader, Some("1"), None).is_err());
    // What is nobody's at all is named, and nothing else follows from it.
    for store in ["a", "b"] {
        fs::remove_file(entry(store, 5)).unwrap();
    }
    let reader = place.read();
    assert!(notes(&reader).contains("cannot read"), "{}", notes(&reader));
    assert!(customers::find(&reader, "1").is_ok());
}

#[test]
fn what_this_host_has_just_decided_is_nobody_else_s() {
    let place = place();
    place.snapshot(true);
    let inc = place.read().inc();
    let reader = place.read();
    assert!(reader.notes.is_empty());
    // An interrupted command: its entry is in one store, and intended here.
    forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    put(&place, "state", "older");
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    let newest = place.path("state").join(Chain::Journal.path(inc, 5));
    let bytes = fs::read(newest).unwrap();
    put(&place, "older", "state");
    fs::write(place.path(&format!("state/journal/{inc}.intent")), bytes).unwrap();
    let reader = place.read();
    assert!(reader.notes.is_empty(), "{}", notes(&reader));
    assert!(customers::find(&reader, "2").is_err());
}
