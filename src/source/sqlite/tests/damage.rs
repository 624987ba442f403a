//! Databases with damaged pages.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::*;

const ROWS: i64 = 5000;

/// Customers, their orders and notes, and a table without rowids: some hundreds of pages.
fn crm() -> (TempDir, PathBuf) {
    database(&format!(
        "PRAGMA page_size = 1024;
         CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE o(id INTEGER PRIMARY KEY, c INT REFERENCES c, what TEXT);
         CREATE TABLE w(a TEXT, b INT, c INT REFERENCES c, PRIMARY KEY(a, b DESC)) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
            INSERT INTO c SELECT i, 'customer number ' || i FROM n;
         INSERT INTO o SELECT id * 3, id, 'order of ' || name FROM c;
         INSERT INTO w SELECT 'row ' || (id % 7), id, id FROM c;"
    ))
}

/// The leaves of a table, in order.
fn leaves(path: &Path, table: &str) -> Vec<i64> {
    let sql = format!(
        "SELECT pageno FROM dbstat WHERE name = '{table}' AND pagetype = 'leaf' ORDER BY path"
    );
    let conn = Connection::open(path).unwrap();
    let mut pages = conn.prepare(&sql).unwrap();
    let pages = pages.query_map([], |row| row.get(0)).unwrap();
    pages.map(Result::unwrap).collect()
}

fn ruin(path: &Path, pages: &[i64]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    for page in pages {
        let at = u64::try_from(page - 1).unwrap() * 1024;
        file.write_all_at(&[0xa5; 1024], at).unwrap();
    }
}

/// A row's cells and its owner.
type Read = (Vec<String>, String);

/// A database that is read as for a snapshot.
fn tolerant(path: &Path) -> Database {
    let rules = register("c", &["id"]);
    let dir = path.parent().unwrap();
    Database::open_apart(path, &rules, dir, Trouble::IsNoted).unwrap()
}

/// What can be read: each table's rows as their rowid or first cells, with the owner.
fn read(path: &Path) -> (Database, HashMap<String, Vec<Read>>) {
    let db = tolerant(path);
    let mut all = HashMap::new();
    for (at, table) in db.schema().tables.iter().enumerate() {
        let mut rows = Vec::new();
        db.rows::<SqliteError>(at, &mut |row| {
            let owner = match row.owner {
                Owner::Customer(token) => show(token),
                Owner::Orphan => "orphan".into(),
                Owner::Table => "table".into(),
            };
            let cells = row.cells.iter().map(|cell| show(*cell));
            rows.push((cells.collect(), owner));
            Ok(())
        })
        .unwrap();
        all.insert(table.name.clone(), rows);
    }
    (db, all)
}

fn damaged(db: &Database) -> Vec<&str> {
    let tables = db.schema().tables.iter().enumerate();
    let damaged = tables.filter(|(at, _)| db.is_damaged(*at));
    damaged.map(|(_, table)| table.name.as_str()).collect()
}

/// How many rows stand in some leaves.
fn cells(path: &Path, pages: &[i64]) -> usize {
    let conn = Connection::open(path).unwrap();
    let count = |page: &i64| {
        conn.query_row("SELECT ncell FROM dbstat WHERE pageno = ?", [page], |row| {
            row.get::<_, u32>(0).map(|cells| cells as usize)
        })
    };
    pages.iter().map(|page| count(page).unwrap()).sum()
}

#[test]
fn every_row_beside_a_damaged_page_is_read() {
    let (_dir, path) = crm();
    let (db, whole) = read(&path);
    assert!(damaged(&db).is_empty());
    drop(db);
    let orders = leaves(&path, "o");
    let last = orders.len() - 1;
    for pages in [
        vec![0],
        vec![last],
        vec![7],
        vec![7, 9],
        vec![20, 21, 22],
        vec![0, last],
        (0..last).collect(),
    ] {
        let pages: Vec<i64> = pages.into_iter().map(|at: usize| orders[at]).collect();
        let lost = cells(&path, &pages);
        let before = std::fs::read(&path).unwrap();
        ruin(&path, &pages);
        let (db, rows) = read(&path);
        assert_eq!(damaged(&db), ["o"]);
        assert_eq!(rows["o"].len(), whole["o"].len() - lost, "{pages:?}");
        assert!(rows["o"].iter().all(|row| whole["o"].contains(row)));
        assert_eq!(rows["c"], whole["c"]);
        assert_eq!(rows["w"], whole["w"]);
        drop(db);
        std::fs::write(&path, before).unwrap();
    }
}

#[test]
fn rows_without_rowids_are_read_from_both_ends() {
    let (_dir, path) = crm();
    let (_, whole) = read(&path);
    let pages = leaves(&path, "w");
    let page = [pages[pages.len() / 2]];
    let lost = cells(&path, &page);
    ruin(&path, &page);
    let (db, rows) = read(&path);
    assert_eq!(damaged(&db), ["w"]);
    assert_eq!(rows["w"].len(), whole["w"].len() - lost);
    assert!(rows["w"].iter().all(|row| whole["w"].contains(row)));
}

#[test]
fn rows_of_customers_who_cannot_be_read_are_told_by_their_keys() {
    let (_dir, path) = crm();
    let (_, whole) = read(&path);
    let page = [leaves(&path, "c")[3]];
    let lost = cells(&path, &page);
    ruin(&path, &page);
    let (db, rows) = read(&path);
    assert_eq!(damaged(&db), ["c", "o", "w"]);
    assert_eq!(rows["c"].len(), ROWS as usize - lost);
    for table in ["o", "w"] {
        assert_eq!(rows[table].len(), ROWS as usize, "{table}");
        let theirs = rows[table].iter().all(|row| whole[table].contains(row));
        assert!(theirs, "{table}");
    }
    let mut customers = 0;
    db.register::<SqliteError>(&mut |_| {
        customers += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(customers, ROWS as usize - lost);
}

#[test]
fn a_damaged_value_takes_its_row_and_no_other() {
    for length in [200_000, 9_000_000] {
        let (_dir, path) = database(&format!(
            "CREATE TABLE c(id INTEGER PRIMARY KEY, body); PRAGMA auto_vacuum;
             INSERT INTO c VALUES (1, 'a'), (2, randomblob({length})), (3, 'c'), (4, randomblob(8000000)), (5, 'e');"
        ));
        let sql =
            "SELECT pageno FROM dbstat WHERE pagetype = 'overflow' ORDER BY path LIMIT 1 OFFSET 5";
        let page: i64 = ask(&path, sql)[0].parse().unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let at = u64::try_from(page - 1).unwrap() * 4096;
        // The number of the next page of the value, of which there are not so many.
        file.write_all_at(&[0x7f; 4], at).unwrap();
        let db = tolerant(&path);
        let mut found = Vec::new();
        db.rows::<SqliteError>(0, &mut |row| {
            found.push(row.rowid.unwrap());
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [1, 3, 4, 5], "{length}");
        assert!(db.is_damaged(0));
    }
}

#[test]
fn who_does_not_tolerate_damage_is_told_of_it() {
    let (_dir, path) = crm();
    ruin(&path, &[leaves(&path, "o")[3]]);
    let db = open(&path, &register("c", &["id"]));
    let read = db.rows::<SqliteError>(1, &mut |_| Ok(()));
    assert!(matches!(read, Err(SqliteError::Read { what, .. }) if what == "o"));
}

#[test]
fn a_page_that_stands_where_another_belongs_is_damage_and_what_it_repeats_hinders_no_restore() {
    let (dir, path) = crm();
    let whole = read(&path).1;
    let (orders, customers) = (leaves(&path, "o"), leaves(&path, "w"));
    let page = |page: i64| std::ops::Range {
        start: (page as usize - 1) * 1024,
        end: page as usize * 1024,
    };
    let before = std::fs::read(&path).unwrap();
    for (from, to) in [
        (orders[3], orders[9]),
        (orders[9], orders[3]),
        (customers[3], customers[9]),
    ] {
        let mut bytes = before.clone();
        bytes.copy_within(page(from), page(to).start);
        std::fs::write(&path, bytes).unwrap();
        let (db, rows) = read(&path);
        let new = dir.path().join("new.db");
        let mut builder = Builder::create(&new, db.schema()).unwrap();
        for table in 0..db.schema().tables.len() {
            db.rows::<SqliteError>(table, &mut |row| {
                let cells: Vec<Cell<'_>> = row.cells.iter().map(|cell| Cell::Kept(*cell)).collect();
                builder.put(table, row.rowid, &cells)
            })
            .unwrap();
        }
        let built = builder.finish().unwrap();
        match orders.contains(&from) {
            true => {
                assert_eq!(damaged(&db), ["o"]);
                assert!(rows["o"].len() < whole["o"].len());
                assert_eq!(built.problems, Vec::<String>::new());
            }
            false => assert!(
                built.problems[0].ends_with(
                    "rows of w were not put back, the first: UNIQUE constraint failed: w.a, w.b"
                ),
                "{:?}",
                built.problems
            ),
        }
        std::fs::remove_file(&new).unwrap();
    }
}

/// What a snapshot would say of a file that has only so many bytes of it left, and the rows that it reads.
fn cut(path: &Path, bytes: u64) -> (Database, HashMap<String, Vec<Read>>) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(bytes).unwrap();
    read(path)
}

#[test]
fn of_a_file_that_is_too_short_what_is_there_is_read_and_the_rest_is_told() {
    for mode in ["DELETE", "WAL"] {
        let (_dir, path) = crm();
        let sql = format!("PRAGMA journal_mode = {mode}");
        ask(&path, &sql);
        let (db, whole) = read(&path);
        assert_eq!(db.is_short(), None);
        drop(db);
        let before = std::fs::read(&path).unwrap();
        let pages = before.len() as u64 / 1024;
        for left in [
            pages * 1024 - 1,
            (pages - 1) * 1024,
            pages * 512 + 100,
            6000,
        ] {
            let (db, rows) = cut(&path, left);
            let there = format!("{} of its {pages} pages", left / 1024);
            assert!(db.is_short().unwrap().contains(&there), "{mode} {left}");
            assert!(!damaged(&db).is_empty(), "{mode} {left}");
            for (table, rows) in &rows {
                assert!(rows.len() <= whole[table].len());
                let cells =
                    |rows: &Vec<Read>| -> Vec<_> { rows.iter().map(|(c, _)| c.clone()).collect() };
                let known = cells(&whole[table]);
                assert!(
                    cells(rows).iter().all(|row| known.contains(row)),
                    "{mode} {left} {table}"
                );
            }
            assert!(left < 10_000 || !rows["c"].is_empty());
            let count =
                |all: &HashMap<String, Vec<Read>>| all.values().map(Vec::len).sum::<usize>();
            assert!(count(&rows) < count(&whole), "{mode} {left}");
            drop(db);
            let refused = Database::open(&path, &register("c", &["id"]))
                .err()
                .unwrap();
            assert!(refused.to_string().contains(&there), "{refused}");
            assert!(refused.hint().unwrap().contains("restore"));
            std::fs::write(&path, &before).unwrap();
        }
    }
}

#[test]
fn how_many_pages_there_are_counts_only_from_who_knew_of_it() {
    let (_dir, path) = crm();
    let pages = std::fs::metadata(&path).unwrap().len() as u32 / 1024;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // As an old program leaves it: more pages are said to be there, at another change.
    file.write_all_at(&(pages + 5).to_be_bytes(), 28).unwrap();
    assert!(tolerant(&path).is_short().is_some());
    file.write_all_at(&[0xff; 4], 92).unwrap();
    let (db, rows) = read(&path);
    assert_eq!((db.is_short(), rows["c"].len()), (None, ROWS as usize));
    open(&path, &register("c", &["id"]));
}

#[test]
fn a_damaged_schema_is_refused_as_what_it_is() {
    for mode in ["DELETE", "WAL"] {
        let (dir, path) = crm();
        ask(&path, &format!("PRAGMA journal_mode = {mode}"));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0xa5; 20], 100).unwrap();
        let rules = register("c", &["id"]);
        let apart = Database::open_apart(&path, &rules, dir.path(), Trouble::IsNoted);
        for opened in [Database::open(&path, &rules), apart] {
            let error = opened.err().unwrap();
            assert!(matches!(error, SqliteError::Damaged { .. }), "{error:?}");
            assert!(error.hint().unwrap().contains("restore it from a snapshot"));
        }
    }
}

#[test]
fn who_reads_a_damaged_register_for_a_decision_is_told_what_to_do() {
    let (_dir, path) = crm();
    ruin(&path, &[leaves(&path, "c")[3]]);
    let db = open(&path, &register("c", &["id"]));
    let error = db.register::<SqliteError>(&mut |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "cannot read c");
    assert!(error.hint().unwrap().contains("restore it from a snapshot"));
}
