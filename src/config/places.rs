//! The checks that look at the disk: who can read what is secret, and what lies inside what.
//!
//! A store inside a source would back itself up; a source or the state directory inside a store
//! would lie in the open among sealed objects, and be swept away as a leftover. Paths are compared
//! as the file system resolves them, as far as they exist, so that links do not hide it.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::problem::Problems;
use super::raw::Text;

/// What lies at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    StateDir,
    HostKey,
    Store,
    /// A source that is one file (and those that the engine puts beside it).
    Database,
    /// A source that is a directory.
    Folder,
}

/// A place that the configuration names.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub kind: Kind,
    /// What it is, in words.
    label: String,
    pub path: PathBuf,
    /// Where it is named; none where it is a default.
    span: Option<Range<usize>>,
}

impl Place {
    pub(super) fn new(
        kind: Kind,
        name: Option<&Text>,
        path: &Path,
        span: Option<Range<usize>>,
    ) -> Self {
        let what = match kind {
            Kind::StateDir => "the state directory",
            Kind::HostKey => "the host key",
            Kind::Store => "the store",
            Kind::Database | Kind::Folder => "the source",
        };
        let label = match name {
            Some(name) => format!("{what} {:?}", name.get_ref()),
            None => what.to_owned(),
        };
        Self {
            kind,
            label,
            path: path.to_owned(),
            span,
        }
    }
}

/// All that the second stage looks at.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub list: Vec<Place>,
    /// Where in the configuration a secret stands, if one does.
    pub secret: Option<Range<usize>>,
}

impl Places {
    /// Notes what is wrong on the disk; `file` is the configuration itself. What cannot be looked
    /// at is not complained of: it may not exist yet.
    pub(super) fn check(&self, file: &Path, problems: &mut Problems<'_>) {
        self.check_modes(file, problems);
        let settled: Vec<PathBuf> = self.list.iter().map(|place| settle(&place.path)).collect();
        for (i, inner) in self.list.iter().enumerate() {
            for (j, outer) in self.list.iter().enumerate() {
                let same = settled[i] == settled[j];
                let inside = i != j && settled[i].starts_with(&settled[j]);
                // The same place is found from both sides, and told once.
                if inside && !(same && i < j) && forbidden(inner.kind, outer.kind, same) {
                    tell(inner, outer, same, problems);
                }
            }
        }
    }

    fn check_modes(&self, file: &Path, problems: &mut Problems<'_>) {
        if let Some(mode) = mode(file) {
            if mode & 0o002 != 0 {
                let what = format!("everybody can write to this file (mode {mode:04o})");
                problems.missing(None, what, format!("chmod o-w {}", file.display()));
            }
            if let Some(secret) = self.secret.as_ref().filter(|_| mode & 0o077 != 0) {
                let what =
                    format!("a secret stands in a file that others can read (mode {mode:04o})");
                let hint = format!(
                    "take it out (stores find it in the environment), or chmod 600 {}",
                    file.display()
                );
                problems.at(secret, what, hint);
            }
        }
        for place in self.list.iter().filter(|place| place.kind == Kind::HostKey) {
            if let Some(mode) = mode(&place.path).filter(|mode| mode & 0o077 != 0) {
                let path = place.path.display();
                let what = format!("others can read {} {path} (mode {mode:04o})", place.label);
                note(problems, place, what, format!("chmod 600 {path}"));
            }
        }
    }
}

fn mode(path: &Path) -> Option<u32> {
    let metadata = fs::metadata(path).ok()?;
    Some(metadata.permissions().mode() & 0o7777)
}

/// Whether `inner` may not lie inside `outer` (or be the same).
fn forbidden(inner: Kind, outer: Kind, same: bool) -> bool {
    use Kind::{Database, Folder, HostKey, StateDir, Store};
    match (inner, outer) {
        (_, Store) | (Store, _) => true,
        (StateDir, Folder) | (Folder, StateDir) => true,
        (Database | HostKey, Database) => same,
        _ => false,
    }
}

fn tell(inner: &Place, outer: &Place, same: bool, problems: &mut Problems<'_>) {
    let relation = if same {
        "is the same place as"
    } else {
        "lies inside"
    };
    let what = format!(
        "{} ({}) {relation} {} ({})",
        inner.label,
        inner.path.display(),
        outer.label,
        outer.path.display()
    );
    let said = if inner.span.is_some() { inner } else { outer };
    note(
        problems,
        said,
        what,
        "give each of them a place of its own".to_owned(),
    );
}

fn note(problems: &mut Problems<'_>, place: &Place, what: String, hint: String) {
    match &place.span {
        Some(span) => problems.at(span, what, hint),
        None => problems.missing(None, what, hint),
    }
}

/// The path as the file system resolves it, as far as it exists; what does not is resolved as text.
fn settle(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        let Ok(mut settled) = existing.canonicalize() else {
            continue;
        };
        let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
        for component in rest.components() {
            match component {
                Component::ParentDir => {
                    settled.pop();
                }
                Component::Normal(name) => settled.push(name),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        return settled;
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(places: &[(Kind, &Path)]) -> Vec<String> {
        let file = Path::new("/nowhere/c.toml");
        let list = places
            .iter()
            .map(|(kind, path)| Place::new(*kind, None, path, None));
        let places = Places {
            list: list.collect(),
            secret: None,
        };
        let mut problems = Problems::new(file, "");
        places.check(file, &mut problems);
        problems
            .into_list()
            .into_iter()
            .map(|problem| problem.what)
            .collect()
    }

    #[test]
    fn what_lies_inside_what_it_must_not_is_found() {
        use Kind::{Database, Folder, HostKey, StateDir, Store};
        let bad = [
            (
                (Store, "/s/docs/backup"),
                (Folder, "/s/docs"),
                "the store (/s/docs/backup) lies inside the source",
            ),
            (
                (Folder, "/b/docs"),
                (Store, "/b"),
                "the source (/b/docs) lies inside the store",
            ),
            (
                (Database, "/b/x/crm.db"),
                (Store, "/b"),
                "the source (/b/x/crm.db) lies inside the store",
            ),
            (
                (StateDir, "/b/state"),
                (Store, "/b"),
                "the state directory (/b/state) lies inside the store",
            ),
            (
                (Store, "/st/b"),
                (StateDir, "/st"),
                "the store (/st/b) lies inside the state directory",
            ),
            (
                (Store, "/b/2"),
                (Store, "/b"),
                "the store (/b/2) lies inside the store",
            ),
            ((Store, "/b/../c"), (Store, "/c"), "is the same place as"),
            (
                (HostKey, "/b/host.key"),
                (Store, "/b"),
                "the host key (/b/host.key) lies inside",
            ),
            (
                (StateDir, "/d/state"),
                (Folder, "/d"),
                "the state directory (/d/state) lies inside the source",
            ),
            (
                (Database, "/d/crm.db"),
                (Database, "/d/crm.db"),
                "is the same place as",
            ),
        ];
        for ((a, at_a), (b, at_b), expected) in bad {
            for places in [[(a, at_a), (b, at_b)], [(b, at_b), (a, at_a)]] {
                let found = complaints(&places.map(|(kind, path)| (kind, Path::new(path))));
                assert_eq!(found.len(), 1, "{places:?}: {found:?}");
                assert!(found[0].contains(expected), "{found:?}");
            }
        }
    }

    #[test]
    fn what_lies_apart_is_not_complained_of() {
        use Kind::{Database, HostKey, StateDir, Store};
        let good = [
            (Database, Path::new("/d/crm.db")),
            (Store, Path::new("/d/backup")),
            (Store, Path::new("/d/backup2")),
            (StateDir, Path::new("/d/state")),
            (HostKey, Path::new("/d/state/host.key")),
            (Database, Path::new("/d/other.db")),
        ];
        assert_eq!(complaints(&good), [""; 0]);
    }

    #[test]
    fn a_link_does_not_hide_it() {
        let dir = tempfile::tempdir().unwrap();
        let (docs, link) = (dir.path().join("docs"), dir.path().join("link"));
        fs::create_dir(&docs).unwrap();
        std::os::unix::fs::symlink(&docs, &link).unwrap();
        let found = complaints(&[(Kind::Folder, &docs), (Kind::Store, &link.join("not/yet"))]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_host_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("host.key");
        fs::write(&key, "x").unwrap();
        for (mode, bad) in [
            (0o600, false),
            (0o400, false),
            (0o640, true),
            (0o604, true),
            (0o610, true),
        ] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let found = complaints(&[(Kind::HostKey, &key)]);
            assert_eq!(!found.is_empty(), bad, "{mode:o}: {found:?}");
        }
    }
}
