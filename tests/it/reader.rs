//! An independent reader, in another language and written from the text of the format modules alone
//! (`tests/reader`), finds in a repository what we find, and refuses what does not verify.

mod crm;
mod golden;
pub mod python;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tenure::clock::Timestamp;
use tenure::forget;

use crate::support::compare::same;
use crate::support::place::Place;
use crate::support::raw::{files, open_everything};
use crm::{FAMOUS, alike, both, dump, execute};
use python::{Reader, done, refused};

/// That the reader lists what we list.
fn listed_alike(place: &Place, reader: &Reader, store: &str) {
    let repository = place.read();
    let ours = repository.catalog.snapshots().unwrap();
    let theirs = reader.list(place, store);
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs["incarnation"], ours.id.inc.to_string());
        assert_eq!(theirs["snapshot"], ours.id.number);
        assert_eq!(theirs["kind"], ours.kind.to_string());
        let time = |field: &str| Timestamp::parse(theirs[field].as_str().unwrap()).unwrap();
        assert_eq!(time("started"), ours.started);
        assert_eq!(time("finished"), ours.finished);
        assert_eq!(theirs["customers"], ours.customers);
        assert_eq!(theirs["sources"], serde_json::json!(["crm", "phone"]));
    }
}

/// A full snapshot, an incremental one; somebody is forgotten; another incremental one, a full one.
fn four_snapshots(place: &Place) {
    place.snapshot(false);
    let changes = "UPDATE customers SET name = 'Everybody''s name' WHERE rowid % 40 = 1;
        INSERT INTO \"the \"\"orders\"\"\" (customer, what) SELECT no, 'kelp larch' FROM customers WHERE rowid < 60;
        DELETE FROM lines WHERE customer = 'C9'; DELETE FROM bills WHERE customer = 'C9';
        DELETE FROM things WHERE _rowid_ = 13; INSERT INTO countries VALUES ('IT', 'Italy');";
    execute(&place.db, changes);
    place.snapshot(false);
    forget::run(&mut place.change(), &[FAMOUS.into()], &[]).unwrap();
    execute(
        &place.db,
        "ALTER TABLE things ADD COLUMN z DEFAULT 'new'; DROP TRIGGER joined",
    );
    execute(
        &place.path("phone.db"),
        "DELETE FROM calls WHERE who = 'C3'",
    );
    place.snapshot(false);
    execute(
        &place.db,
        "DROP TABLE countries; CREATE TABLE cities (x); INSERT INTO cities VALUES (1)",
    );
    place.snapshot(true);
}

#[test]
fn every_snapshot_comes_back_as_we_restore_it() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let place = crm::place();
    four_snapshots(&place);
    for number in 1..=4 {
        alike(&place, &reader, number, ["a", "b"][number % 2]);
    }
    for store in ["a", "b"] {
        listed_alike(&place, &reader, store);
    }
    let repository = place.read();
    let opened = open_everything(&repository, &repository.keyring, &place.path("a"));
    assert!(opened.dictionaries > 0, "no pack has a dictionary");
}

#[test]
fn what_was_there_comes_back_exactly() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let place = crm::place();
    let kept = place.keep(1);
    place.snapshot(false);
    let [crm, phone] = both(&place, &reader, 1, "a").try_into().unwrap();
    same(&kept, &crm.1).unwrap();
    same(&place.path("phone.db"), &phone.1).unwrap();
}

#[test]
fn a_forgotten_customers_rows_cannot_be_read() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let place = crm::place();
    let name = "Everybody's name 7\"";
    place.snapshot(false);
    assert!(dump(&place, &reader, 1).contains(name));
    // Nothing but the journal says so where the keyring is an older one, which somebody has put back.
    let keyring = files(&place.path("a/keyring")).remove(0);
    let older = fs::read(&keyring).unwrap();
    forget::run(&mut place.change(), &[FAMOUS.into()], &[]).unwrap();
    for put_back in [false, true] {
        if put_back {
            let newer = files(&place.path("a/keyring")).remove(0);
            fs::remove_file(newer).unwrap();
            fs::write(&keyring, &older).unwrap();
        }
        let rows = dump(&place, &reader, 1);
        assert!(!rows.contains(name));
        assert!(rows.contains("Everybody's name 8\""));
        assert_eq!(rows.matches("{\"lost\":").count(), 61);
    }
}

/// Every object of store `a` once, by path.
fn objects(place: &Place) -> Vec<String> {
    let store = place.path("a");
    let path = |path: &Path| path.strip_prefix(&store).unwrap().display().to_string();
    files(&store).iter().map(|found| path(found)).collect()
}

#[test]
fn whatever_is_damaged_is_refused_by_its_name() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let place = crm::place();
    place.snapshot(false);
    execute(&place.db, "UPDATE customers SET joined = NULL");
    place.snapshot(false);
    let mut folders = BTreeSet::new();
    for path in objects(&place) {
        let (folder, _) = path.split_once('/').unwrap_or((&path, ""));
        // The reader has no use for the root's own key, and does not look at the audit log.
        if ["root.age", "audit"].contains(&folder) || !folders.insert(folder.to_owned()) {
            continue;
        }
        let file = place.path("a").join(&path);
        let whole = fs::read(&file).unwrap();
        let (middle, end) = (whole.len() / 2, whole.len() - 1);
        for at in [8, middle, end] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&file, damaged).unwrap();
            let why = refused(&reader.at(&place, "a", &["dump", "2"]));
            assert!(
                why.starts_with(&format!("{path}: ")) || why.starts_with(&format!("{path} is ")),
                "{path}: {why}"
            );
        }
        fs::write(&file, &whole[..end]).unwrap();
        let why = refused(&reader.at(&place, "a", &["dump", "2"]));
        assert!(why.contains(&path), "{path}: {why}");
        fs::write(&file, whole).unwrap();
    }
    let wanted = [
        "journal",
        "keyring",
        "packs",
        "pages",
        "snapshots",
        "writer",
    ];
    assert!(folders.iter().eq(&wanted), "{folders:?}");
    assert!(dump(&place, &reader, 2).contains("Everybody's name 400"));
}

#[test]
fn a_journal_that_is_too_short_stops_the_reader() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let place = crm::place();
    place.snapshot(false);
    forget::run(&mut place.change(), &[FAMOUS.into()], &[]).unwrap();
    let entries = files(&place.path("a/journal"));
    fs::remove_file(entries.last().unwrap()).unwrap();
    let why = refused(&reader.at(&place, "a", &["list"]));
    assert!(why.contains("the keyring knows of"), "{why}");
    fs::remove_file(&entries[0]).unwrap();
    let why = refused(&reader.at(&place, "a", &["list"]));
    assert!(why.contains("is missing"), "{why}");
}

#[test]
fn a_repository_of_another_root_is_refused() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let place = crm::place();
    place.snapshot(false);
    let (store, identity) = (place.path("a"), place.path("offline.key"));
    reader.list(&place, "a");
    let why = refused(&reader.run(&store, &identity, Some(&"ab".repeat(32)), &["list"]));
    assert!(why.contains("writer"), "{why}");
    // The identity file itself says which it is.
    let listed = done(reader.run(&store, &identity, None, &["list"]));
    assert!(listed.contains("\"full\""));
}
