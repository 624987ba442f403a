//! Looks at the call that a stopped thread is entering.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use nix::libc;
use nix::unistd::Pid;

use super::filter::{Call, Counts};

/// What opens there concerns the program's loader and the machine, and no data.
const SYSTEM: [&str; 7] = ["/dev", "/etc", "/lib", "/lib64", "/proc", "/sys", "/usr"];

/// Whether the call counts as a step.
pub fn counts(call: &Call, pid: Pid) -> bool {
    match call.counts {
        Counts::Always => true,
        Counts::ToFiles => argument(pid, 0).is_some_and(|fd| is_file(pid, fd as u32)),
        Counts::Opening => {
            let path = argument(pid, 1).and_then(|at| text(pid, at));
            path.is_some_and(|path| {
                !SYSTEM
                    .iter()
                    .any(|system| Path::new(&path).starts_with(system))
            })
        }
    }
}

/// Whether the call fails where no room is left.
pub fn takes_room(call: &Call, pid: Pid) -> bool {
    let makes = |flags: u64| flags & libc::O_CREAT as u64 != 0;
    let opens = call.counts == Counts::Opening;
    call.takes_room && (!opens || argument(pid, 2).is_some_and(makes))
}

fn argument(pid: Pid, index: usize) -> Option<u64> {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let word = call.split(' ').nth(1 + index)?.strip_prefix("0x")?;
    u64::from_str_radix(word, 16).ok()
}

/// The text that begins at this address of the thread's memory and ends with a zero.
fn text(pid: Pid, at: u64) -> Option<String> {
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = [0; libc::PATH_MAX as usize];
    // A page that is not there ends it, behind the text or before.
    let len = memory.read_at(&mut bytes, at).ok()?;
    let text = bytes[..len].split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Whether an open file is one of a file system, rather than a pipe, a socket, an event counter or a
/// device.
fn is_file(pid: Pid, fd: u32) -> bool {
    let target = std::fs::read_link(format!("/proc/{pid}/fd/{fd}"));
    target.is_ok_and(|path| path.is_absolute() && !path.starts_with("/dev") && !is_memory(&path))
}

fn is_memory(path: &Path) -> bool {
    path.to_string_lossy().starts_with("/memfd:")
}
