//! Erasing: in the live systems, and from everything that the keyring opens.
//!
//! What is wanted is first tried in the live databases and rolled back, so that whatever stands in the way
//! is known before anything is decided. Then the journal's entry commits; from there on every step
//! can be repeated and none is undone: the live rows go (found by the keyed hash of the erased, since
//! their keys are gone with the entry), the keyring's next epoch is written everywhere and older ones
//! are destroyed, and the certificate says what was seen.

use std::collections::HashSet;

use super::certify;
use super::facts;
use super::live_part::{LiveDone, SourceDone};
use super::pending::Pending;
use super::policy::{Policy, may_erase};
use super::subject::{Subject, key};
use crate::catalog::Erasure;
use crate::clock::Timestamp;
use crate::config::Source;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::Domain;
use crate::journal::{Cause, Event, Order, Recognised, Sealed};
use crate::piece::Identity;
use crate::register;
use crate::repo::identity::seal_reason;
use crate::repo::{Recogniser, Repository, Settled};
use crate::source::sqlite::{Erasing, Live, SqliteError};
use crate::value::CustomerKey;

/// Why and how somebody is erased.
pub struct Wanted<'a> {
    /// Whether somebody asked, or the time was over.
    pub cause: Cause,
    /// The reason in words; sealed, and gone with the customer.
    pub reason: &'a str,
    /// A code without personal data, for the certificate.
    pub ground: Option<&'a str>,
    /// Whether to rewrite the databases.
    pub vacuum: bool,
}

/// What was erased.
pub struct Erased {
    /// The number of the erasure, by which its certificate is called.
    pub entry: u64,
    /// The keyring's epoch from here on.
    pub epoch: u64,
    /// What is not done yet.
    pub pending: Vec<Pending>,
    /// Rules that could not be followed, by source, in words: what they name was dropped.
    pub unmet: Vec<String>,
    /// How many of them the register did not hold any more.
    pub absent: u64,
    /// Tables with rows of which nobody has said whose they are, with their sources.
    pub not_reached: Vec<String>,
}

/// Erases one customer on request.
///
/// # Errors
/// `Refused` when a hold, a restriction or a statutory minimum stands against it, or when the live
/// database does not let go; nothing is changed then.
pub fn on_request(repository: &mut Repository, id: &str, wanted: &Wanted<'_>) -> Outcome<Erased> {
    let subject = match Subject::find(repository, id) {
        Ok(subject) => subject,
        Err(failure) if failure.kind() == FailureKind::NotFound => {
            return again(repository, id, wanted)?.ok_or(failure);
        }
        Err(failure) => return Err(failure),
    };
    check(repository, id, subject.domain(), &subject.identity)?;
    run(repository, vec![subject], wanted)
}

/// That nothing stands against erasing a customer on request.
fn check(repository: &Repository, id: &str, domain: Domain, identity: &Identity) -> Outcome<()> {
    let now = Timestamp::now();
    let policy = Policy::new(
        repository.config.retention.as_ref(),
        repository.config.time_zone,
    );
    let fact = facts::of_one(repository, &policy, domain, identity, now)?;
    may_erase(&fact, &policy, now).map_err(|against| refused(id, &against))
}

fn refused(id: &str, against: &[super::Reason]) -> Failure {
    let reasons: Vec<String> = against.iter().map(ToString::to_string).collect();
    let what = format!("customer {id:?} may not be erased: {}", reasons.join("; "));
    Failure::of(FailureKind::Refused, what)
        .hint("`tenure customer show` tells what stands; a hold ends with `customer release`")
}

/// Somebody who was erased before and is in the register again: the rows go once more.
fn again(repository: &mut Repository, id: &str, wanted: &Wanted<'_>) -> Outcome<Option<Erased>> {
    let recogniser = Recogniser::new(repository)?;
    let erased = repository.catalog.erased()?;
    let found = register::in_register(repository, id)?.into_iter();
    let known = found.filter_map(|identity| {
        let who = recogniser.who(&identity);
        let domain = *erased.get(&who)?;
        let key = Some(recogniser.key(&identity.key));
        Some((Recognised { who, domain, key }, identity))
    });
    let (recognised, identities): (Vec<_>, Vec<_>) = known.unzip();
    if identities.is_empty() {
        return Ok(None);
    }
    for (one, identity) in recognised.iter().zip(&identities) {
        check(repository, id, one.domain, identity)?;
    }
    let keys = Keys::new(
        repository,
        register::unshared_keys(repository, &identities)?,
    )?;
    rehearse(repository, &keys)?;
    decide(repository, Vec::new(), recognised, Vec::new(), wanted)?;
    carry_out(repository, &keys).map(Some)
}

/// Erases living customers, of whom it is known that they may be erased.
pub fn run(
    repository: &mut Repository,
    subjects: Vec<Subject>,
    wanted: &Wanted<'_>,
) -> Outcome<Erased> {
    let identities: Vec<Identity> = subjects.iter().map(|s| s.identity.clone()).collect();
    let keys = Keys::new(
        repository,
        register::unshared_keys(repository, &identities)?,
    )?;
    rehearse(repository, &keys)?;
    let repo = repository.id();
    let (mut domains, mut reasons) = (Vec::new(), Vec::new());
    for subject in &subjects {
        let domain = subject.domain();
        let key = key(repository, domain)?;
        let bytes = seal_reason(repo, domain, &key, wanted.reason)?;
        reasons.push(Sealed { domain, bytes });
        domains.extend(repository.domains_of(domain)?);
    }
    let recogniser = Recogniser::new(repository)?;
    let recognised = subjects.iter().map(|subject| Recognised {
        who: subject.customer.who,
        domain: subject.domain(),
        key: Some(recogniser.key(&subject.identity.key)),
    });
    let recognised = recognised.collect();
    decide(repository, domains, recognised, reasons, wanted)?;
    carry_out(repository, &keys)
}

/// By what those who go are known.
struct Keys {
    /// Where the register is.
    register: Vec<CustomerKey>,
    /// In other sources.
    elsewhere: Vec<CustomerKey>,
}

impl Keys {
    fn new(repository: &Repository, register: Vec<CustomerKey>) -> Outcome<Self> {
        let elsewhere = register::keys_elsewhere(repository, &register)?;
        Ok(Self {
            register,
            elsewhere,
        })
    }

    fn of(&self, repository: &Repository, source: &Source) -> &[CustomerKey] {
        match source.name == repository.config.register {
            true => &self.register,
            false => &self.elsewhere,
        }
    }
}

/// Tries it in every source and rolls it back.
fn rehearse(repository: &Repository, keys: &Keys) -> Outcome<()> {
    for source in &repository.config.sources {
        let keys = keys.of(repository, source);
        let rehearse = || Ok(open(source)?.erase(keys, Erasing::Rehearse));
        let rehearsed: Outcome<_> = repository.changing(source.name.as_str(), rehearse)?;
        match rehearsed? {
            Ok(_) => {}
            // Somebody who holds a lock says nothing against it.
            Err(error @ SqliteError::Busy { .. }) => {
                return Err(error)
                    .failed_to(|| format!("erase in source {:?}", source.name.as_str()));
            }
            Err(error) => {
                let what = format!("source {:?} does not let go", source.name.as_str());
                return Err(Failure::of(FailureKind::Refused, what).because(Failure::from(error)));
            }
        }
    }
    Ok(())
}

fn open(source: &Source) -> Outcome<Live> {
    let live = Live::open(&source.path, &source.rules);
    live.failed_to(|| format!("open source {:?} for changes", source.name.as_str()))
}

fn decide(
    repository: &mut Repository,
    mut domains: Vec<Domain>,
    recognised: Vec<Recognised>,
    reasons: Vec<Sealed>,
    wanted: &Wanted<'_>,
) -> Outcome<()> {
    // A hold that came while this was prepared is in the catalog by now, under the lock that we have.
    for one in &recognised {
        if repository
            .catalog
            .life(one.domain)?
            .is_held(Timestamp::now())
        {
            return Err(Failure::of(FailureKind::Refused, "a hold stands"));
        }
    }
    domains.sort();
    repository.decide(Event::Erased {
        domains,
        recognised,
        order: Some(Order {
            cause: wanted.cause,
            ground: wanted.ground.map(str::to_owned),
            reasons,
            vacuum: wanted.vacuum,
        }),
    })?;
    Ok(())
}

/// Does what the newest entry has decided, and says what is pending.
fn carry_out(repository: &mut Repository, keys: &Keys) -> Outcome<Erased> {
    let entry = repository.last_entry();
    repository.apply_to_catalog()?;
    let mut pending = Vec::new();
    if let Some(erasure) = repository.catalog.erasure(entry)? {
        pending.extend(in_live_systems(repository, &erasure, Some(keys)).err());
    }
    let mut settled = Settled::default();
    repository.carry_out_decisions(&mut settled)?;
    certify::all(repository)?;
    let failed = pending.iter().map(|failure| Pending::Work(told(failure)));
    let mut pending: Vec<Pending> = failed.collect();
    pending.extend(certify::pending(repository, entry)?);
    pending.dedup();
    let live = live_part(repository, entry)?;
    Ok(Erased {
        entry,
        epoch: repository.keyring.epoch,
        pending,
        unmet: live.unmet(),
        absent: live.absent,
        not_reached: live.unreached().collect(),
    })
}

/// An erasure's live part, as far as it is done.
fn live_part(repository: &Repository, entry: u64) -> Outcome<LiveDone> {
    let erasure = repository.catalog.erasure(entry)?;
    let live = erasure.and_then(|erasure| erasure.live);
    let live = live.and_then(|live| serde_json::from_str(&live).ok());
    Ok(live.unwrap_or_default())
}

/// A failure and its causes on one line.
pub fn told(failure: &Failure) -> String {
    let causes = failure.causes();
    let all = std::iter::once(failure.to_string()).chain(causes);
    all.collect::<Vec<_>>().join(": ")
}

/// Does in the live systems what earlier entries have decided and is not done there yet. Returns what
/// could not be done.
pub(super) fn finish(repository: &mut Repository) -> Outcome<Vec<Failure>> {
    let open = repository.catalog.open_erasures()?.into_iter();
    let failed = open.filter_map(|erasure| in_live_systems(repository, &erasure, None).err());
    Ok(failed.collect())
}

/// Deletes the rows of an erasure's customers in every source, or deals once more with what was left
/// behind. `keys` are known only to whoever has decided it: later the customers are found by hash.
fn in_live_systems(
    repository: &mut Repository,
    erasure: &Erasure,
    keys: Option<&Keys>,
) -> Outcome<()> {
    let before: Option<LiveDone> = erasure
        .live
        .as_deref()
        .and_then(|live| serde_json::from_str(live).ok());
    let done = match before {
        Some(done) if done.sources.iter().all(SourceDone::is_done) => return Ok(()),
        Some(done) => swept(repository, done, erasure.vacuum)?,
        None => {
            let resumed = keys.is_none();
            let met;
            let keys = match keys {
                Some(keys) => keys,
                None => {
                    met = Keys::new(repository, recognise(repository, erasure.entry)?)?;
                    &met
                }
            };
            let (mut done, found) = deleted(repository, keys, erasure.vacuum)?;
            let wanted = repository.catalog.erased_by(erasure.entry)?.len();
            done.absent = wanted.saturating_sub(found) as u64;
            done.resumed = resumed && done.absent > 0;
            done
        }
    };
    let text = serde_json::to_string(&done);
    let text =
        text.map_err(|error| Failure::new("cannot write down what was done").because(error))?;
    Ok(repository
        .catalog
        .change(|change| change.set_live(erasure.entry, &text))?)
}

/// The keys of those of an erasure who are still in the register.
fn recognise(repository: &Repository, entry: u64) -> Outcome<Vec<CustomerKey>> {
    let wanted = repository.catalog.erased_by(entry)?.into_iter();
    let wanted: HashSet<_> = wanted.map(|(who, _)| who).collect();
    let recogniser = Recogniser::new(repository)?;
    let mut found = Vec::new();
    register::each_of_register(repository, &mut |row| {
        let identity = register::identity(row);
        if wanted.contains(&recogniser.who(&identity)) {
            found.push(identity.key);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Deletes their rows in every source. Returns also how many of them the register had.
fn deleted(repository: &Repository, keys: &Keys, vacuum: bool) -> Outcome<(LiveDone, usize)> {
    let (mut done, mut found) = (LiveDone::default(), 0);
    // The register goes last: while it has the row, an interrupted erasure finds whose rows to look for.
    let register = &repository.config.register;
    let mut sources: Vec<&Source> = repository.config.sources.iter().collect();
    sources.sort_by_key(|source| source.name == *register);
    for source in sources {
        let name = source.name.as_str();
        let wanted = keys.of(repository, source);
        let erase = || {
            let erased = open(source)?.erase(wanted, Erasing::ForReal { vacuum });
            erased.failed_to(|| format!("erase in source {name:?}"))
        };
        let erased = repository.changing(name, erase)??;
        if source.name == *register {
            found = wanted.len() - erased.unknown.len();
        }
        done.sources.push(SourceDone::new(source, erased));
    }
    Ok((done, found))
}

/// Tries remnants again that could not be dealt with. A table that was dropped leaves its text in free
/// space.
fn swept(repository: &Repository, mut done: LiveDone, vacuum: bool) -> Outcome<LiveDone> {
    for part in &mut done.sources {
        let Some(source) = repository.config.source(&part.source) else {
            continue;
        };
        if !part.note_dropped(source) && part.pending.is_empty() {
            continue;
        }
        let sweep = || {
            let remnants = open(source)?.sweep(vacuum);
            remnants.failed_to(|| format!("clean up in source {:?}", part.source))
        };
        let remnants = repository.changing(&part.source, sweep)??;
        part.remnants(&remnants);
    }
    Ok(done)
}
