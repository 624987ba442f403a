//! `status` is red while something is wrong, says what, and is green otherwise.

use std::fs;
use std::path::Path;

use tenure::clock::Timestamp;
use tenure::keyring::recovery::Identity;
use tenure::manifest::SnapshotKind;
use tenure::status::{self, Status};
use tenure::{forget, keys};

use crate::support::world::{CUSTOMERS, STORES, World};

fn look(world: &World) -> Status {
    let status = status::run(&world.open()).unwrap();
    assert_eq!(status.ok, status.problems.is_empty());
    assert!(
        status.problems.iter().all(|problem| problem.hint.is_some()),
        "{:?}",
        status.problems
    );
    status
}

/// That there is exactly one problem for each of these texts, which holds it.
fn assert_red(status: &Status, expected: &[&str]) {
    let found: Vec<_> = status
        .problems
        .iter()
        .map(|problem| &problem.what)
        .collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for text in expected {
        assert_eq!(
            found.iter().filter(|what| what.contains(text)).count(),
            1,
            "{text}: {found:#?}"
        );
    }
}

/// A world where all is well.
fn green() -> World {
    let world = World::new().with_two_snapshots();
    let file = world.identity_file();
    assert!(keys::prove(&mut world.change(), &file).unwrap().ok);
    fs::remove_file(file).unwrap();
    assert_red(&look(&world), &[]);
    world
}

#[test]
fn red_until_there_is_a_snapshot_and_a_proof() {
    let world = World::new();
    let status = look(&world);
    assert_red(&status, &["no snapshot yet", "nobody has shown"]);
    assert_eq!((status.customers, status.epoch), (0, 1));
    assert_eq!((status.last_snapshot, status.proven), (None, None));
    let taken = world.snapshot(true);
    let status = look(&world);
    assert_red(&status, &["nobody has shown"]);
    let last = status.last_snapshot.unwrap();
    assert_eq!((last.id, last.kind), (taken.id, SnapshotKind::Full));
    assert_eq!(status.customers, u64::from(CUSTOMERS));
    for (store, name) in status.stores.iter().zip(STORES) {
        assert_eq!(store.name.as_str(), name);
        assert!(store.reachable);
        assert_eq!(store.last_good, Some((taken.id, last.finished)));
        assert_eq!(store.behind, 0);
    }
    let before = Timestamp::now();
    let file = world.identity_file();
    keys::prove(&mut world.change(), &file).unwrap();
    let status = look(&world);
    assert_red(&status, &["lies on this host"]);
    assert!(status.proven.unwrap() >= before);
    fs::remove_file(file).unwrap();
    assert_red(&look(&world), &[]);
}

#[test]
fn red_while_an_identity_lies_on_this_host() {
    let world = green();
    let beside = world.config_path().with_file_name(status::RECOVERY_KEY);
    let write = |path: &Path, identity: &Identity| {
        fs::write(path, identity.to_file(&world.open().fingerprint).as_bytes()).unwrap();
    };
    write(&beside, &world.identity);
    let status = look(&world);
    assert_red(&status, &["lies on this host"]);
    assert!(status.problems[0].what.contains(beside.to_str().unwrap()));
    // One of another repository opens nothing here.
    write(&beside, &Identity::generate());
    assert_red(&look(&world), &[]);
    fs::remove_file(&beside).unwrap();
    // Where a proof was made from, and something else stands now.
    let offline = world.dir().join("offline.key");
    fs::write(&offline, "moved into the safe\n").unwrap();
    assert_red(&look(&world), &[]);
    write(&offline, &world.identity);
    assert_red(&look(&world), &["lies on this host"]);
    // Nobody writes into a pipe while status looks.
    fs::remove_file(&offline).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&offline)
        .status()
        .unwrap();
    assert!(made.success());
    assert_red(&look(&world), &[]);
}

#[test]
fn red_while_a_store_is_away_or_behind() {
    let mut world = green();
    let good = look(&world).last_snapshot.unwrap();
    let far = world.store_dirs()[1].clone();
    let aside = far.with_file_name("aside");
    fs::rename(&far, &aside).unwrap();
    let status = look(&world);
    assert_red(&status, &["out of reach"]);
    assert!(status.problems[0].what.contains(STORES[1]));
    assert!(!status.stores[1].reachable && status.stores[0].reachable);
    world.crm.a_day_of_changes(2).unwrap();
    world.snapshot(false);
    assert_red(&look(&world), &["out of reach", "behind by 1 snapshot"]);
    // A disk that is not mounted leaves an empty directory.
    fs::create_dir(&far).unwrap();
    assert_red(&look(&world), &["out of reach", "behind by 1 snapshot"]);
    fs::remove_dir(&far).unwrap();
    fs::rename(&aside, &far).unwrap();
    let status = look(&world);
    assert_red(&status, &["behind by 1 snapshot"]);
    assert_eq!(status.stores[1].last_good, Some((good.id, good.finished)));
    assert_eq!((status.stores[0].behind, status.stores[1].behind), (0, 1));
    world.snapshot(false);
    assert_red(&look(&world), &[]);
}

#[test]
fn red_while_an_older_keyring_may_be_somewhere_and_not_for_the_forgotten() {
    let world = green();
    let far = world.store_dirs()[1].clone();
    let aside = far.with_file_name("aside");
    fs::rename(&far, &aside).unwrap();
    forget::run(&mut world.change(), &["5".to_owned()], &[]).unwrap();
    let status = look(&world);
    assert_red(&status, &["out of reach", "older keyring"]);
    assert_eq!(status.pending.len(), 1);
    assert_eq!(status.pending[0].as_str(), STORES[1]);
    assert_eq!(status.epoch, 2);
    fs::rename(&aside, &far).unwrap();
    assert_red(&look(&world), &["older keyring"]);
    drop(world.change());
    let status = look(&world);
    assert_red(&status, &[]);
    assert!(status.pending.is_empty());
}

#[test]
fn red_while_an_interrupted_command_waits_to_be_finished() {
    let world = green();
    let intent = |folder: &str| {
        world
            .state_dir()
            .join(folder)
            .join(format!("{}.intent", world.open().inc()))
    };
    for (folder, text) in [
        ("journal", "journal entry"),
        ("snapshots", "snapshot that was"),
    ] {
        // An intent is never half there: it is what the last entry was before it had its number.
        let inc = world.open().inc().to_string();
        let mut named: Vec<_> = fs::read_dir(world.state_dir().join(folder).join(inc))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        named.sort();
        let (last, intended) = (named.pop().unwrap(), intent(folder));
        fs::rename(&last, &intended).unwrap();
        assert_red(&look(&world), &[text]);
        // While a command runs, that is its own business.
        let running = world.open().state.lock().unwrap();
        assert_red(&look(&world), &[]);
        drop(running);
        fs::rename(&intended, &last).unwrap();
    }
    // The host's keyring as it was when the journal had taken the entry, and nothing else was done.
    let dir = world.state_dir().join("keyring");
    let files = |dir: &Path| -> Vec<_> {
        let entries = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries
            .map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect()
    };
    let before = files(&dir);
    forget::run(&mut world.change(), &["6".to_owned()], &[]).unwrap();
    for (path, _) in files(&dir) {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in before {
        fs::write(path, bytes).unwrap();
    }
    assert_red(&look(&world), &["decision that the keyring does not show"]);
}

#[test]
fn red_when_the_file_names_others_than_those_who_can_recover() {
    let world = green();
    let text = fs::read_to_string(world.config_path()).unwrap();
    let me = world.identity.recipient().to_string();
    let other = Identity::generate().recipient().to_string();
    fs::write(world.config_path(), text.replace(&me, &other)).unwrap();
    assert_red(&look(&world), &["not those in force"]);
    fs::write(world.config_path(), text).unwrap();
    assert_red(&look(&world), &[]);
}

#[test]
fn a_proof_counts_for_who_can_recover_now() {
    let world = green();
    let new = Identity::generate();
    let file = world.identity_file();
    let me = world.identity.recipient().to_string();
    for (change, who) in [
        (keys::Change::Add, new.recipient().to_string()),
        (keys::Change::Remove, me),
    ] {
        keys::change_recipients(&mut world.change(), change, &who, Some(&file)).unwrap();
    }
    // The former identity still lies there, and opens nothing that is in force.
    let status = look(&world);
    assert_red(&status, &["nobody has shown"]);
    assert_eq!(status.proven, None);
}

#[test]
fn red_when_the_last_snapshot_is_too_old() {
    let world = green();
    let last = look(&world).last_snapshot.unwrap().finished;
    let day = 24 * 3600 * 1000;
    for (days, expected) in [
        (7, None),
        (9, Some("9 days old")),
        (-9, Some("has not come yet")),
    ] {
        let now = Timestamp(last.0 + days * day);
        let status = status::at(&world.open(), now).unwrap();
        assert_red(&status, expected.as_slice());
    }
}
