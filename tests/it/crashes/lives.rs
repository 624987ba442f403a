//! Killed at every durable step of an erasure and of a retention run over ten customers: finished by
//! the next command that changes something, with the same end as an unbroken run.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tenure::customers::{Filter, Hidden, Listed, list};
use tenure::lifecycle;

use super::after::is_gone;
use super::errors::inflict;
use super::power::at_many_cuts;
use super::*;
use crate::support::canary::{Canary, find, holds};
use crate::support::compare::same;
use crate::support::place::Place;

const REGISTER: &str = "table = \"people\"\nkey = \"no\"";
const SCHEMA: &str = "
    CREATE TABLE people (no TEXT PRIMARY KEY, name TEXT, friend TEXT REFERENCES people(no), last TEXT NOT NULL);
    CREATE TABLE deals (id INTEGER PRIMARY KEY, owner TEXT NOT NULL REFERENCES people(no), what TEXT);";
const RULES: &str = "[retention]\nfuse = { share = 1.0, number = 1000 }\n\
    [[retention.rule]]\nbasis = \"contract\"\nstart = \"last\"\nkeep = \"3y\"\nthen = \"erase\"\n";

/// A repository with one snapshot of thirty people, of whom ten have not been heard of since 2010,
/// and each of those ten bears the canary.
fn template(journal: &str) -> Template {
    let canary = Canary::new();
    let place = Place::new(REGISTER, "", |db| {
        let db = Connection::open(db).unwrap();
        db.execute_batch(&format!("PRAGMA journal_mode = {journal}; {SCHEMA}"))
            .unwrap();
        let now: String = db
            .query_row("SELECT datetime('now')", [], |row| row.get(0))
            .unwrap();
        for n in 0..30 {
            let (name, last) = match n {
                0..10 => (canary.as_str(), "2010-01-01 00:00:00"),
                _ => ("Somebody", now.as_str()),
            };
            let friend = (n > 7).then_some("P7");
            let row = (format!("P{n}"), name, friend, last);
            db.execute("INSERT INTO people VALUES (?, ?, ?, ?)", row)
                .unwrap();
            let deal = (format!("P{n}"), name);
            db.execute("INSERT INTO deals VALUES (NULL, ?, ?)", deal)
                .unwrap();
        }
    });
    place.reconfigure(|text| text + RULES);
    place.snapshot(true);
    let first = place.keep(1);
    Template {
        place,
        first,
        canary,
        without: "",
    }
}

/// How an unbroken run ends.
struct End {
    world: World,
    /// The first snapshot, as it is restored then.
    first: PathBuf,
    people: Vec<Listed>,
}

impl End {
    fn of(template: &Template, arguments: &[&str]) -> Self {
        let world = World::copy(template);
        assert_eq!(world.run(arguments), 0);
        assert_eq!(world.run(&["snapshot"]), 0);
        let first = world.restore(world.snapshots()[0], "a");
        let people = people(&world);
        Self {
            world,
            first,
            people,
        }
    }

    /// That another world has ended likewise.
    fn assert_same(&self, world: &World, when: &str) {
        let live = self.world.path("crm.db");
        same(&live, &world.path("crm.db")).unwrap_or_else(|why| panic!("{when}: {why}"));
        assert_eq!(people(world), self.people, "{when}");
        for store in ["a", "b"] {
            same(&self.first, &world.restore(world.snapshots()[0], store))
                .unwrap_or_else(|why| panic!("{when}: {why}"));
        }
        let repository = world.read();
        let erasures = repository.catalog.erasures().unwrap();
        assert_eq!(erasures.len(), 1, "{when}");
        assert!(erasures[0].is_final && erasures[0].live.is_some(), "{when}");
        let certificate = lifecycle::certificate(&repository, erasures[0].entry).unwrap();
        let certificate = certificate.to_string();
        let said = lifecycle::verify_certificate(&certificate, &repository.fingerprint).unwrap();
        assert_eq!(said["final"], true, "{when}");
        world.assert_tidy(when);
    }
}

fn people(world: &World) -> Vec<Listed> {
    let filter = Filter {
        hidden: Hidden::With,
        ..Filter::default()
    };
    list(&world.read(), &filter).unwrap()
}

/// That no byte of the live database tells of whom was erased.
fn assert_no_remnant(world: &World, canary: &Canary, when: &str) {
    for suffix in ["", "-wal", "-journal"] {
        let bytes = fs::read(world.path(&format!("crm.db{suffix}"))).unwrap_or_default();
        assert!(!holds(&bytes, canary.as_bytes()), "{when}: crm.db{suffix}");
    }
}

const ERASE: &[&str] = &["customer", "erase", "P7", "--reason", "asked", "--yes"];

/// A template in which P7 alone bears the canary.
fn with_one_to_erase() -> Template {
    let template = template("WAL");
    let others = "UPDATE people SET name = 'x' WHERE no <> 'P7'; UPDATE deals SET what = 'x' WHERE owner <> 'P7';
                  PRAGMA secure_delete = ON; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)";
    let db = Connection::open(&template.place.db).unwrap();
    db.execute_batch(others).unwrap();
    template
}

/// That an interrupted erasure of P7 is finished by the next command, or can be done anew.
fn is_erased(template: &Template, end: &End, world: &World, when: &str) {
    let decided = is_gone(world, when);
    assert_eq!(world.run(&["snapshot"]), 0, "{when}");
    let finished = is_gone(world, when);
    assert!(finished || !decided, "{when}");
    if finished {
        assert_no_remnant(world, &template.canary, when);
        let open = world.read().catalog.open_erasures().unwrap();
        assert!(open.is_empty(), "{when}");
    } else {
        assert_eq!(world.run(ERASE), 0, "{when}");
        assert_eq!(world.run(&["snapshot"]), 0, "{when}");
    }
    assert_no_remnant(world, &template.canary, when);
    end.assert_same(world, when);
}

#[test]
fn an_erasure_that_is_killed_anywhere_is_finished_by_the_next_command() {
    let template = with_one_to_erase();
    let end = End::of(&template, ERASE);
    at_every_step(&template, ERASE, |world, when| {
        is_erased(&template, &end, world, when);
    });
}

#[test]
fn an_erasure_in_which_the_power_is_cut_is_finished_by_the_next_command() {
    let template = with_one_to_erase();
    let end = End::of(&template, ERASE);
    at_many_cuts(&template, ERASE, |world, when| {
        is_erased(&template, &end, world, when);
    });
}

#[test]
fn calls_that_fail_during_an_erasure_leave_nobody_half_erased() {
    let template = with_one_to_erase();
    let end = End::of(&template, ERASE);
    let world = || World::copy(&template);
    let command = |world: &World| world.command(ERASE);
    inflict("customer erase", world, command, |world, said, when| {
        if said.is_done() {
            assert!(is_gone(world, when), "{when}");
            told::is_audited(world, "customer.erase", when);
        }
        if !said.is_lacking() {
            assert_no_remnant(world, &template.canary, when);
        }
        is_erased(&template, &end, world, when);
    });
}

#[test]
fn a_retention_run_that_is_killed_anywhere_is_finished_by_the_next_command() {
    let template = template("DELETE");
    let end = End::of(&template, &["retention", "run"]);
    let left = |world: &World| -> i64 {
        let live = Connection::open(world.path("crm.db")).unwrap();
        let sql = "SELECT count(*) FROM people WHERE last < '2011'";
        live.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    at_every_step(&template, &["retention", "run"], |world, when| {
        let decided = is_gone(world, when);
        assert_eq!(world.run(&["snapshot"]), 0, "{when}");
        let finished = is_gone(world, when);
        assert!(finished || !decided, "{when}");
        assert_eq!(left(world), if finished { 0 } else { 10 }, "{when}");
        if finished {
            assert_no_remnant(world, &template.canary, when);
        }
        assert_eq!(world.run(&["retention", "run"]), 0, "{when}");
        assert_eq!(world.run(&["snapshot"]), 0, "{when}");
        assert_no_remnant(world, &template.canary, when);
        for root in ["state", "a", "b"] {
            assert!(
                find(&world.path(root), template.canary.as_bytes()).is_empty(),
                "{when}: {root}"
            );
        }
        end.assert_same(world, when);
    });
}
