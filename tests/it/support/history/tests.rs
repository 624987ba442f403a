use std::collections::BTreeMap;
use std::path::Path;

use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;

use super::super::compare::same;
use super::*;

fn play(history: &History, path: &Path) -> Vec<(Op, bool)> {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous=OFF").unwrap();
    create(&db);
    let rounds = std::iter::once(&history.start).chain(&history.rounds);
    let done = rounds.flat_map(|round| round.0.iter().cloned().zip(apply(&db, round)));
    done.collect()
}

fn some(count: usize) -> Vec<History> {
    let mut runner = TestRunner::deterministic();
    let strategy = history();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn kind(op: &Op) -> String {
    format!("{op:?}")
        .split([' ', '{'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Without this, a property could hold because nothing happens.
#[test]
fn every_operation_does_something_in_most_cases_that_it_occurs() {
    let mut counts = BTreeMap::<String, (u32, u32)>::new();
    for history in some(60) {
        assert_eq!(history.rounds.len(), ROUNDS);
        let dir = tempfile::tempdir().unwrap();
        for (op, did) in play(&history, &dir.path().join("crm")) {
            let (all, effective) = counts.entry(kind(&op)).or_default();
            *all += 1;
            *effective += u32::from(did);
        }
    }
    assert_eq!(counts.len(), 24, "{counts:?}");
    for (kind, (all, effective)) in &counts {
        assert!(
            *all > 20 && effective * 4 > *all,
            "{kind}: {effective} of {all}"
        );
    }
}

#[test]
fn the_same_history_makes_the_same_database() {
    for history in some(12) {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        play(&history, &a);
        play(&history, &b);
        assert_eq!(same(&a, &b), Ok(()), "{history:?}");
    }
}

#[test]
fn what_is_left_out_while_shrinking_leaves_a_history() {
    let mut runner = TestRunner::deterministic();
    let mut tree = history().new_tree(&mut runner).unwrap();
    for step in 0..200 {
        let dir = tempfile::tempdir().unwrap();
        play(&tree.current(), &dir.path().join("crm"));
        if !(if step % 3 == 0 {
            tree.complicate()
        } else {
            tree.simplify()
        }) {
            break;
        }
    }
}

#[test]
fn the_states_that_a_backup_must_bear_occur() {
    let wanted = [
        (
            "an owner is NULL",
            "SELECT 1 FROM notes WHERE customer_id IS NULL",
        ),
        (
            "only orders dangle",
            "SELECT 1 FROM pragma_foreign_key_check WHERE \"table\" = 'orders'",
        ),
        (
            "self-reference",
            "SELECT 1 FROM customers WHERE referred_by = id",
        ),
        (
            "a cycle of two",
            "SELECT 1 FROM customers a JOIN customers b ON a.referred_by = b.id
          AND b.referred_by = a.id AND a.id <> b.id",
        ),
        (
            "a mention",
            "SELECT 1 FROM notes WHERE mentions <> customer_id",
        ),
        (
            "one who cannot be NULL",
            "SELECT 1 FROM introductions WHERE introduced <> customer_id",
        ),
        (
            "the largest key",
            "SELECT 1 FROM customers WHERE id = 9223372036854775807",
        ),
        (
            "the smallest key",
            "SELECT 1 FROM customers WHERE id = -9223372036854775808",
        ),
        (
            "a gap in the counters",
            "SELECT 1 FROM sqlite_sequence
          WHERE seq > (SELECT coalesce(max(id), 0) FROM labels)",
        ),
        (
            "text that is not UTF-8",
            "SELECT 1 FROM notes WHERE hex(body) = 'FFFE'",
        ),
        (
            "a value over several pages",
            "SELECT 1 FROM notes WHERE length(body) > 4096",
        ),
    ];
    let mut seen = BTreeMap::new();
    for history in some(150) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crm");
        play(&history, &path);
        let db = Connection::open(&path).unwrap();
        let exists = |sql: &str| db.prepare(sql).unwrap().exists([]).unwrap();
        for (what, sql) in wanted {
            *seen.entry(what).or_insert(0) += u32::from(exists(sql));
        }
        let others = "SELECT 1 FROM pragma_foreign_key_check WHERE \"table\" <> 'orders'";
        assert!(!exists(others), "something other than an order dangles");
    }
    assert!(seen.values().all(|times| *times > 0), "{seen:?}");
}
