//! Stores in S3, and in servers that speak its language.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use object_store::path::Path as Location;
use object_store::prefix::PrefixStore;

use super::error::Cause;

mod http;
mod options;
mod refusal;
mod versions;

use http::Line;
pub use http::pulse;
use options::Options;
pub use refusal::Refusal;
pub use versions::{Lock, Version, Versioning};

/// Where a store in S3 lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The bucket.
    pub bucket: String,
    /// The folder in it, without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
}

/// A bucket, and the folder in it.
pub(super) struct Bucket {
    s3: AmazonS3,
    /// The same, which says of each request that it has a checksum: for puts alone.
    putting: AmazonS3,
    line: Line,
    prefix: String,
    retries: usize,
}

impl Bucket {
    /// Connects to nothing yet.
    pub(super) fn open(
        store: &str,
        address: &Address,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, Cause> {
        let (options, builder) = Options::read(store, options)?;
        let line = Line::new(&options)?;
        let builder = builder
            .with_bucket_name(&address.bucket)
            .with_http_connector(line.clone());
        Ok(Self {
            putting: options::saying_checksum(builder.clone())?.build()?,
            s3: builder.build()?,
            line,
            prefix: address.prefix.clone(),
            retries: options.retry.max_retries,
        })
    }

    /// What lies in the folder, for all but puts.
    pub(super) fn objects(&self) -> Arc<dyn ObjectStore> {
        self.in_folder(&self.s3)
    }

    /// The same, for puts.
    pub(super) fn putting(&self) -> Arc<dyn ObjectStore> {
        self.in_folder(&self.putting)
    }

    fn in_folder(&self, s3: &AmazonS3) -> Arc<dyn ObjectStore> {
        match self.prefix.as_str() {
            "" => Arc::new(s3.clone()),
            prefix => Arc::new(PrefixStore::new(s3.clone(), prefix)),
        }
    }

    /// An object's key in the bucket.
    fn key(&self, path: &str) -> Location {
        match self.prefix.as_str() {
            "" => Location::from(path),
            prefix => Location::from(format!("{prefix}/{path}")),
        }
    }
}
