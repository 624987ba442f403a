//! Memory for secrets that stay: pages of their own, kept out of swap, of core dumps and of
//! forked children, and overwritten before they go back to the system.
//!
//! Layout of the mapping: one machine word with the number of bytes in use, then the bytes. The
//! length lies *inside* because of fork: in a child the kernel replaces these pages by zeros, and
//! a length of zero is what the child then reads. It finds no secrets there, instead of taking
//! zeros for keys.
//!
//! Which protections hold depends on the system. Locking into memory may be refused (the limit
//! `RLIMIT_MEMLOCK`): that is tolerated, because a backup that does not run protects nobody, and
//! told by [`LockedBytes::is_locked`], so that `check` can warn. The advice (no dumps since Linux
//! 3.4, wiped on fork since 4.14) is followed where it is known. Wiping depends on nothing.

#![allow(
    unsafe_code,
    reason = "mappings come as raw pointers; each block says why it is sound, and no other module has any"
)]

use std::alloc::{Layout, handle_alloc_error};
use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The word in front of the bytes, which counts them.
const HEADER: usize = size_of::<usize>();

/// Bytes of fixed capacity in locked memory; wiped on drop.
///
/// Invariants, on which the unsafe code below rests:
/// 1. `base` is the page-aligned start of `mapped` bytes, readable and writable, that are this
///    value's alone from its making to its drop;
/// 2. `mapped` is a multiple of [`HEADER`], at least [`HEADER`], at most `isize::MAX`;
/// 3. the first word is at most `mapped - HEADER`; all bytes are initialised at all times (the
///    system hands out zeros).
pub struct LockedBytes {
    base: NonNull<u8>,
    mapped: usize,
    locked: bool,
}

// SAFETY: by invariant 1 nothing else refers to the mapping, and neither it nor what is done to
// it depends on the thread.
unsafe impl Send for LockedBytes {}
// SAFETY: through `&self` the mapping is only read (fields and bytes are plain data).
unsafe impl Sync for LockedBytes {}

impl LockedBytes {
    /// An empty one that can hold at least `capacity` bytes.
    ///
    /// When the system has no memory left this ends the process, as any `Vec` does: for more than
    /// a few pages, that asks the system for a mapping just like this one.
    pub fn with_capacity(capacity: usize) -> Self {
        let mapped = capacity
            .saturating_add(HEADER)
            .checked_next_multiple_of(HEADER)
            .unwrap_or(usize::MAX);
        // SAFETY: an anonymous mapping at an address that the system chooses overlaps nothing.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        };
        match base.ok().and_then(|base| NonNull::new(base.cast::<u8>())) {
            // SAFETY: fresh, private, zeroed, of that length; the system maps no more than
            // `isize::MAX` bytes; a length of zero fits.
            Some(base) => unsafe { Self::adopt(base, mapped) },
            None => handle_alloc_error(Layout::array::<u8>(mapped).unwrap_or(Layout::new::<u8>())),
        }
    }

    /// One of `len` bytes, all zero, to be written to through [`Self::as_mut_slice`].
    pub fn zeroed(len: usize) -> Self {
        let mut bytes = Self::with_capacity(len);
        bytes.set_len(len);
        bytes
    }

    /// Takes over a mapping and protects it as far as the system lets it.
    ///
    /// # Safety
    /// The three invariants of the type must hold for `base` and `mapped`, and the mapping must be
    /// one that `munmap` may remove.
    unsafe fn adopt(base: NonNull<u8>, mapped: usize) -> Self {
        let start = base.as_ptr().cast();
        // SAFETY: the range is ours; neither the advice nor the lock changes its contents (what
        // is wiped on fork is the child's copy).
        let locked = unsafe {
            let _ = madvise(start, mapped, Advice::LinuxDontDump);
            let _ = madvise(start, mapped, Advice::LinuxWipeOnFork);
            mlock(start, mapped).is_ok()
        };
        Self {
            base,
            mapped,
            locked,
        }
    }

    /// Whether the system keeps these bytes out of swap. If not, the limit `RLIMIT_MEMLOCK` is too
    /// low for them.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// The most bytes that fit.
    pub fn capacity(&self) -> usize {
        self.mapped - HEADER
    }

    fn len(&self) -> usize {
        // SAFETY: an initialised, aligned word by invariants 1 to 3.
        unsafe { self.base.cast::<usize>().read() }
    }

    /// The caller has checked that `len` fits.
    fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        // SAFETY: as in `len`, and `&mut self` has it alone.
        unsafe { self.base.cast::<usize>().write(len) }
    }

    /// The bytes in use.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: by invariant 3 the bytes lie within the mapping and are initialised; they are
        // borrowed as `self` is.
        unsafe { slice::from_raw_parts(self.base.as_ptr().add(HEADER), self.len()) }
    }

    /// The bytes in use, to be written to.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and `&mut self` has them alone.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr().add(HEADER), self.len()) }
    }

    /// Appends bytes.
    ///
    /// # Panics
    /// Like indexing, when they don't fit into what is left of the capacity: the caller has asked
    /// for less than it needs, and going on would lose keys.
    pub fn extend(&mut self, bytes: &[u8]) {
        let used = self.len();
        let room = self.capacity() - used;
        let more = bytes.len();
        assert!(more <= room, "{more} bytes do not fit into {room}");
        self.set_len(used + more);
        self.as_mut_slice()[used..].copy_from_slice(bytes);
    }

    /// Overwrites everything, also what lies beyond the bytes in use; empty afterwards.
    pub fn wipe(&mut self) {
        // SAFETY: the whole mapping, as words (invariants 1 and 2), all initialised, ours alone.
        let words = unsafe {
            slice::from_raw_parts_mut(self.base.cast::<usize>().as_ptr(), self.mapped / HEADER)
        };
        words.zeroize();
    }
}

#[cfg(test)]
impl LockedBytes {
    /// Has [`Self::is_locked`] say so, whatever the limit of the machine that runs the tests.
    pub(crate) fn pretend_locked(&mut self, locked: bool) {
        self.locked = locked;
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        self.wipe();
        // SAFETY: the mapping is ours (invariant 1), and nothing uses it after its drop. Unmapping
        // unlocks too. It can only fail for a range that is no mapping, and then nothing is left
        // to be done.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.mapped) };
    }
}

impl ZeroizeOnDrop for LockedBytes {}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockedBytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests;
