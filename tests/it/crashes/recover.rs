//! A recovery that is killed anywhere: the same command again finishes it, or begins anew.

use std::fs;
use std::process::{Command, Stdio};

use tenure::config::Config;
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::{forget, restore};

use super::errors::inflict;
use super::world::GONE;
use super::*;
use crate::support::compare::same_except;
use crate::support::raw::{copy_tree, files};

#[test]
fn a_recovery_that_is_killed_anywhere_is_finished_by_the_next() {
    kill_everywhere(false);
}

#[test]
fn a_recovery_that_is_killed_anywhere_with_its_machine_is_followed_by_another() {
    kill_everywhere(true);
}

/// A host that is lost, of which one store is left, elsewhere than it was: as when a disk is plugged into
/// another machine. Customer P7 was forgotten.
struct Lost {
    template: Template,
    stores: tempfile::TempDir,
    identity: String,
}

impl Lost {
    fn new() -> Self {
        let template = template();
        forget::run(&mut template.place.change(), &["P7".into()], &[]).unwrap();
        let fingerprint = template.place.read().fingerprint;
        let identity = template.place.identity.to_file(&fingerprint);
        let stores = tempfile::tempdir().unwrap();
        for store in ["a", "b"] {
            let to = stores.path().join(store);
            fs::rename(template.place.dir.path().join(store), to).unwrap();
        }
        Self {
            template,
            stores,
            identity: identity.to_string(),
        }
    }

    /// A new machine.
    fn world(&self) -> World {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(self.stores.path(), dir.path());
        fs::write(dir.path().join("offline.key"), &self.identity).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        World { dir, runtime }
    }

    /// That it was recovered by one machine, or by two.
    fn is_recovered(&self, world: &World, by_two: bool, when: &str) {
        let config = Config::load(&world.path("new/tenure.toml")).unwrap();
        let repository = Repository::read(config.clone(), world.runtime.handle()).unwrap();
        // Two writers: the one that was lost, and one that has recovered. None was opened twice, but by two machines.
        let writers = repository.writers.len();
        assert!(writers == 2 || by_two && writers == 3, "{when}: {writers}");
        let id = repository.catalog.snapshots().unwrap()[0].id;
        let to = world.path("out");
        let restored = restore::whole(&repository, &to, id, None, None, &Silent).unwrap();
        same_except(&self.template.first, &restored.sources[0].path, GONE)
            .unwrap_or_else(|why| panic!("{when}: {why}"));
        for root in ["new", "a"] {
            for path in files(&world.path(root)) {
                let name = path.to_str().unwrap();
                let ends = [".tmp", ".intent", "recovering"];
                // Staged copies of what is no secret are swept by the next snapshot.
                let left = ends.iter().any(|end| name.ends_with(end))
                    || name.contains('#') && name.contains("/keyring/");
                assert!(!left, "{when}: {name} was left");
            }
        }
        let (mut repository, _) = Repository::change(config, world.runtime.handle()).unwrap();
        let verified = tenure::verify::run(&mut repository, None, true, &Silent).unwrap();
        assert_eq!(verified.problems, [], "{when}");
        assert!(repository.unread().unwrap().is_empty(), "{when}");
    }
}

fn recover(world: &World) -> Command {
    let path = |name: &str| world.path(name).to_str().unwrap().to_owned();
    let mut command = world.command(&["recover", "--store", &path("a")]);
    command.args(["--identity", &path("offline.key"), "--to", &path("new")]);
    command.args(["--give-up", "a", "--give-up", "b"]);
    command
}

/// Kills a recovery at each step; then the same command is run again, on what it has left or `anew`.
fn kill_everywhere(anew: bool) {
    let lost = Lost::new();
    let steps = count(recover(&lost.world()), fatal());
    assert_eq!(steps.exit, 0, "{steps}");
    assert!(steps.total > 60, "{steps}");
    let killed = AtomicU64::new(0);
    let check = |world: &World, when: &str| {
        if anew && world.path("new").exists() {
            fs::remove_dir_all(world.path("new")).unwrap();
        }
        let done = recover(world).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        // Keys whose certificate has not come are nobody's; they are named, and go.
        let named = anew && said.contains(".age could not be opened in any store");
        let expected = if named { 3 } else { 0 };
        assert_eq!(done.status.code(), Some(expected), "{when}: {said}");
        lost.is_recovered(world, anew, when);
    };
    on_both_cores(steps.total, |before| {
        let n = before + 1;
        let world = lost.world();
        match kill_at(recover(&world), fatal(), n) {
            Outcome::Finished(code) => assert!(n + 3 > steps.total, "step {n}: {code}"),
            Outcome::Killed { call } => {
                killed.fetch_add(1, Ordering::Relaxed);
                check(&world, &format!("killed at step {n} ({call})"));
            }
        }
    });
    let killed = killed.into_inner();
    println!("an unbroken run has {steps}");
    injected("kills", killed, "recover");
    assert!(killed + 3 > steps.total);
}

#[test]
fn calls_that_fail_during_a_recovery_leave_it_to_the_next() {
    let lost = Lost::new();
    inflict(
        "recover",
        || lost.world(),
        recover,
        |world, told, when| {
            if !told.is_done() {
                let done = recover(world).stderr(Stdio::piped()).output().unwrap();
                let said = String::from_utf8_lossy(&done.stderr).into_owned();
                assert_eq!(done.status.code(), Some(0), "{when}: {said}");
            }
            lost.is_recovered(world, false, when);
        },
    );
}

#[test]
fn a_rehearsal_that_is_killed_writes_to_no_store_in_the_next_either() {
    let template = template();
    let fingerprint = template.place.read().fingerprint;
    let identity = template.place.identity.to_file(&fingerprint);
    let world = World::copy(&template);
    fs::write(world.path("offline.key"), identity.as_bytes()).unwrap();
    let arguments = || {
        let path = |name: &str| world.path(name).to_str().unwrap().to_owned();
        let mut command = world.command(&["recover", "--rehearse", "--store", &path("a")]);
        command.args(["--identity", &path("offline.key"), "--to", &path("new")]);
        command
    };
    let stores = || {
        let files = ["a", "b"]
            .iter()
            .flat_map(|store| files(&world.path(store)));
        files
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect::<Vec<_>>()
    };
    let before = stores();
    let steps = count(arguments(), Calls::Durable);
    assert!([0, 3].contains(&steps.exit), "{steps}");
    for n in [steps.total / 2, steps.total * 3 / 4, steps.total * 9 / 10] {
        fs::remove_dir_all(world.path("new")).unwrap();
        assert!(matches!(
            kill_at(arguments(), Calls::Durable, n),
            Outcome::Killed { .. }
        ));
        // What it had restored is left to whoever looks at it.
        let _ = fs::remove_dir_all(world.path("new/restored"));
        let done = arguments().stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(
            done.status.code(),
            Some(steps.exit),
            "killed at {n}: {said}"
        );
        assert!(stores() == before, "killed at {n}: a store was written to");
        assert!(!world.path("new/.rehearsal").exists(), "killed at {n}");
    }
}
