//! Hears of changed files: the configuration, and databases whose changes make a snapshot due.
//!
//! What is heard is a hint. Directories are watched, since files are replaced by rename, and since a
//! write-ahead log comes and goes. Our own reading is not heard: only what modifies, makes, moves or removes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::error::{Context, Failure, Outcome};
use crate::ids::SourceName;

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The configuration's file.
    Configuration,
    /// A source, which is to be quiet for so long before a snapshot.
    Source(SourceName, Duration),
}

/// The files that are listened for.
pub struct Watching {
    heard: mpsc::Receiver<Seen>,
    _watcher: RecommendedWatcher,
}

impl Watching {
    /// Begins to listen.
    pub fn start(config_path: &Path, config: &Config) -> Outcome<Self> {
        let files = files(config_path, config);
        let folders: Vec<PathBuf> = files
            .keys()
            .filter_map(|file| Some(file.parent()?.to_owned()))
            .collect();
        // One that finds the channel full is about a change that is waiting in it already, or about
        // another file, which the schedule will find.
        let (sender, heard) = mpsc::channel(64);
        let failed = |error| Failure::new("cannot watch files").because(error);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in &event.paths {
                if let Some(seen) = files.get(&base(path)) {
                    let _ = sender.try_send(seen.clone());
                }
            }
        })
        .map_err(failed)?;
        for folder in folders {
            let watched = watcher.watch(&folder, RecursiveMode::NonRecursive);
            watched
                .map_err(failed)
                .failed_to(|| format!("watch {}", folder.display()))?;
        }
        Ok(Self {
            heard,
            _watcher: watcher,
        })
    }

    /// The next change.
    pub async fn next(&mut self) -> Seen {
        match self.heard.recv().await {
            Some(seen) => seen,
            // The watcher is kept beside the receiver, so this does not happen while we ask.
            None => std::future::pending().await,
        }
    }
}

/// The file that a path is about: a database for its log and journal.
fn base(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default();
    let stem = ["-wal", "-journal"]
        .iter()
        .find_map(|end| name.strip_suffix(end));
    stem.map_or_else(|| path.to_owned(), |stem| path.with_file_name(stem))
}

fn files(config_path: &Path, config: &Config) -> BTreeMap<PathBuf, Seen> {
    let mut files = BTreeMap::from([(config_path.to_owned(), Seen::Configuration)]);
    for source in &config.sources {
        if let Some(quiet) = source.on_change {
            files.insert(
                source.path.clone(),
                Seen::Source(source.name.clone(), quiet),
            );
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_about_its_database_and_shared_memory_about_nothing() {
        assert_eq!(base(Path::new("/a/crm.db-wal")), Path::new("/a/crm.db"));
        assert_eq!(base(Path::new("/a/crm.db-journal")), Path::new("/a/crm.db"));
        assert_eq!(base(Path::new("/a/crm.db-shm")), Path::new("/a/crm.db-shm"));
        assert_eq!(base(Path::new("/a/crm.db")), Path::new("/a/crm.db"));
    }
}
