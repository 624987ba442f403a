//! Nothing is left of whom a retention run has erased: not a byte in the live database, its log and its
//! journal, the state directory and the stores, nor in anything that the keyring opens. The same
//! search finds all of it before.

use std::path::Path;
use std::process::Command;

use rusqlite::params;
use tempfile::TempDir;

use super::*;
use crate::support::canary::{Canary, find, holds};
use crate::support::raw::open_everything;
use crate::support::world::STORES;

/// Runs the program, which must be done with it.
fn tenure(world: &World, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.arg("--config").arg(world.config_path());
    let done = command.args(arguments).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    assert!(done.status.success(), "{arguments:?}: {text}");
    said
}

/// Plants canaries in all that the CRM has of a customer: name, address, phone, notes, a blob.
fn plant(world: &World, id: i64) -> Vec<Canary> {
    let canaries: Vec<Canary> = (0..6).map(|_| Canary::new()).collect();
    let [name, email, phone, body, author, blob] = [0, 1, 2, 3, 4, 5].map(|n| canaries[n].as_str());
    let db = world.crm.connection();
    let row = params![id, name, email, phone];
    db.execute(
        "UPDATE customers SET name = ?2, email = ?3, phone = ?4 WHERE id = ?1",
        row,
    )
    .unwrap();
    let note =
        "INSERT INTO notes (customer_id, written_at, author, body) VALUES (?, '2010-01-01', ?, ?)";
    db.execute(note, params![id, author, body]).unwrap();
    let bytes = [b"\xff\x00", blob.as_bytes()].concat();
    db.execute(note, params![id, "x", bytes]).unwrap();
    canaries
}

/// A snapshot, restored into a place that is not looked at.
fn restored_into(world: &World, number: u64, to: &Path) -> PathBuf {
    let repository = world.open();
    let id = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
    let restored = restore::whole(&repository, to, id, None, None, &Silent).unwrap();
    restored.sources[0].path.clone()
}

/// How many of the canaries the keyring opens in a store.
fn opened(world: &World, store: &str, canaries: &[Canary]) -> usize {
    let repository = world.open();
    let all = open_everything(
        &repository,
        &repository.keyring,
        &super::store(world, store),
    );
    let held = canaries
        .iter()
        .filter(|canary| holds(&all.plain, canary.as_bytes()));
    held.count()
}

#[test]
fn nothing_is_left_of_whom_a_retention_run_has_erased() {
    let mut world = World::with_lives(retention::RULES);
    sql(&world, "PRAGMA journal_mode = WAL");
    // Words of notes stand in a full-text index too.
    sql(
        &world,
        "CREATE VIRTUAL TABLE found USING fts5(body, content = 'notes', content_rowid = 'id');
                 CREATE TRIGGER found_in AFTER INSERT ON notes BEGIN
                   INSERT INTO found(rowid, body) VALUES (new.id, new.body); END;
                 CREATE TRIGGER found_out AFTER DELETE ON notes BEGIN
                   INSERT INTO found(found, rowid, body) VALUES ('delete', old.id, old.body); END;
                 CREATE TRIGGER found_anew AFTER UPDATE ON notes BEGIN
                   INSERT INTO found(found, rowid, body) VALUES ('delete', old.id, old.body);
                   INSERT INTO found(rowid, body) VALUES (new.id, new.body); END;
                 INSERT INTO found(found) VALUES ('rebuild')",
    );
    let (erased, kept) = (["3", "5"], "7");
    let canaries: Vec<Canary> = [3, 5]
        .into_iter()
        .flat_map(|id| plant(&world, id))
        .collect();
    let living = plant(&world, 7);
    world.snapshot(true);
    world.crm.a_day_of_changes(1).unwrap();
    for id in erased.into_iter().chain([kept]) {
        assert_eq!(
            count(&world, &format!("customers WHERE id = {id}")),
            1,
            "choose another seed"
        );
    }
    retention::expire(&world, &erased.join(", "));
    world.snapshot(false);
    let reason = Canary::new();
    for (what, id) in [
        ("hide", "3"),
        ("hide", "9"),
        ("unhide", "3"),
        ("hold", "5"),
        ("release", "5"),
    ] {
        tenure(&world, &["customer", what, id, "--reason", reason.as_str()]);
    }
    let outside = TempDir::new().unwrap();
    let before =
        [1, 2].map(|n| restored_into(&world, n, &outside.path().join(format!("before-{n}"))));

    for canary in &canaries {
        let live = find(world.dir(), canary.as_bytes());
        let only_live = |path: &PathBuf| {
            path.starts_with(world.dir()) && path.to_string_lossy().contains("crm.db")
        };
        assert!(!live.is_empty() && live.iter().all(only_live), "{live:?}");
    }
    assert!(find(world.dir(), reason.as_bytes()).is_empty());
    assert_eq!(
        STORES.map(|store| opened(&world, store, &canaries)),
        [canaries.len(); 2]
    );

    let said = tenure(&world, &["retention", "run", "--json"]);

    for canary in canaries.iter().chain([&reason]) {
        let left = find(world.dir(), canary.as_bytes());
        assert!(left.is_empty(), "{left:?}");
        assert!(!holds(&said, canary.as_bytes()));
    }
    assert_eq!(STORES.map(|store| opened(&world, store, &canaries)), [0; 2]);
    assert_eq!(
        STORES.map(|store| opened(&world, store, &living)),
        [living.len(); 2]
    );
    let log = tenure(&world, &["audit", "log"]);
    assert!(
        !log.is_empty()
            && canaries
                .iter()
                .all(|canary| !holds(&log, canary.as_bytes()))
    );
    tenure(&world, &["audit", "verify"]);

    // Everybody else is as before, and who was hidden since is hidden.
    let gone = format!(
        "{}; INSERT INTO found(found) VALUES ('rebuild')",
        without(&erased.join(", "))
    );
    let since = format!("{gone}; UPDATE customers SET hidden = 1 WHERE id = 9");
    for (number, before) in (1..).zip(&before) {
        let after = restored_into(
            &world,
            number,
            &outside.path().join(format!("after-{number}")),
        );
        same_except(before, &after, &gone).unwrap();
        assert!(
            same_except(before, &after, &since).is_ok(),
            "it was hidden before"
        );
    }
    let erasures = world.open().catalog.erasures().unwrap();
    assert!(erasures.len() == 1 && erasures[0].is_final);
    assert_eq!(
        certificate(&world, erasures[0].entry)["subjects"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
