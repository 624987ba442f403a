//! Whom rows name that are not theirs, and whose rows another database has.

use rusqlite::Connection;
use tenure::forget;

use crate::support::place::Place;
use crate::support::raw::files;

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
    place.restore(1, "a");
    let restored = files(&place.dir.path().join("out-1-a"));
    let phone = restored.iter().find(|path| path.ends_with("phone.db"));
    let phone = Connection::open(phone.unwrap()).unwrap();
    let left = phone.query_row("SELECT group_concat(who) FROM calls", [], |row| {
        row.get::<_, String>(0)
    });
    assert_eq!(left.unwrap(), "1,two");
}
