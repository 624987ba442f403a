//! What kept snapshots have under domains that are a table's own: rows of nobody, which no customer's
//! erasure reaches.
//!
//! The catalog notes it snapshot by snapshot, once for each, since to forget one customer must not take
//! longer the more snapshots are kept.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::Repository;
use super::view::View;
use crate::catalog::OwnRows;
use crate::error::Outcome;
use crate::ids::SnapshotId;

impl Repository {
    /// All of them that can still be read; and the snapshots of which nobody can tell, which keep nobody
    /// from being forgotten.
    pub fn own_rows(&self) -> Outcome<(Vec<OwnRows>, Vec<SnapshotId>)> {
        let mut found = self.catalog.own_rows()?;
        let mut unread = Vec::new();
        for id in self.catalog.without_own_rows()? {
            match self.own_rows_of(id) {
                Ok(rows) => found.extend(rows),
                Err(_) => unread.push(id),
            }
        }
        let forest = &self.keyring.forest;
        found.sort_by_key(|rows| (Reverse(rows.newest), rows.domain));
        let mut met = HashSet::new();
        found.retain(|rows| met.insert(rows.domain) && forest.key(rows.domain).is_some());
        Ok((found, unread))
    }

    /// Notes them for every snapshot of which they are not noted and that can be read.
    pub fn note_own_rows(&mut self) -> Outcome<()> {
        for id in self.catalog.without_own_rows()? {
            if let Ok(rows) = self.own_rows_of(id) {
                self.catalog
                    .change(|change| change.set_own_rows(id, &rows))?;
            }
        }
        Ok(())
    }

    fn own_rows_of(&self, id: SnapshotId) -> Outcome<Vec<OwnRows>> {
        let fetcher = self.fetcher(&self.stores);
        let view = View::open(self, &fetcher, id)?;
        let mut found = Vec::new();
        for source in &view.manifest().sources {
            for (table, state) in source.schema.tables.iter().zip(&source.tables) {
                for domain in state.whole.into_iter().chain(state.orphans) {
                    if self.keyring.forest.key(domain).is_some()
                        && !view.find(&fetcher, domain)?.is_empty()
                    {
                        found.push(OwnRows {
                            domain,
                            source: source.name.clone(),
                            table: table.name.clone(),
                            newest: id,
                        });
                    }
                }
            }
        }
        Ok(found)
    }
}
