//! `retention plan` and `retention run`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Answer, IN_PART};
use super::params::{PlanAt, Run};
use super::{Context, text, times};
use crate::clock::Timestamp;
use crate::error::Outcome;
use crate::lifecycle::retention::{self, Plan};
use crate::lifecycle::{Fate, Verdict};
use crate::lifecycle::{Pending, absent_in_words, unreached_in_words};
use crate::piece::Identity;

/// `retention plan`
pub fn plan(context: &Context, wanted: &PlanAt) -> Outcome<Answer> {
    let repository = context.read()?;
    let zone = repository.config.time_zone;
    let at = match &wanted.at {
        Some(text) => times::read(text, zone)?,
        None => Timestamp::now(),
    };
    let plan = retention::plan(&repository, at)?;
    let lives = repository.catalog.lives()?;
    // Who may not see the hidden does not see them here either.
    let seen = |(_, verdict): &(&Identity, &Verdict)| {
        let hidden = lives
            .get(&verdict.domain)
            .is_some_and(|l| l.hidden.is_some());
        context.sees_hidden || !hidden
    };
    let value = || plan_json(&plan, plan.each().filter(seen));
    let text = || {
        let due = plan
            .each()
            .filter(seen)
            .filter(|(_, v)| v.fate != Fate::Keep);
        let rows = due.map(|(identity, verdict)| {
            let why: Vec<String> = verdict.why.iter().map(ToString::to_string).collect();
            vec![
                identity.key.text(),
                verdict.fate.as_str().to_owned(),
                verdict
                    .due
                    .map_or_else(String::new, |due| times::local(due, zone)),
                why.join("; "),
            ]
        });
        let rows: Vec<_> = rows.collect();
        let mut out = match rows.is_empty() {
            true => String::new(),
            false => text::table(&["id", "fate", "until", "because"], rows),
        };
        out += &format!("{}\nplan {}\n", counts(&plan), plan.hash);
        out
    };
    Ok(Answer::new(context.json, value, text).warn(doubts(&plan)))
}

fn plan_json<'p>(plan: &'p Plan, each: impl Iterator<Item = (&'p Identity, &'p Verdict)>) -> Value {
    let verdicts = each.map(|(identity, verdict)| {
        json!({
            "id": identity.key.text(),
            "class": "customer",
            "fate": verdict.fate.as_str(),
            "why": verdict.why.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "due": verdict.due,
        })
    });
    json!({
        "hash": plan.hash,
        "at": plan.at,
        "fuse": {
            "blown": plan.blown.is_some(),
            "why": plan.blown.as_ref().map(ToString::to_string),
        },
        "clock": plan.implausible.as_ref().map(ToString::to_string),
        "unknown": plan.unknown,
        "verdicts": verdicts.collect::<Vec<_>>(),
    })
}

fn counts(plan: &Plan) -> String {
    let fates = [Fate::Keep, Fate::Expired, Fate::Review, Fate::Erase];
    let counts = fates.map(|fate| format!("{} {}", plan.count(fate), fate.as_str()));
    counts.join(", ")
}

/// What makes a person's confirmation necessary.
fn doubts(plan: &Plan) -> Vec<String> {
    let mut doubts = Vec::new();
    doubts.extend(
        plan.blown
            .as_ref()
            .map(|blown| format!("the fuse has blown: {blown}")),
    );
    doubts.extend(plan.implausible.as_ref().map(ToString::to_string));
    doubts
}

/// `retention run`
pub fn run(context: &Context, wanted: &Run) -> Outcome<Answer> {
    let mut run = retention::begin(&context.change_sources()?, wanted.confirm.as_deref())?;
    // Between two batches nothing is locked: a hold that waits goes first, and is seen by the next.
    while run.step(&mut context.change_sources()?, &*context.report)? {
        context.report.breathe();
    }
    let is_part = run.pending.iter().any(Pending::is_work);
    let fates: BTreeMap<&str, usize> = [Fate::Keep, Fate::Expired, Fate::Review]
        .map(|fate| (fate.as_str(), run.plan.count(fate)))
        .into();
    let value = || {
        json!({
            "hash": run.plan.hash,
            "fuse": { "blown": run.plan.blown.is_some() },
            "erased": run.erased,
            "certificates": run.erasures,
            "others": fates,
            "pending": run.pending,
            "problems": run.unmet,
            "not_reached": run.not_reached,
            "absent": run.absent,
            "verdicts": plan_json(&run.plan, run.plan.each())["verdicts"],
        })
    };
    let text = || {
        let erased = text::count(run.erased, "customer", "customers");
        format!("erased {erased}; {}\n", counts(&run.plan))
    };
    let warnings = run
        .pending
        .iter()
        .map(|what| format!("pending: {}", text::printable(&what.to_string())));
    let warnings = warnings.chain(run.unmet.iter().map(|what| text::printable(what)));
    let warnings = warnings.chain(absent_in_words(run.absent, false));
    let named = |table: &String| text::printable(&unreached_in_words(table));
    let warnings = warnings.chain(run.not_reached.iter().map(named));
    Ok(Answer::new(context.json, value, text)
        .chatter()
        .warn(warnings.collect::<Vec<_>>())
        .code_if(is_part || !run.unmet.is_empty(), IN_PART))
}
