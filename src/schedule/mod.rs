//! When what is done by itself.
//!
//! Everything here is decided from a configuration, from what is kept of each task, and from a time:
//! there is no clock, no catalog and no source in here. The [`Planner`] says what is due; whoever
//! drives it runs that, and keeps what the planner gives it to keep, before the work and after it.
//!
//! **Invariant:** no due time is ever run for twice, whatever the clock does; only when it stands a
//! week behind what was run may a driver begin anew ([`Planner::start_anew`]).
//! **Invariant:** times that were missed, however many, are made up by one run.

use std::time::Duration;

use crate::config::{Cron, Schedule};

mod changes;
mod cron;
mod planner;

pub use changes::{Changes, MAX_WAIT};
pub use cron::next_after;
pub use planner::{Due, Planner, Why};

/// Something that the daemon does by itself. In the order in which those that are due at once are
/// run; a full snapshot stands for an incremental one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// A snapshot of what has changed.
    Incremental,
    /// A snapshot of everything.
    Full,
    /// What the retention rules ask for.
    Retention,
    /// Brings stores that are behind up to date.
    Replicate,
    /// Deletes what the keep rules let go.
    Prune,
    /// Looks through the stores.
    Verify,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Incremental,
        Self::Full,
        Self::Retention,
        Self::Replicate,
        Self::Prune,
        Self::Verify,
    ];

    /// The word for it: in `[schedule]`, in the catalog and in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incremental => "incremental",
            Self::Full => "full",
            Self::Retention => "retention",
            Self::Replicate => "replicate",
            Self::Prune => "prune",
            Self::Verify => "verify",
        }
    }

    /// Its schedule, if it has one.
    pub fn cron(self, schedule: &Schedule) -> Option<&Cron> {
        match self {
            Self::Incremental => schedule.incremental.as_ref(),
            Self::Full => schedule.full.as_ref(),
            Self::Retention => schedule.retention.as_ref(),
            Self::Replicate => schedule.replicate.as_ref(),
            Self::Prune => schedule.prune.as_ref(),
            Self::Verify => schedule.verify.as_ref(),
        }
    }
}

/// By how much later than its schedules say everything runs here: a part of `jitter` that is always
/// the same for a `seed`, such as the repository's name and the host's.
pub fn delay(jitter: Duration, seed: &[u8]) -> Duration {
    let hash = blake3::hash(seed);
    let (part, _) = hash.as_bytes().split_at(4);
    let part = part.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Duration::from_secs((jitter.as_secs() * part) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_a_stable_part_of_the_jitter() {
        let hour = Duration::from_secs(3600);
        let delays: Vec<u64> = (0..1000_u32)
            .map(|host| delay(hour, &host.to_le_bytes()).as_secs())
            .collect();
        assert!(delays.iter().all(|delay| *delay < 3600));
        let late = delays.iter().filter(|delay| **delay >= 1800).count();
        assert!((400..600).contains(&late), "{late}");
        assert_eq!(delay(hour, b"a"), delay(hour, b"a"));
        assert_eq!(delay(Duration::ZERO, b"a"), Duration::ZERO);
    }
}
