//! `track`

use serde_json::json;

use super::answer::Answer;
use super::params::Track;
use super::{Context, text};
use crate::error::Outcome;
use crate::track::{self, Tracking};

/// `track`
pub fn run(context: &Context, wanted: &Track) -> Outcome<Answer> {
    let config = context.config()?;
    let what = match wanted.remove {
        true => Tracking::Remove,
        false => Tracking::Install,
    };
    // A snapshot that is being taken must not see half of it.
    let repository = match wanted.dry_run {
        true => None,
        false => Some(context.change_sources()?),
    };
    let tracked = track::run(&config, &wanted.source, what, !wanted.dry_run)?;
    drop(repository);
    let value = || {
        json!({
            "source": wanted.source,
            "installed": !wanted.remove,
            "dry_run": wanted.dry_run,
            "sql": tracked.sql,
        })
    };
    let told = || {
        let mut out: String = tracked
            .sql
            .iter()
            .map(|sql| text::printable_lines(sql) + ";\n")
            .collect();
        out += match (wanted.dry_run, what) {
            (true, _) => "-- nothing was done\n",
            (false, Tracking::Install) => {
                "-- installed; the next snapshot reads everything, and incrementals after it what has changed\n"
            }
            (false, Tracking::Remove) => "-- removed; every snapshot reads everything\n",
        };
        out
    };
    Ok(Answer::new(context.json, value, told))
}
