//! Lets a call fail that a thread is about to make.

use nix::sys::ptrace;
use nix::unistd::Pid;

/// The number that no call has: the kernel makes none, and leaves the answer as it is.
const NONE: i64 = -1;

/// The call that a stopped thread is entering is not made, and the thread is told this error. One
/// that has been killed meanwhile is left.
#[cfg(target_arch = "x86_64")]
pub fn with_error(pid: Pid, error: i32) {
    let Ok(mut registers) = ptrace::getregs(pid) else {
        return;
    };
    registers.orig_rax = NONE as u64;
    registers.rax = i64::from(-error) as u64;
    let _ = ptrace::setregs(pid, registers);
}

#[cfg(target_arch = "aarch64")]
pub fn with_error(pid: Pid, error: i32) {
    use nix::libc;
    /// The register set that is the number of the call (`NT_ARM_SYSTEM_CALL`).
    const CALL: libc::c_int = 0x404;
    let Ok(mut registers) = ptrace::getregs(pid) else {
        return;
    };
    registers.regs[0] = i64::from(-error) as u64;
    let _ = ptrace::setregs(pid, registers);
    let mut number = NONE as libc::c_int;
    let part = libc::iovec {
        iov_base: (&raw mut number).cast(),
        iov_len: size_of_val(&number),
    };
    // SAFETY: the kernel reads the number, by way of a description of it; both outlive the call.
    unsafe { libc::ptrace(libc::PTRACE_SETREGSET, pid.as_raw(), CALL, &raw const part) };
}
