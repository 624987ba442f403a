//! `prune`, as scripts and people meet it.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::Place;

/// Two full snapshots, of which the rules keep one.
fn place() -> Place {
    let place = Place::with_snapshot();
    assert_eq!(place.run(&["snapshot", "--full"]).code, 0);
    let path = place.at("tenure.toml");
    let text = fs::read_to_string(&path).unwrap();
    let written = "keep = { daily = 14, weekly = 5, monthly = 12 }";
    assert!(text.contains(written), "{text}");
    let one = "keep = { daily = 1, weekly = 0, monthly = 0 }";
    fs::write(path, text.replace(written, one)).unwrap();
    place
}

#[test]
fn it_tells_what_it_deletes_and_a_dry_run_only_what_it_would() {
    let place = place();
    let before = place.tree();
    let (code, told) = place.json(&["prune", "--dry-run"]);
    assert_eq!(code, 0, "{told:#}");
    assert_eq!(told["would_delete"], json!([1]));
    assert_eq!(told["deleted_snapshots"], json!([]));
    assert_eq!(told["refused"], Value::Null);
    let kept = json!([{ "snapshot": 2, "why": ["newest", "daily", "last_good"] }]);
    assert_eq!(told["kept"], kept);
    let ran = place.run(&["prune", "--dry-run"]);
    assert!(ran.out.contains("goes") && ran.out.contains("newest, daily"));
    assert!(ran.err.contains("verify --data"), "{}", ran.err);
    assert!(place.tree() == before);

    let (code, told) = place.json(&["prune"]);
    assert_eq!(code, 0, "{told:#}");
    assert_eq!(told["deleted_snapshots"], json!([1]));
    assert!(told["freed_bytes"].as_u64().unwrap() > 1000, "{told:#}");
    assert_eq!(told["left"], json!([]));
    let ran = place.run(&["prune"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("no snapshot is to go"), "{}", ran.out);
    let (_, listed) = place.json(&["snapshots"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let (code, verified) = place.json(&["verify", "--data"]);
    assert_eq!((code, &verified["whole"]), (0, &json!([2])));
    let (code, said) = place.failure(&["restore", "--to", "x", "--snapshot", "1"]);
    assert_eq!(code, 5, "{said}");
}

#[test]
fn a_store_out_of_reach_makes_it_3_and_a_shrunken_snapshot_4() {
    let place = place();
    fs::rename(place.at("far"), place.at("away")).unwrap();
    let (code, told) = place.json(&["prune"]);
    assert_eq!(code, 3, "{told:#}");
    assert_eq!(told["left"][0]["name"], "far");
    fs::rename(place.at("away"), place.at("far")).unwrap();
    let db = Connection::open(place.at("crm.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM customers WHERE id > 2")
        .unwrap();
    place.run(&["snapshot", "--full"]);
    let (code, said) = place.failure(&["prune"]);
    assert_eq!(code, 4);
    assert!(said.contains("holds 2 customers"), "{said}");
    let ran = place.run(&["prune"]);
    assert!(ran.err.contains("tenure prune --confirm 3"), "{}", ran.err);
    let (_, told) = place.json(&["prune", "--dry-run"]);
    assert!(told["refused"].is_string(), "{told:#}");
    assert_eq!(place.failure(&["prune", "--confirm", "2"]).0, 4);
    let (code, told) = place.json(&["prune", "--confirm", "3"]);
    assert_eq!((code, &told["deleted_snapshots"]), (0, &json!([2])));
}
