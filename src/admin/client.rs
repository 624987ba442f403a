//! The other end: how the command line speaks to the daemon.
//!
//! Each request has a connection of its own, so a client may wait for a person between two of them.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use futures::future::{Either, FutureExt as _, select};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use super::Event;
use super::socket::DOOR;
use super::sse::Decoder;
use crate::error::{Failure, FailureKind, Outcome};

/// How long a daemon may take to take a connection. It does nothing else before it.
const CONNECTS: Duration = Duration::from_secs(5);
/// How long to wait before knocking again at a door with a queue.
const KNOCKS: Duration = Duration::from_millis(20);
/// How often a request is tried again that was never sent.
const TRIES: u32 = 5;

/// Speaks to a daemon, and waits for its answers: not for use where nothing may block.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    runtime: Runtime,
}

/// What the daemon has answered, whatever it was.
#[derive(Clone, Debug)]
pub struct ClientReply {
    /// The status, such as 200.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

impl Client {
    /// A client for the daemon that listens on `path`; none if no daemon does.
    ///
    /// # Errors
    /// [`FailureKind::Refused`] if there is a socket that this user may not use, with what would help.
    /// Any other failure if the daemon takes no connection.
    pub fn connect(path: &Path) -> Outcome<Option<Self>> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new("cannot start").because(error))?;
        match runtime.block_on(reach(path)) {
            Ok(_stream) => Ok(Some(Self {
                path: path.to_owned(),
                runtime,
            })),
            Err(error) if is_nobody(&error) => Ok(None),
            Err(error) => Err(out_of_reach(path, error)),
        }
    }

    /// Sends a request and waits for the answer, for as long as that takes.
    ///
    /// `path_and_query` has its ids [encoded](segment). What the daemon answers is given as it is, a
    /// refusal too.
    ///
    /// # Errors
    /// If the daemon goes away before it has answered.
    pub fn send(
        &self,
        method: Method,
        path_and_query: &str,
        body: Option<&Value>,
        accept: Option<&str>,
        respond_async: bool,
    ) -> Outcome<ClientReply> {
        let mut request = Request::builder().method(method).uri(path_and_query);
        request = request.header(HOST, "tenure");
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        if respond_async {
            request = request.header("prefer", "respond-async");
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(body.into()));
        let request = request.failed_to_ask()?;
        self.talk(request, whole)
    }

    /// Reads a stream of events, and hands each to `each` until that says `false` or the stream ends.
    /// Where there is no such stream, what the daemon has answered instead.
    ///
    /// # Errors
    /// If the daemon goes away in the middle.
    pub fn events(
        &self,
        path_and_query: &str,
        each: &mut dyn FnMut(Event) -> bool,
    ) -> Outcome<Option<ClientReply>> {
        let request = Request::get(path_and_query).header(HOST, "tenure");
        let request = request.header(ACCEPT, "text/event-stream");
        let request = request.body(Full::default()).failed_to_ask()?;
        self.talk(request, async |response| {
            let kind = response.headers().get(CONTENT_TYPE);
            let is_stream = kind.is_some_and(|kind| kind == "text/event-stream");
            if response.status() != StatusCode::OK || !is_stream {
                return whole(response).await.map(Some);
            }
            let mut body = response.into_body();
            let mut decoder = Decoder::default();
            while let Some(frame) = body.frame().await {
                let data = frame?.into_data().unwrap_or_default();
                if !decoder.push(&data).into_iter().all(&mut *each) {
                    break;
                }
            }
            Ok(None)
        })
    }

    /// Asks over a connection of its own, and reads the answer.
    ///
    /// A connection may be closed before the request is on it: nothing was begun then, and it is tried
    /// again.
    fn talk<T, F: Future<Output = hyper::Result<T>>>(
        &self,
        request: Request<Full<Bytes>>,
        read: impl FnOnce(Response<Incoming>) -> F,
    ) -> Outcome<T> {
        self.runtime.block_on(async {
            let mut tries = 0;
            loop {
                let stream = reach(&self.path).await;
                let stream = stream.map_err(|error| out_of_reach(&self.path, error))?;
                let (mut sender, connection) =
                    handshake(TokioIo::new(stream)).await.map_err(gone)?;
                let mut connection = pin!(connection.fuse());
                let asking = sender.send_request(request.clone());
                match over(&mut connection, asking).await {
                    Err(error) if error.is_canceled() && tries < TRIES => tries += 1,
                    Err(error) => return Err(gone(error)),
                    Ok(response) => {
                        return over(&mut connection, read(response)).await.map_err(gone);
                    }
                }
                sleep(KNOCKS).await;
            }
        })
    }
}

/// Does something that needs the connection to go on meanwhile.
async fn over<T>(connection: &mut (impl Future + Unpin), work: impl Future<Output = T>) -> T {
    match select(pin!(work), connection).await {
        Either::Left((done, _)) => done,
        // All that comes over it has come.
        Either::Right((_, work)) => work.await,
    }
}

async fn whole(response: Response<Incoming>) -> hyper::Result<ClientReply> {
    let (head, body) = response.into_parts();
    Ok(ClientReply {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}

/// Text as one segment of a path, whatever is in it. An empty one cannot be: it leads nowhere.
pub fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Connects; where others wait to be taken in, waits behind them.
async fn reach(path: &Path) -> io::Result<UnixStream> {
    let end = Instant::now() + CONNECTS;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= end {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                sleep(KNOCKS).await;
            }
            reached => return reached,
        }
    }
}

/// Whether there is no daemon, as opposed to one that cannot be reached.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn out_of_reach(path: &Path, error: io::Error) -> Failure {
    let shown = path.display();
    let failure = |kind| Failure::of(kind, format!("cannot connect to the daemon at {shown}"));
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let hint = format!(
                "only root and the group `{}` may: ask to become a member, and log in again",
                group(path).unwrap_or_else(|| DOOR.to_owned())
            );
            failure(FailureKind::Refused).because(error).hint(hint)
        }
        io::ErrorKind::TimedOut => {
            let hint = "it is alive and does not answer: look at `journalctl -u tenured`";
            failure(FailureKind::Failed).because(error).hint(hint)
        }
        _ => {
            let hint = "look whether it runs: `systemctl status tenured`";
            failure(FailureKind::Failed).because(error).hint(hint)
        }
    }
}

/// The group of a socket, where we may see so much.
fn group(path: &Path) -> Option<String> {
    let gid = fs::metadata(path).ok()?.gid();
    let group = uzers::get_group_by_gid(gid).filter(|_| gid != 0)?;
    Some(group.name().to_string_lossy().into_owned())
}

/// The connection has ended before its time.
fn gone(error: hyper::Error) -> Failure {
    if error.is_canceled() {
        let hint = "it is stopping, or too many connections are open: try again; nothing was done";
        return Failure::new("the daemon has closed the connection")
            .because(error)
            .hint(hint);
    }
    let hint = "what was begun is finished by the next command; look at `tenure status`";
    let what = "the daemon went away before it had answered";
    Failure::new(what).because(error).hint(hint)
}

/// Says that a request cannot be written down.
trait FailedToAsk<T> {
    fn failed_to_ask(self) -> Outcome<T>;
}

impl<T> FailedToAsk<T> for Result<T, axum::http::Error> {
    fn failed_to_ask(self) -> Outcome<T> {
        self.map_err(|error| Failure::new("this cannot be asked of the daemon").because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_nothing_that_means_anything() {
        assert_eq!(segment("Ab-9_~"), "Ab-9_~");
        assert_eq!(segment("a/b#c?d e%2F"), "a%2Fb%23c%3Fd%20e%252F");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("é\n"), "%C3%A9%0A");
    }
}
