//! What ANALYZE has counted (`sqlite_stat1`): without it, queries would take other ways after a restore than before.
//!
//! It holds numbers alone. `sqlite_stat4` holds values of customers' rows, and is left out: ANALYZE makes it again.

use rusqlite::Connection;

use super::damage::is_damage;
use crate::schema::{Schema, Statistic};

/// The table, as the schema names it.
pub(super) const NAME: &str = "sqlite_stat1";

/// What was counted, and in words what stands there besides.
pub(super) fn read(conn: &Connection) -> rusqlite::Result<(Vec<Statistic>, Option<String>)> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
    if !conn.prepare(there)?.exists([NAME])? {
        return Ok((Vec::new(), None));
    }
    match counted(conn) {
        Ok((counts, 0)) => Ok((counts, None)),
        Ok((counts, odd)) => {
            let what = format!("entries of {NAME} that are no statistics: {odd}");
            Ok((counts, Some(what)))
        }
        Err(error) if is_damage(&error) => {
            Ok((Vec::new(), Some(format!("{NAME}, which is damaged"))))
        }
        Err(error) => Err(error),
    }
}

/// What was counted, and how many other entries there are. SQLite writes numbers and a few words, such as `12 3 1` or
/// `12 3 unordered sz=40`.
fn counted(conn: &Connection) -> rusqlite::Result<(Vec<Statistic>, usize)> {
    let sql = "SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY rowid";
    let mut prepared = conn.prepare(sql)?;
    let mut rows = prepared.query([])?;
    let (mut counts, mut odd) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let text = |at| -> rusqlite::Result<_> {
            let value = row.get_ref(at)?;
            Ok(value.as_str_or_null().map(|text| text.map(str::to_owned)))
        };
        let plain = |counts: &str| {
            let mut letters = counts.bytes();
            letters.all(|byte| {
                byte.is_ascii_digit() || byte.is_ascii_lowercase() || b" =".contains(&byte)
            })
        };
        match (text(0)?, text(1)?, text(2)?) {
            (Ok(Some(table)), Ok(index), Ok(Some(text))) if plain(&text) => {
                counts.push(Statistic {
                    table,
                    index,
                    counts: text,
                })
            }
            _ => odd += 1,
        }
    }
    Ok((counts, odd))
}

/// Puts back what was counted, if anything ever was.
pub(super) fn restore(conn: &Connection, schema: &Schema) -> rusqlite::Result<()> {
    if !schema.statements.iter().any(|entry| entry.name == NAME) {
        return Ok(());
    }
    // SQLite lets nobody but itself make these tables. Of its own schema it counts nothing.
    conn.execute_batch("ANALYZE sqlite_schema; DROP TABLE IF EXISTS sqlite_stat4")?;
    let mut insert =
        conn.prepare("INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES (?1, ?2, ?3)")?;
    for entry in &schema.statistics {
        insert.execute((&entry.table, &entry.index, &entry.counts))?;
    }
    Ok(())
}
