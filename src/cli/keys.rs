//! `keys forget`, `prove`, `recipients`.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::answer::{Answer, IN_PART, WRONG};
use super::args::{Keys, Recipient, Recipients};
use super::run::Session;
use super::text;
use crate::error::{Failure, FailureKind, Outcome};
use crate::forget::{self, Plan};
use crate::keys::{self, Change};

/// Runs a command under `keys`.
pub(super) fn run(session: &Session<'_>, command: &Keys) -> Outcome<Answer> {
    match command {
        Keys::Forget { ids, tables, yes } => forget(session, ids, tables, *yes),
        Keys::Prove { identity } => prove(session, identity),
        Keys::Recipients { change: None } => recipients(session),
        Keys::Recipients {
            change: Some(Recipients::Add(named)),
        } => change(session, Change::Add, named),
        Keys::Recipients {
            change: Some(Recipients::Remove(named)),
        } => change(session, Change::Remove, named),
    }
}

fn forget(session: &Session<'_>, ids: &[String], tables: &[String], yes: bool) -> Outcome<Answer> {
    let mut repository = session.change()?;
    let plan = forget::plan(&repository, ids, tables)?;
    let warning = consequences(&plan);
    text::warn(&warning);
    if !yes && io::stdin().is_terminal() {
        ask(&warning)?;
    }
    let forgotten = forget::carry_out(&mut repository, plan)?;
    let value = || {
        json!({
            "epoch": forgotten.epoch,
            "forgotten": forgotten.forgotten,
            "pending": forgotten.pending,
            "not_reached": forgotten.not_reached,
        })
    };
    let text = || {
        let who = text::printable(&forgotten.forgotten.join(", "));
        let where_ = match forgotten.pending.is_empty() {
            true => "no store and no file here holds an older one",
            false => "older ones are not gone everywhere yet",
        };
        format!(
            "forgotten: {who}\nthe keyring is at epoch {}; {where_}\n",
            forgotten.epoch
        )
    };
    let pending = forgotten.pending.iter().map(|store| {
        format!(
            "pending: store {store} may still hold an older keyring; the next command that changes \
                 something tries again"
        )
    });
    let answer = Answer::new(session.args.json, value, text)
        .chatter()
        .warn(pending);
    Ok(answer.code_if(!forgotten.pending.is_empty(), IN_PART))
}

/// What forgetting does, and what it does not reach, in plain words.
fn consequences(plan: &Plan) -> String {
    let mut out = String::new();
    if !plan.ids.is_empty() {
        let who = text::count(plan.ids.len() as u64, "customer", "customers");
        out += &format!(
            "forgetting {who} ({}): once it is done, nobody can read them in any backup, in any store, \
             ever again.\n  Their rows in the live database stay, and are left out of every snapshot.\n",
            plan.ids.join(", ")
        );
    }
    if !plan.tables.is_empty() {
        out += &format!(
            "forgetting what backups hold of {} outside customers' own rows: once it is done, nobody can \
             read that ever again.\n  The rows in the live database stay, and are in the next snapshot \
             again.\n",
            plan.tables.join(", ")
        );
    }
    for table in &plan.not_reached {
        out += &format!(
            "  Not reached: rows of {table} that belong to nobody; if some are about the forgotten, settle \
             whose they are, or forget them with --table.\n"
        );
    }
    out + "  This cannot be undone."
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

fn prove(session: &Session<'_>, identity: &Path) -> Outcome<Answer> {
    let mut repository = session.change()?;
    let proved = keys::prove(&mut repository, identity)?;
    let value = || {
        let stores = proved.stores.iter().map(|(name, failure)| {
            json!({ "name": name, "ok": failure.is_none(), "why": failure.as_ref().map(text::reasons) })
        });
        json!({
            "ok": proved.ok,
            "recipients": proved.recipients,
            "stores": stores.collect::<Vec<_>>(),
        })
    };
    let text = || {
        let mut out = String::new();
        for recipient in &proved.recipients {
            out += &format!("{recipient} can recover\n");
        }
        for (name, failure) in &proved.stores {
            let found = failure
                .as_ref()
                .map_or("opens, and is what this host has".to_owned(), text::reasons);
            out += &format!("  store {name}: {found}\n");
        }
        out + if proved.ok {
            "the identity works\n"
        } else {
            "the identity does not work everywhere\n"
        }
    };
    let ok = proved.ok;
    let answer = Answer::new(session.args.json, value, text).code_if(!ok, WRONG);
    Ok(if ok { answer.chatter() } else { answer })
}

fn recipients(session: &Session<'_>) -> Outcome<Answer> {
    let recipients = keys::recipients(&session.read()?)?;
    Ok(listed(session, &recipients, None))
}

fn change(session: &Session<'_>, change: Change, named: &Recipient) -> Outcome<Answer> {
    let mut repository = session.change()?;
    let identity = named.identity.as_deref();
    let changed = keys::change_recipients(&mut repository, change, &named.recipient, identity)?;
    let answer = listed(session, &changed.recipients, Some(&changed.pending)).chatter();
    let is_pending = !changed.pending.is_empty();
    let warnings = changed
        .pending
        .iter()
        .map(|what| format!("pending: {}", text::printable(what)));
    Ok(answer.warn(warnings).code_if(is_pending, IN_PART))
}

fn listed(session: &Session<'_>, recipients: &[String], pending: Option<&[String]>) -> Answer {
    let value = || {
        let mut value =
            json!({ "ok": pending.is_none_or(<[String]>::is_empty), "recipients": recipients });
        if let (Some(pending), Value::Object(fields)) = (pending, &mut value) {
            fields.insert("pending".to_owned(), json!(pending));
        }
        value
    };
    let text = || {
        recipients
            .iter()
            .map(|recipient| format!("{recipient}\n"))
            .collect()
    };
    Answer::new(session.args.json, value, text)
}
