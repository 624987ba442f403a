//! How a table is built, beyond what a snapshot must know: its keys, its indexes, and the order that
//! its rows are in.

use rusqlite::{Connection, Row};

use super::sql::{quote, rowid_name, same};
use crate::schema::{ParentColumn, Table};

/// What must be known of a table beyond [`Table`] to read it and to follow its keys.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Every column in order: generated ones and the rowid alias too.
    pub all: Vec<String>,
    /// By what the rowid is reached in SQL, ready quoted; none for WITHOUT ROWID tables, and where
    /// columns take all three names.
    pub rowid: Option<String>,
    /// The primary key's columns, in the key's order.
    pub primary: Vec<String>,
    /// How SQL sorts row `t0` by the tree that the rows themselves are in, such as `"id" DESC`: nothing where
    /// neither rowid nor primary key does.
    pub order: String,
    /// The same, from the last row to the first; nothing where rowids tell rows.
    pub backward: String,
    /// Stored columns that have a DEFAULT.
    pub defaults: Vec<String>,
    /// Its foreign keys to tables that can be backed up, in the order of declaration.
    pub keys: Vec<ForeignKey>,
    /// The first column of each index that covers all rows.
    pub leading: Vec<String>,
    /// Columns that an index orders by a collation which is not SQLite's own.
    pub unordered: Vec<String>,
    /// The columns of each UNIQUE index that covers all rows, in whatever collation.
    pub unique: Vec<Vec<String>>,
}

impl Shape {
    /// The column that is the rowid (INTEGER PRIMARY KEY), if one is.
    pub(super) fn alias(&self) -> Option<&String> {
        let [name] = &self.primary[..] else {
            return None;
        };
        Some(name).filter(|name| self.rowid.as_ref() == Some(&quote(name)))
    }

    /// Whether the table has generated columns.
    pub(super) fn computes(&self, table: &Table) -> bool {
        self.all.len() > table.columns.len() + usize::from(table.rowid_alias.is_some())
    }
}

/// A foreign key, with every name as the tables themselves spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table referred to, as an index into [`Schema::tables`].
    pub parent: usize,
    /// The columns referred to.
    pub parent_columns: Vec<String>,
}

/// Where a column of a table is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// In the rowid, or among the stored columns.
    Stored(ParentColumn),
    /// Nowhere: it is computed.
    Generated,
}

/// Where the column `name` of `table` is kept; none if there is no such column.
pub(super) fn place(table: &Table, shape: &Shape, name: &str) -> Option<Kept> {
    if table
        .rowid_alias
        .as_ref()
        .is_some_and(|alias| same(&alias.name, name))
    {
        return Some(Kept::Stored(ParentColumn::Rowid));
    }
    if let Some(at) = table
        .columns
        .iter()
        .position(|column| same(&column.name, name))
    {
        return Some(Kept::Stored(ParentColumn::Column(at)));
    }
    shape
        .all
        .iter()
        .any(|column| same(column, name))
        .then_some(Kept::Generated)
}

/// The shape of one of `tables`.
pub(super) fn shape(conn: &Connection, tables: &[Table], table: &Table) -> rusqlite::Result<Shape> {
    let mut prepared =
        conn.prepare("SELECT name, pk, dflt_value IS NOT NULL AND hidden = 0 FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let column = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let columns: Vec<(String, i64, bool)> = prepared
        .query_map([&table.name], column)?
        .collect::<Result<_, _>>()?;
    let mut primary: Vec<_> = columns.iter().filter(|(_, pk, _)| *pk > 0).collect();
    primary.sort_by_key(|(_, pk, _)| *pk);
    let primary = primary.into_iter().map(|(name, ..)| name.clone()).collect();
    let defaults = columns
        .iter()
        .filter(|(.., default)| *default)
        .map(|(name, ..)| name.clone())
        .collect();
    let all: Vec<String> = columns.into_iter().map(|(name, ..)| name).collect();
    let (leading, unique) = indexes(conn, &table.name)?;
    let alias = table
        .rowid_alias
        .as_ref()
        .map(|column| column.name.as_str());
    let rowid = table.has_rowid.then(|| rowid_name(alias, &all)).flatten();
    let (order, backward) = match &rowid {
        _ if !table.has_rowid => tree_order(conn, &table.name)?,
        Some(name) => (format!("t0.{name}"), String::new()),
        None => (String::new(), String::new()),
    };
    Ok(Shape {
        rowid,
        order,
        backward,
        primary,
        defaults,
        keys: keys(conn, tables, table, &all)?,
        leading,
        unordered: unordered(conn, &table.name)?,
        unique,
        all,
    })
}

fn unordered(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT x.name FROM pragma_index_list(?1) AS l JOIN pragma_index_xinfo(l.name) AS x \
               WHERE x.key AND x.name IS NOT NULL AND upper(x.coll) NOT IN ('BINARY', 'NOCASE', 'RTRIM')";
    let mut prepared = conn.prepare(sql)?;
    let columns = prepared.query_map([table], |row| row.get(0))?;
    columns.collect()
}

/// The order of the primary key's tree, which is where the rows of a WITHOUT ROWID table are; and the
/// other way round.
fn tree_order(conn: &Connection, table: &str) -> rusqlite::Result<(String, String)> {
    let sql = "SELECT x.name, x.coll, x.\"desc\" \
               FROM pragma_index_list(?1) AS l JOIN pragma_index_xinfo(l.name) AS x \
               WHERE l.origin = 'pk' AND x.key ORDER BY x.seqno";
    let term = |row: &Row<'_>| {
        let (name, collation): (String, String) = (row.get(0)?, row.get(1)?);
        let by = format!("t0.{} COLLATE {}", quote(&name), quote(&collation));
        Ok((by, row.get(2)?))
    };
    let terms: Vec<(String, bool)> = conn
        .prepare(sql)?
        .query_map([table], term)?
        .collect::<Result<_, _>>()?;
    let order = |down: bool| {
        let one = |(by, desc): &(String, bool)| match *desc != down {
            true => format!("{by} DESC"),
            false => by.clone(),
        };
        terms.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    Ok((order(false), order(true)))
}

/// The first columns of all indexes, and all columns of the UNIQUE ones; partial indexes left out.
fn indexes(conn: &Connection, table: &str) -> rusqlite::Result<(Vec<String>, Vec<Vec<String>>)> {
    let sql = "SELECT name, \"unique\" FROM pragma_index_list(?1) WHERE partial = 0";
    let named = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let list: Vec<(String, bool)> = conn
        .prepare(sql)?
        .query_map([table], named)?
        .collect::<Result<_, _>>()?;
    let (mut leading, mut all) = (Vec::new(), Vec::new());
    for (index, unique) in list {
        // An expression has no name: an index that begins with one helps no lookup of ours.
        let sql = "SELECT name FROM pragma_index_info(?1) ORDER BY seqno";
        let columns: Vec<Option<String>> = conn
            .prepare(sql)?
            .query_map([index], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        leading.extend(columns.first().cloned().flatten());
        if unique && let Some(columns) = columns.into_iter().collect() {
            all.push(columns);
        }
    }
    Ok((leading, all))
}

/// A foreign key as `pragma foreign_key_list` has it: the parent, and pairs of columns of which the
/// second is missing where the primary key is meant.
struct Declared {
    id: i64,
    parent: String,
    pairs: Vec<(String, Option<String>)>,
}

fn declared_keys(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Declared>> {
    // SQLite lists the last declared one first.
    let sql = "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq";
    let mut prepared = conn.prepare(sql)?;
    let mut rows = prepared.query([table])?;
    let mut all: Vec<Declared> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, pair) = (row.get(0)?, (row.get(2)?, row.get(3)?));
        match all.last_mut() {
            Some(last) if last.id == id => last.pairs.push(pair),
            _ => all.push(Declared {
                id,
                parent: row.get(1)?,
                pairs: vec![pair],
            }),
        }
    }
    Ok(all)
}

/// The foreign keys of `table` that lead to one of `tables`, with names as those spell them. What
/// fits no columns of the parent is no key to SQLite either.
fn keys(
    conn: &Connection,
    tables: &[Table],
    table: &Table,
    columns: &[String],
) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut keys = Vec::new();
    for key in declared_keys(conn, &table.name)? {
        let Some(parent) = tables.iter().position(|t| same(&t.name, &key.parent)) else {
            continue;
        };
        let (from, to): (Vec<_>, Vec<_>) = key.pairs.into_iter().unzip();
        let (all, primary) = key_columns(conn, &tables[parent].name)?;
        let wanted = to
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .unwrap_or(primary);
        let (own, other) = (spelled(&from, columns), spelled(&wanted, &all));
        if let (Some(columns), Some(parent_columns)) = (own, other)
            && columns.len() == parent_columns.len()
        {
            keys.push(ForeignKey {
                columns,
                parent,
                parent_columns,
            });
        }
    }
    Ok(keys)
}

/// All columns of a table, and those of its primary key in the key's order.
fn key_columns(conn: &Connection, table: &str) -> rusqlite::Result<(Vec<String>, Vec<String>)> {
    let sql = "SELECT name, pk FROM pragma_table_xinfo(?1) ORDER BY cid";
    let column = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let columns: Vec<(String, i64)> = conn
        .prepare(sql)?
        .query_map([table], column)?
        .collect::<Result<_, _>>()?;
    let mut primary: Vec<_> = columns.iter().filter(|(_, pk)| *pk > 0).collect();
    primary.sort_by_key(|(_, pk)| *pk);
    let primary = primary.into_iter().map(|(name, _)| name.clone()).collect();
    Ok((columns.into_iter().map(|(name, _)| name).collect(), primary))
}

/// The same names as `columns` spells them; none if one is not there.
pub(super) fn spelled(names: &[String], columns: &[String]) -> Option<Vec<String>> {
    let find = |name: &String| columns.iter().find(|column| same(column, name)).cloned();
    names.iter().map(find).collect()
}
