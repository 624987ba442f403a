//! A full snapshot trusts nothing that is stored.

use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;

use super::*;
use crate::config::Config;
use crate::ids::{Domain, PieceName};
use crate::init::{self, Root};
use crate::keyring::recovery::Identity;
use crate::manifest::{ObjectRef, PageRef};
use crate::page::{Entry, PageWriter};
use crate::repo::objects::page_path;
use crate::report::Silent;

/// A repository around databases, in a temporary directory.
pub(super) struct Made {
    pub repository: Repository,
    pub dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Made {
    /// Of databases that these files' SQL makes, `crm.db` among them, with what its source says of ownership,
    /// and further sources.
    pub fn of(ownership: &str, databases: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, sql) in databases {
            let database = Connection::open(dir.path().join(name)).unwrap();
            database.execute_batch(sql).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let config = || configured(dir.path(), ownership);
        init::run(config(), &Root::make().unwrap(), runtime.handle()).unwrap();
        let (repository, _) = Repository::change(config(), runtime.handle()).unwrap();
        Self {
            repository,
            dir,
            _runtime: runtime,
        }
    }

    /// Runs SQL in the CRM.
    pub fn sql(&self, sql: &str) {
        let crm = Connection::open(self.dir.path().join("crm.db")).unwrap();
        crm.execute_batch(sql).unwrap();
    }
}

fn configured(dir: &Path, ownership: &str) -> Config {
    let recipient = Identity::generate().recipient();
    let text = format!(
        "[customers]\nsource = \"crm\"\ntable = \"customers\"\nkey = \"id\"\n\
         [keys]\nrecovery = [\"{recipient}\"]\n\
         [[source]]\nname = \"crm\"\nkind = \"sqlite\"\npath = \"crm.db\"\n{ownership}\n\
         [[store]]\nname = \"a\"\nurl = \"file://{}/a\"\n",
        dir.display()
    );
    let path = dir.join("tenure.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path).unwrap()
}

/// Everything that a snapshot has, by domain.
fn entries(repository: &Repository, number: u64) -> Vec<Entry> {
    let fetcher = repository.fetcher(&repository.stores);
    let inc = repository.inc();
    let view = View::open(repository, &fetcher, SnapshotId { inc, number }).unwrap();
    let mut entries = view.entries(&fetcher, repository.id()).unwrap();
    let mut all = Vec::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        all.push(entry);
    }
    all
}

/// Who stands there, with the names of the pieces.
fn named(entries: &[Entry]) -> Vec<(Domain, Vec<PieceName>)> {
    let names = |entry: &Entry| {
        let pieces = entry.pieces.iter().flatten();
        (entry.domain, pieces.map(|piece| piece.name).collect())
    };
    entries.iter().map(names).collect()
}

/// An incremental that says of one entry what is not so.
fn publish_incremental(repository: &mut Repository, wrong: &Entry) {
    let meta = repository.meta().unwrap();
    let mut page = PageWriter::new(repository.id(), repository.inc()).unwrap();
    page.add(wrong, &meta).unwrap();
    let page = page.finish(&meta).unwrap().unwrap();
    let stores = repository.stores.clone();
    let bytes = Bytes::clone(&page.bytes);
    stores[0].put_new(&page_path(page.name), bytes).unwrap();
    let own = repository.state.pages().join(page.name.to_string());
    std::fs::write(own, &page.bytes).unwrap();
    let fetcher = repository.fetcher(&stores);
    let id = SnapshotId {
        inc: repository.inc(),
        number: 1,
    };
    let before = View::open(repository, &fetcher, id).unwrap();
    let object = ObjectRef {
        name: page.name,
        size: page.bytes.len() as u64,
    };
    let manifest = Manifest {
        kind: SnapshotKind::Incremental,
        pages: vec![PageRef {
            object,
            tail: page.tail,
            first: page.first,
            last: page.last,
            entries: page.entries,
        }],
        ..before.manifest().clone()
    };
    let failed = publish::publish(repository, 2, &manifest, &stores).unwrap();
    assert!(failed.is_empty());
}

#[test]
fn what_a_snapshot_has_of_nobodys_rows_is_noted_once() {
    let sql = "PRAGMA foreign_keys = OFF; CREATE TABLE customers(id INTEGER PRIMARY KEY);
         CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INT REFERENCES customers);
         INSERT INTO customers VALUES (1); INSERT INTO orders VALUES (1, 1), (2, 99);";
    let mut made = Made::of("", &[("crm.db", sql)]);
    let (repository, dir) = (&mut made.repository, &made.dir);
    take(repository, false, &Silent).unwrap();
    take(repository, false, &Silent).unwrap();
    let told = |repository: &Repository| {
        let (rows, unread) = repository.own_rows().unwrap();
        let rows = rows
            .into_iter()
            .map(|rows| (rows.table, rows.newest.number));
        (rows.collect::<Vec<_>>(), unread.len())
    };
    let orders = vec![("orders".to_owned(), 2)];
    assert_eq!(told(repository), (orders.clone(), 0));
    // Not looked up again: nothing is left to look into.
    let (pages, away) = (dir.path().join("a/pages"), dir.path().join("away"));
    let (kept, kept_away) = (repository.state.pages(), dir.path().join("kept"));
    std::fs::rename(&pages, &away).unwrap();
    std::fs::rename(&kept, &kept_away).unwrap();
    assert_eq!(told(repository), (orders.clone(), 0));
    // In a catalog that was made anew it is not noted: what cannot be read is told.
    let snapshots = repository.catalog.snapshots().unwrap();
    let anew = |change: &crate::catalog::Change<'_>| {
        snapshots
            .iter()
            .try_for_each(|snapshot| change.add_snapshot(snapshot))
    };
    repository.catalog.change(anew).unwrap();
    assert_eq!(told(repository), (orders.clone(), 2));
    std::fs::rename(&away, &pages).unwrap();
    std::fs::rename(&kept_away, &kept).unwrap();
    assert_eq!(told(repository), (orders, 0));
}

#[test]
fn a_full_finds_the_one_customer_whose_stored_hash_is_wrong() {
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INT REFERENCES customers, what);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
            INSERT INTO customers SELECT i, 'customer ' || i FROM n;
         INSERT INTO orders SELECT NULL, id, 'order of ' || name FROM customers;";
    let mut made = Made::of("", &[("crm.db", sql)]);
    let repository = &mut made.repository;
    take(repository, false, &Silent).unwrap();
    let right = entries(repository, 1);
    assert_eq!(right.len(), 300);

    let mut wrong = right[123].clone();
    let domain = wrong.domain;
    if let Some(pieces) = &mut wrong.pieces {
        pieces[0].name.0[5] ^= 1;
    }
    publish_incremental(repository, &wrong);
    let second = entries(repository, 2);
    let differ: Vec<_> = (right.iter().zip(&second))
        .filter(|(a, b)| named(&[(*a).clone()]) != named(&[(*b).clone()]))
        .map(|(_, b)| b.domain)
        .collect();
    assert_eq!(differ, [domain]);

    let full = take(repository, true, &Silent).unwrap();
    assert_eq!((full.totals.changed, full.totals.removed), (1, 0));
    assert_eq!(full.kind, SnapshotKind::Full);
    assert_eq!(named(&entries(repository, 3)), named(&right));
    // And the one after it has nothing more to tell.
    let again = take(repository, true, &Silent).unwrap();
    assert_eq!(again.totals.changed, 0);
}

/// Publishes a second full as the first one with a change: why it cannot be read, if it cannot.
fn refused(change: &dyn Fn(&mut Manifest)) -> Option<String> {
    let sql = "CREATE TABLE customers(id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1)";
    let mut made = Made::of("", &[("crm.db", sql)]);
    let repository = &mut made.repository;
    take(repository, false, &Silent).unwrap();
    let (inc, stores) = (repository.inc(), repository.stores.clone());
    let read = |repository: &Repository, number| {
        let fetcher = repository.fetcher(&stores);
        let view = View::open(repository, &fetcher, SnapshotId { inc, number })?;
        Ok(view.manifest().clone())
    };
    let mut manifest = read(repository, 1).unwrap();
    manifest.base = 2;
    change(&mut manifest);
    let published = publish::publish(repository, 2, &manifest, &stores);
    let found: Outcome<_> = published.and_then(|_| read(repository, 2));
    found.err().map(|failure| failure.in_one_line())
}

#[test]
fn whoever_signs_a_manifest_does_not_say_where_files_lie() {
    assert_eq!(refused(&|_| {}), None);
    let changes: [&dyn Fn(&mut Manifest); 3] = [
        &|manifest| manifest.sources[0].file_name = "/etc/cron.d/x".into(),
        &|manifest| manifest.sources[0].file_name = "..".into(),
        &|manifest| manifest.sources[0].name = "../crm".into(),
    ];
    for change in changes {
        let why = refused(change).unwrap();
        assert!(why.contains("called by a path"), "{why}");
    }
    let why = refused(&|manifest| manifest.base = 1).unwrap();
    assert!(why.contains("its base"), "{why}");
}
