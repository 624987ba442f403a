//! `customer list`, `show`, `readmit`.

use serde_json::{Value, json};

use super::answer::Answer;
use super::args::{Customer, List};
use super::run::Session;
use super::snapshots::Names;
use super::{restore, text, times};
use crate::clock::Timestamp;
use crate::customers::{self, Filter, Flag, Listed, Shown, State};
use crate::error::Outcome;
use crate::forget;

/// Runs a command under `customer`.
pub(super) fn run(session: &Session<'_>, command: &Customer) -> Outcome<Answer> {
    match command {
        Customer::List(wanted) => list(session, wanted),
        Customer::Show { id } => show(session, id),
        Customer::Restore(wanted) => restore::customer(session, wanted),
        Customer::Readmit { id, reason } => readmit(session, id, reason),
    }
}

fn list(session: &Session<'_>, wanted: &List) -> Outcome<Answer> {
    let repository = session.read()?;
    let state = wanted
        .state
        .map(|state| state.0)
        .or(wanted.hidden.then_some(State::Hidden));
    let filter = Filter {
        state,
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
                time(customer.hold),
            ]
        });
        text::table(&["id", "name", "state", "due", "hold"], rows)
    };
    Ok(Answer::new(session.args.json, value, text))
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

fn show(session: &Session<'_>, id: &str) -> Outcome<Answer> {
    let repository = session.read()?;
    let shown = customers::show(&repository, id)?;
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
            "snapshots": shown.snapshots.iter().map(|id| names.json(*id)).collect::<Vec<_>>(),
            "sources": sources.collect::<Vec<_>>(),
        })
    };
    let text = || shown_text(&shown, &names);
    Ok(Answer::new(session.args.json, value, text))
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

fn readmit(session: &Session<'_>, id: &str, reason: &str) -> Outcome<Answer> {
    let mut repository = session.change()?;
    let readmitted = forget::readmit(&mut repository, id, reason)?;
    let value = || json!({ "id": readmitted.id, "state": readmitted.state });
    let text = || {
        let id = text::printable(&readmitted.id);
        format!(
            "customer {id} is in again; the next snapshot holds the present rows, and none from before\n"
        )
    };
    Ok(Answer::new(session.args.json, value, text).chatter())
}
