//! `prune`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Context;
use super::answer::{Answer, IN_PART};
use super::params;
use super::snapshots::Names;
use super::{text, times};
use crate::clock::Timestamp;
use crate::error::Outcome;
use crate::ids::SnapshotId;
use crate::prune::keep::Verdict;
use crate::prune::{self, Plan, Pruned};
use crate::repo::Repository;

/// `prune`
pub fn run(context: &Context, wanted: &params::Prune) -> Outcome<Answer> {
    if wanted.dry_run {
        return dry_run(context);
    }
    let mut repository = context.change()?;
    let names = Names::new(&repository)?;
    let confirm = wanted.confirm.as_deref();
    let pruned = prune::run(&mut repository, confirm, context.report.as_ref())?;
    let value = || {
        json!({
            "deleted_snapshots": ids(&names, pruned.plan.going()),
            "freed_bytes": pruned.freed_bytes,
            "kept": kept(&names, &pruned.plan),
            "left": pruned.left.iter().map(|(name, failure)| {
                json!({ "name": name, "why": text::reasons(failure) })
            }).collect::<Vec<_>>(),
        })
    };
    let text = || done(&names, &pruned);
    let answer = Answer::new(context.json, value, text).chatter();
    let left = pruned.left.iter().map(|(name, failure)| {
        let why = text::reasons(failure);
        format!("store {name} may still hold what should be gone: {why}")
    });
    let floor = no_floor(&pruned.plan);
    Ok(answer
        .warn(floor.into_iter().chain(left))
        .code_if(!pruned.left.is_empty(), IN_PART))
}

fn dry_run(context: &Context) -> Outcome<Answer> {
    let repository = context.read()?;
    let names = Names::new(&repository)?;
    let plan = prune::plan(&repository)?;
    let refused = plan.shrunk.map(|shrunk| shrunk.refusal());
    let value = || {
        json!({
            "dry_run": true,
            "deleted_snapshots": [],
            "freed_bytes": 0,
            "would_delete": ids(&names, plan.going()),
            "kept": kept(&names, &plan),
            "refused": refused.as_ref().map(ToString::to_string),
        })
    };
    let started = started(&repository)?;
    let zone = repository.config.time_zone;
    let text = || {
        let rows = plan.verdicts.iter().map(|verdict| {
            let started = started.get(&verdict.id).copied();
            let fate = if verdict.is_kept() { "stays" } else { "goes" };
            vec![
                names.text(verdict.id),
                started.map_or_else(String::new, |time| times::local(time, zone)),
                fate.to_owned(),
                why(verdict).join(", "),
            ]
        });
        text::table(&[">snapshot", "started", "it", "because"], rows)
    };
    let refused = refused.iter().map(|failure| {
        let hint = failure.next_step().unwrap_or_default();
        format!("nothing would be deleted: {failure}; {hint}")
    });
    let warnings: Vec<String> = no_floor(&plan).into_iter().chain(refused).collect();
    Ok(Answer::new(context.json, value, text).warn(warnings))
}

/// When each snapshot was started.
fn started(repository: &Repository) -> Outcome<BTreeMap<SnapshotId, Timestamp>> {
    let snapshots = repository.catalog.snapshots()?.into_iter();
    Ok(snapshots
        .map(|snapshot| (snapshot.id, snapshot.started))
        .collect())
}

fn ids(names: &Names, ids: impl Iterator<Item = SnapshotId>) -> Vec<Value> {
    ids.map(|id| names.json(id)).collect()
}

fn kept(names: &Names, plan: &Plan) -> Vec<Value> {
    let kept = plan.verdicts.iter().filter(|verdict| verdict.is_kept());
    kept.map(|verdict| json!({ "snapshot": names.json(verdict.id), "why": why(verdict) }))
        .collect()
}

fn why(verdict: &Verdict) -> Vec<&'static str> {
    verdict.why.iter().map(|reason| reason.as_str()).collect()
}

fn no_floor(plan: &Plan) -> Option<String> {
    let none = plan.floor.is_none() && plan.going().next().is_some();
    none.then(|| {
        "no snapshot was verified with its data, so the keep rules alone decide: `tenure verify \
         --data` shows that what is kept can be read"
            .to_owned()
    })
}

fn done(names: &Names, pruned: &Pruned) -> String {
    let going: Vec<String> = pruned.plan.going().map(|id| names.text(id)).collect();
    let kept = (pruned.plan.verdicts.len() - going.len()) as u64;
    let deleted = match going.len() as u64 {
        0 => "no snapshot is to go".to_owned(),
        many => format!(
            "deleted {}: {}",
            text::count(many, "snapshot", "snapshots"),
            going.join(", ")
        ),
    };
    format!(
        "{deleted}\nfreed {}; {} kept\n",
        text::size(pruned.freed_bytes),
        text::count(kept, "snapshot", "snapshots"),
    )
}
