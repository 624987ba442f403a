//! Retention: what is due, carried out, and what stops it.

use tenure::clock::Timestamp;
use tenure::error::FailureKind;
use tenure::lifecycle::retention::{self, Run};
use tenure::lifecycle::{Fate, Reason};

use super::*;

/// Everybody is kept for three years from the last contact, and no fuse blows.
pub const RULES: &str = "[retention]\nfuse = { share = 1.0, number = 1000 }\n\
    [[retention.rule]]\nbasis = \"contract\"\nstart = \"last_contact_at\"\nkeep = \"3y\"\nthen = \"erase\"\n";

/// Lets the time of some (a list of numbers) be up, and that of nobody else.
pub fn expire(world: &World, ids: &str) {
    sql(
        world,
        "UPDATE customers SET last_contact_at = datetime('now', '-1 day')",
    );
    let old = "UPDATE customers SET last_contact_at = '2010-01-01 00:00:00' WHERE id IN";
    sql(world, &format!("{old} ({ids})"));
}

pub fn run(world: &World, confirm: Option<&str>) -> Result<Run, Failure> {
    retention::run(&mut change(world), confirm, &Silent)
}

fn plan(world: &World) -> retention::Plan {
    retention::plan(&world.open(), Timestamp::now()).unwrap()
}

fn fates(world: &World) -> Vec<(String, Fate)> {
    let plan = plan(world);
    let other = plan
        .each()
        .filter(|(_, verdict)| verdict.fate != Fate::Keep);
    other
        .map(|(who, verdict)| (who.key.text(), verdict.fate))
        .collect()
}

#[test]
fn those_whose_time_is_up_are_erased_and_nobody_else() {
    let world = World::with_lives(RULES);
    expire(&world, "2, 3, 5, 7, 11, 13");
    sql(
        &world,
        "UPDATE customers SET last_contact_at = '' WHERE id = 17",
    );
    world.snapshot(true);
    hold(&world, "3");
    hide(&world, "5", true);
    hide(&world, "7", false);
    world.snapshot(false);
    let due = ["2", "7", "11", "13"].map(|id| (id.to_owned(), Fate::Erase));
    let mut expected = due.to_vec();
    expected.push(("17".into(), Fate::Review));
    assert_eq!(fates(&world), expected);
    let (before, planned) = (copy(&world, "before.db"), plan(&world));
    let run = run(&world, None).unwrap();
    assert_eq!(
        (run.erased, &run.plan.hash, run.pending.len()),
        (4, &planned.hash, 0)
    );
    assert_live(&world, &before, &without("2, 7, 11, 13"));
    same_except(&before, &restored(&world, 2), &without("2, 7, 11, 13")).unwrap();
    let said = certificate(&world, run.erasures[0]);
    assert_eq!(
        (&said["cause"], &said["final"]),
        (&"retention".into(), &true.into())
    );
    assert_eq!(said["subjects"].as_array().unwrap().len(), 4);
    assert_eq!(fates(&world), [("17".into(), Fate::Review)]);
    // They may be erased once nothing stands against it any more.
    unhide(&world, "5");
    assert_eq!(super::retention::run(&world, None).unwrap().erased, 1);
}

#[test]
fn the_fuse_stops_a_run_until_somebody_confirms_this_very_plan() {
    let rules = RULES.replace("share = 1.0", "share = 0.05");
    let world = World::with_lives(&rules);
    expire(&world, "2, 3, 5");
    world.snapshot(true);
    let before = copy(&world, "before.db");
    let refused = run(&world, None).err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    let hash = plan(&world).hash;
    assert!(
        refused.next_step().unwrap().contains(&hash),
        "{:?}",
        refused.next_step()
    );
    sql(
        &world,
        "UPDATE customers SET last_contact_at = '2011-01-01 00:00:00' WHERE id = 7",
    );
    let before_more = copy(&world, "more.db");
    assert_eq!(
        run(&world, Some(&hash)).err().unwrap().kind(),
        FailureKind::Refused
    );
    assert_live(&world, &before_more, "");
    sql(
        &world,
        "UPDATE customers SET last_contact_at = datetime('now') WHERE id = 7",
    );
    let before = {
        drop(before);
        copy(&world, "before.db")
    };
    assert_eq!(run(&world, Some(&hash)).unwrap().erased, 3);
    assert_live(&world, &before, &without("2, 3, 5"));
    // What was erased counts for 30 days: one more is too many again.
    expire(&world, "11");
    assert_eq!(
        run(&world, None).err().unwrap().kind(),
        FailureKind::Refused
    );
}

#[test]
fn a_clock_that_cannot_be_right_stops_a_run() {
    const DAY: i64 = 86_400_000;
    let world = World::with_lives(RULES);
    expire(&world, "2");
    world.snapshot(true);
    let note = |days: i64| {
        let time = (Timestamp::now().0 + days * DAY).to_string();
        let mut repository = world.change();
        let catalog = &mut repository.catalog;
        catalog
            .change(|change| change.set_note("retention_run", &time))
            .unwrap();
    };
    let noted = || world.open().catalog.note("retention_run").unwrap().unwrap();
    for days in [-8, 1] {
        note(days);
        let before = noted();
        let refused = run(&world, None).err().unwrap();
        assert_eq!(refused.kind(), FailureKind::Refused);
        assert!(refused.to_string().contains("the clock says"), "{refused}");
        assert_eq!(noted(), before);
    }
    let hash = plan(&world).hash;
    assert_eq!(run(&world, Some(&hash)).unwrap().erased, 1);
    // With nobody due it runs, and believes the clock no more than before.
    note(-8);
    let before = noted();
    assert_eq!(run(&world, None).unwrap().erased, 0);
    assert_eq!(noted(), before);
    note(-6);
    assert_eq!(run(&world, None).unwrap().erased, 0);
    assert_ne!(noted(), before);
    expire(&world, "3");
    assert_eq!(run(&world, None).unwrap().erased, 1);
}

#[test]
fn those_who_vanished_are_erased_from_the_backups_when_their_time_is_up() {
    let rules = RULES.replace(
        "[[",
        "vanished = { after = \"1min\", then = \"erase\" }\n[[",
    );
    let world = World::with_lives(&rules);
    expire(&world, "0");
    world.snapshot(true);
    sql(&world, &without("5"));
    let missing = || {
        world
            .open()
            .catalog
            .life(domain(&world, "5"))
            .unwrap()
            .missing
    };
    assert_eq!(missing(), None);
    world.snapshot(false);
    let since = missing().unwrap();
    world.snapshot(false);
    assert_eq!(missing(), Some(since), "since it was first noticed");
    let at = |ms: i64| {
        let plan = retention::plan(&world.open(), Timestamp(since.0 + ms)).unwrap();
        let mut found = plan.each().filter(|(who, _)| who.key.text() == "5");
        let (_, verdict) = found.next().unwrap();
        assert!(matches!(verdict.why[0], Reason::Vanished { .. }));
        (verdict.fate, verdict.due)
    };
    assert_eq!(at(60_000), (Fate::Keep, Some(Timestamp(since.0 + 60_001))));
    assert_eq!(at(60_001).0, Fate::Erase);
    // An hour ago, so that it is up now.
    let mut repository = world.change();
    let catalog = &mut repository.catalog;
    let (five, long_ago) = (domain(&world, "5"), Timestamp(since.0 - 3_600_000));
    catalog
        .change(|change| change.set_missing(five, Some(long_ago)))
        .unwrap();
    drop(repository);
    let before = copy(&world, "before.db");
    let run = run(&world, None).unwrap();
    assert_eq!((run.erased, run.pending.len()), (1, 0));
    assert_live(&world, &before, "");
    assert!(customers::find(&world.open(), "5").is_err());
    assert_eq!(certificate(&world, run.erasures[0])["final"], true);
}

#[test]
fn one_who_is_back_in_the_register_is_not_missing_any_more() {
    let world = World::with_lives(RULES);
    world.snapshot(true);
    sql(
        &world,
        "CREATE TEMP TABLE kept AS SELECT * FROM customers WHERE id = 5",
    );
    let before = copy(&world, "before.db");
    sql(&world, &without("5"));
    world.snapshot(false);
    let five = domain(&world, "5");
    assert!(world.open().catalog.life(five).unwrap().missing.is_some());
    sql(&world, "INSERT INTO customers SELECT * FROM kept");
    world.snapshot(false);
    assert_eq!(world.open().catalog.life(five).unwrap().missing, None);
    assert_eq!(domain(&world, "5"), five);
    assert!(same(&before, &copy(&world, "now.db")).is_err());
}

#[test]
fn one_whom_the_live_database_does_not_let_go_does_not_keep_the_others() {
    let world = World::with_lives(RULES);
    sql(
        &world,
        "CREATE TABLE pact (id INTEGER PRIMARY KEY, one INTEGER NOT NULL REFERENCES customers(id), \
                 two INTEGER NOT NULL REFERENCES customers(id)); INSERT INTO pact VALUES (1, 3, 20)",
    );
    expire(&world, "2, 3, 5");
    world.snapshot(true);
    let before = copy(&world, "before.db");
    let run = run(&world, None).unwrap();
    assert_eq!((run.erased, run.pending.len()), (2, 1), "{:?}", run.pending);
    assert!(
        run.pending[0].to_string().contains("pact"),
        "{:?}",
        run.pending
    );
    assert_live(&world, &before, &without("2, 5"));
}
