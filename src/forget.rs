//! Forgets customers, and lets them in again.
//!
//! Forgetting is the keyring's part of an erasure: one journal entry, which is its commit point, and
//! then what every command does first anyway (see [`crate::repo`]): the keyring is punctured, written
//! as a new epoch everywhere, and all older epochs are destroyed and looked for again. Whoever comes
//! after an interruption finishes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Customer, Life, Numbered};
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Class, Domain, StoreName};
use crate::journal::{Event, Recognised};
use crate::register;
use crate::repo::identity::{seal_identity, seal_reason};
use crate::repo::view::View;
use crate::repo::{Recogniser, Repository, Settled};
use crate::schema::Ownership;

/// What was forgotten.
pub struct Forgotten {
    /// The keyring's epoch from here on.
    pub epoch: u64,
    /// Customers' keys and tables, as typed.
    pub forgotten: Vec<String>,
    /// Stores that may still hold an older keyring.
    pub pending: Vec<StoreName>,
    /// Rows of nobody that the newest snapshot holds, by table: some may be about whoever was
    /// forgotten, and only [`run`] with the table's name reaches them.
    pub not_reached: Vec<String>,
}

/// Forgets customers, and tables' own domains. All of them, or none if one is unknown.
pub fn run(repository: &mut Repository, ids: &[String], tables: &[String]) -> Outcome<Forgotten> {
    let (mut domains, mut recognised) = (BTreeSet::new(), BTreeMap::new());
    let last = repository.catalog.last_class()?;
    for id in ids {
        let holder = holder(repository, id)?;
        check_free(&repository.catalog.life(holder.domain)?, id)?;
        domains.extend((1..=last.0).map(|class| Domain {
            class: Class(class),
            ..holder.domain
        }));
        recognised.insert(holder.who, holder.domain);
    }
    for table in tables {
        domains.extend(own_domains(repository, table)?);
    }
    let recognised = recognised
        .into_iter()
        .map(|(who, domain)| Recognised { who, domain });
    repository.decide(Event::Erased {
        domains: domains.into_iter().collect(),
        recognised: recognised.collect(),
        order: None,
    })?;
    let mut settled = Settled::default();
    repository.carry_out_decisions(&mut settled)?;
    Ok(Forgotten {
        epoch: repository.keyring.epoch,
        forgotten: ids.iter().chain(tables).cloned().collect(),
        pending: settled.pending,
        not_reached: rows_of_nobody(repository)?,
    })
}

/// That neither a hold nor a restriction forbids it.
fn check_free(life: &Life, id: &str) -> Outcome<()> {
    let refused = |what: &str, hint: &str| {
        let what = format!("{what} customer {id:?}: nothing may erase it");
        Err(Failure::of(FailureKind::Refused, what).hint(hint))
    };
    if life.is_held(Timestamp::now()) {
        return refused("a hold stands for", "`tenure customer release` ends a hold");
    }
    if life.is_restricted() {
        let hint = "`tenure customer unhide` ends a restriction";
        return refused("a restriction stands for", hint);
    }
    Ok(())
}

/// The tables whose rows, some or all, the newest snapshot has under a domain of the table's own
/// though nobody has said that they are everybody's: orphans, ambiguous and unsettled tables.
fn rows_of_nobody(repository: &Repository) -> Outcome<Vec<String>> {
    let Some(newest) = repository.catalog.snapshots()?.pop() else {
        return Ok(Vec::new());
    };
    let fetcher = repository.fetcher(&repository.stores);
    let view = View::open(repository, &fetcher, newest.id)?;
    let meta = repository.meta()?;
    let mut found = Vec::new();
    for source in &view.manifest().sources {
        for (table, state) in source.schema.tables.iter().zip(&source.tables) {
            let nobody_s = table.ownership != Ownership::Shared;
            for domain in state
                .whole
                .iter()
                .chain(&state.orphans)
                .filter(|_| nobody_s)
            {
                let is_known = repository.keyring.forest.key(*domain).is_some();
                if is_known && !view.find(&fetcher, &meta, *domain)?.is_empty() {
                    found.push(format!("{}.{}", source.name, table.name));
                }
            }
        }
    }
    Ok(found)
}

/// The one customer who is meant by `KEY`, or by `KEY#NUMBER` where several have held the key one
/// after the other.
pub fn holder(repository: &Repository, id: &str) -> Outcome<Customer> {
    let numbered = id
        .rsplit_once('#')
        .and_then(|(key, n)| Some((key, n.parse::<u32>().ok()?)));
    if let Some((key, number)) = numbered
        && let Ok(holders) = register::find(repository, key)
        && let Some(holder) = holders.into_iter().find(|h| h.domain.arrival == number)
    {
        return Ok(holder);
    }
    let mut holders = register::find(repository, id)?;
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

/// The domains that are a table's own: as a whole, and its orphans. `TABLE` or `SOURCE.TABLE`.
fn own_domains(repository: &Repository, table: &str) -> Outcome<Vec<Domain>> {
    let mut domains = Vec::new();
    for source in &repository.config.sources {
        let source = source.name.as_str();
        let plain = table
            .strip_prefix(source)
            .and_then(|rest| rest.strip_prefix('.'));
        for name in plain.into_iter().chain([table]) {
            let hash = repository.name_hash(&[source, name])?;
            for kind in [Numbered::WholeTable, Numbered::Orphans] {
                let number = repository.catalog.find_number(kind, &hash)?;
                let inc = repository.inc();
                domains.extend(number.map(|arrival| Domain {
                    inc,
                    class: Class::OWN,
                    arrival,
                }));
            }
        }
    }
    if domains.is_empty() {
        let what = format!("no snapshot holds rows of a table {table:?} under a domain of its own");
        return Err(Failure::of(FailureKind::NotFound, what).hint("see `tenure inspect`"));
    }
    Ok(domains)
}

/// A customer who is let in again.
pub struct Readmitted {
    /// The key, as typed.
    pub id: String,
    /// The state from here on.
    pub state: &'static str,
}

/// Lets in again, under a new number, a customer who was forgotten and is in the register.
pub fn readmit(repository: &mut Repository, id: &str, reason: &str) -> Outcome<Readmitted> {
    let erased = repository.catalog.erased()?;
    let recogniser = Recogniser::new(repository)?;
    let here = register::in_register(repository, id)?.into_iter();
    let mut known = here.map(|identity| (recogniser.who(&identity), identity));
    let found = known.find(|(who, _)| erased.contains_key(who));
    let Some((who, identity)) = found else {
        let what = format!("the register holds no forgotten customer {id}");
        return Err(Failure::of(FailureKind::NotFound, what));
    };
    let arrival = repository.catalog.next_customer()?;
    let domain = Domain {
        inc: repository.inc(),
        class: Class::CUSTOMER,
        arrival,
    };
    let key = repository.keyring.forest.key(domain);
    let key = key.ok_or_else(|| Failure::new("a new domain has no key"))?;
    let sealed = seal_identity(repository.id(), domain, &key, &identity)?;
    let reason = seal_reason(repository.id(), domain, &key, reason)?;
    repository.decide(Event::Readmitted {
        who,
        domain,
        identity: sealed,
        reason,
    })?;
    repository.carry_out_decisions(&mut Settled::default())?;
    Ok(Readmitted {
        id: id.to_owned(),
        state: "active",
    })
}
