//! Hiding: out of everyday sight, and back exactly.
//!
//! The mode `flag` sets a column of the register. The journal comes first and carries what stood
//! there, sealed under the customer's key; the live row follows, and where that was cut short the next
//! command that changes something does it.

use super::subject::{Subject, key};
use crate::catalog::Life;
use crate::config::{Hide, Source};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::Domain;
use crate::journal::Event;
use crate::piece::Identity;
use crate::register;
use crate::repo::identity::{open_former, open_identity, seal_former, seal_reason};
use crate::repo::{Repository, Settled};
use crate::source::sqlite::Live;
use crate::value::Value;

/// The column of the register that hides, and what hides in it.
pub struct Flag<'c> {
    /// The source of the register.
    pub source: &'c Source,
    /// The column.
    pub column: &'c str,
    /// What is written there.
    pub value: &'c Value,
}

impl<'c> Flag<'c> {
    /// What the configuration says; none if it says nothing.
    pub fn of(config: &'c crate::config::Config) -> Option<Self> {
        let source = config.source(config.register.as_str())?;
        match source.hide.as_ref()? {
            Hide::Flag { column, value } => Some(Self {
                source,
                column,
                value,
            }),
            Hide::Vault => None,
        }
    }

    fn open(&self) -> Outcome<Live> {
        let live = Live::open(&self.source.path, &self.source.rules);
        let live = live.failed_to(|| format!("open source {:?} for changes", self.name()))?;
        match live.hide_column_problem(self.column) {
            None => Ok(live),
            Some(problem) => {
                let what = format!("column {:?} cannot hide customers: {problem}", self.column);
                Err(Failure::of(FailureKind::Usage, what)
                    .hint("name another column in [source.hide] of the configuration"))
            }
        }
    }

    fn name(&self) -> &str {
        self.source.name.as_str()
    }
}

/// What the configuration must say before anybody can be hidden.
fn flag(config: &crate::config::Config) -> Outcome<Flag<'_>> {
    let source = config.source(config.register.as_str());
    if let Some(Hide::Vault) = source.and_then(|source| source.hide.as_ref()) {
        let what = "this version cannot hide by `mode = \"vault\"` yet";
        return Err(Failure::new(what).hint("use `mode = \"flag\"` in [source.hide]"));
    }
    Flag::of(config).ok_or_else(|| {
        let what = "the configuration does not say how customers are hidden";
        let hint =
            "add [source.hide] with mode = \"flag\", a column and a value to the register's source";
        Failure::of(FailureKind::Usage, what).hint(hint)
    })
}

/// How a customer stands after a hide or unhide.
pub struct Hidden {
    /// The key, as typed.
    pub id: String,
    /// Whether the customer is hidden now.
    pub hidden: bool,
    /// Why the live row does not show it yet.
    pub pending: Option<Failure>,
}

/// Takes a customer out of sight; `restricted` if the customer has asked for it.
pub fn hide(
    repository: &mut Repository,
    id: &str,
    reason: &str,
    restricted: bool,
) -> Outcome<Hidden> {
    let config = repository.config.clone();
    let flag = flag(&config)?;
    let subject = Subject::find(repository, id)?;
    let domain = subject.domain();
    let Some(former) = former(repository, domain, &flag, &subject)? else {
        let what = format!("customer {id:?} is not in the register any more");
        return Err(Failure::of(FailureKind::NotFound, what));
    };
    let (repo, key) = (repository.id(), key(repository, domain)?);
    repository.decide(Event::Hidden {
        domain,
        former: seal_former(repo, domain, &key, &former)?,
        restricted,
        reason: seal_reason(repo, domain, &key, reason)?,
    })?;
    shown(repository, id, domain, true)
}

/// What stands in the column of a customer who is to be hidden; none if there is no such row.
fn former(
    repository: &Repository,
    domain: Domain,
    flag: &Flag<'_>,
    subject: &Subject,
) -> Outcome<Option<Value>> {
    let live = flag.open()?;
    if !register::holds(repository, &subject.identity)? {
        return Ok(None);
    }
    let life = repository.catalog.life(domain)?;
    match life.former {
        // Brought back before, and the row does not show it yet.
        Some(sealed) if life.hide_due && life.hidden.is_none() => {
            let key = key(repository, domain)?;
            open_former(repository.id(), domain, &key, &sealed).map(Some)
        }
        _ => Ok(live.flagged(&subject.identity.key, flag.column)?),
    }
}

/// Brings a hidden customer back: the live row says again what it said before.
///
/// # Errors
/// `NotFound` when the customer is not hidden.
pub fn unhide(repository: &mut Repository, id: &str, reason: &str) -> Outcome<Hidden> {
    let subject = Subject::find(repository, id)?;
    let domain = subject.domain();
    if repository.catalog.life(domain)?.hidden.is_none() {
        let what = format!("customer {id:?} is not hidden");
        return Err(Failure::of(FailureKind::NotFound, what));
    }
    let key = key(repository, domain)?;
    let reason = seal_reason(repository.id(), domain, &key, reason)?;
    repository.decide(Event::Unhidden { domain, reason })?;
    shown(repository, id, domain, false)
}

fn shown(repository: &mut Repository, id: &str, domain: Domain, hidden: bool) -> Outcome<Hidden> {
    repository.carry_out_decisions(&mut Settled::default())?;
    Ok(Hidden {
        id: id.to_owned(),
        hidden,
        pending: show(repository, domain).err(),
    })
}

/// Lets all live rows show what was decided and is not shown yet. Returns what could not be done.
pub(super) fn finish(repository: &mut Repository) -> Outcome<Vec<Failure>> {
    let lives = repository.catalog.lives()?.into_iter();
    let due: Vec<Domain> = lives
        .filter(|(_, life)| life.hide_due)
        .map(|(domain, _)| domain)
        .collect();
    let failed = due
        .into_iter()
        .filter_map(|domain| show(repository, domain).err());
    Ok(failed.collect())
}

/// Lets a live row show the last hide or unhide.
fn show(repository: &mut Repository, domain: Domain) -> Outcome<()> {
    let life = repository.catalog.life(domain)?;
    let Some((identity, value)) = wanted(repository, domain, &life)? else {
        return Ok(());
    };
    // Whoever has left the register has nothing to be shown, and whoever has the key by now is another.
    if register::holds(repository, &identity)? {
        let config = repository.config.clone();
        let flag = flag(&config)?;
        let show = || {
            let shown = flag.open()?.flag(&identity.key, flag.column, &value);
            shown.failed_to(|| format!("let source {:?} show it", flag.name()))
        };
        repository.changing(flag.name(), show)??;
    }
    Ok(repository
        .catalog
        .change(|change| change.set_hide_shown(domain))?)
}

/// What is to stand in a customer's live row, and whose that is: none if nobody has ever decided.
fn wanted(
    repository: &Repository,
    domain: Domain,
    life: &Life,
) -> Outcome<Option<(Identity, Value)>> {
    let (Some(customer), Some(value)) = (
        repository.catalog.customer(domain)?,
        decided(repository, domain, life)?,
    ) else {
        return Ok(None);
    };
    let key = key(repository, domain)?;
    let identity = open_identity(repository.id(), domain, &key, &customer.sealed)?;
    Ok(Some((identity, value)))
}

/// What stands in the column that hides by what was last decided of a customer: what hides, or what
/// stood there before. None if nobody has ever decided, or if the customer was erased.
pub fn decided(repository: &Repository, domain: Domain, life: &Life) -> Outcome<Option<Value>> {
    let (Some(key), Some(flag)) = (
        repository.keyring.forest.key(domain),
        Flag::of(&repository.config),
    ) else {
        return Ok(None);
    };
    match (&life.hidden, &life.former) {
        (Some(_), _) => Ok(Some(flag.value.clone())),
        (None, Some(former)) => open_former(repository.id(), domain, &key, former).map(Some),
        (None, None) => Ok(None),
    }
}
