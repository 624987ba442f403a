//! Files, durably: what these functions have written is there after a power cut, whole.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{
    DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown,
};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// An I/O error with the path that it is about.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FileError {
    /// Attaches what was tried, and on what, to an I/O error.
    pub fn new(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            doing,
            path,
            source,
        }
    }

    /// Whether the file was not there.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// A result whose error knows its path.
pub type Result<T> = std::result::Result<T, FileError>;

/// Reads a whole file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(FileError::new("open", path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(FileError::new("read", path))?;
    if bytes.len() as u64 > limit {
        let why = io::Error::new(io::ErrorKind::InvalidData, "it is larger than it can be");
        return Err(FileError::new("read", path)(why));
    }
    Ok(bytes)
}

/// Like [`read`], with none for a file that is not there.
pub fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    match read(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a part of a file; none if that is not there.
pub fn read_part(path: &Path, part: &Range<u64>) -> Option<Vec<u8>> {
    let len = usize::try_from(part.end.checked_sub(part.start)?).ok()?;
    let file = File::open(path).ok()?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, part.start).ok()?;
    Some(bytes)
}

/// Makes a directory and its parents, for the owner's eyes only, and makes their names durable.
pub fn create_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(FileError::new("create", path)(error));
        }
        _ => {}
    }
    sync_parent(path)
}

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(FileError::new("sync", path))
}

/// Makes the name of a file durable.
pub fn sync_parent(path: &Path) -> Result<()> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => sync_dir(parent),
        None => sync_dir(Path::new(".")),
    }
}

/// The name under which a file is written before it has its own.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Whether a file is what a crash left of [`write`].
pub fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "tmp")
}

/// Writes a file that only the owner can read: all of it or nothing, replacing what was there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_as(path, bytes, |_| Ok(()))
}

/// Like [`write`], with the permissions that `mode` says, whatever the umask.
pub fn write_for(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let open = |file: &File| file.set_permissions(Permissions::from_mode(mode));
    write_as(path, bytes, open)
}

/// Like [`write`], for a file that is there: the new one keeps its owner and who may read it.
pub fn rewrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let like = fs::metadata(path).map_err(FileError::new("look at", path))?;
    write_as(path, bytes, |file| {
        // The owner first: changing it takes some permissions away.
        let mine = file.metadata()?;
        if (mine.uid(), mine.gid()) != (like.uid(), like.gid()) {
            fchown(file, Some(like.uid()), Some(like.gid()))?;
        }
        file.set_permissions(like.permissions())
    })
}

/// Writes a file under another name, lets `open` say whose it is and who may read it, and gives it its
/// own name.
fn write_as(path: &Path, bytes: &[u8], open: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
    let tmp = unfinished(path);
    let put = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&tmp)?;
        file.write_all(bytes)?;
        open(&file)?;
        file.sync_all()?;
        fs::rename(&tmp, path)
    };
    put().map_err(FileError::new("write", path))?;
    sync_parent(path)
}

/// Gives a file another name in the same directory, durably.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(FileError::new("rename", from))?;
    sync_parent(to)
}

/// Removes a file, durably; one that is not there is as good as removed.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::new("remove", path)(error))
        }
        _ => sync_parent(path),
    }
}

/// Overwrites a file's bytes in place with random ones, then removes it.
///
/// On file systems that write elsewhere (copy on write, flash) the old bytes may survive; nothing
/// here claims otherwise.
pub fn destroy(path: &Path) -> Result<()> {
    let overwrite = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let mut left = file.metadata()?.len();
        let mut noise = [0; 4096];
        while left > 0 {
            let n = left.min(noise.len() as u64) as usize;
            getrandom::fill(&mut noise[..n]).map_err(|_| io::Error::other("no randomness"))?;
            file.write_all(&noise[..n])?;
            left -= n as u64;
        }
        file.sync_all()
    };
    match overwrite() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        done => done.map_err(FileError::new("overwrite", path))?,
    }
    remove(path)
}

/// With whom a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// With nobody.
    Alone,
    /// With others who ask for it like this.
    Shared,
}

/// Takes the lock that a file stands for, which is made if it is not there; none if somebody else
/// has kept it for longer than `patience`. It is given back with the file, also by a crash.
pub fn lock(path: &Path, sharing: Sharing, patience: Duration) -> Result<Option<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(FileError::new("open", path))?;
    let until = Instant::now() + patience;
    loop {
        let locked = match sharing {
            Sharing::Alone => file.try_lock(),
            Sharing::Shared => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(FileError::new("lock", path)(error)),
        }
    }
}

/// The names of the files in a directory, sorted; none if there is no such directory.
pub fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FileError::new("list", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::new("list", dir))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
