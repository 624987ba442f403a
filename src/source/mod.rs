//! Sources: databases that yield their rows with owners in one consistent view, and take rows back.
//!
//! A source knows nothing of keys, packs and stores. It tells of every row who owns it, by the
//! register's key or as a part of a table, and of every foreign key whose target belongs to
//! somebody else, whom. Which domain that is, the flow decides.

use std::io::{self, Read};

use crate::ids::Class;
use crate::piece::cut::LongKind;
use crate::schema::Table;
use crate::value::{CustomerKey, Value, ValueRef};

pub use crate::rules::{By, OwnsRule, RegisterRule, Rules};

pub mod sqlite;

/// One customer as the register holds it, met at the start of every reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRow {
    /// By what the same reading's rows name this customer: see [`Owner::Customer`].
    pub token: Value,
    /// The register's key.
    pub key: CustomerKey,
    /// The column that tells two holders of a re-used key apart; none if none is configured.
    pub since: Option<Value>,
    /// The name for people, if a name column is configured. Never stored.
    pub name: Option<String>,
}

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Owner<'a> {
    /// A customer, named by the token of a [`RegisterRow`]. A token that the register does not
    /// hold makes the row an orphan of its table.
    Customer(ValueRef<'a>),
    /// Everybody's: the table as a whole (shared, ambiguous and unsettled tables).
    Table,
    /// Nobody's, in a table that is owned: the owner is NULL or dangling.
    Orphan,
}

/// One row, on its way out of a source.
pub struct Row<'a> {
    /// The table, as an index into [`Schema::tables`](crate::schema::Schema::tables).
    pub table: usize,
    /// The row's rowid; none for WITHOUT ROWID tables.
    pub rowid: Option<i64>,
    /// Whose it is.
    pub owner: Owner<'a>,
    /// The stored columns' values, in the order of [`Table::columns`]; `Null` for those in `long`.
    pub cells: &'a [ValueRef<'a>],
    /// The values that are too long to be held, in the order of their columns.
    pub long: Vec<LongValue<'a>>,
    /// For each of the [`Table::references`], in their order: the token of the customer who owns
    /// the row that this row refers to, `Null` if it refers to nothing or to a row of no customer.
    pub targets: &'a [ValueRef<'a>],
}

/// A value that is too long to be held.
pub struct LongValue<'a> {
    /// The stored column, as an index into [`Table::columns`].
    pub column: usize,
    /// What it is.
    pub kind: LongKind,
    /// Its length in bytes.
    pub len: u64,
    /// Its bytes.
    pub bytes: Box<dyn Read + 'a>,
}

impl LongValue<'_> {
    /// The value, held after all.
    ///
    /// # Errors
    /// When the source fails to read.
    pub fn into_value(mut self) -> io::Result<Value> {
        let mut bytes = Vec::new();
        self.bytes.read_to_end(&mut bytes)?;
        Ok(match self.kind {
            LongKind::Blob => Value::Blob(bytes),
            LongKind::Text | LongKind::OtherText => Value::Text(bytes),
        })
    }
}

/// How a value stands in a row that is being restored.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// As it was.
    Kept(ValueRef<'a>),
    /// It referred to a customer who has been forgotten. Equal numbers referred to the same row.
    Lost(u64),
}

/// The class that [`Table::class`] stands for, given the numbers of the configured classes.
pub fn class_of(table: &Table, number: impl Fn(&str) -> Option<Class>) -> Option<Class> {
    match table.class.as_deref() {
        None => Some(Class::CUSTOMER),
        Some(name) => number(name),
    }
}
