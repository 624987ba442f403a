//! Reads back what was written, and says what is not as it should be.
//!
//! Each store is looked at by itself, because each must be sufficient by itself: nothing that is
//! found good in one excuses another. Trust runs down from what this host knows: the fingerprint
//! vouches for the writer's certificate, the certificate for journal, keyring and manifests, the
//! manifests for pages and packs by their hashes. An object that fails is named once, with what is
//! wrong with it, and the look goes on with the state directory's copy where there is one, so that
//! one bad object does not hide another.
//!
//! Objects in `packs/`, `pages/` and `snapshots/` that nothing names are no problem: a crash leaves
//! such, and the next snapshot sweeps them. A manifest may be missing if the journal says that its
//! snapshot was pruned, and not otherwise.
//!
//! Packs and pages that are damaged are noted in the catalog, until a snapshot has replaced them or they
//! are found whole: no snapshot that needs one counts as complete in that store meanwhile.
//!
//! With data, and nothing found wrong in a store, each snapshot that it holds complete is noted as
//! *verified*: `prune` goes below none that is the newest such. One good store is enough, and what is
//! wrong in another takes nothing away: each store is sufficient by itself.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::config;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{SnapshotId, StoreName};
use crate::repo::Repository;
use crate::report::Report;
use crate::secret::DomainKey;
use crate::store::{Store, StoreError};

mod control;
mod damaged;
mod expected;
mod packs;
mod pages;
mod snapshots;

/// What was found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Objects that were read, over all stores.
    pub objects: u64,
    /// Blobs that were opened and compared with their names.
    pub blobs: u64,
    /// Blobs of forgotten domains, which nothing can open and nothing is to open.
    pub forgotten: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is wrong, store by store. None: everything that should be there is there and whole.
    pub problems: Vec<Problem>,
    /// Snapshots whose data was read and found whole in at least one store in which nothing was
    /// wrong. Nothing, unless data is read.
    pub whole: BTreeSet<SnapshotId>,
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// In which store.
    pub store: StoreName,
    /// The object's path in it; empty where the store as a whole is meant.
    pub object: String,
    /// What is wrong.
    pub what: String,
}

/// Looks at every store of the configuration, or at one. With `data` every blob is opened as well, and
/// the catalog notes which snapshots were found whole.
///
/// # Errors
/// When there is no such store, this host's own state cannot be read, or snapshots were pruned under
/// the look. What is wrong in a store is no error but a problem in the result, and so is a store that
/// cannot be reached.
pub fn run(
    repository: &mut Repository,
    store: Option<&StoreName>,
    data: bool,
    report: &dyn Report,
) -> Outcome<Verified> {
    if let Some(name) = store
        && let Err(failure) = repository.store(name)
        && failure.kind() == FailureKind::NotFound
    {
        return Err(failure);
    }
    let pruned = pruned_so_far(repository)?;
    let verified = look(repository, store, data, report)?;
    if !verified.is_ok() && pruned_so_far(repository)? > pruned {
        let what = "snapshots were pruned while this looked for them";
        return Err(Failure::new(what).hint("run it again"));
    }
    damaged::note(repository, store, &verified)?;
    let now = Timestamp::now();
    repository.catalog.change(|change| -> Outcome<()> {
        for id in &verified.whole {
            change.set_verified(*id, now)?;
        }
        Ok(())
    })?;
    Ok(verified)
}

/// How many snapshots were pruned ever.
fn pruned_so_far(repository: &Repository) -> Outcome<usize> {
    let mut count = 0;
    for inc in repository.writers.keys() {
        count += repository.catalog.pruned(*inc)?.len();
    }
    Ok(count)
}

/// Looks at the stores.
fn look(
    repository: &Repository,
    store: Option<&StoreName>,
    data: bool,
    report: &dyn Report,
) -> Outcome<Verified> {
    let mut verified = Verified::default();
    let wanted = |configured: &&config::Store| store.is_none_or(|name| configured.name == *name);
    for configured in repository.config.stores.iter().filter(wanted) {
        match reach(repository, configured) {
            Ok(store) => {
                let before = verified.problems.len();
                let look = Look::new(repository, &store, data, report, &mut verified)?;
                let complete = look.at_all()?;
                if data && verified.problems.len() == before {
                    verified.whole.extend(complete);
                }
            }
            Err(failure) => verified.problems.push(Problem {
                store: configured.name.clone(),
                object: String::new(),
                what: told(&failure),
            }),
        }
    }
    Ok(verified)
}

/// Opens a store. One that was refused when the repository was opened (its certificate is damaged)
/// is looked at all the same if it holds anything under this incarnation's name.
fn reach(repository: &Repository, configured: &config::Store) -> Outcome<Store> {
    if let Some(store) = repository
        .stores
        .iter()
        .find(|store| *store.name() == configured.name)
    {
        return Ok(store.clone());
    }
    let store = repository.open_unchecked(configured)?;
    for folder in ["writer", "journal", "keyring", "snapshots"] {
        let own = format!("{folder}/{}", repository.inc());
        if store
            .list(folder)?
            .keys()
            .any(|path| path.starts_with(&own))
        {
            return Ok(store);
        }
    }
    Err(match repository.absent.get(&configured.name) {
        Some(failure) => Failure::new(told(failure)),
        None => Failure::new("it does not hold this repository"),
    })
}

/// A look at one store.
struct Look<'a> {
    repository: &'a Repository,
    store: &'a Store,
    /// Opens the pages of the snapshot that is looked at.
    meta: DomainKey,
    data: bool,
    report: &'a dyn Report,
    verified: &'a mut Verified,
    /// Objects that were named already: each is named once.
    bad: HashSet<String>,
    /// The snapshots that the journal has pruned.
    pruned: BTreeSet<SnapshotId>,
}

impl<'a> Look<'a> {
    fn new(
        repository: &'a Repository,
        store: &'a Store,
        data: bool,
        report: &'a dyn Report,
        verified: &'a mut Verified,
    ) -> Outcome<Self> {
        let meta = repository.meta()?;
        Ok(Self {
            repository,
            store,
            meta,
            data,
            report,
            verified,
            bad: HashSet::new(),
            pruned: BTreeSet::new(),
        })
    }

    /// From what vouches to what is vouched for. Returns the snapshots that the store is to hold
    /// complete, and that were looked at.
    fn at_all(mut self) -> Outcome<Vec<SnapshotId>> {
        self.root();
        self.certificates();
        self.journal()?;
        self.keyring()?;
        self.snapshots()
    }

    /// Names an object, unless it was named before.
    fn problem(&mut self, object: &str, what: impl Into<String>) {
        if self.bad.insert(object.to_owned()) {
            let (store, object) = (self.store.name().clone(), object.to_owned());
            self.verified.problems.push(Problem {
                store,
                object,
                what: what.into(),
            });
        }
    }

    /// An object that should be there; named if it cannot be had.
    fn fetch(&mut self, path: &str, limit: u64) -> Option<Bytes> {
        match self.store.get(path, limit) {
            Ok(bytes) => {
                self.count(1, bytes.len() as u64);
                Some(bytes)
            }
            Err(error) => {
                self.problem(path, unread(error));
                None
            }
        }
    }

    /// The paths under a folder; the folder is named if it cannot be listed.
    fn list(&mut self, folder: &str) -> Vec<(String, u64)> {
        match self.store.list(folder) {
            Ok(listed) => listed.into_iter().collect(),
            Err(error) => {
                self.problem(folder, told(&error.into()));
                Vec::new()
            }
        }
    }

    fn count(&mut self, objects: u64, bytes: u64) {
        self.verified.objects += objects;
        self.verified.bytes += bytes;
    }
}

/// Why an object could not be had, for a problem that names store and object already.
fn unread(error: StoreError) -> String {
    if error.is_not_found() {
        return "it is missing".into();
    }
    let failure = Failure::from(error);
    let causes = failure.causes();
    if causes.is_empty() {
        failure.to_string()
    } else {
        causes.join(": ")
    }
}

/// A failure with its causes, on one line.
fn told(failure: &Failure) -> String {
    let mut told = failure.to_string();
    for cause in failure.causes() {
        told.push_str(": ");
        told.push_str(&cause);
    }
    told
}
