//! Installs change tracking in a source, or takes it out, and says so in the configuration.
//!
//! The configuration says that changes are tracked only while the triggers are there: it is written after they were
//! installed, and before they are removed. Whatever happens in between, the next snapshot reads everything.

use std::fs;

use crate::config::{self, Changes, Config};
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx::{self, FileError};
use crate::source::sqlite::Tracker;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Triggers note what changes.
    Install,
    /// Nothing is left of them.
    Remove,
}

/// What was done, or would be.
#[derive(Debug)]
pub struct Tracked {
    /// The SQL, statement by statement.
    pub sql: Vec<String>,
}

/// Installs or removes the change tracking of a source, or only tells by what SQL that would be done.
///
/// # Errors
/// `NotFound` for a source that is not configured; otherwise when the database cannot be written, when triggers
/// could not see all changes, or when the configuration cannot be written.
pub fn run(config: &Config, source: &str, what: Tracking, for_real: bool) -> Outcome<Tracked> {
    let found = config.source(source).ok_or_else(|| {
        let names: Vec<&str> = config
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        let failure = Failure::of(
            FailureKind::NotFound,
            format!("there is no source {source:?}"),
        );
        failure.hint(format!("the sources are: {}", names.join(", ")))
    })?;
    let mut tracker = Tracker::open(&found.path, &found.rules)?;
    let sql = match what {
        Tracking::Install => tracker.install_sql()?,
        Tracking::Remove => tracker.remove_sql()?,
    };
    if !for_real {
        return Ok(Tracked { sql });
    }
    match what {
        Tracking::Install => {
            tracker.run(&sql)?;
            write(config, source, Changes::Triggers)?;
        }
        Tracking::Remove => {
            write(config, source, Changes::Scan)?;
            tracker.run(&sql)?;
        }
    }
    Ok(Tracked { sql })
}

/// Writes `changes` of a source into the configuration's file, which is read anew: it may have been edited.
fn write(config: &Config, source: &str, changes: Changes) -> Outcome<()> {
    let path = config.path();
    let old = fs::read_to_string(path).map_err(FileError::new("read", path))?;
    let text = config::write::set_changes(path, &old, source, changes)?;
    if text == old {
        return Ok(());
    }
    Config::parse(path, &text)?;
    // Where it is a link, the file that it leads to is written.
    let file = fs::canonicalize(path).map_err(FileError::new("look at", path))?;
    Ok(fsx::rewrite(&file, text.as_bytes())?)
}
