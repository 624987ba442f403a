//! Values that are too long to be held.

use std::io::Read;

use super::*;
use crate::piece::cut::LongKind;
use crate::source::LongValue;

/// Longer than what is held of a value in a row of few columns.
const LONG: usize = (4 << 20) + 12_345;

/// Reads a database and builds it again as a restore does, long values apart. Returns which were.
fn rebuild_long(path: &Path, rules: &Rules) -> (PathBuf, Vec<(String, LongKind, u64)>) {
    let db = open(path, rules);
    let to = path.with_file_name("again.db");
    let mut builder = Builder::create(&to, db.schema()).unwrap();
    let mut seen = Vec::new();
    for at in 0..db.schema().tables.len() {
        db.rows::<SqliteError>(at, &mut |row| {
            let cells: Vec<_> = row.cells.iter().map(|cell| Cell::Kept(*cell)).collect();
            let name = &db.schema().tables[at].name;
            seen.extend(
                row.long
                    .iter()
                    .map(|long| (name.clone(), long.kind, long.len)),
            );
            builder.put_long(at, row.rowid, &cells, row.long)
        })
        .unwrap();
    }
    builder.finish().unwrap();
    (to, seen)
}

#[test]
fn long_values_come_back_wherever_they_stand() {
    for encoding in ["UTF-8", "UTF-16le", "UTF-16be"] {
        let (_dir, path) = database(&format!(
            "PRAGMA encoding = '{encoding}';
             CREATE TABLE c(id INTEGER PRIMARY KEY, a, b, z);
             CREATE TABLE checked(a CHECK(a IS NULL OR hex(substr(a, 1, 1)) <> '00'), z);
             CREATE TABLE uniq(a UNIQUE, len AS (length(a)) STORED);
             CREATE TABLE gen(a, len AS (length(a)) STORED, low AS (substr(a, 1, 2)));
             CREATE TABLE w(id INT PRIMARY KEY, a) WITHOUT ROWID;
             CREATE INDEX by_a ON c(a);
             INSERT INTO c VALUES (1, 'short', NULL, randomblob({LONG})),
                (2, randomblob({LONG}), 5, 'behind'), (3, CAST(randomblob(7) AS TEXT), 1, NULL),
                (4, hex(randomblob({LONG} / 2)), NULL, randomblob({LONG})), (5, 1, randomblob({LONG}), randomblob({LONG})),
                (6, CAST(x'3dd8' AS TEXT), 0, randomblob({LONG})), (7, CAST(x'd83d' AS TEXT), 0, randomblob({LONG})),
                (-9223372036854775808, 1, 1, zeroblob({LONG})), (9223372036854775807, randomblob({LONG}), 1, 1);
             INSERT INTO checked VALUES (x'01' || randomblob({LONG}), 1), (NULL, zeroblob({LONG}));
             INSERT INTO uniq VALUES (randomblob({LONG})); INSERT INTO gen(a) VALUES (randomblob({LONG}));
             INSERT INTO w VALUES (1, randomblob({LONG})), (2, hex(randomblob({LONG} / 2)));"
        ));
        let rules = register("c", &["id"]);
        let before = everything(&path);
        let (again, seen) = rebuild_long(&path, &rules);
        assert!(everything(&again) == before, "{encoding}");
        let long = |table: &str| seen.iter().filter(|(name, ..)| name == table).count();
        let counts = ["c", "checked", "uniq", "gen", "w"].map(long);
        // Rows without a rowid, and where something is computed, are held.
        assert_eq!(counts, [10, 2, 0, 0, 0], "{encoding}");
        let text = (LONG / 2 * 2) as u64;
        assert!(
            seen.contains(&("c".into(), LongKind::Text, text)),
            "{encoding}"
        );
        let blob = LONG as u64;
        assert!(
            seen.contains(&("c".into(), LongKind::Blob, blob)),
            "{encoding}"
        );
    }
}

#[test]
fn a_long_text_is_measured_in_our_encoding_and_need_not_be_utf_8() {
    // A lone surrogate, and characters of one to four bytes across every border of a chunk.
    let text = "aé客😀".repeat(600_000);
    let units: Vec<u16> = text.encode_utf16().collect();
    for (encoding, wide) in [("UTF-8", false), ("UTF-16le", true)] {
        let (_dir, path) = database(&format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE c(id INTEGER PRIMARY KEY, a TEXT)"
        ));
        let conn = Connection::open(&path).unwrap();
        let mut bytes: Vec<u8> = match wide {
            true => units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            false => text.as_bytes().to_vec(),
        };
        let put = "INSERT INTO c VALUES (?1, CAST(?2 AS TEXT))";
        conn.execute(put, (1, &bytes)).unwrap();
        bytes.extend(if wide { vec![0x3d, 0xd8] } else { vec![0xff] });
        conn.execute(put, (2, &bytes)).unwrap();
        drop(conn);
        let rules = register("c", &["id"]);
        let mut seen = Vec::new();
        open(&path, &rules)
            .rows::<SqliteError>(0, &mut |mut row| {
                let LongValue {
                    kind, len, bytes, ..
                } = row.long.remove(0);
                let mut read = Vec::new();
                let mut bytes = bytes;
                bytes.read_to_end(&mut read).unwrap();
                assert_eq!(read.len() as u64, len);
                assert!(read.starts_with(text.as_bytes()));
                seen.push((kind, read.len() - text.len()));
                Ok(())
            })
            .unwrap();
        let lone = if wide { 3 } else { 1 };
        assert_eq!(
            seen,
            [(LongKind::Text, 0), (LongKind::OtherText, lone)],
            "{encoding}"
        );
        let (again, _) = rebuild_long(&path, &rules);
        assert!(everything(&again) == everything(&path), "{encoding}");
    }
}

#[test]
fn a_row_of_very_many_columns_holds_little_of_each() {
    let columns: Vec<String> = (0..600).map(|n| format!("c{n}")).collect();
    let (_dir, path) = database(&format!(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE w({0});
         INSERT INTO w(c0, c7, c599) VALUES (1, randomblob(120000), 'end'), (2, 'x', NULL);
         INSERT INTO w(c599) VALUES (randomblob(65000));",
        columns.join(", ")
    ));
    let (again, seen) = rebuild_long(&path, &register("c", &["id"]));
    assert_eq!(seen, [("w".to_owned(), LongKind::Blob, 120_000)]);
    assert!(everything(&again) == everything(&path));
}

#[test]
fn what_refers_is_held_and_may_be_long() {
    let (_dir, path) = database(&format!(
        "CREATE TABLE c(id TEXT PRIMARY KEY); CREATE TABLE o(c REFERENCES c, body);
         INSERT INTO c VALUES ('k' || hex(zeroblob({LONG} / 2)));
         INSERT INTO o SELECT id, zeroblob({LONG}) FROM c;"
    ));
    let rules = register("c", &["id"]);
    let db = open(&path, &rules);
    db.rows::<SqliteError>(1, &mut |row| {
        assert_eq!((row.long.len(), row.long[0].column), (1, 1));
        assert!(matches!(row.cells[0], ValueRef::Text(key) if key.len() > LONG / 2));
        assert!(matches!(row.owner, Owner::Customer(_)));
        Ok(())
    })
    .unwrap();
}

#[test]
fn full_text_tables_hold_what_they_have() {
    let (_dir, path) = database(&format!(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE f USING fts5(body, c UNINDEXED);
         INSERT INTO c VALUES (1); INSERT INTO f VALUES (replace(hex(zeroblob({LONG})), '0000', 'word '), 1);"
    ));
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("f", key(&["c"]))];
    let (again, seen) = rebuild_long(&path, &rules);
    assert_eq!(seen, []);
    let all = "SELECT length(body), c, rowid FROM f WHERE f MATCH 'word'";
    assert_eq!(ask(&again, all), ask(&path, all));
}
