//! A temporary file that has no name and holds nothing plain.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::SpillError;
use crate::fsx::FileError;
use crate::ids::RepoId;
use crate::seal::{self, Kind, Place};
use crate::secret::Seed;

/// Takes parts and gives them back. Each is encrypted under the keyed BLAKE3 of its offset, under a
/// key that is never stored: once this is dropped nobody can read any of it.
pub struct SpillFile {
    file: File,
    key: Seed,
    end: u64,
}

/// Where a part stands in the file, sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    offset: u64,
    len: u32,
}

impl Part {
    /// The length of [`Part::bytes`].
    pub(super) const LEN: usize = 12;

    /// The length of the part in bytes.
    pub fn plain_len(self) -> usize {
        (self.len as usize).saturating_sub(seal::TAG)
    }

    pub(super) fn bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, len @ ..] = *bytes;
        Self {
            offset: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            len: u32::from_le_bytes(len),
        }
    }
}

impl SpillFile {
    /// An empty file in `dir`.
    pub fn create(dir: &Path) -> Result<Self, SpillError> {
        let file =
            tempfile::tempfile_in(dir).map_err(FileError::new("make a spill file in", dir))?;
        Ok(Self {
            file,
            key: Seed::random()?,
            end: 0,
        })
    }

    /// Writes a part at the end.
    pub fn append(&mut self, plain: Vec<u8>) -> Result<Part, SpillError> {
        let offset = self.end;
        let (key, place) = self.key_of(offset);
        let sealed = seal::encrypt(&key, &place, plain);
        let len = u32::try_from(sealed.len()).map_err(|_| SpillError::TooLarge(sealed.len()))?;
        self.file
            .write_all_at(&sealed, offset)
            .map_err(FileError::new("write", Path::new("the spill file")))?;
        self.end += u64::from(len);
        Ok(Part { offset, len })
    }

    /// A part, plain.
    pub fn read(&self, part: Part) -> Result<Vec<u8>, SpillError> {
        let mut sealed = vec![0; part.len as usize];
        self.file
            .read_exact_at(&mut sealed, part.offset)
            .map_err(FileError::new("read", Path::new("the spill file")))?;
        let (key, place) = self.key_of(part.offset);
        let plain = seal::decrypt(&key, &place, &sealed).map_err(|_| SpillError::Damaged)?;
        Ok(plain.to_vec())
    }

    fn key_of(&self, offset: u64) -> (Seed, Place<'static>) {
        let place = Place {
            repo: RepoId([0; 16]),
            kind: Kind::Spill,
            number: offset,
            field: b"",
        };
        (self.key.keyed(&offset.to_be_bytes()), place)
    }

    #[cfg(test)]
    pub(super) fn raw(&self) -> (&File, u64) {
        (&self.file, self.end)
    }
}
