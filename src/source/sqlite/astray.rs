//! Neutral rows that lead nowhere themselves: they are told.

use std::collections::HashSet;

use super::insert::Bound;
use super::misfit::Misfit;
use super::shape::ForeignKey;
use super::sql::quote;
use super::tombstone::{Key, Tombstones};
use crate::schema::ParentColumn;

/// The neutral rows of a table.
#[derive(Default)]
pub(super) struct Made {
    pub rowids: HashSet<i64>,
    /// By what those are known that have no rowid.
    pub keys: Vec<Key>,
}

impl Tombstones<'_> {
    /// Takes note of the neutral rows that lead nowhere. What a table's indexes leave room for may be that.
    pub(super) fn note_astray(&mut self) -> rusqlite::Result<()> {
        for (table, made) in std::mem::take(&mut self.rows) {
            let astray = match self.schema.tables[table].has_rowid {
                true => self.astray_by_rowid(table, &made.rowids)?,
                false => self.astray_by_key(table, &made.keys)?,
            };
            for _ in 0..astray {
                self.note(table, Misfit::Astray);
            }
        }
        Ok(())
    }

    fn astray_by_rowid(&self, table: usize, made: &HashSet<i64>) -> rusqlite::Result<usize> {
        let sql = "SELECT DISTINCT rowid FROM pragma_foreign_key_check(?1) WHERE rowid IS NOT NULL";
        let mut prepared = self.conn.prepare_cached(sql)?;
        let rows = prepared.query_map([&self.schema.tables[table].name], |row| row.get(0));
        // Keys that do not fit their parents' cannot be checked.
        let rows = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<i64>>>);
        Ok(rows.map_or(0, |rows| {
            rows.iter().filter(|row| made.contains(row)).count()
        }))
    }

    /// Without rowids SQLite's own check does not say which row it is.
    fn astray_by_key(&self, table: usize, made: &[Key]) -> rusqlite::Result<usize> {
        let (shape, name) = (&self.shapes[table], quote(&self.schema.tables[table].name));
        let primary: Option<Vec<ParentColumn>> = (shape.primary.iter())
            .map(|column| self.place(table, column))
            .collect();
        let Some(primary) = primary else {
            return Ok(0);
        };
        let keys = shape.keys.iter().filter(|key| self.is_fit(key));
        let broken: Vec<String> = keys.map(|key| self.broken(key)).collect();
        if broken.is_empty() {
            return Ok(0);
        }
        let same = (1..).zip(&shape.primary);
        let same: Vec<String> = same
            .map(|(at, column)| format!("c.{} = ?{at}", quote(column)))
            .collect();
        let sql = format!(
            "SELECT 1 FROM {name} AS c WHERE {} AND ({})",
            same.join(" AND "),
            broken.join(" OR ")
        );
        let mut prepared = self.conn.prepare(&sql)?;
        let mut astray = 0;
        for key in made {
            let bound = primary.iter().filter_map(|column| key.get(column));
            let bound = bound.map(|value| Bound(value.as_ref()));
            astray += usize::from(prepared.exists(rusqlite::params_from_iter(bound))?);
        }
        Ok(astray)
    }

    /// Whether what a key refers to is unique there: others SQLite does not check.
    fn is_fit(&self, key: &ForeignKey) -> bool {
        let parent = &self.shapes[key.parent];
        let mut unique = parent.unique.iter().chain([&parent.primary]);
        let has = |all: &Vec<String>, some: &Vec<String>| some.iter().all(|one| all.contains(one));
        unique.any(|unique| has(unique, &key.parent_columns) && has(&key.parent_columns, unique))
    }

    /// That a row `c` refers by `key` to no row.
    fn broken(&self, key: &ForeignKey) -> String {
        let own = || key.columns.iter().map(|own| format!("c.{}", quote(own)));
        let there: String = own().map(|own| format!("{own} IS NOT NULL AND ")).collect();
        // As foreign keys compare: with the parent's collation and affinity.
        let pairs = own().zip(&key.parent_columns);
        let pairs = pairs.map(|(own, other)| format!("p.{} = +{own}", quote(other)));
        format!(
            "({there}NOT EXISTS (SELECT 1 FROM {} AS p WHERE {}))",
            quote(&self.schema.tables[key.parent].name),
            pairs.collect::<Vec<_>>().join(" AND ")
        )
    }
}
