//! `install`.

use serde_json::{Value, json};

use super::args::Install;
use super::pages;
use super::run::Session;
use crate::actions::{Answer, text};
use crate::error::Outcome;
use crate::install::{self, Fate, Installed, Wanted};

/// Installs the program.
pub(super) fn run(session: &Session<'_>, wanted: &Install) -> Outcome<Answer> {
    let wanted = Wanted {
        prefix: wanted.prefix.clone(),
        root: wanted.root.clone(),
        dry_run: wanted.dry_run,
        documents: pages::documents()?,
    };
    let installed = install::run(&wanted)?;
    let value = || json(&installed);
    let text = || in_words(&installed, wanted.dry_run);
    let answer = Answer::new(session.args.json, value, text).chatter();
    Ok(answer.warn(installed.warnings.iter().cloned()))
}

fn json(installed: &Installed) -> Value {
    let files = installed.files.iter().map(|(path, fate)| {
        let fate = match fate {
            Fate::Written => "written",
            Fate::Same => "same",
            Fate::Kept => "kept",
        };
        json!({ "path": path, "state": fate })
    });
    json!({
        "files": files.collect::<Vec<_>>(),
        "ran": installed.ran,
        "warnings": installed.warnings,
        "next": installed.next,
    })
}

fn in_words(installed: &Installed, dry_run: bool) -> String {
    let (wrote, ran) = match dry_run {
        true => ("would write", "would run"),
        false => ("wrote", "ran"),
    };
    let mut out = String::new();
    let (mut same, mut documents) = (0, 0);
    for (path, fate) in &installed.files {
        match fate {
            Fate::Same => same += 1,
            Fate::Written if path.extension().is_some_and(|e| e == "1") => documents += 1,
            fate => {
                let word = if *fate == Fate::Kept { "kept" } else { wrote };
                let path = text::printable(&path.display().to_string());
                out += &format!("{word:<12} {path}\n");
            }
        }
    }
    for (word, number, what) in [
        (wrote, documents, "manual pages"),
        ("as it was", same, "files"),
    ] {
        if number > 0 {
            out += &format!("{word:<12} {number} {what}\n");
        }
    }
    for command in &installed.ran {
        out += &format!("{ran:<12} {}\n", text::printable(command));
    }
    for command in &installed.next {
        out += &format!("{:<12} {}\n", "next", text::printable(command));
    }
    out
}
