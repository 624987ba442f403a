//! One connection: who is at the other end, and how far the request has come that is on it.

use std::sync::{Arc, Mutex};

use axum::http::Method;
use axum::response::Response;
use tokio::net::unix::UCred;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Peer;
use super::quota::{Seat, lock};
use super::refusal::Refusal;
use super::server::Server;

/// What the log says of a caller who had left before an answer could be given. HTTP has no number
/// for that; this one is nginx's.
pub(super) const LEFT: u16 = 499;

/// How far a request has come. One that ends before it was answered or refused is told of.
#[derive(Clone, Debug)]
enum Stage {
    /// There is none, or its answer is on the way.
    Idle,
    /// Bytes have come, but no whole head.
    Begun,
    /// The head was read; now the body comes, or the user's turn.
    Asked {
        method: &'static str,
        path: Arc<str>,
    },
    /// It is being answered, or was refused.
    Settled,
}

/// One connection.
pub(super) struct Connection {
    pub(super) server: Arc<Server>,
    pub(super) seat: Seat,
    pub(super) uid: u32,
    pub(super) gid: u32,
    stage: Mutex<Stage>,
}

impl Connection {
    pub(super) fn new(server: &Arc<Server>, peer: &UCred, seat: Seat) -> Self {
        Self {
            server: Arc::clone(server),
            seat,
            uid: peer.uid(),
            gid: peer.gid(),
            stage: Mutex::new(Stage::Idle),
        }
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Idle) {
            *stage = Stage::Begun;
        }
    }

    /// A whole head has come.
    pub(super) fn asked(&self, method: &Method) {
        let (method, path) = (word(method), "".into());
        *lock(&self.stage) = Stage::Asked { method, path };
    }

    /// It leads to this route.
    pub(super) fn found(&self, template: &Arc<str>) {
        if let Stage::Asked { path, .. } = &mut *lock(&self.stage) {
            *path = Arc::clone(template);
        }
    }

    /// It is a call now.
    pub(super) fn called(&self) {
        *lock(&self.stage) = Stage::Settled;
    }

    /// Its answer is on the way.
    pub(super) fn answered(&self) {
        *lock(&self.stage) = Stage::Idle;
    }

    /// Whether all that there is of a request is a part of its head.
    pub(super) fn is_begun(&self) -> bool {
        matches!(*lock(&self.stage), Stage::Begun)
    }

    /// Answers a request that does not become a call, once that has been told.
    pub(super) async fn refuse(&self, refusal: Refusal) -> Response {
        let before = std::mem::replace(&mut *lock(&self.stage), Stage::Settled);
        if let Stage::Asked { method, path } = before {
            // A service that panics here has its own trouble; the caller is answered all the same.
            let _ = self.tell(method, path, refusal.status()).await;
        }
        refusal.into_response()
    }

    /// The connection has ended: tells of what was on it. `status` is what that was refused with.
    pub(super) fn ended(&self, status: Option<u16>) {
        let before = std::mem::replace(&mut *lock(&self.stage), Stage::Settled);
        match (before, status) {
            (Stage::Asked { method, path }, _) => drop(self.tell(method, path, LEFT)),
            (Stage::Begun, status) => self.tell_noise(status.unwrap_or(LEFT)),
            // What came behind another request, in one piece with it.
            (Stage::Idle | Stage::Settled, Some(status @ (400 | 431))) => self.tell_noise(status),
            (Stage::Idle | Stage::Settled, _) => {}
        }
    }

    fn tell_noise(&self, status: u16) {
        self.server.tell_noise(self.uid, self.gid, status);
    }

    fn tell(&self, method: &'static str, path: Arc<str>, status: u16) -> JoinHandle<()> {
        let service = Arc::clone(&self.server.service);
        let (uid, gid) = (self.uid, self.gid);
        spawn_blocking(move || service.refused(&Peer::look_up(uid, gid), method, &path, status))
    }
}

/// A method, as one of the known words: a caller does not get to write into the log.
fn word(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT",
    ];
    let known = KNOWN.iter().find(|known| **known == method.as_str());
    known.copied().unwrap_or("other")
}
