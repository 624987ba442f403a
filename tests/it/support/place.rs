//! A repository with two stores around one database, in a temporary directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tenure::config::Config;
use tenure::error::{Failure, Outcome};
use tenure::init::{self, Root};
use tenure::keyring::recovery::Identity;
use tenure::repo::{Repository, Settled};
use tenure::report::Silent;
use tenure::{backup, restore};
use tokio::runtime::Runtime;

/// A repository with two stores around one database.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub db: PathBuf,
    /// The recovery identity.
    pub identity: Identity,
    /// The stores, as the configuration has them.
    stores: String,
    runtime: Runtime,
}

impl Place {
    pub fn new(register: &str, ownership: &str, make: impl FnOnce(&Path)) -> Self {
        Self::made(&std::env::temp_dir(), None, "", register, ownership, make)
    }

    /// One with `top` at the beginning of its configuration.
    pub fn with(top: &str, register: &str, ownership: &str, make: impl FnOnce(&Path)) -> Self {
        Self::made(&std::env::temp_dir(), None, top, register, ownership, make)
    }

    /// In a directory of its own in `base`.
    pub fn within(base: &Path, register: &str, ownership: &str, make: impl FnOnce(&Path)) -> Self {
        Self::made(base, None, "", register, ownership, make)
    }

    /// The same, with other stores.
    pub fn on(
        stores: &str,
        base: &Path,
        register: &str,
        ownership: &str,
        make: impl FnOnce(&Path),
    ) -> Self {
        Self::made(base, Some(stores), "", register, ownership, make)
    }

    fn made(
        base: &Path,
        stores: Option<&str>,
        top: &str,
        register: &str,
        ownership: &str,
        make: impl FnOnce(&Path),
    ) -> Self {
        let dir = tempfile::tempdir_in(base).unwrap();
        let db = dir.path().join("crm.db");
        make(&db);
        let identity = Identity::generate();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let two = ["a", "b"].map(|name| {
            let path = dir.path().join(name);
            format!(
                "[[store]]\nname = \"{name}\"\nurl = \"file://{}\"\n",
                path.display()
            )
        });
        let place = Self {
            dir,
            db,
            identity,
            stores: stores.map_or_else(|| two.concat(), str::to_owned),
            runtime,
        };
        place.rules(top, register, ownership);
        init::run(
            place.config(),
            &Root::make().unwrap(),
            place.runtime.handle(),
        )
        .unwrap();
        place
    }

    /// Writes the configuration with `top` at its beginning and these rules: `table` and `key` of the register, and what the
    /// source says of ownership.
    pub fn rules(&self, top: &str, register: &str, ownership: &str) {
        let recipient = self.identity.recipient();
        let text = format!(
            "{top}\n[customers]\nsource = \"crm\"\n{register}\n[keys]\nrecovery = [\"{recipient}\"]\n\
             [[source]]\nname = \"crm\"\nkind = \"sqlite\"\npath = \"crm.db\"\n{ownership}\n\
             {}",
            self.stores
        );
        let path = self.dir.path().join("tenure.toml");
        fs::write(&path, text).unwrap();
        // The stores' options may tell a secret.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn config(&self) -> Config {
        Config::load(&self.dir.path().join("tenure.toml")).unwrap()
    }

    pub fn read(&self) -> Repository {
        Repository::read(self.config(), self.runtime.handle()).unwrap()
    }

    pub fn change(&self) -> Repository {
        self.settled().unwrap().0
    }

    /// What opening for a change says.
    pub fn settled(&self) -> Outcome<(Repository, Settled)> {
        Repository::change(self.config(), self.runtime.handle())
    }

    /// What opening for a change says, with any configuration.
    pub fn try_change(&self, config: Config) -> Result<(Repository, Settled), Failure> {
        Repository::change(config, self.runtime.handle())
    }

    /// Writes the configuration anew.
    pub fn reconfigure(&self, edit: impl FnOnce(String) -> String) {
        let path = self.dir.path().join("tenure.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, edit(text)).unwrap();
    }

    /// A configuration that differs in its state directory alone.
    pub fn config_with_state(&self, state: &str) -> Config {
        let text = fs::read_to_string(self.dir.path().join("tenure.toml")).unwrap();
        let path = self.dir.path().join(format!("{state}.toml"));
        let state = self.dir.path().join(state);
        fs::write(&path, format!("state_dir = {state:?}\n{text}")).unwrap();
        Config::load(&path).unwrap()
    }

    pub fn try_snapshot(&self) -> Result<backup::Taken, Failure> {
        let (mut repository, _) = self.try_change(self.config())?;
        backup::take(&mut repository, false, &Silent)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn snapshot(&self, full: bool) -> backup::Taken {
        backup::take(&mut self.change(), full, &Silent).unwrap()
    }

    /// Keeps a copy of the database as it is, with its write-ahead log. Nobody may be writing.
    pub fn keep(&self, number: usize) -> PathBuf {
        let copy = self.dir.path().join(format!("kept-{number}.db"));
        fs::copy(&self.db, &copy).unwrap();
        let log = self.dir.path().join("crm.db-wal");
        if log.exists() {
            fs::copy(log, self.dir.path().join(format!("kept-{number}.db-wal"))).unwrap();
        }
        copy
    }

    pub fn restore(&self, number: usize, store: &str) -> PathBuf {
        let (path, problems) = self.try_restore(number, store).unwrap();
        assert_eq!(problems, Vec::<String>::new());
        path
    }

    /// What was restored, and what is not as it should be in it.
    pub fn try_restore(&self, number: usize, store: &str) -> Outcome<(PathBuf, Vec<String>)> {
        let repository = self.read();
        let to = self.dir.path().join(format!("out-{number}-{store}"));
        let _ = fs::remove_dir_all(&to);
        let id = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
        let store = store.parse().unwrap();
        let mut restored = restore::whole(&repository, &to, id, None, Some(&store), &Silent)?;
        let source = restored.sources.remove(0);
        Ok((source.path, source.problems))
    }
}
