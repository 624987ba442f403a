//! States that an interrupted command can leave, made by hand: the next change finishes or sweeps
//! each, and whoever only reads goes on meanwhile with what was decided.

use std::fs;
use std::path::PathBuf;

use tenure::forget;
use tenure::ids::{Class, Domain};
use tenure::journal::{Event, Recognised};
use tenure::object::Chain;
use tenure::report::Silent;
use tenure::{backup, customers};

use super::{World, behind, told};
use crate::support::compare::same_except;
use crate::support::raw::files;

impl World {
    fn state(&self, path: &str) -> PathBuf {
        self.place.path("state").join(path)
    }

    /// Decides that customer 3 is erased, and stops right after the journal's entry.
    fn decide(&self) {
        let mut repository = self.place.change();
        let holder = customers::find(&repository, "3").unwrap().remove(0);
        let domains = vec![Domain {
            class: Class::CUSTOMER,
            ..holder.domain
        }];
        let recognised = vec![Recognised {
            who: holder.who,
            domain: holder.domain,
            key: None,
        }];
        repository
            .decide(Event::Erased {
                domains,
                recognised,
                order: None,
            })
            .unwrap();
    }

    /// The last entry of the journal, as it lies somewhere.
    fn last_entry(&self, root: &str) -> PathBuf {
        let inc = self.place.read().inc();
        files(&self.place.path(root).join(format!("journal/{inc}")))
            .pop()
            .unwrap()
    }

    fn without_3(&self, number: usize, store: &str) {
        let back = self.place.restore(number, store);
        same_except(
            &self.kept[number - 1],
            &back,
            "DELETE FROM customers WHERE id = 3",
        )
        .unwrap();
    }

    /// That customer 3 is forgotten: by readers now, and everywhere after the next change.
    fn forgets_3(&mut self) {
        self.without_3(1, "a");
        let (repository, settled) = self.place.try_change(self.place.config()).unwrap();
        assert_eq!((repository.keyring.epoch, settled.pending.len()), (2, 0));
        assert!(!settled.finished.is_empty());
        drop(repository);
        for store in ["a", "b"] {
            let keyrings = files(&self.place.path(store).join("keyring"));
            assert_eq!(keyrings.len(), 1);
            assert!(keyrings[0].ends_with("0000000002.age"));
            self.without_3(1, store);
        }
        assert_eq!(files(&self.state("keyring")).len(), 3);
        self.sql("DELETE FROM customers WHERE id = 3");
        self.snapshot();
        self.comes_back(2, "b");
    }
}

#[test]
fn an_entry_that_the_keyring_does_not_show_yet_is_carried_out() {
    let mut world = World::new();
    world.snapshot();
    world.decide();
    world.forgets_3();
}

#[test]
fn an_intended_entry_is_carried_out_wherever_it_had_come() {
    for in_stores in [&[][..], &["a"], &["b"], &["a", "b"]] {
        let mut world = World::new();
        world.snapshot();
        world.decide();
        let inc = world.place.read().inc();
        let own = world.last_entry("state");
        fs::rename(own, world.state(&format!("journal/{inc}.intent"))).unwrap();
        for store in ["a", "b"].iter().filter(|store| !in_stores.contains(store)) {
            fs::remove_file(world.last_entry(store)).unwrap();
        }
        world.forgets_3();
        assert!(!world.state(&format!("journal/{inc}.intent")).exists());
        assert_eq!(
            fs::read(world.last_entry("a")).unwrap(),
            fs::read(world.last_entry("b")).unwrap()
        );
    }
}

#[test]
fn an_intended_entry_outlives_a_command_that_reaches_no_store() {
    let mut world = World::new();
    world.snapshot();
    world.decide();
    let inc = world.place.read().inc();
    let intent = world.state(&format!("journal/{inc}.intent"));
    fs::rename(world.last_entry("state"), &intent).unwrap();
    fs::remove_file(world.last_entry("b")).unwrap();
    world.away("a");
    world.away("b");
    assert!(world.place.try_change(world.place.config()).is_err());
    assert!(intent.exists(), "store a has it");
    world.back("a");
    world.back("b");
    world.forgets_3();
}

#[test]
fn what_no_store_took_was_not_decided() {
    let mut world = World::new();
    world.snapshot();
    let mut repository = world.place.change();
    world.away("a");
    world.away("b");
    let failure = forget::run(&mut repository, &["3".into()], &[])
        .err()
        .unwrap();
    assert!(
        told(&failure).contains("nothing was changed"),
        "{}",
        told(&failure)
    );
    drop(repository);
    world.back("a");
    world.back("b");
    world.snapshot();
    world.all_come_back("a");
}

#[test]
fn an_intended_manifest_is_named_or_given_up() {
    for in_stores in [&[][..], &["a"], &["b"], &["a", "b"]] {
        for unnamed in [false, true] {
            let mut world = World::new();
            world.snapshot();
            world.snapshot();
            let inc = world.place.read().inc();
            let path = Chain::Manifest.path(inc, 2);
            let intent = world.state(&format!("snapshots/{inc}.intent"));
            fs::rename(world.state(&path), &intent).unwrap();
            for store in ["a", "b"].iter().filter(|store| !in_stores.contains(store)) {
                fs::remove_file(world.place.path(store).join(&path)).unwrap();
            }
            let catalog = rusqlite::Connection::open(world.state("catalog.db")).unwrap();
            catalog
                .execute_batch(
                    "DELETE FROM snapshot WHERE number = 2; DELETE FROM complete WHERE number = 2",
                )
                .unwrap();
            drop(catalog);
            let given_up = unnamed && in_stores.is_empty();
            if unnamed {
                // Neither store has all of it: it is given up, unless it has its name already.
                for store in ["a", "b"] {
                    for pack in new_objects(&world, store) {
                        fs::remove_file(pack).unwrap();
                    }
                }
            }
            world.comes_back(1, "a");
            let taken = world.place.snapshot(false);
            let number = if given_up { 2 } else { 3 };
            assert_eq!(taken.id.number, number, "{in_stores:?} {unnamed}");
            assert_eq!((behind(&taken, "a"), behind(&taken, "b")), (None, None));
            assert!(!intent.exists());
            for store in ["a", "b"] {
                world.comes_back(1, store);
                let last = world.place.restore(number as usize, store);
                crate::support::compare::same(&world.place.db, &last).unwrap();
                if !unnamed {
                    world.comes_back(2, store);
                }
            }
        }
    }
}

/// The packs that a store got with its second snapshot.
fn new_objects(world: &World, store: &str) -> Vec<PathBuf> {
    let mut packs = world.packs(store);
    packs.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    packs.split_off(1)
}

#[test]
fn a_keyring_that_was_half_written_is_written_anew() {
    for halves in [&["age"][..], &["age", "secret"]] {
        let mut world = World::new();
        world.snapshot();
        world.decide();
        let inc = world.place.read().inc();
        for half in halves {
            let path = world.state(&format!("keyring/{inc}-0000000002.{half}"));
            fs::write(path, [7; 32]).unwrap();
        }
        fs::write(
            world.state(&format!("keyring/{inc}-0000000002.keys.tmp")),
            "x",
        )
        .unwrap();
        world.forgets_3();
    }
}

#[test]
fn leftovers_are_swept() {
    let mut world = World::new();
    world.snapshot();
    let inc = world.place.read().inc();
    let store = world.place.path("a");
    let name = "0".repeat(64);
    let staged = [
        format!("packs/{name}#1"),
        format!("pages/{name}#22"),
        format!("snapshots/{inc}/0000000002#1"),
        format!("journal/{inc}/0000000009#1"),
        format!("writer/{inc}#3"),
        "root.age#1".into(),
    ];
    let orphans = [format!("packs/{name}"), format!("pages/{name}")];
    let old_keyring = store.join(format!("keyring/{inc}/0000000001.age#1"));
    let own = [
        "home.tmp".into(),
        format!("journal/{inc}.intent.tmp"),
        format!("snapshots/{inc}/0000000002.tmp"),
        format!("writer/{inc}.tmp"),
        format!("pages/{name}.tmp"),
        format!("pages/{name}"),
        format!("keyring/{inc}-0000000001.keys.tmp"),
    ];
    for path in staged.iter().chain(&orphans) {
        fs::write(store.join(path), "left").unwrap();
    }
    for path in &own {
        fs::write(world.state(path), "left").unwrap();
    }
    fs::write(
        &old_keyring,
        "a whole keyring of an older epoch, unseen by listings",
    )
    .unwrap();
    world.comes_back(1, "a");
    // What could bring the forgotten back goes with the forgetting itself.
    forget::run(&mut world.place.change(), &["3".into()], &[]).unwrap();
    assert!(!old_keyring.exists());
    world.sql("DELETE FROM customers WHERE id = 3");
    world.snapshot();
    for path in staged.iter().chain(&orphans) {
        assert!(!store.join(path).exists(), "{path}");
    }
    for path in &own {
        assert!(!world.state(path).exists(), "{path}");
    }
    world.comes_back(2, "a");
    backup::take(&mut world.place.change(), true, &Silent).unwrap();
}
