//! A store is brought level, and changes begin to be tracked: killed at every step.

use super::world::with_store_behind;
use super::*;

#[test]
fn a_replication_that_is_killed_anywhere_is_finished_by_the_next() {
    let template = with_store_behind();
    at_every_step(&template, &["replicate"], |world, when| {
        after::replicate(&template, world, when);
    });
}

#[test]
fn tracking_whose_installation_is_killed_anywhere_loses_no_change() {
    let template = template();
    at_every_step(&template, &["track", "crm"], |world, when| {
        after::track(&template, world, when);
    });
}
