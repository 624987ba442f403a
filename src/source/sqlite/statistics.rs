//! What ANALYZE has counted (`sqlite_stat1`): without it, queries would take other ways after a restore than before.
//!
//! It holds numbers alone. `sqlite_stat4` holds values of customers' rows, and is left out: ANALYZE makes it again.

use rusqlite::{Connection, OptionalExtension};

use super::damage::is_damage;
use crate::schema::{Schema, Statistic};

/// The table, as the schema names it.
pub(super) const NAME: &str = "sqlite_stat1";
/// How SQLite makes it.
const MADE: &str = "CREATE TABLE sqlite_stat1(tbl,idx,stat)";

/// What the table has.
#[derive(Default)]
pub(super) struct Statistics {
    /// Whether it is there, as SQLite makes it.
    pub there: bool,
    /// What was counted.
    pub counts: Vec<Statistic>,
    /// What stands there besides, in words.
    pub odd: Option<String>,
}

/// What there is. A table that cannot be read, or that somebody else has made, is no reason to back up nothing.
pub(super) fn read(conn: &Connection) -> rusqlite::Result<Statistics> {
    let made = "SELECT sql FROM sqlite_schema WHERE name = ?1 AND type <> 'index'";
    let made: Option<String> = conn.query_row(made, [NAME], |row| row.get(0)).optional()?;
    let Some(made) = made else {
        return Ok(Statistics::default());
    };
    let not_read = |why: &str| Statistics {
        odd: Some(format!("{NAME}, which {why}")),
        ..Statistics::default()
    };
    if made != MADE {
        return Ok(not_read("was not made by ANALYZE"));
    }
    match counted(conn) {
        Ok((counts, odd)) => Ok(Statistics {
            there: true,
            counts,
            odd: (odd > 0).then(|| format!("entries of {NAME} that are no statistics: {odd}")),
        }),
        Err(error) if is_damage(&error) => Ok(not_read("is damaged")),
        Err(error) => Err(error),
    }
}

/// What was counted, and how many other entries there are.
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
        match (text(0)?, text(1)?, text(2)?) {
            (Ok(Some(table)), Ok(index), Ok(Some(text))) if is_counts(&text) => {
                counts.push(Statistic {
                    table,
                    index,
                    counts: text,
                });
            }
            _ => odd += 1,
        }
    }
    Ok((counts, odd))
}

/// Whether it is what SQLite writes or reads there: numbers and a few words, such as `12 3 1` or `12 3 unordered sz=40`.
fn is_counts(text: &str) -> bool {
    let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    text.split(' ').all(|word| match word.strip_prefix("sz=") {
        Some(size) => number(size),
        None => number(word) || ["unordered", "noskipscan"].contains(&word),
    })
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
