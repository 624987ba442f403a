//! What is kept of the tasks that the daemon does by itself.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use super::{Catalog, CatalogError, Change, Result};
use crate::clock::Timestamp;

/// What is kept of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// When it was first met in a configuration: nothing that was due before counts as missed.
    pub first_seen: Timestamp,
    /// The newest time at which it was due and for which it was run. Written before the work, so
    /// that no time is ever run for twice.
    pub last_due: Option<Timestamp>,
    /// When it was last begun.
    pub last_started: Option<Timestamp>,
    /// When that ended; none while it runs, or after it was broken off.
    pub last_finished: Option<Timestamp>,
    /// When it last ended well.
    pub last_success: Option<Timestamp>,
    /// How it last ended.
    pub last_result: Option<TaskResult>,
    /// How often it has failed since it was last due.
    pub failures: u32,
    /// When it is tried again after a failure.
    pub retry_at: Option<Timestamp>,
}

impl TaskRecord {
    /// A task that is met for the first time.
    pub fn new(first_seen: Timestamp) -> Self {
        Self {
            first_seen,
            last_due: None,
            last_started: None,
            last_finished: None,
            last_success: None,
            last_result: None,
            failures: 0,
            retry_at: None,
        }
    }

    /// Whether it was begun and has not ended: it runs, or it was broken off.
    pub fn is_open(&self) -> bool {
        self.last_started.is_some() && self.last_finished.is_none()
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskResult {
    /// In one word.
    pub ending: Ending,
    /// In a short text. Never names a customer.
    pub text: String,
}

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything was done: exit code 0.
    Ok = 0,
    /// Something was left out that should not have been, or is pending: 3.
    Part = 1,
    /// It was tried and did not work: 1 or 2.
    Failed = 2,
    /// It may not be done; a person must decide: 4.
    Refused = 3,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Part, Self::Failed, Self::Refused];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Part => "part",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

const COLUMNS: &str = "name, first_seen, last_due, last_started, last_finished, last_success, \
                       ending, result, failures, retry_at";

impl Catalog {
    /// What is kept of a task, if it was ever met.
    pub fn task(&self, name: &str) -> Result<Option<TaskRecord>> {
        let sql = format!("SELECT {COLUMNS} FROM task WHERE name = ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_row([name], read).optional()?;
        found.map(|(_, record)| record).transpose()
    }

    /// What is kept of all tasks, by name.
    pub fn tasks(&self) -> Result<BTreeMap<String, TaskRecord>> {
        let sql = format!("SELECT {COLUMNS} FROM task");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], read)?;
        rows.map(|row| {
            let (name, record) = row?;
            Ok((name, record?))
        })
        .collect()
    }
}

impl Change<'_> {
    /// Keeps what is to be known of a task.
    pub fn set_task(&self, name: &str, record: &TaskRecord) -> Result<()> {
        let sql = format!(
            "INSERT OR REPLACE INTO task ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        let time = |time: Option<Timestamp>| time.map(|time| time.0);
        let result = record.last_result.as_ref();
        self.transaction.prepare_cached(&sql)?.execute(params![
            name,
            record.first_seen.0,
            time(record.last_due),
            time(record.last_started),
            time(record.last_finished),
            time(record.last_success),
            result.map(|result| result.ending as i64),
            result.map(|result| &result.text),
            record.failures,
            time(record.retry_at),
        ])?;
        Ok(())
    }
}

/// A task's name, and its record if that can be.
fn read(row: &Row<'_>) -> rusqlite::Result<(String, Result<TaskRecord>)> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp));
    let record = TaskRecord {
        first_seen: Timestamp(row.get(1)?),
        last_due: time(2)?,
        last_started: time(3)?,
        last_finished: time(4)?,
        last_success: time(5)?,
        last_result: None,
        failures: row.get(8)?,
        retry_at: time(9)?,
    };
    let result = match (row.get::<_, Option<i64>>(6)?, row.get(7)?) {
        (None, None) => Ok(None),
        (Some(number), Some(text)) => {
            let mut endings = Ending::ALL.into_iter();
            let ending = endings.find(|ending| *ending as i64 == number);
            let result = ending.map(|ending| TaskResult { ending, text });
            result.map(Some).ok_or(CatalogError::Corrupt)
        }
        _ => Err(CatalogError::Corrupt),
    };
    let record = result.map(|last_result| TaskRecord {
        last_result,
        ..record
    });
    Ok((row.get(0)?, record))
}
