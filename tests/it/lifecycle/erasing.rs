//! Erased: in the live database, from everything that the keyring opens, and told in a certificate.

use rusqlite::Connection;
use tenure::error::FailureKind;
use tenure::lifecycle::Pending;
use tenure::sign::SigningKey;

use super::*;
use crate::support::canary;
use crate::support::world::objects;

/// That no snapshot gives a customer back.
fn assert_gone(world: &World, id: &str) {
    let repository = world.open();
    for snapshot in repository.catalog.snapshots().unwrap() {
        let to = world.dir().join("gone");
        let failed = restore::customer(&repository, id, &to, snapshot.id, None, &Silent);
        assert_eq!(failed.err().unwrap().kind(), FailureKind::NotFound);
        assert!(!to.exists());
    }
}

#[test]
fn rows_snapshots_and_keys_are_gone_and_a_certificate_says_so() {
    let world = World::with_lives("").with_two_snapshots();
    let (before, olds) = (
        copy(&world, "before.db"),
        [1, 2].map(|n| restored(&world, n)),
    );
    let olds = olds.map(|old| {
        let kept = old.with_extension("kept");
        fs::rename(&old, &kept).unwrap();
        let to = world.dir().join(
            kept.parent()
                .unwrap()
                .parent()
                .unwrap()
                .file_name()
                .unwrap(),
        );
        let kept_at = to.with_extension("db");
        fs::rename(&kept, &kept_at).unwrap();
        kept_at
    });
    let email = match value(&world, "SELECT email FROM customers WHERE id = 5") {
        Value::Text(email) => email,
        other => panic!("{other:?}"),
    };
    let erased = erase(&world, "5").unwrap();
    assert_eq!((erased.epoch, &erased.pending[..]), (2, &[][..]));
    assert_live(&world, &before, &without("5"));
    assert_gone(&world, "5");
    for (number, old) in (1..).zip(&olds) {
        same_except(old, &restored(&world, number), &without("5")).unwrap();
    }
    for place in ["crm.db", "crm.db-wal", "crm.db-journal"] {
        let bytes = fs::read(world.dir().join(place)).unwrap_or_default();
        assert!(!canary::holds(&bytes, email.as_bytes()), "{place}");
    }

    let said = certificate(&world, erased.entry);
    assert_eq!(said["final"], true);
    assert_eq!(
        (&said["cause"], &said["ground"]),
        (&"request".into(), &"T-1".into())
    );
    assert_eq!(said["subjects"].as_array().unwrap().len(), 1);
    assert_eq!(said["live"]["sources"][0]["deleted"]["customers"], 1);
    let seen = said["keyring"]["places"].as_array().unwrap();
    assert!(seen.len() == 2 && seen.iter().all(|place| place["seen_without_older"] == true));
    assert!(!said.to_string().contains(&email) && !said.to_string().contains("asked for it"));
    let again = erase(&world, "5").err().unwrap();
    assert_eq!(again.kind(), FailureKind::NotFound);
    assert!(again.to_string().contains("was erased") || again.to_string().contains("no customer"));
}

#[test]
fn a_certificate_that_was_altered_or_is_another_repository_s_is_refused() {
    let world = World::with_lives("");
    world.snapshot(true);
    let erased = erase(&world, "5").unwrap();
    let repository = world.open();
    let verify = |text: &str| lifecycle::verify_certificate(text, &repository.fingerprint);
    let text = lifecycle::certificate(&repository, erased.entry)
        .unwrap()
        .to_string();
    verify(&text).unwrap();
    // However it is laid out.
    let pretty: serde_json::Value = serde_json::from_str(&text).unwrap();
    verify(&format!("{pretty:#}")).unwrap();
    for (from, to) in [
        ("\"final\":true", "\"final\":false"),
        ("\"T-1\"", "\"T-2\""),
        ("\"signature\":\"", "\"signature\":\"0"),
        ("\"writer\":\"", "\"writer\":\"00"),
        ("{", "["),
    ] {
        assert!(text.contains(from), "{text}");
        assert!(verify(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
    let other = SigningKey::random().unwrap().verify_key();
    assert!(lifecycle::verify_certificate(&text, &other).is_err());
    let none = lifecycle::certificate(&repository, 1).err().unwrap();
    assert_eq!(none.kind(), FailureKind::NotFound);
}

#[test]
fn an_erasure_is_final_once_every_store_was_seen() {
    let world = World::with_lives("");
    world.snapshot(true);
    unplug(&world, "far");
    let erased = erase(&world, "5").unwrap();
    assert_eq!(erased.pending.len(), 1, "{:?}", erased.pending);
    assert!(erased.pending[0].to_string().contains("far"));
    assert_eq!(certificate(&world, erased.entry)["final"], false);
    // Nothing new is written while nothing else is true.
    let entries = world.open().log().position().len;
    drop(change(&world));
    assert_eq!(world.open().log().position().len, entries);
    plug(&world, "far");
    drop(change(&world));
    let said = certificate(&world, erased.entry);
    assert_eq!(
        (&said["final"], &said["pending"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(objects(&store(&world, "far"), "keyring").len(), 1);
    assert!(world.open().catalog.open_erasures().unwrap().is_empty());
}

#[test]
fn an_erasure_is_not_final_while_the_recovery_identity_lies_on_this_host() {
    let world = World::with_lives("");
    world.snapshot(true);
    let key = world.config_path().with_file_name("recovery.key");
    fs::copy(world.identity_file(), &key).unwrap();
    let erased = erase(&world, "5").unwrap();
    assert_eq!(erased.pending, [Pending::Identity]);
    assert_eq!(certificate(&world, erased.entry)["final"], false);
    fs::remove_file(&key).unwrap();
    drop(change(&world));
    assert_eq!(certificate(&world, erased.entry)["final"], true);
}

#[test]
fn one_who_came_back_is_erased_again() {
    let world = World::with_lives("");
    world.snapshot(true);
    sql(
        &world,
        "CREATE TEMP TABLE kept AS SELECT * FROM customers WHERE id = 5",
    );
    let before = copy(&world, "before.db");
    erase(&world, "5").unwrap();
    sql(&world, "INSERT INTO customers SELECT * FROM kept");
    assert_eq!(world.snapshot(false).left_out.len(), 1);
    let again = erase(&world, "5").unwrap();
    assert!(again.pending.is_empty(), "{:?}", again.pending);
    assert_live(&world, &before, &without("5"));
    assert_eq!(certificate(&world, again.entry)["final"], true);
    assert!(world.snapshot(false).left_out.is_empty());
}

#[test]
fn one_who_vanished_is_erased_and_whoever_has_the_key_by_now_stays() {
    let world = World::with_lives("");
    world.snapshot(true);
    sql(&world, &without("5"));
    let taken = "INSERT INTO customers SELECT 5, 'Somebody else', email, phone, city, country_code, \
                 '2026-05-05 00:00:00', last_contact_at, NULL, 0 FROM customers WHERE id = 4; \
                 INSERT INTO orders (customer_id, ordered_at) VALUES (5, '2026-05-06 00:00:00')";
    sql(&world, taken);
    let old = format!("5#{}", domain(&world, "5").arrival);
    world.snapshot(false);
    let before = copy(&world, "before.db");
    let erased = erase(&world, &old).unwrap();
    assert!(erased.pending.is_empty());
    assert_live(&world, &before, "");
    assert_eq!(count(&world, "orders WHERE customer_id = 5"), 1);
    same(&before, &restored(&world, 2)).unwrap();
    // The first snapshot has nothing of that key any more.
    let first = Connection::open(restored(&world, 1)).unwrap();
    let left: i64 = first
        .query_row("SELECT count(*) FROM customers WHERE id = 5", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(left, 0);
    // Now the other one.
    erase(&world, "5").unwrap();
    assert_live(&world, &before, &without("5"));
}

#[test]
fn a_locked_database_before_the_decision_changes_nothing() {
    let world = World::with_lives("");
    world.snapshot(true);
    let (before, entries) = (copy(&world, "before.db"), world.open().log().position().len);
    let other = Connection::open(world.crm.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = erase(&world, "5").err().unwrap();
    assert!(erase::told(&failed).contains("locked"), "{failed:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(world.open().log().position().len, entries);
    assert_live(&world, &before, "");
    same(&before, &restored(&world, 1)).unwrap();
    erase(&world, "5").unwrap();
}

#[test]
fn a_locked_database_after_the_decision_leaves_it_to_the_next_command() {
    let world = World::with_lives("");
    world.snapshot(true);
    let before = copy(&world, "before.db");
    // One who reads lets it be rehearsed, but not committed.
    let reader = Connection::open(world.crm.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM customers")
        .unwrap();
    let erased = erase(&world, "5").unwrap();
    assert!(
        erased
            .pending
            .iter()
            .any(|what| what.to_string().contains("locked")),
        "{:?}",
        erased.pending
    );
    assert_gone(&world, "5");
    assert_eq!(certificate(&world, erased.entry)["final"], false);
    assert_eq!(lifecycle::finish(&mut world.change()).unwrap().len(), 1);
    reader.execute_batch("COMMIT").unwrap();
    assert_live(&world, &before, "");
    drop(change(&world));
    assert_live(&world, &before, &without("5"));
    let said = certificate(&world, erased.entry);
    assert_eq!(
        (
            &said["final"],
            &said["live"]["sources"][0]["deleted"]["customers"]
        ),
        (&true.into(), &1.into())
    );
}

#[test]
fn what_reaches_further_in_the_live_database_is_refused_and_told() {
    let world = World::with_lives("");
    sql(
        &world,
        "CREATE TRIGGER too_far AFTER DELETE ON customers BEGIN DELETE FROM notes WHERE customer_id = 6; END",
    );
    sql(
        &world,
        "INSERT INTO notes (customer_id, written_at, author, body) VALUES (6, '2026-01-01', 'a', 'b')",
    );
    world.snapshot(true);
    let (before, entries) = (copy(&world, "before.db"), world.open().log().position().len);
    let refused = erase(&world, "5").err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    assert_eq!(world.open().log().position().len, entries);
    assert_live(&world, &before, "");
}

#[test]
fn a_statutory_minimum_stands_against_a_request_also_of_one_who_came_back() {
    let rules = "[[retention.rule]]\nbasis = \"HGB §257\"\nstart = \"last_contact_at\"\nkeep = \"3y\"\n\
                 at_least = \"2y\"\nthen = \"erase\"\n";
    let world = World::with_lives(rules);
    let contact = |id: i64, when: &str| {
        sql(
            &world,
            &format!("UPDATE customers SET last_contact_at = {when} WHERE id = {id}"),
        );
    };
    contact(5, "datetime('now', '-1 year')");
    contact(6, "datetime('now', '-30 months')");
    contact(7, "''");
    world.snapshot(true);
    for id in ["5", "7"] {
        let refused = erase(&world, id).err().unwrap();
        assert_eq!(refused.kind(), FailureKind::Refused);
        assert!(refused.to_string().contains("HGB §257"), "{refused}");
    }
    sql(
        &world,
        "CREATE TEMP TABLE kept AS SELECT * FROM customers WHERE id = 6",
    );
    erase(&world, "6").unwrap();
    sql(&world, "INSERT INTO customers SELECT * FROM kept");
    contact(6, "datetime('now')");
    assert_eq!(
        erase(&world, "6").err().unwrap().kind(),
        FailureKind::Refused
    );
    contact(6, "datetime('now', '-30 months')");
    erase(&world, "6").unwrap();
}
