//! A store that was away is brought up to date, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Cloud, FOLDER};
use crate::support::compare::same;
use crate::support::faults::injected;
use crate::support::proxy::Fault;

/// What must be the same in all stores; checkpoints of the audit log cover the earlier ones.
fn shared(objects: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let shared = |path: &String| !path.starts_with("audit/");
    objects
        .into_iter()
        .filter(|(path, _)| shared(path))
        .collect()
}

pub fn assert_level(cloud: &Cloud) {
    let (off, near) = (shared(cloud.objects()), shared(cloud.files("near")));
    assert_eq!(
        off.keys().collect::<Vec<_>>(),
        near.keys().collect::<Vec<_>>()
    );
    assert!(off == near, "the same bytes");
}

pub fn of<'v>(answer: &'v Value, name: &str) -> &'v Value {
    let stores = answer["stores"].as_array().unwrap();
    stores.iter().find(|store| store["name"] == name).unwrap()
}

/// The server is away while the near store goes on.
pub fn outage(cloud: &mut Cloud, full: bool) {
    cloud.proxy.choose(|_| Some(Fault::Refuse));
    cloud.crm.a_day_of_changes(7).unwrap();
    let mut arguments = vec!["snapshot"];
    arguments.extend(full.then_some("--full"));
    let taken = cloud.done(&arguments);
    assert_eq!(of(&taken, "off")["state"], "behind", "{taken:#}");
    cloud.proxy.pass();
}

fn quick(cloud: &Cloud) {
    cloud.reconfigure(|text| text.replace("\"20s\"", "\"1s\", max_retries = 1"));
}

/// One more run brings the store up to date, and all of it is whole.
fn becomes_level(cloud: &Cloud) {
    cloud.done(&["replicate"]);
    assert_level(cloud);
    let verified = cloud.done(&["verify", "--store", "off", "--data"]);
    assert_eq!(verified["ok"], true);
}

#[test]
fn a_store_that_was_away_gets_what_it_lacks_byte_for_byte() {
    let Some(mut cloud) = Cloud::with_near() else {
        return;
    };
    quick(&cloud);
    cloud.done(&["snapshot"]);
    let nothing = cloud.done(&["replicate"]);
    assert_eq!(of(&nothing, "off")["copied"], 0, "{nothing:#}");
    assert_level(&cloud);
    outage(&mut cloud, false);
    outage(&mut cloud, true);
    let live = cloud.copy("live.db");
    // Somebody has torn a pack as well.
    let objects = cloud.objects();
    let torn = objects
        .keys()
        .find(|path| path.starts_with("packs/"))
        .unwrap();
    cloud.server.put(&format!("{FOLDER}/{torn}"), b"torn");
    let before = cloud.objects();
    let status = cloud.json(&["status"]).1.to_string();
    assert!(status.contains("tenure replicate"), "{status}");
    let replicated = cloud.done(&["replicate"]);
    let off = of(&replicated, "off");
    let after = cloud.objects();
    let is_data = |path: &str| {
        ["packs/", "pages/", "snapshots/"]
            .iter()
            .any(|f| path.starts_with(f))
    };
    let new = after
        .iter()
        .filter(|(path, bytes)| is_data(path) && before.get(*path) != Some(bytes));
    let sizes: Vec<u64> = new.map(|(_, bytes)| bytes.len() as u64).collect();
    assert_eq!(off["copied"], sizes.len(), "{replicated:#}");
    assert_eq!(off["bytes"], sizes.iter().sum::<u64>());
    assert_eq!(
        (&off["state"], &of(&replicated, "near")["copied"]),
        (&json!("complete"), &json!(0))
    );
    assert_level(&cloud);
    same(&live, &cloud.restored(3, "off")).unwrap();
    let (_, listed) = cloud.json(&["snapshots"]);
    for snapshot in listed.as_array().unwrap() {
        assert_eq!(snapshot["stores"], json!(["near", "off"]), "{listed:#}");
    }
}

#[test]
fn what_was_pruned_meanwhile_does_not_come_back_and_goes_there_as_well() {
    let Some(mut cloud) = Cloud::with_near() else {
        return;
    };
    quick(&cloud);
    cloud.reconfigure(|text| {
        text.replace(
            "daily = 14, weekly = 5, monthly = 12",
            "daily = 1, weekly = 0, monthly = 0",
        )
    });
    cloud.done(&["snapshot"]);
    let old = cloud.objects();
    outage(&mut cloud, true);
    outage(&mut cloud, true);
    // The far store has nothing newer than the first, which therefore stays; the second goes.
    cloud.proxy.choose(|_| Some(Fault::Refuse));
    let (code, pruned) = cloud.json(&["prune"]);
    assert_eq!(
        (code, &pruned["deleted_snapshots"]),
        (3, &json!([2])),
        "{pruned:#}"
    );
    cloud.proxy.pass();
    let gone = cloud.done(&["replicate"]);
    assert_eq!(of(&gone, "off")["state"], "complete", "{gone:#}");
    assert_level(&cloud);
    let pruned = cloud.done(&["prune"]);
    assert_eq!(pruned["deleted_snapshots"], json!([1]), "{pruned:#}");
    assert_level(&cloud);
    // The bucket was put back as it was: what was pruned is there again, and nobody copies it.
    for (path, bytes) in &old {
        let is_data = ["packs/", "pages/", "snapshots/"]
            .iter()
            .any(|f| path.starts_with(f));
        if is_data {
            cloud.server.put(&format!("{FOLDER}/{path}"), bytes);
        }
    }
    let replicated = cloud.done(&["replicate"]);
    assert_eq!(of(&replicated, "near")["copied"], 0, "{replicated:#}");
    assert_level(&cloud);
    assert_eq!(cloud.json(&["snapshots"]).1.as_array().unwrap().len(), 1);
}

#[test]
fn interrupted_at_every_request_it_goes_on_where_it_was() {
    let Some(mut cloud) = Cloud::with_near() else {
        return;
    };
    cloud.reconfigure(|text| text.replace("\"20s\"", "\"1s\", max_retries = 0"));
    cloud.done(&["snapshot"]);
    outage(&mut cloud, true);
    let mut points = 0;
    for from in (1..).step_by(2) {
        cloud
            .proxy
            .choose(move |seen| (seen.number >= from).then_some(Fault::LoseAnswer));
        let (code, answer) = cloud.json(&["replicate"]);
        let faults = cloud.proxy.faults();
        cloud.proxy.pass();
        if code == 0 {
            assert!(
                of(&answer, "off")["state"] == "complete" && faults < 3,
                "{answer:#}"
            );
            break;
        }
        assert_eq!(code, 3, "{answer:#}");
        assert!(of(&answer, "off")["why"].is_string(), "{answer:#}");
        points += 1;
    }
    injected("failed requests", points, "replicate: the server goes away");
    assert!(points > 8, "{points}");
    becomes_level(&cloud);
}

#[test]
fn killed_in_the_middle_it_is_finished_by_the_next() {
    let Some(mut cloud) = Cloud::with_near() else {
        return;
    };
    cloud.done(&["snapshot"]);
    quick(&cloud);
    outage(&mut cloud, true);
    outage(&mut cloud, true);
    for nth in 1..=6 {
        // The process is killed while its nth put waits for an answer.
        let mut child = cloud.command(&["replicate", "--quiet"]).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        let puts = std::sync::atomic::AtomicU64::new(0);
        cloud.proxy.choose(move |seen| {
            use std::sync::atomic::Ordering::SeqCst;
            if seen.method == "PUT" && puts.fetch_add(1, SeqCst) + 1 == nth {
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
            None
        });
        child.wait().unwrap();
        cloud.proxy.pass();
    }
    becomes_level(&cloud);
}

#[test]
fn the_daemon_does_it_by_itself() {
    let Some(mut cloud) = Cloud::with_near() else {
        return;
    };
    quick(&cloud);
    cloud.done(&["snapshot"]);
    outage(&mut cloud, true);
    cloud.reconfigure(|text| {
        let at = text.find("[schedule]").unwrap();
        let end = at + text[at..].find("\n\n").unwrap();
        format!(
            "{}[schedule]\nreplicate = \"* * * * * *\"{}",
            &text[..at],
            &text[end..]
        )
    });
    let log = fs::File::create(cloud.path("daemon.log")).unwrap();
    let mut daemon = cloud.command(&["daemon"]).stderr(log).spawn().unwrap();
    let is_level = || {
        cloud
            .objects()
            .keys()
            .filter(|path| path.starts_with("snapshots/"))
            .count()
            == 2
    };
    let until = Instant::now() + Duration::from_secs(60);
    while !is_level() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    let (_, tasks) = cloud.json(&["schedule"]);
    let pid = nix::unistd::Pid::from_raw(daemon.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = daemon.wait().unwrap();
    let log = fs::read_to_string(cloud.path("daemon.log")).unwrap();
    assert!(ended.success(), "{log}");
    assert!(is_level(), "{log}");
    let task = tasks
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["task"] == "replicate");
    assert!(task.unwrap()["next"].is_string(), "{tasks:#}");
    assert_level(&cloud);
}
