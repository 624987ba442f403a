//! Values that say nothing, for where NULL is refused.
//!
//! Which value a CHECK would like is found by trying. The tries draw on the schema's own text, and
//! never on other rows: what stands there may be a customer's.

use std::collections::HashSet;

use rusqlite::Connection;

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
