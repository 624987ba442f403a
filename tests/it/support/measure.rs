//! What a run of a program needs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Runs a program to its end: how it ended, and the most memory that it has had, in bytes, by the
/// kernel's own account.
pub fn run(command: &mut Command) -> (ExitStatus, u64) {
    let mut child = command.spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut most = 0;
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended, most);
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) << 10);
        std::thread::sleep(Duration::from_millis(10));
    }
}
