//! What the program can be asked to do, by whatever way it is asked.
//!
//! The command line and the admin socket both come to [`perform`] with an [`Action`] of the table
//! (`table`), and both get the same [`Answer`] of it, in the form that they want: so the output is
//! the same whether the daemon runs or not.
//!
//! `audited` says who may, and writes down who did.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::runtime::Handle;

use crate::check::{self, Severity};
use crate::config::Config;
use crate::error::{Failure, FailureKind, Outcome};
use crate::lifecycle;
use crate::repo::Repository;
use crate::report::Report;

pub mod answer;
pub mod audited;
mod customer;
mod inspect;
pub mod json;
mod keys;
mod lives;
pub mod params;
mod prune;
mod records;
mod replicate;
mod restore;
mod retention;
mod snapshots;
mod status;
mod table;
pub mod text;
pub mod times;
mod track;

pub use answer::Answer;
use answer::MISCONFIGURED;
pub use keys::{consequences, listed};
pub use table::{Action, Kind, Parameter, ROUTES, Route};

/// What actions need.
pub struct Context {
    /// The configuration's file.
    pub path: PathBuf,
    /// The configuration in force; none: the file is read.
    pub config: Option<Arc<Config>>,
    /// Whether the answer is wanted as JSON.
    pub json: bool,
    /// What asynchronous parts run on.
    pub runtime: Handle,
    /// Who hears how it gets on.
    pub report: Arc<dyn Report>,
    /// Whether hidden customers may be shown.
    pub sees_hidden: bool,
    /// What repositories had to say when they were opened.
    pub notes: Mutex<Vec<String>>,
}

impl Context {
    /// The configuration.
    pub fn config(&self) -> Outcome<Config> {
        match &self.config {
            Some(config) => Ok(Config::clone(config)),
            None => Ok(Config::load(&self.path)?),
        }
    }

    /// The repository, opened for reading.
    pub fn read(&self) -> Outcome<Repository> {
        let repository = Repository::read(self.config()?, &self.runtime)?;
        self.heed(&repository);
        Ok(repository)
    }

    /// Keeps what a repository has to say when it is opened, for whoever is answered.
    fn heed(&self, repository: &Repository) {
        self.tell(repository.notes.iter().map(|note| {
            let hint = note.next_step();
            let hint = hint.map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
            text::reasons(note) + &hint
        }));
    }

    /// Keeps something that a person must see, for whoever is answered.
    fn tell(&self, what: impl IntoIterator<Item = String>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for told in what {
            if !notes.contains(&told) {
                notes.push(told);
            }
        }
    }

    /// What was kept, once.
    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The repository, opened for changing. What an interrupted command had begun is finished and
    /// told.
    pub fn change(&self) -> Outcome<Repository> {
        let (mut repository, settled) = Repository::change(self.config()?, &self.runtime)?;
        self.heed(&repository);
        for finished in &settled.finished {
            self.report
                .note(&format!("finished what was interrupted: {finished}"));
        }
        for failure in lifecycle::finish(&mut repository)? {
            self.report
                .note(&format!("not finished yet: {}", text::reasons(&failure)));
        }
        Ok(repository)
    }

    /// Like [`Context::change`], for what also changes sources.
    pub fn change_sources(&self) -> Outcome<Repository> {
        let repository = self.change()?;
        for failure in lifecycle::roll_back_all(&repository) {
            self.report.note(&text::reasons(&failure));
        }
        Ok(repository)
    }
}

/// That nothing is asked for that contradicts itself, from wherever it comes.
fn consistent(action: &Action) -> Outcome<()> {
    let usage = |what: &str| Err(Failure::of(FailureKind::Usage, what));
    let both = |choice: &params::Choice| choice.snapshot.is_some() && choice.at.is_some();
    match action {
        Action::Restore(params::Restore { choice, .. })
        | Action::CustomerRestore(params::RestoreCustomer { choice, .. })
            if both(choice) =>
        {
            usage("`snapshot` and `at` cannot both say which snapshot is meant")
        }
        Action::CustomerRestore(wanted) if wanted.live && wanted.to.is_some() => {
            usage("`live` and `to` cannot both say where to")
        }
        Action::CustomerRestore(wanted) if wanted.replace && !wanted.live => {
            usage("`replace` belongs to `live`")
        }
        Action::CustomerList(wanted) if wanted.hidden && wanted.all => {
            usage("`hidden` and `all` cannot both be")
        }
        other
            if other
                .reason()
                .is_some_and(|reason| reason.trim().is_empty()) =>
        {
            usage("a reason is needed")
        }
        _ => Ok(()),
    }
}

/// That what is asked makes sense, and that this version can do it.
///
/// # Errors
/// `Usage` for what contradicts itself; a plain failure for what a later version does.
pub fn possible(action: &Action) -> Outcome<()> {
    consistent(action)?;
    let what = match action {
        Action::CustomerHide(wanted) if wanted.mode == params::HideMode::Vault => {
            "customer hide --mode vault"
        }
        Action::Restore(wanted) if wanted.in_place => "restore --in-place",
        _ => return Ok(()),
    };
    Err(Failure::new(format!("this version cannot do `{what}` yet"))
        .hint("`tenure --help` lists what it can do"))
}

/// Does what is asked, without asking who asks: see [`audited::perform`].
pub fn perform(context: &Context, action: &Action) -> Outcome<Answer> {
    match action {
        Action::Status(_) => status::status(context),
        Action::Check(_) => Ok(check(context)),
        Action::Inspect(_) => inspect::inspect(context),
        Action::Schedule(_) => records::schedule(context),
        Action::Roles(_) => Ok(records::roles(context)),
        Action::Snapshots(_) => snapshots::list(context),
        Action::Snapshot(wanted) => snapshots::take(context, wanted.full),
        Action::Track(wanted) => track::run(context, wanted),
        Action::Verify(wanted) => status::verify(context, wanted.store.as_ref(), wanted.data),
        Action::Replicate(_) => replicate::run(context),
        Action::Prune(wanted) => prune::run(context, wanted),
        Action::Restore(wanted) => restore::whole(context, wanted),
        Action::CustomerList(wanted) => customer::list(context, wanted),
        Action::CustomerShow(who) => customer::show(context, &who.id),
        Action::CustomerHide(wanted) => lives::hide(context, wanted),
        Action::CustomerUnhide(wanted) => lives::unhide(context, wanted),
        Action::CustomerHold(wanted) => lives::hold(context, wanted),
        Action::CustomerRelease(wanted) => lives::release(context, wanted),
        Action::CustomerRestore(wanted) => restore::customer(context, wanted),
        Action::CustomerErase(wanted) => lives::erase(context, wanted),
        Action::CustomerReadmit(wanted) => customer::readmit(context, wanted),
        Action::RetentionPlan(wanted) => retention::plan(context, wanted),
        Action::RetentionRun(wanted) => retention::run(context, wanted),
        Action::CertificateShow(wanted) => lives::certificate(context, wanted.number),
        Action::CertificateVerify(wanted) => lives::verify_certificate(context, &wanted.text),
        Action::KeysForget(wanted) => keys::forget(context, wanted),
        Action::KeysRecipients(_) => keys::recipients(context),
        Action::AuditLog(wanted) => records::audit_log(context, wanted),
        Action::AuditVerify(wanted) => records::audit_verify(context, wanted),
    }
}

fn check(context: &Context) -> Answer {
    let checked = check::run(Config::load(&context.path), &context.runtime);
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
    Answer::new(context.json, value, text).code_if(!checked.is_ok(), MISCONFIGURED)
}
