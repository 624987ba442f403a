//! Checks the `options` of a store in S3: each is one of object_store's own, or one of ours.

use std::collections::BTreeMap;

use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey;
use toml::Spanned;

use super::check::Check;
use super::problem::nearest;
use super::raw;

/// Options of ours, and object_store's for the connection that are heeded.
const OURS: [&str; 7] = [
    "allow_http",
    "ca_file",
    "connect_timeout",
    "max_retries",
    "proxy_url",
    "read_timeout",
    "retry_timeout",
];
/// Object_store's that people mean most, to guess what was meant.
const COMMON: [&str; 6] = [
    "region",
    "endpoint",
    "access_key_id",
    "secret_access_key",
    "virtual_hosted_style_request",
    "checksum_algorithm",
];
/// No time that is waited is longer, in seconds: a signature does not hold longer.
const LONGEST: u64 = 300;

type Written = Spanned<toml::Value>;

/// Reads the options, and says of each that cannot be why. `known` is whether the store takes any.
pub(super) fn options(
    check: &mut Check<'_, '_>,
    raw: &raw::Store,
    known: bool,
) -> Option<BTreeMap<String, String>> {
    let Some(written) = &raw.options else {
        return Some(BTreeMap::new());
    };
    let mut options = Some(BTreeMap::new());
    for (key, value) in written.get_ref() {
        let option = text(check, key, value).and_then(|text| match known {
            true => understood(check, key, value, text),
            false => Some(text),
        });
        match (option, &mut options) {
            (Some(text), Some(options)) => drop(options.insert(key.clone(), text)),
            _ => options = None,
        }
    }
    options
}

fn text(check: &mut Check<'_, '_>, key: &str, value: &Written) -> Option<String> {
    match value.get_ref() {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        other => {
            let what = format!("the option `{key}` cannot be a {}", other.type_str());
            let hint = "write a text, a number, true or false";
            check.problems.at(&value.span(), what, hint);
            None
        }
    }
}

/// The option as it is handed on.
fn understood(
    check: &mut Check<'_, '_>,
    key: &str,
    value: &Written,
    text: String,
) -> Option<String> {
    let complaint = match key {
        "ca_file" => {
            let written = Spanned::new(value.span(), text);
            let path = check.path(&written, key)?;
            return Some(path.to_string_lossy().into_owned());
        }
        "connect_timeout" | "read_timeout" | "retry_timeout" => match lasts(&text) {
            Some(1..=LONGEST) => return Some(text),
            _ => (
                format!("the option `{key}` cannot be {text:?}"),
                format!("write a time of 1s to {LONGEST}s, such as \"30s\""),
            ),
        },
        "max_retries" if text.parse::<u8>().is_err() => (
            format!("the option `{key}` cannot be {text:?}"),
            "write a count up to 255".to_owned(),
        ),
        _ if OURS.contains(&key) => return Some(text),
        _ => match key.parse() {
            Ok(parsed) => match refused(&parsed) {
                None => return Some(text),
                Some(hint) => (format!("the option `{key}` cannot be set"), hint.to_owned()),
            },
            Err(_) => (format!("unknown option `{key}`"), meant(key)),
        },
    };
    let (what, hint) = complaint;
    check.problems.at(&value.span(), what, hint);
    None
}

/// Whole seconds.
fn lasts(text: &str) -> Option<u64> {
    let parsed = humantime::parse_duration(text).ok()?;
    Some(parsed.as_secs())
}

/// Why an option of object_store's is not to be set, where it is not.
fn refused(key: &AmazonS3ConfigKey) -> Option<&'static str> {
    match key {
        AmazonS3ConfigKey::Bucket => Some("the bucket stands in the store's `url`"),
        AmazonS3ConfigKey::ConditionalPut => {
            Some("take it out: a store must refuse to replace what stands there")
        }
        AmazonS3ConfigKey::Client(ClientConfigKey::AllowInvalidCertificates) => {
            Some("take it out, and name the server's root: ca_file = \"/etc/…/ca.pem\"")
        }
        AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp) => None,
        AmazonS3ConfigKey::Client(_) => Some("take it out: this setting is not heeded"),
        _ => None,
    }
}

fn meant(key: &str) -> String {
    let known: Vec<&str> = OURS.into_iter().chain(COMMON).collect();
    match nearest(key, &known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "options are named as in object_store, such as `region` and `endpoint`".to_owned(),
    }
}

/// The server that options name, without a slash at its end. Of two the one for S3 alone counts, as for the
/// library.
pub(super) fn endpoint(options: &BTreeMap<String, String>) -> Option<&str> {
    let named = |wanted: AmazonS3ConfigKey| {
        let mut options = options.iter();
        let found = options.find(|(key, _)| {
            key.parse()
                .is_ok_and(|key: AmazonS3ConfigKey| key == wanted)
        });
        found.map(|(_, value)| value.trim_end_matches('/'))
    };
    named(AmazonS3ConfigKey::S3Endpoint).or_else(|| named(AmazonS3ConfigKey::Endpoint))
}

/// Whether an option of this name holds a secret.
pub fn holds_secret(key: &str) -> bool {
    const SECRET: [&str; 6] = [
        "secret",
        "password",
        "token",
        "access_key",
        "sas",
        "credential",
    ];
    let key = key.to_ascii_lowercase();
    SECRET.iter().any(|word| key.contains(word))
}

/// Where in the text an option stands that holds a secret, so that others must not read the file.
pub(super) fn secret(file: &raw::File) -> Option<std::ops::Range<usize>> {
    file.stores
        .iter()
        .filter_map(|store| store.get_ref().options.as_ref())
        .flat_map(Spanned::get_ref)
        .find(|(key, _)| holds_secret(key))
        .map(|(_, value)| value.span())
}
