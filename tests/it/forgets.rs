//! A forgotten customer cannot be found: not in any byte of state directory and stores, nor in
//! anything that the current keyring or the recovery identity opens. With an older epoch's keyring
//! put back by hand the same search finds the customer again, so it would find what is there.

use std::fs;

use rusqlite::{Connection, params};
use tenure::report::Silent;
use tenure::{forget, restore};

use crate::support::canary::{Canary, find, holds};
use crate::support::place::Place;
use crate::support::raw::{files, keyring, open_everything};

const SCHEMA: &str = "
    CREATE TABLE people (no TEXT PRIMARY KEY, name TEXT, photo BLOB, friend TEXT REFERENCES people(no));
    CREATE TABLE deals (code TEXT PRIMARY KEY, owner TEXT NOT NULL REFERENCES people(no), what TEXT);
    CREATE TABLE tasks (id INTEGER PRIMARY KEY, owner TEXT REFERENCES people(no),
                        deal TEXT REFERENCES deals(code));
    CREATE TABLE colours (name TEXT);
    INSERT INTO colours VALUES ('red'), ('blue');";
const REGISTER: &str = "table = \"people\"\nkey = \"no\"\nname = \"name\"";
const OWNERSHIP: &str =
    "shared = [\"colours\"]\n[[source.owns]]\ntable = \"tasks\"\nby = \"owner\"";

/// Canaries in a key, a name, a blob, a text, the key of a customer's row that another customer's
/// row refers to.
struct Planted {
    place: Place,
    canaries: Vec<Canary>,
}

fn plant() -> Planted {
    let canaries: Vec<_> = (0..5).map(|_| Canary::new()).collect();
    let [no, name, photo, what, code] = [0, 1, 2, 3, 4].map(|n| canaries[n].as_str());
    let place = Place::new(REGISTER, OWNERSHIP, |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch(SCHEMA).unwrap();
        for n in 0..30 {
            let row = params![format!("P{n}"), format!("Person {n}")];
            db.execute("INSERT INTO people VALUES (?, ?, x'00', NULL)", row)
                .unwrap();
            let row = params![format!("D{n}"), format!("P{n}")];
            db.execute("INSERT INTO deals VALUES (?, ?, 'w')", row)
                .unwrap();
        }
        let row = params![no, name, [b"\xff\x00", photo.as_bytes()].concat()];
        db.execute("INSERT INTO people VALUES (?, ?, ?, 'P1')", row)
            .unwrap();
        db.execute(
            "INSERT INTO deals VALUES (?, ?, ?)",
            params![code, no, what],
        )
        .unwrap();
        // Others lead to the one who will be gone: as a friend, and by the key of a deal.
        db.execute("UPDATE people SET friend = ? WHERE no = 'P7'", [no])
            .unwrap();
        db.execute(
            "INSERT INTO tasks VALUES (1, 'P8', ?), (2, 'P9', 'D3')",
            [code],
        )
        .unwrap();
    });
    Planted { place, canaries }
}

impl Planted {
    /// Which canaries stand in plain bytes anywhere below state directory and stores.
    fn in_the_open(&self) -> usize {
        let root = self.place.dir.path();
        let places = ["state", "a", "b"].map(|name| root.join(name));
        let found = |canary: &&Canary| {
            places
                .iter()
                .any(|place| !find(place, canary.as_bytes()).is_empty())
        };
        self.canaries.iter().filter(found).count()
    }

    fn held_by(&self, plain: &[u8]) -> usize {
        self.canaries
            .iter()
            .filter(|canary| holds(plain, canary.as_bytes()))
            .count()
    }
}

#[test]
fn nothing_finds_a_forgotten_customer() {
    let planted = plant();
    let place = &planted.place;
    place.snapshot(true);
    let sql = "UPDATE people SET name = name || '!' WHERE no IN ('P3', 'P4') OR length(no) > 5";
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
    place.snapshot(false);
    let root = place.dir.path();
    let (before, old_age) = {
        let repository = place.read();
        let age = repository.keyring_age().unwrap();
        let opened = open_everything(&repository, &repository.keyring, &root.join("a"));
        // All five can be read while the customer lives, and none stands in the open.
        assert_eq!(planted.held_by(&opened.plain), 5);
        assert_eq!(planted.in_the_open(), 0);
        (opened, (repository.keyring.path(), age))
    };
    let old: Vec<_> = ["a", "b"]
        .iter()
        .flat_map(|s| [1, 2].map(|n| (n, *s, place.restore(n, s))))
        .collect();
    let no = planted.canaries[0].as_str().to_owned();
    let forgotten = forget::run(&mut place.change(), std::slice::from_ref(&no), &[]).unwrap();
    assert_eq!((forgotten.epoch, forgotten.pending.len()), (2, 0));

    assert_eq!(planted.in_the_open(), 0);
    for store in ["a", "b"] {
        let store = root.join(store);
        assert_eq!(
            files(&store.join("keyring")).len(),
            1,
            "older epochs are gone"
        );
        let repository = place.read();
        let opened = open_everything(&repository, &repository.keyring, &store);
        assert_eq!(planted.held_by(&opened.plain), 0);
        assert!(opened.closed >= 2 && opened.blobs + opened.closed == before.blobs);
        let identity = || {
            tenure::keyring::recovery::identities(&identity_text(place))
                .unwrap()
                .remove(0)
        };
        let newest = fs::read(&files(&store.join("keyring"))[0]).unwrap();
        let recovered = keyring(&repository, identity(), &newest);
        assert_eq!(
            planted.held_by(&open_everything(&repository, &recovered, &store).plain),
            0
        );
        // The test has power: an older keyring put back by hand brings the customer back.
        let put_back = store.join(&old_age.0);
        fs::write(&put_back, &old_age.1).unwrap();
        let revived = keyring(&repository, identity(), &fs::read(&put_back).unwrap());
        let found = open_everything(&repository, &revived, &store);
        // The key itself went from the catalog; everything that stores hold is there again.
        assert_eq!(planted.held_by(&found.plain), 5);
        fs::remove_file(&put_back).unwrap();
    }
    for (number, store, before) in old {
        let after = place.restore(number, store);
        let script = format!(
            "UPDATE people SET friend = NULL WHERE friend = '{no}';
             UPDATE tasks SET deal = NULL WHERE deal IN (SELECT code FROM deals WHERE owner = '{no}');
             DELETE FROM deals WHERE owner = '{no}'; DELETE FROM people WHERE no = '{no}';"
        );
        let _ = &before;
        crate::support::compare::same_except(&before, &after, &script).unwrap();
    }
}

fn identity_text(place: &Place) -> String {
    place
        .identity
        .to_file(&place.read().fingerprint)
        .to_string()
}

#[test]
fn a_forgotten_customer_is_left_out_named_and_let_in_again_under_a_new_number() {
    let planted = plant();
    let place = &planted.place;
    place.snapshot(true);
    let no = planted.canaries[0].as_str().to_owned();
    forget::run(&mut place.change(), std::slice::from_ref(&no), &[]).unwrap();
    let taken = place.snapshot(false);
    assert_eq!(
        taken
            .left_out
            .iter()
            .map(tenure::value::CustomerKey::text)
            .collect::<Vec<_>>(),
        std::slice::from_ref(&no)
    );
    let repository = place.read();
    let opened = open_everything(
        &repository,
        &repository.keyring,
        &place.dir.path().join("a"),
    );
    assert_eq!(planted.held_by(&opened.plain), 0);
    let gone = forget::run(&mut place.change(), std::slice::from_ref(&no), &[])
        .err()
        .unwrap();
    assert_eq!(gone.kind(), tenure::error::FailureKind::NotFound);

    forget::readmit(&mut place.change(), &no, "came back").unwrap();
    let taken = place.snapshot(false);
    assert!(taken.left_out.is_empty());
    let back = place.restore(3, "b");
    crate::support::compare::same(&place.db, &back).unwrap();
    let out = place.dir.path().join("one");
    let repository = place.read();
    let three = restore::choose(&repository, Some("3"), None).unwrap();
    let one = restore::customer(&repository, &no, &out, three, None, &Silent).unwrap();
    assert_eq!(one.rows, 2);
    let two = restore::choose(&repository, Some("1"), None).unwrap();
    assert!(
        restore::customer(
            &repository,
            &no,
            &place.dir.path().join("two"),
            two,
            None,
            &Silent
        )
        .is_err()
    );
}

#[test]
fn a_table_s_own_domain_can_be_forgotten() {
    let planted = plant();
    let place = &planted.place;
    place.snapshot(true);
    forget::run(&mut place.change(), &[], &["colours".into()]).unwrap();
    let back = place.restore(1, "a");
    crate::support::compare::same_except(&place.db, &back, "DELETE FROM colours").unwrap();
    // What is there today gets a domain of its own again.
    place.snapshot(false);
    crate::support::compare::same(&place.db, &place.restore(2, "b")).unwrap();
}

#[test]
fn another_since_does_not_bring_the_forgotten_back() {
    let place = Place::new("table = \"c\"\nkey = \"id\"", "", |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch(
            "CREATE TABLE c(id INTEGER PRIMARY KEY, born TEXT); INSERT INTO c VALUES (1, 'x'), (2, 'y');",
        )
        .unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".to_owned()], &[]).unwrap();
    assert_eq!(place.snapshot(false).left_out.len(), 1);
    place.reconfigure(|text| text.replace("key = \"id\"", "key = \"id\"\nsince = \"born\""));
    let refused = place
        .try_snapshot()
        .err()
        .expect("everybody would be a stranger");
    assert_eq!(refused.kind(), tenure::error::FailureKind::Refused);
    place.reconfigure(|text| text.replace("\nsince = \"born\"", ""));
    assert_eq!(place.snapshot(false).left_out.len(), 1);
}

#[test]
fn rows_that_belong_to_nobody_are_named_as_not_reached() {
    let planted = plant();
    let place = &planted.place;
    place.snapshot(true);
    let forgotten = forget::run(&mut place.change(), &["P1".into()], &[]).unwrap();
    assert_eq!(forgotten.not_reached, Vec::<String>::new());
    // The CRM deletes a customer and leaves the rows.
    let sql = "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE no = 'P2'";
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
    place.snapshot(false);
    let forgotten = forget::run(&mut place.change(), &["P2".into()], &[]).unwrap();
    assert_eq!(forgotten.not_reached, ["crm.deals"]);
    let forgotten = forget::run(&mut place.change(), &[], &["crm.deals".into()]).unwrap();
    assert_eq!(forgotten.not_reached, Vec::<String>::new());
}
