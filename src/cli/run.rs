//! From a command to what does it: here, or in the daemon.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::args::{Args, Audit, Certificate, Cmd, Customer, Demo, Keys, Retention};
use super::{ask, init, install, keys, pages, progress, recover, remote};
use crate::actions::audited::{Caller, perform_for};
use crate::actions::params::{Nothing, Text};
use crate::actions::{Action, Answer, Context, possible};
use crate::config::Role;
use crate::demo;
use crate::error::{Context as _, Outcome};
use crate::fsx;
use crate::report::{Report, Silent};
use crate::{admin, daemon};

/// No certificate is longer.
const LONGEST_CERTIFICATE: u64 = 1 << 20;

/// What commands need.
pub(super) struct Session<'a> {
    pub(super) args: &'a Args,
    pub(super) runtime: Runtime,
    pub(super) report: Arc<dyn Report>,
}

impl Session<'_> {
    /// The same for an action that is done by this process.
    pub(super) fn context(&self) -> Context {
        Context {
            path: self.args.config.clone(),
            config: None,
            json: self.args.json,
            runtime: self.runtime.handle().clone(),
            report: Arc::clone(&self.report),
            // Whoever can open the state directory could read it all anyway.
            sees_hidden: true,
            notes: Mutex::default(),
        }
    }
}

/// Runs a command.
pub(super) fn run(args: &Args) -> Outcome<Answer> {
    // The stores' requests are few and large; their threads mostly wait.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let session = Session {
        args,
        runtime: runtime.failed_to(|| "start")?,
        report: Arc::from(progress::report(args.json || args.quiet)),
    };
    match &args.command {
        Cmd::Demo(demo) => self::demo(&session, demo),
        Cmd::Init(wanted) => init::run(&session, wanted),
        Cmd::Recover(wanted) => recover::run(&session, wanted),
        Cmd::Install(wanted) => install::run(&session, wanted),
        Cmd::Daemon => daemon::run(&args.config, session.runtime.handle())
            .map(|()| Answer::new(args.json, || json!({ "ok": true }), String::new)),
        Cmd::Completions { shell } => pages::completions(args.json, *shell),
        Cmd::Man { to } => pages::man(args.json, to.as_deref()),
        Cmd::Keys(Keys::Prove { identity }) => keys::prove(&session, identity),
        Cmd::Keys(Keys::Recipients {
            change: Some(change),
        }) => keys::recipients(&session, change),
        other => perform(&session, &action(other)?),
    }
}

/// The action that a command asks for.
fn action(command: &Cmd) -> Outcome<Action> {
    let nothing = Nothing::default;
    Ok(match command {
        Cmd::Check => Action::Check(nothing()),
        Cmd::Inspect => Action::Inspect(nothing()),
        Cmd::Snapshot(wanted) => Action::Snapshot(wanted.clone()),
        Cmd::Track(wanted) => Action::Track(wanted.clone()),
        Cmd::Snapshots => Action::Snapshots(nothing()),
        Cmd::Restore(wanted) => Action::Restore(wanted.clone()),
        Cmd::Verify(wanted) => Action::Verify(wanted.clone()),
        Cmd::Replicate => Action::Replicate(nothing()),
        Cmd::Prune(wanted) => Action::Prune(wanted.clone()),
        Cmd::Schedule => Action::Schedule(nothing()),
        Cmd::Roles => Action::Roles(nothing()),
        Cmd::Customer(command) => customer(command),
        Cmd::Retention(Retention::Plan(wanted)) => Action::RetentionPlan(wanted.clone()),
        Cmd::Retention(Retention::Run(wanted)) => Action::RetentionRun(wanted.clone()),
        Cmd::Certificate(Certificate::Show(wanted)) => Action::CertificateShow(wanted.clone()),
        Cmd::Certificate(Certificate::Verify { file }) => {
            let text = fsx::read(file, LONGEST_CERTIFICATE)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            Action::CertificateVerify(Text { text })
        }
        Cmd::Audit(Audit::Log(wanted)) => Action::AuditLog(wanted.clone()),
        Cmd::Audit(Audit::Verify(wanted)) => Action::AuditVerify(wanted.clone()),
        Cmd::Keys(Keys::Forget(wanted)) => Action::KeysForget(wanted.clone()),
        Cmd::Keys(_) => Action::KeysRecipients(nothing()),
        // What is no action was done before.
        _ => Action::Status(nothing()),
    })
}

fn customer(command: &Customer) -> Action {
    match command {
        Customer::List(wanted) => Action::CustomerList(wanted.clone()),
        Customer::Show(who) => Action::CustomerShow(who.clone()),
        Customer::Hide(wanted) => Action::CustomerHide(wanted.clone()),
        Customer::Unhide(wanted) => Action::CustomerUnhide(wanted.clone()),
        Customer::Hold(wanted) => Action::CustomerHold(wanted.clone()),
        Customer::Release(wanted) => Action::CustomerRelease(wanted.clone()),
        Customer::Restore(wanted) => Action::CustomerRestore(wanted.clone()),
        Customer::Erase(wanted) => Action::CustomerErase(wanted.clone()),
        Customer::Readmit(wanted) => Action::CustomerReadmit(wanted.clone()),
    }
}

/// Does an action: in the daemon when it runs, else here.
fn perform(session: &Session<'_>, action: &Action) -> Outcome<Answer> {
    possible(action)?;
    ask::first(session, action)?;
    match remote::perform(session, action)? {
        Some(answer) => Ok(answer),
        None => perform_for(&myself(), &session.context(), action),
    }
}

/// Who runs this process. Access to the state directory is access to everything in it, so there are
/// no lesser roles here.
fn myself() -> Caller {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    let peer = admin::Peer::look_up(uid.as_raw(), gid.as_raw());
    Caller {
        uid: Some(peer.uid),
        name: peer.user.unwrap_or_else(|| peer.uid.to_string()),
        roles: vec![Role::Admin],
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
