//! Whom rows name that are not theirs, and whose rows another database has.

use std::path::Path;

use rusqlite::Connection;
use tenure::ids::{Class, Domain};
use tenure::value::{CustomerKey, Value};
use tenure::{customers, forget};

use super::sql;
use crate::reader::python::Reader;
use crate::support::canary::{Canary, holds};
use crate::support::compare::{same, sound};
use crate::support::place::Place;
use crate::support::raw::{files, open_everything};

#[test]
fn shared_rows_name_nobody_who_was_forgotten_whatever_the_numbers_of_tables_and_customers() {
    let owns = "shared = [\"s\", \"t\", \"u\"]";
    let place = Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
        let tables = ["s", "t", "u"].map(|name| {
            format!(
                "CREATE TABLE {name} (who REFERENCES people); INSERT INTO {name} SELECT id FROM people;"
            )
        });
        let people = "CREATE TABLE people (id INTEGER PRIMARY KEY);
             INSERT INTO people VALUES (1), (2), (3), (4), (5), (6), (7), (8);";
        let conn = Connection::open(db).unwrap();
        conn.execute_batch(&(people.to_owned() + &tables.concat()))
            .unwrap();
    });
    place.snapshot(true);
    let gone: Vec<String> = (1..8).map(|id: u32| id.to_string()).collect();
    forget::run(&mut place.change(), &gone, &[]).unwrap();
    let back = Connection::open(place.restore(1, "a")).unwrap();
    for table in ["s", "t", "u"] {
        let sql = format!("SELECT count(*), count(who), max(who) FROM {table}");
        let found = back.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        assert_eq!(found.unwrap(), (8, 1, 8), "{table}");
    }
}

#[test]
fn another_database_may_have_the_registers_numbers_as_text() {
    let owns = "[[source]]\nname = \"phone\"\nkind = \"sqlite\"\npath = \"phone.db\"\n\
                [[source.owns]]\ntable = \"calls\"\nby = \"who\"";
    let place = Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
        let people =
            "CREATE TABLE people (id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2);";
        Connection::open(db).unwrap().execute_batch(people).unwrap();
        let calls = "CREATE TABLE calls (id INTEGER PRIMARY KEY, who TEXT);
             INSERT INTO calls VALUES (1, '1'), (2, '2'), (3, 'two');";
        let phone = Connection::open(db.with_file_name("phone.db")).unwrap();
        phone.execute_batch(calls).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    assert_eq!(
        phone(&place, 1, "SELECT group_concat(who) FROM calls"),
        "1,two"
    );
}

/// A text from the telephone's database of a snapshot.
fn phone(place: &Place, snapshot: usize, sql: &str) -> String {
    place.restore(snapshot, "a");
    let restored = files(&place.path(&format!("out-{snapshot}-a")));
    let phone = restored.iter().find(|path| path.ends_with("phone.db"));
    let phone = Connection::open(phone.unwrap()).unwrap();
    phone.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_row_that_also_names_a_stranger_names_nobody_who_was_forgotten() {
    let owns = "[[source]]\nname = \"phone\"\nkind = \"sqlite\"\npath = \"phone.db\"\nshared = [\"log\"]\n\
                [[source.owns]]\ntable = \"calls\"\nby = \"who\"";
    let place = Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
        let people =
            "CREATE TABLE people (id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2);";
        Connection::open(db).unwrap().execute_batch(people).unwrap();
        let calls = "CREATE TABLE calls (id INTEGER PRIMARY KEY, who INT);
             CREATE TABLE log (a REFERENCES calls, b REFERENCES calls);
             INSERT INTO calls VALUES (1, 1), (2, 2), (3, 99);
             INSERT INTO log VALUES (3, 2), (2, 3), (3, 1);";
        let phone = Connection::open(db.with_file_name("phone.db")).unwrap();
        phone.execute_batch(calls).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    place.snapshot(false);
    let log = "SELECT group_concat(ifnull(a, '-') || ifnull(b, '-')) FROM log";
    for snapshot in [1, 2] {
        assert_eq!(phone(&place, snapshot, log), "3-,-3,31");
    }
}

#[test]
fn a_class_that_came_later_has_no_key_for_whom_was_forgotten_before() {
    let canary = Canary::new();
    let shared = "shared = [\"seen\"]";
    let place = Place::new("table = \"people\"\nkey = \"id\"", shared, |db| {
        let schema = format!(
            "CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE orders (code TEXT PRIMARY KEY, who REFERENCES people);
             CREATE TABLE seen (code REFERENCES orders);
             INSERT INTO people VALUES (1), (2); INSERT INTO orders VALUES ('of one', 1), ('{}', 2);",
            canary.as_str()
        );
        Connection::open(db)
            .unwrap()
            .execute_batch(&schema)
            .unwrap();
    });
    place.snapshot(true);
    let two = customers::find(&place.read(), "2").unwrap()[0].domain;
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    let billing = "[[source.owns]]\ntable = \"orders\"\nclass = \"billing\"";
    place.reconfigure(|text| text.replace(shared, &format!("{shared}\n{billing}")));
    sql(&place, "INSERT INTO seen SELECT code FROM orders");
    // Whether or not the register still has who was forgotten.
    for (snapshot, change) in [(2, ""), (3, "DELETE FROM people WHERE id = 2")] {
        sql(&place, &format!("PRAGMA foreign_keys = OFF; {change}"));
        place.snapshot(true);
        let repository = place.read();
        let class = Class(2);
        assert!(
            !repository
                .keyring
                .forest
                .is_punctured(Domain { class, ..two })
        );
        let opened = open_everything(&repository, &repository.keyring, &place.path("a"));
        assert!(!holds(&opened.plain, canary.as_bytes()));
        let back = Connection::open(place.restore(snapshot, "a")).unwrap();
        let seen = "SELECT count(*), count(code), max(code) FROM seen";
        let seen = back.query_row(seen, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        assert_eq!(seen.unwrap(), (2, 1, "of one".to_owned()));
    }
}

#[test]
fn another_form_of_a_key_counts_in_another_database_alone() {
    let owns = "[[source]]\nname = \"phone\"\nkind = \"sqlite\"\npath = \"phone.db\"\n\
                [[source.owns]]\ntable = \"calls\"\nby = \"who\"";
    let place = Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
        let people = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id PRIMARY KEY); INSERT INTO people VALUES ('2'), ('7'), (7), (8);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people); INSERT INTO orders VALUES (1, 2);";
        Connection::open(db).unwrap().execute_batch(people).unwrap();
        let calls = "CREATE TABLE calls (id INTEGER PRIMARY KEY, who);
             INSERT INTO calls VALUES (1, 2), (2, 7), (3, 8);";
        let phone = Connection::open(db.with_file_name("phone.db")).unwrap();
        phone.execute_batch(calls).unwrap();
    });
    place.snapshot(true);
    let gone = customers::find(&place.read(), "7").unwrap();
    let gone = gone.iter().map(|one| format!("7#{}", one.domain.arrival));
    let gone: Vec<String> = gone.chain(["2".to_owned()]).collect();
    assert_eq!(gone.len(), 3);
    forget::run(&mut place.change(), &gone, &[]).unwrap();
    sql(&place, "DELETE FROM people WHERE id <> 8");
    let taken = place.snapshot(true);
    // A call by the number 7 is that one's whose key is the number.
    let two = CustomerKey(vec![Value::Text(b"2".to_vec())]);
    assert!(taken.dangling == [two, CustomerKey(vec![Value::Int(7)])]);
    let back = Connection::open(place.restore(2, "a")).unwrap();
    let orders = back.query_row("SELECT count(*) FROM orders", [], |row| {
        row.get::<_, u32>(0)
    });
    assert_eq!(orders.unwrap(), 1);
    assert_eq!(phone(&place, 2, "SELECT group_concat(id) FROM calls"), "3");
}

#[test]
fn a_column_that_leads_to_two_is_lost_with_either_of_them() {
    let owns = "[[source.owns]]\ntable = \"notes\"\nby = \"owner\"\n\
                [[source.owns]]\ntable = \"strict\"\nby = \"owner\"";
    let schema = "CREATE TABLE people (id INTEGER PRIMARY KEY);
         CREATE TABLE orders (code TEXT PRIMARY KEY, who NOT NULL REFERENCES people);
         CREATE TABLE bills (code TEXT PRIMARY KEY, who NOT NULL REFERENCES people);
         CREATE TABLE notes (owner REFERENCES people, code REFERENCES orders REFERENCES bills);
         CREATE TABLE strict (owner REFERENCES people, code NOT NULL REFERENCES bills REFERENCES orders);
         INSERT INTO people VALUES (1), (2), (3);
         INSERT INTO orders VALUES ('x', 1), ('own', 3); INSERT INTO bills VALUES ('x', 2), ('own', 2);
         INSERT INTO notes VALUES (3, 'x'), (3, 'own'); INSERT INTO strict SELECT * FROM notes;";
    let reader = Reader::found();
    for (gone, kept) in [("1", 1), ("2", 0)] {
        let place = Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
            let conn = Connection::open(db).unwrap();
            conn.execute_batch(schema).unwrap();
        });
        place.snapshot(true);
        let original = place.keep(1);
        same(&original, &place.restore(1, "a")).unwrap();
        forget::run(&mut place.change(), &[gone.into()], &[]).unwrap();
        // Whether rows are read before that or after it.
        place.snapshot(true);
        for snapshot in [1, 2] {
            let back = place.restore(snapshot, "b");
            sound(&original, &back).unwrap();
            assert_eq!(codes(&back, "notes"), (2, kept, kept));
            assert_eq!(codes(&back, "strict"), (2, 2, kept));
            if let Some(reader) = &reader {
                let back = place.path(&format!("read-{snapshot}"));
                reader.restore(&place, "a", snapshot, "crm", &back);
                assert_eq!(codes(&back, "notes"), (2, kept, kept));
            }
        }
    }
}

/// How many rows a table has, how many have a code, and how many the code `own`.
fn codes(back: &Path, table: &str) -> (u32, u32, u32) {
    let sql = format!("SELECT count(*), count(code), total(code = 'own') FROM {table}");
    let back = Connection::open(back).unwrap();
    let found = back.query_row(&sql, [], |row| {
        let own: f64 = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, own as u32))
    });
    found.unwrap()
}
