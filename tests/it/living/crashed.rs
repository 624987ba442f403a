//! What a dead writer left, and what lies where nobody can write.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tenure::inspect;

use super::child::die_in_the_middle;
use super::{BANK, REGISTER, balanced};
use crate::support::compare::same;
use crate::support::disk::Image;
use crate::support::place::Place;

/// The names in a directory, with their bytes.
fn bytes(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn made(path: &Path, mode: &str) {
    let db = Connection::open(path).unwrap();
    let sql = format!("PRAGMA journal_mode = {mode}; {BANK}");
    db.execute_batch(&sql).unwrap();
}

#[test]
fn a_transaction_whose_writer_was_killed_is_not_in_the_snapshot_and_stays_in_the_source() {
    let place = Place::new(REGISTER, "", |path| made(path, "DELETE"));
    let before = place.keep(1);
    let len = fs::metadata(&place.db).unwrap().len();
    die_in_the_middle(&place.db);
    // It has come into the file, and the journal tells of what was there.
    let journal = place.path("crm.db-journal");
    assert!(fs::metadata(&journal).unwrap().len() > len);
    assert!(fs::metadata(&place.db).unwrap().len() > len);
    let source = |place: &Place| (fs::read(&place.db).unwrap(), fs::read(&journal).unwrap());
    let left = source(&place);
    // Whoever looks at the plan sees it as it was, too.
    let inspected = inspect::run(&place.config()).unwrap();
    let rows = |table: &inspect::InspectedTable| (table.table.clone(), table.rows);
    let rows: Vec<_> = inspected[0].tables.iter().map(rows).collect();
    assert_eq!(rows, [("customers".into(), 20), ("payments".into(), 0)]);
    place.snapshot(false);
    assert!(source(&place) == left);
    assert_eq!(balanced(&place.restore(1, "a")), 0);
    same(&before, &place.restore(1, "b")).unwrap();
    // Its owner rolls it back, and nothing has changed.
    assert_eq!(balanced(&place.db), 0);
    assert!(!journal.exists());
    let taken = place.snapshot(false);
    assert_eq!(taken.id.number, 2);
    same(&before, &place.restore(2, "a")).unwrap();
}

/// Runs the command on a place: its exit code, and what it said.
fn tenure(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.arg("--config").arg(place.path("tenure.toml"));
    let done = command.args(arguments).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_command_rolls_back_what_it_began_or_is_to_change_and_nothing_else() {
    let place = Place::new(REGISTER, "", |path| made(path, "DELETE"));
    place.snapshot(true);
    die_in_the_middle(&place.db);
    let journal = place.path("crm.db-journal");
    let source = || (fs::read(&place.db).unwrap(), fs::read(&journal).unwrap());
    let left = source();
    for arguments in [&["snapshot"][..], &["snapshot", "--full"], &["prune"]] {
        let (code, said) = tenure(&place, arguments);
        assert_eq!(code, Some(0), "{said}");
        assert!(source() == left, "{arguments:?}: {said}");
    }
    // One of ours that was killed has left a note.
    let note = place.path(&format!("state/changing/{}", source_name(&place)));
    fs::create_dir_all(note.parent().unwrap()).unwrap();
    fs::write(&note, "").unwrap();
    assert_eq!(tenure(&place, &["snapshot"]).0, Some(0));
    assert!(!journal.exists() && !note.exists());
    // Who writes rolls back anyway.
    die_in_the_middle(&place.db);
    assert!(journal.exists());
    let erase = ["customer", "erase", "3", "--reason", "asked", "--yes"];
    let (code, said) = tenure(&place, &erase);
    assert_eq!(code, Some(0), "{said}");
    assert!(!journal.exists() && !note.exists());
}

fn source_name(place: &Place) -> String {
    place.config().sources[0].name.to_string()
}

/// A repository whose database lies on a file system of its own.
fn on(image: &Image) -> Place {
    let mut place = Place::new(REGISTER, "", |path| made(path, "DELETE"));
    let path = image.root().join("crm.db");
    let there = format!("path = {:?}", path.to_str().unwrap());
    place.reconfigure(|text| text.replace("path = \"crm.db\"", &there));
    place.db = path;
    place
}

#[test]
fn a_database_with_a_log_is_read_where_nobody_can_write() {
    for index in [false, true] {
        let Some(image) = Image::mount(64 << 20) else {
            return;
        };
        let place = on(&image);
        let elsewhere = tempfile::tempdir().unwrap();
        let live = elsewhere.path().join("crm.db");
        made(&live, "WAL");
        // What is in the log alone is the newest.
        let writer = Connection::open(&live).unwrap();
        writer
            .execute_batch(
                "PRAGMA wal_autocheckpoint = 0;
                 UPDATE customers SET balance = balance - 7 WHERE id = 1;
                 INSERT INTO payments (customer_id, amount) VALUES (1, -7), (2, 7);
                 UPDATE customers SET balance = balance + 7 WHERE id = 2;",
            )
            .unwrap();
        let files: &[&str] = match index {
            true => &["crm.db", "crm.db-wal", "crm.db-shm"],
            false => &["crm.db", "crm.db-wal"],
        };
        for file in files {
            fs::copy(elsewhere.path().join(file), image.root().join(file)).unwrap();
        }
        let (log, db) = (&live.with_extension("db-wal"), fs::metadata(&live).unwrap());
        assert!(fs::metadata(log).unwrap().len() > 0 && db.len() > 0);
        image.make_read_only();
        let before = bytes(&image.root());
        place.snapshot(false);
        assert_eq!(balanced(&place.restore(1, "a")), 2);
        same(&live, &place.restore(1, "b")).unwrap();
        assert!(bytes(&image.root()) == before);
    }
}

#[test]
fn a_database_with_a_journal_is_read_where_nobody_can_write() {
    for hot in [false, true] {
        let Some(image) = Image::mount(64 << 20) else {
            return;
        };
        let place = on(&image);
        made(&place.db, "DELETE");
        let kept = place.keep(1);
        if hot {
            die_in_the_middle(&place.db);
        }
        image.make_read_only();
        let before = bytes(&image.root());
        assert_eq!(before.len(), if hot { 2 } else { 1 });
        place.snapshot(false);
        same(&kept, &place.restore(1, "a")).unwrap();
        assert!(bytes(&image.root()) == before);
    }
}
