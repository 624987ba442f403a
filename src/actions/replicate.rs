//! `replicate`.

use serde_json::{Value, json};

use super::Context;
use super::answer::{Answer, IN_PART};
use super::text;
use crate::error::Outcome;
use crate::replicate::{self, Replicated};

/// `replicate`
pub fn run(context: &Context) -> Outcome<Answer> {
    let mut repository = context.change()?;
    let stores = replicate::run(&mut repository, context.report.as_ref())?;
    context.heed(&repository);
    let value = || json!({ "stores": stores.iter().map(value).collect::<Vec<_>>() });
    let text = || stores.iter().map(line).collect();
    let behind = |store: &Replicated| {
        let why = text::reasons(store.behind.as_ref()?);
        Some(format!("store {} is behind: {why}", store.store))
    };
    let warnings: Vec<String> = stores.iter().filter_map(behind).collect();
    let is_part = !warnings.is_empty();
    let answer = Answer::new(context.json, value, text).chatter();
    Ok(answer.warn(warnings).code_if(is_part, IN_PART))
}

fn value(store: &Replicated) -> Value {
    let mut value = json!({
        "name": store.store,
        "copied": store.copied.objects,
        "bytes": store.copied.bytes,
        "state": if store.behind.is_some() { "behind" } else { "complete" },
    });
    if let Some(failure) = &store.behind {
        value["why"] = json!(text::reasons(failure));
    }
    value
}

fn line(store: &Replicated) -> String {
    let state = match store.behind {
        Some(_) => "is still behind",
        None => "is up to date",
    };
    let copied = match store.copied.objects {
        0 => String::new(),
        many => {
            let objects = text::count(many, "object", "objects");
            format!(": {objects}, {} copied", text::size(store.copied.bytes))
        }
    };
    format!("store {} {state}{copied}\n", store.store)
}
