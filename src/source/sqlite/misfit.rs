//! What is not as it should be in a database that was built without those who are gone.

/// Why some rows of a table are not as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Misfit {
    /// Neutral rows that no CHECK would take.
    Unmet,
    /// Neutral rows that refer to what is not there, because nothing else was taken.
    Astray,
    /// Rows that others refer to and that nothing could stand for.
    Nobody,
    /// Rows that do not meet a CHECK since whom they referred to is gone.
    Unchecked,
    /// Rows that refer to nobody, because only that is different from what other rows refer to.
    Adrift,
    /// Rows that could not be put back.
    Unplaced,
}

impl Misfit {
    /// What it says of so many rows of `table`.
    pub(super) fn told(self, table: &str, rows: u64) -> String {
        let what = match self {
            Self::Unmet => "neutral rows that stand for forgotten ones against the table's CHECKs",
            Self::Astray => {
                "neutral rows that stand for forgotten ones and lead nowhere themselves"
            }
            Self::Nobody => {
                "forgotten rows that nothing can stand for, so that references to them lead nowhere"
            }
            Self::Unchecked => {
                "rows that do not meet the table's CHECKs without those they referred to"
            }
            Self::Adrift => "rows that lead nowhere in place of those who were forgotten",
            Self::Unplaced => "rows that could not be put back without those they referred to",
        };
        format!("table {table}: {what}: {rows}")
    }
}
