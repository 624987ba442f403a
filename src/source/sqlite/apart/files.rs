//! The files that SQLite finds beside a copy: the copy itself, its journal and its log.

use std::ffi::CStr;
use std::io;
use std::path::PathBuf;

use super::frames::FrameFile;
use crate::unnamed::UnnamedFile;

/// The name of the database in its file system.
pub(super) const NAME: &str = "copy";

/// What there is in the file system.
pub(super) struct Files {
    /// Where files are made that SQLite wants to write.
    pub(super) dir: PathBuf,
    /// The database.
    pub(super) database: FrameFile,
    /// Its rollback journal.
    pub(super) journal: Option<FrameFile>,
    /// Its write-ahead log.
    pub(super) log: Option<FrameFile>,
}

/// Which file an open one is.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Database,
    Journal,
    Log,
    /// A super-journal, of which we need not know more than that it exists.
    Nothing,
}

impl Which {
    /// The file of this name.
    pub(super) fn named(name: &CStr) -> Option<Self> {
        match name.to_bytes().strip_prefix(NAME.as_bytes())? {
            b"" => Some(Self::Database),
            b"-journal" => Some(Self::Journal),
            b"-wal" => Some(Self::Log),
            _ => None,
        }
    }
}

impl Files {
    /// The same database once more; none if more than the database is there, or if it was written to.
    pub(super) fn again(&self) -> Option<Self> {
        if self.journal.is_some() || self.log.is_some() {
            return None;
        }
        Some(Self {
            dir: self.dir.clone(),
            database: self.database.again()?,
            journal: None,
            log: None,
        })
    }

    pub(super) fn get(&mut self, which: Which) -> Option<&mut FrameFile> {
        match which {
            Which::Database => Some(&mut self.database),
            Which::Journal => self.journal.as_mut(),
            Which::Log => self.log.as_mut(),
            Which::Nothing => None,
        }
    }

    /// Makes a file that is not there.
    pub(super) fn make(&mut self, which: Which) -> io::Result<()> {
        let slot = match which {
            Which::Journal => &mut self.journal,
            Which::Log => &mut self.log,
            Which::Database | Which::Nothing => return Ok(()),
        };
        if slot.is_none() {
            *slot = Some(FrameFile::new(UnnamedFile::create(&self.dir)?, 0));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, which: Which) {
        match which {
            Which::Journal => self.journal = None,
            Which::Log => self.log = None,
            Which::Database | Which::Nothing => {}
        }
    }
}
