//! Random schemas, rows and histories: whatever SQLite takes comes back exactly, or without whoever
//! was forgotten and otherwise exactly.
//!
//! `TENURE_SEED` makes other cases, `TENURE_CASES` another number of them (in each test), and
//! `TENURE_LONG` four times as many. A case that fails is made smaller, and told as the SQL script that
//! makes its database.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestError, TestRng, TestRunner};
use rusqlite::Connection;
use rusqlite::types::Value;
use tenure::backup::Taken;
use tenure::catalog::Customer;
use tenure::piece::Identity;
use tenure::repo::Repository;
use tenure::track::Tracking;
use tenure::value::CustomerKey;
use tenure::{forget, register};

use crate::reader::python::Reader;
use crate::support::place::Place;
use crate::support::s3::{BUCKET, Server};
use crate::tracking::drop_ours;
use case::Case;
use dice::Dice;
use model::Model;
use words::Words;
use world::World;

mod case;
mod check;
mod coverage;
mod dice;
mod model;
mod owners;
mod seen;
mod shrink;
mod values;
mod words;
mod world;

/// How many times as many with `TENURE_LONG`.
const LONGER: u32 = 4;
/// Cases of either kind in `tests/run`; with `TENURE_LONG` four times as many: thousands in all.
const CASES: u32 = 500;
const PARTS: u32 = 10;

/// Where cases are: in memory, if there is such a place.
pub fn base() -> &'static Path {
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(_) => memory,
        Err(_) => Path::new("/tmp"),
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Tries `test` on so many cases, the same ones each time.
fn try_cases(part: u8, cases: u32, test: fn(&Case) -> Result<(), TestCaseError>) {
    let long = std::env::var_os("TENURE_LONG").is_some();
    let cases =
        number("TENURE_CASES").map_or(if long { cases * LONGER } else { cases }, |n| n as u32);
    let config = Cases {
        cases,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Cases::default()
    };
    let mut seed = [part; 32];
    seed[..8].copy_from_slice(&number("TENURE_SEED").unwrap_or(0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    match runner.run(&case::case().no_shrink(), |case| test(&case)) {
        Ok(()) => {}
        Err(TestError::Abort(why)) => panic!("{why}"),
        Err(TestError::Fail(why, case)) => {
            let time = Duration::from_secs(number("TENURE_SHRINK").unwrap_or(60));
            let fails = |case: &Case| test(case).err().map(|why| why.to_string());
            let (case, why) = shrink::smallest(case, why.to_string(), time, &fails);
            panic!("{why}\n{}", script(&case))
        }
    }
}

/// What a case does, as SQL.
fn script(case: &Case) -> String {
    let dir = tempfile::tempdir_in(base()).unwrap();
    let mut world = World::new(&dir.path().join("crm.db"), case);
    let (mut text, mut told) = (String::new(), String::new());
    for number in 0..=case.rounds.len() {
        if number > 0 {
            world.all(&case.rounds[number - 1]);
        }
        for sql in world.script.drain(..) {
            let _ = match sql.char_indices().nth(2_000) {
                Some((at, _)) => writeln!(text, "{}…", &sql[..at]),
                None => writeln!(text, "{sql};"),
            };
        }
        let (register, rules) = world.model.rules();
        let rules = format!("-- {register}\n{rules}").replace('\n', "\n-- ");
        if rules != told {
            let _ = writeln!(text, "{rules}");
        }
        told = rules;
        let _ = writeln!(text, "-- snapshot {}", number + 1);
    }
    match text.char_indices().nth(20_000) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// A database as it was.
struct Kept {
    path: std::path::PathBuf,
    model: Model,
    words: Words,
}

impl Kept {
    /// Those in the register: their keys, and since when they have them. A row without a whole key is
    /// nobody.
    fn people(&self) -> Vec<(Vec<Value>, Value)> {
        let conn = Connection::open(&self.path).unwrap();
        let mut all = check::people(&conn, &self.model.tables[0]);
        all.retain(|(key, _)| !key.contains(&Value::Null));
        all
    }
}

/// A place on its way through a case.
struct Run {
    place: Place,
    world: World,
    /// After each snapshot: the copy of the database, and what was known of it.
    kept: Vec<Kept>,
    /// Whether triggers note what changes.
    tracked: bool,
}

impl Run {
    fn new(case: &Case) -> Self {
        Self::made(case, |register, make| {
            Place::within(base(), register, "", make)
        })
    }

    fn made(case: &Case, place: impl FnOnce(&str, &mut dyn FnMut(&Path)) -> Place) -> Self {
        let mut made = None;
        let place = place("table = \"t\"\nkey = \"id\"", &mut |db| {
            made = Some(World::new(db, case));
        });
        Self {
            place,
            world: made.unwrap(),
            kept: Vec::new(),
            tracked: false,
        }
    }

    /// The same with both stores in a bucket, each in a folder that no case before had.
    fn in_bucket(case: &Case, server: SocketAddr) -> Self {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let folder = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let stores = ["a", "b"].map(|name| {
            format!(
                "[[store]]\nname = \"{name}\"\nurl = \"s3://{BUCKET}/{folder}/{name}\"\n\
                 options = {{ endpoint = \"http://{server}\", allow_http = true, access_key_id = \"k\", \
                 secret_access_key = \"s\" }}\n"
            )
        });
        let stores = stores.concat();
        Self::made(case, |register, make| {
            Place::on(&stores, base(), register, "", make)
        })
    }

    /// Lets the next round happen, keeps a copy and takes a snapshot. False if that is refused, as it must
    /// be, since nobody of the register was there before, so that the forgotten would be strangers too.
    fn step(&mut self, case: &Case) -> Result<bool, TestCaseError> {
        let number = self.kept.len();
        if number > 0 {
            self.world.all(&case.rounds[number - 1]);
        }
        Ok(self.take()?.is_some())
    }

    /// Keeps a copy and takes a snapshot; none if that is refused.
    fn take(&mut self) -> Result<Option<Taken>, TestCaseError> {
        let number = self.kept.len();
        let (register, rules) = self.world.model.rules();
        let changes = if self.tracked {
            "changes = \"triggers\"\n"
        } else {
            ""
        };
        self.place
            .rules("", &register, &format!("{changes}{rules}"));
        let path = self.place.keep(number + 1);
        if self.tracked {
            drop_ours(&path);
        }
        let words = Words::settle(&path).map_err(|error| failed(number + 1, &error.to_string()))?;
        let model = self.world.model.clone();
        self.kept.push(Kept { path, model, words });
        let taken = self.place.try_snapshot();
        let taken = match taken {
            Err(failure) if told(&failure).contains("not one customer of the register") => {
                prop_assert!(
                    self.all_are_new(),
                    "somebody of the register was there before"
                );
                self.kept.pop();
                return Ok(None);
            }
            taken => {
                taken.map_err(|e| failed(number + 1, &format!("no snapshot: {}", told(&e))))?
            }
        };
        let odd = check::odd_counters(&self.kept[number].path);
        let named = taken
            .unsettled
            .iter()
            .any(|what| what.contains("sqlite_sequence"));
        prop_assert_eq!(odd, named, "counters that are none");
        let words = self.kept[number].words.named(&taken.unsettled);
        prop_assert!(
            words,
            "not the indexes that will not come back: {:?}",
            taken.unsettled
        );
        let behind = taken.stores.iter().find(|(_, behind)| behind.is_some());
        prop_assert!(behind.is_none(), "a store is behind");
        prop_assert_eq!(taken.id.number as usize, number + 1);
        Ok(Some(taken))
    }

    /// Whether nobody who is in the register now has been in it at a snapshot before.
    fn all_are_new(&self) -> bool {
        let mut registers = self.kept.iter().map(Kept::people);
        let now = registers.next_back().unwrap_or_default();
        let before: Vec<_> = registers.flatten().collect();
        now.iter().all(|key| !before.contains(key))
    }
}

fn failed(number: usize, why: &str) -> TestCaseError {
    TestCaseError::fail(format!("snapshot {number}: {why}"))
}

fn told(failure: &tenure::error::Failure) -> String {
    format!("{failure:?}")
}

/// A full snapshot and six incremental ones: each restores to exactly what was there.
fn all_come_back(case: &Case) -> Result<(), TestCaseError> {
    let mut run = Run::new(case);
    for _ in 0..=case.rounds.len() {
        prop_assert!(run.step(case)?, "refused, and nobody was forgotten");
    }
    run.come_back()
}

/// The same, by the reader that knows the formats' text alone.
fn all_come_back_to_the_reader(case: &Case) -> Result<(), TestCaseError> {
    let Some(reader) = Reader::found() else {
        return Ok(());
    };
    let mut run = Run::new(case);
    for _ in 0..=case.rounds.len() {
        prop_assert!(run.step(case)?, "refused, and nobody was forgotten");
    }
    run.world.close();
    for (number, kept) in (1..).zip(&run.kept) {
        let back = run.place.path(&format!("read-{number}"));
        reader.restore(&run.place, "a", number, "crm", &back);
        check::exact_by_another_version(&kept.path, &back).map_err(|why| failed(number, &why))?;
    }
    Ok(())
}

/// Somebody is forgotten between two of seven snapshots: in all of them everybody else is exact.
fn all_but_one_come_back(case: &Case) -> Result<(), TestCaseError> {
    all_but_one(Run::new(case), case)
}

fn all_but_one(mut run: Run, case: &Case) -> Result<(), TestCaseError> {
    let mut dice = Dice::new(&case.forgotten);
    let (from, who) = (1 + dice.pick(case.rounds.len() + 1), dice.raw());
    let departed = dice.one_in(3);
    let mut gone = None;
    for number in 1..=case.rounds.len() + 1 {
        if !run.step(case)? {
            prop_assert!(gone.is_some(), "refused, and nobody was forgotten");
            break;
        }
        if number >= from && gone.is_none() {
            gone = run.forget(number, who, departed);
        }
    }
    run.world.close();
    // A register that stays empty has nobody to forget.
    let Some(mut gone) = gone else { return Ok(()) };
    for (number, kept) in (1..).zip(&run.kept) {
        gone.others |= kept
            .people()
            .iter()
            .any(|(key, since)| *key == gone.key && *since != gone.since);
        let store = if number % 2 == 0 { "a" } else { "b" };
        let (back, problems) = run
            .place
            .try_restore(number, store)
            .map_err(|e| failed(number, &format!("no restore: {}", told(&e))))?;
        let known = (&kept.model, &kept.words);
        check::without(&kept.path, &back, known, &gone, number, &problems).map_err(|why| {
            let what = format!(
                "{why}, without {:?} since {}; {problems:?}",
                gone.key, gone.after
            );
            failed(number, &what)
        })?;
    }
    Ok(())
}

/// Where the server is whose bucket the stores are in.
static SERVER: OnceLock<SocketAddr> = OnceLock::new();

/// The same with the stores in a bucket.
fn all_but_one_come_back_from_a_bucket(case: &Case) -> Result<(), TestCaseError> {
    let server = SERVER.get().copied();
    let server = server.ok_or_else(|| TestCaseError::fail("no server"))?;
    all_but_one(Run::in_bucket(case, server), case)
}

#[test]
fn whoever_is_not_forgotten_comes_back_exactly_from_a_bucket() {
    let Some(server) = Server::start() else {
        return;
    };
    SERVER.set(server.address).unwrap();
    try_cases(202, CASES / PARTS / 10, all_but_one_come_back_from_a_bucket);
}

/// How many snapshots read no more than what triggers had noted.
static TRACKED: AtomicU64 = AtomicU64::new(0);

/// The same with triggers that note what changes, as far as they can in such a database; they are installed
/// anew after every change of the schema.
fn all_come_back_tracked(case: &Case) -> Result<(), TestCaseError> {
    let mut run = Run::new(case);
    run.tracked = true;
    for round in 0..=case.rounds.len() {
        if round > 0 {
            run.world.all(&case.rounds[round - 1]);
        }
        let taken = run.take()?;
        let taken =
            taken.ok_or_else(|| TestCaseError::fail("refused, and nobody was forgotten"))?;
        TRACKED.fetch_add(taken.tracked.into(), Ordering::Relaxed);
        if !taken.tracked
            && tenure::track::run(&run.place.config(), "crm", Tracking::Install, true).is_ok()
        {
            run.take()?;
        }
    }
    run.come_back()
}

#[test]
fn whatever_triggers_note_comes_back_exactly() {
    try_cases(201, CASES / PARTS, all_come_back_tracked);
    let tracked = TRACKED.load(Ordering::Relaxed);
    let chosen = number("TENURE_CASES").or(number("TENURE_SEED"));
    assert!(
        tracked > 5 || chosen.is_some(),
        "{tracked} snapshots read what was noted"
    );
    println!("{tracked} snapshots read what was noted");
}

impl Run {
    /// That every snapshot restores to what was kept.
    fn come_back(mut self) -> Result<(), TestCaseError> {
        self.world.close();
        for (number, kept) in (1..).zip(&self.kept) {
            let store = if number % 2 == 0 { "a" } else { "b" };
            let (back, problems) = self
                .place
                .try_restore(number, store)
                .map_err(|e| failed(number, &format!("no restore: {}", told(&e))))?;
            check::exact(&kept.path, &back, &kept.words, &problems)
                .map_err(|why| failed(number, &why))?;
        }
        Ok(())
    }

    /// Forgets one of those who are in the register, or one of those who have left it if that is preferred; none
    /// if nobody is there, or the key as it is typed means somebody else as well.
    fn forget(&mut self, after: usize, who: u32, departed: bool) -> Option<check::Gone> {
        let gone = departed.then(|| self.one_departed(who)).flatten();
        let (key, since) = gone.or_else(|| {
            let all = self.kept.last()?.people();
            all.get(who as usize % all.len().max(1)).cloned()
        })?;
        let mut repository = self.place.change();
        let meant = label(&repository, (&key, &since))?;
        forget::run(&mut repository, &[meant], &[]).ok()?;
        let mut all = self.kept.iter().map(Kept::people);
        let first = all.position(|people| people.contains(&(key.clone(), since.clone())))?;
        Some(check::Gone {
            key,
            since,
            first: first + 1,
            after,
            others: false,
        })
    }

    /// One of those who have left the register, and whose key nobody else has had.
    fn one_departed(&self, who: u32) -> Option<(Vec<Value>, Value)> {
        let mut registers = self.kept.iter().map(Kept::people);
        let now = registers.next_back()?;
        let mut all: Vec<(Vec<Value>, Value)> = Vec::new();
        for one in registers.flatten() {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        let alone = |one: &&(Vec<Value>, Value)| {
            let others = all.iter().chain(&now).filter(|other| other.0 == one.0);
            others.count() == 1
        };
        let left: Vec<_> = all.iter().filter(alone).collect();
        left.get(who as usize % left.len().max(1))
            .map(|one| (*one).clone())
    }
}

/// What a person types for the one who has a key since then, where it may mean others as well.
fn label(repository: &Repository, (key, since): (&[Value], &Value)) -> Option<String> {
    let typed: Vec<String> = key.iter().map(typed).collect();
    let typed = typed.join(",");
    let holders = register::find(repository, &typed).ok()?;
    if holders.len() == 1 {
        return Some(typed);
    }
    let wanted = Identity {
        key: CustomerKey(key.iter().map(known).collect()),
        since: (*since != Value::Null).then(|| known(since)),
    };
    let meant = |holder: &&Customer| register::identity_of(repository, holder).unwrap() == wanted;
    let meant = holders.iter().find(meant)?;
    Some(format!("{typed}#{}", meant.domain.arrival))
}

/// A value as the program has it.
fn known(value: &Value) -> tenure::value::Value {
    match value {
        Value::Null => tenure::value::Value::Null,
        Value::Integer(number) => tenure::value::Value::Int(*number),
        Value::Real(number) => tenure::value::Value::Real(*number),
        Value::Text(text) => tenure::value::Value::Text(text.clone().into_bytes()),
        Value::Blob(bytes) => tenure::value::Value::Blob(bytes.clone()),
    }
}

/// A key as a person types it.
fn typed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
    }
}

/// One test for each part of the cases, so that they run side by side.
macro_rules! parts {
    ($($name:ident: $part:literal, $test:ident;)*) => {
        $(#[test]
        fn $name() {
            try_cases($part, CASES / PARTS, $test);
        })*
    };
}

parts! {
    whatever_sqlite_takes_comes_back_exactly_1: 1, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_2: 2, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_3: 3, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_4: 4, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_5: 5, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_6: 6, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_7: 7, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_8: 8, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_9: 9, all_come_back;
    whatever_sqlite_takes_comes_back_exactly_10: 10, all_come_back;
    one_is_forgotten_and_all_else_comes_back_1: 101, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_2: 102, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_3: 103, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_4: 104, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_5: 105, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_6: 106, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_7: 107, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_8: 108, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_9: 109, all_but_one_come_back;
    one_is_forgotten_and_all_else_comes_back_10: 110, all_but_one_come_back;
}

#[test]
fn whatever_sqlite_takes_comes_back_to_the_independent_reader() {
    try_cases(201, 6, all_come_back_to_the_reader);
}
