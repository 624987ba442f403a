//! What is not done yet of an erasure.

use std::fmt;

/// The words of [`Pending::Identity`], which a certificate has too.
const IDENTITY: &str = "a recovery identity lies on this host";

/// One thing that is not done yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pending {
    /// Something that is to be tried again, in words.
    Work(String),
    /// A recovery identity lies on this host. It keeps a certificate from being final, and not an
    /// erasure from being done.
    Identity,
}

impl Pending {
    /// From the words of a certificate.
    pub(super) fn read(words: &str) -> Self {
        match words {
            IDENTITY => Self::Identity,
            words => Self::Work(words.to_owned()),
        }
    }

    /// Whether the erasure waits for it.
    pub fn is_work(&self) -> bool {
        matches!(self, Self::Work(_))
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Work(words) => words,
            Self::Identity => IDENTITY,
        })
    }
}

impl serde::Serialize for Pending {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_identity_is_no_work_and_it_is_read_as_it_is_written() {
        let work = Pending::Work("store near may still hold an older keyring".into());
        for (pending, is_work) in [(work, true), (Pending::Identity, false)] {
            assert_eq!(pending.is_work(), is_work);
            assert_eq!(Pending::read(&pending.to_string()), pending);
            assert_eq!(serde_json::json!(pending), pending.to_string());
        }
        // A customer's database may say whatever it likes.
        assert!(Pending::read("source recovery identity: locked").is_work());
    }
}
