//! The rows of a table, read whole.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::model::Table;
use super::values::name;

/// A row: its rowid where it can be read, and its stored columns.
#[derive(Clone, Debug)]
pub struct Row {
    /// The rowid; none for WITHOUT ROWID, and where columns have all its names.
    pub rowid: Option<i64>,
    /// The bytes of each cell under a letter for its storage class.
    pub cells: Vec<Vec<u8>>,
}

impl Row {
    /// Whether a cell has the same as the rowid.
    pub fn is_its_rowid(&self, cell: &[u8]) -> bool {
        let rowid = |rowid: i64| bytes(ValueRef::Integer(rowid), false) == cell;
        self.rowid.is_some_and(rowid)
    }
}

/// All rows, in the order of [`Table::handle`].
pub fn rows(conn: &Connection, table: &Table) -> Result<Vec<Row>> {
    let wide: String = conn.query_row("PRAGMA encoding", [], |row| row.get(0))?;
    let wide = wide != "UTF-8";
    let order = table.handle().join(", ");
    let rowid = table.rowid().unwrap_or("NULL");
    let stored = table.stored();
    let mut all: Vec<Row> = Vec::new();
    // A result has at most 2,000 columns.
    for (part, columns) in stored.chunks(600).enumerate() {
        let columns = table.names(columns);
        let columns: String = columns
            .iter()
            .map(|c| match wide {
                true => format!(", CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END, typeof({c})"),
                false => format!(", {c}, NULL"),
            })
            .collect();
        let sql = format!(
            "SELECT {rowid}{columns} FROM {} NOT INDEXED ORDER BY {order}",
            name(&table.name)
        );
        let mut statement = conn.prepare(&sql)?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        let mut at = 0;
        while let Some(row) = rows.next()? {
            if part == 0 {
                all.push(Row {
                    rowid: row.get(0)?,
                    cells: Vec::new(),
                });
            }
            for column in (1..width).step_by(2) {
                let text = matches!(row.get_ref(column + 1)?, ValueRef::Text(b"text"));
                all[at].cells.push(bytes(row.get_ref(column)?, text));
            }
            at += 1;
        }
    }
    Ok(all)
}

fn bytes(value: ValueRef<'_>, text: bool) -> Vec<u8> {
    let (class, bytes) = match value {
        ValueRef::Null => (b'-', Vec::new()),
        ValueRef::Integer(i) => (b'i', i.to_be_bytes().to_vec()),
        ValueRef::Real(r) => (b'r', r.to_bits().to_be_bytes().to_vec()),
        ValueRef::Text(t) => (b't', t.to_vec()),
        ValueRef::Blob(b) if text => (b't', b.to_vec()),
        ValueRef::Blob(b) => (b'b', b.to_vec()),
    };
    [vec![class], bytes].concat()
}

/// The bytes of some cells of row number `row`, from 1.
pub fn cells(
    conn: &Connection,
    table: &Table,
    columns: &[usize],
    row: i64,
) -> Result<Vec<Vec<u8>>> {
    let sql = format!(
        "SELECT {} FROM {} ORDER BY {} LIMIT 1 OFFSET ?1 - 1",
        table.names(columns).join(", "),
        name(&table.name),
        table.handle().join(", ")
    );
    conn.query_row(&sql, [row], |row| {
        (0..columns.len())
            .map(|at| Ok(bytes(row.get_ref(at)?, false)))
            .collect()
    })
}
