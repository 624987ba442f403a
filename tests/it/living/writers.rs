//! What a writer feels of snapshots, and that each of them is of one moment. Measured: nothing else runs
//! at the same time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

use super::child::Writer;
use super::{BANK, REGISTER, balanced};
use crate::support::measure;
use crate::support::place::Place;

/// Memory that the program may take, whatever the size of the database. Most of it is the sorter's.
const MEMORY: u64 = 400 << 20;

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
fn ten_snapshots(mode: &str) -> (Duration, Cat) {
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
    assert!(longest <= 3 * cat.took + MOMENT, "{longest:?}");
}

/// How long it takes to read a file that is in memory.
#[derive(Clone, Copy, Debug)]
struct Cat {
    /// The median of some times.
    took: Duration,
    /// Whether that was about the processor's time, so that nothing else had the processor.
    calm: bool,
}

fn cat(path: &Path) -> Cat {
    let before = processor_time_of_children();
    let mut took: Vec<Duration> = (0..7)
        .map(|_| {
            let begun = Instant::now();
            let done = Command::new("cat").arg(path).stdout(Stdio::null()).status();
            assert!(done.unwrap().success());
            begun.elapsed()
        })
        .collect();
    let all: Duration = took.iter().sum();
    let used = processor_time_of_children() - before;
    took.sort();
    Cat {
        took: took[took.len() / 2],
        calm: 2 * all < 3 * used,
    }
}

/// What ended children have used of the processor, in steps of 10 ms.
fn processor_time_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(13).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// Takes a snapshot by the program: the most memory that it has had, in bytes.
fn snapshot_by_the_program(config: &Path) -> u64 {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tenure"));
    program.arg("--config").arg(config).arg("snapshot");
    let (ended, memory) = measure::run(program.stdout(Stdio::null()));
    assert!(ended.success());
    memory
}

#[test]
fn copying_a_large_database_with_a_journal_keeps_its_writer_no_longer_than_copying_takes() {
    let dir = fast_dir(650 << 20);
    let place = around(&dir, "DELETE", 6_000, 100_000);
    let bytes = fs::metadata(&place.db).unwrap().len();
    assert!(bytes > 600_000_000);
    let mut writer = Writer::start(&place.db);
    let (mut judged, mut held, mut taken) = (0, 0, 0);
    // What others do at the same time on this machine is not the program's: a moment is sought that is calm.
    while judged < 2 && taken < 3 {
        let (before, _, begun) = (cat(&place.db), writer.waits(), Instant::now());
        let memory = snapshot_by_the_program(&place.path("tenure.toml"));
        let (waits, took, after) = (writer.waits(), begun.elapsed(), cat(&place.db));
        taken += 1;
        let cat = before.took.max(after.took);
        let (limit, calm) = (3 * cat + MOMENT, before.calm && after.calm);
        println!(
            "{bytes} bytes: snapshot {taken} took {took:?} and {} MiB; meanwhile {waits:?}, at most {limit:?}; calm: {calm}",
            memory >> 20
        );
        assert!(memory > 0 && memory <= MEMORY, "{memory}");
        // It did have to wait: what was measured is the copying.
        assert!(waits.longest > cat / 4);
        if calm {
            judged += 1;
            assert!(waits.longest <= limit, "{waits:?}, and at most {limit:?}");
        }
        held += u32::from(waits.longest <= limit);
    }
    assert!(held > 0, "no moment was calm, and the limit was never held");
    drop(writer);
    let payments = [1, taken].map(|number| balanced(&place.restore(number, "a")));
    assert!(payments[0] < payments[1]);
}
