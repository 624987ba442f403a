//! Changes how a source's changes are found, in a configuration that people have written comments into.

use std::path::Path;

use toml_edit::{DocumentMut, value};

use super::recipients::refused;
use super::{Changes, ConfigError};

/// Sets `changes` of the source of this name and nothing else.
///
/// Fails if the text is not TOML, or has no such `[[source]]`.
pub fn set_changes(
    path: &Path,
    text: &str,
    source: &str,
    changes: Changes,
) -> Result<String, ConfigError> {
    let refused = |what: &str| {
        let what = format!("`changes` of source {source:?} cannot be set in it: {what}");
        refused(path, what)
    };
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| refused(error.message()))?;
    let sources = document.get_mut("source");
    let sources = sources.and_then(|sources| sources.as_array_of_tables_mut());
    let sources = sources.ok_or_else(|| refused("there is no `[[source]]`"))?;
    let is_named = |table: &&mut toml_edit::Table| {
        let name = table.get("name").and_then(|name| name.as_str());
        name == Some(source)
    };
    let table = sources.iter_mut().find(is_named);
    let table = table.ok_or_else(|| refused("there is no `[[source]]` of that name"))?;
    let word = match changes {
        Changes::Scan => "scan",
        Changes::Triggers => "triggers",
    };
    match table
        .get_mut("changes")
        .and_then(|item| item.as_value_mut())
    {
        Some(old) if old.as_str() == Some(word) => {}
        Some(old) => {
            let around = old.decor().clone();
            *old = word.into();
            *old.decor_mut() = around;
        }
        None => drop(table.insert("changes", value(word))),
    }
    Ok(document.to_string())
}
