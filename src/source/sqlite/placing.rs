//! Puts the rows that have waited: those that refer to somebody who is gone.

use super::build::{is_refusal, refusal, unchecked};
use super::insert::Bound;
use super::late::{Late, LateCell};
use super::misfit::Misfit;
use super::neutral::{Choice, Slot};
use super::shape::ForeignKey;
use super::shaped::shaped;
use super::sql::{Literal, quote};
use super::tombstone::{Gone, Tombstones};
use crate::schema::{ParentColumn, Reference};
use crate::value::Value;

/// The first number for what several numbers stand for: beyond all that rows come with.
const JOINED: u64 = 1 << 40;

impl Tombstones<'_> {
    /// Puts a row that has waited: with NULL where that is allowed, else with tombstones' keys, and
    /// if a CHECK still refuses it, without the CHECK.
    ///
    /// Who had been forgotten before the row was read left one number for all of theirs. Where two
    /// rows may not refer to the same, the second one gets tombstones of its own. Where nothing of
    /// that can be, the row leads to nobody; and at worst it is an index that gives way, not the row.
    pub(super) fn put(&mut self, table: usize, row: &Late) -> rusqlite::Result<()> {
        for apart in [false, true] {
            match self.try_put(table, row, apart) {
                Err(error) if is_refusal(&error) => {}
                done => return done,
            }
        }
        if let Some(checked) = self.put_adrift(table, row)? {
            self.note(table, Misfit::Adrift);
            if !checked {
                self.note(table, Misfit::Unchecked);
            }
            return Ok(());
        }
        self.loosen(table)?;
        match self.try_put(table, row, false) {
            Err(error) if is_refusal(&error) => {
                self.note(table, Misfit::Unplaced);
                Ok(())
            }
            done => done,
        }
    }

    fn try_put(&mut self, table: usize, row: &Late, apart: bool) -> rusqlite::Result<()> {
        let insert = &self.inserts[table];
        let mut values = Vec::new();
        for with_nulls in [true, false] {
            let nulled;
            (values, nulled) = self.fill(table, row, with_nulls, apart)?;
            match insert.run(self.conn, row.rowid, values.iter().map(Value::as_ref)) {
                Ok(()) => {
                    self.nulled += nulled;
                    return self.follow(table, row, &values);
                }
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let run = || insert.run(self.conn, row.rowid, values.iter().map(Value::as_ref));
        unchecked(self.conn, run)?;
        self.note(table, Misfit::Unchecked);
        self.follow(table, row, &values)
    }

    /// Makes neutral rows to which a row leads that has been put, where it led by what is lost: a row in a table
    /// of nobody that named the forgotten in its key has another key by now, and what stands in a column for the
    /// forgotten stands there for whomever else it leads to.
    fn follow(&mut self, table: usize, row: &Late, values: &[Value]) -> rusqlite::Result<()> {
        let shapes = self.shapes;
        for key in &shapes[table].keys {
            let (mut known, mut number) = (Vec::new(), None);
            for (own, other) in key.columns.iter().zip(&key.parent_columns) {
                let places = self.place(table, own).zip(self.place(key.parent, other));
                let Some((ParentColumn::Column(at), other)) = places else {
                    break;
                };
                if let LateCell::Lost(lost) = row.cells[at] {
                    number = Some(lost);
                }
                if values[at] != Value::Null {
                    known.push((other, values[at].clone()));
                }
            }
            let needed = known.len() == key.columns.len() && !self.stands_in(table, key, row);
            let Some(number) = number.filter(|_| needed) else {
                continue;
            };
            if !self.has_row(key.parent, &known)? {
                self.key(Gone {
                    table: key.parent,
                    number,
                    known,
                })?;
            }
        }
        Ok(())
    }

    /// Whether it is by `key` that something stands in for all that is lost of it.
    fn stands_in(&self, table: usize, key: &ForeignKey, row: &Late) -> bool {
        let place = |own: &String| self.place(table, own);
        let columns: Vec<_> = key.columns.iter().filter_map(place).collect();
        let of_key = |at: &usize| columns.contains(&ParentColumn::Column(*at));
        let mut references = self.schema.tables[table].references.iter();
        let first = references.find(|reference| reference.columns.iter().any(of_key));
        let mut lost = columns.iter().filter_map(|column| match column {
            ParentColumn::Column(at) if matches!(row.cells[*at], LateCell::Lost(_)) => Some(at),
            _ => None,
        });
        first.is_some_and(|first| {
            first.parent == key.parent
                && first.columns.iter().all(of_key)
                && lost.all(|at| first.columns.contains(at))
        })
    }

    /// Puts a row with whatever SQLite takes in place of what is lost, as long as it leads to nobody
    /// else; none if there is nothing.
    fn put_adrift(&mut self, table: usize, row: &Late) -> rusqlite::Result<Option<bool>> {
        let found = self.search(table, |tombstones, number| {
            tombstones.row_slots(table, row, number)
        })?;
        Ok(found.map(|(_, checked)| checked))
    }

    /// The columns of a row, each with what may be put into it.
    fn row_slots(&mut self, table: usize, row: &Late, number: u64) -> rusqlite::Result<Vec<Slot>> {
        let (entry, words) = (&self.schema.tables[table], self.words(table));
        let rowid = row.rowid.zip(self.shapes[table].rowid.clone());
        let mut slots: Vec<Slot> = rowid
            .map(|(rowid, name)| Slot {
                column: ParentColumn::Rowid,
                name,
                choices: vec![Choice::Value(Value::Int(rowid))],
            })
            .into_iter()
            .collect();
        for (at, (column, cell)) in entry.columns.iter().zip(&row.cells).enumerate() {
            let choices = match cell {
                LateCell::Kept(value) => vec![self.kept(table, value)],
                LateCell::Lost(_) => {
                    let null = (!column.not_null).then_some(Choice::Value(Value::Null));
                    let mut choices: Vec<Choice> = null.into_iter().collect();
                    choices.append(&mut self.nobody(table, at, number, &words)?);
                    choices
                }
            };
            slots.push(Slot {
                column: ParentColumn::Column(at),
                name: quote(&column.name),
                choices,
            });
        }
        Ok(slots)
    }

    /// A value as it was.
    fn kept(&self, table: usize, value: &Value) -> Choice {
        let bytes = match (value, self.inserts[table].wide) {
            (Value::Text(text), Some(wide)) => wide.bytes(text),
            _ => None,
        };
        bytes.map_or_else(|| Choice::Value(value.clone()), Choice::Exact)
    }

    /// Values of a referring column that lead to nobody.
    fn nobody(
        &mut self,
        table: usize,
        at: usize,
        number: u64,
        words: &[Literal],
    ) -> rusqlite::Result<Vec<Choice>> {
        let entry = &self.schema.tables[table];
        let leads = |reference: &Reference| {
            let own = reference.columns.iter().position(|column| *column == at)?;
            Some((reference.parent, *reference.parent_columns.get(own)?))
        };
        match entry.references.iter().find_map(leads) {
            Some((parent, column)) if self.column(parent, column).is_some() => {
                // Looked up for the sake of what it learns: which keys there are.
                self.free_keys(parent, column, number)?;
                self.more_keys(parent, column, number)
            }
            _ => {
                let values = shaped(&entry.columns[at].declared, number, words);
                let mut free = Vec::new();
                for value in values {
                    if !self.is_led_to(table, &entry.columns[at].name, &value)? {
                        free.push(Choice::Value(value));
                    }
                }
                Ok(free)
            }
        }
    }

    /// Whether a column with this value would lead to a row, by a key of that one column.
    fn is_led_to(&self, table: usize, column: &String, value: &Value) -> rusqlite::Result<bool> {
        for key in &self.shapes[table].keys {
            let ([own], [there]) = (&key.columns[..], &key.parent_columns[..]) else {
                continue;
            };
            if own != column {
                continue;
            }
            let parent = quote(&self.schema.tables[key.parent].name);
            let sql = format!("SELECT 1 FROM {parent} WHERE {} = ?1 LIMIT 1", quote(there));
            let mut prepared = self.conn.prepare_cached(&sql)?;
            if prepared.exists([Bound(value.as_ref())])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops the UNIQUE indexes of a table that are not part of it.
    fn loosen(&mut self, table: usize) -> rusqlite::Result<()> {
        let sql = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND origin = 'c'";
        let name = &self.schema.tables[table].name;
        let indexes: Vec<String> = self
            .conn
            .prepare(sql)?
            .query_map([name], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for index in indexes {
            self.conn
                .execute_batch(&format!("DROP INDEX {}", quote(&index)))?;
            self.loosened.push(index);
        }
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

    /// What column `at` holds when `reference` leads to a tombstone. A refusal, where it leads to what is computed there:
    /// no value can be chosen for that.
    fn stand_in(
        &mut self,
        reference: &Reference,
        at: usize,
        number: u64,
        row: &Late,
    ) -> rusqlite::Result<Value> {
        let parent = reference.parent;
        let mut pairs = reference.columns.iter().zip(&reference.parent_columns);
        let there = pairs.find(|(own, _)| **own == at).map(|(_, there)| *there);
        let stored = |column: &ParentColumn| self.column(parent, *column).is_some();
        let there = there.filter(stored).ok_or_else(refusal)?;
        let columns = reference.columns.iter().copied();
        let pairs = columns.zip(reference.parent_columns.iter().copied());
        // Of a key that only in part says who is gone the rest is as it was.
        let all = reference.kept.iter().copied().chain(pairs);
        let known = all.filter_map(|(own, column)| match &row.cells[own] {
            LateCell::Kept(value) if *value != Value::Null => Some((column, value.clone())),
            _ => None,
        });
        let known = known.filter(|(column, _)| stored(column)).collect();
        let key = self.key(Gone {
            table: parent,
            number,
            known,
        })?;
        Ok(key.get(&there).cloned().unwrap_or(Value::Int(0)))
    }
}
