//! A machine that boots: this system's own files under an overlay, in a container of systemd.
//!
//! Mounts are made in a namespace of their own, so they end with the container; the container ends
//! with the test, whatever way that ends.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::{TempDir, tempdir};

use crate::support::programs::has;

/// Puts the system together and boots it. `$1` is a directory to work in, `$2` the program under test,
/// `$3` a directory that the machine gets as /srv/fixtures.
const BOOT: &str = r#"
set -eu
mount -t tmpfs -o size=2g,mode=0755 tmpfs "$1"
cd "$1"
mkdir upper work machine
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work machine
: > machine/etc/machine-id
for unit in postgresql mariadb nginx cron console-getty; do
    ln -sf /dev/null "machine/etc/systemd/system/$unit.service"
done
# What this host has of Tenure is not the machine's.
rm -rf machine/etc/tenure machine/var/lib/tenure machine/usr/local/bin/tenure
mkdir -p machine/srv/tenure/target/release machine/srv/fixtures
: > machine/srv/tenure/target/release/tenure
exec systemd-nspawn --register=no --keep-unit --quiet --directory=machine --boot --link-journal=no \
    --bind-ro="$2:/srv/tenure/target/release/tenure" --bind-ro="$3:/srv/fixtures"
"#;

/// How long a machine may take for what it does; a busy one takes long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine that runs.
pub struct Machine {
    _dir: TempDir,
    nspawn: Child,
    leader: String,
}

/// Whether machines can boot here. In CI they must, unless the kernel does not let anybody.
pub fn can_boot() -> bool {
    if !rustix::process::geteuid().is_root() {
        return has("root, to boot a machine", &["false"]);
    }
    let programs = ["systemd-nspawn", "unshare", "nsenter", "setpriv"];
    let there = programs
        .iter()
        .all(|program| has(program, &[program, "--version"]));
    if !there {
        return false;
    }
    let overlay = r#"mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir u w m && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w m"#;
    let dir = tempdir().unwrap();
    let tried = Command::new("unshare")
        .args(["--mount", "sh", "-c", overlay, "sh"])
        .arg(dir.path())
        .output()
        .unwrap();
    if !tried.status.success() {
        let why = String::from_utf8_lossy(&tried.stderr);
        eprintln!(
            "skipped: this kernel mounts no overlay here: {}",
            why.trim()
        );
    }
    tried.status.success()
}

impl Machine {
    /// Boots one, which finds `fixtures` as /srv/fixtures.
    pub fn boot(fixtures: &Path) -> Self {
        let dir = tempdir().unwrap();
        let log = File::create(dir.path().join("console")).unwrap();
        let work = dir.path().join("work");
        fs::create_dir(&work).unwrap();
        let mut nspawn = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "TERM",
                "unshare",
                "--mount",
                "sh",
                "-c",
                BOOT,
                "sh",
            ])
            .arg(&work)
            .arg(env!("CARGO_BIN_EXE_tenure"))
            .arg(fixtures)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let leader = wait_some("the machine's first process", || {
            let gone = nspawn.try_wait().unwrap();
            let console = || fs::read_to_string(dir.path().join("console")).unwrap();
            assert_eq!(gone, None, "{}", console());
            leader_of(nspawn.id())
        });
        let machine = Self {
            _dir: dir,
            nspawn,
            leader,
        };
        wait_some("the machine to be up", || {
            let state = machine.sh("systemctl is-system-running");
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            matches!(state.as_str(), "running" | "degraded").then_some(())
        });
        machine
    }

    /// Runs a line of shell in it, as root, in the directory with the sources.
    pub fn sh(&self, line: &str) -> Output {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Command::new("nsenter")
            .args(["--target", &self.leader, "--all", "--"])
            .args(["env", "-i", path, "HOME=/root", "LC_ALL=C.UTF-8"])
            .args(["sh", "-c", &format!("cd /srv/tenure && {line}")])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Like [`sh`](Self::sh) for what must succeed; what it has printed.
    pub fn ok(&self, line: &str) -> String {
        let output = self.sh(line);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "`{line}` ended with {}:\n{out}{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&self.journal()),
        );
        out
    }

    /// Writes a file anew, in place.
    pub fn put(&self, path: &str, text: &str) {
        let line = format!("cat > {path} <<'THE-END'\n{text}\nTHE-END");
        self.ok(&line);
    }

    fn journal(&self) -> Vec<u8> {
        let journal =
            "journalctl --no-pager --lines=60 --unit=tenured.service --unit=tenured.socket";
        self.sh(journal).stdout
    }

    /// Waits until a line of shell succeeds.
    pub fn until(&self, line: &str) {
        let since = Instant::now();
        while !self.sh(line).status.success() {
            let journal = self.journal();
            let journal = String::from_utf8_lossy(&journal);
            assert!(
                since.elapsed() < PATIENCE,
                "waiting for `{line}`:\n{journal}"
            );
            sleep(Duration::from_millis(200));
        }
    }

    /// A property of the service, as systemd has it.
    pub fn property(&self, name: &str) -> String {
        let line = format!("systemctl show --value --property={name} tenured.service");
        self.ok(&line).trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Power off, as systemd understands it.
        let off = ["--signal", "RTMIN+4", &self.leader];
        let _ = Command::new("kill").args(off).status();
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(20) {
            if matches!(self.nspawn.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        let _ = Command::new("kill").args(["-KILL", &self.leader]).status();
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}

/// The first process of the machine that `nspawn` has started, once it is systemd.
fn leader_of(nspawn: u32) -> Option<String> {
    let comm = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let mut children = children.split_whitespace();
    let leader = children.find(|pid| comm(pid).as_deref() == Some("systemd\n"));
    leader.map(str::to_owned)
}

fn wait_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waiting for {what}");
        sleep(Duration::from_millis(50));
    }
}
