//! Declares the last entries of a journal void: those that somebody wrote who had broken in.

use std::str::FromStr;

use super::evidence::Evidence;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::Incarnation;
use crate::journal::{Entry, Event, Voided};

/// A journal entry as somebody types it: `N` or `INC.N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryName {
    /// Whose journal; none: the number counts through all journals, as certificates do.
    pub inc: Option<Incarnation>,
    /// Its number.
    pub number: u64,
}

impl FromStr for EntryName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (inc, number) = match text.split_once('.') {
            Some((inc, number)) => (Some(inc.parse().map_err(|e| format!("{e}"))?), number),
            None => (None, text),
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { inc, number }),
            _ => Err(format!("{text:?} is not a journal entry: write N or INC.N")),
        }
    }
}

impl EntryName {
    /// The entry that is meant: of which journal, and its number there.
    ///
    /// # Errors
    /// `NotFound` when there is none of this number, or it opens an incarnation, which cannot be void.
    pub(super) fn find(self, journals: &[(Incarnation, u64)]) -> Outcome<Voided> {
        let mut before = 0;
        for (inc, len) in journals {
            let from = match self.inc {
                Some(named) if named == *inc => Some(self.number),
                Some(_) => None,
                None => self.number.checked_sub(before),
            };
            if let Some(from) = from.filter(|from| (2..=*len).contains(from)) {
                return Ok(Voided { inc: *inc, from });
            }
            before += len;
        }
        let what = format!("there is no journal entry {self} that could be void");
        Err(Failure::of(FailureKind::NotFound, what)
            .hint("the first entry opens the incarnation, and cannot be"))
    }
}

impl std::fmt::Display for EntryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.inc {
            Some(inc) => write!(f, "{inc}.{}", self.number),
            None => self.number.fmt(f),
        }
    }
}

/// What becomes void, entry by entry, in words; and what a person should do about it.
pub(super) fn told(
    evidence: &Evidence,
    before: &[Voided],
    void: Voided,
) -> (Vec<String>, Vec<String>) {
    let entries = evidence.becoming_void(before, void);
    let words = entries.iter().map(|(number, entry)| {
        let what = entry.event.words();
        format!("{}.{number}: {what} ({})", void.inc, entry.time)
    });
    let is_hold = |entry: &Entry| matches!(entry.event, Event::Held { .. });
    let holds = entries.iter().filter(|(_, entry)| is_hold(entry)).count();
    let notes = match holds {
        0 => Vec::new(),
        _ => vec![format!(
            "{holds} of the entries that are void are holds: hold those customers again before anything is forgotten, \
             or by retention it will be"
        )],
    };
    (words.collect(), notes)
}
