//! Stores that come late, were replaced, belong to others, may hold no keys, or are taken out; and
//! what a forgetting says of those it cannot reach.

use std::fs;

use rusqlite::Connection;
use tenure::forget;
use tenure::ids::StoreName;

use super::{World, behind, contents};
use crate::support::place::Place;
use crate::support::raw::files;

impl World {
    fn add_store(&self, name: &str, keys: bool) {
        let dir = self.place.path(name).display().to_string();
        self.place.reconfigure(|text| {
            format!("{text}[[store]]\nname = \"{name}\"\nurl = \"file://{dir}\"\nkeys = {keys}\n")
        });
    }

    fn keyrings(&self, store: &str) -> Vec<String> {
        let dir = self.place.path(store).join("keyring");
        let names = |path: std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().into();
        if !dir.exists() {
            return Vec::new();
        }
        files(&dir).into_iter().map(names).collect()
    }

    fn forget(&self, id: &str) -> Vec<String> {
        let done = forget::run(&mut self.place.change(), &[id.to_owned()], &[]).unwrap();
        done.pending.iter().map(StoreName::to_string).collect()
    }

    /// That no snapshot holds the customers any more, wherever it is read from, and all others.
    fn come_back_without(&self, stores: &[&str], ids: &str) {
        for store in stores {
            for number in 1..=self.kept.len() {
                let back = self.place.restore(number, store);
                let script = format!("DELETE FROM customers WHERE id IN ({ids})");
                crate::support::compare::same_except(&self.kept[number - 1], &back, &script)
                    .unwrap();
            }
        }
    }
}

#[test]
fn a_store_that_is_added_later_gets_everything() {
    let mut world = World::new();
    world.snapshot();
    world.snapshot();
    world.add_store("c", true);
    let taken = world.snapshot();
    assert_eq!(behind(&taken, "c"), None);
    let listed = |store: &str, folder: &str| {
        let root = world.place.path(store);
        let below = contents(&root.join(folder)).into_iter();
        let named =
            below.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes));
        named.collect::<Vec<_>>()
    };
    for folder in [
        "journal",
        "keyring",
        "writer",
        "packs",
        "pages",
        "snapshots",
    ] {
        assert!(!listed("a", folder).is_empty());
        assert!(listed("a", folder) == listed("c", folder), "{folder}");
    }
    let root = |store: &str| fs::read(world.place.path(store).join("root.age")).unwrap();
    assert_eq!(root("a"), root("c"));
    for number in 1..=3 {
        assert_eq!(world.complete(number), ["a", "b", "c"]);
    }
    world.away("a");
    world.away("b");
    world.all_come_back("c");
}

#[test]
fn an_empty_directory_where_a_store_was_is_left_alone() {
    let mut world = World::new();
    world.snapshot();
    world.away("b");
    fs::create_dir(world.place.path("b")).unwrap();
    let taken = world.snapshot();
    let why = behind(&taken, "b").unwrap();
    assert!(
        why.contains("held this repository before") && why.contains("mounted"),
        "{why}"
    );
    assert_eq!(behind(&taken, "a"), None);
    assert_eq!(world.forget("9"), ["b"]);
    assert_eq!(fs::read_dir(world.place.path("b")).unwrap().count(), 0);
    assert!(
        world
            .place
            .read()
            .absent
            .contains_key(&"b".parse().unwrap())
    );
    fs::remove_dir(world.place.path("b")).unwrap();
    world.back("b");
    world.sql("DELETE FROM customers WHERE id = 9");
    let taken = world.snapshot();
    assert_eq!(behind(&taken, "b"), None);
    world.come_back_without(&["b"], "9");
}

#[test]
fn another_repository_s_store_is_not_written_to() {
    let mut world = World::new();
    world.snapshot();
    let other = Place::new("table = \"customers\"\nkey = \"id\"", "", |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
            .unwrap();
    });
    other.snapshot(true);
    let foreign = world.place.path("c");
    fs::rename(other.path("a"), &foreign).unwrap();
    let before = contents(&foreign);
    world.add_store("c", true);
    let taken = world.place.snapshot(false);
    let why = behind(&taken, "c").unwrap();
    assert!(why.contains("does not hold this repository"), "{why}");
    assert_eq!((behind(&taken, "a"), behind(&taken, "b")), (None, None));
    assert!(contents(&foreign) == before);
    // Nor is what only looks like a part of one.
    fs::remove_dir_all(foreign.join("writer")).unwrap();
    let before = contents(&foreign);
    let taken = world.place.snapshot(false);
    let why = behind(&taken, "c").unwrap();
    assert!(why.contains("not of this repository"), "{why}");
    assert!(contents(&foreign) == before);
}

#[test]
fn a_store_without_keys_never_holds_a_keyring() {
    let mut world = World::new();
    world.add_store("c", false);
    world.snapshot();
    assert_eq!(world.forget("3"), Vec::<String>::new());
    assert_eq!(
        (world.keyrings("c").len(), world.keyrings("a").len()),
        (0, 1)
    );
    // One that may no longer hold it loses it.
    let b = world.place.path("b").display().to_string();
    let with = format!("url = \"file://{b}\"\n");
    world
        .place
        .reconfigure(|text| text.replace(&with, &format!("{with}keys = false\n")));
    assert_eq!(world.keyrings("b").len(), 1);
    drop(world.place.change());
    assert_eq!(
        (world.keyrings("b").len(), world.keyrings("a").len()),
        (0, 1)
    );
    assert_eq!(world.forget("4"), Vec::<String>::new());
    world.come_back_without(&["a", "b", "c"], "3, 4");
}

#[test]
fn a_store_that_was_taken_out_stays_pending_after_a_forgetting() {
    let mut world = World::new();
    world.snapshot();
    let b = world.place.path("b").display().to_string();
    let entry = format!("[[store]]\nname = \"b\"\nurl = \"file://{b}\"\n");
    world.place.reconfigure(|text| text.replace(&entry, ""));
    assert_eq!(world.forget("3"), ["b"]);
    let (repository, settled) = world.place.try_change(world.place.config()).unwrap();
    assert_eq!((settled.pending.len(), repository.stores.len()), (1, 1));
    assert_eq!(repository.pending_places().unwrap().len(), 1);
    drop(repository);
    // Under another name it is the same place.
    let entry = entry.replace("\"b\"", "\"bb\"");
    world.place.reconfigure(|text| format!("{text}{entry}"));
    let (_, settled) = world.place.try_change(world.place.config()).unwrap();
    assert_eq!(settled.pending, Vec::new());
    assert_eq!(world.keyrings("b"), ["0000000002.age"]);
}

#[test]
fn a_store_out_of_reach_is_pending_until_its_older_keyring_is_gone() {
    let mut world = World::new();
    world.snapshot();
    world.snapshot();
    world.away("b");
    assert_eq!(world.forget("3"), ["b"]);
    assert_eq!(world.forget("4"), ["b"]);
    assert_eq!(world.keyrings("a"), ["0000000003.age"]);
    world.back("b");
    assert_eq!(world.keyrings("b"), ["0000000001.age"]);
    // Forgotten at once, whatever store is read from and whatever keyring lies there.
    world.come_back_without(&["a", "b"], "3, 4");
    assert_eq!(world.keyrings("b"), ["0000000001.age"]);
    let (_, settled) = world.place.try_change(world.place.config()).unwrap();
    assert_eq!(settled.pending, Vec::new());
    assert_eq!(world.keyrings("b"), ["0000000003.age"]);
}

#[test]
fn a_keyring_that_a_store_has_damaged_is_put_there_again() {
    let mut world = World::new();
    world.snapshot();
    let inc = world.place.read().inc();
    let path = |store: &str| {
        world
            .place
            .path(store)
            .join(format!("keyring/{inc}/0000000001.age"))
    };
    fs::write(path("a"), "torn").unwrap();
    drop(world.place.change());
    assert_eq!(fs::read(path("a")).unwrap(), fs::read(path("b")).unwrap());
}

#[test]
fn a_store_that_moved_under_its_name_is_not_taken_for_the_place_before() {
    let mut world = World::new();
    world.snapshot();
    let (b, moved) = (world.place.path("b"), world.place.path("moved"));
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(&b)
        .arg(&moved)
        .status();
    assert!(copied.unwrap().success());
    let url = |dir: &std::path::Path| format!("url = \"file://{}\"", dir.display());
    world
        .place
        .reconfigure(|text| text.replace(&url(&b), &url(&moved)));
    let forgotten = world.forget("3");
    assert_eq!(
        forgotten,
        ["b"],
        "the old place still holds the older keyring"
    );
    assert_eq!(world.keyrings("b"), ["0000000001.age"]);
    // Under a name of its own it is taken in, and the place before stays pending.
    let named = format!("name = \"b\"\n{}", url(&moved));
    let other = named.replace("\"b\"", "\"c\"");
    world.place.reconfigure(|text| text.replace(&named, &other));
    let (repository, settled) = world.place.settled().unwrap();
    assert_eq!((settled.pending.len(), repository.stores.len()), (1, 2));
    assert_eq!(world.keyrings("moved"), ["0000000002.age"]);
}
