//! Copies a file into frames, as fast as it goes: one thread reads, others encrypt and write.
//!
//! Whoever copies a database keeps its writers waiting, so nothing else is done meanwhile, and no step
//! waits for another: what is read goes from hand to hand in a few large buffers.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::frames::{FRAME, STRIDE, offset_of};
use crate::seal::TAG;
use crate::unnamed::UnnamedFile;

/// Frames that are handed on, and written, as one: a MiB.
const TOGETHER: usize = 16;
/// How many buffers of [`TOGETHER`] frames there are at most: 16 MiB.
const BUFFERS: usize = 16;
/// Threads that encrypt and write.
const WRITERS: usize = 2;

/// The room that [`copy`] takes for `len` bytes.
pub(super) fn room(len: u64) -> u64 {
    offset_of(len.div_ceil(FRAME as u64))
}

/// Frames that stand behind one another, from number `first` on.
struct Batch {
    first: u64,
    bytes: Vec<u8>,
}

/// Copies `len` bytes into `into`, which holds nothing yet. `read` fills what it is given from an offset
/// on; all but the last time that is a whole frame.
///
/// # Errors
/// The first error of `read`, or of writing.
pub(super) fn copy<E: From<io::Error> + Send>(
    len: u64,
    into: &UnnamedFile,
    mut read: impl FnMut(&mut [u8], u64) -> Result<(), E>,
) -> Result<(), E> {
    let (full, to_write) = channel();
    let (free, to_fill) = channel();
    let (to_write, failed) = (Mutex::new(to_write), AtomicBool::new(false));
    let to_write = &to_write;
    let failed = &failed;
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let free = free.clone();
                scope.spawn(move || write(into, to_write, &free, failed))
            })
            .collect();
        drop(free);
        let done = fill(len, &mut read, &full, &to_fill, failed);
        // Without the sender the writers end when they have written what there is.
        drop(full);
        for writer in writers {
            let written = writer.join().unwrap_or_else(|_| {
                let what = "a thread that encrypts has ended";
                Err(io::Error::other(what))
            });
            written?;
        }
        done
    })
}

/// Reads everything and hands it on; less when writing has failed.
fn fill<E>(
    len: u64,
    read: &mut impl FnMut(&mut [u8], u64) -> Result<(), E>,
    full: &Sender<Batch>,
    to_fill: &Receiver<Vec<u8>>,
    failed: &AtomicBool,
) -> Result<(), E> {
    let (mut at, mut made) = (0, 0);
    while at < len && !failed.load(Ordering::Relaxed) {
        let mut bytes = if made < BUFFERS {
            made += 1;
            vec![0; TOGETHER * STRIDE]
        } else {
            match to_fill.recv() {
                Ok(bytes) => bytes,
                Err(_) => return Ok(()),
            }
        };
        let first = at / FRAME as u64;
        let mut frames = 0;
        while frames < TOGETHER && at < len {
            let frame = &mut bytes[frames * STRIDE..(frames + 1) * STRIDE - TAG];
            let count = (len - at).min(FRAME as u64) as usize;
            read(&mut frame[..count], at)?;
            frame[count..].fill(0);
            at += count as u64;
            frames += 1;
        }
        bytes.truncate(frames * STRIDE);
        if full.send(Batch { first, bytes }).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Encrypts and writes what comes, and gives the buffers back.
fn write(
    into: &UnnamedFile,
    to_write: &Mutex<Receiver<Batch>>,
    free: &Sender<Vec<u8>>,
    failed: &AtomicBool,
) -> io::Result<()> {
    loop {
        let next = match to_write.lock() {
            Ok(to_write) => to_write.recv(),
            Err(_) => return Ok(()),
        };
        let Ok(Batch { first, mut bytes }) = next else {
            return Ok(());
        };
        for (number, frame) in (first..).zip(bytes.chunks_exact_mut(STRIDE)) {
            into.encrypt(offset_of(number), 0, frame);
        }
        if let Err(error) = into.write(offset_of(first), &bytes) {
            failed.store(true, Ordering::Relaxed);
            return Err(error);
        }
        // Nobody takes it when everything was read.
        let _ = free.send(bytes);
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
        let many = (BUFFERS + 3) * TOGETHER * FRAME;
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
                Ok::<_, io::Error>(())
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
