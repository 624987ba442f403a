//! Looks at everything that a backup needs, and tells all that is wrong with it at once.
//!
//! Nothing is changed: what is written into stores to see that they can be written to has a random
//! name under `check/`, and is deleted again.

use tokio::runtime::Handle;

use crate::clock::Timestamp;
use crate::config::{Changes, Config, ConfigError};
use crate::error::{Failure, Outcome};
use crate::inspect;
use crate::repo::Repository;
use crate::repo::places::open_store;
use crate::schema::Ownership;
use crate::source::sqlite::{Database, SqliteError};

mod probe;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A backup does not work, or not wholly.
    Error,
    /// It works, and somebody should look at this.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, with its causes.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Everything that is wrong, in the order in which it was looked at.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// Whether there is nothing worse than a warning.
    pub fn is_ok(&self) -> bool {
        self.problems
            .iter()
            .all(|problem| problem.severity == Severity::Warning)
    }

    fn push(&mut self, severity: Severity, what: impl Into<String>, hint: Option<&str>) {
        let (what, hint) = (what.into(), hint.map(str::to_owned));
        self.problems.push(Problem {
            what,
            hint,
            severity,
        });
    }

    fn failed(&mut self, context: &str, failure: &Failure) {
        self.tell(Severity::Error, context, failure);
    }

    fn failed_with(&mut self, severity: Severity, failure: &Failure) {
        self.tell(severity, "", failure);
    }

    fn tell(&mut self, severity: Severity, context: &str, failure: &Failure) {
        let mut what = format!("{context}{failure}");
        for cause in failure.causes() {
            what.push_str(": ");
            what.push_str(&cause);
        }
        self.push(severity, what, failure.next_step());
    }
}

/// Checks a configuration, as it was loaded, and all that it names.
pub fn run(loaded: Result<Config, ConfigError>, runtime: &Handle) -> Checked {
    let mut checked = Checked::default();
    match loaded {
        Err(error) => configuration(&mut checked, error),
        Ok(config) => {
            sources(&mut checked, &config);
            repository(&mut checked, config, runtime);
        }
    }
    checked
}

fn configuration(checked: &mut Checked, error: ConfigError) {
    for problem in error.problems() {
        checked.push(
            Severity::Error,
            problem.to_string(),
            problem.hint.as_deref(),
        );
    }
    if error.problems().is_empty() {
        checked.failed("", &error.into());
    }
}

fn sources(checked: &mut Checked, config: &Config) {
    for source in &config.sources {
        let context = format!("source {:?}: ", source.name.as_str());
        match inspect::look_at(&source.path, &source.rules) {
            Err(error) => checked.failed(&context, &error.into()),
            Ok(mut database) => {
                // Keys are told as they stand: whether the register has them, foreign keys say.
                database.take_keys();
                let read = database.try_owners();
                if let Err(error) = read.and_then(|()| plan(checked, &context, &database)) {
                    checked.failed(&context, &error.into());
                }
                if source.changes == Changes::Triggers {
                    tracking(checked, &context, &database);
                }
                for (table, rows) in database.violations() {
                    let what =
                        format!("{rows} rows of table {table:?} refer to rows that are not there");
                    checked.push(Severity::Warning, context.clone() + &what, None);
                }
            }
        }
    }
}

/// Whether triggers note what changes, where the configuration says so.
fn tracking(checked: &mut Checked, context: &str, database: &Database) {
    const HINT: &str = "until then every snapshot reads everything";
    match database.noted() {
        Ok(Ok(_)) => {}
        Ok(Err(why)) => checked.push(Severity::Warning, format!("{context}{why}"), Some(HINT)),
        Err(error) => checked.failed(context, &error.into()),
    }
}

/// What a person must settle, and what they should look at.
fn plan(checked: &mut Checked, context: &str, database: &Database) -> Result<(), SqliteError> {
    const SETTLE: &str = "say whose its rows are under [[source.owns]], or name it in `shared` if \
                          nothing personal is in it; `tenure inspect` shows the plan";
    let schema = database.schema();
    for (at, table) in schema.tables.iter().enumerate() {
        let about = format!("{context}table {:?}", table.name);
        let mut warnings = table.warnings.clone();
        warnings.extend(database.look(at)?.advice());
        let reasons = warnings.join("; ");
        match table.ownership {
            Ownership::Ambiguous => {
                checked.push(
                    Severity::Error,
                    format!("{about} is ambiguous: {reasons}"),
                    Some(SETTLE),
                );
            }
            Ownership::Unsettled => {
                let reasons = if reasons.is_empty() {
                    "nothing leads to a customer"
                } else {
                    &reasons
                };
                checked.push(
                    Severity::Error,
                    format!("{about} is unsettled: {reasons}"),
                    Some(SETTLE),
                );
            }
            Ownership::Register | Ownership::Owned | Ownership::Shared => {
                for warning in &warnings {
                    checked.push(Severity::Warning, format!("{about} {warning}"), None);
                }
            }
        }
    }
    for what in &schema.not_restorable {
        let what = format!("{context}{what} is not backed up");
        checked.push(Severity::Warning, what, Some("rebuild it after a restore"));
    }
    Ok(())
}

fn repository(checked: &mut Checked, config: Config, runtime: &Handle) {
    let configured = config.stores.clone();
    match Repository::read(config, runtime) {
        Ok(repository) => {
            if let Err(failure) = opened(checked, &repository) {
                checked.failed("", &failure);
            }
        }
        Err(failure) => {
            checked.failed("", &failure);
            // Whether these are this repository's cannot be told, so nothing is written to them.
            for store in configured {
                let opened = open_store(&store, false, runtime);
                if let Err(error) = opened.and_then(|opened| opened.list("writer").map(drop)) {
                    checked.failed("", &error.into());
                }
            }
        }
    }
}

fn opened(checked: &mut Checked, repository: &Repository) -> Outcome<()> {
    for note in &repository.notes {
        checked.failed("", note);
    }
    let known = repository.catalog.key_places()?;
    for (name, place) in &known {
        let mut configured = repository.config.stores.iter();
        if !configured.any(|store| store.name.as_str() == name || store.address() == place.url) {
            let what = format!(
                "store {name:?} ({}) is not in the configuration any more, and may hold a keyring",
                place.url
            );
            let hint = "what is forgotten stays pending there, until the store is back in the \
                        configuration and was seen without an older keyring";
            checked.push(Severity::Warning, what, Some(hint));
        }
    }
    for store in &repository.config.stores {
        let name = store.name.as_str();
        match repository.absent.get(&store.name) {
            Some(failure) if !known.contains_key(name) => match store.directory() {
                Some(path) if !path.exists() => {
                    let path = path.display();
                    let what = format!("store {name:?} is new, and {path} does not exist yet");
                    checked.push(Severity::Warning, what, Some("the next snapshot makes it"));
                }
                _ => checked.failed("", failure),
            },
            Some(failure) => checked.failed("", failure),
            None => {}
        }
    }
    let retention = repository.config.retention.as_ref();
    let deadline = retention.map(|retention| retention.deadline.fewest_days());
    for store in &repository.stores {
        probe::run(checked, store, deadline);
    }
    memory(checked, repository);
    clock(checked, repository)?;
    recipients(checked, repository)
}

fn memory(checked: &mut Checked, repository: &Repository) {
    if !repository.keyring.forest.is_locked() {
        let hint =
            "raise the limit of locked memory: LimitMEMLOCK= in a unit, `ulimit -l` in a shell";
        let what = "the keyring cannot be kept out of swap";
        checked.push(Severity::Warning, what, Some(hint));
    }
}

fn clock(checked: &mut Checked, repository: &Repository) -> Outcome<()> {
    let snapshots = repository.catalog.snapshots()?;
    let newest = snapshots.iter().map(|snapshot| snapshot.finished).max();
    let now = Timestamp::now();
    if let Some(newest) = newest.filter(|newest| *newest > now) {
        let what = format!("the clock says {now}, and the newest snapshot was taken at {newest}");
        checked.push(Severity::Error, what, Some("set the clock right"));
    }
    Ok(())
}

fn recipients(checked: &mut Checked, repository: &Repository) -> Outcome<()> {
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts
    };
    let configured = repository
        .config
        .recipients
        .iter()
        .map(ToString::to_string)
        .collect();
    let agreed = repository
        .recipients()?
        .iter()
        .map(ToString::to_string)
        .collect();
    if sorted(configured) != sorted(agreed) {
        let what =
            "the recipients in the configuration are not those that the keyring is sealed to";
        let hint = "change them with `tenure keys recipients add` and `remove`, which seal it anew";
        checked.push(Severity::Warning, what, Some(hint));
    }
    Ok(())
}
