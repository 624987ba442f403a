//! Restores apply what was decided of customers since the snapshot: whoever is hidden stays hidden, and
//! whoever was brought back since is not hidden again.
//!
//! The row of the register is changed on its way out of the snapshot, found by its domain: it costs one
//! look for each entry, and nothing for each row.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Outcome;
use crate::ids::{Class, Domain};
use crate::lifecycle::hide::{Flag, decided};
use crate::lifecycle::lives;
use crate::manifest::Manifest;
use crate::piece::cut::{CutCell, CutRow};
use crate::piece::{self, Cell, Row};
use crate::repo::Repository;
use crate::schema::Ownership;
use crate::value::Value;

/// What is to stand in the register's column that hides, of each of whom it was decided.
#[derive(Default)]
pub(super) struct Lives {
    place: Option<Place>,
    wanted: HashMap<Domain, Wanted>,
}

/// Where the column stands in a snapshot.
struct Place {
    source: u32,
    /// The table's number.
    table: u32,
    /// Where among the row's cells.
    column: usize,
}

struct Wanted {
    value: Value,
    /// Only if this stands there.
    over: Option<Value>,
}

impl Lives {
    /// What counts for a snapshot.
    pub(super) fn new(repository: &Repository, manifest: &Manifest) -> Outcome<Self> {
        let mut wanted = HashMap::new();
        let flag = Flag::of(&repository.config);
        for (domain, life) in lives(repository)? {
            let Some(value) = decided(repository, domain, &life)? else {
                continue;
            };
            let over = match life.hidden {
                Some(_) => None,
                // What stands in a snapshot from after that is the application's own.
                None if life.shown.is_none_or(|shown| shown < manifest.started) => continue,
                None => flag.as_ref().map(|flag| flag.value.clone()),
            };
            wanted.insert(domain, Wanted { value, over });
        }
        Ok(Self {
            place: flag.and_then(|flag| Place::find(manifest, &flag)),
            wanted,
        })
    }

    /// How many are hidden who stand in the snapshot as it has them, because there is no such column.
    pub(super) fn not_applied(&self) -> usize {
        let hidden = self.wanted.values().filter(|one| one.over.is_none());
        match self.place {
            Some(_) => 0,
            None => hidden.count(),
        }
    }

    /// What is to be changed in the rows of an entry, if anything is.
    pub(super) fn of(&self, domain: Domain, source: u32) -> Option<Change<'_>> {
        let place = self.place.as_ref().filter(|place| place.source == source)?;
        let customer = Domain {
            class: Class::CUSTOMER,
            ..domain
        };
        let known = self.wanted.get(&customer);
        let wanted = known.filter(|_| domain.class != Class::OWN)?;
        Some(Change { place, wanted })
    }
}

impl Place {
    fn find(manifest: &Manifest, flag: &Flag<'_>) -> Option<Self> {
        let mut sources = manifest.sources.iter();
        let source = sources.find(|source| source.name == flag.source.name.as_str())?;
        let mut tables = source.schema.tables.iter().zip(&source.tables);
        let (table, state) = tables.find(|(table, _)| table.ownership == Ownership::Register)?;
        let mut columns = table.columns.iter();
        let column = columns.position(|column| column.name.eq_ignore_ascii_case(flag.column))?;
        Some(Self {
            source: source.number,
            table: state.number,
            column,
        })
    }
}

/// A change to one customer's row of the register.
#[derive(Clone, Copy)]
pub(super) struct Change<'l> {
    place: &'l Place,
    wanted: &'l Wanted,
}

impl<'l> Change<'l> {
    /// A row as it is to be restored.
    pub(super) fn apply<'b>(self, row: &Row<'b>, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let column = self.place.column;
        let stands = row.cells.get(column).and_then(|cell| cell.to_value());
        let Some(value) = stands.and_then(|stands| self.over(row.table, &stands)) else {
            return Cow::Borrowed(bytes);
        };
        let cells = row.cells.iter().enumerate();
        let cells = cells.map(|(at, cell)| match at == column {
            true => Cell::Value(value.as_ref()),
            false => *cell,
        });
        let mut changed = Vec::with_capacity(bytes.len());
        piece::encode_row(&mut changed, row.table, row.rowid, cells);
        Cow::Owned(changed)
    }

    /// Which value of a row that was cut is to be another, and which.
    pub(super) fn of_cut(self, row: &CutRow) -> Option<(usize, &'l Value)> {
        let column = self.place.column;
        match row.cells.get(column)? {
            CutCell::Value(stands) => Some((column, self.over(row.table, stands)?)),
            // What is long is no flag, and whoever is hidden is hidden over anything.
            CutCell::Long(_) if self.wanted.over.is_none() && row.table == self.place.table => {
                Some((column, &self.wanted.value))
            }
            CutCell::Long(_) | CutCell::Reference { .. } => None,
        }
    }

    /// What is to stand over `stands` in a row of this table.
    fn over(self, table: u32, stands: &Value) -> Option<&'l Value> {
        let Wanted { value, over } = self.wanted;
        let keeps = over.as_ref().is_some_and(|over| !is_same(over, stands));
        (table == self.place.table && !keeps).then_some(value)
    }
}

/// Whether two values are the same to a column of whatever affinity: a database may hold the
/// configured `1` as text or as a real.
fn is_same(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Int(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::Null | Value::Blob(_) => None,
    };
    a == b || number(a).is_some_and(|one| number(b) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_same_whatever_an_affinity_made_of_them() {
        let text = |text: &str| Value::Text(text.into());
        for (a, b, same) in [
            (Value::Int(1), Value::Int(1), true),
            (Value::Int(1), text("1"), true),
            (Value::Int(1), Value::Real(1.0), true),
            (text("1"), Value::Real(1.0), true),
            (text("yes"), text("yes"), true),
            (text("yes"), text("no"), false),
            (Value::Int(1), Value::Int(0), false),
            (Value::Int(1), text("yes"), false),
            (Value::Int(1), Value::Null, false),
            (Value::Null, Value::Null, true),
            (Value::Int(0), Value::Null, false),
            (Value::Int(1), Value::Blob(vec![49]), false),
        ] {
            assert_eq!(is_same(&a, &b), same, "{a:?} {b:?}");
            assert_eq!(is_same(&b, &a), same, "{b:?} {a:?}");
        }
    }
}
