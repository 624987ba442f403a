//! Values that say nothing, for where NULL is refused.
//!
//! Which value a CHECK would like is found by trying. The tries draw on the schema's own text, and
//! never on other rows: what stands there may be a customer's.

use rusqlite::Connection;

use super::build::is_refusal;
use super::insert::{Bound, mark};
use super::sql::{Affinity, Literal, affinity, quote, same};
use crate::schema::{Column, ParentColumn};
use crate::value::{Value, ValueRef};

/// What may be put into a column.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// This.
    Value(Value),
    /// A text, as the bytes that it is in the database's own encoding.
    Exact(Vec<u8>),
    /// What the schema says where nothing is said.
    Default,
    /// Nothing: a key that somebody has. It keeps the places of the choices behind it.
    Taken,
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

/// Inserts a row and says which choice each slot came to; none if no choice is taken by SQLite, or not
/// within so many `tries`. What it was with `start` before is tried first.
///
/// Each refusal names a constraint. A change of one column that meets another refusal than those on
/// the way is a step further, from which the search goes on; where that leads nowhere, it comes back.
pub(super) fn try_all(
    conn: &Connection,
    table: &str,
    slots: &[Slot],
    start: Option<&Vec<usize>>,
    tries: &mut u64,
) -> rusqlite::Result<Option<Vec<usize>>> {
    let fits = |start: &&Vec<usize>| {
        let mut each = start.iter().zip(slots);
        start.len() == slots.len() && each.all(|(at, slot)| *at < slot.choices.len())
    };
    let mut search = Search {
        conn,
        table,
        slots,
        chosen: start.filter(fits).cloned().unwrap_or_default(),
        way: vec![NO_STEP.to_owned()],
        tries,
    };
    if search.chosen.len() == slots.len() && search.refusal()?.is_none() {
        return Ok(Some(search.chosen));
    }
    search.chosen = vec![0; slots.len()];
    let found = match search.refusal()? {
        None => true,
        Some(refusal) => {
            search.way.push(refusal);
            search.go_on()?
        }
    };
    Ok(found.then_some(search.chosen))
}

/// What is never a step further: a key that is taken, or a value of the wrong type.
const NO_STEP: &str = "";

/// A search for choices that SQLite takes.
struct Search<'a> {
    conn: &'a Connection,
    table: &'a str,
    slots: &'a [Slot],
    chosen: Vec<usize>,
    /// The refusals met on the way to here.
    way: Vec<String>,
    tries: &'a mut u64,
}

impl Search<'_> {
    /// Changes one column after the other.
    fn go_on(&mut self) -> rusqlite::Result<bool> {
        for at in self.to_blame() {
            let before = self.chosen[at];
            for choice in (0..self.slots[at].choices.len()).filter(|choice| *choice != before) {
                if *self.tries == 0 {
                    return Ok(false);
                }
                *self.tries -= 1;
                self.chosen[at] = choice;
                match self.refusal()? {
                    None => return Ok(true),
                    Some(refusal) if self.way.contains(&refusal) => {}
                    Some(refusal) => {
                        self.way.push(refusal);
                        if self.go_on()? {
                            return Ok(true);
                        }
                        self.way.pop();
                    }
                }
            }
            self.chosen[at] = before;
        }
        Ok(false)
    }

    /// The columns that the last refusal is about; all, if it does not say.
    fn to_blame(&self) -> Vec<usize> {
        let last = self.way.last().map_or(NO_STEP, String::as_str);
        let columns = last
            .split_once("failed: ")
            .map_or(NO_STEP, |(_, names)| names);
        let named = |at: &usize| {
            let name = self.slots[*at].name.trim_matches('"').replace("\"\"", "\"");
            let name = format!("{}.{name}", self.table);
            columns.split(", ").any(|column| same(column, &name))
        };
        let all = 0..self.slots.len();
        let named: Vec<usize> = all.clone().filter(named).collect();
        if named.is_empty() {
            all.collect()
        } else {
            named
        }
    }

    /// What SQLite says against the row as it is chosen; none if it has taken it.
    fn refusal(&self) -> rusqlite::Result<Option<String>> {
        match run(self.conn, self.table, self.slots, &self.chosen) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(NO_STEP.to_owned())),
            Err(error) if is_misfit(&error) => Ok(Some(NO_STEP.to_owned())),
            Err(error) if is_refusal(&error) => Ok(Some(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

/// Whether a value was refused for its type, or could not be computed with.
fn is_misfit(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    let constraint = error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_DATATYPE) || (is_refusal(error) && !constraint)
}

/// Inserts the row that is chosen; false if a choice in it cannot be made.
fn run(conn: &Connection, table: &str, slots: &[Slot], chosen: &[usize]) -> rusqlite::Result<bool> {
    let (mut names, mut marks, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (slot, at) in slots.iter().zip(chosen) {
        match &slot.choices[*at] {
            Choice::Value(value) => {
                names.push(slot.name.as_str());
                marks.push(mark(false));
                values.push(Bound(value.as_ref()));
            }
            Choice::Exact(bytes) => {
                names.push(slot.name.as_str());
                marks.push(mark(true));
                values.push(Bound(ValueRef::Blob(bytes)));
            }
            Choice::Default => {}
            Choice::Taken => return Ok(false),
        }
    }
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
        .map(|_| true)
}
