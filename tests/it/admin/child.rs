//! This test program once more, as another process: as a server, or as a client of another user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tenure::admin::{Client, Limits, Listener};
use tokio::sync::watch;

use super::brief;
use super::world::{Echo, run, wait_for};

/// What the other process is to do, and with which socket.
const TASK: &str = "TENURE_TEST_ADMIN_TASK";
const SOCKET: &str = "TENURE_TEST_ADMIN_SOCKET";

/// What the other process does. Run by itself it has nothing to do.
#[test]
#[ignore = "the other end of other tests"]
fn does_its_task() {
    let Some(socket) = std::env::var_os(SOCKET).map(PathBuf::from) else {
        return;
    };
    match std::env::var(TASK).unwrap().as_str() {
        "serve" => serve(&socket, Limits::default()),
        "serve-briefly" => serve(&socket, brief()),
        "connect" => match Client::connect(&socket) {
            Ok(client) => println!("connected: {}", client.is_some()),
            Err(failure) => println!("{:?}: {:?}", failure.kind(), failure.next_step()),
        },
        "attack" => super::abuse::attack(&socket),
        task => panic!("unknown task {task}"),
    }
}

fn serve(socket: &Path, limits: Limits) {
    match Listener::open(socket) {
        Ok(listener) => {
            println!("handed over: {}", listener.is_handed_over());
            let (_stop, stopped) = watch::channel(false);
            run(listener, Arc::new(Echo::default()), limits, stopped).unwrap();
        }
        Err(failure) => println!("failed: {failure:?}: {:?}", failure.next_step()),
    }
}

/// The command that runs a task on a socket, behind the words of another command.
pub fn command(before: &[&str], task: &str, socket: &Path) -> Command {
    let this = std::env::current_exe().unwrap();
    let (program, arguments) = match before {
        [program, arguments @ ..] => (Path::new(program), arguments),
        [] => (this.as_path(), [].as_slice()),
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if !before.is_empty() {
        command.arg(&this);
    }
    command
        .args([
            "admin::child::does_its_task",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(TASK, task)
        .env(SOCKET, socket)
        .stdin(Stdio::null());
    command
}

/// A server in a process of its own, which ends with this.
pub struct Server {
    pub child: Child,
    pub path: PathBuf,
    pub dir: TempDir,
}

impl Server {
    /// Starts it behind the words of another command, with a socket that everybody may open.
    pub fn start(before: &[&str], task: &str, dir: TempDir) -> Self {
        let path = dir.path().join("admin.sock");
        let child = command(before, task, &path)
            // What is freed goes back to the system, so that what is measured is what is held.
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .env("MALLOC_TRIM_THRESHOLD_", "65536")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = Self {
            child: child.unwrap(),
            path,
            dir,
        };
        wait_for("the server", || {
            // There, and listening.
            Client::connect(&server.path).unwrap().is_some()
        });
        server
    }

    /// Lets every user connect, whatever the group.
    pub fn open_to_all(&self) {
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o666)).unwrap();
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.path).unwrap().unwrap()
    }

    /// Kilobytes that the process has in memory, now or at most so far (`VmRSS`, `VmHWM`).
    pub fn memory(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|text| text.strip_prefix(line));
        let digits = line.unwrap().trim_matches(|c: char| !c.is_ascii_digit());
        digits.parse().unwrap()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits are short here, but the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(10);
