//! `status` and `verify`: are we safe?

use serde_json::json;

use super::Context;
use super::answer::{Answer, WRONG};
use super::snapshots::Names;
use super::{text, times};
use crate::audit::AuditLog;
use crate::catalog::Ending;
use crate::config::Config;
use crate::error::Outcome;
use crate::ids::StoreName;
use crate::repo::Repository;
use crate::status::{self, Problem, Status};
use crate::verify;

/// `verify`
pub fn verify(context: &Context, store: Option<&StoreName>, data: bool) -> Outcome<Answer> {
    let mut repository = context.read()?;
    let names = Names::new(&repository)?;
    let verified = verify::run(&mut repository, store, data, context.report.as_ref())?;
    let value = || {
        let whole = verified.whole.iter().map(|id| names.json(*id));
        json!({
            "ok": verified.is_ok(),
            "objects": verified.objects,
            "blobs": verified.blobs,
            "forgotten": verified.forgotten,
            "bytes": verified.bytes,
            "problems": verified.problems,
            "whole": whole.collect::<Vec<_>>(),
        })
    };
    let text = || {
        let problems = verified.problems.iter().map(|problem| {
            let object = if problem.object.is_empty() { "" } else { ": " };
            let what = format!(
                "store {}{object}{}: {}",
                problem.store, problem.object, problem.what
            );
            format!("wrong: {}\n", text::printable(&what))
        });
        let objects = text::count(verified.objects, "object", "objects");
        let blobs = match data {
            true => format!(
                ", {} opened and compared",
                text::count(verified.blobs, "blob", "blobs")
            ),
            false => String::new(),
        };
        let verdict = match verified.problems.len() as u64 {
            0 => "everything is there and whole".to_owned(),
            many => text::count(many, "thing is wrong", "things are wrong"),
        };
        let size = text::size(verified.bytes);
        problems.collect::<String>() + &format!("read {objects}, {size}{blobs}: {verdict}\n")
    };
    let ok = verified.is_ok();
    let answer = Answer::new(context.json, value, text).code_if(!ok, WRONG);
    Ok(if ok { answer.chatter() } else { answer })
}

/// `status`
pub fn status(context: &Context) -> Outcome<Answer> {
    let repository = context.read()?;
    let mut status = status::run(&repository)?;
    refused_configuration(context, &mut status);
    failing_tasks(&repository, &mut status)?;
    audit_log(&repository, &mut status);
    let names = Names::new(&repository)?;
    let value = || {
        let stores = status.stores.iter().map(|store| {
            let (last_good, finished) = store.last_good.unzip();
            json!({
                "name": store.name,
                "reachable": store.reachable,
                "last_good": last_good.map(|id| names.json(id)),
                "last_good_finished": finished,
                "behind": store.behind,
            })
        });
        json!({
            "ok": status.ok,
            "problems": status.problems,
            "stores": stores.collect::<Vec<_>>(),
            "last_snapshot": status.last_snapshot.map(|last| {
                json!({ "snapshot": names.json(last.id), "kind": last.kind, "finished": last.finished })
            }),
            "customers": status.customers,
            "epoch": status.epoch,
            "pending": status.pending,
            "proven": status.proven,
        })
    };
    let zone = repository.config.time_zone;
    let text = || status_text(&status, &names, zone);
    Ok(Answer::new(context.json, value, text).code_if(!status.ok, WRONG))
}

/// A daemon goes on with the configuration from before when a changed one is refused: that is told
/// until somebody mends it.
fn refused_configuration(context: &Context, status: &mut Status) {
    let Some(in_force) = &context.config else {
        return;
    };
    let what = match Config::load(&context.path) {
        Ok(config) if config.text() == in_force.text() => return,
        Ok(_) => "the configuration has changed, and is not in force yet".to_owned(),
        Err(error) => {
            format!("the changed configuration is refused, the one before is in force: {error}")
        }
    };
    let hint =
        "mend the file; `systemctl reload tenured` takes it over, `restart` what reload cannot";
    wrong(status, what, hint);
}

/// Tasks of the daemon that do not end as they should.
fn failing_tasks(repository: &Repository, status: &mut Status) -> Outcome<()> {
    for (task, record) in repository.catalog.tasks()? {
        let Some(result) = record.last_result else {
            continue;
        };
        if matches!(result.ending, Ending::Failed | Ending::Refused) {
            let what = format!("task {task} {}: {}", result.ending.as_str(), result.text);
            wrong(
                status,
                what,
                "`tenure schedule` tells when it is tried again",
            );
        }
    }
    Ok(())
}

/// A log that cannot be written to stops every erasure.
fn audit_log(repository: &Repository, status: &mut Status) {
    let checked = AuditLog::open(repository).and_then(|log| log.check());
    if let Err(failure) = checked {
        let hint = failure
            .next_step()
            .unwrap_or("`tenure audit verify` tells more");
        let what = format!(
            "the audit log cannot be written to: {}",
            text::reasons(&failure)
        );
        wrong(status, what, hint);
    }
}

fn wrong(status: &mut Status, what: String, hint: &str) {
    status.ok = false;
    status.problems.push(Problem {
        what,
        hint: Some(hint.to_owned()),
    });
}

fn status_text(status: &Status, names: &Names, zone: chrono_tz::Tz) -> String {
    let last = status.last_snapshot.map_or("none yet".to_owned(), |last| {
        format!(
            "{} ({}), {}",
            names.text(last.id),
            last.kind,
            times::local(last.finished, zone)
        )
    });
    let proven = status
        .proven
        .map_or("never".to_owned(), |time| times::local(time, zone));
    let mut out = format!(
        "last snapshot   {last}\ncustomers       {}\nkeyring epoch   {}\nrecovery shown  {proven}\n\n",
        status.customers, status.epoch
    );
    let rows = status.stores.iter().map(|store| {
        let last_good = store
            .last_good
            .map_or(["none".to_owned(), String::new()], |(id, time)| {
                [names.text(id), times::local(time, zone)]
            });
        let reachable = if store.reachable { "yes" } else { "no" };
        let [id, time] = last_good;
        vec![
            store.name.to_string(),
            reachable.to_owned(),
            id,
            time,
            store.behind.to_string(),
        ]
    });
    out += &text::table(
        &["store", "reachable", ">last good", "finished", ">behind"],
        rows,
    );
    out.push('\n');
    for problem in &status.problems {
        out += &format!("wrong: {}\n", text::printable(&problem.what));
        out.extend(
            problem
                .hint
                .iter()
                .map(|hint| format!("  hint: {}\n", text::printable(hint))),
        );
    }
    out + if status.ok {
        "all is well\n"
    } else {
        "this needs a look\n"
    }
}
