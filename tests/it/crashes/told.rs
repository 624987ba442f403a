//! What a command says of its end, and that it is true.

use std::io::{Read as _, pipe};
use std::process::Command;

use serde_json::Value;
use tenure::audit::AuditLog;
use tenure::audit_entry::{Entry, Phase};

use super::after::{self, is_gone};
use super::{Template, World};
use crate::support::raw::files;

/// How a command ended on which something was inflicted.
pub struct Told {
    code: i32,
    /// Null when it failed.
    answer: Value,
}

impl Told {
    /// Runs a command by `run`, which tells its exit code. Whatever befell it, it must not have given up
    /// in the middle of a thought.
    pub fn by(mut command: Command, when: &str, run: impl FnOnce(Command) -> i32) -> Self {
        // What is said fits into the pipes, so nobody needs to read meanwhile.
        let ((mut out, to_out), (mut err, to_err)) = (pipe().unwrap(), pipe().unwrap());
        command.arg("--json").stdout(to_out).stderr(to_err);
        let code = run(command);
        let [mut said, mut cried] = [String::new(), String::new()];
        out.read_to_string(&mut said).unwrap();
        err.read_to_string(&mut cried).unwrap();
        let answer = serde_json::from_str(&said).unwrap_or(Value::Null);
        let text = format!("{code}: {said}{cried}").replace('\n', " ");
        println!("{when}: {text}");
        assert!(!text.contains("panicked"), "{when}: {text}");
        // 2: the configuration cannot be read; 4: the source cannot be opened for writing.
        assert!((0..=4).contains(&code), "{when}: {text}");
        Self { code, answer }
    }

    /// Whether it says that it was done.
    pub fn is_done(&self) -> bool {
        [0, 3].contains(&self.code)
    }

    /// Whether it says that something is lacking.
    pub fn is_lacking(&self) -> bool {
        let stores = self.answer["stores"].as_array();
        self.code != 0 || stores.is_some_and(|stores| stores.len() != self.complete().len())
    }

    /// The names of those stores that it calls complete.
    fn complete(&self) -> Vec<&str> {
        let stores = self.answer["stores"].as_array().expect("it names stores");
        let complete = stores.iter().filter(|store| store["state"] == "complete");
        complete
            .map(|store| store["name"].as_str().expect("a name"))
            .collect()
    }
}

/// What was named can be restored at once, and a store that is called complete is.
pub fn snapshot(template: &Template, world: &World, told: &Told, when: &str) {
    after::comes_back(template, world, None, when);
    if told.is_done() {
        assert_eq!(world.snapshots().len(), 2, "{when}");
        stores_are_complete(template, world, told, when);
    }
}

fn stores_are_complete(template: &Template, world: &World, told: &Told, when: &str) {
    for store in told.complete() {
        after::comes_back(template, world, Some(store), when);
    }
}

/// Whoever is said to be forgotten is gone, and so are older keyrings from where nothing is pending.
pub fn forgetting(_: &Template, world: &World, told: &Told, when: &str) {
    let gone = is_gone(world, when);
    if gone {
        is_audited(world, "keys.forget", when);
    }
    if told.is_done() {
        assert!(gone, "{when}");
        let pending = told.answer["pending"].as_array().expect("what is pending");
        // 3 is also when the end of it could not be put into the audit log.
        assert!(told.code == 3 || pending.is_empty(), "{when}");
        for store in ["a", "b"] {
            let keyrings = files(&world.path(store).join("keyring"));
            let is_pending = pending.contains(&store.into());
            assert!(is_pending || keyrings.len() == 1, "{when}: {keyrings:?}");
        }
    }
}

/// What is left can be restored at once.
pub fn prune(template: &Template, world: &World, told: &Told, when: &str) {
    after::comes_back(template, world, None, when);
    let pruned = world.snapshots().len() == 2;
    assert!(pruned || !told.is_done(), "{when}");
    if pruned {
        is_audited(world, "prune", when);
    }
}

/// A store that is called complete is, and nobody is back in it.
pub fn replicate(template: &Template, world: &World, told: &Told, when: &str) {
    after::comes_back(template, world, None, when);
    if told.is_done() {
        stores_are_complete(template, world, told, when);
        assert!(told.code == 3 || told.complete().len() == 2, "{when}");
    }
}

/// Changes that are said to be tracked are said to be so in the configuration.
pub fn track(template: &Template, world: &World, told: &Told, when: &str) {
    after::comes_back(template, world, None, when);
    let text = std::fs::read_to_string(world.path("tenure.toml")).unwrap();
    assert!(text.contains("triggers") || !told.is_done(), "{when}");
}

/// The audit log tells of the beginning of what has happened.
pub fn is_audited(world: &World, action: &str, when: &str) {
    let log = AuditLog::open(&world.read()).unwrap();
    let entries = log.entries(0, 1000).unwrap();
    let begun = |entry: &Entry| entry.action == action && entry.phase == Phase::Begun;
    assert!(entries.iter().any(|(_, entry)| begun(entry)), "{when}");
}
