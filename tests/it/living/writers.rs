//! What a writer feels of snapshots, and that each of them is of one moment. Measured: nothing else runs
//! at the same time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

use super::child::Writer;
use super::{BANK, REGISTER, balanced};
use crate::support::place::Place;

/// Memory that the program may take, whatever the size of the database. Most of it is the sorter's.
const MEMORY: u64 = 256 << 20;

/// How long a writer may have to wait in any case.
const MOMENT: Duration = Duration::from_millis(100);

/// A place for databases where no disk makes their writer wait, so that what it waits for is us.
fn fast_dir(bytes: u64) -> TempDir {
    let memory = Path::new("/dev/shm");
    let fits = rustix::fs::statvfs(memory)
        .is_ok_and(|fs| fs.f_bavail * fs.f_frsize > 2 * bytes)
        .then(|| tempfile::tempdir_in(memory).unwrap());
    fits.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// A repository whose database is made by some SQL and lies in a directory of its own.
fn around(dir: &TempDir, mode: &str, notes: u64, bytes: u64) -> Place {
    let path = dir.path().join("crm.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN; {BANK}
         CREATE TABLE notes (id INTEGER PRIMARY KEY,
             customer_id INTEGER NOT NULL REFERENCES customers, more BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {notes})
         INSERT INTO notes SELECT i, 1 + i % 20, randomblob({bytes}) FROM n; COMMIT;
         PRAGMA journal_mode = {mode};"
    ))
    .unwrap();
    drop(db);
    let mut place = Place::new(REGISTER, "", |path| {
        Connection::open(path).unwrap().execute_batch(BANK).unwrap();
    });
    let there = format!("path = {:?}", path.to_str().unwrap());
    place.reconfigure(|text| text.replace("path = \"crm.db\"", &there));
    place.db = path;
    place
}

/// Takes ten snapshots beside a writer, all of which must be of one moment: the longest that a transaction
/// took, and how long it takes to read the database.
fn ten_snapshots(mode: &str) -> (Duration, Duration) {
    let dir = fast_dir(50 << 20);
    let place = around(&dir, mode, 20_000, 1_000);
    let cat = cat(&place.db);
    let mut writer = Writer::start(&place.db);
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    for number in 1..=10 {
        let begun = Instant::now();
        place.snapshot(number == 6);
        let (waits, took) = (writer.waits(), begun.elapsed());
        println!("{mode}: snapshot {number} took {took:?}; meanwhile {waits:?}");
        assert!(waits.transactions > 0);
        longest = longest.max(waits.longest);
    }
    let rate = writer_rate(&place.db, begun.elapsed());
    drop(writer);
    println!("{mode}: {rate} transactions a second, the longest took {longest:?}");
    assert!(rate > 150);
    let payments: Vec<i64> = (1..=10)
        .map(|number| balanced(&place.restore(number, "a")))
        .collect();
    assert!(payments.is_sorted_by(|a, b| a < b), "{payments:?}");
    (longest, cat)
}

/// Transactions a second, of two payments each.
fn writer_rate(path: &Path, took: Duration) -> u64 {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    let count = "SELECT count(*) / 2 FROM payments";
    let count: i64 = db.query_row(count, [], |row| row.get(0)).unwrap();
    (count as f64 / took.as_secs_f64()) as u64
}

#[test]
fn ten_snapshots_beside_a_writer_with_a_log() {
    let (longest, _) = ten_snapshots("WAL");
    assert!(longest <= MOMENT, "{longest:?}");
}

#[test]
fn ten_snapshots_beside_a_writer_with_a_journal() {
    let (longest, cat) = ten_snapshots("DELETE");
    assert!(longest <= 3 * cat + MOMENT, "{longest:?}");
}

/// How long it takes to read a file that is in memory: the median of some times.
fn cat(path: &Path) -> Duration {
    let mut took: Vec<Duration> = (0..7)
        .map(|_| {
            let begun = Instant::now();
            let done = Command::new("cat").arg(path).stdout(Stdio::null()).status();
            assert!(done.unwrap().success());
            begun.elapsed()
        })
        .collect();
    took.sort();
    took[took.len() / 2]
}

/// Runs the program to its end: the most memory that it has had.
fn snapshot_by_the_program(config: &Path) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .arg("--config")
        .arg(config)
        .arg("snapshot")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut most = 0;
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success());
            return most;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) << 10);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn copying_a_large_database_with_a_journal_keeps_its_writer_no_longer_than_copying_takes() {
    let dir = fast_dir(650 << 20);
    let place = around(&dir, "DELETE", 6_000, 100_000);
    let bytes = fs::metadata(&place.db).unwrap().len();
    assert!(bytes > 600_000_000);
    let limit = 3 * cat(&place.db) + MOMENT;
    let mut writer = Writer::start(&place.db);
    writer.waits();
    let mut longest = Duration::ZERO;
    for number in 1..=2 {
        let begun = Instant::now();
        let memory = snapshot_by_the_program(&place.path("tenure.toml"));
        let (waits, took) = (writer.waits(), begun.elapsed());
        println!(
            "{bytes} bytes: snapshot {number} took {took:?} and {} MiB; meanwhile {waits:?}, at most {limit:?}",
            memory >> 20
        );
        assert!(memory > 0 && memory <= MEMORY, "{memory}");
        longest = longest.max(waits.longest);
    }
    drop(writer);
    // It did have to wait: what was measured is the copying.
    assert!(longest > cat(&place.db) / 2);
    assert!(longest <= limit, "{longest:?}, and at most {limit:?}");
    let payments = [1, 2].map(|number| balanced(&place.restore(number, "a")));
    assert!(payments[0] < payments[1]);
}
