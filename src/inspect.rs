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
    // The register comes first: it tells of rows in other databases whether they are somebody's.
    let mut sources: Vec<_> = config.sources.iter().enumerate().collect();
    sources.sort_by_key(|(_, source)| source.name != config.register);
    let (mut inspected, mut people) = (Vec::new(), HashSet::new());
    for (at, source) in sources {
        let name = source.name.as_str();
        let mut open = || -> Outcome<Inspected> {
            let mut database = look_at(&source.path, &source.rules)?;
            let is_register = source.name == config.register;
            if is_register && config.sources.len() > 1 {
                people = tokens(&database)?;
            }
            let known = match is_register {
                true => Known::here(&mut database)?,
                false => Known::Elsewhere(&people),
            };
            Ok(Inspected {
                source: name.to_owned(),
                tables: tables(&database, &known)?,
                not_restorable: database.schema().not_restorable.clone(),
            })
        };
        inspected.push((at, open().failed_to(|| format!("read source {name:?}"))?));
    }
    inspected.sort_by_key(|(at, _)| *at);
    Ok(inspected.into_iter().map(|(_, source)| source).collect())
}

/// By what rows in other databases name those whom the register holds.
fn tokens(register: &Database) -> Outcome<HashSet<Value>> {
    let mut tokens = HashSet::new();
    register.register(&mut |row: RegisterRow| -> Outcome<()> {
        tokens.insert(row.token);
        Ok(())
    })?;
    Ok(tokens)
}

/// How it is known that the register holds whom a row leads to.
enum Known<'p> {
    /// Each was looked up there.
    LookedUp,
    /// By all its rowids: to look each up would take another page nearly each time.
    Rowids(HashSet<i64>),
    /// By the tokens of a register that is elsewhere.
    Elsewhere(&'p HashSet<Value>),
}

impl Known<'_> {
    /// In the database that has the register.
    fn here(database: &mut Database) -> Outcome<Self> {
        Ok(match database.rowid_keys()? {
            Some(keys) => {
                database.take_keys();
                Self::Rowids(keys)
            }
            None => Self::LookedUp,
        })
    }

    fn holds(&self, token: ValueRef<'_>) -> bool {
        match (self, token) {
            (Self::LookedUp, token) => !matches!(token, ValueRef::Null),
            (Self::Rowids(keys), ValueRef::Int(key)) => keys.contains(&key),
            (Self::Rowids(_), _) => false,
            (Self::Elsewhere(people), token) => {
                let mut forms = std::iter::once(token.to_value()).chain(token.other_forms());
                forms.any(|form| people.contains(&form))
            }
        }
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
fn tables(database: &Database, known: &Known<'_>) -> Outcome<Vec<InspectedTable>> {
    let inspected = |((at, table), rows): ((usize, &Table), u64)| {
        let orphans = match table.ownership {
            Ownership::Owned => database.orphans(at, |token| known.holds(token))?,
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
