//! `init`.

use serde_json::json;

use super::args::Init;
use super::later;
use super::run::Session;
use crate::actions::Answer;
use crate::actions::text;
use crate::error::Outcome;
use crate::setup::{self, Made, Wanted};

/// Makes a repository.
pub(super) fn run(session: &Session<'_>, wanted: &Init) -> Outcome<Answer> {
    if !wanted.files.is_empty() {
        return Err(later::not_yet("init --files"));
    }
    let wanted = Wanted {
        config: session.args.config.clone(),
        register: wanted.register.clone(),
        stores: wanted.stores.clone(),
        recipients: wanted.recipients.clone(),
        force: wanted.force,
    };
    let made = setup::run(&wanted, session.runtime.handle())?;
    let value = || {
        json!({
            "config": made.config,
            "fingerprint": made.fingerprint.to_string(),
            "recipients": made.recipients,
            "recovery_key": made.recovery_key,
            "stores": made.stores.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "owned": made.owned.iter().map(|(table, _)| table).collect::<Vec<_>>(),
            "shared": made.shared,
            "notes": made.notes,
        })
    };
    let answer = Answer::new(session.args.json, value, || made_text(&made)).chatter();
    Ok(answer.warn(made.recovery_key.iter().map(|path| {
        format!(
            "whoever has {path} can read every backup, and without it nobody can once this host is \
             lost.\n  Take it offline, in two places; then run `tenure keys prove --identity FILE` \
             with one of them, and delete it here.",
            path = text::printable(&path.display().to_string())
        )
    })))
}

fn made_text(made: &Made) -> String {
    let mut out = format!(
        "wrote        {}\n",
        text::printable(&made.config.display().to_string())
    );
    out += &format!("fingerprint  {}\n", made.fingerprint);
    for recipient in &made.recipients {
        out += &format!("recipient    {recipient}\n");
    }
    for (name, url) in &made.stores {
        out += &format!("store        {name} ({})\n", text::printable(url));
    }
    for (table, path) in &made.owned {
        out += &format!(
            "owned        {}: {}\n",
            text::printable(table),
            text::printable(path)
        );
    }
    if !made.shared.is_empty() {
        let shared = text::printable(&made.shared.join(", "));
        out += &format!("shared       {shared}\n");
        out += "             Read this list in the configuration: is nothing personal in these tables?\n";
    }
    for note in &made.notes {
        out += &format!("look at      {}\n", text::printable(note));
    }
    out += if made.is_new {
        "\nnext: tenure snapshot\n"
    } else {
        "\nkeys, state and stores are as they were\n"
    };
    out
}
