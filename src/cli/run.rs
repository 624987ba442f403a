//! From a command to the flow that does it.

use std::io::{self, Write};

use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::answer::{Answer, MISCONFIGURED};
use super::args::{Args, Cmd, Demo};
use super::{
    customer, init, install, keys, pages, progress, prune, restore, snapshots, status, text,
};
use crate::check::{self, Severity};
use crate::config::Config;
use crate::demo;

use crate::error::{Context, Outcome};
use crate::inspect::{self, Inspected};
use crate::repo::Repository;
use crate::report::{Report, Silent};
use crate::schema::Ownership;

/// What commands need.
pub(super) struct Session<'a> {
    pub(super) args: &'a Args,
    pub(super) runtime: Runtime,
    pub(super) report: Box<dyn Report>,
}

impl Session<'_> {
    /// The configuration.
    pub(super) fn config(&self) -> Outcome<Config> {
        Ok(Config::load(&self.args.config)?)
    }

    /// The repository, opened for reading.
    pub(super) fn read(&self) -> Outcome<Repository> {
        Repository::read(self.config()?, self.runtime.handle())
    }

    /// The repository, opened for changing. What an interrupted command had begun is told.
    pub(super) fn change(&self) -> Outcome<Repository> {
        let (repository, settled) = Repository::change(self.config()?, self.runtime.handle())?;
        for finished in &settled.finished {
            self.report
                .note(&format!("finished what was interrupted: {finished}"));
        }
        Ok(repository)
    }
}

/// Runs a command.
pub(super) fn run(args: &Args) -> Outcome<Answer> {
    // The stores' requests are few and large; their threads mostly wait.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    let runtime = runtime.failed_to(|| "start")?;
    let report = progress::report(args.json || args.quiet);
    let session = Session {
        args,
        runtime,
        report,
    };
    match &args.command {
        Cmd::Demo(demo) => self::demo(&session, demo),
        Cmd::Init(wanted) => init::run(&session, wanted),
        Cmd::Check => Ok(check(&session)),
        Cmd::Inspect => inspect(&session),
        Cmd::Snapshot { full } => snapshots::take(&session, *full),
        Cmd::Snapshots => snapshots::list(&session),
        Cmd::Restore(wanted) => restore::whole(&session, wanted),
        Cmd::Verify { store, data } => status::verify(&session, store.as_ref(), *data),
        Cmd::Prune(wanted) => prune::run(&session, wanted),
        Cmd::Customer(command) => customer::run(&session, command),
        Cmd::Keys(command) => keys::run(&session, command),
        Cmd::Status => status::status(&session),
        Cmd::Install(wanted) => install::run(&session, wanted),
        Cmd::Completions { shell } => pages::completions(args.json, *shell),
        Cmd::Man { to } => pages::man(args.json, to.as_deref()),
    }
}

/// The story is told while it happens, not as an answer at the end.
fn demo(session: &Session<'_>, wanted: &Demo) -> Outcome<Answer> {
    let silent = session.args.json || session.args.quiet;
    let mut out: Box<dyn Write> = if silent {
        Box::new(io::sink())
    } else {
        Box::new(anstream::stdout())
    };
    let handle = session.runtime.handle();
    let dir = demo::run(
        wanted.dir.as_deref(),
        wanted.customers,
        &mut *out,
        &Silent,
        handle,
    )?;
    let value = || json!({ "ok": true, "dir": dir });
    Ok(Answer::new(session.args.json, value, String::new))
}

fn check(session: &Session<'_>) -> Answer {
    let checked = check::run(Config::load(&session.args.config), session.runtime.handle());
    let word = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let value = || {
        let problems = checked.problems.iter().map(|problem| {
            json!({ "what": problem.what, "hint": problem.hint, "severity": word(problem.severity) })
        });
        json!({ "ok": checked.is_ok(), "problems": problems.collect::<Vec<_>>() })
    };
    let text = || {
        let mut out = String::new();
        for problem in &checked.problems {
            out += &format!(
                "{}: {}\n",
                word(problem.severity),
                text::printable_lines(&problem.what)
            );
            out.extend(
                problem
                    .hint
                    .iter()
                    .map(|hint| format!("  hint: {}\n", text::printable(hint))),
            );
        }
        out + match (checked.is_ok(), checked.problems.is_empty()) {
            (true, true) => "all is well\n",
            (true, false) => "nothing that stops a backup\n",
            (false, _) => "this must be mended\n",
        }
    };
    Answer::new(session.args.json, value, text).code_if(!checked.is_ok(), MISCONFIGURED)
}

/// The word for how a table is owned.
fn ownership(ownership: Ownership) -> &'static str {
    match ownership {
        Ownership::Register => "register",
        Ownership::Owned => "owned",
        Ownership::Shared => "shared",
        Ownership::Ambiguous => "ambiguous",
        Ownership::Unsettled => "unsettled",
    }
}

fn inspect(session: &Session<'_>) -> Outcome<Answer> {
    let inspected = inspect::run(&session.config()?)?;
    let value = || {
        let sources = inspected.iter().map(|source| {
            let tables = source.tables.iter().map(|table| {
                json!({
                    "table": table.table,
                    "rows": table.rows,
                    "owner": ownership(table.ownership),
                    "path": table.path,
                    "class": table.class.as_deref().unwrap_or("customer"),
                    "warnings": table.warnings,
                })
            });
            json!({
                "name": source.source,
                "tables": tables.collect::<Vec<_>>(),
                "not_restorable": source.not_restorable,
            })
        });
        json!({ "sources": sources.collect::<Vec<_>>() })
    };
    let text = || {
        inspected
            .iter()
            .map(inspected_text)
            .collect::<Vec<_>>()
            .join("\n")
    };
    Ok(Answer::new(session.args.json, value, text))
}

fn inspected_text(source: &Inspected) -> String {
    let rows = source.tables.iter().map(|table| {
        let rows = table.rows.to_string();
        vec![
            table.table.clone(),
            rows,
            ownership(table.ownership).to_owned(),
            table.path.clone(),
        ]
    });
    let mut out = format!("source {}\n", source.source);
    out += &text::table(&["table", ">rows", "owner", "by"], rows);
    for table in &source.tables {
        for warning in &table.warnings {
            out += &format!(
                "look at {}: {}\n",
                text::printable(&table.table),
                text::printable(warning)
            );
        }
    }
    for what in &source.not_restorable {
        out += &format!("not backed up: {}\n", text::printable(what));
    }
    out
}
