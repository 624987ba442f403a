//! What each action is told. The same types are read from the command line and from the socket.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::customers::State;
use crate::ids::StoreName;

/// Nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `snapshot`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snapshot {
    /// Trust nothing: read and compare everything
    #[arg(long)]
    pub full: bool,
}

/// Which snapshot.
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default)]
pub struct Choice {
    /// The snapshot of this number (N or INC.N); else the newest
    #[arg(long, value_name = "N", conflicts_with = "at")]
    pub snapshot: Option<String>,
    /// The newest snapshot at a time: RFC 3339, or YYYY-MM-DD[ HH:MM[:SS]]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Read this store alone
    #[arg(long, value_name = "NAME")]
    pub store: Option<StoreName>,
}

/// `restore`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default)]
pub struct Restore {
    /// The directory to restore into: made if it is not there, refused if it is not empty
    #[arg(long, value_name = "DIR", required_unless_present = "in_place")]
    pub to: Option<PathBuf>,
    /// Which snapshot.
    #[command(flatten)]
    #[serde(flatten)]
    pub choice: Choice,
    /// This source alone
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Into the live places (not in this version)
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub in_place: bool,
}

/// `verify`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// This store alone
    #[arg(long, value_name = "NAME")]
    pub store: Option<StoreName>,
    /// Read, open and compare every blob as well
    #[arg(long)]
    pub data: bool,
}

/// `prune`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prune {
    /// Snapshot N is right although it has far fewer customers than those before
    #[arg(long, value_name = "N")]
    pub confirm: Option<String>,
    /// Delete nothing; list what would stay, why, and what would go
    #[arg(long, conflicts_with = "confirm")]
    pub dry_run: bool,
}

/// `track`
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// The source
    pub source: String,
    /// Take it out again
    #[arg(long)]
    #[serde(default)]
    pub remove: bool,
    /// Show the SQL, and do nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

/// `customer list`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct List {
    /// Those out of sight only
    #[arg(long, conflicts_with = "all")]
    pub hidden: bool,
    /// Those out of sight too
    #[arg(long)]
    pub all: bool,
    /// Those in this state only
    #[arg(long, value_enum, value_name = "STATE")]
    pub state: Option<StateWord>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Those after this one
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
}

/// A state by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each is the state of that name")]
pub enum StateWord {
    Active,
    Hidden,
    Review,
    Expired,
    Erasing,
    Erased,
}

impl From<StateWord> for State {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Active => Self::Active,
            StateWord::Hidden => Self::Hidden,
            StateWord::Review => Self::Review,
            StateWord::Expired => Self::Expired,
            StateWord::Erasing => Self::Erasing,
            StateWord::Erased => Self::Erased,
        }
    }
}

/// `customer show`
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The customer's key; the columns of a composite one joined by commas
    pub id: String,
}

/// What is done to one customer, and why.
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// The customer's key
    pub id: String,
    /// Why; sealed under the customer's key
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `customer hide`
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hide {
    /// The customer's key
    pub id: String,
    /// Why; sealed under the customer's key
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// How: by a column of the register (flag); vault is not in this version
    #[arg(long, value_enum, default_value = "flag")]
    #[serde(default)]
    pub mode: HideMode,
    /// The customer has asked for it: nothing is erased while it stands (GDPR art. 18)
    #[arg(long)]
    #[serde(default)]
    pub restriction: bool,
}

/// How somebody is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HideMode {
    /// By a column of the register.
    #[default]
    Flag,
    /// The rows leave the live system.
    Vault,
}

/// `customer hold`
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The customer's key
    pub id: String,
    /// Why; sealed under the customer's key
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Until when, as a time or a date, which counts to its end; else until it is released
    #[arg(long, value_name = "DATE")]
    #[serde(default)]
    pub until: Option<String>,
}

/// `customer restore`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default)]
pub struct RestoreCustomer {
    /// The customer's key
    pub id: String,
    /// The directory to restore into: made if it is not there, refused if it is not empty
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "live",
        conflicts_with = "live"
    )]
    pub to: Option<PathBuf>,
    /// Which snapshot.
    #[command(flatten)]
    #[serde(flatten)]
    pub choice: Choice,
    /// Into the live databases, in one transaction each
    #[arg(long)]
    pub live: bool,
    /// Rows that stand there become what they were, and those that came since go
    #[arg(long, requires = "live")]
    pub replace: bool,
}

/// `customer erase`
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// The customer's key
    pub id: String,
    /// Why; sealed under the customer's key and gone with it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// A code or ticket number without personal data, kept in the certificate
    #[arg(long, value_name = "CODE")]
    #[serde(default)]
    pub ground: Option<String>,
    /// Rewrite the databases as well; moves rowids that no key holds
    #[arg(long)]
    #[serde(default)]
    pub vacuum: bool,
    /// Ask nothing, also on a terminal
    #[arg(long, short)]
    #[serde(default, skip_serializing)]
    pub yes: bool,
}

/// `keys forget`
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// The customers' keys
    #[arg(value_name = "ID", required_unless_present = "tables")]
    #[serde(default)]
    pub ids: Vec<String>,
    /// A table of nobody's, or its rows that are nobody's: TABLE or SOURCE.TABLE
    #[arg(long = "table", value_name = "NAME")]
    #[serde(default)]
    pub tables: Vec<String>,
    /// Ask nothing, also on a terminal
    #[arg(long, short)]
    #[serde(default, skip_serializing)]
    pub yes: bool,
}

/// `retention plan`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanAt {
    /// What would be due at a time: RFC 3339, or YYYY-MM-DD[ HH:MM[:SS]]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// `retention run`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// The plan's hash, asked for when the fuse has blown or the clock is not plausible
    #[arg(long, value_name = "HASH")]
    pub confirm: Option<String>,
}

/// `certificate show`
#[derive(Clone, Debug, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number of the erasure
    pub number: u64,
}

/// `certificate verify`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The certificate, as it was shown
    pub text: String,
}

/// `audit log`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditLog {
    /// The newest so many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// From this entry on
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    pub from: Option<u64>,
}

/// `audit verify`
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditVerify {
    /// The checkpoints of this store alone
    #[arg(long, value_name = "STORE")]
    pub against: Option<StoreName>,
}
