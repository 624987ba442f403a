//! Brings snapshots back: stores → packs → open → pieces → databases.
//!
//! The journal comes first and last. What it has erased is not opened, whatever keyring is at hand,
//! and before the result is handed over the journal is read once more: what was erased meanwhile
//! makes the restore void. Whoever is hidden stays hidden, also where the snapshot is older than that.

use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{SnapshotId, StoreName};
use crate::repo::Repository;
use crate::repo::objects::Fetcher;

mod collect;
mod customer;
mod export;
mod live;
mod lives;
mod lost;
mod rows;
mod site;
mod whole;

pub use customer::{CustomerRestored, customer};
pub use live::{LiveRestored, LiveSource, live};
pub use whole::{Restored, RestoredSource, whole};

/// The snapshot that is meant: by number (`N` or `INC.N`), or the newest at a time, or the newest.
pub fn choose(
    repository: &Repository,
    snapshot: Option<&str>,
    at: Option<Timestamp>,
) -> Outcome<SnapshotId> {
    let snapshots = repository.catalog.snapshots()?;
    let none = |what: String| {
        Failure::of(FailureKind::NotFound, what).hint("`tenure snapshots` lists them")
    };
    if let Some(wanted) = snapshot {
        let mut found = snapshots
            .iter()
            .map(|snapshot| snapshot.id)
            .filter(|id| id.number.to_string() == wanted || id.to_string() == wanted);
        return match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (None, _) => Err(none(format!("there is no snapshot {wanted}"))),
            _ => Err(none(format!(
                "snapshot {wanted} is not unique: write it as INC.N"
            ))),
        };
    }
    let mut candidates = snapshots.iter().rev();
    let found = candidates.find(|snapshot| at.is_none_or(|at| snapshot.started <= at));
    found.map(|snapshot| snapshot.id).ok_or_else(|| match at {
        Some(at) => none(format!("there is no snapshot as old as {at}")),
        None => none("there is no snapshot yet".into()),
    })
}

/// The newest snapshot, for whoever names none; with a store the newest that it holds complete, and if
/// that is another one, why.
///
/// # Errors
/// When the newest is complete on no store that can be reached: the hint says which are.
pub fn newest(
    repository: &Repository,
    store: Option<&StoreName>,
) -> Outcome<(SnapshotId, Option<String>)> {
    let newest = choose(repository, None, None)?;
    if let Some(store) = store {
        let last_good = repository.catalog.last_good(store)?;
        return Ok(match last_good.map(|snapshot| snapshot.id) {
            Some(id) if id != newest => {
                let (held, newest) = (id.number, newest.number);
                let why = format!(
                    "store {store} does not hold the newest snapshot, {newest}, complete: this is {held}"
                );
                (id, Some(why))
            }
            _ => (newest, None),
        });
    }
    let mut held = Vec::new();
    for store in &repository.stores {
        if let Some(snapshot) = repository.catalog.last_good(store.name())? {
            if snapshot.id == newest {
                return Ok((newest, None));
            }
            let (number, store) = (snapshot.id.number, store.name());
            held.push(format!("--snapshot {number} (complete on {store})"));
        }
    }
    let number = newest.number;
    let what = format!("snapshot {number} is not complete on any store that can be reached");
    held.push(format!(
        "--snapshot {number} to try it from what all stores have together"
    ));
    Err(Failure::new(what).hint(format!("say which: {}", held.join(", "))))
}

/// A fetcher from the store that is meant, or from all that can be reached: those first that had the
/// snapshot complete when they were last looked at.
fn fetcher(repository: &Repository, id: SnapshotId, store: Option<&StoreName>) -> Outcome<Fetcher> {
    let stores = match store {
        Some(name) => vec![repository.store(name)?.clone()],
        None => {
            let complete = repository.catalog.complete()?;
            let here = complete.get(&id).map(Vec::as_slice).unwrap_or_default();
            let mut stores = repository.stores.clone();
            stores.sort_by_key(|store| !here.contains(store.name()));
            stores
        }
    };
    if stores.is_empty() {
        return Err(Failure::new("no store can be reached").hint("see `tenure check`"));
    }
    // A named store has to show that it has everything: nothing is taken from the state directory.
    let state = store.is_none().then(|| repository.state.clone());
    Ok(Fetcher::new(repository.id(), stores, state))
}

/// That nothing was erased since the repository was opened.
fn check_journal(repository: &Repository) -> Outcome<()> {
    if repository.has_news()? {
        let what = "the journal has changed while this was being restored";
        return Err(Failure::new(what).hint("run it again: it takes what was decided into account"));
    }
    Ok(())
}
