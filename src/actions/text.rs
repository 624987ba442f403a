//! Text for people: tables, sizes, and errors as a chain of what, why, and what to do.
//!
//! Names and values come from databases and may hold anything; what is shown holds no control
//! characters, so that nobody's name can write to a terminal.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::error::ErrorKind;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::error::{Failure, FailureKind};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ASIDE: Style = AnsiColor::Cyan.on_default();

/// Prints a failure to standard error.
pub fn fail(failure: &Failure) {
    let mut lines = vec![label(ERROR, "error:", &failure.to_string())];
    lines.extend(
        failure
            .causes()
            .iter()
            .map(|cause| label(ASIDE, "  cause:", cause)),
    );
    lines.extend(
        failure
            .next_step()
            .map(|hint| label(ASIDE, "  hint: ", hint)),
    );
    tell(&lines.join("\n"));
}

/// A failure and its causes on one line.
pub fn reasons(failure: &Failure) -> String {
    printable(&failure.in_one_line())
}

/// Prints a warning to standard error.
pub fn warn(text: &str) {
    tell(&label(WARNING, "warning:", text));
}

/// Prints a line to standard error, colours only on a terminal.
pub fn tell(line: &str) {
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

fn label(style: Style, label: &str, text: &str) -> String {
    format!("{style}{label}{style:#} {}", printable_lines(text))
}

/// Lines as they are, each without control characters.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// A text without control characters: they are written as `\u{…}`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Marks that turn the direction of writing round can make a line say something else.
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Wrong arguments, as a failure like any other.
pub fn of_clap(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut parts = text
        .split("\n\n")
        .map(|part| part.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    let first = parts.next().unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "no command is given"
        }
        _ => first.strip_prefix("error: ").unwrap_or(&first),
    };
    let usage = parts.find(|part| part.starts_with("Usage:"));
    let failure = Failure::of(FailureKind::Usage, what);
    failure.hint(usage.unwrap_or_else(|| "see --help".to_owned()))
}

/// Bytes, in the unit that people read.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.96 would be shown as 1024.0.
    while scaled >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", UNITS[unit])
}

/// A count of something, in words.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A table without borders. A heading that begins with `>` is that of a column of numbers, which
/// stand to the right.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(
        headings
            .iter()
            .map(|heading| heading.trim_start_matches('>')),
    );
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)).collect::<Vec<_>>());
    }
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, 2));
        if heading.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_four_digits_at_most() {
        let shown = [0, 1023, 1024, 1536, 1_048_575, 1_048_576, 5 << 40].map(size);
        assert_eq!(
            shown,
            [
                "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.0 TiB"
            ]
        );
        assert_eq!(size(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn a_name_cannot_write_to_a_terminal() {
        assert_eq!(printable("Zoë 数"), "Zoë 数");
        assert_eq!(
            printable("a\u{1b}[31mb\u{202e}c\n"),
            "a\\u{1b}[31mb\\u{202e}c\\u{a}"
        );
        let shown = table(&["name"], [vec!["a\u{1b}[2J".to_owned()]]);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn numbers_stand_to_the_right_and_no_line_ends_in_spaces() {
        let rows = [["a", "1", ""], ["bcd", "1000", "x"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let shown = table(&["name", ">rows", "note"], rows);
        assert_eq!(shown, "name  rows  note\na        1\nbcd   1000  x\n");
    }

    #[test]
    fn wrong_arguments_are_a_failure_with_the_usage_as_hint() {
        let command = clap::Command::new("t").arg(clap::Arg::new("x").long("x"));
        let error = command.try_get_matches_from(["t", "--y"]).unwrap_err();
        let failure = of_clap(&error);
        assert_eq!(failure.kind(), FailureKind::Usage);
        assert_eq!(failure.to_string(), "unexpected argument '--y' found");
        assert!(
            failure.next_step().unwrap().starts_with("Usage: t"),
            "{failure:?}"
        );
    }
}
