//! How tables and columns are written in the configuration: `column`, `a,b`, `column -> table`,
//! `<- table.column`.
//!
//! A name stands as it is, spaces included. One that holds a comma, a dot, an arrow, a quote or
//! outer spaces is written in double quotes, in which a double quote is doubled.

use crate::rules::By;

/// What is wrong with such a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadNames {
    /// A name is missing, before or after a comma, an arrow or a dot.
    #[error("a name is missing")]
    Missing,
    /// A double quote is not closed, or something follows the closing one.
    #[error("a double quote is not closed at the end of its name")]
    Quote,
    /// `<-` is not followed by `table.column`.
    #[error("`<-` needs a table and a column, with a dot between")]
    NoColumn,
}

/// Reads `column` or `a,b`.
pub(super) fn columns(text: &str) -> Result<Vec<String>, BadNames> {
    split(text, ",").into_iter().map(name).collect()
}

/// Reads the three forms of `by`.
pub(super) fn by(text: &str) -> Result<By, BadNames> {
    if let Some(target) = text.trim_start().strip_prefix("<-") {
        return pointed_at(target);
    }
    let parts = split(text, "->");
    match parts.as_slice() {
        [all] => Ok(By::Key(columns(all)?)),
        [first, second] => Ok(By::Through {
            columns: columns(first)?,
            table: name(second)?,
        }),
        _ => Err(BadNames::Missing),
    }
}

/// Reads what follows `<-`. An unquoted table may hold dots: the last one counts.
fn pointed_at(target: &str) -> Result<By, BadNames> {
    let parts = split(target, ".");
    let Some((last, table)) = parts.split_last().filter(|(_, table)| !table.is_empty()) else {
        return Err(BadNames::NoColumn);
    };
    Ok(By::PointedAtBy {
        table: name(&table.join("."))?,
        columns: columns(last)?,
    })
}

/// Splits at every `separator` that stands outside double quotes.
fn split<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == '"' {
            quoted = !quoted;
        }
        if !quoted && text[at..].starts_with(separator) {
            parts.push(&text[start..at]);
            at += separator.len();
            start = at;
        } else {
            at += c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// One name, without its quotes.
fn name(text: &str) -> Result<String, BadNames> {
    let text = text.trim();
    let plain = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(rest) => {
            let inner = rest.strip_suffix('"').ok_or(BadNames::Quote)?;
            let single = inner.replace("\"\"", "");
            if single.contains('"') {
                return Err(BadNames::Quote);
            }
            inner.replace("\"\"", "\"")
        }
    };
    if plain.is_empty() {
        return Err(BadNames::Missing);
    }
    if !text.starts_with('"') && plain.contains('"') {
        return Err(BadNames::Quote);
    }
    Ok(plain)
}

/// Writes columns so that [`columns`] reads them back.
pub(super) fn write_columns(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    quoted.join(",")
}

fn quote(name: &str) -> String {
    let special = name.contains([',', '.', '"']) || name.contains("->") || name.contains("<-");
    if special || name.trim() != name {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_three_forms_are_told_apart() {
        assert_eq!(by("caller_id"), Ok(By::Key(texts(&["caller_id"]))));
        assert_eq!(
            by(" tenant , customer id"),
            Ok(By::Key(texts(&["tenant", "customer id"])))
        );
        let through = By::Through {
            columns: texts(&["call_id"]),
            table: "call_log".into(),
        };
        assert_eq!(by("call_id -> call_log"), Ok(through.clone()));
        assert_eq!(by("call_id->call_log"), Ok(through));
        let pointed = |table: &str, columns: &[&str]| By::PointedAtBy {
            table: table.into(),
            columns: texts(columns),
        };
        assert_eq!(
            by("<- customers.address_id"),
            Ok(pointed("customers", &["address_id"]))
        );
        assert_eq!(
            by("<- main.customers.a,b"),
            Ok(pointed("main.customers", &["a", "b"]))
        );
        assert_eq!(by(r#"<- "a.b"."c,""d""#), Ok(pointed("a.b", &["c,\"d"])));
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for text in ["", " ", ",", "a,", "-> b", "a ->", "a -> b -> c"] {
            assert_eq!(by(text), Err(BadNames::Missing), "{text:?}");
        }
        assert_eq!(by("<- customers"), Err(BadNames::NoColumn));
        assert_eq!(by("<- customers."), Err(BadNames::Missing));
        for text in ["\"a", "a\"", "\"a\"b", "\"a\" \"b\""] {
            assert_eq!(by(text), Err(BadNames::Quote), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn columns_are_read_back_as_written(
            names in prop::collection::vec("[a\" ,.<>-]{1,6}", 1..4)
                .prop_filter("blank", |names| names.iter().all(|name| !name.is_empty()))
        ) {
            prop_assert_eq!(columns(&write_columns(&names)).unwrap(), names);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a\"ü ,.<>-]{0,12}") {
            let _ = by(&text);
        }
    }
}
