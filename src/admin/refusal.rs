//! What the transport itself says no to.

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::json;

/// A request that does not become a call. The connection is closed behind the answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
    hint: &'static str,
    allow: Option<HeaderValue>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>, hint: &'static str) -> Self {
        Self {
            status,
            error: error.into(),
            hint,
            allow: None,
        }
    }

    pub(super) fn no_such_path() -> Self {
        let hint = "the API's description lists all paths";
        Self::new(StatusCode::NOT_FOUND, "there is no such path", hint)
    }

    pub(super) fn wrong_method(allowed: &[&Method]) -> Self {
        let allowed: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
        let allowed = allowed.join(", ");
        let error = format!("this path takes only {allowed}");
        let hint = "what reads is a GET, what acts is a POST";
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, error, hint);
        Self {
            allow: HeaderValue::from_str(&allowed).ok(),
            ..refusal
        }
    }

    pub(super) fn bad_path() -> Self {
        let hint = "write each byte of an id that is not a letter or a digit as `%` and two hexadecimal \
                    digits of its UTF-8";
        let error = "the path is not percent-encoded UTF-8";
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    pub(super) fn not_json() -> Self {
        let hint = "send `Content-Type: application/json`";
        let error = "the body is not said to be JSON";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, hint)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let error = format!("the body has more than {limit} bytes");
        let hint = "no action takes that much";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error, hint)
    }

    pub(super) fn too_slow() -> Self {
        let error = "the body did not come in time";
        let hint = "make the body first, and then the request";
        Self::new(StatusCode::REQUEST_TIMEOUT, error, hint)
    }

    pub(super) fn broken() -> Self {
        let hint = "send its length, or the last chunk";
        Self::new(StatusCode::BAD_REQUEST, "the body broke off", hint)
    }

    pub(super) fn stopping() -> Self {
        let hint = "try again when it has started anew; nothing was done";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the daemon is stopping",
            hint,
        )
    }

    pub(super) fn crowded() -> Self {
        let hint = "close some of your connections, or try again in a moment; nothing was done";
        let error = "too many connections are open";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, hint)
    }

    /// The call was made, and failed in a way that nobody foresaw.
    pub(super) fn accident() -> Self {
        let hint = "this is a defect of Tenure: its log says more; `tenure status` shows where things stand";
        let error = "the daemon failed while it answered";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, hint)
    }

    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    fn body(&self) -> String {
        json!({"error": self.error, "causes": [], "hint": self.hint}).to_string()
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, allow);
        }
        response
    }

    /// The answer as it stands on the wire, for a request that nobody reads.
    pub(super) fn unasked(&self) -> String {
        let body = self.body();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            self.status,
            body.len()
        )
    }
}
