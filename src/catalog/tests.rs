//! The catalog against its promises.

use super::*;
use crate::ids::Class;
use crate::journal::Recognised;

const INC: Incarnation = Incarnation([2; 8]);

fn opened() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&dir.path().join("catalog.db")).unwrap();
    (dir, catalog)
}

fn person(arrival: u32) -> (Customer, KeyedHash) {
    let domain = Domain {
        inc: INC,
        class: Class::CUSTOMER,
        arrival,
    };
    let who = KeyedHash([arrival as u8; 16]);
    (
        Customer {
            domain,
            who,
            sealed: b"sealed".repeat(10),
        },
        KeyedHash([100; 16]),
    )
}

#[test]
fn customers_are_found_by_key_until_they_are_erased() {
    let (dir, mut catalog) = opened();
    let add = |change: &Change<'_>| {
        for arrival in 0..3 {
            let (customer, key) = person(arrival);
            change.add_customer(&customer, &key)?;
        }
        Ok::<_, CatalogError>(())
    };
    catalog.change(add).unwrap();
    assert_eq!(
        catalog
            .customers_by_key(&KeyedHash([100; 16]))
            .unwrap()
            .len(),
        3
    );
    let (gone, key) = person(1);
    assert_eq!(catalog.customer(gone.domain).unwrap(), Some(gone.clone()));
    catalog
        .change(|change| {
            change.erase(
                4,
                &[gone.domain],
                &[Recognised {
                    who: gone.who,
                    domain: gone.domain,
                    key: None,
                }],
            )
        })
        .unwrap();
    assert_eq!(catalog.customer(gone.domain).unwrap(), None);
    let left = catalog.customers_by_key(&key).unwrap();
    assert_eq!(
        left.iter().map(|c| c.domain.arrival).collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(
        catalog.erased().unwrap(),
        HashMap::from([(gone.who, gone.domain)])
    );
    assert_eq!(catalog.arrivals().unwrap().len(), 2);
    catalog
        .change(|change| change.readmit(&gone.who, 9))
        .unwrap();
    assert!(catalog.erased().unwrap().is_empty());
    assert_eq!(catalog.next_customer().unwrap(), 9);
    drop(catalog);
    assert_eq!(
        Catalog::open(&dir.path().join("catalog.db"))
            .unwrap()
            .customer_count()
            .unwrap(),
        2
    );
}

#[test]
fn an_own_domain_is_never_taken_for_a_customer() {
    let (_dir, mut catalog) = opened();
    let (customer, key) = person(5);
    catalog
        .change(|change| change.add_customer(&customer, &key))
        .unwrap();
    let own = Domain {
        class: Class::OWN,
        ..customer.domain
    };
    catalog
        .change(|change| change.erase(4, &[own], &[]))
        .unwrap();
    assert_eq!(catalog.customer_count().unwrap(), 1);
}

#[test]
fn numbers_are_for_life_and_never_given_twice() {
    let (_dir, mut catalog) = opened();
    let name = |n| KeyedHash([n; 16]);
    let number = |change: &Change<'_>, kind, n| change.number(kind, &name(n)).unwrap();
    catalog
        .change(|change| {
            assert_eq!(number(change, Numbered::Class, 1), 1);
            assert_eq!(number(change, Numbered::Class, 2), 2);
            assert_eq!(number(change, Numbered::Class, 1), 1);
            assert_eq!(number(change, Numbered::Source, 1), 0);
            assert_eq!(number(change, Numbered::Table, 1), 0);
            assert_eq!(number(change, Numbered::WholeTable, 1), 2);
            assert_eq!(number(change, Numbered::Orphans, 1), 3);
            assert_eq!(number(change, Numbered::WholeTable, 2), 4);
            assert_eq!(change.next_own()?, 5);
            let own = Domain {
                inc: INC,
                class: Class::OWN,
                arrival: 4,
            };
            change.erase(4, &[own], &[])?;
            assert_eq!(number(change, Numbered::WholeTable, 2), 5);
            Ok::<_, CatalogError>(())
        })
        .unwrap();
}

#[test]
fn a_change_that_fails_leaves_nothing() {
    let (_dir, mut catalog) = opened();
    let failed = catalog.change(|change| {
        change.set_note("a", "b")?;
        Err::<(), _>(CatalogError::Corrupt)
    });
    assert!(failed.is_err());
    assert_eq!(catalog.note("a").unwrap(), None);
    catalog.change(|change| change.set_note("a", "b")).unwrap();
    catalog.change(|change| change.set_note("a", "c")).unwrap();
    assert_eq!(catalog.note("a").unwrap().as_deref(), Some("c"));
}

#[test]
fn a_later_version_is_refused() {
    let (dir, catalog) = opened();
    catalog
        .connection
        .execute_batch("PRAGMA user_version = 1000")
        .unwrap();
    let again = Catalog::open(&dir.path().join("catalog.db"));
    assert!(matches!(
        again.err(),
        Some(CatalogError::UnknownVersion(1000))
    ));
}

#[test]
fn an_older_catalog_keeps_what_it_holds_and_becomes_like_a_new_one() {
    let schema = |catalog: &Catalog| -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let mut statement = catalog.connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(|row| row.unwrap()).collect()
    };
    let (_dir, new) = opened();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(steps::STEPS[0]).unwrap();
    old.execute_batch("INSERT INTO note VALUES ('a', 'b'); PRAGMA user_version = 1")
        .unwrap();
    drop(old);
    for _ in 0..2 {
        let migrated = Catalog::open(&path).unwrap();
        assert_eq!(migrated.note("a").unwrap().as_deref(), Some("b"));
        assert_eq!(schema(&migrated), schema(&new));
    }
}

#[test]
fn a_step_that_fails_leaves_the_older_catalog() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(steps::STEPS[0]).unwrap();
    old.execute_batch("CREATE TABLE task (x); PRAGMA user_version = 1")
        .unwrap();
    assert!(Catalog::open(&path).is_err());
    let version: i64 = old
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 1);
}

#[test]
fn what_is_kept_of_tasks_is_read_back() {
    let (dir, mut catalog) = opened();
    let fresh = TaskRecord::new(Timestamp(1));
    let mut run = TaskRecord {
        last_due: Some(Timestamp(2)),
        last_started: Some(Timestamp(3)),
        failures: 4,
        retry_at: Some(Timestamp(5)),
        ..fresh.clone()
    };
    assert!(run.is_open() && !fresh.is_open());
    for ending in Ending::ALL {
        run.last_finished = Some(Timestamp(6));
        run.last_success = Some(Timestamp(7));
        run.last_result = Some(TaskResult {
            ending,
            text: ending.as_str().to_owned(),
        });
        catalog
            .change(|change| {
                change.set_task("full", &fresh)?;
                change.set_task("prune", &fresh)?;
                change.set_task("prune", &run)
            })
            .unwrap();
        let again = Catalog::open(&dir.path().join("catalog.db")).unwrap();
        assert_eq!(again.task("full").unwrap().as_ref(), Some(&fresh));
        assert_eq!(again.task("verify").unwrap(), None);
        let both = [("full", fresh.clone()), ("prune", run.clone())];
        let both = both.map(|(name, record)| (name.to_owned(), record));
        assert_eq!(again.tasks().unwrap(), BTreeMap::from(both));
    }
    assert!(!run.is_open());
    catalog
        .connection
        .execute_batch("UPDATE task SET ending = 9 WHERE name = 'prune'")
        .unwrap();
    assert!(matches!(
        catalog.task("prune").err(),
        Some(CatalogError::Corrupt)
    ));
}

fn snapshot(number: u64) -> Snapshot {
    Snapshot {
        id: SnapshotId { inc: INC, number },
        kind: if number == 1 {
            SnapshotKind::Full
        } else {
            SnapshotKind::Incremental
        },
        base: 1,
        started: Timestamp(10),
        finished: Timestamp(20),
        customers: 3,
        stored_bytes: 4,
        hash: [number as u8; 32],
    }
}

#[test]
fn snapshots_and_where_they_are() {
    let (_dir, mut catalog) = opened();
    let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
    catalog
        .change(|change| {
            change.add_snapshot(&snapshot(1))?;
            change.add_snapshot(&snapshot(2))?;
            change.set_complete(snapshot(1).id, &a, true)?;
            change.set_complete(snapshot(1).id, &b, true)?;
            change.set_complete(snapshot(1).id, &a, false)
        })
        .unwrap();
    assert_eq!(catalog.snapshots().unwrap(), [snapshot(1), snapshot(2)]);
    assert_eq!(
        catalog.complete().unwrap(),
        BTreeMap::from([(snapshot(1).id, vec![b])])
    );
}

#[test]
fn what_is_pruned_goes_with_all_that_was_known_of_it_but_its_hash() {
    let (_dir, mut catalog) = opened();
    let a = "a".parse().unwrap();
    let [first, second] = [1, 2].map(snapshot);
    catalog
        .change(|change| {
            for snapshot in [&first, &second] {
                change.add_snapshot(snapshot)?;
                change.set_complete(snapshot.id, &a, true)?;
                change.set_verified(snapshot.id, Timestamp(5))?;
                change.set_own_rows(snapshot.id, &[own_rows(1, snapshot.id)])?;
            }
            Ok::<_, CatalogError>(())
        })
        .unwrap();
    // Twice is as good as once, and a look that ends late brings nothing back.
    for _ in 0..2 {
        catalog.change(|change| change.prune(first.id)).unwrap();
        let late = |change: &Change<'_>| change.set_verified(first.id, Timestamp(6));
        catalog.change(late).unwrap();
    }
    assert_eq!(
        catalog.pruned(INC).unwrap(),
        BTreeMap::from([(1, first.hash)])
    );
    assert_eq!(
        catalog.verified(INC).unwrap(),
        BTreeMap::from([(2, Timestamp(5))])
    );
    assert_eq!(catalog.complete().unwrap().len(), 1);
    assert_eq!(catalog.snapshots().unwrap(), std::slice::from_ref(&second));
    assert_eq!(catalog.own_rows().unwrap(), [own_rows(1, second.id)]);
    catalog.change(|change| change.prune(second.id)).unwrap();
    assert!(catalog.own_rows().unwrap().is_empty());
    let other = Incarnation([3; 8]);
    assert!(catalog.pruned(other).unwrap().is_empty());
    assert!(catalog.verified(other).unwrap().is_empty());
}

fn own_rows(arrival: u32, newest: SnapshotId) -> OwnRows {
    OwnRows {
        domain: Domain {
            inc: INC,
            class: Class::OWN,
            arrival,
        },
        source: "crm".to_owned(),
        table: format!("t{arrival}"),
        newest,
    }
}

#[test]
fn of_each_tables_own_domain_the_newest_snapshot_that_has_rows_is_told() {
    let (_dir, mut catalog) = opened();
    let [first, second] = [1, 2].map(snapshot);
    catalog
        .change(|change| {
            for snapshot in [&first, &second] {
                change.add_snapshot(snapshot)?;
            }
            let of_first = [own_rows(1, first.id), own_rows(2, first.id)];
            change.set_own_rows(first.id, &of_first)
        })
        .unwrap();
    assert_eq!(catalog.without_own_rows().unwrap(), [second.id]);
    let set = |change: &Change<'_>| change.set_own_rows(second.id, &[own_rows(2, second.id)]);
    catalog.change(set).unwrap();
    assert!(catalog.without_own_rows().unwrap().is_empty());
    let expected = [own_rows(1, first.id), own_rows(2, second.id)];
    assert_eq!(catalog.own_rows().unwrap(), expected);
}

#[test]
fn many_customers_are_found_by_key_like_few() {
    let (_dir, mut catalog) = opened();
    let indexes = |catalog: &Catalog| -> i64 {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'customer_key'";
        let count = catalog.connection.query_row(sql, [], |row| row.get(0));
        count.unwrap()
    };
    let add = |change: &Change<'_>| {
        (0..50).try_for_each(|arrival| {
            let key = KeyedHash([arrival as u8; 16]);
            change.add_customer(&person(arrival).0, &key)
        })
    };
    let failed = catalog.change(|change| {
        change.add_many(|| {
            add(change)?;
            Err(CatalogError::Corrupt)
        })
    });
    assert!(failed.is_err());
    assert_eq!(indexes(&catalog), 1);
    let many = |change: &Change<'_>| change.add_many(|| add(change));
    catalog.change(many).unwrap();
    assert_eq!(indexes(&catalog), 1);
    let found = catalog.customers_by_key(&KeyedHash([37; 16])).unwrap();
    assert!(found == [person(37).0]);
    for _ in 0..2 {
        catalog.drop_key_index().unwrap();
        assert_eq!(indexes(&catalog), 0);
    }
    let one = |change: &Change<'_>| change.add_customer(&person(60).0, &KeyedHash([60; 16]));
    catalog
        .change(|change| change.add_many(|| one(change)))
        .unwrap();
    assert_eq!(indexes(&catalog), 0);
    for _ in 0..2 {
        catalog.make_key_index().unwrap();
        assert_eq!(indexes(&catalog), 1);
    }
}

#[test]
fn what_lies_at_the_disk_is_told_from_what_lies_in_the_catalog() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("catalog.db")).unwrap();
    let error = Catalog::open(&dir.path().join("catalog.db")).err().unwrap();
    assert!(
        error.hint().unwrap().contains("look at the disk"),
        "{error:?}"
    );
    assert!(!error.is_damage());
    assert_eq!(CatalogError::Exhausted.hint(), None);
}
