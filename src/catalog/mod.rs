//! The catalog: a local index and cache, which any store can rebuild.
//!
//! It knows customers by domain number and by keyed hash, never by name: the key's hash finds a
//! customer that somebody asks for, the identity's hash (key and `since`) tells who a register row
//! is. The identity itself is sealed under the customer's own key. What is deleted here is
//! overwritten (`secure_delete`).
//!
//! Of the daemon's tasks it keeps when they were due and how they ended. No store knows that; where it
//! is lost, each task waits for its next time.
//!
//! Changes are grouped: [`Catalog::change`] runs them in one durable transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::Timestamp;
use crate::ids::{Class, Domain, Incarnation, KeyedHash, SnapshotId, StoreName};
use crate::manifest::SnapshotKind;

mod change;
mod damaged;
mod double;
mod life;
mod own_rows;
mod rebuild;
mod steps;
mod task;

pub use change::Change;
pub use life::{Erasure, Gone, Life};
pub use own_rows::OwnRows;
pub use task::{Ending, TaskRecord, TaskResult};

/// What can go wrong with the catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// SQLite's own answer.
    #[error("the catalog cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// Written by a later version.
    #[error("version {0} of the catalog is not known to this version")]
    UnknownVersion(i64),
    /// A number in it cannot be.
    #[error("the catalog holds something that cannot be")]
    Corrupt,
    /// There are no numbers left.
    #[error("there are no free domain numbers left in this incarnation")]
    Exhausted,
}

impl CatalogError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        let Self::Sqlite(error) = self else {
            return None;
        };
        let disk = matches!(
            error.sqlite_error_code(),
            Some(CannotOpen | DiskFull | ReadOnly | SystemIoFailure)
        );
        disk.then(|| {
            "look at the disk that the state directory is on: is it full, read-only or failing? what the catalog \
             knows is kept in the journal and in the manifests too"
                .to_owned()
        })
    }

    /// Whether the file itself is no catalog, or is damaged.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Sqlite(error) => {
                let code = error.sqlite_error_code();
                matches!(code, Some(DatabaseCorrupt | NotADatabase))
            }
            Self::Corrupt => true,
            Self::UnknownVersion(_) | Self::Exhausted => false,
        }
    }
}

/// A result of the catalog's.
pub type Result<T> = std::result::Result<T, CatalogError>;

/// A customer as the catalog knows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The arrival and incarnation, as the domain of the class `customer`.
    pub domain: Domain,
    /// Keyed hash of key and `since`.
    pub who: KeyedHash,
    /// The identity, sealed under the domain's key.
    pub sealed: Vec<u8>,
}

/// A snapshot as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which.
    pub id: SnapshotId,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// The number of the full one that it builds upon.
    pub base: u64,
    /// When the sources began to be read.
    pub started: Timestamp,
    /// When the manifest was written.
    pub finished: Timestamp,
    /// Customers in it.
    pub customers: u64,
    /// Bytes written for it to each store.
    pub stored_bytes: u64,
    /// BLAKE3 of its manifest, which the next one carries.
    pub hash: [u8; 32],
}

/// What of ours has numbers for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// A class, from 1.
    Class = 0,
    /// A source, from 0.
    Source = 1,
    /// A table of a source, from 0.
    Table = 2,
    /// Tenure's own domain of a table as a whole, from 2.
    WholeTable = 3,
    /// Tenure's own domain of a table's orphans, from 2 (one row of numbers with `WholeTable`).
    Orphans = 4,
}

/// The open catalog.
pub struct Catalog {
    connection: Connection,
}

impl Catalog {
    /// Opens the catalog, makes it if there is none, and brings an older one up to this version.
    pub fn open(path: &Path) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;
             PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;",
        )?;
        steps::bring_up(&mut connection)?;
        Ok(Self { connection })
    }

    /// Runs changes in one transaction, durable when this returns.
    pub fn change<T, E: From<CatalogError>>(
        &mut self,
        change: impl FnOnce(&Change<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let transaction = self.connection.transaction().map_err(CatalogError::from)?;
        let change_of = Change { transaction };
        let done = change(&change_of)?;
        change_of.transaction.commit().map_err(CatalogError::from)?;
        Ok(done)
    }

    /// A note of the repository's own, by name.
    pub fn note(&self, name: &str) -> Result<Option<String>> {
        note(&self.connection, name)
    }

    /// The customers of a key: the one who holds it, and those who held it before.
    pub fn customers_by_key(&self, key: &KeyedHash) -> Result<Vec<Customer>> {
        let sql =
            "SELECT inc, arrival, who, sealed FROM customer WHERE key = ? ORDER BY inc, arrival";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([&key.0[..]], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        rows.map(|row| customer(row?)).collect()
    }

    /// The customer of a domain.
    pub fn customer(&self, domain: Domain) -> Result<Option<Customer>> {
        let sql = "SELECT inc, arrival, who, sealed FROM customer WHERE inc = ? AND arrival = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row(params![&domain.inc.0[..], domain.arrival], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        found.optional()?.map(customer).transpose()
    }

    /// Who is recognised by `who`, and has a key with that hash.
    pub fn recognised(&self, key: &KeyedHash, who: &KeyedHash) -> Result<Option<Domain>> {
        recognised(&self.connection, key, who)
    }

    /// The next customers in the order of their arrival: those after one of them, or the first ones.
    pub fn customers_after(
        &self,
        after: Option<Domain>,
        limit: u32,
    ) -> Result<Vec<(Domain, KeyedHash)>> {
        let sql = "SELECT inc, arrival, who FROM customer WHERE (inc, arrival) > (?, ?)
                   ORDER BY inc, arrival LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        // No incarnation comes before the empty one.
        let (inc, arrival) = match &after {
            Some(domain) => (&domain.inc.0[..], i64::from(domain.arrival)),
            None => (&[][..], -1),
        };
        let rows = statement.query_map(params![inc, arrival, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        rows.map(|row| {
            let (inc, arrival, who) = row?;
            Ok((domain(inc, arrival)?, hash(who)?))
        })
        .collect()
    }

    /// Every customer's domain by identity hash.
    pub fn arrivals(&self) -> Result<HashMap<KeyedHash, Domain>> {
        let mut statement = self
            .connection
            .prepare("SELECT inc, arrival, who FROM customer")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.map(|row| {
            let (inc, arrival, who) = row?;
            Ok((hash(who)?, domain(inc, arrival)?))
        })
        .collect()
    }

    /// The next free arrival of a customer.
    pub fn next_customer(&self) -> Result<u32> {
        next_customer(&self.connection)
    }

    /// The keys, as keyed hashes, that several customers hold or held who are known.
    pub fn shared_keys(&self) -> Result<HashSet<KeyedHash>> {
        let sql = "SELECT key FROM customer GROUP BY key HAVING count(*) > 1";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.map(|row| hash(row?)).collect()
    }

    /// How many customers there are.
    pub fn customer_count(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM customer";
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// By what erased customers are recognised, and the domain that each had.
    pub fn erased(&self) -> Result<HashMap<KeyedHash, Domain>> {
        let mut statement = self
            .connection
            .prepare("SELECT inc, arrival, who FROM erased")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.map(|row| {
            let (inc, arrival, who) = row?;
            Ok((hash(who)?, domain(inc, arrival)?))
        })
        .collect()
    }

    /// The domains of erased customers by the keyed hashes of the keys that they had, as far as those
    /// were kept.
    pub fn erased_keys(&self) -> Result<HashMap<KeyedHash, Domain>> {
        let sql = "SELECT inc, arrival, key FROM erased WHERE key IS NOT NULL";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.map(|row| {
            let (inc, arrival, key) = row?;
            Ok((hash(key)?, domain(inc, arrival)?))
        })
        .collect()
    }

    /// The number that something has, if it has one.
    pub fn find_number(&self, kind: Numbered, name: &KeyedHash) -> Result<Option<u32>> {
        let sql = "SELECT number FROM number WHERE kind = ? AND name = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row(params![kind as i64, &name.0[..]], |row| row.get(0));
        Ok(found.optional()?)
    }

    /// The highest number of a class that was ever given.
    pub fn last_class(&self) -> Result<Class> {
        let sql = "SELECT coalesce(max(number), 1) FROM number WHERE kind = 0";
        Ok(Class(self.connection.query_row(sql, [], |row| row.get(0))?))
    }

    /// All snapshots, oldest first: incarnation by incarnation, in the order in which those began.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let mut snapshots = self.snapshots_as_entered()?;
        if let Some(order) = self.note(INCARNATIONS)? {
            let order: Vec<&str> = order.split_whitespace().collect();
            let rank = |inc: Incarnation| order.iter().position(|known| *known == inc.to_string());
            snapshots.sort_by_key(|snapshot| (rank(snapshot.id.inc), snapshot.id.number));
        }
        Ok(snapshots)
    }

    fn snapshots_as_entered(&self) -> Result<Vec<Snapshot>> {
        let sql = "SELECT inc, number, kind, base, started, finished, customers, stored_bytes, hash
                   FROM snapshot ORDER BY rowid";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok((
                (
                    row.get(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, i64>(3)?,
                ),
                (
                    row.get(4)?,
                    row.get(5)?,
                    row.get::<_, i64>(6)?,
                    row.get::<_, i64>(7)?,
                ),
                row.get::<_, Vec<u8>>(8)?,
            ))
        })?;
        rows.map(|row| {
            let ((inc, number, kind, base), (started, finished, customers, stored), hash) = row?;
            Ok(Snapshot {
                id: SnapshotId {
                    inc: incarnation(inc)?,
                    number: number.cast_unsigned(),
                },
                kind: if kind == 0 {
                    SnapshotKind::Full
                } else {
                    SnapshotKind::Incremental
                },
                base: base.cast_unsigned(),
                started: Timestamp(started),
                finished: Timestamp(finished),
                customers: customers.cast_unsigned(),
                stored_bytes: stored.cast_unsigned(),
                hash: hash.try_into().map_err(|_| CatalogError::Corrupt)?,
            })
        })
        .collect()
    }

    /// The snapshots of an incarnation that were read with all their data and found whole in one
    /// store, by number, and when that was last.
    pub fn verified(&self, inc: Incarnation) -> Result<BTreeMap<u64, Timestamp>> {
        let sql = "SELECT number, time FROM verified WHERE inc = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([&inc.0[..]], |row| {
            Ok((row.get::<_, i64>(0)?, Timestamp(row.get(1)?)))
        })?;
        rows.map(|row| {
            let (number, time) = row?;
            Ok((number.cast_unsigned(), time))
        })
        .collect()
    }

    /// The snapshots of an incarnation that the journal has pruned, by number, with the BLAKE3 of
    /// their manifests.
    pub fn pruned(&self, inc: Incarnation) -> Result<BTreeMap<u64, [u8; 32]>> {
        let sql = "SELECT number, hash FROM pruned WHERE inc = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([&inc.0[..]], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        rows.map(|row| {
            let (number, hash) = row?;
            let hash = hash.try_into().map_err(|_| CatalogError::Corrupt)?;
            Ok((number.cast_unsigned(), hash))
        })
        .collect()
    }

    /// Which stores had which snapshots complete when they were last looked at, and have not been
    /// found damaged since.
    pub fn complete(&self) -> Result<BTreeMap<SnapshotId, Vec<StoreName>>> {
        self.stores_by_snapshot(
            "SELECT inc, number, store FROM complete
             WHERE (inc, number, store) NOT IN (SELECT inc, number, store FROM broken)
             ORDER BY inc, number, store",
        )
    }

    /// The same by what the stores list, with no regard to damage.
    pub fn listed_complete(&self) -> Result<BTreeMap<SnapshotId, Vec<StoreName>>> {
        self.stores_by_snapshot(
            "SELECT inc, number, store FROM complete ORDER BY inc, number, store",
        )
    }

    fn stores_by_snapshot(&self, sql: &str) -> Result<BTreeMap<SnapshotId, Vec<StoreName>>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
        let mut complete: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows {
            let (inc, number, store) = row?;
            let id = SnapshotId {
                inc: incarnation(inc)?,
                number: number.cast_unsigned(),
            };
            let store = store.parse().map_err(|_| CatalogError::Corrupt)?;
            complete.entry(id).or_default().push(store);
        }
        Ok(complete)
    }

    /// The newest snapshot that a store holds complete, with all that it builds upon.
    pub fn last_good(&self, store: &StoreName) -> Result<Option<Snapshot>> {
        let complete = self.complete()?;
        let has = |id| {
            complete
                .get(&id)
                .is_some_and(|stores| stores.contains(store))
        };
        let has_chain = |snapshot: &Snapshot| {
            let mut chain = snapshot.base..=snapshot.id.number;
            let SnapshotId { inc, .. } = snapshot.id;
            chain.all(|number| has(SnapshotId { inc, number }))
        };
        Ok(self.snapshots()?.into_iter().rfind(has_chain))
    }

    /// The stores that may hold keyrings, and the last epoch at which each was seen to hold no
    /// older one.
    pub fn key_places(&self) -> Result<BTreeMap<String, KeyPlace>> {
        let sql = "SELECT store, url, epoch, seen FROM key_place";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let place = KeyPlace {
                url: row.get(1)?,
                epoch: row.get::<_, i64>(2)?.cast_unsigned(),
                seen: Timestamp(row.get(3)?),
            };
            Ok((row.get(0)?, place))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The proofs that a recovery identity works: recipient, time, and the file it was in.
    pub fn proofs(&self) -> Result<Vec<Proof>> {
        let sql = "SELECT recipient, time, file FROM proof ORDER BY time";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Proof {
                recipient: row.get(0)?,
                time: Timestamp(row.get(1)?),
                file: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

/// A store that may hold keyrings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// Its address.
    pub url: String,
    /// The epoch at which it was last seen to hold the newest keyring and none older; 0 for never.
    pub epoch: u64,
    /// When that was.
    pub seen: Timestamp,
}

/// That a recovery identity has opened the keyring once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whose identity.
    pub recipient: String,
    /// When.
    pub time: Timestamp,
    /// The file that the identity was read from.
    pub file: String,
}

fn recognised(connection: &Connection, key: &KeyedHash, who: &KeyedHash) -> Result<Option<Domain>> {
    let sql = "SELECT inc, arrival FROM customer WHERE key = ? AND who = ?
               ORDER BY inc DESC, arrival DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([&key.0[..], &who.0[..]], |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    let found = found.optional()?;
    found.map(|(inc, arrival)| domain(inc, arrival)).transpose()
}

/// The note of all incarnations in their order, once there are several.
const INCARNATIONS: &str = "incarnations";

fn note(connection: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT value FROM note WHERE name = ?")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

fn next_customer(connection: &Connection) -> Result<u32> {
    let sql = "SELECT value FROM note WHERE name = 'next_customer'";
    let mut statement = connection.prepare_cached(sql)?;
    let next: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    next.map_or(Ok(0), |next| {
        next.parse().map_err(|_| CatalogError::Corrupt)
    })
}

fn incarnation(bytes: Vec<u8>) -> Result<Incarnation> {
    bytes
        .try_into()
        .map(Incarnation)
        .map_err(|_| CatalogError::Corrupt)
}

fn hash(bytes: Vec<u8>) -> Result<KeyedHash> {
    bytes
        .try_into()
        .map(KeyedHash)
        .map_err(|_| CatalogError::Corrupt)
}

fn domain(inc: Vec<u8>, arrival: i64) -> Result<Domain> {
    let arrival = u32::try_from(arrival).map_err(|_| CatalogError::Corrupt)?;
    Ok(Domain {
        inc: incarnation(inc)?,
        class: Class::CUSTOMER,
        arrival,
    })
}

fn customer((inc, arrival, who, sealed): (Vec<u8>, i64, Vec<u8>, Vec<u8>)) -> Result<Customer> {
    Ok(Customer {
        domain: domain(inc, arrival)?,
        who: hash(who)?,
        sealed,
    })
}

#[cfg(test)]
mod tests;
