//! Old versions, delete markers and locks, by signed requests: the library knows nothing of them.
//!
//! In a bucket that keeps versions, a deleted object is only hidden behind a delete marker. What is
//! to be gone is deleted version by version, and listed again.

use std::time::Duration;

use object_store::signer::{Method, SignedUrlOptions, Signer};
use reqwest::Response;
use serde::Deserialize;

use super::{Bucket, Refusal};
use crate::store::error::Cause;

/// How long a signature holds.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object, from the store's root.
    pub path: String,
    /// The version.
    pub id: String,
    /// Whether it is what is read without naming a version.
    pub newest: bool,
    /// Whether it is a delete marker.
    pub marker: bool,
}

/// Whether a store keeps older versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// It does not.
    Never,
    /// It does; or it did, and those are still there.
    Kept {
        /// Whether a rule of the bucket lets them go after some time.
        expire: bool,
    },
}

/// For how long a store lets nobody delete what is written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Days that the bucket's default gives; none if what is written names them itself.
    pub days: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListVersions {
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_version_id_marker: Option<String>,
    #[serde(default)]
    version: Vec<Listed>,
    #[serde(default)]
    delete_marker: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    key: String,
    version_id: String,
    is_latest: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersioningState {
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockState {
    object_lock_enabled: Option<String>,
    rule: Option<LockRule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockRule {
    default_retention: Option<Retention>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Retention {
    days: Option<u32>,
    years: Option<u32>,
}

impl Bucket {
    /// Every version of every object under a folder; none if the server knows no versions.
    pub(in crate::store) async fn versions(
        &self,
        folder: &str,
    ) -> Result<Option<Vec<Version>>, Cause> {
        let root = self.key("").to_string();
        let prefix = format!("{}/", self.key(folder));
        let mut found = Vec::new();
        let mut after: Option<(String, String)> = None;
        loop {
            let mut query = vec![("versions", ""), ("prefix", &prefix)];
            if let Some((key, version)) = &after {
                query.push(("key-marker", key));
                query.push(("version-id-marker", version));
            }
            let text = match self.ask(&query).await {
                Ok(text) => text,
                Err(Cause::Server(refusal)) if refusal.is_unknown() => return Ok(None),
                Err(error) => return Err(error),
            };
            let page: ListVersions = parse(&text, "ListVersionsResult")?;
            let listed = |list: Vec<Listed>, marker| {
                let root = &root;
                list.into_iter().map(move |listed| Version {
                    path: listed
                        .key
                        .strip_prefix(root.as_str())
                        .unwrap_or(&listed.key)
                        .trim_start_matches('/')
                        .to_owned(),
                    id: listed.version_id,
                    newest: listed.is_latest,
                    marker,
                })
            };
            found.extend(listed(page.version, false));
            found.extend(listed(page.delete_marker, true));
            if !page.is_truncated {
                return Ok(Some(found));
            }
            // What is not listed to its end is not known to be gone.
            let key = page.next_key_marker.ok_or(Cause::CutList)?;
            after = Some((key, page.next_version_id_marker.unwrap_or_default()));
        }
    }

    /// Deletes one version for good.
    pub(in crate::store) async fn delete_version(&self, version: &Version) -> Result<(), Cause> {
        let query = [("versionId", version.id.as_str())];
        let deleted = self.send(Method::DELETE, &version.path, &query).await;
        match deleted {
            Ok(_) => Ok(()),
            Err(Cause::Server(refusal)) if refusal.is_not_found() => Ok(()),
            Err(Cause::Server(refusal)) if refusal.is_denied() => {
                match self.locked_until(version).await {
                    Some(date) => Err(Cause::Setting {
                        what: format!("version {} is locked until {date}", version.id),
                        hint: "the bucket's object lock keeps it; it is deleted by the first \
                               command that changes something after that",
                    }),
                    None => Err(Cause::Server(refusal)),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn locked_until(&self, version: &Version) -> Option<String> {
        let query = [("versionId", version.id.as_str())];
        let head = self.send(Method::HEAD, &version.path, &query).await.ok()?;
        let until = head.headers().get("x-amz-object-lock-retain-until-date")?;
        Some(until.to_str().ok()?.to_owned())
    }

    /// Whether older versions are kept.
    pub(in crate::store) async fn versioning(&self) -> Result<Versioning, Cause> {
        let text = match self.ask(&[("versioning", "")]).await {
            Err(Cause::Server(refusal)) if refusal.is_unknown() => return Ok(Versioning::Never),
            answer => answer?,
        };
        // Its root has another name where it is not Amazon's.
        let state: VersioningState = parse(&text, "Versioning")?;
        match state.status {
            None => Ok(Versioning::Never),
            Some(_) => Ok(Versioning::Kept {
                expire: self.versions_expire().await,
            }),
        }
    }

    /// Whether a rule lets old versions go. One that cannot be asked for is as good as none.
    async fn versions_expire(&self) -> bool {
        let rules = self.ask(&[("lifecycle", "")]).await;
        rules.is_ok_and(|text| text.contains("<NoncurrentVersionExpiration"))
    }

    /// Whether nobody may delete what is written.
    pub(in crate::store) async fn lock(&self) -> Result<Option<Lock>, Cause> {
        let text = match self.ask(&[("object-lock", "")]).await {
            Ok(text) => text,
            Err(Cause::Server(refusal))
                if refusal.is_unknown()
                    || refusal.is_not_found()
                    || refusal.is("ObjectLockConfigurationNotFoundError") =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let state: LockState = parse(&text, "ObjectLockConfiguration")?;
        let Some("Enabled") = state.object_lock_enabled.as_deref() else {
            return Ok(None);
        };
        let retention = state.rule.and_then(|rule| rule.default_retention);
        Ok(Some(Lock {
            days: retention.and_then(|r| r.days.or(r.years.map(|years| years * 365))),
        }))
    }

    /// Asks something of the bucket itself.
    async fn ask(&self, query: &[(&str, &str)]) -> Result<String, Cause> {
        let response = self.send_to(Method::GET, None, query).await?;
        let text = response.text().await;
        text.map_err(|error| Cause::Server(Refusal::silence(&error, "")))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Response, Cause> {
        self.send_to(method, Some(path), query).await
    }

    /// Sends a signed request, again if the server is busy or silent.
    async fn send_to(
        &self,
        method: Method,
        path: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Response, Cause> {
        let location = path.map(|path| self.key(path)).unwrap_or_default();
        let signed = SignedUrlOptions::default().with_query(query.iter().copied());
        let mut pause = Duration::from_millis(200);
        let mut tried = 0;
        loop {
            let url = self
                .s3
                .signed_url_opts(method.clone(), &location, SIGNED_FOR, &signed)
                .await?;
            let sent = self.line.plain().request(method.clone(), url).send().await;
            let (failed, may_pass) = match sent {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status();
                    let body = response.text().await.unwrap_or_default();
                    let may_pass = status.is_server_error() && status.as_u16() != 501
                        || status.as_u16() == 429;
                    (Refusal::answer(status.as_u16(), &body), may_pass)
                }
                Err(error) => (Refusal::silence(&error.without_url(), ""), true),
            };
            if !may_pass || tried >= self.retries {
                return Err(Cause::Server(failed));
            }
            tried += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }
}

/// Reads an answer whose root has this in its name: some servers leave out of a request what they do
/// not know, and answer another one.
fn parse<'t, T: Deserialize<'t>>(text: &'t str, root: &str) -> Result<T, Cause> {
    let wrong = |what: String| Cause::Address(format!("the server's answer has no {root}: {what}"));
    if !text.contains(root) {
        return Err(wrong("it answers another request".into()));
    }
    quick_xml::de::from_str(text).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_markers_may_stand_in_any_order() {
        let text = "<?xml version=\"1.0\"?><ListVersionsResult xmlns=\"x\"><IsTruncated>false\
                    </IsTruncated><Version><Key>a</Key><VersionId>1</VersionId><IsLatest>false\
                    </IsLatest><Size>3</Size></Version><DeleteMarker><Key>a</Key><VersionId>2\
                    </VersionId><IsLatest>true</IsLatest></DeleteMarker><Version><Key>b</Key>\
                    <VersionId>null</VersionId><IsLatest>true</IsLatest></Version></ListVersionsResult>";
        let read: ListVersions = parse(text, "ListVersionsResult").unwrap();
        assert_eq!((read.version.len(), read.delete_marker.len()), (2, 1));
        assert_eq!(read.version[1].version_id, "null");
    }

    #[test]
    fn an_answer_to_another_request_is_no_answer() {
        let text = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert!(parse::<ListVersions>(text, "ListVersionsResult").is_err());
        let text = "<VersioningConfiguration xmlns=\"x\"/>";
        let read: VersioningState = parse(text, "VersioningConfiguration").unwrap();
        assert_eq!(read.status, None);
    }
}
