//! What a value that refers to the register means there.
//!
//! Keys compare with the affinity of the register's columns: in one of INTEGER a text of digits means the
//! number, in one of TEXT a number means its digits, and in one without a type neither means the other.

use super::error::SqliteError;
use super::read::Database;
use super::sql::{Affinity, affinity, same};
use crate::value::Value;

/// The affinities of the columns of the register's key.
#[derive(Clone, Debug)]
pub struct KeyForm(Vec<Affinity>);

impl KeyForm {
    /// The keys that values can mean, in the form in which the register holds them.
    pub fn keys(&self, values: Vec<Value>) -> Vec<Vec<Value>> {
        let forms = self.0.iter().copied();
        let forms = forms.chain(std::iter::repeat(Affinity::Blob));
        let key: Vec<Value> = values.into_iter().zip(forms).map(formed).collect();
        let twin = match &key[..] {
            [value] => twin(value),
            _ => None,
        };
        let twin = twin.map(|twin| vec![twin]);
        [key].into_iter().chain(twin).collect()
    }
}

/// The same number in the other storage class, to which it is equal.
fn twin(value: &Value) -> Option<Value> {
    match *value {
        Value::Int(int) if int.unsigned_abs() < 1 << 53 => Some(Value::Real(int as f64)),
        Value::Real(real) => Some(whole(real)).filter(|whole| matches!(whole, Value::Int(_))),
        _ => None,
    }
}

fn formed((value, affinity): (Value, Affinity)) -> Value {
    match (affinity, value) {
        (Affinity::Number, Value::Text(text)) => number(&text).unwrap_or(Value::Text(text)),
        (Affinity::Number, Value::Real(real)) => whole(real),
        (Affinity::Text, Value::Int(int)) => Value::Text(int.to_string().into_bytes()),
        // So does SQLite write it, if it has not too many digits.
        (Affinity::Text, Value::Real(real)) => Value::Text(format!("{real:?}").into_bytes()),
        (_, value) => value,
    }
}

/// The number that a text is, if it is one.
fn number(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    if let Ok(int) = text.parse() {
        return Some(Value::Int(int));
    }
    // Rust has words for numbers that SQLite has none for.
    let sign = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let real = text.chars().all(sign).then(|| text.parse().ok())??;
    Some(whole(real))
}

/// A number without a fraction as an integer.
fn whole(real: f64) -> Value {
    match real.fract() == 0.0 && real.abs() < 9e15 {
        true => Value::Int(real as i64),
        false => Value::Real(real),
    }
}

impl Database {
    /// What a value that refers to the register means there; none if it is not here.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn key_form(&self) -> Result<Option<KeyForm>, SqliteError> {
        let Some((table, key)) = &self.plan.owners.register else {
            return Ok(None);
        };
        let entry = &self.schema.tables[*table];
        let strict = "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
        let strict = self
            .conn
            .query_row(strict, [&entry.name], |row| row.get::<_, bool>(0));
        let strict = strict.map_err(SqliteError::reading("the schema"))?;
        let columns = || entry.columns.iter().chain(&entry.rowid_alias);
        let form = |name: &String| {
            let column = columns().find(|column| same(&column.name, name));
            let declared = column.map_or("INTEGER", |column| column.declared.as_str());
            match declared.eq_ignore_ascii_case("ANY") && !strict {
                true => Affinity::Number,
                false => affinity(declared),
            }
        };
        Ok(Some(KeyForm(key.iter().map(form).collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sqlite::insert::Bound;

    #[test]
    fn values_mean_what_sqlite_compares_them_with() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let texts = [
            "2", " 2", "2.0", "+2", "02", "x2", "", "2e0", "inf", "2.", "0x2", "9.5",
        ];
        let texts = texts.map(|text| Value::Text(text.as_bytes().to_vec()));
        let numbers = [Value::Int(2), Value::Real(2.0), Value::Real(9.5)];
        let values: Vec<Value> = texts.into_iter().chain(numbers).collect();
        for declared in ["INTEGER", "TEXT", ""] {
            let form = KeyForm(vec![affinity(declared)]);
            conn.execute_batch(&format!("CREATE TABLE k(k {declared} NOT NULL, n INT)"))
                .unwrap();
            let same = |key: &Value, value: &Value| -> bool {
                conn.execute("DELETE FROM k", []).unwrap();
                let insert = "INSERT INTO k(k, n) VALUES (?1, 1)";
                conn.execute(insert, [Bound(key.as_ref())]).unwrap();
                let found = "SELECT count(*) FROM k WHERE k = ?1";
                let found = conn.query_row(found, [Bound(value.as_ref())], |row| row.get(0));
                found.unwrap()
            };
            for key in &values {
                for value in &values {
                    let held = form.keys(vec![key.clone()]).remove(0);
                    let means = form.keys(vec![value.clone()]).contains(&held);
                    assert_eq!(means, same(key, value), "{declared}: {key:?} {value:?}");
                }
            }
            conn.execute_batch("DROP TABLE k").unwrap();
        }
    }
}
