//! The one thread that changes things: one job at a time, a hold before everything else, what people ask for
//! before what the schedule asks for.
//!
//! A job runs to its end. A run of retention has a moment between two batches at which nothing is
//! locked ([`Report::breathe`]): there a hold that waits goes first.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::{Job, JobReport, Standing};
use crate::actions::Answer;
use crate::error::{Context, Failure, Outcome};
use crate::report::Report;

/// How many ended jobs are remembered.
const REMEMBERED: usize = 200;

/// What goes before what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A hold: what it protects may be next.
    Hold,
    /// Somebody waits.
    Person,
    /// The schedule.
    Task,
}

type Work = Box<dyn FnOnce(Arc<dyn Report>) -> Outcome<Answer> + Send>;

#[derive(Default)]
struct Inner {
    queues: BTreeMap<Rank, VecDeque<(Arc<Job>, Work)>>,
    jobs: BTreeMap<u64, Arc<Job>>,
    running: Option<Arc<Job>>,
    last: u64,
    stopping: bool,
}

/// The queue and its thread.
#[derive(Default)]
pub struct Worker {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Worker {
    /// Starts the thread.
    pub fn start() -> Outcome<Arc<Self>> {
        let worker = Arc::new(Self::default());
        let own: Arc<Self> = Arc::clone(&worker);
        std::thread::Builder::new()
            .name("worker".into())
            .spawn(move || own.run())
            .map_err(|error| Failure::new("cannot start a thread").because(error))
            .failed_to(|| "start the worker")?;
        Ok(worker)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Jobs run outside the lock, so a panic cannot leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts work into the queue.
    ///
    /// # Errors
    /// When the daemon is stopping.
    pub fn submit(
        &self,
        rank: Rank,
        action: &'static str,
        uid: Option<u32>,
        work: impl FnOnce(Arc<dyn Report>) -> Outcome<Answer> + Send + 'static,
    ) -> Outcome<Arc<Job>> {
        let mut inner = self.inner();
        if inner.stopping {
            return Err(Failure::new("the daemon is stopping").hint("run it again in a moment"));
        }
        inner.last += 1;
        let job = Arc::new(Job::new(inner.last, action, uid));
        inner.jobs.insert(job.id, Arc::clone(&job));
        let queued: (Arc<Job>, Work) = (Arc::clone(&job), Box::new(work));
        inner.queues.entry(rank).or_default().push_back(queued);
        inner.forget_old();
        drop(inner);
        self.changed.notify_all();
        Ok(job)
    }

    /// A job, if it is remembered.
    pub fn job(&self, id: u64) -> Option<Arc<Job>> {
        self.inner().jobs.get(&id).cloned()
    }

    /// All jobs that are remembered.
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        self.inner().jobs.values().cloned().collect()
    }

    /// The job that runs now.
    pub fn running(&self) -> Option<Arc<Job>> {
        self.inner().running.clone()
    }

    /// Takes no more work, and waits for the one job that runs. What waits is not begun. Returns
    /// whether it has ended in time: if not, the next start finishes it.
    pub fn stop(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut inner = self.inner();
        inner.stopping = true;
        self.changed.notify_all();
        let waiting: Vec<_> = std::mem::take(&mut inner.queues)
            .into_values()
            .flatten()
            .collect();
        for (job, _) in waiting {
            job.end(Err(Failure::new(
                "the daemon has stopped before it was begun",
            )));
        }
        while inner.running.is_some() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn run(self: &Arc<Self>) {
        while let Some((job, work)) = self.next() {
            self.work(&job, work);
            self.inner().running = None;
            self.changed.notify_all();
        }
    }

    fn work(self: &Arc<Self>, job: &Arc<Job>, work: Work) {
        job.begin();
        let own = Arc::clone(self);
        let report: Arc<dyn Report> = Arc::new(JobReport {
            job: Arc::clone(job),
            urgent: Box::new(move || own.do_holds()),
        });
        let done = catch_unwind(AssertUnwindSafe(|| work(report)));
        job.end(done.unwrap_or_else(|_| {
            Err(Failure::new("it has stopped at an error in this program")
                .hint("the next command finishes what was begun; please report this"))
        }));
    }

    /// Does the holds that wait, in the midst of a job that has nothing locked.
    fn do_holds(self: &Arc<Self>) {
        let next = || -> Option<(Arc<Job>, Work)> {
            let mut inner = self.inner();
            inner.queues.get_mut(&Rank::Hold)?.pop_front()
        };
        while let Some((job, work)) = next() {
            self.work(&job, work);
        }
    }

    /// The next job, when there is one; none when the daemon stops.
    fn next(&self) -> Option<(Arc<Job>, Work)> {
        let mut inner = self.inner();
        loop {
            if inner.stopping {
                return None;
            }
            let next = inner.queues.values_mut().find_map(VecDeque::pop_front);
            if let Some((job, work)) = next {
                inner.running = Some(Arc::clone(&job));
                return Some((job, work));
            }
            inner = self
                .changed
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Inner {
    fn forget_old(&mut self) {
        while self.jobs.len() > REMEMBERED {
            let oldest = self
                .jobs
                .values()
                .find(|job| job.standing() == Standing::Ended);
            let Some(oldest) = oldest.map(|job| job.id) else {
                return;
            };
            self.jobs.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn answer() -> Outcome<Answer> {
        Ok(Answer::new(false, || serde_json::Value::Null, String::new))
    }

    #[test]
    fn a_hold_goes_first_and_one_runs_at_a_time() {
        let worker = Worker::start().unwrap();
        let (release, held) = mpsc::channel::<()>();
        let first = worker
            .submit(Rank::Task, "first", None, move |_| {
                held.recv().unwrap();
                answer()
            })
            .unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut jobs = Vec::new();
        for (rank, name) in [
            (Rank::Task, "task"),
            (Rank::Person, "person"),
            (Rank::Hold, "hold"),
        ] {
            let order = Arc::clone(&order);
            let job = worker.submit(rank, name, None, move |_| {
                order.lock().unwrap().push(name);
                answer()
            });
            jobs.push(job.unwrap());
        }
        release.send(()).unwrap();
        first.wait().unwrap();
        for job in jobs {
            job.wait().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["hold", "person", "task"]);
    }

    #[test]
    fn a_hold_goes_first_in_the_midst_of_a_job_that_lets_it() {
        let worker = Worker::start().unwrap();
        let (told, order) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let (own, (begun, begins)) = (told.clone(), mpsc::channel());
        let long = worker.submit(Rank::Task, "long", None, move |report| {
            begun.send(()).unwrap();
            held.recv().unwrap();
            report.breathe();
            own.send("long").unwrap();
            answer()
        });
        let mut jobs = vec![long.unwrap()];
        begins.recv().unwrap();
        for (rank, name) in [(Rank::Person, "person"), (Rank::Hold, "hold")] {
            let told = told.clone();
            let job = worker.submit(rank, name, None, move |_| {
                told.send(name).unwrap();
                answer()
            });
            jobs.push(job.unwrap());
        }
        release.send(()).unwrap();
        for job in jobs {
            job.wait().unwrap();
        }
        let order: Vec<_> = order.try_iter().collect();
        assert_eq!(order, ["hold", "long", "person"]);
    }

    #[test]
    fn a_panic_ends_its_job_alone_and_stopping_refuses_more() {
        let worker = Worker::start().unwrap();
        let job = worker
            .submit(Rank::Person, "bad", None, |_| panic!("on purpose"))
            .unwrap();
        assert!(job.wait().is_err());
        let job = worker
            .submit(Rank::Person, "good", None, |_| answer())
            .unwrap();
        assert!(job.wait().is_ok());
        assert!(worker.stop(Duration::from_secs(5)));
        assert!(
            worker
                .submit(Rank::Person, "late", None, |_| answer())
                .is_err()
        );
    }
}
