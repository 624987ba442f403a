//! While a hold stands nothing erases.

use tenure::clock::Timestamp;
use tenure::error::FailureKind;

use super::*;
use crate::support::world::{STORES, objects};

#[test]
fn a_hold_stands_against_every_way_to_erase() {
    let world = World::with_lives(retention::RULES);
    retention::expire(&world, "3, 4");
    world.snapshot(true);
    let before = copy(&world, "before.db");
    hold(&world, "3");
    let refused = erase(&world, "3").err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    assert!(refused.to_string().contains("hold"), "{refused}");
    let ids = ["4".to_owned(), "3".to_owned()];
    let refused = forget::run(&mut change(&world), &ids, &[]).err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    assert_live(&world, &before, "");
    let run = retention::run(&world, None).unwrap();
    assert_eq!(run.erased, 1);
    assert_live(&world, &before, &without("4"));
    same_except(&before, &restored(&world, 1), &without("4")).unwrap();

    let released = hold::release(&mut change(&world), "3", "settled").unwrap();
    assert!(!released.stands && released.unaware.is_empty());
    let none = hold::release(&mut change(&world), "3", "settled")
        .err()
        .unwrap();
    assert_eq!(none.kind(), FailureKind::NotFound);
    assert_eq!(retention::run(&world, None).unwrap().erased, 1);
    assert_live(&world, &before, &without("3, 4"));
}

#[test]
fn a_hold_that_ended_binds_no_longer() {
    let world = World::with_lives("");
    world.snapshot(true);
    let now = Timestamp::now();
    let past = hold::hold(&mut change(&world), "3", "r", Some(now))
        .err()
        .unwrap();
    assert_eq!(past.kind(), FailureKind::Usage);
    let soon = Timestamp(Timestamp::now().0 + 3000);
    hold::hold(&mut change(&world), "3", "r", Some(soon)).unwrap();
    assert!(erase(&world, "3").is_err());
    std::thread::sleep(std::time::Duration::from_millis(3100));
    erase(&world, "3").unwrap();
}

#[test]
fn a_hold_without_any_store_binds_at_once_and_is_told_later() {
    let world = World::with_lives("");
    world.snapshot(true);
    for name in STORES {
        unplug(&world, name);
    }
    let entries = |name: &str| objects(&store(&world, name), "journal").len();
    let held = hold::hold(&mut change(&world), "3", "r", None).unwrap();
    assert!(held.stands);
    let unaware: Vec<_> = held.unaware.iter().map(ToString::to_string).collect();
    assert_eq!(unaware, ["far", "near"]);
    assert_eq!(
        erase(&world, "3").err().unwrap().kind(),
        FailureKind::Refused
    );
    // Nothing else is decided without a store.
    assert!(hide::hide(&mut change(&world), "4", "r", false).is_err());
    assert!(hold::release(&mut change(&world), "3", "r").is_err());
    assert!(
        world
            .open()
            .catalog
            .life(domain(&world, "3"))
            .unwrap()
            .held
            .is_some()
    );
    for name in STORES {
        plug(&world, name);
    }
    let before = STORES.map(entries);
    drop(change(&world));
    assert_eq!(STORES.map(entries), before.map(|entries| entries + 1));
    assert!(
        hold::release(&mut change(&world), "3", "r")
            .unwrap()
            .unaware
            .is_empty()
    );
}

#[test]
fn a_store_that_is_away_is_named_and_told_when_it_is_back() {
    let world = World::with_lives("");
    world.snapshot(true);
    unplug(&world, "far");
    let held = hold::hold(&mut change(&world), "3", "r", None).unwrap();
    assert_eq!(held.unaware, ["far".parse().unwrap()]);
    plug(&world, "far");
    drop(change(&world));
    let [near, far] = STORES.map(|name| objects(&store(&world, name), "journal"));
    assert_eq!(near, far);
}

#[test]
fn a_prune_keeps_what_is_held_and_lets_it_go_after_the_release() {
    let world = World::with_lives("[snapshots]\nkeep = { daily = 1, weekly = 0, monthly = 0 }\n");
    world.snapshot(true);
    world.snapshot(false);
    let before = copy(&world, "before.db");
    sql(&world, &without("5"));
    world.snapshot(true);
    world.snapshot(true);
    hold(&world, "5");
    let pruned = || {
        tenure::prune::run(&mut change(&world), None, &Silent).unwrap();
        let snapshots = world.open().catalog.snapshots().unwrap().into_iter();
        snapshots
            .map(|snapshot| snapshot.id.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(pruned(), [1, 2, 4], "3 has nothing of the held");
    same(&before, &restored(&world, 2)).unwrap();
    hold::release(&mut change(&world), "5", "settled").unwrap();
    assert_eq!(pruned(), [4]);
}
