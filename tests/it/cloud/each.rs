//! One request of a command goes wrong, in each way: the command says truly how it ended, and the next puts
//! it right.

use serde_json::{Value, json};

use super::flows::without;
use super::replicate::{assert_level, of, outage};
use super::{Cloud, FOLDER};
use crate::support::compare::same_except;
use crate::support::faults::injected;
use crate::support::proxy::Fault;

const FAULTS: [Fault; 6] = [
    Fault::LoseAnswer,
    Fault::Busy,
    Fault::CutAnswer,
    Fault::Silent,
    Fault::CutRequest,
    Fault::Refuse,
];
/// How many requests of a command, spread over all of them, go wrong, each in its own way; with
/// `TENURE_LONG` every one in every way.
const SAMPLE: u64 = 6;
/// After how many the cloud is a new one: a server that has much answers slowly, which is a fault of its own where
/// nobody waits.
const FRESH: u64 = 36;

/// A cloud in whose far store no request is made twice.
struct World {
    cloud: Cloud,
    /// The customers who are forgotten.
    forgotten: Vec<String>,
    /// Who was to be forgotten last.
    asked: Option<String>,
}

impl World {
    fn new() -> Option<Self> {
        let cloud = Cloud::with_near()?;
        let hasty = "\"1s\", read_timeout = \"1s\", max_retries = 0";
        cloud.reconfigure(|text| {
            let keep = "daily = 1, weekly = 0, monthly = 0";
            text.replace("\"20s\"", hasty)
                .replace("daily = 14, weekly = 5, monthly = 12", keep)
        });
        cloud.done(&["snapshot"]);
        Some(Self {
            cloud,
            forgotten: Vec::new(),
            asked: None,
        })
    }

    /// That the newest snapshot is what is live now, from these stores.
    fn comes_back(&self, stores: &[&str], when: &str) {
        let listed = self.cloud.json(&["snapshots"]).1;
        let number = listed.as_array().unwrap().iter();
        let number = number.map(|snapshot| snapshot["snapshot"].as_u64().unwrap());
        let live = self.cloud.copy("live.db");
        let number = number.max().unwrap();
        for store in stores {
            let back = self.cloud.restored(number, store);
            same_except(&live, &back, &without(&self.forgotten.join(", ")))
                .unwrap_or_else(|why| panic!("{when}, from {store}: {why}"));
        }
    }

    /// The next snapshot, without any fault, leaves nothing of it.
    fn is_put_right(&mut self, said: &Said) {
        let when = &said.when;
        let (code, taken) = self.cloud.json(&["snapshot"]);
        // Whoever was forgotten is in the register, and left out.
        let left_out = taken["left_out"].as_array().unwrap().iter();
        self.forgotten = left_out.map(|id| id.as_str().unwrap().to_owned()).collect();
        let expected = if self.forgotten.is_empty() { 0 } else { 3 };
        assert_eq!(code, expected, "{when}: {taken:#}");
        assert_eq!(taken["pending"], json!([]), "{when}: {taken:#}");
        if let Some(asked) = &self.asked {
            let gone = self.forgotten.contains(asked);
            assert!(gone || !said.is_done(), "{when}: {taken:#}");
        }
        self.comes_back(&["off", "near"], when);
        assert_level(&self.cloud);
        self.has_one_keyring(when);
    }

    fn has_one_keyring(&self, when: &str) {
        let keyrings = self.cloud.server.versions(&format!("{FOLDER}/keyring/"));
        assert_eq!(keyrings.len(), 1, "{when}: {keyrings:?}");
    }

    /// Runs a command of which one request goes wrong, if any; tells how many it made, and how many faults
    /// were done.
    fn run(&self, arguments: &[&str], fault: Option<(u64, Fault)>) -> (Said, u64, u64) {
        self.cloud.proxy.choose(move |seen| {
            let (at, fault) = fault?;
            (seen.number == at).then_some(fault)
        });
        let (code, answer) = self.cloud.json(arguments);
        let (requests, faults) = (self.cloud.proxy.count(), self.cloud.proxy.faults());
        self.cloud.proxy.pass();
        let when = format!("{fault:?} of {requests} requests");
        println!("{when}: {code} {answer}");
        assert!([0, 1, 3].contains(&code), "{when}: {answer:#}");
        let said = Said { code, answer, when };
        (said, requests, faults)
    }

    /// Makes requests of a command go wrong, one in each run, in worlds that `make` makes. `prepare` makes ready for
    /// a round and tells its command; `told` looks at what the command says.
    fn walk(
        make: impl Fn() -> Option<Self>,
        prepare: impl Fn(&mut Self, u64) -> Vec<String>,
        told: impl Fn(&Self, &Said),
    ) {
        let Some(mut world) = make() else {
            return;
        };
        let round = |world: &mut Self, number: u64, fault: Option<(u64, Fault)>| {
            let arguments = prepare(world, number);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (said, requests, faults) = world.run(&arguments, fault);
            told(world, &said);
            world.is_put_right(&said);
            (requests, faults)
        };
        let (requests, _) = round(&mut world, 0, None);
        let points = match std::env::var_os("TENURE_LONG") {
            Some(_) => requests * FAULTS.len() as u64,
            None => SAMPLE,
        };
        let mut done = 0;
        for point in 0..points {
            if point > 0 && point % FRESH == 0 {
                world = make().unwrap();
                round(&mut world, 0, None);
            }
            let fault = FAULTS[point as usize % FAULTS.len()];
            let fault = (1 + point * requests / points, fault);
            done += round(&mut world, point + 1, Some(fault)).1;
        }
        let command = prepare(&mut world, points + 1);
        injected("failed requests", done, &command[0]);
        // Of some commands a later run has a request less.
        assert!(done * 10 >= points * 8, "{done} of {points}");
    }
}

/// How a command ended.
struct Said {
    code: i32,
    answer: Value,
    when: String,
}

impl Said {
    /// Whether it says that it was done.
    fn is_done(&self) -> bool {
        self.code != 1
    }

    /// The stores that it calls complete.
    fn complete(&self) -> Vec<&str> {
        let stores = self.answer["stores"].as_array().unwrap();
        let complete = stores.iter().filter(|store| store["state"] == "complete");
        complete
            .map(|store| store["name"].as_str().unwrap())
            .collect()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_request_that_fails_in_a_snapshot_harms_nothing() {
    let prepare = |world: &mut World, round: u64| {
        world.cloud.crm.a_day_of_changes(round).unwrap();
        words(&["snapshot"])
    };
    World::walk(World::new, prepare, |world, said| {
        if said.is_done() {
            world.comes_back(&said.complete(), &said.when);
        }
    });
}

#[test]
fn a_request_that_fails_in_a_forgetting_leaves_nobody_half_forgotten() {
    // There are enough of them for every round.
    let more = "WITH RECURSIVE n(i) AS (VALUES (1000) UNION ALL SELECT i + 1 FROM n WHERE i < 1400)
                INSERT INTO customers SELECT i, name, email, phone, city, country_code, created_at, last_contact_at,
                  NULL, 0 FROM customers, n WHERE id = 1";
    let make = || {
        let world = World::new()?;
        world.cloud.crm.connection().execute_batch(more).unwrap();
        world.cloud.done(&["snapshot"]);
        Some(world)
    };
    let prepare = |world: &mut World, round: u64| {
        let id = (1000 + round).to_string();
        world.asked = Some(id.clone());
        words(&["keys", "forget", &id])
    };
    World::walk(make, prepare, |world, said| {
        if said.is_done() {
            let pending = said.answer["pending"].as_array().unwrap();
            assert!(said.code == 3 || pending.is_empty(), "{}", said.when);
            if pending.is_empty() {
                world.has_one_keyring(&said.when);
            }
        }
    });
}

#[test]
fn a_request_that_fails_in_a_prune_takes_nothing_that_is_kept() {
    let prepare = |world: &mut World, round: u64| {
        world.cloud.crm.a_day_of_changes(round).unwrap();
        world.cloud.done(&["snapshot", "--full"]);
        words(&["prune"])
    };
    World::walk(World::new, prepare, |world, said| {
        world.comes_back(&["off", "near"], &said.when);
        let left = said.answer["left"].as_array().map_or(0, Vec::len);
        assert!(
            !said.is_done() || (said.code == 0) == (left == 0),
            "{}",
            said.when
        );
    });
}

#[test]
fn a_request_that_fails_in_a_replication_leaves_the_rest_to_the_next() {
    let prepare = |world: &mut World, _| {
        outage(&mut world.cloud, true);
        words(&["replicate"])
    };
    World::walk(World::new, prepare, |world, said| {
        if said.is_done() {
            world.comes_back(&said.complete(), &said.when);
            assert!(
                said.code == 3 || of(&said.answer, "off")["state"] == "complete",
                "{}",
                said.when
            );
        }
    });
}
