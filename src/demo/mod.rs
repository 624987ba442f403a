//! The demonstration: a sample CRM, and the whole job done to it in front of one's eyes.
//!
//! Everything here goes through the same flows as the commands do, and every claim is checked by a
//! comparison that shares nothing with them. A claim that does not hold is a failure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::runtime::Handle;

use crate::backup::{self, Taken};
use crate::config::Config;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::init::{self, Root};
use crate::keyring::recovery::Identity;
use crate::repo::Repository;
use crate::report::Report;
use crate::{forget, keys, restore, verify};

mod bare;
mod compare;
pub mod crm;
mod daemon;
mod random;
mod words;

use crm::{Crm, CrmError};

crate::error::failures!(CrmError);

/// The same every time, so that the story is.
const SEED: u64 = 20_261_124;

/// Tells the story in a new directory.
///
/// # Errors
/// The first thing that does not work, or does not hold.
pub fn run(
    dir: Option<&Path>,
    customers: u32,
    out: &mut dyn Write,
    report: &dyn Report,
    runtime: &Handle,
) -> Outcome<PathBuf> {
    let dir = place(dir)?;
    let began = Instant::now();
    let mut demo = Demo {
        dir,
        out,
        report,
        runtime,
    };
    demo.tell(customers)?;
    demo.say(&format!(
        "\nAll of this took {:.1} s.",
        began.elapsed().as_secs_f64()
    ))?;
    demo.what_next()?;
    Ok(demo.dir)
}

/// The directory that was asked for, or the first free `tenure-demo` here.
fn place(dir: Option<&Path>) -> Outcome<PathBuf> {
    let dir = match dir {
        Some(dir) => dir.to_owned(),
        None => {
            let names = (1_u32..).map(|n| match n {
                1 => PathBuf::from("tenure-demo"),
                n => PathBuf::from(format!("tenure-demo-{n}")),
            });
            names
                .into_iter()
                .find(|name| !name.exists())
                .unwrap_or_else(|| "tenure-demo".into())
        }
    };
    if dir
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
    {
        let what = format!("{} is not empty", dir.display());
        return Err(
            Failure::of(FailureKind::Usage, what).hint("name a directory that is not there yet")
        );
    }
    fsx::create_dir(&dir)?;
    Ok(std::path::absolute(&dir).map_err(fsx::FileError::new("find", &dir))?)
}

struct Demo<'a> {
    dir: PathBuf,
    out: &'a mut dyn Write,
    report: &'a dyn Report,
    runtime: &'a Handle,
}

impl Demo<'_> {
    fn say(&mut self, text: &str) -> Outcome<()> {
        let written = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        Ok(written.map_err(fsx::FileError::new("write", Path::new("standard output")))?)
    }

    fn tell(&mut self, customers: u32) -> Outcome<()> {
        let mut crm = self.make_crm(customers)?;
        self.init()?;
        let first = self.snapshot(true)?;
        self.keep(&crm, 1)?;
        self.a_day(&mut crm)?;
        let second = self.snapshot(false)?;
        self.keep(&crm, 2)?;
        self.restore_and_compare(&[first, second])?;
        let customer = self.someone(&crm)?;
        self.restore_one(customer)?;
        self.forget_one(customer)?;
        self.nobody_gives_back(customer)?;
        self.say("\n9. Everything is read back, opened and compared.")?;
        self.verify_all()?;
        self.tell_of_the_daemon(&crm, customer)?;
        self.recover_and_compare(&crm, customer)
    }

    fn make_crm(&mut self, customers: u32) -> Outcome<Crm> {
        self.say(&format!(
            "1. A sample CRM: {customers} customers with orders and notes, in SQLite."
        ))?;
        let began = Instant::now();
        let crm = Crm::create(&self.dir.join("crm.db"), customers, SEED)?;
        let size = std::fs::metadata(crm.path()).map_or(0, |meta| meta.len());
        let seconds = began.elapsed().as_secs_f64();
        self.say(&format!(
            "   crm.db has {}, made in {seconds:.1} s.",
            mib(size)
        ))?;
        Ok(crm)
    }

    /// Writes the configuration as a person would after `tenure init`, and makes the repository.
    fn init(&mut self) -> Outcome<()> {
        self.say("\n2. A repository with two stores, and a recovery identity for the safe.")?;
        let identity = Identity::generate();
        let config = self.dir.join("tenure.toml");
        let text = include_str!("demo.toml")
            .replace("@RECIPIENT@", &identity.recipient().to_string())
            .replace("@DIR@", &url_path(&self.dir));
        fsx::write(&config, text.as_bytes())?;
        let root = Root::make()?;
        let repository = init::run(Config::load(&config)?, &root, self.runtime)?;
        let fingerprint = repository.fingerprint;
        drop(repository);
        let key = self.dir.join("recovery.key");
        fsx::write(&key, identity.to_file(&fingerprint).as_bytes())?;
        keys::prove(&mut self.change()?, &key)?;
        self.say(&format!("   fingerprint {fingerprint}"))?;
        self.say(
            "   recovery.key opens the keyring in both stores (tried just now). In real life it",
        )?;
        self.say("   goes offline, in two places: whoever has it and a store can read everything.")
    }

    fn config(&self) -> Outcome<Config> {
        Ok(Config::load(&self.dir.join("tenure.toml"))?)
    }

    fn change(&self) -> Outcome<Repository> {
        Ok(Repository::change(self.config()?, self.runtime)?.0)
    }

    fn read(&self) -> Outcome<Repository> {
        Repository::read(self.config()?, self.runtime)
    }

    fn snapshot(&mut self, full: bool) -> Outcome<Taken> {
        if full {
            self.say("\n3. A full snapshot, sealed customer by customer, to both stores.")?;
        }
        let taken = backup::take(&mut self.change()?, full, self.report)?;
        let totals = taken.totals;
        self.say(&format!(
            "   snapshot {} ({}): {} customers, {} changed, {} removed; read {}, stored {} in {:.1} s.",
            taken.id.number,
            taken.kind,
            totals.customers,
            totals.changed,
            totals.removed,
            mib(totals.read_bytes),
            mib(totals.stored_bytes),
            taken.seconds
        ))?;
        for (name, behind) in &taken.stores {
            if let Some(failure) = behind {
                return Err(Failure::new(format!(
                    "store {:?} is behind: {failure}",
                    name.as_str()
                )));
            }
        }
        Ok(taken)
    }

    /// Keeps the database as it is now, to compare with later.
    fn keep(&self, crm: &Crm, number: u64) -> Outcome<()> {
        let to = self.kept(number);
        let path = to.to_string_lossy();
        let done = crm.connection().execute("VACUUM INTO ?", [&*path]);
        done.map(|_| ())
            .map_err(|e| Failure::new("cannot keep a copy of the CRM").because(e))
    }

    fn kept(&self, number: u64) -> PathBuf {
        self.dir.join(format!("as-it-was-{number}.db"))
    }

    fn a_day(&mut self, crm: &mut Crm) -> Outcome<()> {
        let day = crm.a_day_of_changes(SEED)?;
        self.say(&format!(
            "\n4. A day goes by: {} customers are touched ({} new ones, {} new orders, {} notes moved\n   \
             to somebody else), one is deleted. An incremental snapshot stores what is new.",
            day.touched, day.new_customers, day.new_orders, day.moved_notes
        ))
    }

    fn restore_and_compare(&mut self, taken: &[Taken]) -> Outcome<()> {
        self.say(
            "\n5. Both snapshots restored, each from another store, and compared row by row.",
        )?;
        for (taken, store) in taken.iter().zip(["first", "second"]) {
            let number = taken.id.number;
            let back = self.restored(number, store, "before")?;
            compare::same(&self.kept(number), &back, None)?;
            self.say(&format!(
                "   snapshot {number} from store {store:?}: every row as it was then."
            ))?;
        }
        Ok(())
    }

    /// Restores a snapshot from one store, into a folder named after both.
    fn restored(&self, number: u64, store: &str, when: &str) -> Outcome<PathBuf> {
        let repository = self.read()?;
        let id = restore::choose(&repository, Some(&number.to_string()), None)?;
        let to = self
            .dir
            .join("restored")
            .join(format!("{when}-{number}-{store}"));
        let store = store.parse()?;
        let restored = restore::whole(&repository, &to, id, None, Some(&store), self.report)
            .failed_to(|| format!("restore snapshot {number}"))?;
        match restored.sources.into_iter().next() {
            Some(source) if source.problems.is_empty() => Ok(source.path),
            Some(source) => Err(Failure::new(format!(
                "integrity_check: {}",
                source.problems.join("; ")
            ))),
            None => Err(Failure::new("nothing was restored")),
        }
    }

    /// A customer whom others refer to, so that there is something to see.
    fn someone(&self, crm: &Crm) -> Outcome<i64> {
        let sql = "SELECT id FROM customers WHERE id IN (SELECT referred_by FROM customers)
                   AND id IN (SELECT customer_id FROM orders) AND id IN (SELECT customer_id FROM notes)
                   ORDER BY id LIMIT 1";
        let found = crm.connection().query_row(sql, [], |row| row.get(0));
        found.map_err(|e| {
            Failure::new("the sample CRM is too small for the story")
                .because(e)
                .hint("--customers 100 or more")
        })
    }

    fn restore_one(&mut self, customer: i64) -> Outcome<()> {
        self.say(&format!("\n6. Customer {customer} as of yesterday, alone."))?;
        let repository = self.read()?;
        let first = restore::choose(&repository, Some("1"), None)?;
        let to = self
            .dir
            .join("restored")
            .join(format!("customer-{customer}"));
        let one = restore::customer(
            &repository,
            &customer.to_string(),
            &to,
            first,
            None,
            self.report,
        )?;
        let rows = compare::rows_of(&self.kept(1), customer)?;
        if rows != one.rows {
            return Err(Failure::new(format!(
                "{} rows came back of {rows}",
                one.rows
            )));
        }
        self.say(&format!(
            "   {rows} rows, all that there were, by reading {} of the store: see {}.",
            kib(one.read_bytes),
            self.shown(&to)
        ))
    }

    fn forget_one(&mut self, customer: i64) -> Outcome<()> {
        self.say(&format!(
            "\n7. Customer {customer} is forgotten: one leaf is punctured in the key tree."
        ))?;
        let began = Instant::now();
        let mut repository = self.change()?;
        let forgotten = forget::run(&mut repository, &[customer.to_string()], &[])?;
        if let Some(store) = forgotten.pending.first() {
            return Err(Failure::new(format!(
                "store {:?} may hold an older keyring",
                store.as_str()
            )));
        }
        self.say(&format!(
            "   keyring epoch {} is in both stores and on this host, and no older one is: listed again.\n   \
             It took {:.0} ms. No pack was touched.",
            forgotten.epoch,
            began.elapsed().as_secs_f64() * 1000.0
        ))
    }

    fn nobody_gives_back(&mut self, customer: i64) -> Outcome<()> {
        self.say(
            "\n8. Every snapshot from every store once more: that customer, and everybody else.",
        )?;
        for number in [1, 2] {
            for store in ["first", "second"] {
                let back = self.restored(number, store, "after")?;
                if compare::rows_of(&back, customer)? != 0 {
                    return Err(Failure::new(format!(
                        "snapshot {number} still has customer {customer}"
                    )));
                }
                compare::same(&self.kept(number), &back, Some(customer))?;
                self.say(&format!(
                    "   snapshot {number} from store {store:?}: {customer} is gone, all others are identical."
                ))?;
            }
        }
        let repository = self.read()?;
        let newest = restore::choose(&repository, None, None)?;
        let to = self.dir.join("restored").join("nobody");
        match restore::customer(
            &repository,
            &customer.to_string(),
            &to,
            newest,
            None,
            self.report,
        ) {
            Err(refused) if refused.kind() == FailureKind::NotFound => {
                self.say(&format!("   Asked for by number: \"{refused}\"."))
            }
            Err(other) => Err(other),
            Ok(_) => Err(Failure::new(format!(
                "customer {customer} was restored after all"
            ))),
        }
    }

    fn verify_all(&mut self) -> Outcome<()> {
        let verified = verify::run(&mut self.read()?, None, true, self.report)?;
        if let Some(problem) = verified.problems.first() {
            return Err(Failure::new(format!(
                "{}: {}",
                problem.object, problem.what
            )));
        }
        self.say(&format!(
            "   {} objects and {} pieces in two stores, {}: all whole.",
            verified.objects,
            verified.blobs,
            mib(verified.bytes)
        ))
    }

    /// A path as one would type it from where one stands.
    fn shown(&self, path: &Path) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(&here)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    fn what_next(&mut self) -> Outcome<()> {
        let dir = self.shown(&self.dir);
        let dir = if dir.is_empty() { ".".to_owned() } else { dir };
        self.say(&format!(
            "\nThe folder is yours to play with. Try:\n\n    \
             export TENURE_CONFIG={dir}/tenure.toml\n    \
             tenure status\n    \
             tenure inspect\n    \
             tenure snapshots\n    \
             tenure customer list --limit 5\n    \
             tenure retention plan\n    \
             tenure audit log\n    \
             tenure restore --to {dir}/mine\n    \
             tenure daemon\n\n\
             (`tenure` is target/release/tenure, or `cargo run --release --`.)"
        ))
    }
}

/// A path as it stands in a `file://` URL.
fn url_path(dir: &Path) -> String {
    url::Url::from_directory_path(dir).map_or_else(
        |()| dir.display().to_string(),
        |url| url.path().trim_end_matches('/').to_owned(),
    )
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn kib(bytes: u64) -> String {
    format!("{:.0} KiB", bytes as f64 / 1024.0)
}
