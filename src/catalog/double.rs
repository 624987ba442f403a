//! Customers who have several domains. One stands for the customer; the others are read, and erased, with it.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::life::life_of;
use super::{Catalog, Change, Result, domain, hash, recognised};
use crate::ids::{Domain, Incarnation, KeyedHash};

impl Catalog {
    /// Every further domain of somebody, and the one that stands for the customer.
    pub fn doubles(&self) -> Result<BTreeMap<Domain, Domain>> {
        let sql = "SELECT inc, arrival, of_inc, of_arrival FROM double";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)))
        })?;
        rows.map(|row| {
            let ((inc, arrival), (of_inc, of_arrival)) = row?;
            Ok((domain(inc, arrival)?, domain(of_inc, of_arrival)?))
        })
        .collect()
    }
}

impl Change<'_> {
    /// Who is recognised by `who`, and has a key with that hash.
    pub fn recognised(&self, key: &KeyedHash, who: &KeyedHash) -> Result<Option<Domain>> {
        recognised(&self.transaction, key, who)
    }

    /// The domain that stands for whoever has this one.
    pub fn first_of(&self, double: Domain) -> Result<Domain> {
        let sql = "SELECT of_inc, of_arrival FROM double WHERE inc = ? AND arrival = ?";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let found = statement.query_row(params![&double.inc.0[..], double.arrival], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        let found = found.optional()?;
        found.map_or(Ok(double), |(inc, arrival)| domain(inc, arrival))
    }

    /// Notes a further domain of somebody. What was decided of it, such as a hold, counts for the customer.
    pub fn add_double(&self, double: Domain, of: Domain) -> Result<()> {
        let sql =
            "INSERT OR REPLACE INTO double (inc, arrival, of_inc, of_arrival) VALUES (?, ?, ?, ?)";
        let (inc, of_inc) = (&double.inc.0[..], &of.inc.0[..]);
        self.transaction.prepare_cached(sql)?.execute(params![
            inc,
            double.arrival,
            of_inc,
            of.arrival
        ])?;
        let (life, also) = (
            life_of(&self.transaction, of)?,
            life_of(&self.transaction, double)?,
        );
        self.set_life(of, &life.merged(also))?;
        for sql in [
            "DELETE FROM life WHERE inc = ? AND arrival = ?",
            "DELETE FROM customer WHERE inc = ? AND arrival = ?",
        ] {
            let mut delete = self.transaction.prepare_cached(sql)?;
            delete.execute(params![inc, double.arrival])?;
        }
        Ok(())
    }

    /// Finds who stands in `customer` more than once, and lets the one of the newest incarnation stand for
    /// each: `order` has the oldest first.
    pub fn find_doubles(&self, order: &[Incarnation]) -> Result<()> {
        let sql = "SELECT min(inc) = max(inc) FROM customer";
        let alone: Option<bool> = self.transaction.query_row(sql, [], |row| row.get(0))?;
        if alone.unwrap_or(true) {
            return Ok(());
        }
        let sql = "SELECT key, who FROM customer GROUP BY key, who HAVING count(*) > 1";
        let mut statement = self.transaction.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found: Vec<(Vec<u8>, Vec<u8>)> = rows.collect::<std::result::Result<_, _>>()?;
        for (key, who) in found {
            let mut domains = self.all_of(&hash(key)?, &hash(who)?)?;
            domains.sort_by_key(|domain| order.iter().position(|inc| *inc == domain.inc));
            if let Some((of, doubles)) = domains.split_last() {
                for double in doubles {
                    self.add_double(*double, *of)?;
                }
            }
        }
        Ok(())
    }

    fn all_of(&self, key: &KeyedHash, who: &KeyedHash) -> Result<Vec<Domain>> {
        let sql = "SELECT inc, arrival FROM customer WHERE key = ? AND who = ?";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let rows = statement.query_map([&key.0[..], &who.0[..]], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        rows.map(|row| {
            let (inc, arrival) = row?;
            domain(inc, arrival)
        })
        .collect()
    }
}
