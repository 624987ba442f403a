//! Puts a configuration into another place: after a recovery, on another machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, InlineTable, Item, Table, Value, value};

use super::{ConfigError, Problem, Store, recipients};

/// What is another than it was.
pub struct Relocation<'a> {
    /// The state directory.
    pub state_dir: &'a Path,
    /// The file of the host key.
    pub host_key: &'a Path,
    /// The admin socket, where there is to be one that is not a system-wide one.
    pub socket: &'a Path,
    /// Who can recover.
    pub recipients: &'a [String],
    /// The stores that are left out, by name.
    pub drops: &'a dyn Fn(&str) -> bool,
    /// Stores that are added, unless they are there. Those that are there get the options that they have here
    /// beside their own.
    pub stores: Vec<Store>,
}

/// Changes what is another, and leaves everything else as it was, comments included.
///
/// # Errors
/// If the text is not TOML, or something that is no table stands where one belongs.
pub fn relocate(path: &Path, text: &str, to: &Relocation<'_>) -> Result<String, ConfigError> {
    let text = recipients::set_recipients(path, text, to.recipients)?;
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| refused(path, error.message()))?;
    set(&mut document["state_dir"], &shown(to.state_dir));
    set(&mut document["keys"]["host"], &shown(to.host_key));
    let socket = document.get("admin").and_then(|admin| admin.get("socket"));
    let socket = socket.and_then(Item::as_str).map(PathBuf::from);
    if socket.is_some_and(|socket| !socket.starts_with("/run")) {
        set(&mut document["admin"]["socket"], &shown(to.socket));
    }
    let stores = document.entry("store").or_insert(toml_edit::array());
    let stores = stores
        .as_array_of_tables_mut()
        .ok_or_else(|| refused(path, "`store` is not a list of tables"))?;
    stores.retain(|store| {
        let name = store.get("name").and_then(Item::as_str);
        !name.is_some_and(to.drops)
    });
    for store in &to.stores {
        let name = store.name.as_str();
        let is_there = |table: &Table| table.get("name").and_then(Item::as_str) == Some(name);
        if !stores.iter().any(is_there) {
            let mut table = Table::new();
            table["name"] = value(name);
            table["url"] = value(store.url.as_str());
            stores.push(table);
        }
        if let Some(table) = stores.iter_mut().find(|table| is_there(table)) {
            set_options(table, &store.options);
        }
    }
    Ok(document.to_string())
}

/// Sets those options that are another, and keeps the others.
fn set_options(store: &mut Table, options: &BTreeMap<String, String>) {
    for (key, text) in options {
        let there = store.get("options").and_then(|options| options.get(key));
        if there.is_some_and(|there| is_same(there, text)) {
            continue;
        }
        let there = store
            .entry("options")
            .or_insert_with(|| value(InlineTable::new()));
        there[key] = value(text);
    }
}

/// Whether an option says what the text says: a number may stand there as one.
fn is_same(there: &Item, text: &str) -> bool {
    match there.as_value() {
        Some(Value::String(there)) => there.value() == text,
        Some(Value::Integer(there)) => there.value().to_string() == text,
        Some(Value::Boolean(there)) => there.value().to_string() == text,
        _ => false,
    }
}

/// Sets a value, and keeps the comment behind it.
fn set(item: &mut Item, text: &str) {
    let decor = item.as_value().map(|value| value.decor().clone());
    *item = value(text);
    if let (Some(decor), Some(value)) = (decor, item.as_value_mut()) {
        *value.decor_mut() = decor;
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn refused(path: &Path, what: &str) -> ConfigError {
    let path: PathBuf = path.to_owned();
    let problem = Problem {
        file: path.clone(),
        at: None,
        what: format!("the configuration of the newest snapshot cannot be used: {what}"),
        hint: None,
    };
    ConfigError::Invalid {
        path,
        problems: vec![problem],
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::config::StorePlace;

    #[test]
    fn what_is_elsewhere_is_changed_and_nothing_else() {
        let recipient = age::x25519::Identity::generate().to_public().to_string();
        let text = format!(
            "# ours\nstate_dir = \"/old\" # here\n[keys]\nrecovery = [\"{recipient}\"] # in the safe\n\
             [admin]\nsocket = \"/old/admin.sock\"\n[[store]]\nname = \"near\" # disk\nurl = \"file:///near\"\n\
             [[store]]\nname = \"far\"\nurl = \"file:///far\"\n\
             [[store]]\nname = \"away\"\nurl = \"s3://b/x\"\n\
             options = {{ region = \"r\", max_retries = 3, ca_file = \"/old/ca\" }} # Rome\n"
        );
        let store = |name: &str, url: &str, options: &[(&str, &str)]| {
            let url = Url::parse(url).unwrap();
            let options = options
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Store {
                name: name.parse().unwrap(),
                place: StorePlace::of(&url).unwrap(),
                url,
                keys: true,
                options: options.collect(),
            }
        };
        let here = [
            ("region", "r"),
            ("max_retries", "3"),
            ("ca_file", "/new/ca"),
        ];
        let to = Relocation {
            state_dir: Path::new("/new/state"),
            host_key: Path::new("/new/host.key"),
            socket: Path::new("/new/admin.sock"),
            recipients: std::slice::from_ref(&recipient),
            drops: &|name| name == "far",
            stores: vec![
                store("away", "s3://b/x", &here),
                store("usb", "file:///usb", &[]),
                store("new", "s3://c", &[("endpoint", "http://h:1")]),
            ],
        };
        let relocated = relocate(Path::new("/new/tenure.toml"), &text, &to).unwrap();
        let expected = format!(
            "# ours\nstate_dir = \"/new/state\" # here\n[keys]\nrecovery = [\"{recipient}\"] # in the safe\n\
             host = \"/new/host.key\"\n[admin]\nsocket = \"/new/admin.sock\"\n[[store]]\nname = \"near\" # disk\n\
             url = \"file:///near\"\n[[store]]\nname = \"away\"\nurl = \"s3://b/x\"\n\
             options = {{ region = \"r\", max_retries = 3, ca_file = \"/new/ca\" }} # Rome\n\n\
             [[store]]\nname = \"usb\"\nurl = \"file:///usb\"\n\n\
             [[store]]\nname = \"new\"\nurl = \"s3://c\"\noptions = {{ endpoint = \"http://h:1\" }}\n"
        );
        assert_eq!(relocated, expected);
        let twice = relocate(Path::new("/x"), "store = 1", &to);
        assert!(twice.is_err());
    }
}
