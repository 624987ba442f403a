//! Tries on a store what backups need of it, since some stores take a request and do not do it.

use bytes::Bytes;

use super::{Checked, Severity};
use crate::error::{Failure, Outcome};
use crate::ids::hex;
use crate::secret;
use crate::store::{Lock, Store, Versioning};

/// Writes, reads, lists, tries to replace, and deletes an object of a random name under `check/`; and
/// finds out whether the store keeps what was deleted, and whether that can be deleted as well.
/// `deadline` is the most days that an erasure may take, where that is said.
pub(super) fn run(checked: &mut Checked, store: &Store, deadline: Option<u64>) {
    if let Err(failure) = object(store) {
        checked.failed("", &failure);
    }
    match store.lock() {
        Ok(Some(Lock { days: Some(days) })) => locked(checked, store, days, deadline),
        // What is not locked by default stays deletable.
        Ok(_) => {
            if let Err(failure) = versions(checked, store) {
                checked.failed("", &failure);
            }
        }
        Err(error) => {
            let what = format!("{error}, so locks would be found out only by erasing");
            let hint = "grant the key s3:GetBucketObjectLockConfiguration";
            checked.push(Severity::Warning, what, Some(hint));
        }
    }
    if store.is_passing() {
        let what = named(
            store,
            "lies in the memory of one process, and is gone with it",
        );
        let hint = "it is for tests; name a directory or a bucket";
        checked.push(Severity::Error, what, Some(hint));
    }
}

fn object(store: &Store) -> Outcome<()> {
    let path = place()?;
    let tried = keeps(store, &path);
    // Whatever came of it, nothing is left behind.
    let deleted = store.delete(&path);
    tried?;
    deleted?;
    match store.list("check")?.contains_key(&path) {
        true => Err(wrong(store, "still lists an object after it was deleted")),
        false => Ok(()),
    }
}

fn place() -> Outcome<String> {
    Ok(format!("check/{}", hex(&secret::random::<16>()?)))
}

fn keeps(store: &Store, path: &str) -> Outcome<()> {
    let bytes = Bytes::from_static(b"tenure check: this may be deleted\n");
    store.put_new(path, bytes.clone())?;
    store.read_back(path, &bytes)?;
    if store.list("check")?.get(path) != Some(&(bytes.len() as u64)) {
        return Err(wrong(store, "does not list what was written to it"));
    }
    match store.put_new(path, Bytes::from_static(b"another\n")) {
        Err(error) if error.is_conflict() => Ok(store.read_back(path, &bytes)?),
        Err(error) => Err(error.into()),
        Ok(()) => Err(wrong(
            store,
            "takes `If-None-Match` and ignores it: it replaces an object that must not be replaced",
        )),
    }
}

/// Older versions of a keyring would bring back the forgotten.
fn versions(checked: &mut Checked, store: &Store) -> Outcome<()> {
    let kept = match store.versioning() {
        Ok(Versioning::Never) => return Ok(()),
        Ok(Versioning::Kept { expire }) => Some(expire),
        // Then what was written is all the more to be looked for.
        Err(_) => None,
    };
    let folder = place()?;
    store.put_new(&format!("{folder}/object"), Bytes::from_static(b"x"))?;
    store.delete(&format!("{folder}/object"))?;
    if let Err(error) = store.purge(&folder, None) {
        let what = named(store, "keeps older versions, and they cannot be deleted");
        let hint = "grant the key s3:ListBucketVersions and s3:DeleteObjectVersion: without them what \
                    is forgotten stays pending here; or let the store hold no keyring (`keys = false`)";
        let severity = match store.holds_keys() {
            true => Severity::Error,
            false => Severity::Warning,
        };
        checked.failed_with(severity, &Failure::new(what).hint(hint).because(error));
    } else if kept == Some(false) {
        let what = named(
            store,
            "keeps older versions, and no rule lets them go: what `prune` deletes stays there, \
             sealed, and takes room",
        );
        let hint = "give the bucket a lifecycle rule with NoncurrentVersionExpiration";
        checked.push(Severity::Warning, what, Some(hint));
    }
    Ok(())
}

/// What lies under a lock cannot be destroyed.
fn locked(checked: &mut Checked, store: &Store, days: u32, deadline: Option<u64>) {
    if !store.holds_keys() {
        return;
    }
    let what = format!(
        "locks all that is written for {days} days: what is forgotten stays pending there for as long"
    );
    let (severity, hint) = match deadline.is_some_and(|deadline| u64::from(days) > deadline) {
        true => (
            Severity::Error,
            "that is longer than the `deadline` of [retention]: shorten the bucket's default \
             retention, or let the store hold no keyring (`keys = false`)",
        ),
        false => (
            Severity::Warning,
            "with `keys = false` the store holds no keyring, and nothing is pending there",
        ),
    };
    checked.push(severity, named(store, &what), Some(hint));
}

fn named(store: &Store, what: &str) -> String {
    format!("store {:?} {what}", store.name().as_str())
}

fn wrong(store: &Store, what: &str) -> Failure {
    Failure::new(named(store, what))
        .hint("it does not do what it is asked to; use another kind of store")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(store: &Store) -> Vec<String> {
        let mut checked = Checked::default();
        run(&mut checked, store, Some(30));
        let problems = checked.problems.into_iter();
        problems.map(|problem| problem.what).collect()
    }

    #[test]
    fn a_directory_passes_and_is_left_as_it_was() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let name = "local".parse().unwrap();
        let open = || Store::open_dir(&name, dir.path(), true, false, runtime.handle()).unwrap();
        open().put_new("packs/a", Bytes::from_static(b"a")).unwrap();
        assert_eq!(found(&open()), [""; 0]);
        let left: Vec<_> = open().list("").unwrap().into_keys().collect();
        assert_eq!(left, ["packs/a"]);
    }

    #[test]
    fn a_directory_that_is_gone_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (root, name) = (dir.path().join("store"), "local".parse().unwrap());
        let store = Store::open_dir(&name, &root, true, true, runtime.handle()).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        std::fs::write(&root, b"a file stands here now").unwrap();
        assert!(!found(&store).is_empty());
    }

    #[test]
    fn memory_works_and_is_warned_of() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let name = "passing".parse().unwrap();
        let open = || Store::open_memory(&name, "memory:probe", true, runtime.handle());
        let said = found(&open());
        assert!(said.len() == 1 && said[0].contains("memory"), "{said:?}");
        open().put_new("a/b", Bytes::from_static(b"1")).unwrap();
        assert_eq!(open().get("a/b", 1).unwrap(), "1");
    }
}
