//! Dictionaries in packs: nothing is in one but what many customers share, they are made when they are worth it,
//! and used on while they can be read.

mod layout;
mod recount;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tenure::ids::{Domain, ObjectName};
use tenure::pack::{self, Pack};
use tenure::piece::{Cell, Found, RowReader};
use tenure::repo::objects::{open_dictionary, pack_path};
use tenure::report::Silent;
use tenure::seal::{Decompressor, Dictionary};
use tenure::{forget, restore, verify};

use crate::support::canary::{Canary, holds};
use crate::support::compare::{same, same_except};
use crate::support::place::Place;
use crate::support::raw::{files, open_everything};
use recount::Recount;

const CUSTOMERS: u32 = 400;
/// The customer to whom sixty others refer.
const FAMOUS: u32 = 7;

/// A CRM of 400 customers, two classes, and words that so many of them share.
struct Crm {
    place: Place,
    /// What one customer alone has, and by what sixty others refer to that one.
    alone: Canary,
    key: Canary,
}

impl Crm {
    fn new() -> Self {
        let (alone, key) = (Canary::new(), Canary::new());
        let ownership = "[[source.owns]]\ntable = \"orders\"\nby = \"customer\"\n\
                         [[source.owns]]\ntable = \"bills\"\nby = \"customer\"\nclass = \"billing\"";
        let place = Place::new("table = \"customers\"\nkey = \"no\"", ownership, |db| {
            fill(&mut Connection::open(db).unwrap(), &alone, &key);
        });
        Self { place, alone, key }
    }

    fn execute(&self, sql: &str) {
        let db = Connection::open(&self.place.db).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Gives an order to each of the first so many customers.
    fn order(&self, customers: u32, what: &str) {
        self.execute(&format!(
            "INSERT INTO orders SELECT no, '{what}' FROM customers WHERE rowid <= {customers}"
        ));
    }

    fn open(&self, path: &Path) -> Opened {
        let repository = self.place.read();
        let name = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let pack = Pack::read(name, fs::read(path).unwrap().into()).unwrap();
        let forest = &repository.keyring.forest;
        let dictionary = open_dictionary(repository.id(), pack.head(), pack.bytes(), forest);
        Opened {
            dictionary: dictionary.unwrap(),
            pack,
        }
    }

    /// The one pack that a snapshot has added, when it is taken after the change.
    fn added(&self, change: impl FnOnce()) -> Opened {
        let folder = self.place.path("a/packs");
        let before = match folder.exists() {
            true => files(&folder),
            false => Vec::new(),
        };
        change();
        self.place.snapshot(false);
        let mut after = files(&folder);
        after.retain(|path| !before.contains(path));
        assert_eq!(after.len(), 1);
        self.open(&after[0])
    }

    /// Whether what the keyring opens, the dictionary too, tells of the one customer's canaries.
    fn told_by_the_keyring(&self) -> [bool; 2] {
        let repository = self.place.read();
        let store = self.place.path("a");
        let opened = open_everything(&repository, &repository.keyring, &store);
        assert_eq!(opened.dictionaries, 1);
        [&self.alone, &self.key].map(|canary| holds(&opened.plain, canary.as_bytes()))
    }

    /// To whom customers in a pack refer, by which sealed values, each as often as it stands in rows.
    fn references(&self, of: &Opened) -> Vec<(Domain, Vec<u8>)> {
        let Opened { pack, dictionary } = of;
        let repository = self.place.read();
        let (meta, forest) = (repository.meta().unwrap(), &repository.keyring.forest);
        let mut found = Vec::new();
        for entry in pack.contents(repository.id(), &meta).unwrap() {
            let (key, sealed) = (forest.key(entry.domain).unwrap(), pack.blob(entry.slot));
            let (salt, at) = (pack.head().salt(), entry.slot.offset);
            let frame = pack::open_blob(repository.id(), &key, salt, at, sealed.unwrap());
            let mut decompressor = Decompressor::new().unwrap();
            let plain = decompressor.plain(&frame.unwrap(), dictionary.as_ref());
            let each = |row: Found<'_>| {
                if let Found::Row(row, _) = row {
                    found.extend(row.cells.into_iter().filter_map(|cell| match cell {
                        Cell::Reference { domain, sealed } => Some((domain, sealed.to_vec())),
                        _ => None,
                    }));
                }
                Ok::<_, tenure::cbor::Malformed>(())
            };
            RowReader::default().piece(&plain.unwrap(), each).unwrap();
        }
        found
    }
}

struct Opened {
    pack: Pack,
    dictionary: Option<Dictionary>,
}

impl Opened {
    fn dictionary(&self) -> &[u8] {
        self.dictionary.as_ref().unwrap().bytes()
    }
}

fn fill(db: &mut Connection, alone: &Canary, key: &Canary) {
    let all = db.transaction().unwrap();
    all.execute_batch(
        "CREATE TABLE customers (no TEXT PRIMARY KEY, name TEXT, friend TEXT REFERENCES customers,
             number INTEGER UNIQUE, sponsor INTEGER REFERENCES customers(number));
         CREATE TABLE orders (customer TEXT REFERENCES customers, what TEXT);
         CREATE TABLE bills (customer TEXT REFERENCES customers, what TEXT);",
    )
    .unwrap();
    let no = |n| match n {
        FAMOUS => key.as_str().to_owned(),
        n => format!("C{n}"),
    };
    for n in 1..=CUSTOMERS {
        let name = match n {
            FAMOUS => alone.as_str().to_owned(),
            n => format!("Everybody's name {n}"),
        };
        let refers = (101..=160).contains(&n);
        let (friend, sponsor) = (
            refers.then(|| no(FAMOUS)),
            refers.then_some(40_000 + FAMOUS),
        );
        let customer = (no(n), name, friend, 40_000 + n, sponsor);
        all.execute("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", customer)
            .unwrap();
        let has = |table: &str, what: &str| {
            let sql = format!("INSERT INTO {table} VALUES (?, ?)");
            all.execute(&sql, (no(n), what)).unwrap();
        };
        has("orders", "amber birch cedar dogwood");
        if n <= 50 {
            has("orders", "fiftieth");
        }
        if n <= 49 {
            has("orders", "fortyninth");
            has("orders", "dogwood cedar birch amber");
            has("orders", "classless");
            has("bills", "classless");
        }
    }
    all.commit().unwrap();
}

#[test]
fn a_dictionary_holds_what_fifty_customers_share_and_nothing_of_anybody() {
    let crm = Crm::new();
    let pack = crm.added(|| ());
    let dictionary = pack.dictionary();
    let content = &dictionary[layout::content(dictionary)..];
    let holds = |what: &[u8]| content.windows(what.len()).any(|part| part == what);

    let recount = Recount::of(&crm.place.db, crm.place.read().inc());
    assert_eq!(recount.rest(content, 50), b"", "shared by fewer than 50");
    // The recount sees a difference where there is one.
    assert_ne!(recount.rest(content, 60), b"");
    assert_ne!(
        recount.rest(&[content, crm.alone.as_bytes()].concat(), 50),
        b""
    );

    assert!(holds(b"amber birch cedar") && holds(b"fiftieth"));
    for few in ["fortyninth", "birch amber", "classless"] {
        assert!(!holds(few.as_bytes()), "{few}");
    }
}

#[test]
fn nothing_of_one_customer_is_in_it_however_many_refer_to_that_one() {
    let crm = Crm::new();
    let pack = crm.added(|| ());
    let dictionary = pack.dictionary();
    for canary in [&crm.alone, &crm.key] {
        assert!(!holds(dictionary, canary.as_bytes()));
    }
    let in_it = |what: &[u8]| dictionary.windows(what.len()).any(|part| part == what);
    assert!(!in_it(&recount::integer(0, u64::from(40_000 + FAMOUS))));
    let references = crm.references(&pack);
    let different: BTreeSet<_> = references.iter().collect();
    assert_eq!(
        (references.len(), different.len()),
        (120, 2),
        "by two values"
    );
    for (domain, sealed) in different {
        assert!(!sealed.windows(4).any(in_it));
        assert!(!in_it(&recount::integer(0, domain.leaf())));
    }
}

#[test]
fn a_day_of_few_changes_stores_no_dictionary_and_one_of_many_uses_the_last_one() {
    let crm = Crm::new();
    let first = crm.added(|| ());
    let size = first.dictionary().len();
    let few = crm.added(|| crm.order(3, "few"));
    assert!(few.dictionary.is_none());
    let many = crm.added(|| crm.order(400, "many"));
    assert_eq!(many.dictionary(), first.dictionary());
    let small = |of: &Opened| (of.pack.bytes().len() as u64) < 4 * size as u64;
    assert!(small(&few) && !small(&many));
    assert!(many.pack.head().salt() != first.pack.head().salt());
    let last = crm.place.keep(1);
    same(&last, &crm.place.restore(3, "b")).unwrap();
    let verified = verify::run(&mut crm.place.read(), None, true, &Silent).unwrap();
    assert!(verified.is_ok(), "{:#?}", verified.problems);
}

#[test]
fn customers_who_share_more_get_another_dictionary_with_a_full() {
    let crm = Crm::new();
    let first = crm.added(|| ());
    // More words that many share.
    let words = (0..200).map(|n| format!("('shared{n:03}by{:05}all')", n * 7919 % 99_991));
    let words: Vec<_> = words.collect();
    let more = format!(
        "CREATE TABLE word(text); INSERT INTO word VALUES {};
         INSERT INTO orders SELECT no, text FROM customers, word WHERE customers.rowid <= 150;
         DROP TABLE word",
        words.join(", ")
    );
    let incremental = crm.added(|| crm.execute(&more));
    assert_eq!(incremental.dictionary(), first.dictionary());
    let before = files(&crm.place.path("a/packs"));
    crm.execute("UPDATE orders SET what = what || '.'");
    crm.place.snapshot(true);
    let mut added = files(&crm.place.path("a/packs"));
    added.retain(|path| !before.contains(path));
    let full = crm.open(&added[0]);
    assert!(full.dictionary().len() > first.dictionary().len());
    assert!(holds(full.dictionary(), b"shared123by"));
    let last = crm.place.keep(1);
    same(&last, &crm.place.restore(3, "b")).unwrap();
}

#[test]
fn who_is_forgotten_takes_no_dictionary_along() {
    let crm = Crm::new();
    let pack = crm.added(|| ());
    let kept = crm.place.keep(1);
    assert!(crm.told_by_the_keyring().iter().all(|told| *told));
    let no = crm.key.as_str().to_owned();
    forget::run(&mut crm.place.change(), std::slice::from_ref(&no), &[]).unwrap();
    let still = crm.open(&crm.place.path("a").join(path_of(&pack)));
    assert_eq!(still.dictionary(), pack.dictionary());
    assert!(crm.told_by_the_keyring().iter().all(|told| !told));
    let without = format!(
        "UPDATE customers SET friend = NULL, sponsor = NULL WHERE friend = '{no}';
         DELETE FROM orders WHERE customer = '{no}'; DELETE FROM bills WHERE customer = '{no}';
         DELETE FROM customers WHERE no = '{no}'"
    );
    same_except(&kept, &crm.place.restore(1, "a"), &without).unwrap();
}

fn path_of(opened: &Opened) -> String {
    pack_path(ObjectName::of(opened.pack.bytes()))
}

/// Turns over a byte of a pack's dictionary in some stores; gives the pack's path in a store.
fn damage(crm: &Crm, opened: &Opened, stores: &[&str]) -> String {
    let path = path_of(opened);
    for store in stores {
        let path = crm.place.path(store).join(&path);
        let mut bytes = fs::read(&path).unwrap();
        bytes[60] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    path
}

/// Whether a customer restores from the newest snapshot.
fn restores(crm: &Crm, no: &str) -> bool {
    let repository = crm.place.read();
    let id = restore::choose(&repository, None, None).unwrap();
    let to = crm.place.path("one");
    let _ = fs::remove_dir_all(&to);
    restore::customer(&repository, no, &to, id, None, &Silent).is_ok()
}

#[test]
fn a_damaged_dictionary_is_named_and_harms_nobody_in_other_packs() {
    let crm = Crm::new();
    let first = crm.added(|| ());
    crm.added(|| crm.order(150, "many"));
    let last = crm.place.keep(2);
    let pack = damage(&crm, &first, &["a"]);
    let verified = verify::run(&mut crm.place.read(), None, true, &Silent).unwrap();
    let named: Vec<_> = verified
        .problems
        .iter()
        .map(|p| format!("{} {}", p.store, p.object))
        .collect();
    assert_eq!(named, [format!("a {pack}")]);
    // What another store has whole is read there.
    assert!(restores(&crm, "C120") && restores(&crm, "C320"));
    same(&last, &crm.place.restore(2, "b")).unwrap();
    damage(&crm, &first, &["b"]);
    assert!(restores(&crm, "C120"), "in the second pack");
    assert!(!restores(&crm, "C320"), "in the first alone");
}

#[test]
fn what_was_compressed_without_the_dictionary_is_read_without_it() {
    let crm = Crm::new();
    crm.execute(
        "DELETE FROM bills WHERE customer = 'C120';
         INSERT INTO orders VALUES ('C120', hex(zeroblob(20000)))",
    );
    let first = crm.added(|| ());
    damage(&crm, &first, &["a", "b"]);
    assert!(restores(&crm, "C120") && !restores(&crm, "C320"));
}

#[test]
fn where_the_last_dictionary_cannot_be_read_a_new_one_is_made() {
    let crm = Crm::new();
    let first = crm.added(|| ());
    let on = crm.added(|| crm.order(200, "novelties"));
    let known = |opened: &Opened| holds(opened.dictionary(), b"novelties");
    assert!(!known(&on), "the one before is used on");
    for damaged in [&first, &on] {
        damage(&crm, damaged, &["a", "b"]);
    }
    assert!(known(&crm.added(|| crm.order(300, "and of the next"))));
}
