//! What goes wrong with stores, in words that a person can act upon.

use std::error::Error;

use crate::fsx;
use crate::ids::StoreName;

use super::s3::Refusal;

/// What went wrong with a store.
#[derive(Debug, thiserror::Error)]
#[error("store {:?}: cannot {doing}{}{object}", store.as_str(), if object.is_empty() { "" } else { " " })]
pub struct StoreError {
    pub(super) store: StoreName,
    pub(super) doing: &'static str,
    pub(super) object: String,
    #[source]
    pub(super) cause: Box<Cause>,
}

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The store's own answer.
    #[error(transparent)]
    Store(object_store::Error),
    /// A server's answer, or that there was none.
    #[error(transparent)]
    Server(Refusal),
    /// The directory of a local store.
    #[error(transparent)]
    File(#[from] fsx::FileError),
    /// Somebody else wrote another object under this name.
    #[error("another object stands there already")]
    Conflict,
    /// The object is larger than such an object can be.
    #[error("it is {0} bytes long, which is more than it can be")]
    TooLarge(u64),
    /// What was read back is not what was written.
    #[error("what was read back differs from what was written")]
    NotKept,
    /// It was deleted, and is still there.
    #[error("{0} is still there after it was deleted")]
    NotGone(String),
    /// A server's list ended before its end.
    #[error("the server cut its list of versions short, and does not say where it goes on")]
    CutList,
    /// It cannot be used as it is configured.
    #[error("{what}")]
    Setting {
        /// What is wrong.
        what: String,
        /// What a person may do about it.
        hint: &'static str,
    },
    /// The address cannot be used.
    #[error("{0}")]
    Address(String),
}

impl From<object_store::Error> for Cause {
    /// Servers' answers are taken out of the library's, which names URLs and repeats itself.
    fn from(error: object_store::Error) -> Self {
        match Refusal::of(&error) {
            Some(refusal) => Self::Server(refusal),
            None => Self::Store(error),
        }
    }
}

impl StoreError {
    pub(super) fn new(
        store: &StoreName,
        doing: &'static str,
        object: String,
        cause: Cause,
    ) -> Self {
        Self {
            store: store.clone(),
            doing,
            object,
            cause: Box::new(cause),
        }
    }

    /// Whether the object simply is not there.
    pub fn is_not_found(&self) -> bool {
        match &*self.cause {
            Cause::Store(error) => matches!(error, object_store::Error::NotFound { .. }),
            Cause::Server(refusal) => refusal.is_not_found(),
            _ => false,
        }
    }

    /// Whether another object stands where one was to be put.
    pub fn is_conflict(&self) -> bool {
        matches!(&*self.cause, Cause::Conflict)
    }

    /// Whether the server said that one who calls himself so may not.
    pub fn is_denied(&self) -> bool {
        matches!(&*self.cause, Cause::Server(refusal) if refusal.is_denied())
    }

    /// What a person may do about it.
    pub fn hint(&self) -> Option<String> {
        match &*self.cause {
            Cause::Conflict => Some(
                "somebody else writes to this repository: look for a copy of the state directory \
                 on this or another host, and stop using it"
                    .into(),
            ),
            Cause::NotKept => Some("check the medium: it does not keep what it is given".into()),
            Cause::Server(refusal) => refusal.hint().map(str::to_owned),
            Cause::Setting { hint, .. } => Some((*hint).to_owned()),
            _ => None,
        }
    }
}

/// A result that knows its store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// An error and all its causes.
pub(super) fn chain<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| {
        (*error).source()
    })
}
