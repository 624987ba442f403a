//! The audit log's file: records, one behind the other, that are only ever added to.
//!
//! # Layout
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `tenureAL` |
//! | 8 | 1 | version, 1 |
//! | 9 | 16 | repository |
//! | 25 | 8 | incarnation |
//! | 33 | … | frames |
//!
//! A frame, all numbers big endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length *n* of the record |
//! | 4 | 8 | number of the entry, from 1 |
//! | 12 | 4 | the first 4 bytes of BLAKE3 of the 12 bytes before |
//! | 16 | *n* | the record (see [`crate::audit_entry`]) |
//! | 16 + *n* | 4 | *n* once more |
//!
//! The length at the end leads from the end of the file to the last frame, so an append reads one
//! record, whatever the length of the log. That it found a frame and not bytes that look like one it
//! knows by opening the record.
//!
//! # Crashes
//!
//! An append writes one frame behind the last and syncs the file before it returns; another one does
//! not begin before that. So a crash leaves at most one frame that nobody was told of, the last, and
//! leaves it in one of two ways: cut short; or of full length, with parts that were never written
//! and read as zeros, because the file's new size came to the disk before its bytes. Disks write
//! whole sectors, so such a part is all of the frame that lies in some sector of 512 bytes.
//!
//! That is what a **torn** frame is: the last one, with a good head and an end that is missing, or
//! with nothing but zeros in one of its sectors. The next append cuts it off. Anything else that
//! cannot be read is damage, which no append repairs and no reader skips. An end that somebody has
//! cut off or filled with zeros looks torn as well: what tells that from a crash is a checkpoint that
//! knows more entries than there are.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::audit_entry;
use crate::error::{Failure, Outcome};
use crate::fsx::{self, FileError};
use crate::ids::{Incarnation, RepoId};

const MAGIC: &[u8; 8] = b"tenureAL";
const VERSION: u8 = 1;
/// The length of what stands in front of the frames.
const HEADER: u64 = 33;
const HEAD: usize = 16;
const TAIL: usize = 4;
const SECTOR: u64 = 512;
/// No frame is longer.
const MAX_FRAME: u64 = (HEAD + audit_entry::MAX + TAIL) as u64;

/// The bytes in front of the frames.
fn header(repo: RepoId, inc: Incarnation) -> Vec<u8> {
    [&MAGIC[..], &[VERSION], &repo.0, &inc.0].concat()
}

/// The frame of a record.
pub fn frame(number: u64, record: &[u8]) -> Vec<u8> {
    let len = (record.len() as u32).to_be_bytes();
    let head = [&len[..], &number.to_be_bytes()].concat();
    [&head, &blake3::hash(&head).as_bytes()[..4], record, &len].concat()
}

fn frame_len(record: usize) -> u64 {
    (HEAD + record + TAIL) as u64
}

/// The length of the record that a frame's head announces, if it is the head of entry `number`.
fn record_len(head: &[u8; HEAD], number: u64) -> Option<usize> {
    let whole = blake3::hash(&head[..12]).as_bytes()[..4] == head[12..]
        && head[4..12] == number.to_be_bytes();
    length(&head[..4]).filter(|_| whole)
}

fn length(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_be_bytes(bytes.try_into().ok()?) as usize;
    (1..=audit_entry::MAX).contains(&len).then_some(len)
}

/// Whether these bytes, which stand at `offset`, hold a sector's share that was never written.
pub fn never_written(bytes: &[u8], offset: u64) -> bool {
    let first = (SECTOR - offset % SECTOR) as usize;
    let (first, others) = bytes.split_at(first.min(bytes.len()));
    // The first bytes of a length are zeros anyway, and may be a sector's only ones.
    let zeros = |part: &[u8]| part.len() >= TAIL && part.iter().all(|b| *b == 0);
    zeros(first) || others.chunks(SECTOR as usize).any(zeros)
}

/// How far a log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How many entries it has.
    pub count: u64,
    /// Where the frame of the last one ends.
    pub offset: u64,
    /// How many bytes of a torn frame stand behind that.
    pub torn: u64,
}

impl End {
    /// Of a log without entries.
    pub const START: Self = Self {
        count: 0,
        offset: HEADER,
        torn: 0,
    };
}

/// Why an entry's frame cannot be used.
pub fn damaged(path: &Path, number: u64) -> Failure {
    let what = format!(
        "entry {number} of the audit log {} is damaged",
        path.display()
    );
    Failure::new(what).hint(
        "this is no crash's work: keep a copy of the file as evidence and look for who or what has \
         changed it; nothing is added to it as it is",
    )
}

/// A log's file, opened.
pub struct LogFile {
    file: File,
    path: PathBuf,
}

impl LogFile {
    /// Opens a log and checks that it is the one that is meant; none if it is not there.
    pub fn open(path: &Path, repo: RepoId, inc: Incarnation) -> Outcome<Option<Self>> {
        let file = match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(FileError::new("open", path))?,
        };
        let log = Self {
            file,
            path: path.to_owned(),
        };
        let mut found = [0; HEADER as usize];
        log.read_at(&mut found, 0)?;
        let what = if found[..8] != *MAGIC {
            "is not an audit log"
        } else if found[8] != VERSION {
            "is of a later version"
        } else if found[..] != header(repo, inc) {
            "is of another repository or incarnation"
        } else {
            return Ok(Some(log));
        };
        Err(Failure::new(format!("{} {what}", path.display())))
    }

    /// Makes an empty log, durably.
    pub fn create(path: &Path, repo: RepoId, inc: Incarnation) -> Outcome<Self> {
        fsx::write(path, &header(repo, inc))?;
        let made = Self::open(path, repo, inc)?;
        made.ok_or_else(|| Failure::new(format!("{} vanished", path.display())))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Outcome<()> {
        let read = self.file.read_exact_at(bytes, offset);
        Ok(read.map_err(FileError::new("read", &self.path))?)
    }

    /// How many bytes the file has.
    pub fn len(&self) -> Outcome<u64> {
        let meta = self.file.metadata();
        Ok(meta.map_err(FileError::new("look at", &self.path))?.len())
    }

    /// How far the log reaches. `opens` says whether a record is that of the entry with this number.
    pub fn end(&mut self, opens: impl Fn(u64, &[u8]) -> bool) -> Outcome<End> {
        let len = self.len()?;
        if len <= HEADER {
            return Ok(End::START);
        }
        if let Some((number, record)) = self.frame_before(len)?
            && opens(number, &record)
        {
            return Ok(End {
                count: number,
                offset: len,
                torn: 0,
            });
        }
        self.end_after_crash(len)
    }

    /// The number and the record of the frame that ends at `end`, if one may.
    fn frame_before(&self, end: u64) -> Outcome<Option<(u64, Vec<u8>)>> {
        let room = end - HEADER;
        if room < frame_len(1) {
            return Ok(None);
        }
        let mut tail = [0; TAIL];
        self.read_at(&mut tail, end - TAIL as u64)?;
        let Some(len) = length(&tail).filter(|len| frame_len(*len) <= room) else {
            return Ok(None);
        };
        let mut bytes = vec![0; HEAD + len];
        self.read_at(&mut bytes, end - frame_len(len))?;
        let record = bytes.split_off(HEAD);
        let number = bytes[4..12].iter().fold(0, |n, b| n << 8 | u64::from(*b));
        let head = bytes.try_into().unwrap_or([0; HEAD]);
        let fits = record_len(&head, number) == Some(len);
        Ok(fits.then_some((number, record)))
    }

    /// Reads all frames, since the last one is not what it should be.
    fn end_after_crash(&mut self, len: u64) -> Outcome<End> {
        let mut frames = self.frames(len)?;
        let mut last = HEADER;
        let (count, offset, is_torn) = loop {
            let (count, offset) = (frames.number, frames.offset);
            match frames.step()? {
                Step::Frame => last = offset,
                Step::Torn => break (count, offset, true),
                Step::Damaged => return Err(damaged(&self.path, count + 1)),
                // All frames are whole, and yet the last record does not open.
                Step::End => break (count - 1, last, self.is_never_written(last, len)?),
            }
        };
        if !is_torn {
            return Err(damaged(&self.path, count + 1));
        }
        Ok(End {
            count,
            offset,
            torn: len - offset,
        })
    }

    fn is_never_written(&self, from: u64, to: u64) -> Outcome<bool> {
        let mut bytes = vec![0; (to - from) as usize];
        self.read_at(&mut bytes, from)?;
        Ok(never_written(&bytes, from))
    }

    /// All frames that stand before the offset `until`, from the first.
    pub fn frames(&mut self, until: u64) -> Outcome<Frames<'_>> {
        let sought = self.file.seek(SeekFrom::Start(HEADER));
        sought.map_err(FileError::new("read", &self.path))?;
        Ok(Frames {
            reader: BufReader::with_capacity(256 << 10, &self.file),
            path: &self.path,
            until,
            offset: HEADER,
            number: 0,
            record: Vec::new(),
        })
    }

    /// The last entries up to `end`, at most `limit`: the newest first, as numbers and records.
    pub fn last(&self, end: &End, limit: usize) -> Outcome<Vec<(u64, Vec<u8>)>> {
        let (mut number, mut offset) = (end.count, end.offset);
        let mut found = Vec::new();
        while number > 0 && found.len() < limit {
            let before = self.frame_before(offset)?;
            let Some((_, record)) = before.filter(|(n, _)| *n == number) else {
                return Err(damaged(&self.path, number));
            };
            offset -= frame_len(record.len());
            found.push((number, record));
            number -= 1;
        }
        Ok(found)
    }

    /// Writes the next frame behind `end`, in the place of a torn one, and syncs it. When that
    /// fails, the log is left as it was, as far as the system lets it.
    pub fn append(&self, end: &End, record: &[u8]) -> Outcome<End> {
        let number = end.count + 1;
        let frame = frame(number, record);
        let put = || -> io::Result<()> {
            if end.torn > 0 {
                self.file.set_len(end.offset)?;
            }
            self.file.write_all_at(&frame, end.offset)?;
            self.file.sync_data()
        };
        if let Err(error) = put() {
            // What cannot be taken back either is torn, or an entry of something that was not done.
            let _ = self.file.set_len(end.offset);
            return Err(FileError::new("add to", &self.path)(error).into());
        }
        Ok(End {
            count: number,
            offset: end.offset + frame.len() as u64,
            torn: 0,
        })
    }

    /// Makes sure that what was read is on the disk.
    pub fn sync(&self) -> Outcome<()> {
        let synced = self.file.sync_data();
        Ok(synced.map_err(FileError::new("sync", &self.path))?)
    }
}

/// Reads frames one after the other.
pub struct Frames<'f> {
    reader: BufReader<&'f File>,
    path: &'f Path,
    until: u64,
    /// Where the next frame stands.
    offset: u64,
    /// The number of the frame before that.
    number: u64,
    record: Vec<u8>,
}

enum Step {
    /// There was a frame, and its record was read.
    Frame,
    /// There is none left.
    End,
    Torn,
    Damaged,
}

impl Frames<'_> {
    /// The next entry's number and record; none behind the last.
    ///
    /// # Errors
    /// When the frame cannot be read.
    pub fn next(&mut self) -> Outcome<Option<(u64, &[u8])>> {
        match self.step()? {
            Step::Frame => Ok(Some((self.number, &self.record))),
            Step::End => Ok(None),
            Step::Torn | Step::Damaged => Err(damaged(self.path, self.number + 1)),
        }
    }

    fn step(&mut self) -> Outcome<Step> {
        let stepped = self.read_frame();
        Ok(stepped.map_err(FileError::new("read", self.path))?)
    }

    fn read_frame(&mut self) -> io::Result<Step> {
        let left = self.until - self.offset;
        if left == 0 {
            return Ok(Step::End);
        }
        let mut head = [0; HEAD];
        let Some(_) = left.checked_sub(HEAD as u64) else {
            return Ok(Step::Torn);
        };
        self.reader.read_exact(&mut head)?;
        let Some(len) = record_len(&head, self.number + 1) else {
            return self.torn_or_damaged(&head, left, MAX_FRAME);
        };
        if left < frame_len(len) {
            return Ok(Step::Torn);
        }
        self.record.resize(len + TAIL, 0);
        self.reader.read_exact(&mut self.record)?;
        if self.record[len..] != head[..4] {
            let bytes = [&head[..], &self.record].concat();
            return self.torn_or_damaged(&bytes, left, bytes.len() as u64);
        }
        self.record.truncate(len);
        self.offset += frame_len(len);
        self.number += 1;
        Ok(Step::Frame)
    }

    /// What the rest of the file is: `bytes`, which were read, and what stands behind them. A torn
    /// frame is the last, so no more than `most` bytes are left.
    fn torn_or_damaged(&mut self, bytes: &[u8], left: u64, most: u64) -> io::Result<Step> {
        if left > most {
            return Ok(Step::Damaged);
        }
        let mut rest = bytes.to_vec();
        rest.resize(left as usize, 0);
        self.reader.read_exact(&mut rest[bytes.len()..])?;
        Ok(match never_written(&rest, self.offset) {
            true => Step::Torn,
            false => Step::Damaged,
        })
    }
}
