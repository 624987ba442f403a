//! Sorts more rows than fit into memory.
//!
//! Records are gathered in an arena of fixed size. When it is full it is sorted and written as one
//! *run* to a temporary file that has no name, encrypted under a key that is never stored: no plain
//! byte of a customer reaches the disk, and after a crash nothing can be read. Meanwhile the next arena is
//! filled. At the end all runs are merged, some hundreds at a time. Records with equal keys come back in the
//! order in which they came.
//!
//! A long record is set aside in the file, and what is sorted is where it stands. One that is too long
//! to be held at once comes and goes in parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::fsx::FileError;

mod file;
mod merge;
#[cfg(test)]
mod tests;

pub use file::{Part, SpillFile};
use merge::{Merge, Run, RunWriter};

/// Bytes of records that are gathered before a run is written; as many are being written meanwhile.
const ARENA: usize = 32 << 20;
/// Records of more bytes are set aside.
const LONG: usize = 64 << 10;
/// How many runs are merged at once, of each of which one frame is in memory.
const FAN: usize = 256;

/// What can go wrong while sorting.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The temporary file.
    #[error("cannot spill to disk")]
    File(#[from] FileError),
    /// What was spilled does not come back.
    #[error("what was spilled to disk reads back damaged")]
    Damaged,
    /// One record is larger than any can be.
    #[error("a record of {0} bytes is too large")]
    TooLarge(usize),
}

/// What records are sorted by.
pub type Key = (u64, u64);

/// How a record is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Its bytes stand here.
    Here,
    /// Where its bytes stand in the file does.
    Aside,
    /// Where its parts stand in the file does.
    Parts,
}

/// A record's form and length as one number.
#[derive(Clone, Copy)]
struct Head(u32);

impl Head {
    fn new(form: Form, len: usize) -> Result<Self, SpillError> {
        let form = match form {
            Form::Here => 0,
            Form::Aside => 1,
            Form::Parts => 2,
        };
        match u32::try_from(len).ok().filter(|len| *len < 1 << 30) {
            Some(len) => Ok(Self(form << 30 | len)),
            None => Err(SpillError::TooLarge(len)),
        }
    }

    fn form(self) -> Form {
        match self.0 >> 30 {
            0 => Form::Here,
            1 => Form::Aside,
            _ => Form::Parts,
        }
    }

    fn len(self) -> usize {
        (self.0 & ((1 << 30) - 1)) as usize
    }
}

#[derive(Clone, Copy)]
struct Slot {
    key: Key,
    start: u32,
    head: Head,
}

/// Takes records in any order.
pub struct Sorter {
    dir: PathBuf,
    limits: Limits,
    arena: Arena,
    runs: Vec<Run>,
    /// The run that is being written. Its memory is used again.
    writing: Option<JoinHandle<Result<(Run, Arena), SpillError>>>,
    spill: Option<Arc<SpillFile>>,
}

/// Records in memory.
#[derive(Default)]
struct Arena {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Arena {
    fn used(&self) -> usize {
        self.bytes.len() + self.slots.len() * size_of::<Slot>()
    }

    fn add(&mut self, key: Key, form: Form, bytes: &[u8]) -> Result<(), SpillError> {
        let start = self.bytes.len();
        self.slots.push(Slot {
            key,
            start: u32::try_from(start).map_err(|_| SpillError::TooLarge(start))?,
            head: Head::new(form, bytes.len())?,
        });
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Stable: equal keys stay in the order in which they came.
    fn sort(&mut self) {
        self.slots.sort_by_key(|slot| slot.key);
    }

    fn bytes_of(&self, slot: &Slot) -> &[u8] {
        let start = slot.start as usize;
        &self.bytes[start..start + slot.head.len()]
    }

    /// Writes all of it as a run, and is empty.
    fn write(mut self, file: &SpillFile) -> Result<(Run, Self), SpillError> {
        self.sort();
        let mut writer = RunWriter::default();
        for slot in &self.slots {
            writer.write(file, slot.key, slot.head, self.bytes_of(slot))?;
        }
        let run = writer.finish(file)?;
        self.bytes.clear();
        self.slots.clear();
        Ok((run, self))
    }
}

/// How much is held in memory.
#[derive(Clone, Copy)]
struct Limits {
    arena: usize,
    long: usize,
    fan: usize,
}

impl Sorter {
    /// A sorter that spills into `dir` when it must.
    pub fn new(dir: &Path) -> Self {
        let limits = Limits {
            arena: ARENA,
            long: LONG,
            fan: FAN,
        };
        Self::with_limits(dir, limits)
    }

    fn with_limits(dir: &Path, limits: Limits) -> Self {
        Self {
            dir: dir.to_owned(),
            limits,
            arena: Arena::default(),
            runs: Vec::new(),
            writing: None,
            spill: None,
        }
    }

    /// Takes a record.
    pub fn push(&mut self, key: Key, record: &[u8]) -> Result<(), SpillError> {
        if record.len() > self.limits.long {
            let part = self.set_aside(record.to_vec())?;
            return self.add(key, Form::Aside, &part.bytes());
        }
        self.add(key, Form::Here, record)
    }

    /// Sets aside a part of a record that is too long to be held at once.
    pub fn set_aside(&mut self, part: Vec<u8>) -> Result<Part, SpillError> {
        self.file()?.append(part)
    }

    /// A part that was set aside.
    pub fn part(&self, part: Part) -> Result<Vec<u8>, SpillError> {
        self.spill.as_ref().ok_or(SpillError::Damaged)?.read(part)
    }

    /// Takes a record whose parts were set aside.
    pub fn push_parts(&mut self, key: Key, parts: &[Part]) -> Result<(), SpillError> {
        let places: Vec<u8> = parts.iter().flat_map(|part| part.bytes()).collect();
        self.add(key, Form::Parts, &places)
    }

    fn add(&mut self, key: Key, form: Form, bytes: &[u8]) -> Result<(), SpillError> {
        let full = self.arena.used() + bytes.len() > self.limits.arena;
        if full && !self.arena.slots.is_empty() {
            self.write_run()?;
        }
        self.arena.add(key, form, bytes)
    }

    fn file(&mut self) -> Result<&Arc<SpillFile>, SpillError> {
        Ok(match &mut self.spill {
            Some(spill) => spill,
            empty => empty.insert(Arc::new(SpillFile::create(&self.dir)?)),
        })
    }

    /// Begins to write the arena, and goes on with the one before.
    fn write_run(&mut self) -> Result<(), SpillError> {
        let empty = self.written()?;
        let full = std::mem::replace(&mut self.arena, empty);
        let file = Arc::clone(self.file()?);
        self.writing = Some(thread::spawn(move || full.write(&file)));
        Ok(())
    }

    /// Waits for the run that is being written: its arena.
    fn written(&mut self) -> Result<Arena, SpillError> {
        let Some(writing) = self.writing.take() else {
            return Ok(Arena::default());
        };
        let written = writing.join();
        let (run, empty) = written.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        self.runs.push(run);
        Ok(empty)
    }

    /// No more records: the sorted ones, to be taken one by one.
    pub fn finish(mut self) -> Result<Sorted, SpillError> {
        self.written()?;
        if !self.runs.is_empty() && !self.arena.slots.is_empty() {
            self.write_run()?;
            self.written()?;
        }
        let source = match (&self.spill, self.runs.is_empty()) {
            (Some(file), false) => {
                let mut runs = self.runs;
                while runs.len() > self.limits.fan {
                    runs = merge::level(file, runs, self.limits.fan)?;
                }
                Source::Merge(Merge::new(file, runs)?)
            }
            _ => {
                self.arena.sort();
                let slots = std::mem::take(&mut self.arena.slots);
                Source::Memory {
                    arena: self.arena,
                    slots: slots.into_iter(),
                }
            }
        };
        Ok(Sorted {
            source,
            spill: self.spill,
            aside: Vec::new(),
        })
    }
}

/// Records in order.
pub struct Sorted {
    source: Source,
    spill: Option<Arc<SpillFile>>,
    /// The last record that had been set aside.
    aside: Vec<u8>,
}

enum Source {
    Memory {
        arena: Arena,
        slots: std::vec::IntoIter<Slot>,
    },
    Merge(Merge),
}

/// A record on its way back.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The parts in which it came: [`Sorted::part`] gives them.
    Parts(Vec<Part>),
}

impl Sorted {
    /// The next record.
    pub fn next_record(&mut self) -> Result<Option<(Key, Record<'_>)>, SpillError> {
        let found = match (&mut self.source, &self.spill) {
            (Source::Memory { arena, slots }, _) => slots
                .next()
                .map(|slot| (slot.key, slot.head.form(), arena.bytes_of(&slot))),
            (Source::Merge(merge), Some(file)) => merge
                .next(file)?
                .map(|(key, head, bytes)| (key, head.form(), bytes)),
            (Source::Merge(_), None) => return Err(SpillError::Damaged),
        };
        let Some((key, form, bytes)) = found else {
            return Ok(None);
        };
        let record = match form {
            Form::Here => Record::Whole(bytes),
            Form::Parts => Record::Parts(parts(bytes)),
            Form::Aside => {
                let file = self.spill.as_ref().ok_or(SpillError::Damaged)?;
                let [part] = parts(bytes)[..] else {
                    return Err(SpillError::Damaged);
                };
                self.aside = file.read(part)?;
                Record::Whole(&self.aside)
            }
        };
        Ok(Some((key, record)))
    }

    /// A part of a record.
    pub fn part(&self, part: Part) -> Result<Vec<u8>, SpillError> {
        self.parts().part(part)
    }

    /// The parts of all records, for whoever reads them while others are taken.
    pub fn parts(&self) -> Parts {
        Parts(self.spill.clone())
    }
}

/// Where parts of records lie.
#[derive(Clone)]
pub struct Parts(Option<Arc<SpillFile>>);

impl Parts {
    /// A part of a record.
    pub fn part(&self, part: Part) -> Result<Vec<u8>, SpillError> {
        self.0.as_ref().ok_or(SpillError::Damaged)?.read(part)
    }
}

fn parts(bytes: &[u8]) -> Vec<Part> {
    let parts = bytes.as_chunks().0.iter();
    parts.map(Part::from_bytes).collect()
}
