//! The keys in use in one column of one table, and keys that are free.
//!
//! Rows that still wait count too. What must be looked up in whole is looked up once: there may be
//! as many tombstones as there are rows.

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension};

use super::insert::Bound;
use super::sql::{Affinity, affinity};
use crate::value::Value;

/// A column of a table that keys stand in: quoted names.
pub(super) struct Place {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
}

/// The keys of one column.
pub(super) struct KeySpace {
    /// Where they stand: in the table, and where its rows wait.
    places: Vec<Place>,
    class: Class,
    least: i64,
    greatest: i64,
    /// Columns that lead here, and the least and the greatest number in them.
    leading: Vec<Place>,
    held: (i64, i64),
}

enum Class {
    Number,
    Text,
    Blob,
}

impl KeySpace {
    /// Looks at the keys in `places`. Without any, `declared` suggests what they are like. New
    /// positive numbers are beyond `counter`, the highest that was given out as far as is known.
    pub(super) fn new(
        conn: &Connection,
        places: Vec<Place>,
        declared: &str,
        counter: i64,
    ) -> rusqlite::Result<Self> {
        let suggested = match affinity(declared) {
            Affinity::Text => Class::Text,
            Affinity::Blob if declared.to_ascii_uppercase().contains("BLOB") => Class::Blob,
            _ => Class::Number,
        };
        let mut space = Self {
            class: suggested,
            least: 0,
            greatest: counter.max(0),
            leading: Vec::new(),
            held: (i64::MAX, i64::MIN),
            places: Vec::new(),
        };
        for place in places {
            space.look(conn, &place)?;
            space.places.push(place);
        }
        Ok(space)
    }

    fn look(&mut self, conn: &Connection, Place { table, column }: &Place) -> rusqlite::Result<()> {
        let sql =
            format!("SELECT typeof({column}) FROM {table} WHERE {column} IS NOT NULL LIMIT 1");
        let class: Option<String> = conn.query_row(&sql, [], |row| row.get(0)).optional()?;
        self.class = match class.as_deref() {
            None => return Ok(()),
            Some("text") => Class::Text,
            Some("blob") => Class::Blob,
            Some(_) => Class::Number,
        };
        let sql = format!(
            "SELECT min({column}), max({column}) FROM {table} WHERE typeof({column}) IN ('integer', 'real')"
        );
        let number = |stored: Stored<'_>| match stored {
            Stored::Integer(i) => i,
            Stored::Real(r) => r as i64,
            _ => 0,
        };
        conn.query_row(&sql, [], |row| {
            self.least = self.least.min(number(row.get_ref(0)?));
            self.greatest = self.greatest.max(number(row.get_ref(1)?));
            Ok(())
        })
    }

    /// Keys that no row has, best first and never none: for numbers a negative one, made of `number` if that can
    /// be, then a positive one; for others the one that `number` makes, or one like it.
    pub(super) fn free(&self, conn: &Connection, number: u64) -> rusqlite::Result<Vec<Value>> {
        let make: fn(u64, u64) -> Value = match self.class {
            Class::Text => text_key,
            Class::Blob => blob_key,
            Class::Number => return self.free_numbers(conn, number),
        };
        let mut attempt = 1;
        while self.taken(conn, &make(number, attempt))? {
            attempt += 1;
        }
        Ok(vec![make(number, attempt)])
    }

    fn free_numbers(&self, conn: &Connection, number: u64) -> rusqlite::Result<Vec<Value>> {
        let wished = -((number % (1 << 62)).cast_signed()) - 1;
        let (below, above) = (self.least.checked_sub(1), self.greatest.checked_add(1));
        let mut free = Vec::new();
        for key in [Some(wished), below, above].into_iter().flatten() {
            let key = Value::Int(key);
            if !self.taken(conn, &key)? {
                free.push(key);
            }
        }
        let mut further = wished;
        while free.is_empty() {
            further = further.wrapping_sub(1 << 32);
            let key = Value::Int(further);
            if !self.taken(conn, &key)? {
                free.push(key);
            }
        }
        Ok(free)
    }

    /// Whether a row has this key.
    pub(super) fn taken(&self, conn: &Connection, key: &Value) -> rusqlite::Result<bool> {
        // What leads here has no index yet, and few keys that are asked for are between those that stand there.
        let between = matches!(key, Value::Int(key) if (self.held.0..=self.held.1).contains(key));
        let leading = self.leading.iter().filter(|_| between);
        for Place { table, column } in self.places.iter().chain(leading) {
            let sql = format!("SELECT 1 FROM {table} WHERE {column} = ?1 LIMIT 1");
            if conn.prepare_cached(&sql)?.exists([Bound(key.as_ref())])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps clear of what stands in a column that leads here: a number that nobody has may stand there for nobody.
    pub(super) fn keep_clear(&mut self, conn: &Connection, place: Place) -> rusqlite::Result<()> {
        let Place { table, column } = &place;
        let sql = format!(
            "SELECT min({column}), max({column}) FROM {table} WHERE typeof({column}) = 'integer'"
        );
        let held: (Option<i64>, Option<i64>) =
            conn.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let (Some(least), Some(greatest)) = held {
            self.held = (self.held.0.min(least), self.held.1.max(greatest));
            self.least = self.least.min(least);
            self.greatest = self.greatest.max(greatest);
            self.leading.push(place);
        }
        Ok(())
    }

    /// Takes note of a new key.
    pub(super) fn note(&mut self, key: &Value) {
        if let Value::Int(key) = *key {
            self.least = self.least.min(key);
            self.greatest = self.greatest.max(key);
        }
    }
}

fn text_key(number: u64, attempt: u64) -> Value {
    let more = match attempt {
        1 => String::new(),
        attempt => format!("-{attempt}"),
    };
    Value::Text(format!("erased-{number}{more}").into_bytes())
}

fn blob_key(number: u64, attempt: u64) -> Value {
    Value::Blob(
        [number, u64::MAX - attempt + 1]
            .map(u64::to_be_bytes)
            .concat(),
    )
}
