//! Readings that take long: from a copy where writers would have to wait, and never of two states.

use std::fs;
use std::time::{Duration, Instant};

use super::*;

/// Opens for a long reading, with the copy beside the database.
fn apart(path: &Path) -> Result<Database, SqliteError> {
    let dir = path.parent().unwrap();
    Database::open_apart(path, &register("customers", &["id"]), dir, Trouble::IsNoted)
}

/// Every row of the first table.
fn all(db: &Database) -> Vec<String> {
    let mut all = Vec::new();
    db.rows::<SqliteError>(0, &mut |row| {
        all.push(format!("{:?}: {}", row.rowid, show(row.cells[0])));
        Ok(())
    })
    .unwrap();
    all
}

fn ids(db: &Database) -> Vec<String> {
    owners(db, "customers")
}

/// All files of a directory with their bytes.
fn bytes(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

const SMALL: &str = "CREATE TABLE customers(id INTEGER PRIMARY KEY, x);
    INSERT INTO customers VALUES (1, 'a'), (2, 'b');";

#[test]
fn in_rollback_mode_nobody_waits_and_nothing_of_theirs_is_seen() {
    let (_dir, path) = database(SMALL);
    let db = apart(&path).unwrap();
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    writer
        .execute_batch(
            "INSERT INTO customers VALUES (3, 'c'); ALTER TABLE customers ADD COLUMN later;
             CREATE TABLE more(a); DELETE FROM customers WHERE id = 1;",
        )
        .unwrap();
    assert_eq!(ids(&db), ["1", "2"]);
    assert_eq!(db.schema().tables.len(), 1);
    assert_eq!(db.counts().unwrap(), [2]);
    let next = apart(&path).unwrap();
    assert_eq!(ids(&next), ["2", "3"]);
    assert_eq!(table(&next, "customers").columns.len(), 2);
    // A plain reading does keep them waiting: what is shown here is shown of the copy.
    let _plain = open(&path, &register("customers", &["id"]));
    let error = writer.execute_batch("DELETE FROM customers").unwrap_err();
    assert_eq!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy)
    );
}

#[test]
fn reading_apart_keeps_the_locks_that_this_process_has_on_the_file() {
    let (_dir, path) = database(SMALL);
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("BEGIN IMMEDIATE; INSERT INTO customers VALUES (3, 'c')")
        .unwrap();
    assert_eq!(ids(&apart(&path).unwrap()), ["1", "2"]);
    // A lock of this process hides nothing from another one: ask as one would.
    let asked = std::process::Command::new("sqlite3")
        .arg(&path)
        .arg("INSERT INTO customers VALUES (4, 'd')")
        .output();
    match asked {
        Ok(output) => assert!(String::from_utf8_lossy(&output.stderr).contains("locked")),
        Err(_) => println!("skipped: there is no sqlite3"),
    }
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(ids(&apart(&path).unwrap()), ["1", "2", "3"]);
}

#[test]
fn a_database_with_a_log_is_read_live() {
    let (dir, path) = database("PRAGMA journal_mode = WAL;");
    Connection::open(&path)
        .unwrap()
        .execute_batch(SMALL)
        .unwrap();
    let nowhere = dir.path().join("nowhere");
    let rules = register("customers", &["id"]);
    let db = Database::open_apart(&path, &rules, &nowhere, Trouble::IsNoted).unwrap();
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch("INSERT INTO customers VALUES (3, 'c'); ALTER TABLE customers DROP COLUMN x")
        .unwrap();
    assert_eq!(ids(&db), ["1", "2"]);
}

#[test]
fn a_copy_may_have_any_size_and_page_size() {
    for (page, rows) in [(512, 1), (512, 3000), (4096, 900), (65536, 40)] {
        let (_dir, path) = database(&format!(
            "PRAGMA page_size = {page}; {SMALL}
             WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO customers SELECT i, randomblob(1000) FROM n;"
        ));
        let (live, copy) = (open(&path, &register("customers", &["id"])), apart(&path));
        let copy = copy.unwrap();
        assert_eq!(copy.file_bytes().unwrap(), live.file_bytes().unwrap());
        assert!(all(&copy) == all(&live), "{page}, {rows}");
    }
}

#[test]
fn nothing_and_what_is_no_database_are_told_apart() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    fs::write(&path, b"").unwrap();
    let mut rules = register("customers", &["id"]);
    rules.register = None;
    let db = Database::open_apart(&path, &rules, dir.path(), Trouble::IsNoted).unwrap();
    assert!(db.schema().tables.is_empty());
    fs::write(&path, "these are notes, and no database at all".repeat(40)).unwrap();
    assert!(matches!(
        apart(&path).err(),
        Some(SqliteError::NotADatabase { .. })
    ));
    assert!(matches!(
        apart(&dir.path().join("none.db")).err(),
        Some(SqliteError::Missing { .. })
    ));
}

/// A writer in the middle of a large transaction, parts of which are in the file already.
fn in_the_middle(path: &Path) -> Connection {
    let writer = Connection::open(path).unwrap();
    writer
        .execute_batch(
            "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN;
             UPDATE customers SET x = 'lost';
             WITH RECURSIVE n(i) AS (SELECT 5000 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
             INSERT INTO customers SELECT i, randomblob(200) FROM n;
             CREATE TABLE lost(x);",
        )
        .unwrap();
    writer
}

/// What a crash in the middle of a transaction leaves, in a directory of its own.
fn crashed(sql: &str) -> (TempDir, PathBuf) {
    let (dir, path) = database(sql);
    let hot = TempDir::new().unwrap();
    let writer = in_the_middle(&path);
    for file in ["crm.db", "crm.db-journal"] {
        fs::copy(dir.path().join(file), hot.path().join(file)).unwrap();
    }
    drop(writer);
    let path = hot.path().join("crm.db");
    (hot, path)
}

#[test]
fn what_a_dead_writer_began_is_rolled_back_in_the_copy_alone() {
    // Enough that changed pages, and not only new ones, have come into the file.
    let (dir, path) = crashed(&format!(
        "{SMALL} WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO customers SELECT i, hex(zeroblob(300)) FROM n;"
    ));
    let before = bytes(dir.path());
    assert!(matches!(
        Database::open(&path, &register("customers", &["id"])).err(),
        Some(SqliteError::Interrupted { .. })
    ));
    for _ in 0..2 {
        let db = apart(&path).unwrap();
        let rows = all(&db);
        assert_eq!((rows.len(), rows[0].as_str()), (2000, "Some(1): 'a'"));
        assert!(!rows.iter().any(|row| row.contains("lost")));
        assert_eq!(db.schema().tables.len(), 1);
        assert!(bytes(dir.path()) == before);
    }
    // Whoever may write sees the same.
    let owner = Connection::open(&path).unwrap();
    let check: String = owner
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    assert_eq!(all(&apart(&path).unwrap()).len(), 2000);
}

#[test]
fn a_living_writers_journal_is_not_taken_for_a_dead_ones() {
    let (_dir, path) = database(SMALL);
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch("BEGIN IMMEDIATE; INSERT INTO customers VALUES (3, 'c')")
        .unwrap();
    assert!(path.with_extension("db-journal").exists());
    assert_eq!(ids(&apart(&path).unwrap()), ["1", "2"]);
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(ids(&apart(&path).unwrap()), ["1", "2", "3"]);
}

#[test]
fn what_finished_transactions_leave_is_no_journal() {
    for mode in ["PERSIST", "TRUNCATE"] {
        let (_dir, path) = database(&format!("PRAGMA journal_mode = {mode}; {SMALL}"));
        assert!(path.with_extension("db-journal").exists(), "{mode}");
        assert_eq!(ids(&apart(&path).unwrap()), ["1", "2"]);
    }
}

/// Puts the name of a super-journal at the end of a journal, in SQLite's own form.
fn name_super_journal(journal: &Path, name: &Path) {
    let mut bytes = fs::read(journal).unwrap();
    let name = name.to_str().unwrap().as_bytes();
    // The page that holds the lock bytes, which no page of the database has as its number.
    let lock_page = (1_u32 << 30) / 4096 + 1;
    bytes.extend(lock_page.to_be_bytes());
    bytes.extend(name);
    bytes.extend((name.len() as u32).to_be_bytes());
    let sum = name
        .iter()
        .fold(0_u32, |sum, byte| sum.wrapping_add((*byte as i8) as u32));
    bytes.extend(sum.to_be_bytes());
    bytes.extend([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    fs::write(journal, bytes).unwrap();
}

#[test]
fn a_transaction_over_several_databases_counts_when_its_super_journal_is_gone() {
    let (dir, path) = database(SMALL);
    let journal = dir.path().join("crm.db-journal");
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch(
            "PRAGMA synchronous = OFF; BEGIN;
             DELETE FROM customers WHERE id = 1; INSERT INTO customers VALUES (3, 'c')",
        )
        .unwrap();
    let written = fs::read(&journal).unwrap();
    writer.execute_batch("COMMIT").unwrap();
    drop(writer);
    // As if the writer had died when everything was written, and the journal was not yet removed.
    fs::write(&journal, written).unwrap();
    let super_journal = dir.path().join("crm.db-mj0123459AB");
    name_super_journal(&journal, &super_journal);
    fs::write(&super_journal, format!("{}\0", journal.display())).unwrap();
    let before = bytes(dir.path());
    assert_eq!(ids(&apart(&path).unwrap()), ["1", "2"]);
    assert!(bytes(dir.path()) == before);
    // With the super-journal went the transaction's last doubt.
    fs::remove_file(&super_journal).unwrap();
    let before = bytes(dir.path());
    assert_eq!(ids(&apart(&path).unwrap()), ["2", "3"]);
    assert!(bytes(dir.path()) == before);
}

#[test]
fn no_room_for_the_copy_says_how_much_is_missing() {
    let (_dir, path) = database(&format!(
        "{SMALL} INSERT INTO customers VALUES (3, zeroblob(3000000));"
    ));
    let small = TempDir::new().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(small.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to mount");
        println!("skipped: this user cannot mount");
        return;
    }
    let rules = register("customers", &["id"]);
    let opened = Database::open_apart(&path, &rules, small.path(), Trouble::IsNoted);
    let error = opened.err();
    std::process::Command::new("umount")
        .arg(small.path())
        .status()
        .unwrap();
    let Some(error @ SqliteError::NoRoom { bytes, .. }) = error else {
        panic!("{error:?}");
    };
    assert!(bytes > 3_000_000);
    assert!(error.to_string().contains(&bytes.to_string()));
    assert!(error.hint().unwrap().contains("make room"));
    // The writer has not been waiting for it.
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("DELETE FROM customers").unwrap();
}

#[test]
fn a_lock_that_stays_is_named_in_both_modes_and_one_that_goes_is_waited_for() {
    for mode in ["DELETE", "WAL"] {
        let (_dir, path) = database(&format!("PRAGMA journal_mode = {mode}; {SMALL}"));
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO customers VALUES (3, 'c')",
            )
            .unwrap();
        let begun = Instant::now();
        let error = apart(&path).err();
        assert!(matches!(error, Some(SqliteError::Busy { .. })), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || ids(&apart(&path).unwrap())
        });
        std::thread::sleep(Duration::from_millis(300));
        writer.execute_batch("COMMIT").unwrap();
        drop(writer);
        assert_eq!(waiting.join().unwrap(), ["1", "2", "3"], "{mode}");
    }
}
