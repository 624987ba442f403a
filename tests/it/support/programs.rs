//! Programs that tests need.

use std::process::{Command, Stdio};

/// Whether a program is there that a test needs; in CI it must be.
pub fn has(what: &str, command: &[&str]) -> bool {
    let ran = Command::new(command[0])
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let has = ran.is_ok_and(|status| status.success());
    if !has {
        eprintln!("skipped: {what}");
        assert!(
            std::env::var("CI").is_err(),
            "in CI it must be there: {what}"
        );
    }
    has
}
