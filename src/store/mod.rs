//! Stores: places for objects, each sufficient by itself.
//!
//! A store is spoken to through `object_store`. What is put is durable when the call returns: files
//! and directories are synced. Objects are never changed; `put_new` refuses to replace one, and
//! reads back before it calls that a conflict, because after a lost answer the object that stands
//! there may be our own.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::runtime::Handle;

use crate::fsx;
use crate::ids::StoreName;

/// What went wrong with a store.
#[derive(Debug, thiserror::Error)]
#[error("store {:?}: cannot {doing}{}{object}", store.as_str(), if object.is_empty() { "" } else { " " })]
pub struct StoreError {
    store: StoreName,
    doing: &'static str,
    object: String,
    #[source]
    cause: Box<Cause>,
}

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The store's own answer.
    #[error(transparent)]
    Store(#[from] object_store::Error),
    /// The directory of a local store.
    #[error(transparent)]
    File(#[from] fsx::FileError),
    /// Somebody else wrote another object under this name.
    #[error("another object stands there already")]
    Conflict,
    /// The object is larger than such an object can be.
    #[error("it is {0} bytes long, which is more than it can be")]
    TooLarge(u64),
    /// What was read back is not what was written.
    #[error("what was read back differs from what was written")]
    NotKept,
    /// The address cannot be used.
    #[error("{0}")]
    Address(String),
}

impl StoreError {
    /// Whether the object simply is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(
            &*self.cause,
            Cause::Store(object_store::Error::NotFound { .. })
        )
    }

    /// Whether another object stands where one was to be put.
    pub fn is_conflict(&self) -> bool {
        matches!(&*self.cause, Cause::Conflict)
    }

    /// What a person may do about it.
    pub fn hint(&self) -> Option<String> {
        match &*self.cause {
            Cause::Conflict => Some(
                "somebody else writes to this repository: look for a copy of the state directory \
                 on this or another host, and stop using it"
                    .into(),
            ),
            Cause::NotKept => Some("check the medium: it does not keep what it is given".into()),
            _ => None,
        }
    }
}

/// A result that knows its store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// One store.
#[derive(Clone)]
pub struct Store {
    name: StoreName,
    /// Whether it may hold a copy of the keyring.
    keys: bool,
    inner: Arc<dyn ObjectStore>,
    dir: Option<PathBuf>,
    runtime: Handle,
}

impl Store {
    /// A store in a local directory, which must be there unless it is to be `create`d.
    pub fn open_dir(
        name: &StoreName,
        dir: &Path,
        keys: bool,
        create: bool,
        runtime: &Handle,
    ) -> Result<Self> {
        let failed = |cause: Cause| StoreError {
            store: name.clone(),
            doing: "open",
            object: dir.display().to_string(),
            cause: Box::new(cause),
        };
        if create {
            fsx::create_dir(dir).map_err(|e| failed(e.into()))?;
        }
        if fs::symlink_metadata(dir).is_ok_and(|m| m.is_symlink()) {
            let why = "it is a symbolic link: name the directory itself";
            return Err(failed(Cause::Address(why.into())));
        }
        let found = fs::metadata(dir).map_err(fsx::FileError::new("look at", dir));
        if !found.map_err(|e| failed(e.into()))?.is_dir() {
            return Err(failed(Cause::Address("it is not a directory".into())));
        }
        let local = LocalFileSystem::new_with_prefix(dir).map_err(|e| failed(e.into()))?;
        Ok(Self {
            name: name.clone(),
            keys,
            inner: Arc::new(local.with_fsync(true)),
            dir: Some(dir.to_owned()),
            runtime: runtime.clone(),
        })
    }

    /// The same under another name.
    pub fn renamed(&self, name: StoreName) -> Self {
        Self {
            name,
            ..self.clone()
        }
    }

    /// The store's name in the configuration.
    pub fn name(&self) -> &StoreName {
        &self.name
    }

    /// Whether it may hold a copy of the keyring.
    pub fn holds_keys(&self) -> bool {
        self.keys
    }

    fn failed(&self, doing: &'static str, object: &str) -> impl FnOnce(Cause) -> StoreError {
        let store = self.name.clone();
        let object = object.to_owned();
        move |cause| StoreError {
            store,
            doing,
            object,
            cause: Box::new(cause),
        }
    }

    fn put(&self, path: &str, bytes: Bytes, mode: PutMode) -> object_store::Result<()> {
        if let Some(gone) = self.dir.as_ref().filter(|dir| !dir.is_dir()) {
            // The library would make it anew, and half a store would be taken for a whole one.
            return Err(object_store::Error::NotFound {
                path: gone.display().to_string(),
                source: "the store's directory has gone".into(),
            });
        }
        let options = PutOptions::from(mode);
        let payload = PutPayload::from_bytes(bytes);
        let location = Location::from(path);
        let put = self.inner.put_opts(&location, payload, options);
        self.runtime.block_on(put).map(|_| ())
    }

    /// Puts an object where none is. One that stands there with the same bytes is as good as put.
    pub fn put_new(&self, path: &str, bytes: Bytes) -> Result<()> {
        match self.put(path, bytes.clone(), PutMode::Create) {
            Err(object_store::Error::AlreadyExists { .. }) => {
                match self.get(path, bytes.len() as u64) {
                    Ok(found) if found == bytes => Ok(()),
                    Err(error) if !matches!(*error.cause, Cause::TooLarge(_)) => Err(error),
                    _ => Err(self.failed("write", path)(Cause::Conflict)),
                }
            }
            done => done
                .map_err(Cause::from)
                .map_err(self.failed("write", path)),
        }
    }

    /// Puts an object, replacing what stands there, and reads it back.
    pub fn replace(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.put(path, bytes.clone(), PutMode::Overwrite)
            .map_err(Cause::from)
            .map_err(self.failed("write", path))?;
        self.read_back(path, &bytes)
    }

    /// That the object is what was written.
    pub fn read_back(&self, path: &str, bytes: &Bytes) -> Result<()> {
        if self.get(path, bytes.len() as u64)? == *bytes {
            return Ok(());
        }
        Err(self.failed("read back", path)(Cause::NotKept))
    }

    /// A whole object of at most `limit` bytes.
    pub fn get(&self, path: &str, limit: u64) -> Result<Bytes> {
        let location = Location::from(path);
        let get = async {
            let found = self.inner.get(&location).await?;
            if found.meta.size > limit {
                return Err(Cause::TooLarge(found.meta.size));
            }
            Ok(found.bytes().await?)
        };
        self.runtime
            .block_on(get)
            .map_err(self.failed("read", path))
    }

    /// A whole object, or none if it is not there.
    pub fn get_if_there(&self, path: &str, limit: u64) -> Result<Option<Bytes>> {
        match self.get(path, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Some bytes of an object.
    pub fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let location = Location::from(path);
        let get = self.inner.get_range(&location, range);
        self.runtime
            .block_on(get)
            .map_err(Cause::from)
            .map_err(self.failed("read", path))
    }

    /// Every object under a folder, by path from the store's root, with its size in bytes.
    pub fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>> {
        let prefix = Location::from(folder);
        let list = self
            .inner
            .list(Some(&prefix))
            .map_ok(|m| (m.location.to_string(), m.size));
        self.runtime
            .block_on(list.try_collect())
            .map_err(Cause::from)
            .map_err(self.failed("list", folder))
    }

    /// Deletes an object, durably; one that is not there is as good as deleted.
    pub fn delete(&self, path: &str) -> Result<()> {
        let location = Location::from(path);
        match self.runtime.block_on(self.inner.delete(&location)) {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => self.sync_folder_of(path),
            Err(error) => Err(self.failed("delete", path)(error.into())),
        }
    }

    /// Deletes an object of which no bytes shall stay: where the store is a directory, the file is
    /// overwritten first.
    pub fn destroy(&self, path: &str) -> Result<()> {
        if let Some(dir) = &self.dir {
            fsx::destroy(&dir.join(path))
                .map_err(Cause::from)
                .map_err(self.failed("destroy", path))?;
        }
        self.delete(path)
    }

    /// Deletions are not synced by the library.
    fn sync_folder_of(&self, path: &str) -> Result<()> {
        let Some(folder) = self.dir.as_ref().map(|dir| dir.join(path)) else {
            return Ok(());
        };
        match fsx::sync_parent(&folder) {
            Err(error) if !error.is_not_found() => Err(self.failed("sync", path)(error.into())),
            _ => Ok(()),
        }
    }

    /// Removes what crashed writes have left: staged files, which listings do not show. Their bytes
    /// are overwritten in `keyring`, where each may be a whole keyring. Looks into the folder and the
    /// folders in it. Returns how many bytes were freed.
    pub fn sweep(&self, folder: &str) -> Result<u64> {
        let Some(dir) = &self.dir else {
            return Ok(0);
        };
        let destroys = folder == "keyring";
        let depth = if folder.is_empty() { 1 } else { 2 };
        let freed = sweep_dir(&dir.join(folder), destroys, depth);
        freed
            .map_err(Cause::from)
            .map_err(self.failed("sweep", folder))
    }
}

fn sweep_dir(dir: &Path, destroys: bool, depth: u32) -> fsx::Result<u64> {
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
            freed += sweep_dir(&path, destroys, depth - 1)?;
        }
    }
    Ok(freed)
}

/// Whether a staged file has its own name already: its bytes are then the object's.
fn is_linked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).is_ok_and(|m| m.nlink() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_has_gone_is_not_made_anew() {
        with_store(|store, root| {
            fs::rename(root, root.with_extension("away")).unwrap();
            assert!(store.put_new("packs/a", Bytes::from_static(b"1")).is_err());
            assert!(store.replace("packs/a", Bytes::from_static(b"1")).is_err());
            assert!(!root.exists());
        });
    }

    fn with_store(test: impl FnOnce(&Store, &Path)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let name = "local".parse().unwrap();
        assert!(Store::open_dir(&name, &root, true, false, runtime.handle()).is_err());
        let store = Store::open_dir(&name, &root, true, true, runtime.handle()).unwrap();
        test(&store, &root);
    }

    #[test]
    fn an_object_is_put_once_and_the_same_again_is_no_conflict() {
        with_store(|store, _| {
            store
                .put_new("packs/a", Bytes::from_static(b"one"))
                .unwrap();
            store
                .put_new("packs/a", Bytes::from_static(b"one"))
                .unwrap();
            for other in [&b"two"[..], b"o", b"longer"] {
                let error = store
                    .put_new("packs/a", Bytes::copy_from_slice(other))
                    .unwrap_err();
                assert!(error.is_conflict(), "{error}");
            }
            assert_eq!(store.get("packs/a", 3).unwrap(), "one");
            let error = store.get("packs/a", 2).unwrap_err();
            assert_eq!(error.to_string(), "store \"local\": cannot read packs/a");
            assert!(matches!(*error.cause, Cause::TooLarge(3)));
            assert_eq!(store.get_range("packs/a", 1..3).unwrap(), "ne");
        });
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what the library does, to see what it leaves"
    )]
    fn deleting_is_repeatable_and_listings_tell_sizes() {
        with_store(|store, root| {
            store
                .put_new("keyring/x/1.age", Bytes::from_static(b"12345"))
                .unwrap();
            store
                .replace("keyring/x/2.age", Bytes::from_static(b"123"))
                .unwrap();
            let listed = store.list("keyring").unwrap();
            assert_eq!(
                listed
                    .into_iter()
                    .map(|(p, n)| format!("{p} {n}"))
                    .collect::<Vec<_>>(),
                ["keyring/x/1.age 5", "keyring/x/2.age 3"]
            );
            for _ in 0..2 {
                store.destroy("keyring/x/1.age").unwrap();
                store.delete("keyring/x/2.age").unwrap();
            }
            assert!(store.get_if_there("keyring/x/2.age", 9).unwrap().is_none());
            assert!(store.list("keyring").unwrap().is_empty());
            fs::write(root.join("keyring/x/3.age#1"), b"left").unwrap();
            fs::write(root.join("keyring/x/4.age"), b"kept").unwrap();
            fs::hard_link(root.join("keyring/x/4.age"), root.join("keyring/x/4.age#2")).unwrap();
            fs::write(root.join("7#1"), b"left").unwrap();
            assert_eq!(store.sweep("keyring").unwrap(), 4);
            assert_eq!(store.sweep("").unwrap(), 4);
            assert_eq!(store.sweep("none").unwrap(), 0);
            assert_eq!(store.get("keyring/x/4.age", 9).unwrap(), "kept");
            assert_eq!(store.list("keyring").unwrap().len(), 1);
        });
    }
}
