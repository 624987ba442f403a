//! What a value that refers to the register means there.
//!
//! Keys compare with the affinity of the register's columns: in one of INTEGER a text of digits means the
//! number, in one of TEXT a number means its digits, and in one without a type neither means the other.

use super::error::SqliteError;
use super::read::Database;
use super::sql::{Affinity, affinity};
use crate::value::Value;

/// The affinities of the columns of the register's key.
#[derive(Clone, Debug)]
pub struct KeyForm(Vec<Affinity>);

impl KeyForm {
    /// The keys that values can mean, in the form in which the register holds them: likeliest first.
    pub fn keys(&self, values: Vec<Value>) -> Vec<Vec<Value>> {
        let forms = self.0.iter().copied();
        let forms = forms.chain(std::iter::repeat(Affinity::Blob));
        let mut all = vec![Vec::new()];
        for value in values.into_iter().zip(forms).map(formed) {
            let twin = twin(&value);
            let both = [Some(value), twin].into_iter().flatten();
            let more = |value: Value| {
                let longer = |key: &Vec<Value>| [&key[..], std::slice::from_ref(&value)].concat();
                all.iter().map(longer).collect::<Vec<_>>()
            };
            all = both.flat_map(more).collect();
        }
        all
    }
}

/// The same number in the other storage class, to which it is equal.
fn twin(value: &Value) -> Option<Value> {
    match *value {
        Value::Int(int) => Some(int as f64)
            .filter(|real| exact(*real) == Some(int))
            .map(Value::Real),
        Value::Real(real) => exact(real).map(Value::Int),
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
    exact(real).map_or(Value::Real(real), Value::Int)
}

/// The integer that is equal to a number.
fn exact(real: f64) -> Option<i64> {
    const END: f64 = (1_u64 << 63) as f64;
    let is_one = real.fract() == 0.0 && (-END..END).contains(&real);
    is_one.then_some(real as i64)
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
        let declared = "SELECT type FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE";
        let form = |name: &String| {
            let column = [&entry.name, name];
            let declared = self.conn.query_row(declared, column, |row| row.get(0));
            let declared: String = declared.map_err(SqliteError::reading("the schema"))?;
            Ok(match declared.eq_ignore_ascii_case("ANY") && !strict {
                true => Affinity::Number,
                false => affinity(&declared),
            })
        };
        let forms: Result<_, SqliteError> = key.iter().map(form).collect();
        Ok(Some(KeyForm(forms?)))
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
            "2", " 2", "2.0", "+2", "02", "x2", "", "2e0", "inf", "infinity", "nan", "2.", "0x2",
            "9.5", "9", "\t2", "\x0b2\n",
        ];
        let large = [
            "9007199254740992",
            "9007199254740993",
            "9.007199254740992e15",
            "1e16",
            "1e300",
            "9223372036854775807",
            "9223372036854775808",
        ];
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        let ints = [
            2,
            1 << 52,
            1 << 53,
            (1 << 53) + 1,
            i64::MAX,
            i64::MIN,
            10_i64.pow(16),
        ];
        let reals = [
            2.0,
            9.5,
            -0.5,
            1e16,
            4_503_599_627_370_496.0,
            9_007_199_254_740_992.0,
            9.3e18,
            i64::MIN as f64,
        ];
        let ints = ints.map(Value::Int).into_iter();
        let numbers: Vec<Value> = ints.chain(reals.map(Value::Real)).collect();
        let all = texts
            .iter()
            .chain(&large)
            .map(|t| text(t))
            .chain(numbers.clone());
        // How numbers of many digits are written as text is another matter.
        let few = texts.iter().map(|t| text(t)).chain([
            Value::Int(2),
            Value::Real(2.0),
            Value::Real(9.5),
        ]);
        let all: Vec<Value> = all.collect();
        let few: Vec<Value> = few.collect();
        for (declared, values) in [
            ("INTEGER", &all),
            ("TEXT", &few),
            ("", &all),
            ("REAL", &few),
        ] {
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
            for key in values {
                for value in values {
                    let held = form.keys(vec![key.clone()]).remove(0);
                    let means = form.keys(vec![value.clone()]).contains(&held);
                    assert_eq!(means, same(key, value), "{declared}: {key:?} {value:?}");
                }
            }
            conn.execute_batch("DROP TABLE k").unwrap();
        }
    }

    #[test]
    fn each_column_of_a_key_may_hold_a_number_in_either_class() {
        let form = KeyForm(vec![affinity("TEXT"), affinity("REAL"), affinity("")]);
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        let values = vec![Value::Int(7), Value::Real(8.0), Value::Int(9)];
        let keys = form.keys(values);
        let expected = [
            vec![text("7"), Value::Int(8), Value::Int(9)],
            vec![text("7"), Value::Real(8.0), Value::Int(9)],
            vec![text("7"), Value::Int(8), Value::Real(9.0)],
            vec![text("7"), Value::Real(8.0), Value::Real(9.0)],
        ];
        assert!(keys == expected);
    }
}
