//! What `init` is told on the command line: `[NAME=]sqlite:PATH#TABLE.KEY` and `[NAME=]URL`.

use std::path::Path;
use std::str::FromStr;

use url::Url;

use crate::config::holds_secret;
use crate::ids::{SourceName, StoreName};

/// What is wrong with such a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// Not of the form that a register is named in.
    #[error("{0:?} does not name a register: write [NAME=]sqlite:PATH#TABLE.KEY")]
    Register(String),
    /// A kind of source that this version cannot use.
    #[error("sources of kind {0:?} cannot be used in this version; only \"sqlite\" can")]
    Kind(String),
    /// Not of the form that a store is named in.
    #[error(
        "{0:?} does not name a store: write [NAME=]file:///PATH, [NAME=]s3://BUCKET/FOLDER, or an absolute path"
    )]
    Store(String),
    /// A kind of store that this version cannot use.
    #[error(
        "stores at \"{0}://\" cannot be used in this version; only \"file://\" and \"s3://\" can"
    )]
    Scheme(String),
    /// Everybody on the host can read the command line.
    #[error(
        "`{0}` is a secret, and everybody can read the command line: put it into the environment"
    )]
    Secret(String),
}

/// A database, and its register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterSpec {
    /// What the source shall be called: as was said, or after its file.
    pub source: SourceName,
    /// The database's file, absolute.
    pub path: String,
    /// The register's table.
    pub table: String,
    /// Its key's columns. Not empty.
    pub key: Vec<String>,
}

impl FromStr for RegisterSpec {
    type Err = BadSpec;

    fn from_str(text: &str) -> Result<Self, BadSpec> {
        let bad = || BadSpec::Register(text.to_owned());
        let (name, rest) = named::<SourceName>(text);
        let (kind, rest) = rest.split_once(':').ok_or_else(bad)?;
        match kind {
            "sqlite" => {}
            "postgres" | "mariadb" | "files" => return Err(BadSpec::Kind(kind.to_owned())),
            _ => return Err(bad()),
        }
        // Paths may hold `#`, and tables `.`: the last of each is meant.
        let (path, register) = rest.rsplit_once('#').ok_or_else(bad)?;
        let (table, key) = register.rsplit_once('.').ok_or_else(bad)?;
        let key: Vec<String> = key
            .split(',')
            .map(|column| column.trim().to_owned())
            .collect();
        if path.is_empty() || table.is_empty() || key.iter().any(String::is_empty) {
            return Err(bad());
        }
        let path = std::path::absolute(path).map_err(|_| bad())?;
        let path = path.to_str().ok_or_else(bad)?.to_owned();
        let source = name.unwrap_or_else(|| after(&path, "source"));
        Ok(Self {
            source,
            path,
            table: table.to_owned(),
            key,
        })
    }
}

/// A store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSpec {
    /// What the store shall be called, if that was said.
    pub name: Option<StoreName>,
    /// Its URL.
    pub url: Url,
    /// Options of a store in S3: what stands behind `?`, as `region=…&endpoint=…`.
    pub options: Vec<(String, String)>,
}

impl StoreSpec {
    /// What the store shall be called: as was said, or after its directory or bucket.
    pub fn name(&self) -> StoreName {
        let after = || match self.url.to_file_path() {
            Ok(path) => after(&path.to_string_lossy(), "store"),
            Err(()) => after(self.url.host_str().unwrap_or_default(), "store"),
        };
        self.name.clone().unwrap_or_else(after)
    }
}

impl FromStr for StoreSpec {
    type Err = BadSpec;

    fn from_str(text: &str) -> Result<Self, BadSpec> {
        let bad = || BadSpec::Store(text.to_owned());
        let (name, place) = named::<StoreName>(text);
        if place.starts_with('/') {
            let url = Url::from_file_path(place.trim_end_matches('/')).map_err(|()| bad())?;
            let options = Vec::new();
            return Ok(Self { name, url, options });
        }
        let mut url = Url::parse(place).map_err(|_| bad())?;
        match url.scheme() {
            "file" if place.starts_with("file:///") => {
                let options = Vec::new();
                Ok(Self { name, url, options })
            }
            "s3" if url.host_str().is_some_and(|bucket| !bucket.is_empty()) => {
                let options: Vec<_> = url.query_pairs().into_owned().collect();
                if let Some((key, _)) = options.iter().find(|(key, _)| holds_secret(key)) {
                    return Err(BadSpec::Secret(key.clone()));
                }
                url.set_query(None);
                Ok(Self { name, url, options })
            }
            "az" | "gs" | "memory" => Err(BadSpec::Scheme(url.scheme().to_owned())),
            _ => Err(bad()),
        }
    }
}

/// Takes `NAME=` off, if the text begins so.
fn named<N: FromStr>(text: &str) -> (Option<N>, &str) {
    match text
        .split_once('=')
        .map(|(name, rest)| (name.parse(), rest))
    {
        Some((Ok(name), rest)) => (Some(name), rest),
        _ => (None, text),
    }
}

/// A name after that of a file or directory.
fn after<N: FromStr>(path: &str, otherwise: &str) -> N {
    let stem = Path::new(path)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = stem
        .chars()
        .map(|c| if fits(c) { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = name.trim_matches('-').chars().take(64).collect::<String>();
    // Both are made of letters that names are made of, and `otherwise` is not empty.
    let parsed = name.parse().or_else(|_| otherwise.parse());
    parsed.unwrap_or_else(|_| unreachable!("{otherwise} is a name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(text: &str) -> Result<(String, String, String, Vec<String>), BadSpec> {
        let spec: RegisterSpec = text.parse()?;
        Ok((spec.source.to_string(), spec.path, spec.table, spec.key))
    }

    fn expected(
        source: &str,
        path: &str,
        table: &str,
        key: &[&str],
    ) -> (String, String, String, Vec<String>) {
        (
            source.into(),
            path.into(),
            table.into(),
            key.iter().map(|k| (*k).to_owned()).collect(),
        )
    }

    #[test]
    fn a_register_splits_at_the_last_signs() {
        for (text, meant) in [
            (
                "sqlite:/srv/crm.db#customers.id",
                expected("crm", "/srv/crm.db", "customers", &["id"]),
            ),
            (
                "a1=sqlite:/x/C#1.db#my.table.k",
                expected("a1", "/x/C#1.db", "my.table", &["k"]),
            ),
            (
                "sqlite:/a=b/My CRM.db#t.a, b",
                expected("my-crm", "/a=b/My CRM.db", "t", &["a", "b"]),
            ),
            (
                "sqlite:/x/数.db#t.k",
                expected("source", "/x/数.db", "t", &["k"]),
            ),
        ] {
            assert_eq!(register(text).unwrap(), meant, "{text}");
        }
        assert!(register("sqlite:crm.db#t.k").unwrap().1.starts_with('/'));
    }

    #[test]
    fn what_names_no_register_is_refused() {
        for text in [
            "",
            "crm.db",
            "sqlite:/x.db",
            "sqlite:/x.db#t",
            "sqlite:#t.k",
            "sqlite:/x#.k",
            "sqlite:/x#t.",
            "sqlite:/x#t.a,,b",
            "Bad Name=sqlite:/x#t.k",
            "mysql:/x#t.k",
        ] {
            assert_eq!(
                register(text).unwrap_err(),
                BadSpec::Register(text.into()),
                "{text}"
            );
        }
        assert_eq!(
            register("postgres://h/d#t.k").unwrap_err(),
            BadSpec::Kind("postgres".into())
        );
    }

    #[test]
    fn a_store_is_a_url_or_an_absolute_path() {
        for (text, name, url) in [
            ("/srv/Backup 1", "backup-1", "file:///srv/Backup%201"),
            ("/srv/backup/", "backup", "file:///srv/backup"),
            ("off-site=/mnt/usb", "off-site", "file:///mnt/usb"),
            ("file:///srv/a=b", "a-b", "file:///srv/a=b"),
            ("x=file:///srv/b", "x", "file:///srv/b"),
            ("file:///", "store", "file:///"),
            (
                "s3://acme-backup/tenure",
                "acme-backup",
                "s3://acme-backup/tenure",
            ),
            ("off=s3://acme?region=x", "off", "s3://acme"),
        ] {
            let spec: StoreSpec = text.parse().unwrap();
            assert_eq!(
                (spec.name().as_str(), spec.url.as_str()),
                (name, url),
                "{text}"
            );
        }
        for text in [
            "",
            "backup",
            "../b",
            "x=",
            "file://host/x",
            "file:x",
            "ftp://x/y",
            "s3:///x",
        ] {
            assert_eq!(
                text.parse::<StoreSpec>().unwrap_err(),
                BadSpec::Store(text.into()),
                "{text}"
            );
        }
        let options = "s3://b/x?endpoint=https://h:1/&region=r".parse::<StoreSpec>();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            options.unwrap().options,
            [pair("endpoint", "https://h:1/"), pair("region", "r")]
        );
        assert_eq!(
            "s3://b/x?aws_secret_access_key=1".parse::<StoreSpec>(),
            Err(BadSpec::Secret("aws_secret_access_key".into()))
        );
        assert_eq!(
            "gs://b/x".parse::<StoreSpec>().unwrap_err(),
            BadSpec::Scheme("gs".into())
        );
    }
}
