//! Killed at each durable step in turn, counted over the whole process: whatever was named still
//! restores, nothing is half forgotten, and the next command leaves no trace of the crash. So too where
//! single calls fail, where the disk is full, and where the power is cut.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::crash::{Calls, Outcome, count, kill_at};
use crate::support::faults::injected;

mod after;
mod errors;
mod full;
mod level;
mod lives;
mod power;
mod recover;
mod told;
mod world;

use world::{Template, World, template, with_more_to_prune};

const FORGET: &[&str] = &["keys", "forget", "P7", "--yes"];

/// Does `one` with each number below `count`, on both cores.
fn on_both_cores(count: u64, one: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < count => one(number),
                        _ => break,
                    }
                }
            });
        }
    });
}

/// The steps at which a command is killed: every durable one, and with `TENURE_LONG` every write to a file
/// as well.
fn fatal() -> Calls {
    match std::env::var_os("TENURE_LONG") {
        Some(_) => Calls::DurableAndWrites,
        None => Calls::Durable,
    }
}

/// Runs `check` for a kill at every step of a command, on both cores, and prints how many there were.
fn at_every_step(template: &Template, arguments: &[&str], check: impl Fn(&World, &str) + Sync) {
    let whole = World::copy(template);
    let steps = count(whole.command(arguments), fatal());
    assert!([0, 3].contains(&steps.exit), "{steps}");
    assert!(steps.total > 10, "{steps}");
    let killed = AtomicU64::new(0);
    // Threads interleave differently: a run may have a step less than another.
    on_both_cores(steps.total, |before| {
        let n = before + 1;
        let world = World::copy(template);
        match kill_at(world.command(arguments), fatal(), n) {
            Outcome::Finished(code) => assert!(n + 3 > steps.total, "step {n}: {code}"),
            Outcome::Killed { call } => {
                killed.fetch_add(1, Ordering::Relaxed);
                check(&world, &format!("killed at step {n} ({call})"));
            }
        }
    });
    let killed = killed.into_inner();
    println!("an unbroken run has {steps}");
    injected("kills", killed, &arguments.join(" "));
    assert!(killed + 3 > steps.total);
}

#[test]
fn a_snapshot_that_is_killed_anywhere_harms_nothing() {
    let template = template();
    for arguments in [&["snapshot"][..], &["snapshot", "--full"]] {
        at_every_step(&template, arguments, |world, when| {
            after::snapshot(&template, world, when);
        });
    }
}

#[test]
fn a_forgetting_that_is_killed_anywhere_is_never_half_done() {
    let template = template();
    at_every_step(&template, FORGET, |world, when| {
        after::forgetting(&template, world, when);
    });
}

#[test]
fn a_prune_that_is_killed_anywhere_takes_nothing_that_is_kept() {
    let template = with_more_to_prune();
    at_every_step(&template, &["prune"], |world, when| {
        after::prune(&template, world, when);
    });
}
