//! Putting rows back.

use super::super::ownership::{CRM, crm_rules};
use super::*;
use crate::source::sqlite::SavedRow;

/// What a snapshot has of a customer, by the token as [`show`] has it.
fn saved(path: &Path, rules: &Rules, token: &str) -> (Vec<Table>, Vec<SavedRow>) {
    let db = open(path, rules);
    let mut rows = Vec::new();
    for table in 0..db.schema().tables.len() {
        db.rows::<SqliteError>(table, &mut |row| {
            if matches!(row.owner, Owner::Customer(owner) if show(owner) == token) {
                rows.push(SavedRow {
                    table,
                    rowid: row.rowid,
                    cells: row.cells.iter().map(|cell| cell.to_value()).collect(),
                });
            }
            Ok(())
        })
        .unwrap();
    }
    (db.schema().tables.clone(), rows)
}

const SHOP: &str = "
    CREATE TABLE c(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, best REFERENCES o, any);
    CREATE TABLE o(code TEXT PRIMARY KEY, c NOT NULL REFERENCES c, before REFERENCES o);
    CREATE TABLE l(o REFERENCES o, n, t, PRIMARY KEY(o, n)) WITHOUT ROWID;
    CREATE TABLE notes(c REFERENCES c, text, twice AS (text || text));
    INSERT INTO c VALUES (1, 'Ann', 'o1', x'00ff'), (2, 'Bob', 'o3', 1.0);
    INSERT INTO o VALUES ('o1', 1, NULL), ('o2', 1, 'o1'), ('o3', 2, 'o3');
    INSERT INTO l VALUES ('o1', 1, 'x'), ('o1', 'a', 2), ('o3', 1.5, NULL);
    INSERT INTO notes(rowid, c, text) VALUES (5, 1, 'n'), (9, 1, x'31'), (10, 2, 'm');";

#[test]
fn what_was_erased_is_put_back_as_it_was() {
    for mode in ["WAL", "DELETE"] {
        let (_dir, path) = database(SHOP);
        run(&path, &format!("PRAGMA journal_mode = {mode}"));
        let rules = register("c", &["id"]);
        for number in [1, 2] {
            let before = everything(&path);
            let (tables, mut rows) = saved(&path, &rules, &number.to_string());
            let mut live = live(&path, &rules);
            live.erase(&[id(number)], FOR_REAL).unwrap();
            assert_ne!(before, everything(&path));
            rows.reverse();
            let put = live.put(&[id(number)], &tables, &rows, false).unwrap();
            similar(&before, &everything(&path));
            assert_eq!(
                put.tables.iter().map(|(_, rows)| rows).sum::<u64>(),
                rows.len() as u64
            );
            assert_eq!((put.moved, put.unchanged), (0, 0));
        }
    }
}

#[test]
fn a_crm_with_rules_comes_back_too() {
    let (_dir, path) = database(CRM);
    run(&path, "DROP TABLE visit_notes");
    let before = everything(&path);
    let (tables, rows) = saved(&path, &crm_rules(), "2");
    let mut live = live(&path, &crm_rules());
    live.erase(&[id(2)], FOR_REAL).unwrap();
    live.put(&[id(2)], &tables, &rows, false).unwrap();
    // What others referred to is NULL since the erasure, and nothing puts that back.
    run(
        &path,
        "UPDATE orders SET replaces = 'o2' WHERE id = 'o3'; UPDATE orders SET sold_by = 2 WHERE id IN ('o1', 'o2')",
    );
    similar(&before, &everything(&path));
}

#[test]
fn rows_in_the_way_are_told_and_nothing_is_changed() {
    let (_dir, path) = database(SHOP);
    let rules = register("c", &["id"]);
    let (tables, rows) = saved(&path, &rules, "1");
    let before = everything(&path);
    let mut live = live(&path, &rules);
    let error = live.put(&[id(1)], &tables, &rows, false).unwrap_err();
    let SqliteError::InTheWay { found } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        found,
        &["1 of c", "2 of o", "2 of l", "2 of notes"].map(str::to_owned)
    );
    similar(&before, &everything(&path));
    // An order that is somebody else's by now is in the way even of a replacement.
    run(&path, "UPDATE o SET c = 2 WHERE code = 'o2'");
    let before = everything(&path);
    let error = live.put(&[id(1)], &tables, &rows, true).unwrap_err();
    let SqliteError::InTheWay { found } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(found, &["1 of o".to_owned()]);
    similar(&before, &everything(&path));
}

#[test]
fn a_replacement_makes_the_rows_what_they_were_and_spares_the_others() {
    let (_dir, path) = database(SHOP);
    let rules = register("c", &["id"]);
    let (tables, rows) = saved(&path, &rules, "1");
    let before = everything(&path);
    run(
        &path,
        "UPDATE c SET name = 'Anna', any = NULL WHERE id = 1; DELETE FROM l WHERE n = 'a'; UPDATE l SET t = 'y' WHERE n = 1;
         INSERT INTO o VALUES ('o9', 1, 'o2'); INSERT INTO l VALUES ('o9', 1, 1); UPDATE o SET before = 'o9' WHERE code = 'o3';
         INSERT INTO notes(c, text) VALUES (1, 'later'); DELETE FROM notes WHERE rowid = 5;",
    );
    let put = live(&path, &rules)
        .put(&[id(1)], &tables, &rows, true)
        .unwrap();
    assert_eq!(
        put.deleted,
        super::rows(&[("o", 1), ("l", 1), ("notes", 1)])
    );
    assert_eq!(put.nulled[0].rows, 1);
    let mut tables: Vec<_> = put.tables.clone();
    tables.sort();
    assert_eq!(tables, super::rows(&[("c", 1), ("l", 2), ("notes", 1)]));
    assert_eq!(put.unchanged, 3);
    run(&path, "UPDATE o SET before = 'o3' WHERE code = 'o3'");
    similar(&before, &everything(&path));
}

#[test]
fn a_schema_that_has_grown_takes_rows_by_name() {
    let (_dir, path) = database(SHOP);
    let rules = register("c", &["id"]);
    let (tables, rows) = saved(&path, &rules, "1");
    let mut live = live(&path, &rules);
    live.erase(&[id(1)], FOR_REAL).unwrap();
    run(
        &path,
        "ALTER TABLE c ADD COLUMN level INT DEFAULT 3; ALTER TABLE l ADD COLUMN extra TEXT NOT NULL DEFAULT 'e';
         CREATE TABLE notes2(extra, text, c REFERENCES c); INSERT INTO notes2(rowid, c, text) SELECT rowid, c, text FROM notes;
         DROP TABLE notes; ALTER TABLE notes2 RENAME TO notes; INSERT INTO notes(rowid, c, text) VALUES (5, 2, 'taken');
         ALTER TABLE c DROP COLUMN any;",
    );
    let error = live.put(&[id(1)], &tables, &rows, false).unwrap_err();
    assert!(
        matches!(&error, SqliteError::ColumnGone { table, column } if table == "c" && column == "any"),
        "{error:?}"
    );
    let mut rows = rows;
    for row in rows.iter_mut().filter(|row| tables[row.table].name == "c") {
        row.cells[2] = Value::Null;
    }
    let mut without = rows.clone();
    for row in without
        .iter_mut()
        .filter(|row| tables[row.table].name == "c")
    {
        row.rowid = None;
    }
    let error = live.put(&[id(1)], &tables, &without, false).unwrap_err();
    assert!(
        matches!(&error, SqliteError::NoValue { table, column } if table == "c" && column == "id"),
        "{error:?}"
    );
    let put = live.put(&[id(1)], &tables, &rows, false).unwrap();
    assert_eq!(put.moved, 1);
    assert_eq!(
        ask(&path, "SELECT id, name, level FROM c"),
        ["1 'Ann' 3", "2 'Bob' 3"]
    );
    assert_eq!(
        ask(&path, "SELECT extra FROM l WHERE o = 'o1'"),
        ["'e'", "'e'"]
    );
    assert_eq!(
        ask(&path, "SELECT rowid, text FROM notes ORDER BY text"),
        ["10 'm'", "11 'n'", "5 'taken'", "9 x'31'"]
    );
    run(&path, "DROP TABLE notes");
    let error = live.put(&[id(1)], &tables, &rows, true).unwrap_err();
    assert!(
        matches!(&error, SqliteError::NotOwned { table, .. } if table == "notes"),
        "{error:?}"
    );
}

#[test]
fn triggers_keys_and_constraints_that_object_undo_the_whole() {
    let objections = [
        (
            "CREATE TABLE log(x); CREATE TRIGGER t AFTER INSERT ON o BEGIN INSERT INTO log VALUES (new.code); END;",
            "ReachesFurther",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON c BEGIN UPDATE c SET name = upper(name) WHERE id = new.id; END;",
            "NotAsItWas",
        ),
        (
            "CREATE UNIQUE INDEX u ON notes(text); UPDATE notes SET text = 'n'",
            "Write",
        ),
        (
            "DELETE FROM notes; ALTER TABLE notes ADD COLUMN d REFERENCES c DEFAULT 99",
            "Dangling",
        ),
    ];
    for (sql, kind) in objections {
        let (_dir, path) = database(SHOP);
        let rules = register("c", &["id"]);
        let (tables, rows) = saved(&path, &rules, "1");
        let mut live = live(&path, &rules);
        live.erase(&[id(1)], FOR_REAL).unwrap();
        run(&path, &format!("PRAGMA foreign_keys = OFF; {sql}"));
        let before = everything(&path);
        let error = live.put(&[id(1)], &tables, &rows, false).unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{kind}: {error:?}");
        similar(&before, &everything(&path));
    }
}
