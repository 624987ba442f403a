//! What every change does first: it looks for other writers, opens new stores, and finishes what was
//! begun. And forgetting where it is awkward: re-used keys, classes, stores out of reach.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rusqlite::Connection;
use tenure::error::FailureKind;
use tenure::forget;
use tenure::ids::{Class, Domain};
use tenure::journal::Event;
use tenure::keyring::recovery::Identity;
use tenure::object::Chain;
use tenure::repo::{Repository, Settled};

use crate::support::place::Place;
use crate::support::raw::files;

const SCHEMA: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, since TEXT NOT NULL);
    CREATE TABLE invoices (no INTEGER PRIMARY KEY, person INTEGER REFERENCES people(id));
    INSERT INTO people VALUES (1, 'a'), (2, 'a'), (3, 'a');
    INSERT INTO invoices VALUES (10, 1), (11, 2);";
const REGISTER: &str = "table = \"people\"\nkey = \"id\"\nsince = \"since\"";
const OWNERSHIP: &str = "[[source.owns]]\ntable = \"invoices\"\nclass = \"billing\"";

fn place() -> Place {
    Place::new(REGISTER, OWNERSHIP, |db| {
        Connection::open(db).unwrap().execute_batch(SCHEMA).unwrap();
    })
}

fn sql(place: &Place, sql: &str) {
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

fn path(place: &Place, store: &str, object: &str) -> PathBuf {
    let path = place.dir.path().join(store).join(object);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// That the next change is refused because of an object that this host did not write.
fn refused_for(place: &Place, object: &str) {
    let path = path(place, "b", object);
    fs::write(&path, "somebody else's").unwrap();
    let failure = place.settled().err().unwrap();
    assert_eq!(failure.kind(), FailureKind::Refused, "{object}: {failure}");
    let causes = failure.causes().join(" / ");
    assert!(causes.contains("which this host did not write"), "{causes}");
    assert!(failure.next_step().unwrap().contains("two hosts"));
    fs::remove_file(&path).unwrap();
    place.change();
}

#[test]
fn what_another_writer_left_in_a_store_stops_every_change() {
    let place = place();
    let inc = place.read().inc();
    refused_for(&place, &Chain::Manifest.path(inc, 1));
    place.snapshot(true);
    assert_eq!(place.change().last_snapshot_number().unwrap(), 1);
    refused_for(&place, &Chain::Manifest.path(inc, 2));
    place.snapshot(false);
    assert_eq!(place.change().last_snapshot_number().unwrap(), 2);
    refused_for(&place, &Chain::Manifest.path(inc, 3));
    refused_for(&place, &format!("keyring/{inc}/0000000002.age"));
    let entries = place.read().log().position().len;
    refused_for(&place, &Chain::Journal.path(inc, entries + 1));
}

#[test]
fn a_stray_file_in_a_store_that_is_behind_hides_nothing() {
    let place = place();
    place.snapshot(true);
    place.snapshot(false);
    let inc = place.read().inc();
    let [first, second] =
        [1, 2].map(|number| path(&place, "b", &Chain::Manifest.path(inc, number)));
    let good = fs::read(&first).unwrap();
    fs::remove_file(&second).unwrap();
    fs::write(&first, "damaged").unwrap();
    fs::write(first.with_file_name("zzz"), "stray").unwrap();
    place.change();
    assert_eq!(fs::read(&first).unwrap(), good);
}

#[test]
fn a_snapshot_that_was_being_named_is_no_other_writer_s() {
    let place = place();
    place.snapshot(true);
    let inc = place.read().inc();
    let intent = place
        .dir
        .path()
        .join(format!("state/snapshots/{inc}.intent"));
    fs::write(&intent, "being named").unwrap();
    let named = path(&place, "b", &Chain::Manifest.path(inc, 2));
    fs::write(&named, "being named").unwrap();
    place.change();
    fs::remove_file(&intent).unwrap();
    assert_eq!(place.settled().err().unwrap().kind(), FailureKind::Refused);
}

#[test]
fn an_older_keyring_is_destroyed_wherever_it_turns_up() {
    let place = place();
    let own = place.read().keyring.path();
    let age = fs::read(place.dir.path().join("a").join(&own)).unwrap();
    for old in ["keyring/0123456789abcdef/0000000009.age", "keyring/old.age"] {
        fs::write(path(&place, "a", old), "older").unwrap();
        place.change();
        let left = files(&place.dir.path().join("a/keyring"));
        assert_eq!(left, [place.dir.path().join("a").join(&own)]);
        assert_eq!(fs::read(&left[0]).unwrap(), age);
    }
}

#[test]
fn a_store_without_keys_gets_none_and_loses_those_it_has() {
    let place = place();
    let config = place.dir.path().join("tenure.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}keys = false\n")).unwrap();
    assert_eq!(files(&place.dir.path().join("b/keyring")).len(), 1);
    let (_, settled) = place.settled().unwrap();
    assert_eq!(settled.pending, []);
    assert_eq!(files(&place.dir.path().join("b/keyring")).len(), 0);
    assert_eq!(files(&place.dir.path().join("a/keyring")).len(), 1);
    forget_first(&place);
    assert_eq!(files(&place.dir.path().join("b/keyring")).len(), 0);
    assert_eq!(files(&place.dir.path().join("a/keyring")).len(), 1);
}

fn forget_first(place: &Place) {
    place.snapshot(true);
    let forgotten = forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    assert_eq!((forgotten.epoch, forgotten.pending.len()), (2, 0));
}

#[test]
fn the_journal_begins_with_who_can_recover_and_the_stores() {
    let place = place();
    let url = |name: &str| format!("file://{}", place.dir.path().join(name).display());
    let opened = |name: &str| Event::StoreOpened {
        name: name.into(),
        url: url(name),
    };
    let recipients = vec![place.identity.recipient().to_string()];
    let mut wanted = vec![Event::Opened { recipients }, opened("a"), opened("b")];
    let events = |place: &Place| -> Vec<Event> {
        let recent = place.read();
        recent
            .log()
            .recent()
            .iter()
            .map(|entry| entry.event.clone())
            .collect()
    };
    assert_eq!(events(&place), wanted);
    // Nothing is decided twice.
    place.change();
    assert_eq!(events(&place), wanted);
    let config = place.dir.path().join("tenure.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        format!("{text}[[store]]\nname = \"c\"\nurl = \"{}\"\n", url("c")),
    )
    .unwrap();
    place.change();
    wanted.push(opened("c"));
    assert_eq!(events(&place), wanted);
    let places = place.read().catalog.key_places().unwrap();
    assert_eq!(places.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((places["c"].url.clone(), places["c"].epoch), (url("c"), 1));
    for object in ["root.age", &place.read().keyring.path()] {
        let [a, c] = ["a", "c"].map(|s| fs::read(place.dir.path().join(s).join(object)).unwrap());
        assert_eq!(a, c);
    }
}

#[test]
fn a_store_out_of_reach_is_pending_until_it_was_seen() {
    let place = place();
    place.snapshot(true);
    let (b, away) = (place.dir.path().join("b"), place.dir.path().join("away"));
    fs::rename(&b, &away).unwrap();
    let forgotten = forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    let named = |stores: &[tenure::ids::StoreName]| -> Vec<String> {
        stores.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        (forgotten.epoch, named(&forgotten.pending)),
        (2, vec!["b".to_owned()])
    );
    assert_eq!(named(&place.read().pending_places().unwrap()), ["b"]);
    assert_eq!(named(&place.settled().unwrap().1.pending), ["b"]);
    fs::rename(&away, &b).unwrap();
    let (repository, settled) = place.settled().unwrap();
    assert_eq!(named(&settled.pending), Vec::<String>::new());
    assert_eq!(
        named(&repository.pending_places().unwrap()),
        Vec::<String>::new()
    );
    assert_eq!(
        files(&b.join("keyring")),
        [b.join(repository.keyring.path())]
    );
}

#[test]
fn a_store_that_does_not_take_the_keyring_is_pending_until_it_does() {
    let place = place();
    place.snapshot(true);
    let inc = place.read().inc();
    // The name is taken, by nothing that can be read.
    let next = path(&place, "a", &format!("keyring/{inc}/0000000002.age"));
    symlink("/nowhere/at/all", &next).unwrap();
    let forgotten = forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    assert_eq!((forgotten.epoch, forgotten.pending.len()), (2, 1));
    assert_eq!(forgotten.pending[0].as_str(), "a");
    assert!(next.is_symlink());
    fs::remove_file(&next).unwrap();
    assert_eq!(place.settled().unwrap().1.pending, []);
    assert_eq!(files(&place.dir.path().join("a/keyring")), [next]);
}

#[test]
fn what_is_decided_is_applied_by_readers_and_finished_by_the_next_change() {
    let place = place();
    place.snapshot(true);
    let mut repository = place.change();
    let gone = tenure::customers::find(&repository, "1").unwrap()[0].domain;
    let erased = Event::Erased {
        domains: vec![gone],
        recognised: vec![],
        order: None,
    };
    repository.decide(erased).unwrap();
    drop(repository);
    let reader = place.read();
    assert_eq!(reader.keyring.epoch, 1);
    assert!(reader.keyring.forest.is_punctured(gone));
    assert_eq!(
        reader.unfinished(),
        ["a decision that the keyring does not show yet"]
    );
    let (mut repository, settled) = place.settled().unwrap();
    assert_eq!(settled.finished, ["keyring epoch 2"]);
    assert!(repository.catalog.customer(gone).unwrap().is_none());
    // No epoch without a decision, in this command or the next.
    let mut again = Settled::default();
    repository.carry_out_decisions(&mut again).unwrap();
    assert_eq!((again.finished.len(), repository.keyring.epoch), (0, 2));
    drop(repository);
    let (repository, settled) = place.settled().unwrap();
    assert_eq!((settled.finished.len(), repository.keyring.epoch), (0, 2));
    assert!(repository.unfinished().is_empty());
    drop(repository);
    // One decision after the other within one command.
    let mut repository = place.change();
    for (id, epoch) in [("2", 3), ("3", 4)] {
        let forgotten = forget::run(&mut repository, &[id.into()], &[]).unwrap();
        assert_eq!(
            (forgotten.epoch, !repository.log().recent().is_empty()),
            (epoch, true)
        );
    }
}

#[test]
fn the_newest_decision_says_who_can_recover_before_it_is_carried_out() {
    let place = place();
    let me = place.identity.recipient().to_string();
    let mut wanted = Vec::new();
    let mut repository = place.change();
    for _ in 0..2 {
        wanted = vec![me.clone(), Identity::generate().recipient().to_string()];
        let recipients = wanted.clone();
        repository.decide(Event::Recipients { recipients }).unwrap();
    }
    drop(repository);
    let names = |repository: &Repository| -> Vec<String> {
        let recipients = repository.recipients().unwrap();
        recipients.iter().map(ToString::to_string).collect()
    };
    assert_eq!(names(&place.read()), wanted);
    let (repository, settled) = place.settled().unwrap();
    assert_eq!(settled.finished, ["keyring epoch 2"]);
    assert_eq!(names(&repository), wanted);
}

#[test]
fn a_readmitted_customer_has_a_number_that_is_not_given_again() {
    let place = place();
    forget_first(&place);
    forget::readmit(&mut place.change(), "1", "came back").unwrap();
    let again = tenure::customers::find(&place.read(), "1").unwrap()[0].domain;
    assert_eq!(
        place.read().catalog.next_customer().unwrap(),
        again.arrival + 1
    );
    // It stays among the recent entries, and is not carried out again by those who come after.
    assert!(!place.read().log().recent().is_empty());
    place.change();
    place.change();
    assert_eq!(
        place.read().catalog.next_customer().unwrap(),
        again.arrival + 1
    );
    sql(&place, "INSERT INTO people VALUES (4, 'b')");
    assert!(place.snapshot(false).left_out.is_empty());
    let four = tenure::customers::find(&place.read(), "4").unwrap()[0].domain;
    assert_eq!(four.arrival, again.arrival + 1);
}

#[test]
fn every_class_of_a_customer_is_forgotten() {
    let place = place();
    place.snapshot(true);
    let domain = tenure::customers::find(&place.read(), "1").unwrap()[0].domain;
    let other = tenure::customers::find(&place.read(), "2").unwrap()[0].domain;
    forget_first(&place);
    let forest = &place.read().keyring.forest;
    for class in [Class::CUSTOMER, Class(2)] {
        assert!(forest.is_punctured(Domain { class, ..domain }), "{class:?}");
        assert!(!forest.is_punctured(Domain { class, ..other }), "{class:?}");
    }
    assert!(!forest.is_punctured(Domain {
        class: Class::OWN,
        ..domain
    }));
}

#[test]
fn of_several_holders_of_a_key_the_one_who_is_meant_is_forgotten() {
    let place = place();
    place.snapshot(true);
    sql(
        &place,
        "DELETE FROM invoices WHERE person = 1; UPDATE people SET since = 'b' WHERE id = 1",
    );
    place.snapshot(false);
    let holders = tenure::customers::find(&place.read(), "1").unwrap();
    let mut numbers: Vec<_> = holders.iter().map(|holder| holder.domain.arrival).collect();
    numbers.sort_unstable();
    assert_eq!(numbers.len(), 2);
    let forget = |id: String| forget::run(&mut place.change(), &[id], &[]);
    let failure = forget("1".into()).err().unwrap();
    assert_eq!(failure.kind(), FailureKind::Usage);
    for number in &numbers {
        assert!(
            failure
                .next_step()
                .unwrap()
                .contains(&format!("1#{number}"))
        );
    }
    for unknown in ["1#77", "77#1", "1#x"] {
        let failure = forget(unknown.into()).err().unwrap();
        assert_eq!(
            failure.kind(),
            FailureKind::NotFound,
            "{unknown}: {failure}"
        );
    }
    // Somebody else's number under this key is nobody's.
    let two = tenure::customers::find(&place.read(), "2").unwrap()[0].domain;
    assert!(forget(format!("1#{}", two.arrival)).is_err());
    forget(format!("1#{}", numbers[0])).unwrap();
    let left = tenure::customers::find(&place.read(), "1").unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].domain.arrival, numbers[1]);
    forget("1".into()).unwrap();
    assert!(tenure::customers::find(&place.read(), "1").is_err());
}
