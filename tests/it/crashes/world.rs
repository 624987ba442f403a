//! A repository, and copies of it on which something is interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tenure::config::Config;
use tenure::ids::SnapshotId;
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::{forget, restore};
use tokio::runtime::Runtime;

use crate::support::canary::Canary;
use crate::support::place::Place;
use crate::support::raw::{copy_tree, files};

const REGISTER: &str = "table = \"people\"\nkey = \"no\"";
const SCHEMA: &str = "
    CREATE TABLE people (no TEXT PRIMARY KEY, name TEXT, friend TEXT REFERENCES people(no));
    CREATE TABLE deals (id INTEGER PRIMARY KEY, owner TEXT NOT NULL REFERENCES people(no), what TEXT);";

/// A repository with one snapshot, and changes that wait for the next.
pub struct Template {
    pub place: Place,
    /// The database as the first snapshot has it.
    pub first: PathBuf,
    pub canary: Canary,
    /// What is gone from all snapshots, as SQL.
    pub without: &'static str,
}

pub fn template() -> Template {
    let canary = Canary::new();
    let place = Place::new(REGISTER, "", |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch(SCHEMA).unwrap();
        for n in 0..20 {
            let name = if n == 7 {
                canary.as_str().to_owned()
            } else {
                format!("Person {n}")
            };
            let friend = (n > 7).then_some("P7");
            db.execute(
                "INSERT INTO people VALUES (?, ?, ?)",
                (format!("P{n}"), name, friend),
            )
            .unwrap();
            db.execute(
                "INSERT INTO deals VALUES (NULL, ?, 'deal')",
                [format!("P{n}")],
            )
            .unwrap();
        }
    });
    place.snapshot(true);
    let first = place.keep(1);
    let changes = "UPDATE people SET name = name || ' II' WHERE no IN ('P3', 'P7');
                   DELETE FROM deals WHERE owner = 'P5'; INSERT INTO people VALUES ('new', 'x', 'P7')";
    Connection::open(&place.db)
        .unwrap()
        .execute_batch(changes)
        .unwrap();
    Template {
        place,
        first,
        canary,
        without: "",
    }
}

impl Template {
    /// The database as a snapshot has it.
    pub fn at(&self, id: SnapshotId) -> &Path {
        match id.number {
            1 => &self.first,
            _ => &self.place.db,
        }
    }
}

/// One with four snapshots, of which two are to be pruned.
pub fn with_more_to_prune() -> Template {
    let template = template();
    for full in [false, true, false] {
        template.place.snapshot(full);
    }
    let keep = "[snapshots]\nkeep = { daily = 1, weekly = 0, monthly = 0 }\n";
    template.place.reconfigure(|text| text + keep);
    template
}

/// Without customer P7.
pub const GONE: &str =
    "DELETE FROM deals WHERE owner = 'P7'; UPDATE people SET friend = NULL WHERE friend = 'P7';
                        DELETE FROM people WHERE no = 'P7'";

/// One with three snapshots, of which store `b` has the first, and with it the key of P7, who was
/// forgotten since.
pub fn with_store_behind() -> Template {
    let template = template();
    let place = &template.place;
    let [store, aside] = ["b", "aside"].map(|name| place.path(name));
    fs::rename(&store, &aside).unwrap();
    place.snapshot(true);
    forget::run(&mut place.change(), &["P7".into()], &[]).unwrap();
    place.snapshot(false);
    fs::rename(aside, store).unwrap();
    Template {
        without: GONE,
        ..template
    }
}

/// A copy of the template on which something is interrupted.
pub struct World {
    pub dir: tempfile::TempDir,
    pub runtime: Runtime,
}

impl World {
    pub fn copy(template: &Template) -> Self {
        Self::copy_into(&std::env::temp_dir(), template)
    }

    /// A copy in a directory of its own in `base`.
    pub fn copy_into(base: &Path, template: &Template) -> Self {
        let from = template.place.dir.path();
        let dir = tempfile::tempdir_in(base).unwrap();
        copy_tree(from, dir.path());
        // It is meant to be a copy: from here on this is the home of the state.
        fs::remove_file(dir.path().join("state/home")).unwrap();
        let config = fs::read_to_string(from.join("tenure.toml")).unwrap();
        let config = config.replace(from.to_str().unwrap(), dir.path().to_str().unwrap());
        fs::write(dir.path().join("tenure.toml"), config).unwrap();
        // And the copied stores are the same stores, though they lie elsewhere.
        let [from, to] = [from, dir.path()].map(|path| path.to_str().unwrap());
        Connection::open(dir.path().join("state/catalog.db"))
            .unwrap()
            .execute("UPDATE key_place SET url = replace(url, ?, ?)", [from, to])
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        Self { dir, runtime }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command
            .arg("--config")
            .arg(self.path("tenure.toml"))
            .arg("--quiet")
            .args(arguments)
            // Else the loader looks for the system's libraries there first, at many a step.
            .env_remove("LD_LIBRARY_PATH");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> i32 {
        let done = self
            .command(arguments)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let code = done.status.code().unwrap();
        if ![0, 3].contains(&code) {
            println!(
                "{arguments:?}: {code}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
        code
    }

    pub fn config(&self) -> Config {
        Config::load(&self.path("tenure.toml")).unwrap()
    }

    pub fn read(&self) -> Repository {
        Repository::read(self.config(), self.runtime.handle()).unwrap()
    }

    pub fn snapshots(&self) -> Vec<SnapshotId> {
        self.read()
            .catalog
            .snapshots()
            .unwrap()
            .into_iter()
            .map(|s| s.id)
            .collect()
    }

    pub fn restore(&self, id: SnapshotId, store: &str) -> PathBuf {
        self.restore_from(id, Some(store))
    }

    /// Restores from this store, or from any.
    pub fn restore_from(&self, id: SnapshotId, store: Option<&str>) -> PathBuf {
        let to = self.path(&format!("out-{}-{}", id.number, store.unwrap_or("any")));
        let _ = fs::remove_dir_all(&to);
        let store = store.map(|name| name.parse().unwrap());
        let restored =
            restore::whole(&self.read(), &to, id, None, store.as_ref(), &Silent).unwrap();
        restored.sources[0].path.clone()
    }

    /// Nothing in state directory and stores that a crash has left.
    pub fn assert_tidy(&self, when: &str) {
        for root in ["state", "a", "b"] {
            for path in files(&self.path(root)) {
                let name = path.file_name().unwrap().to_str().unwrap();
                let left =
                    name.ends_with(".tmp") || name.ends_with(".intent") || name.contains('#');
                assert!(!left, "{when}: {} was left", path.display());
            }
        }
        let mut repository = self.read();
        let verified = tenure::verify::run(&mut repository, None, true, &Silent).unwrap();
        let problems: Vec<_> = verified
            .problems
            .iter()
            .map(|p| format!("{} {}", p.object, p.what))
            .collect();
        assert!(problems.is_empty(), "{when}: {problems:?}");
        let named: Vec<String> = {
            let fetcher = repository.fetcher(&repository.stores);
            let views = self.snapshots().into_iter();
            let views =
                views.map(|id| tenure::repo::view::View::open(&repository, &fetcher, id).unwrap());
            let of_view = |view: tenure::repo::view::View| {
                let manifest = view.manifest().clone();
                let packs = manifest.packs.into_iter().map(|p| p.name.to_string());
                packs
                    .chain(
                        manifest
                            .pages
                            .into_iter()
                            .map(|p| p.object.name.to_string()),
                    )
                    .collect::<Vec<_>>()
            };
            views.flat_map(of_view).collect()
        };
        for folder in ["a/packs", "a/pages", "b/packs", "b/pages"] {
            for path in files(&self.path(folder)) {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                assert!(
                    named.contains(&name),
                    "{when}: {} is an orphan",
                    path.display()
                );
            }
        }
    }
}
