//! What the daemon does by itself.

use serde_json::Value;

use super::world::{World, wait_for};

const SOCKET: &str = "[admin]\nsocket = \"@DIR@/admin.sock\"\n[admin.roles]\nadmin = [\"root\"]\nsee_hidden = [\"admin\"]\n";

fn snapshots(world: &World) -> usize {
    world.json(&["snapshots"]).1.as_array().unwrap().len()
}

fn task(world: &World, name: &str) -> Value {
    let (_, tasks) = world.json(&["schedule"]);
    let mut tasks = tasks.as_array().unwrap().iter();
    tasks.find(|task| task["task"] == name).unwrap().clone()
}

/// The files below a directory that hold these bytes.
fn files_with(dir: &std::path::Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for path in crate::support::world::objects(dir, "") {
        let Ok(held) = std::fs::read(dir.join(&path)) else {
            continue;
        };
        if held.windows(bytes.len()).any(|window| window == bytes) {
            found.push(path);
        }
    }
    found
}

#[test]
fn it_keeps_the_schedule_and_takes_a_changed_configuration_over() {
    let world = World::new(&format!(
        "[schedule]\nincremental = \"* * * * * *\"\n{SOCKET}"
    ));
    let daemon = world.daemon();
    wait_for("two snapshots", || snapshots(&world) >= 2);
    let (_, listed) = world.json(&["snapshots"]);
    assert_eq!(listed[0]["kind"], "full");
    assert_eq!(listed[1]["kind"], "incremental");
    assert_eq!(task(&world, "incremental")["result"], "ok");

    world.configure(&format!("[schedule]\nfull = \"0 0 2 * * Sun\"\n{SOCKET}"));
    wait_for("the changed configuration", || {
        world.log().contains("is in force")
    });
    assert!(task(&world, "incremental")["next"].is_null());
    assert!(task(&world, "full")["next"].is_string());

    world.configure(&format!("[schedule]\nnever = \"\"\n{SOCKET}"));
    wait_for("the bad configuration", || {
        world.log().contains("is refused")
    });
    let (code, status) = world.json(&["status"]);
    let refused = status["problems"].as_array().unwrap().iter();
    let refused = refused.filter(|p| p["what"].as_str().unwrap().contains("is refused"));
    assert_eq!((code, refused.count()), (1, 1), "{status:#}");
    // The one from before is in force.
    assert!(task(&world, "full")["next"].is_string());
    assert_eq!(daemon.stop(), 0);
    assert!(!world.path("admin.sock").exists());
}

#[test]
fn a_change_makes_a_snapshot_due_once_the_source_is_quiet() {
    let world = World::new(SOCKET);
    let text = std::fs::read_to_string(world.path("tenure.toml")).unwrap();
    let kind = "kind    = \"sqlite\"";
    assert!(text.contains(kind), "{text}");
    let text = text.replacen(
        kind,
        &format!("{kind}\non_change = true\nquiet = \"1s\""),
        1,
    );
    std::fs::write(world.path("tenure.toml"), text).unwrap();
    let _daemon = world.daemon();
    assert_eq!(snapshots(&world), 0);
    let db = world.crm.connection();
    db.execute("UPDATE customers SET city = 'Ulm' WHERE id = 5", [])
        .unwrap();
    wait_for("a snapshot", || snapshots(&world) == 1);
    // Our own reading is no change.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(snapshots(&world), 1);
}

#[test]
fn a_killed_daemon_leaves_what_the_next_one_goes_on_with() {
    let world = World::new(&format!(
        "[schedule]\nincremental = \"* * * * * *\"\n{SOCKET}"
    ));
    for _ in 0..4 {
        let before = snapshots(&world);
        let mut daemon = world.daemon();
        wait_for("a snapshot", || snapshots(&world) > before);
        daemon.0.kill().unwrap();
        daemon.0.wait().unwrap();
    }
    world.configure(SOCKET);
    let _daemon = world.daemon();
    let (code, verified) = world.json(&["verify", "--data"]);
    assert_eq!(code, 0, "{verified:#}");
    assert_eq!(world.json(&["audit", "verify"]).0, 0);
}

#[test]
fn there_is_one_daemon_and_a_lone_command_waits_its_turn() {
    let world = World::new(SOCKET);
    let daemon = world.daemon();
    let second = world.run(&["daemon"]);
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(4), "{told}");
    assert!(told.contains("a daemon keeps"), "{told}");
    drop(daemon);
    // A socket that nobody listens on is no daemon.
    assert!(world.path("admin.sock").exists());
    assert_eq!(world.json(&["snapshot"]).0, 0);
}

#[test]
fn retention_runs_by_itself_and_a_hold_stops_it() {
    let rules = "[retention]\nfuse = { share = 0.5, number = 100 }\n[[retention.rule]]\nbasis = \"over\"\n\
                 start = \"last_contact_at\"\nkeep = \"20y\"\nthen = \"erase\"\n";
    let world = World::new(SOCKET);
    let db = world.crm.connection();
    let canary = "canary-7f3a91c05d2e4b68";
    let plant = "UPDATE customers SET name = ?1 || id WHERE id IN (3, 5)";
    db.execute(plant, [canary]).unwrap();
    assert_eq!(world.json(&["snapshot"]).0, 0);
    assert_eq!(files_with(world.dir(), canary.as_bytes()), ["crm.db"]);
    let old = "UPDATE customers SET last_contact_at = '2001-01-01 00:00:00' WHERE id IN (3, 4, 5)";
    db.execute(old, []).unwrap();
    assert_eq!(world.json(&["customer", "hold", "4", "--reason", "x"]).0, 0);
    world.configure(&format!(
        "[schedule]\nretention = \"* * * * * *\"\n{SOCKET}{rules}"
    ));
    let _daemon = world.daemon();
    wait_for("the erasures", || {
        let left = "SELECT count(*) FROM customers WHERE id IN (3, 5)";
        db.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap() == 0
    });
    wait_for("the run's end", || {
        task(&world, "retention")["result"] == "ok"
    });
    // Not in the database, its journal, the state directory, the log, the audit log nor a store.
    assert!(files_with(world.dir(), canary.as_bytes()).is_empty());
    let (_, held) = world.json(&["customer", "show", "4"]);
    assert_eq!(held["state"], "active");
    assert_eq!(world.json(&["customer", "show", "3"]).0, 5);
    let (_, log) = world.json(&["audit", "log"]);
    let by_itself = log.as_array().unwrap().iter();
    let mut by_itself = by_itself.filter(|e| e["user"] == "task retention" && e["uid"].is_null());
    assert!(
        by_itself.any(|entry| entry["action"] == "retention.run"),
        "{log:#}"
    );
}
