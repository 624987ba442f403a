//! Two writers: a state directory that was copied or moved, and two commands at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tenure::config::Config;
use tenure::error::{Failure, FailureKind};
use tenure::report::Silent;
use tenure::{backup, forget};

use super::{World, contents, told};

fn copy(world: &World) -> Config {
    let mut cp = Command::new("cp");
    cp.arg("-a")
        .args([world.place.path("state"), world.place.path("copy")]);
    assert!(cp.status().unwrap().success());
    world.place.config_with_state("copy")
}

/// What the hint of the refusal says for those whose original is gone.
fn original_is_gone(world: &World) {
    fs::remove_file(world.place.path("copy/home")).unwrap();
}

fn in_stores(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = contents(&world.place.path("a"));
    all.extend(contents(&world.place.path("b")));
    all
}

fn snapshot(world: &World, config: Config) -> Result<u64, Failure> {
    let (mut repository, _) = world.place.try_change(config)?;
    Ok(backup::take(&mut repository, false, &Silent)?.id.number)
}

fn forget(world: &World, config: Config, id: &str) -> Result<u64, Failure> {
    let (mut repository, _) = world.place.try_change(config)?;
    Ok(forget::run(&mut repository, &[id.to_owned()], &[])?.epoch)
}

/// That both a snapshot and a forgetting are refused, and no byte in any store is another one.
fn is_refused(world: &World, config: &Config) {
    let before = in_stores(world);
    for failure in [
        snapshot(world, config.clone()).err().unwrap(),
        forget(world, config.clone(), "7").err().unwrap(),
    ] {
        assert_eq!(failure.kind(), FailureKind::Refused, "{}", told(&failure));
        assert!(told(&failure).contains("two "), "{}", told(&failure));
    }
    assert!(
        in_stores(world) == before,
        "a refused command wrote something"
    );
}

#[test]
fn a_copied_state_directory_is_refused_and_the_hint_leads_on() {
    let mut world = World::new();
    world.snapshot();
    let copy = copy(&world);
    let before = contents(&world.place.path("copy"));
    is_refused(&world, &copy);
    assert!(contents(&world.place.path("copy")) == before);
    let failure = snapshot(&world, copy.clone()).err().unwrap();
    let home = world.place.path("copy/home").display().to_string();
    assert!(failure.next_step().unwrap().contains(&home));
    original_is_gone(&world);
    world.a_day();
    assert_eq!(snapshot(&world, copy.clone()).unwrap(), 2);
    // The original has not gone after all: it meets a snapshot that it did not take.
    is_refused(&world, &world.place.config());
    assert_eq!(snapshot(&world, copy).unwrap(), 3);
    is_refused(&world, &world.place.config());
    // All stores are looked at before any is written to, also one that it would have adopted.
    let new = world.place.path("c");
    world.place.reconfigure(|text| {
        format!(
            "{text}[[store]]\nname = \"c\"\nurl = \"file://{}\"\n",
            new.display()
        )
    });
    is_refused(&world, &world.place.config());
    assert_eq!(contents(&new), BTreeMap::new());
}

#[test]
fn the_original_is_refused_after_the_copy_has_forgotten_somebody() {
    let mut world = World::new();
    world.snapshot();
    let copy = copy(&world);
    original_is_gone(&world);
    assert_eq!(forget(&world, copy.clone(), "5").unwrap(), 2);
    is_refused(&world, &world.place.config());
    // A keyring alone that is ahead says enough.
    for store in ["a", "b"] {
        let inc = world.place.read().inc();
        let journal = world.place.path(store).join(format!("journal/{inc}"));
        let last = crate::support::raw::files(&journal).pop().unwrap();
        fs::remove_file(last).unwrap();
    }
    is_refused(&world, &world.place.config());
    assert_eq!(forget(&world, copy, "6").unwrap(), 3);
}

#[test]
fn the_copy_is_refused_after_the_original_has_gone_on() {
    for forgets in [false, true] {
        let mut world = World::new();
        world.snapshot();
        let copy = copy(&world);
        original_is_gone(&world);
        if forgets {
            forget(&world, world.place.config(), "5").unwrap();
        } else {
            world.snapshot();
        }
        is_refused(&world, &copy);
        world.a_day();
        snapshot(&world, world.place.config()).unwrap();
    }
}

/// Each has written to a store that the other could not reach: under the same numbers.
#[test]
fn two_writers_that_could_not_see_each_other_are_both_refused() {
    for forgets in [false, true] {
        let mut world = World::new();
        world.snapshot();
        let copy = copy(&world);
        original_is_gone(&world);
        world.away("b");
        world.a_day();
        if forgets {
            forget(&world, copy.clone(), "5").unwrap();
            forget(&world, copy.clone(), "6").unwrap();
        } else {
            assert_eq!(snapshot(&world, copy.clone()).unwrap(), 2);
        }
        world.back("b");
        world.away("a");
        world.a_day();
        let original = world.place.config();
        if forgets {
            forget(&world, original.clone(), "9").unwrap();
        } else {
            assert_eq!(snapshot(&world, original.clone()).unwrap(), 2);
        }
        world.back("a");
        is_refused(&world, &original);
        is_refused(&world, &copy);
    }
}

#[test]
fn a_copy_that_could_not_reach_one_store_still_stops_the_original() {
    let mut world = World::new();
    world.snapshot();
    let copy = copy(&world);
    original_is_gone(&world);
    world.away("b");
    world.a_day();
    assert_eq!(snapshot(&world, copy.clone()).unwrap(), 2);
    world.back("b");
    is_refused(&world, &world.place.config());
    assert_eq!(snapshot(&world, copy).unwrap(), 3);
}

#[test]
fn a_moved_state_directory_goes_on() {
    let mut world = World::new();
    world.snapshot();
    fs::rename(world.place.path("state"), world.place.path("moved")).unwrap();
    let moved = world.place.config_with_state("moved");
    world.a_day();
    assert_eq!(snapshot(&world, moved).unwrap(), 2);
}

#[test]
fn the_second_of_two_commands_is_told_to_wait() {
    let mut world = World::new();
    world.snapshot();
    let first = world.place.change();
    let failure = world.place.try_change(world.place.config()).err().unwrap();
    assert_eq!(failure.kind(), FailureKind::Failed);
    assert!(
        told(&failure).contains("another command is changing"),
        "{}",
        told(&failure)
    );
    // Reading goes on meanwhile.
    world.comes_back(1, "a");
    drop(first);
    world.snapshot();
}
