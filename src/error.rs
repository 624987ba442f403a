//! How a flow fails: what and which, the cause attached, and a hint that says what to do next.

use std::error::Error;
use std::fmt;

/// The kind of a failure decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It was tried and did not work: exit code 1.
    Failed,
    /// Wrong usage or configuration: 2.
    Usage,
    /// It may not be done: 4.
    Refused,
    /// There is no such thing: 5.
    NotFound,
}

/// A flow that did not reach its end.
pub struct Failure {
    kind: FailureKind,
    what: String,
    hint: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Something that was tried did not work.
    pub fn new(what: impl Into<String>) -> Self {
        Self::of(FailureKind::Failed, what)
    }

    /// A failure of some kind.
    pub fn of(kind: FailureKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
            cause: None,
        }
    }

    /// Attaches what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Which exit code this asks for.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What to do next: this failure's own hint, or that of the failure that caused it.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref().or_else(|| {
            let cause = self.cause.as_ref()?;
            cause.downcast_ref::<Self>()?.next_step()
        })
    }

    /// The failure and its causes on one line.
    pub fn in_one_line(&self) -> String {
        let all = std::iter::once(self.to_string()).chain(self.causes());
        all.collect::<Vec<_>>().join(": ")
    }

    /// The same once more, as text: for telling it in a second place.
    #[must_use]
    pub fn again(&self) -> Self {
        let causes = self.causes().into_iter().rev();
        let cause = causes.fold(None, |below: Option<Self>, text| {
            let failure = Self::new(text);
            Some(match below {
                Some(below) => failure.because(below),
                None => failure,
            })
        });
        Self {
            kind: self.kind,
            what: self.what.clone(),
            hint: self.next_step().map(str::to_owned),
            cause: cause.map(|cause| Box::new(cause) as _),
        }
    }

    /// The causes, outermost first, each without those below it. What a cause says of the one below it, as errors of
    /// some libraries do, is not said twice.
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !causes.last().unwrap_or(&self.what).contains(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_one_line())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// A result of a flow.
pub type Outcome<T> = Result<T, Failure>;

/// Says what was being done when something went wrong.
pub trait Context<T> {
    /// Makes an error the cause of a failure to do `what`.
    fn failed_to<S: Into<String>>(self, what: impl FnOnce() -> S) -> Outcome<T>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn failed_to<S: Into<String>>(self, what: impl FnOnce() -> S) -> Outcome<T> {
        self.map_err(|error| {
            let cause = error.into();
            Failure::of(cause.kind, format!("cannot {}", what().into())).because(cause)
        })
    }
}

/// Makes errors of a module plain failures, with their own text and causes.
macro_rules! failures {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for $crate::error::Failure {
            fn from(error: $error) -> Self {
                let failure = Self::new(error.to_string());
                match std::error::Error::source(&error) {
                    // The text is taken over, so the chain goes on below it.
                    Some(_) => failure.because($crate::error::Below(Box::new(error))),
                    None => failure,
                }
            }
        }
    )*};
}
pub(crate) use failures;

/// Stands for an error whose text was taken over: shows what is below it.
pub struct Below(pub Box<dyn Error + Send + Sync>);

impl fmt::Display for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(source) => fmt::Display::fmt(source, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl fmt::Debug for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for Below {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source().and_then(Error::source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("permission denied")]
    struct Inner;
    #[derive(Debug, thiserror::Error)]
    #[error("cannot write pack 9f")]
    struct Outer(#[source] Inner);
    #[derive(Debug, thiserror::Error)]
    #[error("no answer: {0}")]
    struct Loud(#[source] Inner);
    failures!(Outer, Inner, Loud);

    #[test]
    fn a_chain_tells_each_fact_once() {
        let failed: Outcome<()> = Err(Outer(Inner)).failed_to(|| "take a snapshot");
        let failure = failed.unwrap_err();
        assert_eq!(failure.to_string(), "cannot take a snapshot");
        assert_eq!(
            failure.causes(),
            ["cannot write pack 9f", "permission denied"]
        );
        assert_eq!(failure.again().causes(), failure.causes());
        assert_eq!(failure.again().to_string(), failure.to_string());
        let loud: Outcome<()> = Err(Loud(Inner)).failed_to(|| "list");
        let loud = loud.unwrap_err();
        assert_eq!(loud.causes(), ["no answer: permission denied"]);
        assert_eq!(loud.again().causes(), loud.causes());
        let alone: Failure = Loud(Inner).into();
        assert!(alone.causes().is_empty());
        let plain: Failure = Inner.into();
        assert!(plain.causes().is_empty());
    }

    #[test]
    fn kind_and_hint_ride_along() {
        let inner =
            Failure::of(FailureKind::NotFound, "no snapshot 7").hint("look with `snapshots`");
        let failed: Outcome<()> = Err(inner).failed_to(|| "restore");
        let failure = failed.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::NotFound);
        assert_eq!(failure.next_step(), Some("look with `snapshots`"));
        assert_eq!(failure.again().next_step(), failure.next_step());
    }
}
