//! Runs: records in order, in the spill file; and many runs as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::file::{Part, SpillFile};
use super::{Head, Key, SpillError};

/// Bytes of a run that are encrypted, and read back, as one.
const FRAME: usize = 128 << 10;
/// Key, key, form and length.
const RECORD_HEAD: usize = 20;

/// The frames of a run, in order.
pub(super) struct Run(Vec<Part>);

/// Writes a run.
#[derive(Default)]
pub(super) struct RunWriter {
    pending: Vec<u8>,
    frames: Vec<Part>,
}

impl RunWriter {
    pub(super) fn write(
        &mut self,
        file: &SpillFile,
        key: Key,
        head: Head,
        bytes: &[u8],
    ) -> Result<(), SpillError> {
        self.pending.extend_from_slice(&key.0.to_le_bytes());
        self.pending.extend_from_slice(&key.1.to_le_bytes());
        self.pending.extend_from_slice(&head.0.to_le_bytes());
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= FRAME {
            self.flush(file)?;
        }
        Ok(())
    }

    fn flush(&mut self, file: &SpillFile) -> Result<(), SpillError> {
        let plain = std::mem::replace(&mut self.pending, Vec::with_capacity(FRAME * 2));
        self.frames.push(file.append(plain)?);
        Ok(())
    }

    pub(super) fn finish(mut self, file: &SpillFile) -> Result<Run, SpillError> {
        if !self.pending.is_empty() {
            self.flush(file)?;
        }
        Ok(Run(self.frames))
    }
}

/// Merges neighbours, at most `fan` into one, so that equal keys keep their order: no more of them than it takes until `fan`
/// runs are left, or all where that is not enough.
pub(super) fn level(file: &SpillFile, runs: Vec<Run>, fan: usize) -> Result<Vec<Run>, SpillError> {
    let mut excess = runs.len().saturating_sub(fan);
    let mut left = Vec::new();
    let mut runs = runs.into_iter();
    while excess > 0 && runs.len() > 1 {
        let some: Vec<Run> = runs.by_ref().take(fan.min(excess + 1)).collect();
        excess -= some.len() - 1;
        let mut merge = Merge::new(file, some)?;
        let mut writer = RunWriter::default();
        while let Some((key, head, bytes)) = merge.next(file)? {
            writer.write(file, key, head, bytes)?;
        }
        left.push(writer.finish(file)?);
    }
    left.extend(runs);
    Ok(left)
}

/// A record's key, form and bytes.
type Merged<'m> = (Key, Head, &'m [u8]);

/// The records of many runs in order.
pub(super) struct Merge {
    runs: Vec<Reader>,
    /// The next key of each run; equal keys by the run's number, which is the order they came in.
    heap: BinaryHeap<Reverse<(Key, usize)>>,
    /// The run whose record was given last, and which must go on before the next is chosen.
    last: Option<usize>,
}

impl Merge {
    pub(super) fn new(file: &SpillFile, runs: Vec<Run>) -> Result<Self, SpillError> {
        let mut merge = Self {
            runs: Vec::with_capacity(runs.len()),
            heap: BinaryHeap::with_capacity(runs.len()),
            last: None,
        };
        for (number, run) in runs.into_iter().enumerate() {
            let mut run = Reader::new(run);
            if let Some(key) = run.advance(file)? {
                merge.heap.push(Reverse((key, number)));
            }
            merge.runs.push(run);
        }
        Ok(merge)
    }

    pub(super) fn next(&mut self, file: &SpillFile) -> Result<Option<Merged<'_>>, SpillError> {
        if let Some(number) = self.last.take()
            && let Some(key) = self.runs[number].advance(file)?
        {
            self.heap.push(Reverse((key, number)));
        }
        let Some(Reverse((key, number))) = self.heap.pop() else {
            return Ok(None);
        };
        self.last = Some(number);
        let run = &self.runs[number];
        Ok(Some((key, run.head, &run.buffer[run.record.clone()])))
    }
}

struct Reader {
    frames: std::vec::IntoIter<Part>,
    buffer: Vec<u8>,
    at: usize,
    head: Head,
    record: Range<usize>,
}

impl Reader {
    fn new(run: Run) -> Self {
        Self {
            frames: run.0.into_iter(),
            buffer: Vec::new(),
            at: 0,
            head: Head(0),
            record: 0..0,
        }
    }

    /// Goes to the next record, and tells its key.
    fn advance(&mut self, file: &SpillFile) -> Result<Option<Key>, SpillError> {
        if self.at == self.buffer.len() {
            let Some(frame) = self.frames.next() else {
                self.buffer = Vec::new();
                self.at = 0;
                return Ok(None);
            };
            self.buffer = file.read(frame)?;
            self.at = 0;
        }
        let start = self.at + RECORD_HEAD;
        let bytes = self.buffer.get(self.at..start);
        let (words, head) = bytes.ok_or(SpillError::Damaged)?.split_at(16);
        let [first, second] = words.as_chunks().0 else {
            return Err(SpillError::Damaged);
        };
        let key = (u64::from_le_bytes(*first), u64::from_le_bytes(*second));
        let head = head.try_into().map_err(|_| SpillError::Damaged)?;
        self.head = Head(u32::from_le_bytes(head));
        if self.head.len() > self.buffer.len() - start {
            return Err(SpillError::Damaged);
        }
        self.record = start..start + self.head.len();
        self.at = self.record.end;
        Ok(Some(key))
    }
}
