//! Whether the clock can be believed enough to destroy something by it.

use crate::clock::Timestamp;

const WEEK_MS: i64 = 7 * 86_400_000;

/// Why a destructive run should not go by this clock before a person has confirmed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// It is behind something that has happened.
    #[error("the clock says {now}, and something was recorded at {recorded}, which is later")]
    Behind {
        /// What the clock says.
        now: Timestamp,
        /// The newest time that was recorded.
        recorded: Timestamp,
    },
    /// It is far ahead of the last run.
    #[error("the clock says {now}, more than 7 days after the last run at {last_run}")]
    Ahead {
        /// What the clock says.
        now: Timestamp,
        /// When retention last ran.
        last_run: Timestamp,
    },
}

/// Whether `now` is plausible: not before the newest time that was ever recorded, and not more than
/// 7 days after the last run. The first run of all has nothing to be too far ahead of.
pub fn plausible(
    now: Timestamp,
    newest_recorded: Option<Timestamp>,
    last_run: Option<Timestamp>,
) -> Result<(), Implausible> {
    if let Some(recorded) = newest_recorded.max(last_run).filter(|newest| now < *newest) {
        return Err(Implausible::Behind { now, recorded });
    }
    match last_run {
        Some(last_run) if now.0 > last_run.0.saturating_add(WEEK_MS) => {
            Err(Implausible::Ahead { now, last_run })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_believed_between_what_was_recorded_and_a_week_after_the_last_run() {
        let at = Timestamp;
        let behind = |now, recorded| {
            Err(Implausible::Behind {
                now: at(now),
                recorded: at(recorded),
            })
        };
        let ahead = |now, last_run| {
            Err(Implausible::Ahead {
                now: at(now),
                last_run: at(last_run),
            })
        };
        for (now, recorded, last_run, found) in [
            (5, None, None, Ok(())),
            (i64::MAX, Some(5), None, Ok(())),
            (5, Some(5), None, Ok(())),
            (5, Some(6), None, behind(5, 6)),
            (5, Some(6), Some(1), behind(5, 6)),
            (5, Some(1), Some(6), behind(5, 6)),
            (5, None, Some(6), behind(5, 6)),
            (5, None, Some(5), Ok(())),
            (5 + WEEK_MS, Some(5), Some(5), Ok(())),
            (6 + WEEK_MS, Some(5), Some(5), ahead(6 + WEEK_MS, 5)),
            (6 + WEEK_MS, Some(6), Some(5), ahead(6 + WEEK_MS, 5)),
            (i64::MAX, None, Some(i64::MAX), Ok(())),
        ] {
            let (recorded, last_run) = (recorded.map(at), last_run.map(at));
            assert_eq!(
                plausible(at(now), recorded, last_run),
                found,
                "{now} {recorded:?} {last_run:?}"
            );
        }
        assert_eq!(WEEK_MS, 604_800_000);
    }

    #[test]
    fn an_implausible_clock_is_told_with_both_times() {
        let [now, other] = [Timestamp(0), Timestamp(1000)];
        let behind = Implausible::Behind {
            now,
            recorded: other,
        };
        assert_eq!(
            behind.to_string(),
            "the clock says 1970-01-01T00:00:00.000Z, and something was recorded at \
             1970-01-01T00:00:01.000Z, which is later"
        );
        let ahead = Implausible::Ahead {
            now,
            last_run: other,
        };
        assert!(ahead.to_string().ends_with("1970-01-01T00:00:01.000Z"));
    }
}
