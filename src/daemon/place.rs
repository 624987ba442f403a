//! Where the daemon restores to for somebody else.
//!
//! It writes as root. So a place is taken from a caller who is not root only where nobody but root (or
//! whoever the daemon runs as) can exchange a directory on the way while it writes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::actions::Action;
use crate::error::{Failure, FailureKind, Outcome};

/// Checks the place that an action writes to.
///
/// # Errors
/// `Usage` when the path is relative: the daemon stands elsewhere than the caller. `Refused` when
/// others could exchange a directory on the way.
pub fn check(action: &Action, uid: u32) -> Outcome<()> {
    let to = match action {
        Action::Restore(wanted) => wanted.to.as_deref(),
        Action::CustomerRestore(wanted) => wanted.to.as_deref(),
        _ => None,
    };
    let Some(to) = to else {
        return Ok(());
    };
    if !to.is_absolute() {
        let what = format!("{} is not an absolute path", to.display());
        return Err(
            Failure::of(FailureKind::Usage, what).hint("the daemon stands in another directory")
        );
    }
    if uid == 0 || is_ours_all_the_way(to) {
        return Ok(());
    }
    let what = "others could exchange a directory on the way there";
    Err(Failure::of(FailureKind::Refused, what)
        .hint("name a directory below one that is root's alone, or let root restore"))
}

/// Whether every directory down to a place belongs to root or to this process, and nobody else may
/// exchange what is in it. What is not there yet will be ours.
fn is_ours_all_the_way(to: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    to.ancestors()
        .all(|place| match fs::symlink_metadata(place) {
            Ok(meta) => {
                let is_sticky = meta.mode() & 0o1000 != 0;
                let is_closed = meta.mode() & 0o022 == 0 || is_sticky;
                meta.is_dir() && is_closed && (meta.uid() == 0 || meta.uid() == own)
            }
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::actions::params::Restore;

    #[test]
    fn a_place_that_others_can_exchange_is_refused_unless_root_asks() {
        let restore = |to: &Path| {
            Action::Restore(Restore {
                to: Some(to.to_owned()),
                ..Restore::default()
            })
        };
        let kind = |to: &Path, uid| check(&restore(to), uid).err().map(|failure| failure.kind());
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("open/new");
        assert_eq!(kind(Path::new("new"), 0), Some(FailureKind::Usage));
        assert_eq!(kind(&new, 1000), None);
        fs::create_dir(dir.path().join("open")).unwrap();
        fs::set_permissions(dir.path().join("open"), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(kind(&new, 1000), Some(FailureKind::Refused));
        assert_eq!(kind(&new, 0), None);
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        assert_eq!(
            kind(&dir.path().join("link/new"), 1000),
            Some(FailureKind::Refused)
        );
    }
}
