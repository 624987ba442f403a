//! `customer list`, `show`, `readmit`.

use serde_json::{Value, json};

use super::Context;
use super::answer::Answer;
use super::params::{Because, List};
use super::snapshots::Names;
use super::{text, times};
use crate::clock::Timestamp;
use crate::customers::{self, Filter, Flag, Hidden, Listed, Shown, State};
use crate::error::{Failure, FailureKind, Outcome};
use crate::forget;

/// `customer list`
pub fn list(context: &Context, wanted: &List) -> Outcome<Answer> {
    let repository = context.read()?;
    let state = wanted
        .state
        .map(State::from)
        .or(wanted.hidden.then_some(State::Hidden));
    let hidden = match (wanted.hidden || state == Some(State::Hidden), wanted.all) {
        (true, _) => Hidden::Only,
        (_, true) => Hidden::With,
        _ => Hidden::Without,
    };
    if hidden != Hidden::Without && !context.sees_hidden {
        let what = "you may not see hidden customers";
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("`see_hidden` in [admin.roles] says who may"));
    }
    let filter = Filter {
        state,
        hidden,
        limit: wanted.limit,
        after: wanted.after.clone(),
    };
    let listed = customers::list(&repository, &filter)?;
    let zone = repository.config.time_zone;
    let value = || Value::Array(listed.iter().map(listed_json).collect());
    let text = || {
        if listed.is_empty() {
            return "nobody\n".to_owned();
        }
        let rows = listed.iter().map(|customer| {
            let time = |time: Option<Timestamp>| {
                time.map_or(String::new(), |time| times::local(time, zone))
            };
            let mut state = vec![customer.state.as_str()];
            state.extend(customer.flags.iter().map(|flag| flag.as_str()));
            vec![
                customer.label.as_ref().unwrap_or(&customer.id).clone(),
                customer.name.clone().unwrap_or_default(),
                state.join(", "),
                time(customer.due),
                customer.hold.map_or(String::new(), |hold| hold.to_string()),
            ]
        });
        text::table(&["id", "name", "state", "due", "hold"], rows)
    };
    Ok(Answer::new(context.json, value, text))
}

fn flags(flags: &[Flag]) -> Vec<&'static str> {
    flags.iter().map(|flag| flag.as_str()).collect()
}

fn listed_json(customer: &Listed) -> Value {
    json!({
        "id": customer.id,
        "label": customer.label,
        "name": customer.name,
        "state": customer.state.as_str(),
        "flags": flags(&customer.flags),
        "due": customer.due,
        "hold": customer.hold,
    })
}

/// `customer show`
pub fn show(context: &Context, id: &str) -> Outcome<Answer> {
    let repository = context.read()?;
    let shown = customers::show(&repository, id, context.sees_hidden)?;
    let names = Names::new(&repository)?;
    let value = || {
        let sources = shown.sources.iter().map(|source| {
            let tables = source.tables.iter();
            let tables = tables.map(|table| json!({ "table": table.table, "rows": table.rows }));
            json!({ "name": source.name, "files": 0, "tables": tables.collect::<Vec<_>>() })
        });
        json!({
            "id": shown.id,
            "name": shown.name,
            "state": shown.state.as_str(),
            "flags": flags(&shown.flags),
            "due": shown.due,
            "hold": shown.hold,
            "why": shown.why,
            "snapshots": shown.snapshots.iter().map(|id| names.json(*id)).collect::<Vec<_>>(),
            "sources": sources.collect::<Vec<_>>(),
        })
    };
    let text = || shown_text(&shown, &names);
    Ok(Answer::new(context.json, value, text))
}

fn shown_text(shown: &Shown, names: &Names) -> String {
    let mut out = format!("customer   {}\n", text::printable(&shown.id));
    out.extend(
        shown
            .name
            .iter()
            .map(|name| format!("name       {}\n", text::printable(name))),
    );
    let mut state = vec![shown.state.as_str()];
    state.extend(flags(&shown.flags));
    out += &format!("state      {}\n", state.join(", "));
    let snapshots: Vec<String> = shown.snapshots.iter().map(|id| names.text(*id)).collect();
    let snapshots = if snapshots.is_empty() {
        "none yet".to_owned()
    } else {
        snapshots.join(", ")
    };
    out += &format!("snapshots  {snapshots}\n");
    let rows = shown.sources.iter().flat_map(|source| {
        let row = |table: &customers::ShownTable| {
            vec![
                source.name.clone(),
                table.table.clone(),
                table.rows.to_string(),
            ]
        };
        source.tables.iter().map(row)
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        out += "\nin the newest of them:\n";
        out += &text::table(&["source", "table", ">rows"], rows);
    }
    out
}

/// `customer readmit`
pub fn readmit(context: &Context, wanted: &Because) -> Outcome<Answer> {
    let mut repository = context.change()?;
    let readmitted = forget::readmit(&mut repository, &wanted.id, &wanted.reason)?;
    let value = || json!({ "id": readmitted.id, "state": readmitted.state });
    let text = || {
        let id = text::printable(&readmitted.id);
        format!(
            "customer {id} is in again; the next snapshot holds the present rows, and none from before\n"
        )
    };
    Ok(Answer::new(context.json, value, text).chatter())
}
