//! `schedule`, `roles`, `audit log` and `audit verify`.

use serde_json::{Value, json};

use super::answer::{Answer, WRONG};
use super::params::{AuditLog as Wanted, AuditVerify};
use super::{Context, ROUTES, text, times};
use crate::audit::AuditLog;
use crate::audit_entry::Entry;
use crate::catalog::TaskRecord;
use crate::clock::Timestamp;
use crate::config::Cron;
use crate::error::Outcome;
use crate::schedule::{Planner, Task};

/// How many entries of the audit log are shown if nobody says.
const ENTRIES: usize = 50;

/// `roles`
pub fn roles(context: &Context) -> Answer {
    let rows = || {
        ROUTES.iter().map(|route| {
            let mut roles = vec!["admin"];
            roles.extend(route.roles.iter().map(|role| role.as_str()));
            (route, roles)
        })
    };
    let value = || {
        let rows = rows().map(|(route, roles)| {
            json!({
                "action": route.name,
                "role": roles,
                "method": route.method,
                "path": route.path,
            })
        });
        Value::Array(rows.collect())
    };
    let text = || {
        let rows = rows().map(|(route, roles)| {
            vec![
                route.name.to_owned(),
                roles.join(", "),
                route.about.to_owned(),
            ]
        });
        text::table(&["action", "roles", "what it does"], rows)
    };
    Answer::new(context.json, value, text)
}

/// `schedule`
pub fn schedule(context: &Context) -> Outcome<Answer> {
    let repository = context.read()?;
    let config = &repository.config;
    let (zone, now) = (config.time_zone, Timestamp::now());
    let records = repository.catalog.tasks()?;
    let planner = Planner::for_config(config, records.clone(), now);
    let rows: Vec<_> = Task::ALL
        .into_iter()
        .map(|task| (task, records.get(task.as_str()), planner.next(task, now)))
        .collect();
    let value = || {
        let rows = rows.iter().map(|(task, record, next)| {
            json!({
                "task": task.as_str(),
                "schedule": task.cron(&config.schedule).map(Cron::as_str),
                "last": record.and_then(|record| record.last_started),
                "finished": record.and_then(|record| record.last_finished),
                "last_success": record.and_then(|record| record.last_success),
                "result": record.map(result),
                "failures": record.map_or(0, |record| record.failures),
                "next": next,
            })
        });
        Value::Array(rows.collect())
    };
    let text = || {
        let local = |time: Option<Timestamp>| {
            time.map_or_else(String::new, |time| times::local(time, zone))
        };
        let rows = rows.iter().map(|(task, record, next)| {
            vec![
                task.as_str().to_owned(),
                local(record.and_then(|record| record.last_started)),
                record.map_or_else(String::new, result),
                local(*next),
            ]
        });
        text::table(&["task", "last", "result", "next"], rows)
    };
    Ok(Answer::new(context.json, value, text))
}

/// How a task's last run ended, in words.
fn result(record: &TaskRecord) -> String {
    match &record.last_result {
        _ if record.is_open() => "running".to_owned(),
        None => String::new(),
        Some(result) if result.text.is_empty() => result.ending.as_str().to_owned(),
        Some(result) => format!("{}: {}", result.ending.as_str(), result.text),
    }
}

/// `audit log`
pub fn audit_log(context: &Context, wanted: &Wanted) -> Outcome<Answer> {
    let repository = context.read()?;
    let log = AuditLog::open(&repository)?;
    let entries = match wanted.from {
        Some(first) => log.entries(first, usize::MAX)?,
        None => log.newest(wanted.limit.unwrap_or(ENTRIES))?,
    };
    let zone = repository.config.time_zone;
    let value = || Value::Array(entries.iter().map(entry_json).collect());
    let text = || {
        let rows = entries.iter().map(|(number, entry)| {
            let domains = entry.object.domains.iter().map(ToString::to_string);
            vec![
                number.to_string(),
                times::local(entry.time, zone),
                entry.who.name.clone(),
                entry.who.roles.join(", "),
                entry.action.clone(),
                domains.collect::<Vec<_>>().join(", "),
                match entry.result.as_str() {
                    "" => entry.phase.word().to_owned(),
                    result => format!("{}: {result}", entry.phase.word()),
                },
            ]
        });
        let heads = [
            ">entry",
            "time",
            "who",
            "roles",
            "action",
            "customers",
            "result",
        ];
        text::table(&heads, rows)
    };
    Ok(Answer::new(context.json, value, text))
}

fn entry_json((number, entry): &(u64, Entry)) -> Value {
    json!({
        "entry": number,
        "time": entry.time,
        "uid": entry.who.uid,
        "user": entry.who.name,
        "roles": entry.who.roles,
        "action": entry.action,
        "domains": entry.object.domains.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "task": entry.object.task,
        "phase": entry.phase.word(),
        "result": entry.result,
        "begun": entry.begun,
    })
}

/// `audit verify`
pub fn audit_verify(context: &Context, wanted: &AuditVerify) -> Outcome<Answer> {
    let repository = context.read()?;
    let log = AuditLog::open(&repository)?;
    let verified = log.verify(&repository, wanted.against.as_ref())?;
    let root = crate::ids::hex(&verified.root);
    let value = || {
        let witnesses = verified
            .witnesses
            .iter()
            .map(|witness| json!({ "store": witness.store, "covers": witness.covers }));
        json!({
            "ok": verified.ok(),
            "entries": verified.entries,
            "root": root,
            "key": log.verifier_key(),
            "problems": verified.problems,
            "witnesses": witnesses.collect::<Vec<_>>(),
        })
    };
    let text = || {
        let mut out = String::new();
        for problem in &verified.problems {
            out += &format!("wrong: {}\n", text::printable(problem));
        }
        for witness in &verified.witnesses {
            let name = witness
                .store
                .as_ref()
                .map_or("this host", |store| store.as_str());
            let covers = witness.covers.unwrap_or(0);
            out += &format!("{name} vouches for {covers} entries\n");
        }
        let entries = text::count(verified.entries, "entry", "entries");
        let verdict = if verified.ok() {
            "nothing was altered"
        } else {
            "this must be looked into"
        };
        out + &format!("{entries}, root {root}: {verdict}\n")
    };
    Ok(Answer::new(context.json, value, text).code_if(!verified.ok(), WRONG))
}
