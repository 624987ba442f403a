//! Whose every row is, and which references lead to whom: computed from what the generator knows of
//! its schema, as the documentation says it, table by table, each from those that its rows lead to.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Connection, Result};

use super::model::{Link, Means, Model, Said};
use super::values::name;

/// Whoever is forgotten and not in the register any more.
pub const LEFT: i64 = -1;

/// The owners of a database's rows. Rows go by their number, from 1, in the order of
/// [`Table::handle`](super::model::Table::handle); customers by that of their row in the register.
pub struct Owners<'a> {
    conn: &'a Connection,
    model: &'a Model,
    /// By table: the owner of each row that has one; none for tables whose rows nobody owns.
    pub tables: Vec<Option<BTreeMap<i64, i64>>>,
}

impl<'a> Owners<'a> {
    /// Looks at every row. `left` is the key of somebody who is counted as being in the register,
    /// as [`LEFT`], if nobody else is found for a row.
    pub fn new(conn: &'a Connection, model: &'a Model, left: Option<&[Value]>) -> Result<Self> {
        let mut owners = Self {
            conn,
            model,
            tables: vec![None; model.tables.len()],
        };
        let keys = model.tables[0].names(&model.tables[0].key);
        let there: Vec<String> = keys
            .iter()
            .map(|key| format!("{key} IS NOT NULL"))
            .collect();
        let all = owners.pairs(&format!(
            "SELECT \"#\", \"#\" FROM {} WHERE {}",
            owners.rows(0),
            there.join(" AND ")
        ))?;
        owners.tables[0] = Some(all.into_iter().collect());
        let ranks = owners.ranks()?;
        let mut settled = vec![None; model.tables.len()];
        settled[0] = Some(0);
        while let Some((table, distance)) = owners.next(&settled, &ranks) {
            settled[table] = Some(distance);
            owners.tables[table] = owners.of_table(table, left)?;
        }
        Ok(owners)
    }

    /// Of each table its place in the schema: of two that are equally near to the register and lead to
    /// each other the first one goes first.
    fn ranks(&self) -> Result<Vec<i64>> {
        let sql =
            "SELECT coalesce(min(rowid), 0) FROM sqlite_schema WHERE type = 'table' AND name = ?";
        let tables = self.model.tables.iter();
        let rank =
            |table: &super::model::Table| self.conn.query_row(sql, [&table.name], |row| row.get(0));
        tables.map(rank).collect()
    }

    /// The tables to which a table's rows lead, along links that own.
    fn leads(&self, table: usize) -> Vec<usize> {
        let entry = &self.model.tables[table];
        if !entry.alive {
            return Vec::new();
        }
        let mut all: Vec<usize> = self
            .model
            .owning(table)
            .iter()
            .map(|link| link.to)
            .collect();
        if let Said::PointedAt { table: from, .. } = entry.said {
            all.push(from);
        }
        all
    }

    /// The next table whose rows' owners can be found, and how far it is from the register. `settled` has
    /// how far those are that have been looked at. A table waits for those that it leads to; where all
    /// wait for each other, the one that is nearest to the register goes first, without the others.
    fn next(&self, settled: &[Option<usize>], ranks: &[i64]) -> Option<(usize, usize)> {
        let open: Vec<usize> = (1..settled.len())
            .filter(|table| settled[*table].is_none())
            .collect();
        let owned = |to: &usize| settled[*to].is_some() && self.tables[*to].is_some();
        let mut possible = BTreeSet::new();
        loop {
            let leads = |to: &usize| owned(to) || possible.contains(to);
            let more: Vec<usize> = open
                .iter()
                .copied()
                .filter(|table| !possible.contains(table) && self.leads(*table).iter().any(leads))
                .collect();
            if more.is_empty() {
                break;
            }
            possible.extend(more);
        }
        let near = |table: usize| {
            let to = self.leads(table).into_iter().filter(owned);
            to.filter_map(|to| settled[to].map(|far| far + 1)).min()
        };
        let waits = |table: &&usize| self.leads(**table).iter().any(|to| possible.contains(to));
        if let Some(ready) = possible.iter().find(|table| !waits(table)) {
            return Some((*ready, near(*ready).unwrap_or(0)));
        }
        let all = possible
            .iter()
            .filter_map(|table| Some((near(*table)?, ranks[*table], *table)));
        all.min().map(|(far, _, table)| (table, far))
    }

    /// The rows that somebody owns.
    pub fn rows_of(&self, table: usize, who: i64) -> BTreeSet<i64> {
        let all = self.tables[table].iter().flatten();
        all.filter(|(_, owner)| **owner == who)
            .map(|(row, _)| *row)
            .collect()
    }

    fn of_table(&self, table: usize, left: Option<&[Value]>) -> Result<Option<BTreeMap<i64, i64>>> {
        let entry = &self.model.tables[table];
        if !entry.alive || entry.said == Said::Shared {
            return Ok(None);
        }
        let mut found: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        let mut owned = false;
        for link in self.model.owning(table) {
            let Some(targets) = &self.tables[link.to] else {
                continue;
            };
            owned = true;
            let mut leads = BTreeSet::new();
            for (row, target) in self.led(table, link)? {
                leads.insert(row);
                if let Some(who) = targets.get(&target) {
                    found.entry(row).or_default().insert(*who);
                }
            }
            if let Some(key) = left.filter(|_| link.to == 0) {
                for row in self.left(table, link, key)? {
                    if !leads.contains(&row) {
                        found.entry(row).or_default().insert(LEFT);
                    }
                }
            }
        }
        if let Said::PointedAt {
            table: from,
            columns,
        } = &entry.said
            && let Some(owners) = &self.tables[*from]
        {
            owned = true;
            let back = Link {
                columns: columns.clone(),
                to: table,
                key: entry.key.clone(),
                declared: false,
                means: Means::Nothing,
                under: Vec::new(),
            };
            for (row, target) in self.led(*from, &back)? {
                if let Some(who) = owners.get(&row) {
                    found.entry(target).or_default().insert(*who);
                }
            }
        }
        // Somebody who is not there is nobody else's rival.
        for owners in found.values_mut().filter(|owners| owners.len() > 1) {
            owners.remove(&LEFT);
        }
        if !owned || found.values().any(|owners| owners.len() > 1) {
            return Ok(None);
        }
        let one = |(row, owners): (i64, BTreeSet<i64>)| Some((row, owners.first().copied()?));
        Ok(Some(found.into_iter().filter_map(one).collect()))
    }

    /// Which row refers to which along a link. A foreign key holds always, whatever a rule says.
    pub fn refers(&self, table: usize, link: &Link) -> Result<Vec<(i64, i64)>> {
        let mut link = link.clone();
        if link.declared {
            link.means = Means::Nothing;
        }
        self.led(table, &link)
    }

    /// Which rows hold a key along a link to the register, in the same way.
    pub fn hold(&self, table: usize, link: &Link, key: &[Value]) -> Result<Vec<i64>> {
        let mut link = link.clone();
        if link.declared {
            link.means = Means::Nothing;
        }
        self.left(table, &link, key)
    }

    /// Which row leads where along a link.
    fn led(&self, table: usize, link: &Link) -> Result<Vec<(i64, i64)>> {
        let own = self.model.tables[table].names(&link.columns);
        let other = self.model.tables[link.to].names(&link.key);
        // As foreign keys compare: by the parent's affinity and collation.
        let on: Vec<String> = own
            .iter()
            .zip(&other)
            .map(|(own, other)| format!("p.{other} = +c.{own}"))
            .collect();
        self.pairs(&format!(
            "SELECT c.\"#\", p.\"#\" FROM {} AS c JOIN {} AS p ON {}{}",
            self.rows(table),
            self.rows(link.to),
            on.join(" AND "),
            self.filter(table, link),
        ))
    }

    /// Rows whose link holds a key that nobody has.
    fn left(&self, table: usize, link: &Link, key: &[Value]) -> Result<Vec<i64>> {
        let own = self.model.tables[table].names(&link.columns);
        let register = &self.model.tables[0];
        // A CAST has the affinity of its type, as the register's column has it.
        let held = |at: usize, value: &Value| match (register.takes_numbers(link.key[at]), value) {
            (Some(true), Value::Integer(_) | Value::Real(_)) => {
                format!("CAST(?{} AS NUMERIC)", at + 1)
            }
            (Some(false), Value::Text(_)) => format!("CAST(?{} AS TEXT)", at + 1),
            _ => format!("?{}", at + 1),
        };
        let pair = |(at, (own, value))| format!("{} = +c.{own} COLLATE BINARY", held(at, value));
        let on = own.iter().zip(key).enumerate().map(pair);
        let on: Vec<String> = on.collect();
        let sql = format!(
            "SELECT c.\"#\" FROM {} AS c WHERE {}{}",
            self.rows(table),
            on.join(" AND "),
            self.filter(table, link)
        );
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(key), |row| row.get(0))?;
        rows.collect()
    }

    /// The condition under which a link holds.
    fn filter(&self, table: usize, link: &Link) -> String {
        let own = match link.means {
            Means::By(Some((kind, value))) => {
                let kind = name(&self.model.tables[table].columns[kind].name);
                format!(" AND c.{kind} = {value}")
            }
            _ => String::new(),
        };
        let under = link.under.iter().map(|under| {
            let (own, other) = (
                self.model.tables[table].names(&under.columns),
                &self.model.tables[under.to],
            );
            let there = own.iter().map(|own| format!(" AND c.{own} IS NOT NULL"));
            let there: String = there.collect();
            let pairs = own.iter().zip(other.names(&under.key));
            let pairs = pairs.map(|(own, other)| format!("u.{other} = +c.{own}"));
            let pairs: Vec<String> = pairs.collect();
            let (kind, value) = (name(&other.columns[under.kind.0].name), under.kind.1);
            let (rows, pairs) = (self.rows(under.to), pairs.join(" AND "));
            // A row that is gone does not say otherwise.
            format!("{there} AND NOT EXISTS (SELECT 1 FROM {rows} AS u WHERE {pairs} AND u.{kind} IS NOT {value})")
        });
        own + &under.collect::<String>()
    }

    /// A table's rows with their numbers, as a subquery of those columns that lead or are led to.
    fn rows(&self, table: usize) -> String {
        let entry = &self.model.tables[table];
        let links = entry.links.iter().flat_map(|link| &link.columns);
        let pointing = self
            .model
            .tables
            .iter()
            .filter_map(|other| match &other.said {
                Said::PointedAt {
                    table: from,
                    columns,
                } if *from == table => Some(columns),
                _ => None,
            });
        let mut columns: BTreeSet<usize> = links.copied().chain(entry.key.clone()).collect();
        columns.extend(pointing.flatten());
        columns.extend(
            entry
                .living()
                .filter(|at| entry.columns[*at].role == super::model::Role::Kind),
        );
        let columns: Vec<usize> = columns.into_iter().collect();
        let named: Vec<String> = entry.names(&columns);
        let named: String = named.iter().map(|column| format!(", {column}")).collect();
        format!(
            "(SELECT row_number() OVER (ORDER BY {}) AS \"#\"{named} FROM {})",
            entry.handle().join(", "),
            name(&entry.name)
        )
    }

    fn pairs(&self, sql: &str) -> Result<Vec<(i64, i64)>> {
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }
}
