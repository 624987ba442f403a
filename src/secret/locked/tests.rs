use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::*;

/// The flags of the mapping that holds `address`, as the kernel shows them.
fn kernel_flags(address: usize) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in text.lines() {
        let range = line.split(' ').next().and_then(|r| r.split_once('-'));
        let hex = |text| usize::from_str_radix(text, 16).ok();
        if let Some((Some(from), Some(to))) = range.map(|(a, b)| (hex(a), hex(b))) {
            inside = (from..to).contains(&address);
        } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
            return flags.split_whitespace().map(str::to_owned).collect();
        }
    }
    panic!("no mapping at that address");
}

/// A mapping that a file in memory shows too, so that a test sees what is left of it.
fn over_file(mapped: usize, file_len: usize) -> (LockedBytes, File) {
    let fd = rustix::fs::memfd_create("locked", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&fd, file_len as u64).unwrap();
    // SAFETY: a new mapping at an address that the system chooses.
    let base = unsafe {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        rustix::mm::mmap(ptr::null_mut(), mapped, prot, flags, &fd, 0).unwrap()
    };
    // SAFETY: zeroed, of that length, and nobody else's until it is dropped.
    let bytes = unsafe { LockedBytes::adopt(NonNull::new(base.cast()).unwrap(), mapped) };
    (bytes, File::from(fd))
}

fn contents(file: &File) -> Vec<u8> {
    let mut all = vec![0xff; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut all, 0).unwrap();
    all
}

#[test]
fn holds_what_was_put_in() {
    let mut bytes = LockedBytes::with_capacity(5);
    assert_eq!(bytes.as_slice(), b"");
    assert_eq!(bytes.capacity(), 8);
    bytes.extend(b"ab");
    bytes.extend(b"");
    bytes.extend(b"cde");
    assert_eq!(bytes.as_slice(), b"abcde");
    bytes.as_mut_slice()[1] = b'X';
    assert_eq!(bytes.as_slice(), b"aXcde");
    assert_eq!(format!("{bytes:?}"), "LockedBytes(5 bytes)");
}

#[test]
fn the_whole_capacity_can_be_used_and_no_more() {
    for capacity in [0, 1, 7, 8, 4088, 4089, 10_000] {
        let mut bytes = LockedBytes::with_capacity(capacity);
        assert!((capacity..capacity + HEADER).contains(&bytes.capacity()));
        let full = vec![0xa5; bytes.capacity()];
        bytes.extend(&full);
        assert_eq!(bytes.as_slice(), full);
        let more = std::panic::AssertUnwindSafe(|| bytes.extend(b"x"));
        let refused = std::panic::catch_unwind(more).unwrap_err();
        let message = refused.downcast_ref::<String>().unwrap();
        assert_eq!(message, "1 bytes do not fit into 0");
        assert_eq!(bytes.as_slice(), full);
    }
}

#[test]
fn zeroed_has_the_length_asked_for() {
    let mut bytes = LockedBytes::zeroed(41);
    assert_eq!(bytes.as_slice(), [0; 41]);
    assert_eq!(bytes.as_mut_slice().len(), 41);
}

#[test]
fn wiping_leaves_zeros_and_nothing_in_use() {
    let (mut bytes, file) = over_file(4096, 4096);
    bytes.extend(&[0xa5; 100]);
    bytes.wipe();
    assert_eq!(bytes.as_slice(), b"");
    assert_eq!(contents(&file), [0; 4096]);
}

#[test]
fn dropping_wipes_before_it_unmaps() {
    let (mut bytes, file) = over_file(4096, 4096);
    let full = vec![0xa5; bytes.capacity()];
    bytes.extend(&full);
    assert_eq!(contents(&file)[HEADER..], full);
    drop(bytes);
    assert_eq!(contents(&file), [0; 4096]);
}

#[test]
fn dropping_gives_the_memory_back() {
    let (bytes, file) = over_file(4096, 4096);
    let inode = format!(" {} ", file.metadata().unwrap().ino());
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines()
            .any(|line| line.contains(&inode) && line.contains("memfd:locked"))
    };
    assert!(mapped());
    drop(bytes);
    assert!(!mapped());
}

#[test]
fn the_kernel_knows_that_it_is_secret() {
    let bytes = LockedBytes::with_capacity(100);
    let flags = kernel_flags(bytes.base.as_ptr() as usize);
    assert!(flags.iter().any(|f| f == "dd"), "not dumped: {flags:?}");
    assert!(flags.iter().any(|f| f == "wf"), "wiped on fork: {flags:?}");
    assert_eq!(flags.iter().any(|f| f == "lo"), bytes.is_locked());
}

#[test]
fn memory_that_cannot_be_locked_works_and_says_so() {
    // The second page lies beyond the file's end, so it cannot be brought into memory.
    let (mut bytes, file) = over_file(8192, 4096);
    assert!(!bytes.is_locked());
    file.set_len(8192).unwrap();
    bytes.extend(&[0xa5; 5000]);
    assert_eq!(bytes.as_slice(), [0xa5; 5000]);
    drop(bytes);
    assert_eq!(contents(&file), [0; 8192]);
}

#[test]
fn a_forked_child_finds_nothing() {
    let mut bytes = LockedBytes::with_capacity(100);
    bytes.extend(&[0xa5; 100]);
    // SAFETY: the child allocates nothing and takes no lock: it reads one slice and leaves.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            let found = bytes.as_slice().len();
            // SAFETY: ends the child at once; nothing of this process runs in it any more.
            unsafe { nix::libc::_exit(i32::from(found != 0)) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            let ended = nix::sys::wait::waitpid(child, None).unwrap();
            assert_eq!(ended, nix::sys::wait::WaitStatus::Exited(child, 0));
        }
    }
    assert_eq!(bytes.as_slice(), [0xa5; 100]);
}
