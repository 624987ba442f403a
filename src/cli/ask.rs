//! What a person at a terminal is asked before something is destroyed.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use super::run::Session;
use crate::actions::params::Forget;
use crate::actions::{Action, consequences, text};
use crate::error::{Failure, FailureKind, Outcome};
use crate::forget;

/// Says what an action destroys, and asks a person whether that is meant.
///
/// # Errors
/// When it cannot be done anyway, or the answer is not yes.
pub(super) fn first(session: &Session<'_>, action: &Action) -> Outcome<()> {
    let (warning, yes) = match action {
        Action::KeysForget(wanted) => (of_forgetting(session, wanted)?, wanted.yes),
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
    if yes || !io::stdin().is_terminal() {
        return Ok(());
    }
    ask(&warning)
}

/// Who and what is meant is looked up before anybody is asked, where this user may look.
fn of_forgetting(session: &Session<'_>, wanted: &Forget) -> Outcome<String> {
    let Ok(repository) = session.context().read() else {
        return Ok(consequences(&wanted.ids, &wanted.tables, &[]));
    };
    let plan = forget::plan(&repository, &wanted.ids, &wanted.tables)?;
    Ok(consequences(&plan.ids, &plan.tables, &plan.not_reached))
}

/// Asks the person at the terminal, wherever the streams lead.
fn ask(warning: &str) -> Outcome<()> {
    let refused = |what: &str| Failure::of(FailureKind::Refused, what);
    let unasked = |error: io::Error| {
        refused("nothing was done: there is nobody to be asked")
            .because(error)
            .hint("say --yes to go on without a question")
    };
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let terminal = terminal
        .as_mut()
        .map_err(|error| unasked(io::Error::from(error.kind())))?;
    let warning = match io::stderr().is_terminal() {
        true => String::new(),
        false => text::printable_lines(warning) + "\n",
    };
    write!(terminal, "{warning}Go on? [y/N] ").map_err(unasked)?;
    let mut answer = String::new();
    BufReader::new(terminal)
        .read_line(&mut answer)
        .map_err(unasked)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refused("nothing was done: the answer was not yes")),
    }
}
