//! What the catalog knows of customers' lives: who is hidden, held or missing, and the erasures.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Catalog, Change, Result, domain, hash};
use crate::clock::Timestamp;
use crate::ids::{Domain, KeyedHash};
use crate::journal::{Cause, Entry, Event, Order};

/// What was decided of one customer's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Since when hidden.
    pub hidden: Option<Timestamp>,
    /// Whether the customer has asked to be hidden.
    pub restricted: bool,
    /// When last brought back; none while hidden.
    pub shown: Option<Timestamp>,
    /// What the hide replaced, sealed.
    pub former: Option<Vec<u8>>,
    /// Whether the live row does not show the last hide or unhide yet.
    pub hide_due: bool,
    /// Why hidden or brought back, sealed.
    pub hide_reason: Option<Vec<u8>>,
    /// Since when a hold stands.
    pub held: Option<Timestamp>,
    /// Until when; none: until released.
    pub hold_until: Option<Timestamp>,
    /// Why held, sealed.
    pub hold_reason: Option<Vec<u8>>,
    /// Since when the register lacks the customer.
    pub missing: Option<Timestamp>,
}

impl Life {
    /// Whether a hold binds at a moment. One with an end stands until that moment is over.
    pub fn is_held(&self, at: Timestamp) -> bool {
        self.held.is_some() && self.hold_until.is_none_or(|until| at <= until)
    }

    /// Whether the customer has asked for restriction and is hidden for it.
    pub fn is_restricted(&self) -> bool {
        self.restricted && self.hidden.is_some()
    }

    /// What counts of two lives of one customer: whatever binds more.
    pub fn merged(self, other: Self) -> Self {
        let no_end = self.held.is_some() && self.hold_until.is_none()
            || other.held.is_some() && other.hold_until.is_none();
        let (hide, show) = match self.hidden.is_some() || other.hidden.is_none() {
            true => (self.clone(), other.clone()),
            false => (other.clone(), self.clone()),
        };
        let hold = match self.held.is_some() {
            true => self.clone(),
            false => other.clone(),
        };
        Self {
            hidden: hide.hidden,
            restricted: self.restricted || other.restricted,
            shown: hide.shown.or(show.shown.filter(|_| hide.hidden.is_none())),
            former: hide.former,
            hide_due: hide.hide_due,
            hide_reason: hide.hide_reason,
            held: hold.held,
            hold_until: match no_end {
                true => None,
                false => self.hold_until.max(other.hold_until),
            },
            hold_reason: hold.hold_reason,
            missing: self.missing.min(other.missing),
        }
    }

    /// Takes in what an entry of the journal has decided; nothing if it is about something else.
    /// What the first of several hides in a row replaced is what will come back, and a restriction
    /// stands until an unhide.
    pub fn take(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Hidden {
                former,
                restricted,
                reason,
                ..
            } => {
                if self.hidden.is_none() {
                    self.former = Some(former.clone());
                    self.hidden = Some(entry.time);
                }
                self.restricted |= restricted;
                self.shown = None;
                self.hide_reason = Some(reason.clone());
                self.hide_due = true;
            }
            Event::Unhidden { reason, .. } => {
                self.hidden = None;
                self.restricted = false;
                self.shown = Some(entry.time);
                self.hide_reason = Some(reason.clone());
                self.hide_due = true;
            }
            Event::Held { until, reason, .. } => {
                self.held = Some(entry.time);
                self.hold_until = *until;
                self.hold_reason = Some(reason.clone());
            }
            Event::Released { .. } => {
                (self.held, self.hold_until, self.hold_reason) = (None, None, None);
            }
            _ => {}
        }
    }
}

/// How somebody was erased who would be known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The domain that the customer had.
    pub domain: Domain,
    /// Whether the live systems were to be reached too; if not, the keyring alone has forgotten.
    pub ordered: bool,
    /// Whether they were reached.
    pub live: bool,
    /// Whether nothing of the erasure is pending any more.
    pub is_final: bool,
}

/// One erasure that reaches the live systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The number of its journal entry, by which it is called.
    pub entry: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Why.
    pub cause: Cause,
    /// How many customers it is about.
    pub customers: u64,
    /// Whether the databases are to be rewritten.
    pub vacuum: bool,
    /// What was done in the live systems, JSON; none: it is to be done.
    pub live: Option<String>,
    /// The journal entry of its newest certificate.
    pub certified: Option<u64>,
    /// Whether nothing of it is pending any more.
    pub is_final: bool,
}

const LIFE: &str = "hidden, restricted, shown, former, hide_due, hide_reason, held, hold_until, \
                    hold_reason, missing";
const ERASURE: &str = "entry, time, cause, customers, vacuum, live, certified, final";

fn life(row: &Row<'_>, at: usize) -> rusqlite::Result<Life> {
    let time = |at| {
        let millis: rusqlite::Result<Option<i64>> = row.get(at);
        millis.map(|millis| millis.map(Timestamp))
    };
    Ok(Life {
        hidden: time(at)?,
        restricted: row.get(at + 1)?,
        shown: time(at + 2)?,
        former: row.get(at + 3)?,
        hide_due: row.get(at + 4)?,
        hide_reason: row.get(at + 5)?,
        held: time(at + 6)?,
        hold_until: time(at + 7)?,
        hold_reason: row.get(at + 8)?,
        missing: time(at + 9)?,
    })
}

fn erasure(row: &Row<'_>) -> rusqlite::Result<Erasure> {
    Ok(Erasure {
        entry: row.get::<_, i64>(0)?.cast_unsigned(),
        time: Timestamp(row.get(1)?),
        cause: match row.get::<_, i64>(2)? {
            0 => Cause::Request,
            _ => Cause::Retention,
        },
        customers: row.get::<_, i64>(3)?.cast_unsigned(),
        vacuum: row.get(4)?,
        live: row.get(5)?,
        certified: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
        is_final: row.get(7)?,
    })
}

pub(super) fn life_of(connection: &Connection, domain: Domain) -> Result<Life> {
    let sql = format!("SELECT {LIFE} FROM life WHERE inc = ? AND arrival = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row(params![&domain.inc.0[..], domain.arrival], |row| {
        life(row, 0)
    });
    Ok(found.optional()?.unwrap_or_default())
}

fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.0)
}

impl Catalog {
    /// What was decided of a customer's life.
    pub fn life(&self, domain: Domain) -> Result<Life> {
        life_of(&self.connection, domain)
    }

    /// Everybody of whose life something was decided, or whom the register lacks.
    pub fn lives(&self) -> Result<BTreeMap<Domain, Life>> {
        let sql = format!("SELECT inc, arrival, {LIFE} FROM life");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, life(row, 2)?)))?;
        rows.map(|row| {
            let (inc, arrival, life) = row?;
            Ok((domain(inc, arrival)?, life))
        })
        .collect()
    }

    /// The domains of those whom the register lacks, by the keyed hashes of the keys that they had there and nobody has who is
    /// in it: of several with one key the last that arrived.
    pub fn departed(&self) -> Result<HashMap<KeyedHash, Domain>> {
        let sql = "SELECT inc, arrival, key FROM life JOIN customer USING (inc, arrival)
                   WHERE missing IS NOT NULL AND NOT EXISTS
                     (SELECT 1 FROM customer AS other LEFT JOIN life AS theirs
                        ON theirs.inc = other.inc AND theirs.arrival = other.arrival
                        WHERE other.key = customer.key AND theirs.missing IS NULL)
                   ORDER BY inc, arrival";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.map(|row| {
            let (inc, arrival, key) = row?;
            Ok((hash(key)?, domain(inc, arrival)?))
        })
        .collect()
    }

    /// One erasure, by the number of its journal entry.
    pub fn erasure(&self, entry: u64) -> Result<Option<Erasure>> {
        let sql = format!("SELECT {ERASURE} FROM erasure WHERE entry = ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement
            .query_row([entry.cast_signed()], erasure)
            .optional()?)
    }

    /// Erasures of which something is pending: the live rows, places of the keyring, a certificate.
    pub fn open_erasures(&self) -> Result<Vec<Erasure>> {
        let sql = format!("SELECT {ERASURE} FROM erasure WHERE NOT final ORDER BY entry");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], erasure)?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// All erasures, oldest first.
    pub fn erasures(&self) -> Result<Vec<Erasure>> {
        let sql = format!("SELECT {ERASURE} FROM erasure ORDER BY entry");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], erasure)?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// By what those are recognised whom an erasure is about, and the domain that each had.
    pub fn erased_by(&self, entry: u64) -> Result<Vec<(KeyedHash, Domain)>> {
        let sql = "SELECT who, inc, arrival FROM erased WHERE entry = ? ORDER BY inc, arrival";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([entry.cast_signed()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        rows.map(|row| {
            let (who, inc, arrival) = row?;
            Ok((hash(who)?, domain(inc, arrival)?))
        })
        .collect()
    }

    /// Those who were erased, by what they are recognised by, and how.
    pub fn gone(&self) -> Result<HashMap<KeyedHash, Gone>> {
        let sql = "SELECT who, inc, arrival, erasure.entry IS NOT NULL, live IS NOT NULL,
                          coalesce(final, 0)
                   FROM erased LEFT JOIN erasure ON erasure.entry = erased.entry";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok((
                row.get(0)?,
                (row.get(1)?, row.get(2)?),
                (row.get(3)?, row.get(4)?, row.get(5)?),
            ))
        })?;
        rows.map(|row| {
            let (who, (inc, arrival), (ordered, live, is_final)) = row?;
            let domain = domain(inc, arrival)?;
            let gone = Gone {
                domain,
                ordered,
                live,
                is_final,
            };
            Ok((hash(who)?, gone))
        })
        .collect()
    }

    /// How many customers retention has erased at or after a time.
    pub fn erased_since(&self, time: Timestamp) -> Result<u64> {
        let sql = "SELECT coalesce(sum(customers), 0) FROM erasure WHERE cause = 1 AND time >= ?";
        let sum: i64 = self.connection.query_row(sql, [time.0], |row| row.get(0))?;
        Ok(sum.cast_unsigned())
    }
}

impl Change<'_> {
    fn of_life(&self, domain: Domain, set: &str, values: &[&dyn rusqlite::ToSql]) -> Result<()> {
        let insert = "INSERT OR IGNORE INTO life (inc, arrival) VALUES (?, ?)";
        let inc = &domain.inc.0[..];
        self.transaction
            .prepare_cached(insert)?
            .execute(params![inc, domain.arrival])?;
        let update = format!("UPDATE life SET {set} WHERE inc = ? AND arrival = ?");
        let mut all = values.to_vec();
        let arrival = domain.arrival;
        all.extend([&inc as &dyn rusqlite::ToSql, &arrival]);
        self.transaction
            .prepare_cached(&update)?
            .execute(&all[..])?;
        Ok(())
    }

    /// Takes in what an entry of the journal has decided of a customer's life.
    pub fn decided(&self, domain: Domain, entry: &Entry) -> Result<()> {
        let mut life = life_of(&self.transaction, domain)?;
        life.take(entry);
        self.set_life(domain, &life)
    }

    /// Sets all that was decided of a customer's life.
    pub(super) fn set_life(&self, domain: Domain, life: &Life) -> Result<()> {
        self.of_life(
            domain,
            "hidden = ?, restricted = ?, shown = ?, former = ?, hide_due = ?, hide_reason = ?, \
             held = ?, hold_until = ?, hold_reason = ?",
            &[
                &millis(life.hidden),
                &life.restricted,
                &millis(life.shown),
                &life.former,
                &life.hide_due,
                &life.hide_reason,
                &millis(life.held),
                &millis(life.hold_until),
                &life.hold_reason,
            ],
        )
    }

    /// The live row shows the last hide or unhide.
    pub fn set_hide_shown(&self, domain: Domain) -> Result<()> {
        self.of_life(domain, "hide_due = 0", &[])
    }

    /// Since when the register lacks a customer; none: it has the customer.
    pub fn set_missing(&self, domain: Domain, since: Option<Timestamp>) -> Result<()> {
        self.of_life(domain, "missing = ?", &[&millis(since)])
    }

    /// An erasure that reaches the live systems was decided.
    pub fn add_erasure(
        &self,
        entry: u64,
        time: Timestamp,
        order: &Order,
        customers: u64,
    ) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO erasure (entry, time, cause, customers, vacuum)
                   VALUES (?, ?, ?, ?, ?)";
        let cause = match order.cause {
            Cause::Request => 0,
            Cause::Retention => 1,
        };
        self.transaction.prepare_cached(sql)?.execute(params![
            entry.cast_signed(),
            time.0,
            cause,
            customers.cast_signed(),
            order.vacuum
        ])?;
        Ok(())
    }

    /// What was done in the live systems for an erasure.
    pub fn set_live(&self, entry: u64, live: &str) -> Result<()> {
        let sql = "UPDATE erasure SET live = ? WHERE entry = ?";
        self.transaction
            .prepare_cached(sql)?
            .execute(params![live, entry.cast_signed()])?;
        Ok(())
    }

    /// An erasure has a newer certificate.
    pub fn set_certified(&self, erasure: u64, entry: u64, is_final: bool) -> Result<()> {
        let sql = "UPDATE erasure SET certified = ?, final = ? WHERE entry = ?";
        self.transaction.prepare_cached(sql)?.execute(params![
            entry.cast_signed(),
            is_final,
            erasure.cast_signed()
        ])?;
        Ok(())
    }
}
