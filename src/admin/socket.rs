//! The socket that the daemon listens on: handed over by the service manager, or made here.
//!
//! Who may do what is decided by [roles](super::roles), for each call. The socket's own mode is a
//! second wall before that one: only root and the group `tenure` get as far as asking. Where there is
//! no such group, or we may not give files to it, it is the daemon's own user alone. A socket from
//! systemd has the mode and the group that its unit says.
//!
//! At no moment is the socket there with wider rights than in the end: it is made under another name
//! with rights for its owner alone, gets its group and mode, begins to listen, and only then takes its
//! name. That also replaces what a daemon that was killed has left, in one step.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx::FileError;

/// The group whose members get as far as asking.
pub const DOOR: &str = "tenure";
/// How many may wait to be taken in. They are taken in at once, but one who connects in a loop must not
/// fill the queue meanwhile: whoever does not wait, such as `curl`, would be refused. The kernel allows
/// this much by default; a socket from systemd has its unit's `Backlog=`.
const BACKLOG: i32 = 4096;

/// A socket that listens. One that was made here is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    made: Option<Made>,
}

/// The file of a socket that was made here. Dropped, it is removed, if it is still the same.
#[derive(Debug)]
pub(super) struct Made {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for Made {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|id| id == self.id) {
            // There is nobody left to tell; the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// The socket that systemd hands over, or else a new one at `path`.
    ///
    /// # Errors
    /// If systemd hands over anything but the one socket of that path; if something other than a dead
    /// socket stands there; if others could replace it; if it cannot be made.
    pub fn open(path: &Path) -> Outcome<Self> {
        match handed_over(path)? {
            Some(socket) => Ok(Self { socket, made: None }),
            None => make(path).failed_to(|| format!("make the admin socket {}", path.display())),
        }
    }

    /// Whether systemd has handed it over, and keeps it when we stop.
    pub fn is_handed_over(&self) -> bool {
        self.made.is_none()
    }

    pub(super) fn into_parts(self) -> (UnixListener, Option<Made>) {
        (self.socket, self.made)
    }
}

/// The socket that systemd has opened for us, if it has. The first call gets it.
fn handed_over(path: &Path) -> Outcome<Option<UnixListener>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let failed = |why: String| {
        let hint = "tenured.socket needs one `ListenStream=`, the path that `[admin] socket` has";
        Err(Failure::of(FailureKind::Usage, why).hint(hint))
    };
    let sockets: Vec<RawFd> = match sd_notify::listen_fds() {
        Ok(sockets) => sockets.collect(),
        Err(error) => return failed(format!("cannot take the socket from systemd: {error}")),
    };
    let number = match sockets[..] {
        [] => return Ok(None),
        [number] => number,
        _ => return failed(format!("systemd hands over {} sockets", sockets.len())),
    };
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(None);
    }
    #[allow(
        unsafe_code,
        reason = "a file that another process has opened for us comes as a number"
    )]
    // SAFETY: LISTEN_PID, which is us, and LISTEN_FDS say that the service manager has opened this
    // number for this process before it began, and `listen_fds` has just set a flag on it, so it is
    // open. Nothing else here closes what it has not opened, and TAKEN lets us own it only once.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    let listens = matches!(socket_domain(&socket), Ok(AddressFamily::UNIX))
        && matches!(socket_type(&socket), Ok(SocketType::STREAM))
        && matches!(socket_acceptconn(&socket), Ok(true));
    let socket = UnixListener::from(socket);
    let address = socket.local_addr().ok();
    let address = address.as_ref().and_then(|address| address.as_pathname());
    let Some(address) = address.filter(|_| listens) else {
        return failed(
            "systemd hands over something that is not a listening Unix socket".to_owned(),
        );
    };
    // The same file, by whatever way.
    if !matches!((identity(address), identity(path)), (Ok(a), Ok(b)) if a == b) {
        let (theirs, ours) = (address.display(), path.display());
        return failed(format!(
            "systemd listens on {theirs}, and the configuration says {ours}"
        ));
    }
    let nonblocking = socket.set_nonblocking(true);
    nonblocking.map_err(|error| Failure::new("cannot use the socket of systemd").because(error))?;
    Ok(Some(socket))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn make(path: &Path) -> Outcome<Listener> {
    prepare_directory(path)?;
    make_way(path)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    make_way(fresh)?;
    let _ = fs::remove_file(fresh);

    let socket = bind_closed(fresh)?;
    let made = Made {
        path: path.to_owned(),
        id: identity(fresh).map_err(FileError::new("look at", fresh))?,
    };
    let opened = open_door(fresh)
        .and_then(|()| Ok(listen(&socket, BACKLOG)?))
        .and_then(|()| fs::rename(fresh, path));
    if let Err(error) = opened {
        let _ = fs::remove_file(fresh);
        return Err(FileError::new("open", path)(error).into());
    }
    Ok(Listener {
        socket: socket.into(),
        made: Some(made),
    })
}

/// A socket at `path` that only its owner can speak to, and that does not listen yet.
fn bind_closed(path: &Path) -> Outcome<OwnedFd> {
    let address = SocketAddrUnix::new(path).map_err(|error| {
        let hint = "the path of a Unix socket has at most 107 bytes: choose a shorter one";
        Failure::from(FileError::new("bind", path)(error.into())).hint(hint)
    })?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let bound =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).and_then(|socket| {
            // On Linux the file gets the mode of the socket, less the umask. The umask itself belongs to
            // the whole process: changing it would change what other threads write.
            fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
            bind(&socket, &address)?;
            Ok(socket)
        });
    Ok(bound.map_err(|error| FileError::new("bind", path)(error.into()))?)
}

/// Lets the group in, if there is one and we may.
fn open_door(path: &Path) -> io::Result<()> {
    let Some(group) = uzers::get_group_by_name(DOOR) else {
        return Ok(());
    };
    match chown(path, None, Some(group.gid())) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o660)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// The directory is there, and not everybody can put another socket into it.
fn prepare_directory(path: &Path) -> Outcome<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(FileError::new("create", directory))?,
    }
    let metadata = fs::metadata(directory).map_err(FileError::new("look at", directory))?;
    let (everybody, sticky) = (0o002, 0o1000);
    if metadata.mode() & everybody != 0 && metadata.mode() & sticky == 0 {
        let what = format!("everybody can replace what is in {}", directory.display());
        let hint = format!("chmod o-w {}", directory.display());
        return Err(Failure::of(FailureKind::Refused, what).hint(hint));
    }
    Ok(())
}

/// What stands at `path` may be replaced: nothing, or a socket that nobody listens on.
fn make_way(path: &Path) -> Outcome<()> {
    let refused =
        |what: String, hint: &str| Err(Failure::of(FailureKind::Refused, what).hint(hint));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::new("look at", path)(error).into()),
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => {
            let what = format!("{} is not a socket", path.display());
            return refused(what, "move it away, or choose another `[admin] socket`");
        }
    }
    match knock(path) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        // A daemon whose backlog is full is one as well.
        Ok(()) | Err(Errno::AGAIN) => {
            let what = format!("another daemon answers at {}", path.display());
            refused(
                what,
                "stop it first: `systemctl stop tenured`, or look who holds it with `ss -xlp`",
            )
        }
        Err(error) => Err(FileError::new("try", path)(error.into()).into()),
    }
}

fn knock(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_born_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _socket = bind_closed(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(
            knock(&path),
            Err(Errno::CONNREFUSED),
            "it does not listen yet"
        );
    }

    #[test]
    fn a_path_that_is_too_long_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let failure = Listener::open(&dir.path().join("x".repeat(110))).unwrap_err();
        assert!(
            failure.next_step().unwrap().contains("107 bytes"),
            "{failure:?}"
        );
    }
}
