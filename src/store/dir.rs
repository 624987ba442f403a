//! Stores in a local directory: what the library leaves to be done there.

use std::fs;
use std::path::Path;

use object_store::local::LocalFileSystem;

use super::error::Cause;
use crate::fsx;

/// A store's directory, which must be there unless it is to be `create`d.
pub(super) fn open(dir: &Path, create: bool) -> Result<LocalFileSystem, Cause> {
    if create {
        fsx::create_dir(dir)?;
    }
    if fs::symlink_metadata(dir).is_ok_and(|m| m.is_symlink()) {
        let why = "it is a symbolic link: name the directory itself";
        return Err(Cause::Address(why.into()));
    }
    let found = fs::metadata(dir).map_err(fsx::FileError::new("look at", dir));
    if !found?.is_dir() {
        return Err(Cause::Address("it is not a directory".into()));
    }
    Ok(LocalFileSystem::new_with_prefix(dir)?.with_fsync(true))
}

/// Removes what crashed writes have left in a directory, and in those in it to a `depth`. Returns how
/// many bytes were freed.
pub(super) fn sweep(dir: &Path, destroys: bool, depth: u32) -> fsx::Result<u64> {
    let mut freed = 0;
    for name in fsx::names(dir)? {
        let path = dir.join(&name);
        let staged = name
            .rsplit_once('#')
            .is_some_and(|(_, n)| n.parse::<u64>().is_ok());
        if staged && path.is_file() {
            let linked = is_linked(&path);
            if !linked {
                freed += fs::metadata(&path).map_or(0, |m| m.len());
            }
            if destroys && !linked {
                fsx::destroy(&path)?;
            } else {
                fsx::remove(&path)?;
            }
        } else if depth > 1 && path.is_dir() {
            freed += sweep(&path, destroys, depth - 1)?;
        }
    }
    Ok(freed)
}

/// Whether a staged file has its own name already: its bytes are then the object's.
fn is_linked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).is_ok_and(|m| m.nlink() > 1)
}
