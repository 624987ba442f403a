//! What a snapshot must know of a database to make it again, and how its tables are owned.
//!
//! These types stand in every manifest as CBOR: arrays, here in CDDL (RFC 8610), with optional fields as in
//! [`crate::manifest`]. A field's place is never used again for another.
//!
//! ```text
//! schema    = [engine: tstr, pragmas: [* [tstr, tstr]], statements: [* statement], tables: [* table],
//!              sequences: [* [tstr, int]], not_restorable: [* tstr], ? full_text: [* full_text],
//!              ? statistics: [* [table: tstr, index: tstr / null, counts: tstr]]]
//! statement = [kind: tstr, name: tstr, sql: tstr]
//! table     = [name: tstr, columns: [* column], rowid_alias: column / null, has_rowid: bool, ownership,
//!              class: tstr / null, path: tstr, references: [* reference], warnings: [* tstr]]
//! column    = [name: tstr, declared: tstr, not_null: bool]
//! ownership = 0 / 1 / 2 / 3 / 4      ; register / owned / shared / ambiguous / unsettled
//! reference = [columns: [* uint], parent: uint, parent_columns: [* parent], kept: [* [uint, parent]]]
//! parent    = [0, []] / [1, [uint]]  ; rowid / column, a computed one as the index behind the last
//! full_text = [name: tstr, external: bool, settings: [* [tstr, setting]]]
//! setting   = [0, [int]] / [1, [tstr]]
//! ```
//!
//! # Making a database again
//!
//! The pragmas up to `auto_vacuum` first; then the statements of kind `table`; settings of full-text indexes; the
//! rows, in any order; indexes; `sequences`; views and triggers; full-text indexes over other tables, by their
//! command `rebuild`; `statistics`; the rest of the pragmas. At no time are foreign keys or CHECKs looked at: rows are as they
//! were. What the engine makes for itself is not listed, neither the indexes that are part of a table nor shadow
//! tables; but `sqlite_sequence` is, which SQLite makes with the first AUTOINCREMENT table, and which may have
//! outlived it, and `sqlite_stat1`, which it makes with the first ANALYZE (of `sqlite_schema`, which counts nothing;
//! `sqlite_stat4`, which may come with it, is dropped), for `statistics`. A row's rowid is set by whichever of SQLite's
//! names for it (`rowid`, `_rowid_`, `oid`) is no column's; where columns have all three it was not kept, and the row has
//! none. A table whose rowid may itself name a customer who is not its row's owner (an INTEGER PRIMARY KEY that is a
//! foreign key) is described as one without rowids: that key is a column like any other, and so can be a reference. A file
//! of zero bytes has no pragmas and no statements.

use minicbor::{Decode, Encode};

/// How the rows of a table are owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Ownership {
    /// It is the register.
    #[n(0)]
    Register,
    /// Its rows belong to customers.
    #[n(1)]
    Owned,
    /// It is everybody's, as a person has said.
    #[n(2)]
    Shared,
    /// Several paths lead to the register and disagree for at least one row.
    #[n(3)]
    Ambiguous,
    /// No path leads to the register, and nobody has said whose it is.
    #[n(4)]
    Unsettled,
}

/// A column of a table whose values are stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Column {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its declared type, as written.
    #[n(1)]
    pub declared: String,
    /// Whether NULL is refused (also where the primary key implies it).
    #[n(2)]
    pub not_null: bool,
}

/// A foreign key (or an `also` column) whose target may belong to another customer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reference {
    /// The referring columns whose values are withheld when the target belongs to another customer,
    /// as indexes into [`Table::columns`].
    #[n(0)]
    pub columns: Vec<usize>,
    /// The table referred to, as an index into [`Schema::tables`].
    #[n(1)]
    pub parent: usize,
    /// The columns referred to, one for each of `columns`.
    #[n(2)]
    pub parent_columns: Vec<ParentColumn>,
    /// Of a composite key, the referring columns that belong to another key of the row too (such as
    /// a tenant's number) and therefore stay as they are, each with the column it refers to.
    #[n(3)]
    pub kept: Vec<(usize, ParentColumn)>,
}

impl Reference {
    /// How many columns refer.
    pub fn width(&self) -> usize {
        self.columns.len() + self.kept.len()
    }
}

/// A column of the table that a [`Reference`] points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ParentColumn {
    /// The rowid alias (INTEGER PRIMARY KEY).
    #[n(0)]
    Rowid,
    /// A stored column, as an index into [`Table::columns`]; the index behind the last one stands for a column that
    /// is computed.
    #[n(1)]
    Column(#[n(0)] usize),
}

/// One table that can be backed up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Table {
    /// Its name, exactly.
    #[n(0)]
    pub name: String,
    /// The columns whose values are stored with each row: no generated ones, and without the
    /// rowid alias, which is the row's rowid.
    #[n(1)]
    pub columns: Vec<Column>,
    /// The INTEGER PRIMARY KEY column, if there is one.
    #[n(2)]
    pub rowid_alias: Option<Column>,
    /// Whether rows have a rowid.
    #[n(3)]
    pub has_rowid: bool,
    /// How it is owned.
    #[n(4)]
    pub ownership: Ownership,
    /// The class of its rows that belong to customers, as configured: none is `customer`.
    #[n(5)]
    pub class: Option<String>,
    /// The owning path for people, such as `order_id -> orders.customer_id -> customers`.
    #[n(6)]
    pub path: String,
    /// Foreign keys to the register and to owned tables, self-references and `also` included,
    /// whatever the ownership of this table.
    #[n(7)]
    pub references: Vec<Reference>,
    /// What a person should look at, in words.
    #[n(8)]
    pub warnings: Vec<String>,
}

/// What a snapshot must know of a database to make it again, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Schema {
    /// The engine and its version, such as `SQLite 3.50.4`.
    #[n(0)]
    pub engine: String,
    /// `encoding`, `page_size`, `auto_vacuum`, `user_version`, `application_id`, `journal_mode`:
    /// what must be set by PRAGMA, as text, in the order in which it must be set.
    #[n(1)]
    pub pragmas: Vec<(String, String)>,
    /// Every statement of the schema in the order in which the engine lists them.
    #[n(2)]
    pub statements: Vec<Statement>,
    /// The tables whose rows are read.
    #[n(3)]
    pub tables: Vec<Table>,
    /// `sqlite_sequence`: table and counter.
    #[n(4)]
    pub sequences: Vec<(String, i64)>,
    /// What is in the database and cannot be restored, each in words (other virtual tables).
    #[n(5)]
    pub not_restorable: Vec<String>,
    /// Full-text indexes that are made again.
    #[n(6)]
    #[cbor(default)]
    pub full_text: Vec<FullText>,
    /// `sqlite_stat1`: what was counted for the engine's planner.
    #[n(7)]
    #[cbor(default)]
    pub statistics: Vec<Statistic>,
}

/// What was counted of a table, or of one of its indexes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Statistic {
    /// The table's name.
    #[n(0)]
    pub table: String,
    /// The index's name; none of the table itself.
    #[n(1)]
    pub index: Option<String>,
    /// The counts, as the engine writes them.
    #[n(2)]
    pub counts: String,
}

impl Schema {
    /// Whether `table` is a full-text index with text of its own, which is read and put back like any
    /// other table.
    pub fn holds_text(&self, table: &Table) -> bool {
        let mut indexes = self.full_text.iter();
        indexes.any(|index| !index.external && index.name == table.name)
    }
}

/// A full-text index (FTS5). What it is made of is derived, and never stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FullText {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Whether its text stands in another table or in a view. If not, it is one of
    /// [`Schema::tables`].
    #[n(1)]
    pub external: bool,
    /// What it is set to, by name: `rank`, `pgsz` and whatever else the engine keeps.
    #[n(2)]
    pub settings: Vec<(String, Setting)>,
}

/// A setting of a [`FullText`] index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Setting {
    /// A number.
    #[n(0)]
    Int(#[n(0)] i64),
    /// A text.
    #[n(1)]
    Text(#[n(0)] String),
}

/// One entry of the database's own schema table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// `table`, `index`, `trigger` or `view`.
    #[n(0)]
    pub kind: String,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// The SQL, exactly as stored.
    #[n(2)]
    pub sql: String,
}
