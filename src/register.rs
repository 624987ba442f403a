//! The register, live, and who is meant by what a person types.
//!
//! Somebody who is asked for is asked for by the register's key, as a person types it. A typed key
//! says nothing of its type (`7` may be a number or a text), so all that it can mean is looked for.

use std::collections::HashSet;

use crate::catalog::Customer;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::KeyedHash;
use crate::piece::Identity;
use crate::repo::Repository;
use crate::repo::identity::open_identity;
use crate::rules::RegisterRule;
use crate::source::RegisterRow;
use crate::source::sqlite::{Database, SqliteError};
use crate::value::{CustomerKey, Value, ValueRef};

mod typed;

/// The customers whom an id means, as it was typed: the one who holds the key, and those who held
/// it before. Never empty.
///
/// # Errors
/// `NotFound` when nobody has it, or only somebody who was erased.
pub fn find(repository: &Repository, id: &str) -> Outcome<Vec<Customer>> {
    let mut found = Vec::new();
    for key in keys_as_typed(repository, id) {
        let hash = repository.key_hash(&key)?;
        found.extend(repository.catalog.customers_by_key(&hash)?);
    }
    // The journal may be ahead of the catalog.
    found.retain(|customer| !repository.keyring.forest.is_punctured(customer.domain));
    if found.is_empty() {
        Err(not_found(repository, id))
    } else {
        Ok(found)
    }
}

/// The one customer who is meant by `KEY`, or by the label `KEY#NUMBER` where several have held the key
/// one after the other.
///
/// # Errors
/// `NotFound` when there is nobody; `Usage` when several are meant.
pub fn holder(repository: &Repository, id: &str) -> Outcome<Customer> {
    let mut holders = holders(repository, id)?;
    match holders.pop() {
        Some(only) if holders.is_empty() => Ok(only),
        last => {
            let all = holders
                .iter()
                .chain(&last)
                .map(|h| format!("{id}#{}", h.domain.arrival));
            let what = format!("key {id} was held by several customers, one after the other");
            let hint = format!("say which is meant: {}", all.collect::<Vec<_>>().join(", "));
            Err(Failure::of(FailureKind::Usage, what).hint(hint))
        }
    }
}

/// The customers whom an id means: by key as in [`find`], or the one whom a label `KEY#NUMBER` names.
///
/// # Errors
/// `NotFound` when there is nobody; `Usage` when the label is also somebody's key.
pub fn holders(repository: &Repository, id: &str) -> Outcome<Vec<Customer>> {
    let by_key = find(repository, id);
    match (labelled(repository, id)?, by_key) {
        (None, by_key) => by_key,
        (Some(holder), Err(_)) => Ok(vec![holder]),
        (Some(_), Ok(by_key)) => {
            let all = by_key
                .iter()
                .map(|holder| format!("{id}#{}", holder.domain.arrival));
            let what = format!("{id} is one customer's key and names another one as well");
            let hint = format!(
                "for the one with that key say {}",
                all.collect::<Vec<_>>().join(", ")
            );
            Err(Failure::of(FailureKind::Usage, what).hint(hint))
        }
    }
}

/// That an id means customers with different keys, such as `1` and `'1'`.
pub fn written_alike(id: &str, holders: &[Customer]) -> Failure {
    let what = format!("{id} means several customers, whose keys are written alike");
    let all = holders
        .iter()
        .map(|holder| format!("{id}#{}", holder.domain.arrival));
    let hint = match holders {
        [] => "take a snapshot first: it numbers them".to_owned(),
        _ => format!("say one of {}", all.collect::<Vec<_>>().join(", ")),
    };
    Failure::of(FailureKind::Usage, what).hint(hint)
}

/// The customer whom a label `KEY#NUMBER` names.
fn labelled(repository: &Repository, id: &str) -> Outcome<Option<Customer>> {
    let numbered = id
        .rsplit_once('#')
        .and_then(|(key, number)| Some((key, number.parse::<u32>().ok()?)));
    let Some((key, number)) = numbered else {
        return Ok(None);
    };
    match find(repository, key) {
        Ok(holders) => Ok(holders.into_iter().find(|h| h.domain.arrival == number)),
        Err(failure) if failure.kind() == FailureKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Who a living customer is.
pub fn identity_of(repository: &Repository, holder: &Customer) -> Outcome<Identity> {
    let key = repository.keyring.forest.key(holder.domain);
    let key = key.ok_or_else(|| Failure::new("the customer's key is gone"))?;
    open_identity(repository.id(), holder.domain, &key, &holder.sealed)
}

/// By what a living customer's rows are known once the customer is gone.
pub fn key_hash(repository: &Repository, holder: &Customer) -> Outcome<KeyedHash> {
    repository.key_hash(&identity_of(repository, holder)?.key)
}

/// All keys that an id can mean, as it was typed.
pub fn keys_as_typed(repository: &Repository, id: &str) -> Vec<CustomerKey> {
    typed::keys(
        id,
        register_rule(repository).map_or(1, |rule| rule.key.len()),
    )
}

/// Whom the live register holds under an id, as it was typed.
pub fn in_register(repository: &Repository, id: &str) -> Outcome<Vec<Identity>> {
    let keys = keys_as_typed(repository, id);
    let mut found = Vec::new();
    each_of_register(repository, &mut |row| {
        if keys.contains(&row.key) {
            found.push(identity(row));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Whether the live register holds this very customer.
pub fn holds(repository: &Repository, wanted: &Identity) -> Outcome<bool> {
    let mut holds = false;
    each_of_register(repository, &mut |row| {
        holds |= row.key == wanted.key && identity(row) == *wanted;
        Ok(())
    })?;
    Ok(holds)
}

/// The keys of those whose rows may be looked for in the live systems by their keys: not of whoever
/// has left the register and whose key is another's by now.
pub fn unshared_keys(repository: &Repository, wanted: &[Identity]) -> Outcome<Vec<CustomerKey>> {
    let all: HashSet<&Identity> = wanted.iter().collect();
    let keys: HashSet<&CustomerKey> = wanted.iter().map(|one| &one.key).collect();
    let mut others = HashSet::new();
    each_of_register(repository, &mut |row| {
        let found = identity(row);
        if keys.contains(&found.key) && !all.contains(&found) {
            others.insert(found.key);
        }
        Ok(())
    })?;
    let own = keys.into_iter().filter(|key| !others.contains(*key));
    Ok(own.cloned().collect())
}

/// By what customers are known in sources that do not hold the register: by their keys, and where those are of one
/// column by other forms of them. What stands there means the first of those whom it can mean and whom the register
/// holds, so what means somebody else is left out, be it the very key of one whom the register holds no more.
pub fn keys_elsewhere(repository: &Repository, keys: &[CustomerKey]) -> Outcome<Vec<CustomerKey>> {
    let forms = |key: &CustomerKey| [vec![key.clone()], other_keys(key)].concat();
    let all: Vec<CustomerKey> = keys.iter().flat_map(forms).collect();
    if repository.config.sources.len() < 2 || all.len() == keys.len() {
        return Ok(keys.to_vec());
    }
    let asked: HashSet<CustomerKey> = all.iter().flat_map(forms).collect();
    let mut held = HashSet::new();
    each_of_register(repository, &mut |row| {
        held.extend(asked.get(&row.key).cloned());
        Ok(())
    })?;
    let means = |form: &CustomerKey| forms(form).into_iter().find(|key| held.contains(key));
    let mut own = all;
    own.retain(|form| means(form).is_none_or(|key| keys.contains(&key)));
    Ok(own)
}

/// Whether the register does not hold a key and holds one that means the same in other sources.
pub fn is_held_otherwise(repository: &Repository, key: &CustomerKey) -> Outcome<bool> {
    let own = keys_elsewhere(repository, std::slice::from_ref(key))?;
    Ok(!own.contains(key))
}

fn other_keys(key: &CustomerKey) -> Vec<CustomerKey> {
    match &key.0[..] {
        [one] => (one.as_ref().other_forms().into_iter())
            .map(|form| CustomerKey(vec![form]))
            .collect(),
        _ => Vec::new(),
    }
}

/// By what a register row is recognised.
pub fn identity(row: RegisterRow) -> Identity {
    Identity {
        key: row.key,
        since: row.since.filter(|since| *since != Value::Null),
    }
}

fn register_rule(repository: &Repository) -> Option<&RegisterRule> {
    repository
        .config
        .source(repository.config.register.as_str())?
        .rules
        .register
        .as_ref()
}

/// Reads the live register.
pub fn each_of_register(
    repository: &Repository,
    each: &mut dyn FnMut(RegisterRow) -> Outcome<()>,
) -> Outcome<()> {
    each_with(repository, &[], &mut |row, _| each(row))
}

/// Reads the live register, and of each row the values of some columns more.
pub fn each_with(
    repository: &Repository,
    columns: &[String],
    each: &mut dyn FnMut(RegisterRow, &[ValueRef<'_>]) -> Outcome<()>,
) -> Outcome<()> {
    let name = repository.config.register.as_str();
    let source = repository.config.source(name);
    let source = source.ok_or_else(|| Failure::new(format!("there is no source {name:?}")))?;
    let database = Database::open_as_it_is(&source.path, &source.rules);
    let database = database.failed_to(|| format!("read source {name:?}"))?;
    let read = database.register_with(columns, &mut |row, more| {
        each(row, more).map_err(Ended::Told)
    });
    match read {
        Ok(()) => Ok(()),
        Err(Ended::Told(failure)) => Err(failure),
        Err(Ended::Unread(error)) => Err(error).failed_to(|| format!("read source {name:?}")),
    }
}

/// Why a reading of the register has ended.
enum Ended {
    /// It cannot be read.
    Unread(SqliteError),
    /// Whoever takes the rows has said so.
    Told(Failure),
}

impl From<SqliteError> for Ended {
    fn from(error: SqliteError) -> Self {
        Self::Unread(error)
    }
}

/// What is said of an id that nobody has, or nobody whom one may see. Whether it was somebody's who was erased can be told only
/// while the register holds the row, or where nothing but the key tells who somebody is.
pub fn not_found(repository: &Repository, id: &str) -> Failure {
    match was_erased(repository, id) {
        Ok(true) => Failure::of(FailureKind::NotFound, format!("customer {id:?} was erased"))
            .hint("`customer readmit` lets somebody in again, under a new number"),
        _ => Failure::of(
            FailureKind::NotFound,
            format!("there is no customer {id:?}"),
        )
        .hint("customers are known from the first snapshot that holds them; see `customer list`"),
    }
}

fn was_erased(repository: &Repository, id: &str) -> Outcome<bool> {
    let erased = repository.catalog.erased()?;
    let by_key = keys_as_typed(repository, id)
        .into_iter()
        .map(|key| Identity { key, since: None });
    let there = in_register(repository, id).unwrap_or_default();
    for identity in by_key.chain(there) {
        if erased.contains_key(&repository.who(&identity)?) {
            return Ok(true);
        }
    }
    Ok(false)
}
