//! Puts a configuration into another place: after a recovery, on another machine.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, value};

use super::{ConfigError, Problem, recipients};

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
    /// Stores that are added, unless they are there, by name and URL.
    pub stores: Vec<(String, String)>,
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
    for (name, url) in &to.stores {
        let is_there = |store: &Table| store.get("name").and_then(Item::as_str) == Some(name);
        if stores.iter().any(is_there) {
            continue;
        }
        let mut store = Table::new();
        store["name"] = value(name);
        store["url"] = value(url);
        stores.push(store);
    }
    Ok(document.to_string())
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
    use super::*;

    #[test]
    fn what_is_elsewhere_is_changed_and_nothing_else() {
        let recipient = age::x25519::Identity::generate().to_public().to_string();
        let text = format!(
            "# ours\nstate_dir = \"/old\" # here\n[keys]\nrecovery = [\"{recipient}\"] # in the safe\n\
             [admin]\nsocket = \"/old/admin.sock\"\n[[store]]\nname = \"near\" # disk\nurl = \"file:///near\"\n\
             [[store]]\nname = \"far\"\nurl = \"file:///far\"\n"
        );
        let to = Relocation {
            state_dir: Path::new("/new/state"),
            host_key: Path::new("/new/host.key"),
            socket: Path::new("/new/admin.sock"),
            recipients: std::slice::from_ref(&recipient),
            drops: &|name| name == "far",
            stores: vec![("usb".into(), "file:///usb".into())],
        };
        let relocated = relocate(Path::new("/new/tenure.toml"), &text, &to).unwrap();
        let expected = format!(
            "# ours\nstate_dir = \"/new/state\" # here\n[keys]\nrecovery = [\"{recipient}\"] # in the safe\n\
             host = \"/new/host.key\"\n[admin]\nsocket = \"/new/admin.sock\"\n[[store]]\nname = \"near\" # disk\n\
             url = \"file:///near\"\n\n[[store]]\nname = \"usb\"\nurl = \"file:///usb\"\n"
        );
        assert_eq!(relocated, expected);
        let twice = relocate(Path::new("/x"), "store = 1", &to);
        assert!(twice.is_err());
    }
}
