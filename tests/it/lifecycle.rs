//! What becomes of customers, through the crate's public flows and in real databases and stores:
//! hidden and brought back, held and released, erased, expired.

use std::fs;
use std::path::PathBuf;

use rusqlite::types::Value;
use tenure::error::Failure;
use tenure::ids::Domain;
use tenure::journal::Cause;
use tenure::lifecycle::erase::{self, Erased, Wanted};
use tenure::lifecycle::{self, hide, hold};
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::{customers, forget, restore};

use crate::support::compare::{same, same_except};
use crate::support::world::World;

mod canary;
mod erasing;
mod hiding;
mod holds;
mod restores;
mod retention;
mod sequences;
mod states;

const ASKED: Wanted<'static> = Wanted {
    cause: Cause::Request,
    reason: "asked for it",
    ground: Some("T-1"),
    vacuum: false,
};

/// A repository for changing, in which what earlier commands left was finished.
fn change(world: &World) -> Repository {
    let mut repository = world.change();
    let failed = lifecycle::finish(&mut repository).unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    repository
}

fn erase(world: &World, id: &str) -> Result<Erased, Failure> {
    erase::on_request(&mut change(world), id, &ASKED)
}

fn hide(world: &World, id: &str, restricted: bool) {
    let hidden = hide::hide(&mut change(world), id, "moved away", restricted).unwrap();
    assert!(
        hidden.hidden && hidden.pending.is_none(),
        "{:?}",
        hidden.pending
    );
}

fn unhide(world: &World, id: &str) {
    let hidden = hide::unhide(&mut change(world), id, "is back").unwrap();
    assert!(
        !hidden.hidden && hidden.pending.is_none(),
        "{:?}",
        hidden.pending
    );
}

fn hold(world: &World, id: &str) {
    let held = hold::hold(&mut change(world), id, "Smith v. us", None).unwrap();
    assert!(held.stands && held.unaware.is_empty());
}

fn domain(world: &World, id: &str) -> Domain {
    customers::find(&world.open(), id).unwrap()[0].domain
}

/// A copy of the database as it is.
fn copy(world: &World, name: &str) -> PathBuf {
    let to = world.dir().join(name);
    fs::copy(world.crm.path(), &to).unwrap();
    to
}

fn sql(world: &World, sql: &str) {
    world.crm.connection().execute_batch(sql).unwrap();
}

/// One value of the live database.
fn value(world: &World, sql: &str) -> Value {
    let connection = world.crm.connection();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn count(world: &World, of: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {of}");
    let connection = world.crm.connection();
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// What the erasure of customers (a list of numbers) makes of the sample CRM.
fn without(ids: &str) -> String {
    format!(
        "UPDATE customers SET referred_by = NULL WHERE referred_by IN ({ids});
         UPDATE notes SET mentions = NULL WHERE mentions IN ({ids});
         DELETE FROM order_items WHERE order_id IN (SELECT id FROM orders WHERE customer_id IN ({ids}));
         DELETE FROM orders WHERE customer_id IN ({ids}); DELETE FROM notes WHERE customer_id IN ({ids});
         DELETE FROM customers WHERE id IN ({ids});"
    )
}

/// That the live database is what a script makes of a copy.
fn assert_live(world: &World, before: &std::path::Path, script: &str) {
    same_except(before, &copy(world, "now.db"), script).unwrap();
}

/// A snapshot, restored as a whole.
fn restored(world: &World, number: u64) -> PathBuf {
    let to = world.dir().join(format!("out-{number}"));
    let _ = fs::remove_dir_all(&to);
    let repository = world.open();
    let id = restore::choose(&repository, Some(&number.to_string()), None).unwrap();
    let restored = restore::whole(&repository, &to, id, None, None, &Silent).unwrap();
    assert!(restored.sources[0].problems.is_empty());
    restored.sources[0].path.clone()
}

fn store(world: &World, name: &str) -> PathBuf {
    world.dir().join("stores").join(name)
}

/// Takes a store away, as an unplugged disk would be.
fn unplug(world: &World, name: &str) {
    let path = store(world, name);
    fs::rename(&path, path.with_extension("away")).unwrap();
}

fn plug(world: &World, name: &str) {
    let path = store(world, name);
    fs::rename(path.with_extension("away"), path).unwrap();
}

/// The newest certificate of an erasure, checked.
fn certificate(world: &World, entry: u64) -> serde_json::Value {
    let repository = world.open();
    let text = lifecycle::certificate(&repository, entry)
        .unwrap()
        .to_string();
    lifecycle::verify_certificate(&text, &repository.fingerprint).unwrap()
}

#[test]
fn the_helpers_see_what_differs() {
    let world = World::with_lives("");
    let before = copy(&world, "before.db");
    assert_live(&world, &before, "");
    sql(
        &world,
        "UPDATE customers SET city = 'Elsewhere' WHERE id = 3",
    );
    assert!(same(&before, &copy(&world, "now.db")).is_err());
}
