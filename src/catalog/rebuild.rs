//! What a catalog is brought up to date with that is older than the state it belongs to, or new.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Catalog, CatalogError, Change, KeyPlace, Numbered, Result, steps};
use crate::ids::{KeyedHash, SnapshotId};

/// The note of the least number that may be given among Tenure's own domains.
const LEAST_OWN: &str = "next_own";

impl Catalog {
    /// Whether it is such a copy.
    pub fn is_in_memory(&self) -> bool {
        self.connection.path().is_none_or(str::is_empty)
    }

    /// A copy in memory, for a reader who has to know more than the file says and may not change it.
    pub fn in_memory(&self) -> Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        steps::bring_up(&mut connection)?;
        let path = self.connection.path().unwrap_or_default();
        connection.execute("ATTACH ? AS disk", [path])?;
        let tables = {
            let sql = "SELECT name FROM disk.sqlite_schema WHERE type = 'table'";
            let mut statement = connection.prepare(sql)?;
            let names = statement.query_map([], |row| row.get::<_, String>(0))?;
            names.collect::<std::result::Result<Vec<_>, _>>()?
        };
        for table in tables {
            // A scan meets rows in the order of their rowids, by which snapshots are sorted.
            let sql = format!("INSERT INTO main.{table} SELECT * FROM disk.{table}");
            connection.execute(&sql, [])?;
        }
        connection.execute("DETACH disk", [])?;
        Ok(Self { connection })
    }
}

impl Change<'_> {
    /// Enters a number that was given for life, in place of what the name had.
    pub fn set_number(&self, kind: Numbered, name: &KeyedHash, number: u32) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO number (kind, name, number) VALUES (?, ?, ?)";
        self.transaction
            .prepare_cached(sql)?
            .execute(params![kind as i64, &name.0[..], number])?;
        Ok(())
    }

    /// Sees that no number below these is given any more: a customer's arrival, and one of Tenure's
    /// own domains.
    pub fn raise(&self, next_customer: u32, next_own: u32) -> Result<()> {
        let next_customer = next_customer.max(self.next_customer()?);
        self.set_note("next_customer", &next_customer.to_string())?;
        let next_own = next_own.max(self.next_own()?);
        self.set_note(LEAST_OWN, &next_own.to_string())
    }

    pub(super) fn least_own(&self) -> Result<u32> {
        let sql = "SELECT value FROM note WHERE name = ?";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let least: Option<String> = statement
            .query_row([LEAST_OWN], |row| row.get(0))
            .optional()?;
        least.map_or(Ok(0), |least| {
            least.parse().map_err(|_| CatalogError::Corrupt)
        })
    }

    /// Enters a snapshot that the journal has pruned, with the hash of its manifest, or zeros if
    /// nobody knows that any more.
    pub fn add_pruned(&self, id: SnapshotId, hash: &[u8; 32]) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO pruned (inc, number, hash) VALUES (?, ?, ?)";
        self.transaction.prepare_cached(sql)?.execute(params![
            &id.inc.0[..],
            id.number.cast_signed(),
            &hash[..]
        ])?;
        Ok(())
    }

    /// Notes that a store may hold keyrings, unless that is known.
    pub fn add_key_place(&self, store: &str, place: &KeyPlace) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO key_place (store, url, epoch, seen) VALUES (?, ?, ?, ?)";
        self.transaction.prepare_cached(sql)?.execute(params![
            store,
            place.url,
            place.epoch.cast_signed(),
            place.seen.0
        ])?;
        Ok(())
    }
}
