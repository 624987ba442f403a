//! Counts anew, from the database alone, how many customers have which runs of words; shares no code with the crate.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use tenure::ids::Incarnation;

/// The most words of a run.
const LONGEST: usize = 6;
/// The most bytes of a word.
const LONGEST_WORD: usize = 40;
/// The tables of the CRM, by number. The first column says whose a row is.
const TABLES: [&str; 3] = ["bills", "customers", "orders"];
/// The columns that lead to other customers.
const REFERENCES: [&str; 2] = ["friend", "sponsor"];

/// Who has each run.
pub struct Recount(HashMap<Vec<u8>, BTreeSet<String>>);

impl Recount {
    pub fn of(db: &Path, inc: Incarnation) -> Self {
        let db = Connection::open(db).unwrap();
        let mut holders: HashMap<_, BTreeSet<String>> = HashMap::new();
        for (number, table) in (0..).zip(TABLES) {
            let sql = format!("SELECT rowid, * FROM {table}");
            let mut rows = db.prepare(&sql).unwrap();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let owner: String = row.get(1).unwrap();
                let words = words(number, row, inc);
                for run in words.iter().map(Vec::as_slice).flat_map(runs) {
                    holders.entry(run).or_default().insert(owner.clone());
                }
            }
        }
        Self(holders)
    }

    /// What is left of `content` behind the furthest place to which runs lead that so many customers share, set one
    /// behind the other: nothing, if it consists of such runs.
    pub fn rest<'c>(&self, content: &'c [u8], shared_by: usize) -> &'c [u8] {
        let shared = |run: &[u8]| {
            let holders = self.0.get(run);
            holders.is_some_and(|holders| holders.len() >= shared_by)
        };
        let mut reached = vec![false; content.len() + 1];
        reached[0] = true;
        for at in 0..content.len() {
            if reached[at] {
                let far = content.len().min(at + LONGEST * LONGEST_WORD);
                for end in at + 1..=far {
                    reached[end] |= shared(&content[at..end]);
                }
            }
        }
        let furthest = reached.iter().rposition(|reached| *reached);
        &content[furthest.unwrap()..]
    }
}

/// All runs of words that stand one behind the other.
fn runs(words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let lengths = 1..=LONGEST.min(words.len());
    lengths
        .flat_map(|len| words.windows(len).map(<[_]>::concat))
        .collect()
}

/// The words of a row, in parts across whose borders no run goes.
fn words(table: u8, row: &Row<'_>, inc: Incarnation) -> Vec<Vec<Vec<u8>>> {
    let columns = row.as_ref().column_count();
    let mut parts = vec![vec![vec![0x80 + columns as u8 + 1], vec![table]]];
    for column in 0..columns {
        let words = parts.last_mut().unwrap();
        let name = row.as_ref().column_name(column).unwrap();
        match row.get_ref(column).unwrap() {
            ValueRef::Null => words.push(vec![0xf6]),
            // It leads to another customer: no word but whose tree that one is in.
            _ if REFERENCES.contains(&name) => {
                words.push(vec![0x83]);
                words.push([&[0x48], &inc.0[..]].concat());
                parts.push(Vec::new());
            }
            ValueRef::Integer(n) => words.push(integer(0, n as u64)),
            ValueRef::Text(text) => {
                words.push(integer(3, text.len() as u64));
                words.extend(text_words(text));
            }
            other => panic!("{other:?}"),
        }
    }
    parts
}

fn text_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    for byte in text {
        match words.last_mut() {
            Some(word) if word[0].is_ascii_alphanumeric() == byte.is_ascii_alphanumeric() => {
                word.push(*byte);
            }
            _ => words.push(vec![*byte]),
        }
    }
    words
}

/// The head of a CBOR item of this kind.
pub fn integer(kind: u8, n: u64) -> Vec<u8> {
    let kind = kind << 5;
    match n {
        ..24 => vec![kind | n as u8],
        24..0x100 => vec![kind | 24, n as u8],
        0x100..0x1_0000 => [&[kind | 25][..], &(n as u16).to_be_bytes()].concat(),
        0x1_0000..0x1_0000_0000 => [&[kind | 26][..], &(n as u32).to_be_bytes()].concat(),
        _ => [&[kind | 27][..], &n.to_be_bytes()].concat(),
    }
}
