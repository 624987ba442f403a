//! `keys prove` and changes of the recipients: what needs an identity's file, which never leaves the
//! process that was given it.

use std::path::Path;

use serde_json::json;

use super::args::{Recipient, Recipients};
use super::run::Session;
use crate::actions::answer::{Answer, IN_PART, WRONG};
use crate::actions::{listed, text};
use crate::error::Outcome;
use crate::keys::{self, Change};

/// `keys prove`
pub(super) fn prove(session: &Session<'_>, identity: &Path) -> Outcome<Answer> {
    let mut repository = session.context().change()?;
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

/// `keys recipients add|remove`
pub(super) fn recipients(session: &Session<'_>, wanted: &Recipients) -> Outcome<Answer> {
    match wanted {
        Recipients::Add(named) => change(session, Change::Add, named),
        Recipients::Remove(named) => change(session, Change::Remove, named),
    }
}

fn change(session: &Session<'_>, change: Change, named: &Recipient) -> Outcome<Answer> {
    let mut repository = session.context().change()?;
    let identity = named.identity.as_deref();
    let changed = keys::change_recipients(&mut repository, change, &named.recipient, identity)?;
    let answer = listed(
        session.args.json,
        &changed.recipients,
        Some(&changed.pending),
    )
    .chatter();
    let is_pending = !changed.pending.is_empty();
    let warnings = changed
        .pending
        .iter()
        .map(|what| format!("pending: {}", text::printable(what)));
    Ok(answer.warn(warnings).code_if(is_pending, IN_PART))
}
