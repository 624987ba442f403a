//! Makes a repository: root key, incarnation, key tree, and the state directory that holds them.
//!
//! Stores are not touched here beyond a look: what makes them stores of the repository is put into
//! them by [`Repository::settle`], as for any store that is added later.

use std::path::Path;

use tokio::runtime::Handle;

use crate::catalog::Catalog;
use crate::certificate::{self, Certificate};
use crate::config::Config;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Incarnation, RepoId};
use crate::keyring::recovery::{self, Recipient};
use crate::keyring::tree::{Forest, Tree};
use crate::keyring::{HostKeyring, Keyring, host};
use crate::repo::Repository;
use crate::repo::places::open_store;
use crate::repo::state::StateDir;
use crate::secret::{self, Seed};
use crate::sign::{SigningKey, VerifyKey};

/// The root's private key, for as long as `init` runs. It never reaches the host's disk in plain.
pub struct Root {
    key: SigningKey,
    repo: RepoId,
}

impl Root {
    /// A new repository's root.
    pub fn make() -> Outcome<Self> {
        Ok(Self {
            key: SigningKey::random()?,
            repo: RepoId(secret::random()?),
        })
    }

    /// The repository's fingerprint.
    pub fn fingerprint(&self) -> VerifyKey {
        self.key.verify_key()
    }
}

/// That the state directory holds no repository yet, and neither does any store.
pub fn check_vacant(config: &Config, runtime: &Handle) -> Outcome<()> {
    if StateDir::new(&config.state_dir).is_initialised() {
        let what = format!("{} holds a repository already", config.state_dir.display());
        return Err(Failure::of(FailureKind::Refused, what)
            .hint("--force replaces the configuration alone, never keys"));
    }
    let is_there = |store: &&crate::config::Store| store.directory().is_none_or(Path::exists);
    for store in config.stores.iter().filter(is_there) {
        let opened = open_store(store, false, runtime)?;
        let used = [
            "writer",
            "keyring",
            "snapshots",
            "packs",
            "pages",
            "journal",
        ];
        for folder in used {
            if !opened.list(folder)?.is_empty() {
                let what = format!("store {:?} holds a repository already", store.name.as_str());
                return Err(Failure::of(FailureKind::Refused, what)
                    .hint("give it a place of its own, or `tenure recover` from it"));
            }
        }
    }
    Ok(())
}

/// Makes the state directory and the keys, and opens the stores.
pub fn run(config: Config, root: &Root, runtime: &Handle) -> Outcome<Repository> {
    let state = StateDir::new(&config.state_dir);
    fsx::create_dir(state.path())?;
    host::make_host_secret(&config.host_key)?;
    let writer = SigningKey::random()?;
    let inc = Incarnation(secret::random()?);
    let own = Certificate {
        repo: root.repo,
        inc,
        ordinal: 1,
        verify: writer.verify_key(),
    };
    let recipients: Vec<_> = config
        .recipients
        .iter()
        .map(|recipient| Recipient::parse(&recipient.to_string()))
        .collect::<Result<_, _>>()?;
    let sealed_root =
        recovery::encrypt(&recipients, &certificate::encode_root(root.repo, &root.key))?;
    fsx::write(&state.root(), &sealed_root)?;
    let path = state.certificate(inc);
    fsx::create_dir(path.parent().unwrap_or(state.path()))?;
    fsx::write(&path, &own.issue(&root.key))?;
    let keyring = first_keyring(root, inc)?;
    let age = recovery::encrypt(&recipients, &keyring.encode(&writer))?;
    HostKeyring::open(&state.keyring(), &config.host_key)?.write(&keyring, &writer, &age)?;
    let mut catalog = Catalog::open(&state.catalog())?;
    let noted: Vec<_> = recipients.iter().map(Recipient::to_string).collect();
    catalog.change(|change| change.set_note("recipients", &noted.join(" ")))?;
    drop(catalog);
    // From here on the state directory is one, and whatever comes next can be repeated.
    state.set_fingerprint(&root.fingerprint())?;
    let (repository, _) = Repository::change(config, runtime).failed_to(|| "open the stores")?;
    Ok(repository)
}

fn first_keyring(root: &Root, inc: Incarnation) -> Outcome<Keyring> {
    let mut forest = Forest::new();
    forest.insert(inc, Tree::plant(Seed::random()?));
    Ok(Keyring {
        repo: root.repo,
        inc,
        epoch: 1,
        fingerprint: root.fingerprint(),
        journal: Vec::new(),
        forest,
    })
}
