//! `tenure install`, into directories that nobody boots; and what systemd thinks of the units.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::programs::has;

/// Installs below a root; the answer, and the exit code.
fn install(root: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["install", "--json", "--root"])
        .arg(root)
        .args(arguments)
        .output()
        .unwrap();
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), answer)
}

/// The files that an answer tells of, in this state.
fn files<'a>(answer: &'a Value, state: &str) -> Vec<&'a str> {
    let files = answer["files"].as_array().unwrap().iter();
    let files = files.filter(|file| file["state"] == state);
    files.map(|file| file["path"].as_str().unwrap()).collect()
}

/// Every file below a directory, with its mode, and when it was written.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u32, i64, i64)> {
    let mut tree = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let written = (found.mtime(), found.mtime_nsec());
        tree.insert(path.clone(), (found.mode() & 0o7777, written.0, written.1));
        if found.is_dir() {
            tree.extend(self::tree(&path));
        }
    }
    tree
}

#[test]
fn what_is_installed_is_there_for_everybody_and_stays_when_it_is_done_again() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("image");
    let (code, planned) = install(&root, &["--dry-run"]);
    assert_eq!((code, root.exists()), (Some(0), false));
    let (code, answer) = install(&root, &[]);
    assert_eq!((code, &answer), (Some(0), &planned));
    let written = files(&answer, "written");
    for expected in [
        "/usr/local/bin/tenure",
        "/usr/local/lib/systemd/system/tenured.service",
        "/usr/local/lib/systemd/system/tenured.socket",
        "/usr/local/lib/sysusers.d/tenure.conf",
        "/usr/local/lib/tmpfiles.d/tenure.conf",
        "/usr/local/share/doc/tenure/tenure.toml",
        "/usr/local/share/man/man1/tenure-install.1",
        "/usr/local/share/bash-completion/completions/tenure",
    ] {
        assert!(written.contains(&expected), "{expected}: {written:?}");
    }
    let tree = tree(&root);
    for (path, (mode, ..)) in &tree {
        let expected = match path.is_dir() || path.ends_with("bin/tenure") {
            true => 0o755,
            false => 0o644,
        };
        assert_eq!(*mode, expected, "{}", path.display());
    }
    let named = |path: &&str| root.join(path.trim_start_matches('/'));
    let named: Vec<PathBuf> = written.iter().map(named).collect();
    let there: Vec<&PathBuf> = tree.keys().filter(|path| path.is_file()).collect();
    assert_eq!(
        named.len(),
        there.len(),
        "what it has written it also tells of"
    );
    assert!(there.iter().all(|path| named.contains(path)));

    let (code, again) = install(&root, &[]);
    assert_eq!((code, files(&again, "same").len()), (Some(0), named.len()));
    assert_eq!(self::tree(&root), tree, "nothing was written twice");
}

#[test]
fn what_another_version_has_installed_is_replaced_and_what_is_somebodys_stays() {
    let dir = tempdir().unwrap();
    let unit = "etc/systemd/system/tenured.service";
    let (code, answer) = install(dir.path(), &["--prefix", "/opt/tenure"]);
    assert_eq!(code, Some(0), "{answer:#}");
    let text = fs::read_to_string(dir.path().join(unit)).unwrap();
    assert!(
        text.contains("\nExecStart=/opt/tenure/bin/tenure daemon\n"),
        "{text}"
    );

    let program = dir.path().join("opt/tenure/bin/tenure");
    fs::write(&program, "an older one").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(dir.path().join(unit), "[Service]\nNice=5\n").unwrap();
    let (code, answer) = install(dir.path(), &["--prefix", "/opt/tenure/"]);
    assert_eq!(code, Some(0), "{answer:#}");
    assert_eq!(files(&answer, "written"), ["/opt/tenure/bin/tenure"]);
    assert_eq!(files(&answer, "kept"), [format!("/{unit}")]);
    let warnings = answer["warnings"].to_string();
    assert!(
        warnings.contains(unit) && warnings.contains("drop-in"),
        "{warnings}"
    );
    assert_eq!(
        fs::read(dir.path().join(unit)).unwrap(),
        b"[Service]\nNice=5\n"
    );
    let found = fs::metadata(&program).unwrap();
    assert_eq!(found.mode() & 0o777, 0o755);
    assert_eq!(
        found.len(),
        fs::metadata(env!("CARGO_BIN_EXE_tenure")).unwrap().len()
    );
}

#[test]
fn a_prefix_that_no_unit_can_name_is_refused() {
    let dir = tempdir().unwrap();
    for prefix in ["usr", "/opt/my tools", "/opt/100%", "/opt/$HOME"] {
        let (code, answer) = install(dir.path(), &["--prefix", prefix]);
        assert_eq!(code, Some(2), "{answer:#}");
        assert!(
            answer["error"].as_str().unwrap().contains(prefix),
            "{answer:#}"
        );
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// The service and the socket, installed where their binary is.
fn units() -> (TempDir, Vec<PathBuf>) {
    let dir = tempdir().unwrap();
    let (code, answer) = install(dir.path(), &[]);
    assert_eq!(code, Some(0), "{answer:#}");
    let binary = dir.path().join("usr/local/bin/tenure");
    let units = ["tenured.service", "tenured.socket"].map(|name| {
        let path = dir.path().join("usr/local/lib/systemd/system").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("/usr/local/bin/tenure", binary.to_str().unwrap());
        fs::write(&path, text).unwrap();
        path
    });
    (dir, units.to_vec())
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Output {
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(arguments).args(units).output().unwrap()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if !has("systemd-analyze", &["systemd-analyze", "--version"]) {
        return;
    }
    let (_dir, units) = units();
    // The manual pages are not where its `man` looks.
    let output = analyze(&["verify", "--man=no"], &units);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");

    fs::write(
        &units[0],
        fs::read_to_string(&units[0]).unwrap() + "Sandbox=yes\n",
    )
    .unwrap();
    let output = analyze(&["verify", "--man=no"], &units);
    assert!(
        !output.stderr.is_empty(),
        "a setting that it does not know is told"
    );
}

#[test]
fn the_service_is_shut_in_well_enough() {
    if !has("systemd-analyze", &["systemd-analyze", "--version"]) {
        return;
    }
    let (_dir, units) = units();
    let arguments = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    let output = analyze(&arguments, &units[..1]);
    assert!(output.status.success(), "{output:?}");

    let open = fs::read_to_string(&units[0]).unwrap();
    let open = open.replace("\nCapabilityBoundingSet=", "\n#");
    fs::write(&units[0], open).unwrap();
    let output = analyze(&arguments, &units[..1]);
    assert!(
        !output.status.success(),
        "with all capabilities it is above the threshold: {output:?}"
    );
}
