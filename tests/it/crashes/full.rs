//! The disk under the state directory, a store or the spill directory has little room left, for bytes or for
//! files: at different levels, so that it fills up at different steps.

use super::told::{self, Told};
use super::*;
use crate::support::disk::Small;

const PLACES: &[&str] = &["state", "b"];
/// Where the source is copied to first.
const SPILL: &[&str] = &["state/spill"];

/// How much is left, in pages or in files.
#[derive(Clone, Copy, Debug)]
enum Left {
    Pages(u64),
    Files(u64),
}

fn levels() -> Vec<Left> {
    let long = std::env::var_os("TENURE_LONG").is_some();
    let pages: Vec<u64> = match long {
        true => (0..20).collect(),
        false => vec![0, 2, 5, 12],
    };
    let files: Vec<u64> = match long {
        true => (0..10).collect(),
        false => vec![0, 2, 4],
    };
    let pages = pages.into_iter().map(Left::Pages);
    pages.chain(files.into_iter().map(Left::Files)).collect()
}

/// Runs a command at each place and level; `told` looks at what it says while there is still no room, and
/// `after` at what comes once there is.
fn at_every_level(
    template: &Template,
    places: &[&'static str],
    arguments: &[&str],
    told: fn(&Template, &World, &Told, &str),
    after: fn(&Template, &World, &str),
) {
    let levels = levels();
    let cases = places
        .iter()
        .flat_map(|place| levels.iter().map(move |left| (*place, *left)));
    let cases: Vec<_> = cases.collect();
    let full = AtomicU64::new(0);
    on_both_cores(cases.len() as u64, |case| {
        let (place, left) = cases[case as usize];
        let world = World::copy(template);
        let Some(small) = Small::over(&world.path(place)) else {
            return;
        };
        match left {
            Left::Pages(pages) => small.leave_pages(pages),
            Left::Files(files) => small.leave_files(files),
        }
        let when = format!("{left:?} left in {place}");
        let said = Told::by(world.command(arguments), &when, |mut command| {
            command.status().unwrap().code().expect("it was not killed")
        });
        full.fetch_add(u64::from(said.is_lacking()), Ordering::Relaxed);
        // Whoever must restore now can.
        told(template, &world, &said, &when);
        small.remount("size=64m,nr_inodes=10000");
        after(template, &world, &when);
    });
    let full = full.into_inner();
    assert!(full > 0);
    injected("full disks", full, &arguments.join(" "));
}

#[test]
fn a_snapshot_without_room_harms_nothing() {
    let places = [PLACES, SPILL].concat();
    at_every_level(
        &template(),
        &places,
        &["snapshot"],
        told::snapshot,
        after::snapshot,
    );
}

#[test]
fn a_forgetting_without_room_is_never_half_done() {
    at_every_level(
        &template(),
        PLACES,
        FORGET,
        told::forgetting,
        after::forgetting,
    );
}

#[test]
fn a_prune_without_room_takes_nothing_that_is_kept() {
    at_every_level(
        &with_more_to_prune(),
        PLACES,
        &["prune"],
        told::prune,
        after::prune,
    );
}
