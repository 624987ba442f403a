//! The journals of the incarnations before this one.
//!
//! They grow no more: what an old host has written behind the position that the recovery has read is
//! taken in by entries of our own ([`super::read_in`]). So all entries can be counted through, the
//! oldest incarnation's first, and by that number they are called in the catalog and in certificates.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Repository;
use super::state::StateDir;
use crate::certificate::Certificate;
use crate::error::{Context, Failure, Outcome};
use crate::fsx;
use crate::ids::Incarnation;
use crate::journal::{Entry, Event, Position, Voided};
use crate::keyring::Keyring;
use crate::object::{self, Chain};

/// The journal of an incarnation before this one.
pub struct Former {
    /// Whose.
    pub writer: Certificate,
    /// How far it counts.
    pub position: Position,
    /// How many entries stand before its first.
    pub before: u64,
}

/// An entry of any incarnation's journal, with its place.
pub struct Placed {
    /// Whose journal.
    pub inc: Incarnation,
    /// Its number, counted through.
    pub number: u64,
    /// The entry itself.
    pub entry: Entry,
}

impl Former {
    /// The former journals that a keyring knows of, the oldest first; each must be here to its end.
    pub(super) fn all(
        state: &StateDir,
        writers: &BTreeMap<Incarnation, Certificate>,
        keyring: &Keyring,
    ) -> Outcome<Vec<Self>> {
        let mut before = 0;
        let known = keyring.journal.iter();
        let known = known.filter(|position| position.inc != keyring.inc);
        let former = known.map(|position| {
            let inc = position.inc;
            let writer = writers.get(&inc).copied();
            let writer = writer.ok_or_else(|| {
                Failure::new(format!("the certificate of incarnation {inc} is missing"))
            })?;
            check_end(state, position)?;
            let former = Self {
                writer,
                position: *position,
                before,
            };
            before += position.len;
            Ok(former)
        });
        former.collect()
    }

    /// How many entries stand up to its end.
    fn end(&self) -> u64 {
        self.before + self.position.len
    }
}

/// That the last entry that counts is here.
fn check_end(state: &StateDir, position: &Position) -> Outcome<()> {
    let Position { inc, len, hash } = *position;
    let path = state.object(Chain::Journal, inc, len);
    let is_here = |bytes: Vec<u8>| object::hash(&bytes) == hash;
    if len == 0 || fsx::read_if_there(&path, object::MAX)?.is_some_and(is_here) {
        return Ok(());
    }
    let what = format!("{} is not the entry that the keyring knows", path.display());
    Err(Failure::new(what).hint("copy journal/ from a store into the state directory"))
}

impl Repository {
    /// The former journals, the oldest first.
    pub fn former(&self) -> &[Former] {
        &self.former
    }

    /// How far all journals have come, the own one's last.
    pub fn positions(&self) -> Vec<Position> {
        let former = self.former.iter().map(|former| former.position);
        former.chain([self.log.position()]).collect()
    }

    /// The lengths of all journals, in the order in which their entries are counted through.
    pub fn journal_lengths(&self) -> Vec<(Incarnation, u64)> {
        let positions = self.positions().into_iter();
        positions
            .map(|position| (position.inc, position.len))
            .collect()
    }

    /// How many entries stand in former journals.
    pub(super) fn entries_before(&self) -> u64 {
        self.former.last().map_or(0, Former::end)
    }

    /// The number of the last entry that a position has, counted through.
    pub fn counted_through(&self, position: &Position) -> u64 {
        let former = self.former.iter().find(|f| f.writer.inc == position.inc);
        position.len + former.map_or(self.entries_before(), |former| former.before)
    }

    /// The number of the newest entry, counted through.
    pub fn last_entry(&self) -> u64 {
        self.entries_before() + self.log.position().len
    }

    /// Entries by number, counted through.
    pub fn entries(&self, numbers: Range<u64>) -> Outcome<Vec<Placed>> {
        let mut found = Vec::new();
        for former in &self.former {
            let inc = former.writer.inc;
            let here = numbers.start.max(former.before + 1)..numbers.end.min(former.end() + 1);
            for number in here {
                let entry = self.former_entry(former, number - former.before)?;
                found.push(Placed { inc, number, entry });
            }
        }
        let before = self.entries_before();
        let own = numbers.start.max(before + 1)..numbers.end;
        if !own.is_empty() {
            let (first, inc) = (own.start, self.inc());
            let entries = own.start - before..own.end - before;
            let entries = self.log.entries(entries, &self.meta()?)?.into_iter();
            let placed = (first..).zip(entries);
            found.extend(placed.map(|(number, entry)| Placed { inc, number, entry }));
        }
        Ok(found)
    }

    /// One entry, counted through.
    pub fn entry(&self, number: u64) -> Outcome<Entry> {
        let found = self.entries(number..number + 1)?.pop();
        let found = found.map(|placed| placed.entry);
        found.ok_or_else(|| Failure::new(format!("there is no journal entry {number}")))
    }

    /// An entry of a former journal, by its own number in that.
    fn former_entry(&self, former: &Former, number: u64) -> Outcome<Entry> {
        let inc = former.writer.inc;
        let path = self.state.object(Chain::Journal, inc, number);
        let bytes = fsx::read(&path, object::MAX)?;
        let meta = self.meta_of(inc)?;
        let (repo, verify) = (self.id(), &former.writer.verify);
        object::read(Chain::Journal, repo, inc, number, &bytes, verify)
            .and_then(|sealed| sealed.open(&meta))
            .failed_to(|| format!("read journal entry {inc}.{number}"))
    }

    /// What recoveries have declared void, of all incarnations.
    pub fn voided(&self) -> Outcome<Vec<Voided>> {
        let mut voided = Vec::new();
        for former in self.former.iter().filter(|former| former.position.len > 0) {
            voided.extend(voided_by(&self.former_entry(former, 1)?));
        }
        let own = match self.log.position().len {
            0 => self.log.intended().map(voided_by),
            _ if self.former.is_empty() => None,
            _ => {
                let first = self.log.entries(1..2, &self.meta()?)?;
                first.first().map(voided_by)
            }
        };
        voided.extend(own.unwrap_or_default());
        Ok(voided)
    }

    /// What an entry of this incarnation's view of numbers is called now, where `inc` wrote the number: two
    /// recoveries apart from each other have counted differently.
    pub(super) fn renumbered(&self, inc: Incarnation, number: u64) -> Outcome<u64> {
        let Some(former) = self.former.iter().find(|former| former.writer.inc == inc) else {
            return Ok(number);
        };
        let mut before = 0;
        if former.position.len > 0
            && let Event::Recovered { journals, .. } = self.former_entry(former, 1)?.event
        {
            for position in journals {
                if number <= before + position.len {
                    let then = self.former.iter().find(|f| f.writer.inc == position.inc);
                    return Ok(then.map_or(0, |then| then.before + number - before));
                }
                before += position.len;
            }
        }
        Ok(former.before + number - before)
    }
}

/// What an entry declares void.
fn voided_by(entry: &Entry) -> Vec<Voided> {
    match &entry.event {
        Event::Recovered { voided, .. } => voided.clone(),
        _ => Vec::new(),
    }
}
