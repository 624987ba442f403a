//! Rows of erased customers whom the register does not hold any more.
//!
//! Such a row names nobody by its owner, and would be an orphan of its table: what was erased would be
//! backed up again. It is known by the erased customer's key, to which it leads, as long as nobody else
//! who is known holds that key.
//!
//! Nor does the register hold who has left it and was not erased. Their keys in rows of others still lead to them: should
//! they be erased one day, no snapshot may have kept them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Outcome;
use crate::ids::{Domain, KeyedHash};
use crate::piece::Identity;
use crate::repo::{Recogniser, Repository};
use crate::source::sqlite::{AskKnown, KeyForm, Known};
use crate::value::{CustomerKey, Value, ValueRef};

/// Knows the keys of the erased.
pub struct Dangling {
    forgotten: Arc<Forgotten>,
    /// Who has left the register, by the keys that they had there.
    departed: Arc<HashMap<KeyedHash, Domain>>,
    /// What was found of tokens that the register does not hold and somebody had who was erased, in its own source or
    /// in another.
    looked_up: HashMap<(bool, Value), Option<Domain>>,
    /// The keys of those whose rows, or whose keys in others' rows, were met.
    pub met: Vec<CustomerKey>,
}

/// The erased, by their keys.
struct Forgotten {
    recogniser: Recogniser,
    erased: HashMap<KeyedHash, Domain>,
    keys: HashMap<KeyedHash, Domain>,
    /// How many columns the register's key has.
    columns: usize,
}

impl Dangling {
    /// As the catalog has it.
    pub fn new(repository: &Repository) -> Outcome<Self> {
        Ok(Self {
            forgotten: Arc::new(Forgotten {
                recogniser: Recogniser::new(repository)?,
                erased: repository.catalog.erased()?,
                keys: repository.catalog.erased_keys()?,
                columns: repository
                    .config
                    .source(repository.config.register.as_str())
                    .and_then(|source| source.rules.register.as_ref())
                    .map_or(1, |rule| rule.key.len()),
            }),
            departed: Arc::default(),
            looked_up: HashMap::new(),
            met: Vec::new(),
        })
    }

    /// Takes in who has left the register, which has been read.
    pub fn see_departed(&mut self, repository: &Repository) -> Outcome<()> {
        self.departed = Arc::new(repository.catalog.departed()?);
        Ok(())
    }

    /// Whether anybody was erased, or has left the register, at all.
    pub fn knows_some(&self) -> bool {
        !self.forgotten.erased.is_empty() || !self.departed.is_empty()
    }

    /// Says of a token whether anybody was erased, or has left the register, who had the key that it means. Tokens
    /// of the register's own source have a `form`.
    pub fn is_known(&self, form: Option<KeyForm>) -> AskKnown {
        let (forgotten, departed) = (self.forgotten.clone(), self.departed.clone());
        Box::new(move |token| {
            let keys = keys(token, forgotten.columns, form.as_ref()).into_iter();
            let known = keys.map(|key| {
                let last = departed.get(&forgotten.recogniser.key(&key)).copied();
                match forgotten.domain(&key) {
                    Some(domain) if last < Some(domain) => Known::Erased,
                    _ if last.is_some() => Known::Living,
                    _ => Known::Nobody,
                }
            });
            known.max().unwrap_or(Known::Nobody)
        })
    }

    /// The domain of the erased customer whom a token means that the register does not hold.
    pub fn owner(
        &mut self,
        repository: &Repository,
        token: ValueRef<'_>,
        form: Option<&KeyForm>,
    ) -> Outcome<Option<Domain>> {
        if self.forgotten.erased.is_empty() {
            return Ok(None);
        }
        let asked = (form.is_some(), token.to_value());
        if let Some(found) = self.looked_up.get(&asked) {
            return Ok(*found);
        }
        let keys = keys(token, self.forgotten.columns, form).into_iter();
        // Most lead to somebody who never was in the register: that is quickly seen, and there may be millions.
        let known = keys.filter(|key| self.forgotten.domain(key).is_some());
        let known: Vec<CustomerKey> = known.collect();
        if known.is_empty() {
            return Ok(None);
        }
        let mut found = None;
        for key in known {
            if let Some(domain) = self.erased(repository, &key)? {
                found = Some(domain);
                if !self.met.contains(&key) {
                    self.met.push(key);
                }
                break;
            }
        }
        self.looked_up.insert(asked, found);
        Ok(found)
    }

    /// The domain of whom a token means who has left the register.
    pub fn departed(&self, token: ValueRef<'_>, form: Option<&KeyForm>) -> Option<Domain> {
        if self.departed.is_empty() {
            return None;
        }
        let keys = keys(token, self.forgotten.columns, form).into_iter();
        let mut hashes = keys.map(|key| self.forgotten.recogniser.key(&key));
        hashes.find_map(|hash| self.departed.get(&hash).copied())
    }

    /// The domain of the one living customer whom a token means, by what is known without the register.
    pub fn living(
        &self,
        repository: &Repository,
        token: ValueRef<'_>,
        form: Option<&KeyForm>,
    ) -> Outcome<Option<Domain>> {
        for key in keys(token, self.forgotten.columns, form) {
            let known = repository
                .catalog
                .customers_by_key(&self.forgotten.recogniser.key(&key))?;
            if let [one] = &known[..] {
                return Ok(Some(one.domain));
            }
        }
        Ok(None)
    }

    /// The domain of whoever had this key and was erased, unless it is another's by now. It is not that of somebody who had
    /// it earlier, and has left the register as well.
    fn erased(&self, repository: &Repository, key: &CustomerKey) -> Outcome<Option<Domain>> {
        let Some(domain) = self.forgotten.domain(key) else {
            return Ok(None);
        };
        let hash = self.forgotten.recogniser.key(key);
        let last = self.departed.get(&hash).filter(|last| **last < domain);
        let others = repository.catalog.customers_by_key(&hash)?;
        let free = others
            .iter()
            .all(|other| last.is_some_and(|last| other.domain <= *last));
        Ok(free.then_some(domain))
    }
}

impl Forgotten {
    /// The domain of whoever had this key and was erased.
    fn domain(&self, key: &CustomerKey) -> Option<Domain> {
        // Where nothing but the key tells who somebody is, those erased by older versions are known.
        let alone = || Identity {
            key: key.clone(),
            since: None,
        };
        let by_key = self.keys.get(&self.recogniser.key(key));
        let found = by_key.or_else(|| self.erased.get(&self.recogniser.who(&alone())));
        found.copied()
    }
}

/// The key of the register's row that has a token.
pub fn key_of(token: ValueRef<'_>, columns: usize) -> Option<CustomerKey> {
    values_of(token, columns).map(CustomerKey)
}

fn values_of(token: ValueRef<'_>, columns: usize) -> Option<Vec<Value>> {
    match columns {
        1 => Some(vec![token.to_value()]),
        _ => composite(token),
    }
}

/// The keys that a token can mean, in the register's own source if there is a `form`.
fn keys(token: ValueRef<'_>, columns: usize, form: Option<&KeyForm>) -> Vec<CustomerKey> {
    let Some(values) = values_of(token, columns) else {
        return Vec::new();
    };
    let all = match form {
        Some(form) => form.keys(values),
        None if columns > 1 => vec![values],
        None => {
            let others = token.other_forms().into_iter().map(|other| vec![other]);
            [values].into_iter().chain(others).collect()
        }
    };
    all.into_iter().map(CustomerKey).collect()
}

/// The key that a composite token was made of: SQL literals with commas between.
fn composite(token: ValueRef<'_>) -> Option<Vec<Value>> {
    let ValueRef::Text(mut rest) = token else {
        return None;
    };
    let mut values = Vec::new();
    loop {
        let (value, after) = literal(rest)?;
        values.push(value);
        match after {
            [] => return Some(values),
            [b',', after @ ..] => rest = after,
            _ => return None,
        }
    }
}

/// The first of several literals, and what follows it.
fn literal(sql: &[u8]) -> Option<(Value, &[u8])> {
    match sql {
        [b'\'', inner @ ..] => {
            let (mut text, mut rest) = (Vec::new(), inner);
            loop {
                match rest {
                    [b'\'', b'\'', after @ ..] => {
                        text.push(b'\'');
                        rest = after;
                    }
                    [b'\'', after @ ..] => return Some((Value::Text(text), after)),
                    [byte, after @ ..] => {
                        text.push(*byte);
                        rest = after;
                    }
                    [] => return None,
                }
            }
        }
        [b'X', b'\'', inner @ ..] => {
            let end = inner.iter().position(|byte| *byte == b'\'')?;
            let pairs = inner[..end].as_chunks::<2>().0.iter();
            let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
            Some((
                Value::Blob(pairs.map(byte).collect::<Option<_>>()?),
                &inner[end + 1..],
            ))
        }
        _ => {
            let end = sql
                .iter()
                .position(|byte| *byte == b',')
                .unwrap_or(sql.len());
            let text = str::from_utf8(&sql[..end]).ok()?;
            let value = match text.parse() {
                Ok(int) => Value::Int(int),
                Err(_) => Value::Real(text.parse().ok()?),
            };
            Some((value, &sql[end..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_token_is_taken_apart_as_it_was_put_together() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let sql = "SELECT quote(-7) || ',' || quote('it''s, x') || ',' || quote(x'00ff') || ',' || quote(2.5)";
        let token: String = conn.query_row(sql, [], |row| row.get(0)).unwrap();
        let key = composite(ValueRef::Text(token.as_bytes())).unwrap();
        let expected = [
            Value::Int(-7),
            Value::Text(b"it's, x".to_vec()),
            Value::Blob(vec![0, 255]),
            Value::Real(2.5),
        ];
        assert!(key == expected);
        for token in ["", "1,", "'a", "x", "X'0", "'a'b"] {
            assert!(
                composite(ValueRef::Text(token.as_bytes())).is_none(),
                "{token}"
            );
        }
    }

    #[test]
    fn a_token_means_a_key_as_text_or_as_a_number() {
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        let means = |token: &Value, columns, expected: &[&[Value]]| {
            let found = keys(token.as_ref(), columns, None);
            assert!(
                found
                    .iter()
                    .map(|key| &key.0[..])
                    .eq(expected.iter().copied())
            );
        };
        let (int, real) = (Value::Int, Value::Real);
        means(&int(-7), 1, &[&[int(-7)], &[text("-7")], &[real(-7.0)]]);
        means(&text("7"), 1, &[&[text("7")], &[int(7)], &[real(7.0)]]);
        means(&real(7.0), 1, &[&[real(7.0)], &[int(7)], &[text("7")]]);
        means(&real(7.5), 1, &[&[real(7.5)]]);
        means(
            &int(1 << 60),
            1,
            &[&[int(1 << 60)], &[text("1152921504606846976")]],
        );
        let edge = 9_007_199_254_740_992;
        means(
            &int(edge - 1),
            1,
            &[
                &[int(edge - 1)],
                &[text("9007199254740991")],
                &[real(9_007_199_254_740_991.0)],
            ],
        );
        means(&int(edge), 1, &[&[int(edge)], &[text("9007199254740992")]]);
        means(
            &int(-edge - 1),
            1,
            &[&[int(-edge - 1)], &[text("-9007199254740993")]],
        );
        means(
            &real(9_007_199_254_740_992.0),
            1,
            &[&[real(9_007_199_254_740_992.0)]],
        );
        means(&real(f64::INFINITY), 1, &[&[real(f64::INFINITY)]]);
        for other in ["07", "+7", "7 ", "-0", ""] {
            means(&text(other), 1, &[&[text(other)]]);
        }
        means(&text("1,2"), 1, &[&[text("1,2")]]);
        means(&Value::Blob(vec![55]), 1, &[&[Value::Blob(vec![55])]]);
        means(&text("1,'2'"), 2, &[&[Value::Int(1), text("2")]]);
        means(&Value::Int(1), 2, &[]);
    }
}
