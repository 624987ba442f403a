//! The schedule's tasks: from what is due to a job, and from its end back to what is kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job as Tick, JobScheduler};

use super::service::Admin;
use super::worker::Rank;
use crate::actions::answer::{IN_PART, WRONG};
use crate::actions::audited::{Caller, perform_for};
use crate::actions::params::{Nothing, Prune, Run, Snapshot, Verify};
use crate::actions::{Action, Answer};
use crate::catalog::{Catalog, Ending, TaskRecord, TaskResult};
use crate::clock::Timestamp;
use crate::config::{Config, Role};
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::SourceName;
use crate::repo::state::StateDir;
use crate::schedule::{Planner, Task};

/// Each minute: the clock may have been set, or a machine have slept.
const EACH_MINUTE: &str = "0 * * * * *";

/// What the schedule asks for, and how it went.
pub struct Tasks {
    admin: Arc<Admin>,
    planner: Arc<Mutex<Planner>>,
    /// How many of those that were due together are not done yet.
    open: Arc<AtomicUsize>,
    wake: Arc<Notify>,
}

/// Wakes the daemon each minute, for as long as it is kept.
pub async fn ticking(wake: &Arc<Notify>) -> Outcome<JobScheduler> {
    let failed = |error| Failure::new("cannot start the tick").because(error);
    let scheduler = JobScheduler::new().await.map_err(failed)?;
    let wake = Arc::clone(wake);
    let tick = Tick::new_async(EACH_MINUTE, move |_, _| {
        let wake = Arc::clone(&wake);
        Box::pin(async move { wake.notify_one() })
    });
    scheduler.add(tick.map_err(failed)?).await.map_err(failed)?;
    scheduler.start().await.map_err(failed)?;
    Ok(scheduler)
}

impl Tasks {
    /// Reads what is kept, and ends what a daemon before this one had begun.
    pub fn start(admin: &Arc<Admin>, now: Timestamp) -> Outcome<Self> {
        let config = admin.config();
        let mut catalog = catalog(&config)?;
        let mut planner = Planner::for_config(&config, catalog.tasks()?, now);
        planner.end_interrupted(now);
        let records = planner
            .records()
            .map(|(task, record)| (task, record.clone()));
        keep(&mut catalog, records.collect())?;
        Ok(Self {
            admin: Arc::clone(admin),
            planner: Arc::new(Mutex::new(planner)),
            open: Arc::default(),
            wake: Arc::default(),
        })
    }

    fn planner(&self) -> MutexGuard<'_, Planner> {
        locked(&self.planner)
    }

    /// What wakes the daemon.
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// A source has changed.
    pub fn changed(&self, source: SourceName, quiet: Duration, now: Timestamp) {
        self.planner().changed(source, quiet, now);
    }

    /// Goes on with a changed configuration.
    pub fn reload(&self, config: &Config, now: Timestamp) {
        self.planner().reload(config, now);
    }

    /// How long nothing will be due.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let wait = self.planner().wait(now);
        // While something runs, its end wakes us; a due time that waits behind it would not.
        match self.open.load(Ordering::SeqCst) {
            0 => wait,
            _ => wait.max(Duration::from_secs(1)),
        }
    }

    /// Has done what is due. What was due together is done before it is asked again.
    pub fn look(&self, now: Timestamp) -> Outcome<()> {
        if self.open.load(Ordering::SeqCst) > 0 {
            return Ok(());
        }
        let anew = self.planner().start_anew(now);
        if !anew.is_empty() {
            tracing::warn!("the clock was far ahead once: the schedule begins anew");
            keep(&mut catalog(&self.admin.config())?, anew)?;
        }
        let due = self.planner().due(now);
        self.open.fetch_add(due.len(), Ordering::SeqCst);
        for due in due {
            let running = Running {
                admin: Arc::clone(&self.admin),
                planner: Arc::clone(&self.planner),
                task: due.task,
                _open: Open(Arc::clone(&self.open), Arc::clone(&self.wake)),
            };
            let name = due.task.as_str();
            let submitted = self
                .admin
                .worker
                .submit(Rank::Task, name, None, move |report| running.run(report));
            submitted?;
        }
        Ok(())
    }

    /// One line for `systemctl status`.
    pub fn summary(&self, now: Timestamp) -> String {
        if let Some(job) = self.admin.worker.running() {
            return format!("running {}", job.action);
        }
        let planner = self.planner();
        let next = Task::ALL
            .into_iter()
            .filter_map(|task| Some((planner.next(task, now)?, task)));
        next.min().map_or_else(
            || "nothing is scheduled".to_owned(),
            |(time, task)| format!("next: {} at {time}", task.as_str()),
        )
    }
}

/// Counts a task that is open until it is dropped, also when its job is never begun.
struct Open(Arc<AtomicUsize>, Arc<Notify>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        self.1.notify_one();
    }
}

/// A task that is due.
struct Running {
    admin: Arc<Admin>,
    planner: Arc<Mutex<Planner>>,
    task: Task,
    _open: Open,
}

impl Running {
    fn run(self, report: Arc<dyn crate::report::Report>) -> Outcome<Answer> {
        let config = self.admin.config();
        let mut catalog = catalog(&config)?;
        let begun = locked(&self.planner).begin(self.task, Timestamp::now());
        keep(&mut catalog, begun)?;
        let caller = Caller {
            uid: None,
            name: format!("task {}", self.task.as_str()),
            roles: vec![Role::Admin],
        };
        let context = self.admin.context(true, true, report);
        let outcome = perform_for(&caller, &context, &action(self.task));
        let result = result(&outcome);
        let (task, text) = (self.task.as_str(), &result.text);
        match result.ending {
            Ending::Ok => tracing::info!("{task}: done"),
            Ending::Part => tracing::warn!("{task}: done in part: {text}"),
            Ending::Failed => tracing::error!("{task}: failed: {text}"),
            Ending::Refused => tracing::error!("{task}: refused: {text}"),
        }
        let finished = locked(&self.planner).finish(self.task, result, Timestamp::now());
        keep(&mut catalog, finished.into_iter().collect())?;
        outcome
    }
}

fn locked(planner: &Mutex<Planner>) -> MutexGuard<'_, Planner> {
    // The planner is changed by single calls, which leave it whole.
    planner.lock().unwrap_or_else(PoisonError::into_inner)
}

fn action(task: Task) -> Action {
    match task {
        Task::Incremental => Action::Snapshot(Snapshot { full: false }),
        Task::Full => Action::Snapshot(Snapshot { full: true }),
        Task::Retention => Action::RetentionRun(Run::default()),
        Task::Replicate => Action::Replicate(Nothing::default()),
        Task::Prune => Action::Prune(Prune::default()),
        Task::Verify => Action::Verify(Verify {
            store: None,
            data: true,
        }),
    }
}

/// How a task ended, in words that name nobody: tasks name no customers, so neither do their failures.
fn result(outcome: &Outcome<Answer>) -> TaskResult {
    let (ending, text) = match outcome {
        Ok(answer) if answer.code == IN_PART => {
            (Ending::Part, format!("{} warnings", answer.warnings.len()))
        }
        Ok(answer) if answer.code == WRONG => (Ending::Failed, "something is wrong".to_owned()),
        Ok(_) => (Ending::Ok, String::new()),
        Err(failure) if failure.kind() == FailureKind::Refused => {
            (Ending::Refused, failure.to_string())
        }
        Err(failure) => (Ending::Failed, failure.to_string()),
    };
    TaskResult { ending, text }
}

fn catalog(config: &Config) -> Outcome<Catalog> {
    Ok(Catalog::open(&StateDir::new(&config.state_dir).catalog())?)
}

fn keep(catalog: &mut Catalog, records: Vec<(Task, TaskRecord)>) -> Outcome<()> {
    catalog.change(|change| -> Outcome<()> {
        for (task, record) in &records {
            change.set_task(task.as_str(), record)?;
        }
        Ok(())
    })
}
