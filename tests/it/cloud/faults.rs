//! What networks and servers do in the middle of things.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::flows::without;
use super::{Cloud, FOLDER};
use crate::support::compare::{same, same_except};
use crate::support::faults::injected;
use crate::support::proxy::Fault;

const FAULTS: [Fault; 5] = [
    Fault::Busy,
    Fault::CutRequest,
    Fault::LoseAnswer,
    Fault::CutAnswer,
    Fault::Refuse,
];

/// Does a fault of each kind in turn to every third request.
fn every_third(cloud: &Cloud) {
    cloud.proxy.choose(|seen| {
        let nth = seen.number / 3;
        (seen.number % 3 == 0).then(|| FAULTS[nth as usize % FAULTS.len()])
    });
}

#[test]
fn busy_servers_lost_answers_and_cut_connections_are_outlasted() {
    let Some(mut cloud) = Cloud::alone() else {
        return;
    };
    let mut faults = 0;
    let mut outlast = |cloud: &Cloud, arguments: &[&str]| {
        every_third(cloud);
        let answer = cloud.done(arguments);
        faults += cloud.proxy.faults();
        cloud.proxy.pass();
        answer
    };
    let first = cloud.copy("first.db");
    let taken = outlast(&cloud, &["snapshot"]);
    assert_eq!(
        taken["stores"],
        json!([{ "name": "off", "state": "complete" }])
    );
    let taken = outlast(&cloud, &["snapshot", "--full"]);
    assert_eq!(
        taken["stores"],
        json!([{ "name": "off", "state": "complete" }])
    );
    assert_eq!(outlast(&cloud, &["verify", "--data"])["ok"], true);
    let restored = ["restore", "--to", "out", "--snapshot", "1"];
    outlast(&cloud, &restored);
    same(&first, &cloud.path("out/crm/crm.db")).unwrap();
    cloud.crm.a_day_of_changes(1).unwrap();
    outlast(&cloud, &["snapshot"]);
    let forgotten = outlast(&cloud, &["keys", "forget", "5"]);
    assert_eq!(forgotten["pending"], json!([]));
    outlast(&cloud, &["prune"]);
    assert_eq!(
        cloud.server.versions(&format!("{FOLDER}/keyring/")).len(),
        1
    );
    injected("failed requests", faults, "outlasted");
    assert!(faults > 40, "{faults}");
}

/// Every request of a command fails in turn, for good, and then the next command puts it right.
#[test]
fn killed_in_the_middle_of_a_snapshot_or_of_forgetting_nothing_that_was_named_is_lost() {
    let Some(mut cloud) = Cloud::alone() else {
        return;
    };
    cloud.reconfigure(|text| text.replace("\"20s\"", "\"1s\", max_retries = 0"));
    cloud.done(&["snapshot"]);
    // All of them in the long run.
    let step = if std::env::var_os("TENURE_LONG").is_some() {
        1
    } else {
        5
    };
    let mut points = 0;
    for command in [&["snapshot"][..], &["keys", "forget"]] {
        for from in (1..).step_by(step) {
            cloud.crm.a_day_of_changes(from).unwrap();
            let id = from.to_string();
            let arguments = match command {
                ["snapshot"] => command.to_vec(),
                _ => [command, &[id.as_str()]].concat(),
            };
            // The server is gone from this request on: as if it were killed.
            cloud
                .proxy
                .choose(move |seen| (seen.number >= from).then_some(Fault::LoseAnswer));
            let (code, answer) = cloud.json(&arguments);
            let reached = cloud.proxy.faults() > 0;
            cloud.proxy.pass();
            points += u64::from(reached);
            // Whoever was never met, or is forgotten already, cannot be forgotten.
            assert!(code < 4 || command[0] == "keys", "{answer:#}");
            // Whatever was named comes back, and the next command finishes what was begun.
            let live = cloud.copy("live.db");
            let (code, taken) = cloud.json(&["snapshot"]);
            // Whoever was forgotten is in the register, and left out.
            assert_eq!(
                code,
                if taken["left_out"] == json!([]) { 0 } else { 3 },
                "{taken:#}"
            );
            assert_eq!(taken["pending"], json!([]), "{taken:#}");
            if command[0] == "snapshot" {
                let number = taken["snapshot"].as_u64().unwrap();
                same(&live, &cloud.restored(number, "off")).unwrap();
            }
            let keyrings = cloud.server.versions(&format!("{FOLDER}/keyring/"));
            assert_eq!(keyrings.len(), 1, "{keyrings:?}");
            if from % 4 == 1 || !reached {
                let verified = cloud.done(&["verify", "--data"]);
                assert_eq!(verified["ok"], true, "{verified:#}");
            }
            if !reached {
                break;
            }
        }
    }
    injected(
        "failed requests",
        points,
        "snapshot, keys forget: the server goes away",
    );
    assert!(points * step as u64 > 40, "{points}");
}

#[test]
fn a_server_that_is_killed_in_the_middle_leaves_the_store_behind_and_no_harm() {
    let Some(mut cloud) = Cloud::with_near() else {
        return;
    };
    cloud.reconfigure(|text| text.replace("\"20s\"", "\"2s\", max_retries = 2"));
    let first = cloud.copy("first.db");
    cloud.done(&["snapshot"]);
    let objects = cloud.objects();
    cloud.crm.a_day_of_changes(1).unwrap();
    let second = cloud.copy("second.db");
    // It dies while the snapshot's first object is on its way.
    let pid = cloud.server.id();
    cloud.proxy.choose(move |seen| {
        if seen.method == "PUT" && seen.path.contains("/packs/") {
            kill(pid);
        }
        None
    });
    let taken = cloud.done(&["snapshot"]);
    cloud.proxy.pass();
    let off = taken["stores"]
        .as_array()
        .unwrap()
        .iter()
        .find(|store| store["name"] == "off");
    assert_eq!(off.unwrap()["state"], "behind", "{taken:#}");
    same(&second, &cloud.restored(2, "near")).unwrap();
    // While it is away, what is forgotten is forgotten here, and pending there.
    let (code, forgotten) = cloud.json(&["keys", "forget", "5"]);
    assert_eq!(
        (code, &forgotten["pending"]),
        (3, &json!(["off"])),
        "{forgotten:#}"
    );
    // It comes back with what it had: the keyring that is older now, too.
    cloud.server.again();
    for (path, bytes) in &objects {
        cloud.server.put(&format!("{FOLDER}/{path}"), bytes);
    }
    let replicated = cloud.done(&["replicate"]);
    assert_eq!(
        replicated["stores"][0]["state"], "complete",
        "{replicated:#}"
    );
    let keyrings = cloud.server.versions(&format!("{FOLDER}/keyring/"));
    assert_eq!(keyrings.len(), 1, "{keyrings:?}");
    assert!(keyrings[0].key.ends_with("2.age"), "{keyrings:?}");
    same_except(&first, &cloud.restored(1, "off"), &without("5")).unwrap();
    assert_eq!(
        cloud.done(&["verify", "--store", "off", "--data"])["ok"],
        true
    );
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn a_slow_line_takes_its_time_and_a_silent_server_does_not_take_for_ever() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    // Noise does not compress: some 400 KB, at 40 KB a second, with 2 s of patience for silence.
    cloud
        .crm
        .connection()
        .execute_batch(
            "INSERT INTO notes (customer_id, written_at, author, body)
             WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200)
             SELECT 1, '2026-01-01', 'x', hex(randomblob(2000)) FROM n",
        )
        .unwrap();
    cloud.reconfigure(|text| text.replace("\"20s\"", "\"20s\", read_timeout = \"2s\""));
    let live = cloud.copy("live.db");
    cloud.proxy.slow(40_000);
    let began = Instant::now();
    let taken = cloud.done(&["snapshot"]);
    assert!(
        began.elapsed() > Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(taken["stores"][0]["state"], "complete", "{taken:#}");
    cloud.done(&["restore", "--to", "out"]);
    same(&live, &cloud.path("out/crm/crm.db")).unwrap();
    cloud.proxy.slow(0);
    // The first answers come, and then none.
    cloud.reconfigure(|text| text.replace("\"20s\"", "\"5s\""));
    let silent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&silent);
    cloud.proxy.choose(move |seen| {
        let is_pack = seen.method == "PUT" && seen.path.contains("/packs/");
        is_pack
            .then(|| count.fetch_add(1, Ordering::SeqCst))
            .map(|_| Fault::Silent)
    });
    cloud
        .crm
        .connection()
        .execute_batch("UPDATE customers SET city = 'Elsewhere' WHERE id = 2")
        .unwrap();
    let began = Instant::now();
    let (code, said) = cloud.failure(&["snapshot"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no answer within 2 s"), "{said}");
    assert!(silent.load(Ordering::SeqCst) > 1, "it was tried again");
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    cloud.proxy.pass();
    assert_eq!(cloud.done(&["snapshot"])["snapshot"], 2);
}
