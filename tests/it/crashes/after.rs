//! What must hold after a command was interrupted, whatever interrupted it: at once, and when the next
//! commands have run.

use std::fs;

use rusqlite::Connection;
use tenure::error::FailureKind;
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::{forget, restore};

use super::{Template, World};
use crate::support::canary::{Canary, find, holds};
use crate::support::compare::same_except;
use crate::support::raw::{files, open_everything};

/// What was named restores, and the next snapshot is taken as if nothing had been.
pub fn snapshot(template: &Template, world: &World, when: &str) {
    assert!(!world.snapshots().is_empty(), "{when}");
    comes_back(template, world, None, when);
    assert_eq!(world.run(&["snapshot"]), 0, "{when}");
    for store in ["a", "b"] {
        comes_back(template, world, Some(store), when);
    }
    world.assert_tidy(when);
}

/// Every snapshot that is named restores exactly, from any store or from this one.
pub fn comes_back(template: &Template, world: &World, store: Option<&str>, when: &str) {
    for id in world.snapshots() {
        let back = world.restore_from(id, store);
        same_except(template.at(id), &back, template.without)
            .unwrap_or_else(|why| panic!("{when}, snapshot {id} from {store:?}: {why}"));
    }
}

/// Customer P7 is there or gone, never half, and gone for good once somebody has said so again.
pub fn forgetting(template: &Template, world: &World, when: &str) {
    // Readers see all of the customer or nothing, whatever was reached.
    let decided = is_gone(world, when);
    // A command that changes something finishes what was decided. It says 3 because a customer
    // who was forgotten is still in the live database.
    let code = world.run(&["snapshot"]);
    assert!([0, 3].contains(&code), "{when}: {code}");
    assert!(!decided || code == 3, "{when}");
    let gone = is_gone(world, when);
    assert_eq!(gone, code == 3, "{when}");
    if !gone {
        let (mut repository, _) =
            Repository::change(world.config(), world.runtime.handle()).unwrap();
        forget::run(&mut repository, &["P7".into()], &[]).unwrap();
        assert!(is_gone(world, when));
    }
    assert_eq!(world.run(&["snapshot"]), 3, "{when}");
    assert_gone_for_good(world, &template.canary, when);
    world.assert_tidy(when);
}

/// Of [`super::with_more_to_prune`]: what is kept is there, and what was decided is carried on with.
pub fn prune(template: &Template, world: &World, when: &str) {
    let numbers = || -> Vec<u64> { world.snapshots().iter().map(|id| id.number).collect() };
    // All that is listed can be read, and what goes goes as a whole.
    let listed = numbers();
    assert!(
        [&[1, 2, 3, 4][..], &[3, 4]].contains(&&listed[..]),
        "{when}: {listed:?}"
    );
    for store in ["a", "b"] {
        comes_back(template, world, Some(store), when);
    }
    // Any command carries on with what was decided.
    assert_eq!(world.run(&["snapshot"]), 0, "{when}");
    if listed.len() == 2 {
        assert_eq!(numbers(), [3, 4, 5], "{when}");
        world.assert_tidy(when);
    }
    // Whole again, it looks as if nothing had been.
    assert_eq!(world.run(&["prune"]), 0, "{when}");
    assert_eq!(numbers(), [3, 4, 5], "{when}");
    for root in ["a", "b", "state"] {
        let inc = world.read().inc().to_string();
        let manifests = files(&world.path(root).join("snapshots").join(inc));
        assert_eq!(manifests.len(), 3, "{when}: {root}");
    }
    for store in ["a", "b"] {
        comes_back(template, world, Some(store), when);
    }
    world.assert_tidy(when);
}

/// Of [`super::with_store_behind`]: whoever was forgotten stays so, and both stores become the same.
pub fn replicate(template: &Template, world: &World, when: &str) {
    comes_back(template, world, None, when);
    assert!(is_gone(world, when), "{when}");
    assert_eq!(world.run(&["replicate"]), 0, "{when}");
    for store in ["a", "b"] {
        comes_back(template, world, Some(store), when);
    }
    assert_gone_for_good(world, &template.canary, when);
    world.assert_tidy(when);
}

/// Changes are found, whether or not they are tracked by now, and tracking can be installed.
pub fn track(template: &Template, world: &World, when: &str) {
    const CHANGE: &str =
        "UPDATE people SET name = 'Another' WHERE no = 'P3'; DELETE FROM deals WHERE owner = 'P9'";
    const AGAIN: &str = "UPDATE people SET name = 'Yet another' WHERE no = 'P4'";
    comes_back(template, world, None, when);
    let change = |sql: &str| {
        let live = Connection::open(world.path("crm.db")).unwrap();
        live.execute_batch(sql).unwrap();
    };
    let newest = |number: usize, sql: &str| {
        assert_eq!(world.run(&["snapshot"]), 0, "{when}");
        let snapshots = world.snapshots();
        assert_eq!(snapshots.len(), number, "{when}");
        for store in ["a", "b"] {
            let back = world.restore(snapshots[number - 1], store);
            same_except(&template.place.db, &back, sql)
                .unwrap_or_else(|why| panic!("{when}, snapshot {number}: {why}"));
        }
    };
    change(CHANGE);
    newest(2, CHANGE);
    assert_eq!(world.run(&["track", "crm"]), 0, "{when}");
    newest(3, CHANGE);
    change(AGAIN);
    newest(4, &format!("{CHANGE}; {AGAIN}"));
    world.assert_tidy(when);
}

/// Whether customer P7 is gone from the first snapshot, for every reader alike.
pub fn is_gone(world: &World, when: &str) -> bool {
    let repository = world.read();
    let first = world.snapshots()[0];
    let to = world.path("one");
    let _ = fs::remove_dir_all(&to);
    let alone = restore::customer(&repository, "P7", &to, first, None, &Silent);
    let whole = world.restore(first, "b");
    let rows: i64 = Connection::open(&whole)
        .unwrap()
        .query_row("SELECT count(*) FROM deals WHERE owner = 'P7'", [], |row| {
            row.get(0)
        })
        .unwrap();
    let gone = rows == 0;
    match alone {
        Ok(one) => assert!(!gone && one.rows == 2, "{when}"),
        Err(failure) => {
            assert_eq!(failure.kind(), FailureKind::NotFound, "{when}: {failure:?}");
            assert!(gone, "{when}: {failure:?}");
        }
    }
    gone
}

pub fn assert_gone_for_good(world: &World, canary: &Canary, when: &str) {
    let repository = world.read();
    for store in ["a", "b"] {
        let store = world.path(store);
        assert_eq!(
            files(&store.join("keyring")).len(),
            1,
            "{when}: older keyrings are gone"
        );
        let opened = open_everything(&repository, &repository.keyring, &store);
        assert!(!holds(&opened.plain, canary.as_bytes()), "{when}");
        assert!(find(&store, canary.as_bytes()).is_empty(), "{when}");
    }
    assert_eq!(
        files(&world.path("state/keyring")).len(),
        3,
        "{when}: one epoch here"
    );
    assert!(
        find(&world.path("state"), canary.as_bytes()).is_empty(),
        "{when}"
    );
    // Everybody else is there, in the snapshot from before.
    let first = world.snapshots()[0];
    let without = "UPDATE people SET friend = NULL WHERE friend = 'P7';
                   DELETE FROM deals WHERE owner = 'P7'; DELETE FROM people WHERE no = 'P7'";
    let kept = world.path("kept-1.db");
    same_except(&kept, &world.restore(first, "a"), without)
        .unwrap_or_else(|why| panic!("{when}: {why}"));
}
