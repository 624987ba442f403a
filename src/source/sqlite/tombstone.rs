//! Neutral rows that stand for those who are gone.
//!
//! Where a row refers to a forgotten customer, or to something of theirs, and the schema forbids
//! NULL, a row of no meaning is put in the place of the one that was referred to: a key that nobody
//! has, and otherwise NULL, defaults and empty values. There is one for each row that was referred
//! to, so that what was different stays different and UNIQUE columns hold. If the schema makes such
//! a row refer on, it refers to a tombstone where customers' rows are meant, and else to any row.
//!
use std::collections::{HashMap, HashSet};

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, OptionalExtension};

use super::build::{Bound, insert_row, is_constraint, unchecked};
use super::keyspace::{KeySpace, Place};
use super::late::{self, Late, LateCell};
use super::neutral::{Choice, Slot, neutral, try_all};
use super::shape::{ForeignKey, Kept, Shape, place};
use super::sql::{literals, quote};
use crate::schema::{Column, Ownership, ParentColumn, Reference, Schema};
use crate::value::Value;

/// How far one tombstone may lead to another: more than any schema needs.
const DEEPEST: usize = 32;
/// The first number for what several numbers stand for: beyond all that rows come with.
const JOINED: u64 = 1 << 40;

/// A row that was referred to and is no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Gone {
    table: usize,
    number: u64,
    /// Columns of it that are known, since the row that refers to it holds them as its own.
    known: Vec<(ParentColumn, Value)>,
}

/// The columns that others refer to, with their values.
type Key = HashMap<ParentColumn, Value>;

/// All tombstones of one database.
pub(super) struct Tombstones<'a> {
    conn: &'a Connection,
    schema: &'a Schema,
    shapes: &'a [Shape],
    inserts: &'a [String],
    waiting: &'a [bool],
    spaces: HashMap<(usize, ParentColumn), KeySpace>,
    keys: HashMap<Gone, Key>,
    /// Numbers of rows that several numbers together stand for: see [`Self::number`].
    joined: HashMap<Vec<u64>, u64>,
    depth: usize,
    /// Neutral rows made.
    pub made: u64,
    /// Values that are NULL now.
    pub nulled: u64,
    /// Rows that do not meet a CHECK.
    pub unchecked: u64,
}

impl<'a> Tombstones<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        schema: &'a Schema,
        shapes: &'a [Shape],
        inserts: &'a [String],
        waiting: &'a [bool],
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
            depth: 0,
            made: 0,
            nulled: 0,
            unchecked: 0,
        }
    }

    /// Puts a row that has waited: with NULL where that is allowed, else with tombstones' keys, and
    /// if a CHECK still refuses it, without the CHECK.
    ///
    /// Who had been forgotten before the row was read left one number for all of theirs. Where two
    /// rows may not refer to the same, the second one gets tombstones of its own.
    pub(super) fn put(&mut self, table: usize, row: &Late) -> rusqlite::Result<()> {
        match self.try_put(table, row, false) {
            Err(error) if is_constraint(&error) => self.try_put(table, row, true),
            done => done,
        }
    }

    fn try_put(&mut self, table: usize, row: &Late, apart: bool) -> rusqlite::Result<()> {
        let sql = &self.inserts[table];
        let mut values = Vec::new();
        for with_nulls in [true, false] {
            let nulled;
            (values, nulled) = self.fill(table, row, with_nulls, apart)?;
            match insert_row(self.conn, sql, row.rowid, values.iter().map(Value::as_ref)) {
                Ok(()) => {
                    self.nulled += nulled;
                    return Ok(());
                }
                Err(error) if is_constraint(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let values = values.iter().map(Value::as_ref);
        unchecked(self.conn, || insert_row(self.conn, sql, row.rowid, values))?;
        self.unchecked += 1;
        Ok(())
    }

    /// The row's values, and how many of them are NULL in place of what is lost.
    fn fill(
        &mut self,
        table: usize,
        row: &Late,
        with_nulls: bool,
        apart: bool,
    ) -> rusqlite::Result<(Vec<Value>, u64)> {
        let schema = self.schema;
        let columns = &schema.tables[table].columns;
        let gives_way = |at: &usize| {
            with_nulls && !columns[*at].not_null && matches!(row.cells[*at], LateCell::Lost(_))
        };
        let (mut values, mut nulled) = (Vec::new(), 0);
        for (at, cell) in row.cells.iter().enumerate() {
            if let LateCell::Kept(value) = cell {
                values.push(value.clone());
                continue;
            }
            if gives_way(&at) {
                nulled += 1;
                values.push(Value::Null);
                continue;
            }
            let reference = schema.tables[table]
                .references
                .iter()
                .find(|r| r.columns.contains(&at));
            values.push(match reference {
                // With a NULL in it, a composite key refers to nothing: any value will do here.
                Some(reference) if !reference.columns.iter().any(gives_way) => {
                    let apart = apart.then_some(table);
                    let number = self.number(reference, row, apart);
                    self.stand_in(reference, at, number, row)?
                }
                _ => Value::Int(0),
            });
        }
        Ok((values, nulled))
    }

    /// The number of the row that `reference` leads to. Each column of a composite key was sealed, and
    /// so was numbered, by itself: together they are one row. With `apart`, the table that the row
    /// is of, it is a row that no other row refers to.
    fn number(&mut self, reference: &Reference, row: &Late, apart: Option<usize>) -> u64 {
        let lost = |at: &usize| match row.cells[*at] {
            LateCell::Lost(number) => Some(number),
            LateCell::Kept(_) => None,
        };
        let mut numbers: Vec<u64> = reference.columns.iter().filter_map(lost).collect();
        match apart {
            None if numbers.windows(2).all(|pair| pair[0] == pair[1]) => return numbers[0],
            None => numbers.insert(0, 0),
            Some(table) => numbers
                .splice(0..0, [1, table as u64, row.number.cast_unsigned()])
                .for_each(drop),
        }
        numbers.push(reference.parent as u64);
        let next = JOINED + self.joined.len() as u64;
        *self.joined.entry(numbers).or_insert(next)
    }

    /// What column `at` holds when `reference` leads to a tombstone.
    fn stand_in(
        &mut self,
        reference: &Reference,
        at: usize,
        number: u64,
        row: &Late,
    ) -> rusqlite::Result<Value> {
        let known = reference
            .kept
            .iter()
            .filter_map(|(own, parent)| match &row.cells[*own] {
                LateCell::Kept(value) if *value != Value::Null => Some((*parent, value.clone())),
                _ => None,
            });
        let key = self.key(Gone {
            table: reference.parent,
            number,
            known: known.collect(),
        })?;
        let pairs = reference.columns.iter().zip(&reference.parent_columns);
        let parent = pairs
            .into_iter()
            .find(|(own, _)| **own == at)
            .map(|(_, parent)| parent);
        Ok(parent
            .and_then(|parent| key.get(parent))
            .cloned()
            .unwrap_or(Value::Int(0)))
    }

    /// The key of the tombstone for a row that is gone; made on first demand.
    fn key(&mut self, gone: Gone) -> rusqlite::Result<Key> {
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
        let key = first.chain(fixed.clone()).collect();
        self.keys.insert(gone.clone(), key);
        self.refer_on(&gone, &candidates, &mut fixed)?;
        let slots = self.slots(&gone, &fixed, &candidates);
        let (chosen, checked) = try_all(self.conn, &self.schema.tables[gone.table].name, &slots)?;
        self.made += 1;
        self.unchecked += u64::from(!checked);
        let value = |(slot, at): (&Slot, &usize)| match &slot.choices[*at] {
            Choice::Value(value) => Some((slot.column, value.clone())),
            Choice::Default => None,
        };
        let key: Key = slots.iter().zip(&chosen).filter_map(value).collect();
        for (column, value) in &key {
            if let Some(space) = self.spaces.get_mut(&(gone.table, *column)) {
                space.note(value);
            }
        }
        self.keys.insert(gone, key.clone());
        Ok(key)
    }

    fn place(&self, table: usize, name: &str) -> Option<ParentColumn> {
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
            if !columns.iter().all(needed) {
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

    /// Values for a key column that no row of `table` has, best first.
    fn free_keys(
        &mut self,
        table: usize,
        column: ParentColumn,
        number: u64,
    ) -> rusqlite::Result<Vec<Value>> {
        if let Some(space) = self.spaces.get(&(table, column)) {
            return space.free(self.conn, number);
        }
        let entry = &self.schema.tables[table];
        let found = match column {
            ParentColumn::Rowid => entry.rowid_alias.as_ref(),
            ParentColumn::Column(at) => entry.columns.get(at),
        };
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        let mut places = vec![Place {
            table: quote(&entry.name),
            column: quote(&found.name),
        }];
        if self.waiting[table] {
            places.push(late::place(self.conn, table, column)?);
        }
        let counters = &self.schema.sequences;
        let counter = counters.iter().find(|(name, _)| *name == entry.name);
        let counter = counter.map_or(0, |(_, counter)| *counter);
        let space = KeySpace::new(self.conn, places, &found.declared, counter)?;
        let free = space.free(self.conn, number);
        self.spaces.insert((table, column), space);
        free
    }

    /// All columns of a tombstone with what may be put into them.
    fn slots(
        &self,
        gone: &Gone,
        fixed: &Key,
        candidates: &HashMap<ParentColumn, Vec<Value>>,
    ) -> Vec<Slot> {
        let table = &self.schema.tables[gone.table];
        let statement = self
            .schema
            .statements
            .iter()
            .find(|s| s.kind == "table" && s.name == table.name);
        let words = statement
            .map(|statement| literals(&statement.sql))
            .unwrap_or_default();
        let alias = table
            .rowid_alias
            .iter()
            .map(|column| (ParentColumn::Rowid, column));
        let columns = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| (ParentColumn::Column(at), column));
        let slot = |(place, column): (ParentColumn, &Column)| {
            let value = |value: &Value| Choice::Value(value.clone());
            let choices = match (fixed.get(&place), candidates.get(&place)) {
                (Some(known), _) => vec![value(known)],
                (_, Some(free)) if !free.is_empty() => free.iter().map(value).collect(),
                _ => {
                    let default = self.shapes[gone.table].defaults.contains(&column.name);
                    neutral(column, default, gone.number, &words)
                }
            };
            Slot {
                column: place,
                name: quote(&column.name),
                choices,
            }
        };
        alias.chain(columns).map(slot).collect()
    }
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
