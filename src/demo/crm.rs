//! A sample CRM in SQLite, by a seeded generator: for `demo`, for tests and for benchmarks.
//!
//! The same seed and number of customers give the same rows, to the byte. The schema has what real
//! ones have: foreign keys in one and in two steps, a customer who refers to another customer in
//! two places (`customers.referred_by`, `notes.mentions`), a table without rowids, cascades,
//! shared tables, a view and a trigger. The owners of orders and notes follow in random order, as
//! they do in life, so that one customer's rows are strewn over the whole file. A million
//! customers are about 11 million rows and 670 MB, made in some 15 seconds.
//!
//! Nothing here is anybody's: names and words are made up, addresses end in reserved domains.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction, params};

use super::random::Random;
use super::words::{COUNTRIES, Words};

mod day;
mod stamp;

pub use day::Day;
use stamp::Stamp;

/// Orders for each customer, on average.
pub const ORDERS_PER_CUSTOMER: u64 = 3;
/// An order has from 1 to this many items, evenly: 2 on average, so 6 for each customer.
pub const MOST_ITEMS_PER_ORDER: u64 = 3;
/// Notes for each customer, on average.
pub const NOTES_PER_CUSTOMER: u64 = 1;
/// Of a thousand customers, so many were referred by another one.
pub const REFERRED_PER_MILLE: u64 = 80;
/// Of a thousand notes, so many mention another customer.
pub const MENTIONS_PER_MILLE: u64 = 50;
/// A note has from this many words …
pub const FEWEST_WORDS: u64 = 3;
/// … up to and without this many.
pub const MOST_WORDS: u64 = 14;
/// What the file says of itself in `PRAGMA user_version`.
pub const USER_VERSION: i32 = 3;

/// Customers joined from 2016-01-01 …
const JOINED_FROM: i64 = 1_451_606_400;
/// … until 2020-01-01; from then on they order and are written to, in the order of the ids …
const BUSINESS_FROM: i64 = 1_577_836_800;
/// … until 2026-01-01. Seconds since 1970, UTC.
const BUSINESS_UNTIL: i64 = 1_767_225_600;

const TABLES: &str = include_str!("crm/tables.sql");
/// Made after the rows: indexes are faster to build at once, and the trigger must not fire before.
const REST: &str = include_str!("crm/rest.sql");

/// Why a sample CRM could not be made, opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum CrmError {
    /// The file is not there to be made: it exists, or its directory cannot be written to.
    #[error("cannot create {}", path.display())]
    Create {
        /// The database.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The engine refused.
    #[error("cannot {what} the sample CRM in {}", path.display())]
    Database {
        /// What was being done.
        what: &'static str,
        /// The database.
        path: PathBuf,
        /// What the engine says.
        source: rusqlite::Error,
    },
}

/// How the finished database keeps its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// A rollback journal: one file when nobody writes.
    Delete,
    /// A write-ahead log, as most busy CRMs have.
    Wal,
}

/// An open sample CRM.
#[derive(Debug)]
pub struct Crm {
    path: PathBuf,
    db: Connection,
}

impl Crm {
    /// Makes one with a rollback journal. The file must not exist.
    ///
    /// # Errors
    /// When it exists, cannot be created, or the engine refuses (a full disk).
    pub fn create(path: &Path, customers: u32, seed: u64) -> Result<Self, CrmError> {
        Self::create_with(path, customers, seed, Journal::Delete)
    }

    /// Makes one. The file must not exist. It is written without regard to a power cut.
    ///
    /// # Errors
    /// When it exists, cannot be created, or the engine refuses (a full disk).
    pub fn create_with(
        path: &Path,
        customers: u32,
        seed: u64,
        journal: Journal,
    ) -> Result<Self, CrmError> {
        File::create_new(path).map_err(|source| CrmError::Create {
            path: path.to_owned(),
            source,
        })?;
        let at = |what, source| CrmError::Database {
            what,
            path: path.to_owned(),
            source,
        };
        let mut db = Connection::open(path).map_err(|source| at("create", source))?;
        generate(&mut db, u64::from(customers), seed).map_err(|source| at("fill", source))?;
        let mode = match journal {
            Journal::Delete => "DELETE",
            Journal::Wal => "WAL",
        };
        db.execute_batch(&format!(
            "PRAGMA journal_mode={mode}; PRAGMA locking_mode=NORMAL"
        ))
        .map_err(|source| at("finish", source))?;
        drop(db);
        Self::open(path)
    }

    /// Opens one that was made before.
    ///
    /// # Errors
    /// When there is no such file, or it is no database.
    pub fn open(path: &Path) -> Result<Self, CrmError> {
        let at = |source| CrmError::Database {
            what: "open",
            path: path.to_owned(),
            source,
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(at)?;
        db.execute_batch("PRAGMA foreign_keys=ON").map_err(at)?;
        db.busy_timeout(std::time::Duration::from_secs(10))
            .map_err(at)?;
        Ok(Self {
            path: path.to_owned(),
            db,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its connection, for whoever wants to look or to change something by hand.
    pub fn connection(&self) -> &Connection {
        &self.db
    }

    /// Lets a day pass: some 3 % of the customers order, move, complain, are merged or go. All in
    /// one transaction. The same database and seed give the same day.
    ///
    /// # Errors
    /// When the engine refuses: the database is locked, or the disk is full.
    pub fn a_day_of_changes(&mut self, seed: u64) -> Result<Day, CrmError> {
        day::pass(&mut self.db, seed).map_err(|source| CrmError::Database {
            what: "change",
            path: self.path.clone(),
            source,
        })
    }
}

fn generate(db: &mut Connection, customers: u64, seed: u64) -> rusqlite::Result<()> {
    // The small cache is for the indexes: what the engine sorts at once is as large as its cache,
    // and is sorted twice as fast when it fits that of the processor.
    db.execute_batch(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;
         PRAGMA foreign_keys=OFF; PRAGMA cache_size=-1000; PRAGMA threads=1",
    )?;
    db.pragma_update(None, "user_version", USER_VERSION)?;
    let tx = db.transaction()?;
    tx.execute_batch(TABLES)?;
    let mut writer = Writer {
        tx: &tx,
        words: Words::new(),
        random: Random::new(seed),
        stamp: Stamp::new(),
        customers,
        last_contact: vec![0; customers as usize],
    };
    writer.shared()?;
    writer.orders()?;
    writer.notes()?;
    writer.customers()?;
    tx.execute_batch(REST)?;
    tx.commit()
}

/// Fills the tables. The customers come last, because each carries the time of the last contact.
struct Writer<'a> {
    tx: &'a Transaction<'a>,
    words: Words,
    random: Random,
    stamp: Stamp,
    customers: u64,
    /// For each customer, seconds since [`BUSINESS_FROM`].
    last_contact: Vec<u32>,
}

impl Writer<'_> {
    fn shared(&mut self) -> rusqlite::Result<()> {
        let mut country = self.tx.prepare("INSERT INTO country VALUES (?, ?)")?;
        for (code, name, _) in COUNTRIES {
            country.execute([code, name])?;
        }
        let mut product = self.tx.prepare("INSERT INTO product VALUES (?, ?, ?)")?;
        for one in &self.words.products {
            product.execute(params![one.sku, one.name, one.price_cents as i64])?;
        }
        Ok(())
    }

    fn orders(&mut self) -> rusqlite::Result<()> {
        let mut order = self.tx.prepare("INSERT INTO orders VALUES (?, ?, ?, ?)")?;
        let mut item = self
            .tx
            .prepare("INSERT INTO order_items VALUES (?, ?, ?, ?, ?)")?;
        let count = self.customers * ORDERS_PER_CUSTOMER;
        for n in 0..count {
            let id = n as i64 + 1;
            let at = self.moment(n, count);
            let customer = self.contact(at);
            let status = status(&mut self.random, n * 1000 / count);
            order.execute(params![id, customer, self.stamp.text(at), status])?;
            for line in 1..=self.random.between(1, MOST_ITEMS_PER_ORDER + 1) {
                let product = self.words.product(&mut self.random);
                let quantity = 1 + self.random.below(3) * self.random.below(3);
                let (quantity, price) = (quantity as i64, product.price_cents as i64);
                item.execute(params![id, line as i64, product.sku, quantity, price])?;
            }
        }
        Ok(())
    }

    fn notes(&mut self) -> rusqlite::Result<()> {
        let mut note = self
            .tx
            .prepare("INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?)")?;
        let (mut author, mut body) = (String::new(), String::new());
        let count = self.customers * NOTES_PER_CUSTOMER;
        for n in 0..count {
            let at = self.moment(n, count);
            let customer = self.contact(at);
            self.words.author(&mut self.random, &mut author);
            let words = self.random.between(FEWEST_WORDS, MOST_WORDS);
            self.words.prose(&mut self.random, words, &mut body);
            let mentions = self.random.chance(MENTIONS_PER_MILLE);
            let mentions = mentions.then(|| 1 + self.random.below(self.customers) as i64);
            let written = self.stamp.text(at);
            note.execute(params![
                n as i64 + 1,
                customer,
                written,
                author,
                body,
                mentions
            ])?;
        }
        Ok(())
    }

    fn customers(&mut self) -> rusqlite::Result<()> {
        let mut customer = self
            .tx
            .prepare("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)")?;
        let (mut name, mut email, mut phone) = (String::new(), String::new(), String::new());
        let span = (BUSINESS_FROM - JOINED_FROM) as u64;
        for n in 0..self.customers {
            let id = n as i64 + 1;
            let country = self.words.country(&mut self.random);
            self.words.name(&mut self.random, &mut name);
            self.words.email(&mut self.random, id, &mut email);
            self.words.phone(&mut self.random, country, &mut phone);
            let city = self.words.city(&mut self.random);
            let joined = JOINED_FROM + (n * span / self.customers) as i64;
            let contact = match self.last_contact[n as usize] {
                0 => joined,
                since => BUSINESS_FROM + i64::from(since),
            };
            let referred = n > 0 && self.random.chance(REFERRED_PER_MILLE);
            let referred = referred.then(|| 1 + self.random.below(n) as i64);
            let joined = self.stamp.text(joined).to_owned();
            let contact = self.stamp.text(contact);
            customer.execute(params![
                id, name, email, phone, city, country.0, joined, contact, referred
            ])?;
        }
        Ok(())
    }

    /// When the n-th of so many events happens: they follow one another evenly.
    fn moment(&mut self, n: u64, count: u64) -> i64 {
        let span = (BUSINESS_UNTIL - BUSINESS_FROM) as u64;
        let step = span / count + 1;
        BUSINESS_FROM + ((n * span / count + self.random.below(step)).min(span - 1)) as i64
    }

    /// Any customer, who has been in contact at that time.
    fn contact(&mut self, at: i64) -> i64 {
        let customer = self.random.below(self.customers);
        let since = (at - BUSINESS_FROM) as u32; // six years of seconds fit
        let last = &mut self.last_contact[customer as usize];
        *last = since.max(*last);
        customer as i64 + 1
    }
}

/// The state of an order that stands so many thousandths of the way from the oldest to the newest.
fn status(random: &mut Random, per_mille: u64) -> &'static str {
    match random.below(100) {
        0..3 => "void",
        3..8 => "back",
        8..50 if per_mille >= 998 => "open",
        8..80 if per_mille >= 997 => "shipped",
        _ => "done",
    }
}

#[cfg(test)]
mod tests;
