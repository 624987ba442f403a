//! How the errors of edges and formats become failures of flows.

use crate::audit_entry::EntryError;
use crate::catalog::CatalogError;
use crate::cbor::Malformed;
use crate::certificate::CertificateError;
use crate::config::ConfigError;
use crate::error::{Below, Failure, FailureKind, failures};
use crate::fsx::FileError;
use crate::ids::BadName;
use crate::keyring::recovery::RecoveryError;
use crate::keyring::{HostKeyringError, KeyringError};
use crate::note::NoteError;
use crate::object::ObjectError;
use crate::pack::{NewPackError, PackError};
use crate::page::PageError;
use crate::seal::SealError;
use crate::secret::SecretError;
use crate::source::sqlite::SqliteError;
use crate::spill::SpillError;
use crate::store::StoreError;

failures!(
    BadName,
    CertificateError,
    EntryError,
    FileError,
    HostKeyringError,
    KeyringError,
    Malformed,
    NewPackError,
    NoteError,
    ObjectError,
    PackError,
    PageError,
    RecoveryError,
    SealError,
    SecretError,
    SpillError,
    std::io::Error,
);

fn with_hint<E>(error: E, kind: FailureKind, hint: Option<String>) -> Failure
where
    E: std::error::Error + Send + Sync + 'static,
{
    let failure = Failure::of(kind, error.to_string());
    let failure = match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    match error.source() {
        Some(_) => failure.because(Below(Box::new(error))),
        None => failure,
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let hint = error.hint();
        with_hint(error, FailureKind::Failed, hint)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = error.hint();
        with_hint(error, FailureKind::Failed, hint)
    }
}

impl From<SqliteError> for Failure {
    fn from(error: SqliteError) -> Self {
        let hint = error.hint();
        // What the configuration names and the database does not have is the configuration's fault.
        let kind = match &error {
            SqliteError::NoTable { .. }
            | SqliteError::NoColumn { .. }
            | SqliteError::BadRule { .. }
            | SqliteError::BadFilter { .. }
            | SqliteError::CannotHide { .. } => FailureKind::Usage,
            SqliteError::NoCustomer => FailureKind::NotFound,
            SqliteError::ReachesFurther { .. }
            | SqliteError::StillReferred { .. }
            | SqliteError::InTheWay { .. } => FailureKind::Refused,
            _ => FailureKind::Failed,
        };
        with_hint(error, kind, hint)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint();
        with_hint(error, FailureKind::Usage, hint)
    }
}
