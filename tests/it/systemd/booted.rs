//! The README's way from nothing to a scheduled snapshot, followed to the letter on a machine that
//! boots; and what the service manager then does to the daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::Value;
use tempfile::tempdir;
use tenure::demo::crm::{Crm, Journal};

use super::machine::{Machine, can_boot};

/// How many customers the CRM has.
const CUSTOMERS: u32 = 200;
/// What an idle daemon may have in memory, in KiB, where the program is optimised.
const MEMORY: u64 = 30 * 1024;
/// What it may have of its own, without the pages of its program file: those of an unoptimised one are several times as many
/// as those of one that is installed.
const OWN: u64 = 10 * 1024;
/// The share of one core that it may use.
const SHARE: f64 = 0.001;

/// What `init` writes, and what is put in its place.
const NIGHTLY: &str = "incremental = \"0 0 2 * * Mon-Sat\"";
const OFTEN: &str = "incremental = \"*/2 * * * * *\"";

/// The commands of the README's first section: the lines of its first block, put together again.
fn commands() -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let section = readme.split("\n## From nothing to").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    let block = block.strip_prefix("sh\n").unwrap().replace("\\\n", " ");
    let lines = block.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// A machine with a CRM that belongs to its own user and writes ahead, as the README has it. The
/// program is built already, and whoever is root needs no `sudo`.
fn machine() -> Machine {
    let fixtures = tempdir().unwrap();
    fs::set_permissions(fixtures.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let database = fixtures.path().join("crm.db");
    drop(Crm::create_with(&database, CUSTOMERS, 7, Journal::Wal).unwrap());
    let machine = Machine::boot(fixtures.path());
    machine.ok(
        "printf '#!/bin/sh\\n[ \"$*\" = \"build --release\" ]\\n' > /usr/local/sbin/cargo && \
         printf '#!/bin/sh\\nexec \"$@\"\\n' > /usr/local/sbin/sudo && \
         chmod +x /usr/local/sbin/cargo /usr/local/sbin/sudo",
    );
    machine.ok(
        "useradd --system crm && install -d -o crm -g crm -m 0750 /var/lib/crm && \
         install -o crm -g crm -m 0640 /srv/fixtures/crm.db /var/lib/crm/",
    );
    machine
}

impl Machine {
    /// The document that a command prints.
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }

    /// Changes the configuration, where it says `from` for the first time.
    fn configure(&self, from: &str, to: &str) {
        let path = "/etc/tenure/tenure.toml";
        let text = self.ok(&format!("cat {path}"));
        assert!(text.contains(from), "{text}");
        self.put(path, text.replacen(from, to, 1).trim_end());
    }

    /// How many snapshots there are.
    fn snapshots(&self) -> u64 {
        let snapshots = self.json("tenure snapshots --json");
        snapshots.as_array().unwrap().len() as u64
    }

    /// Waits until there are two more snapshots than there were: one may have been on its way.
    fn goes_on(&self) {
        let expected = self.snapshots() + 2;
        self.until(&format!(
            "test $(tenure snapshots --json | grep -c '\"snapshot\":') -ge {expected}"
        ));
    }

    fn main_pid(&self) -> u64 {
        self.property("MainPID").parse().unwrap()
    }

    /// Waits until another process than `before` is the daemon, and is ready.
    fn until_started_again(&self, before: u64) {
        // In one look: a process that has just been killed is still the active one.
        self.until(&format!(
            "systemctl show --property=ActiveState,MainPID tenured.service > /run/shown && \
             grep -q ActiveState=active /run/shown && ! grep -q MainPID={before}$ /run/shown"
        ));
    }
}

#[test]
fn six_commands_lead_to_a_service_that_holds() {
    if !can_boot() {
        return;
    }
    let machine = machine();
    let commands = commands();
    assert_eq!(commands.len(), 6, "{commands:#?}");
    for command in &commands {
        println!("$ {command}\n{}", machine.ok(command));
    }
    assert_eq!(machine.property("ActiveState"), "active");
    machine.ok(
        "systemctl is-active tenured.socket && systemctl is-enabled tenured.service tenured.socket",
    );
    machine.ok("tenure customer hold 7 --reason 'a dispute'");
    runs_on_schedule(&machine);
    leaves_the_database_to_its_owner(&machine);
    lets_in_whom_roles_let_in(&machine);
    stops_and_comes_back(&machine);
    seals_the_host_secret(&machine);
    idles(&machine);
}

fn runs_on_schedule(machine: &Machine) {
    assert_eq!(machine.snapshots(), 0, "the first one waits for its time");
    // What `init` has left to a person to settle.
    let settled = "[[source.owns]]\ntable = \"notes\"\nby = \"customer_id\"\nalso = \"mentions\"\n\n[[store]]";
    machine.configure("[[store]]", settled);
    machine.configure(NIGHTLY, OFTEN);
    machine.ok("systemctl reload tenured.service");
    machine.goes_on();
    let snapshots = machine.json("tenure snapshots --json");
    assert_eq!(snapshots[0]["kind"], "full", "{snapshots:#}");
    assert_eq!(snapshots[0]["customers"], CUSTOMERS, "{snapshots:#}");
    assert_eq!(snapshots[1]["kind"], "incremental", "{snapshots:#}");
    machine.ok("tenure verify --data --json");

    // What is not understood is refused, and nothing stops for it.
    machine.configure("[schedule]", "[shedule]");
    machine.ok("systemctl reload tenured.service");
    machine.until("tenure status | grep 'shedule'");
    machine.goes_on();
    machine.configure("[shedule]", "[schedule]");
    machine.ok("systemctl reload tenured.service");
    machine.until("! tenure status | grep 'shedule'");
    machine.goes_on();
    assert_eq!(machine.property("NRestarts"), "0");
}

/// SQLite makes files beside a database; whose they are decides whether the CRM can go on.
fn leaves_the_database_to_its_owner(machine: &Machine) {
    let moves = "runuser -u crm -- sqlite3 /var/lib/crm/crm.db \
                 \"UPDATE customers SET city = 'Wuhan' WHERE id = 1\"";
    let files = || machine.ok("stat --format='%U %n' /var/lib/crm/*");
    machine.ok(moves);
    machine.goes_on();
    let beside =
        "crm /var/lib/crm/crm.db\ncrm /var/lib/crm/crm.db-shm\ncrm /var/lib/crm/crm.db-wal\n";
    assert_eq!(files(), beside, "what a snapshot leaves");
    machine.ok(moves);
    machine.ok("tenure customer erase 9 --reason 'asked for it' --yes");
    machine.ok(moves);
    machine.goes_on();
    assert_eq!(files(), beside, "what an erasure leaves");
    let modes = machine.ok("stat -c '%a %U %n' /var/lib/tenure /etc/tenure /run/tenure /run/tenure/admin.sock /etc/group");
    assert_eq!(
        modes,
        "700 root /var/lib/tenure\n700 root /etc/tenure\n755 root /run/tenure\n\
         660 root /run/tenure/admin.sock\n644 root /etc/group\n"
    );
}

fn lets_in_whom_roles_let_in(machine: &Machine) {
    machine.ok("useradd -G tenure,tenure-operator olga && useradd -G tenure vera && useradd otto");
    let taken = machine.json("runuser -u olga -- tenure snapshot --json");
    assert_eq!(taken["customers"], CUSTOMERS - 1, "{taken:#}");
    machine.ok("runuser -u vera -- tenure snapshots");
    for who in ["vera", "otto"] {
        let refused = machine.sh(&format!("runuser -u {who} -- tenure snapshot"));
        assert_eq!(refused.status.code(), Some(4), "{who}: {refused:?}");
    }
    let log = machine.ok("tenure audit log");
    assert!(log.contains("vera") && log.contains("olga"), "{log}");
}

fn stops_and_comes_back(machine: &Machine) {
    machine.ok("systemctl stop tenured.service");
    assert_eq!(machine.property("Result"), "success");
    assert_eq!(machine.property("ExecMainStatus"), "0");
    assert_eq!(machine.property("ActiveState"), "inactive");
    // What is not understood is not tried again and again.
    machine.configure("[schedule]", "[shedule]");
    assert!(
        !machine
            .sh("systemctl start tenured.service")
            .status
            .success()
    );
    assert_eq!(machine.property("ExecMainStatus"), "2");
    assert_eq!(machine.property("ActiveState"), "failed");
    machine.configure("[shedule]", "[schedule]");
    // The socket is still there, and whoever speaks to it starts the service.
    machine.ok("tenure status --json; systemctl is-active tenured.service");
    states_survive(machine);

    let before = machine.main_pid();
    machine.ok(&format!("kill -KILL {before}"));
    machine.until_started_again(before);
    assert_eq!(machine.property("NRestarts"), "1");
    states_survive(machine);

    machine.ok(
        "mkdir -p /etc/systemd/system/tenured.service.d && \
         printf '[Service]\\nWatchdogSec=5s\\n' > /etc/systemd/system/tenured.service.d/watchdog.conf && \
         systemctl daemon-reload && systemctl restart tenured.service",
    );
    let before = machine.main_pid();
    machine.goes_on();
    assert_eq!(machine.main_pid(), before, "one that works is left alone");
    machine.ok(&format!("kill -STOP {before}"));
    machine.until_started_again(before);
    machine.ok("journalctl --unit=tenured.service | grep 'Watchdog timeout'");
    states_survive(machine);
    machine.ok("rm -r /etc/systemd/system/tenured.service.d && systemctl daemon-reload");
}

fn states_survive(machine: &Machine) {
    let held = machine.json("tenure customer show 7 --json");
    assert!(!held["hold"].is_null(), "{held:#}");
    let erased = machine.sh("tenure customer erase 7 --reason x --yes");
    assert_eq!(erased.status.code(), Some(4), "held means held: {erased:?}");
    machine.goes_on();
}

/// As the README says: the secret is then nowhere but in the sealed credential.
fn seals_the_host_secret(machine: &Machine) {
    let readme = include_str!("../../../README.md").replace("\\\n", " ");
    let part = readme
        .split("**Where the host secret lies.**")
        .nth(1)
        .unwrap();
    let mut blocks = part.split("```").skip(1).step_by(2);
    let mut follow = || {
        for line in blocks.next().unwrap().lines().skip(1) {
            machine.ok(line);
        }
    };
    follow();
    assert_eq!(machine.ok("find /etc/tenure -name host.key"), "");
    machine.goes_on();
    machine.ok("tenure verify --data");
    machine.ok("tenure restore --to /srv/back");
    // And with no daemon at all.
    machine.ok("systemctl stop tenured.socket tenured.service");
    assert!(!machine.sh("tenure restore --to /srv/none").status.success());
    follow();
    machine.ok("systemctl start tenured.service");
    for to in ["back", "restored"] {
        let count = format!("sqlite3 /srv/{to}/crm/crm.db 'SELECT count(*) FROM customers'");
        assert_eq!(machine.ok(&count).trim(), (CUSTOMERS - 1).to_string());
    }
}

/// With nothing to do it costs next to nothing.
fn idles(machine: &Machine) {
    machine.configure(OFTEN, NIGHTLY);
    machine.ok("systemctl restart tenured.service && sleep 3");
    let pid = machine.main_pid();
    let used = || {
        let spent = machine.ok(&format!("cat /proc/{pid}/task/*/schedstat"));
        let nanoseconds = spent
            .lines()
            .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok());
        nanoseconds.sum::<u64>()
    };
    let before = used();
    // With one tick of the daemon's clock in it.
    machine.ok("sleep 61");
    let share = (used() - before) as f64 / Duration::from_secs(61).as_nanos() as f64;
    let status = machine.ok(&format!("cat /proc/{pid}/status"));
    let kib = |name: &str| -> u64 {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (all, own) = (kib("VmRSS:"), kib("RssAnon:"));
    println!(
        "idle: {all} KiB, {own} KiB of it its own, {:.4} % of a core",
        share * 100.0
    );
    assert!(own <= OWN, "{own} KiB of its own");
    assert!(cfg!(debug_assertions) || all <= MEMORY, "{all} KiB");
    assert!(share <= SHARE, "{share}");
}
