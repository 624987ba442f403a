//! What is spilled: parts, one behind the other, in a file that has no name and holds nothing plain.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::SpillError;
use crate::fsx::FileError;
use crate::seal::TAG;
use crate::unnamed::UnnamedFile;

/// Takes parts and gives them back.
pub struct SpillFile {
    file: UnnamedFile,
    end: AtomicU64,
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
        (self.len as usize).saturating_sub(TAG)
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
        let file = UnnamedFile::create(dir).map_err(FileError::new("make a spill file in", dir))?;
        Ok(Self {
            file,
            end: AtomicU64::new(0),
        })
    }

    /// Writes a part at the end.
    pub fn append(&self, plain: Vec<u8>) -> Result<Part, SpillError> {
        let mut frame = plain;
        // A long part would take twice its room.
        frame.reserve_exact(TAG);
        frame.resize(frame.len() + TAG, 0);
        let len = u32::try_from(frame.len()).map_err(|_| SpillError::TooLarge(frame.len()))?;
        // Nobody else is given these bytes, nor the key that their offset makes.
        let offset = self.end.fetch_add(u64::from(len), Ordering::Relaxed);
        self.file.encrypt(offset, 0, &mut frame);
        self.file
            .write(offset, &frame)
            .map_err(FileError::new("write", Path::new("the spill file")))?;
        Ok(Part { offset, len })
    }

    /// A part, plain.
    pub fn read(&self, part: Part) -> Result<Vec<u8>, SpillError> {
        let mut frame = vec![0; part.len as usize];
        let read = self.file.read(part.offset, 0, &mut frame);
        let plain = read.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => SpillError::Damaged,
            _ => FileError::new("read", Path::new("the spill file"))(error).into(),
        })?;
        frame.truncate(plain);
        Ok(frame)
    }

    #[cfg(test)]
    pub(super) fn raw(&self) -> (&std::fs::File, u64) {
        (self.file.raw(), self.end.load(Ordering::Relaxed))
    }
}
