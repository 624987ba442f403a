//! Copies a file into frames, as fast as it goes.
//!
//! Whoever copies a database keeps its writers waiting, so nothing else is done meanwhile. Two threads take
//! turns at reading; what one has read it encrypts and writes at once, while it still is in the
//! processor's cache.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::frames::{FRAME, STRIDE, offset_of};
use crate::unnamed::UnnamedFile;

/// Frames that are read, and written, as one: 256 KiB.
const TOGETHER: usize = 16;

/// The room that [`copy`] takes for `len` bytes.
pub(super) fn room(len: u64) -> u64 {
    offset_of(len.div_ceil(FRAME as u64))
}

/// What is copied, and how far that is.
struct Source<R> {
    read: R,
    at: u64,
    len: u64,
}

/// Copies `len` bytes into `into`, which holds nothing yet. `read` fills what it is given from an offset on.
///
/// # Errors
/// The first error of `read`, or of writing.
pub(super) fn copy(
    len: u64,
    into: &UnnamedFile,
    read: impl FnMut(&mut [u8], u64) -> io::Result<()> + Send,
) -> io::Result<()> {
    let source = Mutex::new(Source { read, at: 0, len });
    thread::scope(|scope| {
        let other = scope.spawn(|| work(&source, into));
        let done = work(&source, into);
        let other = other.join().unwrap_or_else(|_| {
            let what = "a thread that copies has ended";
            Err(io::Error::other(what))
        });
        done.and(other)
    })
}

/// Copies until nothing is left to be read, or something has failed.
fn work<R: FnMut(&mut [u8], u64) -> io::Result<()>>(
    source: &Mutex<Source<R>>,
    into: &UnnamedFile,
) -> io::Result<()> {
    let lock = || source.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bytes = vec![0; TOGETHER * STRIDE];
    let once = |bytes: &mut [u8]| {
        let Some((first, frames)) = lock().fill(bytes)? else {
            return Ok(false);
        };
        let bytes = &mut bytes[..frames * STRIDE];
        for (number, frame) in (first..).zip(bytes.chunks_exact_mut(STRIDE)) {
            into.encrypt(offset_of(number), 0, frame);
        }
        into.write(offset_of(first), bytes)?;
        Ok(true)
    };
    loop {
        match once(&mut bytes) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                // Nothing more is read, by the other thread either.
                let mut source = lock();
                source.at = source.len;
                return Err(error);
            }
        }
    }
}

impl<R: FnMut(&mut [u8], u64) -> io::Result<()>> Source<R> {
    /// Reads the next frames: the first one's number, and how many. None at the end.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<Option<(u64, usize)>> {
        let first = self.at / FRAME as u64;
        let mut frames = 0;
        for frame in bytes.chunks_exact_mut(STRIDE) {
            let count = (self.len - self.at).min(FRAME as u64) as usize;
            if count == 0 {
                break;
            }
            (self.read)(&mut frame[..count], self.at)?;
            frame[count..].fill(0);
            self.at += count as u64;
            frames += 1;
        }
        Ok((frames > 0).then_some((first, frames)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::FrameFile;
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len)
            .map(|at| (at / 7) as u8 ^ (at >> 12) as u8)
            .collect()
    }

    #[test]
    fn what_is_copied_reads_the_same_at_every_length() {
        let dir = tempfile::tempdir().unwrap();
        let many = 9 * TOGETHER * FRAME;
        for len in [
            0,
            1,
            FRAME - 1,
            FRAME,
            FRAME + 1,
            TOGETHER * FRAME,
            many + 5,
        ] {
            let from = bytes(len);
            let file = UnnamedFile::create(dir.path()).unwrap();
            let read = |into: &mut [u8], at: u64| {
                into.copy_from_slice(&from[at as usize..at as usize + into.len()]);
                Ok(())
            };
            copy(len as u64, &file, read).unwrap();
            let mut file = FrameFile::new(file, len as u64);
            let mut back = vec![0; len + 1];
            assert_eq!(file.read(&mut back, 0).unwrap(), len);
            assert!(back[..len] == from[..], "{len}");
        }
    }

    #[test]
    fn an_error_of_reading_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = UnnamedFile::create(dir.path()).unwrap();
        let read = |_: &mut [u8], at: u64| match at {
            0 => Ok(()),
            _ => Err(io::Error::other("no more")),
        };
        let error = copy(1 << 20, &file, read).unwrap_err();
        assert_eq!(error.to_string(), "no more");
    }
}
