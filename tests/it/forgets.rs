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

mod elsewhere;
mod left;
mod rowids;
mod strangers;
mod whom;
mod withheld;

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

/// People whose keys may be used again, and notes that name one without a foreign key.
fn people_with_since() -> Place {
    let register = "table = \"people\"\nkey = \"id\"\nsince = \"since\"";
    let owns = "[[source.owns]]\ntable = \"notes\"\nby = \"who\"";
    Place::new(register, owns, |db| {
        let schema = "CREATE TABLE people (id INTEGER PRIMARY KEY, since TEXT);
             CREATE TABLE notes (id INTEGER PRIMARY KEY, who, what TEXT);
             INSERT INTO people VALUES (1, 'a'), (2, 'a'), (3, 'a');
             INSERT INTO notes VALUES (1, 1, 'x'), (2, 2, 'secret of 2'), (3, '2', 'more'), (4, 9, 'of nobody');";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    })
}

fn sql(place: &Place, sql: &str) {
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

fn texts(keys: &[tenure::value::CustomerKey]) -> Vec<String> {
    keys.iter().map(tenure::value::CustomerKey::text).collect()
}

#[test]
fn rows_of_the_forgotten_are_left_out_when_the_register_has_let_them_go() {
    let place = people_with_since();
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    sql(&place, "DELETE FROM people WHERE id = 2");
    let taken = place.snapshot(true);
    assert_eq!(
        (texts(&taken.dangling), taken.left_out.len()),
        (vec!["2".to_owned()], 0)
    );
    let gone = "DELETE FROM notes WHERE id IN (2, 3)";
    crate::support::compare::same_except(&place.db, &place.restore(2, "a"), gone).unwrap();
    // Somebody else gets the key: the rows are that one's.
    sql(&place, "INSERT INTO people VALUES (2, 'b')");
    assert!(place.snapshot(false).dangling.is_empty());
    crate::support::compare::same(&place.db, &place.restore(3, "a")).unwrap();
    // That one leaves, and is not forgotten: whose they are nobody can tell, and they are kept.
    sql(&place, "DELETE FROM people WHERE id = 2");
    assert!(place.snapshot(false).dangling.is_empty());
    crate::support::compare::same(&place.db, &place.restore(4, "a")).unwrap();
}

#[test]
fn what_stood_under_a_table_before_it_was_settled_is_named_as_not_reached() {
    let place = people_with_since();
    let owns = "[[source.owns]]\ntable = \"notes\"\nby = \"who\"";
    place.reconfigure(|text| text.replace(owns, "shared = [\"notes\"]"));
    place.snapshot(true);
    place.reconfigure(|text| text.replace("shared = [\"notes\"]", owns));
    sql(&place, "DELETE FROM notes WHERE id = 4");
    place.snapshot(true);
    let plan = forget::plan(&place.change(), &["2".into()], &[]).unwrap();
    assert_eq!(plan.not_reached, ["crm.notes (until snapshot 1)"]);
    let both = forget::plan(&place.change(), &["2".into()], &["notes".into()]).unwrap();
    assert_eq!(both.not_reached, Vec::<String>::new());
    let forgotten = forget::run(&mut place.change(), &[], &["crm.notes".into()]).unwrap();
    assert_eq!(forgotten.forgotten, ["crm.notes"]);
    // There is nothing left of it, and it is not forgotten twice.
    let epoch = place.read().keyring.epoch;
    let failure = forget::run(&mut place.change(), &[], &["notes".into()])
        .err()
        .unwrap();
    assert_eq!(failure.kind(), tenure::error::FailureKind::NotFound);
    assert_eq!(place.read().keyring.epoch, epoch);
}

#[test]
fn everybody_is_forgotten_once() {
    let place = people_with_since();
    place.snapshot(true);
    let ids = ["2", "1", "2", "2#1"].map(str::to_owned);
    let plan = forget::plan(&place.change(), &ids, &[]).unwrap();
    assert_eq!(plan.ids, ["2", "1"]);
}

#[test]
fn a_label_means_the_same_wherever_it_is_said() {
    let place = people_with_since();
    place.snapshot(true);
    sql(&place, "UPDATE people SET since = 'b' WHERE id = 2");
    place.snapshot(true);
    let repository = place.read();
    for (id, snapshots, flags) in [("2#1", 1, 1), ("2#3", 1, 0), ("2", 1, 0)] {
        let shown = tenure::customers::show(&repository, id, true).unwrap();
        assert_eq!(
            (shown.id.as_str(), shown.snapshots.len(), shown.flags.len()),
            ("2", snapshots, flags),
            "{id}"
        );
    }
    let listed = tenure::customers::list(&repository, &tenure::customers::Filter::default());
    let labels: Vec<_> = listed.unwrap().into_iter().map(|one| one.label).collect();
    let labels: Vec<_> = labels.iter().map(Option::as_deref).collect();
    assert_eq!(labels, [None, Some("2#3"), None, Some("2#1")]);
    let restore = |id: &str, snapshot: &str, to: &str| {
        let to = place.path(to);
        let snapshot = restore::choose(&repository, Some(snapshot), None).unwrap();
        restore::customer(&repository, id, &to, snapshot, None, &Silent)
    };
    assert_eq!(restore("2#1", "1", "one").unwrap().rows, 3);
    assert!(restore("2#1", "2", "two").is_err());
    assert_eq!(restore("2#3", "2", "three").unwrap().rows, 3);
}

#[test]
fn a_label_that_is_also_somebody_s_key_is_ambiguous() {
    let place = Place::new("table = \"c\"\nkey = \"id\"", "", |db| {
        let schema = "CREATE TABLE c (id TEXT PRIMARY KEY); INSERT INTO c VALUES ('1'), ('1#0')";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    let failure = forget::run(&mut place.change(), &["1#0".into()], &[])
        .err()
        .unwrap();
    assert_eq!(failure.kind(), tenure::error::FailureKind::Usage);
    assert!(
        failure.next_step().unwrap().contains("1#0#1"),
        "{failure:?}"
    );
    forget::run(&mut place.change(), &["1#0#1".into()], &[]).unwrap();
    assert!(tenure::customers::find(&place.read(), "1").is_ok());
    assert!(tenure::customers::find(&place.read(), "1#0").is_err());
}
