//! One store as a recovery finds it: who wrote there, and what lies there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::offline::Offline;
use crate::certificate::{self, Certificate};
use crate::config;
use crate::error::{Context, Failure, Outcome};
use crate::ids::{Incarnation, RepoId, StoreName};
use crate::keyring::file;
use crate::keyring::recovery;
use crate::object::Chain;
use crate::sign::SigningKey;
use crate::store::Store;

/// No root or certificate is longer.
const SMALL: u64 = 1 << 20;

/// A store that leads back to the fingerprint.
pub(super) struct Seen {
    pub(super) store: Store,
    /// What it was opened with.
    pub(super) configured: config::Store,
    pub(super) writers: BTreeMap<Incarnation, (Certificate, Bytes)>,
    pub(super) root: Bytes,
    /// Keyrings by incarnation and epoch.
    pub(super) keyrings: BTreeSet<(Incarnation, u64)>,
    /// Numbers of journal entries.
    pub(super) journals: BTreeMap<Incarnation, BTreeSet<u64>>,
    /// Numbers of manifests.
    pub(super) manifests: BTreeMap<Incarnation, BTreeSet<u64>>,
}

impl Seen {
    /// Looks at a store.
    ///
    /// # Errors
    /// When it cannot be read, or does not lead back to the fingerprint.
    pub(super) fn look(
        store: Store,
        configured: config::Store,
        offline: &Offline,
    ) -> Outcome<Self> {
        let writers = writers(&store, offline)?;
        let root = store.get(certificate::ROOT, SMALL)?;
        let listed = store.list("keyring")?;
        let keyrings = listed.keys().filter_map(|path| file::parse_path(path));
        Ok(Self {
            writers,
            root,
            keyrings: keyrings.collect(),
            journals: numbers(&store, Chain::Journal)?,
            manifests: numbers(&store, Chain::Manifest)?,
            store,
            configured,
        })
    }

    /// Where it lies.
    pub(super) fn address(&self) -> String {
        self.configured.address()
    }

    /// Calls it otherwise.
    pub(super) fn rename(&mut self, name: StoreName) {
        self.store = self.store.renamed(name.clone());
        self.configured.name = name;
    }

    /// Whose it is.
    pub(super) fn repo(&self) -> Option<RepoId> {
        let mut writers = self.writers.values();
        writers.next().map(|(writer, _)| writer.repo)
    }

    /// The root's signing key.
    ///
    /// # Errors
    /// When no identity opens it, or it is not the one that the fingerprint is of.
    pub(super) fn open_root(&self, offline: &Offline) -> Outcome<SigningKey> {
        let name = self.store.name().as_str();
        let what = || format!("open {} of store {name:?}", certificate::ROOT);
        let plain = recovery::decrypt(&offline.identities, &self.root).failed_to(what)?;
        let (repo, root) = certificate::decode_root(&plain).failed_to(what)?;
        if root.verify_key() != offline.fingerprint || Some(repo) != self.repo() {
            return Err(not_ours(name));
        }
        Ok(root)
    }
}

fn not_ours(name: &str) -> Failure {
    let what = format!("store {name:?} does not lead back to the fingerprint");
    Failure::new(what).hint(
        "it is another repository, or one that somebody has forged who knows the recipient: use the store that \
         `tenure init` was given",
    )
}

/// The certificates, all of which the root must have signed.
fn writers(
    store: &Store,
    offline: &Offline,
) -> Outcome<BTreeMap<Incarnation, (Certificate, Bytes)>> {
    let name = store.name().as_str();
    let mut writers = BTreeMap::new();
    for path in store.list("writer")?.into_keys() {
        let bytes = store.get(&path, SMALL)?;
        let found = Certificate::read(&bytes, &offline.fingerprint)
            .map_err(|error| not_ours(name).because(Failure::from(error)))
            .failed_to(|| format!("trust {path} of store {name:?}"))?;
        if certificate::path(found.inc) != path {
            return Err(Failure::new(format!(
                "store {name:?}: {path} is the certificate of another incarnation"
            )));
        }
        writers.insert(found.inc, (found, bytes));
    }
    let repos: BTreeSet<_> = writers.values().map(|(writer, _)| writer.repo).collect();
    if repos.len() != 1 {
        let what = format!("store {name:?} holds no repository");
        return Err(
            Failure::new(what).hint("name the directory that has `root.age` and `packs/` in it")
        );
    }
    Ok(writers)
}

fn numbers(store: &Store, chain: Chain) -> Outcome<BTreeMap<Incarnation, BTreeSet<u64>>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for path in store.list(chain.folder())?.keys() {
        if let Some((inc, number)) = chain.parse(path) {
            found.entry(inc).or_default().insert(number);
        }
    }
    Ok(found)
}
