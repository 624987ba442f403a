//! This test program once more, as another process that writes to a database.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use rusqlite::Connection;

const TASK: &str = "TENURE_TEST_LIVING_TASK";
const DATABASE: &str = "TENURE_TEST_LIVING_DATABASE";

/// How often the writer writes.
const EVERY: Duration = Duration::from_millis(5);

/// What the other process does. Run by itself it has nothing to do.
#[test]
#[ignore = "the other end of other tests"]
fn does_its_task() {
    let Some(path) = std::env::var_os(DATABASE).map(PathBuf::from) else {
        return;
    };
    match std::env::var(TASK).unwrap().as_str() {
        "pay" => pay(&path),
        "die" => die(&path),
        task => panic!("unknown task {task}"),
    }
}

/// Moves money between two customers, 200 times a second, until its input ends. At each line of input it
/// says how many transactions there were since the last one, and how long the longest took.
fn pay(path: &Path) {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut text = String::new();
        while input.read_line(&mut text).is_ok_and(|read| read > 0) && line.send(()).is_ok() {}
    });
    let mut db = Connection::open(path).unwrap();
    // In small steps, so that a wait is as long as it must be.
    db.busy_handler(Some(|_| {
        std::thread::sleep(Duration::from_millis(1));
        true
    }))
    .unwrap();
    let (mut count, mut longest) = (0, Duration::ZERO);
    let mut next = Instant::now();
    println!();
    for number in 0_u64.. {
        match lines.try_recv() {
            Ok(()) => {
                println!("waits: {count} {}", longest.as_micros());
                (count, longest) = (0, Duration::ZERO);
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += EVERY;
        let begun = Instant::now();
        let (from, to) = (1 + number % 20, 1 + number * 7 % 20);
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             UPDATE customers SET balance = balance - 5 WHERE id = {from};
             INSERT INTO payments (customer_id, amount) VALUES ({from}, -5);
             UPDATE customers SET balance = balance + 5 WHERE id = {to};
             INSERT INTO payments (customer_id, amount) VALUES ({to}, 5);
             COMMIT"
        ))
        .unwrap();
        longest = longest.max(begun.elapsed());
        count += 1;
    }
}

/// Begins a large transaction, a part of which comes into the file, and waits for its end.
fn die(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA cache_size = 10; PRAGMA cache_spill = 10; BEGIN;
         UPDATE customers SET balance = -1, name = 'lost' || hex(zeroblob(200));
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO payments (customer_id, amount) SELECT 1 + i % 20, i FROM n;
         UPDATE payments SET amount = amount + 1;",
    )
    .unwrap();
    println!("\nready");
    let _ = std::io::stdin().read(&mut [0]);
}

/// Starts a task on a database.
fn start(task: &str, path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "living::child::does_its_task",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(TASK, task)
        .env(DATABASE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

/// The rest of the next line that begins with `word`.
fn line(said: &mut BufReader<ChildStdout>, word: &str) -> String {
    loop {
        let mut text = String::new();
        assert!(said.read_line(&mut text).unwrap() > 0, "it has ended");
        if let Some(rest) = text.trim_end().strip_prefix(word) {
            return rest.to_owned();
        }
    }
}

/// A process that writes all the time, and ends with this.
pub struct Writer {
    child: Child,
    said: BufReader<ChildStdout>,
}

/// What a writer met with since it was last asked.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    pub transactions: u64,
    pub longest: Duration,
}

impl Writer {
    /// Starts it; it has written when this returns.
    pub fn start(path: &Path) -> Self {
        let (child, said) = start("pay", path);
        let mut writer = Self { child, said };
        while writer.waits().transactions == 0 {
            std::thread::sleep(4 * EVERY);
        }
        writer
    }

    pub fn waits(&mut self) -> Waits {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(b"\n").unwrap();
        let said = line(&mut self.said, "waits: ");
        let (transactions, longest) = said.split_once(' ').unwrap();
        Waits {
            transactions: transactions.parse().unwrap(),
            longest: Duration::from_micros(longest.parse().unwrap()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets another process die in the middle of a large transaction.
pub fn die_in_the_middle(path: &Path) {
    let (mut child, mut said) = start("die", path);
    line(&mut said, "ready");
    child.kill().unwrap();
    child.wait().unwrap();
}
