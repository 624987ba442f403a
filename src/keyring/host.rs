//! The host's own copy of the keyring, in two halves.
//!
//! The *host secret* is static (best a systemd credential, else a file). The *epoch secret* is a
//! small file of its own beside the sealed keyring, new in each epoch and overwritten when the next
//! one has begun. A third file is the epoch's age file as it goes to the stores. The order of
//! effects: the new age file, the new secret, the new keyring, and only then the end of
//! the old secret. So a crash leaves one epoch that opens, or two, of which the newer counts.

use std::path::{Path, PathBuf};

use super::file::{self, Keyring, KeyringError};
use crate::fsx::{self, FileError};
use crate::ids::{Incarnation, RepoId, hex, unhex};
use crate::secret::{SecretError, Seed};
use crate::sign::{SigningKey, VerifyKey};

/// What can go wrong with the host's copy.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyringError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The host secret is not one.
    #[error("{} is not a host secret (64 hexadecimal digits)", .0.display())]
    BadHostSecret(PathBuf),
    /// There is no keyring.
    #[error("there is no keyring in {}", .0.display())]
    Missing(PathBuf),
    /// A keyring is there and cannot be used.
    #[error("cannot open the keyring {}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyringError,
    },
    /// What was read back is not what was written.
    #[error("the keyring {} reads back differently from what was written", .0.display())]
    NotKept(PathBuf),
    /// No secret could be made.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Makes a host secret in a file that only the owner can read, unless one is there.
pub fn make_host_secret(path: &Path) -> Result<(), HostKeyringError> {
    if path.exists() {
        return read_host_secret(path).map(|_| ());
    }
    let secret = Seed::random()?;
    let text = zeroize::Zeroizing::new(format!("{}\n", hex(secret.expose())));
    Ok(fsx::write(path, text.as_bytes())?)
}

fn read_host_secret(path: &Path) -> Result<Seed, HostKeyringError> {
    let text = zeroize::Zeroizing::new(fsx::read(path, 4096)?);
    std::str::from_utf8(&text)
        .ok()
        .and_then(|text| unhex(text.trim()))
        .map(Seed::from_bytes)
        .ok_or_else(|| HostKeyringError::BadHostSecret(path.to_owned()))
}

/// The directory with the sealed keyring and its epoch secret.
pub struct HostKeyring {
    dir: PathBuf,
    host: Seed,
}

type Epoch = (Incarnation, u64);

impl HostKeyring {
    /// Opens the directory, with the host secret from its file.
    pub fn open(dir: &Path, host_secret: &Path) -> Result<Self, HostKeyringError> {
        Ok(Self {
            dir: dir.to_owned(),
            host: read_host_secret(host_secret)?,
        })
    }

    fn path(&self, (inc, epoch): Epoch, half: &str) -> PathBuf {
        self.dir.join(format!("{inc}-{epoch:010}.{half}"))
    }

    /// The epochs of which `half` (`keys` or `secret`) is here, oldest first.
    fn epochs(&self, half: &str) -> Result<Vec<Epoch>, HostKeyringError> {
        let parse = |name: &String| {
            let (inc, epoch) = name
                .strip_suffix(half)?
                .strip_suffix('.')?
                .split_once('-')?;
            Some((inc.parse().ok()?, epoch.parse().ok()?))
        };
        let mut epochs: Vec<_> = fsx::names(&self.dir)?.iter().filter_map(parse).collect();
        epochs.sort_by_key(|(_, epoch)| *epoch);
        Ok(epochs)
    }

    fn newest(&self, inc: Incarnation) -> Result<Epoch, HostKeyringError> {
        let mut epochs = self.epochs("keys")?.into_iter();
        let newest = epochs.rfind(|(found, _)| *found == inc);
        newest.ok_or_else(|| HostKeyringError::Missing(self.dir.clone()))
    }

    /// The newest keyring of `inc`, and the key that its incarnation signs with.
    pub fn load(
        &self,
        repo: RepoId,
        inc: Incarnation,
        fingerprint: &VerifyKey,
        verify: &VerifyKey,
    ) -> Result<(SigningKey, Keyring), HostKeyringError> {
        loop {
            let newest = self.newest(inc)?;
            match self.load_epoch(newest, repo, fingerprint, verify) {
                // A command that changes something may have ended this epoch under our hands.
                Err(_) if self.newest(inc)? != newest => {}
                done => return done,
            }
        }
    }

    fn load_epoch(
        &self,
        epoch: Epoch,
        repo: RepoId,
        fingerprint: &VerifyKey,
        verify: &VerifyKey,
    ) -> Result<(SigningKey, Keyring), HostKeyringError> {
        let path = self.path(epoch, "keys");
        let secret = fsx::read(&self.path(epoch, "secret"), 32)?;
        let sealed = fsx::read(&path, file::MAX)?;
        let unusable = |source| HostKeyringError::Unusable {
            path: path.clone(),
            source,
        };
        let secret: [u8; 32] = secret
            .try_into()
            .map_err(|_| unusable(KeyringError::Torn))?;
        let secret = Seed::from_bytes(secret);
        let (writer, bytes) =
            file::open_for_host(&sealed, repo, &self.host, &secret).map_err(unusable)?;
        let verify = |found| (found == epoch.0).then_some(*verify);
        let keyring = Keyring::decode(&bytes, repo, fingerprint, verify).map_err(unusable)?;
        Ok((writer, keyring))
    }

    /// Writes the copy of a new epoch, with its age file as it will go to every store, and reads it
    /// back. Older ones stay for now.
    pub fn write(
        &self,
        keyring: &Keyring,
        writer: &SigningKey,
        age: &[u8],
    ) -> Result<(), HostKeyringError> {
        fsx::create_dir(&self.dir)?;
        let epoch = (keyring.inc, keyring.epoch);
        let path = self.path(epoch, "keys");
        let secret = Seed::random()?;
        let unusable = |source| HostKeyringError::Unusable {
            path: path.clone(),
            source,
        };
        let bytes = keyring.encode(writer);
        let sealed = file::seal_for_host(keyring.repo, writer, &bytes, &self.host, &secret);
        let sealed = sealed.map_err(unusable)?;
        fsx::write(&self.path(epoch, "age"), age)?;
        fsx::write(&self.path(epoch, "secret"), secret.expose())?;
        fsx::write(&path, &sealed)?;
        let verify = writer.verify_key();
        let (_, back) = self.load(keyring.repo, keyring.inc, &keyring.fingerprint, &verify)?;
        if back.encode(writer) != bytes {
            return Err(HostKeyringError::NotKept(path));
        }
        Ok(())
    }

    /// An epoch's age file. All stores get these very bytes, so putting them can be repeated.
    pub fn age(&self, inc: Incarnation, epoch: u64) -> Result<Vec<u8>, HostKeyringError> {
        Ok(fsx::read(&self.path((inc, epoch), "age"), file::MAX)?)
    }

    /// Destroys every copy but that of the given epoch, secrets first, and lists again. Returns
    /// how many files were destroyed.
    pub fn destroy_others(&self, inc: Incarnation, epoch: u64) -> Result<u64, HostKeyringError> {
        let mut destroyed = 0;
        for half in ["secret", "keys", "age"] {
            for other in self
                .epochs(half)?
                .into_iter()
                .filter(|found| *found != (inc, epoch))
            {
                fsx::destroy(&self.path(other, half))?;
                destroyed += 1;
            }
        }
        for name in fsx::names(&self.dir)? {
            let path = self.dir.join(name);
            if fsx::is_unfinished(&path) {
                fsx::destroy(&path)?;
            }
        }
        Ok(destroyed)
    }

    /// Whether only the given epoch is here.
    pub fn is_alone(&self, inc: Incarnation, epoch: u64) -> Result<bool, HostKeyringError> {
        let only = vec![(inc, epoch)];
        let alone = |half| self.epochs(half).map(|epochs| epochs == only);
        Ok(alone("keys")? && alone("secret")? && alone("age")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Domain;
    use crate::keyring::tree::{Forest, Tree};

    const REPO: RepoId = RepoId([1; 16]);
    const INC: Incarnation = Incarnation([2; 8]);

    fn keyring(epoch: u64) -> Keyring {
        let mut forest = Forest::new();
        forest.insert(INC, Tree::plant(Seed::from_bytes([3; 32])));
        let gone = |n| Domain {
            arrival: n as u32,
            ..Domain::meta(INC)
        };
        forest.puncture(&(1..epoch).map(gone).collect::<Vec<_>>());
        let fingerprint = VerifyKey([9; 32]);
        Keyring {
            repo: REPO,
            inc: INC,
            epoch,
            fingerprint,
            journal: vec![],
            forest,
        }
    }

    fn opened(dir: &Path) -> HostKeyring {
        let secret = dir.join("host.key");
        make_host_secret(&secret).unwrap();
        make_host_secret(&secret).unwrap();
        HostKeyring::open(&dir.join("keyring"), &secret).unwrap()
    }

    #[test]
    fn the_newest_epoch_counts_and_the_others_go() {
        let dir = tempfile::tempdir().unwrap();
        let host = opened(dir.path());
        let writer = SigningKey::from_seed(Seed::from_bytes([7; 32]));
        let load = || host.load(REPO, INC, &VerifyKey([9; 32]), &writer.verify_key());
        assert!(matches!(load().err(), Some(HostKeyringError::Missing(_))));
        for epoch in [1, 2] {
            host.write(&keyring(epoch), &writer, b"age").unwrap();
        }
        assert_eq!(load().unwrap().1.epoch, 2);
        assert_eq!(host.age(INC, 2).unwrap(), b"age");
        assert!(!host.is_alone(INC, 2).unwrap());
        // A crash between secret and keyring of the next epoch leaves the old one in force.
        let torn = dir
            .path()
            .join("keyring")
            .join(format!("{INC}-0000000003.secret"));
        fsx::write(&torn, &[0; 32]).unwrap();
        assert_eq!(load().unwrap().1.epoch, 2);
        assert_eq!(host.destroy_others(INC, 2).unwrap(), 4);
        assert!(host.is_alone(INC, 2).unwrap());
        assert_eq!(load().unwrap().0.verify_key(), writer.verify_key());
        assert_eq!(fsx::names(&dir.path().join("keyring")).unwrap().len(), 3);
    }

    #[test]
    fn a_reader_under_whose_hands_an_epoch_ends_takes_the_next() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let host = opened(dir.path());
        let writer = SigningKey::from_seed(Seed::from_bytes([7; 32]));
        let verify = writer.verify_key();
        host.write(&keyring(1), &writer, b"age").unwrap();
        // A pipe for the secret: whoever has opened it has chosen the first epoch.
        let secret = host.path((INC, 1), "secret");
        fsx::remove(&secret).unwrap();
        let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &secret, fifo, mode, 0).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| host.load(REPO, INC, &VerifyKey([9; 32]), &verify));
            let mut pipe = std::fs::File::options().write(true).open(&secret).unwrap();
            host.write(&keyring(2), &writer, b"age").unwrap();
            pipe.write_all(&[0; 32]).unwrap();
            drop(pipe);
            assert_eq!(reader.join().unwrap().unwrap().1.epoch, 2);
        });
    }

    #[test]
    fn any_file_of_another_epoch_is_company() {
        let dir = tempfile::tempdir().unwrap();
        let host = opened(dir.path());
        let writer = SigningKey::from_seed(Seed::from_bytes([7; 32]));
        host.write(&keyring(2), &writer, b"age").unwrap();
        assert!(host.is_alone(INC, 2).unwrap());
        for other in [(INC, 1), (Incarnation([8; 8]), 2)] {
            for half in ["keys", "secret", "age"] {
                fsx::write(&host.path(other, half), b"left").unwrap();
                assert!(!host.is_alone(INC, 2).unwrap(), "{half}");
                assert_eq!(host.destroy_others(INC, 2).unwrap(), 1);
                assert!(host.is_alone(INC, 2).unwrap());
            }
        }
    }

    #[test]
    fn neither_half_alone_opens_it() {
        let dir = tempfile::tempdir().unwrap();
        let host = opened(dir.path());
        let writer = SigningKey::from_seed(Seed::from_bytes([7; 32]));
        host.write(&keyring(1), &writer, b"age").unwrap();
        let other = tempfile::tempdir().unwrap();
        make_host_secret(&other.path().join("host.key")).unwrap();
        let stolen = HostKeyring::open(&dir.path().join("keyring"), &other.path().join("host.key"));
        let verify = writer.verify_key();
        let opened = stolen
            .unwrap()
            .load(REPO, INC, &VerifyKey([9; 32]), &verify);
        assert!(matches!(
            opened.err(),
            Some(HostKeyringError::Unusable { .. })
        ));
        let secret = dir
            .path()
            .join("keyring")
            .join(format!("{INC}-0000000001.secret"));
        fsx::write(&secret, &[0; 32]).unwrap();
        let opened = host.load(REPO, INC, &VerifyKey([9; 32]), &verify);
        assert!(matches!(
            opened.err(),
            Some(HostKeyringError::Unusable { .. })
        ));
    }

    #[test]
    fn a_host_secret_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("host.key");
        fsx::write(&path, b"short").unwrap();
        assert!(matches!(
            make_host_secret(&path),
            Err(HostKeyringError::BadHostSecret(_))
        ));
    }
}
