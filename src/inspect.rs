//! The ownership plan: whose every table's rows are, and by which path, as the sources are now.

use std::collections::HashSet;
use std::path::Path;

use crate::config::Config;
use crate::error::{Context, Outcome};
use crate::schema::{Ownership, Table};
use crate::source::sqlite::{Database, SqliteError, Trouble};
use crate::source::{RegisterRow, Rules};
use crate::value::{Value, ValueRef};

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Its name in the configuration.
    pub source: String,
    /// Its tables, in the order of the database's own schema.
    pub tables: Vec<InspectedTable>,
    /// What is in it and cannot be restored, in words.
    pub not_restorable: Vec<String>,
}

/// One table of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedTable {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// How many rows of an owned table are nobody's: their owner is NULL or dangling.
    pub orphans: u64,
    /// Whose they are.
    pub ownership: Ownership,
    /// By which path, such as `order_id -> orders.customer_id -> customers`; empty if by none.
    pub path: String,
    /// The class of its rows that belong to customers, if it is not `customer`.
    pub class: Option<String>,
    /// What a person should look at, in words.
    pub warnings: Vec<String>,
}

/// Plans every source. Needs no repository.
///
/// # Errors
/// When a source cannot be read, or a rule names what it does not have.
pub fn run(config: &Config) -> Outcome<Vec<Inspected>> {
    // The register comes first: it tells of rows whether they are somebody's.
    let mut sources: Vec<_> = config.sources.iter().enumerate().collect();
    sources.sort_by_key(|(_, source)| source.name != config.register);
    let (mut inspected, mut people) = (Vec::new(), People::default());
    for (at, source) in sources {
        let name = source.name.as_str();
        let mut open = || -> Outcome<Inspected> {
            let mut database = look_at(&source.path, &source.rules)?;
            if source.name == config.register {
                people = People::of(&database)?;
                database.take_keys();
            }
            Ok(Inspected {
                source: name.to_owned(),
                tables: tables(&database, &people)?,
                not_restorable: database.schema().not_restorable.clone(),
            })
        };
        inspected.push((at, open().failed_to(|| format!("read source {name:?}"))?));
    }
    inspected.sort_by_key(|(at, _)| *at);
    Ok(inspected.into_iter().map(|(_, source)| source).collect())
}

/// Whom the register holds, by what rows name them.
#[derive(Default)]
struct People {
    /// Those with a number, which takes a quarter of the memory.
    numbered: HashSet<i64>,
    others: HashSet<Value>,
}

impl People {
    fn of(register: &Database) -> Outcome<Self> {
        let mut people = Self::default();
        register.register(&mut |row: RegisterRow| -> Outcome<()> {
            match row.token {
                Value::Int(number) => people.numbered.insert(number),
                other => people.others.insert(other),
            };
            Ok(())
        })?;
        Ok(people)
    }

    fn hold(&self, token: ValueRef<'_>) -> bool {
        let is_there = |token: &Value| match token {
            Value::Int(number) => self.numbered.contains(number),
            other => self.others.contains(other),
        };
        is_there(&token.to_value()) || token.other_forms().into_iter().any(|form| is_there(&form))
    }
}

/// Opens a database to look at all of it. A copy, where that takes one, is made where the system has its
/// temporary files: whoever looks may have no state directory.
///
/// # Errors
/// As for [`Database::open_apart`].
#[allow(
    clippy::disallowed_methods,
    reason = "the copy is encrypted and has no name"
)]
pub fn look_at(path: &Path, rules: &Rules) -> Result<Database, SqliteError> {
    let database = Database::open_apart(path, rules, &std::env::temp_dir(), Trouble::IsRefused)?;
    database.hold_much()?;
    Ok(database)
}

/// The tables of a database.
fn tables(database: &Database, people: &People) -> Outcome<Vec<InspectedTable>> {
    let inspected = |((at, table), rows): ((usize, &Table), u64)| {
        let orphans = match table.ownership {
            Ownership::Owned => database.orphans(at, |token| people.hold(token))?,
            _ => 0,
        };
        let advice = database.look(at)?.advice();
        Ok(InspectedTable {
            table: table.name.clone(),
            rows,
            orphans,
            ownership: table.ownership,
            path: table.path.clone(),
            class: table.class.clone(),
            warnings: table.warnings.iter().cloned().chain(advice).collect(),
        })
    };
    let tables = database.schema().tables.iter().enumerate();
    tables.zip(database.counts()?).map(inspected).collect()
}
