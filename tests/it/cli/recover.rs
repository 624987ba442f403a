//! `recover` as it is typed.

use super::*;

#[test]
fn its_answer_says_what_is_there_and_what_is_not() {
    let place = Place::with_snapshot();
    let (near, key) = (place.path("near"), place.path("recovery.key"));
    let epoch = place.json(&["status"]).1["epoch"].as_u64().unwrap();
    fs::rename(place.at("far"), place.at("far.away")).unwrap();
    fs::rename(place.at("state"), place.at("state.gone")).unwrap();
    let to = place.path("new");
    let typed = ["recover", "--store", &near, "--identity", &key, "--to", &to];
    let (code, answer) = place.json(&typed);
    assert_eq!(code, 3, "{answer:#}");
    assert_eq!(answer["config"], place.path("new/tenure.toml"));
    assert_eq!(
        (&answer["snapshots"], &answer["newest"]),
        (&1.into(), &1.into())
    );
    assert_eq!(answer["epoch"], epoch + 1);
    assert_eq!(answer["stores"], serde_json::json!(["near"]));
    assert_eq!(answer["unread"][0]["name"], "far");
    // Given up by a second run, which has nothing else to do.
    let ran = place.run(&[&typed[..], &["--give-up", "far"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.contains("an earlier recovery has made this"),
        "{}",
        ran.out
    );
    let (code, said) = place.failure(&[&typed[..], &["--give-up", "fra"]].concat());
    assert_eq!(code, 5);
    assert!(said.contains("known: far, near"), "{said}");
    // The old host is retired, whatever it is asked for.
    fs::rename(place.at("state.gone"), place.at("state")).unwrap();
    for command in ["snapshot", "snapshots", "status"] {
        let (code, said) = place.failure(&[command]);
        assert_eq!(code, 4, "{command}");
        assert!(
            said.contains("this host was retired by a recovery"),
            "{said}"
        );
        assert!(
            said.contains("hint: go on with the host that was recovered"),
            "{said}"
        );
    }
    let config = place.path("new/tenure.toml");
    let (code, answer) = place.json(&["--config", &config, "snapshot"]);
    assert_eq!(code, 0, "{answer:#}");
}

#[test]
fn what_is_typed_wrong_is_told() {
    let place = Place::initialised();
    let (near, key, to) = (
        place.path("near"),
        place.path("recovery.key"),
        place.path("new"),
    );
    let typed = ["recover", "--store", &near, "--identity", &key, "--to", &to];
    // There is nothing to recover yet.
    let (code, said) = place.failure(&typed);
    assert_eq!(code, 1);
    assert!(
        said.contains("there is no snapshot in any store that was read"),
        "{said}"
    );
    for wrong in [
        &["--fingerprint", "abc"][..],
        &["--void-from", "0"],
        &["--void-from", "x.1"],
        &["--rehearse", "--give-up", "far"],
        &["--at-least-epoch", "new"],
    ] {
        assert_eq!(
            place.run(&[&typed[..], wrong].concat()).code,
            2,
            "{wrong:?}"
        );
    }
    let (code, said) = place.failure(&["recover", "--store", &to, "--identity", &key, "--to", &to]);
    assert_eq!(code, 1);
    assert!(
        said.contains("cannot open") && said.contains("hint: name a store that is there"),
        "{said}"
    );
    assert!(!place.at("new").exists());
    let own = place.path(".");
    let (code, _) = place.failure(&[
        "recover",
        "--store",
        &near,
        "--identity",
        &key,
        "--to",
        &own,
    ]);
    assert_eq!(code, 4, "this host lives here");
}
