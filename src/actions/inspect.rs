//! `inspect`: whose is what, as JSON and on one screen.

use serde_json::json;

use super::{Answer, Context, text};
use crate::error::Outcome;
use crate::inspect::{self, Inspected, InspectedTable};
use crate::schema::Ownership;

/// How wide a screen is, in columns.
const SCREEN: usize = 100;
/// How much room a path has at least.
const ROOM: usize = 24;
/// How far the second line of a warning is moved in.
const INDENT: &str = "    ";

/// The word for how a table is owned.
fn word(ownership: Ownership) -> &'static str {
    match ownership {
        Ownership::Register => "register",
        Ownership::Owned => "owned",
        Ownership::Shared => "shared",
        Ownership::Ambiguous => "ambiguous",
        Ownership::Unsettled => "unsettled",
    }
}

/// `inspect`
pub fn inspect(context: &Context) -> Outcome<Answer> {
    let inspected = inspect::run(&context.config()?)?;
    let value = || {
        let sources = inspected.iter().map(|source| {
            let tables = source.tables.iter().map(|table| {
                json!({
                    "table": table.table,
                    "rows": table.rows,
                    "orphans": table.orphans,
                    "owner": word(table.ownership),
                    "path": table.path,
                    "class": table.class.as_deref().unwrap_or("customer"),
                    "warnings": table.warnings,
                })
            });
            json!({
                "name": source.source,
                "tables": tables.collect::<Vec<_>>(),
                "not_restorable": source.not_restorable,
            })
        });
        json!({ "sources": sources.collect::<Vec<_>>() })
    };
    let text = || inspected.iter().map(shown).collect::<Vec<_>>().join("\n");
    Ok(Answer::new(context.json, value, text))
}

fn shown(source: &Inspected) -> String {
    let mut out = format!("source {}: {}\n", source.source, counts(&source.tables));
    let room = room(&source.tables);
    let rows = source.tables.iter().flat_map(|table| {
        let mut path = fitted(&table.path, room).into_iter();
        let first = vec![
            table.table.clone(),
            table.rows.to_string(),
            match table.orphans {
                0 => String::new(),
                orphans => orphans.to_string(),
            },
            owner(table),
            path.next().unwrap_or_default(),
        ];
        let more = path.map(|rest| {
            let empty = std::iter::repeat_n(String::new(), 4);
            empty.chain([format!("  {rest}")]).collect()
        });
        std::iter::once(first).chain(more).collect::<Vec<_>>()
    });
    out += &text::table(&["table", ">rows", ">orphans", "owner", "by"], rows);
    let warnings = source.tables.iter().flat_map(|table| {
        let about = |warning| format!("look at {}: {warning}", table.table);
        table.warnings.iter().map(about)
    });
    let lost = source.not_restorable.iter();
    let lost = lost.map(|what| format!("not backed up: {what}"));
    for line in warnings.chain(lost) {
        let lines = wrapped(&text::printable(&line), SCREEN - INDENT.len());
        out += &lines.join(&format!("\n{INDENT}"));
        out.push('\n');
    }
    out
}

/// How a table is owned, with its class if it has one of its own.
fn owner(table: &InspectedTable) -> String {
    let word = word(table.ownership);
    match &table.class {
        Some(class) => format!("{word} ({class})"),
        None => word.to_owned(),
    }
}

/// How many tables there are of each kind.
fn counts(tables: &[InspectedTable]) -> String {
    let kinds = [
        Ownership::Owned,
        Ownership::Shared,
        Ownership::Ambiguous,
        Ownership::Unsettled,
    ];
    let count = |kind: Ownership| {
        tables
            .iter()
            .filter(|table| table.ownership == kind)
            .count()
    };
    let each = kinds.map(|kind| (count(kind), word(kind)));
    let each = each.iter().filter(|(count, _)| *count > 0);
    let each: Vec<String> = each
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    let all = text::count(tables.len() as u64, "table", "tables");
    match each.is_empty() {
        true => all,
        false => format!("{all}, {}", each.join(", ")),
    }
}

/// How much room is left for paths beside the other columns.
fn room(tables: &[InspectedTable]) -> usize {
    let longest = |width: &dyn Fn(&InspectedTable) -> usize, heading: &str| {
        let widths = tables.iter().map(width);
        widths.chain([heading.len()]).max().unwrap_or_default() + 2
    };
    let others = longest(&|table| width(&text::printable(&table.table)), "table")
        + longest(&|table| table.rows.to_string().len(), "rows")
        + longest(&|table| table.orphans.to_string().len(), "orphans")
        + longest(&|table| owner(table).len(), "owner");
    // A line that goes on is moved in by two.
    SCREEN.saturating_sub(others + 2).max(ROOM)
}

/// How many columns of a screen a text takes.
fn width(text: &str) -> usize {
    let wide = |c: char| usize::from(u32::from(c) >= 0x1100);
    text.chars().map(|c| 1 + wide(c)).sum()
}

/// Paths in lines of so many columns, two lines each at most: of a longer one the middle is left out, which
/// stands with the tables that it leads through.
fn fitted(paths: &str, columns: usize) -> Vec<String> {
    let fit = |path: &str| {
        let steps: Vec<&str> = path.split(" -> ").collect();
        let mut lines = wrapped(path, columns);
        let mut kept = steps.len().saturating_sub(2);
        while let [.., last] = steps[..]
            && lines.len() > 2
            && kept > 0
        {
            let short = [&steps[..kept], &["…", last]].concat();
            lines = wrapped(&short.join(" -> "), columns);
            kept -= 1;
        }
        lines
    };
    if width(paths) <= columns {
        return vec![paths.to_owned()];
    }
    let paths: Vec<&str> = paths.split("; ").collect();
    let mut lines: Vec<String> = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let more = if at + 1 < paths.len() { ";" } else { "" };
        lines.extend(fit(&format!("{path}{more}")));
    }
    lines
}

/// A text in lines of so many columns, cut at spaces where there are any, but not behind a `<-`.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut words = text.split_inclusive(' ');
    while let Some(word) = words.next() {
        let mut word = word.to_owned();
        while word.ends_with("<- ")
            && let Some(next) = words.next()
        {
            word.push_str(next);
        }
        let word = word.trim_end_matches(' ');
        let taken = lines.last().map_or(0, |line| width(line));
        if taken > 0 && taken + 1 + width(word) > columns {
            lines.push(String::new());
        } else if taken > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
        }
        for c in word.chars() {
            if lines.last().is_some_and(|line| width(line) >= columns) {
                lines.push(String::new());
            }
            lines.last_mut().into_iter().for_each(|line| line.push(c));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_spaces_and_wide_characters_count_twice() {
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrapped("客户 表", 4), ["客户", "表"]);
        assert_eq!(wrapped("客户 表", 7), ["客户 表"]);
        assert_eq!(wrapped("toolong a", 3), ["too", "lon", "g a"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("by = <- a.b", 7), ["by =", "<- a.b"]);
    }

    #[test]
    fn of_a_long_path_both_ends_are_shown() {
        assert_eq!(fitted("a -> b.c -> d", 20), ["a -> b.c -> d"]);
        assert_eq!(fitted("a -> b; c -> b", 14), ["a -> b; c -> b"]);
        assert_eq!(fitted("a -> b; c -> b", 13), ["a -> b;", "c -> b"]);
        let long = "first -> second.x -> third.y -> fourth.z -> last";
        assert_eq!(fitted(long, 20), ["first -> second.x ->", "… -> last"]);
        assert_eq!(fitted(long, 5)[0], "first");
    }
}
