//! What a snapshot is not whole for, in words.

use crate::error::{Failure, Outcome};
use crate::schema::Ownership;
use crate::source::sqlite::{Database, SqliteError};

/// What keeps a snapshot from being whole until somebody sees to it.
pub(super) fn to_be_settled(source: &str, database: &Database) -> Outcome<Vec<String>> {
    let schema = database.schema();
    let unmakeable = database.cannot_be_made()?;
    let others = (database.unmet().iter())
        .chain(&schema.not_restorable)
        .chain(&unmakeable);
    let others = others.map(|what| format!("{source}: {what}"));
    let tables = schema
        .tables
        .iter()
        .filter_map(|table| match table.ownership {
            Ownership::Ambiguous => Some(format!("{source}: table {:?} is ambiguous", table.name)),
            Ownership::Unsettled => Some(format!("{source}: table {:?} is unsettled", table.name)),
            Ownership::Register | Ownership::Owned | Ownership::Shared => None,
        });
    Ok(tables.chain(others).collect())
}

/// What could not be read, or not whose it is.
pub(super) fn damaged(source: &str, database: &Database) -> Vec<String> {
    let short = database.is_short();
    let short = short.map(|what| format!("{source}: {what}"));
    let tables = database.schema().tables.iter().enumerate();
    let damaged = tables.filter(|(at, _)| database.is_damaged(*at));
    let told = damaged.map(|(_, table)| {
        format!(
            "{source}: table {:?} is damaged: what of it can be read is backed up, as nobody's where it cannot be \
             told whose it is",
            table.name
        )
    });
    short.into_iter().chain(told).collect()
}

/// That a source could not be read at all.
pub(super) fn unread(source: &str, error: SqliteError, was_there: bool) -> String {
    let failure = Failure::from(error);
    let what = match was_there {
        true => "it stays as it was in the snapshot before, and the snapshot is incremental",
        false => "nothing of it is backed up",
    };
    let hint = failure.next_step().map(|hint| format!(" ({hint})"));
    format!(
        "{source}: the source cannot be read, so {what}: {}{}",
        failure.in_one_line(),
        hint.unwrap_or_default()
    )
}
