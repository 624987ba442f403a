//! Incrementals of a tracked source beside restic, and what triggers cost the application.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use tempfile::tempdir_in;

use crate::against::change;
use crate::{Result, Tenure, median, shell};

/// Transactions of one turn.
const TRANSACTIONS: u32 = 2000;

/// Prints the table.
pub fn tracked(dir: &Path, database: &Path, customers: u32, rounds: usize) -> Result<()> {
    let here = tempdir_in(dir)?;
    let place = |name: &str| here.path().join(name);
    let (changing, peer) = (place("crm.db"), place("restic"));
    fs::copy(database, &changing)?;
    let tenure = Tenure::init(&place("tenure"), &changing, &[&place("store")])?;
    let restic = |what: &str| {
        let repository = peer.display();
        shell(&format!(
            "RESTIC_PASSWORD=x restic --no-cache -q -r '{repository}' {what}"
        ))
    };
    let backup = format!("backup '{}'", changing.display());
    tenure.run(&["track", "crm"])?;
    tenure.run(&["snapshot"])?;
    restic("init")?;
    restic(&backup)?;
    println!("| incremental of a tracked source | Tenure | restic | ratio |\n|---|---:|---:|---:|");
    for (what, few) in [("one changed row", true), ("1 % changed customers", false)] {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            match few {
                true => one_row(&changing, customers, round)?,
                false => change(&changing, round)?,
            }
            let (own, other) = (tenure.number(&["snapshot"], "changed")?, restic(&backup)?);
            println!("<!-- {} changed -->", own.1);
            ours.push(own.0.seconds);
            theirs.push(other.seconds);
            ratios.push(own.0.seconds / other.seconds);
        }
        println!(
            "| {what} | {:.3} s | {:.2} s | {:.3} |",
            median(ours),
            median(theirs),
            median(ratios)
        );
    }
    println!(
        "\n| a transaction that updates one row | with triggers | without | ratio |\n|---|---:|---:|---:|"
    );
    for (mode, sync) in [("WAL", "NORMAL"), ("WAL", "FULL"), ("DELETE", "FULL")] {
        let (with_triggers, plain) = (place("with.db"), place("plain.db"));
        fs::copy(&changing, &with_triggers)?;
        fs::copy(database, &plain)?;
        let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let turn = |path: &Path| transactions(path, (mode, sync), customers, round);
            let (tracked, untracked) = (turn(&with_triggers)?, turn(&plain)?);
            with.push(tracked);
            without.push(untracked);
            ratios.push(tracked / untracked);
        }
        println!(
            "| {mode}, synchronous {sync} | {:.1} µs | {:.1} µs | {:.2} |",
            median(with),
            median(without),
            median(ratios)
        );
    }
    println!();
    Ok(())
}

fn one_row(database: &Path, customers: u32, round: usize) -> Result<()> {
    let id = round as u64 * 7919 % u64::from(customers) + 1;
    let sql = "UPDATE customers SET city = city || 'y' WHERE id = ?";
    Connection::open(database)?.execute(sql, [id.cast_signed()])?;
    Ok(())
}

/// Microseconds that a transaction takes on the average.
fn transactions(
    path: &Path,
    (mode, sync): (&str, &str),
    customers: u32,
    round: usize,
) -> Result<f64> {
    let db = Connection::open(path)?;
    db.execute_batch(&format!(
        "PRAGMA journal_mode = {mode}; PRAGMA synchronous = {sync}"
    ))?;
    let mut update = db.prepare("UPDATE customers SET phone = ?1 WHERE id = ?2")?;
    let began = Instant::now();
    for number in 0..TRANSACTIONS {
        let step = u64::from(number) + round as u64 * u64::from(TRANSACTIONS);
        let id = step * 7919 % u64::from(customers) + 1;
        update.execute((number, id.cast_signed()))?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(TRANSACTIONS))
}
