//! What is due, and what is to be kept of it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use super::changes::{Changes, after, before};
use super::cron::{last_until, next_after};
use super::{Task, delay};
use crate::catalog::{Ending, TaskRecord, TaskResult};
use crate::clock::Timestamp;
use crate::config::{Config, Cron, Schedule};
use crate::ids::SourceName;

/// The longest that nobody looks at the clock: it may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// How long after a first failure a task is tried again; twice as long after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The longest between two tries.
const MAX_RETRY: Duration = Duration::from_secs(60 * 60);
/// A clock that stands further than this behind what was run was wrong then, or is now.
const MAX_SET_BACK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A task that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub task: Task,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: Why,
}

/// The jitter's delay: the same at every start of one repository, and another in another.
fn delay_of(config: &Config) -> Duration {
    let stores: Vec<&str> = config
        .stores
        .iter()
        .map(|store| store.url.as_str())
        .collect();
    delay(config.schedule.jitter, stores.join(" ").as_bytes())
}

/// Why a task is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its schedule says so, now or while nobody was there.
    Schedule,
    /// It has failed, and its time has not come again since.
    Retry,
    /// A source has changed, and is quiet again.
    Change,
}

/// Decides what is due. It holds what is kept of each task, and changes nothing else.
///
/// Whoever drives it asks [`Planner::due`], and does with each task of the answer, in its order and
/// before asking again: [`Planner::begin`], keep what that gives, do the work, [`Planner::finish`],
/// keep what that gives. So a task that is always due does not shut the others out.
#[derive(Clone, Debug)]
pub struct Planner {
    zone: Tz,
    delay: Duration,
    tasks: BTreeMap<Task, Entry>,
    changes: Changes,
}

#[derive(Clone, Debug)]
struct Entry {
    cron: Option<Cron>,
    record: TaskRecord,
    /// The first due time that was not run for. Found once, because looking is dearer than waiting.
    upcoming: Option<Timestamp>,
}

impl Entry {
    fn new(cron: Option<Cron>, record: TaskRecord, zone: Tz) -> Self {
        let mut entry = Self {
            cron,
            record,
            upcoming: None,
        };
        if entry.cron.is_none() {
            entry.record.retry_at = None;
        }
        entry.look_ahead(zone);
        entry
    }

    /// Nothing that was due until then is run for.
    fn floor(&self) -> Timestamp {
        self.record.last_due.unwrap_or(self.record.first_seen)
    }

    fn look_ahead(&mut self, zone: Tz) {
        let cron = self.cron.as_ref();
        self.upcoming = cron.and_then(|cron| next_after(cron, zone, self.floor()));
    }

    /// Takes every due time until `until` as run for.
    fn take(&mut self, zone: Tz, until: Timestamp) {
        self.record.retry_at = None;
        let cron = self.cron.as_ref();
        let last = cron.and_then(|cron| last_until(cron, zone, self.floor(), until));
        if last.is_some() {
            self.record.last_due = last;
            self.record.failures = 0;
            self.look_ahead(zone);
        }
    }
}

impl Planner {
    /// A planner for what the configuration says.
    pub fn for_config(
        config: &Config,
        records: BTreeMap<String, TaskRecord>,
        now: Timestamp,
    ) -> Self {
        let delay = delay_of(config);
        Self::new(&config.schedule, config.time_zone, delay, records, now)
    }

    /// Goes on with a changed configuration.
    pub fn reload(&mut self, config: &Config, now: Timestamp) {
        self.reconfigure(&config.schedule, config.time_zone, delay_of(config), now);
    }

    /// A planner for a schedule in a zone, all of it later by `delay` (see [`super::delay`]).
    ///
    /// `kept` is what the catalog keeps of each task, by name. A task that it does not know waits
    /// for its next due time: nothing is made up for it, not even a first snapshot.
    pub fn new(
        schedule: &Schedule,
        zone: Tz,
        delay: Duration,
        mut kept: BTreeMap<String, TaskRecord>,
        now: Timestamp,
    ) -> Self {
        let mut tasks = BTreeMap::new();
        for task in Task::ALL {
            let cron = task.cron(schedule).cloned();
            let new = cron.is_some().then(|| TaskRecord::new(now));
            if let Some(record) = kept.remove(task.as_str()).or(new) {
                tasks.insert(task, Entry::new(cron, record, zone));
            }
        }
        Self {
            zone,
            delay,
            tasks,
            changes: Changes::default(),
        }
    }

    /// Takes over a changed configuration. What was run for under the old one stays run for.
    pub fn reconfigure(&mut self, schedule: &Schedule, zone: Tz, delay: Duration, now: Timestamp) {
        let kept = self.records();
        let kept = kept.map(|(task, record)| (task.as_str().to_owned(), record.clone()));
        let new = Self::new(schedule, zone, delay, kept.collect(), now);
        (self.zone, self.delay, self.tasks) = (new.zone, new.delay, new.tasks);
    }

    /// What is to be kept of each task.
    pub fn records(&self) -> impl Iterator<Item = (Task, &TaskRecord)> {
        self.tasks
            .iter()
            .map(|(task, entry)| (*task, &entry.record))
    }

    /// What is to be kept of a task, if it was ever met.
    pub fn record(&self, task: Task) -> Option<&TaskRecord> {
        self.tasks.get(&task).map(|entry| &entry.record)
    }

    /// Notes that a source has changed: an incremental snapshot is due once nothing was written for
    /// `quiet`, or ten minutes after the first change.
    pub fn changed(&mut self, source: SourceName, quiet: Duration, at: Timestamp) {
        self.changes.note(source, quiet, at);
    }

    /// Everything that is due, in the order in which it is to be run. A full snapshot takes the
    /// place of an incremental one.
    pub fn due(&self, now: Timestamp) -> Vec<Due> {
        let due = Task::ALL
            .iter()
            .filter_map(|task| self.due_task(*task, now));
        let mut due: Vec<Due> = due.collect();
        if due.iter().any(|due| due.task == Task::Full) {
            due.retain(|due| due.task != Task::Incremental);
        }
        due
    }

    fn due_task(&self, task: Task, now: Timestamp) -> Option<Due> {
        let (since, why) = self.soonest(task, now)?;
        (since <= now).then_some(Due { task, since, why })
    }

    /// When a task is due next, or since when it is, and why.
    fn soonest(&self, task: Task, now: Timestamp) -> Option<(Timestamp, Why)> {
        let entry = self.tasks.get(&task);
        let upcoming = entry.and_then(|entry| entry.upcoming);
        let upcoming = upcoming.map(|upcoming| after(upcoming, self.delay));
        let retry = entry.and_then(|entry| entry.record.retry_at);
        // Nothing waits so long: the clock was set back.
        let retry = retry.map(|retry| {
            if retry > after(now, MAX_RETRY) {
                now
            } else {
                retry
            }
        });
        // What has failed waits for its retry, however often a source changes.
        let changed = if task == Task::Incremental && retry.is_none() {
            self.changes.ready(now)
        } else {
            None
        };
        let mut soonest = upcoming.map(|time| (time, Why::Schedule));
        for (time, why) in [(retry, Why::Retry), (changed, Why::Change)] {
            if let Some(time) = time
                && soonest.is_none_or(|(soonest, _)| time < soonest)
            {
                soonest = Some((time, why));
            }
        }
        soonest
    }

    /// When a task is run next: `now` if it is due, none if nothing leads to a run.
    pub fn next(&self, task: Task, now: Timestamp) -> Option<Timestamp> {
        let (time, _) = self.soonest(task, now)?;
        Some(time.max(now))
    }

    /// For how long nothing is due for sure, if nothing changes meanwhile; at most a minute.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let next = Task::ALL.iter().filter_map(|task| self.next(*task, now));
        let waits = next.map(|next| Duration::from_millis(next.0.abs_diff(now.0)));
        waits.min().unwrap_or(MAX_SLEEP).min(MAX_SLEEP)
    }

    /// A task that was due begins. Gives what is to be kept before the work: from then on no time
    /// at which it was due until now counts any more, whatever becomes of the run.
    pub fn begin(&mut self, task: Task, now: Timestamp) -> Vec<(Task, TaskRecord)> {
        let until = before(now, self.delay);
        let new = || Entry::new(None, TaskRecord::new(now), self.zone);
        let entry = self.tasks.entry(task).or_insert_with(new);
        entry.take(self.zone, until);
        entry.record.last_started = Some(now);
        entry.record.last_finished = None;
        let mut begun = vec![(task, entry.record.clone())];
        if task == Task::Full
            && let Some(entry) = self.tasks.get_mut(&Task::Incremental)
        {
            entry.take(self.zone, until);
            begun.push((Task::Incremental, entry.record.clone()));
        }
        if matches!(task, Task::Full | Task::Incremental) {
            self.changes.clear();
        }
        begun
    }

    /// A task that was begun has ended. Gives what is to be kept.
    ///
    /// Only what has failed is tried again, after a minute, then two, then four, up to an hour, and
    /// not after the next due time, with which the count begins anew. What was done in part or
    /// refused would end in the same way, and waits for its time or for a person.
    pub fn finish(
        &mut self,
        task: Task,
        result: TaskResult,
        now: Timestamp,
    ) -> Option<(Task, TaskRecord)> {
        let delay = self.delay;
        let entry = self.tasks.get_mut(&task)?;
        let record = &mut entry.record;
        record.last_finished = Some(now);
        match result.ending {
            Ending::Ok => {
                record.last_success = Some(now);
                record.failures = 0;
            }
            Ending::Part | Ending::Refused => record.failures = 0,
            Ending::Failed => {
                record.failures = record.failures.saturating_add(1);
                let retry = after(now, backoff(record.failures));
                let next = entry.upcoming.map(|upcoming| after(upcoming, delay));
                let again = entry.cron.is_some() || task == Task::Incremental;
                record.retry_at = again.then(|| next.map_or(retry, |next| retry.min(next)));
            }
        }
        record.last_result = Some(result);
        Some((task, record.clone()))
    }

    /// Ends what was begun by a process that is no more, as failed. Gives what is to be kept.
    pub fn end_interrupted(&mut self, now: Timestamp) -> Vec<(Task, TaskRecord)> {
        let open = self.records().filter(|(_, record)| record.is_open());
        let open: Vec<Task> = open.map(|(task, _)| task).collect();
        let ended = open.into_iter().filter_map(|task| {
            let result = TaskResult {
                ending: Ending::Failed,
                text: "interrupted".to_owned(),
            };
            self.finish(task, result, now)
        });
        ended.collect()
    }

    /// Takes tasks that are to wait for more than a week only because the clock stood later when
    /// they were last run as met now. Gives what is to be kept.
    ///
    /// Without this, a clock that was once years ahead would end all backups for years. The price:
    /// where it was right, and is wrong now, times come again that were run for already. So this is
    /// the one way to that, and worth a warning to a person each time that it gives anything.
    pub fn start_anew(&mut self, now: Timestamp) -> Vec<(Task, TaskRecord)> {
        let far = after(now, MAX_SET_BACK);
        let mut anew = Vec::new();
        for (task, entry) in &mut self.tasks {
            if entry.floor() > far {
                (entry.record.first_seen, entry.record.last_due) = (now, None);
                entry.look_ahead(self.zone);
                anew.push((*task, entry.record.clone()));
            }
        }
        anew
    }
}

/// How long to wait after so many failures.
fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(MAX_RETRY)
}

#[cfg(test)]
mod tests;
