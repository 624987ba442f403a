//! Who may do what, and the record of who did.
//!
//! Before something is changed its beginning stands in the audit log, and after it how it ended; of
//! what only shows customers stands that it was shown; of what shows nobody stands nothing, so that a
//! monitor that asks for the status every ten seconds does not bury the rest; refusals stand always.
//! Where the log cannot be written nothing is destroyed; a restore goes on all the same, and says so.
//! Customers stand there as domain numbers alone.

use super::answer::IN_PART;
use super::{Action, Answer, Context, Kind, Route, perform, possible, text};
use crate::audit::AuditLog;
use crate::audit_entry::{Entry, Object, Phase, Who};
use crate::clock::Timestamp;
use crate::config::Role;
use crate::customers;
use crate::error::{Context as _, Failure, FailureKind, Outcome};
use crate::ids::Domain;
use crate::lifecycle;
use crate::register;
use crate::repo::Repository;
use crate::repo::state::StateDir;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user's number; none for the daemon's own tasks.
    pub uid: Option<u32>,
    /// The user's name, or the task's.
    pub name: String,
    /// What the user may do.
    pub roles: Vec<Role>,
}

impl Caller {
    fn who(&self) -> Who {
        Who {
            uid: self.uid,
            name: self.name.clone(),
            roles: self
                .roles
                .iter()
                .map(|role| role.as_str().to_owned())
                .collect(),
        }
    }
}

/// What somebody is told who has no role that may.
pub fn may_not(caller: &Caller, route: &Route) -> Failure {
    let needed: Vec<&str> = route.roles.iter().map(|role| role.as_str()).collect();
    let what = format!("{} may not do `{}`", caller.name, route.name);
    let hint = format!("it needs one of the roles admin, {}", needed.join(", "));
    Failure::of(FailureKind::Refused, what).hint(hint)
}

/// Does what is asked if the caller may, and writes it down.
///
/// # Errors
/// `Refused` when the caller has no role that may; else what the action fails with, or that the audit
/// log cannot be written where that must stop it.
pub fn perform_for(caller: &Caller, context: &Context, action: &Action) -> Outcome<Answer> {
    possible(action)?;
    let route = action.route();
    let mut record = Record::open(caller, context, action);
    if !route.allows(caller.roles.iter().copied()) {
        record.note(Phase::Refused, "role", None)?;
        return Err(may_not(caller, route));
    }
    let begun = match action.kind().changes() {
        true => record.begin(action.kind())?,
        false => None,
    };
    let outcome = visible(context, action).and_then(|()| perform(context, action));
    let mut told = Vec::new();
    let is_refused = outcome
        .as_ref()
        .is_err_and(|failure| failure.kind() == FailureKind::Refused);
    if action.kind() != Kind::Look || is_refused {
        told.extend(record.end(&outcome, begun).err());
    }
    if action.kind().changes() {
        told.extend(checkpoint(context).err());
    }
    let notes = context.notes();
    let warnings = told.iter().map(|failure| {
        format!(
            "the audit log is not as it should be: {}",
            text::reasons(failure)
        )
    });
    // What was done and could not be noted was done in part.
    let unnoted = !told.is_empty();
    outcome.map(|answer| {
        let in_part = unnoted && answer.code == 0;
        answer.warn(notes).warn(warnings).code_if(in_part, IN_PART)
    })
}

/// Notes a request that never became an action.
///
/// # Errors
/// When the audit log cannot be written.
pub fn refused(caller: &Caller, context: &Context, what: &str, why: &str) -> Outcome<()> {
    let Ok(repository) = context.read() else {
        return Ok(());
    };
    AuditLog::open(&repository)?.append(&Entry {
        time: Timestamp::now(),
        who: caller.who(),
        action: what.to_owned(),
        object: Object::default(),
        phase: Phase::Refused,
        result: why.to_owned(),
        begun: None,
    })?;
    Ok(())
}

/// That the customers who are named are not hidden from the caller: who may not see somebody is told
/// the same as of one who does not exist.
fn visible(context: &Context, action: &Action) -> Outcome<()> {
    if context.sees_hidden || action.ids().is_empty() {
        return Ok(());
    }
    let repository = context.read()?;
    let lives = lifecycle::lives(&repository)?;
    for id in action.ids() {
        for customer in whoever_is_there(register::holders(&repository, id))? {
            let life = lives.get(&customer.domain);
            if life.is_some_and(|life| life.hidden.is_some()) {
                return Err(register::not_found(&repository, id));
            }
        }
    }
    Ok(())
}

/// Writes the newest checkpoint to every store that can be reached.
fn checkpoint(context: &Context) -> Outcome<()> {
    let Ok(repository) = context.read() else {
        // There is no repository any more, or not yet: the action has said so.
        return Ok(());
    };
    // What a store did not get it gets with the next one; `audit verify` shows how far each reaches.
    AuditLog::open(&repository)?
        .checkpoint(&repository)
        .failed_to(|| "write the audit log's checkpoint")?;
    Ok(())
}

/// What is written of one request.
struct Record<'a> {
    caller: &'a Caller,
    context: &'a Context,
    action: &'a Action,
    domains: Vec<Domain>,
}

impl<'a> Record<'a> {
    fn open(caller: &'a Caller, context: &'a Context, action: &'a Action) -> Self {
        Self {
            caller,
            context,
            action,
            domains: Vec::new(),
        }
    }

    /// The log; none where there is no repository.
    fn log(&mut self) -> Outcome<Option<AuditLog>> {
        let state = StateDir::new(&self.context.config()?.state_dir);
        if !state.is_initialised() {
            return Ok(None);
        }
        let repository = self.context.read()?;
        if self.domains.is_empty() {
            self.domains = domains(&repository, self.action.ids())?;
        }
        Ok(Some(AuditLog::open(&repository)?))
    }

    fn note(&mut self, phase: Phase, result: &str, begun: Option<u64>) -> Outcome<Option<u64>> {
        let Some(log) = self.log()? else {
            return Ok(None);
        };
        let entry = Entry {
            time: Timestamp::now(),
            who: self.caller.who(),
            action: self.action.name().to_owned(),
            object: Object {
                domains: self.domains.clone(),
                ..Object::default()
            },
            phase,
            result: result.to_owned(),
            begun,
        };
        Ok(Some(log.append(&entry)?))
    }

    /// Notes that it begins. A destruction whose beginning cannot be noted is refused.
    fn begin(&mut self, kind: Kind) -> Outcome<Option<u64>> {
        match self.note(Phase::Begun, "", None) {
            Err(failure) if kind == Kind::Destroy => {
                Err(failure).failed_to(|| "note it in the audit log, so nothing was done")
            }
            noted => Ok(noted.unwrap_or(None)),
        }
    }

    /// Notes how it ended, in words that name nobody.
    fn end(&mut self, outcome: &Outcome<Answer>, begun: Option<u64>) -> Outcome<()> {
        let (phase, result) = match outcome {
            Ok(answer) if answer.code == IN_PART => (Phase::Part, "in part"),
            Ok(_) => (Phase::Done, ""),
            Err(failure) => match failure.kind() {
                FailureKind::Refused => (Phase::Refused, "refused"),
                FailureKind::NotFound => (Phase::Failed, "no such thing"),
                FailureKind::Usage => (Phase::Failed, "wrong usage or configuration"),
                FailureKind::Failed => (Phase::Failed, "failed"),
            },
        };
        self.note(phase, result, begun).map(|_| ())
    }
}

fn domains(repository: &Repository, ids: &[String]) -> Outcome<Vec<Domain>> {
    let mut domains = Vec::new();
    for id in ids {
        let found = whoever_is_there(customers::find(repository, id))?;
        domains.extend(found.into_iter().map(|customer| customer.domain));
    }
    Ok(domains)
}

/// Nobody where there is nobody; but that it could not be looked up is told.
fn whoever_is_there<T>(found: Outcome<Vec<T>>) -> Outcome<Vec<T>> {
    match found {
        Err(failure) if failure.kind() != FailureKind::Failed => Ok(Vec::new()),
        found => found,
    }
}
