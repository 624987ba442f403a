//! Stores in S3, and in servers that speak its language.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::aws::AmazonS3;
use object_store::path::Path as Location;
use object_store::prefix::PrefixStore;

use super::error::Cause;

mod http;
mod options;
mod refusal;
mod versions;

pub use http::pulse;
use http::Line;
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
        let s3 = builder
            .with_bucket_name(&address.bucket)
            .with_http_connector(line.clone())
            .build()?;
        Ok(Self {
            s3,
            line,
            prefix: address.prefix.clone(),
            retries: options.retry.max_retries,
        })
    }

    /// What lies in the folder.
    pub(super) fn objects(&self) -> Arc<dyn object_store::ObjectStore> {
        match self.prefix.as_str() {
            "" => Arc::new(self.s3.clone()),
            prefix => Arc::new(PrefixStore::new(self.s3.clone(), prefix)),
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
