//! A small world to test in: a sample CRM of 50 customers, two stores, a configuration, and a
//! repository that was made of them through the crate's public functions, as `init` does it.
//!
//! Everything lies in one temporary directory that goes when the world goes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tenure::backup::{self, Taken};
use tenure::config::Config;
use tenure::demo::crm::Crm;
use tenure::init::{self, Root};
use tenure::keyring::recovery::Identity;
use tenure::repo::Repository;
use tenure::report::Silent;
use tokio::runtime::{Handle, Runtime};

/// How many customers the CRM has at first.
pub const CUSTOMERS: u32 = 50;

/// The names of the stores, in the order of the configuration.
pub const STORES: [&str; 2] = ["near", "far"];

/// See the module's text.
pub struct World {
    dir: TempDir,
    runtime: Runtime,
    /// The CRM; no transaction is open.
    pub crm: Crm,
    /// What can recover.
    pub identity: Identity,
}

impl World {
    /// A repository without a snapshot.
    pub fn new() -> Self {
        Self::with_stores(&STORES)
    }

    /// The same, with stores of these names.
    pub fn with_stores(stores: &[&str]) -> Self {
        Self::made(stores, "")
    }

    /// The same, with one store in this process's memory.
    pub fn in_memory(store: &str) -> Self {
        let store = format!("\n[[store]]\nname = \"{store}\"\nurl = \"memory://{store}\"\n");
        Self::made(&[], &store)
    }

    /// One whose customers can be hidden, with `more` at the end of the configuration, such as
    /// `[retention]`.
    pub fn with_lives(more: &str) -> Self {
        let hide = "\n  [source.hide]\n  mode = \"flag\"\n  column = \"hidden\"\n  value = 1\n";
        Self::made(&STORES, &format!("{hide}\n{more}\n"))
    }

    fn made(stores: &[&str], more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let crm = Crm::create(&dir.path().join("crm.db"), CUSTOMERS, 7).unwrap();
        let identity = Identity::generate();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let world = Self {
            dir,
            runtime,
            crm,
            identity,
        };
        let text = world.config_text(stores, more);
        fs::create_dir(world.dir.path().join("etc")).unwrap();
        fs::write(world.config_path(), text).unwrap();
        fs::set_permissions(world.config_path(), fs::Permissions::from_mode(0o640)).unwrap();
        init::check_vacant(&world.config(), &world.handle()).unwrap();
        init::run(world.config(), &Root::make().unwrap(), &world.handle()).unwrap();
        world
    }

    fn config_text(&self, stores: &[&str], more: &str) -> String {
        let dir = self.dir.path().display();
        let mut text = format!(
            r#"# what the tests use
[customers]
source = "crm"
table  = "customers"
key    = "id"
since  = "created_at"
name   = "name"

[keys]
recovery = [
  "{}", # the first
]

[[source]]
name   = "crm"
kind   = "sqlite"
path   = "{dir}/crm.db"
shared = ["country", "product"]

  [[source.owns]]
  table = "notes"
  by    = "customer_id"
  also  = "mentions"
"#,
            self.identity.recipient()
        );
        text += more;
        for store in stores {
            text += &format!(
                "\n[[store]]\nname = \"{store}\"\nurl  = \"file://{dir}/stores/{store}\"\n"
            );
        }
        text
    }

    /// The temporary directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the configuration lies.
    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("etc/tenure.toml")
    }

    /// Where the state lies.
    pub fn state_dir(&self) -> PathBuf {
        self.config().state_dir
    }

    /// The configuration, read anew.
    pub fn config(&self) -> Config {
        Config::load(&self.config_path()).unwrap()
    }

    /// What asynchronous parts run on.
    pub fn handle(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// The repository, for reading.
    pub fn open(&self) -> Repository {
        Repository::read(self.config(), &self.handle()).unwrap()
    }

    /// The repository, for changing.
    pub fn change(&self) -> Repository {
        Repository::change(self.config(), &self.handle()).unwrap().0
    }

    /// Takes a snapshot, which must reach every store that can be reached.
    pub fn snapshot(&self, full: bool) -> Taken {
        backup::take(&mut self.change(), full, &Silent).unwrap()
    }

    /// Takes a full snapshot, lets a day pass, and takes an incremental one.
    pub fn with_two_snapshots(mut self) -> Self {
        self.snapshot(true);
        self.crm.a_day_of_changes(1).unwrap();
        self.snapshot(false);
        self
    }

    /// The directories of the stores, in the order of the configuration.
    pub fn store_dirs(&self) -> Vec<PathBuf> {
        self.config()
            .stores
            .into_iter()
            .filter_map(|store| store.directory().map(Path::to_owned))
            .collect()
    }

    /// Writes the recovery identity into a file outside the places that are looked at.
    pub fn identity_file(&self) -> PathBuf {
        let path = self.dir.path().join("offline.key");
        let text = self.identity.to_file(&self.open().fingerprint);
        fs::write(&path, text.as_bytes()).unwrap();
        path
    }
}

/// Every object under a folder of a store (or of any directory), by path from there, sorted.
pub fn objects(root: &Path, folder: &str) -> Vec<String> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(
                    path.strip_prefix(root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    let mut found = Vec::new();
    let start = root.join(folder);
    if start.is_file() {
        found.push(folder.to_owned());
    }
    walk(root, &start, &mut found);
    found.sort();
    found
}
