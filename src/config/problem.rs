//! What is wrong with a configuration: all of it at once, each with its place and what to write
//! instead.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It was read, and is wrong.
    #[error("{}", Listing { path, problems })]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Everything that is wrong, in the order of the file. Never empty.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// Everything that is wrong with the text; nothing if it could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Read { .. } => &[],
            Self::Invalid { problems, .. } => problems,
        }
    }

    /// What to do about it. Where there are several problems, each one's hint stands in the
    /// message, beside the problem.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("`tenure init` writes one; --config or $TENURE_CONFIG name another".into())
            }
            Self::Read { .. } => None,
            Self::Invalid { problems, .. } => match problems.as_slice() {
                [only] => only.hint.clone(),
                _ => None,
            },
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In which file.
    pub file: PathBuf,
    /// Line and column, from 1, the column in characters; none where the file as a whole is meant.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// What to write instead, or what to do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

struct Listing<'a> {
    path: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.problems {
            return only.fmt(f);
        }
        let count = self.problems.len();
        write!(f, "{}: {count} problems", self.path.display())?;
        for problem in self.problems {
            match problem.at {
                Some((line, column)) => write!(f, "\n  line {line}, column {column}: ")?,
                None => f.write_str("\n  ")?,
            }
            f.write_str(&problem.what)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n    hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// Collects problems while a text is being looked through.
pub(super) struct Problems<'a> {
    file: &'a Path,
    text: &'a str,
    list: Vec<Problem>,
    /// Whether something was left out because its type was wrong: then what seems to be missing
    /// may be just that, and is not complained of a second time.
    pub lossy: bool,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            list: Vec::new(),
            lossy: false,
        }
    }

    /// Something at these bytes of the text is wrong.
    pub(super) fn at(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(Some(span), what.into(), Some(hint.into()));
    }

    /// The same, where nothing better can be said than what is wrong.
    pub(super) fn refused(&mut self, span: Option<&Range<usize>>, what: impl Into<String>) {
        self.push(span, what.into(), None);
    }

    /// Something is not there that must be: in the table at `span`, or in the file as a whole.
    pub(super) fn missing(
        &mut self,
        span: Option<&Range<usize>>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if !self.lossy {
            self.push(span, what.into(), Some(hint.into()));
        }
    }

    fn push(&mut self, span: Option<&Range<usize>>, what: String, hint: Option<String>) {
        self.list.push(Problem {
            file: self.file.to_owned(),
            at: span.map(|span| position(self.text, span.start)),
            what,
            hint,
        });
    }

    /// The problems found, in the order of the file; those of the file as a whole come last.
    pub(super) fn into_list(mut self) -> Vec<Problem> {
        self.list
            .sort_by_key(|problem| problem.at.unwrap_or((usize::MAX, 0)));
        self.list
    }
}

/// Line and column, from 1, of a byte of a text.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// The one of `known` that was probably meant by `word`: at most two letters away, and fewer than
/// half of its own.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(steps, candidate)| *steps <= 2 && steps * 2 < candidate.len())
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour to make `b`
/// of `a` (the optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let changed = rows[i][j] + usize::from(a[i] != b[j]);
            let mut least = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// ``"`a`, `b` or `c`"``, for hints.
pub(super) fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let text = "a\nüü x\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find('x').unwrap()), (2, 4));
        assert_eq!(position(text, 1000), (3, 1));
    }

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(nearest("pth", &["name", "path"]), Some("path"));
        assert_eq!(
            nearest("state-dir", &["state_dir", "store"]),
            Some("state_dir")
        );
        assert_eq!(nearest("by", &["also", "class"]), None);
        assert_eq!(nearest("xy", &["by"]), None);
        assert_eq!(nearest("fiel", &["file", "memory"]), Some("file"));
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn several_problems_are_listed_with_their_hints_and_one_is_not() {
        let (file, text) = (Path::new("/c.toml"), "x = 1\ny = 2\n");
        let mut problems = Problems::new(file, text);
        problems.at(&(6..7), "second", "do that");
        problems.at(&(0..1), "first", "do this");
        let error = ConfigError::Invalid {
            path: file.into(),
            problems: problems.into_list(),
        };
        assert_eq!(
            error.to_string(),
            "/c.toml: 2 problems\n  line 1, column 1: first\n    hint: do this\
             \n  line 2, column 1: second\n    hint: do that"
        );
        assert_eq!(error.hint(), None);
        let only = ConfigError::Invalid {
            path: file.into(),
            problems: error.problems()[1..].to_vec(),
        };
        assert_eq!(only.to_string(), "/c.toml:2:1: second");
        assert_eq!(only.hint().as_deref(), Some("do that"));
    }
}
