//! Writes configurations: a fresh one for people to read ([`render`]), and changes that leave
//! everything else as it was, comments included ([`set_recipients`], [`set_changes`]).

use std::fmt::Write as _;

use chrono_tz::Tz;
use toml_edit::Value;

use super::names;
use crate::ids::{SourceName, StoreName};
use crate::rules::RegisterRule;

pub use super::changes::set_changes;
pub use super::recipients::set_recipients;
pub use super::relocate::{Relocation, relocate};

/// What a fresh configuration says. Paths are texts, because TOML holds nothing else.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The state directory.
    pub state_dir: String,
    /// The zone in which schedules and dates are meant.
    pub time_zone: Tz,
    /// The source that holds the register.
    pub register_source: SourceName,
    /// The register.
    pub register: RegisterRule,
    /// The recovery recipients.
    pub recipients: Vec<String>,
    /// The file of the host key.
    pub host_key: String,
    /// The sources.
    pub sources: Vec<DraftSource>,
    /// The stores.
    pub stores: Vec<DraftStore>,
    /// The admin socket.
    pub socket: String,
    /// The user who may do everything; none: the groups that `tenure install` makes.
    pub admin: Option<String>,
}

/// One SQLite database of a [`Draft`].
#[derive(Clone, Debug)]
pub struct DraftSource {
    /// Its name.
    pub name: SourceName,
    /// Its file.
    pub path: String,
    /// Tables that foreign keys give to customers, each with the path in words.
    pub owned: Vec<(String, String)>,
    /// Tables that seem to be everybody's.
    pub shared: Vec<DraftShared>,
    /// What else a person should look at, in words.
    pub notes: Vec<String>,
}

/// A table that seems to be everybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftShared {
    /// Its name.
    pub table: String,
    /// What a person should know of it, in words that follow on its name.
    pub remarks: Vec<String>,
}

/// One store of a [`Draft`].
#[derive(Clone, Debug)]
pub struct DraftStore {
    /// Its name.
    pub name: StoreName,
    /// Its URL.
    pub url: String,
    /// Its options by name, none of them secret.
    pub options: Vec<(String, String)>,
}

/// Writes a configuration, with comments that tell a person what to look at.
pub fn render(draft: &Draft) -> String {
    let mut out = String::new();
    head(&mut out, draft);
    for source in &draft.sources {
        self::source(&mut out, source);
    }
    for store in &draft.stores {
        let _ = write!(
            out,
            "\n[[store]]\nname = {}\nurl  = {}\nkeys = true            # may hold a copy of the keyring, sealed to the recipients above\n",
            quoted(store.name.as_str()),
            quoted(&store.url),
        );
        let options = store.options.iter();
        let options = options.map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)));
        let options: Vec<_> = options.collect();
        if !options.is_empty() {
            let _ = writeln!(out, "options = {{ {} }}", options.join(", "));
        }
    }
    out.push_str(TAIL);
    admin(&mut out, draft);
    out
}

const TAIL: &str = "
[snapshots]
keep = { daily = 14, weekly = 5, monthly = 12 }

# What the daemon does by itself: second, minute, hour, day of the month, month, day of the week.
[schedule]
incremental = \"0 0 2 * * Mon-Sat\"
full        = \"0 0 2 * * Sun\"
retention   = \"0 30 3 * * *\"
replicate   = \"0 0 12 * * *\"
prune       = \"0 30 4 * * Sun\"
verify      = \"0 0 5 * * Sun\"
";

/// The roles of a system-wide configuration.
const ROLES: &str = "\
admin    = [\"root\", \"@tenure-admin\"]
dpo      = [\"@tenure-dpo\"]
operator = [\"@tenure-operator\"]
auditor  = [\"@tenure-auditor\"]
viewer   = [\"@tenure\"]
";

fn admin(out: &mut String, draft: &Draft) {
    let _ = write!(
        out,
        "\n# Who may ask the daemon for what (`tenure roles`): users, and groups with an @.\n\
         [admin]\nsocket = {}\n[admin.roles]\n",
        quoted(&draft.socket),
    );
    match &draft.admin {
        Some(user) => {
            let _ = writeln!(out, "admin = [{}]", quoted(user));
        }
        None => out.push_str(ROLES),
    }
    out.push_str(
        "see_hidden = [\"admin\", \"dpo\"]     # the roles that may see hidden customers\n",
    );
}

fn head(out: &mut String, draft: &Draft) {
    let register = &draft.register;
    let mut customers = vec![
        ("source", draft.register_source.as_str().to_owned()),
        ("table", register.table.clone()),
        ("key", names::write_columns(&register.key)),
    ];
    customers.extend(register.since.clone().map(|since| ("since", since)));
    customers.extend(register.name.clone().map(|name| ("name", name)));
    let customers: String = customers
        .into_iter()
        .map(|(key, text)| format!("{key:<6} = {}\n", quoted(&text)))
        .collect();
    let recipients: String = draft
        .recipients
        .iter()
        .map(|recipient| format!("  {},\n", quoted(recipient)))
        .collect();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "# Tenure: whose data is kept where, and for how long. `tenure check` reads this file.\n\n\
         state_dir = {}\n\
         time_zone = {}      # of schedules and dates\n\n\
         # The register: the one table whose rows are the customers.\n\
         [customers]\n{customers}\n\
         [keys]\n\
         # Who can recover when this host is lost. The identities belong offline, not on this host.\n\
         recovery = [\n{recipients}]\n\
         host = {}\n",
        quoted(&draft.state_dir),
        quoted(draft.time_zone.name()),
        quoted(&draft.host_key),
    );
}

fn source(out: &mut String, source: &DraftSource) {
    let _ = write!(
        out,
        "\n[[source]]\nname    = {}\nkind    = \"sqlite\"\npath    = {}\nchanges = \"scan\"\n",
        quoted(source.name.as_str()),
        quoted(&source.path),
    );
    if !source.owned.is_empty() {
        out.push_str("# Foreign keys say whose the rows of these tables are; nothing is to be written for them:\n");
        for (table, path) in &source.owned {
            comment(out, &format!("  {table}: {path}"));
        }
    }
    for note in &source.notes {
        comment(out, note);
    }
    if source.shared.is_empty() {
        out.push_str("shared  = []\n");
        return;
    }
    out.push_str(
        "# READ THIS LIST. No foreign key leads from these tables to a customer, so they are taken to\n\
         # be everybody's, and erasing a customer leaves them as they are. Where a table holds anything\n\
         # personal, take it out of the list and say whose its rows are:\n\
         #   [[source.owns]]\n\
         #   table = \"call_log\"\n\
         #   by    = \"caller_id\"      # or \"call_id -> call_log\", or \"<- customers.address_id\"\n\
         shared  = [\n",
    );
    for shared in &source.shared {
        for remark in &shared.remarks {
            out.push_str("  ");
            comment(out, &format!("LOOK: {} {remark}", shared.table));
        }
        let _ = writeln!(out, "  {},", quoted(&shared.table));
    }
    out.push_str("]\n");
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A comment of one line, whatever the text: names come from databases.
fn comment(out: &mut String, text: &str) {
    out.push_str("# ");
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Member, Role};
    use super::*;

    fn recipient() -> String {
        age::x25519::Identity::generate().to_public().to_string()
    }

    fn draft() -> Draft {
        Draft {
            state_dir: "/var/lib/tenure".into(),
            time_zone: Tz::Europe__Berlin,
            register_source: "crm".parse().unwrap(),
            register: RegisterRule {
                table: "odd \"table\"".into(),
                key: vec!["a,b".into(), "c d".into()],
                since: Some("created_at".into()),
                name: None,
            },
            recipients: vec![recipient(), recipient()],
            host_key: "/etc/tenure/host.key".into(),
            sources: vec![DraftSource {
                name: "crm".parse().unwrap(),
                path: "/srv/c\"r\\m/é.db".into(),
                owned: vec![("order".into(), "order.customer_id -> customers".into())],
                shared: ["country", "x\"\n[keys]\nrecovery = []"]
                    .map(|table| DraftShared {
                        table: table.into(),
                        remarks: vec![format!("has {table}\n]")],
                    })
                    .into(),
                notes: vec!["bad\n[[store]]\nname = 'thief'".into()],
            }],
            stores: vec![DraftStore {
                name: "local".parse().unwrap(),
                url: "file:///srv/backup".into(),
                options: Vec::new(),
            }],
            socket: "/run/tenure/admin.sock".into(),
            admin: None,
        }
    }

    #[test]
    fn a_fresh_configuration_says_what_the_draft_says() {
        let draft = draft();
        let text = render(&draft);
        let config = Config::parse(Path::new("/etc/tenure/tenure.toml"), &text)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        let source = &config.sources[0];
        assert_eq!(source.path, Path::new(&draft.sources[0].path));
        assert_eq!(source.rules.register.as_ref(), Some(&draft.register));
        let shared = draft.sources[0].shared.iter();
        let shared: Vec<&str> = shared.map(|shared| shared.table.as_str()).collect();
        assert_eq!(source.rules.shared, shared);
        assert!(text.contains("  # LOOK: country has country\\n]\n  \"country\",\n"));
        assert_eq!(config.state_dir, Path::new(&draft.state_dir));
        assert_eq!(config.host_key, Path::new(&draft.host_key));
        assert_eq!(config.time_zone, draft.time_zone);
        let recipients: Vec<_> = config.recipients.iter().map(ToString::to_string).collect();
        assert_eq!(recipients, draft.recipients);
        assert_eq!(
            config.stores.len(),
            1,
            "no name in the database can add a store"
        );
        assert_eq!(config.stores[0].directory(), Some(Path::new("/srv/backup")));
        assert!(config.stores[0].keys);
        assert_eq!(config.snapshots, super::super::Snapshots::default());
        assert!(text.contains("# READ THIS LIST."));
    }

    /// What the sample says, which people are told to read, is what they get.
    #[test]
    fn schedule_and_roles_are_those_of_the_sample() {
        let path = Path::new("/etc/tenure/tenure.toml");
        let sample = include_str!("../../config/tenure.toml");
        let sample = Config::parse(path, sample).unwrap();
        let fresh = Config::parse(path, &render(&draft())).unwrap();
        assert_eq!(fresh.schedule, sample.schedule);
        assert_eq!(fresh.admin, sample.admin);
    }

    #[test]
    fn a_private_configuration_is_its_owners() {
        let mut draft = draft();
        draft.socket = "/home/kim/tenure/admin.sock".into();
        draft.admin = Some("kim".into());
        let config = Config::parse(Path::new("/home/kim/tenure/tenure.toml"), &render(&draft));
        let admin = config.unwrap().admin.unwrap();
        assert_eq!(admin.socket, Path::new(&draft.socket));
        for (role, members) in admin.roles {
            let kim = vec![Member::User("kim".to_owned())];
            assert_eq!(members, if role == Role::Admin { kim } else { Vec::new() });
        }
    }

    #[test]
    fn without_shared_tables_there_is_no_list_to_read() {
        let mut draft = draft();
        draft.sources[0].shared.clear();
        let text = render(&draft);
        assert!(!text.contains("READ THIS LIST"));
        assert!(Config::parse(Path::new("/x/c.toml"), &text).is_ok());
    }
}
