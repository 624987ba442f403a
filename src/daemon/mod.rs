//! The daemon: keeps the schedule, and answers on the socket.
//!
//! ```text
//! tick (each minute) ─┐
//! due time            ├─▶ wake ─▶ planner: what is due? ─▶ worker: one job at a time ─▶ actions
//! changed files       │                                      ▲
//! a job has ended   ──┘                       socket ────────┘
//! ```
//!
//! Whatever wakes it says nothing of what is to be done: that is read from the state. So a tick that
//! comes twice, late or never does no harm, and after a crash the next look finds what is left.
//!
//! **Invariant:** one thread changes things. Reads are always answered.
//! **Invariant:** that a due time is spent stands in the catalog before the work begins.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::actions::text;
use crate::admin::{self, Limits, Listener};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::repo::state::StateDir;

mod job;
mod log;
mod openapi;
mod place;
mod service;
mod systemd;
mod tasks;
mod watching;
pub mod wire;
mod worker;

use service::Admin;
use tasks::Tasks;
use watching::{Seen, Watching};
use worker::Worker;

/// How long a job that runs is waited for when the daemon is told to stop; what is cut off then is
/// finished at the next start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a file that is saved in place may be half written.
const HALF_WRITTEN: Duration = Duration::from_millis(250);

/// Runs until it is told to stop.
///
/// # Errors
/// When it cannot start, or the socket fails.
pub fn run(path: &Path, runtime: &Handle) -> Outcome<()> {
    log::start();
    runtime.block_on(serve(path))
}

async fn serve(path: &Path) -> Outcome<()> {
    let path = std::path::absolute(path).map_err(fsx::FileError::new("find", path))?;
    let config = Arc::new(Config::load(&path)?);
    let state = StateDir::new(&config.state_dir);
    state.identity()?;
    // Two daemons would both keep the schedule.
    let _only = only_one(&state)?;
    let mut daemon = Daemon::start(&path, config)?;
    let listener = match &daemon.admin.config().admin {
        Some(admin) => Some(Listener::open(&admin.socket)?),
        None => None,
    };
    let (stop, stopping) = watch::channel(false);
    let serving = listener.map(|listener| {
        let service = Arc::clone(&daemon.admin);
        tokio::spawn(admin::serve(listener, service, Limits::default(), stopping))
    });
    systemd::ready();
    tracing::info!("ready");
    let ended = daemon.keep(serving.is_some()).await;
    systemd::stopping();
    tracing::info!("stopping");
    let worker = Arc::clone(&daemon.admin.worker);
    let in_time = tokio::task::spawn_blocking(move || worker.stop(PATIENCE)).await;
    if !matches!(in_time, Ok(true)) {
        tracing::warn!("what runs is cut off; the next start finishes it");
    }
    // Callers have had their answers by now; the socket goes last.
    let _ = stop.send(true);
    if let Some(serving) = serving {
        let served = serving.await;
        served
            .map_err(|error| Failure::new("the socket's task has failed").because(error))?
            .failed_to(|| "answer on the socket")?;
    }
    ended
}

/// Takes the daemon's own lock, which it keeps as long as it lives.
fn only_one(state: &StateDir) -> Outcome<std::fs::File> {
    let lock = state.path().join("daemon.lock");
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock);
    let file = file.map_err(fsx::FileError::new("open", &lock))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            let what = format!("a daemon keeps {} already", state.path().display());
            Err(Failure::of(FailureKind::Refused, what).hint("`systemctl status tenured`"))
        }
    }
}

struct Daemon {
    admin: Arc<Admin>,
    tasks: Tasks,
    watching: Watching,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Daemon {
    fn start(path: &Path, config: Arc<Config>) -> Outcome<Self> {
        let admin = Arc::new(Admin {
            path: path.to_owned(),
            config: Arc::new(RwLock::new(Arc::clone(&config))),
            runtime: Handle::current(),
            worker: Worker::start()?,
        });
        let on =
            |kind| signal(kind).map_err(|error| Failure::new("cannot hear signals").because(error));
        Ok(Self {
            tasks: Tasks::start(&admin, Timestamp::now())?,
            watching: Watching::start(path, &config)?,
            hangup: on(SignalKind::hangup())?,
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            admin,
        })
    }

    /// Does what is due, and sleeps until something may be.
    async fn keep(&mut self, has_socket: bool) -> Outcome<()> {
        if !has_socket {
            tracing::warn!("no socket: there is no [admin] in the configuration");
        }
        let wake = self.tasks.waker();
        let _ticking = tasks::ticking(&wake).await?;
        let mut watchdog = systemd::Watchdog::new(Arc::clone(&self.admin.worker));
        loop {
            let now = Timestamp::now();
            if let Err(failure) = self.tasks.look(now) {
                tracing::error!("cannot look at what is due: {}", text::reasons(&failure));
            }
            systemd::status(&self.tasks.summary(now));
            let sleep = self.tasks.wait(now).min(watchdog.interval());
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
                seen = self.watching.next() => self.seen(seen).await,
                _ = self.hangup.recv() => self.reload(),
                _ = self.terminate.recv() => return Ok(()),
                _ = self.interrupt.recv() => return Ok(()),
            }
            watchdog.feed();
        }
    }

    /// Something has changed on the disk.
    async fn seen(&mut self, seen: Seen) {
        match seen {
            Seen::Configuration => {
                tokio::time::sleep(HALF_WRITTEN).await;
                self.reload();
            }
            Seen::Source(name, quiet) => self.tasks.changed(name, quiet, Timestamp::now()),
        }
    }

    /// Takes a changed configuration over, or says why not and goes on with the one before.
    fn reload(&mut self) {
        systemd::reloading();
        let loaded = Config::load(&self.admin.path).map_err(Failure::from);
        let taken = loaded.and_then(|config| self.take(Arc::new(config)));
        match taken {
            Ok(true) => tracing::info!("the changed configuration is in force"),
            Ok(false) => {}
            Err(failure) => tracing::error!(
                "the changed configuration is refused, the one before stays in force: {}",
                text::reasons(&failure)
            ),
        }
        systemd::ready();
    }

    fn take(&mut self, config: Arc<Config>) -> Outcome<bool> {
        let before = self.admin.config();
        if before.text() == config.text() {
            return Ok(false);
        }
        let socket = |config: &Config| config.admin.as_ref().map(|admin| admin.socket.clone());
        if before.state_dir != config.state_dir || socket(&before) != socket(&config) {
            let what = "another state directory or socket needs a restart";
            return Err(Failure::new(what).hint("`systemctl restart tenured`"));
        }
        self.watching = Watching::start(&self.admin.path, &config)?;
        self.tasks.reload(&config, Timestamp::now());
        let mut in_force = self
            .admin
            .config
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *in_force = config;
        Ok(true)
    }
}
