//! Arguments, help, manual pages and completions.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Place, texts};

#[test]
fn wrong_arguments_are_wrong_usage_in_both_forms() {
    let place = Place::new();
    let cases: [&[&str]; 13] = [
        &["prune", "--dry-run", "--confirm", "2"],
        &["--frobnicate"],
        &["snapshoot"],
        &["snapshot", "--fuller"],
        &["snapshot", "extra"],
        &["init"],
        &["restore"],
        &[
            "restore",
            "--to",
            "x",
            "--at",
            "2026-01-01",
            "--snapshot",
            "1",
        ],
        &["customer"],
        &["customer", "show"],
        &["customer", "readmit", "1"],
        &["customer", "list", "--state", "asleep"],
        &["keys", "forget"],
    ];
    for arguments in cases {
        let (code, said) = place.failure(arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        let ran = place.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.starts_with("error: "), "{arguments:?}: {}", ran.err);
    }
    assert_eq!(place.run(&[]).code, 2);
    let (code, said) = place.failure(&[]);
    assert!(code == 2 && said.contains("no command"), "{said}");
}

#[test]
fn global_flags_stand_anywhere() {
    let place = Place::initialised();
    let config = place.path("tenure.toml");
    for arguments in [
        ["--json", "--config", &config, "snapshots"],
        ["snapshots", "--json", "--config", &config],
        ["--config", &config, "snapshots", "--json"],
    ] {
        let ran = place.run(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (0, "[]\n"), "{arguments:?}");
    }
    let ran = place.run(&["customer", "list", "--json", "--quiet"]);
    assert!(ran.code == 0 && ran.out.starts_with('['), "{}", ran.out);
}

#[test]
fn what_this_version_cannot_do_is_understood_and_fails() {
    let place = Place::with_snapshot();
    let before = place.tree();
    let cases: &[&[&str]] = &[
        &["customer", "hide", "1", "--reason", "x", "--mode", "vault"],
        &[
            "customer",
            "export",
            "1",
            "--to",
            "f",
            "--recipient",
            "age1x",
        ],
        &["restore", "--in-place"],
        &["restore", "--in-place", "--to", "x"],
        &["shred", "f", "--pattern", "zero"],
        &["ls", "1"],
        &["diff", "1", "2"],
        &["find", "x"],
        &["cat", "1", "x"],
        &["history", "1"],
        &["watch"],
        &["drill"],
        &["watch", "--config", "x"],
    ];
    for arguments in cases {
        let (code, said) = place.failure(arguments);
        assert_eq!(code, 1, "{arguments:?}: {said}");
        assert!(
            said.contains("this version cannot do"),
            "{arguments:?}: {said}"
        );
        let ran = place.run(arguments);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (1, ""),
            "{arguments:?}: {}",
            ran.err
        );
    }
    assert!(place.tree() == before);
}

#[test]
fn every_command_has_a_page_and_its_help_an_example() {
    let place = Place::new();
    let (code, written) = place.json(&["man", "--to", "pages/man1"]);
    assert_eq!(code, 0);
    let pages = texts(&written["pages"]);
    assert!(pages.len() > 20, "{pages:?}");
    for page in &pages {
        let text = fs::read_to_string(place.at(page)).unwrap();
        let name = page.rsplit('/').next().unwrap().strip_suffix(".1").unwrap();
        assert!(text.contains(&format!(".TH {name} 1")), "{page}: {text}");
        assert!(text.contains("Example"), "{page}");
        let mode = fs::metadata(place.at(page)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "everybody may read the manual");
        let mut command: Vec<&str> = name.split('-').skip(1).collect();
        command.push("--help");
        let ran = place.run(&command);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command:?}");
        let example = ran
            .out
            .split("Example:\n")
            .nth(1)
            .unwrap_or_else(|| panic!("{command:?}: {}", ran.out));
        let words = name.replace('-', " ");
        let shown =
            example.contains("tenure") && (command.len() == 1 || example.contains(&words[7..]));
        assert!(shown, "{command:?}: {example}");
    }
    for name in [
        "tenure-customer-restore",
        "tenure-keys-recipients-add",
        "tenure-check",
    ] {
        assert!(
            pages
                .iter()
                .any(|page| page.ends_with(&format!("/{name}.1"))),
            "{name} in {pages:?}"
        );
    }
    assert!(
        !pages.iter().any(|page| page.contains("drill")),
        "what cannot be done has no page"
    );
    assert!(place.run(&["man"]).out.contains(".TH tenure 1"));
}

#[test]
fn shells_complete_what_works() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = place.run(&["completions", shell]);
        assert!(
            ran.code == 0 && ran.out.contains("snapshot") && ran.out.contains("recipients"),
            "{shell}"
        );
        assert!(!ran.out.contains("shred"), "{shell}");
    }
    assert!(place.json(&["completions", "bash"]).1["script"].is_string());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["completions", "bash"])
        .current_dir(place.dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
