//! Values that tell apart: made of a number, in the shapes that a table's own SQL asks for.
//!
//! A CHECK that wants an address, a length or a pattern cannot be read here; but what it compares with
//! stands in it, and a value made of that is likely to be what it wants.

use super::sql::{Affinity, Literal, affinity};
use crate::value::Value;

/// The greatest length that is tried because a number in the SQL may be one.
const LONGEST: usize = 64;
/// First characters for where an index goes by them.
const FIRST: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Values for a column of this declared type that `number` makes, and that another number makes
/// others of. `words` are the literals of the table's SQL.
pub(super) fn shaped(declared: &str, number: u64, words: &[Literal]) -> Vec<Value> {
    let (texts, numbers) = (texts(number, words), numbers(number, words));
    let blobs = blobs(number, words);
    let order = match affinity(declared) {
        Affinity::Number => [numbers, texts, blobs],
        Affinity::Text => [texts, numbers, blobs],
        Affinity::Blob => [blobs, texts, numbers],
    };
    order.into_iter().flatten().collect()
}

fn texts(number: u64, words: &[Literal]) -> Vec<Value> {
    let mut all = vec![
        format!("erased-{number}@erased.invalid"),
        number.to_string(),
    ];
    for word in words {
        match word {
            Literal::Text(pattern) if pattern.contains(['%', '_']) => {
                all.push(like(pattern, &format!("erased-{number}"), 'x'));
                all.push(like(pattern, &number.to_string(), '0'));
            }
            Literal::Text(pattern) if pattern.contains(['*', '?', '[']) => {
                all.push(glob(pattern, number));
            }
            Literal::Text(_) => {}
            Literal::Int(length) => all.extend(of_length(number, *length)),
        }
    }
    all.push(format!("{{\"erased\":{number}}}"));
    let first = |at: u64| char::from(FIRST[((number + at) % FIRST.len() as u64) as usize]);
    all.extend((0..FIRST.len() as u64).map(|at| format!("{}{number}", first(at))));
    all.into_iter()
        .map(|text| Value::Text(text.into_bytes()))
        .collect()
}

/// What a LIKE pattern matches.
fn like(pattern: &str, many: &str, one: char) -> String {
    let mut out = String::new();
    for c in pattern.chars() {
        match c {
            '%' => out.push_str(many),
            '_' => out.push(one),
            c => out.push(c),
        }
    }
    out
}

/// What a GLOB pattern matches: its sets count like the digits of `number`.
fn glob(pattern: &str, number: u64) -> String {
    let (mut parts, mut rest) = (Vec::new(), pattern);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            // A bracket that comes first stands for itself.
            '[' => rest
                .chars()
                .skip(2)
                .position(|c| c == ']')
                .map_or(1, |at| at + 3),
            _ => 1,
        };
        let end = rest
            .char_indices()
            .nth(end)
            .map_or(rest.len(), |(at, _)| at);
        parts.push(&rest[..end]);
        rest = &rest[end..];
    }
    let mut left = number;
    let mut out = Vec::new();
    for part in parts.into_iter().rev() {
        let set = match part {
            "*" => {
                out.push(number.to_string());
                continue;
            }
            "?" => FIRST[..10].iter().map(|digit| char::from(*digit)).collect(),
            part if part.len() > 2 && part.starts_with('[') => set(&part[1..part.len() - 1]),
            part => part.chars().collect(),
        };
        let size = set.len().max(1) as u64;
        out.extend(set.get((left % size) as usize).map(char::to_string));
        left /= size;
    }
    out.into_iter().rev().collect()
}

/// The characters of a GLOB set, without its brackets; some, where it is long.
fn set(inner: &str) -> Vec<char> {
    if let Some(refused) = inner.strip_prefix('^') {
        let refused = set(refused);
        let free = FIRST
            .iter()
            .map(|c| char::from(*c))
            .chain("ABCDEF-".chars());
        return free.filter(|c| !refused.contains(c)).collect();
    }
    let chars: Vec<char> = inner.chars().collect();
    let (mut all, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some('-'), Some(last)) => {
                all.extend((chars[at]..=*last).take(LONGEST));
                at += 3;
            }
            _ => {
                all.push(chars[at]);
                at += 1;
            }
        }
    }
    all
}

/// Digits and letters of just this length, counting up and down.
fn of_length(number: u64, length: i64) -> Vec<String> {
    let Some(length) = usize::try_from(length)
        .ok()
        .filter(|l| (1..=LONGEST).contains(l))
    else {
        return Vec::new();
    };
    let up = format!("{number:0length$}");
    let down = up
        .bytes()
        .map(|digit| char::from(b'0' + b'9' - digit))
        .collect();
    let (mut letters, mut left) = (vec![b'A'; length], number);
    for letter in letters.iter_mut().rev() {
        *letter += (left % 26) as u8;
        left /= 26;
    }
    let letters = letters.into_iter().map(char::from).collect();
    let fits = |text: &String| text.len() == length;
    [up, down, letters].into_iter().filter(fits).collect()
}

fn numbers(number: u64, words: &[Literal]) -> Vec<Value> {
    let number = (number % (1 << 62)).cast_signed();
    let mut all = vec![Some(number), Some(-number)];
    for word in words {
        let Literal::Int(word) = word else { continue };
        all.extend([word.checked_add(number), word.checked_sub(number)]);
        // The least and the greatest of so many digits.
        let power = |digits: i64| 10_i64.checked_pow(u32::try_from(digits).ok()?);
        if *word > 0 {
            all.push(power(word - 1).and_then(|least| least.checked_add(number)));
            all.push(power(*word).and_then(|beyond| beyond.checked_sub(number)));
        }
    }
    let mut all: Vec<Value> = all.into_iter().flatten().map(Value::Int).collect();
    all.push(Value::Real(number as f64 + 0.5));
    all
}

fn blobs(number: u64, words: &[Literal]) -> Vec<Value> {
    let bytes = number.to_be_bytes();
    let mut all = vec![bytes.to_vec()];
    for word in words {
        let length = match word {
            Literal::Int(length) => usize::try_from(*length).unwrap_or(0),
            Literal::Text(_) => 0,
        };
        if (1..=LONGEST).contains(&length) {
            let padded = [&[0; LONGEST][..], &bytes].concat();
            all.push(padded[padded.len() - length..].to_vec());
        }
    }
    let first = |at: u64| (((number + at) % 16) << 4) as u8;
    all.extend((0..16).map(|at| [&[first(at)][..], &bytes].concat()));
    all.into_iter().map(Value::Blob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled_so_that_numbers_tell_apart() {
        assert_eq!(like("%_@%", "7", '0'), "70@7");
        assert_eq!(glob("+[0-9][0-9]-*", 12), "+12-12");
        assert_eq!(glob("[A-C]?[^a-z0-9]", 0), "A0A");
        assert_eq!(glob("[]x][", 1), "x[");
        assert_eq!(glob("é[äö]", 1), "éö");
    }

    #[test]
    fn lengths_are_met_exactly_or_not_at_all() {
        assert_eq!(of_length(7, 4), ["0007", "9992", "AAAH"]);
        assert_eq!(of_length(12, 1), ["M"]);
        assert_eq!(of_length(1, 0), Vec::<String>::new());
        assert_eq!(of_length(1, 1 << 40), Vec::<String>::new());
    }

    #[test]
    fn other_numbers_make_other_values() {
        let words = [Literal::Text("%@%".into()), Literal::Int(4)];
        for declared in ["TEXT", "INT", "BLOB", ""] {
            let (one, two) = (shaped(declared, 1, &words), shaped(declared, 2, &words));
            assert_eq!(one.len(), two.len());
            assert!(one.iter().zip(&two).all(|(one, two)| one != two));
        }
    }
}
