//! The audit log: its file, a record by itself, and the checkpoint of the log.

use std::fs;

use tenure::audit::AuditLog;
use tenure::audit_entry::{Entry, EntryError, Object, Phase, Who};
use tenure::clock::Timestamp;
use tenure::ids::{SnapshotId, hex};
use tenure::merkle::Tree;
use tenure::note::{self, Checkpoint, NoteError};
use tenure::repo::state::StateDir;

use super::Fixtures;
use super::keys::{ANN, BEN, INC, REPO, meta, writer};

/// The name of the log in its checkpoints.
pub const ORIGIN: &str = "tenure-audit/676f6c64656e2d666978747572657321/696e632d6f6e6521";

/// The entries of the log.
fn entries() -> [Entry; 3] {
    let entry =
        |n: i64, uid: Option<u32>, action: &str, object, phase, result: &str, begun| Entry {
            time: Timestamp(1_793_491_200_000 + n),
            who: Who {
                uid,
                name: uid.map_or("", |_| "zoë").into(),
                roles: uid
                    .iter()
                    .flat_map(|_| ["admin".into(), "dpo".into()])
                    .collect(),
            },
            action: action.into(),
            object,
            phase,
            result: result.into(),
            begun,
        };
    let customers = Object {
        domains: vec![ANN, BEN],
        stores: vec!["local".into()],
        ..Object::default()
    };
    let task = Object {
        snapshots: vec![SnapshotId {
            inc: INC,
            number: 2,
        }],
        task: Some("prune".into()),
        ..Object::default()
    };
    let erase = "customer.erase";
    [
        entry(1, Some(0), erase, customers.clone(), Phase::Begun, "", None),
        entry(
            2,
            Some(0),
            erase,
            customers,
            Phase::Part,
            "one store is pending",
            Some(1),
        ),
        entry(3, None, "prune", task, Phase::Done, "", None),
    ]
}

fn log_of(bytes: Option<&[u8]>) -> (tempfile::TempDir, AuditLog) {
    let dir = tempfile::tempdir().unwrap();
    if let Some(bytes) = bytes {
        let folder = dir.path().join("audit");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(format!("{INC}.log")), bytes).unwrap();
    }
    let state = StateDir::new(dir.path());
    let log = AuditLog::new(state, REPO, INC, writer().verify_key(), meta());
    (dir, log)
}

fn written() -> Vec<u8> {
    let (dir, log) = log_of(None);
    for entry in entries() {
        log.append(&entry).unwrap();
    }
    fs::read(dir.path().join(format!("audit/{INC}.log"))).unwrap()
}

/// The records of a log, found by its layout alone.
fn records(log: &[u8]) -> Vec<&[u8]> {
    let mut rest = &log[33..];
    let mut records = Vec::new();
    while let Some((head, behind)) = rest.split_at_checked(16) {
        let len = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        records.push(&behind[..len]);
        rest = &behind[len + 4..];
    }
    records
}

fn checkpoint_of(log: &[u8]) -> Checkpoint {
    let mut tree = Tree::default();
    for record in records(log) {
        tree.push(record);
    }
    Checkpoint {
        origin: ORIGIN.into(),
        size: tree.size(),
        root: tree.root(),
    }
}

/// A record that should be the second entry's.
pub fn record(bytes: &[u8]) -> Result<Entry, EntryError> {
    Entry::open(REPO, INC, 2, bytes, &meta())
}

/// A checkpoint that should be this log's.
pub fn checkpoint(bytes: &[u8]) -> Result<Checkpoint, NoteError> {
    Checkpoint::open(bytes, ORIGIN, &writer().verify_key())
}

/// Writes what is missing.
pub fn write(good: &Fixtures) {
    let log = good.once("audit/log.bin", written);
    good.once("audit/record-2.bin", || records(&log)[1].to_vec());
    good.once("audit/checkpoint.txt", || {
        checkpoint_of(&log).sign(&writer()).unwrap().into_bytes()
    });
    good.once("audit/verifier-key.txt", || {
        let key = note::verifier_key(ORIGIN, &writer().verify_key());
        format!("{key}\n").into_bytes()
    });
}

#[test]
fn the_audit_log_says_who_did_what() {
    let good = Fixtures::good(1);
    let bytes = good.read("audit/log.bin");
    let (dir, log) = log_of(Some(&bytes));
    let found = log.entries(1, 9).unwrap();
    assert!(found.into_iter().eq((1..).zip(entries())));
    assert_eq!(
        record(&good.read("audit/record-2.bin")),
        Ok(entries()[1].clone())
    );
    assert_eq!(log.origin(), ORIGIN);
    // It is still added to.
    assert_eq!(log.append(&entries()[0]).unwrap(), 4);
    let after = fs::read(dir.path().join(format!("audit/{INC}.log"))).unwrap();
    assert_eq!(after[..bytes.len()], bytes);
}

#[test]
fn the_checkpoint_is_of_the_log_and_other_programs_can_check_it() {
    let good = Fixtures::good(1);
    let (log, text) = (
        good.read("audit/log.bin"),
        good.text("audit/checkpoint.txt"),
    );
    assert_eq!(checkpoint(text.as_bytes()), Ok(checkpoint_of(&log)));
    assert_eq!(checkpoint_of(&log).sign(&writer()).unwrap(), text);
    let root = hex(&log_of(Some(&log)).1.root().unwrap());
    assert_eq!(root, hex(&checkpoint_of(&log).root));
    let key = note::verifier_key(ORIGIN, &writer().verify_key());
    assert_eq!(key, good.text("audit/verifier-key.txt").trim_end());
}
