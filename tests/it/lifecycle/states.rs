//! How customers' lives stand, in lists and one by one.

use tenure::clock::Timestamp;
use tenure::customers::{Filter, Flag, Hidden, Listed, State, list, show};
use tenure::error::FailureKind;
use tenure::lifecycle::Hold;

use super::*;

fn everybody(world: &World) -> Vec<Listed> {
    let filter = Filter {
        hidden: Hidden::With,
        ..Filter::default()
    };
    list(&world.open(), &filter).unwrap()
}

fn of(world: &World, id: &str) -> Listed {
    let mut all = everybody(world).into_iter();
    all.find(|listed| listed.id == id).unwrap()
}

/// That list and view say the same, and what.
fn stands(world: &World, id: &str) -> (State, Vec<Flag>) {
    let listed = of(world, id);
    let shown = show(&world.open(), id, true).unwrap();
    assert_eq!((shown.state, &shown.flags), (listed.state, &listed.flags));
    assert_eq!((shown.due, shown.hold), (listed.due, listed.hold));
    (listed.state, listed.flags)
}

#[test]
fn every_state_and_flag() {
    let rules = retention::RULES.replace("keep = ", "grace = \"60d\"\nkeep = ");
    let world = World::with_lives(&rules);
    retention::expire(&world, "2");
    sql(
        &world,
        "UPDATE customers SET last_contact_at = datetime('now', '-3 years', '-9 days') WHERE id = 3",
    );
    sql(
        &world,
        "UPDATE customers SET last_contact_at = '' WHERE id = 4",
    );
    world.snapshot(true);
    assert_eq!(stands(&world, "1"), (State::Active, vec![]));
    assert_eq!(stands(&world, "2"), (State::Expired, vec![]));
    assert_eq!(stands(&world, "3"), (State::Expired, vec![]));
    assert_eq!(stands(&world, "4"), (State::Review, vec![]));
    let due = of(&world, "3").due.unwrap();
    let days = due.seconds_since(Timestamp::now()) / 86_400.0;
    assert!((50.0..53.0).contains(&days), "{days}");

    hide(&world, "5", false);
    hide(&world, "6", true);
    hold(&world, "2");
    let until = Timestamp(Timestamp::now().0 + 1_000_000_000);
    hold::hold(&mut change(&world), "3", "r", Some(until)).unwrap();
    assert_eq!(stands(&world, "5"), (State::Hidden, vec![]));
    assert_eq!(stands(&world, "6"), (State::Hidden, vec![Flag::Restricted]));
    assert_eq!(stands(&world, "2"), (State::Active, vec![Flag::Held]));
    assert_eq!(of(&world, "2").hold, Some(Hold { until: None }));
    assert_eq!(of(&world, "3").hold, Some(Hold { until: Some(until) }));
    assert_eq!(serde_json::json!(of(&world, "2").hold), "until released");
    assert_eq!(serde_json::json!(of(&world, "3").hold), until.to_string());
    let why = show(&world.open(), "2", true).unwrap().why;
    assert!(
        why.iter().any(|why| why == "why held: Smith v. us"),
        "{why:?}"
    );
    assert!(
        why.iter().any(|why| why.contains("a hold stands")),
        "{why:?}"
    );

    sql(&world, &without("7"));
    world.snapshot(false);
    assert_eq!(stands(&world, "7"), (State::Active, vec![Flag::Vanished]));
    sql(
        &world,
        "CREATE TEMP TABLE kept AS SELECT * FROM customers WHERE id = 8",
    );
    erase(&world, "8").unwrap();
    assert!(everybody(&world).iter().all(|listed| listed.id != "8"));
    sql(&world, "INSERT INTO customers SELECT * FROM kept");
    assert_eq!(
        (of(&world, "8").state, of(&world, "8").flags),
        (State::Erased, vec![Flag::Reappeared])
    );
    forget::run(&mut change(&world), &["9".into()], &[]).unwrap();
    assert_eq!(
        (of(&world, "9").state, of(&world, "9").flags),
        (State::Erased, vec![Flag::Forgotten])
    );
    assert_eq!(
        show(&world.open(), "9", true).err().unwrap().kind(),
        FailureKind::NotFound
    );
}

#[test]
fn an_erasure_that_is_not_done_yet_is_told() {
    let world = World::with_lives("");
    world.snapshot(true);
    let reader = rusqlite::Connection::open(world.crm.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM customers")
        .unwrap();
    erase(&world, "5").unwrap();
    assert_eq!(stands(&world, "5"), (State::Erasing, vec![]));
    reader.execute_batch("COMMIT").unwrap();
    drop(change(&world));
    assert!(everybody(&world).iter().all(|listed| listed.id != "5"));
}

#[test]
fn the_hidden_are_seen_only_by_those_who_may() {
    let world = World::with_lives("");
    world.snapshot(true);
    hide(&world, "5", false);
    let listed = |hidden| {
        let filter = Filter {
            hidden,
            ..Filter::default()
        };
        let listed = list(&world.open(), &filter).unwrap();
        listed
            .into_iter()
            .map(|listed| listed.id)
            .collect::<Vec<_>>()
    };
    assert!(!listed(Hidden::Without).contains(&"5".to_owned()));
    assert_eq!(listed(Hidden::Only), ["5"]);
    assert_eq!(
        listed(Hidden::With).len(),
        listed(Hidden::Without).len() + 1
    );
    let failure = |id: &str| show(&world.open(), id, false).err().unwrap();
    let (hidden, unknown) = (failure("5"), failure("999"));
    assert_eq!(hidden.kind(), FailureKind::NotFound);
    assert_eq!(hidden.to_string().replace('5', "999"), unknown.to_string());
    assert_eq!(hidden.next_step(), unknown.next_step());
    assert!(show(&world.open(), "5", true).is_ok());
}

#[test]
fn a_reader_sees_what_the_journal_says_and_the_catalog_does_not_yet() {
    let world = World::with_lives("");
    world.snapshot(true);
    let stale = fs::read(world.open().state.catalog()).unwrap();
    hide(&world, "5", false);
    hold(&world, "6");
    fs::write(world.open().state.catalog(), stale).unwrap();
    assert!(world.open().catalog.lives().unwrap().is_empty());
    assert_eq!(stands(&world, "5"), (State::Hidden, vec![]));
    assert_eq!(stands(&world, "6"), (State::Active, vec![Flag::Held]));
}
