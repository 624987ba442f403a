use std::collections::BTreeMap;

use super::*;

const TABLES_OF_THE_CRM: [&str; 6] = [
    "country",
    "customers",
    "notes",
    "order_items",
    "orders",
    "product",
];

/// A hash for each table over every value of every row, in key order.
fn contents(db: &Connection) -> BTreeMap<&'static str, blake3::Hash> {
    let hash = |table: &str| {
        let mut all = blake3::Hasher::new();
        let mut rows = db
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))
            .unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                all.update(format!("{:?}", row.get_ref(column).unwrap()).as_bytes());
            }
        }
        all.finalize()
    };
    TABLES_OF_THE_CRM
        .into_iter()
        .map(|table| (table, hash(table)))
        .collect()
}

fn count(crm: &Crm, what: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {what}");
    crm.db
        .query_row(&sql, [], |row| row.get::<_, i64>(0))
        .unwrap() as u64
}

fn assert_sound(crm: &Crm) {
    assert_eq!(count(crm, "pragma_foreign_key_check"), 0);
    let verdict: String = crm
        .db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn one_seed_gives_one_content_and_another_gives_another() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, seed| {
        let mut crm = Crm::create(&dir.path().join(name), 300, seed).unwrap();
        let before = contents(&crm.db);
        let day = crm.a_day_of_changes(seed + 1).unwrap();
        (before, day, contents(&crm.db))
    };
    let (first, again, other) = (make("a", 7), make("b", 7), make("c", 8));
    assert_eq!(first, again);
    for table in ["customers", "notes", "order_items", "orders"] {
        assert_ne!(
            first.0[table], other.0[table],
            "{table} does not depend on the seed"
        );
        assert_ne!(
            first.0[table], first.2[table],
            "{table} had no change in a day"
        );
    }
    assert_eq!(first.0["product"], other.0["product"]);
}

#[test]
fn the_proportions_are_those_promised() {
    let dir = tempfile::tempdir().unwrap();
    let crm = Crm::create(&dir.path().join("crm.db"), 2000, 1).unwrap();
    assert_sound(&crm);
    assert_eq!(count(&crm, "customers"), 2000);
    assert_eq!(count(&crm, "orders"), 2000 * ORDERS_PER_CUSTOMER);
    assert_eq!(count(&crm, "notes"), 2000 * NOTES_PER_CUSTOMER);
    assert!((11_600..12_400).contains(&count(&crm, "order_items")));
    assert!((100..220).contains(&count(&crm, "customers WHERE referred_by IS NOT NULL")));
    assert!((50..150).contains(&count(&crm, "notes WHERE mentions IS NOT NULL")));
    assert_eq!(count(&crm, "(SELECT DISTINCT email FROM customers)"), 2000);
    let neighbours = "orders a JOIN orders b ON b.id = a.id + 1 AND b.customer_id = a.customer_id";
    assert!(
        count(&crm, neighbours) < 30,
        "the owners do not come in random order"
    );
    let bytes = std::fs::metadata(crm.path()).unwrap().len();
    assert!(
        (600..720).contains(&(bytes / 2000)),
        "{} bytes a customer",
        bytes / 2000
    );
}

#[test]
fn times_are_in_order_and_the_last_contact_is_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut crm = Crm::create(&dir.path().join("crm.db"), 500, 3).unwrap();
    for seed in 0..3 {
        crm.a_day_of_changes(seed).unwrap();
    }
    let unordered = "orders a JOIN orders b ON b.id > a.id AND b.ordered_at < a.ordered_at";
    assert_eq!(count(&crm, unordered), 0);
    let later = "orders JOIN customers ON customers.id = customer_id
                 WHERE ordered_at > last_contact_at";
    assert_eq!(count(&crm, later), 0);
    let odd = "customers WHERE last_contact_at < created_at
               OR datetime(created_at) IS NOT created_at
               OR datetime(last_contact_at) IS NOT last_contact_at";
    assert_eq!(count(&crm, odd), 0);
}

#[test]
fn a_day_touches_about_three_percent_and_tells_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let mut crm = Crm::create_with(&dir.path().join("crm.db"), 4000, 5, Journal::Wal).unwrap();
    let before = ["customers", "orders", "notes"].map(|table| count(&crm, table));
    let day = crm.a_day_of_changes(9).unwrap();
    assert_sound(&crm);
    assert!((100..150).contains(&day.touched), "{day:?}");
    let gone = day.deleted_customer.unwrap();
    assert_eq!(count(&crm, &format!("customers WHERE id = {gone}")), 0);
    assert_eq!(count(&crm, "customers"), before[0] + day.new_customers - 1);
    assert!(count(&crm, "orders") <= before[1] + day.new_orders - day.deleted_orders);
    assert!(count(&crm, "notes") <= before[2] + day.new_notes - day.deleted_notes);
    let Day {
        new_items,
        changed_orders,
        deleted_orders,
        edited_notes,
        moved_notes,
        ..
    } = day;
    for happened in [
        new_items,
        changed_orders,
        deleted_orders,
        edited_notes,
        moved_notes,
    ] {
        assert!(happened > 0, "{day:?}");
    }
}

#[test]
fn the_smallest_ones_work_too() {
    let dir = tempfile::tempdir().unwrap();
    for customers in [0, 1, 2, 7] {
        let path = dir.path().join(customers.to_string());
        let mut crm = Crm::create(&path, customers, 1).unwrap();
        for seed in 0..4 {
            crm.a_day_of_changes(seed).unwrap();
        }
        assert_sound(&crm);
    }
}

#[test]
fn an_existing_file_is_left_alone_and_a_missing_one_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crm.db");
    assert!(matches!(
        Crm::open(&path),
        Err(CrmError::Database { what: "open", .. })
    ));
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(
        Crm::create(&path, 1, 1),
        Err(CrmError::Create { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

/// How long a million takes and how large it is; run by hand in release.
#[test]
#[ignore = "takes a minute without optimisation and 670 MB"]
fn a_million() {
    let dir = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    let mut crm = Crm::create(&dir.path().join("crm.db"), 1_000_000, 1).unwrap();
    let took = began.elapsed().as_secs_f64();
    let rows: u64 = TABLES_OF_THE_CRM
        .iter()
        .map(|table| count(&crm, table))
        .sum();
    let bytes = std::fs::metadata(crm.path()).unwrap().len();
    println!(
        "{rows} rows, {bytes} bytes in {took:.1} s: {:.0} rows/s",
        rows as f64 / took
    );
    let began = std::time::Instant::now();
    let day = crm.a_day_of_changes(1).unwrap();
    println!("a day in {:.2} s: {day:?}", began.elapsed().as_secs_f64());
    assert!(rows > 10_900_000);
}
