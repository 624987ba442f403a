//! `completions` and `man`: what packagers install.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use super::args::{self, Args};
use crate::actions::Answer;
use crate::error::Outcome;
use crate::fsx::FileError;

/// `completions`
pub(super) fn completions(as_json: bool, shell: Shell) -> Outcome<Answer> {
    let mut script = Vec::new();
    // Only what works is worth completing.
    clap_complete::generate(shell, &mut Args::command(), "tenure", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(Answer::new(
        as_json,
        || json!({ "script": script }),
        || script.clone(),
    ))
}

/// `man`
pub(super) fn man(as_json: bool, to: Option<&Path>) -> Outcome<Answer> {
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    let Some(to) = to else {
        let page = page(&command)?;
        return Ok(Answer::new(
            as_json,
            || json!({ "page": page }),
            || page.clone(),
        ));
    };
    fs::create_dir_all(to).map_err(FileError::new("create", to))?;
    let mut written = Vec::new();
    write_all(&command, "tenure", to, &mut written)?;
    let text = || {
        written
            .iter()
            .map(|path| format!("{}\n", path.display()))
            .collect()
    };
    Ok(Answer::new(as_json, || json!({ "pages": written }), text).chatter())
}

fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes the page of a command, and those of the commands below it.
fn write_all(command: &Command, name: &str, to: &Path, written: &mut Vec<PathBuf>) -> Outcome<()> {
    let path = to.join(format!("{name}.1"));
    fs::write(&path, page(command)?).map_err(FileError::new("write", &path))?;
    // Whoever may use the machine may read its manual.
    let everybody = fs::Permissions::from_mode(0o644);
    fs::set_permissions(&path, everybody).map_err(FileError::new("open to readers", &path))?;
    written.push(path);
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        write_all(inner, &format!("{name}-{}", inner.get_name()), to, written)?;
    }
    Ok(())
}
