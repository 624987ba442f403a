//! Parts of packs that are kept at hand for whoever reads a snapshot in its order.
//!
//! Such a reader goes through each pack from front to back, but through many at a time: one for each snapshot that the
//! pieces stem from. Of each pack one window is kept. Where one has to go for others before its reader is through with it, the
//! windows are too long for so many packs, and those that follow are half as long: otherwise each piece would fetch a window
//! anew.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;

use crate::error::{Failure, Outcome};
use crate::ids::ObjectName;
use crate::pack::Slot;
use crate::page::PackRef;

/// How much is kept, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Of all windows together.
    pub all: u64,
    /// Of one, at first: a few requests a pack.
    pub longest: u64,
    /// Of one, at least.
    pub shortest: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all: 64 << 20,
            longest: 8 << 20,
            shortest: 256 << 10,
        }
    }
}

/// The windows at hand, the one that was used last at the end.
pub(super) struct Windows {
    limits: Limits,
    /// How long the next one is.
    len: u64,
    windows: VecDeque<Window>,
    /// Which parts of packs had to go for others.
    gone: HashMap<ObjectName, Range<u64>>,
}

struct Window {
    pack: ObjectName,
    start: u64,
    bytes: Bytes,
}

impl Window {
    fn range(&self) -> Range<u64> {
        self.start..self.start + self.bytes.len() as u64
    }

    fn part(&self, range: &Range<u64>) -> Option<Bytes> {
        let here = self.range();
        let is_here = here.start <= range.start && range.end <= here.end;
        // Inside of what is in memory.
        let from = |at: u64| (at - here.start) as usize;
        is_here.then(|| self.bytes.slice(from(range.start)..from(range.end)))
    }
}

impl Windows {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            len: limits.longest,
            windows: VecDeque::new(),
            gone: HashMap::new(),
        }
    }

    /// The stored bytes of a blob; `read` gives those of a part of its pack.
    pub fn blob(
        &mut self,
        pack: &PackRef,
        slot: Slot,
        read: impl FnOnce(Range<u64>) -> Outcome<Bytes>,
    ) -> Outcome<Bytes> {
        let start = u64::from(slot.offset);
        let range = start..start + u64::from(slot.len);
        let at = self.windows.iter().rposition(|it| it.pack == pack.name);
        if let Some(window) = at.and_then(|at| self.windows.remove(at))
            && let Some(blob) = window.part(&range)
        {
            self.windows.push_back(window);
            return Ok(blob);
        }
        if range.end > pack.size {
            return Err(Failure::new("a blob does not lie in its pack"));
        }
        if let Some(gone) = self.gone.remove(&pack.name) {
            // One of a length that has already turned out too long tells nothing new.
            let is_of_now = gone.end - gone.start <= self.len;
            if is_of_now && gone.contains(&start) {
                self.len = (self.len / 2).max(self.limits.shortest);
            }
        }
        let end = range.end.max(pack.size.min(start + self.len));
        let window = Window {
            pack: pack.name,
            start,
            bytes: read(start..end)?,
        };
        let blob = window.part(&range);
        self.windows.push_back(window);
        self.drop_the_oldest();
        blob.ok_or_else(|| Failure::new("it ends before a blob does"))
    }

    /// Drops the window of a pack.
    pub fn drop(&mut self, pack: ObjectName) {
        self.windows.retain(|it| it.pack != pack);
    }

    fn drop_the_oldest(&mut self) {
        let mut all: u64 = self.windows.iter().map(|it| it.bytes.len() as u64).sum();
        while all > self.limits.all && self.windows.len() > 1 {
            let Some(oldest) = self.windows.pop_front() else {
                return;
            };
            all -= oldest.bytes.len() as u64;
            self.gone.insert(oldest.pack, oldest.range());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LIMITS: Limits = Limits {
        all: 1000,
        longest: 100,
        shortest: 10,
    };

    fn pack(n: u8) -> PackRef {
        PackRef {
            name: ObjectName([n; 32]),
            size: 1000,
            salt: [n; 16],
            dictionary: 0,
        }
    }

    /// Reads `packs` side by side, in blobs of 10 bytes: how much was asked for, how much was held at most, and how long
    /// windows were in the end.
    fn read(packs: u8) -> (u64, u64, u64) {
        let mut windows = Windows::new(LIMITS);
        let (asked, mut held) = (Cell::new(0), 0);
        for offset in (0..1000).step_by(10) {
            for n in 0..packs {
                let slot = Slot { offset, len: 10 };
                let blob = windows.blob(&pack(n), slot, |range| {
                    asked.set(asked.get() + range.end - range.start);
                    assert!(range.end <= 1000, "nothing lies behind a pack");
                    Ok(range.map(|at| at as u8 ^ n).collect())
                });
                let expected = (offset..offset + 10).map(|at| at as u8 ^ n);
                assert_eq!(blob.unwrap(), expected.collect::<Bytes>());
                held = held.max(windows.windows.iter().map(|it| it.bytes.len() as u64).sum());
            }
        }
        (asked.get(), held, windows.len)
    }

    #[test]
    fn few_packs_are_read_once() {
        for packs in [1, 2, 10] {
            assert_eq!(read(packs).0, u64::from(packs) * 1000);
        }
    }

    #[test]
    fn many_packs_take_shorter_windows_and_no_more_memory() {
        for packs in [11, 20, 50, 80] {
            let (asked, held, len) = read(packs);
            let once = u64::from(packs) * 1000;
            // Each length that turns out too long costs some windows.
            assert!(asked < once * 3 / 2, "{packs}: {asked} instead of {once}");
            assert!(held <= LIMITS.all, "{packs}: {held}");
            let share = LIMITS.all / u64::from(packs);
            assert!(len * 2 >= share, "{packs}: {len}, of a share of {share}");
        }
    }

    #[test]
    fn a_blob_that_is_longer_than_a_window_comes_whole_and_one_that_is_cut_short_does_not() {
        let mut windows = Windows::new(LIMITS);
        let long = Slot {
            offset: 100,
            len: 500,
        };
        let whole = windows.blob(&pack(1), long, |range| {
            assert_eq!(range, 100..600);
            Ok(Bytes::from(vec![7; 500]))
        });
        assert_eq!(whole.unwrap().len(), 500);
        let cut = windows.blob(&pack(2), long, |_| Ok(Bytes::from(vec![7; 499])));
        assert!(cut.unwrap_err().to_string().contains("ends before"));
        let lies = Slot {
            offset: u32::MAX,
            len: u32::MAX,
        };
        windows
            .blob(&pack(3), lies, |_| panic!("nothing lies there"))
            .unwrap_err();
    }
}
