//! The command line: arguments in, one answer out, and an exit code.
//!
//! `args` says what can be typed, `run` has it done ([`crate::actions`]), by the daemon where one runs
//! (`remote`). Each answer is text for people, or exactly one JSON document. Answers go
//! to standard output; everything else, errors included, to standard error, except that with
//! `--json` a failure is an answer too.
//!
//! Exit codes: 0 done; 1 failed, or something was found wrong; 2 wrong usage or configuration;
//! 3 done in part; 4 refused; 5 no such thing.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use crate::actions::{Answer, json, text};
use crate::error::{Failure, FailureKind, Outcome};
use crate::{secret, selftest};

mod args;
mod ask;
mod init;
mod install;
mod keys;
mod later;
mod pages;
mod progress;
mod recover;
mod remote;
mod run;

use args::Args;

/// Runs the command that this process was called with.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // An argument that is not understood must not cost the caller the form of the answer.
    let before_rest = arguments.iter().take_while(|argument| *argument != "--");
    let json = before_rest.skip(1).any(|argument| argument == "--json");
    let code = match hardened().and_then(|()| parsed(&arguments, json)) {
        Ok(Ok(args)) => finished(run::run(&args), &args),
        Ok(Err(code)) => code,
        Err(failure) => failed(&failure, json),
    };
    ExitCode::from(code)
}

/// Nothing that this process writes is for others' eyes, and neither is its memory; and what it encrypts with works.
fn hardened() -> Outcome<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    secret::harden_process()?;
    selftest::run()
}

/// The arguments as they are meant; or, once something was printed instead, the exit code.
fn parsed(arguments: &[OsString], json: bool) -> Outcome<Result<Args, u8>> {
    let matches = match args::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return Ok(Err(usage(&error, json))),
    };
    if let Some(name) = later::named(&matches) {
        return Err(later::not_yet(&name));
    }
    Ok(Args::from_arg_matches(&matches).map_err(|error| usage(&error, json)))
}

/// Prints what clap has to say: help that was asked for, or what is wrong with the arguments.
fn usage(error: &clap::Error, json: bool) -> u8 {
    // clap would list the commands of other versions as well.
    if error.use_stderr() && (json || error.kind() == ErrorKind::MissingSubcommand) {
        return failed(&text::of_clap(error), json);
    }
    // clap knows colours and where they belong; that nobody reads it is no failure of ours.
    let _ = error.print();
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// Prints what came of a command.
fn finished(outcome: Outcome<Answer>, args: &Args) -> u8 {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => return failed(&failure, args.json),
    };
    for warning in &answer.warnings {
        text::warn(warning);
    }
    if args.quiet && !args.json && answer.is_chatter {
        return answer.code;
    }
    match print(answer.body.as_bytes()) {
        Ok(()) => answer.code,
        Err(error) => failed(
            &Failure::new("cannot write the answer").because(error),
            false,
        ),
    }
}

/// Prints a failure.
fn failed(failure: &Failure, json: bool) -> u8 {
    if json {
        // If standard output is gone there is nobody to tell.
        let _ = print(json::document(&json::failure(failure)).as_bytes());
    } else {
        text::fail(failure);
    }
    match failure.kind() {
        FailureKind::Failed => 1,
        FailureKind::Usage => 2,
        FailureKind::Refused => 4,
        FailureKind::NotFound => 5,
    }
}

/// Writes to standard output, colours only on a terminal. A reader that has gone away (`| head`) has
/// had what it wanted.
fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
