//! From a request to a call, and from a reply to the answer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{Extension, RawPathParams, Request};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{Router, any};
use futures::StreamExt as _;
use futures::stream::unfold;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::quota::Turn;
use super::refusal::Refusal;
use super::server::stopped;
use super::sse::{Event, KEEP_ALIVE};
use super::{Call, Peer, Reply, Service};

/// How much of an answer is handed on at once.
const SLICE: usize = 64 << 10;
/// For how long a body that is too large is read, and thrown away, so that its sender comes to read
/// the answer.
const DRAIN: Duration = Duration::from_millis(500);

/// The routes of one path.
struct Routes {
    template: Arc<str>,
    /// By method, the numbers of the routes.
    methods: Vec<(Method, usize)>,
}

type Params = Result<RawPathParams, RawPathParamsRejection>;

/// Leads each path to its routes, and all others to a refusal.
pub(super) fn router(service: &dyn Service) -> Router {
    let mut paths: BTreeMap<String, Vec<(Method, usize)>> = BTreeMap::new();
    for (route, (method, template)) in service.routes().into_iter().enumerate() {
        paths.entry(template).or_default().push((method, route));
    }
    let mut router = Router::new();
    for (path, methods) in paths {
        let template = path.as_str().into();
        let routes = Arc::new(Routes { template, methods });
        let answer = move |Extension(connection), params: Params, request: Request| {
            answer(connection, Arc::clone(&routes), params, request)
        };
        router = router.route(&path, any(answer));
    }
    router.fallback(
        |Extension(connection): Extension<Arc<Connection>>| async move {
            let response = connection.refuse(Refusal::no_such_path()).await;
            connection.answered();
            response
        },
    )
}

async fn answer(
    connection: Arc<Connection>,
    routes: Arc<Routes>,
    params: Params,
    request: Request,
) -> Response {
    connection.found(&routes.template);
    let response = match admit(&connection, &routes, params, request).await {
        Ok((asked, turn)) => carry_out(&connection, asked, turn).await,
        Err(refusal) => connection.refuse(refusal).await,
    };
    connection.answered();
    response
}

/// A call, but for who makes it.
struct Asked {
    route: usize,
    path: Vec<(String, String)>,
    head: Parts,
    body: Bytes,
}

/// Reads the request to its end and waits for its turn.
async fn admit(
    connection: &Connection,
    routes: &Routes,
    params: Params,
    request: Request,
) -> Result<(Asked, Turn), Refusal> {
    let (head, body) = request.into_parts();
    let methods = &routes.methods;
    let Some((_, route)) = methods.iter().find(|(method, _)| *method == head.method) else {
        let allowed: Vec<_> = methods.iter().map(|(method, _)| method).collect();
        return Err(Refusal::wrong_method(&allowed));
    };
    let (route, path) = (*route, decoded(head.uri.path(), params)?);
    let mut stop = connection.server.stop.clone();
    let limits = connection.server.limits;
    let ready = async {
        let body = whole(&head.headers, body, limits.body_bytes, limits.body_time).await?;
        let turn = connection.seat.turn().await.ok_or_else(Refusal::stopping)?;
        Ok((body, turn))
    };
    let (body, turn) = tokio::select! {
        ready = ready => ready?,
        () = stopped(&mut stop) => return Err(Refusal::stopping()),
    };
    let asked = Asked {
        route,
        path,
        head,
        body,
    };
    Ok((asked, turn))
}

/// The parameters of a path.
fn decoded(path: &str, params: Params) -> Result<Vec<(String, String)>, Refusal> {
    // The decoder lets a stray `%` pass as it is: one id would have two spellings.
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = path.as_bytes();
    let stray =
        |at: usize| bytes[at] == b'%' && !(is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2)));
    if (0..bytes.len()).any(stray) {
        return Err(Refusal::bad_path());
    }
    let params = params.map_err(|_| Refusal::bad_path())?;
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(params.iter().map(own).collect())
}

/// The whole body, if it is JSON and neither too large nor too slow.
async fn whole(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    time: Duration,
) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if !is_json(headers) {
        return Err(Refusal::not_json());
    }
    let mut data = body.into_data_stream();
    let mut bytes = Vec::new();
    let reading = async {
        while let Some(piece) = data.next().await {
            let piece = piece.map_err(|_| Refusal::broken())?;
            if bytes.len() + piece.len() > limit {
                return Err(Refusal::too_large(limit));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(())
    };
    let read = timeout(time, reading).await;
    match read.unwrap_or_else(|_| Err(Refusal::too_slow())) {
        Ok(()) => Ok(bytes.into()),
        Err(refusal) => {
            let rest = async { while let Some(Ok(_)) = data.next().await {} };
            let _ = timeout(DRAIN, rest).await;
            Err(refusal)
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = text(headers, &CONTENT_TYPE).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Whether one of the preferences is `respond-async`.
fn respond_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split(','));
    let mut names = preferences.filter_map(|preference| preference.split(';').next());
    names.any(|name| name.trim().eq_ignore_ascii_case("respond-async"))
}

/// Makes the call. It runs to its end, whether or not somebody still waits for the answer.
async fn carry_out(connection: &Connection, asked: Asked, turn: Turn) -> Response {
    connection.called();
    let service = Arc::clone(&connection.server.service);
    let (uid, gid) = (connection.uid, connection.gid);
    let calling = move || {
        let call = Call {
            peer: Peer::look_up(uid, gid),
            route: asked.route,
            path: asked.path,
            query: asked.head.uri.query().map(str::to_owned),
            accept: text(&asked.head.headers, &ACCEPT),
            respond_async: respond_async(&asked.head.headers),
            body: asked.body,
        };
        (service.call(call), turn)
    };
    match spawn_blocking(calling).await {
        Ok((reply, turn)) => render(reply, turn, connection.server.stop.clone()),
        Err(_panicked) => Refusal::accident().into_response(),
    }
}

fn render(reply: Reply, turn: Turn, stop: watch::Receiver<bool>) -> Response {
    let (status, content_type, headers, body) = match reply {
        Reply::Whole {
            status,
            content_type,
            headers,
            body,
        } => {
            let rest = body.into();
            (
                status,
                content_type,
                headers,
                Body::new(Slices { rest, _turn: turn }),
            )
        }
        Reply::Events(events) => {
            let headers = vec![("cache-control", "no-store".to_owned())];
            (200, "text/event-stream", headers, stream(events, stop))
        }
    };
    let headers = headers.into_iter().map(|(name, value)| {
        let value = HeaderValue::from_str(&value).ok()?;
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
    });
    let headers: Option<HeaderMap> = headers.collect();
    let (Ok(status), Some(headers)) = (StatusCode::from_u16(status), headers) else {
        return Refusal::accident().into_response();
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Events as they come, and comments while none do.
fn stream(events: mpsc::Receiver<Event>, stop: watch::Receiver<bool>) -> Body {
    const QUIET: Duration = Duration::from_secs(15);
    let next = |(mut events, mut stop): (mpsc::Receiver<Event>, watch::Receiver<bool>)| async {
        let text = tokio::select! {
            biased;
            event = events.recv() => event?.encode(),
            () = stopped(&mut stop) => return None,
            () = sleep(QUIET) => KEEP_ALIVE.to_owned(),
        };
        Some((Ok::<_, Infallible>(text), (events, stop)))
    };
    Body::from_stream(unfold((events, stop), next))
}

/// A whole body, handed on in slices: the turn is over when the caller has taken all but the last,
/// so that answers which nobody reads cannot pile up.
struct Slices {
    rest: Bytes,
    _turn: Turn,
}

impl HttpBody for Slices {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.rest.len().min(SLICE);
        let slice = self.rest.split_to(size);
        Poll::Ready((size > 0).then(|| Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
