//! Rows of erased customers whom the register does not hold any more.
//!
//! Such a row names nobody by its owner, and would be an orphan of its table: what was erased would be
//! backed up again. It is known by the erased customer's key, as long as nobody else who is known
//! holds that key.

use std::collections::{HashMap, HashSet};

use crate::error::Outcome;
use crate::ids::{Domain, KeyedHash};
use crate::piece::Identity;
use crate::repo::{Recogniser, Repository};
use crate::schema::{Ownership, ParentColumn, Reference, Schema, Table};
use crate::source::Row;
use crate::value::{CustomerKey, Value, ValueRef};

/// Knows the keys of the erased.
pub struct Dangling {
    recogniser: Recogniser,
    erased: HashMap<KeyedHash, Domain>,
    keys: HashSet<KeyedHash>,
    /// The register's key columns.
    columns: Vec<String>,
    /// What was found of keys that the register does not hold.
    looked_up: HashMap<CustomerKey, bool>,
    /// The keys of those whose rows were met.
    pub met: Vec<CustomerKey>,
}

impl Dangling {
    /// As the catalog has it.
    pub fn new(repository: &Repository) -> Outcome<Self> {
        Ok(Self {
            recogniser: Recogniser::new(repository)?,
            erased: repository.catalog.erased()?,
            keys: repository.catalog.erased_keys()?,
            columns: repository
                .config
                .source(repository.config.register.as_str())
                .and_then(|source| source.rules.register.as_ref())
                .map_or(Vec::new(), |rule| rule.key.clone()),
            looked_up: HashMap::new(),
            met: Vec::new(),
        })
    }

    /// Whether a row that names an owner whom the register does not hold is that of an erased
    /// customer. Tokens of composite keys are not taken apart.
    pub fn owns(&mut self, repository: &Repository, token: ValueRef<'_>) -> Outcome<bool> {
        self.is_erased(repository, CustomerKey(vec![token.to_value()]))
    }

    /// Whether an orphan of the register's own database is that of an erased customer: one of its
    /// columns that lead to the register holds the key, and leads nowhere.
    pub fn left(
        &mut self,
        repository: &Repository,
        schema: &Schema,
        table: &Table,
        row: &Row<'_>,
    ) -> Outcome<bool> {
        if self.erased.is_empty() {
            return Ok(false);
        }
        for (reference, target) in table.references.iter().zip(row.targets) {
            let parent = &schema.tables[reference.parent];
            if *target == ValueRef::Null
                && parent.ownership == Ownership::Register
                && let Some(key) = self.key(parent, reference, row)
                && self.is_erased(repository, key)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The register's key, as the columns of a reference hold it.
    fn key(&self, register: &Table, reference: &Reference, row: &Row<'_>) -> Option<CustomerKey> {
        let lost = reference.columns.iter().copied();
        let lost = lost.zip(reference.parent_columns.iter().copied());
        let pairs: Vec<_> = lost.chain(reference.kept.iter().copied()).collect();
        let name = |column: ParentColumn| match column {
            ParentColumn::Rowid => register.rowid_alias.as_ref().map(|alias| &alias.name),
            ParentColumn::Column(at) => register.columns.get(at).map(|column| &column.name),
        };
        let value = |wanted: &String| {
            let is_wanted = |name: &String| name.eq_ignore_ascii_case(wanted);
            let mut pairs = pairs.iter();
            let (own, _) = pairs.find(|(_, parent)| name(*parent).is_some_and(is_wanted))?;
            let value = row.cells[*own].to_value();
            Some(value).filter(|value| *value != Value::Null)
        };
        let values: Option<Vec<_>> = self.columns.iter().map(value).collect();
        values.map(CustomerKey)
    }

    fn is_erased(&mut self, repository: &Repository, key: CustomerKey) -> Outcome<bool> {
        if self.erased.is_empty() {
            return Ok(false);
        }
        if let Some(found) = self.looked_up.get(&key) {
            return Ok(*found);
        }
        let mut found = self
            .is_key_of_erased(repository, &key)?
            .then(|| key.clone());
        if let [only] = &key.0[..]
            && let Some(other) = other_form(only.as_ref())
            && found.is_none()
        {
            let other = CustomerKey(vec![other]);
            found = self.is_key_of_erased(repository, &other)?.then_some(other);
        }
        let is_erased = found.is_some();
        self.met.extend(found.filter(|key| !self.met.contains(key)));
        self.looked_up.insert(key, is_erased);
        Ok(is_erased)
    }

    fn is_key_of_erased(&self, repository: &Repository, key: &CustomerKey) -> Outcome<bool> {
        let hash = self.recogniser.key(key);
        // Where nothing but the key tells who somebody is, those erased by older versions are known.
        let who = self.recogniser.who(&Identity {
            key: key.clone(),
            since: None,
        });
        let was_erased = self.keys.contains(&hash) || self.erased.contains_key(&who);
        Ok(was_erased && repository.catalog.customers_by_key(&hash)?.is_empty())
    }
}

/// Another database may hold the register's key as text, or as a number.
pub fn other_form(token: ValueRef<'_>) -> Option<Value> {
    match token {
        ValueRef::Int(i) => Some(Value::Text(i.to_string().into_bytes())),
        ValueRef::Text(t) => Some(Value::Int(std::str::from_utf8(t).ok()?.parse().ok()?)),
        _ => None,
    }
}
