//! What a person has said of the customers' data: which table is the register, and which rows and
//! tables belong to whom where foreign keys do not tell.
//!
//! The configuration writes these rules and a source reads them; neither needs to know the other.

use crate::ids::SourceName;

/// What the configuration says of the register, for the source that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRule {
    /// The register's table.
    pub table: String,
    /// Its key column or columns.
    pub key: Vec<String>,
    /// A column that never changes.
    pub since: Option<String>,
    /// The column with the name for people.
    pub name: Option<String>,
}

/// One `[[source.owns]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnsRule {
    /// The table whose rows are owned.
    pub table: String,
    /// By what; none where the foreign keys say it.
    pub by: Option<By>,
    /// An SQL condition that a row must meet for this rule to apply to it.
    pub filter: Option<String>,
    /// The class of the rows, if it is not `customer`.
    pub class: Option<String>,
    /// A column that names a second customer in the row, and does not own it.
    pub also: Option<String>,
}

/// The three forms of `by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// `"column"` (or `"k1,k2"` for a composite key): it holds the customer's key.
    Key(Vec<String>),
    /// `"column -> table"`: it holds the key of a row of an owned table.
    Through {
        /// The columns of this table.
        columns: Vec<String>,
        /// The owned table.
        table: String,
    },
    /// `"<- table.column"`: the register (or an owned table) points to the row.
    PointedAtBy {
        /// The table that points here.
        table: String,
        /// Its columns.
        columns: Vec<String>,
    },
}

/// What the configuration says of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The source's name.
    pub source: SourceName,
    /// The register, if this source holds it.
    pub register: Option<RegisterRule>,
    /// Tables in which a person has found nothing personal.
    pub shared: Vec<String>,
    /// Ownership that foreign keys do not tell.
    pub owns: Vec<OwnsRule>,
}
