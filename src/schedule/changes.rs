//! What has changed in the sources since the last snapshot was begun.
//!
//! Kept in memory only: what is lost with it is found by the next snapshot that is due.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::SourceName;

/// For how long writes that never cease put a snapshot off.
pub const MAX_WAIT: Duration = Duration::from_secs(10 * 60);

/// Changes that no snapshot holds yet.
#[derive(Clone, Debug, Default)]
pub struct Changes(BTreeMap<SourceName, Noted>);

#[derive(Clone, Copy, Debug)]
struct Noted {
    first: Timestamp,
    last: Timestamp,
    quiet: Duration,
}

impl Changes {
    /// Notes that a source has changed; a snapshot is due once it was left alone for `quiet`.
    pub fn note(&mut self, source: SourceName, quiet: Duration, at: Timestamp) {
        let new = Noted {
            first: at,
            last: at,
            quiet,
        };
        let noted = self.0.entry(source).or_insert(new);
        // The clock may have been set back since the first.
        noted.first = noted.first.min(at);
        (noted.last, noted.quiet) = (at, quiet);
    }

    /// From when on a snapshot is due, as seen at `now`.
    pub fn ready(&self, now: Timestamp) -> Option<Timestamp> {
        let ready = self.0.values().map(|noted| {
            let quiet = after(noted.last, noted.quiet);
            let ready = quiet.min(after(noted.first, MAX_WAIT));
            // A change in the future tells that the clock was set back: how long ago it was is unknown.
            if now < noted.last { now } else { ready }
        });
        ready.min()
    }

    /// A snapshot begins, which holds whatever has changed until now.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// So much later.
pub(super) fn after(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp(time.0.saturating_add(by))
}

/// So much earlier.
pub(super) fn before(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp(time.0.saturating_sub(by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    #[test]
    fn a_source_is_left_alone_before_its_change_counts() {
        let (a, b): (SourceName, SourceName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let quiet = Duration::from_secs(30);
        let mut changes = Changes::default();
        assert_eq!(changes.ready(at(0)), None);
        changes.note(a.clone(), quiet, at(100));
        assert_eq!(changes.ready(at(100)), Some(at(130)));
        changes.note(a.clone(), quiet, at(120));
        assert_eq!(changes.ready(at(140)), Some(at(150)));
        changes.note(b, Duration::from_secs(5), at(121));
        assert_eq!(changes.ready(at(121)), Some(at(126)));
        changes.clear();
        assert_eq!(changes.ready(at(200)), None);
    }

    #[test]
    fn writes_that_never_cease_and_a_clock_set_back_do_not_put_it_off_for_ever() {
        let a: SourceName = "a".parse().unwrap();
        let mut changes = Changes::default();
        for second in 1000..1700 {
            changes.note(a.clone(), Duration::from_secs(30), at(second));
        }
        assert_eq!(changes.ready(at(1700)), Some(at(1600)));
        assert_eq!(changes.ready(at(500)), Some(at(500)));
        changes.note(a, Duration::from_secs(30), at(500));
        assert_eq!(changes.ready(at(500)), Some(at(530)));
    }
}
