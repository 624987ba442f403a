//! Checks the log against what has left this host.

use std::ops::RangeInclusive;
use std::slice;

use super::AuditLog;
use super::checkpoint::{folder, path};
use super::file::LogFile;
use crate::error::{Context, Failure, Outcome};
use crate::fsx::Sharing;
use crate::ids::StoreName;
use crate::merkle::{Hash, Tree};
use crate::note::{self, Checkpoint};
use crate::repo::Repository;
use crate::store::Store;

/// Where checkpoints were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Which store; none for this host.
    pub store: Option<StoreName>,
    /// How many checkpoints it has.
    pub checkpoints: usize,
    /// How many entries its newest one covers; none where there is none.
    pub covers: Option<u64>,
}

/// What the log was found to be.
#[derive(Debug)]
pub struct Verified {
    /// How many entries could be read.
    pub entries: u64,
    /// The root over them.
    pub root: Hash,
    /// How many bytes of an entry a crash has left behind the last; the next append cuts them off.
    pub torn: u64,
    /// Everything that is wrong, in words. Nothing is when this is empty.
    pub problems: Vec<String>,
    /// What the log was compared with.
    pub witnesses: Vec<Witness>,
    /// Stores that could not be asked, and why.
    pub unseen: Vec<(StoreName, Failure)>,
}

impl Verified {
    /// Whether nothing is wrong with what was seen.
    pub fn ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A checkpoint and where it was found.
struct Found {
    checkpoint: Checkpoint,
    at: String,
}

/// All that there is to compare with.
#[derive(Default)]
struct Evidence {
    found: Vec<Found>,
    witnesses: Vec<Witness>,
    unseen: Vec<(StoreName, Failure)>,
    problems: Vec<String>,
}

impl AuditLog {
    /// Reads the whole log: every entry opens and follows the one before, and the log is what this
    /// host's checkpoint and those in the stores (all that can be reached, or the one that is named)
    /// say. The checkpoints of earlier incarnations are not looked at: their logs are not here.
    ///
    /// # Errors
    /// When the log cannot be read at all, or there is no such store. What is wrong with the log is
    /// no error but the result.
    pub fn verify(
        &self,
        repository: &Repository,
        against: Option<&StoreName>,
    ) -> Outcome<Verified> {
        let stores = match against {
            Some(name) => slice::from_ref(repository.store(name)?),
            None => &repository.stores,
        };
        let mut verified = self.verify_with(stores)?;
        if against.is_none() {
            let absent = repository.absent.iter();
            let absent = absent.map(|(name, failure)| (name.clone(), failure.again()));
            verified.unseen.extend(absent);
        }
        Ok(verified)
    }

    pub(super) fn verify_with(&self, stores: &[Store]) -> Outcome<Verified> {
        // Before the log: what is appended and signed meanwhile is not missed in what was read.
        let mut evidence = Evidence::default();
        match self.own_checkpoint() {
            Ok(own) => evidence.add_own(own),
            Err(failure) => evidence.problem(&failure),
        }
        for store in stores {
            if let Err(failure) = self.ask(store, &mut evidence) {
                evidence.unseen.push((store.name().clone(), failure));
            }
        }
        self.compare(evidence)
    }

    /// Takes in a store's checkpoints.
    fn ask(&self, store: &Store, evidence: &mut Evidence) -> Outcome<()> {
        let mut witness = Witness {
            store: Some(store.name().clone()),
            checkpoints: 0,
            covers: None,
        };
        for object in store.list(&folder(self.inc))?.keys() {
            let at = format!("{object} in store {:?}", store.name().as_str());
            match self.checkpoint_at(store, object) {
                Ok(checkpoint) => {
                    witness.checkpoints += 1;
                    witness.covers = witness.covers.max(Some(checkpoint.size));
                    evidence.found.push(Found { checkpoint, at });
                }
                Err(failure) => evidence.problem(&failure),
            }
        }
        evidence.witnesses.push(witness);
        Ok(())
    }

    fn checkpoint_at(&self, store: &Store, object: &str) -> Outcome<Checkpoint> {
        let read = || -> Outcome<Checkpoint> {
            let bytes = store.get(object, note::MAX)?;
            let checkpoint = Checkpoint::open(&bytes, &self.origin(), &self.verify)?;
            if object != path(self.inc, checkpoint.size) {
                let what = format!(
                    "it is of {} entries, which its name is not",
                    checkpoint.size
                );
                return Err(Failure::new(what));
            }
            Ok(checkpoint)
        };
        read().failed_to(|| format!("use {object} in store {:?}", store.name().as_str()))
    }

    /// Reads the log, and compares it with every checkpoint on the way.
    fn compare(&self, evidence: Evidence) -> Outcome<Verified> {
        let mut comparison = Comparison::new(evidence.found);
        let mut tree = Tree::default();
        let mut torn = 0;
        comparison.compare(&tree);
        let lock = self.lock(Sharing::Shared)?;
        if let Some(mut log) = LogFile::open(&self.log_path(), self.repo, self.inc)? {
            let until = match log.end(|number, record| self.read(number, record).is_ok()) {
                Ok(end) => {
                    torn = end.torn;
                    end.offset
                }
                // What is wrong with the end is met again when everything is read.
                Err(_) => log.len()?,
            };
            drop(lock);
            let mut frames = log.frames(until)?;
            let stopped = loop {
                let (number, record) = match frames.next() {
                    Ok(Some(found)) => found,
                    Ok(None) => break None,
                    Err(failure) => break Some(failure),
                };
                if self.read(number, record).is_err() {
                    comparison.does_not_open(number);
                }
                tree.push(record);
                comparison.compare(&tree);
            };
            comparison.stopped = stopped.map(|failure| failure.to_string());
        }
        let mut problems = evidence.problems;
        problems.extend(comparison.problems(tree.size()));
        Ok(Verified {
            entries: tree.size(),
            root: tree.root(),
            torn,
            problems,
            witnesses: evidence.witnesses,
            unseen: evidence.unseen,
        })
    }
}

impl Evidence {
    fn add_own(&mut self, own: Option<Checkpoint>) {
        self.witnesses.push(Witness {
            store: None,
            checkpoints: own.iter().len(),
            covers: own.as_ref().map(|own| own.size),
        });
        self.found.extend(own.map(|checkpoint| Found {
            checkpoint,
            at: "the checkpoint on this host".into(),
        }));
    }

    fn problem(&mut self, failure: &Failure) {
        let causes = failure.causes();
        self.problems
            .push([&[failure.to_string()], &causes[..]].concat().join(": "));
    }
}

/// The log beside its checkpoints, while it is read.
struct Comparison {
    /// From the smallest.
    found: Vec<Found>,
    /// How many of them were compared.
    compared: usize,
    /// How many entries are certainly what they were.
    good: u64,
    /// The first that did not fit, with the entries that are in doubt, and how many more did not.
    altered: Option<(RangeInclusive<u64>, String, usize)>,
    closed: Vec<RangeInclusive<u64>>,
    /// Why the log was not read to its end.
    stopped: Option<String>,
}

impl Comparison {
    fn new(mut found: Vec<Found>) -> Self {
        found.sort_by_key(|found| found.checkpoint.size);
        Self {
            found,
            compared: 0,
            good: 0,
            altered: None,
            closed: Vec::new(),
            stopped: None,
        }
    }

    /// Compares the log so far with the checkpoints of this many entries.
    fn compare(&mut self, tree: &Tree) {
        while let Some(Found { checkpoint, at }) = self.found.get(self.compared)
            && checkpoint.size == tree.size()
        {
            self.compared += 1;
            if checkpoint.root == tree.root() {
                self.good = checkpoint.size;
            } else if let Some((_, _, others)) = &mut self.altered {
                *others += 1;
            } else {
                let doubtful = self.good + 1..=checkpoint.size;
                self.altered = Some((doubtful, at.clone(), 0));
            }
        }
    }

    fn does_not_open(&mut self, number: u64) {
        match self.closed.last_mut() {
            Some(range) if *range.end() + 1 == number => *range = *range.start()..=number,
            _ => self.closed.push(number..=number),
        }
    }

    /// Everything that is wrong with a log of which `read` entries could be read.
    fn problems(self, read: u64) -> Vec<String> {
        let mut problems = Vec::new();
        for range in &self.closed {
            let what = "damaged or not of this log: it cannot be opened";
            problems.push(format!("{}: {what}", span(range)));
        }
        if let Some((range, at, others)) = &self.altered {
            let others = match others {
                0 => String::new(),
                n => format!(", nor do {n} others"),
            };
            let span = span(range);
            problems.push(format!(
                "{span}: not what was signed: {at} does not fit{others}"
            ));
        }
        let beyond = self.found.len() - self.compared;
        let longest = self.found.last().filter(|_| beyond > 0);
        if let Some(stopped) = self.stopped {
            let what = match beyond {
                0 => "nothing behind it was read".into(),
                n => format!("nothing behind it was read, nor compared with {n} checkpoints"),
            };
            problems.push(format!("{stopped}: {what}"));
        } else if let Some(Found { checkpoint, at }) = longest {
            let missing = span(&(read + 1..=checkpoint.size));
            problems.push(format!("{missing}: cut off: {at} covers them"));
        }
        problems
    }
}

fn span(range: &RangeInclusive<u64>) -> String {
    if range.start() == range.end() {
        format!("entry {}", range.start())
    } else {
        format!("entries {} to {}", range.start(), range.end())
    }
}
