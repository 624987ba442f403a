//! Whatever leads to the forgotten in rows of others is withheld, by which way soever it leads there.

use rusqlite::Connection;
use tenure::track::{self, Tracking};
use tenure::{forget, inspect};

use super::sql;
use crate::support::compare::{same_except, sound};
use crate::support::place::Place;
use crate::tracking::drop_ours;

const REGISTER: &str = "table = \"people\"\nkey = \"id\"";

/// A place with one snapshot, after which 2 was forgotten.
fn without_2(ownership: &str, schema: &str) -> Place {
    let place = place(ownership, schema);
    place.snapshot(true);
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    place
}

fn place(ownership: &str, schema: &str) -> Place {
    Place::new(REGISTER, ownership, |db| {
        let schema = format!("PRAGMA foreign_keys = OFF; {schema}");
        Connection::open(db)
            .unwrap()
            .execute_batch(&schema)
            .unwrap();
    })
}

/// What is warned of.
fn warnings(place: &Place) -> String {
    let inspected = inspect::run(&place.config()).unwrap();
    format!("{inspected:?}")
}

#[test]
fn what_names_the_forgotten_is_withheld_also_once_the_register_has_let_them_go() {
    let owns = "[[source.owns]]\ntable = \"notes\"\nby = \"who\"\nalso = \"about\"";
    let place = without_2(
        owns,
        "CREATE TABLE people (id INTEGER PRIMARY KEY);
         CREATE TABLE notes (id INTEGER PRIMARY KEY, who REFERENCES people, about INT, must INT NOT NULL REFERENCES people);
         INSERT INTO people VALUES (1), (2), (3);
         INSERT INTO notes VALUES (1, 1, 2, 1), (2, 3, 9, 2), (3, 3, 1, 3);",
    );
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 2",
    );
    let gone =
        "UPDATE notes SET about = NULL WHERE about = 2; UPDATE notes SET must = -1 WHERE must = 2;
                INSERT INTO people VALUES (-1)";
    for (number, full) in [(2, false), (3, true)] {
        place.snapshot(full);
        same_except(&place.db, &place.restore(number, "a"), gone).unwrap();
    }
}

#[test]
fn what_names_whom_the_register_lets_go_is_withheld_once_they_are_forgotten() {
    let owns = "[[source.owns]]\ntable = \"notes\"\nby = \"who\"\nalso = \"about\"
                [[source.owns]]\ntable = \"files\"\nby = \"who\"";
    for tracked in [false, true] {
        let changes = if tracked {
            "changes = \"triggers\"\n"
        } else {
            ""
        };
        let place = place(
            &format!("{changes}{owns}"),
            "CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE notes (id INTEGER PRIMARY KEY, who INT REFERENCES people, about INT, must INT NOT NULL REFERENCES people);
             INSERT INTO people VALUES (1), (2), (3);
             INSERT INTO notes VALUES (1, 1, 2, 1), (2, 3, 9, 2), (3, 3, 1, 3), (6, 2, 1, 1);
             CREATE TABLE files (id INTEGER PRIMARY KEY, who INT REFERENCES people, note INT REFERENCES notes);
             INSERT INTO files VALUES (1, 1, 6);",
        );
        if tracked {
            track::run(&place.config(), "crm", Tracking::Install, true).unwrap();
        }
        place.snapshot(true);
        for (change, full) in [
            ("DELETE FROM people WHERE id = 2", false),
            ("INSERT INTO notes VALUES (4, 1, 2, 2)", false),
            ("INSERT INTO notes VALUES (5, 1, 1, 1)", true),
        ] {
            sql(&place, &format!("PRAGMA foreign_keys = OFF; {change}"));
            place.snapshot(full);
        }
        let was = place.keep(4);
        drop_ours(&was);
        same_except(&was, &place.restore(4, "a"), "").unwrap();
        forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
        // Row 6 is nobody's since, and stays, so what leads to it stays as well.
        let gone = "UPDATE notes SET about = NULL WHERE about = 2; UPDATE notes SET must = -1 WHERE must = 2;
                    UPDATE notes SET who = NULL WHERE who = 2; INSERT INTO people VALUES (-1)";
        same_except(&was, &place.restore(4, "a"), gone).unwrap();
        let gone = format!("DELETE FROM notes WHERE id = 5; {gone}");
        same_except(&was, &place.restore(3, "a"), &gone).unwrap();
        let gone = format!("DELETE FROM notes WHERE id = 4; {gone}");
        same_except(&was, &place.restore(2, "a"), &gone).unwrap();
    }
}

#[test]
fn a_row_is_of_the_forgotten_rather_than_of_somebody_who_has_left() {
    let place = place(
        "",
        "CREATE TABLE people (id INTEGER PRIMARY KEY);
         CREATE TABLE notes (id INTEGER PRIMARY KEY, a INT REFERENCES people, b INT REFERENCES people);
         INSERT INTO people VALUES (1), (2), (3); INSERT INTO notes VALUES (1, 3, NULL);",
    );
    place.snapshot(true);
    // 3 has left before 2 is put into their row.
    for change in [
        "DELETE FROM people WHERE id = 3",
        "UPDATE notes SET b = 2; INSERT INTO notes VALUES (2, 2, 3), (3, 1, 3)",
    ] {
        sql(&place, &format!("PRAGMA foreign_keys = OFF; {change}"));
        place.snapshot(false);
    }
    forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 2",
    );
    place.snapshot(true);
    let gone = "DELETE FROM notes WHERE id < 3";
    same_except(&place.db, &place.restore(4, "a"), gone).unwrap();
}

#[test]
fn of_two_who_had_one_key_and_have_left_the_last_one_counts() {
    let place = Place::new(
        "table = \"people\"\nkey = \"id\"\nsince = \"since\"",
        "",
        |db| {
            let schema = "CREATE TABLE people (id INT PRIMARY KEY, since INT NOT NULL);
             CREATE TABLE notes (id INTEGER PRIMARY KEY, who INT REFERENCES people);
             INSERT INTO people VALUES (1, 1), (2, 1);";
            Connection::open(db).unwrap().execute_batch(schema).unwrap();
        },
    );
    place.snapshot(true);
    for change in [
        "DELETE FROM people WHERE id = 2",
        "INSERT INTO people VALUES (2, 2); INSERT INTO notes VALUES (1, 2), (2, 1)",
        "DELETE FROM people WHERE id = 2",
    ] {
        sql(&place, &format!("PRAGMA foreign_keys = OFF; {change}"));
        place.snapshot(false);
    }
    same_except(&place.db, &place.restore(4, "a"), "").unwrap();
    let last = tenure::register::find(&place.read(), "2")
        .unwrap()
        .into_iter();
    let last = last.map(|customer| customer.domain.arrival).max().unwrap();
    forget::run(&mut place.change(), &[format!("2#{last}")], &[]).unwrap();
    let without = "UPDATE notes SET who = NULL WHERE who = 2";
    same_except(&place.db, &place.restore(4, "a"), without).unwrap();
    place.snapshot(true);
    let left_out = "DELETE FROM notes WHERE who = 2";
    same_except(&place.db, &place.restore(5, "a"), left_out).unwrap();
}

#[test]
fn a_key_that_the_erased_had_before_somebody_who_has_left_is_not_theirs() {
    for order in [["a", "b"], ["b", "a"]] {
        let owns = order.map(|by| format!("[[source.owns]]\ntable = \"notes\"\nby = \"{by}\"\n"));
        let register = "table = \"people\"\nkey = \"id\"\nsince = \"since\"";
        let place = Place::new(register, &owns.concat(), |db| {
            let schema = "CREATE TABLE people (id INT PRIMARY KEY, since INT NOT NULL);
                 CREATE TABLE notes (id INTEGER PRIMARY KEY, a INT REFERENCES people, b INT REFERENCES people);
                 INSERT INTO people VALUES (1, 1), (2, 1), (3, 1); INSERT INTO notes VALUES (1, NULL, 2);";
            Connection::open(db).unwrap().execute_batch(schema).unwrap();
        });
        place.snapshot(true);
        forget::run(&mut place.change(), &["3".into()], &[]).unwrap();
        for change in [
            "UPDATE people SET since = 2 WHERE id = 3",
            "DELETE FROM people WHERE id = 3",
        ] {
            sql(&place, &format!("PRAGMA foreign_keys = OFF; {change}"));
            place.snapshot(false);
        }
        forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
        sql(
            &place,
            "PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 2; UPDATE notes SET a = 3",
        );
        place.snapshot(true);
        same_except(&place.db, &place.restore(4, "a"), "DELETE FROM notes").unwrap();
    }
}

#[test]
fn a_tenant_stays_where_a_key_leads_on_over_another_table() {
    for needed in ["", "NOT NULL"] {
        let schema = format!(
            "CREATE TABLE people (ten TEXT, id INT, PRIMARY KEY (ten, id));
             CREATE TABLE orders (ten TEXT, who INT, no INT, PRIMARY KEY (ten, who, no),
                 FOREIGN KEY (ten, who) REFERENCES people);
             CREATE TABLE lines (id INTEGER PRIMARY KEY, ten TEXT {needed}, owner INT, who INT, no INT,
                 FOREIGN KEY (ten, owner) REFERENCES people, FOREIGN KEY (ten, who, no) REFERENCES orders);
             INSERT INTO people VALUES ('t', 1), ('t', 2); INSERT INTO orders VALUES ('t', 2, 1), ('t', 1, 1);
             INSERT INTO lines VALUES (1, 't', 1, 2, 1), (2, 't', 1, 1, 1);"
        );
        let owns = "[[source.owns]]\ntable = \"lines\"\nby = \"ten,owner\"";
        let place = Place::new("table = \"people\"\nkey = \"ten,id\"", owns, |db| {
            Connection::open(db)
                .unwrap()
                .execute_batch(&schema)
                .unwrap();
        });
        place.snapshot(true);
        forget::run(&mut place.change(), &["t,2".into()], &[]).unwrap();
        let gone = "DELETE FROM people WHERE id = 2; DELETE FROM orders WHERE who = 2;
                    UPDATE lines SET who = NULL, no = NULL WHERE id = 1";
        let back = place.restore(1, "a");
        same_except(&place.db, &back, gone).unwrap();
        sound(&place.db, &back).unwrap();
    }
}

#[test]
fn a_tenant_stays_where_the_register_alone_says_that_it_is_one() {
    for (null, assignee) in [("", "NULL"), (" NOT NULL", "-1")] {
        let schema = format!(
            "CREATE TABLE tenants (no INTEGER PRIMARY KEY);
             CREATE TABLE people (ten INT REFERENCES tenants, id INT, PRIMARY KEY (ten, id));
             CREATE TABLE projects (id INTEGER PRIMARY KEY, ten INT, who INT, FOREIGN KEY (ten, who) REFERENCES people);
             CREATE TABLE tasks (id INTEGER PRIMARY KEY, project INT REFERENCES projects, ten INT{null}, assignee INT{null},
                FOREIGN KEY (ten, assignee) REFERENCES people);
             INSERT INTO tenants VALUES (7), (8); INSERT INTO people VALUES (7, 1), (8, 3), (8, 4);
             INSERT INTO projects VALUES (2, 8, 4); INSERT INTO tasks VALUES (2, 2, 8, 3);"
        );
        let owns = "shared = [\"tenants\"]\n[[source.owns]]\ntable = \"tasks\"\nby = \"project -> projects\"";
        let place = of_tenants("people", "ten,id", owns, &schema, "8,3");
        let mut gone =
            format!("UPDATE tasks SET assignee = {assignee}; DELETE FROM people WHERE id = 3");
        if !null.is_empty() {
            gone += "; INSERT INTO people VALUES (8, -1)";
        }
        same_except(&place.db, &place.restore(1, "a"), &gone).unwrap();
    }
}

/// A place with a register of tenants' customers, in which somebody was forgotten after a snapshot.
fn of_tenants(register: &str, key: &str, owns: &str, schema: &str, who: &str) -> Place {
    let register = format!("table = \"{register}\"\nkey = \"{key}\"");
    let place = Place::new(&register, owns, |db| {
        let schema = format!("PRAGMA foreign_keys = OFF; {schema}");
        Connection::open(db)
            .unwrap()
            .execute_batch(&schema)
            .unwrap();
    });
    place.snapshot(true);
    forget::run(&mut place.change(), &[who.into()], &[]).unwrap();
    place
}

#[test]
fn what_others_know_a_row_by_stays_and_so_does_what_says_whose_it_is() {
    for needed in ["", "NOT NULL"] {
        // The register's own key.
        let schema = format!(
            "CREATE TABLE people (i INTEGER PRIMARY KEY, ten TEXT {needed}, no INT NOT NULL, parent INT, UNIQUE (ten, no),
                 FOREIGN KEY (ten, parent) REFERENCES people (ten, no));
             CREATE TABLE orders (i INTEGER PRIMARY KEY, ten TEXT, no INT, FOREIGN KEY (ten, no) REFERENCES people (ten, no));
             INSERT INTO people VALUES (1, 't', 1, 2), (2, 't', 2, NULL), (3, 'u', 1, NULL);
             INSERT INTO orders VALUES (1, 't', 1), (2, 't', 2);"
        );
        let place = of_tenants("people", "ten,no", "", &schema, "t,2");
        let gone = "DELETE FROM people WHERE i = 2; DELETE FROM orders WHERE i = 2; UPDATE people SET parent = NULL";
        let back = place.restore(1, "a");
        same_except(&place.db, &back, gone).unwrap();
        sound(&place.db, &back).unwrap();
        // A key by which lines know an order.
        let schema = format!(
            "CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE orders (i INTEGER PRIMARY KEY, ten TEXT {needed}, who INT REFERENCES people, no INT NOT NULL, parent INT,
                 UNIQUE (ten, no), FOREIGN KEY (ten, parent) REFERENCES orders (ten, no));
             CREATE TABLE lines (i INTEGER PRIMARY KEY, ten TEXT, no INT, FOREIGN KEY (ten, no) REFERENCES orders (ten, no));
             INSERT INTO people VALUES (1), (2);
             INSERT INTO orders VALUES (1, 't', 1, 1, 2), (2, 't', 2, 2, NULL), (3, 't', 1, 3, 1);
             INSERT INTO lines VALUES (1, 't', 1), (2, 't', 2), (3, 't', 3);"
        );
        let owns = "[[source.owns]]\ntable = \"orders\"\nby = \"who\"";
        let place = of_tenants("people", "id", owns, &schema, "2");
        let gone = "DELETE FROM people WHERE id = 2; DELETE FROM orders WHERE i = 2; DELETE FROM lines WHERE i = 2;
                    UPDATE orders SET parent = NULL WHERE i = 1";
        let back = place.restore(1, "a");
        same_except(&place.db, &back, gone).unwrap();
        sound(&place.db, &back).unwrap();
        // Whose the row is, where each column stands in several keys.
        let schema = format!(
            "CREATE TABLE persons (id INTEGER PRIMARY KEY);
             CREATE TABLE members (ten TEXT, person INT REFERENCES persons, PRIMARY KEY (ten, person));
             CREATE TABLE notes (i INTEGER PRIMARY KEY, ten TEXT {needed}, o INT, person INT REFERENCES persons,
                 FOREIGN KEY (ten, o) REFERENCES members, FOREIGN KEY (ten, person) REFERENCES members);
             INSERT INTO persons VALUES (1), (2); INSERT INTO members VALUES ('t', 1), ('t', 2), ('u', 2);
             INSERT INTO notes VALUES (1, 't', 1, 2), (2, 't', 2, 1), (3, 't', 1, 1);"
        );
        let owns = "shared = [\"persons\"]\n[[source.owns]]\ntable = \"notes\"\nby = \"ten,o\"";
        let place = of_tenants("members", "ten,person", owns, &schema, "t,2");
        let gone =
            "DELETE FROM members WHERE ten = 't' AND person = 2; DELETE FROM notes WHERE i = 2;
                    UPDATE notes SET person = NULL WHERE i = 1";
        let back = place.restore(1, "a");
        same_except(&place.db, &back, gone).unwrap();
        sound(&place.db, &back).unwrap();
    }
}

#[test]
fn a_row_withholds_what_is_withheld_in_the_row_that_it_belongs_to() {
    let schema = "CREATE TABLE people (ten TEXT, id INT, PRIMARY KEY (ten, id));
         CREATE TABLE orders (ten TEXT NOT NULL, seller INT NOT NULL, no INT NOT NULL, buyer INT, PRIMARY KEY (ten, seller, no),
             FOREIGN KEY (ten, seller) REFERENCES people, FOREIGN KEY (ten, buyer) REFERENCES people);
         CREATE TABLE lines (ten TEXT NOT NULL, seller INT NOT NULL, no INT NOT NULL, pos INT, PRIMARY KEY (ten, seller, no, pos),
             FOREIGN KEY (ten, seller, no) REFERENCES orders);
         INSERT INTO people VALUES ('t', 1), ('t', 2), ('t', 3);
         INSERT INTO orders VALUES ('t', 2, 5, 1), ('t', 3, 6, 1), ('t', 3, 7, 2);
         INSERT INTO lines VALUES ('t', 2, 5, 1), ('t', 2, 5, 2), ('t', 3, 6, 1), ('t', 3, 7, 1);";
    let owns = "[[source.owns]]\ntable = \"orders\"\nby = \"ten,buyer\"";
    let place = of_tenants("people", "ten,id", owns, schema, "t,2");
    let gone =
        "DELETE FROM people WHERE id = 2; INSERT INTO people VALUES ('t', -1); UPDATE orders SET seller = -1 WHERE seller = 2;
                UPDATE lines SET seller = -1 WHERE seller = 2;
                DELETE FROM orders WHERE no = 7; DELETE FROM lines WHERE no = 7";
    let back = place.restore(1, "a");
    same_except(&place.db, &back, gone).unwrap();
    sound(&place.db, &back).unwrap();
}

#[test]
fn two_keys_of_one_row_lead_to_neutral_rows_in_whatever_order_they_stand() {
    let mut keys = [
        "FOREIGN KEY (who, no) REFERENCES orders",
        "FOREIGN KEY (who) REFERENCES people",
    ];
    for _ in 0..2 {
        let schema = format!(
            "CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE orders (who INT REFERENCES people, no INT, PRIMARY KEY (who, no));
             CREATE TABLE lines (i INTEGER PRIMARY KEY, o INT REFERENCES people, who INT NOT NULL, no INT NOT NULL, {});
             INSERT INTO people VALUES (1), (2), (3); INSERT INTO orders VALUES (2, 1), (3, 1);
             INSERT INTO lines VALUES (1, 1, 2, 1), (2, 3, 2, 1), (3, 1, 3, 1);",
            keys.join(", ")
        );
        let owns = "[[source.owns]]\ntable = \"lines\"\nby = \"o\"";
        let place = of_tenants("people", "id", owns, &schema, "2");
        let back = place.restore(1, "a");
        sound(&place.db, &back).unwrap();
        keys.reverse();
    }
}

#[test]
fn a_key_leads_on_over_another_table_into_its_own() {
    for condition in ["", "where = \"kind = 'person'\""] {
        let owns = format!("[[source.owns]]\ntable = \"a\"\nby = \"id\"\n{condition}");
        let place = place(
            &owns,
            "CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE a (id INT NOT NULL UNIQUE, kind TEXT, o INT REFERENCES b (id));
             CREATE TABLE b (id INT NOT NULL UNIQUE REFERENCES a (id));
             INSERT INTO people VALUES (1), (2), (3);
             INSERT INTO a VALUES (2, 'person', 3), (1, 'person', 2), (3, 'person', 1);
             INSERT INTO b VALUES (1), (2), (3);",
        );
        place.snapshot(true);
        let gone = "DELETE FROM people WHERE id = 2; DELETE FROM a WHERE id = 2; DELETE FROM b WHERE id = 2";
        sql(&place, &format!("PRAGMA foreign_keys = OFF; {gone}"));
        place.snapshot(false);
        forget::run(&mut place.change(), &["2".into()], &[]).unwrap();
        place.snapshot(true);
        for number in [2, 3] {
            let withheld = "UPDATE a SET o = NULL WHERE o = 2";
            same_except(&place.db, &place.restore(number, "a"), withheld).unwrap();
        }
    }
}

#[test]
fn under_very_many_conditions_a_key_leads_on_in_any_case() {
    let layers = 10;
    let mut schema =
        "CREATE TABLE people (id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2);"
            .to_owned();
    let mut owns = String::new();
    for layer in 0..layers {
        for side in ["a", "b"] {
            schema += &format!(
                "CREATE TABLE t{layer}{side} (id INT PRIMARY KEY, kind TEXT); INSERT INTO t{layer}{side} VALUES (1, 'c'), (2, 'c');"
            );
            let next = ["a", "b"].map(|side| format!("id -> t{}{side}", layer + 1));
            let ways = match layer + 1 == layers {
                true => vec!["id".to_owned()],
                false => next.to_vec(),
            };
            for by in ways {
                owns += &format!(
                    "[[source.owns]]\ntable = \"t{layer}{side}\"\nby = \"{by}\"\nwhere = \"kind <> '{by}'\"\n"
                );
            }
        }
    }
    schema += "CREATE TABLE m (id INTEGER PRIMARY KEY, o INT REFERENCES people, w INT REFERENCES t0a (id));
               INSERT INTO m VALUES (1, 1, 2), (2, 1, 1);";
    owns += "[[source.owns]]\ntable = \"m\"\nby = \"o\"\n";
    let began = std::time::Instant::now();
    let place = without_2(&owns, &schema);
    let took = began.elapsed();
    assert!(took.as_secs() < 60, "{took:?}");
    let back = Connection::open(place.restore(1, "a")).unwrap();
    let kept: i64 = back
        .query_row("SELECT count(*) FROM m WHERE w = 2", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn many_ways_to_one_condition_are_one() {
    let tables = 14;
    let mut schema =
        "CREATE TABLE people (id INTEGER PRIMARY KEY); INSERT INTO people VALUES (1), (2);
        CREATE TABLE t0 (id INTEGER PRIMARY KEY, kind INT, owner INT REFERENCES people);
        INSERT INTO t0 VALUES (1, 0, 1), (2, 1, 1);"
            .to_owned();
    let mut owns = "[[source.owns]]\ntable = \"t0\"\nby = \"owner\"
        [[source.owns]]\ntable = \"t0\"\nby = \"id\"\nwhere = \"kind = 1\"\n"
        .to_owned();
    for n in 1..tables {
        let keys: String = (0..n)
            .map(|to| format!(", FOREIGN KEY (id) REFERENCES t{to} (id)"))
            .collect();
        schema += &format!(
            "CREATE TABLE t{n} (id INT UNIQUE, owner INT REFERENCES people{keys});
             INSERT INTO t{n} VALUES (1, 1), (2, 1);"
        );
        owns += &format!("[[source.owns]]\ntable = \"t{n}\"\nby = \"owner\"\n");
    }
    let began = std::time::Instant::now();
    let place = without_2(&owns, &schema);
    let took = began.elapsed();
    assert!(took.as_secs() < 30, "{took:?}");
    let back = Connection::open(place.restore(1, "a")).unwrap();
    let kept = format!("SELECT count(*) FROM t{} WHERE id = 2", tables - 1);
    let kept: i64 = back.query_row(&kept, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn a_key_with_computed_columns_is_withheld_as_far_as_it_is_stored() {
    let place = without_2(
        "",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, kind TEXT, mail TEXT, low TEXT AS (lower(mail)) STORED UNIQUE,
             same INT AS (id + 0) STORED UNIQUE, fixed TEXT AS ('c') STORED, UNIQUE (id, kind), UNIQUE (id, fixed));
         CREATE TABLE visits (id INTEGER PRIMARY KEY, host INT REFERENCES people, guest INT, kind TEXT AS ('c') STORED,
             FOREIGN KEY (guest, kind) REFERENCES people (id, kind));
         CREATE TABLE mails (id INTEGER PRIMARY KEY, who INT REFERENCES people, too TEXT REFERENCES people (low));
         CREATE TABLE stays (id INTEGER PRIMARY KEY, host INT REFERENCES people, guest INT NOT NULL, kind TEXT NOT NULL,
             FOREIGN KEY (guest, kind) REFERENCES people (id, fixed));
         CREATE TABLE sums (id INTEGER PRIMARY KEY, who INT REFERENCES people, same INT NOT NULL REFERENCES people (same));
         CREATE TABLE cards (id INTEGER PRIMARY KEY, who INT REFERENCES people, too TEXT NOT NULL REFERENCES people (low));
         INSERT INTO people (id, kind, mail) VALUES (1, 'c', 'A@x'), (2, 'c', 'Secret@x'), (3, 'c', 'C@x');
         INSERT INTO visits (id, host, guest) VALUES (1, 1, 2), (2, 1, 3);
         INSERT INTO mails VALUES (1, 1, 'secret@x'), (2, 1, 'c@x');
         INSERT INTO stays VALUES (1, 1, 2, 'c'), (2, 3, 1, 'c');
         INSERT INTO cards VALUES (1, 1, 'c@x'); INSERT INTO sums VALUES (1, 1, 3);",
    );
    let gone = "UPDATE people SET id = -1, kind = 'erased-0', mail = NULL WHERE id = 2; UPDATE visits SET guest = NULL WHERE guest = 2;
                UPDATE mails SET too = NULL WHERE too = 'secret@x'; UPDATE stays SET guest = -1 WHERE guest = 2";
    let back = place.restore(1, "a");
    same_except(&place.db, &back, gone).unwrap();
    sound(&place.db, &back).unwrap();
    // Nothing can be computed to order: that a reference leads nowhere is told, and whom it named is not.
    sql(
        &place,
        "PRAGMA foreign_keys = OFF; INSERT INTO cards VALUES (2, 3, 'secret@x'); INSERT INTO sums VALUES (2, 3, 2)",
    );
    place.snapshot(false);
    let (back, problems) = place.try_restore(2, "a").unwrap();
    let told = |table| {
        format!("table {table}: rows that lead nowhere in place of those who were forgotten: 1")
    };
    assert_eq!(problems, ["sums", "cards"].map(told));
    let back = Connection::open(back).unwrap();
    let too = "SELECT count(*) FROM cards, sums WHERE cards.id = 2 AND too NOT LIKE '%secret%' AND sums.id = 2
                 AND same NOT IN (SELECT same FROM people)";
    let there: i64 = back.query_row(too, [], |row| row.get(0)).unwrap();
    assert_eq!(there, 1);
}

#[test]
fn a_rule_leads_to_the_forgotten_over_a_table_of_nobody() {
    let owns = "shared = [\"profiles\"]\n[[source.owns]]\ntable = \"badges\"\nby = \"who\"
                [[source.owns]]\ntable = \"badges\"\nby = \"profile -> profiles\"\nwhere = \"kind = 1\"
                [[source.owns]]\ntable = \"badges\"\nby = \"profile -> profiles\"\nwhere = \"kind = 2\"";
    let place = without_2(
        owns,
        "CREATE TABLE people (id INTEGER PRIMARY KEY);
         CREATE TABLE profiles (person INT PRIMARY KEY REFERENCES people, text);
         CREATE TABLE badges (id INTEGER PRIMARY KEY, who INT REFERENCES people, profile INT, kind);
         INSERT INTO people VALUES (1), (2), (3);
         INSERT INTO profiles VALUES (1, 'a'), (2, 'b'), (3, 'c');
         INSERT INTO badges VALUES (1, 1, 2, 1), (2, 3, 2, 0), (3, 3, 1, 1), (4, 3, 2, 2);",
    );
    let gone = "UPDATE people SET id = -1 WHERE id = 2; UPDATE profiles SET person = NULL WHERE person = 2;
                UPDATE badges SET profile = NULL WHERE id IN (1, 4); DELETE FROM people WHERE id = -1";
    same_except(&place.db, &place.restore(1, "a"), gone).unwrap();
}

#[test]
fn a_key_leads_on_to_the_forgotten_under_the_condition_of_another_table() {
    let owns = "[[source.owns]]\ntable = \"links\"\nby = \"owner\"\n[[source.owns]]\ntable = \"links\"\nby = \"id\"
                where = \"kind = 'person' -- and no order\"\n[[source.owns]]\ntable = \"tags\"\nby = \"owner\"
                [[source.owns]]\ntable = \"marks\"\nby = \"owner\"";
    let place = without_2(
        owns,
        "CREATE TABLE people (id INTEGER PRIMARY KEY);
         CREATE TABLE links (kind TEXT, id INT, owner INT REFERENCES people, PRIMARY KEY (kind, id));
         CREATE TABLE tags (id INTEGER PRIMARY KEY, kind TEXT, to_id INT, owner INT REFERENCES people, UNIQUE (kind, to_id),
             FOREIGN KEY (kind, to_id) REFERENCES links (kind, id));
         CREATE TABLE marks (id INTEGER PRIMARY KEY, kind TEXT, tag INT, owner INT REFERENCES people,
             FOREIGN KEY (kind, tag) REFERENCES tags (kind, to_id));
         INSERT INTO people VALUES (1), (2), (3);
         INSERT INTO links VALUES ('person', 2, 1), ('person', 3, 3), ('order', 2, 3);
         INSERT INTO tags VALUES (1, 'person', 2, 1), (2, 'person', 3, 3), (3, 'order', 2, 1), (4, NULL, 2, 1),
             (5, 'gone', 2, 3);
         INSERT INTO marks VALUES (1, 'person', 2, 3), (2, 'order', 2, 3);",
    );
    let gone = "DELETE FROM people WHERE id = 2; UPDATE links SET id = NULL WHERE kind = 'person' AND id = 2; UPDATE tags SET to_id = NULL WHERE id IN (1, 5);
                UPDATE marks SET tag = NULL WHERE id = 1";
    let back = place.restore(1, "a");
    same_except(&place.db, &back, gone).unwrap();
    sound(&place.db, &back).unwrap();
}

#[test]
fn a_living_row_whose_key_named_the_forgotten_is_still_led_to() {
    let place = without_2(
        "[[source.owns]]\ntable = \"members\"\nby = \"who\"\nalso = \"id\"\n[[source.owns]]\ntable = \"details\"\nby = \"who\"",
        "CREATE TABLE people (id INTEGER PRIMARY KEY);
         CREATE TABLE members (id INT NOT NULL UNIQUE REFERENCES people, who INT NOT NULL REFERENCES people, text);
         CREATE TABLE details (id INTEGER PRIMARY KEY, member INT NOT NULL REFERENCES members (id), who INT REFERENCES people);
         INSERT INTO people VALUES (1), (2), (3);
         INSERT INTO members VALUES (2, 1, 'a'), (3, 3, 'c'), (-1, 3, 'nobody''s number');
         INSERT INTO details VALUES (1, 2, 3), (2, 3, 3), (3, 2, 1), (4, -1, 1);",
    );
    // Not -1: what stands there for nobody stays nobody.
    let gone = "UPDATE people SET id = -2 WHERE id = 2; UPDATE members SET id = -2 WHERE id = 2;
                UPDATE details SET member = -2 WHERE member = 2";
    let back = place.restore(1, "a");
    same_except(&place.db, &back, gone).unwrap();
    sound(&place.db, &back).unwrap();
}

#[test]
fn what_cannot_be_withheld_is_warned_of() {
    let place = place(
        "",
        "CREATE TABLE people (id INTEGER PRIMARY KEY);
         CREATE TABLE visits (id INTEGER PRIMARY KEY, host INT REFERENCES people, text,
             guest INT AS (json_extract(text, '$.guest')) STORED REFERENCES people);",
    );
    let told = warnings(&place);
    let what = "keeps guest, which leads to people and is no stored column, also when whom it names is forgotten";
    assert!(told.contains(what), "{told}");
}

#[test]
fn an_index_of_another_collation_keeps_no_two_keys_apart() {
    let schema = |index: &str| {
        format!(
            "CREATE TABLE people (id TEXT NOT NULL COLLATE NOCASE); CREATE UNIQUE INDEX u ON people (id {index});"
        )
    };
    for (index, warned) in [("COLLATE BINARY", true), ("", false)] {
        let told = warnings(&place("", &schema(index)));
        assert_eq!(told.contains("nothing keeps two rows"), warned, "{told}");
    }
}

#[test]
fn a_condition_that_looks_at_other_tables_is_not_tracked() {
    let schema = "CREATE TABLE people (id INTEGER PRIMARY KEY); CREATE TABLE flags (id INTEGER PRIMARY KEY);
         CREATE TABLE notes (id INTEGER PRIMARY KEY, who INT, kind); CREATE INDEX i ON notes (kind);";
    let shared = "shared = [\"flags\"]\n[[source.owns]]\ntable = \"notes\"\nby = \"who\"\nwhere =";
    for (condition, tracked) in [
        ("kind IN (1, 2) OR kind LIKE 'x%' OR id = 7", true),
        (
            "kind IN ('a', 'b', 'c', 'select 1') AND id NOT IN (7, 8, 9)",
            true,
        ),
        ("id IN flags", false),
        ("id IN (SELECT max(id) FROM notes)", false),
        ("EXISTS (SELECT 1 FROM flags WHERE flags.id = kind)", false),
    ] {
        let place = place(
            &format!("changes = \"triggers\"\n{shared} \"{condition}\""),
            schema,
        );
        let said = track::run(&place.config(), "crm", Tracking::Install, true);
        assert_eq!(said.is_ok(), tracked, "{condition}: {:?}", said.err());
    }
    // Nobody has written the condition that follows from one on another table.
    let place = place(
        "changes = \"triggers\"\nshared = [\"flags\"]\n[[source.owns]]\ntable = \"notes\"\nby = \"who\"\nwhere = \"kind = 1\"",
        "CREATE TABLE people (id INTEGER PRIMARY KEY); CREATE TABLE notes (who INTEGER PRIMARY KEY, kind);
         CREATE TABLE flags (id INTEGER PRIMARY KEY, note INT REFERENCES notes);",
    );
    let said = track::run(&place.config(), "crm", Tracking::Install, true);
    let said = format!("{:?}", said.err());
    assert!(
        said.contains("whom rows of \"flags\" name depends on rows of other tables"),
        "{said}"
    );
}
