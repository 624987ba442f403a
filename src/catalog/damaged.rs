//! What was found damaged in stores.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::{Catalog, CatalogError, Change, Result};
use crate::ids::{SnapshotId, StoreName};

impl Catalog {
    /// Packs and pages that were found damaged in a store, by path, and not whole since.
    pub fn damaged(&self) -> Result<BTreeMap<StoreName, BTreeSet<String>>> {
        let sql = "SELECT store, path FROM damaged";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let mut damaged: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for row in rows {
            let (store, path) = row?;
            let store = store.parse().map_err(|_| CatalogError::Corrupt)?;
            damaged.entry(store).or_default().insert(path);
        }
        Ok(damaged)
    }
}

impl Change<'_> {
    /// Notes that an object was found damaged in a store, or whole.
    pub fn set_damaged(&self, store: &StoreName, path: &str, is_damaged: bool) -> Result<()> {
        let sql = if is_damaged {
            "INSERT OR IGNORE INTO damaged (store, path) VALUES (?, ?)"
        } else {
            "DELETE FROM damaged WHERE store = ? AND path = ?"
        };
        self.transaction
            .prepare_cached(sql)?
            .execute(params![store.as_str(), path])?;
        Ok(())
    }

    /// Notes which snapshots a store cannot give back because of damage: these, and no others.
    pub fn set_broken(&self, store: &StoreName, broken: &[SnapshotId]) -> Result<()> {
        let sql = "DELETE FROM broken WHERE store = ?";
        self.transaction
            .prepare_cached(sql)?
            .execute([store.as_str()])?;
        let sql = "INSERT OR IGNORE INTO broken (inc, number, store) VALUES (?, ?, ?)";
        let mut insert = self.transaction.prepare_cached(sql)?;
        for id in broken {
            let number = id.number.cast_signed();
            insert.execute(params![&id.inc.0[..], number, store.as_str()])?;
        }
        Ok(())
    }
}
