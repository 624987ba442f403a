//! Compares two copies of the sample CRM row by row, by SQLite alone.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Failure, Outcome};

/// The tables whose rows belong to customers, and how: what a customer's rows are, by one number.
const OWNED: [(&str, &str); 4] = [
    ("customers", "id = ?1"),
    ("orders", "customer_id = ?1"),
    (
        "order_items",
        "order_id IN (SELECT id FROM orders WHERE customer_id = ?1)",
    ),
    ("notes", "customer_id = ?1"),
];

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> Failure {
    move |error| Failure::new(format!("cannot read {}", path.display())).because(error)
}

fn open(path: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(failed(path))
}

/// How many rows a customer has.
pub fn rows_of(path: &Path, customer: i64) -> Outcome<u64> {
    let connection = open(path)?;
    let mut rows = 0;
    for (table, whose) in OWNED {
        let sql = format!("SELECT count(*) FROM {table} WHERE {whose}");
        let count: i64 = connection
            .query_row(&sql, [customer], |row| row.get(0))
            .map_err(failed(path))?;
        rows += count.unsigned_abs();
    }
    Ok(rows)
}

/// That `after` has the same schema and the same rows as `before`; or, with somebody gone, the same
/// but for that customer's rows, and NULL where others referred to that customer.
pub fn same(before: &Path, after: &Path, gone: Option<i64>) -> Outcome<()> {
    let (a, b) = (open(before)?, open(after)?);
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema
                  WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    same_rows(&a, &b, schema, schema).map_err(|why| differs(after, "the schema", &why))?;
    // No customer has the number 0, so with nobody gone nothing is left out.
    let gone = gone.unwrap_or(0);
    for table in [
        "customers",
        "orders",
        "order_items",
        "notes",
        "country",
        "product",
    ] {
        let expected = expected(table, gone);
        let all = format!("SELECT * FROM {table} ORDER BY 1, 2");
        same_rows(&a, &b, &expected, &all).map_err(|why| differs(after, table, &why))?;
    }
    Ok(())
}

fn differs(path: &Path, what: &str, why: &str) -> Failure {
    Failure::new(format!(
        "{} is not as it was: {what}: {why}",
        path.display()
    ))
}

/// The rows of a table that should have come back.
fn expected(table: &str, gone: i64) -> String {
    let columns = match table {
        "customers" => format!(
            "id, name, email, phone, city, country_code, created_at, last_contact_at,
             nullif(referred_by, {gone}), hidden"
        ),
        "notes" => format!("id, customer_id, written_at, author, body, nullif(mentions, {gone})"),
        _ => "*".to_owned(),
    };
    let whose = OWNED.iter().find(|(name, _)| *name == table);
    let whose = whose.map_or("0".to_owned(), |(_, whose)| {
        whose.replace("?1", &gone.to_string())
    });
    format!("SELECT {columns} FROM {table} WHERE NOT ({whose}) ORDER BY 1, 2")
}

fn same_rows(a: &Connection, b: &Connection, of_a: &str, of_b: &str) -> Result<(), String> {
    let told = |error: rusqlite::Error| error.to_string();
    let (mut a, mut b) = (
        a.prepare(of_a).map_err(told)?,
        b.prepare(of_b).map_err(told)?,
    );
    let width = a.column_count();
    if b.column_count() != width {
        return Err("it has other columns".into());
    }
    let (mut a, mut b) = (a.query([]).map_err(told)?, b.query([]).map_err(told)?);
    for number in 1_u64.. {
        match (a.next().map_err(told)?, b.next().map_err(told)?) {
            (None, None) => break,
            (Some(a), Some(b)) => {
                for column in 0..width {
                    let a: Value = a.get(column).map_err(told)?;
                    let b: Value = b.get(column).map_err(told)?;
                    if a != b {
                        return Err(format!("row {number} differs in column {}", column + 1));
                    }
                }
            }
            (Some(_), None) => return Err(format!("row {number} is missing")),
            (None, Some(_)) => return Err(format!("row {number} is one too many")),
        }
    }
    Ok(())
}
