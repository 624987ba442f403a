//! Which calls are stopped at, and the seccomp program that stops at them.

use std::io;

use nix::libc;

/// The classes of calls that are steps, each with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Calls {
    /// What gives, takes or changes names, makes durable, or cuts files.
    Durable,
    /// Every write to a file.
    DurableAndWrites,
    /// What opens a file or makes a directory.
    Fallible,
}

/// One system call.
pub struct Call {
    number: libc::c_long,
    /// As in the manual.
    pub name: &'static str,
    /// The class that it is in.
    class: Calls,
    /// When it counts.
    pub counts: Counts,
    /// Whether it fails where no room is left; one that opens does when it makes the file.
    pub takes_room: bool,
}

/// When a call counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    Always,
    /// If its first argument is a file.
    ToFiles,
    /// If its second argument is a path that is not the system's.
    Opening,
}

/// All calls, class by class.
const ALL: &[Call] = &[
    #[cfg(target_arch = "x86_64")]
    step(libc::SYS_rename, "rename"),
    #[cfg(target_arch = "x86_64")]
    room(libc::SYS_link, "link"),
    #[cfg(target_arch = "x86_64")]
    step(libc::SYS_unlink, "unlink"),
    #[cfg(target_arch = "x86_64")]
    step(libc::SYS_rmdir, "rmdir"),
    step(libc::SYS_renameat, "renameat"),
    step(libc::SYS_renameat2, "renameat2"),
    room(libc::SYS_linkat, "linkat"),
    step(libc::SYS_unlinkat, "unlinkat"),
    step(libc::SYS_fsync, "fsync"),
    step(libc::SYS_fdatasync, "fdatasync"),
    step(libc::SYS_sync_file_range, "sync_file_range"),
    step(libc::SYS_msync, "msync"),
    step(libc::SYS_syncfs, "syncfs"),
    step(libc::SYS_sync, "sync"),
    room(libc::SYS_ftruncate, "ftruncate"),
    room(libc::SYS_truncate, "truncate"),
    write(libc::SYS_write, "write"),
    write(libc::SYS_pwrite64, "pwrite64"),
    write(libc::SYS_writev, "writev"),
    write(libc::SYS_pwritev, "pwritev"),
    write(libc::SYS_pwritev2, "pwritev2"),
    making(libc::SYS_openat, "openat", Counts::Opening),
    #[cfg(target_arch = "x86_64")]
    making(libc::SYS_mkdir, "mkdir", Counts::Always),
    making(libc::SYS_mkdirat, "mkdirat", Counts::Always),
];

const fn step(number: libc::c_long, name: &'static str) -> Call {
    Call {
        number,
        name,
        class: Calls::Durable,
        counts: Counts::Always,
        takes_room: false,
    }
}

const fn room(number: libc::c_long, name: &'static str) -> Call {
    Call {
        takes_room: true,
        ..step(number, name)
    }
}

const fn write(number: libc::c_long, name: &'static str) -> Call {
    Call {
        class: Calls::DurableAndWrites,
        counts: Counts::ToFiles,
        ..room(number, name)
    }
}

const fn making(number: libc::c_long, name: &'static str, counts: Counts) -> Call {
    Call {
        class: Calls::Fallible,
        counts,
        ..room(number, name)
    }
}

impl Calls {
    /// The calls of the class, and of those before it.
    pub fn list(self) -> &'static [Call] {
        &ALL[..ALL.partition_point(|call| call.class <= self)]
    }
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64
/// Where `struct seccomp_data` holds the number of the call, and the architecture.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

/// Stops at each of the calls, with its index as the message, and lets all others pass; so too the
/// calls of another architecture, whose numbers mean something else.
pub fn program(calls: &[Call]) -> Vec<libc::sock_filter> {
    let load = |at| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at);
    let end = |verdict| statement(libc::BPF_RET | libc::BPF_K, verdict);
    let all = u8::try_from(calls.len() * 2 + 1).expect("a jump reaches 255 instructions");
    let mut program = vec![
        load(ARCHITECTURE_AT),
        unless(ARCHITECTURE, all),
        load(NUMBER_AT),
    ];
    for (index, call) in calls.iter().enumerate() {
        let number = u32::try_from(call.number).expect("the numbers of calls are small");
        program.push(unless(number, 1));
        program.push(end(libc::SECCOMP_RET_TRACE | index as u32));
    }
    program.push(end(libc::SECCOMP_RET_ALLOW));
    program
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Skips so many instructions unless the loaded value is that one.
fn unless(value: u32, skip: u8) -> libc::sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: skip,
        k: value,
    }
}

/// Puts the filter on this thread and all that it will start. Two system calls and nothing else,
/// so it may run between fork and exec.
pub fn install(program: &[libc::sock_filter]) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(), // the kernel copies it and writes nothing
    };
    // SAFETY: the calls read the filter, which outlives them, and write no memory of ours.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const filter,
            ) != 0
    };
    if failed {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
