//! What a store in S3 is told: by its `options` in the configuration, by systemd credentials and by
//! the environment, in this order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, HeaderMap, RetryConfig};
use zeroize::Zeroizing;

use crate::store::error::Cause;

/// How long a server may keep silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request is tried again. Requests are signed once, which does not hold much longer.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is tried again.
const RETRIES: usize = 8;

/// Secrets that systemd may hand over, as files of these names.
const CREDENTIALS: [AmazonS3ConfigKey; 3] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::SecretAccessKey,
    AmazonS3ConfigKey::Token,
];

/// What the connection is told; the rest is the library's.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub ca_file: Option<PathBuf>,
    pub proxy_url: Option<String>,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub retry: RetryConfig,
}

impl Options {
    /// Reads them, and gives the library its own.
    pub(super) fn read(
        store: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<(Self, AmazonS3Builder), Cause> {
        // Buckets with locks take nothing without a checksum. The environment may name another one.
        let mut builder = AmazonS3Builder::from_env();
        if builder
            .get_config_value(&AmazonS3ConfigKey::Checksum)
            .is_none()
        {
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        for key in CREDENTIALS {
            if let Some(secret) = credential(store, key.as_ref())? {
                builder = builder.with_config(key, secret.as_str());
            }
        }
        let mut own = Self {
            ca_file: None,
            proxy_url: None,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            retry: RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(10),
                    base: 2.0,
                },
                max_retries: RETRIES,
                retry_timeout: RETRY_TIMEOUT,
            },
        };
        refuse_unnamed_server(&builder, options)?;
        for (key, value) in options {
            match key.as_str() {
                "ca_file" => own.ca_file = Some(value.into()),
                "proxy_url" => own.proxy_url = Some(value.clone()),
                "connect_timeout" => own.connect_timeout = duration(key, value)?,
                "read_timeout" => own.read_timeout = duration(key, value)?,
                "retry_timeout" => own.retry.retry_timeout = duration(key, value)?,
                "max_retries" => {
                    own.retry.max_retries = value.parse().map_err(|_| bad(key, value))?;
                }
                _ => {
                    let key = key.parse().map_err(|_| bad(key, value))?;
                    builder = builder.with_config(key, value);
                }
            }
        }
        require_credentials(&builder)?;
        // Whatever the environment says: manifests are put only where nothing stands.
        let builder = builder
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(own.retry.clone());
        Ok((own, builder))
    }
}

/// The same with a header on every request that says how checksums are made: buckets with locks take
/// nothing without it, and the library does not send it.
pub(super) fn saying_checksum(builder: AmazonS3Builder) -> Result<AmazonS3Builder, Cause> {
    let algorithm = builder.get_config_value(&AmazonS3ConfigKey::Checksum);
    let algorithm = algorithm.unwrap_or_default().to_uppercase();
    let value = algorithm
        .parse()
        .map_err(|_| bad("checksum_algorithm", &algorithm))?;
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-sdk-checksum-algorithm", value);
    let http = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
    let http = builder.get_config_value(&http).as_deref() == Some("true");
    let options = ClientOptions::new()
        .with_allow_http(http)
        .with_default_headers(headers);
    Ok(builder.with_client_options(options))
}

/// Which server it is belongs to what a store is: the environment may be another one tomorrow, and then a place
/// that holds keys would be taken for seen.
fn refuse_unnamed_server(
    builder: &AmazonS3Builder,
    options: &BTreeMap<String, String>,
) -> Result<(), Cause> {
    use AmazonS3ConfigKey::{Endpoint, S3Endpoint};
    let names_server = |key: &String| matches!(key.parse(), Ok(Endpoint | S3Endpoint));
    let mut keys = [Endpoint, S3Endpoint].into_iter();
    match keys.find_map(|key| builder.get_config_value(&key)) {
        Some(server) if !options.keys().any(names_server) => Err(Cause::Setting {
            what: format!("the environment alone names the server {server}"),
            hint: "write it into the store's options: options = { endpoint = \"https://…\" }",
        }),
        _ => Ok(()),
    }
}

/// Without credentials the library would look for those of a machine in a cloud, for minutes.
fn require_credentials(builder: &AmazonS3Builder) -> Result<(), Cause> {
    use AmazonS3ConfigKey as Key;
    let has = |key: Key| builder.get_config_value(&key).is_some();
    let skips = builder.get_config_value(&Key::SkipSignature);
    let (id, secret) = (has(Key::AccessKeyId), has(Key::SecretAccessKey));
    let elsewhere = [
        Key::WebIdentityTokenFile,
        Key::ContainerCredentialsRelativeUri,
        Key::ContainerCredentialsFullUri,
        Key::MetadataEndpoint,
    ];
    let half = id != secret;
    if !half && (id || elsewhere.into_iter().any(has) || skips.as_deref() == Some("true")) {
        return Ok(());
    }
    let what = match (id, secret) {
        (true, false) => "there is an access key id and no secret access key",
        (false, true) => "there is a secret access key and no access key id",
        _ => "there are no credentials",
    };
    Err(Cause::Setting {
        what: what.to_owned(),
        hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; or, under \
               systemd, LoadCredential= with the names aws_access_key_id and \
               aws_secret_access_key, or NAME.aws_access_key_id for one store; on a machine in \
               AWS that has a role: options = { metadata_endpoint = \"http://169.254.169.254\" }",
    })
}

/// What systemd has handed over for this store, or else for all of them.
fn credential(store: &str, key: &str) -> Result<Option<Zeroizing<String>>, Cause> {
    let Some(dir) = env::var_os("CREDENTIALS_DIRECTORY") else {
        return Ok(None);
    };
    for name in [format!("{store}.{key}"), key.to_owned()] {
        let path = Path::new(&dir).join(&name);
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => return Ok(Some(Zeroizing::new(text.trim().to_owned()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let what = format!("the credential {name} cannot be read: {error}");
                return Err(Cause::Setting {
                    what,
                    hint: "a credential is a file with one line of text",
                });
            }
        }
    }
    Ok(None)
}

fn duration(key: &str, value: &str) -> Result<Duration, Cause> {
    humantime::parse_duration(value).map_err(|_| bad(key, value))
}

fn bad(key: &str, value: &str) -> Cause {
    Cause::Setting {
        what: format!("the option `{key}` cannot be {value:?}"),
        hint: "see `tenure check`",
    }
}
