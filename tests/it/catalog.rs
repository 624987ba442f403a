//! The catalog is an index: one that was lost, emptied or replaced by an older one is found again
//! from the state directory and the stores before a number is given out or a customer looked up.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tenure::catalog::Snapshot;
use tenure::error::FailureKind;
use tenure::forget;
use tenure::ids::{Domain, KeyedHash, SnapshotId, StoreName};
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::{customers, prune};

use crate::support::place::Place;

const SCHEMA: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, since TEXT NOT NULL);
    CREATE TABLE invoices (no INTEGER PRIMARY KEY, person INTEGER REFERENCES people(id));
    CREATE TABLE colours (name TEXT);
    INSERT INTO people VALUES (1, 'a'), (2, 'a'), (3, 'a');
    INSERT INTO invoices VALUES (10, 1), (11, 2), (12, NULL);
    INSERT INTO colours VALUES ('red');";

fn place() -> Place {
    let register = "table = \"people\"\nkey = \"id\"\nsince = \"since\"";
    let ownership =
        "shared = [\"colours\"]\n[[source.owns]]\ntable = \"invoices\"\nclass = \"billing\"";
    Place::new(register, ownership, |db| {
        Connection::open(db).unwrap().execute_batch(SCHEMA).unwrap();
    })
}

fn sql(place: &Place, sql: &str) {
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

fn catalog(place: &Place) -> PathBuf {
    place.path("state/catalog.db")
}

fn arrival(repository: &Repository, id: &str) -> u32 {
    customers::find(repository, id).unwrap()[0].domain.arrival
}

/// What a catalog says that must be found again, whatever became of it.
#[derive(Debug, PartialEq)]
struct Said {
    customers: HashMap<KeyedHash, Domain>,
    erased: HashMap<KeyedHash, Domain>,
    snapshots: Vec<Snapshot>,
    complete: BTreeMap<SnapshotId, Vec<StoreName>>,
    pruned: Vec<u64>,
    places: Vec<String>,
    next: u32,
    numbers: Vec<(i64, Vec<u8>, u32)>,
}

fn said(repository: &Repository) -> Said {
    let catalog = &repository.catalog;
    Said {
        customers: catalog.arrivals().unwrap(),
        erased: catalog.erased().unwrap(),
        snapshots: catalog.snapshots().unwrap(),
        complete: catalog.complete().unwrap(),
        pruned: catalog
            .pruned(repository.inc())
            .unwrap()
            .into_keys()
            .collect(),
        places: catalog.key_places().unwrap().into_keys().collect(),
        next: catalog.next_customer().unwrap(),
        numbers: Vec::new(),
    }
}

/// The same with the numbers for life, which only the file tells.
fn said_by_file(place: &Place) -> Said {
    let file = Connection::open(catalog(place)).unwrap();
    let query = "SELECT kind, name, number FROM number ORDER BY kind, number";
    let mut statement = file.prepare(query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    Said {
        numbers: rows.unwrap().map(Result::unwrap).collect(),
        ..said(&place.read())
    }
}

/// Five snapshots: with somebody who came, one who left the register, one who was forgotten, and two
/// snapshots that were pruned.
fn lived() -> Place {
    let place = place();
    place.snapshot(true);
    sql(&place, "INSERT INTO people VALUES (4, 'b')");
    place.snapshot(true);
    forget::run(&mut place.change(), &["3".into()], &[]).unwrap();
    place.snapshot(true);
    sql(
        &place,
        "DELETE FROM invoices WHERE person = 1; DELETE FROM people WHERE id = 1",
    );
    place.snapshot(false);
    place.reconfigure(|text| text + "[snapshots]\nkeep = { daily = 1 }\n");
    prune::run(&mut place.change(), Some("4"), &Silent).unwrap();
    assert_eq!(said(&place.read()).pruned, [1, 2]);
    place
}

#[test]
fn a_catalog_that_was_lost_or_emptied_is_found_again() {
    let place = lived();
    let before = said_by_file(&place);
    for lose in [
        (|path| fs::remove_file(path).unwrap()) as fn(PathBuf),
        |path| fs::write(path, "").unwrap(),
    ] {
        lose(catalog(&place));
        let mut read = said(&place.read());
        assert_eq!(place.read().notes.len(), 1);
        // A reader does not enter it.
        assert_eq!(place.read().notes.len(), 1);
        let (repository, _) = place.settled().unwrap();
        assert_eq!(repository.notes.len(), 1);
        assert!(
            repository.notes[0]
                .to_string()
                .contains("2 of the kept snapshots")
        );
        drop(repository);
        assert!(place.read().notes.is_empty());
        assert_eq!(said_by_file(&place), before);
        read.numbers.clone_from(&before.numbers);
        assert_eq!(read, before);
    }
    sql(&place, "INSERT INTO people VALUES (5, 'c')");
    let taken = place.snapshot(false);
    assert_eq!((taken.id.number, taken.totals.changed), (5, 1));
    assert_eq!(taken.left_out.len(), 1, "3 is still recognised");
    assert_eq!(arrival(&place.read(), "5"), before.next);
    // Nobody but the one who is meant goes.
    forget::run(&mut place.change(), &["5".into()], &[]).unwrap();
    for id in ["1", "2", "4"] {
        let domain = customers::find(&place.read(), id).unwrap()[0].domain;
        assert!(!place.read().keyring.forest.is_punctured(domain), "{id}");
    }
    let verified = tenure::verify::run(&mut place.read(), None, true, &Silent).unwrap();
    assert!(verified.is_ok(), "{:?}", verified.problems);
}

#[test]
fn a_store_that_was_taken_out_of_the_configuration_stays_known() {
    let place = place();
    place.reconfigure(|text| text.replace("[[store]]\nname = \"b\"", "[[store]]\nname = \"c\""));
    place.reconfigure(|text| text.replace("/b\"\n", "/c\"\n"));
    place.change();
    let entries = place.read().log().position().len;
    fs::remove_file(catalog(&place)).unwrap();
    let (repository, settled) = place.settled().unwrap();
    assert_eq!(said(&repository).places, ["a", "b", "c"]);
    assert_eq!(repository.log().position().len, entries);
    // Nobody has seen since that it holds no older keyring.
    assert_eq!(settled.pending, ["b".parse().unwrap()]);
}

#[test]
fn an_older_catalog_gives_no_number_twice_and_forgets_who_is_meant() {
    let place = place();
    place.snapshot(true);
    let older = place.path("older.db");
    fs::copy(catalog(&place), &older).unwrap();
    sql(&place, "INSERT INTO people VALUES (4, 'b')");
    place.snapshot(false);
    let four = arrival(&place.read(), "4");
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    let before = said_by_file(&place);
    fs::copy(&older, catalog(&place)).unwrap();
    let reader = place.read();
    assert_eq!((arrival(&reader, "4"), reader.notes.len()), (four, 1));
    assert!(customers::find(&reader, "2").is_err());
    sql(&place, "INSERT INTO people VALUES (5, 'c')");
    place.change();
    assert_eq!(said_by_file(&place), before);
    place.snapshot(false);
    assert_eq!(arrival(&place.read(), "5"), four + 1);
    forget::run(&mut place.change(), &["5".into()], &[]).unwrap();
    assert_eq!(arrival(&place.read(), "4"), four);
}

#[test]
fn numbers_that_a_crashed_run_may_have_used_are_not_given_again() {
    let place = place();
    place.snapshot(true);
    let next = place.read().catalog.next_customer().unwrap();
    // What such a run leaves: it had given numbers, and only an older catalog is there.
    let state = place.read().state;
    let (customer, own) = state.next_numbers().unwrap().unwrap();
    assert_eq!(customer, next);
    state.set_next_numbers((customer + 7, own + 5)).unwrap();
    assert!(place.change().notes.is_empty());
    sql(
        &place,
        "INSERT INTO people VALUES (4, 'b'); CREATE TABLE new (x)",
    );
    place.snapshot(false);
    assert_eq!(arrival(&place.read(), "4"), customer + 7);
    let manifest = place.read().state.next_numbers().unwrap().unwrap();
    assert_eq!(manifest, (customer + 8, own + 6));
    // If nobody has noted which, they are passed over.
    fs::remove_file(place.path("state/numbers")).unwrap();
    fs::remove_file(catalog(&place)).unwrap();
    place.change();
    sql(&place, "INSERT INTO people VALUES (5, 'c')");
    place.snapshot(false);
    assert!(arrival(&place.read(), "5") > 1 << 24);
    assert_eq!(arrival(&place.read(), "4"), customer + 7);
}

#[test]
fn a_catalog_of_another_state_is_refused_and_a_damaged_one_tells_the_way_out() {
    let (place, other) = (place(), place());
    place.snapshot(true);
    other.snapshot(true);
    other.change();
    fs::copy(catalog(&other), catalog(&place)).unwrap();
    let failure = place.settled().err().unwrap();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(failure.next_step().unwrap().contains("move"), "{failure:?}");
    fs::write(
        catalog(&place),
        "not a database at all, by no means".repeat(100),
    )
    .unwrap();
    let failure = place.settled().err().unwrap();
    assert!(failure.next_step().unwrap().contains("move"), "{failure:?}");
    fs::remove_file(catalog(&place)).unwrap();
    place.change();
    assert_eq!(said(&place.read()).customers.len(), 3);
}
