//! Change tracking: triggers in the source note what changes, so that a snapshot need read no more than that.
//!
//! # What is noted
//!
//! Two tables stand in the source. `tenure_changes` holds *notes*; `tenure_lineage` has one row: a random id, which
//! every snapshot replaces, and the *generation* that notes are made under. A note is one of these:
//!
//! | `what` | `k1`… | meaning |
//! |---|---|---|
//! | 0 | token | the register's row of this customer has changed, come or gone |
//! | −1 | table | a row that led to no owner has changed or gone |
//! | −2 | table | a row that leads to no owner has come or changed |
//! | −3 | table | rows of this table, which is nobody's, have changed |
//! | −10 − n | values | a row that has these values in the columns of [`Tracking::ways`] n has changed, come or gone |
//! | n ≥ 1 | values | a row came, went or was altered in what others lead to it by: the values of [`Tracking::keys`] n |
//!
//! A trigger names its own table and no other: one that does would be in the way when the application makes a table anew and
//! gives it the old one's name. So what it notes is the first step of the way from the row to its owner, before and after the
//! change. The rest of the way is gone when the snapshot is taken (`touched`), by rows as they are then. That finds
//! the owner before as well: where another row of the way has changed since, the change of that one has noted how it
//! went on from there.
//!
//! Where a row's owner changes without the row, because one on its way to the register has, the owner before is noted by
//! that change. The owner after is found from the keys that were noted, down the ways that lead to the register. In the same
//! way those are found who refer to a row that is another's now, or nobody's.
//!
//! REPLACE deletes rows without firing DELETE triggers, unless the application has set `recursive_triggers`. So what an
//! INSERT or an UPDATE would displace is noted before, by looking for it in every unique index. Cascades fire the
//! triggers of the tables that they reach.
//!
//! # What makes notes complete
//!
//! Notes are trusted if all of this is as the snapshot before has left it: the text of tables and triggers, which is what
//! schema and rules give now; the schema's version, which counts every change of the schema, also one that was
//! taken back; and the random id, which an older copy of the database does not have. `objections` names what
//! triggers could not see. Whatever is in doubt, everything is read.
//!
//! A snapshot raises the generation before it begins to read, and deletes the notes of the generations before when it has
//! got its name (`mark`): what is noted meanwhile stays, and a crash loses nothing.
//!
//! The text of the triggers is plain enough for SQLite 3.8.2: the application may have an old one.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row};

use super::edges::{Edge, To};
use super::error::SqliteError;
use super::plan::Plan;
use super::shape::Shape;
use super::sql::{affinity, same};
use crate::schema::{Ownership, Schema};

mod install;
mod mark;
mod notes;
mod objections;
mod touched;
mod triggers;

pub use install::Tracker;
pub(super) use mark::forget;
pub use mark::{begin, done};
pub use notes::Noted;
pub use touched::{Part, Touched};

/// The rows that are read, where not all are: conditions on row `t0` in SQL.
pub(super) struct Only {
    /// For each table.
    pub tables: Vec<String>,
    /// For reading the register as such.
    pub register: Option<String>,
}

/// How many columns a key may have to be noted.
const WIDEST: usize = 4;

/// Columns of a table by which others lead to its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub table: usize,
    pub columns: Vec<String>,
    pub dependents: Vec<Dependent>,
}

/// Who leads there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependent {
    pub table: usize,
    /// The columns that hold the same values.
    pub columns: Vec<String>,
    /// Whether the owner follows from there; if not, it is only referred to.
    pub owned: bool,
}

/// One way from the rows of a table to their owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OneWay {
    pub table: usize,
    /// Which of the table's edges.
    pub edge: usize,
}

/// A unique index: columns, each with the collation that it compares by.
type Unique = Vec<(String, String)>;

/// What there is to track, and how.
pub(super) struct Tracking<'a> {
    schema: &'a Schema,
    shapes: &'a [Shape],
    plan: &'a Plan,
    /// What others lead to rows by, counted from 1 in notes.
    pub keys: Vec<Key>,
    /// By what rows lead to their owners, counted from 1 in notes.
    pub ways: Vec<OneWay>,
    /// For each table its unique indexes.
    uniques: Vec<Vec<Unique>>,
    /// What triggers could not see, in words.
    pub objections: Vec<String>,
}

impl<'a> Tracking<'a> {
    /// Looks at what `conn` has.
    pub(super) fn of(
        conn: &Connection,
        schema: &'a Schema,
        shapes: &'a [Shape],
        plan: &'a Plan,
    ) -> Result<Self, SqliteError> {
        let mut tracking = Self {
            schema,
            shapes,
            plan,
            keys: keys(plan),
            ways: ways(plan),
            uniques: Vec::new(),
            objections: Vec::new(),
        };
        for table in &schema.tables {
            let found = uniques(conn, &table.name).map_err(SqliteError::reading(&table.name))?;
            tracking.uniques.push(found.0);
            if found.1 && is_owned(table.ownership) {
                tracking.objections.push(format!(
                    "table {:?} has a unique index over an expression, or over some rows only: what REPLACE displaces by \
                     it cannot be seen",
                    table.name
                ));
            }
        }
        tracking.object(conn)?;
        Ok(tracking)
    }

    fn name(&self, table: usize) -> &str {
        &self.schema.tables[table].name
    }

    fn is_owned(&self, table: usize) -> bool {
        is_owned(self.schema.tables[table].ownership)
    }

    /// The numbers and ways of a table's rows.
    fn ways_of(&self, table: usize) -> impl Iterator<Item = (usize, &OneWay)> {
        (1..)
            .zip(&self.ways)
            .filter(move |(_, way)| way.table == table)
    }

    /// The numbers and keys of a table's rows.
    fn keys_of(&self, table: usize) -> impl Iterator<Item = (usize, &Key)> {
        (1..)
            .zip(&self.keys)
            .filter(move |(_, key)| key.table == table)
    }
}

fn is_owned(ownership: Ownership) -> bool {
    matches!(ownership, Ownership::Register | Ownership::Owned)
}

/// All ways of all tables.
fn ways(plan: &Plan) -> Vec<OneWay> {
    let tables = plan.owners.edges.iter().enumerate();
    let ways =
        tables.flat_map(|(table, edges)| (0..edges.len()).map(move |edge| OneWay { table, edge }));
    ways.collect()
}

/// All keys, in an order that follows from the plan alone.
fn keys(plan: &Plan) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut add = |table: usize, columns: &[String], dependent: Dependent| {
        let found = keys
            .iter_mut()
            .find(|key| key.table == table && key.columns == columns);
        let Some(key) = found else {
            let (columns, dependents) = (columns.to_vec(), vec![dependent]);
            keys.push(Key {
                table,
                columns,
                dependents,
            });
            return;
        };
        let alike = |known: &Dependent| {
            known.table == dependent.table
                && known.columns == dependent.columns
                && known.owned >= dependent.owned
        };
        if !key.dependents.iter().any(alike) {
            key.dependents.push(dependent);
        }
    };
    let owning = plan.owners.edges.iter().enumerate();
    let owning =
        owning.flat_map(|(table, edges)| edges.iter().map(move |edge| (table, edge, true)));
    let referring = plan.references.iter().enumerate();
    let referring =
        referring.flat_map(|(table, edges)| edges.iter().map(move |edge| (table, edge, false)));
    for (table, edge, owned) in owning.chain(referring) {
        if let To::Row { table: to, columns } | To::PointedAtBy { table: to, columns } = &edge.to {
            let columns_here = edge.columns.clone();
            add(
                *to,
                columns,
                Dependent {
                    table,
                    columns: columns_here,
                    owned,
                },
            );
        }
    }
    keys
}

/// The unique indexes of a table; and whether it has one over expressions, or over some rows only.
fn uniques(conn: &Connection, table: &str) -> rusqlite::Result<(Vec<Unique>, bool)> {
    let sql = "SELECT name, partial FROM pragma_index_list(?1) WHERE \"unique\" ORDER BY name";
    let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let listed: Vec<(String, bool)> = conn
        .prepare(sql)?
        .query_map([table], pair)?
        .collect::<Result<_, _>>()?;
    let (mut found, mut odd) = (Vec::new(), false);
    for (index, partial) in listed {
        let sql = "SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno";
        let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let columns: Vec<(Option<String>, String)> = conn
            .prepare(sql)?
            .query_map([index], pair)?
            .collect::<Result<_, _>>()?;
        let named = columns
            .into_iter()
            .map(|(name, collation)| Some((name?, collation)));
        match named.collect::<Option<Unique>>() {
            Some(unique) if !partial => found.push(unique),
            _ => odd = true,
        }
    }
    Ok((found, odd))
}
