//! A sample CRM, a repository, and the daemon beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tenure::demo::crm::Crm;

/// How long something is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module's text.
pub struct World {
    dir: TempDir,
    /// The CRM; no transaction is open.
    pub crm: Crm,
}

impl World {
    /// With a repository, and `more` at the end of its configuration.
    pub fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let crm = Crm::create(&dir.path().join("crm.db"), 20, 3).unwrap();
        let world = Self { dir, crm };
        let register = format!("sqlite:{}#customers.id", world.path("crm.db").display());
        let (near, far) = (world.path("near"), world.path("far"));
        let made = world
            .command(&["init", "--register", &register])
            .args([
                "--store".as_ref(),
                near.as_os_str(),
                "--store".as_ref(),
                far.as_os_str(),
            ])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        world.configure(more);
        world
    }

    /// Replaces what `init` says of the schedule and the socket, and what was said here before.
    pub fn configure(&self, more: &str) {
        const MARK: &str = "\n# for this test\n";
        let text = fs::read_to_string(self.path("tenure.toml")).unwrap();
        let kept = text.split(MARK).next().unwrap();
        let hide = "  [source.hide]\n  mode = \"flag\"\n  column = \"hidden\"\n  value = 1\n\n";
        let without = |section: &str, text: &str| -> String {
            let Some(at) = text.find(section) else {
                return text.to_owned();
            };
            let rest = &text[at + 1..];
            let end = rest.find("\n[").map_or(text.len(), |end| at + 1 + end);
            format!("{}{}", &text[..at], &text[end..])
        };
        let mut kept = kept.to_owned();
        for section in [
            "\n[schedule]",
            "\n[admin]",
            "\n[admin.roles]",
            "\n[retention]",
        ] {
            kept = without(section, &kept);
        }
        if !kept.contains("[source.hide]") {
            kept = kept.replacen("[[store]]", &format!("{hide}[[store]]"), 1);
        }
        let more = more.replace("@DIR@", &self.dir.path().display().to_string());
        // As an editor does it: in one step.
        let new = self.path("tenure.toml.new");
        fs::write(&new, format!("{kept}{MARK}{more}")).unwrap();
        fs::rename(new, self.path("tenure.toml")).unwrap();
    }

    /// A path in the world's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command with the world's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command
            .args(arguments)
            .env("TENURE_CONFIG", self.path("tenure.toml"))
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// What the command says.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Its exit code and its JSON document.
    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{arguments:?}: {error}: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        (output.status.code().unwrap(), answer)
    }

    /// Starts the daemon, behind the words of another command, and waits for its socket.
    pub fn daemon_behind(&self, before: &[&str]) -> Daemon {
        let own = self.command(&["daemon"]);
        let mut command = match before {
            [] => own,
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(own.get_program()).arg("daemon");
                command
                    .env("TENURE_CONFIG", self.path("tenure.toml"))
                    .current_dir(self.dir.path())
                    .stdin(Stdio::null());
                command
            }
        };
        let mut log = fs::File::options();
        let log = log
            .create(true)
            .append(true)
            .open(self.path("daemon.log"))
            .unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let daemon = Daemon(child);
        let socket = self.path("admin.sock");
        wait_for("the daemon's socket", || {
            tenure::admin::Client::connect(&socket).is_ok_and(|client| client.is_some())
        });
        daemon
    }

    /// Starts the daemon.
    pub fn daemon(&self) -> Daemon {
        self.daemon_behind(&[])
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// A daemon, which ends with this.
pub struct Daemon(pub Child);

impl Daemon {
    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.0.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}
