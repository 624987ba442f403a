//! Putting a customer's rows back.
//!
//! Rows are matched by column name, since the schema may have grown: a column that the rows do not know takes
//! its default. A row is the same as one that stands there if they have the same primary key, or,
//! without one, the same rowid. Where a rowid is no column and somebody else has it by now, the row takes another: nothing can refer to it.
//!
//! With `replace` the customer's rows are afterwards exactly those that were given: rows that differ
//! are changed, missing ones inserted, and what the customer has got since is deleted, with references
//! to it made NULL as an erasure does. Columns that the given rows do not know stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::erase::{Nulled, children_first};
use super::fit::{Fit, From};
use super::rows::Chosen;
use super::watch::{Op, Watch};
use super::{Live, Work, double_quoted};
use crate::schema::Table;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::insert::Bound;
use crate::source::sqlite::read::borrowed;
use crate::source::sqlite::sql::quote;
use crate::value::{CustomerKey, Value};

/// A row as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRow {
    /// Its table, as an index into the tables that it was saved with.
    pub table: usize,
    /// Its rowid; none for WITHOUT ROWID tables.
    pub rowid: Option<i64>,
    /// The stored columns' values, in the order of [`Table::columns`].
    pub cells: Vec<Value>,
}

/// What was put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutBack {
    /// How many rows of each table were inserted or changed.
    pub tables: Vec<(String, u64)>,
    /// How many rows stood there already just so.
    pub unchanged: u64,
    /// How many rows have another rowid than they had.
    pub moved: u64,
    /// With `replace`: how many rows of each table the customer had got since, which are deleted.
    pub deleted: Vec<(String, u64)>,
    /// References of others to deleted rows, which are NULL now.
    pub nulled: Vec<Nulled>,
}

impl Live {
    /// Puts `rows` of one customer back, which were saved with `tables`. Whoever has one of `keys` is that customer.
    ///
    /// # Errors
    /// When rows stand in the way, when a column or table that they need is gone, when another
    /// program holds the database, or when constraints or triggers make something else of it. Nothing
    /// is changed then.
    pub fn put(
        &mut self,
        keys: &[CustomerKey],
        tables: &[Table],
        rows: &[SavedRow],
        replace: bool,
    ) -> Result<PutBack, SqliteError> {
        self.transaction(true, |work| work.put(keys, tables, rows, replace))
    }
}

/// A row of the live database.
struct Standing {
    address: Vec<Value>,
    /// Its values of the fit's columns.
    cells: Vec<Value>,
}

/// What is to be done with a saved row.
enum Step {
    /// It stands there just so.
    Nothing,
    /// Nothing stands there.
    Insert {
        /// The rowid that it keeps, if that is no column.
        rowid: Option<i64>,
    },
    /// Another version of it stands there.
    Update {
        /// By this address.
        address: Vec<Value>,
    },
}

impl Work<'_> {
    fn put(
        &self,
        keys: &[CustomerKey],
        tables: &[Table],
        rows: &[SavedRow],
        replace: bool,
    ) -> Result<PutBack, SqliteError> {
        let fits = self.fit_all(tables, rows)?;
        self.name_customers(keys)?;
        let mut owned = self.choose_owned()?;
        let mut put = PutBack::default();
        let steps = self.steps(&fits, rows, &mut owned, replace, &mut put)?;
        let removal = self.plan_removal(match replace {
            true => owned,
            false => owned.iter().map(|_| None).collect(),
        })?;
        let mut touched: BTreeSet<usize> = removal.touched().into_iter().collect();
        touched.extend(fits.values().map(|fit| fit.live));
        let touched: Vec<usize> = touched.into_iter().collect();
        let dangling = self.dangling_around(&touched);
        let mut watch = Watch::begin(self)?;
        double_quoted(self.conn, true).map_err(self.fail("the settings"))?;
        self.remove(&removal, &mut watch)?;
        (put.deleted, put.nulled) = self.told(&removal);
        let mut parents_first = children_first(&touched, &self.settled.shapes);
        parents_first.reverse();
        // By then the application's triggers have done what they do to them.
        parents_first.sort_by_key(|table| self.holds_text(*table));
        for live in parents_first {
            let there = rows.iter().zip(&steps).filter_map(|(row, step)| {
                let fit = &fits[&row.table];
                (fit.live == live).then_some((fit, row, step))
            });
            let changed = self.write(live, there, &mut watch)?;
            if changed > 0 {
                put.tables.push((self.name(live).to_owned(), changed));
            }
        }
        self.renew_indexes(&touched)?;
        watch.check(self)?;
        self.check_keys(&dangling)?;
        Ok(put)
    }

    /// What is to be done with each row. Those that stand there are struck from `owned`.
    fn steps(
        &self,
        fits: &BTreeMap<usize, Fit>,
        rows: &[SavedRow],
        owned: &mut [Option<Chosen>],
        replace: bool,
        put: &mut PutBack,
    ) -> Result<Vec<Step>, SqliteError> {
        let mut in_the_way: BTreeMap<usize, u64> = BTreeMap::new();
        let mut steps = Vec::with_capacity(rows.len());
        for row in rows {
            let fit = &fits[&row.table];
            let (step, theirs) = self.step(fit, row, &mut owned[fit.live])?;
            match &step {
                Step::Insert { rowid: None } if fit.rowid.is_some() => put.moved += 1,
                Step::Insert { .. } => {}
                _ if !theirs || !replace => *in_the_way.entry(fit.live).or_default() += 1,
                Step::Nothing => put.unchanged += 1,
                Step::Update { .. } => {}
            }
            steps.push(step);
        }
        let told = |(table, rows): (usize, u64)| format!("{rows} of {}", self.name(table));
        match in_the_way.is_empty() {
            true => Ok(steps),
            false => Err(SqliteError::InTheWay {
                found: in_the_way.into_iter().map(told).collect(),
            }),
        }
    }

    /// What is to be done with one row, and whether one that stands there is the customer's.
    fn step(
        &self,
        fit: &Fit,
        row: &SavedRow,
        owned: &mut Option<Chosen>,
    ) -> Result<(Step, bool), SqliteError> {
        let Some(Standing { address, cells }) = self.standing(fit, row)? else {
            let rowid = self.free_rowid(fit, row)?;
            return Ok((Step::Insert { rowid }, false));
        };
        let theirs = match owned {
            Some(chosen) => chosen
                .strike(self.conn, &address)
                .map_err(self.fail(self.name(fit.live)))?,
            None => false,
        };
        // Nothing but a rowid is the same: it is somebody else's row.
        if !theirs && fit.identity.is_none() {
            return Ok((Step::Insert { rowid: None }, false));
        }
        let wanted = fit.columns.iter().map(|(_, from)| from.value(row));
        let step = match wanted.eq(cells) {
            true => Step::Nothing,
            false => Step::Update { address },
        };
        Ok((step, theirs))
    }

    /// The row that stands where `row` would go.
    fn standing(&self, fit: &Fit, row: &SavedRow) -> Result<Option<Standing>, SqliteError> {
        let keys: Vec<(String, Value)> = match (&fit.identity, &fit.rowid) {
            (Some(keys), _) => {
                let keys = keys.iter();
                keys.map(|(name, from)| (name.clone(), from.value(row)))
                    .collect()
            }
            (None, Some(rowid)) => vec![(rowid.clone(), From::Rowid.value(row))],
            (None, None) => return Ok(None),
        };
        self.find(fit, &keys)
    }

    /// The row with these values.
    fn find(&self, fit: &Fit, keys: &[(String, Value)]) -> Result<Option<Standing>, SqliteError> {
        let name = self.name(fit.live);
        let columns = fit.columns.iter().map(|(column, _)| column);
        let wanted: Vec<String> = fit
            .address
            .iter()
            .chain(columns)
            .map(|column| format!("t0.{column}"))
            .collect();
        let same: Vec<String> = (1..)
            .zip(keys)
            .map(|(at, (column, _))| format!("t0.{column} = ?{at}"))
            .collect();
        let sql = format!(
            "SELECT {} FROM main.{} AS t0 WHERE {}",
            wanted.join(", "),
            quote(name),
            same.join(" AND ")
        );
        let bound = keys.iter().map(|(_, value)| Bound(value.as_ref()));
        let read = || {
            let mut prepared = self.conn.prepare_cached(&sql)?;
            let mut rows = prepared.query(rusqlite::params_from_iter(bound))?;
            let Some(found) = rows.next()? else {
                return Ok(None);
            };
            let mut address = (0..wanted.len())
                .map(|at| found.get_ref(at).map(|value| borrowed(value).to_value()))
                .collect::<rusqlite::Result<Vec<Value>>>()?;
            let cells = address.split_off(fit.address.len());
            Ok(Some(Standing { address, cells }))
        };
        read().map_err(self.fail(name))
    }

    /// The row's own rowid, where that is no column and nobody has it.
    fn free_rowid(&self, fit: &Fit, row: &SavedRow) -> Result<Option<i64>, SqliteError> {
        let (Some(name), Some(rowid)) = (&fit.rowid, row.rowid) else {
            return Ok(None);
        };
        let taken = self.find(fit, &[(name.clone(), Value::Int(rowid))])?;
        Ok(taken.is_none().then_some(rowid))
    }

    /// What is left to be done with a row of a full-text index, after the application's triggers have done
    /// their part; none where that is as it was. A row that takes another rowid is not one of theirs.
    fn after_triggers(
        &self,
        fit: &Fit,
        row: &SavedRow,
        step: &Step,
    ) -> Result<Option<Step>, SqliteError> {
        if !self.holds_text(fit.live) || matches!(step, Step::Insert { rowid: None }) {
            return Ok(None);
        }
        let Some(Standing { address, cells }) = self.standing(fit, row)? else {
            return Ok(Some(Step::Insert { rowid: row.rowid }));
        };
        let wanted = fit.columns.iter().map(|(_, from)| from.value(row));
        Ok(Some(match wanted.eq(cells) {
            true => Step::Nothing,
            false => Step::Update { address },
        }))
    }

    /// Writes the rows of one table, and reads each back: how many were changed.
    fn write<'r>(
        &self,
        live: usize,
        rows: impl Iterator<Item = (&'r Fit, &'r SavedRow, &'r Step)>,
        watch: &mut Watch,
    ) -> Result<u64, SqliteError> {
        let (mut changed, mut different) = (0, 0);
        for (fit, row, step) in rows {
            match step {
                Step::Nothing => {}
                Step::Insert { .. } => watch.expect(live, Op::Insert, 1),
                Step::Update { .. } => watch.expect(live, Op::Update, 1),
            }
            changed += u64::from(!matches!(step, Step::Nothing));
            let left = self.after_triggers(fit, row, step)?;
            let address = match left.as_ref().unwrap_or(step) {
                Step::Nothing => continue,
                Step::Insert { rowid } => self.insert(fit, row, *rowid)?,
                Step::Update { address } => self.update(fit, row, address)?,
            };
            let keys: Vec<(String, Value)> = fit.address.iter().cloned().zip(address).collect();
            let wanted = fit.columns.iter().map(|(_, from)| from.value(row));
            let back = self.find(fit, &keys)?;
            let exact = back.is_some_and(|back| wanted.eq(back.cells));
            different += u64::from(!exact);
        }
        match different {
            0 => Ok(changed),
            rows => Err(SqliteError::NotAsItWas {
                table: self.name(live).to_owned(),
                rows,
            }),
        }
    }

    fn insert(
        &self,
        fit: &Fit,
        row: &SavedRow,
        rowid: Option<i64>,
    ) -> Result<Vec<Value>, SqliteError> {
        let name = self.name(fit.live);
        let own = fit.rowid.iter().filter(|_| rowid.is_some()).cloned();
        let columns = own.chain(fit.columns.iter().map(|(column, _)| column.clone()));
        let columns: Vec<String> = columns.collect();
        let marks: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let sql = format!(
            "INSERT OR ABORT INTO main.{}({}) VALUES ({})",
            quote(name),
            columns.join(", "),
            marks.join(", ")
        );
        let values: Vec<Value> = rowid
            .map(Value::Int)
            .into_iter()
            .chain(fit.columns.iter().map(|(_, from)| from.value(row)))
            .collect();
        self.execute(name, &sql, values.iter())?;
        match (&self.settled.shapes[fit.live].rowid, &fit.identity) {
            (None, Some(keys)) => Ok(keys.iter().map(|(_, from)| from.value(row)).collect()),
            _ => Ok(vec![Value::Int(self.conn.last_insert_rowid())]),
        }
    }

    fn update(
        &self,
        fit: &Fit,
        row: &SavedRow,
        address: &[Value],
    ) -> Result<Vec<Value>, SqliteError> {
        let name = self.name(fit.live);
        let columns = fit.columns.iter().map(|(column, _)| column);
        let all: Vec<String> = (1..)
            .zip(columns.chain(&fit.address))
            .map(|(at, column)| format!("{column} = ?{at}"))
            .collect();
        let (set, found) = all.split_at(fit.columns.len());
        let sql = format!(
            "UPDATE OR ABORT main.{} SET {} WHERE {}",
            quote(name),
            set.join(", "),
            found.join(" AND ")
        );
        let values: Vec<Value> = fit
            .columns
            .iter()
            .map(|(_, from)| from.value(row))
            .collect();
        self.execute(name, &sql, values.iter().chain(address))?;
        Ok(address.to_vec())
    }

    fn execute<'v>(
        &self,
        name: &str,
        sql: &str,
        values: impl Iterator<Item = &'v Value>,
    ) -> Result<(), SqliteError> {
        let bound = values.map(|value| Bound(value.as_ref()));
        self.conn
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(rusqlite::params_from_iter(bound)))
            .map(drop)
            .map_err(self.fail(name))
    }
}
