//! The state directory: where things lie in it, and that it is where it belongs.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::certificate::Certificate;
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::Incarnation;
use crate::object::Chain;
use crate::sign::VerifyKey;

/// The state directory.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// The directory at `path`, which need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the host's copies of the keyring lie.
    pub fn keyring(&self) -> PathBuf {
        self.0.join("keyring")
    }

    /// The catalog's file.
    pub fn catalog(&self) -> PathBuf {
        self.0.join("catalog.db")
    }

    /// Where pages are kept, so that they need not be fetched again.
    pub fn pages(&self) -> PathBuf {
        self.0.join("pages")
    }

    /// The root's age file, for stores that are added later.
    pub fn root(&self) -> PathBuf {
        self.0.join(crate::certificate::ROOT)
    }

    /// The host's copy of a control object.
    pub fn object(&self, chain: Chain, inc: Incarnation, number: u64) -> PathBuf {
        self.0.join(chain.path(inc, number))
    }

    /// Where a control object stands before any store has it.
    pub fn intent(&self, chain: Chain, inc: Incarnation) -> PathBuf {
        self.0.join(chain.folder()).join(format!("{inc}.intent"))
    }

    fn fingerprint(&self) -> PathBuf {
        self.0.join("fingerprint")
    }

    /// Where an incarnation's certificate is kept.
    pub fn certificate(&self, inc: Incarnation) -> PathBuf {
        self.0.join(crate::certificate::path(inc))
    }

    /// Whether a repository's state is here.
    pub fn is_initialised(&self) -> bool {
        self.fingerprint().exists()
    }

    /// Writes the root's public key: the last thing that `init` does, and what makes the state
    /// directory one.
    pub fn set_fingerprint(&self, fingerprint: &VerifyKey) -> Outcome<()> {
        Ok(fsx::write(
            &self.fingerprint(),
            format!("{fingerprint}\n").as_bytes(),
        )?)
    }

    /// The root's public key, and the certificate of the incarnation that writes from here.
    pub fn identity(&self) -> Outcome<(VerifyKey, Certificate)> {
        if !self.is_initialised() {
            let what = format!("there is no repository in {}", self.0.display());
            return Err(Failure::new(what).hint("make one with `tenure init`"));
        }
        let text = fsx::read(&self.fingerprint(), 1024)?;
        let fingerprint = String::from_utf8_lossy(&text).trim().parse()?;
        let mut newest: Option<Certificate> = None;
        for name in fsx::names(&self.0.join("writer"))? {
            let bytes = fsx::read(&self.0.join("writer").join(name), 4096)?;
            let certificate = Certificate::read(&bytes, &fingerprint)?;
            if newest.is_none_or(|known| known.ordinal < certificate.ordinal) {
                newest = Some(certificate);
            }
        }
        let newest = newest.ok_or_else(|| Failure::new("the writer's certificate is missing"))?;
        Ok((fingerprint, newest))
    }

    /// Takes the lock under which the repository is changed.
    pub fn lock(&self) -> Outcome<File> {
        let path = self.0.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.map_err(fsx::FileError::new("open", &path))?;
        let patience = Instant::now() + Duration::from_secs(2);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // A command that is just ending is waited for; one that works is not.
                Err(fs::TryLockError::WouldBlock) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let what = format!("another command is changing {}", self.0.display());
                    return Err(
                        Failure::new(what).hint("wait until it is done, and run this again")
                    );
                }
                Err(fs::TryLockError::Error(error)) => {
                    return Err(fsx::FileError::new("lock", &path)(error).into());
                }
            }
        }
    }

    /// That this directory is the one that was set up, or moved: not a copy of it. A copy would
    /// write under the same numbers as the original.
    pub fn check_home(&self) -> Outcome<()> {
        let home = self.0.join("home");
        let here = self.here()?;
        match fsx::read_if_there(&home, 4096)? {
            None => Ok(fsx::write(&home, here.as_bytes())?),
            Some(there) if there == here.as_bytes() => Ok(()),
            Some(_) => {
                let what = format!("{} is a copy of another state directory", self.0.display());
                let hint = format!(
                    "two writers would destroy each other's work; if the original is gone for good, \
                     remove {} and run this again",
                    home.display()
                );
                Err(Failure::of(FailureKind::Refused, what).hint(hint))
            }
        }
    }

    /// What moves with a directory, and not with a copy of it: file system and inode.
    fn here(&self) -> Outcome<String> {
        let meta = fs::metadata(&self.0).map_err(fsx::FileError::new("look at", &self.0))?;
        Ok(format!("{}:{}\n", meta.dev(), meta.ino()))
    }
}
