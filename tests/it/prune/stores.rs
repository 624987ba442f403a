//! Stores that are away, come back, or do not let go.

use std::fs;
use std::os::unix::fs::symlink;

use super::{World, went};

impl World {
    fn away(&self, store: &str) {
        let from = self.place.path(store);
        fs::rename(&from, from.with_extension("away")).unwrap();
    }

    fn back(&self, store: &str) {
        let to = self.place.path(store);
        fs::rename(to.with_extension("away"), &to).unwrap();
    }
}

fn left(pruned: &tenure::prune::Pruned) -> Vec<&str> {
    pruned.left.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_store_that_was_away_is_cleaned_when_it_is_back() {
    for with in ["prune", "snapshot"] {
        let mut world = World::keeping(1, 0, 0);
        world.two_chains();
        let before = world.objects("b");
        world.away("b");
        let pruned = world.try_prune(None).unwrap();
        assert_eq!((went(&pruned), left(&pruned)), (vec![1, 2, 3], vec!["b"]));
        world.is_whole(&["a"]);
        world.back("b");
        assert_eq!(world.objects("b"), before);
        if with == "prune" {
            let pruned = world.try_prune(None).unwrap();
            assert!(went(&pruned).is_empty() && pruned.left.is_empty());
            assert!(pruned.freed_bytes > 0);
        } else {
            world.snapshot(false);
        }
        world.is_whole(&["a", "b"]);
    }
}

#[test]
fn what_a_store_holds_of_use_stays_until_it_has_something_newer() {
    let mut world = World::keeping(1, 0, 0);
    world.snapshot(true);
    world.snapshot(false);
    world.away("b");
    world.snapshot(true);
    world.snapshot(true);
    let pruned = world.try_prune(None).unwrap();
    assert_eq!((went(&pruned), left(&pruned)), (vec![3], vec!["b"]));
    world.back("b");
    assert_eq!(world.prune(), [0; 0]);
    world.snapshot(false);
    assert_eq!(world.prune(), [1, 2]);
    world.is_whole(&["a", "b"]);
}

#[test]
fn a_store_whose_newest_snapshot_was_pruned_meanwhile_is_no_other_writer_s() {
    let mut world = World::keeping(1, 0, 0);
    world.snapshot(true);
    world.snapshot(false);
    // It is taken out of the configuration, and put back much later.
    world.away("b");
    let with_b = fs::read_to_string(world.place.path("tenure.toml")).unwrap();
    world.place.reconfigure(|text| {
        let of_b = text.find("[[store]]\nname = \"b\"").unwrap();
        let behind = text[of_b..].find("[snapshots]").unwrap();
        text[..of_b].to_owned() + &text[of_b + behind..]
    });
    world.snapshot(true);
    world.snapshot(false);
    assert_eq!(world.prune(), [1, 2]);
    world.is_whole(&["a"]);
    world.place.reconfigure(|_| with_b);
    let kept = fs::read(world.manifest("b.away", 2)).unwrap();
    // Damaged or not.
    for bytes in [b"torn".to_vec(), kept] {
        fs::write(world.manifest("b.away", 1), b"x").unwrap();
        fs::write(world.manifest("b.away", 2), bytes).unwrap();
        world.back("b");
        let settled = world.place.settled().unwrap().1;
        assert!(settled.unpruned.is_empty());
        assert!(settled.freed > 0 && settled.finished.len() == 1);
        assert!(!world.manifest("b", 2).exists() && !world.manifest("b", 1).exists());
        world.away("b");
    }
    world.back("b");
    world.snapshot(false);
    world.is_whole(&["a", "b"]);
}

#[test]
fn a_store_that_does_not_let_go_is_named_and_finished_later() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    // Nothing can be removed from a directory that is a link into nowhere.
    let packs = world.place.path("b/packs");
    let aside = world.place.path("packs-of-b");
    fs::rename(&packs, &aside).unwrap();
    symlink("/proc/version", &packs).unwrap();
    let pruned = world.try_prune(None).unwrap();
    assert_eq!((went(&pruned), left(&pruned)), (vec![1, 2, 3], vec!["b"]));
    fs::remove_file(&packs).unwrap();
    fs::rename(&aside, &packs).unwrap();
    world.prune();
    world.is_whole(&["a", "b"]);
}

#[test]
fn a_store_with_snapshots_that_nobody_knows_keeps_all_it_has() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    let foreign = world.place.path("b/snapshots/0123456789abcdef");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("0000000001"), b"of another life").unwrap();
    let packs = |world: &World| -> Vec<String> {
        let all = world.objects("b").into_iter();
        all.filter(|path| path.starts_with("packs")).collect()
    };
    let before = packs(&world);
    let pruned = world.try_prune(None).unwrap();
    assert_eq!(left(&pruned), ["b"]);
    assert_eq!(packs(&world), before);
    fs::remove_dir_all(&foreign).unwrap();
    world.prune();
    world.is_whole(&["a", "b"]);
}
