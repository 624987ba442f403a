//! Full-text indexes with text of customers, in live databases.

use super::remnants::{canary, level, singing};
use super::*;
use crate::source::sqlite::{Level, SavedRow};

/// Notes whose words an application keeps in an index by triggers, and an index that it fills by itself.
fn crm(mode: &str, canary: &str) -> (TempDir, PathBuf) {
    let (dir, path) = database(&format!(
        "PRAGMA journal_mode = {mode}; CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT, shown INT DEFAULT 1);
         CREATE TABLE notes(id INTEGER PRIMARY KEY, c REFERENCES c, text TEXT);
         CREATE VIRTUAL TABLE own USING fts5(text);
         CREATE TRIGGER n1 AFTER INSERT ON notes BEGIN INSERT INTO own(rowid, text) VALUES (new.id, new.text); END;
         CREATE TRIGGER n2 AFTER DELETE ON notes BEGIN DELETE FROM own WHERE rowid = old.id; END;
         CREATE TRIGGER n3 AFTER UPDATE ON notes BEGIN UPDATE own SET text = new.text WHERE rowid = new.id; END;
         CREATE VIRTUAL TABLE people USING fts5(name);
         CREATE TRIGGER c1 AFTER UPDATE ON c BEGIN UPDATE people SET name = new.name WHERE rowid = new.id; END;
         CREATE VIRTUAL TABLE loose USING fts5(text, c UNINDEXED);"
    ));
    let app = Connection::open(&path).unwrap();
    app.execute_batch("PRAGMA secure_delete = OFF").unwrap();
    for id in 1..=20 {
        let text = if id == 7 { canary } else { "somebody" };
        app.execute("INSERT INTO c(id, name) VALUES (?1, ?2 || ?1)", (id, text))
            .unwrap();
        app.execute(
            "INSERT INTO people(rowid, name) VALUES (?1, ?2)",
            (id, text),
        )
        .unwrap();
        for note in 0..3 {
            let text = format!("{text} {} x{text}", "long ".repeat(note * 2000));
            app.execute("INSERT INTO notes(c, text) VALUES (?1, ?2)", (id, &text))
                .unwrap();
            app.execute("INSERT INTO loose(text, c) VALUES (?2, ?1)", (id, &text))
                .unwrap();
        }
    }
    (dir, path)
}

fn rules() -> Rules {
    let mut rules = register("c", &["id"]);
    rules.owns = vec![
        owns("own", through(&["rowid"], "notes")),
        owns("people", key(&["rowid"])),
        owns("loose", key(&["c"])),
    ];
    rules
}

/// How often words that begin so are in an index.
fn terms(path: &Path, index: &str, start: &str) -> String {
    let conn = Connection::open(path).unwrap();
    let vocabulary = format!("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, {index}, row)");
    conn.execute_batch(&vocabulary).unwrap();
    let sql = "SELECT count(*) FROM temp.words WHERE term LIKE ?1 || '%'";
    conn.query_row(sql, [start], |row| row.get::<_, i64>(0))
        .unwrap()
        .to_string()
}

fn check(path: &Path) {
    for index in ["own", "people", "loose"] {
        run(
            path,
            &format!("INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)"),
        );
    }
}

#[test]
fn erased_text_is_in_no_index_and_in_no_byte() {
    for mode in ["WAL", "DELETE"] {
        let canary = canary();
        let (_dir, path) = crm(mode, &canary);
        assert_ne!(terms(&path, "loose", &canary), "0");
        let mut live = live(&path, &rules());
        let rehearsed = live.erase(&[id(7)], Erasing::Rehearse).unwrap();
        assert_eq!(ask(&path, "SELECT count(*) FROM loose WHERE c = 7"), ["3"]);
        let erased = live.erase(&[id(7)], FOR_REAL).unwrap();
        assert_eq!(erased.tables, rehearsed.tables);
        let gone = rows(&[
            ("c", 1),
            ("notes", 3),
            ("own", 3),
            ("people", 1),
            ("loose", 3),
        ]);
        assert_eq!(erased.tables, gone);
        assert_eq!(singing(&path, &canary), Vec::<String>::new(), "{mode}");
        for index in ["own", "people", "loose"] {
            assert_eq!(level(&erased.remnants, index), &Level::Renewed, "{index}");
            assert_eq!(terms(&path, index, &canary[..12]), "0", "{index}");
            assert_ne!(terms(&path, index, "somebody"), "0", "{index}");
        }
        check(&path);
        assert_eq!(
            ask(&path, "SELECT count(*) FROM own WHERE own MATCH 'somebody'"),
            ["57"]
        );
    }
}

#[test]
fn text_that_triggers_delete_beyond_the_customers_is_refused() {
    let (_dir, path) = crm("DELETE", "canary");
    run(
        &path,
        "CREATE TRIGGER far AFTER DELETE ON c BEGIN DELETE FROM loose WHERE c = old.id + 1; END",
    );
    let error = refused(&path, &rules(), id(7));
    let SqliteError::ReachesFurther { found } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(found, &["loose has -6 rows, not -3"]);
}

#[test]
fn who_is_hidden_and_shown_again_stays_in_the_indexes() {
    let (_dir, path) = crm("DELETE", "canary");
    let before = everything(&path);
    let mut live = live(&path, &rules());
    assert_eq!(
        live.flag(&id(7), "shown", &Value::Int(0)).unwrap(),
        Value::Int(1)
    );
    assert_eq!(ask(&path, "SELECT shown FROM c WHERE id = 7"), ["0"]);
    live.flag(&id(7), "shown", &Value::Int(1)).unwrap();
    similar(&before, &everything(&path));
    check(&path);
}

/// The rows of a customer, as a snapshot has them.
fn saved(path: &Path, customer: &str) -> (Vec<Table>, Vec<SavedRow>) {
    let db = open(path, &rules());
    let mut saved = Vec::new();
    for at in 0..db.schema().tables.len() {
        db.rows::<SqliteError>(at, &mut |row| {
            if matches!(row.owner, Owner::Customer(token) if show(token) == customer) {
                saved.push(SavedRow {
                    table: at,
                    rowid: row.rowid,
                    cells: row.cells.iter().map(|cell| cell.to_value()).collect(),
                });
            }
            Ok(())
        })
        .unwrap();
    }
    (db.schema().tables.clone(), saved)
}

#[test]
fn text_goes_back_beside_the_triggers_that_put_it_in() {
    let (_dir, path) = crm("DELETE", "canary");
    let text = |path: &Path| {
        let all = ["own", "people", "loose"];
        all.map(|index| {
            ask(
                path,
                &format!("SELECT rowid, * FROM {index} ORDER BY rowid"),
            )
        })
        .concat()
    };
    let before = text(&path);
    let (tables, rows) = saved(&path, "7");
    assert_eq!(rows.len(), 11);
    live(&path, &rules()).erase(&[id(7)], FOR_REAL).unwrap();
    assert_eq!(text(&path).len() + 7, before.len());
    let put = live(&path, &rules())
        .put(&[id(7)], &tables, &rows, false)
        .unwrap();
    let counts: u64 = put.tables.iter().map(|(_, rows)| rows).sum();
    assert_eq!((counts, put.moved), (11, 0));
    similar(&before, &text(&path));
    check(&path);
    // What has changed since is as it was; triggers change the index a second time.
    run(&path, "UPDATE notes SET text = 'other' WHERE c = 7; UPDATE people SET name = 'x' WHERE rowid = 7;
                INSERT INTO notes(c, text) VALUES (7, 'later'); INSERT INTO loose(text, c) VALUES ('later', 7)");
    let put = live(&path, &rules())
        .put(&[id(7)], &tables, &rows, true)
        .unwrap();
    assert_eq!(
        put.deleted,
        super::rows(&[("notes", 1), ("own", 1), ("loose", 1)])
    );
    similar(&before, &text(&path));
    assert_eq!(terms(&path, "own", "later"), "0");
    check(&path);
}

#[test]
fn text_of_somebody_else_is_not_overwritten() {
    let (_dir, path) = crm("DELETE", "canary");
    let (tables, rows) = saved(&path, "7");
    live(&path, &rules()).erase(&[id(7)], FOR_REAL).unwrap();
    // A rowid that leads to the owner is a key: somebody else's row stands in the way.
    run(
        &path,
        "INSERT INTO notes(id, c, text) VALUES (19, 3, 'mine')",
    );
    let error = live(&path, &rules())
        .put(&[id(7)], &tables, &rows, false)
        .unwrap_err();
    let SqliteError::InTheWay { found } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(found, &["1 of notes", "1 of own"]);
    // One that leads nowhere may be another.
    run(
        &path,
        "DELETE FROM notes WHERE id = 19; INSERT INTO loose(rowid, text, c) VALUES (19, 'mine', 3)",
    );
    let put = live(&path, &rules())
        .put(&[id(7)], &tables, &rows, false)
        .unwrap();
    assert_eq!(put.moved, 1);
    assert_eq!(
        ask(&path, "SELECT text FROM loose WHERE rowid = 19"),
        ["'mine'"]
    );
    assert_eq!(ask(&path, "SELECT count(*) FROM loose WHERE c = 7"), ["3"]);
    check(&path);
}
