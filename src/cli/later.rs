//! Commands of the contract that this version does not have. They are understood, so that a script
//! learns what is the matter, and fail.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::Failure;

/// Commands of their own.
const COMMANDS: [&str; 8] = [
    "shred", "ls", "diff", "find", "cat", "history", "watch", "drill",
];

/// Commands under `customer`.
const OF_CUSTOMERS: [&str; 1] = ["export"];

/// Adds them to the commands that there are.
pub(super) fn add_to(command: Command) -> Command {
    let command = command.subcommands(COMMANDS.map(later));
    command.mut_subcommand("customer", |customer| {
        customer.subcommands(OF_CUSTOMERS.map(later))
    })
}

/// A command that takes anything and is not shown.
fn later(name: &'static str) -> Command {
    let rest = Arg::new("rest").num_args(0..).action(ArgAction::Append);
    let rest = rest
        .value_parser(clap::value_parser!(OsString))
        .trailing_var_arg(true);
    Command::new(name)
        .about("Not in this version")
        .hide(true)
        .arg(rest.allow_hyphen_values(true).hide(true))
}

/// The names, for help.
pub(super) fn names() -> String {
    let of_customers = OF_CUSTOMERS.map(|name| format!("customer {name}"));
    let all: Vec<String> = COMMANDS
        .iter()
        .map(|name| (*name).to_owned())
        .chain(of_customers)
        .collect();
    all.join(", ")
}

/// The command that was typed, if it is one of these.
pub(super) fn named(matches: &ArgMatches) -> Option<String> {
    let (name, inner) = matches.subcommand()?;
    if COMMANDS.contains(&name) {
        return Some(name.to_owned());
    }
    let (of, _) = inner.subcommand().filter(|_| name == "customer")?;
    OF_CUSTOMERS.contains(&of).then(|| format!("customer {of}"))
}

/// What is said of it.
pub(super) fn not_yet(what: &str) -> Failure {
    Failure::new(format!("this version cannot do `{what}` yet"))
        .hint("`tenure --help` lists what it can do")
}
