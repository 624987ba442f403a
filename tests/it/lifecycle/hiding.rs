//! Out of sight, and back exactly.

use rusqlite::Connection;
use rusqlite::types::Value;
use tenure::error::FailureKind;
use tenure::lifecycle;

use super::*;

const STANDS: &str = "SELECT typeof(hidden) || ':' || quote(hidden) FROM customers WHERE id = 3";

#[test]
fn whatever_stood_there_is_back_to_the_type_and_the_bit() {
    let world = World::with_lives("");
    world.snapshot(true);
    for former in ["0", "1", "7", "2.5", "'no'", "x'00ff'", "-0.5"] {
        sql(
            &world,
            &format!("UPDATE customers SET hidden = {former} WHERE id = 3"),
        );
        let (before, stood) = (copy(&world, "before.db"), value(&world, STANDS));
        hide(&world, "3", false);
        assert_eq!(value(&world, STANDS), Value::Text("integer:1".into()));
        // Once more changes nothing of what comes back.
        hide(&world, "3", false);
        unhide(&world, "3");
        assert_eq!(value(&world, STANDS), stood);
        assert_live(&world, &before, "");
    }
    let not = hide::unhide(&mut change(&world), "3", "again")
        .err()
        .unwrap();
    assert_eq!(not.kind(), FailureKind::NotFound);
}

#[test]
fn one_whom_no_snapshot_has_met_can_be_hidden() {
    let world = World::with_lives("");
    hide(&world, "3", false);
    assert_eq!(count(&world, "customers WHERE hidden = 1"), 1);
    world.snapshot(true);
    unhide(&world, "3");
    assert_eq!(count(&world, "customers WHERE hidden = 1"), 0);
}

#[test]
fn a_live_row_that_cannot_be_written_is_written_by_the_next_command() {
    let world = World::with_lives("");
    world.snapshot(true);
    sql(&world, "UPDATE customers SET hidden = 5 WHERE id = 3");
    let other = Connection::open(world.crm.path()).unwrap();
    let hidden = |id: &str| hide::hide(&mut change(&world), id, "r", false).unwrap();
    other
        .execute_batch("BEGIN; SELECT count(*) FROM customers")
        .unwrap();
    let late = hidden("3");
    assert!(late.hidden && late.pending.is_some());
    assert_eq!(count(&world, "customers WHERE hidden = 5"), 1);
    // While the row cannot be written, the customer is brought back and hidden again.
    let mut repository = world.change();
    assert_eq!(lifecycle::finish(&mut repository).unwrap().len(), 1);
    drop(repository);
    other.execute_batch("COMMIT").unwrap();
    drop(change(&world));
    assert_eq!(count(&world, "customers WHERE id = 3 AND hidden = 1"), 1);
    other
        .execute_batch("BEGIN; SELECT count(*) FROM customers")
        .unwrap();
    let back = hide::unhide(&mut change(&world), "3", "r").unwrap();
    assert!(back.pending.is_some());
    let mut repository = world.change();
    let again = hide::hide(&mut repository, "3", "r", false).unwrap();
    assert!(again.pending.is_some());
    drop(repository);
    other.execute_batch("COMMIT").unwrap();
    drop(change(&world));
    assert_eq!(count(&world, "customers WHERE id = 3 AND hidden = 1"), 1);
    unhide(&world, "3");
    assert_eq!(count(&world, "customers WHERE id = 3 AND hidden = 5"), 1);
}

#[test]
fn a_restriction_stands_through_another_hide_and_until_the_unhide() {
    let world = World::with_lives("");
    world.snapshot(true);
    hide(&world, "3", true);
    hide(&world, "3", false);
    let refused = erase(&world, "3").err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    let refused = forget::run(&mut change(&world), &["3".into()], &[])
        .err()
        .unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    unhide(&world, "3");
    erase(&world, "3").unwrap();
}

#[test]
fn nobody_is_hidden_without_a_column_that_can_hide() {
    let world = World::new();
    world.snapshot(true);
    let hide = || {
        hide::hide(&mut change(&world), "3", "r", false)
            .err()
            .unwrap()
    };
    assert_eq!(hide().kind(), FailureKind::Usage);
    let text = fs::read_to_string(world.config_path()).unwrap();
    let flag = "[source.hide]\nmode = \"flag\"\ncolumn = \"deleted\"\nvalue = 1\n";
    sql(&world, "ALTER TABLE customers ADD COLUMN deleted INTEGER");
    let text = text.replacen("[[store]]", &format!("{flag}[[store]]"), 1);
    fs::write(world.config_path(), text).unwrap();
    let failure = hide();
    assert_eq!(failure.kind(), FailureKind::Usage);
    assert!(failure.to_string().contains("purge"), "{failure}");
    assert!(world.open().catalog.lives().unwrap().is_empty());
}

#[test]
fn whoever_has_the_key_by_now_is_left_alone() {
    let world = World::with_lives("");
    world.snapshot(true);
    hide(&world, "3", false);
    sql(&world, &without("3"));
    let taken = "INSERT INTO customers SELECT 3, 'Somebody else', email, phone, city, country_code, \
                 '2026-05-05 00:00:00', last_contact_at, NULL, 0 FROM customers WHERE id = 4";
    sql(&world, taken);
    let holders = || customers::find(&world.open(), "3").unwrap();
    let old = format!("3#{}", holders()[0].domain.arrival);
    let back = hide::unhide(&mut change(&world), &old, "r").unwrap();
    assert!(back.pending.is_none());
    let gone = hide::hide(&mut change(&world), &old, "r", false)
        .err()
        .unwrap();
    assert_eq!(gone.kind(), FailureKind::NotFound);
    assert_eq!(count(&world, "customers WHERE id = 3 AND hidden = 0"), 1);
}
