//! Forgets customers, and lets them in again.
//!
//! Forgetting is the keyring's part of an erasure: one journal entry, which is its commit point, and
//! then what every command does first anyway (see [`crate::repo`]): the keyring is punctured, written
//! as a new epoch everywhere, and all older epochs are destroyed and looked for again. Whoever comes
//! after an interruption finishes it.

use std::collections::BTreeSet;

use crate::catalog::{Life, OwnRows};
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Class, Domain, StoreName};
use crate::journal::{Event, Recognised};
use crate::register;
use crate::repo::identity::{seal_identity, seal_reason};
use crate::repo::{Recogniser, Repository, Settled};
use crate::secret;

/// What was forgotten.
pub struct Forgotten {
    /// The keyring's epoch from here on.
    pub epoch: u64,
    /// Customers' keys and tables, as typed.
    pub forgotten: Vec<String>,
    /// Stores that may still hold an older keyring.
    pub pending: Vec<StoreName>,
    /// Rows of nobody that kept snapshots hold, by table: some may be about whoever was forgotten,
    /// and only [`run`] with the table's name reaches them.
    pub not_reached: Vec<String>,
}

/// What is to be forgotten, looked up and not decided yet.
pub struct Plan {
    /// Customers' keys as typed, each customer once.
    pub ids: Vec<String>,
    /// Tables as typed, each once.
    pub tables: Vec<String>,
    /// Rows of nobody that kept snapshots hold, by table, which this does not reach: some may be about
    /// whoever is to be forgotten.
    pub not_reached: Vec<String>,
    domains: BTreeSet<Domain>,
    recognised: Vec<Recognised>,
}

/// Looks up who and what is meant.
///
/// # Errors
/// `NotFound` when somebody is unknown, or no kept snapshot holds anything of a table under a domain of
/// its own; `Refused` when a hold stands; `Usage` when it is not clear who is meant.
pub fn plan(repository: &Repository, ids: &[String], tables: &[String]) -> Outcome<Plan> {
    let mut plan = Plan {
        ids: Vec::new(),
        tables: Vec::new(),
        not_reached: Vec::new(),
        domains: BTreeSet::new(),
        recognised: Vec::new(),
    };
    for id in ids {
        let holder = register::holder(repository, id)?;
        check_free(&repository.catalog.life(holder.domain)?, id)?;
        if plan.domains.contains(&holder.domain) {
            continue;
        }
        plan.ids.push(id.clone());
        plan.domains.extend(repository.domains_of(holder.domain)?);
        plan.recognised.push(Recognised {
            who: holder.who,
            domain: holder.domain,
            key: Some(register::key_hash(repository, &holder)?),
        });
    }
    let (own, unread) = repository.own_rows()?;
    for table in tables {
        if !plan.tables.contains(table) {
            plan.domains.extend(own_domains(&own, table)?);
            plan.tables.push(table.clone());
        }
    }
    plan.not_reached = not_reached(repository, &own, &plan.domains)?;
    let unread = unread.iter().map(|id| id.number);
    plan.not_reached
        .extend(unread.map(|number| format!("snapshot {number} (which cannot be read)")));
    Ok(plan)
}

/// Forgets what was planned.
pub fn carry_out(repository: &mut Repository, plan: Plan) -> Outcome<Forgotten> {
    repository.decide(Event::Erased {
        domains: plan.domains.into_iter().collect(),
        recognised: plan.recognised,
        order: None,
    })?;
    let mut settled = Settled::default();
    repository.carry_out_decisions(&mut settled)?;
    Ok(Forgotten {
        epoch: repository.keyring.epoch,
        forgotten: plan.ids.into_iter().chain(plan.tables).collect(),
        pending: settled.pending,
        not_reached: plan.not_reached,
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

/// Forgets customers, and tables' own domains. All of them, or none if one is unknown.
///
/// # Errors
/// See [`plan`].
pub fn run(repository: &mut Repository, ids: &[String], tables: &[String]) -> Outcome<Forgotten> {
    let plan = plan(repository, ids, tables)?;
    carry_out(repository, plan)
}

/// The tables of which kept snapshots have rows under a domain of the table's own that is not to be
/// forgotten, though nobody has said that they are everybody's: orphans, ambiguous and unsettled
/// tables, and whatever stood there before a table was settled.
fn not_reached(
    repository: &Repository,
    own: &[OwnRows],
    domains: &BTreeSet<Domain>,
) -> Outcome<Vec<String>> {
    let newest = repository.catalog.snapshots()?.pop();
    let newest = newest.map(|snapshot| snapshot.id);
    let shared = |rows: &OwnRows| {
        let source = repository.config.source(&rows.source);
        source.is_some_and(|source| source.rules.shared.contains(&rows.table))
    };
    let left = own
        .iter()
        .filter(|rows| !shared(rows) && !domains.contains(&rows.domain));
    let mut named: Vec<String> = Vec::new();
    for rows in left {
        let table = format!("{}.{}", rows.source, rows.table);
        let name = match newest == Some(rows.newest) {
            true => table,
            false => format!("{table} (until snapshot {})", rows.newest.number),
        };
        if !named.contains(&name) {
            named.push(name);
        }
    }
    Ok(named)
}

/// The domains that are a table's own, as a whole and its orphans, and that a kept snapshot has rows
/// under. `TABLE` or `SOURCE.TABLE`.
fn own_domains(own: &[OwnRows], table: &str) -> Outcome<Vec<Domain>> {
    let meant =
        |rows: &&OwnRows| rows.table == table || format!("{}.{}", rows.source, rows.table) == table;
    let domains: Vec<_> = own.iter().filter(meant).map(|rows| rows.domain).collect();
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
    let sealed = seal_identity(repository.id(), domain, &key, &identity, &secret::random()?);
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
