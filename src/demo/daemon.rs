//! The second half of the story: the daemon, beside a program that writes.
//!
//! It goes through the command and through `curl`, as a person would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use super::crm::Crm;
use super::{Demo, compare};
use crate::admin::Client;
use crate::error::{Failure, Outcome};
use crate::fsx;

/// What the daemon adds to the configuration: a schedule that a person can wait for.
const ADDED: &str = include_str!("daemon.toml");
/// How long something that the daemon does by itself is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that is stopped when this goes.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

impl Daemon {
    fn stop(&mut self) -> Outcome<()> {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let ended = self.0.wait();
        let ended = ended.map_err(|error| Failure::new("the daemon is lost").because(error))?;
        match ended.success() {
            true => Ok(()),
            false => Err(Failure::new(format!("the daemon has ended with {ended}"))),
        }
    }
}

/// A program that writes to the CRM all the time.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<rusqlite::Result<u64>>,
}

impl Writer {
    fn start(path: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, path) = (Arc::clone(&stop), path.to_owned());
        let thread = thread::spawn(move || write(&path, &told));
        Self { stop, thread }
    }

    /// How many orders it has written.
    fn stop(self) -> Outcome<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let written = self.thread.join();
        let written = written.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map_err(|error| Failure::new("the writing program has failed").because(error))
    }
}

fn write(path: &Path, stop: &AtomicBool) -> rusqlite::Result<u64> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(10))?;
    let sql = "INSERT INTO orders (customer_id, ordered_at, status)
               SELECT id, datetime('now'), 'new' FROM customers ORDER BY random() LIMIT 1";
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        db.execute(sql, [])?;
        written += 1;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(written)
}

impl Demo<'_> {
    /// Goes on from where the first half has ended.
    pub(super) fn tell_of_the_daemon(&mut self, crm: &Crm, forgotten: i64) -> Outcome<()> {
        let mut daemon = self.start_daemon()?;
        self.watch_it_work(crm)?;
        self.erase_the_forgotten(crm, forgotten)?;
        let due = someone_due(crm)?;
        self.hide_and_unhide(crm, due[0])?;
        self.hold(due[0])?;
        self.retention(crm, &due)?;
        self.say("\n15. The daemon is told to stop, and everything is read back.")?;
        daemon.stop()?;
        self.audited()
    }

    fn start_daemon(&mut self) -> Outcome<Daemon> {
        self.say("\n10. `tenure daemon`: an incremental every two seconds, on a private socket.")?;
        let config = self.dir.join("tenure.toml");
        let text = String::from_utf8_lossy(&fsx::read(&config, 1 << 20)?).into_owned();
        let me = rustix::process::getuid().as_raw().to_string();
        let user = crate::admin::Peer::look_up(rustix::process::getuid().as_raw(), 0).user;
        let added = ADDED
            .replace("@USER@", &user.unwrap_or(me))
            .replace("@DIR@", &self.dir.display().to_string());
        let hide = "# A note belongs";
        let text = text.replacen(hide, &format!("{HIDE}  {hide}"), 1) + &added;
        fsx::write(&config, text.as_bytes())?;
        let log = std::fs::File::create(self.dir.join("daemon.log"));
        let log = log.map_err(fsx::FileError::new("make", &self.dir))?;
        let daemon = self
            .command(&["daemon"])?
            .stderr(log)
            .stdout(Stdio::null())
            .spawn();
        let daemon = daemon.map_err(|e| Failure::new("cannot start the daemon").because(e))?;
        let daemon = Daemon(daemon);
        let socket = self.socket();
        wait("the daemon's socket", || {
            Ok(Client::connect(&socket)?.is_some())
        })?;
        Ok(daemon)
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("admin.sock")
    }

    /// The command itself, with the demonstration's configuration.
    fn command(&self, arguments: &[&str]) -> Outcome<Command> {
        let own = std::env::current_exe();
        let own = own.map_err(|error| Failure::new("cannot find this program").because(error))?;
        let mut command = Command::new(own);
        command
            .args(arguments)
            .env("TENURE_CONFIG", self.dir.join("tenure.toml"))
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// What the command says, as JSON, and its exit code.
    pub(super) fn ask(&self, arguments: &[&str]) -> Outcome<(i32, Value)> {
        let output = self.command(arguments)?.arg("--json").output();
        let output = output.map_err(|error| Failure::new("cannot run it").because(error))?;
        let answer = serde_json::from_slice(&output.stdout).map_err(|error| {
            Failure::new(format!("`tenure {}` has not answered", arguments.join(" ")))
                .because(error)
        })?;
        Ok((output.status.code().unwrap_or(-1), answer))
    }

    fn watch_it_work(&mut self, crm: &Crm) -> Outcome<()> {
        let before = self.snapshots()?;
        let writer = Writer::start(crm.path());
        wait("three snapshots", || Ok(self.snapshots()? >= before + 3))?;
        let written = writer.stop()?;
        let taken = self.snapshots()? - before;
        self.say(&format!(
            "   A program wrote {written} orders meanwhile, and the daemon took {taken} snapshots by itself."
        ))
    }

    fn snapshots(&self) -> Outcome<usize> {
        Ok(self.read()?.catalog.snapshots()?.len())
    }

    fn erase_the_forgotten(&mut self, crm: &Crm, customer: i64) -> Outcome<()> {
        self.say(&format!(
            "\n11. Customer {customer}, forgotten in all backups, is erased in the live CRM, too."
        ))?;
        let id = customer.to_string();
        let (_, answer) = self.ask(&["customer", "erase", &id, "--reason", "asked for it"])?;
        gone_live(crm, customer)?;
        self.say(&format!(
            "   certificate {}, state {}: its rows are gone from the database, and from its free pages.",
            answer["certificate"], answer["state"]
        ))
    }

    fn hide_and_unhide(&mut self, crm: &Crm, customer: i64) -> Outcome<()> {
        self.say(&format!(
            "\n12. Customer {customer} is hidden, and brought back with `curl`."
        ))?;
        let id = customer.to_string();
        let flag = || -> Outcome<i64> {
            let sql = "SELECT hidden FROM customers WHERE id = ?";
            let flag = crm
                .connection()
                .query_row(sql, [customer], |row| row.get(0));
            flag.map_err(|error| Failure::new("cannot look at the CRM").because(error))
        };
        self.ask(&["customer", "hide", &id, "--reason", "business"])?;
        let (_, listed) = self.ask(&["customer", "list"])?;
        let shown = listed.as_array().into_iter().flatten();
        let is_shown = shown.into_iter().any(|one| one["id"] == id.as_str());
        if flag()? != 1 || is_shown {
            return Err(Failure::new(format!("customer {customer} is not hidden")));
        }
        let by = self.post(&format!("/v1/customers/{customer}/unhide"))?;
        if flag()? != 0 {
            return Err(Failure::new(format!(
                "customer {customer} was not brought back"
            )));
        }
        self.say(&format!(
            "   hidden = 1 in the CRM and out of `customer list`; then 0 again, as it was ({by})."
        ))
    }

    /// Asks over the socket with `curl`, or without it where there is none. Says which.
    fn post(&self, path: &str) -> Outcome<&'static str> {
        let body = r#"{"reason": "back"}"#;
        let curl = Command::new("curl")
            .args(["-sf", "--unix-socket"])
            .arg(self.socket())
            .args(["-H", "content-type: application/json", "-d", body])
            .arg(format!("http://tenure{path}"))
            .output();
        match curl {
            Ok(output) if output.status.success() => Ok("by curl"),
            Ok(_) => Err(Failure::new(format!("curl was refused at {path}"))),
            Err(_) => {
                let client = Client::connect(&self.socket())?;
                let client = client.ok_or_else(|| Failure::new("the daemon is gone"))?;
                let body = serde_json::json!({ "reason": "back" });
                let method = crate::admin::Method::POST;
                client.send(method, path, Some(&body), None, false)?;
                Ok("over the socket; there is no curl here")
            }
        }
    }

    fn hold(&mut self, customer: i64) -> Outcome<()> {
        self.say(&format!(
            "\n13. A legal hold on customer {customer}: nothing erases it."
        ))?;
        let id = customer.to_string();
        self.ask(&["customer", "hold", &id, "--reason", "case 7/2026"])?;
        let (code, answer) = self.ask(&["customer", "erase", &id, "--reason", "x"])?;
        if code != 4 {
            return Err(Failure::new("an erasure on hold was not refused"));
        }
        self.say(&format!(
            "   exit code 4: {}",
            answer["error"].as_str().unwrap_or_default()
        ))
    }

    fn retention(&mut self, crm: &Crm, due: &[i64]) -> Outcome<()> {
        self.say(&format!(
            "\n14. {} customers have not been heard of for more than fifteen years. Retention erases whose time is over.",
            due.len()
        ))?;
        let (code, ran) = self.ask(&["retention", "run"])?;
        let (held, gone) = (due[0], &due[1..]);
        if ran["erased"] != gone.len() {
            return Err(Failure::new(format!("retention ended with {code}: {ran}")));
        }
        for customer in gone {
            gone_live(crm, *customer)?;
        }
        self.say(&format!(
            "   {} erased; customer {held} is on hold and stays. The certificate:",
            gone.len()
        ))?;
        let number = ran["certificates"][0].to_string();
        let (_, shown) = self.ask(&["certificate", "show", &number])?;
        self.say(&format!("   {}", brief(&shown["certificate"])))?;
        for number in [1, 2] {
            for store in ["first", "second"] {
                let back = self.restored(number, store, "at-the-end")?;
                for customer in gone {
                    if compare::rows_of(&back, *customer)? != 0 {
                        return Err(Failure::new(format!("{customer} came back")));
                    }
                }
            }
        }
        self.say("   No snapshot from before gives them back, from either store.")
    }

    fn audited(&mut self) -> Outcome<()> {
        let (code, verified) = self.ask(&["audit", "verify"])?;
        if code != 0 {
            return Err(Failure::new(format!("the audit log: {verified}")));
        }
        self.verify_all()?;
        self.say(&format!(
            "   The audit log has {} entries, and its root is what both stores vouch for.",
            verified["entries"]
        ))
    }
}

const HIDE: &str = "[source.hide]
  mode   = \"flag\"
  column = \"hidden\"
  value  = 1

";

/// The certificate on a few lines.
fn brief(certificate: &Value) -> String {
    let text = |name: &str| certificate[name].to_string();
    format!(
        "number {}, cause {}, subjects {}, final {}; pending: {}",
        text("number"),
        text("cause"),
        text("subjects"),
        text("final"),
        text("pending"),
    )
}

/// Four customers of whom nothing was heard for long.
fn someone_due(crm: &Crm) -> Outcome<Vec<i64>> {
    let find = || -> rusqlite::Result<Vec<i64>> {
        let db = crm.connection();
        db.execute(
            "UPDATE customers SET last_contact_at = '2005-05-01 12:00:00' WHERE id IN
             (SELECT id FROM customers WHERE hidden = 0 ORDER BY id DESC LIMIT 4)",
            [],
        )?;
        let sql = "SELECT id FROM customers WHERE last_contact_at < '2006' ORDER BY id";
        let mut statement = db.prepare(sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    find().map_err(|error| Failure::new("cannot change the CRM").because(error))
}

fn gone_live(crm: &Crm, customer: i64) -> Outcome<()> {
    match compare::rows_of(crm.path(), customer)? {
        0 => Ok(()),
        left => Err(Failure::new(format!(
            "customer {customer} has {left} rows left"
        ))),
    }
}

fn wait(what: &str, mut done: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if done()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::new(format!(
        "{what}: waited for {} s in vain",
        PATIENCE.as_secs()
    ))
    .hint("look into daemon.log"))
}
