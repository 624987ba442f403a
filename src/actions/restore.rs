//! `restore` and `customer restore`.

use serde_json::json;

use super::Context;
use super::answer::{Answer, IN_PART};
use super::params::{Choice, Restore, RestoreCustomer};
use super::snapshots::Names;
use super::{text, times};
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::SnapshotId;
use crate::repo::Repository;
use crate::restore::{self, Restored, RestoredSource};

/// The snapshot that is meant.
fn choose(context: &Context, repository: &Repository, choice: &Choice) -> Outcome<SnapshotId> {
    if let Some(name) = &choice.store {
        // What cannot be read from is found before anything is written.
        repository.store(name)?;
    }
    let at = choice
        .at
        .as_deref()
        .map(|at| times::read_through(at, repository.config.time_zone))
        .transpose()?;
    if choice.snapshot.is_none() && at.is_none() {
        let (id, why) = restore::newest(repository, choice.store.as_ref())?;
        context.tell(why);
        return Ok(id);
    }
    restore::choose(repository, choice.snapshot.as_deref(), at)
}

/// `restore`
pub fn whole(context: &Context, wanted: &Restore) -> Outcome<Answer> {
    let Some(to) = &wanted.to else {
        let what = "nothing says where to restore to";
        return Err(Failure::of(FailureKind::Usage, what).hint("name a directory: `to`"));
    };
    let repository = context.read()?;
    let id = choose(context, &repository, &wanted.choice)?;
    let (source, store) = (wanted.source.as_deref(), wanted.choice.store.as_ref());
    let restored = restore::whole(&repository, to, id, source, store, context.report.as_ref())?;
    let names = Names::new(&repository)?;
    let problems = restored.sources.iter().flat_map(|source| {
        source
            .problems
            .iter()
            .map(|problem| format!("source {}: {problem}", source.name))
    });
    let problems: Vec<String> = problems.collect();
    let in_part = !problems.is_empty();
    let value = || {
        json!({
            "snapshot": names.json(id),
            "sources": restored.sources.iter().map(source_json).collect::<Vec<_>>(),
            "left_out": restored.left_out,
            "seconds": restored.seconds,
        })
    };
    let text = || restored_text(&restored, &names);
    Ok(Answer::new(context.json, value, text)
        .chatter()
        .warn(problems)
        .code_if(in_part, IN_PART))
}

fn source_json(source: &RestoredSource) -> serde_json::Value {
    json!({
        "name": source.name,
        "path": source.path,
        "rows": source.rows,
        "files": 0,
        "bytes": source.bytes,
        "nulled": source.nulled,
        "tombstones": source.tombstones,
        "problems": source.problems,
    })
}

fn restored_text(restored: &Restored, names: &Names) -> String {
    let mut out = format!(
        "restored snapshot {} in {}\n",
        names.text(restored.id),
        times::seconds(restored.seconds)
    );
    for source in &restored.sources {
        out += &format!(
            "  {}: {}, {} in {}\n",
            source.name,
            text::printable(&source.path.display().to_string()),
            text::count(source.rows, "row", "rows"),
            text::size(source.bytes),
        );
        if source.nulled + source.tombstones > 0 {
            out += &format!(
                "    references to the forgotten: {} are NULL, {} stand for a row that is gone\n",
                source.nulled, source.tombstones
            );
        }
    }
    for what in &restored.left_out {
        out += &format!("  left out: {}\n", text::printable(what));
    }
    out
}

/// `customer restore`
pub fn customer(context: &Context, wanted: &RestoreCustomer) -> Outcome<Answer> {
    let Some(to) = &wanted.to else {
        return live(context, wanted);
    };
    let repository = context.read()?;
    let id = choose(context, &repository, &wanted.choice)?;
    let store = wanted.choice.store.as_ref();
    let restored = restore::customer(
        &repository,
        &wanted.id,
        to,
        id,
        store,
        context.report.as_ref(),
    )?;
    let names = Names::new(&repository)?;
    let value = || {
        json!({
            "id": restored.id,
            "snapshot": names.json(restored.snapshot),
            "rows": restored.rows,
            "files": 0,
            "left_out": restored.left_out,
            "read_bytes": restored.read_bytes,
            "problems": restored.problems,
        })
    };
    let text = || {
        format!(
            "restored {} of customer {} from snapshot {} into {}, reading {}\n",
            text::count(restored.rows, "row", "rows"),
            text::printable(&restored.id),
            names.text(restored.snapshot),
            text::printable(&to.display().to_string()),
            text::size(restored.read_bytes),
        )
    };
    Ok(Answer::new(context.json, value, text)
        .chatter()
        .warn(restored.problems.iter().chain(&restored.left_out).cloned())
        .code_if(!restored.problems.is_empty(), IN_PART))
}

/// `customer restore --live`
fn live(context: &Context, wanted: &RestoreCustomer) -> Outcome<Answer> {
    if !wanted.live {
        let what = "nothing says where to restore to";
        let hint = "name a directory (`to`), or say `live`";
        return Err(Failure::of(FailureKind::Usage, what).hint(hint));
    }
    let repository = context.change_sources()?;
    let id = choose(context, &repository, &wanted.choice)?;
    let report = context.report.as_ref();
    let restored = restore::live(&repository, &wanted.id, id, wanted.replace, report)?;
    let names = Names::new(&repository)?;
    let sources = restored.sources.iter().map(|source| {
        json!({
            "name": source.name,
            "tables": pairs(&source.put.tables),
            "unchanged": source.put.unchanged,
            "moved": source.put.moved,
            "deleted": pairs(&source.put.deleted),
            "nulled": source.put.nulled.iter().map(|n| n.rows).sum::<u64>(),
            "lost": source.lost,
        })
    });
    let value = || {
        json!({
            "id": restored.id,
            "snapshot": names.json(restored.snapshot),
            "rows": restored.rows(),
            "files": 0,
            "read_bytes": restored.read_bytes,
            "sources": sources.collect::<Vec<_>>(),
        })
    };
    let text = || {
        let changed = restored
            .sources
            .iter()
            .flat_map(|source| &source.put.tables);
        let changed = changed.map(|(_, rows)| rows).sum::<u64>();
        format!(
            "customer {} is in the live system as snapshot {} has it: {}, of which {changed} were put back\n",
            text::printable(&restored.id),
            names.text(restored.snapshot),
            text::count(restored.rows(), "row", "rows"),
        )
    };
    let left_out = restored
        .left_out
        .iter()
        .map(|what| format!("left out: {what}"));
    let lost: u64 = restored.sources.iter().map(|source| source.lost).sum();
    let lost = (lost > 0).then(|| format!("references to the forgotten: {lost} are NULL"));
    Ok(Answer::new(context.json, value, text)
        .chatter()
        .warn(left_out.chain(lost).collect::<Vec<_>>()))
}

fn pairs(tables: &[(String, u64)]) -> Vec<serde_json::Value> {
    let pairs = tables.iter();
    pairs
        .map(|(table, rows)| json!({ "table": table, "rows": rows }))
        .collect()
}
