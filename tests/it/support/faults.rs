//! The tally of faults: each test tells how many of a kind it has injected, and `tests/run` adds up.

use std::fs::File;
use std::io::Write as _;

/// Adds to the tally: prints it, and appends a line to the file that `TENURE_FAULTS` names.
pub fn injected(kind: &str, count: u64, what: &str) {
    let line = format!("{count}\t{kind}\t{what}\n");
    print!("{line}");
    if let Some(tally) = std::env::var_os("TENURE_FAULTS") {
        let file = File::options().append(true).create(true).open(tally);
        // One write, because other tests append as well.
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}
