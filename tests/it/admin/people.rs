//! Real users at the other end. They live in a user database of the server's own, which a private
//! mount puts over the host's: nothing of the host's is changed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use super::child::{Server, command};
use crate::support::programs::has;

/// A user who is only here for this.
const EVE: u32 = 64_001;
const KIM: u32 = 64_002;
/// A user whom the database does not know.
const GHOST: u32 = 64_003;
const DOOR: u32 = 64_100;
const DPO: u32 = 64_101;

/// Whether there can be other users here, and a database of our own.
pub fn can_be_others() -> bool {
    has("root, `unshare`", &["unshare", "--mount", "true"])
        && has(
            "`setpriv`",
            &["setpriv", "--reuid=1", "--clear-groups", "true"],
        )
        && has("`curl`", &["curl", "--version"])
}

/// Eve and Kim, both of the group at the door.
fn database(dir: &TempDir) {
    let passwd = format!(
        "root:x:0:0::/root:/bin/sh\neve:x:{EVE}:{EVE}::/:/bin/false\nkim:x:{KIM}:{KIM}::/:/bin/false\n"
    );
    fs::write(dir.path().join("passwd"), passwd).unwrap();
    groups(dir.path(), "eve,kim");
}

fn groups(dir: &Path, dpo: &str) {
    let text = format!(
        "root:x:0:\neve:x:{EVE}:\nkim:x:{KIM}:\ntenure:x:{DOOR}:eve,kim\ntenure-dpo:x:{DPO}:{dpo}\n"
    );
    // In place: a new file would not be the one that is mounted.
    fs::write(dir.join("group"), text).unwrap();
}

fn server() -> Server {
    let dir = tempdir().unwrap();
    database(&dir);
    let mount = format!(
        "mount --bind {0}/passwd /etc/passwd && mount --bind {0}/group /etc/group && exec \"$@\"",
        dir.path().display()
    );
    let before = ["unshare", "--mount", "sh", "-c", &mount, "sh"];
    let server = Server::start(&before, "serve", dir);
    // The directory is the test's; the socket's own mode is what is tested.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(server.dir.path(), open).unwrap();
    server
}

/// The words that make the next command another user's, with only these groups.
fn as_user(uid: u32, gid: u32, groups: &[u32]) -> Vec<String> {
    let mut words = vec![
        "setpriv".to_owned(),
        format!("--reuid={uid}"),
        format!("--regid={gid}"),
    ];
    if groups.is_empty() {
        words.push("--clear-groups".to_owned());
    } else {
        let groups: Vec<_> = groups.iter().map(u32::to_string).collect();
        words.push(format!("--groups={}", groups.join(",")));
    }
    words
}

fn curl(who: &[String], server: &Server, path: &str) -> Output {
    let mut command = Command::new(&who[0]);
    command
        .args(&who[1..])
        .args(["curl", "-sS", "--max-time", "10", "--unix-socket"]);
    command
        .arg(&server.path)
        .arg(format!("http://tenure{path}"));
    command.output().unwrap()
}

/// Whom the server has seen.
fn seen(who: &[String], server: &Server) -> Value {
    let output = curl(who, server, "/v1/customers/1");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = |_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
    let echoed: Value = serde_json::from_str(&said).unwrap_or_else(failed);
    echoed["peer"].clone()
}

#[test]
fn a_caller_is_who_the_kernel_says() {
    if !can_be_others() {
        return;
    }
    let server = server();
    let eve = as_user(EVE, EVE, &[DOOR]);
    assert_eq!(
        seen(&eve, &server),
        json!({"uid": EVE, "gid": EVE, "user": "eve", "groups": ["eve", "tenure", "tenure-dpo"]})
    );
    // A process that runs with a group that its user is not a member of.
    server.open_to_all();
    let ghost = as_user(GHOST, DPO, &[DOOR, DPO]);
    assert_eq!(
        seen(&ghost, &server),
        json!({"uid": GHOST, "gid": DPO, "user": null, "groups": []})
    );
    assert_eq!(seen(&as_user(0, 0, &[]), &server)["user"], "root");
}

#[test]
fn a_membership_ends_without_a_restart() {
    if !can_be_others() {
        return;
    }
    let server = server();
    for (members, kim_is) in [("eve,kim", true), ("eve", false), ("kim", true)] {
        groups(server.dir.path(), members);
        let kim = seen(&as_user(KIM, KIM, &[DOOR]), &server);
        let groups = kim["groups"].as_array().unwrap();
        assert_eq!(
            groups.contains(&json!("tenure-dpo")),
            kim_is,
            "{members}: {kim}"
        );
    }
}

#[test]
fn who_is_not_in_the_group_does_not_get_as_far_as_asking() {
    if !can_be_others() {
        return;
    }
    let server = server();
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(&server.path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o660);
    assert_eq!((metadata.uid(), metadata.gid()), (0, DOOR));
    let ghost = as_user(GHOST, GHOST, &[]);
    let output = curl(&ghost, &server, "/v1/long");
    assert_eq!(output.status.code(), Some(7), "{output:?}");

    let before: Vec<_> = ghost.iter().map(String::as_str).collect();
    let output = command(&before, "connect", &server.path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("Refused: Some(\"only root and the group"),
        "{output:?}"
    );
}
