//! The power is cut at steps of a command: what was not synced by then is gone. State, stores and source lie
//! on ext4 and on XFS.

use std::fs;

use super::world::with_store_behind;
use super::*;
use crate::support::disk::{Format, Image};

/// At how many steps of a command, spread over all of them; with `TENURE_LONG` at each.
const SAMPLE: u64 = 10;

/// Images of both kinds, and their names; none where none can be mounted.
fn images() -> Vec<(&'static str, Image)> {
    let both = [("ext4", Format::Ext4), ("XFS", Format::Xfs)].into_iter();
    both.filter_map(|(name, format)| Some((name, Image::of(format, 320 << 20)?)))
        .collect()
}

/// Runs `check` for a cut at steps of a command, on both file systems at the same time.
pub fn at_many_cuts(template: &Template, arguments: &[&str], check: impl Fn(&World, &str) + Sync) {
    let images = images();
    if images.is_empty() {
        return;
    }
    let whole = World::copy(template);
    let steps = count(whole.command(arguments), Calls::DurableAndWrites);
    println!("an unbroken run has {steps}");
    let points = match std::env::var_os("TENURE_LONG") {
        Some(_) => steps.total,
        None => SAMPLE,
    };
    let cuts = AtomicU64::new(0);
    let one = |name: &str, image: &Image, point: u64| {
        let n = 1 + point * steps.total / points;
        let world = World::copy_into(&image.root(), template);
        image.sync();
        let killed = kill_at(world.command(arguments), Calls::DurableAndWrites, n);
        image.cut_power();
        let Outcome::Killed { call } = killed else {
            assert!(n + 3 > steps.total, "step {n}: {killed:?}");
            return;
        };
        cuts.fetch_add(1, Ordering::Relaxed);
        check(&world, &format!("cut on {name} at step {n} ({call})"));
    };
    std::thread::scope(|scope| {
        for (name, image) in &images {
            let one = &one;
            scope.spawn(move || (0..points).for_each(|point| one(name, image, point)));
        }
    });
    let cuts = cuts.into_inner();
    injected("power cuts", cuts, &arguments.join(" "));
    assert!(cuts + 6 > 2 * points, "{cuts}");
}

#[test]
fn a_cut_takes_what_was_not_synced_and_leaves_what_was() {
    for (name, image) in images() {
        let [synced, not] = ["synced", "not"].map(|file| image.root().join(file));
        fs::write(&synced, "bytes").unwrap();
        image.sync();
        fs::write(&not, "bytes").unwrap();
        image.cut_power();
        assert_eq!(fs::read(&synced).unwrap(), b"bytes", "{name}");
        assert!(
            fs::read(&not).is_ok_and(|bytes| bytes.is_empty()) || !not.exists(),
            "{name}"
        );
    }
}

#[test]
fn a_snapshot_in_which_the_power_is_cut_harms_nothing() {
    let template = template();
    at_many_cuts(&template, &["snapshot"], |world, when| {
        after::snapshot(&template, world, when);
    });
}

#[test]
fn a_forgetting_in_which_the_power_is_cut_is_never_half_done() {
    let template = template();
    at_many_cuts(&template, FORGET, |world, when| {
        after::forgetting(&template, world, when);
    });
}

#[test]
fn a_prune_in_which_the_power_is_cut_takes_nothing_that_is_kept() {
    let template = with_more_to_prune();
    at_many_cuts(&template, &["prune"], |world, when| {
        after::prune(&template, world, when);
    });
}

#[test]
fn a_replication_in_which_the_power_is_cut_brings_nobody_back() {
    let template = with_store_behind();
    at_many_cuts(&template, &["replicate"], |world, when| {
        after::replicate(&template, world, when);
    });
}
