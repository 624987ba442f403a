//! What `init` does: looks at the database, writes a first configuration, makes the keys, and opens
//! the stores.
//!
//! Everything that can be checked is checked before anything is written, and what a failure leaves
//! is taken back, so that the next try finds things as the first one did. The configuration comes
//! last: with it the repository can be used.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::config::Config;
use crate::config::write::{Draft, DraftShared, render};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::init::{self, Root};
use crate::keyring::recovery::{Identity, Recipient};
use crate::repo::Repository;
use crate::repo::state::StateDir;
use crate::sign::VerifyKey;

mod draft;
pub mod spec;
mod undo;
mod zone;

use draft::Planned;
use spec::{RegisterSpec, StoreSpec};
use undo::Undo;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where the configuration is to be.
    pub config: PathBuf,
    /// The register, and the database that holds it.
    pub register: RegisterSpec,
    /// The stores. Not empty.
    pub stores: Vec<StoreSpec>,
    /// Who can recover; with nobody named, an identity is made.
    pub recipients: Vec<String>,
    /// Whether a configuration that is there is replaced. Keys never are.
    pub force: bool,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The configuration.
    pub config: PathBuf,
    /// The repository's fingerprint.
    pub fingerprint: VerifyKey,
    /// Who can recover.
    pub recipients: Vec<String>,
    /// The file with the recovery identity, if one was made: to be taken offline.
    pub recovery_key: Option<PathBuf>,
    /// The stores by name and URL.
    pub stores: Vec<(String, String)>,
    /// Whether the repository is new; else the configuration alone was replaced.
    pub is_new: bool,
    /// Tables that belong to customers, each with the path in words.
    pub owned: Vec<(String, String)>,
    /// Tables that the configuration lists as shared, for a person to read.
    pub shared: Vec<String>,
    /// What a person should settle or look at, in words.
    pub notes: Vec<String>,
}

/// Makes a repository, or replaces the configuration of one.
///
/// # Errors
/// `Usage` when something asked for cannot be; `Refused` when there is a configuration, or when the
/// state directory or a store holds a repository.
pub fn run(wanted: &Wanted, runtime: &Handle) -> Outcome<Made> {
    let path =
        std::path::absolute(&wanted.config).map_err(fsx::FileError::new("find", &wanted.config))?;
    if path.exists() && !wanted.force {
        let what = format!("{} is there already", path.display());
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("--force replaces the configuration alone, never keys"));
    }
    let planned = Planned::new(wanted, &path)?;
    let state = StateDir::new(Path::new(&planned.draft.state_dir));
    if wanted.force && state.is_initialised() {
        replace(wanted, &path, planned, runtime)
    } else {
        make(wanted, &path, planned, runtime)
    }
}

/// Makes everything.
fn make(wanted: &Wanted, path: &Path, mut planned: Planned, runtime: &Handle) -> Outcome<Made> {
    let identity = match wanted.recipients.as_slice() {
        [] => Some((Identity::generate(), recovery_key(path)?)),
        _ => None,
    };
    planned.draft.recipients = match &identity {
        Some((identity, _)) => vec![identity.recipient().to_string()],
        None => recipients(&wanted.recipients)?,
    };
    let (text, config) = understood(path, &mut planned)?;
    init::check_vacant(&config, runtime)?;
    let root = Root::make()?;
    undo::clear(&config.state_dir)?;
    let mut undo = Undo::new(&config, path);
    let planned_for = config.clone();
    let made = || -> Outcome<Repository> {
        for file in [path, &config.host_key] {
            fsx::create_dir(file.parent().unwrap_or(Path::new("/")))?;
        }
        if let Some((identity, to)) = &identity {
            undo.made(to);
            fsx::write(to, identity.to_file(&root.fingerprint()).as_bytes())?;
        }
        let mut repository = init::run(config, &root, runtime)?;
        if let Some((name, failure)) = repository.absent.pop_first() {
            return Err(failure).failed_to(|| format!("open store {:?}", name.as_str()));
        }
        fsx::write(path, text.as_bytes())?;
        Ok(repository)
    };
    match made().failed_to(|| "make the repository") {
        Ok(repository) => {
            let recovery_key = identity.map(|(_, path)| path);
            Ok(told(path, planned, &repository, recovery_key, true))
        }
        Err(failure) => {
            undo::withdraw(&planned_for, runtime);
            undo.run();
            Err(failure)
        }
    }
}

/// Replaces the configuration, and nothing else.
fn replace(wanted: &Wanted, path: &Path, mut planned: Planned, runtime: &Handle) -> Outcome<Made> {
    // Any recipient will do for finding out who the recipients are.
    planned.draft.recipients = vec![Identity::generate().recipient().to_string()];
    let (_, config) = understood(path, &mut planned)?;
    let repository = Repository::read(config, runtime)?;
    planned.draft.recipients = repository
        .recipients()?
        .iter()
        .map(ToString::to_string)
        .collect();
    if recipients(&wanted.recipients)?
        .iter()
        .any(|named| !planned.draft.recipients.contains(named))
    {
        let what = "the repository has other recipients, and --force never changes keys";
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("leave --recipient out, and then use `tenure keys recipients add`"));
    }
    let (text, _) = understood(path, &mut planned)?;
    fsx::write(path, text.as_bytes())?;
    Ok(told(path, planned, &repository, None, false))
}

fn told(
    path: &Path,
    planned: Planned,
    repository: &Repository,
    recovery_key: Option<PathBuf>,
    is_new: bool,
) -> Made {
    let stores = repository.config.stores.iter();
    let source = planned.draft.sources.into_iter().next();
    let (owned, listed, mut notes) = source.map_or_else(Default::default, |source| {
        (source.owned, source.shared, source.notes)
    });
    let remarks = listed.iter().flat_map(|DraftShared { table, remarks }| {
        let about = move |remark: &String| format!("{table}: {remark}");
        remarks.iter().map(about)
    });
    notes.extend(remarks);
    Made {
        config: path.to_owned(),
        fingerprint: repository.fingerprint,
        recipients: planned.draft.recipients,
        recovery_key,
        stores: stores
            .map(|store| (store.name.to_string(), store.address()))
            .collect(),
        is_new,
        owned,
        shared: listed.into_iter().map(|shared| shared.table).collect(),
        notes,
    }
}

fn recipients(texts: &[String]) -> Outcome<Vec<String>> {
    let read = |text: &String| match Recipient::parse(text) {
        Ok(recipient) => Ok(recipient.to_string()),
        Err(error) => Err(Failure::of(FailureKind::Usage, error.to_string())),
    };
    texts.iter().map(read).collect()
}

/// The configuration as text and as it is understood, checked against the disk and the database.
fn understood(path: &Path, planned: &mut Planned) -> Outcome<(String, Config)> {
    let config = parsed(path, &planned.draft)?;
    planned.look_again(&config)?;
    let config = parsed(path, &planned.draft)?;
    config.check_files()?;
    Ok((config.text().to_owned(), config))
}

fn parsed(path: &Path, draft: &Draft) -> Outcome<Config> {
    Ok(Config::parse(path, &render(draft))?)
}

/// Where the recovery identity is written: beside the configuration.
///
/// # Errors
/// `Refused` when a file is there: it may be the only copy of another identity.
fn recovery_key(config: &Path) -> Outcome<PathBuf> {
    let path = config.with_file_name("recovery.key");
    if fs::symlink_metadata(&path).is_err() {
        return Ok(path);
    }
    let what = format!("{} is there already", path.display());
    Err(Failure::of(FailureKind::Refused, what).hint(
        "it may be the only copy of a recovery identity: put it where it is kept safe, or name \
         its recipient with --recipient",
    ))
}
