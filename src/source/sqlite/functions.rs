//! Functions of the application's own, which its tables compute or check something by.
//!
//! SQLite makes no table that needs a function which it does not know. So one stands in for it that computes NULL,
//! with which nearly every CHECK is met. An index that needs it would then have entries which the application looks for
//! in vain, so while indexes are made nothing stands in, and such an index is not made.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;

use super::read::borrowed;
use crate::value::ValueRef;

/// The functions that are stood in for on one connection.
#[derive(Default)]
pub(super) struct Functions {
    names: RefCell<BTreeSet<String>>,
    /// Whether they compute something rather than NULL.
    compute: Arc<AtomicBool>,
}

impl Functions {
    /// Runs a statement that makes a table, with what stands in for functions that it needs. Returns those.
    pub(super) fn make(&self, conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
        let mut needed = Vec::new();
        loop {
            let error = match conn.execute_batch(sql) {
                Ok(()) => return Ok(needed),
                Err(error) => error,
            };
            let Some(name) = unknown(&error).filter(|name| !needed.contains(name)) else {
                return Err(error);
            };
            self.stand_in(conn, &name)?;
            self.names.borrow_mut().insert(name.clone());
            needed.push(name);
        }
    }

    /// The functions that a statement needs which makes a table, and which are not known. The table is made.
    pub(super) fn needed_by(self, conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
        let needed = self.make(conn, sql)?;
        self.remove(conn)?;
        Ok(needed)
    }

    /// Runs something while nothing stands in for any of them.
    pub(super) fn without<T>(
        &self,
        conn: &Connection,
        run: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.remove(conn)?;
        let ran = run();
        for name in self.names.borrow().iter() {
            self.stand_in(conn, name)?;
        }
        ran
    }

    /// Runs something while they compute what they are given, which is something where NULL may not be.
    pub(super) fn computing<T>(&self, run: impl FnOnce() -> T) -> T {
        self.compute.store(true, Ordering::Relaxed);
        let ran = run();
        self.compute.store(false, Ordering::Relaxed);
        ran
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.names.borrow().is_empty()
    }

    /// What is to be done in a database that was made with them.
    pub(super) fn told(&self) -> Option<String> {
        let names: Vec<String> = self.names.borrow().iter().cloned().collect();
        (!names.is_empty()).then(|| {
            format!(
                "the application's own functions {} are not known here: CHECKs that need them were not checked, and \
                 generated columns that need them hold no true values until the application has run REINDEX and, \
                 for STORED ones, written the rows again (UPDATE TABLE SET COLUMN = COLUMN)",
                names.join(", ")
            )
        })
    }

    fn remove(&self, conn: &Connection) -> rusqlite::Result<()> {
        let names = self.names.borrow();
        let mut names = names.iter();
        names.try_for_each(|name| conn.remove_function(name.as_str(), -1))
    }

    fn stand_in(&self, conn: &Connection, name: &str) -> rusqlite::Result<()> {
        let compute = self.compute.clone();
        let flags = FunctionFlags::SQLITE_UTF8
            | FunctionFlags::SQLITE_DETERMINISTIC
            | FunctionFlags::SQLITE_INNOCUOUS;
        conn.create_scalar_function(name, -1, flags, move |given| {
            Ok(match compute.load(Ordering::Relaxed) {
                true if !given.is_empty() => given.get(0)?,
                true => Value::Integer(0),
                false => Value::Null,
            })
        })
    }
}

/// Who had the key that a token means. Of several that a row may lead to, the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Nobody who is known.
    Nobody,
    /// Somebody who is living, and has left the register.
    Living,
    /// Somebody who was erased.
    Erased,
}

/// Says of a token who had its key.
pub type AskKnown = Box<dyn Fn(ValueRef<'_>) -> Known + Send>;

/// Makes the SQL function `name`, which says of its argument who is known by it, as a number: the later in the order of
/// [`Known`], the higher.
pub(super) fn ask(conn: &Connection, name: &str, is_known: AskKnown) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function(name, 1, flags, move |given| {
        Ok(is_known(borrowed(given.get_raw(0))) as i64)
    })
}

/// The function that an error says is not known.
fn unknown(error: &rusqlite::Error) -> Option<String> {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => {
            msg.strip_prefix("no such function: ").map(str::to_owned)
        }
        _ => None,
    }
}
