//! What snapshots have under domains that are a table's own.

use rusqlite::params;

use super::{Catalog, Change, Result, incarnation};
use crate::ids::{Class, Domain, SnapshotId};

/// A table's domain of its own that some kept snapshot has rows under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRows {
    /// The domain.
    pub domain: Domain,
    /// The source's name.
    pub source: String,
    /// The table's name.
    pub table: String,
    /// The newest snapshot that has any.
    pub newest: SnapshotId,
}

impl Catalog {
    /// What is noted of all snapshots, each domain once.
    pub fn own_rows(&self) -> Result<Vec<OwnRows>> {
        // SQLite takes the bare columns from the row that has the maximum.
        let sql = "SELECT domain_inc, arrival, source, table_name, inc, max(number)
                   FROM own_rows GROUP BY domain_inc, arrival";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let named = (row.get(2)?, row.get(3)?);
            let newest = (row.get(4)?, row.get::<_, i64>(5)?);
            Ok(((row.get(0)?, row.get(1)?), named, newest))
        })?;
        rows.map(|row| {
            let ((domain_inc, arrival), (source, table), (inc, number)) = row?;
            let domain = Domain {
                inc: incarnation(domain_inc)?,
                class: Class::OWN,
                arrival,
            };
            let newest = SnapshotId {
                inc: incarnation(inc)?,
                number: number.cast_unsigned(),
            };
            Ok(OwnRows {
                domain,
                source,
                table,
                newest,
            })
        })
        .collect()
    }

    /// The snapshots of which it is not noted, oldest first.
    pub fn without_own_rows(&self) -> Result<Vec<SnapshotId>> {
        let sql = "SELECT inc, number FROM snapshot WHERE NOT own_rows_noted ORDER BY rowid";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        rows.map(|row| {
            let (inc, number) = row?;
            Ok(SnapshotId {
                inc: incarnation(inc)?,
                number: number.cast_unsigned(),
            })
        })
        .collect()
    }
}

impl Change<'_> {
    /// Notes what a snapshot has.
    pub fn set_own_rows(&self, id: SnapshotId, rows: &[OwnRows]) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO own_rows
                   (inc, number, domain_inc, arrival, source, table_name)
                   VALUES (?, ?, ?, ?, ?, ?)";
        let mut insert = self.transaction.prepare_cached(sql)?;
        let (inc, number) = (&id.inc.0[..], id.number.cast_signed());
        for rows in rows {
            let (domain_inc, arrival) = (&rows.domain.inc.0[..], rows.domain.arrival);
            insert.execute(params![
                inc,
                number,
                domain_inc,
                arrival,
                rows.source,
                rows.table
            ])?;
        }
        let sql = "UPDATE snapshot SET own_rows_noted = 1 WHERE inc = ? AND number = ?";
        self.transaction
            .prepare_cached(sql)?
            .execute(params![inc, number])?;
        Ok(())
    }
}
