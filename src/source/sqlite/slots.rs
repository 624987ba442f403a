//! What may stand in each column of a tombstone.

use std::collections::{HashMap, HashSet};

use super::insert::Bound;
use super::keyspace::{KeySpace, Place};
use super::late;
use super::neutral::{Choice, Slot, neutral};
use super::shaped::shaped;
use super::sql::{Literal, literals, quote};
use super::tombstone::{Gone, Key, Tombstones};
use crate::schema::{Column, ParentColumn};
use crate::value::Value;

impl<'a> Tombstones<'a> {
    /// Values for a key column that no row of `table` has, nor one of another table to which the same column of a row
    /// may lead; best first.
    pub(super) fn free_keys(
        &mut self,
        table: usize,
        column: ParentColumn,
        number: u64,
    ) -> rusqlite::Result<Vec<Value>> {
        if let Some(space) = self.spaces.get(&(table, column)) {
            return space.free(self.conn, number);
        }
        let entry = &self.schema.tables[table];
        let Some(found) = self.column(table, column) else {
            return Ok(Vec::new());
        };
        let mut places = Vec::new();
        for (other, column) in self.led_to_as_well(table, column) {
            self.add_places(other, column, &mut places)?;
        }
        self.add_places(table, column, &mut places)?;
        let counters = &self.schema.sequences;
        let counter = counters.iter().find(|(name, _)| *name == entry.name);
        let counter = counter.map_or(0, |(_, counter)| *counter);
        let mut space = KeySpace::new(self.conn, places, &found.declared, counter)?;
        for place in self.leading_to(table, column)? {
            space.keep_clear(self.conn, place)?;
        }
        let free = space.free(self.conn, number);
        self.spaces.insert((table, column), space);
        free
    }

    /// Where the values of a key column stand: in the table, and where its rows wait.
    fn add_places(
        &self,
        table: usize,
        column: ParentColumn,
        places: &mut Vec<Place>,
    ) -> rusqlite::Result<()> {
        let Some(found) = self.column(table, column) else {
            return Ok(());
        };
        places.push(Place {
            table: quote(&self.schema.tables[table].name),
            column: quote(&found.name),
        });
        if let Some(room) = &self.waiting[table] {
            places.push(late::place(self.conn, room, column)?);
        }
        Ok(())
    }

    /// Where the columns stand that lead to a key column.
    fn leading_to(&self, table: usize, column: ParentColumn) -> rusqlite::Result<Vec<Place>> {
        let mut places = Vec::new();
        for (from, entry) in self.schema.tables.iter().enumerate() {
            let mut own = HashSet::new();
            for reference in entry.references.iter().filter(|one| one.parent == table) {
                let pairs = reference.columns.iter().zip(&reference.parent_columns);
                own.extend(pairs.filter(|(_, to)| **to == column).map(|(own, _)| *own));
            }
            for at in own {
                self.add_places(from, ParentColumn::Column(at), &mut places)?;
            }
        }
        Ok(places)
    }

    /// The key columns to which those columns lead as well that lead to this one.
    fn led_to_as_well(&self, table: usize, column: ParentColumn) -> HashSet<(usize, ParentColumn)> {
        let mut found = HashSet::new();
        for entry in &self.schema.tables {
            let pairs = entry.references.iter().flat_map(|reference| {
                let columns = reference.columns.iter().zip(&reference.parent_columns);
                columns.map(|(own, other)| (*own, (reference.parent, *other)))
            });
            let here = pairs.clone().filter(|(_, to)| *to == (table, column));
            let here: HashSet<usize> = here.map(|(own, _)| own).collect();
            let there = pairs.filter(|(own, to)| here.contains(own) && *to != (table, column));
            found.extend(there.map(|(_, to)| to));
        }
        found
    }

    /// Values for a key column in the shapes that the table asks for; those that a row has are not
    /// to be had.
    pub(super) fn more_keys(
        &mut self,
        table: usize,
        column: ParentColumn,
        number: u64,
    ) -> rusqlite::Result<Vec<Choice>> {
        let found = self.column(table, column);
        let declared = found.map_or("INTEGER", |column| column.declared.as_str());
        let values = shaped(declared, number, &self.words(table));
        let Some(space) = self.spaces.get(&(table, column)) else {
            return Ok(values.into_iter().map(Choice::Value).collect());
        };
        let choice = |value| {
            Ok(match space.taken(self.conn, &value)? {
                true => Choice::Taken,
                false => Choice::Value(value),
            })
        };
        values.into_iter().map(choice).collect()
    }

    pub(super) fn column(&self, table: usize, column: ParentColumn) -> Option<&'a Column> {
        let entry = &self.schema.tables[table];
        match column {
            ParentColumn::Rowid => entry.rowid_alias.as_ref(),
            ParentColumn::Column(at) => entry.columns.get(at),
        }
    }

    /// Whether a row is there that is meant in place of the one that is gone: where its key is what is
    /// known of it, and what stands for those to whom it leads on, it can be no other.
    pub(super) fn is_there(&self, gone: &Gone, fixed: &Key) -> rusqlite::Result<bool> {
        let all = self.schema.tables.iter();
        let all = all.flat_map(|table| &table.references);
        for reference in all.filter(|reference| reference.parent == gone.table) {
            let kept = reference.kept.iter().map(|(_, column)| *column);
            let key: Vec<_> = reference
                .parent_columns
                .iter()
                .copied()
                .chain(kept)
                .collect();
            let pair = |at: &ParentColumn| Some((*at, fixed.get(at)?.clone()));
            let pairs: Option<Vec<_>> = key.iter().map(pair).collect();
            let Some(pairs) = pairs else { continue };
            if self.has_row(gone.table, &pairs)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether `table` has a row with these values.
    pub(super) fn has_row(
        &self,
        table: usize,
        values: &[(ParentColumn, Value)],
    ) -> rusqlite::Result<bool> {
        let columns = values.iter().map(|(at, _)| self.column(table, *at));
        let tests = columns.flatten().enumerate();
        let tests = tests.map(|(at, column)| format!("{} = ?{}", quote(&column.name), at + 1));
        let tests = tests.collect::<Vec<_>>().join(" AND ");
        let table = quote(&self.schema.tables[table].name);
        let sql = format!("SELECT 1 FROM {table} WHERE {tests}");
        let bound = values.iter().map(|(_, value)| Bound(value.as_ref()));
        let bound = rusqlite::params_from_iter(bound);
        self.conn.prepare_cached(&sql)?.exists(bound)
    }

    /// The literals of a table's own SQL.
    pub(super) fn words(&self, table: usize) -> Vec<Literal> {
        let name = &self.schema.tables[table].name;
        let mut statements = self.schema.statements.iter();
        let statement = statements.find(|s| s.kind == "table" && s.name == *name);
        statement.map_or_else(Vec::new, |statement| literals(&statement.sql))
    }

    /// All columns of a tombstone with what may be put into them: with `number`, also what it makes.
    pub(super) fn slots(
        &mut self,
        gone: &Gone,
        fixed: &Key,
        candidates: &HashMap<ParentColumn, Vec<Value>>,
        number: Option<u64>,
    ) -> rusqlite::Result<Vec<Slot>> {
        let table = &self.schema.tables[gone.table];
        let words = self.words(gone.table);
        let alias = table
            .rowid_alias
            .iter()
            .map(|column| (ParentColumn::Rowid, column));
        let columns = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| (ParentColumn::Column(at), column));
        let mut slots = Vec::new();
        for (place, column) in alias.chain(columns) {
            let value = |value: &Value| Choice::Value(value.clone());
            let choices = match (fixed.get(&place), candidates.get(&place)) {
                (Some(known), _) => vec![value(known)],
                (_, Some(free)) if !free.is_empty() => {
                    let mut choices: Vec<Choice> = free.iter().map(value).collect();
                    if let Some(number) = number {
                        choices.append(&mut self.more_keys(gone.table, place, number)?);
                    }
                    choices
                }
                _ => {
                    let default = self.shapes[gone.table].defaults.contains(&column.name);
                    let mut choices = neutral(column, default, gone.number, &words);
                    if let Some(number) = number {
                        let more = shaped(&column.declared, number, &words);
                        choices.extend(more.into_iter().map(Choice::Value));
                    }
                    choices
                }
            };
            slots.push(Slot {
                column: place,
                name: quote(&column.name),
                choices,
            });
        }
        Ok(slots)
    }
}
