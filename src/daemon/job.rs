//! One piece of work: how far it has come, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::wire::Progress;
use crate::actions::Answer;
use crate::clock::Timestamp;
use crate::error::{Failure, Outcome};
use crate::report::{Report, Unit};

/// Counts every sign of life of any job: the watchdog is fed only while it moves, or nothing runs.
static PULSE: AtomicU64 = AtomicU64::new(0);

/// How often any job has shown progress.
pub fn pulse() -> u64 {
    PULSE.load(Ordering::Relaxed)
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Others go first.
    Waiting,
    /// It runs.
    Running,
    /// It has ended.
    Ended,
}

/// A job as everybody sees it.
pub struct Job {
    /// Its number.
    pub id: u64,
    /// The action.
    pub action: &'static str,
    /// Whose it is: the user's number; none for the daemon's own.
    pub uid: Option<u32>,
    /// When it was asked for.
    pub asked: Timestamp,
    state: Mutex<State>,
    ended: Condvar,
    progress: watch::Sender<Progress>,
}

struct State {
    standing: Standing,
    outcome: Option<Outcome<Answer>>,
}

impl Job {
    /// A job that waits.
    pub fn new(id: u64, action: &'static str, uid: Option<u32>) -> Self {
        Self {
            id,
            action,
            uid,
            asked: Timestamp::now(),
            state: Mutex::new(State {
                standing: Standing::Waiting,
                outcome: None,
            }),
            ended: Condvar::new(),
            progress: watch::Sender::new(Progress::default()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of a job leaves nothing half written here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.state().standing
    }

    /// It begins.
    pub fn begin(&self) {
        self.state().standing = Standing::Running;
        PULSE.fetch_add(1, Ordering::Relaxed);
    }

    /// It has ended.
    pub fn end(&self, outcome: Outcome<Answer>) {
        let mut state = self.state();
        state.standing = Standing::Ended;
        state.outcome = Some(outcome);
        drop(state);
        self.ended.notify_all();
        // Whoever follows is told even if nothing else has changed.
        self.progress.send_modify(|_| {});
        PULSE.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until it has ended, and gives what came of it.
    pub fn wait(&self) -> Outcome<Answer> {
        let mut state = self.state();
        while state.standing != Standing::Ended {
            state = self
                .ended
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        again(state.outcome.as_ref())
    }

    /// What came of it; none while it has not ended.
    pub fn outcome(&self) -> Option<Outcome<Answer>> {
        let state = self.state();
        state.outcome.as_ref().map(|outcome| again(Some(outcome)))
    }

    /// How far it has come, from now on.
    pub fn follow(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What everybody sees of it.
    pub fn json(&self) -> Value {
        let standing = match self.standing() {
            Standing::Waiting => "waiting",
            Standing::Running => "running",
            Standing::Ended => "ended",
        };
        let progress = self.progress.borrow().clone();
        json!({
            "job": self.id,
            "action": self.action,
            "state": standing,
            "asked": self.asked,
            "progress": progress,
        })
    }
}

fn again(outcome: Option<&Outcome<Answer>>) -> Outcome<Answer> {
    match outcome {
        Some(Ok(answer)) => Ok(answer.clone()),
        Some(Err(failure)) => Err(failure.again()),
        None => Err(Failure::new("the work has ended without an answer")),
    }
}

/// Lets a job hear of the work's progress.
pub struct JobReport {
    /// The job.
    pub job: Arc<Job>,
    /// Does what is more urgent than the job.
    pub urgent: Box<dyn Fn() + Send + Sync>,
}

impl JobReport {
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        PULSE.fetch_add(1, Ordering::Relaxed);
        self.job.progress.send_modify(change);
    }
}

impl Report for JobReport {
    fn begin(&self, what: &str, total: Option<u64>, unit: Unit) {
        self.change(|progress| {
            progress.stretch += 1;
            what.clone_into(&mut progress.what);
            progress.total = total;
            progress.bytes = unit == Unit::Bytes;
            progress.done = 0;
        });
    }

    fn advance(&self, by: u64) {
        self.change(|progress| progress.done += by);
    }

    fn end(&self) {}

    fn breathe(&self) {
        (self.urgent)();
    }

    fn note(&self, text: &str) {
        tracing::info!(job = self.job.id, action = self.job.action, "{text}");
        self.change(|progress| progress.notes.push(text.to_owned()));
    }
}
