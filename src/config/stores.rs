//! Checks `[keys]` and `[[store]]`.

use std::path::PathBuf;

use toml::Spanned;
use url::Url;

use super::check::{Check, names, section};
use super::places::{Kind, Place};
use super::problem::nearest;
use super::raw::{self, Text};
use super::store_options;
use super::{Store, StorePlace};
use crate::ids::StoreName;

/// Who can recover, and where the host's half of the local key lies.
pub(super) struct Keys {
    pub recipients: Vec<age::x25519::Recipient>,
    pub host: PathBuf,
}

/// Checks `[keys]`.
pub(super) fn keys(
    check: &mut Check<'_, '_>,
    file: &raw::File,
    places: &mut Vec<Place>,
) -> Option<Keys> {
    const HINT: &str =
        "add `recovery = [\"age1…\"]` under `[keys]`; `tenure init` makes such a key";
    let (span, keys) = section(file.keys.as_ref());
    let written = keys.and_then(|keys| keys.recovery.as_ref());
    let span = written.map(Spanned::span).or(span);
    let list: &[Text] = written.map_or(&[], |list| list.get_ref());
    if list.is_empty() {
        let what = "no recovery recipient: nobody could read the backups after this host is lost";
        check.problems.missing(span.as_ref(), what, HINT);
    }
    check.distinct(list.iter(), "recovery recipient");
    let recipients: Vec<_> = list.iter().map(|text| recipient(check, text)).collect();
    let host = match keys.and_then(|keys| keys.host.as_ref()) {
        None => Some(check.dir.join("host.key")),
        Some(text) => check.path(text, "host").inspect(|path| {
            places.push(Place::new(Kind::HostKey, None, path, Some(text.span())));
        }),
    };
    Some(Keys {
        recipients: recipients.into_iter().collect::<Option<_>>()?,
        host: host?,
    })
}

fn recipient(check: &mut Check<'_, '_>, text: &Text) -> Option<age::x25519::Recipient> {
    match text.get_ref().parse() {
        Ok(recipient) => Some(recipient),
        Err(_)
            if text
                .get_ref()
                .to_ascii_uppercase()
                .starts_with("AGE-SECRET-KEY-") =>
        {
            let what = "this is a secret recovery identity, not a recipient";
            let hint = "take it out and offline at once, and write the `age1…` that belongs to it";
            check.problems.at(&text.span(), what, hint);
            None
        }
        Err(_) => {
            let what = format!("{:?} is not an age recipient", text.get_ref());
            let hint = "write an X25519 recipient: `age1` and 58 more letters and digits";
            check.problems.at(&text.span(), what, hint);
            None
        }
    }
}

/// Checks every `[[store]]`.
pub(super) fn stores(
    check: &mut Check<'_, '_>,
    file: &raw::File,
    places: &mut Vec<Place>,
) -> Option<Vec<Store>> {
    check.distinct(names(&file.stores, |store| store.name.as_ref()), "store");
    if file.stores.is_empty() {
        let hint = "add a `[[store]]` with `name` and `url = \"file:///…\"`";
        check
            .problems
            .missing(None, "no store: there is nowhere to put a backup", hint);
    }
    let stores: Vec<_> = file
        .stores
        .iter()
        .map(|written| store(check, written, places))
        .collect();
    let stores: Vec<Store> = stores.into_iter().collect::<Option<_>>()?;
    apart(check, file, &stores);
    if !stores.is_empty() && !stores.iter().any(|store| store.keys) {
        let hint = "leave `keys` out, or set it to true, at one store at least";
        let what = "no store may hold the keyring: this host's disk would be its only place";
        check.problems.missing(None, what, hint);
    }
    Some(stores)
}

fn store(
    check: &mut Check<'_, '_>,
    written: &Spanned<raw::Store>,
    places: &mut Vec<Place>,
) -> Option<Store> {
    let (span, raw) = (written.span(), written.get_ref());
    let name = check.required(
        raw.name.as_ref(),
        Some(&span),
        "a store has no name",
        "add `name = \"local\"`",
    );
    let name = name.and_then(|name| check.name::<StoreName>(name));
    let text = check.required(
        raw.url.as_ref(),
        Some(&span),
        "a store has no URL",
        "add `url = \"file:///…\"`",
    );
    let place = text.and_then(|text| {
        let (url, place) = location(check, text)?;
        if let StorePlace::Directory(path) = &place {
            let span = Some(text.span());
            places.push(Place::new(Kind::Store, raw.name.as_ref(), path, span));
        }
        Some((url, place))
    });
    let takes_options = matches!(place, Some((_, StorePlace::S3 { .. })));
    if let Some(written) = raw.options.as_ref().filter(|_| place.is_some())
        && !takes_options
        && !written.get_ref().is_empty()
    {
        let what = "only a store in S3 takes options";
        check
            .problems
            .at(&written.span(), what, "take `options` out");
    }
    let options = store_options::options(check, raw, takes_options);
    let (url, place) = place?;
    Some(Store {
        name: name?,
        url,
        place,
        keys: raw.keys.unwrap_or(true),
        options: options?,
    })
}

/// That no store in a bucket lies in another one. The same bucket behind another server is another.
fn apart(check: &mut Check<'_, '_>, file: &raw::File, stores: &[Store]) {
    let place = |store: &Store| match &store.place {
        StorePlace::S3 { bucket, prefix } => Some(match prefix.as_str() {
            "" => format!("{bucket}/"),
            prefix => format!("{bucket}/{prefix}/"),
        }),
        _ => None,
    };
    for (at, inner) in stores.iter().enumerate() {
        let within = |(other, outer): &(usize, &Store)| {
            let (Some(inside), Some(outside)) = (place(inner), place(outer)) else {
                return false;
            };
            let nested = inside.starts_with(&outside) && (inside != outside || at > *other);
            at != *other && nested && inner.endpoint() == outer.endpoint()
        };
        let Some((_, outer)) = stores.iter().enumerate().find(within) else {
            continue;
        };
        let span = file.stores.get(at).map(Spanned::span);
        let (inner, outer) = (inner.name.as_str(), outer.name.as_str());
        let what = format!("the store {inner:?} lies in the same place as the store {outer:?}");
        let hint = "give each of them a folder of its own";
        check.problems.missing(span.as_ref(), what, hint);
    }
}

const URL_HINT: &str = "write \"file:///…\" with an absolute path, or \"s3://BUCKET/FOLDER\"";

/// Reads a store's URL.
fn location(check: &mut Check<'_, '_>, text: &Text) -> Option<(Url, StorePlace)> {
    let written = text.get_ref();
    let url = Url::parse(written).ok();
    let (what, hint) = match &url {
        None => (format!("{written:?} is not a URL"), URL_HINT.to_owned()),
        Some(url) if !url.username().is_empty() || url.password().is_some() => (
            "a store's URL holds credentials".to_owned(),
            "take them out; they come from the environment or a systemd credential".to_owned(),
        ),
        Some(url) if url.scheme() == "s3" => match bucket(url) {
            Some(place) => return Some((url.clone(), place)),
            None => (
                format!("{written:?} does not name a bucket"),
                "write \"s3://BUCKET/FOLDER\"; the server is named by the option `endpoint`"
                    .to_owned(),
            ),
        },
        Some(url) if url.scheme() == "memory" => {
            return Some((url.clone(), StorePlace::Memory(url.to_string())));
        }
        Some(url) if url.scheme() != "file" => other_scheme(url.scheme()),
        Some(_) if !written.starts_with("file:///") => (
            format!("{written:?} does not name a directory by an absolute path"),
            URL_HINT.to_owned(),
        ),
        Some(url) => match directory(url) {
            Some(path) => return Some((url.clone(), StorePlace::Directory(path))),
            None => (
                format!("{written:?} does not name a directory"),
                "write `?` as `%3F` and `#` as `%23` in a URL".to_owned(),
            ),
        },
    };
    check.problems.at(&text.span(), what, hint);
    None
}

/// What is wrong with any other scheme, and what to write.
fn other_scheme(scheme: &str) -> (String, String) {
    const LATER: [&str; 2] = ["az", "gs"];
    if LATER.contains(&scheme) {
        return (
            format!("stores at \"{scheme}://\" cannot be used in this version"),
            "only \"file://\" and \"s3://\" can; take this store out until then".to_owned(),
        );
    }
    let hint = match nearest(scheme, &["file", "s3"]) {
        Some(meant) => format!("did you mean \"{meant}://\"?"),
        None => URL_HINT.to_owned(),
    };
    (format!("unknown kind of store \"{scheme}:\""), hint)
}

impl StorePlace {
    /// Where the store with this URL lies; none if the URL is not one that a configuration may name.
    pub fn of(url: &Url) -> Option<Self> {
        match url.scheme() {
            "file" => directory(url).map(Self::Directory),
            "s3" => bucket(url),
            "memory" => Some(Self::Memory(url.to_string())),
            _ => None,
        }
    }
}

/// The bucket and the folder that an `s3` URL names, in letters that need no escape.
fn bucket(url: &Url) -> Option<StorePlace> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let prefix = url.path().trim_matches('/');
    let folders = prefix.is_empty()
        || !prefix
            .split('/')
            .any(|part| part.trim_matches('.').is_empty());
    let fits = folders && prefix.chars().all(plain);
    let rest = url.query().is_none() && url.fragment().is_none() && url.port().is_none();
    let bucket = url.host_str().filter(|host| !host.is_empty())?;
    (fits && rest).then(|| StorePlace::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

/// The directory that a `file` URL names. With a query or a fragment it would name another one
/// than it seems to.
fn directory(url: &Url) -> Option<PathBuf> {
    let plain = url.query().is_none() && url.fragment().is_none();
    url.to_file_path().ok().filter(|_| plain)
}
