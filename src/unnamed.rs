//! A temporary file that has no name and holds nothing plain.
//!
//! It is encrypted in frames under a key that is never stored: once it is dropped, or its process has
//! died, nobody can read any of it. A frame is known by its offset and its *turn*, the number of times
//! that its owner wrote there before: both lead to its key, so no key meets two plain texts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::ids::RepoId;
use crate::seal::{self, Kind, Place, TAG};
use crate::secret::Seed;

/// See above.
pub struct UnnamedFile {
    file: File,
    key: Seed,
}

impl UnnamedFile {
    /// An empty file in `dir`.
    ///
    /// # Errors
    /// When the system gives no file, or no random key.
    pub fn create(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(dir)?,
            key: Seed::random().map_err(io::Error::other)?,
        })
    }

    /// Makes sure that `bytes` fit, as far as the file system can promise it.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn reserve(&self, bytes: u64) -> io::Result<()> {
        match fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(errno.into()),
            // It cannot promise anything: writing will tell.
            _ => Ok(()),
        }
    }

    /// Encrypts a frame for `offset` where it stands; its last [`TAG`] bytes are room for the tag. The
    /// owner must never have used this offset with this turn.
    pub fn encrypt(&self, offset: u64, turn: u64, frame: &mut [u8]) {
        let (key, place) = self.key_of(offset, turn);
        if let Some((plain, room)) = frame.split_last_chunk_mut::<TAG>() {
            *room = seal::encrypt_in(&key, &place, plain);
        }
    }

    /// Writes encrypted frames that stand behind one another.
    ///
    /// # Errors
    /// When the system does not take them.
    pub fn write(&self, offset: u64, sealed: &[u8]) -> io::Result<()> {
        self.file.write_all_at(sealed, offset)
    }

    /// Reads the frame at `offset` into `frame`, which is as long as it is with its tag: how many bytes
    /// of it are plain.
    ///
    /// # Errors
    /// When the system does not give it, or it is not what was written (`InvalidData`).
    pub fn read(&self, offset: u64, turn: u64, frame: &mut [u8]) -> io::Result<usize> {
        self.file.read_exact_at(frame, offset)?;
        let (key, place) = self.key_of(offset, turn);
        seal::decrypt_in(&key, &place, frame)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// What lies on the disk.
    #[cfg(test)]
    pub(crate) fn raw(&self) -> &File {
        &self.file
    }

    fn key_of(&self, offset: u64, turn: u64) -> (Seed, Place<'static>) {
        let mut message = [0; 16];
        message[..8].copy_from_slice(&offset.to_be_bytes());
        message[8..].copy_from_slice(&turn.to_be_bytes());
        let place = Place {
            repo: RepoId([0; 16]),
            kind: Kind::Spill,
            number: offset,
            field: b"",
        };
        (self.key.keyed(&message), place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(file: &UnnamedFile, offset: u64, turn: u64) -> Vec<u8> {
        let mut frame = vec![7; 100 + TAG];
        file.encrypt(offset, turn, &mut frame);
        file.write(offset, &frame).unwrap();
        frame
    }

    #[test]
    fn a_frame_comes_back_and_has_no_name_and_is_not_plain() {
        let dir = tempfile::tempdir().unwrap();
        let file = UnnamedFile::create(dir.path()).unwrap();
        file.reserve(1000).unwrap();
        let frame = sealed(&file, 300, 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(!frame.windows(8).any(|bytes| bytes == [7; 8]));
        let mut read = vec![0; 100 + TAG];
        assert_eq!(file.read(300, 0, &mut read).unwrap(), 100);
        assert_eq!(read[..100], [7; 100]);
    }

    #[test]
    fn no_two_offsets_turns_or_files_encrypt_alike() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (
            UnnamedFile::create(dir.path()).unwrap(),
            UnnamedFile::create(dir.path()).unwrap(),
        );
        let frames = [
            sealed(&one, 0, 0),
            sealed(&one, 0, 1),
            sealed(&one, 1, 0),
            sealed(&other, 0, 0),
        ];
        for (at, frame) in frames.iter().enumerate() {
            assert!(frames[..at].iter().all(|before| before != frame));
        }
    }

    #[test]
    fn another_turn_and_damage_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = UnnamedFile::create(dir.path()).unwrap();
        let mut frame = sealed(&file, 0, 3);
        let kind = |error: io::Error| error.kind();
        let mut read = vec![0; frame.len()];
        let error = file.read(0, 2, &mut read).unwrap_err();
        assert_eq!(kind(error), io::ErrorKind::InvalidData);
        frame[50] ^= 1;
        file.write(0, &frame).unwrap();
        let error = file.read(0, 3, &mut read).unwrap_err();
        assert_eq!(kind(error), io::ErrorKind::InvalidData);
        let error = file.read(1, 3, &mut read).unwrap_err();
        assert_eq!(kind(error), io::ErrorKind::UnexpectedEof);
    }
}
