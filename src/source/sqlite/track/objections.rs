//! What triggers could not see.

use std::collections::BTreeSet;
use std::ffi::CString;

use super::{Edge, To, Tracking, WIDEST, affinity, same};
use crate::schema::Ownership;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::plan::OWN;
use crate::source::sqlite::sql::{Affinity, quote};
use crate::source::sqlite::wide::Wide;

use rusqlite::Connection;

/// How a column compares.
#[derive(PartialEq, Eq)]
struct Comparison {
    affinity: Affinity,
    collation: String,
}

impl Tracking<'_> {
    /// Objects to what it finds.
    pub(super) fn object(&mut self, conn: &Connection) -> Result<(), SqliteError> {
        let mut found = Vec::new();
        if Wide::of(self.schema).is_some() {
            found.push("the database keeps its text as UTF-16".to_owned());
        }
        if self.plan.owners.register.is_none() {
            found.push("the register is in another source".to_owned());
        }
        for (at, table) in self.schema.tables.iter().enumerate() {
            let name = &table.name;
            if table.ownership == Ownership::Ambiguous {
                found.push(format!(
                    "table {name:?} is ambiguous: every row's owners must be looked at"
                ));
            }
            if self.schema.holds_text(table) {
                found.push(format!("table {name:?} is a full-text table with text of its own, which can have no triggers"));
            }
            if self.is_owned(at) && table.has_rowid && self.shapes[at].rowid.is_none() {
                found.push(format!(
                    "table {name:?} has columns by all three names of the rowid"
                ));
            }
        }
        let owning = self.plan.owners.edges.iter().enumerate();
        for (at, edges) in owning.chain(self.plan.references.iter().enumerate()) {
            for filter in edges.iter().filter_map(|edge| edge.filter.as_ref()) {
                if self.looks_elsewhere(conn, at, filter)? {
                    let name = self.name(at);
                    // What follows from several rules is in nobody's words.
                    found.push(match filter.contains(OWN) {
                        true => format!("whom rows of {name:?} name depends on rows of other tables, by their `where`"),
                        false => format!("the condition {filter:?} on {name:?} looks at other rows"),
                    });
                }
            }
        }
        if let Some((register, key)) = &self.plan.owners.register
            && !self.is_unique(conn, *register, key)?
        {
            found.push(format!(
                "nothing keeps two rows of {:?} from having the same key",
                self.name(*register)
            ));
        }
        let edges = self
            .plan
            .owners
            .edges
            .iter()
            .chain(&self.plan.references)
            .enumerate();
        let tables = self.plan.owners.edges.len();
        for (at, edge) in edges.flat_map(|(at, edges)| edges.iter().map(move |edge| (at, edge))) {
            found.extend(self.object_to(conn, at % tables, edge)?);
        }
        found.sort();
        found.dedup();
        self.objections.extend(found);
        Ok(())
    }

    fn object_to(
        &self,
        conn: &Connection,
        from: usize,
        edge: &Edge,
    ) -> Result<Option<String>, SqliteError> {
        let (to, columns) = match &edge.to {
            To::Token => return Ok(None),
            To::Row { table, columns } | To::PointedAtBy { table, columns } => (*table, columns),
        };
        let (here, there) = (self.name(from), self.name(to));
        if edge.columns.len() > WIDEST {
            return Ok(Some(format!(
                "{here:?} leads to {there:?} by more than {WIDEST} columns"
            )));
        }
        for (own, other) in edge.columns.iter().zip(columns) {
            if self.comparison(conn, from, own)? != self.comparison(conn, to, other)? {
                return Ok(Some(format!(
                    "{here}.{own} and {there}.{other} do not compare alike: their types differ"
                )));
            }
        }
        let one = matches!(edge.to, To::PointedAtBy { .. }) || self.is_unique(conn, to, columns)?;
        Ok((!one)
            .then(|| format!("{here:?} leads to rows of {there:?} by columns that are not unique")))
    }

    /// Whether no two rows of a table can be equal in these columns, as the columns themselves compare.
    fn is_unique(
        &self,
        conn: &Connection,
        table: usize,
        columns: &[String],
    ) -> Result<bool, SqliteError> {
        let among = |name: &String| columns.iter().any(|column| same(column, name));
        let shape = &self.shapes[table];
        if shape.alias().or(shape.rowid.as_ref()).is_some_and(among) {
            return Ok(true);
        }
        for unique in &self.uniques[table] {
            let mut covers = unique.iter().all(|(name, _)| among(name));
            for (name, collation) in unique.iter().filter(|_| covers).collect::<Vec<_>>() {
                let compared = self.comparison(conn, table, name)?.collation;
                covers &= same(&compared, collation) || same(&compared, "BINARY");
            }
            if covers {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a condition of a rule reads more than the row itself.
    fn looks_elsewhere(
        &self,
        conn: &Connection,
        table: usize,
        filter: &str,
    ) -> Result<bool, SqliteError> {
        if has_word(filter, "select") {
            return Ok(true);
        }
        let name = self.name(table);
        let sql = "SELECT rootpage FROM main.sqlite_schema WHERE tbl_name = ?1";
        let looked = || -> rusqlite::Result<bool> {
            let own: BTreeSet<i64> = conn
                .prepare(sql)?
                .query_map([name], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let sql = format!(
                "EXPLAIN SELECT 1 FROM {} AS t0 WHERE ({filter}\n)",
                quote(name)
            );
            let mut prepared = conn.prepare(&sql)?;
            let mut steps = prepared.query([])?;
            while let Some(step) = steps.next()? {
                let (code, page): (String, i64) = (step.get(1)?, step.get(3)?);
                // A virtual table's rows are not told by pages.
                let other = match code.as_str() {
                    "OpenRead" | "ReopenIdx" => !own.contains(&page),
                    code => code == "VOpen",
                };
                if other {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        looked().map_err(SqliteError::reading(name))
    }

    fn comparison(
        &self,
        conn: &Connection,
        table: usize,
        column: &str,
    ) -> Result<Comparison, SqliteError> {
        let name = self.name(table);
        let told = conn.column_metadata(Some("main"), name, column);
        let (declared, collation, ..) = told.map_err(SqliteError::reading(name))?;
        let text = |told: Option<CString>| told.map(|told| told.to_string_lossy().into_owned());
        Ok(Comparison {
            affinity: affinity(&text(declared).unwrap_or_default()),
            collation: text(collation).unwrap_or_default().to_ascii_uppercase(),
        })
    }
}

/// Whether SQL has a word in it, outside of quotes.
fn has_word(sql: &str, word: &str) -> bool {
    let (mut bare, mut quote) = (String::new(), None);
    for c in sql.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if "'\"`[".contains(c) => {
                quote = Some(if c == '[' { ']' } else { c });
                bare.push(' ');
            }
            None => bare.push(c),
        }
    }
    let mut words = bare.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|one| same(one, word))
}
