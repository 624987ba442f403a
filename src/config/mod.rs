//! The configuration: one TOML file, read once, understood wholly or refused wholly.
//!
//! `raw` mirrors the file as it is written; [`Config`] is what it means: checked names, absolute
//! paths, periods, schedules. Between the two every problem that can be found is found, and all of
//! them are told at once, each with its line and what to write instead ([`ConfigError`]).
//!
//! There are two stages, so that a configuration can be looked at on another machine:
//! [`Config::parse`] looks at nothing but the text, [`Config::check_files`] at the disk.
//! [`Config::load`] does both.
//!
//! Sections that only later commands need (`admin`, `retention`, `hide`) are checked
//! all the same: a setting that is not understood stops the start.

use std::fs;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;

use crate::ids::SourceName;

mod changes;
mod check;
mod cron;
mod duties;
mod names;
mod period;
mod places;
mod problem;
mod raw;
mod recipients;
mod relocate;
mod shape;
mod sources;
mod store_options;
mod stores;
mod types;
pub mod write;

pub use cron::{BadCron, Cron};
pub use period::{BadPeriod, Period};
pub use problem::{ConfigError, Problem};
pub use store_options::holds_secret;
pub use types::{
    Admin, AtEnd, Changes, Full, Fuse, Hide, Keep, Member, Retention, RetentionRule, Role,
    Schedule, Snapshots, Source, Store, StorePlace, Vanished,
};

use check::Check;
use places::{Kind, Place, Places};
use problem::Problems;
use types::HideMode;

/// Where the admin socket is by a file that may be wrong otherwise; none if even that cannot be read.
pub fn socket_in(path: &Path) -> Option<PathBuf> {
    let table: toml::Table = fs::read_to_string(path).ok()?.parse().ok()?;
    Some(table.get("admin")?.get("socket")?.as_str()?.into())
}

/// A configuration that has been understood.
#[derive(Clone, Debug)]
pub struct Config {
    path: PathBuf,
    text: String,
    /// Where the state lies, absolute. Default: `state` beside the file, or `/var/lib/tenure` when
    /// the file is a system-wide one.
    pub state_dir: PathBuf,
    /// The zone in which schedules and dates are meant. Default: UTC.
    pub time_zone: Tz,
    /// The file that holds the host's half of the local key, absolute. Default: `host.key` beside
    /// the file.
    pub host_key: PathBuf,
    /// Who can recover, in the order of the file. Never empty.
    pub recipients: Vec<age::x25519::Recipient>,
    /// The source that holds the register. One of `sources`, with a register in its rules.
    pub register: SourceName,
    /// The sources, in the order of the file. Never empty.
    pub sources: Vec<Source>,
    /// The stores, in the order of the file. Never empty.
    pub stores: Vec<Store>,
    /// What is kept.
    pub snapshots: Snapshots,
    /// What runs by itself.
    pub schedule: Schedule,
    /// The admin socket, if there is to be one.
    pub admin: Option<Admin>,
    /// How long customers' data may stay, if that is for Tenure to see to.
    pub retention: Option<Retention>,
    places: Places,
}

impl Config {
    /// Reads and checks a file, and what it says of the disk.
    ///
    /// The host key is the systemd credential of the same file name where the service manager has
    /// handed one over.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let path = std::path::absolute(path).map_err(unreadable)?;
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let mut problems = Problems::new(&path, &text);
        let mut places = Places::default();
        let config = understand(&path, &text, &mut problems, &mut places);
        places.check(&path, &mut problems);
        let config = finish(config, problems, &path)?;
        Ok(config.with_credential(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)))
    }

    /// Checks a text as the contents of the file `path`, which need not exist.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut problems = Problems::new(&path, text);
        let config = understand(&path, text, &mut problems, &mut Places::default());
        finish(config, problems, &path)
    }

    /// Checks what the configuration says of the disk: who can read the host key and the file
    /// itself, and what lies inside what.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::new(&self.path, &self.text);
        self.places.check(&self.path, &mut problems);
        finish(Some(()), problems, &self.path)
    }

    /// The file, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text, exactly as read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of all classes: `customer` first, then the others in the order in which the
    /// file first names them.
    pub fn class_names(&self) -> Vec<&str> {
        let owned = self.sources.iter().flat_map(|source| &source.rules.owns);
        let owned = owned.filter_map(|rule| rule.class.as_deref());
        let rules = self.retention.iter().flat_map(|retention| &retention.rules);
        let rules = rules.map(|rule| rule.class.as_str());
        let mut names = vec!["customer"];
        for name in owned.chain(rules) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The source of that name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources
            .iter()
            .find(|source| source.name.as_str() == name)
    }

    /// The store of that name.
    pub fn store(&self, name: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.name.as_str() == name)
    }

    fn with_credential(mut self, directory: Option<PathBuf>) -> Self {
        let name = self.host_key.file_name();
        let credential = directory
            .zip(name)
            .map(|(directory, name)| directory.join(name));
        if let Some(credential) = credential.filter(|path| path.exists()) {
            self.host_key = credential;
        }
        self
    }
}

/// What was understood, or all that is wrong. Nothing is understood only if something is wrong.
fn finish<T>(meant: Option<T>, problems: Problems<'_>, path: &Path) -> Result<T, ConfigError> {
    let problems = problems.into_list();
    match meant {
        Some(meant) if problems.is_empty() => Ok(meant),
        _ => Err(ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        }),
    }
}

/// Makes of the text what it means, and notes everything that is wrong with it. `places` are those
/// that could be understood, whatever else is wrong.
fn understand<'a>(
    path: &'a Path,
    text: &'a str,
    problems: &mut Problems<'a>,
    places: &mut Places,
) -> Option<Config> {
    let file = shape::read(text, problems)?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let system = path.starts_with("/etc");
    let mut check = Check {
        problems,
        dir,
        system,
    };
    let state_dir = state_dir(&mut check, &file, &mut places.list);
    let time_zone = time_zone(&mut check, &file);
    let keys = stores::keys(&mut check, &file, &mut places.list);
    let sources = sources::sources(&mut check, &file, &mut places.list);
    let stores = stores::stores(&mut check, &file, &mut places.list);
    let snapshots = duties::snapshots(&mut check, &file);
    let schedule = duties::schedule(&mut check, &file);
    let admin = duties::admin(&mut check, &file);
    let retention = duties::retention(&mut check, &file);
    places.secret = store_options::secret(&file);
    let (keys, (register, sources)) = (keys?, sources?);
    let config = Config {
        path: path.to_owned(),
        text: text.to_owned(),
        state_dir: state_dir?,
        time_zone: time_zone?,
        host_key: keys.host,
        recipients: keys.recipients,
        register,
        sources,
        stores: stores?,
        snapshots: snapshots?,
        schedule,
        admin: admin?,
        retention: retention?,
        places: places.clone(),
    };
    too_many_classes(&config, problems);
    Some(config)
}

/// A class is numbered by 8 bits, of which 0 is Tenure's own.
fn too_many_classes(config: &Config, problems: &mut Problems<'_>) {
    let count = config.class_names().len();
    if count > 255 {
        let hint = "tables that are kept equally long can share a class";
        problems.missing(None, format!("{count} classes are more than 255"), hint);
    }
}

fn state_dir(
    check: &mut Check<'_, '_>,
    file: &raw::File,
    places: &mut Vec<Place>,
) -> Option<PathBuf> {
    let path = match &file.state_dir {
        Some(text) => check.path(text, "state_dir")?,
        None if check.system => PathBuf::from("/var/lib/tenure"),
        None => check.dir.join("state"),
    };
    let span = file.state_dir.as_ref().map(toml::Spanned::span);
    places.push(Place::new(Kind::StateDir, None, &path, span));
    Some(path)
}

fn time_zone(check: &mut Check<'_, '_>, file: &raw::File) -> Option<Tz> {
    let Some(text) = &file.time_zone else {
        return Some(Tz::UTC);
    };
    match text.get_ref().parse() {
        Ok(zone) => Some(zone),
        Err(_) => {
            let names: Vec<&str> = chrono_tz::TZ_VARIANTS
                .iter()
                .map(|zone| zone.name())
                .collect();
            let hint = match problem::nearest(text.get_ref(), &names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write a name of the IANA database, such as \"Europe/Berlin\"".to_owned(),
            };
            let what = format!("unknown time zone {:?}", text.get_ref());
            check.problems.at(&text.span(), what, hint);
            None
        }
    }
}
