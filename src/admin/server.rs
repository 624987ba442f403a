//! Takes connections, and attends to each until it ends.

use std::io::Write as _;
use std::os::unix::net::UnixStream as StdStream;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::routing::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::answer::router;
use super::connection::Connection;
use super::quota::{Quotas, Seat};
use super::refusal::Refusal;
use super::wire::Wire;
use super::{Listener, Peer, Service};
use crate::error::{Context, Failure, Outcome};

/// How many of those who are turned away are given time to take their answer.
const TURNED_AWAY: usize = 64;
/// How long one who is turned away may take to ask, so that the answer does not come before the
/// question, which some clients do not understand.
const ASKS: Duration = Duration::from_millis(500);
/// And how long to read the answer.
const READS: Duration = Duration::from_secs(1);

/// What one caller, and all together, can take. The [module](super) says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one user.
    pub connections_of_user: usize,
    /// Calls of one user at once.
    pub calls_of_user: usize,
    /// Bytes of a head. At least 8192.
    pub head_bytes: usize,
    /// How long a head may take, and how long a connection may be idle.
    pub head_time: Duration,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// How long a body may take.
    pub body_time: Duration,
    /// How long a reader may take nothing of an answer.
    pub unread_time: Duration,
    /// How long a stop waits for calls that run, and for their answers to be read.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_of_user: 32,
            calls_of_user: 4,
            head_bytes: 16 << 10,
            head_time: Duration::from_secs(5),
            body_bytes: 64 << 10,
            body_time: Duration::from_secs(5),
            unread_time: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

/// What all connections share.
pub(super) struct Server {
    pub(super) service: Arc<dyn Service>,
    pub(super) limits: Limits,
    pub(super) stop: watch::Receiver<bool>,
    quotas: Quotas,
    turned_away: Arc<Semaphore>,
}

/// Answers on a socket until `stop` holds `true`, or its sender is gone.
///
/// Then the socket is closed, and removed if it was ours; idle connections and half requests are
/// dropped, requests that are not calls yet are refused, streams of events end. For the calls that run
/// it waits, [`Limits::grace`] at most. Those that take longer run on in their threads, and nobody
/// hears their answer.
///
/// The runtime needs I/O and time, and threads for [`Limits::calls_of_user`] of as many users as may
/// call at once, which tokio's 512 are.
///
/// # Errors
/// If the socket cannot be used at all. A connection that fails concerns only itself.
pub async fn serve(
    listener: Listener,
    service: Arc<dyn Service>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> Outcome<()> {
    let (socket, made) = listener.into_parts();
    let socket = UnixListener::from_std(socket).map_err(|e| Failure::new(e.to_string()));
    let socket = socket.failed_to(|| "listen on the admin socket")?;
    let app = TowerToHyperService::new(router(&*service));
    let server = Arc::new(Server {
        service,
        limits,
        stop: stop.clone(),
        quotas: Quotas::new(limits),
        turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
    });
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => server.admit(stream, &app, &mut open),
                // Out of files or memory: what is open must end first.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
    // First the name, then the socket: whoever comes now finds nobody, and not one who does not answer.
    drop(made);
    drop(socket);
    while open.join_next().await.is_some() {}
    Ok(())
}

/// Waits until it is time to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to say so.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Server {
    /// Attends to a new connection, or turns it away.
    fn admit(
        self: &Arc<Self>,
        stream: UnixStream,
        app: &TowerToHyperService<Router>,
        open: &mut JoinSet<()>,
    ) {
        // Whose connection cannot be told is nobody's.
        let Ok(peer) = stream.peer_cred() else {
            return;
        };
        match self.quotas.seat(peer.uid()) {
            Some(seat) => {
                let (server, app) = (Arc::clone(self), app.clone());
                open.spawn(server.attend(stream, peer, seat, app));
            }
            None => self.turn_away(stream, &peer, open),
        }
    }

    /// Serves one connection until it ends or the daemon stops.
    async fn attend(
        self: Arc<Self>,
        stream: UnixStream,
        peer: UCred,
        seat: Seat,
        app: TowerToHyperService<Router>,
    ) {
        let connection = Arc::new(Connection::new(&self, &peer, seat));
        let wire = Wire::new(stream, Arc::clone(&connection), self.limits.unread_time);
        let asked = service_fn(|mut request: Request<Incoming>| {
            connection.asked(request.method());
            request.extensions_mut().insert(Arc::clone(&connection));
            app.call(request)
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .max_buf_size(self.limits.head_bytes)
            .serve_connection(TokioIo::new(wire), asked);
        let mut serving = pin!(serving);
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = stopped(&mut stop) => {
                serving.as_mut().graceful_shutdown();
                if connection.is_begun() {
                    return connection.ended(Some(503));
                }
                timeout(self.limits.grace, serving).await.unwrap_or(Ok(()))
            }
        };
        connection.ended(ended.err().as_ref().and_then(status));
    }

    /// Answers that there are too many, and closes.
    fn turn_away(&self, mut stream: UnixStream, peer: &UCred, open: &mut JoinSet<()>) {
        self.tell_noise(peer.uid(), peer.gid(), 503);
        let answer = Refusal::crowded().unasked();
        let Ok(place) = Arc::clone(&self.turned_away).try_acquire_owned() else {
            // What does not fit into the socket's buffer at once was not to be.
            let _ = stream
                .into_std()
                .map(|mut stream: StdStream| stream.write(answer.as_bytes()));
            return;
        };
        open.spawn(async move {
            let _place = place;
            // Ready to be read is not enough: it may be so by mistake.
            let _ = timeout(ASKS, stream.read(&mut [0; 512])).await;
            let _ = timeout(READS, say(stream, &answer)).await;
        });
    }

    /// Tells of what was no request, unless that was told just now.
    pub(super) fn tell_noise(&self, uid: u32, gid: u32, status: u16) {
        if self.quotas.may_tell(uid, status) {
            let service = Arc::clone(&self.service);
            spawn_blocking(move || service.refused(&Peer::look_up(uid, gid), "-", "", status));
        }
    }
}

/// Says something, and reads whatever is sent until the other end closes: closing first would cut off
/// one who still sends.
async fn say(mut stream: UnixStream, answer: &str) -> std::io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// What a connection was refused with that ended with an error; none if it broke.
fn status(error: &hyper::Error) -> Option<u16> {
    if error.is_timeout() {
        Some(408)
    } else if error.is_parse_too_large() {
        Some(431)
    } else if error.is_parse() {
        Some(400)
    } else {
        None
    }
}
