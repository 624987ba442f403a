//! Plans a first configuration from what the database says of itself.

use std::path::Path;

use super::{Wanted, zone};
use crate::config::Config;
use crate::config::write::{Draft, DraftShared, DraftSource, DraftStore};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::StoreName;
use crate::inspect;
use crate::schema::{Ownership, Schema, Table};
use crate::source::sqlite::{Look, since};
use crate::source::{RegisterRule, Rules};

/// Columns that are likely to hold a customer's name, the best first.
const NAME: [&str; 5] = [
    "name",
    "fullname",
    "displayname",
    "customername",
    "companyname",
];

/// Columns that will do where there is none of these, first of all one that is never empty.
const OTHER_NAME: [&str; 4] = ["company", "lastname", "surname", "username"];

/// The admin socket of a system-wide configuration, as tenured.socket has it.
const SOCKET: &str = "/run/tenure/admin.sock";

/// A configuration to be, all but the recipients.
pub(super) struct Planned {
    pub(super) draft: Draft,
}

impl Planned {
    /// Looks at the database, and at the configuration that is to be replaced if there is one: where
    /// that one keeps state and keys, the new one does.
    pub(super) fn new(wanted: &Wanted, path: &Path) -> Outcome<Self> {
        let mut register = RegisterRule {
            table: wanted.register.table.clone(),
            key: wanted.register.key.clone(),
            since: None,
            name: None,
        };
        let source = plan(wanted, &mut register)?;
        let old = if wanted.force {
            Config::load(path).ok()
        } else {
            None
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        let system = path.starts_with("/etc");
        let (state_dir, host_key, time_zone) = match old {
            Some(old) => (old.state_dir, old.host_key, old.time_zone),
            None if system => (
                "/var/lib/tenure".into(),
                folder.join("host.key"),
                zone::local(),
            ),
            None => (folder.join("state"), folder.join("host.key"), zone::local()),
        };
        let (socket, admin) = match system {
            true => (SOCKET.into(), None),
            false => (folder.join("admin.sock"), Some(user())),
        };
        let draft = Draft {
            state_dir: text(&state_dir)?,
            time_zone,
            register_source: wanted.register.source.clone(),
            register,
            recipients: Vec::new(),
            host_key: text(&host_key)?,
            sources: vec![source],
            stores: stores(wanted)?,
            socket: text(&socket)?,
            admin,
        };
        Ok(Self { draft })
    }

    /// Looks at the database as the configuration would have it: that it is understood, that owners can be told, and what
    /// there is to say of the tables whose owners are known. What is to be settled is told already.
    pub(super) fn look_again(&mut self, config: &Config) -> Outcome<()> {
        for (source, draft) in config.sources.iter().zip(&mut self.draft.sources) {
            let mut database = inspect::look_at(&source.path, &source.rules)?;
            database.take_keys();
            database.try_owners()?;
            for (at, table) in database.schema().tables.iter().enumerate() {
                let mut words = match table.ownership {
                    Ownership::Ambiguous | Ownership::Unsettled => continue,
                    _ => table.warnings.clone(),
                };
                if table.ownership == Ownership::Register {
                    words.extend(database.look(at)?.advice());
                }
                let notes = words.iter().map(|words| format!("{}: {words}", table.name));
                for note in notes {
                    if !draft.notes.contains(&note) {
                        draft.notes.push(note);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The user who runs this; root where the system knows no name.
fn user() -> String {
    let user = uzers::get_user_by_uid(rustix::process::geteuid().as_raw());
    let name = user.and_then(|user| user.name().to_str().map(str::to_owned));
    name.unwrap_or_else(|| "root".to_owned())
}

fn text(path: &Path) -> Outcome<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let what = format!(
            "the path {} is not UTF-8, and a configuration is",
            path.display()
        );
        Failure::of(FailureKind::Usage, what)
    })
}

/// What the database says of its tables; adds what can be guessed to the register's rule.
fn plan(wanted: &Wanted, register: &mut RegisterRule) -> Outcome<DraftSource> {
    let name = &wanted.register.source;
    let rules = Rules {
        source: name.clone(),
        register: Some(register.clone()),
        shared: Vec::new(),
        owns: Vec::new(),
    };
    let database = inspect::look_at(Path::new(&wanted.register.path), &rules)
        .failed_to(|| format!("read source {:?}", name.as_str()))?;
    let schema = database.schema();
    if let Some(table) = schema
        .tables
        .iter()
        .find(|table| table.ownership == Ownership::Register)
    {
        register.table.clone_from(&table.name);
        register.since = since(table);
        register.name = guess(table, &NAME, |_| true)
            .or_else(|| guess(table, &OTHER_NAME, |not_null| not_null))
            .or_else(|| guess(table, &OTHER_NAME, |_| true));
    }
    let looks = (0..schema.tables.len()).map(|at| database.look(at));
    let looks: Vec<Look> = looks.collect::<Result<_, _>>()?;
    Ok(sorted(
        schema,
        &looks,
        DraftSource {
            name: name.clone(),
            path: wanted.register.path.clone(),
            owned: Vec::new(),
            shared: Vec::new(),
            notes: Vec::new(),
        },
    ))
}

/// Puts every table where it belongs: what nothing leads to a customer from is listed as shared, for
/// a person to read, with what a look at it has told; what is in dispute is left open, and so is what
/// may belong to one customer each.
fn sorted(schema: &Schema, looks: &[Look], mut source: DraftSource) -> DraftSource {
    for (table, look) in schema.tables.iter().zip(looks) {
        let theirs = look.pointed_at.as_ref().is_some_and(|at| at.alone);
        let name = &table.name;
        match table.ownership {
            Ownership::Register | Ownership::Shared => {}
            Ownership::Owned => source.owned.push((name.clone(), table.path.clone())),
            Ownership::Unsettled if table.warnings.is_empty() && !theirs => {
                source.shared.push(DraftShared {
                    table: name.clone(),
                    remarks: look.advice(),
                });
            }
            Ownership::Unsettled | Ownership::Ambiguous => {
                let reasons = table.warnings.iter().cloned().chain(look.advice());
                let reasons = reasons.collect::<Vec<_>>().join("; ");
                let what = format!("SETTLE THIS: whose the rows of {name} are ({reasons})");
                source.notes.push(what);
            }
        }
    }
    if source.notes.iter().any(|note| note.starts_with("SETTLE")) {
        let how = "Write a [[source.owns]] for it, or name it in `shared`. Until then its rows are backed up \
                   under a key of their own, and each snapshot ends with exit code 3.";
        source.notes.push(how.into());
    }
    let others = schema.not_restorable.iter();
    source
        .notes
        .extend(others.map(|what| format!("{what} cannot be backed up")));
    source
}

/// The first of `likely` that the table has, by letters alone and in any case.
fn guess(table: &Table, likely: &[&str], fits: impl Fn(bool) -> bool) -> Option<String> {
    let plain = |name: &str| name.replace(['_', ' ', '-'], "").to_lowercase();
    likely.iter().find_map(|wanted| {
        let found = table
            .columns
            .iter()
            .find(|column| plain(&column.name) == *wanted);
        found
            .filter(|column| fits(column.not_null))
            .map(|column| column.name.clone())
    })
}

/// The stores, each with a name that no other has.
fn stores(wanted: &Wanted) -> Outcome<Vec<DraftStore>> {
    let mut stores: Vec<DraftStore> = Vec::new();
    for spec in &wanted.stores {
        let taken = |name: &StoreName| stores.iter().any(|store| store.name == *name);
        let first = spec.name();
        let numbered = (2_u32..).filter_map(|n| format!("{first}-{n}").parse().ok());
        let mut names = std::iter::once(first.clone()).chain(numbered.take(wanted.stores.len()));
        let name = names
            .find(|name| !taken(name))
            .filter(|name| spec.name.is_none() || *name == first);
        let name = name.ok_or_else(|| {
            let what = format!("two stores are called {:?}", first.as_str());
            Failure::of(FailureKind::Usage, what).hint("name them: --store NAME=URL")
        })?;
        stores.push(DraftStore {
            name,
            url: spec.url.to_string(),
            options: spec.options.clone(),
        });
    }
    Ok(stores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Column;
    use crate::source::sqlite::PointedAt;

    fn table(name: &str, ownership: Ownership, warnings: &[&str]) -> Table {
        let column = |name: &str, not_null| Column {
            name: name.into(),
            declared: String::new(),
            not_null,
        };
        Table {
            name: name.into(),
            columns: vec![
                column("Company", false),
                column("created", false),
                column("Created_At", true),
            ],
            rowid_alias: None,
            has_rowid: true,
            ownership,
            class: None,
            path: "a -> b".into(),
            references: Vec::new(),
            warnings: warnings.iter().map(|w| (*w).to_owned()).collect(),
        }
    }

    #[test]
    fn since_is_never_null_and_a_name_may_be() {
        let table = table("t", Ownership::Register, &[]);
        assert_eq!(since(&table).as_deref(), Some("Created_At"));
        assert_eq!(
            guess(&table, &OTHER_NAME, |_| true).as_deref(),
            Some("Company")
        );
        assert_eq!(guess(&table, &["created"], |not_null| not_null), None);
    }

    #[test]
    fn what_is_in_dispute_is_never_listed_as_shared() {
        let schema = Schema {
            engine: String::new(),
            pragmas: Vec::new(),
            statements: Vec::new(),
            tables: vec![
                table("people", Ownership::Register, &[]),
                table("orders", Ownership::Owned, &["is slow to read"]),
                table("links", Ownership::Ambiguous, &["two owners"]),
                table("parts", Ownership::Unsettled, &["only through links"]),
                table("country", Ownership::Unsettled, &[]),
                table("address", Ownership::Unsettled, &[]),
                table("staff", Ownership::Unsettled, &[]),
            ],
            sequences: Vec::new(),
            not_restorable: vec!["the virtual table f (fts5)".into()],
            full_text: Vec::new(),
            statistics: Vec::new(),
        };
        let source = DraftSource {
            name: "crm".parse().unwrap(),
            path: "/x".into(),
            owned: Vec::new(),
            shared: Vec::new(),
            notes: Vec::new(),
        };
        let mut looks = vec![Look::default(); 7];
        looks[5].pointed_at = Some(PointedAt {
            rule: "<- people.address".into(),
            alone: true,
        });
        looks[6].personal = Some("has a column".into());
        let source = sorted(&schema, &looks, source);
        let shared = |table: &str, remarks: &[&str]| DraftShared {
            table: table.into(),
            remarks: remarks.iter().map(ToString::to_string).collect(),
        };
        let expected = [shared("country", &[]), shared("staff", &["has a column"])];
        assert_eq!(source.shared, expected);
        assert_eq!(source.owned, [("orders".to_owned(), "a -> b".to_owned())]);
        let expected = [
            "SETTLE THIS: whose the rows of links are (two owners)",
            "SETTLE THIS: whose the rows of parts are (only through links)",
            "SETTLE THIS: whose the rows of address are (is pointed at by people.address, each row by one \
             customer alone: by = \"<- people.address\" makes it theirs)",
        ];
        assert_eq!(source.notes[..3], expected);
        assert!(source.notes[3].starts_with("Write a [[source.owns]]"));
        assert!(source.notes[4].contains("fts5") && source.notes.len() == 5);
    }
}
