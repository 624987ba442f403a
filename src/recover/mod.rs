//! Goes on from what stores hold, on a machine that has nothing else: state directory, catalog and
//! configuration are made anew, and a new incarnation is opened that retires the one before.
//!
//! The order: everything that can be read is read, and checked down from the fingerprint. The keyrings are
//! punctured by the union of all journals before anything of a customer is opened. Then the state directory is
//! built, with the first journal entry of the new incarnation as an intent in it; its last file is the
//! fingerprint, and up to there nothing was written to any store: whoever comes after an interruption begins
//! anew. From there on it is a state directory like any other, and what is left to do is what every command
//! does first: the entry goes to the stores, and with it the certificate that retires the old host.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::catalog::{Proof, Snapshot};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx::FileError;
use crate::ids::StoreName;
use crate::journal::Event;
use crate::repo::Repository;
use crate::report::Report;
use crate::restore::{self, Restored};
use crate::setup::spec::StoreSpec;
use crate::sign::VerifyKey;

mod answers;
mod build;
mod evidence;
mod offline;
mod place;
mod reach;
mod seen;
mod settings;
mod void;

use build::{Building, Decided};
use evidence::Evidence;
use offline::Offline;
use place::{Place, Standing};
use reach::Reached;
use seen::Seen;
pub use void::EntryName;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The stores to begin with. Not empty.
    pub stores: Vec<StoreSpec>,
    /// The file with the recovery identity.
    pub identity: PathBuf,
    /// Where configuration and state are to be.
    pub to: PathBuf,
    /// The repository's fingerprint, unless the identity file tells it.
    pub fingerprint: Option<VerifyKey>,
    /// The newest keyring must be of this epoch at least.
    pub at_least_epoch: Option<u64>,
    /// The first entry of a journal that is void, and all behind it.
    pub void_from: Option<EntryName>,
    /// Stores that nothing waits for any more.
    pub give_up: Vec<StoreName>,
    /// Whether no store is asked but those that are named.
    pub alone: bool,
    /// Whether it is a rehearsal: reads and restores, and writes to no store.
    pub rehearse: bool,
}

/// What was made.
pub struct Recovered {
    /// The configuration; of a rehearsal, which leaves none, where it would have been.
    pub config: PathBuf,
    /// How many snapshots there are.
    pub snapshots: u64,
    /// The newest of them, oldest first.
    pub newest: Option<Snapshot>,
    /// The keyring's epoch.
    pub epoch: u64,
    /// The stores that were read.
    pub read: Vec<StoreName>,
    /// Stores that are known and were not read, with why.
    pub unread: Vec<(StoreName, String)>,
    /// Entries of the journal that are void from here on, in words.
    pub voided: Vec<String>,
    /// What was there and could not be used, in words.
    pub lost: Vec<String>,
    /// What else a person should know.
    pub notes: Vec<String>,
    /// What a rehearsal has restored.
    pub restored: Option<Restored>,
    /// Whether an earlier run had made it, and this one has only finished it.
    pub is_finished: bool,
}

/// Recovers, or rehearses it.
///
/// # Errors
/// `Refused` where the journal is not whole, the keyring is older than said, or the place is taken.
pub fn run(wanted: &Wanted, runtime: &Handle, report: &dyn Report) -> Outcome<Recovered> {
    // A rehearsal that was killed is never gone on with: it must open no incarnation.
    Place::new(&wanted.to, true)?.take_away()?;
    let place = Place::new(&wanted.to, wanted.rehearse)?;
    let offline = Offline::read(&wanted.identity, wanted.fingerprint)?;
    if place.standing()? == Standing::Built {
        return finish(&place, (wanted, &offline), runtime);
    }
    report.note("reading the stores");
    let Reached { stores, unread } = reach::reach(wanted, &offline, runtime)?;
    let evidence = Evidence::gather(&stores, &offline)?;
    check_epoch(evidence.epoch, wanted)?;
    let decided = decide(evidence, wanted, &stores, unread)?;
    let root = stores[0].open_root(&offline)?;
    place.begin(&decided.config)?;
    report.note("building the state directory");
    let building = Building {
        place: &place,
        decided: &decided,
        stores: &stores,
        root: &root,
        fingerprint: offline.fingerprint,
    };
    building.run().failed_to(|| "build the state directory")?;
    match wanted.rehearse {
        true => rehearse(&place, decided, runtime, report),
        false => open(&place, decided, (wanted, &offline), runtime),
    }
}

/// Opens the new incarnation.
fn open(
    place: &Place,
    decided: Decided,
    (wanted, offline): (&Wanted, &Offline),
    runtime: &Handle,
) -> Outcome<Recovered> {
    place.write_config(&decided.config)?;
    let config = Config::load(place.config())?;
    let (mut repository, _) = Repository::change(config, runtime)
        .failed_to(|| "open the new incarnation in the stores")?;
    note_identity(&mut repository, &wanted.identity, offline)?;
    give_up(&mut repository, &decided.give_up)?;
    place.end()?;
    let mut recovered = told(place, decided, &repository)?;
    recovered.notes.extend(still_lacking(&repository));
    Ok(recovered)
}

/// Notes that an identity was used on this host: as long as it lies here, no erasure is final.
fn note_identity(repository: &mut Repository, file: &Path, offline: &Offline) -> Outcome<()> {
    let file = fs::canonicalize(file).map_err(FileError::new("look at", file))?;
    let (time, file) = (Timestamp::now(), file.to_string_lossy().into_owned());
    repository.catalog.change(|change| -> Outcome<()> {
        for identity in &offline.identities {
            change.add_proof(&Proof {
                recipient: identity.recipient().to_string(),
                time,
                file: file.clone(),
            })?;
        }
        Ok(())
    })
}

/// Goes on with what an earlier run has left: from the state directory alone.
fn finish(
    place: &Place,
    (wanted, offline): (&Wanted, &Offline),
    runtime: &Handle,
) -> Outcome<Recovered> {
    place.check_recovered(&offline.fingerprint)?;
    if let Some(text) = place.interrupted()? {
        place.write_config(&text)?;
    }
    let config = Config::load(place.config())?;
    if wanted.at_least_epoch.is_some() || wanted.void_from.is_some() {
        check_same_wishes(&Repository::rehearse(config.clone(), runtime)?, wanted)?;
    }
    let (mut repository, _) = Repository::change(config, runtime)
        .failed_to(|| "open the new incarnation in the stores")?;
    give_up(&mut repository, &wanted.give_up)?;
    place.end()?;
    let mut recovered = told(place, Decided::default(), &repository)?;
    recovered.notes.extend(still_lacking(&repository));
    recovered.is_finished = true;
    Ok(recovered)
}

/// Restores the newest snapshot, and takes everything else away again.
fn rehearse(
    place: &Place,
    decided: Decided,
    runtime: &Handle,
    report: &dyn Report,
) -> Outcome<Recovered> {
    let rehearsed = || -> Outcome<Recovered> {
        place.write_config(&decided.config)?;
        let config = Config::load(place.config())?;
        let repository = Repository::rehearse(config, runtime)?;
        let newest = restore::choose(&repository, None, None)?;
        let to = place.restored();
        let restored = restore::whole(&repository, &to, newest, None, None, report)?;
        let mut recovered = told(place, decided, &repository)?;
        // The epoch that is in force, since no other was begun.
        recovered.epoch -= 1;
        recovered.restored = Some(restored);
        Ok(recovered)
    };
    let done = rehearsed();
    place.take_away()?;
    done
}

fn told(place: &Place, decided: Decided, repository: &Repository) -> Outcome<Recovered> {
    let snapshots = repository.catalog.snapshots()?;
    let read = repository.stores.iter().map(|store| store.name().clone());
    let mut unread = Vec::new();
    for name in repository.unread()? {
        let why = decided.unread.get(&name).cloned();
        unread.push((
            name,
            why.unwrap_or_else(|| "it cannot be reached".to_owned()),
        ));
    }
    Ok(Recovered {
        config: place.config().to_owned(),
        snapshots: snapshots.len() as u64,
        newest: snapshots.last().cloned(),
        epoch: repository.keyring.epoch,
        read: read.collect(),
        unread,
        voided: decided.void_words,
        lost: decided.lost,
        notes: decided.notes,
        restored: None,
        is_finished: false,
    })
}

/// What the recovered host cannot do yet, in words: the stores that were read and take nothing, and the sources
/// that are not on this machine.
fn still_lacking(repository: &Repository) -> Vec<String> {
    let stores = repository
        .absent
        .iter()
        .map(|(name, failure)| format!("store {name} takes nothing: {}", failure.in_one_line()));
    let sources = repository.config.sources.iter();
    let sources = sources.filter(|source| !source.path.exists());
    let sources = sources.map(|source| {
        let path = source.path.display();
        format!(
            "source {} is not there: {path} (restore it, and put its path into the configuration)",
            source.name
        )
    });
    stores.chain(sources).collect()
}

fn no_such_store(name: &StoreName, known: impl Iterator<Item = String>) -> Failure {
    let what = format!("there is no store {:?} to be given up", name.as_str());
    let known: Vec<_> = known.collect();
    Failure::of(FailureKind::NotFound, what).hint(format!("known: {}", known.join(", ")))
}

fn give_up(repository: &mut Repository, names: &[StoreName]) -> Outcome<()> {
    let unread = repository.unread()?;
    for name in names {
        if !unread.contains(name) {
            if repository.catalog.key_places()?.contains_key(name.as_str()) {
                continue;
            }
            let known = repository.catalog.key_places()?.into_keys();
            return Err(no_such_store(name, known));
        }
        repository.decide(Event::GivenUp {
            store: name.to_string(),
        })?;
    }
    repository.carry_out_decisions(&mut crate::repo::Settled::default())
}

fn check_epoch(found: u64, wanted: &Wanted) -> Outcome<()> {
    let Some(least) = wanted.at_least_epoch.filter(|least| found < *least) else {
        return Ok(());
    };
    let what = format!("the newest keyring is of epoch {found}, and it must be {least} at least");
    Err(Failure::of(FailureKind::Refused, what).hint(
        "the stores that were read are older than what you know of, or were rolled back: customers who were \
         erased since would come back. Name a newer store",
    ))
}

/// That an earlier run has done what is asked for now. What it has built is not built again.
fn check_same_wishes(built: &Repository, wanted: &Wanted) -> Outcome<()> {
    check_epoch(built.keyring.epoch.saturating_sub(1), wanted)?;
    let Some(name) = wanted.void_from else {
        return Ok(());
    };
    let (void, voided) = (name.find(&built.journal_lengths())?, built.voided()?);
    if voided
        .iter()
        .any(|done| done.inc == void.inc && done.from <= void.from)
    {
        return Ok(());
    }
    let what = format!("an earlier run has recovered here, and for it entry {name} counts");
    Err(Failure::of(FailureKind::Refused, what)
        .hint("recover into a directory of its own, with --to"))
}

/// Everything that is settled before anything is written.
fn decide(
    mut evidence: Evidence,
    wanted: &Wanted,
    stores: &[Seen],
    unread: BTreeMap<StoreName, String>,
) -> Outcome<Decided> {
    let mut voided = evidence.voided_before();
    let mut void_words = Vec::new();
    let mut notes = Vec::new();
    if let Some(name) = wanted.void_from {
        let void = name.find(&evidence.lengths())?;
        (void_words, notes) = void::told(&evidence, &voided, void);
        voided.push(void);
    }
    let ledger = evidence.ledger(&voided);
    let gone = ledger
        .iter()
        .filter(|domain| evidence.forest.is_punctured(**domain))
        .count();
    evidence.forest.puncture(&ledger);
    notes.extend(evidence.beyond_recall(&voided));
    evidence.drop_pruned(&voided);
    if ledger.len() > gone {
        let more = ledger.len() - gone;
        notes.push(format!(
            "an older keyring was found: {more} erased domains were punctured in it"
        ));
    }
    let recipients = evidence.recipients(&voided);
    let known = evidence.known_stores(&voided);
    let given_up = evidence.given_up(&voided);
    let mut give_up = wanted.give_up.clone();
    // A recovery before this one may have come that far.
    give_up.retain(|name| known.contains_key(name.as_str()) || !given_up.contains(name.as_str()));
    if let Some(name) = give_up
        .iter()
        .find(|name| !known.contains_key(name.as_str()))
    {
        return Err(no_such_store(name, known.into_keys()));
    }
    let newest = evidence.snapshots.values().next_back().ok_or_else(|| {
        Failure::new("there is no snapshot in any store that was read")
            .hint("there is nothing to recover: make a repository with `tenure init`")
    })?;
    let place = Place::new(&wanted.to, wanted.rehearse)?;
    let config = settings::Settings {
        place: &place,
        recipients: &recipients,
        stores,
        give_up: &wanted.give_up,
        rehearse: wanted.rehearse,
    };
    let config = config.write(&newest.manifest.config)?;
    Ok(Decided {
        config,
        recipients,
        voided,
        void_words,
        give_up: wanted.give_up.clone(),
        unread,
        notes,
        lost: std::mem::take(&mut evidence.lost),
        evidence: Some(evidence),
    })
}

/// Where the configuration is written for `--to DIR`.
pub fn config_in(to: &Path) -> PathBuf {
    to.join("tenure.toml")
}
