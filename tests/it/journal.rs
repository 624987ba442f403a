//! The journal where it is awkward: an entry that no store took, one that a store may have taken, one
//! of another writer, and copies that are behind or wrong.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tenure::error::{Failure, FailureKind};
use tenure::journal::Event;
use tenure::object::Chain;
use tenure::repo::Repository;

use crate::support::place::Place;

fn place() -> Place {
    Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch(
            "CREATE TABLE people (id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2), (3)",
        )
        .unwrap();
    })
}

/// Something that can be decided again and again, and has no further effect.
fn note() -> Event {
    Event::StoreOpened {
        name: "a".into(),
        url: "file:///a".into(),
    }
}

/// An entry that is longer.
fn long_note() -> Event {
    Event::StoreOpened {
        name: "a".into(),
        url: (0..200).map(|n| format!("{n:x}")).collect(),
    }
}

fn folder(place: &Place, root: &str, repository: &Repository) -> PathBuf {
    let inc = repository.inc().to_string();
    place.dir.path().join(root).join("journal").join(inc)
}

fn entry(place: &Place, root: &str, repository: &Repository, number: u64) -> PathBuf {
    let path = Chain::Journal.path(repository.inc(), number);
    place.dir.path().join(root).join(path)
}

fn intent(place: &Place, repository: &Repository) -> PathBuf {
    folder(place, "state", repository).with_extension("intent")
}

/// Puts something in a folder's place, and gives back a way to undo that.
fn blocked(folder: PathBuf, block: fn(&Path)) -> impl FnOnce() {
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).unwrap();
    block(&folder);
    move || {
        fs::remove_file(&folder).unwrap();
        fs::rename(&aside, &folder).unwrap();
    }
}

fn all_of(failure: &Failure) -> String {
    format!("{failure} / {}", failure.causes().join(" / "))
}

#[test]
fn an_entry_that_no_store_took_never_was() {
    let place = place();
    let mut repository = place.change();
    let before = repository.log().position();
    // Nothing can be written through a link into nowhere, and nothing is there.
    let undo = ["a", "b"].map(|root| {
        blocked(folder(&place, root, &repository), |at| {
            symlink("/nowhere/at/all", at).unwrap();
        })
    });
    let failure = repository.decide(note()).unwrap_err();
    assert!(
        all_of(&failure).contains("nothing was changed"),
        "{}",
        all_of(&failure)
    );
    assert_eq!(repository.log().position(), before);
    assert!(!intent(&place, &repository).exists());
    undo.into_iter().for_each(|undo| undo());
    repository.decide(note()).unwrap();
    assert_eq!(repository.log().position().len, before.len + 1);
}

#[test]
fn that_no_store_took_an_entry_is_seen_beside_those_before_it() {
    let place = place();
    let mut repository = place.change();
    let before = repository.log().position();
    // The name is taken, by nothing that can be read.
    let taken = ["a", "b"].map(|root| entry(&place, root, &repository, before.len + 1));
    for path in &taken {
        symlink("/nowhere/at/all", path).unwrap();
    }
    let failure = repository.decide(note()).unwrap_err();
    assert!(
        failure.to_string().contains("nothing was changed"),
        "{failure}"
    );
    assert_eq!(repository.log().position(), before);
    assert!(!intent(&place, &repository).exists());
    for path in &taken {
        fs::remove_file(path).unwrap();
    }
    repository.decide(note()).unwrap();
}

#[test]
fn an_entry_that_a_store_may_have_taken_is_carried_on_with() {
    let place = place();
    place.snapshot(true);
    let mut repository = place.change();
    let number = repository.log().position().len + 1;
    let block = || {
        ["a", "b"].map(|root| {
            blocked(folder(&place, root, &repository), |at| {
                fs::write(at, "in the way").unwrap();
            })
        })
    };
    // The stores do not say whether they have it.
    let undo = block();
    let failure = repository.decide(note()).unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("the next command that can reach a store finishes it"),
        "{failure}"
    );
    assert!(intent(&place, &repository).exists());
    // Whoever reads now knows of it already.
    assert!(!place.read().has_grown().unwrap());
    drop(repository);
    // Still no store that can be used: it is not given up.
    let (failure, inc) = (place.settled().err().unwrap(), place.read().inc());
    assert!(
        all_of(&failure).contains("finish what an interrupted command has decided"),
        "{}",
        all_of(&failure)
    );
    undo.into_iter().for_each(|undo| undo());
    // One store had it before the answer was lost.
    let state = place.dir.path().join("state/journal");
    let wanted = fs::read(state.join(format!("{inc}.intent"))).unwrap();
    fs::write(entry(&place, "b", &place.read(), number), &wanted).unwrap();
    let (repository, settled) = place.settled().unwrap();
    assert_eq!(settled.finished, ["a journal entry that was being written"]);
    assert_eq!(repository.log().position().len, number);
    for root in ["a", "b", "state"] {
        assert_eq!(
            fs::read(entry(&place, root, &repository, number)).unwrap(),
            wanted
        );
    }
    assert!(!intent(&place, &repository).exists());
    assert!(!repository.has_grown().unwrap());
    drop(repository);
    assert!(place.settled().unwrap().1.finished.is_empty());
}

#[test]
fn another_writer_s_entry_is_refused_whatever_its_length() {
    let place = place();
    for (event, other) in [(note(), 40), (note(), 4000), (long_note(), 300)] {
        let mut repository = place.change();
        let number = repository.log().position().len + 1;
        let path = entry(&place, "b", &repository, number);
        // After this host had looked.
        fs::write(&path, vec![7; other]).unwrap();
        let failure = repository.decide(event).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Refused, "{}", all_of(&failure));
        assert!(failure.next_step().unwrap().contains("two hosts"));
        assert_eq!(repository.log().position().len, number - 1);
        assert!(!intent(&place, &repository).exists());
        // And before it looks again.
        drop(repository);
        let failure = place.settled().err().unwrap();
        assert_eq!(failure.kind(), FailureKind::Refused, "{}", all_of(&failure));
        assert!(all_of(&failure).contains("which this host did not write"));
        fs::remove_file(&path).unwrap();
        fs::remove_file(entry(&place, "a", &place.read(), number)).unwrap();
    }
    place.change();
}

#[test]
fn a_last_entry_that_is_damaged_is_put_there_again() {
    let place = place();
    let repository = place.read();
    let number = repository.log().position().len;
    for len in [1, 4000] {
        let path = entry(&place, "a", &repository, number);
        let good = fs::read(&path).unwrap();
        fs::write(&path, vec![7; len]).unwrap();
        place.change();
        assert_eq!(fs::read(&path).unwrap(), good);
    }
}

#[test]
fn what_cannot_be_read_in_a_store_is_not_replaced() {
    let place = place();
    let repository = place.read();
    let path = entry(&place, "a", &repository, repository.log().position().len);
    fs::remove_file(&path).unwrap();
    symlink("/nowhere/at/all", &path).unwrap();
    let (repository, settled) = place.settled().unwrap();
    let absent: Vec<_> = repository.absent.keys().map(ToString::to_string).collect();
    assert_eq!((absent, settled.pending.len()), (vec!["a".to_owned()], 0));
    assert!(path.is_symlink());
}

#[test]
fn a_store_gets_the_entries_that_it_lacks() {
    let place = place();
    let mut repository = place.change();
    for _ in 0..3 {
        repository.decide(note()).unwrap();
    }
    let last = repository.log().position().len;
    assert!(last >= 6);
    drop(repository);
    let repository = place.read();
    let at = |root: &str, number| entry(&place, root, &repository, number);
    for number in [1, 2, last] {
        fs::remove_file(at("b", number)).unwrap();
    }
    place.change();
    for number in 1..=last {
        let wanted = fs::read(at("state", number)).unwrap();
        for root in ["a", "b"] {
            assert_eq!(
                fs::read(at(root, number)).unwrap(),
                wanted,
                "{root} {number}"
            );
        }
    }
    // Those before the last are not fetched to be compared: `verify` does that.
    let second = at("a", 2);
    let good = fs::read(&second).unwrap();
    fs::write(&second, "wrong").unwrap();
    place.change();
    assert_eq!(fs::read(&second).unwrap(), b"wrong");
    fs::write(&second, good).unwrap();
}

#[test]
fn a_journal_that_is_shorter_than_the_keyring_knows_opens_nothing() {
    let place = place();
    place.snapshot(true);
    tenure::forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    let repository = place.read();
    let known = repository.keyring.journal[0];
    assert_eq!(known, repository.log().position());
    assert!(repository.log().recent().is_empty());
    let path = entry(&place, "state", &repository, known.len);
    let other = fs::read(entry(&place, "state", &repository, known.len - 1)).unwrap();
    let good = fs::read(&path).unwrap();
    let refused = || {
        let failure = place.settled().err().unwrap();
        assert!(
            failure
                .to_string()
                .contains("shorter than the keyring knows"),
            "{failure}"
        );
        assert!(
            failure
                .next_step()
                .unwrap()
                .contains("copy journal/ from a store")
        );
    };
    fs::remove_file(&path).unwrap();
    refused();
    fs::write(&path, other).unwrap();
    refused();
    fs::write(&path, good).unwrap();
    place.change();
    // The next entry follows from there.
    let mut repository = place.change();
    repository.decide(note()).unwrap();
    assert_eq!(repository.log().recent().len(), 1);
    drop(repository);
    let repository = place.read();
    assert_eq!(repository.log().position().len, known.len + 1);
    assert_eq!(repository.log().recent().len(), 1);
    assert!(!repository.has_grown().unwrap());
}

#[test]
fn readers_notice_what_another_command_decides() {
    let place = place();
    let reader = place.read();
    assert!(!reader.has_grown().unwrap());
    place.change().decide(note()).unwrap();
    assert!(reader.has_grown().unwrap());
}

#[test]
fn readers_know_of_what_was_intended_when_it_is_finished() {
    let place = place();
    place.change().decide(note()).unwrap();
    let repository = place.read();
    let last = entry(
        &place,
        "state",
        &repository,
        repository.log().position().len,
    );
    fs::rename(last, intent(&place, &repository)).unwrap();
    let reader = place.read();
    assert!(!reader.has_grown().unwrap());
    let mut repository = place.change();
    assert!(!reader.has_grown().unwrap());
    repository.decide(note()).unwrap();
    assert!(reader.has_grown().unwrap());
}
