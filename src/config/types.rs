//! What a configuration means: the checked types of each section.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::{Cron, Period, store_options};
use crate::ids::{SourceName, StoreName};
use crate::rules::Rules;
use crate::value::Value;

/// One `[[source]]`: an SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// The database's file, absolute.
    pub path: PathBuf,
    /// The register, if this source holds it, and the ownership that foreign keys do not tell.
    pub rules: Rules,
    /// How an incremental snapshot finds what has changed.
    pub changes: Changes,
    /// Where an incremental snapshot follows a change: for how long nothing may have been written
    /// before it is taken.
    pub on_change: Option<Duration>,
    /// How a customer is taken out of sight, where that is configured.
    pub hide: Option<Hide>,
}

/// How an incremental snapshot finds what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Every row is read, hashed and compared.
    Scan,
    /// Triggers in the database note which customers have changed.
    Triggers,
}

/// How a customer is taken out of sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hide {
    /// A column of the register is set.
    Flag {
        /// The column.
        column: String,
        /// What it is set to.
        value: Value,
    },
    /// The rows leave the live system.
    Vault,
}

/// The word behind [`Hide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HideMode {
    Flag,
    Vault,
}

/// Where a store lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// In a directory, absolute.
    Directory(PathBuf),
    /// In a bucket of S3, or of a server that speaks its language, and there in a folder, which is
    /// empty for the whole bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The folder, without slashes at its ends.
        prefix: String,
    },
    /// In the memory of one process, under this name: for tests.
    Memory(String),
}

/// One `[[store]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Its name.
    pub name: StoreName,
    /// Its URL, as written.
    pub url: Url,
    /// Where it lies.
    pub place: StorePlace,
    /// Whether it may hold a copy of the keyring.
    pub keys: bool,
    /// Options under the names that object_store gives them, and a few of ours; none but for S3.
    pub options: BTreeMap<String, String>,
}

impl Store {
    /// The directory, if it lies in one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.place {
            StorePlace::Directory(path) => Some(path),
            StorePlace::S3 { .. } | StorePlace::Memory(_) => None,
        }
    }

    /// Where it lies, in the one spelling that every store in this place has, and no other: its URL, and behind
    /// a `?` the server where that is not Amazon's. `--store` understands it.
    pub fn address(&self) -> String {
        match &self.place {
            StorePlace::Directory(path) => {
                let plain: PathBuf = path.components().collect();
                Url::from_file_path(plain).map_or_else(|()| self.url.to_string(), String::from)
            }
            StorePlace::Memory(_) => self.url.to_string(),
            StorePlace::S3 { bucket, prefix } => {
                let place = match prefix.as_str() {
                    "" => format!("s3://{bucket}"),
                    prefix => format!("s3://{bucket}/{prefix}"),
                };
                match self.endpoint() {
                    Some(endpoint) => format!("{place}?endpoint={}", in_query(endpoint)),
                    None => place,
                }
            }
        }
    }

    /// The server of a store in S3 that is not at Amazon's, without a slash at its end.
    pub fn endpoint(&self) -> Option<&str> {
        store_options::endpoint(&self.options)
    }
}

/// A text as it stands in a query, with what would be read otherwise escaped.
fn in_query(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '%' | '&' | '+' | '#' | ' ' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    });
    escaped.collect()
}

/// `[snapshots]`: what is kept, and for how long what is dead stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// Which snapshots are kept.
    pub keep: Keep,
    /// What a full snapshot stores.
    pub full: Full,
    /// How long a dead blob may stay in a pack that is otherwise alive.
    pub dead_for: Period,
    /// How long an older keyring stays under a store's retention lock.
    pub keyring_cool_off: Period,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            keep: Keep {
                daily: 14,
                weekly: 5,
                monthly: 12,
            },
            full: Full::Reuse,
            dead_for: Period::days(90),
            keyring_cool_off: Period::default(),
        }
    }
}

/// How many snapshots are kept: the last of each of so many days, weeks and months. Not all are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// One for each of so many days.
    pub daily: u32,
    /// One for each of so many weeks.
    pub weekly: u32,
    /// One for each of so many months.
    pub monthly: u32,
}

/// What a full snapshot stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It refers to what already stands in a kept pack.
    Reuse,
    /// It stores everything again.
    Independent,
}

/// `[schedule]`: what runs by itself, and when, in [`Config::time_zone`](super::Config::time_zone).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Incremental snapshots.
    pub incremental: Option<Cron>,
    /// Full snapshots.
    pub full: Option<Cron>,
    /// Retention.
    pub retention: Option<Cron>,
    /// Stores that are behind are brought up to date.
    pub replicate: Option<Cron>,
    /// What the keep rules let go is deleted.
    pub prune: Option<Cron>,
    /// The stores are looked through.
    pub verify: Option<Cron>,
    /// The most by which this host's runs come later than the schedules say, so that the hosts that
    /// share a store do not all come at once.
    pub jitter: Duration,
}

/// `[admin]`: the socket, and who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The Unix socket, absolute.
    pub socket: PathBuf,
    /// Who has each role; every role is listed, with nobody where nobody is named.
    pub roles: Vec<(Role, Vec<Member>)>,
    /// The roles that may see hidden customers.
    pub see_hidden: Vec<Role>,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything that no other role is needed for.
    Admin,
    /// The data-protection officer.
    Dpo,
    /// Takes snapshots and restores.
    Operator,
    /// Reads the audit log.
    Auditor,
    /// Reads states.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Admin,
        Self::Dpo,
        Self::Operator,
        Self::Auditor,
        Self::Viewer,
    ];

    /// The word for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Dpo => "dpo",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
        }
    }
}

/// A user or a group of the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A user's name.
    User(String),
    /// A group's name, without the `@`.
    Group(String),
}

/// `[retention]`: how long customers' data may stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// What stops a run that would erase too many.
    pub fuse: Fuse,
    /// The longest time that may pass from "erase" to "gone everywhere".
    pub deadline: Period,
    /// What becomes of customers who left the register by themselves.
    pub vanished: Vanished,
    /// The rules, in the order of the file.
    pub rules: Vec<RetentionRule>,
}

/// In any 30 days, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fuse {
    /// A share of all customers, from 0 to 1.
    pub share: f64,
    /// A number of customers.
    pub number: u64,
}

impl Default for Fuse {
    fn default() -> Self {
        Self {
            share: 0.05,
            number: 1000,
        }
    }
}

/// What becomes of customers who left the register by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// How long they stay restorable.
    pub after: Period,
    /// What happens then.
    pub then: AtEnd,
}

/// One `[[retention.rule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    /// The class it is for.
    pub class: String,
    /// The legal basis, in words.
    pub basis: String,
    /// The register's columns from which it counts: the latest of them. Never empty.
    pub start: Vec<String>,
    /// How long the data may be kept.
    pub keep: Period,
    /// The statutory minimum, stronger than an erasure request.
    pub at_least: Period,
    /// How long after the end it is still kept, out of use.
    pub grace: Period,
    /// What happens then.
    pub then: AtEnd,
}

/// What happens at the end of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// The data is erased.
    Erase,
    /// A person decides.
    Review,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::spec::StoreSpec;

    #[test]
    fn a_place_has_one_address_that_names_it() {
        for (text, address) in [
            ("/srv/backup/", "file:///srv/backup"),
            ("file:///srv/backup/", "file:///srv/backup"),
            ("file:///srv/Backup%201", "file:///srv/Backup%201"),
            ("s3://acme/tenure/?region=x", "s3://acme/tenure"),
            ("s3://acme", "s3://acme"),
            (
                "s3://acme/x?aws_endpoint=https://h:1/&region=x",
                "s3://acme/x?endpoint=https://h:1",
            ),
            (
                "s3://acme/x?endpoint=https://h/%2526%2B",
                "s3://acme/x?endpoint=https://h/%2526%2B",
            ),
        ] {
            let store = |text: &str| {
                let spec: StoreSpec = text.parse().unwrap();
                Store {
                    name: spec.name(),
                    place: StorePlace::of(&spec.url).unwrap(),
                    url: spec.url,
                    keys: true,
                    options: spec.options.into_iter().collect(),
                }
            };
            assert_eq!(store(text).address(), address, "{text}");
            assert_eq!(store(address).address(), address, "{text}");
        }
    }
}
