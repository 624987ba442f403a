//! Stores: places for objects, each sufficient by itself.
//!
//! A store is spoken to through `object_store`. What is put is durable when the call returns: files
//! and directories are synced, and servers have said so. Objects are never changed; `put_new` refuses
//! to replace one, and reads back before it calls that a conflict, because after a lost answer the
//! object that stands there may be our own.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::path::Path as Location;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::runtime::Handle;

use crate::fsx;
use crate::ids::StoreName;

mod dir;
mod error;
mod memory;
mod s3;
#[cfg(test)]
mod tests;

pub use error::{Cause, Result, StoreError};
use s3::Bucket;
pub use s3::{Address, Lock, Version, Versioning, pulse};

/// How often a put is tried whose place another request of ours was just taking or leaving.
const PUTS: u32 = 4;

type Listed = BoxStream<'static, object_store::Result<ObjectMeta>>;

/// One store.
#[derive(Clone)]
pub struct Store {
    name: StoreName,
    /// Whether it may hold a copy of the keyring.
    keys: bool,
    inner: Arc<dyn ObjectStore>,
    /// The same, for puts.
    putting: Arc<dyn ObjectStore>,
    kind: Kind,
    runtime: Handle,
}

/// What the library does not do for all kinds alike.
#[derive(Clone)]
enum Kind {
    Directory(PathBuf),
    S3(Arc<Bucket>),
    Memory,
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
        let opened = dir::open(dir, create).map_err(|cause| {
            let object = dir.display().to_string();
            StoreError::new(name, "open", object, cause)
        })?;
        let inner: Arc<dyn ObjectStore> = Arc::new(opened);
        Ok(Self {
            name: name.clone(),
            keys,
            putting: Arc::clone(&inner),
            inner,
            kind: Kind::Directory(dir.to_owned()),
            runtime: runtime.clone(),
        })
    }

    /// A store in S3 or in a server that speaks its language. Whether it is there is seen when it is
    /// first asked for something. The runtime must have timers and a network.
    pub fn open_s3(
        name: &StoreName,
        address: &Address,
        options: &BTreeMap<String, String>,
        keys: bool,
        runtime: &Handle,
    ) -> Result<Self> {
        let bucket = Bucket::open(name.as_str(), address, options)
            .map_err(|cause| StoreError::new(name, "open", String::new(), cause))?;
        Ok(Self {
            name: name.clone(),
            keys,
            inner: bucket.objects(),
            putting: bucket.putting(),
            kind: Kind::S3(Arc::new(bucket)),
            runtime: runtime.clone(),
        })
    }

    /// A store in this process's memory, for tests: gone with it, and the same for all who name the
    /// same `place` in it.
    pub fn open_memory(name: &StoreName, place: &str, keys: bool, runtime: &Handle) -> Self {
        let inner: Arc<dyn ObjectStore> = memory::open(place);
        Self {
            name: name.clone(),
            keys,
            putting: Arc::clone(&inner),
            inner,
            kind: Kind::Memory,
            runtime: runtime.clone(),
        }
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
        let (store, object) = (self.name.clone(), object.to_owned());
        move |cause| StoreError::new(&store, doing, object, cause)
    }

    /// The directory, if it is one.
    fn dir(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Directory(dir) => Some(dir),
            Kind::S3(_) | Kind::Memory => None,
        }
    }

    fn put(&self, path: &str, bytes: Bytes, mode: PutMode) -> object_store::Result<()> {
        if let Some(gone) = self.dir().filter(|dir| !dir.is_dir()) {
            // The library would make it anew, and half a store would be taken for a whole one.
            return Err(object_store::Error::NotFound {
                path: gone.display().to_string(),
                source: "the store's directory has gone".into(),
            });
        }
        let options = PutOptions::from(mode);
        let payload = PutPayload::from_bytes(bytes);
        let location = Location::from(path);
        let put = self.putting.put_opts(&location, payload, options);
        self.runtime.block_on(put).map(|_| ())
    }

    /// Puts an object where none is. One that stands there with the same bytes is as good as put.
    pub fn put_new(&self, path: &str, bytes: Bytes) -> Result<()> {
        for left in (0..PUTS).rev() {
            match self.put(path, bytes.clone(), PutMode::Create) {
                Err(object_store::Error::AlreadyExists { .. }) => {}
                done => {
                    return done
                        .map_err(Cause::from)
                        .map_err(self.failed("write", path));
                }
            }
            match self.get(path, bytes.len() as u64) {
                Ok(found) if found == bytes => return Ok(()),
                // Two requests of ours may have met, and the other one failed.
                Err(error) if error.is_not_found() && left > 0 => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(error) if !matches!(*error.cause, Cause::TooLarge(_)) => return Err(error),
                _ => break,
            }
        }
        Err(self.failed("write", path)(Cause::Conflict))
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
        let listed = self.inner.list(Some(&Location::from(folder)));
        self.collect(listed, folder)
    }

    /// The same of objects whose paths sort behind `after`. Those before are not looked at: a bucket's listing begins
    /// behind them, a directory's passes over their names.
    pub fn list_after(&self, folder: &str, after: &str) -> Result<BTreeMap<String, u64>> {
        let (folder_at, after) = (Location::from(folder), Location::from(after));
        let listed = self.inner.list_with_offset(Some(&folder_at), &after);
        self.collect(listed, folder)
    }

    fn collect(&self, listed: Listed, folder: &str) -> Result<BTreeMap<String, u64>> {
        let listed = listed.map_ok(|m| (m.location.to_string(), m.size));
        self.runtime
            .block_on(listed.try_collect())
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
    fn destroy(&self, path: &str) -> Result<()> {
        if let Some(dir) = self.dir() {
            fsx::destroy(&dir.join(path))
                .map_err(Cause::from)
                .map_err(self.failed("destroy", path))?;
        }
        self.delete(path)
    }

    /// Leaves nothing of a folder but the object `keep` as it is: no other object, no older version
    /// of any, no delete marker. Lists again, and fails if anything is left.
    pub fn purge(&self, folder: &str, keep: Option<&str>) -> Result<()> {
        for version in self.versions(folder)?.unwrap_or_default() {
            if !(version.newest && !version.marker && Some(version.path.as_str()) == keep) {
                self.delete_version(&version)?;
            }
        }
        let others = || -> Result<Vec<String>> {
            let listed = self.list(folder)?.into_keys();
            Ok(listed
                .filter(|found| Some(found.as_str()) != keep)
                .collect())
        };
        for other in others()? {
            self.destroy(&other)?;
        }
        let mut left = others()?;
        for version in self.versions(folder)?.unwrap_or_default() {
            if !version.newest || version.marker {
                left.push(format!("version {} of {}", version.id, version.path));
            }
        }
        match left.pop() {
            None => Ok(()),
            Some(left) => Err(self.failed("purge", folder)(Cause::NotGone(left))),
        }
    }

    /// Every version of every object of a folder; none where the store knows no versions.
    pub fn versions(&self, folder: &str) -> Result<Option<Vec<Version>>> {
        let Kind::S3(bucket) = &self.kind else {
            return Ok(None);
        };
        self.ask(bucket.versions(folder), "list the versions in", folder)
    }

    /// Deletes one version for good.
    fn delete_version(&self, version: &Version) -> Result<()> {
        let Kind::S3(bucket) = &self.kind else {
            return Ok(());
        };
        self.ask(bucket.delete_version(version), "delete", &version.path)
    }

    /// Whether older versions are kept.
    pub fn versioning(&self) -> Result<Versioning> {
        let Kind::S3(bucket) = &self.kind else {
            return Ok(Versioning::Never);
        };
        self.ask(bucket.versioning(), "tell whether it keeps versions", "")
    }

    /// Whether nobody may delete what is written here for some time.
    pub fn lock(&self) -> Result<Option<Lock>> {
        let Kind::S3(bucket) = &self.kind else {
            return Ok(None);
        };
        self.ask(bucket.lock(), "tell whether it locks objects", "")
    }

    /// Whether it is gone with this process.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::Memory)
    }

    fn ask<T>(
        &self,
        question: impl Future<Output = std::result::Result<T, Cause>>,
        doing: &'static str,
        object: &str,
    ) -> Result<T> {
        self.runtime
            .block_on(question)
            .map_err(self.failed(doing, object))
    }

    /// Deletions are not synced by the library.
    fn sync_folder_of(&self, path: &str) -> Result<()> {
        let Some(folder) = self.dir().map(|dir| dir.join(path)) else {
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
        let Some(dir) = self.dir() else {
            return Ok(0);
        };
        let destroys = folder == "keyring";
        let depth = if folder.is_empty() { 1 } else { 2 };
        let freed = dir::sweep(&dir.join(folder), destroys, depth);
        freed
            .map_err(Cause::from)
            .map_err(self.failed("sweep", folder))
    }
}
