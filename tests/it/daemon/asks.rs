//! What is asked in a wrong way, and what an answer owes.

use std::fs;

use serde_json::{Value, json};
use tenure::admin::{Client, Method};

use super::world::World;

const CONFIG: &str = "[admin]\nsocket = \"@DIR@/admin.sock\"\n[admin.roles]\nadmin = [\"root\"]\nsee_hidden = [\"admin\"]\n\
    [retention]\nfuse = { share = 0.9, number = 100 }\n[[retention.rule]]\nbasis = \"over\"\n\
    start = \"last_contact_at\"\nkeep = \"20y\"\nthen = \"erase\"\n";

fn post(world: &World, path: &str, body: &Value) -> (u16, Value) {
    let client = Client::connect(&world.path("admin.sock")).unwrap().unwrap();
    let reply = client
        .send(Method::POST, path, Some(body), None, false)
        .unwrap();
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

#[test]
fn what_is_not_known_or_contradicts_itself_changes_nothing() {
    let world = World::new(CONFIG);
    assert_eq!(world.json(&["snapshot"]).0, 0);
    let _daemon = world.daemon();
    let db = world.crm.connection();
    db.execute("UPDATE customers SET name = 'live' WHERE id = 7", [])
        .unwrap();
    for (path, body, about) in [
        (
            "/v1/customers/7/restore",
            json!({"live": true, "replace": true, "snapshto": "1"}),
            "snapshto",
        ),
        (
            "/v1/customers/7/restore",
            json!({"live": true, "to": "/tmp/x"}),
            "`live` and `to`",
        ),
        (
            "/v1/customers/7/restore",
            json!({"live": true, "snapshot": "1", "at": "2026-01-01"}),
            "`at`",
        ),
        (
            "/v1/customers/7/restore",
            json!({"replace": true, "to": "/tmp/x"}),
            "`replace`",
        ),
        ("/v1/restore", json!({"to": "relative"}), "absolute"),
        ("/v1/restore", json!({"to": "/tmp/x", "foo": 1}), "foo"),
        ("/v1/customers/7/hold", json!({"reason": " "}), "reason"),
        ("/v1/snapshots", json!({"full": "yes"}), "not understood"),
        ("/v1/snapshots", json!([1]), "object"),
    ] {
        let (status, answer) = post(&world, path, &body);
        assert_eq!(status, 400, "{body} {answer:#}");
        assert!(answer.to_string().contains(about), "{body} {answer:#}");
    }
    let name = "SELECT name FROM customers WHERE id = 7";
    let name: String = db.query_row(name, [], |row| row.get(0)).unwrap();
    assert_eq!(name, "live");
}

#[test]
fn one_whom_the_database_does_not_let_go_keeps_nobody_else() {
    let world = World::new(CONFIG);
    assert_eq!(world.json(&["snapshot"]).0, 0);
    let db = world.crm.connection();
    db.execute_batch(
        "UPDATE customers SET last_contact_at = '2001-01-01 00:00:00' WHERE id IN (3, 4, 5);
         CREATE TRIGGER stays BEFORE DELETE ON customers WHEN old.id = 4
         BEGIN SELECT raise(abort, 'secret of ' || old.name); END;",
    )
    .unwrap();
    let (code, ran) = world.json(&["retention", "run"]);
    assert_eq!((code, &ran["erased"]), (3, &json!(2)), "{ran:#}");
    let pending = ran["pending"].to_string();
    assert!(
        pending.contains("stays") && !pending.contains("secret"),
        "{pending}"
    );
    let left = "SELECT count(*) FROM customers WHERE id IN (3, 4, 5)";
    assert_eq!(
        db.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(),
        1
    );
}

#[test]
fn a_hold_is_not_made_shorter_by_another_one() {
    let world = World::new(CONFIG);
    assert_eq!(world.json(&["snapshot"]).0, 0);
    let hold = |until: &[&str]| {
        let arguments = [&["customer", "hold", "8", "--reason", "x"], until].concat();
        world.json(&arguments).0
    };
    assert_eq!(hold(&["--until", "2099-01-01"]), 0);
    assert_eq!(hold(&["--until", "2098-01-01"]), 4);
    assert_eq!(hold(&["--until", "2099-06-01"]), 0);
    assert_eq!(hold(&[]), 0);
    assert_eq!(hold(&["--until", "2099-06-01"]), 4);
    assert_eq!(
        world.json(&["customer", "release", "8", "--reason", "x"]).0,
        0
    );
    assert_eq!(hold(&["--until", "2098-01-01"]), 0);
}

#[test]
fn an_audit_log_that_was_cut_is_told_and_stops_every_erasure() {
    let world = World::new(CONFIG);
    assert_eq!(world.json(&["snapshot"]).0, 0);
    let log = fs::read_dir(world.path("state/audit")).unwrap();
    let log = log
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "log"));
    let log = fs::File::options().write(true).open(log.unwrap()).unwrap();
    log.set_len(log.metadata().unwrap().len() - 60).unwrap();
    let (code, status) = world.json(&["status"]);
    let said = status["problems"].to_string();
    assert!(code == 1 && said.contains("audit log"), "{said}");
    assert_eq!(
        world.json(&["customer", "erase", "5", "--reason", "x"]).0,
        1
    );
    assert_eq!(world.json(&["customer", "show", "5"]).1["state"], "active");
    // What destroys nothing is done, in part: it could not be noted.
    assert_eq!(world.json(&["customer", "hold", "5", "--reason", "x"]).0, 3);
    assert_eq!(world.json(&["audit", "verify"]).0, 1);
}

/// What the command line sends is what the table of actions knows: else an answer would depend on
/// whether the daemon runs.
#[test]
fn every_action_sends_what_its_route_knows() {
    use tenure::actions::Action;
    use tenure::actions::params::{
        AuditLog, List, PlanAt, Prune, Restore, RestoreCustomer, Run, Snapshot, Verify,
    };
    let actions = [
        Action::Snapshot(Snapshot::default()),
        Action::Verify(Verify::default()),
        Action::Prune(Prune::default()),
        Action::Restore(Restore::default()),
        Action::CustomerList(List::default()),
        Action::CustomerRestore(RestoreCustomer::default()),
        Action::RetentionPlan(PlanAt::default()),
        Action::RetentionRun(Run::default()),
        Action::AuditLog(AuditLog::default()),
    ];
    for action in actions {
        let route = action.route();
        for name in action.parameters().unwrap().keys() {
            let known = route.parameters.iter().any(|known| known.name == name);
            assert!(known, "{} sends {name}", route.name);
        }
    }
}
