//! The demonstration, as the README shows it.

use assert_cmd::Command;

#[test]
fn every_claim_of_the_demonstration_holds() {
    let dir = tempfile::tempdir().unwrap();
    let demo = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command.current_dir(dir.path());
        command.args(["demo", "--dir", "demo", "--customers", "300"]);
        command.output().unwrap()
    };
    let output = demo();
    let told = String::from_utf8(output.stdout).unwrap();
    let wrong = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}\n{wrong}");
    for claim in [
        "snapshot 1 from store \"first\": every row as it was then.",
        "snapshot 2 from store \"second\": every row as it was then.",
        "no older one is: listed again",
        "snapshot 1 from store \"second\":",
        "is gone, all others are identical.",
        "all whole.",
        "snapshots by itself",
        "its rows are gone from the database",
        "hidden = 1 in the CRM and out of `customer list`; then 0 again",
        "exit code 4: customer",
        "3 erased; customer",
        "No snapshot from before gives them back",
        "its root is what both stores vouch for",
        "A bare machine has a copy of the second",
        "every row as it is in the CRM now, compared",
        "tenure status",
    ] {
        assert!(told.contains(claim), "{claim}\n{told}");
    }
    assert_eq!(told.matches("all others are identical").count(), 4);
    let left = dir.path().join("demo");
    assert!(left.join("tenure.toml").exists() && left.join("store-2/packs").is_dir());
    assert!(left.join("bare-machine/tenure.toml").exists());
    assert_eq!(demo().status.code(), Some(2));
}
