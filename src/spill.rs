//! Sorts more rows than fit into memory.
//!
//! Records are gathered in an arena of fixed size. When it is full it is sorted and written as one
//! *run* to a temporary file that has no name, encrypted under a key that is never stored: no plain
//! byte of a customer reaches the disk, and after a crash nothing can be read. At the end all runs
//! are merged. Records with equal keys come back in the order in which they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::fsx::FileError;
use crate::ids::RepoId;
use crate::seal::{self, Kind, Place};
use crate::secret::{SecretError, Seed};

/// Bytes of records that are gathered before a run is written.
const ARENA: usize = 64 << 20;
/// Bytes of a run that are encrypted, and read back, as one.
const FRAME: usize = 256 << 10;

/// What can go wrong while sorting.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The temporary file.
    #[error("cannot spill to disk")]
    File(#[from] FileError),
    /// No key could be made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What was spilled does not come back.
    #[error("what was spilled to disk reads back damaged")]
    Damaged,
    /// One record is larger than any can be.
    #[error("a record of {0} bytes is too large")]
    TooLarge(usize),
}

/// What records are sorted by.
pub type Key = (u64, u64);

#[derive(Clone, Copy)]
struct Slot {
    key: Key,
    start: usize,
    len: usize,
}

/// Takes records in any order.
pub struct Sorter {
    dir: PathBuf,
    limit: usize,
    arena: Vec<u8>,
    slots: Vec<Slot>,
    spill: Option<Spill>,
}

impl Sorter {
    /// A sorter that spills into `dir` when it must.
    pub fn new(dir: &Path) -> Self {
        Self::with_limit(dir, ARENA)
    }

    fn with_limit(dir: &Path, limit: usize) -> Self {
        Self {
            dir: dir.to_owned(),
            limit,
            arena: Vec::new(),
            slots: Vec::new(),
            spill: None,
        }
    }

    /// Takes a record.
    pub fn push(&mut self, key: Key, record: &[u8]) -> Result<(), SpillError> {
        let used = self.arena.len() + self.slots.len() * size_of::<Slot>();
        if used + record.len() > self.limit && !self.slots.is_empty() {
            self.write_run()?;
        }
        self.slots.push(Slot {
            key,
            start: self.arena.len(),
            len: record.len(),
        });
        self.arena.extend_from_slice(record);
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), SpillError> {
        // Stable: equal keys stay in the order in which they came.
        self.slots.sort_by_key(|slot| slot.key);
        let spill = match &mut self.spill {
            Some(spill) => spill,
            empty => empty.insert(Spill::new(&self.dir)?),
        };
        spill.begin_run();
        for slot in &self.slots {
            spill.write(slot.key, &self.arena[slot.start..slot.start + slot.len])?;
        }
        spill.end_run()?;
        self.slots.clear();
        self.arena.clear();
        Ok(())
    }

    /// No more records: the sorted ones, to be taken one by one.
    pub fn finish(mut self) -> Result<Sorted, SpillError> {
        if self.spill.is_some() && !self.slots.is_empty() {
            self.write_run()?;
        }
        let Some(spill) = self.spill else {
            self.slots.sort_by_key(|slot| slot.key);
            let slots = self.slots.into_iter();
            return Ok(Sorted(Source::Memory {
                arena: self.arena,
                slots,
            }));
        };
        let mut merge = Merge {
            heap: BinaryHeap::new(),
            runs: Vec::new(),
            spill,
            last: None,
        };
        for (number, frames) in std::mem::take(&mut merge.spill.runs)
            .into_iter()
            .enumerate()
        {
            let mut run = Run {
                frames: frames.into_iter(),
                buffer: Vec::new(),
                at: 0,
                record: 0..0,
            };
            if let Some(key) = run.advance(&merge.spill)? {
                merge.heap.push(Reverse((key, number)));
            }
            merge.runs.push(run);
        }
        Ok(Sorted(Source::Merge(Box::new(merge))))
    }
}

/// Records in order.
pub struct Sorted(Source);

enum Source {
    Memory {
        arena: Vec<u8>,
        slots: std::vec::IntoIter<Slot>,
    },
    Merge(Box<Merge>),
}

impl Sorted {
    /// The next record.
    pub fn next_record(&mut self) -> Result<Option<(Key, &[u8])>, SpillError> {
        match &mut self.0 {
            Source::Memory { arena, slots } => Ok(slots
                .next()
                .map(|slot| (slot.key, &arena[slot.start..slot.start + slot.len]))),
            Source::Merge(merge) => merge.next(),
        }
    }
}

struct Merge {
    spill: Spill,
    runs: Vec<Run>,
    /// The next key of each run; equal keys by the run's number, which is the order they came in.
    heap: BinaryHeap<Reverse<(Key, usize)>>,
    /// The run whose record was given last, and which must go on before the next is chosen.
    last: Option<usize>,
}

impl Merge {
    fn next(&mut self) -> Result<Option<(Key, &[u8])>, SpillError> {
        if let Some(number) = self.last.take()
            && let Some(key) = self.runs[number].advance(&self.spill)?
        {
            self.heap.push(Reverse((key, number)));
        }
        let Some(Reverse((key, number))) = self.heap.pop() else {
            return Ok(None);
        };
        self.last = Some(number);
        let run = &self.runs[number];
        Ok(Some((key, &run.buffer[run.record.clone()])))
    }
}

/// A frame of a run: its first byte in the file, and its length as stored.
type Frame = (u64, usize);

struct Run {
    frames: std::vec::IntoIter<Frame>,
    buffer: Vec<u8>,
    at: usize,
    record: std::ops::Range<usize>,
}

/// Key, key, length.
const RECORD_HEAD: usize = 24;

impl Run {
    /// Goes to the next record, and tells its key.
    fn advance(&mut self, spill: &Spill) -> Result<Option<Key>, SpillError> {
        if self.at == self.buffer.len() {
            let Some(frame) = self.frames.next() else {
                return Ok(None);
            };
            self.buffer = spill.read(frame)?;
            self.at = 0;
        }
        let word = |n: usize| -> Result<u64, SpillError> {
            let start = self.at + 8 * n;
            let bytes = self
                .buffer
                .get(start..start + 8)
                .ok_or(SpillError::Damaged)?;
            Ok(u64::from_le_bytes(
                bytes.try_into().map_err(|_| SpillError::Damaged)?,
            ))
        };
        let (key, len) = ((word(0)?, word(1)?), word(2)? as usize);
        let start = self.at + RECORD_HEAD;
        if len > self.buffer.len() - start {
            return Err(SpillError::Damaged);
        }
        self.record = start..start + len;
        self.at = start + len;
        Ok(Some(key))
    }
}

/// The temporary file. Frame `n` is encrypted under the keyed BLAKE3 of its offset under the key.
struct Spill {
    file: File,
    key: Seed,
    end: u64,
    runs: Vec<Vec<Frame>>,
    pending: Vec<u8>,
}

impl Spill {
    fn new(dir: &Path) -> Result<Self, SpillError> {
        let file =
            tempfile::tempfile_in(dir).map_err(FileError::new("make a spill file in", dir))?;
        let key = Seed::random()?;
        Ok(Self {
            file,
            key,
            end: 0,
            runs: Vec::new(),
            pending: Vec::with_capacity(FRAME * 2),
        })
    }

    fn begin_run(&mut self) {
        self.runs.push(Vec::new());
    }

    fn write(&mut self, key: Key, record: &[u8]) -> Result<(), SpillError> {
        if RECORD_HEAD + record.len() > seal::MAX_FRAME {
            return Err(SpillError::TooLarge(record.len()));
        }
        for word in [key.0, key.1, record.len() as u64] {
            self.pending.extend_from_slice(&word.to_le_bytes());
        }
        self.pending.extend_from_slice(record);
        if self.pending.len() >= FRAME {
            self.end_run()?;
        }
        Ok(())
    }

    /// Writes what is pending, at the end of a frame or of a run.
    fn end_run(&mut self) -> Result<(), SpillError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let plain = std::mem::replace(&mut self.pending, Vec::with_capacity(FRAME * 2));
        let (key, place) = self.frame_key(self.end);
        let sealed = seal::encrypt(&key, &place, plain);
        self.file
            .write_all_at(&sealed, self.end)
            .map_err(FileError::new("write", Path::new("the spill file")))?;
        if let Some(run) = self.runs.last_mut() {
            run.push((self.end, sealed.len()));
        }
        self.end += sealed.len() as u64;
        Ok(())
    }

    fn read(&self, (offset, len): Frame) -> Result<Vec<u8>, SpillError> {
        let mut sealed = vec![0; len];
        let read = self.file.read_exact_at(&mut sealed, offset);
        read.map_err(|e: io::Error| FileError::new("read", Path::new("the spill file"))(e))?;
        let (key, place) = self.frame_key(offset);
        let plain = seal::decrypt(&key, &place, &sealed).map_err(|_| SpillError::Damaged)?;
        Ok(plain.to_vec())
    }

    fn frame_key(&self, offset: u64) -> (Seed, Place<'static>) {
        let place = Place {
            repo: RepoId([0; 16]),
            kind: Kind::Spill,
            number: offset,
            field: b"",
        };
        (self.key.keyed(&offset.to_be_bytes()), place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(mut sorted: Sorted) -> Vec<(Key, Vec<u8>)> {
        let mut out = Vec::new();
        while let Some((key, record)) = sorted.next_record().unwrap() {
            out.push((key, record.to_vec()));
        }
        out
    }

    proptest! {
        #[test]
        fn sorts_stably_with_and_without_spilling(
            records in prop::collection::vec(((0_u64..5, 0_u64..5), any::<Vec<u8>>()), 0..200),
            limit in 1_usize..5000,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut wanted = records.clone();
            wanted.sort_by_key(|(key, _)| *key);
            for limit in [limit, ARENA] {
                let mut sorter = Sorter::with_limit(dir.path(), limit);
                for (key, record) in &records {
                    sorter.push(*key, record).unwrap();
                }
                prop_assert_eq!(drain(sorter.finish().unwrap()), wanted.clone());
            }
        }
    }

    #[test]
    fn what_is_spilled_has_no_name_and_is_not_plain() {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::with_limit(dir.path(), 1 << 16);
        for n in 0..10_000 {
            sorter.push((n % 7, n), b"the name of a customer").unwrap();
        }
        let spill = sorter.spill.as_ref().unwrap();
        assert!(spill.runs.len() > 5 && spill.end > 100_000);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut bytes = vec![0; spill.end as usize];
        spill.file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(!bytes.windows(8).any(|w| w == b"customer"));
        assert_eq!(drain(sorter.finish().unwrap()).len(), 10_000);
    }

    #[test]
    fn damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::with_limit(dir.path(), 100);
        for n in 0..100 {
            sorter.push((n, 0), &[1; 60]).unwrap();
        }
        sorter
            .spill
            .as_ref()
            .unwrap()
            .file
            .write_all_at(&[0], 20)
            .unwrap();
        assert!(matches!(sorter.finish().err(), Some(SpillError::Damaged)));
    }
}
