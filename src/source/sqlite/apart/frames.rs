//! A file of our own that is read and written anywhere, and lies encrypted in frames.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::seal::TAG;
use crate::unnamed::UnnamedFile;

/// Bytes that are encrypted as one. Larger ones cost more for each page that SQLite asks for out of
/// order, smaller ones more for each byte of the copy.
pub(super) const FRAME: usize = 16 << 10;
/// A frame as it is stored.
pub(super) const STRIDE: usize = FRAME + TAG;
/// How many frames are held plain in memory: 1 MiB.
const HELD: usize = 64;

/// Where a frame stands.
pub(super) fn offset_of(number: u64) -> u64 {
    number * STRIDE as u64
}

/// A file in frames, the last of which is filled up with zeros.
///
/// What is written stays in memory until its frame makes room for another. Then it is encrypted anew,
/// with a turn that no frame of this file has had. As long as several read one file, nobody writes: their turns would
/// be the same.
pub(super) struct FrameFile {
    file: Arc<UnnamedFile>,
    len: u64,
    /// Frames before this one were copied, and have the turn 0 unless `turns` says otherwise.
    copied: u64,
    turns: HashMap<u64, u64>,
    last_turn: u64,
    held: Vec<Held>,
    clock: u64,
    /// A changed frame could not be written, so nothing here can be relied on.
    broken: bool,
}

struct Held {
    number: u64,
    used: u64,
    changed: bool,
    bytes: Vec<u8>,
}

impl FrameFile {
    /// What [`copy`](super::copy::copy) has made: a file whose first `len` bytes stand in frames.
    pub(super) fn new(file: UnnamedFile, len: u64) -> Self {
        Self {
            file: Arc::new(file),
            len,
            copied: len.div_ceil(FRAME as u64),
            turns: HashMap::new(),
            last_turn: 0,
            held: Vec::new(),
            clock: 0,
            broken: false,
        }
    }

    /// The same file once more, to be read beside this one; none if it is not as it was copied.
    pub(super) fn again(&self) -> Option<Self> {
        let as_copied = self.turns.is_empty()
            && !self.held.iter().any(|held| held.changed)
            && self.copied == self.len.div_ceil(FRAME as u64);
        as_copied.then(|| Self {
            file: Arc::clone(&self.file),
            len: self.len,
            copied: self.copied,
            turns: HashMap::new(),
            // Also frames that were cut off since have had their turns.
            last_turn: self.last_turn,
            held: Vec::new(),
            clock: 0,
            broken: self.broken,
        })
    }

    fn is_mine(&self) -> io::Result<()> {
        match Arc::strong_count(&self.file) {
            1 => Ok(()),
            _ => Err(io::Error::other("others read the copy")),
        }
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads from `offset` on: how many bytes there were, at most as many as `into` takes.
    pub(super) fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let there = self.len.saturating_sub(offset).min(into.len() as u64) as usize;
        self.each_frame(offset, there, |held, from, within| {
            into[within].copy_from_slice(&held.bytes[from]);
        })?;
        Ok(there)
    }

    /// Writes at `offset`; what was not there before is zeros.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.is_mine()?;
        self.each_frame(offset, bytes.len(), |held, to, within| {
            held.bytes[to].copy_from_slice(&bytes[within]);
            held.changed = true;
        })?;
        self.len = self.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// Makes it `len` bytes long.
    pub(super) fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.is_mine()?;
        if len < self.len {
            let (frames, rest) = (len.div_ceil(FRAME as u64), (len % FRAME as u64) as usize);
            self.held.retain(|held| held.number < frames);
            self.turns.retain(|number, _| *number < frames);
            self.copied = self.copied.min(frames);
            if rest > 0 {
                let held = self.hold(frames - 1)?;
                held.bytes[rest..FRAME].fill(0);
                held.changed = true;
            }
        }
        self.len = len;
        Ok(())
    }

    /// Calls `each` with every frame of a range: the frame, which of its bytes, which of the range's.
    fn each_frame(
        &mut self,
        offset: u64,
        len: usize,
        mut each: impl FnMut(&mut Held, std::ops::Range<usize>, std::ops::Range<usize>),
    ) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let start = (at % FRAME as u64) as usize;
            let count = (FRAME - start).min(len - done);
            let held = self.hold(at / FRAME as u64)?;
            each(held, start..start + count, done..done + count);
            done += count;
        }
        Ok(())
    }

    /// The frame, plain.
    fn hold(&mut self, number: u64) -> io::Result<&mut Held> {
        if self.broken {
            return Err(io::Error::other("a frame of the copy was lost"));
        }
        self.clock += 1;
        let at = match self.held.iter().position(|held| held.number == number) {
            Some(at) => at,
            None => self.take_in(number)?,
        };
        self.held[at].used = self.clock;
        Ok(&mut self.held[at])
    }

    /// Puts the frame into the place of the one that was used longest ago.
    fn take_in(&mut self, number: u64) -> io::Result<usize> {
        let at = match self.oldest() {
            Some(at) if self.held.len() >= HELD => at,
            _ => {
                self.held.push(Held {
                    number,
                    used: 0,
                    changed: false,
                    bytes: vec![0; STRIDE],
                });
                self.held.len() - 1
            }
        };
        self.put_away(at)?;
        let turn = self.turns.get(&number).copied();
        let turn = turn.or_else(|| (number < self.copied).then_some(0));
        let held = &mut self.held[at];
        // Until it is read it is no frame: a failure must not leave half of one.
        held.number = u64::MAX;
        match turn {
            Some(turn) => {
                self.file.read(offset_of(number), turn, &mut held.bytes)?;
            }
            None => held.bytes.fill(0),
        }
        held.number = number;
        Ok(at)
    }

    fn oldest(&self) -> Option<usize> {
        let held = self.held.iter().enumerate();
        held.min_by_key(|(_, held)| held.used).map(|(at, _)| at)
    }

    /// Writes a frame that was changed.
    fn put_away(&mut self, at: usize) -> io::Result<()> {
        let held = &mut self.held[at];
        if held.changed {
            self.last_turn += 1;
            let offset = offset_of(held.number);
            self.file.encrypt(offset, self.last_turn, &mut held.bytes);
            self.broken = true;
            self.file.write(offset, &held.bytes)?;
            self.broken = false;
            self.turns.insert(held.number, self.last_turn);
            // Its bytes are not plain any more.
            held.number = u64::MAX;
            held.changed = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn empty() -> (tempfile::TempDir, FrameFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = FrameFile::new(UnnamedFile::create(dir.path()).unwrap(), 0);
        (dir, file)
    }

    fn all(file: &mut FrameFile) -> Vec<u8> {
        let mut bytes = vec![1; file.len() as usize + 10];
        let read = file.read(&mut bytes, 0).unwrap();
        bytes.truncate(read);
        bytes
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, usize, u8),
        Truncate(u64),
        Read(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Beyond what is held at once.
        let end = (HELD as u64 + 8) * FRAME as u64;
        prop_oneof![
            4 => (0..end, 0..3 * FRAME, 1_u8..).prop_map(|(at, len, with)| Step::Write(at, len, with)),
            1 => (0..end).prop_map(Step::Truncate),
            2 => (0..end, 0..2 * FRAME).prop_map(|(at, len)| Step::Read(at, len)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_is_like_a_file_in_memory(steps in prop::collection::vec(step(), 0..60)) {
            let ((_dir, mut file), mut model) = (empty(), Vec::new());
            for step in steps {
                match step {
                    Step::Write(at, len, with) => {
                        file.write(&vec![with; len], at).unwrap();
                        let end = at as usize + len;
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].fill(with);
                    }
                    Step::Truncate(len) => {
                        file.truncate(len).unwrap();
                        model.resize(len as usize, 0);
                    }
                    Step::Read(at, len) => {
                        let mut bytes = vec![0; len];
                        let read = file.read(&mut bytes, at).unwrap();
                        let from = model.len().min(at as usize);
                        prop_assert_eq!(&bytes[..read], &model[from..model.len().min(from + len)]);
                    }
                }
                prop_assert_eq!(file.len(), model.len() as u64);
            }
            prop_assert!(all(&mut file) == model);
        }
    }

    #[test]
    fn what_several_read_is_written_by_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let file = UnnamedFile::create(dir.path()).unwrap();
        let mut frame = vec![7; STRIDE];
        file.encrypt(0, 0, &mut frame);
        file.write(0, &frame).unwrap();
        let mut one = FrameFile::new(file, 1000);
        let mut other = one.again().unwrap();
        assert_eq!(all(&mut other), [7; 1000]);
        assert_eq!(all(&mut one), [7; 1000]);
        for file in [&mut one, &mut other] {
            file.write(b"new", 0).unwrap_err();
            file.truncate(10).unwrap_err();
        }
        drop(other);
        one.write(b"new", 0).unwrap();
        // What stands there is known to this one alone from now on.
        assert!(one.again().is_none());
        one.put_away(0).unwrap();
        assert!(one.again().is_none());
        assert_eq!(all(&mut one)[..4], *b"new\x07");
    }

    #[test]
    fn turns_of_what_was_cut_off_are_not_had_again() {
        let (_dir, mut file) = empty();
        file.write(b"cut off", 0).unwrap();
        file.put_away(0).unwrap();
        file.truncate(0).unwrap();
        let mut other = file.again().unwrap();
        drop(file);
        other.write(b"another", 0).unwrap();
        other.put_away(0).unwrap();
        assert_eq!(other.turns[&0], 2);
    }

    #[test]
    fn a_frame_that_is_written_again_is_encrypted_anew() {
        let (_dir, mut file) = empty();
        let mut seen = Vec::new();
        for _ in 0..3 {
            file.write(b"the same", 0).unwrap();
            file.put_away(0).unwrap();
            seen.push(file.turns[&0]);
            file.held.clear();
        }
        assert_eq!(seen, [1, 2, 3]);
        // Also after the file was cut off before it.
        file.truncate(0).unwrap();
        file.write(b"the same", 0).unwrap();
        file.put_away(0).unwrap();
        assert_eq!(file.turns[&0], 4);
    }
}
