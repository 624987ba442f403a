//! Ownership: which tables belong to customers, and along which edges.
//!
//! The register owns itself. Every other table has edges: its foreign keys, or, where the
//! configuration says `by`, only what it says. Tables are settled from the register outward: a table
//! is settled when all tables that its edges lead to are; where only cycles are left, the one
//! nearest to the register goes first, without its edges into the cycle. A table in which two edges
//! of one row lead to different customers is ambiguous as a whole, and owns nothing further.
//!
//! A source without a register starts from the tables whose rule names a column with the customer's
//! key; from there everything is the same.

use rusqlite::Connection;

use crate::schema::{Ownership, Schema, Table};
use crate::source::sqlite::damage::is_damage;
use crate::source::sqlite::edges::{Edge, Owners, To};
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::shape::{ForeignKey, Shape};
use crate::source::sqlite::sql::has_prefix;
use crate::source::{RegisterRule, Rules};
pub(super) use leading::OWN;
pub(super) use tests_of::{Tests, met};

mod leading;
mod references;
mod rules;
mod tests_of;

/// Who owns what, as far as the reader needs it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How owners are found.
    pub owners: Owners,
    /// The register's rule with names as the table spells them, if the register is here.
    pub register: Option<RegisterRule>,
    /// For each table, for each of its references: the edge to the row that is referred to.
    pub references: Vec<Vec<Edge>>,
    /// Tables of which damage keeps us from seeing whether a row has several owners.
    pub unexamined: Vec<usize>,
    /// Rules that could not be followed, in words.
    pub unmet: Vec<String>,
    /// For each table what tells rows of it that have several owners.
    pub tests: Vec<Tests>,
}

/// What becomes of damage, and of rules that fit nothing in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is an error.
    IsRefused,
    /// It is an error, but for a rule whose own table is not in the database any more, of which nothing
    /// can be live: that is noted.
    IsRefusedUnlessDropped,
    /// It is noted: a backup does not stop because a page is damaged or the schema moved. What can be
    /// read is read, and a table whose rule cannot be followed is unsettled.
    IsNoted,
}

/// Settles the ownership of every table of `schema` and writes it there.
pub(super) fn settle(
    conn: &Connection,
    rules: &Rules,
    schema: &mut Schema,
    shapes: &[Shape],
    trouble: Trouble,
) -> Result<Plan, SqliteError> {
    plan(Planner::new(conn, rules, schema, shapes, trouble)?)
}

/// The same without a look at any row: no table is found to be ambiguous.
pub(super) fn settle_trusting(
    conn: &Connection,
    rules: &Rules,
    schema: &mut Schema,
    shapes: &[Shape],
) -> Result<Plan, SqliteError> {
    let mut planner = Planner::new(conn, rules, schema, shapes, Trouble::IsRefused)?;
    planner.looks = false;
    plan(planner)
}

fn plan(mut planner: Planner<'_>) -> Result<Plan, SqliteError> {
    while let Some(table) = planner.next() {
        planner.settle(table)?;
    }
    planner.mark_shared();
    planner.explain_unsettled();
    planner.refer();
    planner.refer_on();
    if planner.keep_naming_rowids() {
        planner.refer();
        planner.refer_on();
    }
    for table in 0..planner.shapes.len() {
        planner.warn_of_slow_lookups(table);
        planner.warn_of_what_is_not_withheld(table);
    }
    Ok(Plan {
        owners: planner.owners,
        register: planner.register,
        references: planner.references,
        unexamined: planner.unexamined,
        unmet: planner.unmet,
        tests: planner.tests,
    })
}

struct Planner<'a> {
    conn: &'a Connection,
    schema: &'a mut Schema,
    shapes: &'a [Shape],
    register: Option<RegisterRule>,
    shared: Vec<bool>,
    /// Every edge of every table, whatever comes of it.
    edges: Vec<Vec<Edge>>,
    /// Edges that name a customer besides the owner.
    also: Vec<Vec<Edge>>,
    settled: Vec<bool>,
    /// How far settled tables are from the register.
    distance: Vec<usize>,
    owners: Owners,
    references: Vec<Vec<Edge>>,
    /// For each table the edges to owned rows that are no references: by the rowid, or by what is computed.
    unsaid: Vec<Vec<Edge>>,
    trouble: Trouble,
    unexamined: Vec<usize>,
    unmet: Vec<String>,
    tests: Vec<Tests>,
    /// Whether rows are looked at.
    looks: bool,
}

impl<'a> Planner<'a> {
    fn table(&mut self, table: usize) -> &mut Table {
        &mut self.schema.tables[table]
    }

    fn owned(&self, table: usize) -> bool {
        let ownership = self.schema.tables[table].ownership;
        self.settled[table] && matches!(ownership, Ownership::Register | Ownership::Owned)
    }

    /// The next table to settle; none when no path is left to follow.
    fn next(&self) -> Option<usize> {
        let possible = self.possible();
        let waits = |edge: &Edge| edge.table().is_some_and(|to| possible[to]);
        let open = (0..possible.len()).filter(|table| possible[*table]);
        let ready = open
            .clone()
            .find(|table| !self.edges[*table].iter().any(waits));
        ready.or_else(|| {
            open.filter_map(|table| Some((self.nearness(table)?, table)))
                .min()
                .map(|(_, table)| table)
        })
    }

    /// Which unsettled tables have a path to the register at all.
    fn possible(&self) -> Vec<bool> {
        let mut possible = vec![false; self.settled.len()];
        loop {
            let leads = |edge: &Edge| edge.table().is_none_or(|to| self.owned(to) || possible[to]);
            let found = (0..possible.len()).find(|table| {
                !self.settled[*table] && !possible[*table] && self.edges[*table].iter().any(leads)
            });
            match found {
                Some(table) => possible[table] = true,
                None => return possible,
            }
        }
    }

    /// How far `table` is from the register, by edges to settled tables; none without such an edge.
    fn nearness(&self, table: usize) -> Option<usize> {
        let distance = |edge: &Edge| match edge.table() {
            None => Some(0),
            Some(to) => self.owned(to).then(|| self.distance[to] + 1),
        };
        self.edges[table].iter().filter_map(distance).min()
    }

    fn settle(&mut self, table: usize) -> Result<(), SqliteError> {
        let live = self.edges[table]
            .iter()
            .filter(|edge| edge.table().is_none_or(|to| self.owned(to)));
        let live: Vec<Edge> = live.cloned().collect();
        self.distance[table] = self.nearness(table).unwrap_or_default();
        self.settled[table] = true;
        let paths: Vec<String> = live.iter().map(|edge| self.path(edge)).collect();
        let disagreement = self.disagreement(table, &live, &paths)?;
        let also = self.also[table].iter();
        let also = also.map(|edge| format!("also {}", list(&edge.columns)));
        let path: Vec<String> = paths.iter().cloned().chain(also).collect();
        let entry = self.table(table);
        entry.path = path.join("; ");
        match disagreement {
            Some(words) => {
                entry.ownership = Ownership::Ambiguous;
                entry.warnings.push(words);
            }
            None => {
                entry.ownership = Ownership::Owned;
                self.owners.edges[table] = live;
            }
        }
        Ok(())
    }

    /// The path along `edge` for people: `order_id -> orders.customer_id -> customers`.
    fn path(&self, edge: &Edge) -> String {
        let columns = list(&edge.columns);
        let on = |table: usize| {
            let rest = self.schema.tables[table]
                .path
                .split("; ")
                .next()
                .unwrap_or_default();
            let name = &self.owners.names[table];
            match rest.strip_prefix("<- ") {
                _ if rest.is_empty() => name.clone(),
                Some(_) => format!("{name} {rest}"),
                None => format!("{name}.{rest}"),
            }
        };
        let path = match &edge.to {
            To::Token => format!("{columns} -> the register elsewhere"),
            To::Row { table, .. } => format!("{columns} -> {}", on(*table)),
            To::PointedAtBy { table, columns } => {
                let name = &self.owners.names[*table];
                let rest = self.schema.tables[*table]
                    .path
                    .split("; ")
                    .next()
                    .unwrap_or_default();
                let rest = match rest.is_empty() {
                    true => String::new(),
                    false => format!(", {rest}"),
                };
                format!("<- {name}.{}{rest}", list(columns))
            }
        };
        match &edge.filter {
            Some(filter) => format!("{path} where {filter}"),
            None => path,
        }
    }

    /// Looks for one row that has several owners, and says in words along which paths.
    fn disagreement(
        &mut self,
        table: usize,
        live: &[Edge],
        paths: &[String],
    ) -> Result<Option<String>, SqliteError> {
        self.tests[table] = Tests::of(&self.owners, live, paths);
        if !self.looks {
            return Ok(None);
        }
        match met(
            self.conn,
            &self.owners.names[table],
            &self.tests[table],
            "TRUE",
        ) {
            Err(SqliteError::Read { source, .. })
                if self.trouble == Trouble::IsNoted && is_damage(&source) =>
            {
                self.unexamined.push(table);
                Ok(None)
            }
            met => met,
        }
    }

    /// What a person has called shared stays so; where a path leads on to a customer they are told.
    fn mark_shared(&mut self) {
        for table in 0..self.shared.len() {
            let owning = self.edges[table]
                .iter()
                .find(|edge| edge.table().is_none_or(|to| self.owned(to)));
            if let Some(edge) = owning.filter(|_| self.shared[table]) {
                let warning = format!(
                    "is shared, and yet its rows lead to customers: {}",
                    self.path(edge)
                );
                self.table(table).warnings.push(warning);
            }
        }
    }

    /// A table whose only way to the register is through an ambiguous one stays unsettled with it.
    fn explain_unsettled(&mut self) {
        for table in 0..self.settled.len() {
            if self.settled[table] {
                continue;
            }
            let ambiguous = |to: &usize| self.schema.tables[*to].ownership == Ownership::Ambiguous;
            let through = self.edges[table]
                .iter()
                .filter_map(Edge::table)
                .find(ambiguous);
            if let Some(through) = through {
                let name = &self.owners.names[through];
                let warning =
                    format!("leads to customers only through {name}, whose owners are ambiguous");
                self.table(table).warnings.push(warning);
            } else if self.schema.holds_text(&self.schema.tables[table]) {
                let warning = self.whose_text(table);
                self.table(table).warnings.push(warning);
            }
        }
    }

    /// What is asked of a full-text table. It is mostly called after the table whose words it has.
    fn whose_text(&self, table: usize) -> String {
        let name = &self.owners.names[table];
        let after = |of: &usize| self.owned(*of) && has_prefix(name, &self.owners.names[*of]);
        let of = (0..self.settled.len()).filter(after);
        let of = of.max_by_key(|of| self.owners.names[*of].len());
        let of = of.map_or("TABLE", |of| &self.owners.names[of]);
        format!(
            "is a full-text table with text of its own: say whose it is, such as by = \"rowid -> {of}\""
        )
    }
}

fn edge_of(key: &ForeignKey) -> Edge {
    Edge {
        columns: key.columns.clone(),
        to: To::Row {
            table: key.parent,
            columns: key.parent_columns.clone(),
        },
        filter: None,
    }
}

fn list(columns: &[String]) -> String {
    match columns {
        [one] => one.clone(),
        many => format!("({})", many.join(", ")),
    }
}
