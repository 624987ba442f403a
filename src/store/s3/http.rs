//! How requests are sent: with which roots of trust, how long an answer is waited for, and which may
//! be sent again.
//!
//! All of ours may: objects are put whole, deleting twice is deleting, and what is put only where
//! nothing stands is read back when something does. So a connection that was cut, or an answer that
//! never came or came in part, is tried again like one that could not be opened.
//!
//! A large object takes its time on a slow line. So a put is waited for by its size, down to
//! [`SLOWEST`], and a get for as long as bytes come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, io};

use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use reqwest::{Certificate, Client, ClientBuilder, Proxy};
use tokio::time::{Instant, timeout};

use super::options::Options;
use crate::fsx::FileError;
use crate::store::error::Cause;

/// Bytes a second that an upload must reach.
const SLOWEST: u64 = 8 << 10;
/// Bytes of an answer that is waited for as a whole.
const SHORT: u64 = 256 << 10;
/// How often a request that is waited for shows that it is.
const TICK: Duration = Duration::from_secs(10);

/// Counts every sign of life of any request.
static PULSE: AtomicU64 = AtomicU64::new(0);

/// How often any request to a server has moved, or was still within its time.
pub fn pulse() -> u64 {
    PULSE.load(Ordering::Relaxed)
}

fn tick() {
    PULSE.fetch_add(1, Ordering::Relaxed);
}

/// Sends requests.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// For requests without a body: an answer that stalls is given up.
    reading: Client,
    /// For those with one, which are waited for by their size.
    writing: Client,
    patience: Duration,
}

impl Line {
    pub(super) fn new(options: &Options) -> Result<Self, Cause> {
        let built = |builder: ClientBuilder| {
            builder.build().map_err(|error| {
                Cause::Address(format!("the connection cannot be set up: {error}"))
            })
        };
        let patience = options.read_timeout;
        Ok(Self {
            reading: built(client(options)?.read_timeout(patience))?,
            writing: built(client(options)?)?,
            patience,
        })
    }

    /// For requests that the library does not know.
    pub(super) fn plain(&self) -> &Client {
        &self.reading
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let length = request.body().content_length() as u64;
        let limit = self.patience + Duration::from_secs(length / SLOWEST);
        let client = if length == 0 {
            &self.reading
        } else {
            &self.writing
        };
        let deadline = Instant::now() + limit;
        let mut call = Box::pin(answer(client, request));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left.min(TICK), &mut call).await {
                Ok(Ok(response)) => {
                    tick();
                    return Ok(response);
                }
                Ok(Err(error)) => return Err(again(error)),
                Err(_) if left > TICK => tick(),
                Err(_) => {
                    let what = format!("no answer within {} s", limit.as_secs());
                    let error = io::Error::new(io::ErrorKind::TimedOut, what);
                    return Err(HttpError::new(HttpErrorKind::Request, error));
                }
            }
        }
    }
}

/// What a client answers. A body that is short, or of which nobody says how long it is (as of lists), is
/// here as a whole, so that one which is cut off is no answer.
async fn answer(client: &Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let response = HttpService::call(client, request).await?;
    let length = response.headers().get("content-length");
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > SHORT) {
        return Ok(response.map(alive));
    }
    let (head, body) = response.into_parts();
    let whole = body.collect().await;
    let whole = whole.map_err(|error| HttpError::new(HttpErrorKind::Request, error))?;
    Ok(HttpResponse::from_parts(head, whole.to_bytes().into()))
}

/// Marks what the library would not send again as what may be.
fn again(error: HttpError) -> HttpError {
    match error.kind() {
        HttpErrorKind::Timeout | HttpErrorKind::Interrupted => {
            HttpError::new(HttpErrorKind::Request, error)
        }
        _ => error,
    }
}

/// A body each of whose parts is a sign of life.
fn alive(body: HttpResponseBody) -> HttpResponseBody {
    HttpResponseBody::new(body.map_frame(|frame| {
        tick();
        frame
    }))
}

impl HttpService for Line {
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> BoxFuture<'f, Result<HttpResponse, HttpError>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.send(request))
    }
}

impl HttpConnector for Line {
    fn connect(&self, _: &object_store::ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

fn client(options: &Options) -> Result<ClientBuilder, Cause> {
    let mut builder = Client::builder()
        .user_agent(concat!("tenure/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        // What was signed for one address is not to be sent to another.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let unusable = |what: &str, error: &dyn std::fmt::Display| {
        Cause::Address(format!("{what} cannot be used: {error}"))
    };
    if let Some(path) = &options.ca_file {
        let pem = fs::read(path).map_err(FileError::new("read", path))?;
        let name = format!("`ca_file` {}", path.display());
        let found = Certificate::from_pem_bundle(&pem).map_err(|e| unusable(&name, &e))?;
        if found.is_empty() {
            return Err(unusable(&name, &"no certificate is in it"));
        }
        // Whoever names a root trusts that one, and no other.
        builder = builder.tls_certs_only(found);
    }
    if let Some(url) = &options.proxy_url {
        let proxy = Proxy::all(url).map_err(|e| unusable("`proxy_url`", &e))?;
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}
