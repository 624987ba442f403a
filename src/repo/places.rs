//! From a store as it is configured to one that can be spoken to.

use tokio::runtime::Handle;

use crate::config::{self, StorePlace};
use crate::store::{Address, Result, Store};

/// Opens a configured store, whatever it holds. A directory is made if it is to be `create`d; a
/// bucket never is.
pub fn open_store(configured: &config::Store, create: bool, runtime: &Handle) -> Result<Store> {
    let (name, keys) = (&configured.name, configured.keys);
    match &configured.place {
        StorePlace::Directory(path) => Store::open_dir(name, path, keys, create, runtime),
        StorePlace::S3 { bucket, prefix } => {
            let address = Address {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
            };
            Store::open_s3(name, &address, &configured.options, keys, runtime)
        }
        StorePlace::Memory(place) => Ok(Store::open_memory(name, place, keys, runtime)),
    }
}
