//! How a catalog of an older version becomes one of this version.

use rusqlite::{Connection, TransactionBehavior};

use super::{CatalogError, Result};

/// What makes each version of the one before; `user_version` counts those that were done.
pub(super) const STEPS: [&str; 6] = [
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
];

/// Does the steps that are lacking: all of them in a new file.
pub(super) fn bring_up(connection: &mut Connection) -> Result<()> {
    if version(connection)? == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another command may have been faster.
    for step in &STEPS[version(&transaction)?..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len() as i64)?;
    Ok(transaction.commit()?)
}

/// How many steps were done.
fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = usize::try_from(version).ok();
    let known = known.filter(|version| *version <= STEPS.len());
    known.ok_or(CatalogError::UnknownVersion(version))
}
