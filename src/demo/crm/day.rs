//! A day in the life of the sample CRM: every kind of change that a backup must notice.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::super::random::Random;
use super::super::words::Words;
use super::stamp::Stamp;
use super::{BUSINESS_UNTIL, FEWEST_WORDS, MOST_ITEMS_PER_ORDER, MOST_WORDS};

/// Of 10,000 customers, to so many each of these happens in a day, and to one at least.
const NEW_ORDERS: u64 = 140;
const CHANGED_ORDERS: u64 = 50;
const DELETED_ORDERS: u64 = 5;
const EDITED_CUSTOMERS: u64 = 50;
const NEW_NOTES: u64 = 30;
const EDITED_NOTES: u64 = 10;
const MOVED_NOTES: u64 = 3;
const DELETED_NOTES: u64 = 5;
const NEW_CUSTOMERS: u64 = 5;

/// The night between the last order and the first change of the next day, in seconds.
const NIGHT: i64 = 15 * 3600;
/// The working day, in seconds.
const WORK: i64 = 8 * 3600;

/// What happened in a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Customers of whom at least one row was added, changed or deleted.
    pub touched: u64,
    /// Customers who joined.
    pub new_customers: u64,
    /// Customers whose own row was edited.
    pub edited_customers: u64,
    /// The one customer who was deleted, with orders, items and notes; none in an empty CRM.
    pub deleted_customer: Option<i64>,
    /// Orders placed.
    pub new_orders: u64,
    /// Items of the orders placed.
    pub new_items: u64,
    /// Orders whose status changed.
    pub changed_orders: u64,
    /// Orders deleted, with their items; without those of the deleted customer.
    pub deleted_orders: u64,
    /// Notes written.
    pub new_notes: u64,
    /// Notes whose text changed.
    pub edited_notes: u64,
    /// Notes that went from one customer to another.
    pub moved_notes: u64,
    /// Notes deleted; without those of the deleted customer.
    pub deleted_notes: u64,
}

/// Lets a day pass in one transaction.
pub(super) fn pass(db: &mut Connection, seed: u64) -> rusqlite::Result<Day> {
    db.set_prepared_statement_cache_capacity(64);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let customers: i64 = tx.query_row("SELECT count(*) FROM customers", [], |row| row.get(0))?;
    let mut shift = Shift {
        tx: &tx,
        words: Words::new(),
        random: Random::new(seed),
        stamp: Stamp::new(),
        now: morning(&tx)?,
        step: WORK / (customers * 4 / 100 + 20),
        day: Day::default(),
        touched: BTreeSet::new(),
    };
    shift.work(customers.unsigned_abs())?;
    let mut day = shift.day;
    day.touched = shift.touched.len() as u64;
    tx.commit()?;
    Ok(day)
}

/// The morning after the last order, in seconds since 1970.
fn morning(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    let last = "SELECT CAST(strftime('%s', ordered_at) AS INTEGER) FROM orders
                ORDER BY id DESC LIMIT 1";
    let last: Option<i64> = tx
        .query_row(last, [], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(last.unwrap_or(BUSINESS_UNTIL) + NIGHT)
}

struct Shift<'a> {
    tx: &'a Transaction<'a>,
    words: Words,
    random: Random,
    stamp: Stamp,
    now: i64,
    step: i64,
    day: Day,
    touched: BTreeSet<i64>,
}

impl Shift<'_> {
    fn work(&mut self, customers: u64) -> rusqlite::Result<()> {
        let to = |share: u64| (customers * share / 10_000).max(1);
        self.repeat(to(NEW_CUSTOMERS), Self::join)?;
        self.repeat(to(NEW_ORDERS), Self::order)?;
        self.repeat(to(CHANGED_ORDERS), Self::change_order)?;
        self.repeat(to(DELETED_ORDERS), Self::delete_order)?;
        self.repeat(to(EDITED_CUSTOMERS), Self::edit_customer)?;
        self.repeat(to(NEW_NOTES), Self::write_note)?;
        self.repeat(to(EDITED_NOTES), Self::edit_note)?;
        self.repeat(to(MOVED_NOTES), Self::move_note)?;
        self.repeat(to(DELETED_NOTES), Self::delete_note)?;
        self.delete_customer()
    }

    fn repeat(
        &mut self,
        times: u64,
        act: impl Fn(&mut Self) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        for _ in 0..times {
            self.now += self.step;
            act(self)?;
        }
        Ok(())
    }

    /// An id that stands in the table, if any does.
    fn any(&mut self, table: &'static str) -> rusqlite::Result<Option<i64>> {
        let last = format!("SELECT max(id) FROM {table}");
        let last: Option<i64> = self
            .tx
            .prepare_cached(&last)?
            .query_row([], |row| row.get(0))?;
        let Some(last) = last else { return Ok(None) };
        let from = 1 + self.random.below(last.unsigned_abs()) as i64;
        let next = format!("SELECT id FROM {table} WHERE id >= ? ORDER BY id LIMIT 1");
        self.tx
            .prepare_cached(&next)?
            .query_row([from], |row| row.get(0))
            .optional()
    }

    /// Notes that the customer with an order or a note is touched.
    fn touch_owner(&mut self, table: &'static str, id: i64) -> rusqlite::Result<()> {
        let owner = format!("SELECT customer_id FROM {table} WHERE id = ?");
        let owner = self
            .tx
            .prepare_cached(&owner)?
            .query_row([id], |row| row.get(0))?;
        self.touched.insert(owner);
        Ok(())
    }

    fn text(&mut self) -> String {
        let mut body = String::new();
        let words = self.random.between(FEWEST_WORDS, MOST_WORDS);
        self.words.prose(&mut self.random, words, &mut body);
        body
    }

    fn join(&mut self) -> rusqlite::Result<()> {
        let referred_by = self.any("customers")?;
        let id = "SELECT coalesce(max(id), 0) + 1 FROM customers";
        let id: i64 = self
            .tx
            .prepare_cached(id)?
            .query_row([], |row| row.get(0))?;
        let country = self.words.country(&mut self.random);
        let (mut name, mut email, mut phone) = (String::new(), String::new(), String::new());
        self.words.name(&mut self.random, &mut name);
        self.words.email(&mut self.random, id, &mut email);
        self.words.phone(&mut self.random, country, &mut phone);
        let city = self.words.city(&mut self.random);
        self.tx
            .prepare_cached("INSERT INTO customers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, 0)")?
            .execute(params![
                id,
                name,
                email,
                phone,
                city,
                country.0,
                self.stamp.text(self.now),
                referred_by
            ])?;
        self.touched.insert(id);
        self.day.new_customers += 1;
        Ok(())
    }

    fn order(&mut self) -> rusqlite::Result<()> {
        let Some(customer) = self.any("customers")? else {
            return Ok(());
        };
        self.tx
            .prepare_cached("INSERT INTO orders (customer_id, ordered_at) VALUES (?, ?)")?
            .execute(params![customer, self.stamp.text(self.now)])?;
        let order = self.tx.last_insert_rowid();
        let mut item = self
            .tx
            .prepare_cached("INSERT INTO order_items VALUES (?, ?, ?, ?, ?)")?;
        for line in 1..=self.random.between(1, MOST_ITEMS_PER_ORDER + 1) {
            let quantity = 1 + self.random.below(4) as i64;
            let product = self.words.product(&mut self.random);
            let price = product.price_cents as i64;
            item.execute(params![order, line as i64, product.sku, quantity, price])?;
            self.day.new_items += 1;
        }
        self.touched.insert(customer);
        self.day.new_orders += 1;
        Ok(())
    }

    fn change_order(&mut self) -> rusqlite::Result<()> {
        let Some(order) = self.any("orders")? else {
            return Ok(());
        };
        self.tx
            .prepare_cached(
                "UPDATE orders SET status = CASE status WHEN 'open' THEN 'shipped'
                 WHEN 'shipped' THEN 'done' WHEN 'done' THEN 'back'
                 ELSE 'settled' END WHERE id = ?",
            )?
            .execute([order])?;
        self.day.changed_orders += 1;
        self.touch_owner("orders", order)
    }

    fn delete_order(&mut self) -> rusqlite::Result<()> {
        let Some(order) = self.any("orders")? else {
            return Ok(());
        };
        self.touch_owner("orders", order)?;
        self.tx
            .prepare_cached("DELETE FROM orders WHERE id = ?")?
            .execute([order])?;
        self.day.deleted_orders += 1;
        Ok(())
    }

    fn edit_customer(&mut self) -> rusqlite::Result<()> {
        let Some(customer) = self.any("customers")? else {
            return Ok(());
        };
        let country = self.words.country(&mut self.random);
        let mut phone = String::new();
        self.words.phone(&mut self.random, country, &mut phone);
        let city = self.words.city(&mut self.random);
        self.tx
            .prepare_cached(
                "UPDATE customers SET phone = ?2, city = ?3, country_code = ?4,
                 last_contact_at = ?5 WHERE id = ?1",
            )?
            .execute(params![
                customer,
                phone,
                city,
                country.0,
                self.stamp.text(self.now)
            ])?;
        self.touched.insert(customer);
        self.day.edited_customers += 1;
        Ok(())
    }

    fn write_note(&mut self) -> rusqlite::Result<()> {
        let Some(customer) = self.any("customers")? else {
            return Ok(());
        };
        let mentions = if self.random.chance(200) {
            self.any("customers")?
        } else {
            None
        };
        let body = self.text();
        let mut author = String::new();
        self.words.author(&mut self.random, &mut author);
        self.tx
            .prepare_cached(
                "INSERT INTO notes (customer_id, written_at, author, body, mentions)
                 VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![
                customer,
                self.stamp.text(self.now),
                author,
                body,
                mentions
            ])?;
        self.touched.insert(customer);
        self.day.new_notes += 1;
        Ok(())
    }

    fn edit_note(&mut self) -> rusqlite::Result<()> {
        let Some(note) = self.any("notes")? else {
            return Ok(());
        };
        let body = self.text();
        self.tx
            .prepare_cached("UPDATE notes SET body = ?2 WHERE id = ?1")?
            .execute(params![note, body])?;
        self.day.edited_notes += 1;
        self.touch_owner("notes", note)
    }

    /// A note was filed with the wrong customer: both are touched.
    fn move_note(&mut self) -> rusqlite::Result<()> {
        let (Some(note), Some(to)) = (self.any("notes")?, self.any("customers")?) else {
            return Ok(());
        };
        self.touch_owner("notes", note)?;
        let moved = self
            .tx
            .prepare_cached(
                "UPDATE notes SET customer_id = ?2 WHERE id = ?1 AND customer_id <> ?2",
            )?
            .execute([note, to])?;
        self.touched.insert(to);
        self.day.moved_notes += moved as u64;
        Ok(())
    }

    fn delete_note(&mut self) -> rusqlite::Result<()> {
        let Some(note) = self.any("notes")? else {
            return Ok(());
        };
        self.touch_owner("notes", note)?;
        self.tx
            .prepare_cached("DELETE FROM notes WHERE id = ?")?
            .execute([note])?;
        self.day.deleted_notes += 1;
        Ok(())
    }

    /// A customer goes with all that is theirs; where others name them, NULL is left.
    fn delete_customer(&mut self) -> rusqlite::Result<()> {
        let Some(customer) = self.any("customers")? else {
            return Ok(());
        };
        let named = "SELECT customer_id FROM notes WHERE mentions = ?1
                     UNION SELECT id FROM customers WHERE referred_by = ?1";
        let mut named = self.tx.prepare(named)?;
        for other in named.query_map([customer], |row| row.get(0))? {
            self.touched.insert(other?);
        }
        for delete in [
            "DELETE FROM notes WHERE customer_id = ?",
            "DELETE FROM orders WHERE customer_id = ?",
            "DELETE FROM customers WHERE id = ?",
        ] {
            self.tx.execute(delete, [customer])?;
        }
        self.touched.insert(customer);
        self.day.deleted_customer = Some(customer);
        Ok(())
    }
}
