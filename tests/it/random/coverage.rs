//! That the generator makes some of everything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::base;
use super::case::case;
use super::model::{Means, Said};
use super::owners::Owners;
use super::world::World;
use super::world::links::all_columns;

/// What the script of a case must hold in some case, as SQL that SQLite took.
const WORDS: [(&str, f64); 66] = [
    ("UTF-16le", 0.1),
    ("UTF-16be", 0.1),
    ("page_size = 512", 0.05),
    ("page_size = 65536", 0.05),
    ("auto_vacuum = 1", 0.1),
    ("auto_vacuum = 2", 0.1),
    ("journal_mode = WAL", 0.2),
    ("journal_mode = DELETE", 0.05),
    ("WITHOUT ROWID", 0.3),
    ("STRICT", 0.3),
    ("AUTOINCREMENT", 0.2),
    ("PRIMARY KEY DESC", 0.2),
    ("DESC, ", 0.1),
    ("COLLATE NOCASE", 0.4),
    ("COLLATE RTRIM", 0.3),
    ("CHECK (", 0.4),
    ("DEFAULT (", 0.4),
    ("NOT NULL", 0.5),
    (" UNIQUE", 0.3),
    ("STORED", 0.1),
    ("VIRTUAL", 0.1),
    ("CREATE UNIQUE INDEX", 0.1),
    (") WHERE ", 0.1),
    ("(typeof(", 0.1),
    ("lower(", 0.05),
    ("AFTER INSERT", 0.05),
    ("AFTER UPDATE", 0.05),
    ("AFTER DELETE", 0.05),
    ("INSTEAD OF", 0.05),
    ("CREATE VIEW", 0.2),
    ("ADD COLUMN", 0.3),
    ("DROP COLUMN", 0.1),
    ("RENAME COLUMN", 0.1),
    ("RENAME TO", 0.2),
    ("DROP TABLE", 0.1),
    ("INSERT INTO \"new", 0.05),
    ("DROP INDEX", 0.01),
    ("DROP TRIGGER", 0.005),
    ("DROP VIEW", 0.005),
    ("VACUUM", 0.1),
    ("user_version", 0.05),
    ("application_id", 0.05),
    ("sqlite_sequence", 0.03),
    ("ANALYZE", 0.05),
    ("(rowid, ", 0.3),
    ("\"rowid\"", 0.05),
    ("\"oid\"", 0.02),
    ("-0.0", 0.2),
    ("9e999", 0.1),
    ("5e-324", 0.1),
    ("9223372036854775807", 0.2),
    ("CAST(x'ff' AS TEXT)", 0.1),
    ("CAST(x'00' AS TEXT)", 0.1),
    ("x''", 0.3),
    ("CAST(replace", 0.2),
    ("客户", 0.1),
    ("ON DELETE CASCADE", 0.3),
    ("DEFERRABLE", 0.2),
    ("USING fts5(", 0.2),
    ("UNINDEXED", 0.1),
    ("columnsize=0", 0.02),
    (", content='')", 0.05),
    ("('delete', old.", 0.05),
    ("'automerge', 8", 0.02),
    ("\"back", 0.1),
    ("COMMIT", 0.05),
];

/// What some table of some case must be.
const OWNED: [(&str, f64); 20] = [
    ("a composite link", 0.2),
    ("a class", 0.3),
    ("a circle", 0.1),
    ("a circle of rows", 0.05),
    ("a key of another's", 0.1),
    ("also", 0.2),
    ("ambiguous or behind it", 0.1),
    ("an empty table", 0.5),
    ("itself", 0.4),
    ("many to many", 0.05),
    ("orphans", 0.5),
    ("owned by a chain", 0.3),
    ("owned by a rule", 0.5),
    ("owned words", 0.1),
    ("pointed at", 0.05),
    ("rows with owners", 0.7),
    ("shared", 0.5),
    ("since", 0.2),
    ("unsettled", 0.5),
    ("where", 0.2),
];

#[test]
fn the_generator_makes_some_of_everything() {
    const CASES: usize = 200;
    let config = Config::default();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut tried, mut taken, mut rows) = (0, 0, 0);
    for _ in 0..CASES {
        let case = case().no_shrink().new_tree(&mut runner).unwrap().current();
        let dir = tempfile::tempdir_in(base()).unwrap();
        let path = dir.path().join("crm.db");
        let mut world = World::new(&path, &case);
        let mut people = world.people();
        let mut reused = false;
        for round in &case.rounds {
            world.all(round);
            let now = world.people();
            let other = |(key, since): &(Vec<Value>, Value)| {
                people.iter().any(|(k, s)| k == key && s != since)
            };
            reused |= now.iter().any(other);
            people.extend(now);
        }
        world.close();
        tried += world.tried;
        taken += world.script.len();
        let script = world.script.join("\n");
        let mut found: Vec<String> = WORDS
            .iter()
            .filter(|(word, _)| script.contains(word))
            .map(|(word, _)| (*word).to_owned())
            .collect();
        if reused {
            found.push("a key of another's".into());
        }
        let conn = Connection::open(&path).unwrap();
        let owners = Owners::new(&conn, &world.model, None).unwrap();
        for at in world.model.living() {
            let table = &world.model.tables[at];
            let sql = format!("SELECT count(*) FROM {}", super::values::name(&table.name));
            let count: usize = conn
                .query_row(&sql, [], |row| row.get::<_, i64>(0))
                .unwrap() as usize;
            rows += count;
            let owning = !world.model.owning(at).is_empty();
            let owned = owners.tables[at].is_some();
            let mut note = |what: &str, yes: bool| {
                if yes {
                    found.push(what.to_owned());
                }
            };
            note("an empty table", count == 0);
            note("a class", owned && table.class.is_some());
            note("owned words", owned && table.text);
            note("since", table.since().is_some());
            for back in table
                .links
                .iter()
                .filter(|link| link.declared && link.to > at)
            {
                note("a circle", true);
                let forth = &world.model.tables[back.to].links;
                let pairs = owners.refers(at, back).unwrap();
                let round = forth.iter().filter(|link| link.to == at).any(|link| {
                    let others = owners.refers(back.to, link).unwrap();
                    pairs
                        .iter()
                        .any(|(from, to)| others.contains(&(*to, *from)))
                });
                note("a circle of rows", round);
            }
            note(
                "owned by a chain",
                owned && world.model.owning(at).iter().any(|l| l.to != 0),
            );
            note("owned by a rule", owned && table.ruled());
            note(
                "pointed at",
                owned && matches!(table.said, Said::PointedAt { .. }),
            );
            note("ambiguous or behind it", owning && !owned);
            note(
                "unsettled",
                at != 0 && !owning && table.said == Said::Nothing,
            );
            note("shared", table.said == Said::Shared);
            note("also", table.links.iter().any(|l| l.means == Means::Also));
            note(
                "where",
                table
                    .links
                    .iter()
                    .any(|l| matches!(l.means, Means::By(Some(_)))),
            );
            note("itself", table.links.iter().any(|l| l.to == at));
            note(
                "many to many",
                table.links.len() > 1 && table.key == all_columns(&table.links),
            );
            note(
                "a composite link",
                table.links.iter().any(|l| l.columns.len() > 1),
            );
            let with = owners.tables[at].as_ref().map_or(0, BTreeMap::len);
            note("orphans", owned && with < count);
            note("rows with owners", at != 0 && with > 0);
        }
        found.sort();
        found.dedup();
        for what in found {
            *seen.entry(what).or_default() += 1;
        }
    }
    assert!(
        taken * 100 > tried * 80,
        "SQLite took {taken} of {tried} statements"
    );
    assert!(rows > 20 * CASES, "{rows} rows in {CASES} cases");
    for (word, share) in WORDS.into_iter().chain(OWNED) {
        let times = seen.get(word).copied().unwrap_or(0);
        assert!(
            times as f64 >= share * CASES as f64 / 3.0,
            "{word:?} in {times} of {CASES} cases"
        );
    }
}
