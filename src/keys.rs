//! Who can recover: proves that an identity does, and changes who it is.
//!
//! The root's file `root.age` can only be encrypted anew by somebody who can open it, which nobody
//! on this host can. So a change of recipients has two halves. The keyring's half is a journal entry
//! and what follows from it, as for an erasure: the next epoch is encrypted to the new recipients
//! and all older ones are destroyed. The root's half needs a recovery identity; without one it is
//! named as pending, and can be done later.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, slice};

use zeroize::Zeroizing;

use crate::catalog::Proof;
use crate::certificate;
use crate::clock::Timestamp;
use crate::config::{self, Config};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx::{self, FileError};
use crate::ids::{ObjectName, StoreName};
use crate::journal::Event;
use crate::keyring::recovery::{self, Identity, Recipient};
use crate::keyring::{Keyring, file};
use crate::repo::{ROOT_HASH, Repository, Settled};
use crate::sign::SigningKey;
use crate::store::Store;

/// No identity file and no root is longer.
const SMALL: u64 = 1 << 20;
/// The catalog's note of whom `root.age` is encrypted to, once that may differ from the keyring.
const ROOT_RECIPIENTS: &str = "root_recipients";

/// What a proof has shown.
#[derive(Debug)]
pub struct Proved {
    /// Every store of the configuration was opened with an identity of the file.
    pub ok: bool,
    /// Whose identities were in the file and opened root and keyring of a store.
    pub recipients: Vec<String>,
    /// Each configured store, and what is wrong with it if something is.
    pub stores: Vec<(StoreName, Option<Failure>)>,
}

/// Opens the root and the newest keyring of every store with the identities of a file, compares
/// them with what this host has, and notes whose identity has worked.
///
/// # Errors
/// When the file cannot be read or holds no identity. An identity that opens nothing is no error:
/// the result names each store.
pub fn prove(repository: &mut Repository, identity_file: &Path) -> Outcome<Proved> {
    let identities = read_identities(identity_file)?;
    let path = fs::canonicalize(identity_file).map_err(FileError::new("look at", identity_file))?;
    let mut worked = BTreeSet::new();
    let mut stores = Vec::new();
    for configured in &repository.config.stores {
        let opened = repository
            .store(&configured.name)
            .and_then(|store| open_store(repository, store, &identities));
        let failure = match opened {
            Ok(recipients) => {
                // A store without a keyring shows nothing of who can recover.
                worked.extend(recipients.into_iter().filter(|_| configured.keys));
                None
            }
            Err(failure) => Some(failure),
        };
        stores.push((configured.name.clone(), failure));
    }
    let (time, file) = (Timestamp::now(), path.to_string_lossy().into_owned());
    repository.catalog.change(|change| -> Outcome<()> {
        for recipient in &worked {
            let (recipient, file) = (recipient.clone(), file.clone());
            change.add_proof(&Proof {
                recipient,
                time,
                file,
            })?;
        }
        Ok(())
    })?;
    Ok(Proved {
        ok: !worked.is_empty() && stores.iter().all(|(_, failure)| failure.is_none()),
        recipients: worked.into_iter().collect(),
        stores,
    })
}

fn read_identities(path: &Path) -> Outcome<Vec<Identity>> {
    let read = || -> Outcome<Vec<Identity>> {
        let bytes = Zeroizing::new(fsx::read(path, SMALL)?);
        Ok(recovery::identities(&String::from_utf8_lossy(&bytes))?)
    };
    read().map_err(|cause| {
        let what = format!("{} cannot be used as an identity file", path.display());
        let hint = "an identity file has a line that begins with AGE-SECRET-KEY-1, such as the \
                    recovery.key that `tenure init` made";
        Failure::new(what).hint(hint).because(cause)
    })
}

/// The recipients whose identities open a store's root and newest keyring, at least one.
fn open_store(
    repository: &Repository,
    store: &Store,
    identities: &[Identity],
) -> Outcome<Vec<String>> {
    let root = store.get(certificate::ROOT, SMALL)?;
    let keyring = if store.holds_keys() {
        Some(newest_keyring(repository, store)?)
    } else {
        None
    };
    let (mut opened, mut failure) = (Vec::new(), None);
    for identity in identities {
        let identity_opens = || -> Outcome<()> {
            open_root(repository, &root, slice::from_ref(identity))
                .failed_to(|| format!("open {}", certificate::ROOT))?;
            if let Some(bytes) = &keyring {
                check_keyring(repository, bytes, slice::from_ref(identity))
                    .failed_to(|| format!("use {}", repository.keyring.path()))?;
            }
            Ok(())
        };
        match identity_opens() {
            Ok(()) => opened.push(identity.recipient().to_string()),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(failure) if opened.is_empty() => Err(failure),
        _ => Ok(opened),
    }
}

/// The keyring that somebody would find who has nothing but the store and an identity.
fn newest_keyring(repository: &Repository, store: &Store) -> Outcome<bytes::Bytes> {
    let listed = store.list("keyring")?;
    let epochs = listed.keys().filter_map(|path| file::parse_path(path));
    let newest = epochs
        .filter(|(inc, _)| *inc == repository.inc())
        .map(|(_, epoch)| epoch)
        .max();
    let current = repository.keyring.epoch;
    match newest {
        Some(epoch) if epoch == current => Ok(store.get(&repository.keyring.path(), file::MAX)?),
        Some(epoch) => {
            let what = format!("its newest keyring is of epoch {epoch}, and {current} is in force");
            Err(Failure::new(what))
        }
        None => Err(Failure::new("it holds no keyring")),
    }
}

fn open_root(
    repository: &Repository,
    sealed: &[u8],
    identities: &[Identity],
) -> Outcome<SigningKey> {
    let (repo, root) = certificate::decode_root(&recovery::decrypt(identities, sealed)?)?;
    if repo != repository.id() || root.verify_key() != repository.fingerprint {
        return Err(Failure::new("it is the root of another repository"));
    }
    Ok(root)
}

/// That a keyring is the one that this host has.
fn check_keyring(repository: &Repository, sealed: &[u8], identities: &[Identity]) -> Outcome<()> {
    let plain = recovery::decrypt(identities, sealed)?;
    let certificate = repository.certificate;
    let verify = |inc| (inc == certificate.inc).then_some(certificate.verify);
    Keyring::decode(&plain, repository.id(), &repository.fingerprint, verify)?;
    if plain != repository.keyring.encode(repository.writer()) {
        return Err(Failure::new("it is not the keyring that this host has"));
    }
    Ok(())
}

/// Who can recover.
pub fn recipients(repository: &Repository) -> Outcome<Vec<String>> {
    Ok(repository
        .recipients()?
        .iter()
        .map(ToString::to_string)
        .collect())
}

/// What is done to the list of recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more can recover.
    Add,
    /// One can no longer recover.
    Remove,
}

/// How a change of recipients went.
#[derive(Debug)]
pub struct Changed {
    /// Who can recover from here on.
    pub recipients: Vec<String>,
    /// What is not done yet, in words.
    pub pending: Vec<String>,
}

/// Changes who can recover. With an identity file `root.age` is encrypted anew as well; with one,
/// a change that was made before without it may be repeated, to do just that.
///
/// # Errors
/// When the recipient is none, is there already or is not there, is the last one, or when the
/// identity does not open `root.age`. In all these cases nothing has been changed.
pub fn change_recipients(
    repository: &mut Repository,
    change: Change,
    recipient: &str,
    identity_file: Option<&Path>,
) -> Outcome<Changed> {
    let before = recipients(repository)?;
    let noted = repository.catalog.note(ROOT_RECIPIENTS)?;
    let of_root = noted.map_or_else(|| before.clone(), |noted| words(&noted));
    let root_is_behind = !same(&of_root, &before);
    let after = changed(
        &before,
        change,
        recipient,
        root_is_behind && identity_file.is_some(),
    )?;
    let root = match identity_file {
        Some(path) => Some(own_root(repository, path)?),
        None => None,
    };
    let text = new_config(repository, &after)?;
    let mut pending = Vec::new();
    if !same(&before, &after) {
        let note = of_root.join(" ");
        repository
            .catalog
            .change(|change| change.set_note(ROOT_RECIPIENTS, &note))?;
        repository.decide(Event::Recipients {
            recipients: after.clone(),
        })?;
        let mut settled = Settled::default();
        repository.carry_out_decisions(&mut settled)?;
        for store in settled.pending {
            pending.push(format!(
                "store {store} may still hold a keyring for the former recipients"
            ));
        }
    }
    if let Err(failure) = write_config(repository, &text) {
        let path = repository.config.path().display();
        pending.push(format!(
            "{path} still names the former recipients: {failure}"
        ));
    }
    match root {
        Some(root) => pending.extend(replace_root(repository, &root, &after)?),
        None if same(&of_root, &after) => {}
        None => pending.push(format!(
            "{} still opens only for {}: run this again with --identity FILE",
            certificate::ROOT,
            of_root.join(", ")
        )),
    }
    Ok(Changed {
        recipients: after,
        pending,
    })
}

/// The list after the change. Where `repeats`, a change that was made before may be made again.
fn changed(
    before: &[String],
    change: Change,
    recipient: &str,
    repeats: bool,
) -> Outcome<Vec<String>> {
    let recipient = Recipient::parse(recipient)
        .map_err(|error| Failure::of(FailureKind::Usage, error.to_string()))?
        .to_string();
    let mut after = before.to_vec();
    match (change, after.contains(&recipient)) {
        (Change::Add, true) | (Change::Remove, false) if repeats => {}
        (Change::Add, true) => {
            let what = format!("{recipient} can recover already");
            return Err(Failure::of(FailureKind::Usage, what));
        }
        (Change::Remove, false) => {
            let what = format!("{recipient} is not among the recovery recipients");
            let hint = format!("recipients: {}", before.join(", "));
            return Err(Failure::of(FailureKind::NotFound, what).hint(hint));
        }
        (Change::Add, false) => after.push(recipient),
        (Change::Remove, true) if after.len() == 1 => {
            let what = format!("{recipient} is the last one who can recover");
            let hint = "add another recipient first: without one, a lost host is a lost backup";
            return Err(Failure::of(FailureKind::Refused, what).hint(hint));
        }
        (Change::Remove, true) => after.retain(|known| *known != recipient),
    }
    Ok(after)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn same(a: &[String], b: &[String]) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>()
}

/// The root, opened with the identities of a file, from this host's copy.
fn own_root(repository: &Repository, identity_file: &Path) -> Outcome<SigningKey> {
    let identities = read_identities(identity_file)?;
    let sealed = fsx::read(&repository.state.root(), SMALL)?;
    open_root(repository, &sealed, &identities).failed_to(|| {
        format!(
            "open {} with {}",
            certificate::ROOT,
            identity_file.display()
        )
    })
}

/// Encrypts the root to the new recipients, for this host and every store. Returns what is pending.
fn replace_root(
    repository: &mut Repository,
    root: &SigningKey,
    recipients: &[String],
) -> Outcome<Vec<String>> {
    let to: Vec<_> = recipients
        .iter()
        .map(|r| Recipient::parse(r))
        .collect::<Result<_, _>>()?;
    let plain = certificate::encode_root(repository.id(), root);
    let sealed = recovery::encrypt(&to, &plain)?;
    fsx::write(&repository.state.root(), &sealed)?;
    let hash = ObjectName::of(&sealed).to_string();
    repository.catalog.change(|change| -> Outcome<()> {
        change.set_note(ROOT_RECIPIENTS, &recipients.join(" "))?;
        Ok(change.set_note(ROOT_HASH, &hash)?)
    })?;
    let mut pending = Vec::new();
    let still = |store: &StoreName, why: &Failure| {
        format!(
            "store {store} still has the former {}: {why}",
            certificate::ROOT
        )
    };
    for (store, placed) in repository.place_root()? {
        if let Err(failure) = placed {
            pending.push(still(&store, &failure));
        }
    }
    pending.extend(
        repository
            .absent
            .iter()
            .map(|(store, failure)| still(store, failure)),
    );
    Ok(pending)
}

/// The configuration with the new recipients. The file is read anew: it may have been edited.
fn new_config(repository: &Repository, recipients: &[String]) -> Outcome<String> {
    let path = repository.config.path();
    let text = fs::read_to_string(path).map_err(FileError::new("read", path))?;
    let text = config::write::set_recipients(path, &text, recipients)?;
    Config::parse(path, &text)?;
    Ok(text)
}

fn write_config(repository: &mut Repository, text: &str) -> Outcome<()> {
    let path = repository.config.path().to_owned();
    // Where it is a link, the file that it leads to is written.
    let file = fs::canonicalize(&path).map_err(FileError::new("look at", &path))?;
    fsx::rewrite(&file, text.as_bytes())?;
    let mut config = Config::parse(&path, text)?;
    // A credential of the service manager stands in for the file that the text names.
    config.host_key.clone_from(&repository.config.host_key);
    repository.config = config;
    Ok(())
}
