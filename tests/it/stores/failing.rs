//! Stores that fail before and during a snapshot, fill up, or lose objects.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use tenure::backup;
use tenure::manifest::SnapshotKind;
use tenure::report::{Report, Unit};

use super::{World, behind, told};
use crate::support::disk::Small;

#[test]
fn a_store_that_is_away_is_behind_and_filled_when_it_is_back() {
    let mut world = World::new();
    world.snapshot();
    world.away("b");
    for number in [2, 3] {
        let taken = world.snapshot();
        assert_eq!(behind(&taken, "a"), None);
        let why = behind(&taken, "b").unwrap();
        assert!(why.contains("store \"b\""), "{why}");
        assert_eq!(world.complete(number), ["a"]);
        world.comes_back(number as usize, "a");
    }
    world.back("b");
    let taken = world.snapshot();
    assert_eq!((behind(&taken, "a"), behind(&taken, "b")), (None, None));
    for number in 1..=4 {
        assert_eq!(world.complete(number), ["a", "b"]);
    }
    world.away("a");
    world.all_come_back("b");
}

/// Does something to a store once the snapshot has come to storing.
struct Meanwhile<F>(AtomicBool, F);

impl<F: Fn() + Send + Sync> Report for Meanwhile<F> {
    fn begin(&self, what: &str, _: Option<u64>, _: Unit) {
        if what == "storing" && !self.0.swap(true, Ordering::Relaxed) {
            self.1();
        }
    }
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

fn take(world: &World, meanwhile: impl Fn() + Send + Sync) -> backup::Taken {
    let report = Meanwhile(AtomicBool::new(false), meanwhile);
    let taken = backup::take(&mut world.place.change(), false, &report).unwrap();
    assert!(report.0.load(Ordering::Relaxed));
    taken
}

#[test]
fn a_store_that_fails_in_the_middle_is_behind() {
    let mut world = World::new();
    world.snapshot();
    let packs = world.place.path("b").join("packs");
    world.a_day();
    world.keep();
    let taken = take(&world, || {
        fs::rename(&packs, packs.with_extension("aside")).unwrap();
        fs::write(&packs, "a file").unwrap();
    });
    assert!(behind(&taken, "b").unwrap().contains("packs"));
    assert_eq!(world.complete(2), ["a"]);
    world.all_come_back("a");
    // As long as it stays so, the others go on.
    let taken = world.snapshot_elsewhere();
    assert!(behind(&taken, "b").is_some() && behind(&taken, "a").is_none());
    fs::remove_file(&packs).unwrap();
    fs::rename(packs.with_extension("aside"), &packs).unwrap();
    let taken = world.snapshot();
    assert_eq!(behind(&taken, "b"), None);
    world.all_come_back("b");
}

impl World {
    /// A snapshot while a store is not fit to be looked into.
    fn snapshot_elsewhere(&mut self) -> backup::Taken {
        self.a_day();
        self.keep();
        self.place.snapshot(false)
    }
}

#[test]
fn a_store_that_goes_away_in_the_middle_is_not_made_anew_and_not_named() {
    let mut world = World::new();
    world.snapshot();
    world.a_day();
    world.keep();
    let taken = take(&world, || world.away("b"));
    assert!(behind(&taken, "b").is_some());
    assert!(!world.place.path("b").exists());
    assert_eq!(world.complete(2), ["a"]);
    // Likewise when an empty directory stands there instead: a disk that was unmounted.
    world.back("b");
    world.snapshot();
    world.a_day();
    world.keep();
    let b = world.place.path("b");
    let taken = take(&world, || {
        world.away("b");
        fs::create_dir(&b).unwrap();
    });
    let why = behind(&taken, "b").unwrap();
    assert!(why.contains("it has lost"), "{why}");
    assert_eq!(world.complete(4), ["a"]);
    fs::remove_dir_all(&b).unwrap();
    world.back("b");
    world.snapshot();
    world.all_come_back("b");
}

#[test]
fn a_store_that_is_full_is_behind_and_says_so() {
    let mut world = World::new();
    let dir = world.place.path("small");
    let Some(small) = Small::mount(&dir, 1) else {
        return;
    };
    world.place.reconfigure(|text| {
        format!(
            "{text}[[store]]\nname = \"small\"\nurl = \"file://{}\"\n",
            dir.display()
        )
    });
    let taken = world.snapshot();
    assert_eq!(behind(&taken, "small"), None);
    world.sql("INSERT INTO customers SELECT id + 5000, 'big', randomblob(9000) FROM customers");
    let taken = world.snapshot();
    let why = behind(&taken, "small").unwrap();
    assert!(why.to_lowercase().contains("space"), "{why}");
    assert_eq!((behind(&taken, "a"), behind(&taken, "b")), (None, None));
    // Also when there was no room for what it lacks; and what it had is still there.
    let taken = world.snapshot();
    let why = behind(&taken, "small").unwrap();
    assert!(why.to_lowercase().contains("space"), "{why}");
    assert_eq!(world.complete(3), ["a", "b"]);
    world.comes_back(1, "small");
    world.all_come_back("a");
    // More room, and it is filled.
    small.remount("size=32m");
    let taken = world.snapshot();
    assert_eq!(behind(&taken, "small"), None);
    world.all_come_back("small");
    drop(small);
}

#[test]
fn when_all_stores_fail_nothing_is_named() {
    let mut world = World::new();
    world.snapshot();
    world.away("a");
    world.away("b");
    let failure = world.place.try_snapshot().err().unwrap();
    assert!(told(&failure).contains("store \"a\""), "{}", told(&failure));
    world.back("a");
    world.back("b");
    // In the middle of it as well.
    let packs = ["a", "b"].map(|store| world.place.path(store).join("packs"));
    let report = Meanwhile(AtomicBool::new(false), || {
        for packs in &packs {
            fs::rename(packs, packs.with_extension("aside")).unwrap();
            fs::write(packs, "a file").unwrap();
        }
    });
    world.a_day();
    let failure = backup::take(&mut world.place.change(), false, &report)
        .err()
        .unwrap();
    assert!(told(&failure).contains("store"), "{}", told(&failure));
    for packs in &packs {
        fs::remove_file(packs).unwrap();
        fs::rename(packs.with_extension("aside"), packs).unwrap();
    }
    assert_eq!(world.place.read().catalog.snapshots().unwrap().len(), 1);
    world.snapshot();
    world.all_come_back("a");
    world.all_come_back("b");
}

#[test]
fn a_pack_that_one_store_has_lost_or_torn_is_put_there_again() {
    let mut world = World::new();
    world.snapshot();
    world.snapshot();
    fs::remove_file(&world.packs("a")[0]).unwrap();
    let torn = world.packs("b")[1].clone();
    let whole = fs::read(&torn).unwrap();
    fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
    let taken = world.snapshot();
    assert_eq!(taken.kind, SnapshotKind::Incremental);
    assert_eq!((behind(&taken, "a"), behind(&taken, "b")), (None, None));
    assert_eq!(fs::read(&torn).unwrap(), whole);
    world.all_come_back("a");
    world.all_come_back("b");
}

#[test]
fn a_manifest_that_one_store_has_torn_is_put_there_again() {
    let mut world = World::new();
    world.snapshot();
    let inc = world.place.read().inc();
    let torn = world
        .place
        .path("a")
        .join(format!("snapshots/{inc}/0000000001"));
    let whole = fs::read(&torn).unwrap();
    fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
    let journal = world.place.path("a").join(format!("journal/{inc}"));
    let last = crate::support::raw::files(&journal).pop().unwrap();
    let entry = fs::read(&last).unwrap();
    fs::write(&last, &entry[1..]).unwrap();
    let taken = world.snapshot();
    assert_eq!(behind(&taken, "a"), None);
    assert_eq!(fs::read(&torn).unwrap(), whole);
    assert_eq!(fs::read(&last).unwrap(), entry);
}

#[test]
fn a_pack_that_all_stores_have_lost_makes_the_next_snapshot_full_and_new() {
    let mut world = World::new();
    world.snapshot();
    let packs = [world.packs("a"), world.packs("b")];
    for pack in packs.iter().flatten() {
        fs::remove_file(pack).unwrap();
    }
    world.a_day();
    world.keep();
    let taken = world.place.snapshot(false);
    assert_eq!(taken.kind, SnapshotKind::Full);
    let why = taken.why_full.unwrap();
    assert!(why.contains("no store has all"), "{why}");
    assert_eq!((behind(&taken, "a"), behind(&taken, "b")), (None, None));
    assert_eq!(
        (world.complete(1), world.complete(2)),
        (vec![], vec!["a".into(), "b".into()])
    );
    world.comes_back(2, "a");
    world.comes_back(2, "b");
    // What is lost for good keeps no store from getting the rest.
    world.away("b");
    world.a_day();
    world.keep();
    assert!(behind(&world.place.snapshot(false), "b").is_some());
    world.back("b");
    world.a_day();
    world.keep();
    let taken = world.place.snapshot(false);
    assert_eq!(
        (taken.kind, behind(&taken, "b")),
        (SnapshotKind::Incremental, None)
    );
    for number in 2..=4 {
        world.comes_back(number, "b");
    }
}
