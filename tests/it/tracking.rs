//! Change tracking by triggers: incrementals read what has changed and nothing else, and are what they
//! would be if everything had been read.

use std::path::Path;

use rusqlite::Connection;
use tenure::backup::Taken;
use tenure::track::{self, Tracking};

use crate::support::compare::same;
use crate::support::place::Place;

mod doubts;
mod histories;
mod lives;
mod thin;

const REGISTER: &str = "table = \"customers\"\nkey = \"id\"\nsince = \"joined\"";

/// A place whose source is tracked, with one full snapshot.
fn tracked(ownership: &str, sql: &str) -> Place {
    let place = Place::new(REGISTER, ownership, |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        db.execute_batch(sql).unwrap();
    });
    track(&place, Tracking::Install);
    place.snapshot(true);
    place
}

fn track(place: &Place, what: Tracking) -> Vec<String> {
    track::run(&place.config(), "crm", what, true).unwrap().sql
}

fn run(place: &Place, sql: &str) {
    let db = Connection::open(&place.db).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db.execute_batch(sql).unwrap();
}

/// Takes an incremental, which must come back exactly.
fn exact(place: &Place) -> Taken {
    let kept = place.keep(0);
    let taken = place.snapshot(false);
    drop_ours(&kept);
    let number = taken.id.number as usize;
    same(&kept, &place.restore(number, "a")).unwrap();
    taken
}

/// Takes an incremental that reads no more than what has changed, and is exact.
fn quick(place: &Place) -> Taken {
    let taken = exact(place);
    assert_eq!(taken.why_scanned, None);
    assert!(taken.tracked);
    taken
}

/// Takes out of a copy what is ours.
pub fn drop_ours(copy: &Path) {
    let db = Connection::open(copy).unwrap();
    let sql = "SELECT type, name FROM sqlite_schema WHERE name LIKE 'tenure_%' AND type IN ('table', 'trigger') \
               ORDER BY type DESC";
    let mut found = db.prepare(sql).unwrap();
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: Vec<(String, String)> = found
        .query_map([], pair)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (kind, name) in found {
        let name = name.replace('"', "\"\"");
        db.execute_batch(&format!("DROP {kind} \"{name}\""))
            .unwrap();
    }
}
