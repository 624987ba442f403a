//! Feeds each decoder what a fuzzer makes up: `TENURE_FUZZ=page fuzz [libFuzzer's arguments]`.
//!
//! What is encrypted or signed in a repository is encrypted and signed here as well, with keys that are known: so the
//! fuzzer stands where a writer would who has gone wrong, or has been taken over, and not before a lock.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod control;
mod data;
mod text;

/// A decoder and what must hold of it beyond that it returns.
type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 20] = [
    ("audit", control::audit),
    ("certificate", control::certificate),
    ("config", text::config),
    ("cron", text::cron),
    ("dictionary", data::dictionary),
    ("frame", data::frame),
    ("identity", data::identity),
    ("journal", control::journal),
    ("keyring", control::keyring),
    ("manifest", control::manifest),
    ("note", text::note),
    ("object", control::object),
    ("pack", data::pack),
    ("pack1", data::first_pack),
    ("page", data::page),
    ("page1", data::first_page),
    ("row", data::row),
    ("recovery", text::recovery),
    ("root", control::root),
    ("tree", control::tree),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var("TENURE_FUZZ").unwrap_or_default();
    let found = TARGETS.iter().find(|(name, _)| *name == wanted);
    let names = TARGETS.map(|(name, _)| name).join(" ");
    found.map_or_else(|| panic!("TENURE_FUZZ is one of: {names}"), |(_, target)| *target)
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
