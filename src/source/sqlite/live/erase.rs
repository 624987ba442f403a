//! Erasing customers: every row that is theirs, and every reference to it.

use super::index::Index;
use super::remnants::Remnant;
use super::rows::Chosen;
use super::watch::{Op, Watch};
use super::{Live, Work, double_quoted};
use crate::schema::{Ownership, Reference};
use crate::source::sqlite::edges::{Edge, To};
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::shape::Shape;
use crate::source::sqlite::sql::quote;
use crate::source::sqlite::track;
use crate::value::CustomerKey;

/// Whether it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasing {
    /// Everything is done and checked, and then rolled back.
    Rehearse,
    /// It is done, and so is what can be done about remnants.
    ForReal {
        /// Whether to VACUUM too, which moves rowids that no INTEGER PRIMARY KEY holds, and makes
        /// the whole database anew in memory.
        vacuum: bool,
    },
}

/// What was erased, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many rows of each table.
    pub tables: Vec<(String, u64)>,
    /// References of rows that stay, which are NULL now.
    pub nulled: Vec<Nulled>,
    /// The places of those given customers who are not in the register.
    pub unknown: Vec<usize>,
    /// Rules for tables that were dropped, in words.
    pub unmet: Vec<String>,
    /// Tables of which nobody has said whose their rows are, and that have some: they may be about anybody. Nothing at a
    /// rehearsal.
    pub unreached: Vec<String>,
    /// What the engine leaves behind, and what became of it; nothing at a rehearsal.
    pub remnants: Vec<Remnant>,
}

/// References of one table that are NULL now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nulled {
    /// The table.
    pub table: String,
    /// The column, or the columns of a composite reference.
    pub column: String,
    /// How many rows.
    pub rows: u64,
}

impl Live {
    /// Erases all rows that belong to `customers`, of all classes, children before parents, and
    /// makes references to them NULL.
    ///
    /// # Errors
    /// When another program holds the database, when a reference may not be NULL, or when triggers,
    /// cascades or constraints make more or less of it than was planned. Nothing is changed then.
    pub fn erase(
        &mut self,
        customers: &[CustomerKey],
        how: Erasing,
    ) -> Result<Erased, SqliteError> {
        self.keep_journal()?;
        let pages = self.pages();
        let keep = how != Erasing::Rehearse;
        let done = self.transaction(keep, |work| work.erase(customers));
        let (mut erased, indexes) = match done {
            Ok(done) => done,
            Err(error) => {
                // What was not done leaves a journal too; the error is worth more than what became of it.
                let _ = self.let_journal_go();
                return Err(error);
            }
        };
        match how {
            Erasing::Rehearse => {
                self.let_journal_go()?;
            }
            Erasing::ForReal { vacuum } => {
                let mut remnants = self.remnants(vacuum, pages, true);
                remnants.extend(indexes.into_iter().map(Index::remnant));
                erased.remnants = remnants;
                erased.unreached = self.unreached();
            }
        }
        Ok(erased)
    }

    /// The tables with rows whose owner is not settled. A look at a damaged one would undo a transaction, so it is taken
    /// behind it.
    fn unreached(&self) -> Vec<String> {
        let mut found = Vec::new();
        for table in &self.settled.schema.tables {
            let open = matches!(table.ownership, Ownership::Ambiguous | Ownership::Unsettled);
            let any = format!("SELECT 1 FROM main.{} LIMIT 1", quote(&table.name));
            // One that cannot be read may have some.
            let any = || self.conn.prepare(&any).and_then(|mut any| any.exists([]));
            if open && any().unwrap_or(true) {
                found.push(table.name.clone());
            }
        }
        found
    }
}

/// References to rows that go.
struct Loosened {
    table: usize,
    columns: Vec<String>,
    chosen: Chosen,
}

/// Rows that go, and references to them.
pub(super) struct Removal {
    /// For each table its rows, if any go.
    pub gone: Vec<Option<Chosen>>,
    loosened: Vec<Loosened>,
}

impl Work<'_> {
    fn erase(&self, customers: &[CustomerKey]) -> Result<(Erased, Vec<Index>), SqliteError> {
        let unknown = self.name_customers(customers)?;
        let gone = self.choose_owned()?;
        let removal = self.plan_removal(gone)?;
        let touched = removal.touched();
        let dangling = self.dangling_around(&touched);
        let mut watch = Watch::begin(self)?;
        double_quoted(self.conn, true).map_err(self.fail("the settings"))?;
        self.remove(&removal, &mut watch)?;
        let indexes = self.renew_indexes(&touched)?;
        self.forget_samples(&touched)?;
        watch.check(self)?;
        self.check_keys(&dangling)?;
        track::forget(self.conn).map_err(self.fail("the change tracking"))?;
        let (tables, nulled) = self.told(&removal);
        let erased = Erased {
            tables,
            nulled,
            unknown,
            unmet: self.settled.plan.unmet.clone(),
            unreached: Vec::new(),
            remnants: Vec::new(),
        };
        Ok((erased, indexes))
    }

    /// Deletes what the query planner has sampled from the tables `touched`: it goes by its counts
    /// until the next ANALYZE.
    fn forget_samples(&self, touched: &[usize]) -> Result<(), SqliteError> {
        let there = "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat4'";
        let forget = || -> rusqlite::Result<()> {
            if !self.conn.prepare(there)?.exists([])? {
                return Ok(());
            }
            for table in touched {
                let sql = "DELETE FROM main.sqlite_stat4 WHERE tbl = ?1 COLLATE NOCASE";
                self.conn.execute(sql, [self.name(*table)])?;
            }
            Ok(())
        };
        forget().map_err(self.fail("sqlite_stat4"))
    }

    /// Chooses all rows of the customers who were named: those of each table, if it has any.
    pub(super) fn choose_owned(&self) -> Result<Vec<Option<Chosen>>, SqliteError> {
        let mut gone: Vec<Option<Chosen>> = Vec::new();
        gone.resize_with(self.settled.shapes.len(), || None);
        for table in self.owners_first() {
            let (near, theirs) = (self.near_owner(table, &gone), self.owned_by_them(table));
            let label = format!("gone_{table}");
            gone[table] = self.choose(&label, table, &format!("{near} AND {theirs}"))?;
        }
        Ok(gone)
    }

    /// Chooses the references that must become NULL when these rows go.
    pub(super) fn plan_removal(&self, gone: Vec<Option<Chosen>>) -> Result<Removal, SqliteError> {
        let mut loosened = Vec::new();
        let mut refused = Vec::new();
        for (at, table) in self.settled.schema.tables.iter().enumerate() {
            let edges = &self.settled.plan.references[at];
            for (number, (edge, reference)) in edges.iter().zip(&table.references).enumerate() {
                let label = format!("null_{at}_{number}");
                let Some(chosen) = self.referring(&label, at, edge, &gone)? else {
                    continue;
                };
                let columns = self.nullable(at, reference);
                match columns.is_empty() {
                    true => refused.push(refusal(&chosen, &table.name, &edge.columns)),
                    false => loosened.push(Loosened {
                        table: at,
                        columns,
                        chosen,
                    }),
                }
            }
            refused.append(&mut self.firm_keys(at, &gone)?);
        }
        match refused.is_empty() {
            true => Ok(Removal { gone, loosened }),
            false => Err(SqliteError::StillReferred { found: refused }),
        }
    }

    /// The rows of `table` that stay, and by `edge` refer to one that goes.
    fn referring(
        &self,
        label: &str,
        table: usize,
        edge: &Edge,
        gone: &[Option<Chosen>],
    ) -> Result<Option<Chosen>, SqliteError> {
        let To::Row {
            table: parent,
            columns,
        } = &edge.to
        else {
            return Ok(None);
        };
        let Some(targets) = &gone[*parent] else {
            return Ok(None);
        };
        let near = match self.near(table, edge, gone).flatten() {
            Some(near) => format!("{near} AND "),
            None => String::new(),
        };
        let pairs = edge.columns.iter().zip(columns);
        // As foreign keys compare: with the parent's collation and affinity.
        let same = pairs.map(|(own, other)| format!("t1.{} = +t0.{}", quote(other), quote(own)));
        let same: Vec<String> = same.collect();
        let stays = match &gone[table] {
            Some(rows) => format!("NOT ({}) AND ", rows.has("t0")),
            None => String::new(),
        };
        let filter = match &edge.filter {
            Some(filter) => format!("({filter}\n) AND "),
            None => String::new(),
        };
        let condition = format!(
            "{near}{stays}{filter}EXISTS (SELECT 1 FROM main.{} AS t1 WHERE {} AND {})",
            quote(self.name(*parent)),
            same.join(" AND "),
            targets.has("t1"),
        );
        self.choose(label, table, &condition)
    }

    /// The columns of a reference that may be NULL.
    fn nullable(&self, table: usize, reference: &Reference) -> Vec<String> {
        let columns = &self.settled.schema.tables[table].columns;
        let columns = reference.columns.iter().map(|at| &columns[*at]);
        let free = columns.filter(|column| !column.not_null);
        free.map(|column| column.name.clone()).collect()
    }

    /// Foreign keys in a rowid or in generated columns, which cannot be set NULL: those that rows which
    /// stay have to rows that go, in words.
    fn firm_keys(&self, table: usize, gone: &[Option<Chosen>]) -> Result<Vec<String>, SqliteError> {
        let mut found = Vec::new();
        let known = &self.settled.plan.references[table];
        for (number, key) in self.settled.shapes[table].keys.iter().enumerate() {
            let edge = Edge {
                columns: key.columns.clone(),
                to: To::Row {
                    table: key.parent,
                    columns: key.parent_columns.clone(),
                },
                filter: None,
            };
            if known.contains(&edge) {
                continue;
            }
            let label = format!("firm_{table}_{number}");
            if let Some(chosen) = self.referring(&label, table, &edge, gone)? {
                found.push(refusal(&chosen, self.name(table), &edge.columns));
            }
        }
        Ok(found)
    }

    /// Makes the references NULL and deletes the rows.
    pub(super) fn remove(&self, removal: &Removal, watch: &mut Watch) -> Result<(), SqliteError> {
        for Loosened {
            table,
            columns,
            chosen,
        } in &removal.loosened
        {
            let name = self.name(*table);
            let nulls: Vec<String> = columns
                .iter()
                .map(|column| format!("{} = NULL", quote(column)))
                .collect();
            let sql = format!(
                "UPDATE main.{} AS t0 SET {} WHERE {}",
                quote(name),
                nulls.join(", "),
                chosen.has("t0")
            );
            self.conn.execute(&sql, []).map_err(self.fail(name))?;
            watch.expect(*table, Op::Update, chosen.count);
        }
        let tables: Vec<usize> = removal.tables().collect();
        for table in children_first(&tables, &self.settled.shapes) {
            if let Some(chosen) = &removal.gone[table] {
                let name = self.name(table);
                let sql = format!(
                    "DELETE FROM main.{} AS t0 WHERE {}",
                    quote(name),
                    chosen.has("t0")
                );
                self.conn.execute(&sql, []).map_err(self.fail(name))?;
                watch.expect(table, Op::Delete, chosen.count);
            }
        }
        Ok(())
    }

    /// What a removal does, for people: rows of tables, and references.
    pub(super) fn told(&self, removal: &Removal) -> (Vec<(String, u64)>, Vec<Nulled>) {
        let gone = removal.gone.iter().enumerate();
        let tables = gone
            .filter_map(|(at, chosen)| Some((self.name(at).to_owned(), chosen.as_ref()?.count)))
            .filter(|(_, rows)| *rows > 0);
        let nulled = removal.loosened.iter().map(|loosened| Nulled {
            table: self.name(loosened.table).to_owned(),
            column: loosened.columns.join(", "),
            rows: loosened.chosen.count,
        });
        (tables.collect(), nulled.collect())
    }
}

impl Removal {
    /// The tables that lose rows.
    fn tables(&self) -> impl Iterator<Item = usize> {
        let gone = self.gone.iter().enumerate();
        gone.filter(|(_, chosen)| chosen.is_some())
            .map(|(at, _)| at)
    }

    /// The tables that are changed.
    pub(super) fn touched(&self) -> Vec<usize> {
        let mut tables: Vec<usize> = self
            .tables()
            .chain(self.loosened.iter().map(|loosened| loosened.table))
            .collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }
}

fn refusal(chosen: &Chosen, table: &str, columns: &[String]) -> String {
    let columns = columns.join(", ");
    format!("{} rows of {table} by {columns}", chosen.count)
}

/// Tables in an order in which each comes before those that it refers to, as far as cycles allow.
pub(super) fn children_first(tables: &[usize], shapes: &[Shape]) -> Vec<usize> {
    let mut left = tables.to_vec();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let referred = |table: usize| {
            let others = left.iter().filter(|other| **other != table);
            let mut keys = others.flat_map(|other| &shapes[*other].keys);
            keys.any(|key| key.parent == table)
        };
        let next = left.iter().position(|table| !referred(*table));
        ordered.push(left.remove(next.unwrap_or_default()));
    }
    ordered
}
