//! Tenure beside what people would use instead: run by `benches/peers`, which installs the peers.
//!
//! Each pair is run in turn, so that what slows the machine slows both; the ratio of each turn is
//! taken, and the median of the ratios is printed, with the medians of the times. Times are of whole processes; memory is the
//! kernel's own figure (`ru_maxrss`).

#![allow(clippy::print_stdout, reason = "a benchmark's output is its table")]
#![allow(
    clippy::disallowed_methods,
    reason = "nothing here needs to outlast a crash"
)]

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Parser;
use tenure::demo::crm::Crm;

mod against;
mod alone;
mod tracked;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const SEED: u64 = 20_261_127;
const PARTS: [&str; 5] = ["peers", "customer", "forget", "tracked", "scaling"];
/// What a person adds to the configuration who knows the sample CRM.
const NOTES: &str =
    "\n[[source.owns]]\ntable = \"notes\"\nby = \"customer_id\"\nalso = \"mentions\"\n";

/// What to measure.
#[derive(Parser)]
struct Args {
    /// Customers in the database
    #[arg(long, default_value_t = 1_000_000)]
    customers: u32,
    /// Turns of each pair
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where everything is written
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Databases of other sizes, for the table of scaling
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 4_000_000])]
    scaling: Vec<u32>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', value_parser = PARTS, default_values_t = PARTS.map(String::from))]
    parts: Vec<String>,
    /// Cargo passes this to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let dir = match &args.dir {
        Some(dir) => {
            fs::create_dir_all(dir)?;
            tempfile::tempdir_in(dir)?
        }
        None => tempfile::tempdir()?,
    };
    let cores = std::thread::available_parallelism()?;
    println!("{} customers, {cores} cores, {}", args.customers, model());
    let database = dir.path().join("crm.db");
    let bytes = make(&database, args.customers)?;
    println!("The database has {:.1} MB.\n", bytes as f64 / 1e6);
    for part in &args.parts {
        match part.as_str() {
            "peers" => against::peers(dir.path(), &database, args.rounds)?,
            "customer" => alone::customer(dir.path(), &database, args.rounds)?,
            "tracked" => tracked::tracked(dir.path(), &database, args.customers, args.rounds)?,
            "forget" => alone::forget(&database, args.customers, args.rounds)?,
            _ => alone::scaling(dir.path(), &args.scaling)?,
        }
    }
    Ok(())
}

/// Makes the sample CRM: its size in bytes.
fn make(database: &Path, customers: u32) -> Result<u64> {
    Crm::create(database, customers, SEED)?;
    Ok(fs::metadata(database)?.len())
}

fn model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    line.map_or("an unknown processor".into(), |name| {
        name.trim_start_matches([' ', '\t', ':']).to_owned()
    })
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    seconds: f64,
    /// The most memory that any process of it had, in MiB.
    peak: f64,
}

/// Done, but for what the program has named: the forgotten are left out of snapshots.
const IN_PART: i32 = 3;

/// Runs a program to its end, which must be a good one: what it took, and what it printed.
fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<(Took, String)> {
    let report = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("/usr/bin/time");
    command
        .args(["-f", "%M", "-o"])
        .arg(report.path())
        .arg(program)
        .args(args);
    let began = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    let seconds = began.elapsed().as_secs_f64();
    if !output.status.success() && output.status.code() != Some(IN_PART) {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}: {told}", output.status).into());
    }
    let report = fs::read_to_string(report.path())?;
    // A line before it tells of a status that is not 0.
    let peak = report.lines().last().unwrap_or_default().parse::<f64>()? / 1024.0;
    Ok((Took { seconds, peak }, String::from_utf8(output.stdout)?))
}

/// Runs a pipeline of the shell.
fn shell(line: &str) -> Result<Took> {
    Ok(run("bash", &["-o", "pipefail", "-c", line])?.0)
}

/// A repository of the sample CRM.
struct Tenure {
    config: PathBuf,
}

impl Tenure {
    /// Makes one with stores in these places.
    fn init(dir: &Path, database: &Path, stores: &[&Path]) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        let config = dir.join("tenure.toml");
        let mut args = vec!["init".to_owned(), "--register".to_owned()];
        args.push(format!("sqlite:{}#customers.id", database.display()));
        for (number, store) in (1..).zip(stores) {
            args.extend([
                "--store".to_owned(),
                format!("s{number}=file://{}", store.display()),
            ]);
        }
        let tenure = Self { config };
        tenure.run(&args)?;
        let text = fs::read_to_string(&tenure.config)?;
        fs::write(&tenure.config, text + NOTES)?;
        Ok(tenure)
    }

    fn run<S: AsRef<str>>(&self, args: &[S]) -> Result<(Took, String)> {
        let config = self.config.to_string_lossy();
        let mut all = vec!["--config", &config, "--quiet"];
        all.extend(args.iter().map(AsRef::as_ref));
        run(env!("CARGO_BIN_EXE_tenure"), &all)
    }

    /// Runs a command with `--json`, and gives one number of what it says.
    fn number(&self, args: &[&str], name: &str) -> Result<(Took, f64)> {
        let (took, text) = self.run(&[args, &["--json"]].concat())?;
        let value: serde_json::Value = serde_json::from_str(&text)?;
        let number = value[name].as_f64();
        Ok((
            took,
            number.ok_or_else(|| format!("{args:?} says no {name}"))?,
        ))
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes of all files below `dir`.
fn bytes_in(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        sum += if meta.is_dir() {
            bytes_in(&entry.path())?
        } else {
            meta.len()
        };
    }
    Ok(sum)
}
