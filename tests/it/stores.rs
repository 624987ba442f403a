//! Stores that fail, come late, lie or are shared; a state directory that is copied, moved or left in
//! the middle of something. Whatever happens, each store by itself gives back exactly what is said to
//! be complete there, and no manifest names what does not lie beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use tenure::backup::Taken;
use tenure::error::Failure;
use tenure::ids::{ObjectName, StoreName};
use tenure::manifest::{Manifest, SnapshotKind};
use tenure::object::{self, Chain};

use crate::support::compare::same;
use crate::support::place::Place;
use crate::support::raw::files;

mod adopted;
mod failing;
mod interrupted;
mod memory;
mod size;
mod writers;

/// A place with 200 customers, and copies of what the database was at each snapshot.
struct World {
    place: Place,
    kept: Vec<PathBuf>,
}

impl World {
    fn new() -> Self {
        let place = Place::new("table = \"customers\"\nkey = \"id\"", "", |db| {
            let db = Connection::open(db).unwrap();
            db.execute_batch(
                "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, face BLOB)",
            )
            .unwrap();
            for id in 0..200 {
                db.execute(
                    "INSERT INTO customers VALUES (?, 'n', randomblob(700))",
                    [id],
                )
                .unwrap();
            }
        });
        Self {
            place,
            kept: Vec::new(),
        }
    }

    fn sql(&self, sql: &str) {
        let db = Connection::open(&self.place.db).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Changes some customers, each time others.
    fn a_day(&self) {
        let n = self.kept.len() as i64;
        let db = Connection::open(&self.place.db).unwrap();
        let sql =
            "UPDATE customers SET name = name || ?1, face = randomblob(900) WHERE id % 9 = ?1 % 9";
        db.execute(sql, params![n]).unwrap();
        let sql = "INSERT INTO customers VALUES (NULL, 'new', randomblob(500))";
        db.execute(sql, []).unwrap();
    }

    fn keep(&mut self) {
        self.kept.push(self.place.keep(self.kept.len() + 1));
    }

    /// A day of changes and a snapshot, after which no manifest names what does not lie beside it.
    fn snapshot(&mut self) -> Taken {
        self.a_day();
        self.keep();
        let taken = self.place.snapshot(false);
        assert_eq!(taken.id.number as usize, self.kept.len());
        self.check_manifests();
        taken
    }

    /// That every snapshot comes back exactly, from one store alone.
    fn all_come_back(&self, store: &str) {
        for number in 1..=self.kept.len() {
            self.comes_back(number, store);
        }
    }

    fn comes_back(&self, number: usize, store: &str) {
        let back = self.place.restore(number, store);
        same(&self.kept[number - 1], &back)
            .unwrap_or_else(|why| panic!("snapshot {number} from {store}: {why}"));
    }

    /// Walks the manifests in each store, with no help of the catalog: what they name lies there
    /// whole, and so does all that they build upon.
    fn check_manifests(&self) {
        let repository = self.place.read();
        let meta = repository.meta().unwrap();
        for store in &repository.config.stores {
            let name = store.directory().unwrap().file_name().unwrap();
            let path = self.place.path(name.to_str().unwrap());
            if !path.join("snapshots").is_dir() {
                continue;
            }
            for file in files(&path.join("snapshots")) {
                let name = file.strip_prefix(&path).unwrap().to_str().unwrap();
                let (inc, number) = Chain::Manifest.parse(name).unwrap();
                let bytes = fs::read(&file).unwrap();
                let verify = &repository.certificate.verify;
                let sealed = object::read(
                    Chain::Manifest,
                    repository.id(),
                    inc,
                    number,
                    &bytes,
                    verify,
                );
                let manifest: Manifest = sealed.unwrap().open(&meta).unwrap();
                let pages = manifest.pages.iter().map(|page| ("pages", page.object));
                let packs = manifest.packs.iter().map(|pack| ("packs", *pack));
                for (folder, object) in pages.chain(packs) {
                    let found = path.join(folder).join(object.name.to_string());
                    let bytes = fs::read(&found).unwrap_or_else(|_| {
                        panic!("{name} in {path:?} names {folder}/{}", object.name)
                    });
                    assert_eq!(ObjectName::of(&bytes), object.name);
                }
                for below in manifest.base..number {
                    let below = path.join(Chain::Manifest.path(inc, below));
                    assert!(below.is_file(), "{name} builds upon {below:?}");
                }
                assert_eq!(manifest.base == number, manifest.kind == SnapshotKind::Full);
            }
        }
    }

    /// Where the catalog says that a snapshot is complete.
    fn complete(&self, number: u64) -> Vec<String> {
        let repository = self.place.read();
        let complete = repository.catalog.complete().unwrap();
        let stores = complete.iter().filter(|(id, _)| id.number == number);
        stores
            .flat_map(|(_, stores)| stores.iter().map(StoreName::to_string))
            .collect()
    }

    fn away(&self, store: &str) {
        let from = self.place.path(store);
        fs::rename(&from, from.with_extension("away")).unwrap();
    }

    fn back(&self, store: &str) {
        let to = self.place.path(store);
        fs::rename(to.with_extension("away"), &to).unwrap();
    }

    fn packs(&self, store: &str) -> Vec<PathBuf> {
        files(&self.place.path(store).join("packs"))
    }
}

/// Why a store is behind, with its causes, if it is.
fn behind(taken: &Taken, store: &str) -> Option<String> {
    let found = taken.stores.iter().find(|(name, _)| name.as_str() == store);
    found.unwrap().1.as_ref().map(told)
}

/// A failure as somebody reads it.
fn told(failure: &Failure) -> String {
    let causes = failure.causes().join(": ");
    let hint = failure.next_step().unwrap_or_default();
    format!("{failure}: {causes} ({hint})")
}

/// Every file below a directory with its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(dir)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}
