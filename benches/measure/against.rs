//! Snapshots and restores, beside `sqlite3 .dump | zstd | age` and restic.

use std::fs;
use std::path::Path;

use crate::{Result, Tenure, Took, bytes_in, median, run, shell};

/// What one turn took.
#[derive(Default)]
struct Turn {
    dump: Took,
    undump: Took,
    restic: Took,
    full: Took,
    again: Took,
    /// A full after one in a hundred has changed.
    changed: Took,
    incremental: Took,
    restore: Took,
    verify: Took,
    recover: Took,
    stored: f64,
    dump_stored: f64,
    restic_stored: f64,
}

/// Prints the table of snapshots and restores.
pub fn peers(dir: &Path, database: &Path, rounds: usize) -> Result<()> {
    let changing = dir.join("changing.db");
    let turns = (0..rounds).map(|round| turn(dir, database, &changing, round));
    let turns = turns.collect::<Result<Vec<_>>>()?;
    println!("| measure | Tenure | peer | ratio |\n|---|---:|---:|---:|");
    let row = |what: &str, unit: &str, one: &dyn Fn(&Turn) -> f64, other: &dyn Fn(&Turn) -> f64| {
        let of = |f: &dyn Fn(&Turn) -> f64| median(turns.iter().map(f).collect());
        let ratio = of(&|turn| one(turn) / other(turn));
        println!(
            "| {what} | {:.2} {unit} | {:.2} {unit} | {ratio:.2} |",
            of(one),
            of(other)
        );
    };
    let pipe = "`.dump \\| zstd -3 \\| age`";
    row(
        &format!("first full, against {pipe}"),
        "s",
        &|t| t.full.seconds,
        &|t| t.dump.seconds,
    );
    row(
        &format!("later full, against {pipe}"),
        "s",
        &|t| t.again.seconds,
        &|t| t.dump.seconds,
    );
    row(
        "full, 1 % changed, against the later full",
        "s",
        &|t| t.changed.seconds,
        &|t| t.again.seconds,
    );
    row(
        "first full, against restic",
        "s",
        &|t| t.full.seconds,
        &|t| t.restic.seconds,
    );
    row(
        &format!("stored, against {pipe}"),
        "MB",
        &|t| t.stored,
        &|t| t.dump_stored,
    );
    row("stored, against restic", "MB", &|t| t.stored, &|t| {
        t.restic_stored
    });
    row(
        "incremental, 1 % changed, against the later full",
        "s",
        &|t| t.incremental.seconds,
        &|t| t.again.seconds,
    );
    row(
        "whole restore, against `age -d \\| zstd -d \\| sqlite3`",
        "s",
        &|t| t.restore.seconds,
        &|t| t.undump.seconds,
    );
    row(
        "`verify --data`, against the first full",
        "s",
        &|t| t.verify.seconds,
        &|t| t.full.seconds,
    );
    row(
        "recovery from one store, against the whole restore",
        "s",
        &|t| t.recover.seconds,
        &|t| t.restore.seconds,
    );
    let peak = |f: &dyn Fn(&Turn) -> Took| median(turns.iter().map(|turn| f(turn).peak).collect());
    println!(
        "\nPeak memory in MiB: first full {:.0}, later full {:.0}, full of 1 % changed {:.0}, incremental {:.0}, restore {:.0}, \
         `verify --data` {:.0}, recovery {:.0}.\n",
        peak(&|t| t.full),
        peak(&|t| t.again),
        peak(&|t| t.changed),
        peak(&|t| t.incremental),
        peak(&|t| t.restore),
        peak(&|t| t.verify),
        peak(&|t| t.recover)
    );
    Ok(())
}

fn turn(dir: &Path, database: &Path, changing: &Path, round: usize) -> Result<Turn> {
    let mut turn = Turn::default();
    let place = |name: &str| dir.join(name);
    let (dump, key, store) = (place("dump.age"), place("age.key"), place("store"));
    for old in [&store, &place("restic"), &place("back")] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    fs::copy(database, changing)?;
    if !key.exists() {
        run("age-keygen", &[&"-o".into(), &key])?;
    }
    turn.dump = shell(&format!(
        "sqlite3 '{}' .dump | zstd -3 -q | age -r $(age-keygen -y '{}') > '{}'",
        changing.display(),
        key.display(),
        dump.display()
    ))?;
    turn.dump_stored = fs::metadata(&dump)?.len() as f64 / 1e6;
    let tenure = Tenure::init(&place("tenure"), changing, &[&store])?;
    turn.full = tenure.run(&["snapshot", "--full"])?.0;
    turn.stored = bytes_in(&store)? as f64 / 1e6;
    restic(&mut turn, changing, &place("restic"))?;
    turn.verify = tenure.run(&["verify", "--data"])?.0;
    let back = place("back");
    turn.restore = tenure.run(&["restore", "--to", &back.to_string_lossy()])?.0;
    fs::remove_dir_all(&back)?;
    let undumped = place("undumped.db");
    turn.undump = shell(&format!(
        "rm -f '{0}'; age -d -i '{1}' '{2}' | zstd -d -q | sqlite3 '{0}'",
        undumped.display(),
        key.display(),
        dump.display()
    ))?;
    turn.again = tenure.run(&["snapshot", "--full"])?.0;
    change(changing, round)?;
    turn.incremental = tenure.run(&["snapshot"])?.0;
    change(changing, round + 50)?;
    turn.changed = tenure.run(&["snapshot", "--full"])?.0;
    // The last of all: the host before it is retired by that.
    turn.recover = recover(
        &store,
        &place("tenure").join("recovery.key"),
        &place("anew"),
    )?;
    Ok(turn)
}

fn recover(store: &Path, identity: &Path, to: &Path) -> Result<Took> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let store = format!("s1=file://{}", store.display());
    let (identity, to) = (identity.to_string_lossy(), to.to_string_lossy());
    let args = [
        "--quiet",
        "recover",
        "--store",
        &store,
        "--identity",
        &identity,
        "--to",
        &to,
    ];
    Ok(run(env!("CARGO_BIN_EXE_tenure"), &args)?.0)
}

fn restic(turn: &mut Turn, database: &Path, repository: &Path) -> Result<()> {
    let restic = |what: &str| {
        shell(&format!(
            "RESTIC_PASSWORD=x restic --no-cache -q -r '{}' {what}",
            repository.display()
        ))
    };
    restic("init")?;
    turn.restic = restic(&format!("backup '{}'", database.display()))?;
    turn.restic_stored = bytes_in(repository)? as f64 / 1e6;
    Ok(())
}

/// Changes one customer in a hundred, strewn over the register.
pub fn change(database: &Path, round: usize) -> Result<()> {
    shell(&format!(
        "sqlite3 '{}' \"UPDATE customers SET city = city || 'x' WHERE id * 7919 % 100 = {}\"",
        database.display(),
        round % 100
    ))?;
    Ok(())
}
