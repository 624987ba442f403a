//! What an erasure has done in the live systems: as the catalog keeps it, and the certificate says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Source;
use crate::source::sqlite::{Erased, Level, Remnant, has_table};

/// What was done in the live systems, as the catalog keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveDone {
    /// Each source.
    pub sources: Vec<SourceDone>,
    /// How many of the customers the register did not hold when their rows were looked for.
    #[serde(default, skip_serializing_if = "is_none")]
    pub absent: u64,
    /// Whether it was done, or done again, without knowing the keys of those whom the register did not hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// What is to be known of a table of which nobody has said whose its rows are.
pub fn unreached_in_words(table: &str) -> String {
    format!(
        "not reached: rows of {table} that belong to nobody; if some are about the erased, delete them there, and forget \
         them in backups with `tenure keys forget --table`"
    )
}

/// What is to be known of those whom the register did not hold, if there were any: it is the register that tells
/// whose the rows of its source are. An erasure that is `resumed` does not know their keys.
pub fn absent_in_words(absent: u64, resumed: bool) -> Option<String> {
    let what = match resumed {
        false => {
            "had left the register: rows of its source that still hold their keys, if there are any, were not looked \
             for and stay"
        }
        true => {
            "were not in the register when their erasure was taken up again: what had been deleted by then is not \
             counted here, and rows that still hold their keys, if there are any, were not looked for and stay"
        }
    };
    (absent > 0).then(|| format!("{absent} of the erased {what}"))
}

/// What was done in one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDone {
    /// Its name.
    pub source: String,
    /// Rows that were deleted, by table.
    pub deleted: BTreeMap<String, u64>,
    /// References of others that are NULL now, by `table.column`.
    pub nulled: BTreeMap<String, u64>,
    /// What the engine leaves behind, and what became of it.
    pub remnants: BTreeMap<String, String>,
    /// Remnants that are to be tried again.
    pub pending: Vec<String>,
    /// Remnants in which what was deleted may still be read, until somebody drops the table: what each
    /// is, and its table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stays: BTreeMap<String, String>,
    /// Tables with rows of which nobody has said whose they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreached: Vec<String>,
    /// Rules for tables that were not there any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
}

impl LiveDone {
    /// The tables whose rows may be about anybody.
    pub(super) fn unreached(&self) -> impl Iterator<Item = String> {
        let of = |part: &SourceDone| {
            let named = |table: &String| format!("{}.{table}", part.source);
            part.unreached.iter().map(named).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of)
    }

    /// The rules that could not be followed.
    pub(super) fn unmet(&self) -> Vec<String> {
        let of = |part: &SourceDone| {
            let told = |rule: &String| format!("source {}: {rule}", part.source);
            part.unmet.iter().map(told).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of).collect()
    }
}

impl SourceDone {
    /// What an erasure has done in a source.
    pub(super) fn new(source: &Source, erased: Erased) -> Self {
        let nulled = erased.nulled.iter();
        let nulled = nulled.map(|n| (format!("{}.{}", n.table, n.column), n.rows));
        let mut done = Self {
            source: source.name.to_string(),
            deleted: erased.tables.into_iter().collect(),
            nulled: nulled.collect(),
            unmet: erased.unmet,
            unreached: erased.unreached,
            ..Self::default()
        };
        done.remnants(&erased.remnants);
        done
    }

    /// Whether nothing is left to be done here.
    pub(super) fn is_done(&self) -> bool {
        self.pending.is_empty() && self.stays.is_empty()
    }

    /// What is not done yet, in words.
    pub(super) fn undone(&self) -> impl Iterator<Item = String> {
        let stays = self.stays.keys().map(|what| {
            let why = self.remnants.get(what).map_or("", String::as_str);
            format!(
                "{what}: {why}; take what was erased out of it, or drop it and let it be made anew"
            )
        });
        self.pending.iter().cloned().chain(stays)
    }

    /// Notes which tables were dropped in which something stayed. Says whether any was.
    pub(super) fn note_dropped(&mut self, source: &Source) -> bool {
        let before = self.stays.len();
        for (what, table) in std::mem::take(&mut self.stays) {
            // Where nobody can tell, it is there.
            if has_table(&source.path, &table).unwrap_or(true) {
                self.stays.insert(what, table);
            } else {
                self.remnants.insert(what, "dropped since".to_owned());
            }
        }
        self.stays.len() < before
    }

    pub(super) fn remnants(&mut self, remnants: &[Remnant]) {
        self.pending.clear();
        for Remnant { what, level } in remnants {
            let word = match level {
                Level::Absent => "there is none".to_owned(),
                Level::Untouched => "had nothing to do with it".to_owned(),
                Level::Overwritten => "overwritten in place and synced".to_owned(),
                Level::Renewed => "made anew".to_owned(),
                Level::Pending(why) => {
                    self.pending.push(format!("{what}: {why}"));
                    format!("pending: {why}")
                }
                Level::Left(why) => format!("left: {why}"),
                Level::Stays { table, why } => {
                    self.stays.insert(what.clone(), table.clone());
                    format!("may still be read in it: {why}")
                }
            };
            self.remnants.insert(what.clone(), word);
        }
    }
}
