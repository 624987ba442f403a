//! Tries on a store what backups need of it, since some stores take a request and do not do it.

use bytes::Bytes;

use crate::error::{Failure, Outcome};
use crate::ids::hex;
use crate::secret;
use crate::store::Store;

/// Writes, reads, lists, tries to replace, and deletes an object of a random name under `check/`.
pub(super) fn run(store: &Store) -> Outcome<()> {
    let path = format!("check/{}", hex(&secret::random::<16>()?));
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

fn keeps(store: &Store, path: &str) -> Outcome<()> {
    let bytes = Bytes::from_static(b"tenure check: this may be deleted\n");
    store.put_new(path, bytes.clone())?;
    store.read_back(path, &bytes)?;
    if store.list("check")?.get(path) != Some(&(bytes.len() as u64)) {
        return Err(wrong(store, "does not list what was written to it"));
    }
    match store.put_new(path, Bytes::from_static(b"another\n")) {
        Err(_) => Ok(store.read_back(path, &bytes)?),
        Ok(()) => Err(wrong(store, "replaces an object that must not be replaced")),
    }
}

fn wrong(store: &Store, what: &str) -> Failure {
    Failure::new(format!("store {:?} {what}", store.name().as_str()))
        .hint("it does not do what it is asked to; use another kind of store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_passes_and_is_left_as_it_was() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let name = "local".parse().unwrap();
        let open = || Store::open_dir(&name, dir.path(), true, false, runtime.handle()).unwrap();
        open().put_new("packs/a", Bytes::from_static(b"a")).unwrap();
        run(&open()).unwrap();
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
        assert!(run(&store).is_err());
    }
}
