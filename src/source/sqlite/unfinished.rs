//! A file that is being made.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::SqliteError;

/// A file that is removed again unless it is made durable.
pub(super) struct Unfinished {
    pub path: PathBuf,
    durable: bool,
}

impl Unfinished {
    /// Makes an empty file that its owner alone can read.
    pub(super) fn create(path: PathBuf) -> Result<Self, SqliteError> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(_) => Ok(Self {
                path,
                durable: false,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(SqliteError::Exists { path })
            }
            Err(source) => Err(SqliteError::Make { path, source }),
        }
    }

    /// Syncs the file and its directory. No connection may be open to it any more.
    pub(super) fn make_durable(&mut self) -> Result<(), SqliteError> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let sync = |path: &Path| {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(|source| SqliteError::Make {
                path: path.to_owned(),
                source,
            })
        };
        sync(&self.path)?;
        sync(directory)?;
        self.durable = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.durable {
            // Whoever dropped it unfinished has an error of its own to tell of.
            let _ = fs::remove_file(&self.path);
        }
    }
}
