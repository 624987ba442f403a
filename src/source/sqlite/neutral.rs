//! Values that say nothing: free keys, and what to put where NULL is refused.
//!
//! Which value a CHECK would like is found by trying. The tries draw on the schema's own text, and
//! never on other rows: what stands there may be a customer's.

use std::collections::HashSet;

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension};

use super::build::{Bound, is_constraint, unchecked};
use super::sql::{Affinity, Literal, affinity, quote};
use crate::schema::{Column, ParentColumn};
use crate::value::Value;

/// What may be put into a column.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// This.
    Value(Value),
    /// What the schema says where nothing is said.
    Default,
}

/// A column of a neutral row with all that may be put into it, best first and never nothing.
pub(super) struct Slot {
    /// Where it is kept.
    pub column: ParentColumn,
    /// Its name, quoted.
    pub name: String,
    /// What may be put into it.
    pub choices: Vec<Choice>,
}

/// Values for the key column `column` of `table` that none of its rows has, best first: of the
/// class that its keys have, or without any rows, of the class that its type suggests. Positive ones
/// are beyond `counter`, the highest that was ever given out, as far as that is known.
pub(super) fn free_keys(
    conn: &Connection,
    table: &str,
    column: &Column,
    counter: i64,
    number: u64,
) -> rusqlite::Result<Vec<Value>> {
    let (table, name) = (quote(table), quote(&column.name));
    let sql = format!("SELECT typeof({name}) FROM {table} WHERE {name} IS NOT NULL LIMIT 1");
    let class: Option<String> = conn.query_row(&sql, [], |row| row.get(0)).optional()?;
    let suggested = match affinity(&column.declared) {
        Affinity::Text => "text",
        Affinity::Blob if column.declared.to_ascii_uppercase().contains("BLOB") => "blob",
        _ => "integer",
    };
    let sql = format!("SELECT 1 FROM {table} WHERE {name} = ?1 LIMIT 1");
    let taken = |value: &Value| conn.prepare_cached(&sql)?.exists([Bound(value.as_ref())]);
    match class.as_deref().unwrap_or(suggested) {
        "text" => first_free(taken, |attempt| {
            let more = match attempt {
                1 => String::new(),
                attempt => format!("-{attempt}"),
            };
            Value::Text(format!("erased-{number}{more}").into_bytes())
        }),
        "blob" => first_free(taken, |attempt| {
            let halves = [number, u64::MAX - attempt + 1].map(u64::to_be_bytes);
            Value::Blob(halves.concat())
        }),
        _ => {
            let wished = -((number % (1 << 62)).cast_signed()) - 1;
            let (least, greatest) = bounds(conn, &table, &name)?;
            let below = least.min(0).checked_sub(1);
            let above = greatest.max(counter).checked_add(1);
            let all = [Some(wished), below, above];
            let mut free = Vec::new();
            for value in all.into_iter().flatten().map(Value::Int) {
                if !taken(&value)? {
                    free.push(value);
                }
            }
            Ok(free)
        }
    }
}

fn first_free(
    taken: impl Fn(&Value) -> rusqlite::Result<bool>,
    make: impl Fn(u64) -> Value,
) -> rusqlite::Result<Vec<Value>> {
    let mut attempt = 1;
    while taken(&make(attempt))? {
        attempt += 1;
    }
    Ok(vec![make(attempt)])
}

/// The least and the greatest number in a column.
fn bounds(conn: &Connection, table: &str, column: &str) -> rusqlite::Result<(i64, i64)> {
    let sql = format!(
        "SELECT min({column}), max({column}) FROM {table} WHERE typeof({column}) IN ('integer', 'real')"
    );
    let number = |stored: Stored<'_>| match stored {
        Stored::Integer(i) => i,
        Stored::Real(r) => r as i64,
        _ => 0,
    };
    conn.query_row(&sql, [], |row| {
        Ok((number(row.get_ref(0)?), number(row.get_ref(1)?)))
    })
}

/// What may stand in a column that is to say nothing. `words` are the literals of the table's own
/// SQL, among which a CHECK may want one.
pub(super) fn neutral(
    column: &Column,
    has_default: bool,
    number: u64,
    words: &[Literal],
) -> Vec<Choice> {
    let text = |text: &str| Value::Text(text.as_bytes().to_vec());
    let declared = column.declared.to_ascii_uppercase();
    let first = match affinity(&declared) {
        _ if declared.contains("DATE") || declared.contains("TIMESTAMP") => text("1970-01-01"),
        Affinity::Text => text(""),
        Affinity::Number => Value::Int(0),
        Affinity::Blob => Value::Blob(Vec::new()),
    };
    let mut values = vec![
        first,
        text(""),
        text("-"),
        text(&format!("erased-{number}")),
        Value::Int(0),
        Value::Int(1),
        text("1970-01-01"),
        Value::Blob(Vec::new()),
    ];
    values.extend(words.iter().map(|word| match word {
        Literal::Text(word) => text(word),
        Literal::Int(number) => Value::Int(*number),
    }));
    let null = (!column.not_null).then_some(Choice::Value(Value::Null));
    let default = has_default.then_some(Choice::Default);
    let values = values.into_iter().map(Choice::Value);
    null.into_iter().chain(default).chain(values).collect()
}

/// Inserts a neutral row and says which choice each slot came to, and whether all CHECKs hold.
///
/// Each refusal names a constraint; a change of one column that meets another refusal than those
/// before is progress, and is kept. What no choice satisfies goes in with the first ones, unchecked.
pub(super) fn try_all(
    conn: &Connection,
    table: &str,
    slots: &[Slot],
) -> rusqlite::Result<(Vec<usize>, bool)> {
    let mut chosen = vec![0; slots.len()];
    let mut seen = HashSet::new();
    match refusal(run(conn, table, slots, &chosen))? {
        None => return Ok((chosen, true)),
        Some(refusal) => seen.insert(refusal),
    };
    'progress: loop {
        for (at, slot) in slots.iter().enumerate() {
            let before = chosen[at];
            for choice in (0..slot.choices.len()).filter(|choice| *choice != before) {
                chosen[at] = choice;
                match refusal(run(conn, table, slots, &chosen))? {
                    None => return Ok((chosen, true)),
                    Some(refusal) if !seen.contains(&refusal) => {
                        seen.insert(refusal);
                        continue 'progress;
                    }
                    Some(_) => {}
                }
            }
            chosen[at] = before;
        }
        break;
    }
    let chosen = vec![0; slots.len()];
    unchecked(conn, || run(conn, table, slots, &chosen))?;
    Ok((chosen, false))
}

/// What SQLite said against a row; none if it took it.
fn refusal(result: rusqlite::Result<()>) -> rusqlite::Result<Option<String>> {
    match result {
        Ok(()) => Ok(None),
        Err(error) if is_constraint(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

fn run(conn: &Connection, table: &str, slots: &[Slot], chosen: &[usize]) -> rusqlite::Result<()> {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (slot, at) in slots.iter().zip(chosen) {
        if let Choice::Value(value) = &slot.choices[*at] {
            names.push(slot.name.as_str());
            values.push(Bound(value.as_ref()));
        }
    }
    let marks: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
    let table = quote(table);
    let sql = match names.len() {
        0 => format!("INSERT OR ABORT INTO {table} DEFAULT VALUES"),
        _ => format!(
            "INSERT OR ABORT INTO {table}({}) VALUES ({})",
            names.join(", "),
            marks.join(", ")
        ),
    };
    let mut statement = conn.prepare_cached(&sql)?;
    statement
        .execute(rusqlite::params_from_iter(values))
        .map(drop)
}
