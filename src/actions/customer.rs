//! `customer list`, `show`, `readmit`.

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::Context;
use super::answer::Answer;
use super::params::{Because, List, StateWord};
use super::snapshots::Names;
use super::{text, times};
use crate::clock::Timestamp;
use crate::customers::{self, Filter, Flag, Hidden, Listed, Shown, State};
use crate::error::Outcome;
use crate::forget;
use crate::lifecycle::Hold;

/// `customer list`
pub fn list(context: &Context, wanted: &List) -> Outcome<Answer> {
    let repository = context.read()?;
    let filter = Filter {
        // Whoever asks for the hidden alone and may not see them is shown nobody.
        state: match wanted.hidden {
            true => Some(State::Hidden),
            false => wanted.state.map(State::from),
        },
        hidden: hidden(context, wanted),
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
                customer.id.clone(),
                customer.name.clone().unwrap_or_default(),
                state.join(", "),
                time(customer.due),
                hold(customer.hold, zone),
            ]
        });
        text::table(&["id", "name", "state", "due", "hold"], rows)
    };
    Ok(Answer::new(context.json, value, text))
}

fn hold(hold: Option<Hold>, zone: Tz) -> String {
    match hold {
        None => String::new(),
        Some(Hold { until: Some(until) }) => times::local(until, zone),
        Some(hold) => hold.to_string(),
    }
}

/// Whether the hidden are listed: when they are asked for, and only to those who may see them.
fn hidden(context: &Context, wanted: &List) -> Hidden {
    let asked = wanted.all || wanted.state == Some(StateWord::Hidden);
    match wanted.hidden {
        _ if !context.sees_hidden => Hidden::Without,
        true => Hidden::Only,
        false if asked => Hidden::With,
        false => Hidden::Without,
    }
}

fn flags(flags: &[Flag]) -> Vec<&'static str> {
    flags.iter().map(|flag| flag.as_str()).collect()
}

fn listed_json(customer: &Listed) -> Value {
    json!({
        "id": customer.id,
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
    let zone = repository.config.time_zone;
    let text = || shown_text(&shown, &names, zone);
    Ok(Answer::new(context.json, value, text))
}

fn shown_text(shown: &Shown, names: &Names, zone: Tz) -> String {
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
    let told = |why: &String| format!("           {}\n", text::printable(why));
    out.extend(shown.why.iter().map(told));
    let due = shown.due.map(|due| times::local(due, zone));
    out.extend(due.map(|due| format!("due        {due}\n")));
    if shown.hold.is_some() {
        out += &format!("hold       {}\n", hold(shown.hold, zone));
    }
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
