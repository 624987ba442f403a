//! `completions` and `man`: what packagers install.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use super::args::{self, Args};
use crate::actions::Answer;
use crate::error::{Context, Outcome};
use crate::fsx::{self, FileError};

/// `completions`
pub(super) fn completions(as_json: bool, shell: Shell) -> Outcome<Answer> {
    let script = script(shell);
    Ok(Answer::new(
        as_json,
        || json!({ "script": script }),
        || script.clone(),
    ))
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    // Only what works is worth completing.
    clap_complete::generate(shell, &mut Args::command(), "tenure", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// `man`
pub(super) fn man(as_json: bool, to: Option<&Path>) -> Outcome<Answer> {
    let pages = manual()?;
    let Some(to) = to else {
        let page = pages.into_iter().next().map(|(_, page)| page);
        let page = page.unwrap_or_default();
        return Ok(Answer::new(
            as_json,
            || json!({ "page": page }),
            || page.clone(),
        ));
    };
    fs::create_dir_all(to).map_err(FileError::new("create", to))?;
    let mut written = Vec::new();
    for (name, page) in pages {
        let path = to.join(name);
        // Whoever may use the machine may read its manual.
        fsx::write_for(&path, page.as_bytes(), 0o644)?;
        written.push(path);
    }
    let text = || {
        written
            .iter()
            .map(|path| format!("{}\n", path.display()))
            .collect()
    };
    Ok(Answer::new(as_json, || json!({ "pages": written }), text).chatter())
}

/// Manual pages and completions, by their places below a prefix.
pub(super) fn documents() -> Outcome<Vec<(PathBuf, String)>> {
    let pages = manual()?.into_iter();
    let mut all: Vec<_> = pages
        .map(|(name, page)| (Path::new("share/man/man1").join(name), page))
        .collect();
    for (shell, place) in [
        (Shell::Bash, "share/bash-completion/completions/tenure"),
        (Shell::Zsh, "share/zsh/site-functions/_tenure"),
        (Shell::Fish, "share/fish/vendor_completions.d/tenure.fish"),
    ] {
        all.push((place.into(), script(shell)));
    }
    Ok(all)
}

/// The manual pages by their file names, that of the whole program first.
fn manual() -> Outcome<Vec<(String, String)>> {
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, "tenure", &mut pages)?;
    Ok(pages)
}

/// Adds the page of a command, and those of the commands below it.
fn add_pages(command: &Command, name: &str, pages: &mut Vec<(String, String)>) -> Outcome<()> {
    let mut page = Vec::new();
    let rendered = Man::new(command.clone()).render(&mut page);
    rendered.failed_to(|| format!("write the manual page of {name}"))?;
    let page = String::from_utf8_lossy(&page).into_owned();
    pages.push((format!("{name}.1"), page));
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        add_pages(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}
