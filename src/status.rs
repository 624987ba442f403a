//! Are we safe? What is known without reading a pack: from the configuration, the state directory,
//! the catalog, and a look at whether each store can be reached.
//!
//! What is *red* is a problem with its remedy. That forgotten customers wait to be erased or let in
//! again is not: it is somebody's decision, and each snapshot names them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use zeroize::Zeroizing;

use crate::catalog::Snapshot;
use crate::clock::Timestamp;
use crate::error::Outcome;
use crate::fsx::{self, FileError};
use crate::ids::{SnapshotId, StoreName};
use crate::keyring::recovery::{self, Recipient};
use crate::manifest::SnapshotKind;
use crate::repo::Repository;

/// A snapshot older than this is too old: a weekly one, and a day.
const TOO_OLD: f64 = 8.0 * 24.0 * 3600.0;
/// The file in which `init` leaves the recovery identity, beside the configuration.
pub const RECOVERY_KEY: &str = "recovery.key";
/// No identity file is longer.
const LONGEST_IDENTITY: u64 = 1 << 20;

/// How things stand.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether there is no problem.
    pub ok: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// The stores, in the order of the configuration.
    pub stores: Vec<StoreStatus>,
    /// The newest snapshot.
    pub last_snapshot: Option<LastSnapshot>,
    /// Customers who are known and not forgotten.
    pub customers: u64,
    /// The keyring's epoch.
    pub epoch: u64,
    /// Stores that may still hold an older keyring, which can bring back the forgotten.
    pub pending: Vec<StoreName>,
    /// When an identity of one who can recover was last shown to open the keyring.
    pub proven: Option<Timestamp>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// What.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How a store stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// Its name in the configuration.
    pub name: StoreName,
    /// Whether it is there, and holds this repository.
    pub reachable: bool,
    /// The newest snapshot that it holds complete, with all that this builds upon, and when that
    /// was finished. As it was when the store was last looked at.
    pub last_good: Option<(SnapshotId, Timestamp)>,
    /// How many of the kept snapshots it does not hold complete.
    pub behind: u64,
}

/// The newest snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSnapshot {
    /// Which.
    pub id: SnapshotId,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// When it was finished.
    pub finished: Timestamp,
}

/// How things stand now.
pub fn run(repository: &Repository) -> Outcome<Status> {
    at(repository, Timestamp::now())
}

/// How things stand if it is `now`.
pub fn at(repository: &Repository, now: Timestamp) -> Outcome<Status> {
    let snapshots = repository.catalog.snapshots()?;
    let recipients = repository.recipients()?;
    let stores = stores(repository, &snapshots)?;
    let last = snapshots.last().map(|last| LastSnapshot {
        id: last.id,
        kind: last.kind,
        finished: last.finished,
    });
    let proven = proven(repository, &recipients)?;
    let pending = repository.pending_places()?;
    let mut problems = Problems::default();
    problems.notes(repository);
    problems.age(last, now);
    problems.stores(repository, &stores);
    problems.damaged(repository)?;
    problems.keys(proven, &pending);
    problems.identities(repository, &recipients)?;
    problems.configuration(repository, &recipients);
    problems.unread(repository)?;
    problems.interrupted(repository);
    Ok(Status {
        ok: problems.0.is_empty(),
        problems: problems.0,
        stores,
        last_snapshot: last,
        customers: repository.catalog.customer_count()?,
        epoch: repository.keyring.epoch,
        pending,
        proven,
    })
}

fn stores(repository: &Repository, snapshots: &[Snapshot]) -> Outcome<Vec<StoreStatus>> {
    let complete = repository.catalog.complete()?;
    let of_store = |name: &StoreName| -> Outcome<StoreStatus> {
        let has = |id: SnapshotId| {
            complete
                .get(&id)
                .is_some_and(|stores| stores.contains(name))
        };
        let last_good = repository.catalog.last_good(name)?;
        Ok(StoreStatus {
            name: name.clone(),
            reachable: repository.stores.iter().any(|store| store.name() == name),
            last_good: last_good.map(|snapshot| (snapshot.id, snapshot.finished)),
            behind: snapshots
                .iter()
                .filter(|snapshot| !has(snapshot.id))
                .count() as u64,
        })
    };
    let stores = repository.config.stores.iter();
    stores.map(|store| of_store(&store.name)).collect()
}

fn proven(repository: &Repository, recipients: &[Recipient]) -> Outcome<Option<Timestamp>> {
    let in_force = texts(recipients);
    let proofs = repository.catalog.proofs()?.into_iter();
    Ok(proofs
        .filter(|proof| in_force.contains(&proof.recipient))
        .map(|proof| proof.time)
        .max())
}

fn texts(recipients: &[Recipient]) -> BTreeSet<String> {
    recipients.iter().map(ToString::to_string).collect()
}

/// What is wrong, as it is found.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, what: impl Into<String>, hint: &str) {
        self.0.push(Problem {
            what: what.into(),
            hint: Some(hint.to_owned()),
        });
    }

    fn notes(&mut self, repository: &Repository) {
        for note in &repository.notes {
            let causes = note.causes().into_iter().map(|cause| format!(": {cause}"));
            self.0.push(Problem {
                what: note.to_string() + &causes.collect::<String>(),
                hint: note.next_step().map(str::to_owned),
            });
        }
    }

    fn age(&mut self, last: Option<LastSnapshot>, now: Timestamp) {
        let Some(last) = last else {
            return self.add("there is no snapshot yet", "take one: `tenure snapshot`");
        };
        let age = now.seconds_since(last.finished);
        if age > TOO_OLD {
            let days = (age / 86_400.0).floor();
            let what = format!("the last snapshot is {days} days old");
            self.add(
                what,
                "take one, and see why none was taken: `tenure snapshot`",
            );
        } else if age < -TOO_OLD {
            let what = format!(
                "the last snapshot is of {}, which has not come yet",
                last.finished
            );
            self.add(what, "see whether the clock is right");
        }
    }

    fn stores(&mut self, repository: &Repository, stores: &[StoreStatus]) {
        for store in stores {
            let name = &store.name;
            if let Some(failure) = repository.absent.get(name) {
                let mut what = format!("store {name} is out of reach: {failure}");
                for cause in failure.causes() {
                    what += &format!(": {cause}");
                }
                let hint = failure
                    .next_step()
                    .unwrap_or("is it mounted? `tenure check` tells more");
                self.add(what, hint);
            }
            if store.behind > 0 {
                let s = if store.behind == 1 { "" } else { "s" };
                let what = format!("store {name} is behind by {} snapshot{s}", store.behind);
                self.add(
                    what,
                    "`tenure replicate` brings it up to date if it can be reached, and so does the next snapshot",
                );
            }
        }
    }

    fn damaged(&mut self, repository: &Repository) -> Outcome<()> {
        for (store, paths) in repository.catalog.damaged()? {
            let (number, is) = match paths.len() {
                1 => ("one object".to_owned(), "is"),
                many => (format!("{many} objects"), "are"),
            };
            let what = format!("{number} in store {store} {is} damaged");
            self.add(
                what,
                "the next `tenure snapshot` replaces what another store has whole, and stores the rest \
                 anew; older snapshots that need it stay broken until they are pruned",
            );
        }
        Ok(())
    }

    fn keys(&mut self, proven: Option<Timestamp>, pending: &[StoreName]) {
        if proven.is_none() {
            let what = "nobody has shown that a recovery identity opens the keyring";
            self.add(
                what,
                "`tenure keys prove --identity FILE`, from where the identity is kept",
            );
        }
        for store in pending {
            let what = format!(
                "store {store} may hold an older keyring, which can bring back the forgotten"
            );
            self.add(
                what,
                "make it reachable, and run any command that changes something",
            );
        }
    }

    /// With an identity on this host, whoever takes over the host can open older keyrings, too.
    fn identities(&mut self, repository: &Repository, recipients: &[Recipient]) -> Outcome<()> {
        let beside = repository.config.path().with_file_name(RECOVERY_KEY);
        let proofs = repository
            .catalog
            .proofs()?
            .into_iter()
            .map(|proof| PathBuf::from(proof.file));
        let files: BTreeSet<_> = proofs
            .chain([fs::canonicalize(&beside).unwrap_or(beside)])
            .collect();
        for file in files {
            let hint = "take it offline, in two places, and destroy it here";
            match holds_identity(&file, recipients) {
                Ok(false) => {}
                Ok(true) => {
                    let what = format!("a recovery identity lies on this host: {}", file.display());
                    self.add(what, hint);
                }
                Err(error) => {
                    let what = format!(
                        "nobody can tell whether {} holds a recovery identity: {error}",
                        file.display()
                    );
                    self.add(what, hint);
                }
            }
        }
        Ok(())
    }

    fn configuration(&mut self, repository: &Repository, recipients: &[Recipient]) {
        let configured = repository
            .config
            .recipients
            .iter()
            .map(ToString::to_string)
            .collect();
        if texts(recipients) != configured {
            let what = format!(
                "the recovery recipients in {} are not those in force",
                repository.config.path().display()
            );
            self.add(
                what,
                "editing the file does not change them: `tenure keys recipients add|remove AGE1…`",
            );
        }
    }

    fn unread(&mut self, repository: &Repository) -> Outcome<()> {
        for store in repository.unread()? {
            let what =
                format!("store {store} was not read since the recovery, so nothing is destroyed");
            let hint = format!(
                "bring it back, or, if it is lost for good, run `tenure recover` again with --give-up {store}"
            );
            self.add(what, &hint);
        }
        Ok(())
    }

    fn interrupted(&mut self, repository: &Repository) {
        let unfinished = repository.unfinished();
        // What another command is doing right now is not interrupted.
        if unfinished.is_empty() || repository.state.lock().is_err() {
            return;
        }
        for what in unfinished {
            let what = format!("an interrupted command has left {what}");
            self.add(
                what,
                "the next command that changes something finishes it, such as `tenure snapshot`",
            );
        }
    }
}

/// Whether a recovery identity lies on this host, where we know to look: beside the configuration, and
/// in the files that it was proven with. One that cannot be looked at counts as there.
pub fn identity_on_host(repository: &Repository) -> Outcome<bool> {
    let mut problems = Problems::default();
    problems.identities(repository, &repository.recipients()?)?;
    Ok(!problems.0.is_empty())
}

/// Whether a file is here and holds the identity of one of the recipients. Anything but a regular
/// file holds none: reading from a pipe would wait for somebody to write.
fn holds_identity(file: &Path, recipients: &[Recipient]) -> Result<bool, FileError> {
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => {}
        Err(error) if !is_absent(&error) => return Err(FileError::new("look at", file)(error)),
        _ => return Ok(false),
    }
    let Some(bytes) = fsx::read_if_there(file, LONGEST_IDENTITY)?.map(Zeroizing::new) else {
        return Ok(false);
    };
    Ok(recovery::holds_identity_of(
        &String::from_utf8_lossy(&bytes),
        recipients,
    ))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
