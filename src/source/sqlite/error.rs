//! What can go wrong with an SQLite database: named so that an operator knows which one and what
//! to do. No variant carries a row's value.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

use super::damage::is_damage;

/// Where the configuration names the register.
pub(super) const REGISTER: &str = "[customers]";

/// Why a database could not be read or built.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// Nothing is there.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A directory (or something else that is not a file) is there.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// A file is there that is not ours to read.
    #[error("cannot open {}", path.display())]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// SQLite could not open it.
    #[error("cannot open {}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The file's first bytes are not those of a database.
    #[error("{} is not an SQLite database", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Pages that all reading begins with are no pages, or cannot be read.
    #[error("{} is damaged where all reading begins", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The file ends before the database does.
    #[error("{} is too short: {there} of its {pages} pages are there whole", path.display())]
    Short {
        /// The database.
        path: PathBuf,
        /// The whole pages that are there.
        there: u64,
        /// The pages that it has by its first page.
        pages: u64,
    },
    /// Its writer died in the middle of a transaction, which only a writer can roll back.
    #[error("{} holds an interrupted transaction", path.display())]
    Interrupted {
        /// The database.
        path: PathBuf,
    },
    /// Somebody writes for longer than we wait.
    #[error("{} is locked by another program", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// Another database stood at the path each time that we looked.
    #[error("{} is replaced by another file again and again", path.display())]
    Replaced {
        /// The database.
        path: PathBuf,
    },
    /// It is read from a copy, for which there is no room.
    #[error("there is no room in {} for a copy of {} ({bytes} bytes)", dir.display(), path.display())]
    NoRoom {
        /// The database.
        path: PathBuf,
        /// Where the copy is made.
        dir: PathBuf,
        /// How many bytes the copy takes.
        bytes: u64,
    },
    /// It is read from a copy, which could not be made.
    #[error("cannot copy {} to read it", path.display())]
    Copy {
        /// What is copied: the database, its journal or its log.
        path: PathBuf,
        /// What SQLite or the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration names a table that is not there.
    #[error("{role} names the table {table:?}, which the database does not have")]
    NoTable {
        /// Where the configuration names it.
        role: String,
        /// The table as configured.
        table: String,
        /// The tables that there are.
        tables: Vec<String>,
    },
    /// The configuration names a column that is not there.
    #[error("{role} names the column {column:?}, which the table {table:?} does not have")]
    NoColumn {
        /// Where the configuration names it.
        role: String,
        /// The table.
        table: String,
        /// The column as configured.
        column: String,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// A rule cannot be followed.
    #[error("the rule for the table {table:?} {what}")]
    BadRule {
        /// The rule's table.
        table: String,
        /// What is wrong with it.
        what: String,
    },
    /// A rule's condition is not SQL that this table understands.
    #[error("`where` of the rule for the table {table:?} cannot be used")]
    BadFilter {
        /// The rule's table.
        table: String,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// Reading failed on the way.
    #[error("cannot read {what}")]
    Read {
        /// A table, or a part of the schema.
        what: String,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// Reading a long value failed on the way.
    #[error("cannot read a long value of the table {table}")]
    ReadLong {
        /// The table.
        table: String,
        /// What SQLite said.
        #[source]
        source: io::Error,
    },
    /// Something stands where a database is to be built.
    #[error("{} already exists", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The new file cannot be made, or not be made durable.
    #[error("cannot make {}", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Writing failed on the way.
    #[error("cannot write {what}")]
    Write {
        /// A table, or a part of the schema.
        what: String,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A long value could not be put back.
    #[error("cannot write a long value of the table {table}")]
    WriteLong {
        /// The table.
        table: String,
        /// What the reading or the writing said.
        #[source]
        source: io::Error,
    },
    /// A customer has no row in the register.
    #[error("the register has no row of this customer")]
    NoCustomer,
    /// Several rows of the register have one key.
    #[error("the register {table} has {rows} rows with this customer's key")]
    SeveralRows {
        /// The register.
        table: String,
        /// How many there are.
        rows: u64,
    },
    /// A column cannot hide a customer.
    #[error("the column {column:?} cannot hide customers: {reason}")]
    CannotHide {
        /// The column as configured.
        column: String,
        /// Why not.
        reason: String,
    },
    /// Triggers could not note every change.
    #[error("changes cannot be tracked by triggers: {}", why.join("; "))]
    CannotTrack {
        /// What they could not see, in words.
        why: Vec<String>,
    },
    /// The database has something of its own by a name that change tracking needs.
    #[error("the database has something of its own that is called {name:?}")]
    TrackedName {
        /// The name.
        name: String,
    },
    /// Triggers or cascades of the database did more, or less, than was planned.
    #[error("more would change than was planned: {}", .found.join("; "))]
    ReachesFurther {
        /// What else, a table each, in words.
        found: Vec<String>,
    },
    /// Rows that stay refer to rows that go, and may not hold a NULL instead.
    #[error("rows that stay refer to what is to be erased: {}", .found.join("; "))]
    StillReferred {
        /// Table, column and number of rows, in words.
        found: Vec<String>,
    },
    /// Foreign keys would lead nowhere that did lead somewhere.
    #[error("foreign keys would lead nowhere: {}", .found.join("; "))]
    Dangling {
        /// Table and number of rows, in words.
        found: Vec<String>,
    },
    /// A table whose columns take all names of the rowid, and which has rows to be changed.
    #[error("single rows of the table {table} cannot be addressed")]
    NoAddress {
        /// The table.
        table: String,
    },
    /// What is to be put back stands there already.
    #[error("rows are in the way: {}", .found.join("; "))]
    InTheWay {
        /// Table and number of rows, in words.
        found: Vec<String>,
    },
    /// Rows have values for which the live table has no column any more.
    #[error("the table {table} does not have the column {column:?} any more")]
    ColumnGone {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A row has nothing where the live table wants something: it led to somebody who was forgotten, or the column was
    /// allowed to be NULL then.
    #[error(
        "a row of the table {table} has no value for the column {column:?}, which may not be NULL"
    )]
    NoValue {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Rows of a table that is not there any more, or is a customer's no more.
    #[error("the table {table} {what}")]
    NotOwned {
        /// The table.
        table: String,
        /// What became of it.
        what: &'static str,
    },
    /// The log or the journal beside a database cannot be read or overwritten.
    #[error("cannot overwrite {}", path.display())]
    Fill {
        /// The log or the journal.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What was written does not read back as what it was.
    #[error("{rows} rows of the table {table} did not come out as they were")]
    NotAsItWas {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// A row does not fit the schema that it is said to belong to.
    #[error("a row does not have the shape of table {table}")]
    Shape {
        /// The table, by name, or by number where there is none of that number.
        table: String,
    },
}

impl SqliteError {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { .. } => "check `path` of the source; it must be absolute".into(),
            Self::NotAFile { .. } => "name the database file itself".into(),
            Self::Unreadable { .. } | Self::Open { .. } => {
                "the user that runs this must be able to read the file, and for a WAL database to \
                 write its directory (for the -shm file)"
                    .into()
            }
            Self::NotADatabase { .. } => {
                "name an SQLite 3 database; an encrypted one cannot be read".into()
            }
            Self::Damaged { .. } | Self::Short { .. } => damage_hint(),
            Self::Read { source, .. } if is_damage(source) => damage_hint(),
            Self::Interrupted { .. } => {
                "open it once with the program that owns it, or with `sqlite3 FILE .tables`, so \
                 that the transaction is rolled back"
                    .into()
            }
            Self::Busy { .. } => "find who holds a lock on it, or try again later".into(),
            Self::Replaced { .. } => "stop what replaces it, or try again later".into(),
            Self::NoRoom { .. } => {
                "nothing was changed; make room there, or use the WAL mode, in which a database is read \
                 without a copy"
                    .into()
            }
            Self::NoTable { tables, .. } if tables.is_empty() => {
                "the database has no tables: check `path` of the source".into()
            }
            Self::NoColumn { columns, .. } if columns.is_empty() => return None,
            Self::NoTable { role, tables: names, .. }
            | Self::NoColumn { role, columns: names, .. }
                if role == REGISTER =>
            {
                format!(
                    "without the register nobody's rows can be told apart, so there is no snapshot of it: if it was \
                     renamed, give the new name under [customers]; there are: {}",
                    names.join(", ")
                )
            }
            Self::NoTable { tables: names, .. } | Self::NoColumn { columns: names, .. } => {
                format!("there are: {}", names.join(", "))
            }
            Self::BadFilter { .. } => {
                "it is an SQL condition over the table's own columns, without the table's name; \
                 text stands in single quotes"
                    .into()
            }
            Self::CannotTrack { .. } => "nothing was changed; leave `changes = \"scan\"`, which sees everything".into(),
            Self::TrackedName { .. } => "nothing was changed; names that begin with `tenure_` are needed".into(),
            Self::Exists { .. } => "give an empty place".into(),
            Self::ReachesFurther { .. } => {
                "nothing was changed: look at the triggers and the ON DELETE and ON UPDATE actions of these tables; \
                 what they do to a customer's data must be that customer's (`tenure inspect` shows whose a table is)"
                    .into()
            }
            Self::StillReferred { .. } => {
                "nothing was changed: let the columns be NULL, or say in `owns` whose these rows are".into()
            }
            Self::CannotHide { .. } => {
                "name a column of the register that the application itself uses to show customers or not".into()
            }
            Self::InTheWay { .. } => {
                "nothing was changed; `--replace` makes the customer's rows what they were then".into()
            }
            Self::SeveralRows { .. } => "nothing was changed; a key must be one customer's".into(),
            Self::ColumnGone { .. } => "nothing was changed; `--to DIR` restores these rows beside the live system".into(),
            Self::NoValue { .. } => {
                "nothing was changed: it led to somebody who was forgotten, or the schema has changed since; `--to DIR` \
                 restores these rows beside the live system"
                    .into()
            }
            Self::NoCustomer
            | Self::Dangling { .. }
            | Self::NoAddress { .. }
            | Self::NotOwned { .. }
            | Self::NotAsItWas { .. }
            | Self::Fill { .. }
            | Self::BadRule { .. }
            | Self::Copy { .. }
            | Self::Read { .. }
            | Self::ReadLong { .. }
            | Self::Make { .. }
            | Self::Write { .. }
            | Self::WriteLong { .. }
            | Self::Shape { .. } => return None,
        })
    }

    /// Whether it stays like this until a person sees to it, so that trying again soon is of no use.
    pub fn stays(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::NotAFile { .. }
                | Self::Unreadable { .. }
                | Self::NotADatabase { .. }
                | Self::Damaged { .. }
                | Self::Short { .. }
        )
    }

    /// What an error on opening or first reading `path` means.
    pub(super) fn on_open(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let rusqlite::Error::SqliteFailure(code, _) = &source else {
            return Self::Open { path, source };
        };
        match (code.code, code.extended_code) {
            (ErrorCode::NotADatabase, _) => Self::NotADatabase { path },
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Self::Busy { path },
            (_, ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY) => {
                Self::Interrupted { path }
            }
            _ if is_damage(&source) => Self::Damaged { path, source },
            _ => Self::Open { path, source },
        }
    }

    /// An error while reading `what`.
    pub(super) fn reading(what: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> Self {
        let what = what.into();
        |source| Self::Read { what, source }
    }

    /// An error while writing `what` into the live database at `path`, where others write too.
    pub(super) fn changing(path: &Path, what: impl Into<String>, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy {
                path: path.to_owned(),
            },
            _ => Self::writing(what)(source),
        }
    }

    /// An error while writing `what`.
    pub(super) fn writing(what: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> Self {
        let what = what.into();
        |source| Self::Write { what, source }
    }
}

/// What to do about a file of which a part is lost.
fn damage_hint() -> String {
    "a part of the file is lost, and `PRAGMA integrity_check` says which: restore it from a snapshot \
     (`tenure restore --to DIR`); the sqlite3 shell's `.recover` may save what is newer"
        .into()
}
