//! The socket's file: who may open it, what it replaces, and what it leaves alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::process::Command;

use tempfile::tempdir;
use tenure::admin::{Client, Listener, Method};
use tenure::error::FailureKind;

use super::child::{Server, command};
use super::world::{get, long_call, wait_for};
use crate::support::programs::has;

#[test]
fn what_a_dead_daemon_left_is_replaced() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(Client::connect(&path).unwrap().is_none(), "nobody listens");
    drop(UnixListener::bind(dir.path().join("admin.sock.new")).unwrap());
    let listener = Listener::open(&path).unwrap();
    assert!(!listener.is_handed_over());
    assert!(Client::connect(&path).unwrap().is_some());
    drop(listener);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "it leaves nothing"
    );
}

#[test]
fn what_is_not_ours_to_replace_stays() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    for make in [
        |path| fs::write(path, "precious").unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
    ] {
        make(&path);
        let failure = Listener::open(&path).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Refused, "{failure:?}");
        assert!(failure.causes()[0].contains("not a socket"), "{failure:?}");
        let there = fs::symlink_metadata(&path).unwrap();
        assert!(!there.file_type().is_socket());
        let removed = if there.is_dir() {
            fs::remove_dir(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.unwrap();
    }

    let first = Listener::open(&path).unwrap();
    let failure = Listener::open(&path).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure:?}");
    assert!(
        failure.causes()[0].contains("another daemon"),
        "{failure:?}"
    );
    assert!(Client::connect(&path).unwrap().is_some());

    // Somebody has put another one there: that one stays.
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
}

#[test]
fn a_directory_that_everybody_may_change_is_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let failure = Listener::open(&path).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure:?}");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    drop(Listener::open(&path).unwrap());
    // One that is missing is made, for all to pass.
    let path = dir.path().join("run/admin.sock");
    let _listener = Listener::open(&path).unwrap();
    assert_eq!(
        fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777,
        0o755
    );
}

#[test]
fn a_daemon_that_is_killed_is_missed() {
    let mut server = Server::start(&[], "serve", tempdir().unwrap());
    let client = server.client();
    let call = long_call(&server.path, 60_000);
    let seen = server.client();
    wait_for("the call", || get(&seen, "/v1/long")[0] == 1);
    let watching = std::thread::spawn({
        let client = server.client();
        move || {
            let mut last = |_| false;
            client.events("/v1/events?1", &mut last).unwrap();
            client
                .events("/v1/long-gone", &mut last)
                .unwrap()
                .unwrap()
                .status
        }
    });
    assert_eq!(watching.join().unwrap(), 404);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let failure = call.join().unwrap().unwrap_err();
    assert!(
        failure.next_step().unwrap().contains("tenure status"),
        "{failure:?}"
    );
    // The client from before finds nobody, and says so; a new one knows at once.
    let failure = client
        .send(Method::GET, "/v1/long", None, None, false)
        .unwrap_err();
    assert!(
        failure.to_string().contains("cannot connect"),
        "{failure:?}"
    );
    assert!(Client::connect(&server.path).unwrap().is_none());
}

#[test]
fn systemd_hands_the_socket_over() {
    if !has(
        "systemd-socket-activate",
        &["systemd-socket-activate", "--version"],
    ) {
        return;
    }
    let dir = tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let listen = format!("--listen={}", path.display());
    let pass = |name| format!("--setenv=TENURE_TEST_ADMIN_{name}");
    let (task, socket) = (pass("TASK"), pass("SOCKET"));
    let before = ["systemd-socket-activate", &listen, &task, &socket];

    let server = Server::start(&before, "serve", dir);
    let made = fs::metadata(&server.path).unwrap().ino();
    let client = server.client();
    assert_eq!(get(&client, "/v1/long"), serde_json::json!([0, 0]));
    assert_eq!(fs::metadata(&server.path).unwrap().ino(), made);
    let path = server.path.clone();
    drop(server);

    // What it hands over is another socket than the configured one.
    let other = path.with_file_name("other.sock");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let activated = command(&before, "serve", &other)
        .stdout(std::process::Stdio::piped())
        .spawn();
    let activated = activated.unwrap();
    // The first connection starts it.
    wait_for("the socket", || Client::connect(&path).unwrap().is_some());
    let output = activated.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("failed: systemd listens on"), "{said}");
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

/// `ss` and `ls` show it: only the owner, and the group `tenure` where there is one.
#[test]
fn only_the_group_gets_in() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let _listener = Listener::open(&path).unwrap();
    let group = Command::new("getent")
        .args(["group", "tenure"])
        .output()
        .unwrap();
    let mode = fs::metadata(&path).unwrap().mode() & 0o7777;
    let root = rustix::process::geteuid().is_root();
    let expected = if group.status.success() && root {
        0o660
    } else {
        0o600
    };
    assert_eq!(mode, expected);
}
