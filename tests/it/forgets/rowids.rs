//! A rowid that is a foreign key names somebody, who may be gone, as any other value does.

use rusqlite::Connection;
use tenure::report::Silent;
use tenure::track::{self, Tracking};
use tenure::{forget, restore};

use super::sql;
use crate::support::compare::{same, same_except, sound};
use crate::support::place::Place;
use crate::tracking::drop_ours;

const SCHEMA: &str = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id INTEGER PRIMARY KEY, name);
     CREATE TABLE profiles (person INTEGER PRIMARY KEY REFERENCES people, text);
     CREATE TABLE settings (text, profile INTEGER PRIMARY KEY REFERENCES profiles, photo);
     CREATE TABLE calls (kind, person INTEGER PRIMARY KEY REFERENCES people, of INT REFERENCES calls);
     CREATE TABLE lines (id INTEGER PRIMARY KEY, call INT NOT NULL REFERENCES calls);
     INSERT INTO lines VALUES (1, 2), (2, 4);
     INSERT INTO people VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
     INSERT INTO profiles VALUES (1, 'one'), (3, 'three'), (4, 'four');
     INSERT INTO settings VALUES ('x', 1, 7), ('of nobody', 2, NULL), ('y', 4, zeroblob(9000000));
     INSERT INTO calls VALUES (0, 1, 1), (1, 2, 1), (1, 3, 2), (0, 4, 3);";
const OWNS: &str = "[[source.owns]]\ntable = \"calls\"\nby = \"person\"\nwhere = \"kind = 0\"";

fn place(top: &str) -> Place {
    let register = "table = \"people\"\nkey = \"id\"";
    Place::new(register, &format!("{top}{OWNS}"), |db| {
        Connection::open(db).unwrap().execute_batch(SCHEMA).unwrap();
    })
}

#[test]
fn a_rowid_leads_to_nobody_who_is_forgotten() {
    let place = place("");
    place.snapshot(true);
    same(&place.db, &place.restore(1, "a")).unwrap();
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    // Of nobody, and of others: what stood for 2 there stands for a row of no meaning.
    let gone = "UPDATE people SET id = -1, name = NULL WHERE id = 2;
                INSERT INTO profiles VALUES (-1, NULL);
                UPDATE settings SET profile = -1 WHERE profile = 2;
                UPDATE calls SET person = -1 WHERE person = 2; UPDATE calls SET of = NULL WHERE of = 2;
                UPDATE lines SET call = -1 WHERE call = 2;";
    let back = place.restore(1, "b");
    same_except(&place.db, &back, gone).unwrap();
    sound(&place.db, &back).unwrap();
    // One who has such rows, and is not forgotten, gets them back where they were.
    let kept = place.keep(0);
    let theirs = "DELETE FROM people WHERE id = 4; DELETE FROM profiles WHERE person = 4;
                  DELETE FROM settings WHERE profile = 4; DELETE FROM calls WHERE person = 4;
                  DELETE FROM lines WHERE call = 4;";
    sql(&place, &format!("PRAGMA foreign_keys = OFF; {theirs}"));
    let repository = place.change();
    let first = restore::choose(&repository, Some("1"), None).unwrap();
    restore::live(&repository, "4", first, false, &Silent).unwrap();
    same(&kept, &place.db).unwrap();
}

#[test]
fn where_the_rowid_alone_says_whose_a_row_is_it_stays_one() {
    let place = place("");
    let repository = place.change();
    let source = &repository.config.sources[0];
    let db = tenure::source::sqlite::Database::open(&source.path, &source.rules).unwrap();
    let tables = db.schema().tables.iter();
    let aliases: Vec<_> = tables.filter_map(|t| t.rowid_alias.as_ref()).collect();
    let aliases: Vec<&str> = aliases.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(aliases, ["id", "person", "id"]);
    let settings = db.schema().tables.iter().find(|t| t.name == "settings");
    let columns: Vec<_> = settings.unwrap().columns.iter().map(|c| &c.name).collect();
    assert_eq!(columns, ["text", "profile", "photo"]);
}

#[test]
fn such_rows_are_tracked() {
    let place = place("changes = \"triggers\"\n");
    track::run(&place.config(), "crm", Tracking::Install, true).unwrap();
    place.snapshot(true);
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; UPDATE settings SET text = 'z' WHERE profile = 4; DELETE FROM calls WHERE person = 1;
         INSERT INTO calls VALUES (0, 1, 4); INSERT INTO settings VALUES ('w', 3, x'00');",
    );
    let taken = place.snapshot(false);
    assert_eq!((taken.tracked, taken.why_scanned), (true, None));
    let kept = place.keep(0);
    drop_ours(&kept);
    same(&kept, &place.restore(2, "a")).unwrap();
}
