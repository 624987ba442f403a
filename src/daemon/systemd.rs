//! What the service manager is told. Where there is none, nobody is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::job;
use super::worker::Worker;
use crate::store;

/// How long a job may show no progress before it counts as hanging.
const SILENCE: Duration = Duration::from_secs(30 * 60);
/// How often to look where no watchdog waits.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

fn tell(states: &[NotifyState<'_>]) {
    // A manager that cannot be told sees it by its own means.
    let _ = sd_notify::notify(states);
}

/// Requests are answered from here on.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Feeds the watchdog as long as this program gets on: the loop turns, and what runs shows progress.
pub struct Watchdog {
    interval: Duration,
    worker: Arc<Worker>,
    pulse: u64,
    moved: Instant,
}

impl Watchdog {
    /// The manager's watchdog, if it has one for us.
    pub fn new(worker: Arc<Worker>) -> Self {
        Self {
            interval: sd_notify::watchdog_enabled().map_or(NEVER, |limit| limit / 3),
            worker,
            pulse: pulse(),
            moved: Instant::now(),
        }
    }

    /// How long it may go unfed.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Feeds it, unless what runs has shown no progress for too long.
    pub fn feed(&mut self) {
        let now = pulse();
        if now != self.pulse || self.worker.running().is_none() {
            self.pulse = now;
            self.moved = Instant::now();
        }
        if self.moved.elapsed() < SILENCE {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("what runs has shown no progress for half an hour");
        }
    }
}

/// Every sign of life: of jobs, and of requests to stores, of which a single one may take long.
fn pulse() -> u64 {
    job::pulse().wrapping_add(store::pulse())
}
