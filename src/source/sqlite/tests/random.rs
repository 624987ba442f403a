//! Rows of all storage classes, as chance will have them.

use proptest::prelude::*;
use rusqlite::types::{ToSqlOutput, ValueRef as Stored};

use super::*;

/// A value that binds itself as it is: not by the code that is tried here.
#[derive(Clone, Debug)]
enum Any {
    Null,
    Int(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl rusqlite::ToSql for Any {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => Stored::Null,
            Self::Int(i) => Stored::Integer(*i),
            Self::Real(r) => Stored::Real(*r),
            Self::Text(t) => Stored::Text(t),
            Self::Blob(b) => Stored::Blob(b),
        }))
    }
}

fn any_value() -> impl Strategy<Value = Any> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        Just(Any::Null),
        any::<i64>().prop_map(Any::Int),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), Just(1 << 53)].prop_map(Any::Int),
        any::<f64>()
            .prop_filter("NaN is NULL to SQLite", |r| !r.is_nan())
            .prop_map(Any::Real),
        prop_oneof![
            Just(-0.0),
            Just(f64::INFINITY),
            Just(1e300),
            Just(4.0),
            Just(5e-324)
        ]
        .prop_map(Any::Real),
        "\\PC*".prop_map(|text| Any::Text(text.into_bytes())),
        "[0-9.e+-]{0,8}".prop_map(|text| Any::Text(text.into_bytes())),
        bytes().prop_map(Any::Text),
        bytes().prop_map(Any::Blob),
    ]
}

const COLUMNS: [&str; 5] = ["plain", "n INTEGER", "r REAL", "t TEXT", "d DECIMAL(4, 2)"];

fn any_row() -> impl Strategy<Value = (i64, Vec<Any>)> {
    (
        any::<i64>(),
        prop::collection::vec(any_value(), COLUMNS.len()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_come_back_as_they_were(rows in prop::collection::vec(any_row(), 0..12), wide in any::<bool>()) {
        let columns = COLUMNS.join(", ");
        let (_dir, path) = database(&format!(
            "PRAGMA encoding = '{}'; CREATE TABLE c(id INTEGER PRIMARY KEY, {columns});
             CREATE TABLE o({columns}, c INT REFERENCES c);
             CREATE TABLE w(id INT, {columns}, PRIMARY KEY(id, plain)) WITHOUT ROWID;",
            if wide { "UTF-16le" } else { "UTF-8" },
        ));
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = OFF; BEGIN").unwrap();
        for (id, values) in &rows {
            // Bytes that are no UTF-8 become other text in UTF-16, on their way in.
            let with = |sql: &str| {
                let mut all: Vec<&dyn rusqlite::ToSql> = vec![id];
                all.extend(values.iter().map(|value| value as &dyn rusqlite::ToSql));
                conn.execute(sql, &all[..]).map(drop)
            };
            let _ = with("INSERT OR REPLACE INTO c VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
            let _ = with("INSERT OR REPLACE INTO o(rowid, plain, n, r, t, d, c) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1)");
            // NULL is refused in the primary key of this one.
            let _ = with("INSERT OR IGNORE INTO w VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        }
        conn.execute_batch("COMMIT").unwrap();
        let count = conn.query_row("SELECT count(*) FROM c", [], |row| row.get::<_, i64>(0)).unwrap();
        drop(conn);
        let distinct: std::collections::HashSet<i64> = rows.iter().map(|(id, _)| *id).collect();
        prop_assert_eq!(count, distinct.len() as i64);
        let rules = register("c", &["id"]);
        let db = open(&path, &rules);
        let at_home = owners(&db, "o");
        prop_assert_eq!(at_home, ask(&path, "SELECT c FROM o ORDER BY rowid"));
        drop(db);
        expect_exact(&path, &rules);
    }
}
