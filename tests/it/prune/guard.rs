//! The shrink guard.

use tenure::error::FailureKind;
use tenure::forget;

use super::{World, went};

/// That prune is refused, and what it says.
fn refused(world: &World, confirm: Option<&str>) -> String {
    let before = world.listed();
    let failure = world.try_prune(confirm).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure:?}");
    assert_eq!(world.listed(), before);
    format!("{failure} {}", failure.next_step().unwrap())
}

fn forget(world: &World, ids: std::ops::RangeInclusive<u32>) {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    forget::run(&mut world.place.change(), &ids, &[]).unwrap();
}

#[test]
fn a_source_that_was_emptied_stops_it_until_somebody_says_that_it_is_right() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    world.sql("DELETE FROM people WHERE id > 2");
    world.snapshot(true);
    let said = refused(&world, None);
    assert!(said.contains("snapshot 6 holds 2 customers"), "{said}");
    assert!(said.contains("tenure prune --confirm 6"), "{said}");
    // It does not pass because the next one is as empty as the last.
    world.snapshot(true);
    refused(&world, None);
    for wrong in ["6", "1", "8", "yes", ""] {
        refused(&world, Some(wrong));
    }
    world.is_whole(&["a", "b"]);
    let pruned = world.try_prune(Some("7")).unwrap();
    // What was found whole above is the floor.
    assert_eq!(went(&pruned), [1, 2, 3, 4, 5, 6]);
    world.is_whole(&["a", "b"]);
    // What was confirmed is what later ones are compared with.
    world.snapshot(true);
    world.prune();
}

#[test]
fn a_few_less_are_borne_and_then_no_longer_counted() {
    let mut world = World::keeping(9, 0, 0);
    world.snapshot(true);
    for gone in 1..=6 {
        // 3 of 60 is the share of the fuse.
        world.sql(&format!("DELETE FROM people WHERE id <= {}", 2 * gone));
        world.snapshot(false);
        world.prune();
    }
}

#[test]
fn who_was_forgotten_is_not_missed() {
    let mut world = World::keeping(1, 0, 0);
    world.snapshot(true);
    forget(&world, 1..=10);
    world.sql("DELETE FROM people WHERE id <= 10");
    world.snapshot(true);
    assert_eq!(world.prune(), [1]);
    // Others may not be missing for that.
    forget(&world, 11..=20);
    world.sql("DELETE FROM people WHERE id <= 30");
    world.snapshot(true);
    let said = refused(&world, None);
    assert!(said.contains("snapshot 3 holds 30 customers"), "{said}");
    assert!(said.contains("snapshot 2 had 40 without"), "{said}");
}

#[test]
fn who_was_gone_before_explains_nothing_when_erased_later() {
    let mut world = World::keeping(1, 0, 0);
    world.snapshot(true);
    world.sql("DELETE FROM people WHERE id <= 10");
    world.snapshot(true);
    world.try_prune(Some("2")).unwrap();
    forget(&world, 1..=10);
    world.sql("DELETE FROM people WHERE id <= 20");
    world.snapshot(true);
    let said = refused(&world, None);
    assert!(said.contains("snapshot 2 had 50 without"), "{said}");
    // Nor does an erasure that the newest has not seen yet.
    forget(&world, 11..=20);
    refused(&world, None);
}
