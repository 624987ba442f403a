//! The state directory: where things lie in it, and that it is where it belongs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::certificate::Certificate;
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx::{self, Sharing};
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

    fn numbers(&self) -> PathBuf {
        self.0.join("numbers")
    }

    /// The next free numbers as they were last noted, of a customer and of Tenure's own domains; none
    /// if that was never done. The catalog may give none below them, whatever it knows.
    pub fn next_numbers(&self) -> Outcome<Option<(u32, u32)>> {
        let Some(text) = fsx::read_if_there(&self.numbers(), 1024)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&text);
        let mut numbers = text.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(customer)), Some(Ok(own))) => Ok(Some((customer, own))),
            _ => {
                let what = format!("{} does not hold two numbers", self.numbers().display());
                Err(Failure::new(what).hint("remove it: numbers are then given from far above"))
            }
        }
    }

    /// Notes the next free numbers, before any of those below is used.
    pub fn set_next_numbers(&self, (customer, own): (u32, u32)) -> Outcome<()> {
        Ok(fsx::write(
            &self.numbers(),
            format!("{customer} {own}\n").as_bytes(),
        )?)
    }

    /// Where pages are kept, so that they need not be fetched again.
    pub fn pages(&self) -> PathBuf {
        self.0.join("pages")
    }

    /// Where the audit log lies.
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// The root's age file, for stores that are added later.
    pub fn root(&self) -> PathBuf {
        self.0.join(crate::certificate::ROOT)
    }

    /// The host's copy of a control object.
    pub fn object(&self, chain: Chain, inc: Incarnation, number: u64) -> PathBuf {
        self.0.join(chain.path(inc, number))
    }

    /// Where the host's copies of a chain's objects lie.
    pub fn objects(&self, chain: Chain, inc: Incarnation) -> PathBuf {
        self.0.join(chain.folder()).join(inc.to_string())
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
        let certificates = self.certificates()?;
        let newest = certificates.into_iter().max_by_key(|(_, c)| c.ordinal);
        newest.ok_or_else(|| Failure::new("the writer's certificate is missing"))
    }

    /// The certificates of all incarnations that are known here.
    pub fn writers(&self) -> Outcome<BTreeMap<Incarnation, Certificate>> {
        let certificates = self.certificates()?.into_iter();
        Ok(certificates
            .map(|(_, writer)| (writer.inc, writer))
            .collect())
    }

    /// All certificates that lie here, each with the root's public key that it was read with.
    fn certificates(&self) -> Outcome<Vec<(VerifyKey, Certificate)>> {
        let text = fsx::read(&self.fingerprint(), 1024)?;
        let fingerprint = String::from_utf8_lossy(&text).trim().parse()?;
        let folder = self.0.join("writer");
        let mut certificates = Vec::new();
        for name in fsx::names(&folder)? {
            let path = folder.join(name);
            if !fsx::is_unfinished(&path) {
                let bytes = fsx::read(&path, 4096)?;
                certificates.push((fingerprint, Certificate::read(&bytes, &fingerprint)?));
            }
        }
        Ok(certificates)
    }

    /// Takes the lock under which the repository is changed.
    pub fn lock(&self) -> Outcome<File> {
        // A command that is just ending is waited for; one that works is not.
        let patience = Duration::from_secs(2);
        let locked = fsx::lock(&self.0.join("lock"), Sharing::Alone, patience)?;
        locked.ok_or_else(|| {
            let what = format!("another command is changing {}", self.0.display());
            Failure::new(what).hint("wait until it is done, and run this again")
        })
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

    /// What moves with a directory, and not with a copy of it: its inode and when that was made.
    /// Not the number of its file system, which may be another after each boot, unless nothing better
    /// is known.
    fn here(&self) -> Outcome<String> {
        let meta = fs::metadata(&self.0).map_err(fsx::FileError::new("look at", &self.0))?;
        let born = meta
            .created()
            .ok()
            .and_then(|born| born.duration_since(UNIX_EPOCH).ok())
            .map_or(u128::from(meta.dev()), |born| born.as_nanos());
        Ok(format!("{}:{born}\n", meta.ino()))
    }

    /// Removes what crashed writes have left: files that have not got their own names. Those of the
    /// keyring are destroyed with the older epochs.
    pub fn sweep(&self) -> Outcome<()> {
        let own = ["", "journal", "snapshots", "writer", "pages", "changing"]
            .map(|name| self.0.join(name));
        let mut folders = own.to_vec();
        for (_, certificate) in self.certificates()? {
            for chain in [Chain::Journal, Chain::Manifest] {
                let inc = certificate.inc.to_string();
                folders.push(self.0.join(chain.folder()).join(inc));
            }
        }
        for folder in folders {
            for name in fsx::names(&folder)? {
                let path = folder.join(name);
                if fsx::is_unfinished(&path) && path.is_file() {
                    fsx::remove(&path)?;
                }
            }
        }
        Ok(())
    }
}
