//! What changes in the catalog, in one transaction.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    Catalog, CatalogError, Customer, INCARNATIONS, KeyPlace, Numbered, Proof, Result, Snapshot,
    next_customer, note,
};
use crate::clock::Timestamp;
use crate::ids::{Class, Domain, Incarnation, KeyedHash, SnapshotId, StoreName};
use crate::journal::Recognised;
use crate::manifest::SnapshotKind;

/// Changes that are made together or not at all.
pub struct Change<'c> {
    pub(super) transaction: Transaction<'c>,
}

const DROP_KEY_INDEX: &str = "DROP INDEX IF EXISTS customer_key";
const MAKE_KEY_INDEX: &str = "CREATE INDEX IF NOT EXISTS customer_key ON customer (key)";

fn has_key_index(connection: &Connection) -> Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = 'customer_key'";
    Ok(connection.prepare(sql)?.exists([])?)
}

impl Catalog {
    /// Does without the index of customers by their keys, until [`Self::make_key_index`]: nobody is to be looked for
    /// meanwhile, which would take long.
    pub fn drop_key_index(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch(DROP_KEY_INDEX)?)
    }

    /// Makes the index of customers by their keys, if it is not there.
    pub fn make_key_index(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch(MAKE_KEY_INDEX)?)
    }
}

impl Change<'_> {
    /// Sets a note of the repository's own.
    pub fn set_note(&self, name: &str, value: &str) -> Result<()> {
        let sql = "INSERT INTO note VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.transaction
            .prepare_cached(sql)?
            .execute([name, value])?;
        Ok(())
    }

    /// Takes a word out of a note that is a list of words.
    pub fn take_from_note(&self, name: &str, word: &str) -> Result<()> {
        let noted = note(&self.transaction, name)?.unwrap_or_default();
        let left = noted.split_whitespace().filter(|noted| *noted != word);
        self.set_note(name, &left.collect::<Vec<_>>().join(" "))
    }

    /// The order of the incarnations, the oldest first: snapshots are listed by it.
    pub fn set_incarnations(&self, incs: &[Incarnation]) -> Result<()> {
        let words: Vec<_> = incs.iter().map(ToString::to_string).collect();
        self.set_note(INCARNATIONS, &words.join(" "))
    }

    /// The number that something has for life; the next free one of its kind if it has none yet.
    /// `name` is a keyed hash of what it is called.
    pub fn number(&self, kind: Numbered, name: &KeyedHash) -> Result<u32> {
        let sql = "SELECT number FROM number WHERE kind = ? AND name = ?";
        let found = self
            .transaction
            .prepare_cached(sql)?
            .query_row(params![kind as i64, &name.0[..]], |row| row.get(0))
            .optional()?;
        if let Some(number) = found {
            return Ok(number);
        }
        let own = [Numbered::WholeTable as i64, Numbered::Orphans as i64];
        let (kinds, first) = match kind {
            Numbered::Class => ([0, 0], 1),
            Numbered::WholeTable | Numbered::Orphans => (own, 2),
            kind => ([kind as i64; 2], 0),
        };
        let sql = "SELECT coalesce(max(number) + 1, ?) FROM number WHERE kind IN (?, ?)";
        let next: i64 = self
            .transaction
            .prepare_cached(sql)?
            .query_row(params![first, kinds[0], kinds[1]], |row| row.get(0))?;
        let mut next = u32::try_from(next).map_err(|_| CatalogError::Exhausted)?;
        if kinds == own {
            next = next.max(self.least_own()?);
        }
        let sql = "INSERT INTO number (kind, name, number) VALUES (?, ?, ?)";
        self.transaction
            .prepare_cached(sql)?
            .execute(params![kind as i64, &name.0[..], next])?;
        Ok(next)
    }

    /// The highest number given among Tenure's own domains, plus one.
    pub fn next_own(&self) -> Result<u32> {
        let sql = "SELECT coalesce(max(number) + 1, 2) FROM number WHERE kind IN (3, 4)";
        let next: i64 = self
            .transaction
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        let next = u32::try_from(next).map_err(|_| CatalogError::Exhausted)?;
        Ok(next.max(self.least_own()?))
    }

    /// The next free arrival of a customer.
    pub fn next_customer(&self) -> Result<u32> {
        next_customer(&self.transaction)
    }

    /// Runs `add`, which adds more customers than there are. Their index is made when all are there, since to
    /// keep it meanwhile takes longer; where there was none, none is made.
    pub fn add_many<E: From<CatalogError>>(
        &self,
        add: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let run = |sql| {
            let ran = self.transaction.execute_batch(sql);
            ran.map_err(CatalogError::from)
        };
        let there = has_key_index(&self.transaction)?;
        run(DROP_KEY_INDEX)?;
        add()?;
        if there {
            run(MAKE_KEY_INDEX)?;
        }
        Ok(())
    }

    /// Adds a customer.
    pub fn add_customer(&self, customer: &Customer, key: &KeyedHash) -> Result<()> {
        let sql = "INSERT INTO customer (inc, arrival, key, who, sealed) VALUES (?, ?, ?, ?, ?)";
        self.transaction.prepare_cached(sql)?.execute(params![
            &customer.domain.inc.0[..],
            customer.domain.arrival,
            &key.0[..],
            &customer.who.0[..],
            customer.sealed
        ])?;
        Ok(())
    }

    /// Removes customers who are erased by a journal entry, and remembers by what they are
    /// recognised.
    pub fn erase(&self, entry: u64, domains: &[Domain], recognised: &[Recognised]) -> Result<()> {
        for sql in [
            "DELETE FROM customer WHERE inc = ? AND arrival = ?",
            "DELETE FROM life WHERE inc = ? AND arrival = ?",
            "DELETE FROM double WHERE inc = ? AND arrival = ?",
        ] {
            let mut delete = self.transaction.prepare_cached(sql)?;
            for domain in domains
                .iter()
                .filter(|domain| domain.class == Class::CUSTOMER)
            {
                delete.execute(params![&domain.inc.0[..], domain.arrival])?;
            }
        }
        // A table's own domain: the row stays under a name that nothing hashes to, so that the number
        // is not given again, and the table gets another when it is met next.
        let sql = "UPDATE number SET name = randomblob(24) WHERE kind IN (3, 4) AND number = ?";
        let mut retire = self.transaction.prepare_cached(sql)?;
        for domain in domains.iter().filter(|domain| domain.class == Class::OWN) {
            retire.execute([domain.arrival])?;
        }
        let sql = "INSERT OR REPLACE INTO erased (who, inc, arrival, entry, key)
                   VALUES (?, ?, ?, ?, ?)";
        let mut insert = self.transaction.prepare_cached(sql)?;
        for Recognised { who, domain, key } in recognised {
            let entry = entry.cast_signed();
            insert.execute(params![
                &who.0[..],
                &domain.inc.0[..],
                domain.arrival,
                entry,
                key.as_ref().map(|key| &key.0[..])
            ])?;
        }
        Ok(())
    }

    /// No longer recognises a customer as erased; `next` is the next arrival that is free for sure.
    pub fn readmit(&self, who: &KeyedHash, next: u32) -> Result<()> {
        let sql = "DELETE FROM erased WHERE who = ?";
        self.transaction
            .prepare_cached(sql)?
            .execute([&who.0[..]])?;
        let next = next.max(self.next_customer()?);
        self.set_note("next_customer", &next.to_string())
    }

    /// Adds a snapshot that exists.
    pub fn add_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO snapshot
                   (inc, number, kind, base, started, finished, customers, stored_bytes, hash)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.transaction.prepare_cached(sql)?.execute(params![
            &snapshot.id.inc.0[..],
            snapshot.id.number.cast_signed(),
            matches!(snapshot.kind, SnapshotKind::Incremental),
            snapshot.base.cast_signed(),
            snapshot.started.0,
            snapshot.finished.0,
            snapshot.customers.cast_signed(),
            snapshot.stored_bytes.cast_signed(),
            &snapshot.hash[..]
        ])?;
        Ok(())
    }

    /// Notes whether a store holds a snapshot complete.
    pub fn set_complete(&self, id: SnapshotId, store: &StoreName, complete: bool) -> Result<()> {
        let sql = if complete {
            "INSERT OR IGNORE INTO complete (inc, number, store) VALUES (?, ?, ?)"
        } else {
            "DELETE FROM complete WHERE inc = ? AND number = ? AND store = ?"
        };
        self.transaction.prepare_cached(sql)?.execute(params![
            &id.inc.0[..],
            id.number.cast_signed(),
            store.as_str()
        ])?;
        Ok(())
    }

    /// Notes that a snapshot was read with all its data and found whole in one store. One that was
    /// pruned meanwhile is left alone.
    pub fn set_verified(&self, id: SnapshotId, time: Timestamp) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO verified (inc, number, time)
                   SELECT inc, number, ?3 FROM snapshot WHERE inc = ?1 AND number = ?2";
        self.transaction.prepare_cached(sql)?.execute(params![
            &id.inc.0[..],
            id.number.cast_signed(),
            time.0
        ])?;
        Ok(())
    }

    /// Takes a snapshot that the journal has pruned out of sight, and remembers its hash.
    pub fn prune(&self, id: SnapshotId) -> Result<()> {
        const STEPS: [&str; 6] = [
            "INSERT OR IGNORE INTO pruned (inc, number, hash)
             SELECT inc, number, hash FROM snapshot WHERE inc = ? AND number = ?",
            "DELETE FROM snapshot WHERE inc = ? AND number = ?",
            "DELETE FROM complete WHERE inc = ? AND number = ?",
            "DELETE FROM verified WHERE inc = ? AND number = ?",
            "DELETE FROM broken WHERE inc = ? AND number = ?",
            "DELETE FROM own_rows WHERE inc = ? AND number = ?",
        ];
        for sql in STEPS {
            let mut statement = self.transaction.prepare_cached(sql)?;
            statement.execute(params![&id.inc.0[..], id.number.cast_signed()])?;
        }
        Ok(())
    }

    /// Notes that a store may hold keyrings, or what was seen there.
    pub fn set_key_place(&self, store: &str, place: &KeyPlace) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO key_place (store, url, epoch, seen) VALUES (?, ?, ?, ?)";
        self.transaction.prepare_cached(sql)?.execute(params![
            store,
            place.url,
            place.epoch.cast_signed(),
            place.seen.0
        ])?;
        Ok(())
    }

    /// Notes that a recovery identity has opened the keyring.
    pub fn add_proof(&self, proof: &Proof) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO proof (recipient, file, time) VALUES (?, ?, ?)";
        self.transaction.prepare_cached(sql)?.execute(params![
            proof.recipient,
            proof.file,
            proof.time.0
        ])?;
        Ok(())
    }
}
