//! `keys forget` and `keys recipients`.

use serde_json::{Value, json};

use super::Context;
use super::answer::{Answer, IN_PART};
use super::params::Forget;
use super::text;
use crate::error::Outcome;
use crate::{forget, keys};

/// `keys forget`
pub fn forget(context: &Context, wanted: &Forget) -> Outcome<Answer> {
    let mut repository = context.change()?;
    let forgotten = forget::run(&mut repository, &wanted.ids, &wanted.tables)?;
    context.heed(&repository);
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
    let answer = Answer::new(context.json, value, text)
        .chatter()
        .warn(pending);
    Ok(answer.code_if(!forgotten.pending.is_empty(), IN_PART))
}

/// What forgetting does, and what it does not reach, in plain words.
pub fn consequences(ids: &[String], tables: &[String], not_reached: &[String]) -> String {
    let mut out = String::new();
    if !ids.is_empty() {
        let who = text::count(ids.len() as u64, "customer", "customers");
        out += &format!(
            "forgetting {who} ({}): once it is done, nobody can read them in any backup, in any store, \
             ever again.\n  Their rows in the live database stay, and are left out of every snapshot.\n",
            ids.join(", ")
        );
    }
    if !tables.is_empty() {
        out += &format!(
            "forgetting what backups hold of {} outside customers' own rows: once it is done, nobody can \
             read that ever again.\n  The rows in the live database stay, and are in the next snapshot \
             again.\n",
            tables.join(", ")
        );
    }
    for table in not_reached {
        out += &format!(
            "  Not reached: rows of {table} that belong to nobody; if some are about the forgotten, settle \
             whose they are, or forget them with --table.\n"
        );
    }
    out + "  This cannot be undone."
}

/// `keys recipients`
pub fn recipients(context: &Context) -> Outcome<Answer> {
    let recipients = keys::recipients(&context.read()?)?;
    Ok(listed(context.json, &recipients, None))
}

/// Who can recover, and what is pending of a change.
pub fn listed(json: bool, recipients: &[String], pending: Option<&[String]>) -> Answer {
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
    Answer::new(json, value, text)
}
