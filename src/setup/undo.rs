//! Takes back what a failed `init` has made, so that the next try is not stopped by it.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::certificate;
use crate::config::{Config, Store};
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::repo::places::open_store;
use crate::repo::state::StateDir;

/// What `init` makes in a state directory or a store.
const OURS: [&str; 12] = [
    "writer",
    "keyring",
    "journal",
    "snapshots",
    "packs",
    "pages",
    "spill",
    certificate::ROOT,
    "catalog.db",
    "fingerprint",
    "home",
    "lock",
];

/// What was not there before.
pub(super) struct Undo {
    new: Vec<PathBuf>,
}

impl Undo {
    /// Notes what is not there yet, once it is known that the state directory holds no repository
    /// and neither does any store.
    pub(super) fn new(config: &Config, path: &Path) -> Self {
        let mut undo = Self { new: Vec::new() };
        let folders = config.stores.iter().filter_map(Store::directory);
        for folder in folders.chain([config.state_dir.as_path()]) {
            undo.made(folder);
            for name in OURS {
                undo.made(&folder.join(name));
            }
        }
        undo.made(&config.host_key);
        undo.made(path);
        undo
    }

    /// Something that will be made, unless it is there.
    pub(super) fn made(&mut self, path: &Path) {
        let is_empty =
            path.is_dir() && fs::read_dir(path).is_ok_and(|mut names| names.next().is_none());
        if is_empty || fs::symlink_metadata(path).is_err() {
            self.new.push(path.to_owned());
        }
    }

    /// Takes it back. What cannot be removed stays: the failure that led here is told, not this.
    pub(super) fn run(self) {
        for path in &self.new {
            match path.is_dir() {
                true => drop(fs::remove_dir_all(path)),
                false => drop(fsx::destroy(path)),
            }
        }
    }
}

/// Takes out of stores that are no directories what this `init` has put there: what bears the number of
/// its incarnation, and the root's file if it is its own.
pub(super) fn withdraw(config: &Config, runtime: &Handle) {
    let state = StateDir::new(&config.state_dir);
    let numbers = fsx::names(&config.state_dir.join("writer")).unwrap_or_default();
    let root = fsx::read(&state.root(), 1 << 20).unwrap_or_default();
    for store in config
        .stores
        .iter()
        .filter(|store| store.directory().is_none())
    {
        let Ok(opened) = open_store(store, false, runtime) else {
            continue;
        };
        let own_root = opened
            .get(certificate::ROOT, 1 << 20)
            .is_ok_and(|found| found == root);
        for number in &numbers {
            for folder in ["keyring", "journal"] {
                drop(opened.purge(&format!("{folder}/{number}"), None));
            }
            drop(opened.delete(&format!("writer/{number}")));
        }
        if own_root {
            drop(opened.delete(certificate::ROOT));
        }
    }
}

/// Makes the state directory empty if all that it holds is what an `init` that was killed has left:
/// the certificate of the new repository must stand alone there.
///
/// # Errors
/// `Refused` when it holds anything else.
pub(super) fn clear(state: &Path) -> Outcome<()> {
    let names = fsx::names(state)?;
    let ours = |name: &String| OURS.contains(&name.trim_end_matches(".tmp"));
    if let Some(other) = names.iter().find(|name| !ours(name)) {
        let what = format!(
            "the state directory {} is not empty: there is {other}",
            state.display()
        );
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("put the configuration into a folder of its own: the state lies beside it"));
    }
    for name in names {
        let path = state.join(name);
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(fsx::FileError::new("remove", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_and_what_is_new_goes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("old"), b"old").unwrap();
        fs::create_dir_all(at("full/x")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        let mut undo = Undo { new: Vec::new() };
        for name in ["old", "full", "empty", "new-dir", "new"] {
            undo.made(&at(name));
        }
        fs::create_dir_all(at("new-dir/below")).unwrap();
        fs::write(at("empty/below"), b"x").unwrap();
        fs::write(at("new"), b"x").unwrap();
        undo.run();
        assert_eq!(fsx::names(dir.path()).unwrap(), ["full", "old"]);
        assert!(at("full/x").is_dir());
    }

    #[test]
    fn a_state_directory_with_something_else_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        clear(&at("none")).unwrap();
        fs::create_dir(at("writer")).unwrap();
        fs::write(at("writer/0011"), b"x").unwrap();
        fs::write(at("root.age.tmp"), b"x").unwrap();
        fs::write(at("letters.txt"), b"x").unwrap();
        assert_eq!(clear(dir.path()).unwrap_err().kind(), FailureKind::Refused);
        assert_eq!(fsx::names(dir.path()).unwrap().len(), 3);
        fs::remove_file(at("letters.txt")).unwrap();
        clear(dir.path()).unwrap();
        assert!(fsx::names(dir.path()).unwrap().is_empty());
    }
}
