//! At each write, sync, opening and change of a name in turn, counted over the whole process: it fails,
//! the disk dies, or is full from there on. The command says truly how it ended, and leaves what a kill
//! would leave: nothing that the next one does not put right.

use std::process::Command;

use super::told::{self, Told};
use super::world::with_store_behind;
use super::*;
use crate::support::crash::{Fault, fail_at};

/// Each kind of fault, at how many steps of a command it is inflicted, spread over all of them, and with
/// `TENURE_LONG` at each how manieth.
const FAULTS: [(Fault, u64, usize); 3] = [
    (Fault::Fails, 10, 1),
    (Fault::Dies, 4, 4),
    (Fault::Full, 4, 4),
];

/// Which faults at which steps.
fn cases(steps: u64) -> Vec<(Fault, u64)> {
    let long = std::env::var_os("TENURE_LONG").is_some();
    let of = |(fault, sample, every): (Fault, u64, usize)| {
        let every = if long {
            every
        } else {
            (steps / sample) as usize
        };
        (1..=steps).step_by(every).map(move |n| (fault, n))
    };
    FAULTS.into_iter().flat_map(of).collect()
}

/// Inflicts a fault at steps that are spread over a command, each kind in its turn, on a world of its own
/// each time; `check` looks at what the command says and what comes then.
pub fn inflict(
    what: &str,
    world: impl Fn() -> World + Sync,
    command: impl Fn(&World) -> Command + Sync,
    check: impl Fn(&World, &Told, &str) + Sync,
) {
    let steps = count(command(&world()), Calls::Fallible);
    assert!([0, 3].contains(&steps.exit), "{steps}");
    println!("an unbroken run has {steps}");
    let cases = cases(steps.total);
    let failed = AtomicU64::new(0);
    on_both_cores(cases.len() as u64, |case| {
        let (fault, n) = cases[case as usize];
        let when = format!("{fault:?} at step {n}");
        let world = world();
        let said = Told::by(command(&world), &when, |command| {
            let end = fail_at(command, Calls::Fallible, fault, n);
            failed.fetch_add(u64::from(end.call.is_some()), Ordering::Relaxed);
            end.exit
        });
        check(&world, &said, &when);
    });
    let failed = failed.into_inner();
    injected("failed calls", failed, what);
    // The last steps take no room, and threads interleave differently.
    assert!(failed * 10 >= cases.len() as u64 * 9, "{failed}");
}

/// Likewise on copies of a template; `told` looks at what the command says, and `after` at what comes then.
fn at_many_steps(
    template: &Template,
    arguments: &[&str],
    told: fn(&Template, &World, &Told, &str),
    after: fn(&Template, &World, &str),
) {
    let world = || World::copy(template);
    let command = |world: &World| world.command(arguments);
    inflict(&arguments.join(" "), world, command, |world, said, when| {
        told(template, world, said, when);
        after(template, world, when);
    });
}

#[test]
fn calls_that_fail_during_a_snapshot_harm_nothing() {
    at_many_steps(&template(), &["snapshot"], told::snapshot, after::snapshot);
}

#[test]
fn calls_that_fail_during_a_forgetting_leave_nobody_half_forgotten() {
    at_many_steps(&template(), FORGET, told::forgetting, after::forgetting);
}

/// Each of the calls by which it begins fails, those that read among them.
#[test]
fn nobody_is_forgotten_where_the_beginning_cannot_be_noted() {
    const BEGINNING: u64 = 70;
    let template = template();
    on_both_cores(BEGINNING, |before| {
        let when = format!("failed at step {}", before + 1);
        let world = World::copy(&template);
        let said = Told::by(world.command(FORGET), &when, |command| {
            fail_at(command, Calls::Fallible, Fault::Fails, before + 1).exit
        });
        if said.is_done() {
            told::is_audited(&world, "keys.forget", &when);
        }
    });
    injected("failed calls", BEGINNING, "the beginning of keys forget");
}

#[test]
fn calls_that_fail_during_a_prune_take_nothing_that_is_kept() {
    at_many_steps(&with_more_to_prune(), &["prune"], told::prune, after::prune);
}

#[test]
fn calls_that_fail_during_a_replication_bring_nobody_back() {
    let template = with_store_behind();
    at_many_steps(&template, &["replicate"], told::replicate, after::replicate);
}

#[test]
fn calls_that_fail_while_tracking_is_installed_lose_no_change() {
    at_many_steps(&template(), &["track", "crm"], told::track, after::track);
}
