//! How much of the server one user can take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::server::Limits;

/// How often what was no request is told of one user.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Counts connections and calls, by user.
pub(super) struct Quotas {
    limits: Limits,
    all: Arc<Semaphore>,
    /// Of the users who have a connection, or a call that still runs.
    users: Mutex<HashMap<u32, Weak<User>>>,
    /// When something was last told, by user and status.
    told: Mutex<HashMap<(u32, u16), Instant>>,
}

/// What one user has left.
struct User {
    connections: Arc<Semaphore>,
    calls: Arc<Semaphore>,
}

/// The right to one connection.
pub(super) struct Seat {
    user: Arc<User>,
    _mine: OwnedSemaphorePermit,
    _all: Option<OwnedSemaphorePermit>,
}

/// The right to one call.
///
/// It keeps the user's count alive: one who leaves while calls run, and comes back, finds them counted.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _user: Arc<User>,
}

impl Quotas {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            all: Arc::new(Semaphore::new(limits.connections)),
            users: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// A seat for one more connection of this user, if there is one left.
    pub(super) fn seat(&self, uid: u32) -> Option<Seat> {
        let user = self.user(uid);
        let mine = Arc::clone(&user.connections).try_acquire_owned().ok()?;
        // However many there are, root gets in.
        let all = match Arc::clone(&self.all).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) if uid == 0 => None,
            Err(_) => return None,
        };
        Some(Seat {
            user,
            _mine: mine,
            _all: all,
        })
    }

    fn user(&self, uid: u32) -> Arc<User> {
        let mut users = lock(&self.users);
        if let Some(user) = users.get(&uid).and_then(Weak::upgrade) {
            return user;
        }
        users.retain(|_, user| user.strong_count() > 0);
        let user = Arc::new(User {
            connections: Arc::new(Semaphore::new(self.limits.connections_of_user)),
            calls: Arc::new(Semaphore::new(self.limits.calls_of_user)),
        });
        users.insert(uid, Arc::downgrade(&user));
        user
    }

    /// Whether it is time to tell once more of something that was no request.
    pub(super) fn may_tell(&self, uid: u32, status: u16) -> bool {
        let now = Instant::now();
        let mut told = lock(&self.told);
        told.retain(|_, at| now.duration_since(*at) < TELL_EVERY);
        let mut first = false;
        told.entry((uid, status)).or_insert_with(|| {
            first = true;
            now
        });
        first
    }
}

impl Seat {
    /// Waits for the user's turn. Turns are given in the order of asking; none if there are no more.
    pub(super) async fn turn(&self) -> Option<Turn> {
        let permit = Arc::clone(&self.user.calls).acquire_owned().await.ok()?;
        Some(Turn {
            _permit: permit,
            _user: Arc::clone(&self.user),
        })
    }
}

/// A panic elsewhere leaves nothing half done in what is locked here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn quotas() -> Quotas {
        Quotas::new(Limits {
            connections: 3,
            connections_of_user: 2,
            calls_of_user: 1,
            ..Limits::default()
        })
    }

    #[test]
    fn one_user_leaves_room_for_others_and_root_gets_in() {
        let quotas = quotas();
        let first = quotas.seat(7);
        let second = quotas.seat(7);
        assert!(first.is_some() && second.is_some());
        assert!(quotas.seat(7).is_none(), "no third one");
        let other = quotas.seat(8);
        assert!(other.is_some());
        assert!(quotas.seat(8).is_none(), "all are taken");
        assert!(quotas.seat(0).is_some());
        drop(first);
        assert!(quotas.seat(8).is_some());
    }

    #[test]
    fn calls_are_counted_when_their_connection_is_gone() {
        let quotas = quotas();
        let seat = quotas.seat(7).unwrap();
        let turn = seat.turn().now_or_never().unwrap();
        drop(seat);
        let back = quotas.seat(7).unwrap();
        assert!(back.turn().now_or_never().is_none(), "the call still runs");
        drop(turn);
        assert!(back.turn().now_or_never().is_some());
        drop(back);
        drop(quotas.seat(8));
        assert_eq!(lock(&quotas.users).len(), 1, "who is gone is forgotten");
    }

    #[test]
    fn noise_is_told_once_a_second() {
        let quotas = quotas();
        assert!(quotas.may_tell(7, 503));
        assert!(!quotas.may_tell(7, 503));
        assert!(quotas.may_tell(7, 400));
        assert!(quotas.may_tell(8, 503));
    }
}
