//! Rows that were chosen, by what addresses them, in temporary tables that stay in memory.

use rusqlite::Connection;

use super::Work;
use crate::source::sqlite::error::SqliteError;
use crate::source::sqlite::insert::Bound;
use crate::source::sqlite::sql::quote;
use crate::value::CustomerKey;

/// Chosen rows of one table.
pub(super) struct Chosen {
    /// The temporary table that they stand in.
    name: String,
    /// What addresses a row of theirs: quoted names.
    address: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Chosen {
    /// SQL for whether row `alias` is one of them.
    pub(super) fn has(&self, alias: &str) -> String {
        let own = |prefix: &str, names: &[String]| {
            let names = names.iter().map(|name| format!("{prefix}{name}"));
            names.collect::<Vec<_>>().join(", ")
        };
        let address = own(&format!("{alias}."), &self.address);
        let address = match self.address.len() {
            1 => address,
            _ => format!("({address})"),
        };
        let keys = own("", &keys(&self.address));
        format!("{address} IN (SELECT {keys} FROM temp.{})", self.name)
    }

    /// Strikes a row from the list, and says whether it was there.
    pub(super) fn strike(
        &mut self,
        conn: &Connection,
        address: &[crate::value::Value],
    ) -> rusqlite::Result<bool> {
        let same: Vec<String> = (1..=address.len())
            .map(|at| format!("k{} = ?{at}", at - 1))
            .collect();
        let sql = format!(
            "DELETE FROM temp.{} WHERE {}",
            self.name,
            same.join(" AND ")
        );
        let bound = address.iter().map(|value| Bound(value.as_ref()));
        let struck = conn
            .prepare_cached(&sql)?
            .execute(rusqlite::params_from_iter(bound))?;
        self.count -= struck as u64;
        Ok(struck > 0)
    }
}

fn keys(address: &[String]) -> Vec<String> {
    (0..address.len()).map(|at| format!("k{at}")).collect()
}

/// Drops everything temporary that is ours.
pub(super) fn clear(conn: &Connection) -> rusqlite::Result<()> {
    // Statements that stand on these tables must not be met again by name.
    conn.flush_prepared_statement_cache();
    let sql = "SELECT type, name FROM temp.sqlite_schema \
               WHERE type IN ('trigger', 'table') AND name LIKE 'tenure\\_%' ESCAPE '\\' ORDER BY type DESC";
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let all: Vec<(String, String)> = conn
        .prepare(sql)?
        .query_map([], pair)?
        .collect::<Result<_, _>>()?;
    for (kind, name) in all {
        conn.execute_batch(&format!("DROP {kind} temp.{}", quote(&name)))?;
    }
    Ok(())
}

impl Work<'_> {
    /// What addresses a row of a table: its rowid, or its primary key where there is none.
    ///
    /// # Errors
    /// When nothing does.
    pub(super) fn address(&self, table: usize) -> Result<Vec<String>, SqliteError> {
        let shape = &self.settled.shapes[table];
        if let Some(rowid) = &shape.rowid {
            return Ok(vec![rowid.clone()]);
        }
        match self.settled.schema.tables[table].has_rowid {
            true => Err(SqliteError::NoAddress {
                table: self.name(table).to_owned(),
            }),
            false => Ok(shape.primary.iter().map(|name| quote(name)).collect()),
        }
    }

    /// Chooses the rows `t0` of a table for which the SQL `condition` holds; none if there are none.
    pub(super) fn choose(
        &self,
        label: &str,
        table: usize,
        condition: &str,
    ) -> Result<Option<Chosen>, SqliteError> {
        let from = format!(
            "FROM main.{} AS t0 WHERE {condition}",
            quote(self.name(table))
        );
        let address = match self.address(table) {
            Ok(address) => address,
            Err(error) => {
                let any = self.conn.prepare(&format!("SELECT 1 {from} LIMIT 1"));
                let any = any.and_then(|mut any| any.exists([]));
                return match any.map_err(self.fail(self.name(table)))? {
                    true => Err(error),
                    false => Ok(None),
                };
            }
        };
        let name = format!("tenure_{label}");
        let declared = match self.settled.schema.tables[table].has_rowid {
            true => "k0 INTEGER PRIMARY KEY".to_owned(),
            false => keys(&address).join(", "),
        };
        let own: Vec<String> = address.iter().map(|name| format!("t0.{name}")).collect();
        let fill = format!("INSERT INTO temp.{name} SELECT {} {from}", own.join(", "));
        let count = self
            .conn
            .execute_batch(&format!("CREATE TEMP TABLE {name}({declared})"))
            .and_then(|()| self.conn.execute(&fill, []))
            .map_err(self.fail(self.name(table)))?;
        Ok((count > 0).then_some(Chosen {
            name,
            address,
            count: count as u64,
        }))
    }

    /// Writes down the tokens of `customers`, and says which of them, by their places, are not in
    /// the register.
    pub(super) fn name_customers(
        &self,
        customers: &[CustomerKey],
    ) -> Result<Vec<usize>, SqliteError> {
        let fail = || self.fail("the customers' keys");
        self.conn
            .execute_batch(
                "CREATE TEMP TABLE tenure_who(token); \
                 CREATE INDEX temp.tenure_who_token ON tenure_who(token)",
            )
            .map_err(fail())?;
        let mut unknown = Vec::new();
        for (at, key) in customers.iter().enumerate() {
            let sql = format!("INSERT INTO temp.tenure_who {}", self.tokens(key)?);
            let bound = key.0.iter().map(|value| Bound(value.as_ref()));
            let found = self
                .conn
                .prepare_cached(&sql)
                .and_then(|mut insert| insert.execute(rusqlite::params_from_iter(bound)))
                .map_err(fail())?;
            if found == 0 {
                unknown.push(at);
            }
        }
        Ok(unknown)
    }

    /// A query for the tokens of the register's rows with exactly this key, or, where the register
    /// is elsewhere, for the key's own.
    fn tokens(&self, key: &CustomerKey) -> Result<String, SqliteError> {
        let owners = &self.settled.plan.owners;
        let Some((register, columns)) = &owners.register else {
            let quoted: Vec<String> = (1..=key.0.len())
                .map(|at| format!("quote(?{at})"))
                .collect();
            return Ok(match key.0.len() {
                1 => "SELECT ?1".to_owned(),
                _ => format!("SELECT {}", quoted.join(" || ',' || ")),
            });
        };
        let (token, name) = (owners.of_row(*register, 0), quote(self.name(*register)));
        let condition = exactly("t0", columns, key)?;
        Ok(format!(
            "SELECT {token} FROM main.{name} AS t0 WHERE {condition}"
        ))
    }

    /// SQL for whether row `t0` of a table belongs to one of the customers who were named.
    pub(super) fn owned_by_them(&self, table: usize) -> String {
        let owner = self.settled.plan.owners.of_row(table, 0);
        format!(
            "EXISTS (SELECT 1 FROM temp.tenure_who AS w WHERE w.token = +({owner}) COLLATE BINARY \
             AND typeof(w.token) = typeof({owner}))"
        )
    }
}

/// SQL for whether row `alias` has exactly this key, parameters from 1: `=` finds it in an index, the
/// rest sees to it that neither collation nor affinity makes another key of it.
pub(in crate::source::sqlite) fn exactly(
    alias: &str,
    columns: &[String],
    key: &CustomerKey,
) -> Result<String, SqliteError> {
    if columns.len() != key.0.len() {
        return Err(SqliteError::NoCustomer);
    }
    let one = |(at, column): (usize, &String)| {
        let (column, at) = (format!("{alias}.{}", quote(column)), at + 1);
        format!(
            "{column} = ?{at} AND typeof({column}) = typeof(?{at}) AND +{column} = ?{at} COLLATE BINARY"
        )
    };
    let all: Vec<String> = columns.iter().enumerate().map(one).collect();
    Ok(all.join(" AND "))
}
