//! Installs the program where a service manager and people find it: the binary, the units, the groups,
//! the directories, a configuration to read, manual pages and completions.
//!
//! Everything that is installed is of this version, and is replaced by the next one; but a file under
//! `/etc` that is not as we would write it is somebody's work, and stays. So all can be repeated.
//!
//! Below `/usr` and `/usr/local` systemd reads `lib/`; for any other prefix units and groups go
//! to `/etc`. With a root other than `/` (a package being built, an image) files are written and nothing
//! is run.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx::{self, FileError};

/// Where the units expect the binary; replaced when it is installed elsewhere.
const BINARY: &str = "/usr/local/bin/tenure";
/// The configuration that the service reads.
const CONFIG: &str = "/etc/tenure/tenure.toml";

/// What systemd reads, by its place below `lib/` or `/etc`.
const UNITS: [(&str, &str); 4] = [
    (
        "systemd/system/tenured.service",
        include_str!("../systemd/tenured.service"),
    ),
    (
        "systemd/system/tenured.socket",
        include_str!("../systemd/tenured.socket"),
    ),
    (
        "sysusers.d/tenure.conf",
        include_str!("../systemd/sysusers.d/tenure.conf"),
    ),
    (
        "tmpfiles.d/tenure.conf",
        include_str!("../systemd/tmpfiles.d/tenure.conf"),
    ),
];

/// The configuration to read and to copy from.
const SAMPLE: (&str, &str) = (
    "share/doc/tenure/tenure.toml",
    include_str!("../config/tenure.toml"),
);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Below what everything goes, absolute; usually `/usr/local`.
    pub prefix: PathBuf,
    /// Below what `/` is meant; none: the system that runs.
    pub root: Option<PathBuf>,
    /// Whether to look only.
    pub dry_run: bool,
    /// Manual pages and completions, by their place below the prefix.
    pub documents: Vec<(PathBuf, String)>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was written, or would be.
    Written,
    /// It was as it should be.
    Same,
    /// Somebody has changed it, and it stays as it is.
    Kept,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    /// The files, as they are named below the root.
    pub files: Vec<(PathBuf, Fate)>,
    /// The commands that were run, or would be.
    pub ran: Vec<String>,
    /// What a person must see.
    pub warnings: Vec<String>,
    /// The commands that come next.
    pub next: Vec<String>,
}

/// Installs everything.
///
/// # Errors
/// `Usage` if the prefix or the root cannot be used. Otherwise what could not be written, or which program of
/// systemd has failed.
pub fn run(wanted: &Wanted) -> Outcome<Installed> {
    check_paths(wanted)?;
    let mut installed = Installed::default();
    write_all(wanted, &mut installed).map_err(|failure| match wanted.root {
        None if !rustix::process::geteuid().is_root() => {
            failure.hint("run it as root, or see with --dry-run what it would do")
        }
        _ => failure,
    })?;
    if wanted.root.is_none() {
        tell_systemd(wanted, &mut installed)?;
        installed.next = next(&installed);
    }
    Ok(installed)
}

fn check_paths(wanted: &Wanted) -> Outcome<()> {
    let refused = |path: &Path, why: &str| {
        let what = format!("{} {why}", path.display());
        Err(Failure::of(FailureKind::Usage, what))
    };
    for path in std::iter::once(&wanted.prefix).chain(&wanted.root) {
        if !path.is_absolute() {
            return refused(path, "is not an absolute path");
        }
    }
    // A unit gives a meaning of its own to quotes, spaces, dollars and percents.
    let plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    match wanted.prefix.to_str() {
        Some(prefix) if prefix.chars().all(plain) => Ok(()),
        _ => refused(
            &wanted.prefix,
            "has letters that cannot stand in a unit file",
        ),
    }
}

fn write_all(wanted: &Wanted, installed: &mut Installed) -> Outcome<()> {
    let binary = wanted.prefix.join("bin/tenure");
    let shown = binary.display().to_string();
    let own = std::env::current_exe().map_err(FileError::new("find", Path::new("this program")))?;
    let own = fs::read(&own).map_err(FileError::new("read", &own))?;
    installed.put(wanted, binary, &own, 0o755)?;
    for (place, text) in UNITS {
        let path = unit_dir(&wanted.prefix).join(place);
        installed.put(wanted, path, text.replace(BINARY, &shown).as_bytes(), 0o644)?;
    }
    installed.put(
        wanted,
        wanted.prefix.join(SAMPLE.0),
        SAMPLE.1.as_bytes(),
        0o644,
    )?;
    for (place, text) in &wanted.documents {
        installed.put(wanted, wanted.prefix.join(place), text.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// Where systemd looks for what belongs to a prefix.
fn unit_dir(prefix: &Path) -> PathBuf {
    let looks = ["/usr", "/usr/local"]
        .iter()
        .any(|known| prefix == Path::new(known));
    if looks {
        prefix.join("lib")
    } else {
        PathBuf::from("/etc")
    }
}

impl Installed {
    /// Puts a file where it belongs, unless it is there, or somebody's own is.
    fn put(&mut self, wanted: &Wanted, path: PathBuf, bytes: &[u8], mode: u32) -> Outcome<()> {
        let to = match &wanted.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(&path)),
            None => path.clone(),
        };
        let there = fs::metadata(&to).ok();
        let same = there.is_some() && fs::read(&to).map_err(FileError::new("read", &to))? == bytes;
        let fate = match there {
            Some(_) if !same && path.starts_with("/etc") => Fate::Kept,
            Some(there) if same && there.mode() & 0o7777 == mode => Fate::Same,
            _ => Fate::Written,
        };
        if fate == Fate::Kept {
            self.warnings.push(format!(
                "{} is not as this version writes it, and stays: put what is yours into a drop-in \
                 (`systemctl edit`), remove it, and install again",
                path.display()
            ));
        }
        if fate == Fate::Written && !wanted.dry_run {
            create_dir(to.parent().unwrap_or(Path::new("/")))?;
            fsx::write_for(&to, bytes, mode)?;
        }
        self.files.push((path, fate));
        Ok(())
    }
}

/// Makes a directory and its parents for everybody to look into, whatever the umask.
fn create_dir(path: &Path) -> Outcome<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_dir(parent)?;
    }
    let made = fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)));
    Ok(made.map_err(FileError::new("create", path))?)
}

/// Makes groups and directories, and has the units read, where there are the programs for it.
fn tell_systemd(wanted: &Wanted, installed: &mut Installed) -> Outcome<()> {
    let units = unit_dir(&wanted.prefix);
    let file = |kind: &str| units.join(kind).join("tenure.conf").display().to_string();
    let (groups, places) = (file("sysusers.d"), file("tmpfiles.d"));
    let mut steps = vec![
        vec!["systemd-sysusers", &groups],
        vec!["systemd-tmpfiles", "--create", &places],
    ];
    if sd_notify::booted().unwrap_or(false) {
        steps.push(vec!["systemctl", "daemon-reload"]);
    } else {
        let what = "systemd does not run here: it reads the units when it starts";
        installed.warnings.push(what.to_owned());
    }
    for step in steps {
        let line = step.join(" ");
        if wanted.dry_run || call(&step).failed_to(|| format!("run `{line}`"))? {
            installed.ran.push(line);
        } else {
            let what = format!(
                "there is no {} here: do by hand what `{line}` would",
                step[0]
            );
            installed.warnings.push(what);
        }
    }
    Ok(())
}

/// Runs a program; `false` if there is none of that name.
fn call(step: &[&str]) -> Outcome<bool> {
    let ran = Command::new(step[0])
        .args(&step[1..])
        .stdin(Stdio::null())
        .output();
    match ran {
        Ok(output) if output.status.success() => Ok(true),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Failure::new(format!("it ended with {}", output.status)).because(said))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::new("it cannot be started").because(error)),
    }
}

/// What a person does next on the system that runs.
fn next(installed: &Installed) -> Vec<String> {
    let is_configured = Path::new(CONFIG).exists();
    let is_new = installed
        .files
        .iter()
        .any(|(_, fate)| *fate == Fate::Written);
    let mut next = Vec::new();
    if !is_configured {
        next.push("tenure init --register sqlite:PATH#TABLE.KEY --store URL");
    }
    next.push("systemctl enable --now tenured.socket tenured.service");
    if is_configured && is_new {
        next.push("systemctl try-restart tenured.service");
    }
    next.into_iter().map(str::to_owned).collect()
}
