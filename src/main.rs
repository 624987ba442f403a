//! The command `tenure`: arguments in, exit code out. All else is in [`tenure::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tenure::cli::main()
}
