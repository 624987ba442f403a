//! Where a recovery puts things, and how far an earlier one has come there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::repo::state::StateDir;
use crate::sign::VerifyKey;

/// In the state directory as long as a recovery is not done: the configuration that it will have.
const MARK: &str = "recovering";
/// Where a rehearsal has its state and its keys, as long as it takes.
const REHEARSAL: &str = ".rehearsal";
/// No configuration is longer.
const LONGEST: u64 = 16 << 20;

/// The directory of a recovery.
pub(super) struct Place {
    to: PathBuf,
    /// Where configuration and keys go: the same, or a folder in it that a rehearsal takes away.
    dir: PathBuf,
    state: PathBuf,
    config: PathBuf,
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing, or what an interrupted recovery has left of a state directory.
    Free,
    /// A state directory that is whole.
    Built,
}

impl Place {
    pub(super) fn new(to: &Path, rehearse: bool) -> Outcome<Self> {
        let to = std::path::absolute(to).map_err(fsx::FileError::new("find", to))?;
        let dir = match rehearse {
            true => to.join(REHEARSAL),
            false => to.clone(),
        };
        let state = match dir.starts_with("/etc") {
            true => PathBuf::from("/var/lib/tenure"),
            false => dir.join("state"),
        };
        let config = super::config_in(&dir);
        Ok(Self {
            to,
            dir,
            state,
            config,
        })
    }

    /// Where a rehearsal restores to.
    pub(super) fn restored(&self) -> PathBuf {
        self.to.join("restored")
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    pub(super) fn host_key(&self) -> PathBuf {
        self.dir.join("host.key")
    }

    fn mark(&self) -> PathBuf {
        self.state.join(MARK)
    }

    /// How far an earlier run has come.
    ///
    /// # Errors
    /// `Refused` when something else is there.
    pub(super) fn standing(&self) -> Outcome<Standing> {
        if StateDir::new(&self.state).is_initialised() {
            return Ok(Standing::Built);
        }
        let is_ours = self.mark().exists() || self.dir.ends_with(REHEARSAL);
        let there = [&self.config, &self.host_key()];
        let taken = there.into_iter().find(|path| path.exists());
        let taken = taken.filter(|_| !is_ours).cloned();
        let left = fsx::names(&self.state)?;
        // The mark is the first thing that is written.
        let mut left = left
            .iter()
            .filter(|name| name.trim_end_matches(".tmp") != MARK);
        let left = left.next().filter(|_| !is_ours);
        match taken.or(left.map(|name| self.state.join(name))) {
            None => Ok(Standing::Free),
            Some(path) => {
                let what = format!("{} is there already", path.display());
                Err(Failure::of(FailureKind::Refused, what)
                    .hint("recover into a directory of its own, with --to"))
            }
        }
    }

    /// That the state directory which is there was made by a recovery of the repository with this fingerprint.
    ///
    /// # Errors
    /// `Refused` when `init` has made it, or it is another repository's.
    pub(super) fn check_recovered(&self, fingerprint: &VerifyKey) -> Outcome<()> {
        let (found, writer) = StateDir::new(&self.state).identity()?;
        if writer.ordinal > 1 && found == *fingerprint {
            return Ok(());
        }
        let what = format!("a repository lives in {}", self.state.display());
        Err(Failure::of(FailureKind::Refused, what).hint(
            "a recovery is for a machine that has none; for a second one beside it, recover into a directory of its \
             own, with --to",
        ))
    }

    /// Takes away what an interrupted run has left, and notes what this one is about to make.
    pub(super) fn begin(&self, config: &str) -> Outcome<()> {
        self.clear()?;
        fsx::create_dir(&self.state)?;
        Ok(fsx::write(&self.mark(), config.as_bytes())?)
    }

    /// The configuration of a run that was interrupted.
    pub(super) fn interrupted(&self) -> Outcome<Option<String>> {
        let text = fsx::read_if_there(&self.mark(), LONGEST)?;
        Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    pub(super) fn write_config(&self, text: &str) -> Outcome<()> {
        Ok(fsx::write(&self.config, text.as_bytes())?)
    }

    /// From here on it is a state directory like any other.
    pub(super) fn end(&self) -> Outcome<()> {
        match self.mark().exists() {
            true => Ok(fsx::remove(&self.mark())?),
            false => Ok(()),
        }
    }

    /// Takes a rehearsal's keys and state away, if there was one.
    pub(super) fn take_away(&self) -> Outcome<()> {
        if !self.dir.exists() {
            return Ok(());
        }
        self.clear()?;
        fs::remove_dir_all(&self.dir).map_err(fsx::FileError::new("remove", &self.dir))?;
        Ok(())
    }

    /// Keys are overwritten, the rest is removed; the mark goes last.
    fn clear(&self) -> Outcome<()> {
        let keyring = self.state.join("keyring");
        for name in fsx::names(&keyring)? {
            fsx::destroy(&keyring.join(name))?;
        }
        for name in fsx::names(&self.state)? {
            let path = self.state.join(&name);
            if name == MARK {
                continue;
            }
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            removed.map_err(fsx::FileError::new("remove", &path))?;
        }
        if self.host_key().exists() {
            fsx::destroy(&self.host_key())?;
        }
        Ok(())
    }
}
