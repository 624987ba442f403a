//! Killed at each durable step in turn, counted over the whole process: whatever was named still
//! restores, nothing is half forgotten, and the next command leaves no trace of the crash.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use tenure::config::Config;
use tenure::error::FailureKind;
use tenure::ids::SnapshotId;
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::{forget, restore};
use tokio::runtime::Runtime;

use crate::support::canary::{Canary, find, holds};
use crate::support::compare::{same, same_except};
use crate::support::crash::{Calls, Outcome, count, kill_at};
use crate::support::place::Place;
use crate::support::raw::{copy_tree, files, open_everything};

mod lives;
mod recover;

const REGISTER: &str = "table = \"people\"\nkey = \"no\"";
const SCHEMA: &str = "
    CREATE TABLE people (no TEXT PRIMARY KEY, name TEXT, friend TEXT REFERENCES people(no));
    CREATE TABLE deals (id INTEGER PRIMARY KEY, owner TEXT NOT NULL REFERENCES people(no), what TEXT);";

/// A repository with one snapshot, and changes that wait for the next.
struct Template {
    place: Place,
    /// The database as the first snapshot has it.
    first: PathBuf,
    canary: Canary,
}

fn template() -> Template {
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
    }
}

/// A copy of the template on which something is interrupted.
struct World {
    dir: tempfile::TempDir,
    runtime: Runtime,
}

impl World {
    fn copy(template: &Template) -> Self {
        let from = template.place.dir.path();
        let dir = tempfile::tempdir().unwrap();
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

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command
            .arg("--config")
            .arg(self.path("tenure.toml"))
            .arg("--quiet")
            .args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> i32 {
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

    fn config(&self) -> Config {
        Config::load(&self.path("tenure.toml")).unwrap()
    }

    fn read(&self) -> Repository {
        Repository::read(self.config(), self.runtime.handle()).unwrap()
    }

    fn snapshots(&self) -> Vec<SnapshotId> {
        self.read()
            .catalog
            .snapshots()
            .unwrap()
            .into_iter()
            .map(|s| s.id)
            .collect()
    }

    fn restore(&self, id: SnapshotId, store: &str) -> PathBuf {
        let to = self.path(&format!("out-{}-{store}", id.number));
        let _ = fs::remove_dir_all(&to);
        let store = store.parse().unwrap();
        let restored = restore::whole(&self.read(), &to, id, None, Some(&store), &Silent).unwrap();
        restored.sources[0].path.clone()
    }

    /// Nothing in state directory and stores that a crash has left.
    fn assert_tidy(&self, when: &str) {
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

/// Runs `check` for a kill at every step of a command, on both cores, and prints how many there were.
fn at_every_step(template: &Template, arguments: &[&str], check: impl Fn(&World, &str) + Sync) {
    let whole = World::copy(template);
    let steps = count(whole.command(arguments), Calls::Durable);
    assert!([0, 3].contains(&steps.exit), "{steps}");
    assert!(steps.total > 30, "{steps}");
    let (next, killed) = (AtomicU64::new(1), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let world = World::copy(template);
                    match kill_at(world.command(arguments), Calls::Durable, n) {
                        Outcome::Finished(_) if n > steps.total => break,
                        Outcome::Finished(code) => {
                            // Threads interleave differently: a run may have a step less than another.
                            assert!(
                                n + 3 > steps.total,
                                "step {n} of {} was not reached: {code}",
                                steps.total
                            );
                        }
                        Outcome::Killed { call } => {
                            killed.fetch_add(1, Ordering::Relaxed);
                            check(&world, &format!("killed at step {n} ({call})"));
                        }
                    }
                }
            });
        }
    });
    let killed = killed.into_inner();
    println!(
        "{}: killed {killed} times; an unbroken run has {steps}",
        arguments.join(" ")
    );
    assert!(killed + 3 > steps.total);
}

#[test]
fn a_snapshot_that_is_killed_anywhere_harms_nothing() {
    let template = template();
    for arguments in [&["snapshot"][..], &["snapshot", "--full"]] {
        at_every_step(&template, arguments, |world, when| {
            // What was named before restores, at once and from every store.
            let named = world.snapshots();
            assert!(!named.is_empty(), "{when}");
            for id in named {
                let expected = if id.number == 1 {
                    &template.first
                } else {
                    &template.place.db
                };
                same(expected, &world.restore(id, "a"))
                    .unwrap_or_else(|why| panic!("{when}: {why}"));
            }
            // The next one is taken as if nothing had been.
            assert_eq!(world.run(&["snapshot"]), 0, "{when}");
            for id in world.snapshots() {
                let expected = if id.number == 1 {
                    &template.first
                } else {
                    &template.place.db
                };
                for store in ["a", "b"] {
                    let back = world.restore(id, store);
                    same(expected, &back)
                        .unwrap_or_else(|why| panic!("{when}, snapshot {id}: {why}"));
                }
            }
            world.assert_tidy(when);
        });
    }
}

#[test]
fn a_forgetting_that_is_killed_anywhere_is_never_half_done() {
    let template = template();
    at_every_step(
        &template,
        &["keys", "forget", "P7", "--yes"],
        |world, when| {
            // Readers see all of the customer or nothing, whatever was reached.
            let decided = is_gone(world, when);
            // A command that changes something finishes what was decided. It says 3 because a customer
            // who was forgotten is still in the live database.
            let code = world.run(&["snapshot"]);
            assert!([0, 3].contains(&code), "{when}: {code}");
            assert!(!decided || code == 3, "{when}");
            let gone = is_gone(world, when);
            assert_eq!(gone, code == 3, "{when}");
            if !gone {
                let (mut repository, _) =
                    Repository::change(world.config(), world.runtime.handle()).unwrap();
                forget::run(&mut repository, &["P7".into()], &[]).unwrap();
                assert!(is_gone(world, when));
            }
            assert_eq!(world.run(&["snapshot"]), 3, "{when}");
            assert_gone_for_good(world, &template.canary, when);
            world.assert_tidy(when);
        },
    );
}

#[test]
fn a_prune_that_is_killed_anywhere_takes_nothing_that_is_kept() {
    let template = template();
    for full in [false, true, false] {
        template.place.snapshot(full);
    }
    template
        .place
        .reconfigure(|text| text + "[snapshots]\nkeep = { daily = 1, weekly = 0, monthly = 0 }\n");
    let expected = |id: SnapshotId| match id.number {
        1 => &template.first,
        _ => &template.place.db,
    };
    let all_come_back = |world: &World, when: &str| {
        for id in world.snapshots() {
            for store in ["a", "b"] {
                let back = world.restore(id, store);
                same(expected(id), &back)
                    .unwrap_or_else(|why| panic!("{when}, snapshot {id} from {store}: {why}"));
            }
        }
    };
    let numbers =
        |world: &World| -> Vec<u64> { world.snapshots().iter().map(|id| id.number).collect() };
    at_every_step(&template, &["prune"], |world, when| {
        // All that is listed can be read, and what goes goes as a whole.
        let listed = numbers(world);
        assert!(
            [&[1, 2, 3, 4][..], &[3, 4]].contains(&&listed[..]),
            "{when}"
        );
        all_come_back(world, when);
        // Any command carries on with what was decided.
        assert_eq!(world.run(&["snapshot"]), 0, "{when}");
        if listed.len() == 2 {
            assert_eq!(numbers(world), [3, 4, 5], "{when}");
            world.assert_tidy(when);
        }
        // Whole again, it looks as if nothing had been.
        assert_eq!(world.run(&["prune"]), 0, "{when}");
        assert_eq!(numbers(world), [3, 4, 5], "{when}");
        for root in ["a", "b", "state"] {
            let inc = world.read().inc().to_string();
            let manifests = files(&world.path(root).join("snapshots").join(inc));
            assert_eq!(manifests.len(), 3, "{when}: {root}");
        }
        all_come_back(world, when);
        world.assert_tidy(when);
    });
}

/// Whether customer P7 is gone from the first snapshot, for every reader alike.
fn is_gone(world: &World, when: &str) -> bool {
    let repository = world.read();
    let first = world.snapshots()[0];
    let to = world.path("one");
    let _ = fs::remove_dir_all(&to);
    let alone = restore::customer(&repository, "P7", &to, first, None, &Silent);
    let whole = world.restore(first, "b");
    let rows: i64 = Connection::open(&whole)
        .unwrap()
        .query_row("SELECT count(*) FROM deals WHERE owner = 'P7'", [], |row| {
            row.get(0)
        })
        .unwrap();
    let gone = rows == 0;
    match alone {
        Ok(one) => assert!(!gone && one.rows == 2, "{when}"),
        Err(failure) => {
            assert_eq!(failure.kind(), FailureKind::NotFound, "{when}: {failure:?}");
            assert!(gone, "{when}: {failure:?}");
        }
    }
    gone
}

fn assert_gone_for_good(world: &World, canary: &Canary, when: &str) {
    let repository = world.read();
    for store in ["a", "b"] {
        let store = world.path(store);
        assert_eq!(
            files(&store.join("keyring")).len(),
            1,
            "{when}: older keyrings are gone"
        );
        let opened = open_everything(&repository, &repository.keyring, &store);
        assert!(!holds(&opened.plain, canary.as_bytes()), "{when}");
        assert!(find(&store, canary.as_bytes()).is_empty(), "{when}");
    }
    assert_eq!(
        files(&world.path("state/keyring")).len(),
        3,
        "{when}: one epoch here"
    );
    assert!(
        find(&world.path("state"), canary.as_bytes()).is_empty(),
        "{when}"
    );
    // Everybody else is there, in the snapshot from before.
    let first = world.snapshots()[0];
    let without = "UPDATE people SET friend = NULL WHERE friend = 'P7';
                   DELETE FROM deals WHERE owner = 'P7'; DELETE FROM people WHERE no = 'P7'";
    let kept = world.path("kept-1.db");
    same_except(&kept, &world.restore(first, "a"), without)
        .unwrap_or_else(|why| panic!("{when}: {why}"));
}
