//! Writing into live databases, with others at work on them.

use std::time::Duration;

use super::*;
use crate::source::sqlite::{Erased, Erasing, Live};
use crate::value::CustomerKey;

mod erase;
mod flag;
mod fulltext;
mod put;
mod remnants;

const FOR_REAL: Erasing = Erasing::ForReal { vacuum: false };

fn live(path: &Path, rules: &Rules) -> Live {
    let mut live = Live::open(path, rules).unwrap();
    live.set_patience(Duration::from_millis(300)).unwrap();
    live
}

pub(super) fn id(number: i64) -> CustomerKey {
    CustomerKey(vec![Value::Int(number)])
}

fn word(text: &str) -> CustomerKey {
    CustomerKey(vec![Value::Text(text.into())])
}

/// Runs SQL as an application does.
fn run(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// Erases, and expects that it is refused and nothing has changed; gives the error.
fn refused(path: &Path, rules: &Rules, customer: CustomerKey) -> SqliteError {
    let before = everything(path);
    let error = live(path, rules).erase(&[customer], FOR_REAL).unwrap_err();
    similar(&before, &everything(path));
    error
}

fn rows(tables: &[(&str, u64)]) -> Vec<(String, u64)> {
    let pair = |(name, rows): &(&str, u64)| ((*name).to_owned(), *rows);
    tables.iter().map(pair).collect()
}

#[test]
fn a_database_is_not_made_and_not_taken_for_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    let rules = register("c", &["id"]);
    let error = Live::open(&path, &rules).err().unwrap();
    assert!(matches!(error, SqliteError::Missing { .. }));
    assert!(!path.exists());
    std::fs::write(
        &path,
        "not a database, but long enough to look like one, is it not? ",
    )
    .unwrap();
    let error = Live::open(&path, &rules).err().unwrap();
    assert!(
        matches!(error, SqliteError::NotADatabase { .. }),
        "{error:?}"
    );
}

#[test]
fn whoever_holds_the_database_is_waited_for_and_then_told() {
    for mode in ["WAL", "DELETE"] {
        let (_dir, path) = database(&format!(
            "PRAGMA journal_mode = {mode}; CREATE TABLE c(id INTEGER PRIMARY KEY, shown INT); \
             INSERT INTO c VALUES (1, 1), (2, 1);"
        ));
        let rules = register("c", &["id"]);
        let mut live = live(&path, &rules);
        let app = Connection::open(&path).unwrap();
        app.execute_batch("BEGIN IMMEDIATE; UPDATE c SET shown = 5 WHERE id = 2")
            .unwrap();
        let busy = |error: SqliteError| {
            let busy = matches!(error, SqliteError::Busy { .. });
            assert!(busy, "{mode} {error:?}");
        };
        busy(live.erase(&[id(1)], FOR_REAL).unwrap_err());
        busy(live.flag(&id(1), "shown", &Value::Int(0)).unwrap_err());
        busy(live.put(&[id(3)], &[], &[], false).unwrap_err());
        app.execute_batch("COMMIT").unwrap();
        assert_eq!(ask(&path, "SELECT * FROM c"), ["1 1", "2 5"]);
        // Whoever reads holds up the commit where there is no log.
        app.execute_batch("BEGIN; SELECT * FROM c").unwrap();
        match (mode, live.erase(&[id(1)], FOR_REAL)) {
            ("WAL", erased) => assert_eq!(erased.unwrap().tables, rows(&[("c", 1)])),
            (_, erased) => busy(erased.unwrap_err()),
        }
        app.execute_batch("COMMIT").unwrap();
        live.erase(&[id(1)], FOR_REAL).unwrap();
        // Nothing is held once it is done.
        app.execute_batch("BEGIN EXCLUSIVE; INSERT INTO c VALUES (9, 9); COMMIT")
            .unwrap();
        assert_eq!(ask(&path, "SELECT id FROM c"), ["2", "9"]);
        assert_eq!(
            ask(&path, "PRAGMA journal_mode"),
            [format!("'{}'", mode.to_lowercase())]
        );
    }
}
