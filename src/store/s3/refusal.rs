//! What a server said, or that it said nothing: taken out of the library's errors.

use std::error::Error;
use std::io;

use crate::store::error::chain;

/// A request that did not do what it was to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server's answer.
    #[error("the server says {code}{}{message}", if message.is_empty() { "" } else { ": " })]
    Answer {
        /// The HTTP status, where it is known.
        status: Option<u16>,
        /// Its code, such as `NoSuchBucket`.
        code: String,
        /// Its text for people.
        message: String,
    },
    /// There was no answer.
    #[error("{why}{}", if *retries == 0 { String::new() } else { format!(" (tried {} times)", retries + 1) })]
    Silence {
        /// The innermost reason.
        why: String,
        /// How often it was tried again.
        retries: u32,
        /// The system's number for it, where there is one.
        os: Option<i32>,
    },
}

impl Refusal {
    /// What a server answered, out of an error of the library; none if no server is behind it.
    pub fn of(error: &object_store::Error) -> Option<Self> {
        let of_http = |cause: &(dyn Error + 'static)| cause.is::<object_store::client::HttpError>();
        let library = chain(error).any(of_http);
        let text = error.to_string();
        match Self::read(&text) {
            Some(answer) => Some(answer),
            None if library => Some(Self::silence(error, &text)),
            None => None,
        }
    }

    /// An answer of `status` with this body.
    pub(super) fn answer(status: u16, body: &str) -> Self {
        Self::Answer {
            status: Some(status),
            code: element(body, "Code").unwrap_or_else(|| format!("HTTP status {status}")),
            message: element(body, "Message").unwrap_or_default(),
        }
    }

    /// No answer at all, for the innermost of these reasons.
    pub(super) fn silence(error: &(dyn Error + 'static), text: &str) -> Self {
        let innermost = chain(error).last().map(ToString::to_string);
        let os = chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
        Self::Silence {
            why: innermost.unwrap_or_default(),
            retries: after(text, "after ").unwrap_or(0),
            os: os.filter_map(io::Error::raw_os_error).last(),
        }
    }

    /// The library's text holds the answer's status and body.
    fn read(text: &str) -> Option<Self> {
        let status = after(text, "status code: ");
        let code = element(text, "Code");
        if status.is_none() && code.is_none() {
            return None;
        }
        let named = || Some(format!("HTTP status {}", status?));
        Some(Self::Answer {
            status: status.and_then(|status: u32| status.try_into().ok()),
            code: code.or_else(named)?,
            message: element(text, "Message").unwrap_or_default(),
        })
    }

    /// Whether the object is not there; that the bucket is not is another thing.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Answer { status, code, .. } => {
                code == "NoSuchKey" || (*status == Some(404) && code != "NoSuchBucket")
            }
            Self::Silence { .. } => false,
        }
    }

    /// Whether this key may not do it.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Answer { code, status, .. } if code == "AccessDenied" || *status == Some(403))
    }

    /// Whether the server does not know the request.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Answer { code, status, .. } if code == "NotImplemented" || *status == Some(501))
    }

    /// Whether this code was answered.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Answer { code, .. } if code == wanted)
    }

    /// What a person may do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Answer { code, status, .. } => match code.as_str() {
                "NoSuchBucket" => Some("make the bucket first, or mend the store's `url`"),
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidToken"
                | "ExpiredToken"
                | "AuthFailure" => Some(
                    "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or at the systemd \
                     credentials of the same names",
                ),
                "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException" => {
                    Some("name the bucket's region: options = { region = \"…\" }")
                }
                "RequestTimeTooSkewed" => Some("set this host's clock right"),
                _ if *status == Some(403) => Some(
                    "the key needs the rights to list the bucket, to get, put and delete objects, \
                     and for keyrings to list and delete versions",
                ),
                _ => None,
            },
            // ENETUNREACH, EAFNOSUPPORT, EPERM
            Self::Silence {
                os: Some(101 | 97 | 1),
                ..
            } => Some(
                "this process may not use the network; under systemd put PrivateNetwork=no, \
                 RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 and IPAddressAllow=any into a \
                 drop-in (`systemctl edit tenured.service`)",
            ),
            Self::Silence { .. } => {
                Some("is the server up, and the store's `endpoint` (and `ca_file`) right?")
            }
        }
    }
}

/// The text of the first element of this name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once("</")?;
    // It ends up on terminals.
    let plain = inner.chars().filter(|c| !c.is_control()).take(300);
    Some(plain.collect())
}

/// The number that stands behind these words.
fn after(text: &str, words: &str) -> Option<u32> {
    let (_, rest) = text.split_once(words)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn a_servers_answer_is_taken_out_of_the_librarys_words() {
        let error = generic(
            "Error performing GET http://h/b in 1ms - Server returned non-2xx status code: 404 Not \
             Found: <?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>The bucket\n is \
             gone</Message></Error>",
        );
        let refusal = Refusal::of(&error).unwrap();
        assert_eq!(
            refusal.to_string(),
            "the server says NoSuchBucket: The bucket is gone"
        );
        assert!(!refusal.is_not_found(), "the bucket is no object");
        assert!(refusal.hint().unwrap().contains("make the bucket"));
        let error = generic("x - Server returned non-2xx status code: 403 Forbidden: ");
        let refusal = Refusal::of(&error).unwrap();
        assert!(refusal.is_denied());
        assert_eq!(refusal.to_string(), "the server says HTTP status 403");
    }

    #[test]
    fn an_error_that_no_server_is_behind_stays_what_it_is() {
        assert_eq!(Refusal::of(&generic("disk on fire")), None);
    }
}
