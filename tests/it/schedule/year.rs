//! A year: what the planner runs is what somebody else would run who knows every due time from
//! looking at every minute, and strikes out those that were run for.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use tenure::catalog::{Ending, TaskRecord, TaskResult};
use tenure::clock::Timestamp;
use tenure::config::Schedule;
use tenure::schedule::{Planner, Task};

use super::brute::{Clocks, Fields};
use super::world::{DAY, Decider, HOUR, MINUTE, Run, World};
use super::{CHANGES, is_long, seconds};

const YEAR: i64 = 365 * DAY;
const QUIET: i64 = 30;
const DELAYS: [i64; 3] = [0, 0, 437];

/// Schedules of incremental, full, retention, replicate, prune and verify; an empty one is none.
const PLANS: [[&str; 6]; 4] = [
    [
        "0 30 2 * * Mon-Sat",
        "0 30 2 * * Sun",
        "0 30 3 * * *",
        "0 0 12 * * *",
        "0 0 4 * * Sun",
        "0 0 5 1 * *",
    ],
    [
        "0 */15 * * * *",
        "0 0 1,13 * * *",
        "30 15 2 * * *",
        "0 */20 * * * *",
        "0 0 2 * * *",
        "0 0 0 * * Sat",
    ],
    [
        "0 0 * * * *",
        "0 0 0 * * *",
        "0 0 0 * * *",
        "0 0 0 * * *",
        "0 0 0 * * *",
        "0 0 0 * * *",
    ],
    [
        "",
        "0 0 2 * * *",
        "0 0 2 * * *",
        "",
        "",
        "0 59 23 28-31 * *",
    ],
];

/// The planner, in processes that come and go; only what it gives to be kept outlives them.
struct Planned {
    schedule: Schedule,
    zone: Tz,
    delay: Duration,
    kept: BTreeMap<String, TaskRecord>,
    planner: Option<Planner>,
}

impl Planned {
    fn keep(&mut self, records: impl IntoIterator<Item = (Task, TaskRecord)>) {
        let records = records.into_iter();
        let named = records.map(|(task, record)| (task.as_str().to_owned(), record));
        self.kept.extend(named);
    }

    fn planner(&self) -> &Planner {
        self.planner.as_ref().unwrap()
    }

    fn planner_mut(&mut self) -> &mut Planner {
        self.planner.as_mut().unwrap()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp(second * 1000)
}

impl Decider for Planned {
    fn start(&mut self, now: i64) {
        let kept = self.kept.clone();
        let mut planner = Planner::new(&self.schedule, self.zone, self.delay, kept, at(now));
        assert_eq!(planner.start_anew(at(now)), []);
        planner.end_interrupted(at(now));
        let records: Vec<_> = planner
            .records()
            .map(|(task, r)| (task, r.clone()))
            .collect();
        self.planner = Some(planner);
        self.keep(records);
    }

    fn due(&self, now: i64) -> Vec<Task> {
        let due = self.planner().due(at(now));
        assert!(due.iter().all(|due| due.since <= at(now)));
        due.into_iter().map(|due| due.task).collect()
    }

    fn wait(&self, now: i64) -> i64 {
        let wait = i64::try_from(self.planner().wait(at(now)).as_secs()).unwrap();
        if wait < MINUTE {
            let last = at(now + wait - 1);
            assert_eq!(self.planner().due(last), [], "a second too long");
        }
        wait
    }

    fn begin(&mut self, task: Task, now: i64) {
        let begun = self.planner_mut().begin(task, at(now));
        self.keep(begun);
    }

    fn finish(&mut self, task: Task, ending: Ending, now: i64) {
        let text = String::new();
        let result = TaskResult { ending, text };
        let ended = self.planner_mut().finish(task, result, at(now));
        self.keep(ended);
    }

    fn changed(&mut self, now: i64) {
        let quiet = Duration::from_secs(QUIET.unsigned_abs());
        self.planner_mut()
            .changed("crm".parse().unwrap(), quiet, at(now));
    }
}

/// Somebody else: one list of due times for each task, of which the first so many are struck out.
struct Expected {
    tasks: Vec<(Task, List)>,
    change: Option<(i64, i64)>,
    started: bool,
}

struct List {
    due: Vec<i64>,
    delay: i64,
    struck: usize,
    tries: u32,
    again: Option<i64>,
    open: bool,
}

impl List {
    fn first(&self) -> Option<i64> {
        Some(self.due.get(self.struck)? + self.delay)
    }

    fn strike_out(&mut self, now: i64) {
        let past = self.due.partition_point(|due| due + self.delay <= now);
        if past > self.struck {
            (self.struck, self.tries) = (past, 0);
        }
        self.again = None;
    }
}

impl Expected {
    fn list(&mut self, task: Task) -> &mut List {
        let found = self.tasks.iter_mut().find(|(other, _)| *other == task);
        &mut found.unwrap().1
    }

    /// When a task would be run.
    fn when(&self, task: Task, list: &List, now: i64) -> Option<i64> {
        let again = list
            .again
            .map(|again| if again - now > HOUR { now } else { again });
        let change = match self.change {
            Some(_) if task != Task::Incremental || again.is_some() => None,
            Some((_, last)) if last > now => Some(now),
            Some((first, last)) => Some((last + QUIET).min(first + 10 * MINUTE)),
            None => None,
        };
        let soonest = match (again, change) {
            (Some(again), _) => Some(again),
            (None, change) => change,
        };
        match (list.first(), soonest) {
            (Some(first), Some(soonest)) => Some(first.min(soonest)),
            (first, soonest) => first.or(soonest),
        }
    }
}

impl Decider for Expected {
    fn start(&mut self, now: i64) {
        self.change = None;
        let first = !std::mem::replace(&mut self.started, true);
        for (task, list) in &mut self.tasks {
            if first {
                list.struck = list.due.partition_point(|due| *due <= now);
            } else if list.due.is_empty() {
                list.again = None;
            }
            if list.open {
                ended(*task, list, Ending::Failed, now);
            }
        }
    }

    fn due(&self, now: i64) -> Vec<Task> {
        let due = self
            .tasks
            .iter()
            .filter(|(task, list)| self.when(*task, list, now).is_some_and(|when| when <= now));
        let mut due: Vec<Task> = due.map(|(task, _)| *task).collect();
        if due.contains(&Task::Full) {
            due.retain(|task| *task != Task::Incremental);
        }
        due
    }

    fn wait(&self, now: i64) -> i64 {
        let times = self.tasks.iter();
        let times = times.filter_map(|(task, list)| self.when(*task, list, now));
        times.min().map_or(MINUTE, |next| (next - now).min(MINUTE))
    }

    fn begin(&mut self, task: Task, now: i64) {
        self.list(task).strike_out(now);
        self.list(task).open = true;
        if task == Task::Full {
            self.list(Task::Incremental).strike_out(now);
        }
        if task == Task::Full || task == Task::Incremental {
            self.change = None;
        }
    }

    fn finish(&mut self, task: Task, ending: Ending, now: i64) {
        ended(task, self.list(task), ending, now);
    }

    fn changed(&mut self, now: i64) {
        let first = self.change.map_or(now, |(first, _)| first.min(now));
        self.change = Some((first, now));
    }
}

fn ended(task: Task, list: &mut List, ending: Ending, now: i64) {
    list.open = false;
    if ending != Ending::Failed {
        list.tries = 0;
        return;
    }
    let minutes = [1, 2, 4, 8, 16, 32, 60];
    let wait = minutes[(list.tries as usize).min(minutes.len() - 1)] * MINUTE;
    list.tries += 1;
    if task == Task::Incremental || !list.due.is_empty() {
        let again = now + wait;
        list.again = Some(list.first().map_or(again, |first| first.min(again)));
    }
}

/// How often what was of interest has happened.
#[derive(Debug, Default)]
struct Seen {
    runs: usize,
    failed: usize,
    broken: usize,
    back: usize,
}

impl Seen {
    fn count(&mut self, runs: &[Run]) {
        let ended = |ending| runs.iter().filter(|run| run.ending == ending).count();
        self.runs += runs.len();
        self.failed += ended(Some(Ending::Failed));
        self.broken += ended(None);
        let pairs = runs.windows(2);
        self.back += pairs.filter(|pair| pair[1].began < pair[0].began).count();
    }
}

impl Planned {
    fn new(zone: Tz, plan: [&str; 6], delay: i64) -> Self {
        let cron = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let [incremental, full, retention, replicate, prune, verify] = plan.map(cron);
        Self {
            schedule: Schedule {
                incremental,
                full,
                retention,
                replicate,
                prune,
                verify,
                jitter: Duration::ZERO,
            },
            zone,
            delay: Duration::from_secs(delay.unsigned_abs()),
            kept: BTreeMap::new(),
            planner: None,
        }
    }
}

impl Expected {
    fn new(clocks: &Clocks, plan: [&str; 6], delay: i64) -> Self {
        let list = |text: &str| {
            let due = if text.is_empty() {
                Vec::new()
            } else {
                Fields::parse(text).due(clocks)
            };
            List {
                due,
                delay,
                struck: 0,
                tries: 0,
                again: None,
                open: false,
            }
        };
        Self {
            tasks: Task::ALL.into_iter().zip(plan.map(list)).collect(),
            change: None,
            started: false,
        }
    }
}

/// Lives through the same time twice, once with the planner, and compares.
fn live_through(zone: Tz, epoch: i64, span: i64, seed: u64, seen: &mut Seen) {
    let plan = PLANS[pick(seed, PLANS.len())];
    let delay = DELAYS[pick(seed / 7, DELAYS.len())];
    let world = World::new(epoch, span, seed);
    let clocks = Clocks::new(zone, epoch - 10 * DAY, epoch + span + 40 * DAY);
    let expected = world.live(&mut Expected::new(&clocks, plan, delay));
    let runs = world.live(&mut Planned::new(zone, plan, delay));
    let differs = runs.iter().zip(&expected);
    let differs = differs
        .into_iter()
        .position(|(run, expected)| run != expected);
    if let Some(at) = differs {
        let (runs, expected) = (&runs[at.saturating_sub(3)..=at], expected[at]);
        panic!("seed {seed}, {zone} from {epoch}, {plan:?}: {runs:#?}\nand not {expected:?}");
    }
    assert_eq!(runs.len(), expected.len(), "seed {seed}");
    seen.count(&runs);
}

fn pick(seed: u64, of: usize) -> usize {
    usize::try_from(seed % of as u64).unwrap()
}

/// More of them with TENURE_LONG=1.
fn seeds(few: u64, many: u64) -> std::ops::Range<u64> {
    0..if is_long() { many } else { few }
}

#[test]
fn a_year_of_runs_is_the_one_that_was_expected() {
    let mut seen = Seen::default();
    for seed in seeds(2, 40) {
        let (zone, year) = CHANGES[pick(seed, CHANGES.len())];
        live_through(zone, seconds(year), YEAR, seed, &mut seen);
    }
    assert!(seen.runs > 10_000 && seen.failed > 500, "{seen:?}");
    assert!(seen.broken > 0, "{seen:?}");
}

/// The clocks of the zone, those of the machine, outages and failures within four weeks.
#[test]
fn so_are_those_of_weeks_in_which_much_happens() {
    let mut seen = Seen::default();
    for seed in seeds(22, 1000) {
        let (zone, year) = CHANGES[pick(seed, CHANGES.len())];
        let changes = Clocks::new(zone, seconds(year), seconds(year + 1)).changes();
        let change = match changes.len() {
            0 => seconds(year),
            some => changes[pick(seed / 11, some)],
        };
        live_through(zone, change - 14 * DAY, 28 * DAY, seed, &mut seen);
    }
    assert!(seen.runs > 10_000 && seen.failed > 500, "{seen:?}");
    assert!(seen.broken > 20 && seen.back > 20, "{seen:?}");
}
