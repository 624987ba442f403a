//! The directory that a restore goes into.
//!
//! Everything is built in a directory of its own in there, that only its owner can enter, and moves to
//! its place when it is whole. A restore that fails removes what it has made; what one left that was
//! killed, the next one into the same directory knows by its name and removes.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx::{self, FileError};

/// The name of the directory that everything is built in.
const WORK: &str = ".tenure-restoring";

/// A directory with a restore in it that is not finished; dropping it removes what was made.
pub struct Site {
    to: PathBuf,
    work: PathBuf,
    /// Directories that were not there, the innermost first.
    made: Vec<PathBuf>,
    /// Held for as long as somebody works here.
    _lock: File,
    finished: bool,
}

impl Site {
    /// Begins in a directory that must be empty or not there.
    pub fn begin(to: &Path) -> Outcome<Self> {
        check_empty(to)?;
        let absent = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made = to.ancestors().take_while(absent).map(Path::to_owned);
        let made: Vec<PathBuf> = made.collect();
        let work = to.join(WORK);
        let lock = match prepare(to, &work) {
            Ok(lock) => lock,
            Err(failure) => {
                remove_empty(&made);
                return Err(failure);
            }
        };
        Ok(Self {
            to: to.to_owned(),
            work,
            made,
            _lock: lock,
            finished: false,
        })
    }

    /// Where to build.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Where something will be that was built as `path`.
    pub fn place_of(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.work) {
            Ok(inside) => self.to.join(inside),
            Err(_) => path.to_owned(),
        }
    }

    /// Moves all that was built to its place.
    pub fn finish(mut self) -> Outcome<()> {
        for name in fsx::names(&self.work)? {
            let (from, to) = (self.work.join(&name), self.to.join(&name));
            fs::rename(&from, &to).map_err(FileError::new("move", &from))?;
        }
        fs::remove_dir(&self.work).map_err(FileError::new("remove", &self.work))?;
        self.finished = true;
        Ok(fsx::sync_dir(&self.to)?)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !self.finished {
            // Whoever dropped it unfinished has an error of its own to tell of.
            let _ = fs::remove_dir_all(&self.work);
            remove_empty(&self.made);
        }
    }
}

/// Removes directories that nobody has put anything in.
fn remove_empty(made: &[PathBuf]) {
    for path in made {
        let _ = fs::remove_dir(path);
    }
}

/// Makes the directories, after what a killed restore has left.
fn prepare(to: &Path, work: &Path) -> Outcome<File> {
    fsx::create_dir(to)?;
    if work.is_dir() {
        let _nobody_else = lock(work)?;
        fs::remove_dir_all(work).map_err(FileError::new("remove", work))?;
    }
    let made = DirBuilder::new().mode(0o700).create(work);
    made.map_err(FileError::new("create", work))?;
    lock(work)
}

fn lock(work: &Path) -> Outcome<File> {
    let file = File::open(work).map_err(FileError::new("open", work))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let what = format!("another restore is at work in {}", work.display());
            Err(Failure::of(FailureKind::Usage, what).hint("name another directory"))
        }
        Err(TryLockError::Error(error)) => Err(FileError::new("lock", work)(error).into()),
    }
}

/// That a directory is not there, or empty but for what a killed restore has left.
pub fn check_empty(to: &Path) -> Outcome<()> {
    let entries = match fs::read_dir(to) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::new("look into", to)(error).into()),
    };
    for entry in entries {
        let entry = entry.map_err(FileError::new("look into", to))?;
        if entry.file_name() != WORK {
            let what = format!("{} is not empty", to.display());
            return Err(Failure::of(FailureKind::Usage, what)
                .hint("name a directory that is not there yet"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_failed_restore_removes_what_it_made_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("a/b");
        let site = Site::begin(&to).unwrap();
        fs::write(site.work().join("half"), "x").unwrap();
        let mode = fs::metadata(site.work()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(site);
        assert!(!dir.path().join("a").exists());

        fs::create_dir_all(&to).unwrap();
        let site = Site::begin(&to).unwrap();
        fs::write(to.join("theirs"), "y").unwrap();
        drop(site);
        assert_eq!(fsx::names(&to).unwrap(), ["theirs"]);
    }

    #[test]
    fn what_a_killed_restore_left_is_swept_unless_it_is_alive() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("out");
        fs::create_dir_all(to.join(WORK).join("crm")).unwrap();
        fs::write(to.join(WORK).join("crm/half.db"), "x").unwrap();
        check_empty(&to).unwrap();
        let site = Site::begin(&to).unwrap();
        assert!(fsx::names(site.work()).unwrap().is_empty());

        fs::write(site.work().join("whole"), "x").unwrap();
        assert!(Site::begin(&to).is_err());
        assert_eq!(site.place_of(&site.work().join("whole")), to.join("whole"));
        site.finish().unwrap();
        assert_eq!(fsx::names(&to).unwrap(), ["whole"]);
        assert!(check_empty(&to).is_err());
    }
}
