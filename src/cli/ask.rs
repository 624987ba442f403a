//! What a person at a terminal is asked before something is destroyed.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use super::args::Args;
use crate::actions::{Action, consequences, text};
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx::FileError;

/// Says what an action destroys, and asks a person whether that is meant.
pub(super) fn first(args: &Args, action: &Action) -> Outcome<()> {
    let (warning, yes) = match action {
        Action::KeysForget(wanted) => (consequences(&wanted.ids, &wanted.tables), wanted.yes),
        Action::CustomerErase(wanted) => {
            let warning = format!(
                "erasing customer {}: the rows in the live database go, and once it is done nobody can \
                 read them in any backup, in any store, ever again.\n  This cannot be undone.",
                wanted.id
            );
            (warning, wanted.yes)
        }
        _ => return Ok(()),
    };
    text::warn(&warning);
    if yes || args.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    ask()
}

/// Asks the person at the terminal.
fn ask() -> Outcome<()> {
    text::tell("Go on? [y/N]");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(FileError::new("read", Path::new("standard input")))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::of(
            FailureKind::Refused,
            "nothing was done: the answer was not yes",
        )),
    }
}
