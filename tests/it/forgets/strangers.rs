//! Who is in the register and was never met: a new customer, unless it may be that nobody is recognised any more.

use rusqlite::Connection;
use tenure::catalog::Life;
use tenure::error::FailureKind;
use tenure::ids::Domain;
use tenure::{customers, forget};

use super::sql;
use crate::support::place::Place;

/// A register of two, whose keys are of that type.
fn register(kind: &str) -> Place {
    Place::new("table = \"c\"\nkey = \"id\"", "", |db| {
        let schema = format!(
            "CREATE TABLE c (id {kind} PRIMARY KEY, born TEXT); INSERT INTO c VALUES (1, 'x'), (2, NULL)"
        );
        Connection::open(db)
            .unwrap()
            .execute_batch(&schema)
            .unwrap();
    })
}

#[test]
fn strangers_alone_are_let_in_unless_somebody_forgotten_may_be_among_them() {
    for kind in ["INTEGER", "TEXT"] {
        let place = register(kind);
        let forget = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            forget::run(&mut place.change(), &ids, &[]).unwrap();
        };
        // How many customers the register has when these are all, and how many of them are left out.
        let taken = |ids: &str| {
            sql(
                &place,
                &format!(
                    "DELETE FROM c; INSERT INTO c (id) VALUES {ids}; DELETE FROM c WHERE id < 0"
                ),
            );
            let taken = place.try_snapshot()?;
            Ok::<_, tenure::error::Failure>((taken.totals.customers, taken.left_out.len()))
        };
        let met = |ids| taken(ids).unwrap();
        assert_eq!(met("(1), (2)"), (2, 0), "{kind}");
        // Nobody was forgotten who could be among them.
        assert_eq!(met("(3), (4)"), (2, 0), "{kind}");
        forget(&["1", "2", "3", "4"]);
        // Nobody else was there who should be recognised.
        assert_eq!(met("(5)"), (1, 0), "{kind}");
        // There are no strangers.
        assert_eq!(met("(-1)"), (0, 0), "{kind}");
        // One is recognised: who is known, or who was forgotten.
        assert_eq!(met("(5), (6)"), (2, 0), "{kind}");
        assert_eq!(met("(4), (7)"), (1, 1), "{kind}");
        let refused = taken("(8), (9)").unwrap_err();
        assert_eq!(refused.kind(), FailureKind::Refused, "{kind}");
        assert_eq!(met("(4), (7), (8)"), (2, 1), "{kind}");
    }
}

#[test]
fn who_is_in_the_register_is_known_whatever_the_order_in_which_they_came() {
    let place = register("INTEGER");
    sql(&place, "UPDATE c SET id = id + 5");
    place.snapshot(true);
    sql(&place, "INSERT INTO c (id) VALUES (1), (2), (3)");
    place.snapshot(false);
    let missing = || {
        let lives = place.read().catalog.lives().unwrap();
        let since = |(domain, life): (&Domain, &Life)| Some((*domain, life.missing?));
        lives.iter().filter_map(since).collect::<Vec<_>>()
    };
    place.snapshot(false);
    assert_eq!(missing(), []);
    sql(&place, "DELETE FROM c WHERE id IN (2, 7)");
    place.snapshot(false);
    let two = missing();
    assert_eq!(two.len(), 2);
    // They are away since then, also when somebody else leaves.
    sql(&place, "DELETE FROM c WHERE id = 3");
    place.snapshot(false);
    let three = missing();
    assert_eq!(three.len(), 3);
    assert!(two.iter().all(|one| three.contains(one)));
}

#[test]
fn whoever_has_no_since_stays_the_same_when_one_is_configured() {
    let place = register("INTEGER");
    place.snapshot(true);
    let who = |id: &str| {
        let found = customers::find(&place.read(), id).unwrap();
        found.iter().map(|one| one.domain).collect::<Vec<_>>()
    };
    let before = who("2");
    place.reconfigure(|text| text.replace("key = \"id\"", "key = \"id\"\nsince = \"born\""));
    assert_eq!(place.snapshot(false).totals.customers, 2);
    assert_eq!(who("2"), before);
    assert_eq!(who("1").len(), 2);
}

#[test]
fn rows_with_one_key_are_one_customer() {
    let place = Place::new("table = \"c\"\nkey = \"id\"", "", |db| {
        let schema = "CREATE TABLE c (id INTEGER, name TEXT);
             INSERT INTO c VALUES (5, 'a'), (5, 'b'), (6, 'c'), (5, 'd'), (NULL, 'nobody')";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    assert_eq!(place.snapshot(true).totals.customers, 2);
    forget::run(&mut place.change(), &["6".into()], &[]).unwrap();
    assert_eq!(place.snapshot(true).totals.customers, 1);
    forget::run(&mut place.change(), &["5".into()], &[]).unwrap();
    for snapshot in [1, 2] {
        let back = Connection::open(place.restore(snapshot, "a")).unwrap();
        let left = back.query_row("SELECT group_concat(name) FROM c", [], |row| {
            row.get::<_, String>(0)
        });
        assert_eq!(left.unwrap(), "nobody");
    }
}
