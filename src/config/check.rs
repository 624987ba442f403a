//! The second step: from what is written to what is meant. Looks at nothing but the text.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;

use super::problem::{Problems, alternatives, nearest};
use super::raw::{self, Text};
use super::{Cron, Period};
use crate::ids::BadName;

/// What all checks need: where the file lies, and where complaints go.
///
/// A function that returns none has noted a problem.
pub(super) struct Check<'a, 't> {
    pub problems: &'a mut Problems<'t>,
    /// The folder of the file.
    pub dir: &'a Path,
    /// Whether the file is a system-wide one, in which every path must be absolute.
    pub system: bool,
}

impl Check<'_, '_> {
    /// The value of a key that must be there. `table` is where the table begins.
    pub(super) fn required<'r, T>(
        &mut self,
        value: Option<&'r T>,
        table: Option<&Range<usize>>,
        what: &str,
        hint: &str,
    ) -> Option<&'r T> {
        if value.is_none() {
            self.problems.missing(table, what, hint);
        }
        value
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, text: &Text, key: &str) -> Option<String> {
        if text.get_ref().trim().is_empty() {
            let what = format!("`{key}` is empty");
            self.problems
                .at(&text.span(), what, "write a name, or leave the key out");
            return None;
        }
        Some(text.get_ref().clone())
    }

    /// A text that may be left out, but not be empty.
    pub(super) fn optional(&mut self, text: Option<&Text>, key: &str) -> Option<String> {
        text.and_then(|text| self.text(text, key))
    }

    /// A path, relative to the file's folder where it may be.
    pub(super) fn path(&mut self, text: &Text, key: &str) -> Option<PathBuf> {
        let written = Path::new(self.nonempty(text, key)?);
        if self.system && written.is_relative() {
            let what = format!("`{key}` is a relative path: {:?}", text.get_ref());
            let hint = format!(
                "write an absolute path, such as {:?}; a system-wide configuration is read from anywhere",
                self.dir.join(written)
            );
            self.problems.at(&text.span(), what, hint);
            return None;
        }
        Some(self.dir.join(written))
    }

    fn nonempty<'t>(&mut self, text: &'t Text, key: &str) -> Option<&'t str> {
        self.text(text, key).map(|_| text.get_ref().as_str())
    }

    /// The name of a source or a store.
    pub(super) fn name<T: FromStr<Err = BadName>>(&mut self, text: &Text) -> Option<T> {
        match text.get_ref().parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let hint = "use up to 64 of a-z, 0-9, _ and -, such as \"crm-2\"";
                self.problems.at(&text.span(), error.to_string(), hint);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        text: &Text,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let written = text.get_ref().as_str();
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == written) {
            return Some(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.unknown_word(text, key, &known);
        None
    }

    /// Complains of a setting that says what this version cannot do, and says what can be written.
    pub(super) fn cannot(&mut self, text: &Text, key: &str, what: &str, hint: &str) {
        let what = format!("`{key} = {:?}`: this version cannot {what}", text.get_ref());
        self.problems.at(&text.span(), what, hint);
    }

    /// Complains of a word that is none of `known`.
    pub(super) fn unknown_word(&mut self, text: &Text, key: &str, known: &[&str]) {
        let hint = match nearest(text.get_ref(), known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write {}", alternatives(known)),
        };
        let what = format!("`{key}` cannot be {:?}", text.get_ref());
        self.problems.at(&text.span(), what, hint);
    }

    /// A length of time.
    pub(super) fn period(&mut self, text: &Text, key: &str) -> Option<Period> {
        match text.get_ref().parse() {
            Ok(period) => Some(period),
            Err(error) => {
                let hint = format!(
                    "write `{key}` as a count and a unit of min, h, d, w, m (months) or y, such as \"90d\" or \"3y\""
                );
                self.problems.at(&text.span(), format!("{error}"), hint);
                None
            }
        }
    }

    /// A length of time that has a default.
    pub(super) fn period_or(
        &mut self,
        text: Option<&Text>,
        key: &str,
        default: Period,
    ) -> Option<Period> {
        text.map_or(Some(default), |text| self.period(text, key))
    }

    /// A length of time on the clock, not on the calendar, within these whole seconds.
    pub(super) fn lapse(
        &mut self,
        text: &Text,
        key: &str,
        within: RangeInclusive<u64>,
    ) -> Option<Duration> {
        let written = text.get_ref();
        // Elsewhere in this file `m` is a month.
        let unclear = |unit: &str| matches!(unit, "m" | "M");
        let unclear = written.split(|c: char| !c.is_alphabetic()).any(unclear);
        match humantime::parse_duration(written) {
            Ok(lapse) if within.contains(&lapse.as_secs()) && !unclear => Some(lapse),
            _ => {
                let (least, most) = (within.start(), within.end() / 60);
                let what = format!("`{key}` cannot be {written:?}");
                let hint = format!("write from \"{least}s\" to \"{most}min\", such as \"30s\"");
                self.problems.at(&text.span(), what, hint);
                None
            }
        }
    }

    /// A schedule, if there is one.
    pub(super) fn cron(&mut self, text: Option<&Text>) -> Option<Cron> {
        let text = text?;
        match text.get_ref().parse() {
            Ok(cron) => Some(cron),
            Err(error) => {
                let error: super::BadCron = error;
                let hint = match error {
                    super::BadCron::Never => "write a day that comes, such as \"0 0 2 28 2 *\"",
                    _ => {
                        "write second, minute, hour, day of month, month, day of week, such as \"0 0 2 * * Mon-Sat\""
                    }
                };
                self.problems.at(&text.span(), error.to_string(), hint);
                None
            }
        }
    }

    /// A table's columns, as in `key`.
    pub(super) fn columns(&mut self, text: &Text, key: &str) -> Option<Vec<String>> {
        super::names::columns(text.get_ref())
            .map_err(|error| self.bad_names(text, key, &error))
            .ok()
    }

    /// Complains of names that cannot be read.
    pub(super) fn bad_names(&mut self, text: &Text, key: &str, error: &super::names::BadNames) {
        let what = format!("`{key}` cannot be read: {error}");
        let hint = match key {
            "by" => r#"write "column", "a,b", "column -> table" or "<- table.column""#,
            _ => r#"write "column", or "a,b" for several"#,
        };
        self.problems.at(&text.span(), what, hint);
    }

    /// Complains of each second one of a name.
    pub(super) fn distinct<'t>(&mut self, names: impl Iterator<Item = &'t Text>, what: &str) {
        let mut seen: Vec<&str> = Vec::new();
        for name in names {
            let text = name.get_ref().as_str();
            if seen.contains(&text) {
                let hint = format!("give each {what} a name of its own");
                self.problems.at(
                    &name.span(),
                    format!("a second {what} named {text:?}"),
                    hint,
                );
            }
            seen.push(text);
        }
    }
}

/// The table behind an optional section, or an empty one.
pub(super) fn section<T>(section: Option<&Spanned<T>>) -> (Option<Range<usize>>, Option<&T>) {
    match section {
        Some(spanned) => (Some(spanned.span()), Some(spanned.get_ref())),
        None => (None, None),
    }
}

/// The names of a list, as written.
pub(super) fn names<'r, T>(
    list: &'r [Spanned<T>],
    name: impl Fn(&'r T) -> Option<&'r Text>,
) -> impl Iterator<Item = &'r Text> {
    list.iter().filter_map(move |item| name(item.get_ref()))
}

/// The names of all sources, as written.
pub(super) fn sources_named(file: &raw::File) -> Vec<&str> {
    names(&file.sources, |source| source.name.as_ref())
        .map(|name| name.get_ref().as_str())
        .collect()
}
