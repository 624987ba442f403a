//! The planner against its promises, one at a time; `tests/it/schedule` takes it through a year.

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Thursday, 1 January 2026, and so much later.
fn at(later: i64) -> Timestamp {
    Timestamp(1_767_225_600_000 + later)
}

fn schedule() -> Schedule {
    let cron = |text: &str| Some(text.parse().unwrap());
    Schedule {
        incremental: cron("0 0 2 * * *"),
        full: cron("0 0 2 * * Sun"),
        retention: cron("0 0 2 * * *"),
        replicate: None,
        prune: cron("0 0 2 * * *"),
        verify: cron("0 0 2 * * *"),
        jitter: Duration::ZERO,
    }
}

fn planner() -> Planner {
    Planner::new(&schedule(), Tz::UTC, Duration::ZERO, BTreeMap::new(), at(0))
}

fn due(planner: &Planner, now: Timestamp) -> Vec<Task> {
    planner.due(now).into_iter().map(|due| due.task).collect()
}

fn result(ending: Ending) -> TaskResult {
    let text = ending.as_str().to_owned();
    TaskResult { ending, text }
}

/// Runs everything that is due at once; each takes a second.
fn run(planner: &mut Planner, now: Timestamp, ending: Ending) -> Vec<Task> {
    let tasks = due(planner, now);
    for task in &tasks {
        planner.begin(*task, now);
        planner.finish(*task, result(ending), after(now, Duration::from_secs(1)));
    }
    tasks
}

/// The planner of a process that comes after this one.
fn restarted(planner: &Planner, now: Timestamp) -> Planner {
    let kept = planner.records();
    let kept = kept.map(|(task, record)| (task.as_str().to_owned(), record.clone()));
    Planner::new(&schedule(), Tz::UTC, Duration::ZERO, kept.collect(), now)
}

const DAILY: [Task; 4] = [
    Task::Incremental,
    Task::Retention,
    Task::Prune,
    Task::Verify,
];
const SUNDAY: [Task; 4] = [Task::Full, Task::Retention, Task::Prune, Task::Verify];

#[test]
fn what_is_due_at_once_runs_in_its_order_and_once() {
    let mut planner = planner();
    assert_eq!(due(&planner, at(2 * HOUR - 1)), []);
    assert_eq!(run(&mut planner, at(2 * HOUR), Ending::Ok), DAILY);
    assert_eq!(due(&planner, at(2 * HOUR)), []);
    assert_eq!(due(&planner, at(DAY)), []);
    let record = planner.record(Task::Prune).unwrap();
    assert_eq!(record.last_due, Some(at(2 * HOUR)));
    assert_eq!(record.last_success, Some(at(2 * HOUR + 1000)));
}

#[test]
fn what_is_met_for_the_first_time_waits_for_its_time() {
    let met = at(2 * HOUR);
    let mut planner = Planner::new(&schedule(), Tz::UTC, Duration::ZERO, BTreeMap::new(), met);
    assert_eq!(due(&planner, at(25 * HOUR)), []);
    assert_eq!(planner.next(Task::Prune, met), Some(at(26 * HOUR)));
    let mut less = schedule();
    less.prune = None;
    planner.reconfigure(&less, Tz::UTC, Duration::ZERO, met);
    assert_eq!(planner.next(Task::Prune, met), None);
    assert_eq!(run(&mut planner, at(26 * HOUR), Ending::Ok).len(), 3);
    planner.reconfigure(&schedule(), Tz::UTC, Duration::ZERO, at(27 * HOUR));
    assert_eq!(
        due(&planner, at(27 * HOUR)),
        [Task::Prune],
        "it was known before"
    );
}

#[test]
fn many_missed_times_are_made_up_once_and_a_full_stands_for_the_incremental() {
    let mut planner = restarted(&planner(), at(0));
    let monday = at(4 * DAY + 9 * HOUR);
    let found = planner.due(monday);
    assert_eq!(found.iter().map(|due| due.task).collect::<Vec<_>>(), SUNDAY);
    assert_eq!(found[0].since, at(3 * DAY + 2 * HOUR));
    assert_eq!(found[1].since, at(2 * HOUR));
    let begun = planner.begin(Task::Full, monday);
    assert_eq!(begun[0].1.last_due, Some(at(3 * DAY + 2 * HOUR)));
    assert_eq!(begun[1].0, Task::Incremental);
    assert_eq!(begun[1].1.last_due, Some(at(4 * DAY + 2 * HOUR)));
    assert_eq!(begun[1].1.last_started, None);
    planner.finish(Task::Full, result(Ending::Ok), monday);
    assert_eq!(run(&mut planner, monday, Ending::Ok), SUNDAY[1..]);
    assert_eq!(due(&planner, at(5 * DAY)), []);
}

#[test]
fn a_time_is_spent_when_its_run_begins_and_a_broken_run_is_tried_again() {
    let mut planner = planner();
    planner.begin(Task::Prune, at(2 * HOUR));
    let mut planner = restarted(&planner, at(3 * HOUR));
    assert!(!due(&planner, at(3 * HOUR)).contains(&Task::Prune));
    let ended = planner.end_interrupted(at(3 * HOUR));
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].1.last_result.as_ref().unwrap().text, "interrupted");
    assert!(planner.end_interrupted(at(3 * HOUR)).is_empty());
    assert!(!due(&planner, at(3 * HOUR)).contains(&Task::Prune));
    let retry = at(3 * HOUR + MINUTE);
    let found = planner
        .due(retry)
        .into_iter()
        .find(|due| due.task == Task::Prune);
    let (task, why) = (Task::Prune, Why::Retry);
    assert_eq!(
        found,
        Some(Due {
            task,
            since: retry,
            why
        })
    );
}

#[test]
fn a_failing_task_is_tried_ever_less_often_until_it_is_due_again() {
    let mut planner = planner();
    let mut now = at(2 * HOUR);
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert!(due(&planner, now).contains(&Task::Verify), "{now}");
        planner.begin(Task::Verify, now);
        planner.finish(Task::Verify, result(Ending::Failed), now);
        let next = planner.next(Task::Verify, now).unwrap();
        waits.push((next.0 - now.0) / MINUTE);
        now = next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(planner.record(Task::Verify).unwrap().failures, 8);
    let late = at(26 * HOUR - 30 * MINUTE);
    planner.begin(Task::Verify, late);
    planner.finish(Task::Verify, result(Ending::Failed), late);
    let again = at(26 * HOUR);
    assert_eq!(planner.next(Task::Verify, late), Some(again));
    assert!(run(&mut planner, again, Ending::Failed).contains(&Task::Verify));
    let record = planner.record(Task::Verify).unwrap();
    assert_eq!((record.failures, record.last_success), (1, None));
    assert_eq!(record.last_result, Some(result(Ending::Failed)));
    assert_eq!(run(&mut planner, at(27 * HOUR), Ending::Ok), DAILY);
    let record = planner.record(Task::Verify).unwrap();
    assert_eq!((record.failures, record.retry_at), (0, None));
}

#[test]
fn what_was_refused_or_done_in_part_waits_for_its_time() {
    for ending in [Ending::Refused, Ending::Part] {
        let mut planner = planner();
        assert_eq!(run(&mut planner, at(2 * HOUR), ending), DAILY);
        assert_eq!(due(&planner, at(26 * HOUR - 1)), []);
        let record = planner.record(Task::Retention).unwrap();
        assert_eq!((record.failures, record.last_success), (0, None));
    }
}

#[test]
fn a_clock_that_is_set_does_not_run_for_a_time_twice() {
    let mut planner = planner();
    assert_eq!(
        run(&mut planner, at(3 * DAY + 2 * HOUR), Ending::Ok),
        SUNDAY
    );
    for now in [
        at(3 * DAY),
        at(0),
        at(3 * DAY + HOUR),
        at(3 * DAY + 3 * HOUR),
    ] {
        assert_eq!(due(&planner, now), [], "{now}");
        assert!(planner.start_anew(now).is_empty());
    }
    let ahead = at(9 * DAY);
    assert_eq!(run(&mut planner, ahead, Ending::Ok), DAILY);
    assert_eq!(due(&planner, at(4 * DAY + 2 * HOUR)), []);
    assert_eq!(
        planner.next(Task::Prune, at(4 * DAY)),
        Some(at(9 * DAY + 2 * HOUR))
    );
}

#[test]
fn a_clock_that_was_years_ahead_does_not_end_everything() {
    let mut planner = planner();
    run(&mut planner, at(9000 * DAY), Ending::Failed);
    let now = at(DAY);
    assert_eq!(due(&planner, now).len(), 4, "what failed is tried again");
    assert_eq!(run(&mut planner, now, Ending::Ok).len(), 4);
    assert_eq!(due(&planner, at(9000 * DAY - 8 * DAY)), []);
    assert_eq!(planner.start_anew(at(9000 * DAY - 6 * DAY)), []);
    let anew = planner.start_anew(now);
    assert_eq!(anew.len(), 5);
    assert!(anew.iter().all(|(_, record)| record.first_seen == now));
    assert_eq!(due(&planner, now), []);
    assert_eq!(run(&mut planner, at(26 * HOUR), Ending::Ok), DAILY);
}

#[test]
fn everything_is_later_by_the_delay() {
    let delay = Duration::from_secs(90);
    let mut planner = Planner::new(&schedule(), Tz::UTC, delay, BTreeMap::new(), at(0));
    assert_eq!(due(&planner, at(2 * HOUR + 90_000 - 1)), []);
    assert_eq!(planner.wait(at(2 * HOUR + 60_000)), Duration::from_secs(30));
    assert_eq!(
        planner.next(Task::Full, at(0)),
        Some(at(3 * DAY + 2 * HOUR + 90_000))
    );
    assert_eq!(run(&mut planner, at(2 * HOUR + 90_000), Ending::Ok), DAILY);
    let record = planner.record(Task::Prune).unwrap();
    assert_eq!(record.last_due, Some(at(2 * HOUR)), "without the delay");
    planner.reconfigure(&schedule(), Tz::UTC, 2 * delay, at(2 * HOUR + 100_000));
    assert_eq!(due(&planner, at(3 * HOUR)), []);
}

#[test]
fn nobody_sleeps_past_what_is_due_or_for_more_than_a_minute() {
    let mut planner = planner();
    for (now, seconds) in [
        (0, 60),
        (2 * HOUR - 59_000, 59),
        (2 * HOUR, 0),
        (3 * HOUR, 0),
    ] {
        assert_eq!(planner.wait(at(now)), Duration::from_secs(seconds));
    }
    run(&mut planner, at(2 * HOUR), Ending::Ok);
    planner.changed("a".parse().unwrap(), Duration::from_secs(5), at(3 * HOUR));
    assert_eq!(planner.wait(at(3 * HOUR)), Duration::from_secs(5));
    let nothing = Schedule::default();
    let planner = Planner::new(&nothing, Tz::UTC, Duration::ZERO, BTreeMap::new(), at(0));
    assert_eq!(planner.wait(at(0)), Duration::from_secs(60));
    assert_eq!(planner.records().count(), 0);
}

#[test]
fn a_change_is_backed_up_once_quiet_and_not_faster_than_failures_allow() {
    let nothing = Schedule::default();
    let mut planner = Planner::new(&nothing, Tz::UTC, Duration::ZERO, BTreeMap::new(), at(0));
    let change = |planner: &mut Planner, now| {
        planner.changed("a".parse().unwrap(), Duration::from_secs(30), at(now));
    };
    change(&mut planner, 0);
    assert_eq!(due(&planner, at(29_999)), []);
    let (task, why) = (Task::Incremental, Why::Change);
    let since = at(30_000);
    assert_eq!(planner.due(at(30_000)), [Due { task, since, why }]);
    planner.begin(task, at(30_000));
    change(&mut planner, 31_000);
    planner.finish(task, result(Ending::Failed), at(32_000));
    assert_eq!(due(&planner, at(32_000 + MINUTE - 1)), []);
    assert_eq!(run(&mut planner, at(32_000 + MINUTE), Ending::Ok), [task]);
    assert_eq!(due(&planner, at(DAY)), [], "the retry held the change, too");
    change(&mut planner, DAY);
    let begun = planner.begin(Task::Full, at(DAY));
    assert_eq!(begun.len(), 2);
    assert_eq!(
        due(&planner, at(2 * DAY)),
        [],
        "and so does a full snapshot"
    );
}
