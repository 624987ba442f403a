//! `verify` names what is wrong: exactly that object in exactly that store, and nothing besides.

use std::fs;
use std::path::{Path, PathBuf};

use tenure::error::FailureKind;
use tenure::forget;
use tenure::report::Silent;
use tenure::verify::{self, Verified};

use crate::support::world::{STORES, World, objects};

mod lies;

fn look(world: &World, store: Option<&str>, data: bool) -> Verified {
    let store = store.map(|name| name.parse().unwrap());
    verify::run(&mut world.open(), store.as_ref(), data, &Silent).unwrap()
}

/// Store and path of each problem.
fn named(verified: &Verified) -> Vec<(String, String)> {
    let problems = verified.problems.iter();
    problems
        .map(|p| (p.store.to_string(), p.object.clone()))
        .collect()
}

fn assert_clean(world: &World) {
    for data in [false, true] {
        let verified = look(world, None, data);
        assert!(verified.is_ok(), "{:#?}", verified.problems);
    }
}

/// A file and what stood in it, to be put back.
struct Before(PathBuf, Vec<u8>);

impl Before {
    fn of(path: PathBuf) -> Self {
        let bytes = fs::read(&path).unwrap();
        Self(path, bytes)
    }

    fn put_back(&self) {
        fs::write(&self.0, &self.1).unwrap();
    }
}

/// What is done to an object.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// The last byte goes.
    CutByOne,
    /// All but the first 20 bytes go.
    CutShort,
    /// Nothing is left.
    Emptied,
    /// One byte at so many 16ths of its length.
    Flip(usize),
    /// A byte more.
    Longer,
    /// Bytes of no meaning.
    Garbage,
    /// It is not there.
    Deleted,
}

const DAMAGES: [Damage; 10] = [
    Damage::CutByOne,
    Damage::CutShort,
    Damage::Emptied,
    Damage::Flip(0),
    Damage::Flip(3),
    Damage::Flip(9),
    Damage::Flip(15),
    Damage::Longer,
    Damage::Garbage,
    Damage::Deleted,
];

fn damage(path: &Path, damage: Damage) {
    let mut bytes = fs::read(path).unwrap();
    match damage {
        Damage::CutByOne => bytes.truncate(bytes.len() - 1),
        Damage::CutShort => bytes.truncate(20),
        Damage::Emptied => bytes.clear(),
        Damage::Flip(sixteenth) => {
            let at = bytes.len() * sixteenth / 16;
            bytes[at] ^= 0x10;
        }
        Damage::Longer => bytes.push(0),
        Damage::Garbage => bytes
            .iter_mut()
            .enumerate()
            .for_each(|(n, b)| *b = (n * 31 % 251) as u8),
        Damage::Deleted => return fs::remove_file(path).unwrap(),
    }
    fs::write(path, bytes).unwrap();
}

/// The kinds of objects in a store.
const FOLDERS: [&str; 7] = [
    "root.age",
    "writer",
    "journal",
    "keyring",
    "snapshots",
    "pages",
    "packs",
];

#[test]
fn each_damage_to_each_kind_of_object_is_named_and_nothing_else() {
    let world = World::new().with_two_snapshots();
    assert_clean(&world);
    let mut cases = 0;
    for (store, root) in STORES.iter().zip(world.store_dirs()) {
        for folder in FOLDERS {
            let all = objects(&root, folder);
            assert!(!all.is_empty(), "{folder}");
            // The first and the last of each kind, in one store; one of them in the other.
            let last = all.len() - 1;
            let picked = if *store == STORES[0] {
                vec![0, last]
            } else {
                vec![last]
            };
            for object in picked.into_iter().map(|at| &all[at]) {
                for done in DAMAGES {
                    let before = Before::of(root.join(object));
                    damage(&before.0, done);
                    for data in [false, true] {
                        let found = look(&world, None, data);
                        let expected = [((*store).to_owned(), object.clone())];
                        assert_eq!(named(&found), expected, "{done:?}: {:#?}", found.problems);
                        cases += 1;
                    }
                    before.put_back();
                }
            }
        }
    }
    assert!(cases >= 400, "{cases}");
    assert_clean(&world);
}

#[test]
fn objects_that_were_exchanged_are_both_named() {
    let world = World::new().with_two_snapshots();
    let root = &world.store_dirs()[1];
    let mut swapped = 0;
    for folder in ["journal", "snapshots", "pages", "packs"] {
        let all = objects(root, folder);
        for pair in all.windows(2) {
            let [a, b] = [0, 1].map(|n| Before::of(root.join(&pair[n])));
            fs::write(&a.0, &b.1).unwrap();
            fs::write(&b.0, &a.1).unwrap();
            for data in [false, true] {
                let found = look(&world, None, data);
                let expected = [0, 1].map(|n| (STORES[1].to_owned(), pair[n].clone()));
                let mut named = named(&found);
                named.sort();
                assert_eq!(named, expected, "{:#?}", found.problems);
            }
            a.put_back();
            b.put_back();
            swapped += 1;
        }
    }
    assert!(swapped >= 4, "{swapped}");
    // Of different kinds, too.
    let kinds = FOLDERS.map(|folder| objects(root, folder).remove(0));
    for pair in kinds.windows(2) {
        let [a, b] = [0, 1].map(|n| Before::of(root.join(&pair[n])));
        fs::write(&a.0, &b.1).unwrap();
        let found = look(&world, None, true);
        assert_eq!(named(&found), [(STORES[1].to_owned(), pair[0].clone())]);
        a.put_back();
    }
    assert_clean(&world);
}

#[test]
fn all_damages_are_named_at_once() {
    let world = World::new().with_two_snapshots();
    let mut expected = Vec::new();
    for (store, root) in STORES.iter().zip(world.store_dirs()) {
        for object in FOLDERS.map(|folder| objects(&root, folder).pop().unwrap()) {
            damage(&root.join(&object), Damage::Flip(8));
            expected.push(((*store).to_owned(), object));
        }
    }
    for data in [false, true] {
        assert_eq!(named(&look(&world, None, data)), expected);
    }
    let one = look(&world, Some(STORES[1]), false);
    assert_eq!(named(&one), expected[FOLDERS.len()..]);
}

#[test]
fn what_was_put_back_or_added_is_named_where_it_matters() {
    let world = World::new().with_two_snapshots();
    let root = &world.store_dirs()[0];
    let old = objects(root, "keyring").remove(0);
    let kept = Before::of(root.join(&old));
    forget::run(&mut world.change(), &["7".to_owned()], &[]).unwrap();
    assert_clean(&world);
    // An older keyring can bring back the forgotten.
    kept.put_back();
    let found = look(&world, None, true);
    assert_eq!(named(&found), [(STORES[0].to_owned(), old)]);
    assert!(found.problems[0].what.contains("forgotten"));
    assert!(found.forgotten > 0);
    fs::remove_file(&kept.0).unwrap();
    // An entry that this host did not write.
    let journal = objects(root, "journal");
    let last = root.join(journal.last().unwrap());
    let number: u64 = last.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let beyond = last.with_file_name(format!("{:010}", number + 1));
    fs::write(&beyond, fs::read(&last).unwrap()).unwrap();
    let found = named(&look(&world, None, false));
    let path = beyond
        .strip_prefix(root)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(found, [(STORES[0].to_owned(), path)]);
    fs::remove_file(&beyond).unwrap();
    // A certificate that the root did not sign.
    let forged = root.join("writer/0123456789abcdef");
    fs::write(&forged, [7; 133]).unwrap();
    let found = named(&look(&world, None, false));
    assert_eq!(
        found,
        [(STORES[0].to_owned(), "writer/0123456789abcdef".to_owned())]
    );
    fs::remove_file(&forged).unwrap();
    // What nothing names is swept by the next snapshot, and no problem until then.
    for extra in ["packs/00", "pages/00", "snapshots/zz"] {
        fs::write(root.join(extra), b"left by a crash").unwrap();
    }
    assert_clean(&world);
}

#[test]
fn blobs_of_the_forgotten_are_counted_and_no_error() {
    let world = World::new().with_two_snapshots();
    let before = look(&world, None, true);
    assert_eq!(before.forgotten, 0);
    assert!(before.blobs > 100, "{}", before.blobs);
    forget::run(&mut world.change(), &["3".to_owned(), "9".to_owned()], &[]).unwrap();
    let after = look(&world, None, true);
    assert!(after.is_ok(), "{:#?}", after.problems);
    // Each of them has one blob at least, in each store.
    assert!(after.forgotten >= 4, "{}", after.forgotten);
    assert_eq!(after.blobs + after.forgotten, before.blobs);
    let without = look(&world, None, false);
    assert_eq!((without.blobs, without.forgotten), (0, 0));
    assert_eq!(without.bytes, after.bytes);
    assert_eq!(without.objects, after.objects);
}

#[test]
fn a_store_out_of_reach_is_one_problem_and_an_unknown_one_a_failure() {
    let world = World::new().with_two_snapshots();
    let root = world.store_dirs()[0].clone();
    let aside = root.with_file_name("aside");
    fs::rename(&root, &aside).unwrap();
    let gone = [(STORES[0].to_owned(), String::new())];
    assert_eq!(named(&look(&world, None, true)), gone);
    assert!(look(&world, Some(STORES[1]), true).is_ok());
    // An empty directory, as of a disk that is not mounted.
    fs::create_dir(&root).unwrap();
    assert_eq!(named(&look(&world, None, false)), gone);
    fs::remove_dir(&root).unwrap();
    // Another repository.
    let other = World::new();
    std::os::unix::fs::symlink("/nonexistent", root.with_file_name("unused")).unwrap();
    fs::rename(&other.store_dirs()[0], &root).unwrap();
    let found = look(&world, None, false);
    assert_eq!(named(&found), gone);
    assert!(
        found.problems[0]
            .what
            .contains("does not hold this repository"),
        "{found:?}"
    );
    let unknown = "nowhere".parse().unwrap();
    let failure = verify::run(&mut world.open(), Some(&unknown), false, &Silent)
        .err()
        .unwrap();
    assert_eq!(failure.kind(), FailureKind::NotFound);
}

#[test]
fn a_snapshot_that_a_store_never_had_is_named_as_one() {
    let mut world = World::new();
    world.snapshot(true);
    let root = world.store_dirs()[1].clone();
    let aside = root.with_file_name("aside");
    fs::rename(&root, &aside).unwrap();
    world.crm.a_day_of_changes(1).unwrap();
    world.snapshot(false);
    fs::rename(&aside, &root).unwrap();
    let found = look(&world, None, true);
    let manifest = objects(&world.store_dirs()[0], "snapshots").pop().unwrap();
    assert_eq!(named(&found), [(STORES[1].to_owned(), manifest)]);
    assert!(found.problems[0].what.starts_with("behind"), "{found:?}");
    // The next snapshot brings the store up to date.
    world.snapshot(false);
    assert_clean(&world);
}

#[test]
fn damage_to_the_state_directory_s_copies_is_told_from_damage_to_a_store() {
    let world = World::new().with_two_snapshots();
    for folder in ["root.age", "snapshots"] {
        let object = objects(&world.state_dir(), folder).remove(0);
        for done in [Damage::Flip(8), Damage::Deleted] {
            let before = Before::of(world.state_dir().join(&object));
            damage(&before.0, done);
            let found = look(&world, Some(STORES[0]), true);
            assert_eq!(named(&found), [(STORES[0].to_owned(), object.clone())]);
            assert!(
                found.problems[0].what.contains("compared")
                    || found.problems[0].what.contains("state directory"),
                "{found:?}"
            );
            before.put_back();
        }
    }
    assert_clean(&world);
}

#[test]
fn rows_that_are_longer_than_a_piece_are_put_together() {
    let world = World::new();
    let long = "long ".repeat(2_000_000);
    let sql = "UPDATE notes SET body = ? WHERE id IN (3, 4)";
    assert_eq!(world.crm.connection().execute(sql, [&long]).unwrap(), 2);
    world.snapshot(true);
    assert_clean(&world);
    // A pack that is gone is named once, and not again for the rows that cannot be put together.
    let root = &world.store_dirs()[0];
    for object in objects(root, "packs") {
        let before = Before::of(root.join(&object));
        fs::remove_file(&before.0).unwrap();
        let found = look(&world, Some(STORES[0]), true);
        assert_eq!(named(&found), [(STORES[0].to_owned(), object)]);
        before.put_back();
    }
}
