//! Damaged objects never yield wrong rows: a restore from the store that holds them gives exactly
//! what was there, or fails.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tenure::error::Outcome;
use tenure::report::{Report, Silent, Unit};
use tenure::restore::{self, CustomerRestored};

use crate::support::compare::{same, same_except};
use crate::support::place::Place;
use crate::support::raw::files;

fn place() -> (Place, Vec<PathBuf>) {
    let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);
             CREATE TABLE deals (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES people(id), x);",
        )
        .unwrap();
        for n in 0..40 {
            db.execute(
                "INSERT INTO people VALUES (?, ?)",
                (n, format!("Person {n}")),
            )
            .unwrap();
            db.execute("INSERT INTO deals VALUES (NULL, ?, ?)", (n, n * 7))
                .unwrap();
        }
    });
    let mut kept = Vec::new();
    for number in 1..=3 {
        let change = format!("UPDATE people SET name = name || {number} WHERE id % 5 = {number}");
        Connection::open(&place.db)
            .unwrap()
            .execute_batch(&change)
            .unwrap();
        kept.push(place.keep(number));
        place.snapshot(false);
    }
    (place, kept)
}

/// How many of the snapshots restore from store `a`; those that do are exact.
fn restored(place: &Place, kept: &[PathBuf], what: &str) -> usize {
    let repository = place.read();
    let store = "a".parse().unwrap();
    if repository.store(&store).is_err() {
        return 0;
    }
    let mut good = 0;
    for (number, kept) in (1..).zip(kept) {
        let to = place.dir.path().join("out");
        let _ = fs::remove_dir_all(&to);
        let id = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
        if let Ok(back) = restore::whole(&repository, &to, id, None, Some(&store), &Silent) {
            // Whoever is in a damaged pack is left out as a whole, and that is said.
            let here = there(&back.sources[0].path);
            let gone = format!(
                "DELETE FROM people WHERE id NOT IN ({here}); DELETE FROM deals WHERE owner NOT IN ({here})"
            );
            same_except(kept, &back.sources[0].path, &gone)
                .unwrap_or_else(|why| panic!("{what}: {why}"));
            let is_all = there(kept) == here;
            assert_eq!(back.sources[0].problems.is_empty(), is_all, "{what}");
            good += usize::from(is_all);
        }
    }
    good
}

/// The numbers of the people in a database.
fn there(db: &Path) -> String {
    let db = Connection::open(db).unwrap();
    let sql = "SELECT coalesce(group_concat(id), '') FROM (SELECT id FROM people ORDER BY id)";
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn alter(path: &Path, how: &str, other: &Path) -> Vec<u8> {
    let good = fs::read(path).unwrap();
    let mut bytes = good.clone();
    match how {
        "cut" => bytes.truncate(good.len() - 1),
        "emptied" => bytes.clear(),
        "flipped at the start" => bytes[9] ^= 1,
        "flipped in the middle" => bytes[good.len() / 2] ^= 16,
        "flipped at the end" => bytes[good.len() - 1] ^= 128,
        "replaced by another" => bytes = fs::read(other).unwrap(),
        _ => unreachable!("{how}"),
    }
    fs::write(path, bytes).unwrap();
    good
}

#[test]
fn damage_is_an_error_and_never_wrong_rows() {
    let (place, kept) = place();
    assert_eq!(restored(&place, &kept, "undamaged"), 3);
    let (mut cases, mut fewer) = (0, 0);
    for folder in ["packs", "pages", "snapshots"] {
        let objects = files(&place.dir.path().join("a").join(folder));
        assert!(objects.len() >= 3, "{folder}");
        for (path, other) in objects.iter().zip(objects.iter().cycle().skip(1)) {
            for how in [
                "cut",
                "emptied",
                "flipped at the start",
                "flipped in the middle",
                "flipped at the end",
                "replaced by another",
            ] {
                let good = alter(path, how, other);
                let what = format!("{} {how}", path.display());
                // A pack may be hit where nothing of a row stands.
                let exact = restored(&place, &kept, &what);
                assert!(exact < 3 || folder == "packs", "{what} went unnoticed");
                fewer += usize::from(exact < 3);
                fs::write(path, good).unwrap();
                cases += 1;
            }
        }
    }
    assert!(
        fewer * 10 > cases * 8,
        "{fewer} of {cases} damages were noticed"
    );
    println!("{cases} damages, none gave wrong rows");
    assert_eq!(restored(&place, &kept, "mended"), 3);
}

/// Flips a bit in the middle of the one pack of the newest snapshot, in some stores.
fn flip(place: &Place, stores: &[&str], pack: &str) {
    for store in stores {
        let path = place.path(store).join(pack);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 16;
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_pack_that_is_damaged_in_the_middle_of_a_row_is_what_is_told() {
    let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let sql = "CREATE TABLE people (id INTEGER PRIMARY KEY, picture BLOB);
                   INSERT INTO people VALUES (1, randomblob(36 << 20))";
        Connection::open(db).unwrap().execute_batch(sql).unwrap();
    });
    place.snapshot(false);
    let packs = packs(&place);
    assert_eq!(packs.len(), 2, "the row is spread over both");
    for pack in packs {
        let stores = ["a", "b"];
        flip(&place, &stores, &pack);
        let failure = customer(&place, "1").err().unwrap();
        let told = failure.to_string();
        assert!(told.contains(&format!("{pack} is damaged")), "{told}");
        assert!(place.try_restore(1, "a").is_err(), "nobody else is there");
        flip(&place, &stores, &pack);
    }
}

/// One customer from the newest snapshot in store `a`.
fn customer(place: &Place, id: &str) -> Outcome<CustomerRestored> {
    let to = place.path("one");
    let _ = fs::remove_dir_all(&to);
    let repository = place.read();
    let newest = restore::choose(&repository, None, None)?;
    let store = "a".parse().unwrap();
    restore::customer(&repository, id, &to, newest, Some(&store), &Silent)
}

/// The packs that the newest snapshot names.
fn packs(place: &Place) -> Vec<String> {
    let repository = place.read();
    let (_, manifest) = tenure::backup::kept(&repository).unwrap().pop().unwrap();
    let packs = manifest.packs.iter();
    packs
        .map(|pack| tenure::repo::objects::pack_path(pack.name))
        .collect()
}

fn verify(place: &Place) -> Vec<String> {
    let verified = tenure::verify::run(&mut place.read(), None, false, &Silent).unwrap();
    let problems = verified.problems.into_iter();
    problems
        .map(|p| format!("{} {}", p.store, p.object))
        .collect()
}

fn is_red_for_damage(place: &Place) -> bool {
    let status = tenure::status::run(&place.read()).unwrap();
    status.problems.iter().any(|p| p.what.contains("damaged"))
}

/// The stores on which snapshot `number` is complete.
fn complete(place: &Place, number: u64) -> Vec<String> {
    let complete = place.read().catalog.complete().unwrap();
    let found = complete.into_iter().find(|(id, _)| id.number == number);
    let stores = found.map(|(_, stores)| stores).unwrap_or_default();
    stores.iter().map(ToString::to_string).collect()
}

#[test]
fn a_damaged_object_is_replaced_from_a_store_that_has_it_whole() {
    let (place, _) = place();
    for pack in packs(&place) {
        flip(&place, &["b"], &pack);
        assert!(!is_red_for_damage(&place), "nobody has looked yet");
        assert_eq!(verify(&place), [format!("b {pack}")]);
        assert!(is_red_for_damage(&place));
        assert_eq!(complete(&place, 3), ["a"]);
        // It stays on the list until somebody has seen to it.
        assert!(verify(&place).contains(&format!("b {pack}")));
        let number = place.snapshot(false).id.number;
        let [a, b] = ["a", "b"].map(|store| fs::read(place.path(store).join(&pack)).unwrap());
        assert_eq!(a, b);
        assert!(!is_red_for_damage(&place));
        assert_eq!(complete(&place, number), ["a", "b"]);
        assert_eq!(complete(&place, 3), ["a", "b"]);
        assert_eq!(verify(&place), Vec::<String>::new());
    }
}

#[test]
fn what_no_store_has_whole_is_stored_anew() {
    for full in [false, true] {
        let (place, _) = place();
        let pack = packs(&place).remove(0);
        flip(&place, &["a", "b"], &pack);
        assert_eq!(verify(&place).len(), 2);
        assert_eq!(complete(&place, 3), Vec::<String>::new());
        let last = place.keep(4);
        let taken = place.snapshot(full);
        assert_eq!(taken.kind, tenure::manifest::SnapshotKind::Full);
        assert!(taken.why_full.is_some());
        assert!(!packs(&place).contains(&pack));
        assert_eq!(complete(&place, 4), ["a", "b"]);
        assert_eq!(complete(&place, 3), Vec::<String>::new());
        for store in ["a", "b"] {
            same(&last, &place.restore(4, store)).unwrap();
        }
        // The older snapshots are as broken as before, and that is said.
        assert!(is_red_for_damage(&place));
        // What turns out whole is taken off the list.
        flip(&place, &["a", "b"], &pack);
        verify(&place);
        assert!(!is_red_for_damage(&place));
    }
}

#[test]
fn a_snapshot_with_a_damaged_pack_gives_everybody_who_is_not_in_it() {
    let (place, kept) = place();
    // The newest snapshot's own pack has those who were changed last.
    let newest = packs(&place).remove(0);
    flip(&place, &["a"], &newest);
    same(&kept[2], &place.restore(3, "b")).unwrap();
    let (back, problems) = place.try_restore(3, "a").unwrap();
    let what = format!("left out, since no store that was asked has {newest} whole: 1 customer");
    assert_eq!(problems, [what]);
    let hit: Vec<String> = ["3", "8", "13", "18", "23", "28", "33", "38"]
        .iter()
        .filter(|id| customer(&place, id).is_err())
        .map(ToString::to_string)
        .collect();
    assert_eq!(hit.len(), 1, "a flipped bit hits one blob");
    let one = format!(
        "DELETE FROM people WHERE id = {0}; DELETE FROM deals WHERE owner = {0}",
        hit[0]
    );
    same_except(&kept[2], &back, &one).unwrap();
    let failure = customer(&place, &hit[0]).err().unwrap();
    assert!(failure.to_string().contains("is damaged"), "{failure}");
    assert_eq!(customer(&place, "4").unwrap().rows, 2);
    // Gone from everywhere it takes with it all who are in it; and where nothing is left, there is no restore.
    for store in ["a", "b"] {
        fs::remove_file(place.path(store).join(&newest)).unwrap();
    }
    let (back, problems) = place.try_restore(3, "b").unwrap();
    assert!(problems[0].ends_with("whole: 8 customers"), "{problems:?}");
    let gone = "DELETE FROM people WHERE id % 5 = 3; DELETE FROM deals WHERE owner % 5 = 3";
    same_except(&kept[2], &back, gone).unwrap();
    same(&kept[1], &place.restore(2, "a")).unwrap();
    for pack in files(&place.path("a").join("packs")) {
        fs::remove_file(pack).unwrap();
    }
    let failure = place.try_restore(3, "a").unwrap_err();
    assert!(
        failure.to_string().contains("nothing of this snapshot"),
        "{failure}"
    );
}

#[test]
fn damage_in_what_nobody_needs_costs_nobody_and_what_another_store_has_comes_from_there() {
    let (place, kept) = place();
    for pack in packs(&place) {
        let path = place.path("a").join(&pack);
        alter(&path, "flipped at the start", &path);
    }
    same(&kept[2], &place.restore(3, "a")).unwrap();
    for pack in packs(&place) {
        flip(&place, &["a"], &pack);
    }
    let (repository, to) = (place.read(), place.path("out"));
    let id = restore::choose(&repository, None, None).unwrap();
    let back = restore::whole(&repository, &to, id, None, None, &Silent).unwrap();
    same(&kept[2], &back.sources[0].path).unwrap();
    assert_eq!(back.sources[0].problems, [""; 0]);
}

/// Does something once a restore begins to look around damage.
struct Then<F>(F);

impl<F: Fn() + Send + Sync> Report for Then<F> {
    fn begin(&self, _: &str, _: Option<u64>, _: Unit) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, text: &str) {
        if text.starts_with("packs are damaged") {
            (self.0)();
        }
    }
}

#[test]
fn nobody_is_lost_for_a_store_that_goes_away_while_a_restore_looks_who_is() {
    for goes_away in [false, true] {
        let (place, _) = place();
        let newest = packs(&place).remove(0);
        flip(&place, &["a", "b"], &newest);
        // Somebody else who is damaged in one store only.
        let path = place.path("a").join(&newest);
        let mut bytes = fs::read(&path).unwrap();
        let third = bytes.len() / 3;
        bytes[third] ^= 16;
        fs::write(&path, bytes).unwrap();
        let away = Then(|| {
            if goes_away {
                fs::rename(place.path("b"), place.path("b.away")).unwrap();
                fs::write(place.path("b"), "no directory").unwrap();
            }
        });
        let (repository, to) = (place.read(), place.path("out"));
        let id = restore::choose(&repository, None, None).unwrap();
        let back = restore::whole(&repository, &to, id, None, None, &away);
        match back {
            Ok(back) => {
                assert!(!goes_away, "{:?}", back.sources[0].problems);
                assert!(back.sources[0].problems[0].ends_with("whole: 1 customer"));
            }
            Err(failure) => assert!(goes_away, "{failure:?}"),
        }
    }
}
