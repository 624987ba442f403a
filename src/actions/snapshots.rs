//! `snapshot` and `snapshots`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Context;
use super::answer::{Answer, IN_PART};
use super::{text, times};
use crate::backup::{self, Taken};
use crate::catalog::Snapshot;
use crate::error::{Failure, Outcome};
use crate::ids::{SnapshotId, StoreName};
use crate::repo::Repository;
use crate::value::CustomerKey;

/// How snapshots are called: by number alone where that is unique.
pub struct Names(BTreeMap<u64, u64>);

impl Names {
    pub fn new(repository: &Repository) -> Outcome<Self> {
        Ok(Self::of(
            repository
                .catalog
                .snapshots()?
                .iter()
                .map(|snapshot| snapshot.id),
        ))
    }

    fn of(ids: impl Iterator<Item = SnapshotId>) -> Self {
        let mut counts = BTreeMap::new();
        for id in ids {
            *counts.entry(id.number).or_default() += 1;
        }
        Self(counts)
    }

    fn is_unique(&self, id: SnapshotId) -> bool {
        self.0.get(&id.number).is_none_or(|count| *count == 1)
    }

    /// `N`, or `INC.N`.
    pub fn text(&self, id: SnapshotId) -> String {
        if self.is_unique(id) {
            id.number.to_string()
        } else {
            id.to_string()
        }
    }

    /// A number, or the text `INC.N`.
    pub fn json(&self, id: SnapshotId) -> Value {
        if self.is_unique(id) {
            json!(id.number)
        } else {
            json!(id.to_string())
        }
    }
}

/// `snapshot`
pub fn take(context: &Context, full: bool) -> Outcome<Answer> {
    let mut repository = context.change()?;
    let taken = backup::take(&mut repository, full, context.report.as_ref())?;
    let names = Names::new(&repository)?;
    let left_out: Vec<String> = taken.left_out.iter().map(CustomerKey::text).collect();
    let dangling: Vec<String> = taken.dangling.iter().map(CustomerKey::text).collect();
    let in_part = !left_out.is_empty() || !dangling.is_empty() || !taken.unsettled.is_empty();
    let mut warnings = Vec::new();
    if !left_out.is_empty() {
        let who = text::printable(&left_out.join(", "));
        warnings.push(format!(
            "erased customers are in the register again, and were left out: {who}"
        ));
    }
    if !dangling.is_empty() {
        let who = text::printable(&dangling.join(", "));
        warnings.push(format!(
            "rows of erased customers, or their keys in others' rows, are left in the sources, and were left out: {who}"
        ));
    }
    warnings.extend(
        taken
            .unsettled
            .iter()
            .map(String::as_str)
            .map(text::printable),
    );
    for (name, failure) in &taken.stores {
        warnings.extend(
            failure
                .as_ref()
                .map(|failure| format!("store {name} is behind: {}", text::reasons(failure))),
        );
    }
    if let Some(missed) = taken.missed.filter(|missed| *missed > 0) {
        warnings.push(format!(
            "change tracking had missed {}: something writes to the database without its triggers (see `tenure track`)",
            text::count(missed, "customer", "customers")
        ));
    }
    let pending = repository.pending_places()?;
    warnings.extend(
        pending
            .iter()
            .map(|name| format!("store {name} may still hold an older keyring")),
    );
    let value = || {
        json!({
            "snapshot": names.json(taken.id),
            "kind": taken.kind,
            "customers": taken.totals.customers,
            "changed": taken.totals.changed,
            "removed": taken.totals.removed,
            "rows": taken.totals.rows,
            "read_bytes": taken.totals.read_bytes,
            "stored_bytes": taken.totals.stored_bytes,
            "seconds": taken.seconds,
            "stores": taken.stores.iter().map(state).collect::<Vec<_>>(),
            "left_out": left_out.iter().chain(&dangling).collect::<Vec<_>>(),
            "pending": pending,
            "unsettled": taken.unsettled,
            "why_full": taken.why_full,
            "tracked": taken.tracked,
            "why_scanned": taken.why_scanned,
            "missed": taken.missed,
        })
    };
    let text = || taken_text(&taken, &names);
    let answer = Answer::new(context.json, value, text).chatter();
    Ok(answer.warn(warnings).code_if(in_part, IN_PART))
}

fn state((name, failure): &(StoreName, Option<Failure>)) -> Value {
    match failure {
        None => json!({ "name": name, "state": "complete" }),
        Some(failure) => json!({ "name": name, "state": "behind", "why": text::reasons(failure) }),
    }
}

fn taken_text(taken: &Taken, names: &Names) -> String {
    let why = taken
        .why_full
        .map_or(String::new(), |why| format!(", because {why}"));
    let read = match (&taken.why_scanned, taken.tracked) {
        (Some(why), _) => format!(
            "everything was read, because changes cannot be trusted to be noted: {}\n",
            text::printable(why)
        ),
        (None, true) => "only what has changed was read\n".to_owned(),
        (None, false) => String::new(),
    };
    let totals = &taken.totals;
    let complete = taken.stores.iter().filter(|(_, failure)| failure.is_none());
    let complete: Vec<&str> = complete.map(|(name, _)| name.as_str()).collect();
    format!(
        "snapshot {} ({}{why}): {}, {} changed, {} removed\nread {}, stored {} in {}; complete on {}\n{read}",
        names.text(taken.id),
        taken.kind,
        text::count(totals.customers, "customer", "customers"),
        totals.changed,
        totals.removed,
        text::size(totals.read_bytes),
        text::size(totals.stored_bytes),
        times::seconds(taken.seconds),
        complete.join(", "),
    )
}

/// `snapshots`
pub fn list(context: &Context) -> Outcome<Answer> {
    let repository = context.read()?;
    let snapshots = repository.catalog.snapshots()?;
    let names = Names::new(&repository)?;
    let complete = repository.catalog.complete()?;
    let stores = |snapshot: &Snapshot| complete.get(&snapshot.id).cloned().unwrap_or_default();
    let value = || {
        let listed = snapshots.iter().map(|snapshot| {
            json!({
                "snapshot": names.json(snapshot.id),
                "kind": snapshot.kind,
                "started": snapshot.started,
                "finished": snapshot.finished,
                "customers": snapshot.customers,
                "stored_bytes": snapshot.stored_bytes,
                "stores": stores(snapshot),
            })
        });
        Value::Array(listed.collect())
    };
    let zone = repository.config.time_zone;
    let text = || {
        if snapshots.is_empty() {
            return "there is no snapshot yet\n".to_owned();
        }
        let rows = snapshots.iter().map(|snapshot| {
            let complete = stores(snapshot);
            vec![
                names.text(snapshot.id),
                snapshot.kind.to_string(),
                times::local(snapshot.started, zone),
                snapshot.customers.to_string(),
                text::size(snapshot.stored_bytes),
                complete
                    .iter()
                    .map(StoreName::as_str)
                    .collect::<Vec<_>>()
                    .join(", "),
            ]
        });
        text::table(
            &[
                ">snapshot",
                "kind",
                "started",
                ">customers",
                ">stored",
                "complete on",
            ],
            rows,
        )
    };
    Ok(Answer::new(context.json, value, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Incarnation;

    #[test]
    fn a_number_stands_alone_where_it_is_unique() {
        let id = |inc, number| SnapshotId {
            inc: Incarnation([inc; 8]),
            number,
        };
        let names = Names::of([id(1, 1), id(1, 2), id(2, 2)].into_iter());
        assert_eq!(names.text(id(1, 1)), "1");
        assert_eq!(names.json(id(1, 1)), json!(1));
        assert_eq!(names.text(id(2, 2)), "0202020202020202.2");
        assert_eq!(names.json(id(2, 2)), json!("0202020202020202.2"));
        assert_eq!(names.text(id(2, 9)), "9");
    }
}
