//! One customer's restore, forgetting, and what grows with the number of customers.

use std::path::Path;

use tempfile::tempdir_in;

use crate::against::change;
use crate::{Result, Tenure, make, median};

/// How many were erased before the second measure of forgetting.
const ERASED: usize = 100_000;
/// Customers forgotten by one command.
const BATCH: usize = 2_000;
/// Snapshots beyond which forgetting must not cost more.
const SNAPSHOTS: usize = 100;

/// One customer from a full and six incrementals.
pub fn customer(dir: &Path, database: &Path, rounds: usize) -> Result<()> {
    let here = tempdir_in(dir)?;
    let changing = here.path().join("crm.db");
    std::fs::copy(database, &changing)?;
    let tenure = Tenure::init(
        &here.path().join("tenure"),
        &changing,
        &[&here.path().join("store")],
    )?;
    tenure.run(&["snapshot"])?;
    for round in 0..6 {
        change(&changing, round)?;
        tenure.run(&["snapshot"])?;
    }
    let (mut times, mut reads) = (Vec::new(), Vec::new());
    for round in 0..rounds * 5 {
        let (id, to) = (17 + round * 997, here.path().join(format!("to{round}")));
        let args = [
            "customer",
            "restore",
            &id.to_string(),
            "--to",
            &to.to_string_lossy(),
        ];
        let (took, read) = tenure.number(&args, "read_bytes")?;
        times.push(took.seconds * 1e3);
        reads.push(read / 1024.0);
    }
    println!(
        "One customer from a full and six incrementals: {:.0} ms, {:.0} KiB read.\n",
        median(times),
        median(reads)
    );
    Ok(())
}

/// Forgetting one customer, with two stores in memory.
pub fn forget(database: &Path, customers: u32, rounds: usize) -> Result<()> {
    let here = tempdir_in("/dev/shm")?;
    let copy = here.path().join("crm.db");
    std::fs::copy(database, &copy)?;
    let stores = [here.path().join("s1"), here.path().join("s2")];
    let tenure = Tenure::init(
        &here.path().join("tenure"),
        &copy,
        &[&stores[0], &stores[1]],
    )?;
    tenure.run(&["snapshot"])?;
    // A walk that meets each customer once, in no order: 2,147,483,647 is prime.
    let mut ids = (1_u64..).map(|n| n * 1_103_515_245 % 2_147_483_647 % u64::from(customers) + 1);
    let mut once = |rounds: usize| -> Result<f64> {
        let mut times = Vec::new();
        while times.len() < rounds * 5 {
            let id = ids.next().unwrap_or(1).to_string();
            // Whom the walk meets again is gone.
            if let Ok((took, _)) = tenure.run(&["keys", "forget", &id, "--yes"]) {
                times.push(took.seconds * 1e3);
            }
        }
        Ok(median(times))
    };
    let with_one = once(rounds)?;
    println!(
        "| forget one of {customers} | ms |\n|---|---:|\n| with one snapshot | {with_one:.0} |"
    );
    for _ in 1..SNAPSHOTS {
        tenure.run(&["snapshot"])?;
    }
    let with_many = once(rounds)?;
    println!(
        "| with {SNAPSHOTS} snapshots | {with_many:.0}, {:.2} of it |",
        with_many / with_one
    );
    let gone = ERASED.min(customers as usize / 10);
    for batch in (0..gone).step_by(BATCH) {
        let ids = (batch..(batch + BATCH).min(gone))
            .map(|n| (n as u64 * 7919 % u64::from(customers) + 1).to_string());
        let mut args = vec!["keys".to_owned(), "forget".to_owned(), "--yes".to_owned()];
        args.extend(ids);
        tenure.run(&args)?;
    }
    println!("| after {gone} erasures | {:.0} |\n", once(rounds)?);
    Ok(())
}

/// Time and memory of a first full, by the number of customers.
pub fn scaling(dir: &Path, sizes: &[u32]) -> Result<()> {
    println!(
        "| customers | database | first full | MiB | restore | MiB |\n|---:|---:|---:|---:|---:|---:|"
    );
    for customers in sizes {
        let here = tempdir_in(dir)?;
        let database = here.path().join("crm.db");
        let bytes = make(&database, *customers)?;
        let tenure = Tenure::init(
            &here.path().join("tenure"),
            &database,
            &[&here.path().join("store")],
        )?;
        let full = tenure.run(&["snapshot"])?.0;
        let back = here.path().join("back");
        let restore = tenure.run(&["restore", "--to", &back.to_string_lossy()])?.0;
        println!(
            "| {customers} | {:.0} MB | {:.1} s | {:.0} | {:.1} s | {:.0} |",
            bytes as f64 / 1e6,
            full.seconds,
            full.peak,
            restore.seconds,
            restore.peak
        );
    }
    println!();
    Ok(())
}
