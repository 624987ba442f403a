//! `recover`.

use serde_json::{Value, json};

use super::args::Recover;
use super::run::Session;
use crate::actions::answer::{Answer, IN_PART};
use crate::actions::text;
use crate::error::Outcome;
use crate::recover::{self, Recovered, Wanted};

/// Recovers, or rehearses it.
pub(super) fn run(session: &Session<'_>, wanted: &Recover) -> Outcome<Answer> {
    let wanted = Wanted {
        stores: wanted.stores.clone(),
        identity: wanted.identity.clone(),
        to: wanted.to.clone(),
        fingerprint: wanted.fingerprint,
        at_least_epoch: wanted.at_least_epoch,
        void_from: wanted.void_from,
        give_up: wanted.give_up.clone(),
        alone: wanted.alone,
        rehearse: wanted.rehearse,
    };
    let report = session.report.as_ref();
    let recovered = recover::run(&wanted, session.runtime.handle(), report)?;
    let value = || json(&recovered, wanted.rehearse);
    let text = || in_words(&recovered, wanted.rehearse);
    let in_part = !recovered.unread.is_empty() || !recovered.lost.is_empty();
    let answer = Answer::new(session.args.json, value, text).chatter();
    Ok(answer.warn(warnings(&recovered)).code_if(in_part, IN_PART))
}

fn json(recovered: &Recovered, rehearsed: bool) -> Value {
    let newest = recovered.newest.as_ref();
    let unread = recovered.unread.iter();
    let restored = recovered.restored.as_ref();
    json!({
        "config": (!rehearsed).then_some(&recovered.config),
        "snapshots": recovered.snapshots,
        "epoch": recovered.epoch,
        "newest": newest.map(|newest| newest.id.number),
        "finished": newest.map(|newest| newest.finished),
        "customers": newest.map(|newest| newest.customers),
        "stores": recovered.read,
        "unread": unread.map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>(),
        "voided": recovered.voided,
        "lost": recovered.lost,
        "notes": recovered.notes,
        "rehearsal": restored.map(|restored| json!({
            "sources": restored.sources.iter().map(|source| json!({
                "name": source.name,
                "path": source.path,
                "rows": source.rows,
                "bytes": source.bytes,
                "problems": source.problems,
            })).collect::<Vec<_>>(),
            "left_out": restored.left_out,
            "seconds": restored.seconds,
        })),
    })
}

fn in_words(recovered: &Recovered, rehearsed: bool) -> String {
    let mut out = String::new();
    if recovered.is_finished {
        out += "an earlier recovery has made this, and it is complete now\n";
    }
    if let Some(newest) = &recovered.newest {
        let customers = text::count(newest.customers, "customer", "customers");
        out += &format!(
            "snapshots    {}, the newest of {} with {customers}\n",
            recovered.snapshots, newest.started
        );
    }
    out += &format!("epoch        {}\n", recovered.epoch);
    for store in &recovered.read {
        out += &format!("store        {store}: read\n");
    }
    for entry in &recovered.voided {
        out += &format!("void         {entry}\n");
    }
    for source in recovered
        .restored
        .iter()
        .flat_map(|restored| &restored.sources)
    {
        let path = text::printable(&source.path.display().to_string());
        let rows = text::count(source.rows, "row", "rows");
        out += &format!("restored     {}: {path}, {rows}\n", source.name);
    }
    if rehearsed {
        return out
            + "\nthis was a rehearsal: nothing was written to any store, and no keys are left here\n";
    }
    let config = text::printable(&recovered.config.display().to_string());
    out += &format!("wrote        {config}\n");
    out += &format!("\nnext: tenure --config {config} restore --to DIR\n");
    out
}

fn warnings(recovered: &Recovered) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, why) in &recovered.unread {
        warnings.push(format!(
            "store {name} was not read: {}\n  Nothing is destroyed until it was read, or is given up: run this \
             again with --give-up {name} if it is lost for good.",
            text::printable(why)
        ));
    }
    let lost = recovered.lost.iter().chain(&recovered.notes);
    warnings.extend(lost.map(|what| text::printable(what)));
    warnings
}
