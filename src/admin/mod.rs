//! The admin socket: how the command line, scripts and `curl` speak to the daemon.
//!
//! HTTP/1.1 with JSON over a Unix socket. This module carries requests and answers; it knows nothing
//! of what is asked. That is a [`Service`]: it names its routes, answers [`Call`]s, and is told of
//! whatever never became a call.
//!
//! ```text
//! socket ─▶ quota ─▶ wire ─▶ router ─▶ body ─▶ turn ─▶ Service::call    on a thread of its own
//! (peer)      │        │       │        │        │
//!             └────────┴───────┴────────┴────────┴──▶ Service::refused  for the audit log
//! ```
//!
//! # Who calls
//!
//! The kernel says which user is at the other end (`SO_PEERCRED`); nothing in the request does. A
//! [`Peer`] is that user's id with the names that the host's user database has for it *now*: it is
//! looked up for each call, so a membership that was taken away ends at once, on open connections
//! too. The process id is never looked at: it may be another process's by the time one looks.
//!
//! # Limits, and why
//!
//! Whoever may open the socket may also do so with bad intent, or with a broken script. No user can
//! take from another more than a share, and nothing that a caller sends is kept for longer or in
//! larger amounts than [`Limits`] say:
//!
//! | limit | beyond it | why |
//! |---|---|---|
//! | 32 connections a user, 256 in all (root is not counted in the 256) | 503 at once, closed | they are what everything else is counted by |
//! | 16 KiB of head, 100 header lines | 431 | memory |
//! | 5 s for a head, also between two requests | closed | half a request costs a seat |
//! | 64 KiB of body | 413 | memory; no action has a longer one |
//! | 5 s for a body, so 10 s for a request | 408 | as for a head |
//! | 4 calls of a user at once | the others wait in turn | threads; a call's turn lasts until its answer is read |
//! | 10 s without a byte taken by the reader | closed | an answer that nobody reads holds memory |
//!
//! A call has no limit: a restore takes as long as it takes. A caller who leaves does not stop it,
//! and its turn is not free before it ends. Where the caller leaves before its turn has come, nothing
//! is done.
//!
//! A stream of [`Event`]s takes a seat among the connections, but no turn. Where its reader is slow,
//! the channel fills and its sender waits: for 10 s, then the connection is closed, and sending fails.
//!
//! # What is refused is told
//!
//! [`Service::refused`] hears of each request that did not become a call. It is given the template of
//! the route, not the path as sent, because a path can hold a customer's key and goes into the audit
//! log. What was no request at all (too many connections, half a head, noise) is told once a second
//! for each user and status, so that a flood on the socket is not a flood in the log.
//!
//! Refusals are JSON, `{"error", "causes", "hint"}`, as the command line's own failures are. What the
//! HTTP parser itself refuses has a status and no body.

use axum::body::Bytes;
use tokio::sync::mpsc;

mod answer;
pub mod client;
mod connection;
pub mod peer;
mod quota;
mod refusal;
pub mod server;
pub mod socket;
mod sse;
mod wire;

pub use axum::http::Method;
pub use client::{Client, ClientReply};
pub use peer::{Peer, may_see_hidden, roles};
pub use server::{Limits, serve};
pub use socket::Listener;
pub use sse::Event;

/// What is asked, and what is answered: the part that knows what Tenure does.
pub trait Service: Send + Sync + 'static {
    /// The method and the path's template (`/v1/customers/{id}/hide`) of every route. [`Call::route`]
    /// counts in this order. Two routes of one path differ in their methods; no two templates match
    /// one path equally well, which stops the start.
    fn routes(&self) -> Vec<(Method, String)>;

    /// Answers one call. Runs on a thread where it may block, and take as long as it takes.
    fn call(&self, call: Call) -> Reply;

    /// Hears of a request that never became a call. `method` is `-` and `path` is empty where no
    /// whole head came; `path` is the template of the route, and empty where there is none. `status`
    /// is what was answered, and 499 where the caller had left before it could be.
    fn refused(&self, peer: &Peer, method: &str, path: &str, status: u16);
}

/// One request, whole and within limits.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub peer: Peer,
    /// Which of [`Service::routes`].
    pub route: usize,
    /// The template's parameters and what stood in their places, percent-decoded. Never empty texts.
    pub path: Vec<(String, String)>,
    /// The query, as sent.
    pub query: Option<String>,
    /// The body. Where there is one, it was sent as JSON; nobody has looked into it yet.
    pub body: Bytes,
    /// `Accept`, as sent.
    pub accept: Option<String>,
    /// Whether the caller would rather have an answer at once than a result (`Prefer: respond-async`,
    /// RFC 7240).
    pub respond_async: bool,
}

/// An answer.
#[derive(Debug)]
pub enum Reply {
    /// All of it.
    Whole {
        /// The status, such as 200.
        status: u16,
        /// Such as `application/json`.
        content_type: &'static str,
        /// Further headers. One that HTTP does not allow makes the answer a 500.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Server-sent events, until the sender is dropped or the daemon stops.
    Events(mpsc::Receiver<Event>),
}
