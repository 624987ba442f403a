//! Which rows can be a customer's at all: those near to rows that are known to be.
//!
//! A row is owned along an edge to a row with the same owner, and a reference to a row that goes is
//! found from that row. So rows are looked up from their parents by index, and only they are asked whose
//! they are; without this every row of every table would be, while the application waits. Where child
//! and parent have different affinities an index would compare otherwise than a foreign key does, and all
//! rows are asked.

use super::Work;
use super::rows::Chosen;
use crate::source::sqlite::edges::{Edge, To};
use crate::source::sqlite::sql::{Affinity, affinity, quote, same};

impl Work<'_> {
    /// SQL that holds for every row `t0` of `table` that belongs to the customers who were named, if
    /// `gone` are their rows of the tables that its edges lead to.
    pub(super) fn near_owner(&self, table: usize, gone: &[Option<Chosen>]) -> String {
        let owners = &self.settled.plan.owners;
        let found: Option<Vec<String>> = match &owners.register {
            Some((register, key)) if *register == table => {
                self.near_key(table, key).map(|near| vec![near])
            }
            _ => {
                let edges = owners.edges[table].iter();
                let near = edges.filter_map(|edge| self.near(table, edge, gone));
                near.collect()
            }
        };
        match found {
            // Some edge cannot be followed backwards.
            None => "TRUE".into(),
            Some(found) if found.is_empty() => "FALSE".into(),
            Some(found) => format!("({})", found.join(" OR ")),
        }
    }

    /// SQL that holds for every row `t0` of `table` that leads along `edge` to one of `gone`; no SQL if
    /// any row may, and nothing at all if none does.
    pub(super) fn near(
        &self,
        table: usize,
        edge: &Edge,
        gone: &[Option<Chosen>],
    ) -> Option<Option<String>> {
        let (from, columns) = match &edge.to {
            To::Token => return Some(self.near_key(table, &edge.columns)),
            To::Row { table, columns } | To::PointedAtBy { table, columns } => (*table, columns),
        };
        let rows = gone[from].as_ref()?;
        let mut pairs = Vec::new();
        for (own, other) in edge.columns.iter().zip(columns) {
            let (one, two) = (self.affinity(table, own), self.affinity(from, other));
            let alike = one.is_some() && one == two;
            let (own, other) = (quote(own), quote(other));
            match edge.to {
                // As edges compare, which an index can serve.
                To::PointedAtBy { .. } => pairs.push(format!("c.{own} = p.{other}")),
                _ if alike => pairs.push(format!("p.{other} = c.{own}")),
                _ => return Some(None),
            }
        }
        let condition = format!("{} WHERE {}", pairs.join(" AND "), rows.has("p"));
        let parent = format!("main.{}", quote(self.name(from)));
        Some(self.by_parents(table, &format!("{parent} AS p"), &condition))
    }

    /// The same for rows whose column holds the token of a customer who was named.
    fn near_key(&self, table: usize, key: &[String]) -> Option<String> {
        let [column] = key else {
            return None;
        };
        let condition = format!("c.{} = p.token", quote(column));
        self.by_parents(table, "temp.tenure_who AS p", &condition)
    }

    fn by_parents(&self, table: usize, parents: &str, condition: &str) -> Option<String> {
        let address = self.address(table).ok()?;
        let of = |alias: &str| {
            let all = address.iter().map(|name| format!("{alias}.{name}"));
            all.collect::<Vec<_>>().join(", ")
        };
        let (own, found, name) = (of("t0"), of("c"), quote(self.name(table)));
        let own = match address.len() {
            1 => own,
            _ => format!("({own})"),
        };
        Some(format!(
            "{own} IN (SELECT {found} FROM {parents} CROSS JOIN main.{name} AS c ON {condition})"
        ))
    }

    /// The affinity of a stored column or of the rowid; none of a generated one, whose type is not known
    /// here.
    fn affinity(&self, table: usize, column: &str) -> Option<Affinity> {
        if self.settled.shapes[table].rowid.as_deref() == Some(column) {
            return Some(Affinity::Number);
        }
        let table = &self.settled.schema.tables[table];
        let mut columns = table.columns.iter().chain(&table.rowid_alias);
        let column = columns.find(|stored| same(&stored.name, column))?;
        Some(affinity(&column.declared))
    }

    /// The tables that belong to customers, each after those that its edges lead to.
    pub(super) fn owners_first(&self) -> Vec<usize> {
        let edges = &self.settled.plan.owners.edges;
        let mut left: Vec<usize> = (0..edges.len())
            .filter(|table| self.owned(*table))
            .collect();
        let mut ordered = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let waits = |table: usize| {
                let mut to = edges[table].iter().filter_map(Edge::table);
                to.any(|to| left.contains(&to))
            };
            // Edges that own do not go in a circle.
            let next = left.iter().position(|table| !waits(*table));
            ordered.push(left.remove(next.unwrap_or_default()));
        }
        ordered
    }
}
