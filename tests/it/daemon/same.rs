//! What a command prints is the same whether the daemon does it or the command itself.

use super::world::World;

const SOCKET: &str = "[admin]\nsocket = \"@DIR@/admin.sock\"\n[admin.roles]\nadmin = [\"root\"]\nsee_hidden = [\"admin\"]\n";

/// Commands that leave the world as it is.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["check"],
    &["inspect"],
    &["snapshots"],
    &["schedule"],
    &["roles"],
    &["customer", "list"],
    &["customer", "list", "--all", "--limit", "3"],
    &["customer", "list", "--state", "hidden"],
    &["customer", "list", "--after", "7", "--limit", "2"],
    &["customer", "list", "--after", "nobody"],
    &["customer", "show", "7"],
    &["customer", "show", "no/such #1"],
    &["customer", "release", "7", "--reason", "none stands"],
    &["customer", "unhide", "7", "--reason", "not hidden"],
    &["customer", "hide", "7", "--reason", "x", "--mode", "vault"],
    &["customer", "erase", "999", "--reason", "x"],
    &["customer", "hold", "7", "--reason", " "],
    &["restore", "--in-place"],
    &["restore", "--to", "new", "--store", "moon"],
    &["certificate", "show", "5"],
    &["certificate", "verify", "tenure.toml"],
    &["keys", "recipients"],
    &["keys", "forget", "999"],
    &["prune", "--dry-run"],
    &["audit", "log", "--from", "1", "--limit", "2"],
];

#[test]
fn every_command_says_the_same_with_and_without_the_daemon() {
    let world = World::new(SOCKET);
    assert_eq!(world.json(&["snapshot"]).0, 0);
    assert_eq!(world.json(&["customer", "hide", "9", "--reason", "x"]).0, 0);
    let all = || -> Vec<_> {
        let forms = [&[][..], &["--json"], &["--quiet"]];
        let each = COMMANDS
            .iter()
            .flat_map(|command| forms.map(|form| [command, form].concat()));
        each.map(|arguments| {
            let output = world.run(&arguments);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let said = (
                output.status.code(),
                text(&output.stdout),
                text(&output.stderr),
            );
            (arguments.join(" "), said)
        })
        .collect()
    };
    let alone = all();
    let daemon = world.daemon();
    let with_daemon = all();
    assert_eq!(daemon.stop(), 0);
    for ((command, alone), (_, with)) in alone.iter().zip(&with_daemon) {
        assert_eq!(alone, with, "{command}");
    }
    // The daemon has had its part in it.
    let (_, log) = world.json(&["audit", "log", "--limit", "500"]);
    assert!(log.as_array().unwrap().len() > COMMANDS.len());
}

#[test]
fn what_changes_something_says_the_same() {
    let change = |with_daemon: bool| {
        let world = World::new(SOCKET);
        let daemon = with_daemon.then(|| world.daemon());
        let steps: &[&[&str]] = &[
            &["snapshot", "--quiet"],
            &["customer", "hide", "3", "--reason", "a"],
            &["customer", "unhide", "3", "--reason", "b"],
            &[
                "customer",
                "hold",
                "3",
                "--reason",
                "c",
                "--until",
                "2099-12-31",
            ],
            &["customer", "erase", "3", "--reason", "d"],
            &["customer", "release", "3", "--reason", "e"],
            &["retention", "run"],
            &["verify", "--data", "--quiet"],
        ];
        let said = steps.iter().map(|step| {
            let output = world.run(step);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (
                output.status.code(),
                text(&output.stdout),
                text(&output.stderr),
            )
        });
        let said: Vec<_> = said.collect();
        drop(daemon);
        said
    };
    assert_eq!(change(false), change(true));
}
