//! Recoveries: a host is lost, and another goes on from the stores.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tenure::backup::{self, Taken};
use tenure::catalog::Snapshot;
use tenure::config::Config;
use tenure::error::{Failure, FailureKind, Outcome};
use tenure::forget;
use tenure::lifecycle;
use tenure::recover::{self, Recovered, Wanted};
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::restore;
use tenure::setup::spec::StoreSpec;
use tokio::runtime::Handle;

use crate::support::compare::same;
use crate::support::world::World;

mod apart;
mod basics;
mod binder;
mod stops;

/// A host: the first one, or one that was recovered.
struct Host<'w> {
    world: &'w World,
    config: PathBuf,
}

impl<'w> Host<'w> {
    /// The host that has made the repository.
    fn first(world: &'w World) -> Self {
        Self {
            world,
            config: world.config_path(),
        }
    }

    fn handle(&self) -> Handle {
        self.world.handle()
    }

    fn config(&self) -> Config {
        Config::load(&self.config).unwrap()
    }

    fn read(&self) -> Repository {
        Repository::read(self.config(), &self.handle()).unwrap()
    }

    fn try_change(&self) -> Outcome<Repository> {
        Repository::change(self.config(), &self.handle()).map(|(repository, _)| repository)
    }

    fn change(&self) -> Repository {
        self.try_change().unwrap()
    }

    fn snapshot(&self) -> Taken {
        backup::take(&mut self.change(), false, &Silent).unwrap()
    }

    fn forget(&self, customer: i64) -> Outcome<forget::Forgotten> {
        forget::run(&mut self.change(), &[customer.to_string()], &[])
    }

    fn hold(&self, customer: i64) {
        let mut repository = self.change();
        let id = customer.to_string();
        lifecycle::hold::hold(&mut repository, &id, "a case", None).unwrap();
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        self.read().catalog.snapshots().unwrap()
    }

    /// A snapshot restored: the newest, or the one that stands at this place of the list.
    fn restore(&self, at: Option<usize>) -> PathBuf {
        let repository = self.read();
        let snapshots = repository.catalog.snapshots().unwrap();
        let id = snapshots[at.unwrap_or(snapshots.len() - 1)].id;
        let to = self.world.dir().join("out");
        let _ = fs::remove_dir_all(&to);
        let restored = restore::whole(&repository, &to, id, None, None, &Silent).unwrap();
        assert_eq!(restored.sources[0].problems, [""; 0]);
        restored.sources[0].path.clone()
    }

    /// Whether a snapshot gives a customer back.
    fn gives_back(&self, customer: i64, at: Option<usize>) -> bool {
        has(&self.restore(at), customer)
    }
}

/// Whether a database has a customer.
fn has(db: &Path, customer: i64) -> bool {
    let db = Connection::open(db).unwrap();
    let sql = "SELECT count(*) FROM customers WHERE id = ?";
    db.query_row(sql, [customer], |row| row.get::<_, i64>(0))
        .unwrap()
        == 1
}

/// What is asked of a recovery from the stores of these names, into a folder of the world.
fn wanted(world: &World, stores: &[&str], to: &str) -> Wanted {
    let store = |name: &&str| -> StoreSpec {
        let path = world.dir().join("stores").join(name);
        format!("file://{}", path.display()).parse().unwrap()
    };
    Wanted {
        stores: stores.iter().map(store).collect(),
        identity: world.dir().join("offline.key"),
        to: world.dir().join(to),
        fingerprint: None,
        at_least_epoch: None,
        void_from: None,
        give_up: Vec::new(),
        alone: false,
        rehearse: false,
    }
}

fn recover(world: &World, wanted: &Wanted) -> Result<Recovered, Failure> {
    recover::run(wanted, &world.handle(), &Silent)
}

/// Recovers from stores, and gives the new host.
fn recovered<'w>(world: &'w World, stores: &[&str], to: &str) -> Host<'w> {
    let made = recover(world, &wanted(world, stores, to)).unwrap();
    Host {
        world,
        config: made.config,
    }
}

/// The same, when the other stores are lost for good.
fn recovered_alone<'w>(world: &'w World, store: &str, gone: &str, to: &str) -> Host<'w> {
    let mut wanted = wanted(world, &[store], to);
    wanted.give_up = vec![gone.parse().unwrap()];
    let made = recover(world, &wanted).unwrap();
    Host {
        world,
        config: made.config,
    }
}

/// A store that is away, and one that is back.
fn away(world: &World, store: &str) {
    let path = world.dir().join("stores").join(store);
    fs::rename(&path, path.with_extension("away")).unwrap();
}

fn back(world: &World, store: &str) {
    let path = world.dir().join("stores").join(store);
    fs::rename(path.with_extension("away"), path).unwrap();
}

/// The CRM as it is now, kept beside.
fn keep(world: &World, name: &str) -> PathBuf {
    let to = world.dir().join(name);
    let path = to.to_str().unwrap();
    world
        .crm
        .connection()
        .execute("VACUUM INTO ?", [path])
        .unwrap();
    to
}

/// A world with two snapshots and an identity file.
fn world() -> World {
    let world = World::new().with_two_snapshots();
    world.identity_file();
    world
}

/// Some customers who are in both snapshots.
fn someone(world: &World, nth: usize) -> i64 {
    let sql = "SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders) ORDER BY id";
    let mut statement = world.crm.connection().prepare(sql).unwrap();
    let mut ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.nth(nth).unwrap().unwrap()
}
