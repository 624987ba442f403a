//! Whom the notes are about, and the rows of those alone.

use rusqlite::Row;

use super::triggers::{CUSTOMER, ORPHAN_BEFORE, ORPHAN_NOW, WAY, WHOLE};
use super::{Key, Tracking, WIDEST};
use crate::source::sqlite::edges::{Edge, To};
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::plan::met;
use crate::source::sqlite::read::{Database, borrowed};
use crate::source::sqlite::sql::quote;
use crate::value::Value;

/// What has changed since the notes were begun.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Touched {
    /// The customers, by their tokens.
    pub tokens: Vec<Value>,
    /// For each table whether rows without an owner have changed or gone.
    pub orphans_before: Vec<bool>,
    /// For each table whether rows without an owner have come or changed.
    pub orphans_now: Vec<bool>,
    /// For each table whether it is nobody's, and has changed.
    pub wholes: Vec<bool>,
    /// Whether rows have come, gone or moved that others lead to: rows without an owner may have got one.
    pub moved: bool,
}

/// Which rows of a table are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// All of them.
    pub all: bool,
    /// Those of the customers who were touched.
    pub theirs: bool,
    /// Those without an owner.
    pub orphans: bool,
}

const ROOM: &str = "PRAGMA query_only = OFF;
    CREATE TEMP TABLE tenure_who(token PRIMARY KEY) WITHOUT ROWID;
    CREATE TEMP TABLE tenure_near(what, k1, k2, k3, k4, step, PRIMARY KEY (what, k1, k2, k3, k4)) WITHOUT ROWID;
    CREATE INDEX temp.tenure_near_step ON tenure_near(step, what);
    INSERT OR IGNORE INTO temp.tenure_who SELECT k1 FROM main.tenure_changes WHERE what = 0;
    INSERT OR IGNORE INTO temp.tenure_near SELECT what, k1, k2, k3, k4, 0 FROM main.tenure_changes WHERE what > 0;";

impl Database {
    /// What the notes tell, and whose rows are another's by it; or, in words that follow on the source's name, why all must be
    /// read: because it is about more than `most` customers, or because their rows have several owners now.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn touched(&self, most: u64) -> Result<Result<Touched, String>, SqliteError> {
        let fail = || SqliteError::reading("the change tracking");
        let many = format!(
            "more than {most} customers have changed, so that reading everything is quicker"
        );
        let sql = "SELECT count(*) FROM (SELECT 1 FROM main.tenure_changes LIMIT ?1)";
        let limit = i64::try_from(most.saturating_mul(8)).unwrap_or(i64::MAX);
        let notes: i64 = self
            .conn
            .query_row(sql, [limit], |row| row.get(0))
            .map_err(fail())?;
        if notes == limit {
            return Ok(Err(many));
        }
        self.conn.execute_batch(ROOM).map_err(fail())?;
        let tracking = self.tracking()?;
        let mut touched = self.noted_tables().map_err(fail())?;
        self.go_on_ways(&tracking, &mut touched).map_err(fail())?;
        for step in 0.. {
            let more = self.follow(&tracking, step, &mut touched).map_err(fail())?;
            touched.moved |= more;
            if !more {
                break;
            }
        }
        self.conn
            .execute_batch("PRAGMA query_only = ON")
            .map_err(fail())?;
        let mut who = self
            .conn
            .prepare("SELECT token FROM temp.tenure_who")
            .map_err(fail())?;
        let tokens = who
            .query_map([], |row| Ok(borrowed(row.get_ref(0)?).to_value()))
            .map_err(fail())?;
        touched.tokens = tokens.collect::<Result<_, _>>().map_err(fail())?;
        if touched.tokens.len() as u64 > most {
            return Ok(Err(many));
        }
        Ok(match self.disagreement_among(&tracking)? {
            Some(words) => Err(words),
            None => Ok(touched),
        })
    }

    /// The tables that notes name.
    fn noted_tables(&self) -> rusqlite::Result<Touched> {
        let nothing = vec![false; self.schema.tables.len()];
        let mut touched = Touched {
            orphans_before: nothing.clone(),
            orphans_now: nothing.clone(),
            wholes: nothing,
            ..Touched::default()
        };
        let mut prepared = self.conn.prepare(
            "SELECT DISTINCT what, k1 FROM main.tenure_changes WHERE what BETWEEN -9 AND -1",
        )?;
        let mut rows = prepared.query([])?;
        while let Some(row) = rows.next()? {
            let (what, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let Some(at) = self
                .schema
                .tables
                .iter()
                .position(|table| table.name == name)
            else {
                continue;
            };
            match what {
                ORPHAN_BEFORE => touched.orphans_before[at] = true,
                ORPHAN_NOW => touched.orphans_now[at] = true,
                WHOLE => touched.wholes[at] = true,
                _ => {}
            }
        }
        Ok(touched)
    }

    /// Goes the rest of the ways from rows to their owners.
    fn go_on_ways(&self, tracking: &Tracking<'_>, touched: &mut Touched) -> rusqlite::Result<()> {
        let owners = &self.plan.owners;
        for (number, way) in (1..).zip(&tracking.ways) {
            let (what, edge) = (WAY - number, &owners.edges[way.table][way.edge]);
            let any = "SELECT 1 FROM main.tenure_changes WHERE what = ?1";
            let (To::Row { table, columns } | To::PointedAtBy { table, columns }) = &edge.to else {
                continue;
            };
            if !self.conn.prepare_cached(any)?.exists([what])? {
                continue;
            }
            let pairs = |alias: &str, columns: &[String]| {
                let pairs = (1..)
                    .zip(columns)
                    .map(|(at, column)| format!("{alias}.{} = h.k{at}", quote(column)));
                pairs.collect::<Vec<_>>().join(" AND ")
            };
            let (name, own) = (
                |table: usize| quote(&self.schema.tables[table].name),
                &edge.columns,
            );
            let noted =
                "(SELECT DISTINCT k1, k2, k3, k4 FROM main.tenure_changes WHERE what = ?1) AS h";
            let (there, on) = (name(*table), pairs("t1", columns));
            let owner = owners.of_row(*table, 1);
            let found = format!(
                "INSERT OR IGNORE INTO temp.tenure_who SELECT {owner} AS o FROM {noted} CROSS JOIN main.{there} AS t1 ON {on} \
                 WHERE o IS NOT NULL"
            );
            self.conn.prepare(&found)?.execute([what])?;
            // Where the way ends in nothing, the row was nobody's or the owner was noted; now it is nobody's if it is there.
            let lost = format!(
                "NOT EXISTS (SELECT 1 FROM main.{there} AS t1 WHERE {on} AND ({owner}) IS NOT NULL)"
            );
            let was = format!("SELECT 1 FROM {noted} WHERE {lost} LIMIT 1");
            if !self.conn.prepare(&was)?.exists([what])? {
                continue;
            }
            touched.orphans_before[way.table] = true;
            let is = format!(
                "SELECT 1 FROM {noted} CROSS JOIN main.{} AS t0 ON {} WHERE {lost} AND ({}) IS NULL LIMIT 1",
                name(way.table),
                pairs("t0", own),
                owners.of_row(way.table, 0)
            );
            touched.orphans_now[way.table] |= self.conn.prepare(&is)?.exists([what])?;
        }
        Ok(())
    }

    /// Goes one step from rows that came, went or moved to those that lead to them. Tells whether there was any.
    fn follow(
        &self,
        tracking: &Tracking<'_>,
        step: i64,
        touched: &mut Touched,
    ) -> rusqlite::Result<bool> {
        let any = "SELECT 1 FROM temp.tenure_near WHERE step = ?1";
        if !self.conn.prepare_cached(any)?.exists([step])? {
            return Ok(false);
        }
        for (number, key) in (1_i64..).zip(&tracking.keys) {
            let some = "SELECT 1 FROM temp.tenure_near WHERE step = ?1 AND what = ?2";
            if self.conn.prepare_cached(some)?.exists([step, number])? {
                self.follow_key(tracking, (number, key), step, touched)?;
            }
        }
        Ok(true)
    }

    fn follow_key(
        &self,
        tracking: &Tracking<'_>,
        (number, key): (i64, &Key),
        step: i64,
        touched: &mut Touched,
    ) -> rusqlite::Result<()> {
        for dependent in &key.dependents {
            let (table, name) = (
                dependent.table,
                quote(&self.schema.tables[dependent.table].name),
            );
            let own: Vec<String> = dependent
                .columns
                .iter()
                .map(|column| format!("t0.{}", quote(column)))
                .collect();
            let values: Vec<String> = (1..=own.len()).map(|at| format!("k{at}")).collect();
            let near = format!(
                "FROM main.{name} AS t0 WHERE ({}) IN (SELECT {} FROM temp.tenure_near WHERE step = ?1 AND what = ?2)",
                own.join(", "),
                values.join(", ")
            );
            if !tracking.is_owned(table) {
                let any = self
                    .conn
                    .prepare(&format!("SELECT 1 {near} LIMIT 1"))?
                    .exists([step, number])?;
                touched.wholes[table] |= any;
                continue;
            }
            let onward: Vec<_> = tracking
                .keys_of(table)
                .filter(|_| dependent.owned)
                .collect();
            let mut columns = vec![self.plan.owners.of_row(table, 0)];
            let leads = onward.iter().flat_map(|(_, key)| &key.columns);
            columns.extend(leads.map(|column| format!("t0.{}", quote(column))));
            let mut prepared = self
                .conn
                .prepare(&format!("SELECT {} {near}", columns.join(", ")))?;
            let read = |row: &Row<'_>| {
                (0..columns.len())
                    .map(|at| row.get::<_, rusqlite::types::Value>(at))
                    .collect()
            };
            // All of them before one is written down: what is written is also what is read.
            let found: Vec<Vec<rusqlite::types::Value>> = prepared
                .query_map([step, number], read)?
                .collect::<Result<_, _>>()?;
            for row in found {
                self.arrive(table, &row, &onward, step + 1, touched)?;
            }
        }
        Ok(())
    }

    /// Writes down whose a row is that was found, and what others lead to it by.
    fn arrive(
        &self,
        table: usize,
        row: &[rusqlite::types::Value],
        onward: &[(usize, &Key)],
        step: i64,
        touched: &mut Touched,
    ) -> rusqlite::Result<()> {
        use rusqlite::types::Value as Stored;
        let Some((owner, mut rest)) = row.split_first() else {
            return Ok(());
        };
        match owner {
            Stored::Null => touched.orphans_now[table] = true,
            owner => {
                let sql = "INSERT OR IGNORE INTO temp.tenure_who VALUES (?1)";
                self.conn.prepare_cached(sql)?.execute([owner])?;
            }
        }
        for (number, key) in onward {
            let (values, after) = rest.split_at(key.columns.len());
            rest = after;
            if values.contains(&Stored::Null) {
                continue;
            }
            let mut all = values.to_vec();
            all.resize(WIDEST, Stored::Integer(0));
            let sql = "INSERT OR IGNORE INTO temp.tenure_near VALUES (?1, ?3, ?4, ?5, ?6, ?2)";
            let numbers = [Stored::Integer(*number as i64), Stored::Integer(step)];
            let values = rusqlite::params_from_iter(numbers.into_iter().chain(all));
            self.conn.prepare_cached(sql)?.execute(values)?;
        }
        Ok(())
    }

    /// Whether one of the rows of those who were touched has several owners, in words.
    fn disagreement_among(&self, tracking: &Tracking<'_>) -> Result<Option<String>, SqliteError> {
        for (at, table) in self.schema.tables.iter().enumerate() {
            let tests = &self.plan.tests[at];
            if !tracking.is_owned(at) || tests.conditions.is_empty() {
                continue;
            }
            let near = self.theirs(at, "t0", 0);
            if let Some(words) = met(&self.conn, &table.name, tests, &near)? {
                return Ok(Some(format!(
                    "table {:?} is ambiguous now: {words}",
                    table.name
                )));
            }
        }
        Ok(None)
    }

    /// From now on only these parts of the tables are read, and of the register only those who were touched.
    pub fn read_only(&mut self, parts: &[Part]) {
        let condition = |(at, part): (usize, &Part)| {
            let owner = self.plan.owners.of_row(at, 0);
            let theirs = part.theirs.then(|| self.theirs(at, "t0", 0));
            let orphans = part.orphans.then(|| format!("({owner}) IS NULL"));
            match part.all {
                true => "TRUE".to_owned(),
                false => {
                    let parts: Vec<String> = theirs.into_iter().chain(orphans).collect();
                    if parts.is_empty() {
                        "FALSE".to_owned()
                    } else {
                        format!("({})", parts.join(" OR "))
                    }
                }
            }
        };
        let only = parts.iter().enumerate().map(condition).collect();
        let register = self
            .plan
            .owners
            .register
            .as_ref()
            .map(|(at, _)| self.theirs(*at, "t0", 0));
        self.only = Some(super::Only {
            tables: only,
            register,
        });
    }

    /// SQL that holds for every row `alias` of a table that belongs to one of those who were touched, and for few others.
    fn theirs(&self, table: usize, alias: &str, depth: usize) -> String {
        let owners = &self.plan.owners;
        let who = "(SELECT token FROM temp.tenure_who)";
        if let Some((register, key)) = &owners.register
            && *register == table
        {
            return match &key[..] {
                [column] => format!("{alias}.{} IN {who}", quote(column)),
                _ => format!(
                    "({}) IN {who}",
                    owners.of_row(table, 0).replace("t0.", &format!("{alias}."))
                ),
            };
        }
        let near: Vec<String> = owners.edges[table]
            .iter()
            .map(|edge| self.near_edge(table, edge, alias, depth))
            .collect();
        match &near[..] {
            [] => "FALSE".to_owned(),
            near => format!("({})", near.join(" OR ")),
        }
    }

    fn near_edge(&self, table: usize, edge: &Edge, alias: &str, depth: usize) -> String {
        let (from, columns) = match &edge.to {
            To::Token => return "TRUE".to_owned(),
            To::Row { table, columns } | To::PointedAtBy { table, columns } => (*table, columns),
        };
        let (parent, child) = (format!("p{depth}"), format!("c{depth}"));
        let pairs: Vec<String> = edge
            .columns
            .iter()
            .zip(columns)
            .map(|(own, other)| format!("{parent}.{} = {child}.{}", quote(other), quote(own)))
            .collect();
        let of = |alias: &str| {
            let address = self.address(table).into_iter();
            address
                .map(|name| format!("{alias}.{name}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (names, theirs) = (&self.schema.tables, self.theirs(from, &parent, depth + 1));
        format!(
            "({}) IN (SELECT {} FROM main.{} AS {parent} CROSS JOIN main.{} AS {child} ON {} WHERE {theirs})",
            of(alias),
            of(&child),
            quote(&names[from].name),
            quote(&names[table].name),
            pairs.join(" AND ")
        )
    }

    /// What tells a row of a table from the others: quoted names.
    fn address(&self, table: usize) -> Vec<String> {
        let shape = &self.shapes[table];
        match &shape.rowid {
            Some(rowid) => vec![rowid.clone()],
            None => shape.primary.iter().map(|name| quote(name)).collect(),
        }
    }
}

/// What `CUSTOMER` is in the SQL above.
const _: () = assert!(CUSTOMER == 0 && WIDEST == 4);
