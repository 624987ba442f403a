//! What is left in the files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use super::*;
use crate::source::sqlite::{Level, Remnant, roll_back};

/// 24 bytes that stand nowhere by chance.
pub(super) fn canary() -> String {
    let random = crate::secret::random::<12>().unwrap();
    crate::ids::hex(&random)
}

fn sings(bytes: &[u8], canary: &str) -> bool {
    bytes
        .windows(canary.len())
        .any(|window| window == canary.as_bytes())
}

/// Which of the database's files hold the canary. Another process reads them: closing the database
/// would drop the locks that this one has on it.
pub(super) fn singing(path: &Path, canary: &str) -> Vec<String> {
    let suffixes = ["", "-wal", "-journal", "-shm"].into_iter();
    let found = suffixes.filter(|suffix| {
        let file = format!("{}{suffix}", path.display());
        let read = Command::new("cat").arg(file).output().unwrap();
        sings(&read.stdout, canary)
    });
    found.map(|suffix| format!("db{suffix}")).collect()
}

pub(super) fn level<'r>(remnants: &'r [Remnant], what: &str) -> &'r Level {
    let found = remnants.iter().find(|remnant| remnant.what.contains(what));
    &found
        .unwrap_or_else(|| panic!("{what}: {remnants:?}"))
        .level
}

/// A CRM with the canary in a column, in an index, on overflow pages and in four full-text indexes,
/// of which one is kept by nobody, and the application at work on it.
fn crm(mode: &str, canary: &str) -> (TempDir, PathBuf, Connection) {
    let (dir, path) = database(&format!(
        "PRAGMA journal_mode = {mode}; CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
         CREATE TABLE notes(id INTEGER PRIMARY KEY, c REFERENCES c, text TEXT);
         CREATE VIRTUAL TABLE found USING fts5(text, content='notes', content_rowid='id');
         CREATE TRIGGER n1 AFTER INSERT ON notes BEGIN INSERT INTO found(rowid, text) VALUES (new.id, new.text); END;
         CREATE TRIGGER n2 AFTER DELETE ON notes BEGIN
             INSERT INTO found(found, rowid, text) VALUES ('delete', old.id, old.text); END;
         CREATE VIRTUAL TABLE own USING fts5(text);
         CREATE TRIGGER n3 AFTER INSERT ON notes BEGIN INSERT INTO own(rowid, text) VALUES (new.id, new.text); END;
         CREATE TRIGGER n4 AFTER DELETE ON notes BEGIN DELETE FROM own WHERE rowid = old.id; END;
         CREATE VIRTUAL TABLE by_hand USING fts5(name, content=\"c\", content_rowid=id);
         CREATE VIRTUAL TABLE elsewhere USING fts5(text);",
    ));
    let app = Connection::open(&path).unwrap();
    app.execute_batch("PRAGMA secure_delete = OFF; PRAGMA foreign_keys = ON")
        .unwrap();
    for id in 1..=20 {
        let text = if id == 7 { canary } else { "somebody" };
        app.execute("INSERT INTO c VALUES (?1, ?2 || ?1)", (id, text))
            .unwrap();
        for note in 0..3 {
            let text = format!("{text} {} {text}", "long ".repeat(note * 2000));
            app.execute("INSERT INTO notes(c, text) VALUES (?1, ?2)", (id, text))
                .unwrap();
        }
    }
    app.execute_batch("INSERT INTO by_hand(by_hand) VALUES ('rebuild')")
        .unwrap();
    (dir, path, app)
}

#[test]
fn no_byte_is_left_of_the_erased() {
    for mode in ["WAL", "DELETE", "PERSIST"] {
        let canary = canary();
        let (_dir, path, app) = crm(mode, &canary);
        assert!(!singing(&path, &canary).is_empty());
        let words: i64 = app
            .query_row(
                "SELECT count(*) FROM found WHERE found MATCH ?1",
                [&canary],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(words, 3);
        let mut live = live(&path, &register("c", &["id"]));
        let erased = live.erase(&[id(7)], FOR_REAL).unwrap();
        assert_eq!(singing(&path, &canary), Vec::<String>::new(), "{mode}");
        assert_eq!(erased.tables, rows(&[("c", 1), ("notes", 3)]));
        let (log, journal) = match mode {
            "WAL" => (Level::Overwritten, Level::Absent),
            _ => (Level::Absent, Level::Overwritten),
        };
        assert_eq!(level(&erased.remnants, "log"), &log);
        assert_eq!(level(&erased.remnants, "journal"), &journal);
        for renewed in ["found", "own", "by_hand"] {
            assert_eq!(
                level(&erased.remnants, renewed),
                &Level::Renewed,
                "{renewed}"
            );
        }
        assert!(matches!(
            level(&erased.remnants, "elsewhere"),
            Level::Stays { .. }
        ));
        // The application goes on as before.
        app.execute_batch(
            "INSERT INTO c VALUES (7, 'new'); INSERT INTO notes(c, text) VALUES (7, 'fresh words')",
        )
        .unwrap();
        let fresh = app.query_row(
            "SELECT count(*) FROM found WHERE found MATCH 'fresh'",
            [],
            |row| row.get::<_, i64>(0),
        );
        assert_eq!(fresh.unwrap(), 1);
        for index in ["found", "own", "by_hand"] {
            app.execute_batch(&format!(
                "INSERT INTO {index}({index}) VALUES ('integrity-check')"
            ))
            .unwrap();
        }
        assert_eq!(ask(&path, "PRAGMA integrity_check"), ["'ok'"]);
        drop(app);
    }
}

#[test]
fn a_reader_leaves_the_log_pending_until_it_ends() {
    let canary = canary();
    let (_dir, path, app) = crm("WAL", &canary);
    let reader = Connection::open(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM c")
        .unwrap();
    reader
        .query_row("SELECT count(*) FROM c", [], |_| Ok(()))
        .unwrap();
    let mut live = live(&path, &register("c", &["id"]));
    let erased = live.erase(&[id(7)], FOR_REAL).unwrap();
    assert!(matches!(level(&erased.remnants, "log"), Level::Pending(_)));
    assert_eq!(erased.tables, rows(&[("c", 1), ("notes", 3)]));
    assert!(!singing(&path, &canary).is_empty());
    // Others write meanwhile, and the reader still sees what it saw.
    app.execute_batch("INSERT INTO c VALUES (100, 'new')")
        .unwrap();
    let seen: i64 = reader
        .query_row("SELECT count(*) FROM c WHERE id IN (7, 100)", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(seen, 1);
    assert!(matches!(
        level(&live.sweep(false).unwrap(), "log"),
        Level::Pending(_)
    ));
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(
        level(&live.sweep(false).unwrap(), "log"),
        &Level::Overwritten
    );
    assert_eq!(singing(&path, &canary), Vec::<String>::new());
    assert_eq!(ask(&path, "PRAGMA integrity_check"), ["'ok'"]);
    let seen: i64 = reader
        .query_row("SELECT count(*) FROM c WHERE id IN (7, 100)", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn the_journal_is_overwritten_before_it_is_removed() {
    let canary = canary();
    let (_dir, path, app) = crm("DELETE", &canary);
    app.execute_batch("PRAGMA secure_delete = ON; PRAGMA journal_mode = PERSIST; UPDATE notes SET text = text || ' '")
        .unwrap();
    let journal = PathBuf::from(format!("{}-journal", path.display()));
    // Whoever holds the file open sees what stays of it on the disk.
    let held = File::open(&journal).unwrap();
    let mut bytes = vec![1; held.metadata().unwrap().len() as usize];
    held.read_exact_at(&mut bytes, 0).unwrap();
    assert!(sings(&bytes, &canary));
    let mut live = live(&path, &register("c", &["id"]));
    for how in [Erasing::Rehearse, FOR_REAL] {
        live.erase(&[id(7)], how).unwrap();
        assert!(!journal.exists());
        held.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
    assert_eq!(singing(&path, &canary), Vec::<String>::new());
}

#[test]
fn copies_that_the_application_left_in_free_space_go_too() {
    for mode in ["WAL", "DELETE"] {
        let canary = canary();
        let (_dir, path, app) = crm(mode, &canary);
        // Page splits, changed rows and freed pages leave copies behind.
        app.execute_batch(
            "DROP TRIGGER n1; DROP TRIGGER n2; DROP TRIGGER n3; DROP TRIGGER n4; DROP TABLE found; DROP TABLE own;
             CREATE TABLE words(id TEXT PRIMARY KEY, c REFERENCES c, t); CREATE INDEX by_t ON words(t); BEGIN",
        )
        .unwrap();
        for number in 0..2000_i64 {
            let (id, c) = (number * 7919 % 2003, number % 20 + 1);
            let text = if c == 7 { canary.as_str() } else { "word" };
            app.execute(
                "INSERT INTO words VALUES (hex(?1 * 12345678 % 1000003) || ?1, ?2, ?3 || ?1)",
                (id, c, text),
            )
            .unwrap();
        }
        app.execute_batch(
            "COMMIT; UPDATE notes SET text = 'short' WHERE c = 7; CREATE TABLE junk AS SELECT * FROM words; DROP TABLE junk;
             ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
        let mut live = live(&path, &register("c", &["id"]));
        let delete = "DELETE FROM words WHERE c = 7; DELETE FROM notes WHERE c = 7; DELETE FROM sqlite_stat4";
        run(&path, &format!("PRAGMA secure_delete = ON; {delete}"));
        run(&path, "PRAGMA wal_checkpoint(TRUNCATE)");
        assert_eq!(
            singing(&path, &canary),
            ["db"],
            "secure_delete alone reaches everything"
        );
        let erased = live.erase(&[id(7)], FOR_REAL).unwrap();
        assert_eq!(singing(&path, &canary), Vec::<String>::new(), "{mode}");
        assert_eq!(level(&erased.remnants, "free space"), &Level::Overwritten);
        assert_eq!(ask(&path, "PRAGMA integrity_check"), ["'ok'"]);
        let before = everything(&path);
        let swept = live.sweep(true).unwrap();
        assert_eq!(level(&swept, "as a whole"), &Level::Renewed);
        similar(&before, &everything(&path));
        assert_eq!(ask(&path, "PRAGMA integrity_check"), ["'ok'"]);
        drop(app);
    }
}

#[test]
fn samples_of_the_query_planner_go_with_the_rows() {
    let canary = canary();
    let (_dir, path, app) = crm("WAL", &canary);
    app.execute_batch("ANALYZE").unwrap();
    let sampled = "SELECT count(*) FROM sqlite_stat4 WHERE instr(sample, CAST(?1 AS BLOB)) > 0";
    let samples: i64 = app.query_row(sampled, [&canary], |row| row.get(0)).unwrap();
    assert!(samples > 0);
    live(&path, &register("c", &["id"]))
        .erase(&[id(7)], FOR_REAL)
        .unwrap();
    assert_eq!(singing(&path, &canary), Vec::<String>::new());
}

#[test]
fn a_shortened_file_is_told() {
    let (_dir, path) = database(
        "PRAGMA auto_vacuum = FULL; CREATE TABLE c(id INTEGER PRIMARY KEY, t);
         INSERT INTO c VALUES (1, 'a'), (2, zeroblob(100000)), (3, 'b');",
    );
    let erased = live(&path, &register("c", &["id"]))
        .erase(&[id(2)], FOR_REAL)
        .unwrap();
    assert!(matches!(
        level(&erased.remnants, "the file's end"),
        Level::Left(_)
    ));
}

#[test]
fn a_transaction_whose_writer_died_is_rolled_back_and_its_journal_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let [live, path] = ["live.db", "dead.db"].map(|name| dir.path().join(name));
    let journal = |path: &Path| path.with_extension("db-journal");
    let app = Connection::open(&live).unwrap();
    app.execute_batch("PRAGMA cache_size = 2; CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
        .unwrap();
    for _ in 0..100 {
        app.execute("INSERT INTO t(b) VALUES (hex(zeroblob(1000)))", [])
            .unwrap();
    }
    assert!(!roll_back(&live).unwrap());
    app.execute_batch("BEGIN; DELETE FROM t").unwrap();
    // Another process copies: closing the database would drop the application's lock on it.
    for (from, to) in [
        (live.clone(), path.clone()),
        (journal(&live), journal(&path)),
    ] {
        let copied = Command::new("cp").arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    }
    let rows = |path: &Path| -> i64 {
        let db = Connection::open(path).unwrap();
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    };
    let mut bytes = File::open(journal(&path)).unwrap();
    assert!(roll_back(&path).unwrap());
    assert!(!journal(&path).exists());
    let mut left = Vec::new();
    std::io::Read::read_to_end(&mut bytes, &mut left).unwrap();
    assert!(left.len() > 1000 && left.iter().all(|byte| *byte == 0));
    assert_eq!(rows(&path), 100);
    assert!(!roll_back(&path).unwrap());
    // One who lives is left alone.
    assert!(matches!(roll_back(&live), Err(SqliteError::Busy { .. })));
    app.execute_batch("COMMIT").unwrap();
    assert_eq!(rows(&live), 0);
}
