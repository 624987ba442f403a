//! The tree that the rows of a table stand in, as far as its inner pages tell: a page of type 5 of the
//! "Database File Format". Read through SQLite's pager, so in the same view as the rows.

use rusqlite::Connection;

/// Deeper is no tree: it goes round in a circle.
const DEEPEST: usize = 40;
/// What the first page of a file has before it is a page.
const FILE_HEADER: usize = 100;

/// The smallest rowid from `from` on at which a leaf ends, by the inner pages of a table's tree; none where
/// there is nothing but the last leaf, or no inner page that can be read.
pub(super) fn end_of_leaf(conn: &Connection, table: &str, from: i64) -> Option<i64> {
    let sql = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let root = conn.query_row(sql, [table], |row| row.get(0)).ok()?;
    below(conn, root, from, DEEPEST)
}

fn below(conn: &Connection, page: u32, from: i64, depth: usize) -> Option<i64> {
    let inner = read(conn, page)?;
    let depth = depth.checked_sub(1)?;
    match inner.children.iter().find(|(_, last)| *last >= from) {
        Some((child, last)) => below(conn, *child, from, depth)
            .filter(|end| end < last)
            .or(Some(*last)),
        None => below(conn, inner.right, from, depth),
    }
}

/// An inner page.
struct Inner {
    /// Each child but the last, with the greatest rowid under it.
    children: Vec<(u32, i64)>,
    /// The last child.
    right: u32,
}

/// A page, if it is an inner one.
fn read(conn: &Connection, page: u32) -> Option<Inner> {
    let sql = "SELECT data FROM sqlite_dbpage WHERE pgno = ?1";
    let mut prepared = conn.prepare_cached(sql).ok()?;
    let bytes: Vec<u8> = prepared.query_row([page], |row| row.get(0)).ok()?;
    let head = if page == 1 { FILE_HEADER } else { 0 };
    let header: &[u8; 12] = bytes.get(head..)?.first_chunk()?;
    let [5, _, _, high, low, _, _, _, right @ ..] = *header else {
        return None;
    };
    let cells = usize::from(u16::from_be_bytes([high, low]));
    let pointers = bytes.get(head + 12..head + 12 + 2 * cells)?;
    let child = |pointer: &[u8; 2]| {
        let cell = bytes.get(usize::from(u16::from_be_bytes(*pointer))..)?;
        let (child, rest) = cell.split_first_chunk()?;
        Some((u32::from_be_bytes(*child), varint(rest)?))
    };
    Some(Inner {
        children: pointers
            .as_chunks()
            .0
            .iter()
            .map(child)
            .collect::<Option<_>>()?,
        right: u32::from_be_bytes(right),
    })
}

/// A number of one to nine bytes: seven bits in each, eight in the ninth.
fn varint(bytes: &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Some((number << 8 | u64::from(*byte)).cast_signed());
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(number.cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_end_where_the_rows_of_the_next_begin() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "PRAGMA page_size = 512; CREATE TABLE t(id INTEGER PRIMARY KEY, a);
             WITH RECURSIVE n(i) AS (SELECT -9000 UNION ALL SELECT i + 7 FROM n WHERE i < 30000)
                INSERT INTO t SELECT i, printf('%040d', i) FROM n;
             INSERT INTO t VALUES (-9223372036854775808, 1), (9223372036854775807, 2);",
        )
        .unwrap();
        let sql = "SELECT ncell FROM dbstat WHERE name = 't' AND pagetype = 'leaf' ORDER BY path";
        let mut leaves = conn.prepare(sql).unwrap();
        let leaves = leaves.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        let leaves: Vec<i64> = leaves.map(Result::unwrap).collect();
        assert!(leaves.len() > 500);
        let (mut from, mut read) = (i64::MIN, 0);
        for leaf in &leaves[..leaves.len() - 1] {
            read += leaf;
            let end = end_of_leaf(&conn, "t", from).unwrap();
            let count = "SELECT count(*) FROM t WHERE id <= ?1";
            let rows: i64 = conn.query_row(count, [end], |row| row.get(0)).unwrap();
            assert_eq!(rows, read);
            from = end + 1;
        }
        assert_eq!(end_of_leaf(&conn, "t", from), None);
    }

    #[test]
    fn numbers_have_one_to_nine_bytes() {
        assert_eq!(varint(&[0x7f]), Some(127));
        assert_eq!(varint(&[0x81, 0x00]), Some(128));
        assert_eq!(varint(&[0xff; 9]), Some(-1));
        assert_eq!(varint(&[0x80, 0x80]), None);
    }
}
