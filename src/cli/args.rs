//! What can be typed. The words are a contract: more may be added, none taken away.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Command, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::later;
use crate::actions::params;
use crate::ids::StoreName;
use crate::recover::EntryName;
use crate::setup::spec::{RegisterSpec, StoreSpec};
use crate::sign::VerifyKey;

/// Keeps customer data for exactly as long as it may be kept: encrypted backups that can forget one
/// customer
#[derive(Debug, Parser)]
#[command(
    name = "tenure",
    version,
    propagate_version = true,
    subcommand_required = true
)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    /// The configuration
    #[arg(long, global = true, value_name = "FILE", env = "TENURE_CONFIG")]
    #[arg(default_value = "/etc/tenure/tenure.toml", hide_env_values = true)]
    pub(super) config: PathBuf,
    /// Print exactly one JSON document, also on failure
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print errors, warnings and what was asked for, and nothing else
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    #[command(subcommand)]
    pub(super) command: Cmd,
}

/// All commands, with those that this version does not have.
pub(super) fn command() -> Command {
    let epilogue = format!(
        "Example:\n  tenure init --register sqlite:/var/lib/crm/crm.db#customers.id --store /srv/backup\n  \
         tenure snapshot\n\n\
         Exit codes: 0 done, 1 failed or something is wrong, 2 wrong usage or configuration,\n\
         3 done in part, 4 refused, 5 no such thing.\n\n\
         Not in this version: {}.",
        later::names()
    );
    later::add_to(Args::command().after_help(epilogue))
}

#[derive(Debug, Subcommand)]
pub(super) enum Cmd {
    /// Build a sample CRM and take it through the whole job
    #[command(after_help = "Example:\n  tenure demo --dir /tmp/demo")]
    Demo(Demo),
    /// Write a configuration, make the keys and open the stores
    #[command(after_help = "Example:\n  tenure --config ./tenure.toml init \\\n    \
        --register sqlite:crm.db#customers.id --store /mnt/a --store offsite=file:///mnt/b\n\n\
        The key of a composite register is K1,K2. Without --recipient a recovery identity is made and \
        written to recovery.key beside the configuration: take it offline.")]
    Init(Init),
    /// Tell everything that is wrong: configuration, sources, stores, keyring, clock
    #[command(after_help = "Example:\n  tenure check && tenure snapshot")]
    Check,
    /// Show the ownership plan: whose every table's rows are
    #[command(
        after_help = "Example:\n  tenure inspect --json | jq '.sources[].tables[] | select(.owner == \"shared\")'"
    )]
    Inspect,
    /// Take a snapshot now; the first one is always full
    #[command(after_help = "Example:\n  tenure snapshot --full\n\n\
        A store that is behind is named and does not change the exit code; erased customers who are \
        met again, and tables whose owner is not settled, make it 3.")]
    Snapshot(params::Snapshot),
    /// Let triggers in a database note what changes, so that incrementals read no more than that
    #[command(after_help = "Example:\n  tenure track crm --dry-run\n\n\
        Shows the SQL, runs it in the database without a question, and writes `changes` into the configuration. \
        Whenever the triggers may have missed something, a snapshot reads everything and says why; every full one does.")]
    Track(params::Track),
    /// List the snapshots
    #[command(after_help = "Example:\n  tenure snapshots --json | jq '.[-1].snapshot'")]
    Snapshots,
    /// Restore everything, or one source, into an empty directory
    #[command(
        after_help = "Example:\n  tenure restore --to /tmp/back --at '2026-03-01 18:00'\n\n\
        A time without a zone is meant in the configured one; a date is meant as its first moment."
    )]
    Restore(params::Restore),
    /// See that every object is there and whole
    #[command(after_help = "Example:\n  tenure verify --store offsite --data")]
    Verify(params::Verify),
    /// Bring stores that are behind up to date, byte for byte
    #[command(after_help = "Example:\n  tenure replicate\n\n\
        What a kept snapshot names and a store lacks is copied there from another one. A store that \
        stays behind makes the exit code 3.")]
    Replicate,
    /// Delete the snapshots that the keep rules let go, and what only those held
    #[command(after_help = "Example:\n  tenure prune --dry-run && tenure prune\n\n\
        The newest snapshot stays, and so do the newest that `verify --data` has found whole with all \
        since, the newest that each store holds complete, and whatever a kept one builds upon. If the newest holds far fewer customers than \
        before, nothing is deleted until it was confirmed.")]
    Prune(params::Prune),
    /// Customers: list, show, hide, hold, restore, erase
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_help = "Example:\n  tenure customer show 42")]
    Customer(Customer),
    /// The keyring: forget, prove, recipients
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_help = "Example:\n  tenure keys prove --identity /mnt/usb/recovery.key")]
    Keys(Keys),
    /// One screen: are we safe?
    #[command(
        after_help = "Example:\n  tenure status || mail -s 'backups need a look' ops@example.org"
    )]
    Status,
    /// What is due by the rules of retention, and doing it
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_help = "Example:\n  tenure retention plan")]
    Retention(Retention),
    /// Certificates of erasures
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_help = "Example:\n  tenure certificate show 12 --json > certificate-12.json")]
    Certificate(Certificate),
    /// The audit log: who did what
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_help = "Example:\n  tenure audit verify --against offsite")]
    Audit(Audit),
    /// List the tasks, their last results and their next times
    #[command(after_help = "Example:\n  tenure schedule")]
    Schedule,
    /// List which action needs which role
    #[command(
        after_help = "Example:\n  tenure roles --json | jq '.[] | select(.action == \"customer.erase\")'"
    )]
    Roles,
    /// Keep the schedule and answer on the socket, in the foreground
    #[command(
        after_help = "Example:\n  tenure daemon    # under systemd: systemctl enable --now tenured.service"
    )]
    Daemon,
    /// Go on from the stores on a bare machine: state and configuration are made anew
    #[command(
        after_help = "Example:\n  tenure recover --store file:///mnt/usb/tenure \\\n    \
        --identity /mnt/key/recovery.key --to /etc/tenure\n\n\
        All stores that the first one knows of are asked too. Whatever keyring is found, customers who were \
        erased stay erased; a journal that is missing or shortened stops it. A new incarnation of the \
        repository is opened, and the old host is refused from then on. Until every known store was read, or \
        given up with --give-up, nothing is destroyed. A second run finishes one that was interrupted."
    )]
    Recover(Recover),
    /// Install the program, its units, groups and manual pages
    #[command(
        after_help = "Example:\n  cargo build --release && sudo target/release/tenure install\n\n\
        Can be repeated. Units go to PREFIX/lib for /usr and /usr/local, else to /etc, where a changed file \
        stays as it is. With --root nothing is run: for packages and images."
    )]
    Install(Install),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  tenure completions bash > /etc/bash_completion.d/tenure")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write all of them
    #[command(after_help = "Example:\n  tenure man --to /usr/local/share/man/man1")]
    Man {
        /// Write one page per command into this directory
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct Demo {
    /// Where to build it; if not said, the first free `tenure-demo` here
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// How many customers the sample has, 100 or more
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(100..))]
    pub(super) customers: u32,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Init {
    /// The table whose rows are the customers, and its key
    #[arg(long, value_name = "[NAME=]sqlite:PATH#TABLE.KEY")]
    pub(super) register: RegisterSpec,
    /// A store: a file:// or s3:// URL, or an absolute path
    #[arg(long = "store", value_name = "[NAME=]URL", required = true)]
    pub(super) stores: Vec<StoreSpec>,
    /// A directory of documents (not in this version)
    #[arg(long, value_name = "[NAME=]DIR=PATTERN", hide = true)]
    pub(super) files: Vec<String>,
    /// Who can recover, as an age recipient; an identity is made if nobody is named
    #[arg(long = "recipient", value_name = "AGE1…")]
    pub(super) recipients: Vec<String>,
    /// Replace the configuration, if there is one; never keys
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Recover {
    /// A store of the repository: a file:// or s3:// URL, or an absolute path; the first one need not be the newest
    #[arg(long = "store", value_name = "[NAME=]URL", required = true)]
    pub(super) stores: Vec<StoreSpec>,
    /// The file with the recovery identity
    #[arg(long, value_name = "FILE")]
    pub(super) identity: PathBuf,
    /// Where configuration and state are to be
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
    /// The repository's fingerprint; if not said, the one that stands in the identity file
    #[arg(long, value_name = "F")]
    pub(super) fingerprint: Option<VerifyKey>,
    /// Stop if the newest keyring is older than this epoch
    #[arg(long, value_name = "N")]
    pub(super) at_least_epoch: Option<u64>,
    /// Declare this journal entry (N or INC.N) and all behind it void: forged in a break-in
    #[arg(long, value_name = "ENTRY", conflicts_with = "rehearse")]
    pub(super) void_from: Option<EntryName>,
    /// A store that is lost for good: nothing waits for it any more
    #[arg(long, value_name = "NAME", conflicts_with = "rehearse")]
    pub(super) give_up: Vec<StoreName>,
    /// Ask no store but those named: to recover from a copy beside a host that lives on
    #[arg(long)]
    pub(super) alone: bool,
    /// Read, restore into DIR/restored, write nothing to any store, open nothing, leave no keys
    #[arg(long)]
    pub(super) rehearse: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Install {
    /// Below what everything goes
    #[arg(long, value_name = "DIR", default_value = "/usr/local")]
    pub(super) prefix: PathBuf,
    /// The directory that is to be `/` one day; if not said, the system that runs
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Customer {
    /// List the register with states
    #[command(after_help = "Example:\n  tenure customer list --limit 50 --after 1041")]
    List(params::List),
    /// Show one customer: state, snapshots, tables
    #[command(
        after_help = "Example:\n  tenure customer show 42\n  tenure customer show 'DE,1041'   # a composite key"
    )]
    Show(params::Who),
    /// Take a customer out of everyday sight
    #[command(
        after_help = "Example:\n  tenure customer hide 42 --reason 'asked not to be contacted'"
    )]
    Hide(params::Hide),
    /// Bring a hidden customer back, exactly
    #[command(after_help = "Example:\n  tenure customer unhide 42 --reason 'asked to be back'")]
    Unhide(params::Because),
    /// Put a legal hold: nothing erases the customer while it stands
    #[command(
        after_help = "Example:\n  tenure customer hold 42 --reason 'case 7/2026' --until 2027-12-31"
    )]
    Hold(params::Hold),
    /// Lift a legal hold
    #[command(after_help = "Example:\n  tenure customer release 42 --reason 'case 7/2026 closed'")]
    Release(params::Because),
    /// Erase a customer now: live rows, and every backup that exists
    #[command(
        after_help = "Example:\n  tenure customer erase 42 --reason 'asked for it' --ground TICKET-77"
    )]
    Erase(params::Erase),
    /// Restore one customer into an empty directory
    #[command(after_help = "Example:\n  tenure customer restore 42 --to /tmp/c42 --at 2026-03-01")]
    Restore(params::RestoreCustomer),
    /// Let an erased customer in again, under a new number
    #[command(
        after_help = "Example:\n  tenure customer readmit 42 --reason 'signed a new contract'"
    )]
    Readmit(params::Because),
}

#[derive(Debug, Subcommand)]
pub(super) enum Retention {
    /// List what is due, and why
    #[command(after_help = "Example:\n  tenure retention plan --at 2027-01-01")]
    Plan(params::PlanAt),
    /// Erase what is due
    #[command(after_help = "Example:\n  tenure retention run\n\n\
        When the fuse has blown, or the clock is not plausible, it asks for the hash of the plan.")]
    Run(params::Run),
}

#[derive(Debug, Subcommand)]
pub(super) enum Certificate {
    /// Show the certificate of an erasure
    #[command(after_help = "Example:\n  tenure certificate show 12")]
    Show(params::Number),
    /// Check a certificate's signature
    #[command(after_help = "Example:\n  tenure certificate verify certificate-12.json")]
    Verify {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Show entries, the newest last
    #[command(after_help = "Example:\n  tenure audit log --limit 20")]
    Log(params::AuditLog),
    /// See that the log was not altered
    #[command(after_help = "Example:\n  tenure audit verify --against offsite")]
    Verify(params::AuditVerify),
}

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Forget customers in all backups, for good; the live rows stay
    #[command(
        after_help = "Example:\n  tenure keys forget 42 43\n  tenure keys forget --table call_log"
    )]
    Forget(params::Forget),
    /// Show that a recovery identity opens the keyring
    #[command(after_help = "Example:\n  tenure keys prove --identity /mnt/usb/recovery.key")]
    Prove {
        /// The file with the identity
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
    },
    /// List who can recover, or change it
    #[command(
        after_help = "Example:\n  tenure keys recipients add age1… --identity /mnt/usb/recovery.key"
    )]
    #[command(args_conflicts_with_subcommands = true)]
    Recipients {
        #[command(subcommand)]
        change: Option<Recipients>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Recipients {
    /// Let somebody else recover too
    #[command(
        after_help = "Example:\n  tenure keys recipients add age1… --identity /mnt/usb/recovery.key"
    )]
    Add(Recipient),
    /// Let somebody recover no more
    #[command(
        after_help = "Example:\n  tenure keys recipients remove age1… --identity /mnt/usb/recovery.key"
    )]
    Remove(Recipient),
}

#[derive(Debug, ClapArgs)]
pub(super) struct Recipient {
    /// The age recipient
    #[arg(value_name = "AGE1…")]
    pub(super) recipient: String,
    /// The file with an identity that can recover today
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Option<PathBuf>,
}
