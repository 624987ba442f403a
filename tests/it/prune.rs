//! `prune`: what the keep rules let go is gone from everywhere, and nothing else is; it stops where
//! it should; a store that was away is cleaned when it is back; and a stolen manifest is told from a
//! pruned one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tenure::error::{Failure, FailureKind};
use tenure::forget;
use tenure::journal::Event;
use tenure::object::Chain;
use tenure::prune::{self, Pruned};
use tenure::repo::view::View;
use tenure::report::Silent;
use tenure::verify::{self, Verified};

use crate::support::compare::{same, same_except};
use crate::support::place::Place;
use crate::support::raw::files;

mod guard;
mod stores;

/// A place with 60 customers, and copies of what the database was at each snapshot.
struct World {
    place: Place,
    copies: BTreeMap<u64, PathBuf>,
}

impl World {
    /// One that keeps so many days, weeks and months.
    fn keeping(daily: u32, weekly: u32, monthly: u32) -> Self {
        let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
            let db = Connection::open(db).unwrap();
            db.execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, face BLOB)")
                .unwrap();
            for id in 1..=60 {
                let sql = "INSERT INTO people VALUES (?, 'n', randomblob(400))";
                db.execute(sql, [id]).unwrap();
            }
        });
        place.reconfigure(|text| {
            let keep = format!("daily = {daily}, weekly = {weekly}, monthly = {monthly}");
            format!("{text}[snapshots]\nkeep = {{ {keep} }}\n")
        });
        Self {
            place,
            copies: BTreeMap::new(),
        }
    }

    fn sql(&self, sql: &str) {
        let db = Connection::open(&self.place.db).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Some changes, each time others, and a snapshot.
    fn snapshot(&mut self, full: bool) -> u64 {
        let n = self.copies.len();
        self.sql(&format!(
            "UPDATE people SET name = name || {n}, face = randomblob(300) WHERE id % 7 = {n} % 7"
        ));
        let taken = self.place.snapshot(full);
        assert_eq!(taken.why_full, None);
        let number = taken.id.number;
        let copy = self.place.keep(number as usize);
        self.copies.insert(number, copy);
        number
    }

    /// Two chains: 1 is full, 2 and 3 build upon it; 4 is full, 5 builds upon it.
    fn two_chains(&mut self) {
        for full in [true, false, false, true, false] {
            self.snapshot(full);
        }
    }

    /// Lets a snapshot have been taken on another day.
    fn taken_on(&self, number: u64, date: &str) {
        let catalog = Connection::open(self.place.path("state/catalog.db")).unwrap();
        let sql = "UPDATE snapshot SET started = unixepoch(?) * 1000 WHERE number = ?";
        let changed = catalog.execute(sql, (date, number as i64)).unwrap();
        assert_eq!(changed, 1);
    }

    fn try_prune(&self, confirm: Option<&str>) -> Result<Pruned, Failure> {
        prune::run(&mut self.place.change(), confirm, &Silent)
    }

    /// Prunes, with nothing left behind, and says which went.
    fn prune(&self) -> Vec<u64> {
        let pruned = self.try_prune(None).unwrap();
        assert!(pruned.left.is_empty(), "{:?}", pruned.left);
        went(&pruned)
    }

    fn listed(&self) -> Vec<u64> {
        let snapshots = self.place.read().catalog.snapshots().unwrap();
        snapshots.iter().map(|kept| kept.id.number).collect()
    }

    fn verify(&self, data: bool) -> Verified {
        verify::run(&mut self.place.read(), None, data, &Silent).unwrap()
    }

    /// Every snapshot that is listed comes back exactly from each store, nothing is found wrong, and
    /// in the stores lies what the kept ones need and nothing else.
    fn is_whole(&self, stores: &[&str]) {
        let listed = self.listed();
        for number in &listed {
            for store in stores {
                let back = self.place.restore(*number as usize, store);
                same(&self.copies[number], &back)
                    .unwrap_or_else(|why| panic!("snapshot {number} from {store}: {why}"));
            }
        }
        for store in stores {
            assert_eq!(self.objects(store), self.named(), "{store}");
            let name = store.parse().unwrap();
            let mut repository = self.place.read();
            let verified = verify::run(&mut repository, Some(&name), true, &Silent).unwrap();
            assert!(verified.is_ok(), "{:#?}", verified.problems);
        }
        let repository = self.place.read();
        let own = self.place.path("state/snapshots");
        let own: Vec<u64> = files(&own.join(repository.inc().to_string()))
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(own, listed);
    }

    /// What lies in a store of snapshots, by path.
    fn objects(&self, store: &str) -> BTreeSet<String> {
        let root = self.place.path(store);
        let folders = ["packs", "pages", "snapshots"].map(|folder| files(&root.join(folder)));
        let relative = |path: PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
        folders.into_iter().flatten().map(relative).collect()
    }

    /// What the listed snapshots name, and their own names.
    fn named(&self) -> BTreeSet<String> {
        let repository = self.place.read();
        let fetcher = repository.fetcher(&repository.stores);
        let mut named = BTreeSet::new();
        for snapshot in repository.catalog.snapshots().unwrap() {
            let id = snapshot.id;
            named.insert(Chain::Manifest.path(id.inc, id.number));
            let view = View::open(&repository, &fetcher, id).unwrap();
            let manifest = view.manifest();
            named.extend(manifest.packs.iter().map(|p| format!("packs/{}", p.name)));
            let pages = manifest.pages.iter();
            named.extend(pages.map(|page| format!("pages/{}", page.object.name)));
        }
        named
    }

    fn manifest(&self, root: &str, number: u64) -> PathBuf {
        let inc = self.place.read().inc();
        let path = Chain::Manifest.path(inc, number);
        self.place.path(root).join(path)
    }

    /// The bytes of snapshots' objects in both stores.
    fn size(&self) -> u64 {
        let folders = ["packs", "pages", "snapshots"];
        let folders = folders.map(|folder| ["a", "b"].map(|store| format!("{store}/{folder}")));
        let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
        let of = |folder: &String| {
            files(&self.place.path(folder))
                .iter()
                .map(size)
                .sum::<u64>()
        };
        folders.as_flattened().iter().map(of).sum()
    }
}

fn went(pruned: &Pruned) -> Vec<u64> {
    pruned.plan.going().map(|id| id.number).collect()
}

fn pruned_by_journal(world: &World) -> Vec<Vec<u64>> {
    let repository = world.place.read();
    let len = repository.log().position().len;
    let entries = repository
        .log()
        .entries(1..len + 1, &repository.meta().unwrap());
    let pruned = entries.unwrap().into_iter().map(|entry| entry.event);
    pruned
        .filter_map(|event| match event {
            Event::Pruned { snapshots, .. } => Some(snapshots),
            _ => None,
        })
        .collect()
}

#[test]
fn months_of_snapshots_are_thinned_and_what_is_kept_is_as_it_was() {
    let mut world = World::keeping(2, 2, 2);
    let days = [
        ("2026-01-10", true),
        ("2026-01-31", true),
        ("2026-02-01", false),
        ("2026-02-27", true),
        ("2026-03-09", true), // a Monday
        ("2026-03-10", false),
        ("2026-03-14", true),
        ("2026-03-16", true), // the next Monday
        ("2026-03-17", false),
        ("2026-03-17T18:00", false),
    ];
    for (number, (day, full)) in (1..).zip(days) {
        assert_eq!(world.snapshot(full), number);
        world.taken_on(number, day);
    }
    let before = world.size();
    let pruned = world.try_prune(None).unwrap();
    // Days 17 and 16; weeks of 17 and of 14 March; months March and February.
    assert_eq!(went(&pruned), [1, 2, 3, 5, 6]);
    assert_eq!(world.listed(), [4, 7, 8, 9, 10]);
    assert_eq!(before - world.size(), pruned.freed_bytes);
    assert!(pruned.freed_bytes > 10_000);
    world.is_whole(&["a", "b"]);
    assert_eq!(pruned_by_journal(&world), [vec![1, 2, 3, 5, 6]]);
    // Again there is nothing to do, and nothing is written of it.
    let again = world.try_prune(None).unwrap();
    assert_eq!((went(&again), again.freed_bytes), (vec![], 0));
    assert_eq!(pruned_by_journal(&world).len(), 1);
    // Snapshots go on as ever, and customers are found in those that are left.
    assert_eq!(world.snapshot(false), 11);
    assert_eq!(world.snapshot(true), 12);
    world.is_whole(&["a", "b"]);
    let shown = tenure::customers::show(&world.place.read(), "3", true).unwrap();
    let held: Vec<u64> = shown.snapshots.iter().map(|id| id.number).collect();
    assert_eq!(held, world.listed());
    let wanted = tenure::restore::choose(&world.place.read(), Some("3"), None);
    assert_eq!(wanted.unwrap_err().kind(), FailureKind::NotFound);
}

#[test]
fn who_was_forgotten_stays_forgotten_in_what_is_kept() {
    let mut world = World::keeping(1, 0, 0);
    world.snapshot(true);
    world.snapshot(true);
    forget::run(&mut world.place.change(), &["7".into()], &[]).unwrap();
    assert_eq!(world.prune(), [1]);
    let back = world.place.restore(2, "b");
    same_except(&world.copies[&2], &back, "DELETE FROM people WHERE id = 7").unwrap();
    assert!(world.verify(true).is_ok());
}

#[test]
fn a_kept_one_keeps_its_chain_and_the_newest_verified_one_all_since() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    // Without data nothing is shown.
    let verified = world.verify(false);
    assert!(verified.is_ok() && verified.whole.is_empty());
    let plan = prune::plan(&world.place.read()).unwrap();
    assert_eq!(plan.floor, None);
    let going: Vec<u64> = plan.going().map(|id| id.number).collect();
    assert_eq!(going, [1, 2, 3]);
    let verified = world.verify(true);
    assert_eq!(verified.whole.len(), 5);
    world.snapshot(true);
    world.snapshot(true);
    let plan = prune::plan(&world.place.read()).unwrap();
    assert_eq!(plan.floor.map(|id| id.number), Some(5));
    assert_eq!(world.prune(), [1, 2, 3]);
    assert_eq!(world.listed(), [4, 5, 6, 7]);
    world.is_whole(&["a", "b"]); // which verifies with data
    assert_eq!(world.prune(), [4, 5, 6]);
    world.is_whole(&["a", "b"]);
}

#[test]
fn only_a_store_in_which_nothing_is_wrong_shows_that_its_snapshots_can_be_read() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    let floor = |world: &World| prune::plan(&world.place.read()).unwrap().floor;
    let packs = ["a", "b"].map(|store| files(&world.place.path(store).join("packs")).remove(0));
    let good = packs.each_ref().map(|pack| fs::read(pack).unwrap());
    for pack in &packs {
        fs::write(pack, b"bad").unwrap();
    }
    assert!(world.verify(true).whole.is_empty());
    assert_eq!(floor(&world), None);
    // One good store is enough.
    fs::write(&packs[1], &good[1]).unwrap();
    let verified = world.verify(true);
    assert!(!verified.is_ok());
    assert_eq!(verified.whole.len(), 5);
    assert_eq!(floor(&world).map(|id| id.number), Some(5));
}

#[test]
fn a_stolen_manifest_is_told_and_a_pruned_one_is_not() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    assert_eq!(world.prune(), [1, 2, 3]);
    assert!(world.verify(false).is_ok());
    let problems = |world: &World| -> Vec<(String, String)> {
        let verified = world.verify(false);
        let named = verified.problems.into_iter();
        named.map(|p| (p.store.to_string(), p.object)).collect()
    };
    let path = |number| {
        let inc = world.place.read().inc();
        Chain::Manifest.path(inc, number)
    };
    // From one store.
    let stolen = world.manifest("a", 4);
    let bytes = fs::read(&stolen).unwrap();
    fs::remove_file(&stolen).unwrap();
    assert_eq!(problems(&world), [("a".to_owned(), path(4))]);
    fs::write(&stolen, &bytes).unwrap();
    assert!(world.verify(false).is_ok());
    // From everywhere, with all that is known of it here.
    for root in ["a", "b", "state"] {
        fs::remove_file(world.manifest(root, 4)).unwrap();
    }
    let catalog = Connection::open(world.place.path("state/catalog.db")).unwrap();
    let sql = "DELETE FROM snapshot WHERE number = 4";
    assert_eq!(catalog.execute(sql, []).unwrap(), 1);
    let found = world.verify(false);
    for store in ["a", "b"] {
        let told = found.problems.iter().find(|p| p.store.as_str() == store);
        let told = told.unwrap();
        assert_eq!(told.object, path(4));
        assert!(told.what.contains("does not say"), "{}", told.what);
    }
}

#[test]
fn a_manifest_behind_a_gap_is_still_held_against_the_one_that_was_pruned() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    assert_eq!(world.prune(), [1, 2, 3]);
    let catalog = Connection::open(world.place.path("state/catalog.db")).unwrap();
    let sql = "UPDATE pruned SET hash = randomblob(32) WHERE number = 3";
    assert_eq!(catalog.execute(sql, []).unwrap(), 1);
    let verified = world.verify(false);
    assert!(!verified.is_ok());
    let broken = |p: &verify::Problem| p.what.contains("does not follow the one before");
    assert!(
        verified.problems.iter().all(broken),
        "{:?}",
        verified.problems
    );
}

#[test]
fn a_restore_that_runs_meanwhile_is_not_made_void() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    let reader = world.place.read();
    assert_eq!(world.prune(), [1, 2, 3]);
    assert!(reader.has_grown().unwrap() && !reader.has_news().unwrap());
    let to = world.place.path("meanwhile");
    let newest = tenure::restore::choose(&reader, None, None).unwrap();
    tenure::restore::whole(&reader, &to, newest, None, None, &Silent).unwrap();
    // What bears upon it does.
    forget::run(&mut world.place.change(), &["7".into()], &[]).unwrap();
    assert!(reader.has_news().unwrap());
    let to = world.place.path("void");
    let failure = tenure::restore::whole(&reader, &to, newest, None, None, &Silent)
        .err()
        .unwrap();
    assert!(failure.to_string().contains("has changed"), "{failure}");
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    files(dir).into_iter().map(read).collect()
}

#[test]
fn a_plan_changes_nothing() {
    let mut world = World::keeping(1, 0, 0);
    world.two_chains();
    let before = tree(world.place.dir.path());
    let plan = prune::plan(&world.place.read()).unwrap();
    assert_eq!(plan.going().count(), 3);
    assert!(tree(world.place.dir.path()) == before);
}
