//! What a restore says of rows that are not as they should be, and what that explains.

/// What is said of some rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Neutral rows that no CHECK would take.
    Unmet,
    /// Neutral rows that lead nowhere.
    Astray,
    /// Rows that others refer to and that nothing stands for.
    Nobody,
    /// Rows that no CHECK would take.
    Unchecked,
    /// Rows that lead nowhere.
    Adrift,
    /// Rows that are not there.
    Unplaced,
}

const WORDS: [(Kind, &str); 6] = [
    (
        Kind::Unmet,
        "neutral rows that stand for forgotten ones against the table's CHECKs",
    ),
    (
        Kind::Astray,
        "neutral rows that stand for forgotten ones and lead nowhere themselves",
    ),
    (
        Kind::Nobody,
        "forgotten rows that nothing can stand for, so that references to them lead nowhere",
    ),
    (
        Kind::Unchecked,
        "rows that do not meet the table's CHECKs without those they referred to",
    ),
    (
        Kind::Adrift,
        "rows that lead nowhere in place of those who were forgotten",
    ),
    (
        Kind::Unplaced,
        "rows that could not be put back without those they referred to",
    ),
];

/// All that is said.
pub struct Told(Vec<(String, Kind, usize)>);

impl Told {
    /// Of problems such as `table notes: WORDS: 3`; those that say something else are given back.
    pub fn of(problems: &[String]) -> (Self, Vec<&String>) {
        let (mut told, mut others) = (Vec::new(), Vec::new());
        for problem in problems {
            match one(problem) {
                Some(one) => told.push(one),
                None => others.push(problem),
            }
        }
        (Self(told), others)
    }

    /// Of how many rows of a table something is said.
    pub fn rows(&self, table: &str, kind: Kind) -> usize {
        let of = |one: &&(String, Kind, usize)| one.0 == table && one.1 == kind;
        self.0.iter().filter(of).map(|(.., rows)| rows).sum()
    }

    /// Whether neutral rows may have been made for rows of a table that could not lead to them after all.
    pub fn gave_up(&self, table: &str) -> bool {
        let kinds = [Kind::Nobody, Kind::Adrift, Kind::Unplaced];
        kinds.iter().any(|kind| self.rows(table, *kind) > 0)
    }

    /// How many rows of a table may break one of its foreign keys, to `parent`, that was not broken before.
    pub fn broken(&self, table: &str, parent: &str) -> usize {
        match self.rows(parent, Kind::Nobody) {
            0 => self.rows(table, Kind::Adrift) + self.rows(table, Kind::Astray),
            _ => usize::MAX,
        }
    }
}

fn one(problem: &str) -> Option<(String, Kind, usize)> {
    let (rest, rows) = problem.strip_prefix("table ")?.rsplit_once(": ")?;
    let found = |(kind, words): &(Kind, &str)| {
        let table = rest.strip_suffix(words)?.strip_suffix(": ")?;
        Some((table.to_owned(), *kind))
    };
    let (table, kind) = WORDS.iter().find_map(found)?;
    Some((table, kind, rows.parse().ok()?))
}
