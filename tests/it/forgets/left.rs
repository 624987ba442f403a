//! Whoever was forgotten and has left the register: what is theirs is not backed up again, whatever
//! rows it leads over, and nobody else's is left out with it.

use rusqlite::Connection;
use tenure::forget;

use super::sql;
use crate::support::compare::{same_except, sound};
use crate::support::place::Place;

#[test]
fn what_leads_to_the_forgotten_over_other_rows_is_left_out_too() {
    let owns = "[[source.owns]]\ntable = \"links\"\nby = \"who\"";
    let place = Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
        let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people);
             CREATE TABLE items (id INTEGER PRIMARY KEY, of REFERENCES orders, what);
             CREATE TABLE links (id INTEGER PRIMARY KEY, who INT, of INT REFERENCES orders, must INT NOT NULL REFERENCES orders);
             INSERT INTO people VALUES (1), (2), (3);
             INSERT INTO orders VALUES (1, 1), (2, 2), (3, '2');
             INSERT INTO items VALUES (1, 1, 'a'), (2, 2, 'secret of 2'), (3, 3, 'more'), (4, 9, 'of nobody');
             INSERT INTO links VALUES (1, 1, 2, 1), (2, 2, 2, 2), (3, 3, 3, 1);";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 2",
    );
    let taken = place.snapshot(false);
    assert_eq!(super::texts(&taken.dangling), ["2"]);
    let back = place.restore(2, "a");
    let gone = "DELETE FROM orders WHERE who IN (2, '2'); DELETE FROM items WHERE of IN (2, 3);
                DELETE FROM links WHERE who = 2; UPDATE links SET of = NULL WHERE of IN (2, 3)";
    same_except(&place.db, &back, gone).unwrap();
    sound(&place.db, &back).unwrap();
}

#[test]
fn where_two_read_both_leave_them_out() {
    let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id TEXT PRIMARY KEY);
             INSERT INTO people VALUES ('p1'), ('p2'), ('p3');
             CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                INSERT INTO orders SELECT i, 'p' || (i % 3 + 1) FROM n;
             CREATE TABLE items (id INTEGER PRIMARY KEY, of REFERENCES orders);
             INSERT INTO items SELECT id, id FROM orders;
             CREATE TABLE notes (id INTEGER PRIMARY KEY, who REFERENCES people);
             INSERT INTO notes SELECT id, who FROM orders;";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["p2".into()], &[]).unwrap();
    let leaves = "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 'p2'";
    sql(&place, leaves);
    let gone = "DELETE FROM items WHERE of IN (SELECT id FROM orders WHERE who = 'p2');
                DELETE FROM orders WHERE who = 'p2'; DELETE FROM notes WHERE who = 'p2'";
    // Who reads which table is chance. Such a key is looked up in the register, which has it no more.
    for number in 2..6 {
        let taken = place.snapshot(true);
        assert_eq!(super::texts(&taken.dangling), ["p2"]);
        let back = place.restore(number, "a");
        same_except(&place.db, &back, gone).unwrap();
    }
}

#[test]
fn a_way_to_somebody_unknown_does_not_hide_another_way_to_the_forgotten() {
    let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people);
             CREATE TABLE items (id INTEGER PRIMARY KEY, of REFERENCES orders, who REFERENCES people);
             CREATE TABLE parts (id INTEGER PRIMARY KEY, of REFERENCES items);
             INSERT INTO people VALUES (1), (2);
             INSERT INTO orders VALUES (1, 1), (7, 77);
             INSERT INTO items VALUES (1, 1, 1), (2, 7, 2), (3, 7, NULL), (4, 7, 1), (5, 7, 78);
             INSERT INTO parts VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5);";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 2",
    );
    let taken = place.snapshot(false);
    assert_eq!(super::texts(&taken.dangling), ["2"]);
    let gone = "DELETE FROM items WHERE id = 2; DELETE FROM parts WHERE id = 2";
    same_except(&place.db, &place.restore(2, "a"), gone).unwrap();
}

#[test]
fn a_rule_that_does_not_hold_for_a_row_makes_it_nobody_s_who_left() {
    let owns = "[[source.owns]]\ntable = \"calls\"\nby = \"a\"\nwhere = \"kind = 0\"
                [[source.owns]]\ntable = \"calls\"\nby = \"b\"\nwhere = \"kind = 1\"";
    let place = Place::new("table = \"people\"\nkey = \"id\"", owns, |db| {
        let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE calls (id INTEGER PRIMARY KEY, kind, a, b);
             INSERT INTO people VALUES (1), (2);
             INSERT INTO calls VALUES (1, 0, 2, 1), (2, 1, 2, 1), (3, 1, 2, 77), (4, 0, 77, 2);";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    sql(&place, "DELETE FROM people WHERE id = 2");
    place.snapshot(false);
    let gone = "DELETE FROM calls WHERE id = 1";
    same_except(&place.db, &place.restore(2, "a"), gone).unwrap();
}

#[test]
fn a_key_of_several_columns_is_known_again() {
    let register = "table = \"people\"\nkey = \"land, name\"";
    let place = Place::new(register, "", |db| {
        let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE people (name TEXT, land INT, PRIMARY KEY (name, land));
             CREATE TABLE orders (id INTEGER PRIMARY KEY, n TEXT, l INT, FOREIGN KEY (n, l) REFERENCES people);
             INSERT INTO people VALUES ('O''Neil, J.', 1), ('b', 2);
             INSERT INTO orders VALUES (1, 'O''Neil, J.', 1), (2, 'b', 2), (3, 'O''Neil, J.', 2);";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["1,O'Neil, J.".into()], &[]).unwrap();
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE land = 1",
    );
    place.snapshot(false);
    let gone = "DELETE FROM orders WHERE id = 1";
    same_except(&place.db, &place.restore(2, "a"), gone).unwrap();
}

#[test]
fn who_was_erased_before_keys_were_kept_is_known_where_the_key_alone_tells_who_one_is() {
    let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let schema = "CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people);
             INSERT INTO people VALUES (1), (2); INSERT INTO orders VALUES (1, 1), (2, 2);";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    let catalog = Connection::open(place.read().state.catalog()).unwrap();
    let older = catalog.execute("UPDATE erased SET key = NULL", []);
    assert_eq!(older.unwrap(), 1);
    drop(catalog);
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 2",
    );
    assert_eq!(super::texts(&place.snapshot(true).dangling), ["2"]);
    let gone = "DELETE FROM orders WHERE id = 2";
    same_except(&place.db, &place.restore(2, "a"), gone).unwrap();
}

#[test]
fn a_number_is_not_taken_for_the_text_that_is_a_key_beside_it() {
    // Such a column takes numbers and texts as they are, and none equals the other.
    let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
        let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id PRIMARY KEY);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people);
             INSERT INTO people VALUES ('1'), (2);
             INSERT INTO orders VALUES (1, '1'), (2, 1), (3, 2);";
        Connection::open(db).unwrap().execute_batch(schema).unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    place.snapshot(true);
    forget::run(&mut place.change(), &["1".into()], &[]).unwrap();
    let orders = Connection::open(place.restore(2, "a")).unwrap();
    let orders = orders.query_row("SELECT group_concat(id) FROM orders", [], |row| {
        row.get::<_, String>(0)
    });
    assert_eq!(orders.unwrap(), "2");
}

#[test]
fn a_row_leads_to_the_forgotten_as_the_register_compares_keys() {
    for (declared, gone) in [
        ("", "2"),
        ("TEXT", "2, 3"),
        ("INT", "2, 3, 4, 5"),
        ("ANY", "2, 3, 4, 5"),
    ] {
        let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
            let schema = format!(
                "PRAGMA foreign_keys = OFF; CREATE TABLE people (id {declared} NOT NULL UNIQUE);
                 CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people(id));
                 INSERT INTO people VALUES ('1'), ('2');
                 INSERT INTO orders VALUES (1, '1'), (2, '2'), (3, 2), (4, 2.0), (5, '02'), (6, x'32');"
            );
            Connection::open(db)
                .unwrap()
                .execute_batch(&schema)
                .unwrap();
        });
        place.snapshot(true);
        forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
        let gone = format!("DELETE FROM orders WHERE id IN ({gone})");
        let without = format!("DELETE FROM people WHERE id = '2'; {gone}");
        place.snapshot(false);
        same_except(&place.db, &place.restore(2, "a"), &without).unwrap();
        sql(
            &place,
            "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = '2'",
        );
        place.snapshot(false);
        same_except(&place.db, &place.restore(3, "a"), &gone).unwrap();
    }
}

#[test]
fn what_led_nowhere_leads_to_somebody_who_came_and_was_forgotten() {
    for full in [true, false] {
        let place = Place::new("table = \"people\"\nkey = \"id\"", "", |db| {
            let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE people (id INTEGER PRIMARY KEY DESC, back INT REFERENCES cards(who));
                 CREATE TABLE cards (who INTEGER PRIMARY KEY REFERENCES people(id));
                 INSERT INTO people VALUES (-9223372036854775808, 2), (3, 2), (4, NULL);";
            Connection::open(db).unwrap().execute_batch(schema).unwrap();
        });
        place.snapshot(true);
        sql(&place, "INSERT INTO people VALUES (2, NULL)");
        place.snapshot(full);
        forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
        let gone = "DELETE FROM people WHERE id = 2; UPDATE people SET back = NULL";
        same_except(&place.db, &place.restore(2, "a"), gone).unwrap();
    }
}
