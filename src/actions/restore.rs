//! `restore` and `customer restore`.

use std::path::Path;

use serde_json::json;

use super::Context;
use super::answer::{Answer, IN_PART};
use super::params::{Choice, Restore, RestoreCustomer};
use super::snapshots::Names;
use super::{text, times};
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::SnapshotId;
use crate::repo::Repository;
use crate::restore::{self, LiveSource, Restored, RestoredSource};

/// What is said of a part that this version does not have.
fn not_yet(what: &str) -> Failure {
    Failure::new(format!("this version cannot do `{what}` yet"))
        .hint("`tenure --help` lists what it can do")
}

/// The snapshot that is meant.
fn choose(repository: &Repository, choice: &Choice) -> Outcome<SnapshotId> {
    if let Some(name) = &choice.store {
        // What cannot be read from is found before anything is written.
        repository.store(name)?;
    }
    let at = choice
        .at
        .as_deref()
        .map(|at| times::read(at, repository.config.time_zone))
        .transpose()?;
    restore::choose(repository, choice.snapshot.as_deref(), at)
}

/// `restore`
pub fn whole(context: &Context, wanted: &Restore) -> Outcome<Answer> {
    let to = match &wanted.to {
        Some(to) if !wanted.in_place => to,
        _ => return Err(not_yet("restore --in-place")),
    };
    let repository = context.read()?;
    let id = choose(&repository, &wanted.choice)?;
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
    out.extend(left_out(&restored.left_out));
    out
}

/// `customer restore`
pub fn customer(context: &Context, wanted: &RestoreCustomer) -> Outcome<Answer> {
    match &wanted.to {
        Some(to) if !wanted.live && !wanted.replace => beside(context, wanted, to),
        _ => live(context, wanted),
    }
}

/// `customer restore --to`
fn beside(context: &Context, wanted: &RestoreCustomer, to: &Path) -> Outcome<Answer> {
    let repository = context.read()?;
    let id = choose(&repository, &wanted.choice)?;
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
        })
    };
    let text = || {
        let mut out = format!(
            "restored {} of customer {} from snapshot {} into {}, reading {}\n",
            text::count(restored.rows, "row", "rows"),
            text::printable(&restored.id),
            names.text(restored.snapshot),
            text::printable(&to.display().to_string()),
            text::size(restored.read_bytes),
        );
        out.extend(left_out(&restored.left_out));
        out
    };
    Ok(Answer::new(context.json, value, text).chatter())
}

fn left_out(what: &[String]) -> impl Iterator<Item = String> {
    what.iter()
        .map(|what| format!("  left out: {}\n", text::printable(what)))
}

/// `customer restore --live`
fn live(context: &Context, wanted: &RestoreCustomer) -> Outcome<Answer> {
    if wanted.choice.store.is_some() {
        let what = "`--store` is for restores beside the live systems";
        return Err(Failure::of(FailureKind::Usage, what).hint("leave it out"));
    }
    let repository = context.change()?;
    let id = choose(&repository, &wanted.choice)?;
    let (who, report) = (&wanted.id, context.report.as_ref());
    let restored = restore::live(&repository, who, id, wanted.replace, report)?;
    let names = Names::new(&repository)?;
    let value = || {
        json!({
            "id": restored.id,
            "snapshot": names.json(restored.snapshot),
            "rows": restored.rows(),
            "files": 0,
            "sources": restored.sources.iter().map(live_json).collect::<Vec<_>>(),
            "left_out": restored.left_out,
            "read_bytes": restored.read_bytes,
        })
    };
    let text = || {
        let mut out = format!(
            "put {} of customer {} back from snapshot {}\n",
            text::count(restored.rows(), "row", "rows"),
            text::printable(&restored.id),
            names.text(restored.snapshot),
        );
        out.extend(restored.sources.iter().map(live_text));
        out.extend(left_out(&restored.left_out));
        out
    };
    Ok(Answer::new(context.json, value, text).chatter())
}

fn live_json(source: &LiveSource) -> serde_json::Value {
    let put = &source.put;
    let by_table = |tables: &[(String, u64)]| {
        let tables = tables.iter();
        let tables = tables.map(|(table, rows)| (table.clone(), json!(rows)));
        serde_json::Value::Object(tables.collect())
    };
    let nulled = put.nulled.iter();
    let nulled = nulled.map(|n| (format!("{}.{}", n.table, n.column), json!(n.rows)));
    json!({
        "name": source.name,
        "rows": source.rows,
        "written": by_table(&put.tables),
        "unchanged": put.unchanged,
        "moved": put.moved,
        "deleted": by_table(&put.deleted),
        "nulled": serde_json::Value::Object(nulled.collect()),
        "lost": source.lost,
    })
}

fn live_text(source: &LiveSource) -> String {
    let put = &source.put;
    let sum = |tables: &[(String, u64)]| tables.iter().map(|(_, rows)| rows).sum::<u64>();
    let parts = [
        (sum(&put.tables), "written"),
        (put.unchanged, "there already"),
        (put.moved, "under another rowid"),
        (sum(&put.deleted), "deleted that came since"),
        (source.lost, "references to the forgotten, which are NULL"),
        (
            put.nulled.iter().map(|nulled| nulled.rows).sum(),
            "references to deleted rows, which are NULL",
        ),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("  {}: {}\n", source.name, parts.join(", "))
}
