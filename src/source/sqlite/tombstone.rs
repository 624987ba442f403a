//! Neutral rows that stand for those who are gone.
//!
//! Where a row refers to a forgotten customer, or to something of theirs, and the schema forbids
//! NULL, a row of no meaning is put in the place of the one that was referred to: a key that nobody
//! has, and otherwise NULL, defaults and empty values. There is one for each row that was referred
//! to, so that what was different stays different and UNIQUE columns hold. If the schema makes such
//! a row refer on, it refers to a tombstone where customers' rows are meant, and else to any row.
//!
//! Where the schema takes no such row, one is put in against its CHECKs; where it cannot be at all, the
//! reference leads nowhere. Either is told.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension};

use super::astray::Made;
use super::build::unchecked;
use super::insert::{Bound, Insert};
use super::keyspace::KeySpace;
use super::misfit::Misfit;
use super::neutral::{Choice, Slot, try_all};
use super::shape::{ForeignKey, Kept, Shape, place};
use super::sql::quote;
use crate::schema::{Ownership, ParentColumn, Schema};
use crate::value::Value;

/// How far one tombstone may lead to another: more than any schema needs.
const DEEPEST: usize = 32;
/// How many numbers one row is tried with.
const NUMBERS: usize = 16;
/// How many tries that come to nothing one row may cost with one number, and all rows of a table.
const TRIES: (u64, u64) = (5_000, 100_000);

/// A row that was referred to and is no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gone {
    pub table: usize,
    pub number: u64,
    /// Columns of it that are known, since the row that refers to it holds them as its own.
    pub known: Vec<(ParentColumn, Value)>,
}

/// The columns that others refer to, with their values.
pub(super) type Key = HashMap<ParentColumn, Value>;

/// What was learnt from a table's earlier rows about what it takes.
pub(super) struct Learnt {
    /// What the last row was made with.
    start: Option<Vec<usize>>,
    /// Whether a row without meaning can meet the CHECKs, as far as is known.
    checked: bool,
    /// The last number that a row was tried with.
    number: u64,
    /// Tries left, with CHECKs and without.
    tries: [u64; 2],
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            start: None,
            checked: true,
            number: 0,
            tries: [TRIES.1; 2],
        }
    }
}

/// All tombstones of one database.
pub(super) struct Tombstones<'a> {
    pub conn: &'a Connection,
    pub schema: &'a Schema,
    pub shapes: &'a [Shape],
    pub inserts: &'a [Insert],
    pub waiting: &'a [Option<String>],
    pub spaces: HashMap<(usize, ParentColumn), KeySpace>,
    keys: HashMap<Gone, Key>,
    /// Numbers of rows that several numbers together stand for.
    pub joined: HashMap<Vec<u64>, u64>,
    learnt: HashMap<usize, Learnt>,
    depth: usize,
    /// Neutral rows made.
    pub made: u64,
    /// Those, by table.
    pub rows: HashMap<usize, Made>,
    /// Values that are NULL now.
    pub nulled: u64,
    /// How many rows of which table are not as they should be.
    pub misfits: BTreeMap<(usize, Misfit), u64>,
    /// UNIQUE indexes that are not there any more, because rows could not be put in under them.
    pub loosened: Vec<String>,
}

impl<'a> Tombstones<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        schema: &'a Schema,
        shapes: &'a [Shape],
        inserts: &'a [Insert],
        waiting: &'a [Option<String>],
    ) -> Self {
        Self {
            conn,
            schema,
            shapes,
            inserts,
            waiting,
            spaces: HashMap::new(),
            keys: HashMap::new(),
            joined: HashMap::new(),
            learnt: HashMap::new(),
            depth: 0,
            made: 0,
            rows: HashMap::new(),
            nulled: 0,
            misfits: BTreeMap::new(),
            loosened: Vec::new(),
        }
    }

    /// Takes note of a row that is not as it should be.
    pub(super) fn note(&mut self, table: usize, misfit: Misfit) {
        *self.misfits.entry((table, misfit)).or_default() += 1;
    }

    /// The key of the tombstone for a row that is gone; made on first demand. Where none can be made it
    /// is a key that no row has.
    pub(super) fn key(&mut self, gone: Gone) -> rusqlite::Result<Key> {
        if let Some(key) = self.keys.get(&gone) {
            return Ok(key.clone());
        }
        let mut fixed: Key = gone.known.iter().cloned().collect();
        let mut candidates: HashMap<ParentColumn, Vec<Value>> = HashMap::new();
        for column in self.key_columns(gone.table) {
            if !fixed.contains_key(&column) {
                candidates.insert(column, self.free_keys(gone.table, column, gone.number)?);
            }
        }
        // Noted before it exists: it may have to refer to itself.
        let first = candidates
            .iter()
            .filter_map(|(column, all)| Some((*column, all.first()?.clone())));
        let key: Key = first.chain(fixed.clone()).collect();
        self.keys.insert(gone.clone(), key.clone());
        self.refer_on(&gone, &candidates, &mut fixed)?;
        if self.is_there(&gone, &fixed)? {
            self.keys.insert(gone, fixed.clone());
            return Ok(fixed);
        }
        let made = self.make(&gone, &fixed, &candidates)?;
        match &made {
            Some(key) => {
                self.made += 1;
                let rows = self.rows.entry(gone.table).or_default();
                match self.schema.tables[gone.table].has_rowid {
                    true => drop(rows.rowids.insert(self.conn.last_insert_rowid())),
                    false => rows.keys.push(key.clone()),
                }
            }
            None => self.note(gone.table, Misfit::Nobody),
        }
        let key = made.unwrap_or(key);
        for (column, value) in &key {
            if let Some(space) = self.spaces.get_mut(&(gone.table, *column)) {
                space.note(value);
            }
        }
        self.keys.insert(gone, key.clone());
        Ok(key)
    }

    /// Makes the tombstone; none if the table takes no such row.
    fn make(
        &mut self,
        gone: &Gone,
        fixed: &Key,
        candidates: &HashMap<ParentColumn, Vec<Value>>,
    ) -> rusqlite::Result<Option<Key>> {
        let table = gone.table;
        if !self.learnt.contains_key(&table) {
            // Most tables take the first thing that comes to mind.
            let slots = self.slots(gone, fixed, candidates, None)?;
            let first = vec![0; slots.len()];
            let name = &self.schema.tables[table].name;
            if try_all(self.conn, name, &slots, Some(&first), &mut 0)?.is_some() {
                return Ok(Some(key_of(&slots, &first)));
            }
        }
        let found = self.search(table, |tombstones, number| {
            tombstones.slots(gone, fixed, candidates, Some(number))
        })?;
        Ok(found.map(|(key, checked)| {
            if !checked {
                self.note(table, Misfit::Unmet);
            }
            key
        }))
    }

    /// Tries a row with one number after the other: so that it meets all CHECKs, and if none does,
    /// without them. Says what it holds, and whether it meets them.
    pub(super) fn search(
        &mut self,
        table: usize,
        slots: impl Fn(&mut Self, u64) -> rusqlite::Result<Vec<Slot>>,
    ) -> rusqlite::Result<Option<(Key, bool)>> {
        let conn = self.conn;
        let name = &self.schema.tables[table].name;
        let mut learnt = self.learnt.remove(&table).unwrap_or_default();
        let mut found = None;
        'found: for checked in [true, false] {
            if checked && !learnt.checked {
                continue;
            }
            for _ in 0..NUMBERS {
                learnt.number += 1;
                let slots = slots(self, learnt.number)?;
                let left = &mut learnt.tries[usize::from(checked)];
                let allowed = TRIES.0.min(*left);
                let (start, mut tries) = (learnt.start.as_ref(), allowed);
                let tries = &mut tries;
                let chosen = match checked {
                    true => try_all(conn, name, &slots, start, tries)?,
                    false => unchecked(conn, || try_all(conn, name, &slots, start, tries))?,
                };
                *left -= allowed - *tries;
                if let Some(chosen) = chosen {
                    found = Some((key_of(&slots, &chosen), checked));
                    learnt.checked = checked;
                    learnt.start = Some(chosen);
                    break 'found;
                }
            }
        }
        self.learnt.insert(table, learnt);
        Ok(found)
    }

    pub(super) fn place(&self, table: usize, name: &str) -> Option<ParentColumn> {
        match place(&self.schema.tables[table], &self.shapes[table], name)? {
            Kept::Stored(column) => Some(column),
            Kept::Generated => None,
        }
    }

    /// The columns of `table` that rows are known by: its primary key, and what any key refers to.
    fn key_columns(&self, table: usize) -> HashSet<ParentColumn> {
        let to = |key: &&ForeignKey| key.parent == table;
        let keys = self.shapes.iter().flat_map(|shape| &shape.keys).filter(to);
        let names = keys
            .flat_map(|key| &key.parent_columns)
            .chain(&self.shapes[table].primary);
        let mut columns: HashSet<_> = names.filter_map(|name| self.place(table, name)).collect();
        for reference in self.schema.tables.iter().flat_map(|t| &t.references) {
            if reference.parent == table {
                columns.extend(&reference.parent_columns);
            }
        }
        columns
    }

    /// Fixes the columns of foreign keys that may not be NULL.
    fn refer_on(
        &mut self,
        gone: &Gone,
        candidates: &HashMap<ParentColumn, Vec<Value>>,
        fixed: &mut Key,
    ) -> rusqlite::Result<()> {
        let (schema, shapes) = (self.schema, self.shapes);
        for key in &shapes[gone.table].keys {
            let columns = key
                .columns
                .iter()
                .map(|name| self.place(gone.table, name))
                .collect::<Option<Vec<_>>>();
            let Some(columns) = columns else { continue };
            let needed = |column: &ParentColumn| match column {
                _ if fixed.contains_key(column) || candidates.contains_key(column) => true,
                ParentColumn::Rowid => true,
                ParentColumn::Column(at) => schema.tables[gone.table].columns[*at].not_null,
            };
            // Where everything is known the row that it leads to is not ours to make.
            let known = |column: &ParentColumn| gone.known.iter().any(|(own, _)| own == column);
            if !columns.iter().all(needed) || columns.iter().all(known) {
                continue;
            }
            let known = columns.iter().zip(&key.parent_columns);
            let known =
                known.filter_map(|(own, other)| Some((other.clone(), fixed.get(own)?.clone())));
            let known: Vec<(String, Value)> = known.collect();
            let Some(target) = self.target(key, gone.number, known)? else {
                continue;
            };
            for (own, value) in columns.into_iter().zip(target) {
                fixed.insert(own, value);
            }
        }
        Ok(())
    }

    /// The values of the columns that `key` refers to, of a row that a tombstone may refer to.
    fn target(
        &mut self,
        key: &ForeignKey,
        number: u64,
        known: Vec<(String, Value)>,
    ) -> rusqlite::Result<Option<Vec<Value>>> {
        let owned = matches!(
            self.schema.tables[key.parent].ownership,
            Ownership::Register | Ownership::Owned
        );
        if !owned {
            return self.any_row(key, &known);
        }
        if self.depth == DEEPEST {
            return Ok(None);
        }
        let known = known
            .into_iter()
            .filter_map(|(name, value)| Some((self.place(key.parent, &name)?, value)));
        let gone = Gone {
            table: key.parent,
            number,
            known: known.collect(),
        };
        self.depth += 1;
        let found = self.key(gone);
        self.depth -= 1;
        let found = found?;
        let value = |name: &String| found.get(&self.place(key.parent, name)?).cloned();
        Ok(key.parent_columns.iter().map(value).collect())
    }

    /// Any row of a table that is not customers'.
    fn any_row(
        &self,
        key: &ForeignKey,
        known: &[(String, Value)],
    ) -> rusqlite::Result<Option<Vec<Value>>> {
        let columns: Vec<String> = key.parent_columns.iter().map(|name| quote(name)).collect();
        let mut tests: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} IS NOT NULL"))
            .collect();
        tests.extend(
            known
                .iter()
                .enumerate()
                .map(|(at, (name, _))| format!("{} = ?{}", quote(name), at + 1)),
        );
        let table = quote(&self.schema.tables[key.parent].name);
        let sql = format!(
            "SELECT {} FROM {table} WHERE {} LIMIT 1",
            columns.join(", "),
            tests.join(" AND ")
        );
        let bound = known.iter().map(|(_, value)| Bound(value.as_ref()));
        let row = |row: &rusqlite::Row<'_>| {
            (0..columns.len())
                .map(|at| row.get_ref(at).map(owned))
                .collect()
        };
        self.conn
            .query_row(&sql, rusqlite::params_from_iter(bound), row)
            .optional()
    }
}

/// What the columns hold that were given a value.
fn key_of(slots: &[Slot], chosen: &[usize]) -> Key {
    let value = |(slot, at): (&Slot, &usize)| match &slot.choices[*at] {
        Choice::Value(value) => Some((slot.column, value.clone())),
        Choice::Exact(_) | Choice::Default | Choice::Taken => None,
    };
    slots.iter().zip(chosen).filter_map(value).collect()
}

fn owned(stored: Stored<'_>) -> Value {
    match stored {
        Stored::Null => Value::Null,
        Stored::Integer(i) => Value::Int(i),
        Stored::Real(r) => Value::Real(r),
        Stored::Text(t) => Value::Text(t.to_vec()),
        Stored::Blob(b) => Value::Blob(b.to_vec()),
    }
}
