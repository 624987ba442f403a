//! The sample CRM, live: customers go from its files to the last byte, and one comes back.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tenure::demo::crm::Crm;
use tenure::schema::Table;
use tenure::source::sqlite::{Database, Erasing, Live, SavedRow, SqliteError};
use tenure::source::{By, Owner, OwnsRule, RegisterRule, Rules};
use tenure::value::{CustomerKey, Value, ValueRef};

const FOR_REAL: Erasing = Erasing::ForReal { vacuum: false };

fn rules() -> Rules {
    Rules {
        source: "crm".parse().unwrap(),
        register: Some(RegisterRule {
            table: "customers".into(),
            key: vec!["id".into()],
            since: None,
            name: None,
        }),
        shared: vec!["country".into(), "product".into()],
        owns: vec![OwnsRule {
            table: "notes".into(),
            by: Some(By::Key(vec!["customer_id".into()])),
            filter: None,
            class: None,
            also: Some("mentions".into()),
        }],
    }
}

fn id(number: i64) -> CustomerKey {
    CustomerKey(vec![Value::Int(number)])
}

/// All rows of the database, or those of one customer.
fn rows(path: &Path, of: Option<i64>) -> (Vec<Table>, Vec<SavedRow>) {
    let db = Database::open(path, &rules()).unwrap();
    let mut rows = Vec::new();
    for table in 0..db.schema().tables.len() {
        db.rows::<SqliteError>(table, &mut |row| {
            let theirs = |id: i64| row.owner == Owner::Customer(ValueRef::Int(id));
            if of.is_none_or(theirs) {
                rows.push(SavedRow {
                    table,
                    rowid: row.rowid,
                    cells: row.cells.iter().map(|cell| cell.to_value()).collect(),
                });
            }
            Ok(())
        })
        .unwrap();
    }
    (db.schema().tables.clone(), rows)
}

/// How many of the words stand in the database's files, as another process reads them.
fn found(path: &Path, words: &[(i64, String)]) -> usize {
    let read = |suffix: &str| {
        let file = format!("{}{suffix}", path.display());
        Command::new("cat").arg(file).output().unwrap().stdout
    };
    let bytes = [read(""), read("-wal"), read("-journal")].concat();
    let stands = |word: &str| {
        bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes())
    };
    words.iter().filter(|(_, word)| stands(word)).count()
}

#[test]
fn the_sample_crm_loses_customers_to_the_last_byte_and_gets_one_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("crm.db");
    let mut crm = Crm::create(&path, 300, 7).unwrap();
    let app = |sql: &str| crm.connection().execute_batch(sql).unwrap();
    app("PRAGMA journal_mode = WAL");
    for day in 0..3 {
        crm.a_day_of_changes(day).unwrap();
    }
    let lonely = "SELECT id FROM customers AS c WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = c.id) \
                  AND id NOT IN (SELECT mentions FROM notes WHERE mentions IS NOT NULL) \
                  AND id NOT IN (SELECT referred_by FROM customers WHERE referred_by IS NOT NULL) LIMIT 1";
    let lonely: i64 = crm
        .connection()
        .query_row(lonely, [], |row| row.get(0))
        .unwrap();
    let (_, before) = rows(&path, None);
    let (tables, saved) = rows(&path, Some(lonely));
    let mut live = Live::open(&path, &rules()).unwrap();
    live.erase(&[id(lonely)], FOR_REAL).unwrap();
    assert_eq!(rows(&path, None).1.len(), before.len() - saved.len());
    live.put(&[id(lonely)], &tables, &saved, false).unwrap();
    assert!(rows(&path, None).1 == before);

    let emails = "SELECT id, email FROM customers WHERE id % 10 = 3";
    let mut emails = crm.connection().prepare(emails).unwrap();
    let emails = emails.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let emails: Vec<(i64, String)> = emails.unwrap().map(Result::unwrap).collect();
    assert!(emails.len() >= 30);
    assert_eq!(found(&path, &emails), emails.len());
    let keys: Vec<CustomerKey> = emails.iter().map(|(number, _)| id(*number)).collect();
    live.erase(&keys, FOR_REAL).unwrap();
    assert_eq!(found(&path, &emails), 0);
    for problems in [
        "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
        "SELECT count(*) FROM pragma_foreign_key_check",
    ] {
        let found = crm
            .connection()
            .query_row(problems, [], |row| row.get::<_, i64>(0));
        assert_eq!(found.unwrap(), 0, "{problems}");
    }
}
