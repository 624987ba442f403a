//! The whole job over S3 alone, from `init` to an erasure by retention.

use std::fs;

use serde_json::json;

use super::{Cloud, FOLDER};
use crate::support::compare::{same, same_except};
use crate::support::s3::{BUCKET, Version};

/// The database without some customers: their rows, and whatever refers to them.
pub fn without(ids: &str) -> String {
    format!(
        "UPDATE customers SET referred_by = NULL WHERE referred_by IN ({ids});
         UPDATE notes SET mentions = NULL WHERE mentions IN ({ids});
         DELETE FROM order_items WHERE order_id IN (SELECT id FROM orders WHERE customer_id IN ({ids}));
         DELETE FROM orders WHERE customer_id IN ({ids}); DELETE FROM notes WHERE customer_id IN ({ids});
         DELETE FROM customers WHERE id IN ({ids});"
    )
}

/// What lies under `keyring/`, all versions and markers.
fn keyrings(cloud: &Cloud) -> Vec<Version> {
    cloud.server.versions(&format!("{FOLDER}/keyring/"))
}

/// That the newest keyring is all that there is, of any version, under its own number.
fn assert_one_keyring(cloud: &Cloud, epoch: u64) {
    let found = keyrings(cloud);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].newest && !found[0].marker, "{found:?}");
    assert!(
        found[0].key.ends_with(&format!("/{epoch:010}.age")),
        "{found:?}"
    );
}

#[test]
fn snapshots_come_back_exactly_and_a_customer_by_a_few_bytes() {
    let Some(mut cloud) = Cloud::alone() else {
        return;
    };
    let checked = cloud.done(&["check"]);
    assert_eq!(checked["ok"], true, "{checked:#}");
    let first = cloud.copy("first.db");
    let taken = cloud.done(&["snapshot"]);
    assert_eq!(
        (&taken["snapshot"], &taken["kind"]),
        (&json!(1), &json!("full"))
    );
    assert_eq!(
        taken["stores"],
        json!([{ "name": "off", "state": "complete" }])
    );
    cloud.crm.a_day_of_changes(1).unwrap();
    let second = cloud.copy("second.db");
    let taken = cloud.done(&["snapshot"]);
    assert_eq!(
        (&taken["snapshot"], &taken["kind"]),
        (&json!(2), &json!("incremental"))
    );
    same(&first, &cloud.restored(1, "off")).unwrap();
    same(&second, &cloud.restored(2, "off")).unwrap();
    let one = cloud.done(&["customer", "restore", "2", "--to", "two", "--snapshot", "1"]);
    let whole: u64 = cloud
        .objects()
        .values()
        .map(|bytes| bytes.len() as u64)
        .sum();
    assert!(
        one["read_bytes"].as_u64().unwrap() < whole / 4,
        "{one:#} of {whole}"
    );
    assert!(
        fs::read_to_string(cloud.path("two/crm/customers.jsonl"))
            .unwrap()
            .contains("\"id\":2")
    );
    let verified = cloud.done(&["verify", "--data"]);
    assert_eq!(
        (&verified["ok"], &verified["problems"]),
        (&json!(true), &json!([]))
    );
    let proved = cloud.done(&["keys", "prove", "--identity", "offline.key"]);
    assert_eq!(proved["ok"], true, "{proved:#}");
}

#[test]
fn forgetting_leaves_no_older_version_that_can_be_read() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    let live = cloud.copy("live.db");
    cloud.done(&["snapshot"]);
    let older = keyrings(&cloud);
    let bytes = cloud.server.get(&older[0].key);
    for (epoch, id) in [(2, "5"), (3, "6")] {
        let forgotten = cloud.done(&["keys", "forget", id]);
        assert_eq!(
            (&forgotten["epoch"], &forgotten["pending"]),
            (&json!(epoch), &json!([]))
        );
        assert_one_keyring(&cloud, epoch);
        let path = format!("/{BUCKET}/{}?versionId={}", older[0].key, older[0].id);
        let (status, _) = cloud.server.ask("GET", &path, &[], b"");
        assert_eq!(status, 404, "the version that was first");
    }
    // What a crash, or somebody else, has left: an object of its own, an older version of the newest,
    // and a version behind a marker.
    let newest = keyrings(&cloud)[0].key.clone();
    let age = cloud.server.get(&newest);
    cloud.server.put(&older[0].key, &bytes);
    cloud.server.delete(&older[0].key);
    cloud.server.put(&newest, &bytes);
    cloud.server.put(&newest, &age);
    assert_eq!(keyrings(&cloud).len(), 5);
    let (code, verified) = cloud.json(&["verify"]);
    assert_eq!(code, 1, "{verified:#}");
    assert!(
        verified.to_string().contains("older version"),
        "{verified:#}"
    );
    cloud.done(&["prune"]);
    assert_one_keyring(&cloud, 3);
    assert_eq!(cloud.done(&["verify", "--data"])["ok"], true);
    same_except(&live, &cloud.restored(1, "off"), &without("5,6")).unwrap();
    let (code, said) = cloud.failure(&["customer", "restore", "5", "--to", "five"]);
    assert_eq!(code, 5, "{said}");
}

#[test]
fn hidden_held_erased_and_expired_customers_are_what_they_are_over_s3() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    cloud.done(&["snapshot"]);
    let hidden = cloud.done(&["customer", "hide", "3", "--reason", "left"]);
    assert_eq!(hidden["state"], "hidden");
    cloud.done(&["customer", "unhide", "3", "--reason", "back"]);
    cloud.done(&["customer", "hold", "4", "--reason", "court"]);
    let (code, said) = cloud.failure(&["customer", "erase", "4", "--reason", "x", "--yes"]);
    assert_eq!(code, 4, "{said}");
    cloud.done(&["customer", "release", "4", "--reason", "settled"]);
    let live = cloud.copy("live.db");
    let offline = tempfile::tempdir().unwrap();
    fs::rename(
        cloud.path("offline.key"),
        offline.path().join("offline.key"),
    )
    .unwrap();
    let erased = cloud.done(&["customer", "erase", "4", "--reason", "asked", "--yes"]);
    assert_eq!(
        (&erased["state"], &erased["pending"]),
        (&json!("erased"), &json!([]))
    );
    assert_eq!(erased["signed"]["certificate"]["final"], true, "{erased:#}");
    assert_one_keyring(&cloud, 2);
    same_except(&live, &cloud.copy("now.db"), &without("4")).unwrap();
    same_except(&live, &cloud.restored(1, "off"), &without("4")).unwrap();

    // Whoever was last spoken to in 2001 is due.
    let sql = "UPDATE customers SET last_contact_at = '2001-01-01' WHERE id IN (7, 8)";
    cloud.crm.connection().execute_batch(sql).unwrap();
    cloud.done(&["snapshot"]);
    cloud.reconfigure(|text| {
        text + "\n[retention]\nfuse = { share = 0.5, number = 10 }\n[[retention.rule]]\nclass = \
                \"customer\"\nbasis = \"contract\"\nstart = \"last_contact_at\"\nkeep = \"20y\"\ngrace = \
                \"0d\"\nthen = \"erase\"\n"
    });
    let live = cloud.copy("live.db");
    let run = cloud.done(&["retention", "run"]);
    assert_eq!(run["pending"], json!([]), "{run:#}");
    same_except(&live, &cloud.copy("now.db"), &without("7,8")).unwrap();
    same_except(&live, &cloud.restored(2, "off"), &without("7,8")).unwrap();
    let found = keyrings(&cloud);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn what_is_pruned_is_gone_from_the_bucket_s_face_and_the_rest_comes_back() {
    let Some(mut cloud) = Cloud::alone() else {
        return;
    };
    cloud.reconfigure(|text| {
        text.replace(
            "daily = 14, weekly = 5, monthly = 12",
            "daily = 1, weekly = 0, monthly = 0",
        )
    });
    for seed in 1..=3 {
        cloud.done(&["snapshot", "--full"]);
        cloud.crm.a_day_of_changes(seed).unwrap();
    }
    let live = cloud.copy("live.db");
    cloud.done(&["snapshot", "--full"]);
    let before = cloud.objects();
    let pruned = cloud.done(&["prune"]);
    assert_eq!(pruned["deleted_snapshots"], json!([1, 2, 3]), "{pruned:#}");
    assert_eq!(pruned["left"], json!([]));
    let after = cloud.objects();
    let gone: u64 = before
        .iter()
        .filter(|(path, _)| !after.contains_key(*path))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    assert_eq!(pruned["freed_bytes"], gone);
    assert!(gone > 0);
    assert_eq!(cloud.done(&["verify", "--data"])["ok"], true);
    same(&live, &cloud.restored(4, "off")).unwrap();
}
