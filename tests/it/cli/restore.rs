//! Which snapshot is restored when none is named, or a time is; and what is said to be left out.

use std::fs;

use serde_json::json;

use super::Place;

/// Two snapshots; of the first store the second one's packs are gone, which a look has noticed.
fn behind() -> (Place, String) {
    let mut place = Place::with_snapshot();
    place.crm.a_day_of_changes(1).unwrap();
    assert_eq!(place.json(&["snapshot"]).0, 0);
    let names = |store: &str| {
        let packs = fs::read_dir(place.at(store).join("packs")).unwrap();
        packs
            .map(|pack| pack.unwrap().path())
            .max_by_key(|pack| fs::metadata(pack).unwrap().modified().unwrap())
            .unwrap()
    };
    let newest = names("near");
    let name = newest.file_name().unwrap().to_str().unwrap().to_owned();
    (place, name)
}

fn damage(place: &Place, store: &str, pack: &str) {
    let path = place.at(store).join("packs").join(pack);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    assert_eq!(place.json(&["verify"]).0, 1);
}

#[test]
fn a_snapshot_that_is_nowhere_complete_is_not_taken_unasked() {
    let (place, pack) = behind();
    damage(&place, "near", &pack);
    // It is complete on the other store.
    let (code, all) = place.json(&["restore", "--to", "one"]);
    assert_eq!((code, &all["snapshot"]), (0, &json!(2)));
    let store = place.json(&["snapshots"]).1[0]["stores"][0].clone();
    let near = store.as_str().unwrap().to_owned();
    let stores = place.json(&["snapshots"]).1;
    let far = stores[0]["stores"].as_array().unwrap();
    let far = far.iter().find(|name| **name != json!(near)).unwrap();
    let (near, far) = match stores[1]["stores"][0] == *far {
        true => (near, far.as_str().unwrap().to_owned()),
        false => (far.as_str().unwrap().to_owned(), near),
    };
    // The store that is named gives the newest that it has, and says so.
    let ran = place.run(&["restore", "--to", "two", "--store", &near, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("does not hold the newest snapshot"),
        "{}",
        ran.err
    );
    let all: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(all["snapshot"], json!(1));
    damage(&place, "far", &pack);
    let ran = place.run(&["restore", "--to", "three"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    for told in [
        "snapshot 2 is not complete".to_owned(),
        format!("--snapshot 1 (complete on {near})"),
        format!("--snapshot 1 (complete on {far})"),
    ] {
        assert!(ran.err.contains(&told), "{told}: {}", ran.err);
    }
    assert!(!place.at("three").exists());
    let (code, all) = place.json(&["restore", "--to", "four", "--snapshot", "1"]);
    assert_eq!((code, &all["snapshot"]), (0, &json!(1)));
}

#[test]
fn a_time_as_the_list_prints_it_finds_that_snapshot() {
    let place = Place::with_snapshot();
    let list = place.run(&["snapshots"]).out;
    let line = list.lines().nth(1).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    let at = format!("{} {}", words[2], words[3]);
    let (code, all) = place.json(&["restore", "--to", "at", "--at", &at]);
    assert_eq!((code, &all["snapshot"]), (0, &json!(1)), "{at}");
}

#[test]
fn what_is_left_out_has_a_name_and_a_number() {
    let place = Place::with_snapshot();
    for what in [&["1"][..], &["--table", "crm.country"]] {
        let forget = [&["keys", "forget"], what].concat();
        assert_eq!(place.json(&forget).0, 0);
    }
    let (_, all) = place.json(&["restore", "--to", "left"]);
    let left = [
        "forgotten rows of table crm.country",
        "what references of table crm.customers lead to (19, also what was not there before)",
        "1 forgotten customer",
    ];
    assert_eq!(all["left_out"], json!(left));
    let (code, taken) = place.json(&["snapshot"]);
    assert_eq!((code, &taken["pending"]), (3, &json!([])));
}

#[test]
fn a_demo_that_is_too_small_is_refused_at_once() {
    let place = Place::new();
    let (code, said) = place.failure(&["demo", "--customers", "99", "--dir", "small"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("99") && !place.at("small").exists());
}

#[test]
fn a_terminal_is_asked_wherever_the_streams_lead() {
    let place = Place::with_snapshot();
    // `script` gives the command a terminal, on which the answer is typed.
    let typed = |answer: &str, options: &str| {
        let tenure = env!("CARGO_BIN_EXE_tenure");
        let line = format!("{tenure} keys forget 1 {options} 2>told");
        let mut script = assert_cmd::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]);
        script.current_dir(place.at("."));
        script.env("TENURE_CONFIG", place.at("tenure.toml"));
        let output = script.write_stdin(answer).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), shown)
    };
    for options in ["--json", ""] {
        let (code, shown) = typed("n\n", options);
        assert_eq!(code, 4, "{shown}");
        assert!(
            shown.contains("Go on?") && shown.contains("ever again"),
            "{shown}"
        );
        assert_eq!(place.json(&["customer", "show", "1"]).0, 0);
    }
    let (code, shown) = typed("y\n", "--json");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(place.json(&["customer", "show", "1"]).0, 5);
}
