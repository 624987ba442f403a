//! A killer that walks through every durable step of a program, and fails single steps of it.
//!
//! It runs the program under ptrace, with all threads and child processes, stops it at the entry
//! of each call that changes what is durable, and kills all of it at the n-th: the n - 1 calls
//! before it have happened, in whatever thread, and neither it nor any later one has. Whoever runs
//! it for every n has seen every crash that can happen between two such calls. The count is over
//! the whole program, so a pool of threads hides nothing. Instead of being killed there, it may be
//! told that the call has failed, which then is not made.
//!
//! A seccomp filter picks the calls (`SECCOMP_RET_TRACE`), so that everything else runs at full
//! speed. Its return value carries the index of the call in the list, and no registers need to be
//! read. Two things to know: the program runs with `no_new_privs`, and its output must go to a
//! file or to nowhere, since nobody reads a pipe meanwhile.

#![allow(
    unsafe_code,
    reason = "tracing a process needs system calls that no crate wraps safely; each block says why it is sound"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

mod filter;
mod look;
mod skip;

use filter::Call;
pub use filter::Calls;

/// A program that runs longer hangs, and is killed.
const LIMIT: Duration = Duration::from_secs(300);
/// How the end of a call is told from a signal (`PTRACE_O_TRACESYSGOOD`).
const STEP_ENDS: i32 = libc::SIGTRAP | 0x80;

/// The durable steps of a program that ran to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// How many there were.
    pub total: u64,
    /// How many of each call.
    pub by_name: BTreeMap<&'static str, u64>,
    /// The program's exit code, or 128 and the signal.
    pub exit: i32,
}

/// Such as `7 steps (4 fsync, 1 renameat2, 2 unlinkat)`.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .by_name
            .iter()
            .map(|(name, count)| format!("{count} {name}"));
        write!(
            f,
            "{} steps ({})",
            self.total,
            names.collect::<Vec<_>>().join(", ")
        )
    }
}

/// What became of a program that was to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Killed as it entered this call.
    Killed {
        /// The call's name.
        call: &'static str,
    },
    /// It ended before, with this exit code (or 128 and the signal).
    Finished(i32),
}

/// What is done to a program's n-th step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All of the program is killed as it enters it.
    Kill,
    /// It fails with an I/O error, and no other does.
    Fails,
    /// It fails with an I/O error, and so do all that come after it: the disk has died.
    Dies,
    /// From it on there is no room: whatever takes some fails.
    Full,
}

impl Fault {
    /// With what error a call fails, when it is this fault's.
    fn error(self) -> i32 {
        match self {
            Self::Full => libc::ENOSPC,
            Self::Kill | Self::Fails | Self::Dies => libc::EIO,
        }
    }

    /// Whether it strikes the call that a thread is entering, the `entered`-th, when it comes at the
    /// `at`-th.
    fn strikes(self, call: &Call, pid: Pid, entered: u64, at: u64) -> bool {
        match self {
            Self::Kill | Self::Fails => entered == at,
            Self::Dies => entered >= at,
            Self::Full => entered >= at && look::takes_room(call, pid),
        }
    }
}

/// What became of a program of which calls were to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The first call that did, if any.
    pub call: Option<&'static str>,
    /// The program's exit code, or 128 and the signal.
    pub exit: i32,
}

/// Runs a program to its end and counts its steps. The command is used up, because it is armed.
pub fn count(command: Command, calls: Calls) -> Steps {
    let end = trace(command, calls, Fault::Kill, None);
    let total = end.by_name.values().sum();
    Steps {
        total,
        by_name: end.by_name,
        exit: end.exit,
    }
}

/// Runs a program and kills all of it as it enters its n-th step, counted from 1.
pub fn kill_at(command: Command, calls: Calls, n: u64) -> Outcome {
    assert!(n > 0, "steps are counted from 1");
    let end = trace(command, calls, Fault::Kill, Some(n));
    match end.fault_in {
        Some(call) => Outcome::Killed { call },
        None => Outcome::Finished(end.exit),
    }
}

/// Runs a program to its end, with this fault from its n-th step on, counted from 1.
pub fn fail_at(command: Command, calls: Calls, fault: Fault, n: u64) -> Failed {
    assert!(n > 0 && fault != Fault::Kill);
    let end = trace(command, calls, fault, Some(n));
    Failed {
        call: end.fault_in,
        exit: end.exit,
    }
}

/// How a traced program ended.
struct End {
    by_name: BTreeMap<&'static str, u64>,
    /// The first call that was kept from happening.
    fault_in: Option<&'static str>,
    exit: i32,
}

/// Being a tracer is bound to a thread, and so is waiting for one's own tracees and for nobody
/// else's children: all of it happens on one thread of its own.
fn trace(command: Command, calls: Calls, fault: Fault, n: Option<u64>) -> End {
    let tracer = std::thread::Builder::new().name("tracer".into());
    let tracer = tracer.spawn(move || Tracer::start(command, calls, fault, n).run());
    match tracer.expect("a thread for the tracer").join() {
        Ok(end) => end,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

struct Tracer {
    calls: &'static [Call],
    root: Pid,
    /// Every thread that has reported so far and has not ended.
    known: BTreeSet<Pid>,
    /// Those of them that are within a step.
    within: BTreeSet<Pid>,
    killed: bool,
    fault: Fault,
    at: Option<u64>,
    entered: u64,
    end: End,
}

impl Tracer {
    #[expect(clippy::zombie_processes, reason = "waited for with all other tracees")]
    fn start(mut command: Command, calls: Calls, fault: Fault, at: Option<u64>) -> Self {
        let calls = calls.list();
        let program = filter::program(calls);
        command.process_group(0);
        // SAFETY: between fork and exec only three system calls are made, with values that were
        // made before the fork: nothing is allocated and no lock is taken.
        unsafe {
            command.pre_exec(move || {
                ptrace::traceme()?;
                filter::install(&program)
            });
        }
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
        let root = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        let end = End {
            by_name: BTreeMap::new(),
            fault_in: None,
            exit: -1,
        };
        let (known, within) = (BTreeSet::new(), BTreeSet::new());
        Self {
            calls,
            root,
            known,
            within,
            killed: false,
            fault,
            at,
            entered: 0,
            end,
        }
    }

    fn run(mut self) -> End {
        let (running, ended) = mpsc::channel::<()>();
        let root = self.root;
        let watchdog = std::thread::spawn(move || {
            let late = ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                let _ = killpg(root, Signal::SIGKILL);
            }
            late
        });
        while let Some((pid, status)) = wait() {
            self.see(pid, status);
        }
        drop(running);
        assert!(
            !watchdog.join().expect("the watchdog"),
            "the program ran for over {LIMIT:?}"
        );
        self.end
    }

    fn see(&mut self, pid: Pid, status: i32) {
        if libc::WIFSTOPPED(status) {
            self.stopped(pid, libc::WSTOPSIG(status), status >> 16);
        } else {
            self.known.remove(&pid);
            self.within.remove(&pid);
            if pid == self.root {
                let by_signal = libc::WIFSIGNALED(status);
                let signal = 128 + libc::WTERMSIG(status);
                self.end.exit = if by_signal {
                    signal
                } else {
                    libc::WEXITSTATUS(status)
                };
            }
        }
        // The steps before the fatal one are let through to their end first.
        if self.is_dying() && self.within.is_empty() && !self.killed {
            self.killed = true;
            self.kill_all();
        }
    }

    fn stopped(&mut self, pid: Pid, signal: i32, event: i32) {
        let new = self.known.insert(pid);
        if self.killed {
            let _ = kill(pid, Signal::SIGKILL); // it was born while the others died
            return;
        }
        match (event, signal) {
            (libc::PTRACE_EVENT_SECCOMP, _) => return self.enters(pid),
            (libc::PTRACE_EVENT_EXEC, _) => self.exec(pid),
            (0, STEP_ENDS) => {
                self.within.remove(&pid);
            }
            (0, _) if new && pid == self.root => self.begin(pid),
            (0, libc::SIGSTOP) if new => {} // how a new thread or process reports
            (0, _) => return go_on(libc::PTRACE_CONT, pid, signal),
            _ => {}
        }
        go_on(libc::PTRACE_CONT, pid, 0);
    }

    /// The first stop is that after the program's own exec.
    fn begin(&self, root: Pid) {
        let follow = Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(root, follow).expect("the program follows its tracer");
    }

    /// Whether the fatal step has been entered.
    fn is_dying(&self) -> bool {
        self.fault == Fault::Kill && self.end.fault_in.is_some()
    }

    /// Counts a step and lets it be done, to be told when it has been, or fail. The fatal one, and
    /// all that are entered after it, are kept where they are.
    fn enters(&mut self, pid: Pid) {
        if self.is_dying() {
            return;
        }
        // Fails only when somebody else has killed it: then the call has no effect either.
        let Ok(index) = ptrace::getevent(pid) else {
            return;
        };
        let call = usize::try_from(index)
            .ok()
            .and_then(|index| self.calls.get(index));
        let call = call.expect("the filter returns an index of the list");
        if !look::counts(call, pid) {
            return go_on(libc::PTRACE_CONT, pid, 0);
        }
        *self.end.by_name.entry(call.name).or_default() += 1;
        self.entered += 1;
        let strikes = |at| self.fault.strikes(call, pid, self.entered, at);
        if self.at.is_some_and(strikes) {
            self.end.fault_in.get_or_insert(call.name);
            if self.fault != Fault::Kill {
                skip::with_error(pid, self.fault.error());
                go_on(libc::PTRACE_CONT, pid, 0);
            }
        } else {
            self.within.insert(pid);
            go_on(libc::PTRACE_SYSCALL, pid, 0);
        }
    }

    /// A thread that executes a program takes the number of its process; its own is free again.
    fn exec(&mut self, pid: Pid) {
        let former = ptrace::getevent(pid)
            .ok()
            .and_then(|tid| i32::try_from(tid).ok());
        if let Some(former) = former.map(Pid::from_raw)
            && former != pid
        {
            self.known.remove(&former);
        }
    }

    /// The call in which a thread stands is skipped when that thread has been killed.
    fn kill_all(&self) {
        let _ = killpg(self.root, Signal::SIGKILL);
        for pid in &self.known {
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }
}

/// The next report of any tracee of this thread, and of nobody else's children.
fn wait() -> Option<(Pid, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: the status is written to a local variable. The call is made by hand because
        // nix loses the reports of realtime signals.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        match (pid, io::Error::last_os_error().raw_os_error()) {
            (1.., _) => return Some((Pid::from_raw(pid), status)),
            (_, Some(libc::EINTR)) => {}
            (_, Some(libc::ECHILD)) => return None,
            (_, error) => panic!("waitpid: {error:?}"),
        }
    }
}

/// Lets a stopped thread run on (`PTRACE_CONT`), or to the end of its call (`PTRACE_SYSCALL`),
/// with that signal delivered (0: none). One that has died meanwhile is left.
fn go_on(how: libc::c_uint, pid: Pid, signal: i32) {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: both requests read and write no memory of this process; the last argument is the
    // signal's number. By hand because nix knows no realtime signals.
    unsafe { libc::ptrace(how, pid.as_raw(), none, libc::c_long::from(signal)) };
}

#[cfg(test)]
mod tests;
