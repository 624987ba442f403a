//! Changes who can recover, in a configuration that people have written comments into.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, RawString, Value};

use super::{ConfigError, Problem};

/// Changes `[keys] recovery` and nothing else. Recipients that stay keep their place and their
/// comment; new ones are added at the end.
///
/// Fails if the text is not TOML, or if something that is no table stands where `[keys]` belongs.
pub fn set_recipients(
    path: &Path,
    text: &str,
    recipients: &[String],
) -> Result<String, ConfigError> {
    let refused = |what: &str| {
        let what = format!("the recipients cannot be changed in it: {what}");
        refused(path, what)
    };
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| refused(error.message()))?;
    let keys = document
        .entry("keys")
        .or_insert(toml_edit::table())
        .as_table_like_mut()
        .ok_or_else(|| refused("`keys` is not a table"))?;
    let written = keys
        .entry("recovery")
        .or_insert(Item::Value(Array::new().into()));
    match written.as_array_mut() {
        Some(array) => change(array, recipients),
        None => *written = Item::Value(recipients.iter().collect::<Array>().into()),
    }
    Ok(document.to_string())
}

/// That a file cannot be changed.
pub(super) fn refused(path: &Path, what: String) -> ConfigError {
    let path: PathBuf = path.to_owned();
    let problem = Problem {
        file: path.clone(),
        at: None,
        what,
        hint: Some("`tenure check` tells what is wrong with the file".to_owned()),
    };
    ConfigError::Invalid {
        path,
        problems: vec![problem],
    }
}

/// An item of a list with the text around it: what stands before it on its own line or lines, and
/// what follows its comma on the same line, where people write whose key it is.
struct Entry {
    lead: String,
    value: Value,
    tail: String,
}

fn change(array: &mut Array, recipients: &[String]) {
    let (open, mut entries, close) = take_apart(array);
    let new_lead = match entries.last() {
        Some(last) => last
            .lead
            .rfind('\n')
            .map(|newline| last.lead[newline..].to_owned()),
        None => close
            .rfind('\n')
            .map(|newline| format!("{}  ", &close[newline..])),
    };
    entries.retain(|entry| recipients.iter().any(|r| entry.value.as_str() == Some(r)));
    for recipient in recipients {
        if !entries
            .iter()
            .any(|entry| entry.value.as_str() == Some(recipient))
        {
            let first = if entries.is_empty() { "" } else { " " };
            entries.push(Entry {
                lead: new_lead.clone().unwrap_or_else(|| first.to_owned()),
                value: Value::from(recipient),
                tail: String::new(),
            });
        }
    }
    put_together(array, &open, entries, &close, new_lead.is_some());
}

/// Empties the list. Gives what stands after its bracket, its items, and what stands before the
/// closing bracket.
fn take_apart(array: &mut Array) -> (String, Vec<Entry>, String) {
    let mut close = text(Some(array.trailing()));
    let mut entries: Vec<Entry> = Vec::new();
    let mut open = String::new();
    let around = array.decor().clone();
    let items = std::mem::take(array);
    *array.decor_mut() = around;
    for mut value in items {
        let before = text(value.decor().prefix());
        // Without a comma, what follows the last item is a part of it.
        let behind = text(value.decor().suffix());
        value.decor_mut().clear();
        let (tail, lead) = at_line_end(&before);
        entries
            .last_mut()
            .map_or(&mut open, |last| &mut last.tail)
            .push_str(tail);
        entries.push(Entry {
            lead: lead.to_owned(),
            value,
            tail: String::new(),
        });
        if !behind.trim().is_empty() || behind.contains('\n') {
            close.insert_str(0, &behind);
        }
    }
    if let Some(last) = entries.last_mut() {
        let (tail, rest) = at_line_end(&close);
        last.tail.push_str(tail);
        close = rest.to_owned();
    }
    (open, entries, close)
}

fn put_together(array: &mut Array, open: &str, entries: Vec<Entry>, close: &str, lines: bool) {
    let mut before = open.to_owned();
    for mut entry in entries {
        entry.value.decor_mut().set_prefix(before + &entry.lead);
        before = entry.tail;
        array.push_formatted(entry.value);
    }
    array.set_trailing_comma(lines && !array.is_empty());
    array.set_trailing(before + close);
}

/// Splits before the first line break; a text of one line has nothing before it.
fn at_line_end(text: &str) -> (&str, &str) {
    text.split_at(text.find('\n').unwrap_or(0))
}

fn text(raw: Option<&RawString>) -> String {
    raw.and_then(RawString::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, recipients: &[&str]) -> String {
        let recipients: Vec<String> = recipients.iter().map(|r| (*r).to_owned()).collect();
        let new = set_recipients(Path::new("/c.toml"), text, &recipients).unwrap();
        let document: toml::Table = new.parse().unwrap_or_else(|error| panic!("{error}\n{new}"));
        let list = document["keys"]["recovery"].as_array().unwrap();
        let mut found: Vec<_> = list.iter().map(|value| value.as_str().unwrap()).collect();
        let mut wanted: Vec<_> = recipients.iter().map(String::as_str).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{new}");
        new
    }

    const LINES: &str = "# top\n[keys] # the keys\nrecovery = [ # who\n  # the office\n  \"a\", # Anna\n  \"b\", # Bo\n  \"c\" # Cy\n  # end\n] # after\nhost = \"h\"   # host\n";

    #[test]
    fn each_recipient_keeps_its_comment() {
        assert_eq!(
            changed(LINES, &["a", "c", "d"]),
            "# top\n[keys] # the keys\nrecovery = [ # who\n  # the office\n  \"a\", # Anna\n  \"c\", # Cy\n  \"d\",\n  # end\n] # after\nhost = \"h\"   # host\n"
        );
        assert_eq!(
            changed(LINES, &["b"]),
            "# top\n[keys] # the keys\nrecovery = [ # who\n  \"b\", # Bo\n  # end\n] # after\nhost = \"h\"   # host\n"
        );
        assert_eq!(
            changed(LINES, &["x"]),
            "# top\n[keys] # the keys\nrecovery = [ # who\n  \"x\",\n  # end\n] # after\nhost = \"h\"   # host\n"
        );
    }

    #[test]
    fn a_list_on_one_line_stays_on_it() {
        let text = "[keys]\nrecovery = [\"a\", \"b\"] # two\n";
        assert_eq!(changed(text, &["a", "b"]), text);
        assert_eq!(
            changed(text, &["a", "c"]),
            "[keys]\nrecovery = [\"a\", \"c\"] # two\n"
        );
        assert_eq!(
            changed(text, &["a", "b", "c"]),
            "[keys]\nrecovery = [\"a\", \"b\", \"c\"] # two\n"
        );
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_no_list_replaced() {
        changed("", &["a"]);
        changed("[keys]\n", &["a"]);
        changed("keys.recovery = []\n", &["a", "b"]);
        changed("keys = { recovery = [\n] }\n", &["a", "b"]);
        changed("[keys]\nrecovery = \"a\"\n", &["a", "b"]);
        changed(LINES, &[]);
    }

    #[test]
    fn a_text_that_cannot_be_changed_is_refused() {
        for text in ["keys = 7\n", "[keys\n", "[[keys]]\n"] {
            let error = set_recipients(Path::new("/c.toml"), text, &[]).unwrap_err();
            assert!(error.to_string().contains("cannot be changed"), "{error}");
        }
    }
}
