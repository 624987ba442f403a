//! `init`: what it makes, and that what fails leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{Place, texts};

#[test]
fn it_makes_a_configuration_keys_and_stores() {
    let place = Place::new();
    let register = format!("my-crm=sqlite:{}#customers.id", place.path("crm.db"));
    let far = format!("off-site=file://{}", place.path("far"));
    let near = place.path("near");
    let (code, made) = place.json(&[
        "init",
        "--register",
        &register,
        "--store",
        &near,
        "--store",
        &far,
    ]);
    assert_eq!(code, 0, "{made:#}");
    assert_eq!(made["config"], json!(place.at("tenure.toml")));
    assert_eq!(made["stores"], json!(["near", "off-site"]));
    assert_eq!(made["fingerprint"].as_str().unwrap().len(), 64);
    let text = fs::read_to_string(place.at("tenure.toml")).unwrap();
    for expected in [
        "\"my-crm\"",
        "since  = \"created_at\"",
        "name   = \"name\"",
        "READ THIS LIST",
        "\"country\"",
        "\"Europe/Berlin\"",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let key = fs::read_to_string(place.at("recovery.key")).unwrap();
    assert!(
        key.contains(made["fingerprint"].as_str().unwrap()) && key.contains("AGE-SECRET-KEY-1")
    );
    assert!(text.contains(&texts(&made["recipients"])[0]));
    for secret in ["recovery.key", "host.key", "state", "near"] {
        let mode = fs::metadata(place.at(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{secret} is nobody else's");
    }
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

#[test]
fn with_a_recipient_no_identity_is_made() {
    let place = Place::new();
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let register = format!("sqlite:{}#customers.id", place.path("crm.db"));
    let near = place.path("near");
    let (code, made) = place.json(&[
        "init",
        "--register",
        &register,
        "--store",
        &near,
        "--recipient",
        &recipient,
    ]);
    assert_eq!(
        (code, &made["recipients"]),
        (0, &json!([recipient])),
        "{made:#}"
    );
    assert!(made["recovery_key"].is_null() && !place.at("recovery.key").exists());
}

#[test]
fn a_configuration_that_is_there_is_replaced_only_by_force_and_keys_never() {
    let place = Place::initialised();
    let register = format!("sqlite:{}#customers.id", place.path("crm.db"));
    let near = place.path("near");
    let again = ["init", "--register", &register, "--store", &near];
    let before = place.tree();
    let (code, said) = place.failure(&again);
    assert!(code == 4 && said.contains("--force"), "{code}: {said}");
    assert!(place.tree() == before, "nothing was written");

    let stranger = age::x25519::Identity::generate().to_public().to_string();
    let forced = [&again[..], &["--force"]].concat();
    let (code, said) = place.failure(&[&forced[..], &["--recipient", &stranger]].concat());
    assert!(
        code == 4 && said.contains("keys recipients add"),
        "{code}: {said}"
    );
    assert!(place.tree() == before, "nothing was written");

    fs::write(place.at("tenure.toml"), "not what it should be").unwrap();
    let recipients = place.at("recovery.key");
    let (code, made) = place.json(&forced);
    assert_eq!(code, 0, "{made:#}");
    let own = fs::read_to_string(recipients).unwrap();
    assert!(
        own.contains(&texts(&made["recipients"])[0]),
        "the recipients are the repository's"
    );
    assert_eq!(
        fs::read(place.at("host.key")).unwrap(),
        before[&place.at("host.key")].clone().unwrap()
    );
    assert_eq!(place.json(&["snapshot"]).0, 0);
}

#[test]
fn what_fails_on_the_way_is_taken_back() {
    let place = Place::new();
    fs::write(place.at("file"), "not a directory").unwrap();
    let before = place.tree();
    let register = format!("sqlite:{}#customers.id", place.path("crm.db"));
    let (near, below_a_file) = (place.path("near"), place.path("file/far"));
    let try_it = |far: &str| {
        place.json(&[
            "init",
            "--register",
            &register,
            "--store",
            &near,
            "--store",
            far,
        ])
    };
    let (code, said) = try_it(&below_a_file);
    assert!(
        code == 1 && said.to_string().contains("file/far"),
        "{code}: {said:#}"
    );
    assert!(
        place.tree() == before,
        "nothing is left: {:?}",
        place.tree().keys()
    );
    assert_eq!(try_it(&place.path("far")).0, 0);
}

#[test]
fn wrong_input_is_found_before_anything_is_written() {
    let place = Place::new();
    fs::write(
        place.at("text.db"),
        "this is no database, whatever its name says".repeat(99),
    )
    .unwrap();
    fs::create_dir_all(place.at("used/packs")).unwrap();
    fs::write(place.at("used/packs/0011"), "of another repository").unwrap();
    fs::create_dir_all(place.at("busy/state")).unwrap();
    fs::write(place.at("busy/state/letters.txt"), "somebody's").unwrap();
    let crm = place.path("crm.db");
    let good = format!("sqlite:{crm}#customers.id");
    let (near, used, around) = (place.path("near"), place.path("used"), place.path(""));
    let database = |text: &str| format!("sqlite:{}#customers.id", place.path(text));
    let cases = [
        (
            format!("sqlite:{crm}#clients.id"),
            near.as_str(),
            2,
            "\"clients\"",
        ),
        (
            format!("sqlite:{crm}#customers.number"),
            &near,
            2,
            "\"number\"",
        ),
        (database("text.db"), &near, 1, "not an SQLite database"),
        (database("none.db"), &near, 1, "there is no database"),
        ("crm.db".to_owned(), &near, 2, "sqlite:PATH#TABLE.KEY"),
        ("postgres://h/d#t.k".to_owned(), &near, 2, "this version"),
        (good.clone(), "near", 2, "absolute path"),
        (good.clone(), "gs://bucket/x", 2, "this version"),
        (good.clone(), &used, 4, "holds a repository"),
        (good.clone(), &crm, 2, "the store"),
        (good.clone(), &around, 2, "lies inside the store"),
    ];
    let before = place.tree();
    for (register, store, code, expected) in cases {
        let arguments = ["init", "--register", &register, "--store", store];
        let (found, said) = place.failure(&arguments);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(place.tree() == before, "{arguments:?} wrote something");
    }
    let others: [(&[&str], i32, &str); 4] = [
        (&["--recipient", "age1notone"], 2, "age1notone"),
        (
            &["--files", "docs=/srv=x/{customer}/**"],
            1,
            "cannot do `init --files`",
        ),
        (&["--store", "near=/x"], 2, "two stores"),
        (&["--config", "busy/tenure.toml"], 4, "letters.txt"),
    ];
    for (more, code, expected) in others {
        let store = format!("near={near}");
        let arguments = [&["init", "--register", &good, "--store", &store][..], more].concat();
        let (found, said) = place.failure(&arguments);
        assert_eq!(found, code, "{more:?}: {said}");
        assert!(said.contains(expected), "{more:?}: {said}");
        assert!(place.tree() == before, "{more:?} wrote something");
    }
}
