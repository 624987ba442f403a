//! What `inspect` says of a database, word for word, and whose its rows then are in a snapshot.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Place, texts};

impl Place {
    /// Puts rules of ownership into the configuration, and takes tables out of `shared`.
    fn settle(&self, rules: &str, not_shared: &[&str]) {
        let mut text = fs::read_to_string(self.at("tenure.toml")).unwrap();
        for table in not_shared {
            let line = format!("  \"{table}\",\n");
            assert!(text.contains(&line), "{table} in {text}");
            text = text.replace(&line, "");
        }
        let at = text.find("[[store]]").unwrap();
        text.insert_str(at, rules);
        fs::write(self.at("tenure.toml"), text).unwrap();
    }

    /// What `inspect` prints, line by line.
    fn inspect(&self) -> Vec<String> {
        let ran = self.run(&["inspect"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let lines: Vec<String> = ran.out.lines().map(str::to_owned).collect();
        for line in &lines {
            assert!(line.chars().count() <= 100, "{line}");
        }
        lines
    }

    /// Takes a snapshot, and reads back what is whose: for each customer the rows of each table, by
    /// the values of the columns in the order of their names.
    fn owned(&self, exit_code: i32) -> Vec<String> {
        let (code, taken) = self.json(&["snapshot"]);
        assert_eq!(code, exit_code, "{taken:#}");
        let (_, list) = self.json(&["customer", "list", "--all"]);
        let ids = list.as_array().unwrap().iter();
        ids.map(|one| self.of(one["id"].as_str().unwrap()))
            .collect()
    }

    fn of(&self, id: &str) -> String {
        let (code, one) = self.json(&["customer", "restore", id, "--to", "one"]);
        assert_eq!((code, texts(&one["problems"])), (0, Vec::new()), "{one:#}");
        let mut found = Vec::new();
        for file in fs::read_dir(self.at("one/x")).unwrap() {
            found.push(rows(&file.unwrap().path()));
        }
        found.sort();
        fs::remove_dir_all(self.at("one")).unwrap();
        format!("{id}: {}", found.join(", "))
    }
}

/// A table's rows, such as `notes(1 a; 2 b)`.
fn rows(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let cell = |value: &Value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        row.as_object()
            .unwrap()
            .values()
            .map(cell)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let rows: Vec<String> = text.lines().map(row).collect();
    format!(
        "{}({})",
        file.file_stem().unwrap().to_str().unwrap(),
        rows.join("; ")
    )
}

#[track_caller]
fn same(found: &[String], expected: &str) {
    let expected: Vec<&str> = expected
        .lines()
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .collect();
    let expected: Vec<&str> = expected
        .into_iter()
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(found, expected, "\n{}\n", found.join("\n"));
}

/// Customers who are told apart by when they came.
const PEOPLE: &str = "
    CREATE TABLE people(id INTEGER PRIMARY KEY, label TEXT, created_at TEXT NOT NULL DEFAULT '2020');
    INSERT INTO people(id, label) VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cid');";

fn people(more: &str) -> Place {
    Place::with_database(&format!("{PEOPLE}{more}"), "people.id")
}

#[test]
fn ambiguity() {
    let place = people(
        "CREATE TABLE visits(id INTEGER PRIMARY KEY, host INT REFERENCES people, guest INT REFERENCES people);
         CREATE TABLE visit_notes(visit INT REFERENCES visits, text TEXT);
         CREATE TABLE twice(a INT REFERENCES people, b INT REFERENCES people);
         INSERT INTO visits VALUES (1, 1, 1), (2, 1, 2), (3, NULL, 3); INSERT INTO visit_notes VALUES (2, 'n');
         INSERT INTO twice VALUES (1, 1), (NULL, 2), (3, NULL), (NULL, NULL);",
    );
    same(
        &place.inspect(),
        r"
        source x: 4 tables, 1 owned, 1 ambiguous, 1 unsettled
        table        rows  orphans  owner      by
        people          3           register
        visits          3           ambiguous  host -> people; guest -> people
        visit_notes     1           unsettled
        twice           4        1  owned      a -> people; b -> people
        look at visits: one row (or more) has different owners by host -> people and by guest -> people
        look at visit_notes: leads to customers only through visits, whose owners are ambiguous
",
    );
    same(
        &place.owned(3),
        r"
        1: people(2020 1 Ann), twice(1 1)
        2: people(2020 2 Bob), twice(null 2)
        3: people(2020 3 Cid), twice(3 null)
",
    );
    place.settle(
        "[[source.owns]]\ntable = \"visits\"\nby = \"host\"\nalso = \"guest\"\n",
        &[],
    );
    same(
        &place.inspect(),
        r"
        source x: 4 tables, 3 owned
        table        rows  orphans  owner     by
        people          3           register
        visits          3        1  owned     host -> people; also guest
        visit_notes     1           owned     visit -> visits.host -> people
        twice           4        1  owned     a -> people; b -> people
",
    );
    same(
        &place.owned(0),
        r"
        1: people(2020 1 Ann), twice(1 1), visit_notes(n 2), visits(1 1 1; 2 1 2)
        2: people(2020 2 Bob), twice(null 2)
        3: people(2020 3 Cid), twice(3 null)
",
    );
}

#[test]
fn orphans() {
    let place = people(
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, person INT REFERENCES people);
         CREATE TABLE items(order_id INT REFERENCES orders, what TEXT);
         INSERT INTO orders VALUES (10, 1), (11, NULL), (12, 77), (13, 2);
         INSERT INTO items VALUES (10, 'a'), (11, 'b'), (12, 'c'), (99, 'd'), (NULL, 'e');",
    );
    same(
        &place.inspect(),
        r"
        source x: 3 tables, 2 owned
        table   rows  orphans  owner     by
        people     3           register
        orders     4        2  owned     person -> people
        items      5        4  owned     order_id -> orders.person -> people
",
    );
    same(
        &place.owned(0),
        r"
        1: items(10 a), orders(10 1), people(2020 1 Ann)
        2: orders(13 2), people(2020 2 Bob)
        3: people(2020 3 Cid)
",
    );
    let (_, plan) = place.json(&["inspect"]);
    let orphans = plan["sources"][0]["tables"].as_array().unwrap().iter();
    let orphans: Vec<&Value> = orphans.map(|table| &table["orphans"]).collect();
    assert_eq!(orphans, [0, 2, 4]);
}

/// Whatever a key is written as, whoever is meant by SQLite is not nobody.
#[test]
fn orphans_by_keys_of_any_type() {
    let links = "(1), (2.0), ('3'), ('03'), (3.5), ('x'), (x'31'), (9), (9.0), ('9'), (NULL)";
    let place = people(&format!(
        "CREATE TABLE links(person REFERENCES people); INSERT INTO links VALUES {links};
         CREATE TABLE ends(link INT, person REFERENCES people, PRIMARY KEY (link, person)) WITHOUT ROWID;
         INSERT INTO ends VALUES (1, 2), (1, 'x'), (2, '3');
         CREATE TABLE tails(person REFERENCES people ON UPDATE CASCADE, at INT);
         INSERT INTO tails VALUES (3, 1), ('77', 2);",
    ));
    same(
        &place.inspect(),
        r"
        source x: 4 tables, 3 owned
        table   rows  orphans  owner     by
        people     3           register
        links     11        7  owned     person -> people
        ends       3        1  owned     person -> people
        tails      2        1  owned     person -> people
",
    );
    let place = Place::with_database(
        "CREATE TABLE people(name TEXT COLLATE NOCASE PRIMARY KEY, created_at TEXT NOT NULL DEFAULT '2020');
         CREATE TABLE orders(id INTEGER PRIMARY KEY, person REFERENCES people);
         CREATE INDEX of_whom ON orders(person);
         CREATE TABLE items(order_id INT REFERENCES orders, what TEXT);
         INSERT INTO people(name) VALUES ('Ann'), ('7');
         INSERT INTO orders VALUES (1, 'ANN'), (2, 7), (3, 'Bob'), (4, NULL);
         INSERT INTO items VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (NULL, 'f');",
        "people.name",
    );
    same(
        &place.inspect(),
        r"
        source x: 3 tables, 2 owned
        table   rows  orphans  owner     by
        people     2           register
        orders     4        2  owned     person -> people
        items      6        4  owned     order_id -> orders.person -> people
",
    );
}

#[test]
fn unsettled_tables() {
    let place = people(
        "CREATE TABLE calls(caller INT, said TEXT); INSERT INTO calls VALUES (1, 'a'), (2, 'b'), (9, 'c');",
    );
    place.settle("", &["calls"]);
    same(
        &place.inspect(),
        r"
        source x: 2 tables, 1 unsettled
        table   rows  orphans  owner      by
        people     3           register
        calls      3           unsettled
",
    );
    same(
        &place.owned(3),
        r"
        1: people(2020 1 Ann)
        2: people(2020 2 Bob)
        3: people(2020 3 Cid)
",
    );
    place.settle("[[source.owns]]\ntable = \"calls\"\nby = \"caller\"\n", &[]);
    same(
        &place.inspect(),
        r"
        source x: 2 tables, 1 owned
        table   rows  orphans  owner     by
        people     3           register
        calls      3        1  owned     caller -> people
",
    );
    same(
        &place.owned(0),
        r"
        1: calls(1 a), people(2020 1 Ann)
        2: calls(2 b), people(2020 2 Bob)
        3: people(2020 3 Cid)
",
    );
}

#[test]
fn what_the_register_points_to() {
    let place = Place::with_database(
        "CREATE TABLE country(code TEXT PRIMARY KEY, name TEXT);
         CREATE TABLE home(id INTEGER PRIMARY KEY, street TEXT); CREATE TABLE rooms(home INT REFERENCES home, n INT);
         CREATE TABLE people(id INTEGER PRIMARY KEY, home INT REFERENCES home, country TEXT REFERENCES country,
           created_at TEXT NOT NULL DEFAULT '2020');
         CREATE INDEX people_home ON people(home);
         INSERT INTO country VALUES ('DE', 'Germany'), ('FR', 'France');
         INSERT INTO home VALUES (5, 'A street'), (6, 'B street'), (7, 'empty'); INSERT INTO rooms VALUES (5, 1), (5, 2), (6, 1);
         INSERT INTO people(id, home, country) VALUES (1, 5, 'DE'), (2, 6, 'DE'), (3, NULL, 'FR');",
        "people.id",
    );
    same(
        &place.inspect(),
        r#"
        source x: 4 tables, 2 shared, 1 unsettled
        table    rows  orphans  owner      by
        country     2           shared
        home        3           unsettled
        rooms       3           shared
        people      3           register
        look at home: has columns that look personal: street
        look at home: is pointed at by people.home, each row by one customer alone: by =
            "<- people.home" makes it theirs
"#,
    );
    let text = fs::read_to_string(place.at("tenure.toml")).unwrap();
    let asked = "# SETTLE THIS: whose the rows of home are (has columns that look personal: street; is pointed \
                 at by people.home, each row by one customer alone: by = \"<- people.home\" makes it theirs)\n";
    assert!(
        text.contains(asked) && !text.contains("  \"home\""),
        "{text}"
    );
    place.settle("[[source.owns]]\ntable = \"home\"\nby = \"<- people.home\"\n[[source.owns]]\ntable = \"rooms\"\nby = \"home -> home\"\n", &["rooms"]);
    same(
        &place.inspect(),
        r"
        source x: 4 tables, 2 owned, 1 shared
        table    rows  orphans  owner     by
        country     2           shared
        home        3        1  owned     <- people.home
        rooms       3           owned     home -> home <- people.home
        people      3           register
",
    );
    same(
        &place.owned(0),
        r"
        1: home(5 A street), people(DE 2020 5 1), rooms(5 1; 5 2)
        2: home(6 B street), people(DE 2020 6 2), rooms(6 1)
        3: people(FR 2020 null 3)
",
    );
}

#[test]
fn a_second_owner() {
    let place = people(
        "CREATE TABLE deals(id INTEGER PRIMARY KEY, buyer INT REFERENCES people, seller INT, price INT);
         INSERT INTO deals VALUES (1, 1, 2, 10), (2, 2, 3, 20), (3, 3, 3, 30);",
    );
    place.settle(
        "[[source.owns]]\ntable = \"deals\"\nclass = \"billing\"\nalso = \"seller\"\n",
        &[],
    );
    same(
        &place.inspect(),
        r"
        source x: 2 tables, 1 owned
        table   rows  orphans  owner            by
        people     3           register
        deals      3           owned (billing)  buyer -> people; also seller
",
    );
    same(
        &place.owned(0),
        r"
        1: deals(1 1 10 2), people(2020 1 Ann)
        2: deals(2 2 20 3), people(2020 2 Bob)
        3: deals(3 3 30 3), people(2020 3 Cid)
",
    );
    let (_, plan) = place.json(&["inspect"]);
    assert_eq!(plan["sources"][0]["tables"][1]["class"], "billing");
}

#[test]
fn keys_that_are_used_again() {
    let place = Place::with_database(
        "CREATE TABLE people(id INTEGER PRIMARY KEY, label TEXT, joined TEXT, \"Created On\" TEXT NOT NULL);
         CREATE TABLE notes(person INT REFERENCES people, text TEXT);
         INSERT INTO people VALUES (1, 'Ann', NULL, 'monday'), (2, 'Bob', NULL, 'tuesday');
         INSERT INTO notes VALUES (1, 'a'), (2, 'of Bob');",
        "people.id",
    );
    let text = fs::read_to_string(place.at("tenure.toml")).unwrap();
    let since = "since  = \"Created On\"\n";
    assert!(text.contains(since), "{text}");
    fs::write(place.at("tenure.toml"), text.replace(since, "")).unwrap();
    same(
        &place.inspect(),
        r#"
        source x: 2 tables, 1 owned
        table   rows  orphans  owner     by
        people     2           register
        notes      2           owned     person -> people
        look at people: may give the id of a customer who is gone to another: since = "Created On" under
            [customers] tells them apart
"#,
    );
    let warned = |place: &Place| {
        let (code, checked) = place.json(&["check"]);
        let problems = checked["problems"].as_array().unwrap().iter();
        let warned = problems
            .filter(|one| one.to_string().contains("who is gone"))
            .count();
        (code, warned)
    };
    assert_eq!(warned(&place), (0, 1));
    fs::write(place.at("tenure.toml"), &text).unwrap();
    assert_eq!(warned(&place), (0, 0));
    same(
        &place.inspect(),
        r"
        source x: 2 tables, 1 owned
        table   rows  orphans  owner     by
        people     2           register
        notes      2           owned     person -> people
",
    );
    same(
        &place.owned(0),
        r"
        1: notes(1 a), people(monday 1 null Ann)
        2: notes(2 of Bob), people(tuesday 2 null Bob)
",
    );
    let db = rusqlite::Connection::open(place.at("x.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM notes WHERE person = 2; DELETE FROM people WHERE id = 2;
        INSERT INTO people(label, \"Created On\") VALUES ('Bea', 'sunday'); INSERT INTO notes VALUES (2, 'of Bea');").unwrap();
    same(
        &place.owned(0),
        r"
        1: notes(1 a), people(monday 1 null Ann)
        2: notes(2 of Bea), people(sunday 2 null Bea)
        2: notes(2 of Bea), people(sunday 2 null Bea)
",
    );
    let (code, _) = place.json(&["customer", "restore", "2", "--snapshot", "1", "--to", "old"]);
    assert_eq!(
        (code, rows(&place.at("old/x/notes.jsonl")).as_str()),
        (0, "notes(2 of Bob)")
    );
    // No key is given twice, or it is not the engine that gives it.
    for key in [
        "id INTEGER PRIMARY KEY AUTOINCREMENT",
        "id TEXT PRIMARY KEY",
        "id INT PRIMARY KEY",
    ] {
        let place = Place::with_database(
            &format!(
                "CREATE TABLE people({key}, \"autoincrement\" TEXT); INSERT INTO people(id) VALUES (1);"
            ),
            "people.id",
        );
        assert_eq!(warned(&place), (0, 0), "{key}");
    }
    let place = Place::with_database(
        "CREATE TABLE people(id INTEGER PRIMARY KEY, \"autoincrement\" TEXT DEFAULT 'AUTOINCREMENT'); INSERT INTO people(id) VALUES (1);",
        "people.id",
    );
    assert_eq!(warned(&place), (0, 1));
    same(
        &place.inspect(),
        r"
        source x: 1 table
        table   rows  orphans  owner     by
        people     1           register
        look at people: may give the id of a customer who is gone to another, and has no column that
            would tell them apart: one that is never NULL and never changes, such as created_at, for `since`
            under [customers]
",
    );
    assert!(
        fs::read_to_string(place.at("tenure.toml"))
            .unwrap()
            .contains("# people: may give the id of a customer")
    );
}

#[test]
fn composite_keys() {
    let place = Place::with_database(
        "CREATE TABLE people(firm TEXT, no INT, label TEXT, PRIMARY KEY(firm, no)) WITHOUT ROWID;
         CREATE TABLE orders(firm TEXT, id INT, person INT, PRIMARY KEY(firm, id), FOREIGN KEY(firm, person) REFERENCES people);
         CREATE TABLE items(firm TEXT, order_id INT, what TEXT, FOREIGN KEY(firm, order_id) REFERENCES orders(firm, id));
         CREATE TABLE calls(f TEXT, n INT);
         INSERT INTO people VALUES ('x', 1, 'Ann'), ('x', 2, 'Bob'), ('y, z', 1, 'Cid');
         INSERT INTO orders VALUES ('x', 7, 1), ('y, z', 7, 1), ('x', 8, 2); INSERT INTO items VALUES ('x', 7, 'a'), ('y, z', 7, 'b');
         INSERT INTO calls VALUES ('x', 2), ('y, z', 1), ('x', 3);",
        "people.firm,no",
    );
    place.settle(
        "[[source.owns]]\ntable = \"calls\"\nby = \"f, n\"\n",
        &["calls"],
    );
    same(
        &place.inspect(),
        r"
        source x: 4 tables, 3 owned
        table   rows  orphans  owner     by
        people     3           register
        orders     3           owned     (firm, person) -> people
        items      2           owned     (firm, order_id) -> orders.(firm, person) -> people
        calls      3        1  owned     (f, n) -> people
",
    );
    same(
        &place.owned(0),
        r"
        x,1: items(x 7 a), orders(x 7 1), people(x Ann 1)
        x,2: calls(x 2), orders(x 8 2), people(x Bob 2)
        y, z,1: calls(y, z 1), items(y, z 7 b), orders(y, z 7 1), people(y, z Cid 1)
",
    );
}

#[test]
fn keys_that_are_text_with_quotes_and_spaces() {
    let place = Place::with_database(
        "CREATE TABLE people(code TEXT PRIMARY KEY, label TEXT);
         CREATE TABLE notes(of TEXT REFERENCES people, text TEXT);
         INSERT INTO people VALUES ('O''Neil \"Jr\"', 'a'), ('a  b', 'b'), ('a b', 'c'), (' x', 'd'), ('/%', 'e');
         INSERT INTO notes VALUES ('O''Neil \"Jr\"', '1'), ('a  b', '2'), ('a b', '3'), (' x', '4'), ('x', '5'), ('/%', '6');",
        "people.code",
    );
    same(
        &place.inspect(),
        r"
        source x: 2 tables, 1 owned
        table   rows  orphans  owner     by
        people     5           register
        notes      6        1  owned     of -> people
",
    );
    same(
        &place.owned(0),
        r#"
        O'Neil "Jr": notes(O'Neil "Jr" 1), people(O'Neil "Jr" a)
        a  b: notes(a  b 2), people(a  b b)
        a b: notes(a b 3), people(a b c)
         x: notes( x 4), people( x d)
        /%: notes(/% 6), people(/% e)
"#,
    );
}

#[test]
fn keys_that_are_uuids_as_blobs() {
    let place = Place::with_database(
        "CREATE TABLE people(id BLOB PRIMARY KEY, label TEXT); CREATE TABLE notes(of BLOB REFERENCES people, text TEXT);
         INSERT INTO people VALUES (x'00112233445566778899aabbccddeeff', 'a'), (x'ffeeddccbbaa99887766554433221100', 'b');
         INSERT INTO notes VALUES (x'ffeeddccbbaa99887766554433221100', '1'), (x'00', '2');",
        "people.id",
    );
    same(
        &place.inspect(),
        r"
        source x: 2 tables, 1 owned
        table   rows  orphans  owner     by
        people     2           register
        notes      2        1  owned     of -> people
",
    );
    same(
        &place.owned(0),
        r#"
        x'00112233445566778899aabbccddeeff': people({"b64":"ABEiM0RVZneImaq7zN3u/w=="} a)
        x'ffeeddccbbaa99887766554433221100': notes({"b64":"/+7dzLuqmYh3ZlVEMyIRAA=="} 1), people({"b64":"/+7dzLuqmYh3ZlVEMyIRAA=="} b)
"#,
    );
}

#[test]
fn many_to_many() {
    let place = people(
        "CREATE TABLE clubs(id INTEGER PRIMARY KEY, title TEXT);
         CREATE TABLE members(person INT REFERENCES people, club INT REFERENCES clubs, since TEXT, PRIMARY KEY(person, club)) WITHOUT ROWID;
         CREATE TABLE friends(one INT NOT NULL REFERENCES people, other INT NOT NULL REFERENCES people);
         INSERT INTO clubs VALUES (1, 'chess'), (2, 'go'); INSERT INTO members VALUES (1, 1, 'x'), (1, 2, 'y'), (2, 1, 'z');
         INSERT INTO friends VALUES (1, 2);",
    );
    same(
        &place.inspect(),
        r"
        source x: 4 tables, 1 owned, 1 shared, 1 ambiguous
        table    rows  orphans  owner      by
        people      3           register
        clubs       2           shared
        members     3           owned      person -> people
        friends     1           ambiguous  one -> people; other -> people
        look at friends: one row (or more) has different owners by one -> people and by other -> people
",
    );
    place.settle("[[source.owns]]\ntable = \"friends\"\nby = \"one\"\n", &[]);
    same(
        &place.inspect(),
        r"
        source x: 4 tables, 2 owned, 1 shared
        table    rows  orphans  owner     by
        people      3           register
        clubs       2           shared
        members     3           owned     person -> people
        friends     1           owned     one -> people
",
    );
    same(
        &place.owned(0),
        r"
        1: friends(1 2), members(1 1 x; 2 1 y), people(2020 1 Ann)
        2: members(1 2 z), people(2020 2 Bob)
        3: people(2020 3 Cid)
",
    );
}

#[test]
fn paths_of_four_hops() {
    let place = people(
        "CREATE TABLE contracts(id INTEGER PRIMARY KEY, person INT REFERENCES people);
         CREATE TABLE invoices(id INTEGER PRIMARY KEY, contract INT REFERENCES contracts);
         CREATE TABLE invoice_lines(id INTEGER PRIMARY KEY, invoice INT REFERENCES invoices);
         CREATE TABLE invoice_line_discounts(line INT REFERENCES invoice_lines, percent INT);
         INSERT INTO contracts VALUES (1, 1), (2, 2); INSERT INTO invoices VALUES (1, 2), (2, 1);
         INSERT INTO invoice_lines VALUES (1, 1), (2, 2); INSERT INTO invoice_line_discounts VALUES (1, 5), (2, 6), (3, 7);",
    );
    same(
        &place.inspect(),
        r"
        source x: 5 tables, 4 owned
        table                   rows  orphans  owner     by
        people                     3           register
        contracts                  2           owned     person -> people
        invoices                   2           owned     contract -> contracts.person -> people
        invoice_lines              2           owned     invoice -> invoices.contract -> contracts.person
                                                           -> people
        invoice_line_discounts     3        1  owned     line -> invoice_lines.invoice ->
                                                           invoices.contract -> contracts.person -> people
",
    );
    same(
        &place.owned(0),
        r"
        1: contracts(1 1), invoice_line_discounts(2 6), invoice_lines(2 2), invoices(1 2), people(2020 1 Ann)
        2: contracts(2 2), invoice_line_discounts(1 5), invoice_lines(1 1), invoices(2 1), people(2020 2 Bob)
        3: people(2020 3 Cid)
",
    );
}

#[test]
fn columns_that_look_personal() {
    let place = people(
        "CREATE TABLE staff(id INTEGER PRIMARY KEY, Nachname TEXT, reach TEXT, code TEXT, geb TEXT, memo TEXT);
         CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT, ean TEXT, price REAL, launched TEXT);
         CREATE TABLE payers(what TEXT, num INT);
         CREATE TABLE pairs(a INT REFERENCES people, b INT REFERENCES people, \"联系电话\" TEXT);
         INSERT INTO staff VALUES (1, 'M', '+49 30 1234567', 'DE89370400440532013000', '12.3.1980', 'ask zoe@example.org'),
           (2, NULL, '+33 1 23 45 67 89', 'none', '1.1.1990', NULL);
         INSERT INTO product VALUES (1, 'Nut', '4006381333931', 1.5, '2001-02-03'), (2, 'Bolt', '0040063813339', 2.5, NULL);
         INSERT INTO payers VALUES ('x', 110101194912310024), ('y', NULL); INSERT INTO pairs VALUES (1, 2, 'n');",
    );
    let text = fs::read_to_string(place.at("tenure.toml")).unwrap();
    for listed in [
        "# SETTLE THIS: whose the rows of pairs are (one row (or more) has different owners by a -> people and by \
         b -> people; has columns that look personal: 联系电话)\n",
        "  # LOOK: staff has columns that look personal: Nachname, reach (phone numbers), code (IBANs), geb \
         (dates of birth), memo (e-mail addresses)\n  \"staff\",\n  \"product\",\n  # LOOK: payers has",
    ] {
        assert!(text.contains(listed), "{listed} in {text}");
    }
    // What is ambiguous is told once.
    assert_eq!(text.matches("different owners").count(), 1);
    place.settle("", &["payers"]);
    same(
        &place.inspect(),
        r"
        source x: 5 tables, 2 shared, 1 ambiguous, 1 unsettled
        table    rows  orphans  owner      by
        people      3           register
        staff       2           shared
        product     2           shared
        payers      2           unsettled
        pairs       1           ambiguous  a -> people; b -> people
        look at staff: has columns that look personal: Nachname, reach (phone numbers), code (IBANs),
            geb (dates of birth), memo (e-mail addresses)
        look at payers: has columns that look personal: num (Chinese identity numbers)
        look at pairs: one row (or more) has different owners by a -> people and by b -> people
        look at pairs: has columns that look personal: 联系电话
",
    );
    let shown = place.inspect().join("\n");
    for value in ["zoe", "1234567", "DE89", "1980"] {
        assert!(!shown.contains(value) && !text.contains(value), "{value}");
    }
}

#[test]
fn twenty_tables_on_one_screen() {
    let mut sql = String::new();
    for at in 0..18 {
        // Six trees, three tables deep.
        let before = match at % 3 {
            0 => "people".to_owned(),
            _ => format!("a_table_with_a_longer_name_{}", at - 1),
        };
        sql += &format!(
            "CREATE TABLE a_table_with_a_longer_name_{at}(id INTEGER PRIMARY KEY, of_the_one_before INT REFERENCES {before});"
        );
    }
    let place = people(&format!("{sql} CREATE TABLE country(code);"));
    let lines = place.inspect();
    assert!(lines.len() <= 23, "{}", lines.join("\n"));
    assert_eq!(lines[0], "source x: 20 tables, 18 owned, 1 shared");
}
