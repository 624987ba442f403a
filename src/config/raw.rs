//! The configuration as it is written: one field per key of the file, nothing checked but types.
//!
//! Every field may be missing here, so that a missing one is told by the check, together with
//! everything else that is wrong, and at the place where it belongs. What can be refused later
//! keeps the bytes of the file where it stands ([`Spanned`]).

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A text and where it stands.
pub(super) type Text = Spanned<String>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub state_dir: Option<Text>,
    pub time_zone: Option<Text>,
    pub customers: Option<Spanned<Customers>>,
    pub keys: Option<Spanned<Keys>>,
    #[serde(rename = "source")]
    pub sources: Vec<Spanned<Source>>,
    #[serde(rename = "store")]
    pub stores: Vec<Spanned<Store>>,
    pub snapshots: Option<Spanned<Snapshots>>,
    pub schedule: Schedule,
    pub admin: Option<Spanned<Admin>>,
    pub retention: Option<Spanned<Retention>>,
}

/// `[customers]`: the register.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Customers {
    pub source: Option<Text>,
    pub table: Option<Text>,
    pub key: Option<Text>,
    pub since: Option<Text>,
    pub name: Option<Text>,
}

/// `[keys]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keys {
    pub recovery: Option<Spanned<Vec<Text>>>,
    pub host: Option<Text>,
}

/// `[[source]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Source {
    pub name: Option<Text>,
    pub kind: Option<Text>,
    pub path: Option<Text>,
    pub url: Option<Text>,
    pub owner: Option<Text>,
    pub changes: Option<Text>,
    pub on_change: bool,
    pub quiet: Option<Text>,
    pub shared: Vec<Text>,
    pub owns: Vec<Spanned<Owns>>,
    pub hide: Option<Spanned<Hide>>,
}

/// `[[source.owns]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Owns {
    pub table: Option<Text>,
    pub by: Option<Text>,
    #[serde(rename = "where")]
    pub filter: Option<Text>,
    pub class: Option<Text>,
    pub also: Option<Text>,
}

/// `[source.hide]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Hide {
    pub mode: Option<Text>,
    pub column: Option<Text>,
    pub value: Option<Spanned<toml::Value>>,
}

/// `[[store]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Store {
    pub name: Option<Text>,
    pub url: Option<Text>,
    pub keys: Option<bool>,
    pub options: Option<Spanned<BTreeMap<String, Spanned<toml::Value>>>>,
}

/// `[snapshots]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Snapshots {
    pub keep: Option<Spanned<Keep>>,
    pub full: Option<Text>,
    pub dead_for: Option<Text>,
    pub keyring_cool_off: Option<Text>,
}

/// `keep` in `[snapshots]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keep {
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
}

/// `[schedule]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Schedule {
    pub incremental: Option<Text>,
    pub full: Option<Text>,
    pub retention: Option<Text>,
    pub replicate: Option<Text>,
    pub prune: Option<Text>,
    pub verify: Option<Text>,
    pub jitter: Option<Text>,
}

/// `[admin]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admin {
    pub socket: Option<Text>,
    pub roles: Roles,
}

/// `[admin.roles]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Roles {
    pub admin: Vec<Text>,
    pub dpo: Vec<Text>,
    pub operator: Vec<Text>,
    pub auditor: Vec<Text>,
    pub viewer: Vec<Text>,
    pub see_hidden: Vec<Text>,
}

/// `[retention]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Retention {
    pub fuse: Option<Spanned<Fuse>>,
    pub deadline: Option<Text>,
    pub vanished: Option<Spanned<Vanished>>,
    #[serde(rename = "rule")]
    pub rules: Vec<Spanned<Rule>>,
}

/// `fuse` in `[retention]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fuse {
    pub share: Option<Spanned<f64>>,
    pub number: Option<u64>,
}

/// `vanished` in `[retention]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Vanished {
    pub after: Option<Text>,
    pub then: Option<Text>,
}

/// `[[retention.rule]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rule {
    pub class: Option<Text>,
    pub basis: Option<Text>,
    pub start: Option<Spanned<OneOrMore>>,
    pub keep: Option<Text>,
    pub at_least: Option<Text>,
    pub grace: Option<Text>,
    pub then: Option<Text>,
    pub columns: Option<Spanned<Vec<String>>>,
}

/// One text, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "invalid type, expected a text or a list of texts"
)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}
