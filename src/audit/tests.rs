use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::*;
use crate::ids::{Domain, hex};
use crate::secret::Seed;
use crate::sign::SigningKey;
use crate::store::Store;

mod crash;
mod tamper;

const REPO: RepoId = RepoId([1; 16]);
const INC: Incarnation = Incarnation([2; 8]);

fn writer() -> SigningKey {
    SigningKey::from_seed(Seed::from_bytes([3; 32]))
}

/// The log in a state directory, as another process would open it.
fn log_in(state: &Path) -> AuditLog {
    let meta = DomainKey::new(Seed::from_bytes([4; 32]));
    let verify = writer().verify_key();
    AuditLog::new(StateDir::new(state), REPO, INC, verify, meta)
}

/// A state directory with a log in it, and stores beside it.
struct World {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
        }
    }

    fn with_entries(count: u64) -> Self {
        let world = Self::new();
        for n in 1..=count {
            assert_eq!(world.log().append(&entry(n)).unwrap(), n);
        }
        world
    }

    fn log(&self) -> AuditLog {
        log_in(&self.dir.path().join("state"))
    }

    fn file(&self) -> PathBuf {
        self.log().log_path()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    fn store(&self, name: &str) -> Store {
        let dir = self.dir.path().join(name);
        Store::open_dir(
            &name.parse().unwrap(),
            &dir,
            true,
            true,
            self.runtime.handle(),
        )
        .unwrap()
    }

    fn checkpoint(&self, stores: &[Store]) -> Checkpoint {
        let done = self.log().checkpoint_to(&writer(), stores).unwrap();
        assert!(done.failed.is_empty());
        done.checkpoint
    }

    /// What is wrong, compared with these stores.
    fn problems(&self, stores: &[Store]) -> Vec<String> {
        self.log().verify_with(stores).unwrap().problems
    }

    /// Where each frame stands in the file.
    fn frames(&self) -> Vec<std::ops::Range<usize>> {
        let bytes = self.bytes();
        let mut at = 33;
        let mut frames = Vec::new();
        while at < bytes.len() {
            let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            frames.push(at..at + len + 20);
            at += len + 20;
        }
        assert_eq!(at, bytes.len());
        frames
    }
}

fn entry(n: u64) -> Entry {
    Entry {
        time: Timestamp(n as i64),
        who: Who {
            uid: Some(1000),
            name: "ann".into(),
            roles: vec!["operator".into(), "dpo".into()],
        },
        action: "customer.hide".into(),
        object: Object {
            domains: vec![Domain::meta(INC)],
            ..Object::default()
        },
        phase: Phase::Done,
        result: "x".repeat(n as usize % 40),
        begun: Some(n),
    }
}

fn numbered(numbers: impl Iterator<Item = u64>) -> Vec<(u64, Entry)> {
    numbers.map(|n| (n, entry(n))).collect()
}

#[test]
fn entries_come_back_in_both_directions() {
    let world = World::with_entries(7);
    let log = world.log();
    assert_eq!(log.len().unwrap(), 7);
    assert_eq!(log.entries(1, 100).unwrap(), numbered(1..=7));
    assert_eq!(log.entries(3, 2).unwrap(), numbered(3..=4));
    assert!(log.entries(8, 2).unwrap().is_empty());
    assert_eq!(log.newest(3).unwrap(), numbered((5..=7).rev()));
    assert_eq!(log.newest(100).unwrap(), numbered((1..=7).rev()));
}

#[test]
fn an_empty_log_is_one_too() {
    let world = World::new();
    let (log, store) = (world.log(), world.store("a"));
    assert!(log.is_empty().unwrap());
    assert!(log.entries(1, 9).unwrap().is_empty() && log.newest(9).unwrap().is_empty());
    let root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex(&log.root().unwrap()), root);
    world.checkpoint(std::slice::from_ref(&store));
    assert!(store.get(&format!("audit/{INC}/0000000000"), 999).is_ok());
    log.append(&entry(1)).unwrap();
    assert_eq!(world.problems(&[store]), [""; 0]);
}

#[test]
fn the_leaves_are_the_records_as_they_lie_in_the_file() {
    let world = World::with_entries(5);
    let bytes = world.bytes();
    let mut tree = Tree::default();
    for frame in world.frames() {
        tree.push(&bytes[frame.start + 16..frame.end - 4]);
    }
    assert_eq!(world.log().root().unwrap(), tree.root());
    let checkpoint = world.checkpoint(&[]);
    assert_eq!((checkpoint.size, checkpoint.root), (5, tree.root()));
}

#[test]
fn a_checkpoint_goes_to_every_store_and_can_be_made_again() {
    let world = World::with_entries(3);
    let stores = [world.store("a"), world.store("b")];
    world.checkpoint(&stores);
    world.checkpoint(&stores);
    world.log().append(&entry(4)).unwrap();
    world.checkpoint(&stores[..1]);
    let verified = world.log().verify_with(&stores).unwrap();
    assert!(verified.ok(), "{:?}", verified.problems);
    assert_eq!((verified.entries, verified.torn), (4, 0));
    assert_eq!(verified.root, world.log().root().unwrap());
    let seen = |store: Option<&str>, checkpoints, covers| Witness {
        store: store.map(|name| name.parse().unwrap()),
        checkpoints,
        covers: Some(covers),
    };
    assert_eq!(
        verified.witnesses,
        [
            seen(None, 1, 4),
            seen(Some("a"), 2, 4),
            seen(Some("b"), 1, 3)
        ]
    );
    let path = format!("audit/{INC}/0000000003");
    let note = stores[1].get(&path, 999).unwrap();
    let log = world.log();
    let opened = Checkpoint::open(&note, &log.origin(), &log.verify).unwrap();
    assert_eq!(opened.size, 3);
    assert!(log.verifier_key().starts_with(&log.origin()));
}

#[test]
fn a_store_that_fails_is_named_and_the_others_have_it() {
    let world = World::with_entries(3);
    let stores = [world.store("a"), world.store("b")];
    fs::remove_dir(world.dir.path().join("a")).unwrap();
    let done = world.log().checkpoint_to(&writer(), &stores).unwrap();
    let failed: Vec<_> = done.failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(failed, ["a"]);
    assert_eq!(stores[1].list("audit").unwrap().len(), 1);
}

#[test]
fn many_who_append_at_once_get_numbers_of_their_own() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 12;
    let world = Arc::new(World::new());
    let writers = (0..WRITERS).map(|_| {
        let world = Arc::clone(&world);
        // A handle of its own for every append, as in processes of their own.
        thread::spawn(move || {
            (0..EACH)
                .map(|n| world.log().append(&entry(n)).unwrap())
                .collect()
        })
    });
    let writers: Vec<thread::JoinHandle<Vec<u64>>> = writers.collect();
    let reader = world.log();
    for _ in 0..20 {
        // Who reads in the meantime sees whole entries only.
        let verified = reader.verify_with(&[]).unwrap();
        assert!(verified.ok() && verified.torn == 0);
    }
    let mut numbers: Vec<_> = writers
        .into_iter()
        .flat_map(|w| w.join().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=WRITERS * EACH));
    assert_eq!(
        world.log().verify_with(&[]).unwrap().entries,
        WRITERS * EACH
    );
}

#[test]
fn what_cannot_be_made_durable_is_an_error() {
    let world = World::with_entries(2);
    let lock = world.dir.path().join("state/audit/lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let failure = world.log().append(&entry(3)).unwrap_err();
    assert_eq!(failure.to_string(), "cannot write to the audit log");
    fs::remove_dir(&lock).unwrap();
    let mut long = entry(3);
    long.result = "x".repeat(2 << 20);
    assert!(world.log().append(&long).is_err());
    assert_eq!(world.log().append(&entry(3)).unwrap(), 3);
    assert_eq!(world.problems(&[]), [""; 0]);
}

#[test]
fn an_append_does_not_read_the_log() {
    // The middle is not there at all, and the last entry is all that an append looks at.
    let world = World::with_entries(5);
    let frames = world.frames();
    let mut bytes = world.bytes();
    bytes[frames[1].clone()].fill(0x55);
    fs::write(world.file(), bytes).unwrap();
    assert_eq!(world.log().append(&entry(6)).unwrap(), 6);
    assert_eq!(world.problems(&[]).len(), 1);
}

/// How long it takes: `cargo test --release --lib -- --ignored audit --nocapture`.
#[test]
#[ignore = "measures a million entries, which takes a while to write"]
fn a_million_entries_and_their_root() {
    let world = World::with_entries(1);
    let log = world.log();
    let mut bytes = world.bytes();
    for n in 2..=1_000_000 {
        let record = entry(n).seal(REPO, INC, n, &log.meta).unwrap();
        bytes.extend_from_slice(&file::frame(n, &record));
    }
    fs::write(world.file(), &bytes).unwrap();
    fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
        let start = std::time::Instant::now();
        let done = run();
        println!("{what}: {:?}", start.elapsed());
        done
    }
    println!("{} bytes", bytes.len());
    timed("root", || log.root().unwrap());
    assert!(timed("verify", || log.verify_with(&[]).unwrap()).ok());
    assert_eq!(
        timed("append", || log.append(&entry(1)).unwrap()),
        1_000_001
    );
    assert_eq!(timed("newest 100", || log.newest(100).unwrap()).len(), 100);
}
