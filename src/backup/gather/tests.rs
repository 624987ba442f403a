//! Whose rows are, whom they name, in what order they come, and what is told meanwhile.

use std::sync::Mutex;

use minicbor::Decoder;
use rusqlite::Connection;

use super::known::KnownOnes;
use super::*;
use crate::backup::take;
use crate::backup::tests::Made;
use crate::keyring::tree::Tree;
use crate::piece::Identity;
use crate::piece::cut::read_cut;
use crate::repo::Recogniser;
use crate::report::Silent;
use crate::secret::Seed;
use crate::spill::Record;
use crate::value::Value;

/// Rows in their order: whose each is, and whom each of its columns names.
fn rows(repository: &mut Repository) -> Vec<(Domain, Vec<Option<Domain>>)> {
    let mut gathered = gather(repository, None, None, &Silent).unwrap();
    let mut rows = Vec::new();
    while let Some(((high, low), record)) = gathered.sorted.next_record().unwrap() {
        let named = match record {
            Record::Whole(_) if low == IDENTITY => continue,
            Record::Whole(bytes) => {
                let row = piece::decode_row(&mut Decoder::new(bytes)).unwrap();
                row.cells.into_iter().map(named_by).collect()
            }
            Record::Parts(parts) => {
                let lens: Vec<usize> = parts.iter().map(|part| part.plain_len()).collect();
                let part = |at: usize| Outcome::Ok(gathered.sorted.part(parts[at])?);
                let row = read_cut(&lens, part).unwrap();
                let cells = row.cells.iter().map(|cell| cell.short().and_then(named_by));
                cells.collect()
            }
        };
        rows.push((gathered.ranks.domain(high).unwrap(), named));
    }
    rows
}

/// Whom a value names, if it was sealed.
fn named_by(cell: Cell<'_>) -> Option<Domain> {
    match cell {
        Cell::Reference { domain, .. } => Some(domain),
        Cell::Value(_) | Cell::Stamp(_) => None,
    }
}

/// By the customers' numbers alone, in the order of the rows, where some are named.
fn named(rows: Vec<(Domain, Vec<Option<Domain>>)>) -> Vec<Vec<Option<(u8, u32)>>> {
    let number = |domain: Domain| (domain.class.0, domain.arrival);
    rows.into_iter()
        .map(|(_, named)| named.into_iter().map(|one| one.map(number)).collect())
        .filter(|named: &Vec<_>| named.iter().any(Option::is_some))
        .collect()
}

#[test]
fn domains_of_several_incarnations_are_sorted_as_they_are_named() {
    let inc = |n: u8| Incarnation([n; 8]);
    let mut forest = Forest::new();
    for n in [7, 3, 5] {
        forest.insert(inc(n), Tree::plant(Seed::from_bytes([n; 32])));
    }
    let ranks = Ranks::new(&forest);
    let mut last = None;
    for n in [3, 5, 7] {
        for (class, arrival) in [(0, 0), (0, u32::MAX), (1, 0), (2, 9), (255, u32::MAX)] {
            let domain = Domain {
                inc: inc(n),
                class: Class(class),
                arrival,
            };
            let key = ranks.of(domain);
            assert_eq!(ranks.domain(key).unwrap(), domain);
            assert!(last < Some(key), "{domain}");
            last = Some(key);
        }
    }
    assert!(ranks.domain(3 << 40).is_err());
}

#[test]
fn rows_and_whom_they_name_are_of_the_classes_of_their_tables() {
    let ownership = "shared = [\"seen\"]\n[[source.owns]]\ntable = \"bills\"\nclass = \"billing\"";
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY);
         CREATE TABLE bills(id INTEGER PRIMARY KEY, customer REFERENCES customers);
         CREATE TABLE seen(bill REFERENCES bills, customer REFERENCES customers);
         INSERT INTO customers VALUES (1); INSERT INTO bills VALUES (5, 1); INSERT INTO seen VALUES (5, 1);";
    let mut made = Made::of(ownership, &[("crm.db", sql)]);
    let rows = rows(&mut made.repository);
    let classes: Vec<_> = rows.iter().map(|(whose, _)| whose.class.0).collect();
    assert_eq!(classes, [0, 1, 2]);
    assert_eq!(named(rows), [[Some((2, 0)), Some((1, 0))]]);
}

#[test]
fn what_leads_to_the_owner_is_no_reference_and_hides_none() {
    let ownership = "[[source.owns]]\ntable = \"orders\"\nclass = \"billing\"\n\
                     [[source.owns]]\ntable = \"items\"\nby = \"of\"";
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY);
         CREATE TABLE orders(id INTEGER PRIMARY KEY, customer REFERENCES customers);
         CREATE TABLE items(of REFERENCES orders, a REFERENCES orders, b REFERENCES orders, c REFERENCES customers);
         INSERT INTO customers VALUES (1), (2); INSERT INTO orders VALUES (1, 1), (2, 2), (3, 1);
         INSERT INTO items VALUES (1, 1, 3, 1), (1, 3, 2, 1), (1, 2, 3, 2);";
    let mut made = Made::of(ownership, &[("crm.db", sql)]);
    let two = |class| Some((class, 1));
    assert_eq!(
        named(rows(&mut made.repository)),
        [[None, None, two(2), None], [None, two(2), None, two(1)]]
    );
}

#[test]
fn a_column_that_leads_to_one_by_itself_names_that_one() {
    let ownership = "shared = [\"seen\"]\n[[source.owns]]\ntable = \"orders\"\nby = \"owner\"";
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY);
         CREATE TABLE orders(id INTEGER, whom REFERENCES customers, owner REFERENCES customers, PRIMARY KEY (id, whom));
         CREATE TABLE seen(id, whom, FOREIGN KEY (id, whom) REFERENCES orders);
         INSERT INTO customers VALUES (1), (2); INSERT INTO orders VALUES (5, 2, 1); INSERT INTO seen VALUES (5, 2);";
    let mut made = Made::of(ownership, &[("crm.db", sql)]);
    let seen = [Some((1, 0)), Some((1, 1))];
    assert_eq!(named(rows(&mut made.repository))[0], seen);
}

#[test]
fn an_identity_comes_before_the_rows_in_every_class() {
    let ownership = "[[source.owns]]\ntable = \"bills\"\nclass = \"billing\"\n\
                     [[source.owns]]\ntable = \"calls\"\nclass = \"calls\"";
    let sql =
        "CREATE TABLE customers(id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (7), (8);
         CREATE TABLE bills(id INTEGER PRIMARY KEY, customer REFERENCES customers);
         CREATE TABLE calls(id INTEGER PRIMARY KEY, customer REFERENCES customers);
         INSERT INTO bills VALUES (5, 7); INSERT INTO calls VALUES (5, 7);";
    let mut made = Made::of(ownership, &[("crm.db", sql)]);
    // The second time everybody is known.
    for _ in 0..2 {
        let mut gathered = gather(&mut made.repository, None, None, &Silent).unwrap();
        let (mut identities, mut rows) = (Vec::new(), Vec::new());
        while let Some(((high, low), record)) = gathered.sorted.next_record().unwrap() {
            let domain = gathered.ranks.domain(high).unwrap();
            let place = (domain.class.0, domain.arrival);
            match record {
                Record::Whole(bytes) if low == IDENTITY => {
                    assert!(!rows.contains(&place));
                    let identity = Identity::decode(bytes).unwrap();
                    identities.push((place, identity.key.text()));
                }
                _ => rows.push(place),
            }
        }
        let key = |arrival| if arrival == 0 { "7" } else { "8" }.to_owned();
        let every = (1..4).flat_map(|class| [0, 1].map(|arrival| ((class, arrival), key(arrival))));
        assert_eq!(identities, every.collect::<Vec<_>>());
        assert_eq!(rows, [(1, 0), (1, 1), (2, 0), (3, 0)]);
    }
}

#[test]
fn every_column_of_a_key_names_whom_it_leads_to() {
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY);
         CREATE TABLE orders(day, no, customer REFERENCES customers, PRIMARY KEY (day, no));
         CREATE TABLE seen(no, what, day, FOREIGN KEY (day, no) REFERENCES orders);
         INSERT INTO customers VALUES (1), (2); INSERT INTO orders VALUES (5, 1, 2); INSERT INTO seen VALUES (1, 'x', 5);";
    let mut made = Made::of("shared = [\"seen\"]", &[("crm.db", sql)]);
    let two = Some((1, 1));
    assert_eq!(named(rows(&mut made.repository)), [[two, None, two]]);
}

#[test]
fn a_row_that_passes_in_parts_names_whom_it_leads_to() {
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY);
         CREATE TABLE seen(what, a REFERENCES customers, more, b REFERENCES customers);
         INSERT INTO customers VALUES (1), (2);
         INSERT INTO seen VALUES (zeroblob(6 << 20), 2, hex(zeroblob(3 << 20)), 1);";
    let mut made = Made::of("shared = [\"seen\"]", &[("crm.db", sql)]);
    let (one, two) = (Some((1, 0)), Some((1, 1)));
    assert_eq!(named(rows(&mut made.repository)), [[None, two, None, one]]);
}

#[test]
fn a_table_that_was_made_again_changes_nobody_whose_rows_are_the_same() {
    let one = "CREATE TABLE one(id INTEGER PRIMARY KEY, customer REFERENCES customers)";
    let fill = "INSERT INTO one VALUES (1, 1), (2, 2)";
    let sql = format!(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1), (2); {one}; {fill};
         CREATE TABLE two(id INTEGER PRIMARY KEY, customer REFERENCES customers); INSERT INTO two SELECT * FROM one;"
    );
    let mut made = Made::of("", &[("crm.db", &sql)]);
    take(&mut made.repository, false, &Silent).unwrap();
    made.sql(&format!("DROP TABLE one; {one}; {fill}"));
    let taken = take(&mut made.repository, false, &Silent).unwrap();
    assert_eq!((taken.totals.rows, taken.totals.changed), (6, 0));
}

#[test]
fn the_next_numbers_are_noted_beside_the_catalog_whatever_is_new() {
    let mut made = Made::of(
        "",
        &[("crm.db", "CREATE TABLE customers(id INTEGER PRIMARY KEY)")],
    );
    for sql in [
        "CREATE TABLE rates(rate)",
        "INSERT INTO customers VALUES (1), (2)",
    ] {
        made.sql(sql);
        let repository = &mut made.repository;
        let before = repository.state.next_numbers().unwrap();
        gather(repository, None, None, &Silent).unwrap();
        let noted = repository.state.next_numbers().unwrap();
        assert_ne!(noted, before);
        let next = |change: &crate::catalog::Change<'_>| -> Outcome<_> {
            Ok((change.next_customer()?, change.next_own()?))
        };
        assert_eq!(noted, Some(repository.catalog.change(next).unwrap()));
    }
}

#[test]
fn what_somebody_must_see_to_is_told_of_each_source() {
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1), (2);
         CREATE TABLE calls(a REFERENCES customers, b REFERENCES customers); INSERT INTO calls VALUES (1, 2);
         CREATE TABLE bills(customer REFERENCES customers); CREATE TABLE rates(rate);
         CREATE VIRTUAL TABLE words USING fts5(word, content = '');
         CREATE TABLE odd(x CHECK (abs(x) > 0)); PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'abs', 'theirs') WHERE name = 'odd'";
    let more = "shared = [\"odd\"]\n\
                [[source]]\nname = \"phone\"\nkind = \"sqlite\"\npath = \"phone.db\"";
    let phone = "CREATE TABLE calls(number)";
    let mut made = Made::of(more, &[("crm.db", sql), ("phone.db", phone)]);
    let told = gather(&mut made.repository, None, None, &Silent)
        .unwrap()
        .unsettled;
    let expected = [
        "crm: table \"calls\" is ambiguous",
        "crm: table \"rates\" is unsettled",
        "words",
        "theirs",
        "phone: table \"calls\" is unsettled",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}");
    }
}

/// Notes what it is told.
#[derive(Default)]
struct Told {
    stretches: Mutex<Vec<(String, Option<u64>)>>,
    advances: Mutex<Vec<u64>>,
}

impl Report for Told {
    fn begin(&self, what: &str, total: Option<u64>, _: Unit) {
        let stretch = (what.to_owned(), total);
        self.stretches.lock().unwrap().push(stretch);
    }
    fn advance(&self, by: u64) {
        self.advances.lock().unwrap().push(by);
    }
    fn end(&self) {
        self.begin("end", None, Unit::Items);
    }
    fn note(&self, _: &str) {}
}

#[test]
fn all_sources_are_counted_and_told_as_they_are_read() {
    let calls = |rows: u32| {
        format!(
            "CREATE TABLE calls(id INTEGER PRIMARY KEY, customer INTEGER);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO calls SELECT i, i % 3 + 1 FROM n;"
        )
    };
    let crm = "CREATE TABLE customers(id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1), (2), (3);";
    let by = "[[source.owns]]\ntable = \"calls\"\nby = \"customer\"";
    let phone = format!(
        "[[source.owns]]\ntable = \"calls\"\nby = \"customer -> customers\"\n\
         [[source]]\nname = \"phone\"\nkind = \"sqlite\"\npath = \"phone.db\"\n{by}"
    );
    let databases = [
        ("crm.db", &*(crm.to_owned() + &calls(5000))),
        ("phone.db", &*calls(4097)),
    ];
    let mut made = Made::of(&phone, &databases);
    let told = Told::default();
    let gathered = gather(&mut made.repository, None, None, &told).unwrap();
    let reading = ("reading".to_owned(), Some(3 + 5000 + 4097));
    let stretches = told.stretches.into_inner().unwrap();
    assert_eq!(stretches, [reading, ("end".to_owned(), None)]);
    let advances = told.advances.into_inner().unwrap();
    assert_eq!(advances, [4096, 907, 4096, 1]);
    assert_eq!((gathered.rows, gathered.customers), (3 + 5000 + 4097, 3));
    let tables = gathered.sources.iter().flat_map(|source| &source.tables);
    assert_eq!(
        tables.map(|table| table.rows).collect::<Vec<_>>(),
        [3, 5000, 4097]
    );
    let size = |(name, _): &(&str, _)| made.dir.path().join(name).metadata().unwrap().len();
    assert_eq!(gathered.read_bytes, databases.iter().map(size).sum::<u64>());
}

#[test]
fn customers_are_recognised_in_whatever_order_they_are_looked_for() {
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO customers SELECT i * 2 FROM n;";
    let mut made = Made::of("", &[("crm.db", sql)]);
    take(&mut made.repository, false, &Silent).unwrap();
    let catalog = &made.repository.catalog;
    let arrivals = catalog.arrivals().unwrap();
    let recogniser = Recogniser::new(&made.repository).unwrap();
    let find = |known: &mut KnownOnes, id: i64| {
        let identity = Identity {
            key: CustomerKey(vec![Value::Int(id)]),
            since: None,
        };
        let who = recogniser.who(&identity);
        let found = known.find(catalog, &recogniser, (&identity, &who)).unwrap();
        assert_eq!(found, arrivals.get(&who).copied(), "{id}");
        found
    };
    let all: Vec<i64> = (1..=6001).collect();
    let scattered = |i: &i64| i * 2477 % 6007;
    let orders: [Vec<i64>; 5] = [
        all.clone(),
        all.iter().rev().copied().collect(),
        all.iter().map(scattered).collect(),
        // Every third has left, and some have moved to the end.
        all.iter()
            .filter(|i| *i % 6 != 0)
            .chain(&all[500..700])
            .copied()
            .collect(),
        [&all[3000..], &all[..3000]].concat(),
    ];
    for order in orders {
        let mut known = KnownOnes::of(catalog).unwrap();
        let mut found: Vec<_> = order
            .iter()
            .filter_map(|id| find(&mut known, *id))
            .collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(known.found(), found.len() as u64);
        for domain in arrivals.values() {
            assert_eq!(
                known.has_found(*domain),
                found.binary_search(domain).is_ok()
            );
        }
    }
}

#[test]
fn a_damaged_register_that_shows_rows_twice_makes_nobody_two() {
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY, name);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
            INSERT INTO customers SELECT i, printf('%0100d', i) FROM n;";
    let mut made = Made::of("", &[("crm.db", sql)]);
    let path = made.dir.path().join("crm.db");
    let root: u32 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    // The fourth leaf of the table's tree is the second one once more.
    let mut bytes = std::fs::read(&path).unwrap();
    let page = (root as usize - 1) * 4096;
    assert_eq!(bytes[page], 5, "an inner page");
    let cell = |n: usize, bytes: &[u8]| {
        let at = page + 12 + 2 * n;
        page + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
    };
    let (second, fourth) = (cell(1, &bytes), cell(3, &bytes));
    bytes.copy_within(second..second + 4, fourth);
    std::fs::write(&path, bytes).unwrap();

    let shown: Vec<i64> = {
        let crm = Connection::open(&path).unwrap();
        let mut all = crm.prepare("SELECT id FROM customers").unwrap();
        let ids = all.query_map([], |row| row.get(0)).unwrap();
        ids.collect::<Result<_, _>>().unwrap()
    };
    let mut different = shown.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() < shown.len());
    for _ in 0..2 {
        let taken = take(&mut made.repository, true, &Silent).unwrap();
        assert_eq!(taken.totals.customers, different.len() as u64);
        let known = made.repository.catalog.customer_count().unwrap();
        assert_eq!(known, different.len() as u64);
    }
}

/// Of a register of a hundred, whose key is of this type.
fn hundred(key: &str) -> Made {
    let sql = format!(
        "CREATE TABLE customers(id {key}, name);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
            INSERT INTO customers SELECT i, i FROM n;"
    );
    Made::of("", &[("crm.db", &sql)])
}

#[test]
fn nobody_is_admitted_where_not_one_of_many_is_recognised() {
    let mut made = hundred("INTEGER PRIMARY KEY");
    take(&mut made.repository, false, &Silent).unwrap();
    crate::forget::run(&mut made.repository, &["1".into()], &[]).unwrap();
    made.sql("UPDATE customers SET id = id + 1000");
    let next = made.repository.catalog.next_customer().unwrap();
    let refused = take(&mut made.repository, false, &Silent).map(drop);
    assert_eq!(refused.unwrap_err().kind(), FailureKind::Refused);
    assert_eq!(made.repository.catalog.customer_count().unwrap(), 99);
    assert_eq!(made.repository.catalog.next_customer().unwrap(), next);
}

#[test]
fn rows_with_one_key_are_one_customer_however_far_apart_they_stand() {
    let mut made = hundred("TEXT");
    made.sql("UPDATE customers SET id = '1' WHERE name = 99");
    // No number is passed over, and none is given twice.
    for (new, many) in [("", 99), ("", 99), ("('a'), ('b')", 101)] {
        if !new.is_empty() {
            made.sql(&format!("INSERT INTO customers(id) VALUES {new}"));
        }
        let taken = take(&mut made.repository, false, &Silent).unwrap();
        assert_eq!(taken.totals.customers, many);
        let catalog = &made.repository.catalog;
        assert_eq!(catalog.customer_count().unwrap(), many);
        assert_eq!(u64::from(catalog.next_customer().unwrap()), many);
        assert_eq!(catalog.arrivals().unwrap().len() as u64, many);
    }
}

/// Two tables of three customers' rows, enough for two readers.
const FOR_BOTH: &str =
    "CREATE TABLE customers(id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1), (2), (3);
     CREATE TABLE calls(id INTEGER PRIMARY KEY, customer REFERENCES customers, what TEXT);
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
        INSERT INTO calls SELECT i, i % 3 + 1, hex(randomblob(50)) FROM n;
     CREATE TABLE notes(id INTEGER PRIMARY KEY, customer REFERENCES customers, what TEXT);
     INSERT INTO notes SELECT id, customer, what FROM calls WHERE id <= 5000;
     CREATE INDEX notes_customer ON notes(customer);";

#[test]
fn rows_stay_in_order_whoever_has_read_them() {
    let mut made = Made::of("", &[("crm.db", FOR_BOTH)]);
    let mut gathered = gather(&mut made.repository, None, None, &Silent).unwrap();
    let mut rowids: HashMap<(u64, u64), Vec<i64>> = HashMap::new();
    while let Some(((high, low), record)) = gathered.sorted.next_record().unwrap() {
        let Record::Whole(bytes) = record else {
            panic!("nothing here is long");
        };
        if low != IDENTITY {
            let row = piece::decode_row(&mut Decoder::new(bytes)).unwrap();
            rowids
                .entry((high, low))
                .or_default()
                .push(row.rowid.unwrap());
        }
    }
    // Three customers, each in three tables.
    assert_eq!(rowids.len(), 9);
    assert!(rowids.values().all(|rowids| rowids.is_sorted()));
    assert_eq!(
        rowids.values().map(Vec::len).sum::<usize>(),
        3 + 9000 + 5000
    );
}

#[test]
fn damage_is_told_whoever_has_met_it() {
    let mut made = Made::of("", &[("crm.db", FOR_BOTH)]);
    let path = made.dir.path().join("crm.db");
    let leaf =
        "SELECT pageno FROM dbstat WHERE name = 'notes' AND pagetype = 'leaf' LIMIT 1 OFFSET 20";
    let database = Connection::open(&path).unwrap();
    let leaf: i64 = database.query_row(leaf, [], |row| row.get(0)).unwrap();
    drop(database);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(leaf as usize - 1) * 4096..][..4096].fill(0);
    std::fs::write(&path, bytes).unwrap();
    // Rows are counted in the index, so that two read all the same; who takes which table is chance.
    let count = "SELECT count(*) FROM notes";
    let count = Connection::open(&path)
        .unwrap()
        .query_row(count, [], |row| row.get(0));
    assert_eq!(count, Ok(5000));
    for _ in 0..8 {
        let gathered = gather(&mut made.repository, None, None, &Silent).unwrap();
        let told = gathered.unsettled.iter();
        let told: Vec<_> = told.filter(|what| what.contains("is damaged")).collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("\"notes\""), "{told:?}");
        assert!((13_900..14_003).contains(&gathered.rows));
    }
}
