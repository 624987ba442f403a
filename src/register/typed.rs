//! What a key can mean that a person has typed: the way back from
//! [`CustomerKey::text`](crate::value::CustomerKey::text).

use crate::value::{CustomerKey, Value};

/// No key that anybody types has more meanings; one made of commas would.
const MOST: usize = 256;

/// All keys of `columns` columns that `text` can mean.
pub(super) fn keys(text: &str, columns: usize) -> Vec<CustomerKey> {
    let mut found = Vec::new();
    extend(&mut found, &mut Vec::new(), text, columns);
    found
}

/// Adds all keys that begin with `head` and go on with what `rest` can mean.
fn extend(found: &mut Vec<CustomerKey>, head: &mut Vec<Value>, rest: &str, columns: usize) {
    if head.len() + 1 >= columns {
        for last in values(rest) {
            if found.len() < MOST {
                head.push(last);
                found.push(CustomerKey(head.clone()));
                head.pop();
            }
        }
        return;
    }
    // A text in a composite key may hold commas itself: each may be the one that ends the column.
    for (comma, _) in rest.match_indices(',') {
        if found.len() >= MOST {
            return;
        }
        for value in values(&rest[..comma]) {
            head.push(value);
            extend(found, head, &rest[comma + 1..], columns);
            head.pop();
        }
    }
}

/// What one column's text can mean. A number counts only as it is printed: `007` is a text.
fn values(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let int = text
        .parse::<i64>()
        .ok()
        .filter(|int| int.to_string() == text);
    values.extend(int.map(Value::Int));
    let real = text
        .parse::<f64>()
        .ok()
        .filter(|real| format!("{real:?}") == text);
    values.extend(real.map(Value::Real));
    values.extend(blob(text).map(Value::Blob));
    values.push(Value::Text(text.as_bytes().to_vec()));
    values
}

/// `x'…'`.
fn blob(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .strip_prefix("x'")?
        .strip_suffix('\'')?
        .to_ascii_lowercase();
    if digits.len() % 2 != 0 || !digits.is_ascii() {
        return None;
    }
    let byte = |at: usize| crate::ids::unhex::<1>(&digits[at..at + 2]).map(|[byte]| byte);
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_among_what_its_text_can_mean() {
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        let keys_of = [
            vec![Value::Int(-7)],
            vec![text("7")],
            vec![text("")],
            vec![Value::Real(1.5)],
            vec![Value::Real(2.0)],
            vec![Value::Blob(vec![0, 0xab])],
            vec![text("x'0")],
            vec![Value::Int(1), text("a")],
            vec![text("Smith, John"), Value::Int(3)],
            vec![text(","), text(","), Value::Int(3)],
        ];
        for key in keys_of {
            let (columns, key) = (key.len(), CustomerKey(key));
            let meant = keys(&key.text(), columns);
            assert!(meant.contains(&key), "{}", key.text());
            assert!(
                meant.iter().all(|meant| meant.text() == key.text()),
                "{}",
                key.text()
            );
        }
    }

    #[test]
    fn a_number_that_is_not_printed_so_is_a_text() {
        for typed in ["007", "+7", "1e0", " 7", "nan"] {
            assert_eq!(
                keys(typed, 1),
                [CustomerKey(vec![Value::Text(typed.into())])]
            );
        }
    }

    #[test]
    fn a_key_has_all_its_columns_and_not_endless_meanings() {
        assert!(keys("1", 2).is_empty());
        assert!(keys(&",".repeat(1000), 3).len() <= MOST);
    }
}
