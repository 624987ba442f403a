//! Which snapshots are kept, and why: a pure function of what is known of them and of the rules.
//!
//! A snapshot that has no reason to be kept goes. The rules look back from the newest, in the order
//! in which snapshots were taken: a clock that was wrong for a while makes days that were not, and
//! those use up no more of a rule than they were counted for.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::config::Keep;
use crate::ids::SnapshotId;

/// What is known of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which.
    pub id: SnapshotId,
    /// The number of the full one that it builds upon; its own if it is full.
    pub base: u64,
    /// When the sources began to be read.
    pub started: Timestamp,
    /// Whether it was read with all its data and found whole, in one store at least.
    pub verified: bool,
    /// Whether it is the newest that some store holds complete.
    pub last_good: bool,
}

/// Why a snapshot is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is the newest.
    Newest,
    /// It is the last of one of the days.
    Daily,
    /// It is the last of one of the ISO weeks.
    Weekly,
    /// It is the last of one of the months.
    Monthly,
    /// It is the newest that was verified with its data, or was taken since.
    Floor,
    /// It is the newest that some store holds complete: without it that store would be of no use
    /// until it has a newer one.
    LastGood,
    /// It holds data of a customer on hold.
    Held,
    /// One that is kept builds upon it.
    Base,
}

impl Reason {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Floor => "floor",
            Self::LastGood => "last_good",
            Self::Held => "held",
            Self::Base => "base",
        }
    }
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub id: SnapshotId,
    /// Why it is kept; nothing if it goes.
    pub why: Vec<Reason>,
}

impl Verdict {
    /// Whether it stays.
    pub fn is_kept(&self) -> bool {
        !self.why.is_empty()
    }
}

/// Judges all snapshots, oldest first, incarnation by incarnation; days are those of `zone`. `held` tells
/// which hold data of a customer on hold.
///
/// The newest is always kept, and so are the newest verified one with all since, the newest that
/// each store holds complete, and whatever a kept one builds upon: it is read through every snapshot
/// from its full one up to itself.
pub fn keep(
    snapshots: &[Facts],
    rules: &Keep,
    zone: Tz,
    held: &dyn Fn(SnapshotId) -> bool,
) -> Vec<Verdict> {
    let judge = |facts: &Facts| Verdict {
        id: facts.id,
        why: Vec::new(),
    };
    let mut verdicts: Vec<Verdict> = snapshots.iter().map(judge).collect();
    if let Some(newest) = verdicts.last_mut() {
        newest.why.push(Reason::Newest);
    }
    let date = |facts: &Facts| date(facts.started, zone);
    last_of_each(snapshots, rules.daily, date, Reason::Daily, &mut verdicts);
    let week = |facts: &Facts| date(facts).map(|date| date.iso_week());
    last_of_each(snapshots, rules.weekly, week, Reason::Weekly, &mut verdicts);
    let month = |facts: &Facts| date(facts).map(|date| (date.year(), date.month()));
    last_of_each(
        snapshots,
        rules.monthly,
        month,
        Reason::Monthly,
        &mut verdicts,
    );
    if let Some(floor) = snapshots.iter().rposition(|facts| facts.verified) {
        for verdict in &mut verdicts[floor..] {
            verdict.why.push(Reason::Floor);
        }
    }
    for (facts, verdict) in snapshots.iter().zip(&mut verdicts) {
        if facts.last_good {
            verdict.why.push(Reason::LastGood);
        }
        if held(facts.id) {
            verdict.why.push(Reason::Held);
        }
    }
    keep_chains(snapshots, &mut verdicts);
    verdicts
}

/// The last snapshot of each of the last `count` days, weeks or months that have one.
fn last_of_each<P: Ord>(
    snapshots: &[Facts],
    count: u32,
    period: impl Fn(&Facts) -> P,
    reason: Reason,
    verdicts: &mut [Verdict],
) {
    let mut seen = BTreeSet::new();
    for (facts, verdict) in snapshots.iter().zip(verdicts).rev() {
        if seen.len() == count as usize {
            break;
        }
        if seen.insert(period(facts)) {
            verdict.why.push(reason);
        }
    }
}

/// What kept snapshots build upon is kept.
fn keep_chains(snapshots: &[Facts], verdicts: &mut [Verdict]) {
    // From the newest down: every snapshot from here on below, to this number, is built upon.
    let mut needed = None;
    for (facts, verdict) in snapshots.iter().zip(verdicts).rev() {
        let SnapshotId { inc, number } = facts.id;
        // Nothing builds upon another incarnation's.
        let here = needed.filter(|(of, _)| *of == inc);
        if here.is_some_and(|(_, base)| number >= base) {
            verdict.why.push(Reason::Base);
        }
        needed = match here {
            Some((_, base)) if verdict.is_kept() => Some((inc, facts.base.min(base))),
            None if verdict.is_kept() => Some((inc, facts.base)),
            here => here,
        };
    }
}

/// The day in a zone; none for a time that no calendar has.
fn date(time: Timestamp, zone: Tz) -> Option<NaiveDate> {
    let utc = DateTime::<Utc>::from_timestamp_millis(time.0)?;
    Some(utc.with_timezone(&zone).date_naive())
}

#[cfg(test)]
mod tests;
