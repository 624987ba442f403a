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
    let begin = |name: &str| -> Result<Tenure> {
        let dir = here.path().join(name);
        let stores = [dir.with_extension("s1"), dir.with_extension("s2")];
        let tenure = Tenure::init(&dir, &copy, &[&stores[0], &stores[1]])?;
        tenure.run(&["snapshot"])?;
        Ok(tenure)
    };
    // Each customer once, in no order: the step is prime.
    let all = u64::from(customers);
    let mut ids = (0..all).map(|n| (n * 7919 % all + 1).to_string());
    let mut forget = |tenure: &Tenure, count: usize| -> Result<f64> {
        let mut args = vec!["keys".to_owned(), "forget".to_owned(), "--yes".to_owned()];
        args.extend(ids.by_ref().take(count));
        Ok(tenure.run(&args)?.0.seconds * 1e3)
    };
    let one = begin("one")?;
    // What follows reads next to nothing: it is the snapshots that count here, not what they take. Nobody is forgotten
    // before they are there, since whoever is still in the register would be looked for in each of them.
    let many = begin("many")?;
    many.run(&["track", "crm"])?;
    for _ in 1..SNAPSHOTS {
        many.run(&["snapshot"])?;
    }
    let turns = (0..rounds * 5).map(|_| Ok((forget(&one, 1)?, forget(&many, 1)?)));
    let turns = turns.collect::<Result<Vec<_>>>()?;
    let of = |each: &dyn Fn(&(f64, f64)) -> f64| median(turns.iter().map(each).collect());
    println!(
        "| forget one of {customers} | ms |\n|---|---:|\n| with one snapshot | {:.0} |\n\
         | with {SNAPSHOTS} snapshots | {:.0}, {:.2} of it |",
        of(&|turn| turn.0),
        of(&|turn| turn.1),
        of(&|turn| turn.1 / turn.0)
    );
    let gone = ERASED.min(customers as usize / 10);
    for batch in (0..gone).step_by(BATCH) {
        forget(&many, BATCH.min(gone - batch))?;
    }
    let after = (0..rounds * 5).map(|_| forget(&many, 1));
    println!(
        "| after {gone} erasures | {:.0} |\n",
        median(after.collect::<Result<_>>()?)
    );
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
