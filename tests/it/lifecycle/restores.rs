//! What is restored shows what was decided since, and one customer goes back into the live database.

use rusqlite::Connection;
use tenure::error::FailureKind;
use tenure::restore::LiveRestored;

use super::*;

/// The configuration's snapshot of a number.
fn one(world: &World, id: &str, number: u64, to: &str) -> PathBuf {
    let to = world.dir().join(to);
    let repository = world.open();
    let snapshot = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
    restore::customer(&repository, id, &to, snapshot, None, &Silent).unwrap();
    to
}

fn live(world: &World, id: &str, number: u64, replace: bool) -> Result<LiveRestored, Failure> {
    let repository = change(world);
    let snapshot = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
    restore::live(&repository, id, snapshot, replace, &Silent)
}

#[test]
fn a_restore_from_before_shows_who_is_hidden_and_who_is_back() {
    let world = World::with_lives("");
    sql(&world, "UPDATE customers SET hidden = 7 WHERE id IN (6, 8)");
    for id in ["6", "7", "9"] {
        hide(&world, id, false);
    }
    world.snapshot(true);
    let first = copy(&world, "first.db");
    hide(&world, "5", false);
    unhide(&world, "6");
    unhide(&world, "9");
    // The application hides some itself.
    sql(&world, "UPDATE customers SET hidden = 1 WHERE id IN (6, 8)");
    world.snapshot(false);
    let second = copy(&world, "second.db");

    let since = "UPDATE customers SET hidden = 1 WHERE id = 5; UPDATE customers SET hidden = 7 WHERE id = 6; \
                 UPDATE customers SET hidden = 0 WHERE id = 9";
    same_except(&first, &restored(&world, 1), since).unwrap();
    same(&second, &restored(&world, 2)).unwrap();
    hide(&world, "10", false);
    let later = "UPDATE customers SET hidden = 1 WHERE id = 10";
    same_except(&second, &restored(&world, 2), later).unwrap();

    for (id, shown) in [("5", 1), ("6", 7), ("7", 1), ("8", 7), ("9", 0), ("10", 1)] {
        let to = one(&world, id, 1, &format!("one-{id}"));
        let line = fs::read_to_string(to.join("crm/customers.jsonl")).unwrap();
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(row["hidden"], shown, "{id}");
        let db = Connection::open(to.join("crm.sqlite")).unwrap();
        let stands: i64 = db
            .query_row("SELECT hidden FROM customers WHERE id = ?", [id], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(stands, shown, "{id}");
    }
}

#[test]
fn a_reader_whose_catalog_is_behind_hides_them_too() {
    let world = World::with_lives("");
    world.snapshot(true);
    let first = copy(&world, "first.db");
    let stale = fs::read(world.open().state.catalog()).unwrap();
    hide(&world, "5", false);
    fs::write(world.open().state.catalog(), stale).unwrap();
    same_except(
        &first,
        &restored(&world, 1),
        "UPDATE customers SET hidden = 1 WHERE id = 5",
    )
    .unwrap();
}

#[test]
fn where_a_snapshot_has_no_such_column_it_is_said() {
    let world = World::with_lives("");
    let text = fs::read_to_string(world.config_path()).unwrap();
    fs::write(
        world.config_path(),
        text.replace("\"hidden\"", "\"off_the_list\""),
    )
    .unwrap();
    world.snapshot(true);
    let first = copy(&world, "first.db");
    sql(
        &world,
        "ALTER TABLE customers ADD COLUMN off_the_list INTEGER",
    );
    hide(&world, "5", false);
    let repository = world.open();
    let id = restore::choose(&repository, Some("1"), None).unwrap();
    let to = world.dir().join("all");
    let all = restore::whole(&repository, &to, id, None, None, &Silent).unwrap();
    assert_eq!(all.left_out.len(), 1);
    assert!(
        all.left_out[0].contains("the hide of 1 customers"),
        "{:?}",
        all.left_out
    );
    same(&first, &all.sources[0].path).unwrap();
}

#[test]
fn a_customer_goes_back_into_the_live_database_exactly() {
    let world = World::with_lives("");
    world.snapshot(true);
    let before = copy(&world, "before.db");
    // Nobody refers to whoever goes, or those references would be gone.
    let lonely = "SELECT id FROM customers AS c WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = c.id) \
                  AND id NOT IN (SELECT mentions FROM notes WHERE mentions IS NOT NULL) \
                  AND id NOT IN (SELECT referred_by FROM customers WHERE referred_by IS NOT NULL) LIMIT 1";
    let Value::Integer(lonely) = value(&world, lonely) else {
        panic!()
    };
    let id = lonely.to_string();
    sql(&world, &without(&id));
    let back = live(&world, &id, 1, false).unwrap();
    assert_live(&world, &before, "");
    assert!(back.rows() > 2 && back.read_bytes > 0 && back.sources[0].put.moved == 0);
    // What stands there is in the way, unless it is to be replaced.
    assert_eq!(
        live(&world, &id, 1, false).err().unwrap().kind(),
        FailureKind::Refused
    );
    let changes = format!(
        "UPDATE customers SET city = 'Elsewhere' WHERE id = {id}; DELETE FROM notes WHERE customer_id = {id};
         INSERT INTO orders (customer_id, ordered_at) VALUES ({id}, '2020-01-01 00:00:00')"
    );
    sql(&world, &changes);
    let back = live(&world, &id, 1, true).unwrap();
    assert_eq!(back.sources[0].put.deleted, [("orders".to_owned(), 1)]);
    assert_live(&world, &before, "");
}

#[test]
fn whoever_is_hidden_comes_back_hidden_and_whoever_is_erased_does_not() {
    let world = World::with_lives("");
    world.snapshot(true);
    hide(&world, "5", false);
    sql(&world, &without("5"));
    live(&world, "5", 1, false).unwrap();
    assert_eq!(count(&world, "customers WHERE id = 5 AND hidden = 1"), 1);
    unhide(&world, "5");
    assert_eq!(count(&world, "customers WHERE id = 5 AND hidden = 0"), 1);
    erase(&world, "5").unwrap();
    assert_eq!(
        live(&world, "5", 1, false).err().unwrap().kind(),
        FailureKind::NotFound
    );
    assert_eq!(count(&world, "customers WHERE id = 5"), 0);
    // References to the erased are NULL in what comes back.
    sql(
        &world,
        "UPDATE customers SET referred_by = 10 WHERE id = 20",
    );
    world.snapshot(false);
    erase(&world, "10").unwrap();
    sql(&world, &without("20"));
    let back = live(&world, "20", 2, false).unwrap();
    assert_eq!(back.sources[0].lost, 1);
    assert_eq!(
        count(&world, "customers WHERE id = 20 AND referred_by IS NULL"),
        1
    );
}

#[test]
fn nobody_is_put_in_the_place_of_another_who_has_the_key() {
    let world = World::with_lives("");
    world.snapshot(true);
    let old = domain(&world, "5").arrival;
    sql(
        &world,
        "UPDATE customers SET created_at = '2026-05-05 00:00:00' WHERE id = 5",
    );
    let before = copy(&world, "before.db");
    for replace in [false, true] {
        let refused = live(&world, "5", 1, replace).err().unwrap();
        assert_eq!(refused.kind(), FailureKind::Refused);
        assert!(refused.to_string().contains("another"), "{refused} {old}");
    }
    assert_live(&world, &before, "");
}

#[test]
fn one_whose_own_row_is_longer_than_a_piece_is_hidden_too_and_goes_back() {
    let world = World::with_lives("");
    // Long values before the column that hides and behind it, over several pieces.
    let long = "ALTER TABLE customers ADD COLUMN photo BLOB;
        UPDATE customers SET city = hex(randomblob(2300000)), photo = randomblob(9000000) WHERE id = 5";
    sql(&world, long);
    world.snapshot(true);
    let first = copy(&world, "first.db");
    hide(&world, "5", false);
    let since = "UPDATE customers SET hidden = 1 WHERE id = 5";
    same_except(&first, &restored(&world, 1), since).unwrap();

    let to = one(&world, "5", 1, "one");
    let line = fs::read_to_string(to.join("crm/customers.jsonl")).unwrap();
    let row: serde_json::Value = serde_json::from_str(&line).unwrap();
    let db = Connection::open(&first).unwrap();
    let (city, bytes): (String, usize) = db
        .query_row(
            "SELECT city, length(photo) FROM customers WHERE id = 5",
            [],
            |row| Ok((row.get(0)?, row.get::<_, u32>(1)? as usize)),
        )
        .unwrap();
    assert_eq!((&row["hidden"], &row["city"]), (&1.into(), &city.into()));
    let photo = row["photo"]["b64"].as_str().unwrap();
    assert_eq!(photo.len(), bytes.div_ceil(3) * 4);

    unhide(&world, "5");
    sql(
        &world,
        "UPDATE customers SET city = 'x', photo = NULL WHERE id = 5",
    );
    live(&world, "5", 1, true).unwrap();
    same(&first, &copy(&world, "after.db")).unwrap();
}
