//! Which sources a command of ours is changing: noted before, so that what one that was killed has left
//! in the middle of a transaction is told from what another program has left.

use std::path::PathBuf;

use super::Repository;
use crate::error::Outcome;
use crate::fsx;

impl Repository {
    /// Does `work`, which opens a source for changes, and notes as long as it lasts that this is so.
    /// A note that cannot be taken away again does no harm.
    ///
    /// # Errors
    /// When it cannot be noted; nothing is done then.
    pub fn changing<T>(&self, source: &str, work: impl FnOnce() -> T) -> Outcome<T> {
        fsx::create_dir(&self.changes())?;
        let note = self.changes().join(source);
        fsx::write(&note, b"")?;
        let done = work();
        let _ = fsx::remove(&note);
        Ok(done)
    }

    /// The sources that a command was changing when it was killed.
    ///
    /// # Errors
    /// When the state directory cannot be read.
    pub fn cut_short(&self) -> Outcome<Vec<String>> {
        let mut names = fsx::names(&self.changes())?;
        names.retain(|name| !fsx::is_unfinished(name.as_ref()));
        Ok(names)
    }

    /// Notes that a source was put in order again.
    ///
    /// # Errors
    /// When the note cannot be removed.
    pub fn in_order(&self, source: &str) -> Outcome<()> {
        Ok(fsx::remove(&self.changes().join(source))?)
    }

    fn changes(&self) -> PathBuf {
        self.state.path().join("changing")
    }
}
