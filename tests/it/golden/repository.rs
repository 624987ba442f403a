//! A whole repository that a released version has written: recovered from its store, everything that it holds
//! comes back.
//!
//! `tests/fixtures/repository/NAME` has a store as it was left (`store/`), a recovery identity that was made for it and has
//! never protected anything, and the database as it was at each snapshot (`N.db.zst`). A folder is written once and never
//! again; a version that changes a format adds one of its own, by TENURE_WRITE_FIXTURES=1.

use std::fs;
use std::path::{Path, PathBuf};

use tenure::backup;
use tenure::catalog::Life;
use tenure::config::Config;
use tenure::forget;
use tenure::lifecycle::{hide, hold};
use tenure::recover::{self, Wanted};
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::restore;

use crate::support::compare::same_except;
use crate::support::raw::copy_tree;
use crate::support::world::World;

/// By the version of the packs and pages in it.
const NAMES: [&str; 1] = ["v2"];

const GONE: i64 = 7;
const HELD: i64 = 11;
const HIDDEN: i64 = 13;

fn folder(name: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/repository");
    PathBuf::from(root).join(name)
}

/// Writes the newest folder, unless it is there: two fulls, an incremental, somebody who is forgotten, one
/// who is held and one who is hidden.
pub fn write() {
    let to = folder(NAMES[NAMES.len() - 1]);
    if to.exists() {
        return;
    }
    fs::create_dir_all(to.join("store")).unwrap();
    let mut world = World::with_lives("");
    let change = |world: &World| {
        let (repository, _) = Repository::change(world.config(), &world.handle()).unwrap();
        repository
    };
    for number in 1..=3 {
        let plain = world.dir().join("plain.db");
        let _ = fs::remove_file(&plain);
        let sql = format!("VACUUM INTO '{}'", plain.display());
        world.crm.connection().execute_batch(&sql).unwrap();
        let packed = zstd::encode_all(&fs::read(&plain).unwrap()[..], 19).unwrap();
        fs::write(to.join(format!("{number}.db.zst")), packed).unwrap();
        backup::take(&mut change(&world), number != 2, &Silent).unwrap();
        world.crm.a_day_of_changes(number).unwrap();
        if number == 2 {
            forget::run(&mut change(&world), &[GONE.to_string()], &[]).unwrap();
            hold::hold(&mut change(&world), &HELD.to_string(), "a case", None).unwrap();
            hide::hide(&mut change(&world), &HIDDEN.to_string(), "away", true).unwrap();
        }
    }
    copy_tree(&world.dir().join("stores/near"), &to.join("store"));
    fs::copy(
        world.identity_file(),
        to.join("TEST-KEY-recovery-identity.txt"),
    )
    .unwrap();
}

#[test]
fn what_released_versions_have_written_is_recovered() {
    for name in NAMES {
        let (from, dir) = (folder(name), tempfile::tempdir().unwrap());
        let store = dir.path().join("store");
        fs::create_dir(&store).unwrap();
        copy_tree(&from.join("store"), &store);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let wanted = Wanted {
            stores: vec![format!("copy=file://{}", store.display()).parse().unwrap()],
            identity: from.join("TEST-KEY-recovery-identity.txt"),
            to: dir.path().join("host"),
            fingerprint: None,
            at_least_epoch: None,
            void_from: None,
            give_up: ["near", "far"].map(|name| name.parse().unwrap()).to_vec(),
            alone: true,
            rehearse: false,
        };
        let made = recover::run(&wanted, runtime.handle(), &Silent).unwrap();
        assert_eq!(made.lost, [""; 0], "{name}");
        check(&made.config, &from, &dir.path().join("out"), &runtime);
    }
}

fn check(config: &Path, from: &Path, out: &Path, runtime: &tokio::runtime::Runtime) {
    let config = Config::load(config).unwrap();
    let repository = Repository::read(config.clone(), runtime.handle()).unwrap();
    let snapshots = repository.catalog.snapshots().unwrap();
    assert_eq!(snapshots.len(), 3);
    for (number, snapshot) in (1..).zip(&snapshots) {
        let packed = fs::read(from.join(format!("{number}.db.zst"))).unwrap();
        let plain = out.with_extension("db");
        fs::write(&plain, zstd::decode_all(&packed[..]).unwrap()).unwrap();
        let _ = fs::remove_dir_all(out);
        let restored = restore::whole(&repository, out, snapshot.id, None, None, &Silent).unwrap();
        same_except(&plain, &restored.sources[0].path, &as_decided()).unwrap();
    }
    drop(repository);
    // And it is gone on with: what was decided binds.
    let change = || {
        Repository::change(config.clone(), runtime.handle())
            .unwrap()
            .0
    };
    let held = forget::run(&mut change(), &[HELD.to_string()], &[])
        .err()
        .unwrap();
    assert!(held.to_string().contains("a hold stands"), "{held}");
    let lives = change().catalog.lives().unwrap();
    assert_eq!(
        lives.values().filter(|life| life.hidden.is_some()).count(),
        1
    );
    assert!(lives.values().any(Life::is_restricted));
    let verified = tenure::verify::run(&mut change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
}

/// What the decisions since make of a database: the forgotten is gone, the hidden comes back hidden.
fn as_decided() -> String {
    format!(
        "UPDATE customers SET referred_by = NULL WHERE referred_by = {GONE};
         UPDATE notes SET mentions = NULL WHERE mentions = {GONE};
         DELETE FROM order_items WHERE order_id IN (SELECT id FROM orders WHERE customer_id = {GONE});
         DELETE FROM orders WHERE customer_id = {GONE}; DELETE FROM notes WHERE customer_id = {GONE};
         DELETE FROM customers WHERE id = {GONE}; UPDATE customers SET hidden = 1 WHERE id = {HIDDEN};"
    )
}
