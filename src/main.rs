//! The command `tenure`: arguments in, exit code out. All else is in [`tenure::cli`].

use std::process::ExitCode;

// Pieces are made in one thread and given back in another, at which this one is good.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tenure::cli::main()
}
