//! From text to [`raw::File`]: finds every syntax error, or else every unknown key and every value
//! of the wrong type.
//!
//! A deserializer stops at the first thing it cannot take. So that all of them are told at once,
//! what it refuses is taken out of the parsed document and the rest is tried again.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::problem::{Problems, nearest};
use super::raw;

/// Reads the text. What was refused is in `problems` and missing from the result; after a syntax
/// error there is no result.
pub(super) fn read(text: &str, problems: &mut Problems<'_>) -> Option<raw::File> {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let key = error.span().and_then(|span| text.get(span));
        problems.refused(error.span().as_ref(), syntax(error.message(), key));
    }
    if !errors.is_empty() {
        return None;
    }
    loop {
        match serde::Deserialize::deserialize(Deserializer::from(document.clone())) {
            Ok(file) => return Some(file),
            Err(error) => {
                let span = error.span();
                let removed = span.and_then(|span| remove(document.get_mut(), &span));
                tell(&error, removed, problems);
                removed?;
            }
        }
    }
}

/// What a syntax error says of the text `at` its place.
fn syntax(message: &str, at: Option<&str>) -> String {
    match at {
        Some(key) if message == "duplicate key" => {
            format!(
                "this is not TOML: {message} {:?}",
                key.trim_matches(['"', '\''])
            )
        }
        _ => format!("this is not TOML: {message}"),
    }
}

/// Notes one refusal of the deserializer; `found` is the type of what was refused.
fn tell(error: &Error, found: Option<&str>, problems: &mut Problems<'_>) {
    let Some((field, known)) = unknown_field(error.message()) else {
        problems.lossy = true;
        // Serde has no dates: it takes one for a map, like a table.
        let expected = error.message().strip_prefix("invalid type: map, expected ");
        match (error.span(), expected, found) {
            (Some(span), Some("a sequence"), Some("table")) => {
                let hint = "write its header in double brackets, such as `[[source]]`";
                problems.at(
                    &span,
                    "one table stands where a list of tables belongs",
                    hint,
                );
            }
            (span, Some(expected), Some(found)) => {
                let what = format!("invalid type: {found}, expected {expected}");
                problems.refused(span.as_ref(), what);
            }
            (span, _, _) => problems.refused(span.as_ref(), error.message()),
        }
        return;
    };
    let what = format!("unknown key `{field}`");
    let hint = match nearest(field, &known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the keys that can stand here: {}", known.join(", ")),
    };
    match error.span() {
        Some(span) => problems.at(&span, what, hint),
        None => problems.missing(None, what, hint),
    }
}

/// Takes serde's message for an unknown field apart: "unknown field `x`, expected one of `a`, `b`".
/// Its wording is all that serde gives; were it to change, a suggestion would be lost, no more.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (field, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((field, known))
}

/// Removes the innermost entry whose key or value stands where `span` is, and gives its type.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<&'static str> {
    let within = |(_, value): (_, &mut Spanned<DeValue<'_>>)| remove_within(value, span);
    if let Some(found) = table.iter_mut().find_map(within) {
        return Some(found);
    }
    let key = table.iter().find_map(|(key, value)| {
        let here = contains(&key.span(), span) || contains(&value.span(), span);
        here.then(|| key.clone())
    })?;
    Some(table.remove(&key)?.get_ref().type_str())
}

fn remove_within(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<&'static str> {
    match value.get_mut() {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => array.iter_mut().find_map(|item| remove_within(item, span)),
        _ => None,
    }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && !outer.is_empty()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn complaints(text: &str) -> Vec<(Option<usize>, String, Option<String>)> {
        let mut problems = Problems::new(Path::new("/c.toml"), text);
        read(text, &mut problems);
        let list = problems.into_list().into_iter();
        list.map(|p| (p.at.map(|(line, _)| line), p.what, p.hint))
            .collect()
    }

    #[test]
    fn every_unknown_key_and_every_wrong_type_is_found_at_once() {
        let text = "stat_dir = '/s'\n[keys]\nhost = 7\nrecovery = ['a', 5]\n\
                    [[source]]\nname = 'a'\n[[source.owns]]\ntabel = 'x'\n\
                    [[source]]\nzzz = { a = 1 }\n[snapshots]\nkeep = { dayly = 3, weekly = -1 }\n\
                    [nonsense]\na = 1\n";
        let found = complaints(text);
        let lines: Vec<_> = found.iter().map(|(line, ..)| line.unwrap()).collect();
        assert_eq!(lines, [1, 3, 4, 8, 10, 12, 12, 13], "{found:#?}");
        assert_eq!(found[0].1, "unknown key `stat_dir`");
        assert_eq!(found[0].2.as_deref(), Some("did you mean `state_dir`?"));
        assert_eq!(found[3].2.as_deref(), Some("did you mean `table`?"));
        assert!(
            found[4].2.as_ref().unwrap().contains("name, kind, path"),
            "{found:#?}"
        );
    }

    #[test]
    fn every_syntax_error_is_found_at_once() {
        let found = complaints("a = \nb = 1\nc = [1,\n");
        assert!(found.len() >= 2, "{found:#?}");
        assert_eq!(found[0].0, Some(1));
        assert!(found[0].1.starts_with("this is not TOML: "));
    }

    #[test]
    fn a_duplicate_key_is_named() {
        for (text, key) in [
            ("a = 1\na = 2\n", "a"),
            ("[keys]\nb = 1\n[keys]\n", "keys"),
            ("[x]\n'of it' = 1\n\"of it\" = 2\n", "of it"),
        ] {
            let found = complaints(text);
            let expected = format!("this is not TOML: duplicate key {key:?}");
            assert_eq!(found[0].1, expected);
        }
    }

    #[test]
    fn a_table_where_a_list_of_tables_belongs_is_refused() {
        let found = complaints("[store]\nname = 'a'\n");
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].0, Some(1));
        assert!(
            found[0].2.as_ref().unwrap().contains("double brackets"),
            "{found:#?}"
        );
    }
}
