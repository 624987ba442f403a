//! A CRM of 400 customers with whatever is odd in it, and calls in a database of their own.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tenure::report::Silent;
use tenure::restore;

use super::python::{Reader, done};
use crate::support::compare::{same, same_except};
use crate::support::place::Place;

/// Whom sixty others refer to.
pub const FAMOUS: &str = "C7";

const OWNERSHIP: &str = r#"
shared = ["countries"]
[[source.owns]]
table = "bills"
by = "customer"
class = "billing"
[[source.owns]]
table = "lines"
by = "customer, bill -> bills"
class = "billing"
[[source.owns]]
table = "introduced"
by = "by"
[[source.owns]]
table = "notes"
by = "customer"
[[source]]
name = "phone"
kind = "sqlite"
path = "phone.db"
[[source.owns]]
table = "calls"
by = "who"
"#;

/// The place, without a snapshot.
pub fn place() -> Place {
    Place::new("table = \"customers\"\nkey = \"no\"", OWNERSHIP, |db| {
        execute(db, include_str!("crm.sql"));
        execute(&db.with_file_name("phone.db"), include_str!("calls.sql"));
    })
}

/// Runs SQL in a database of the place, where foreign keys may lead nowhere.
pub fn execute(db: &Path, sql: &str) {
    let db = Connection::open(db).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db.execute_batch(sql).unwrap();
}

/// Restores a snapshot from a store, by us and by the reader: for each source both files.
pub fn both(place: &Place, reader: &Reader, number: usize, store: &str) -> Vec<(PathBuf, PathBuf)> {
    let repository = place.read();
    let (ours, theirs) = (place.path("ours"), place.path("theirs"));
    for dir in [&ours, &theirs] {
        let _ = fs::remove_dir_all(dir);
    }
    fs::create_dir(&theirs).unwrap();
    let id = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
    let from = store.parse().unwrap();
    let restored = restore::whole(&repository, &ours, id, None, Some(&from), &Silent).unwrap();
    let sources = restored.sources.into_iter().map(|source| {
        let to = theirs.join(&source.name);
        reader.restore(place, store, number, &source.name, &to);
        (source.path, to)
    });
    sources.collect()
}

/// Where a forgotten customer may not be NULL, we put a row that stands for nobody, and the reader a number.
const NOBODY: &str = "UPDATE introduced SET who = '-1' WHERE who NOT LIKE 'C%';
    DELETE FROM customers WHERE no NOT LIKE 'C%';";

/// That the reader restores a snapshot as we do.
pub fn alike(place: &Place, reader: &Reader, number: usize, store: &str) {
    let [crm, phone] = both(place, reader, number, store).try_into().unwrap();
    let differ = |why| panic!("snapshot {number}: {why}");
    same_except(&crm.0, &crm.1, NOBODY).unwrap_or_else(differ);
    same(&phone.0, &phone.1).unwrap_or_else(differ);
}

/// Every row that the reader can read of a snapshot, as text.
pub fn dump(place: &Place, reader: &Reader, number: usize) -> String {
    done(reader.at(place, "a", &["dump", &number.to_string()]))
}
