//! The repository, opened: configuration, state directory, keyring, journal, catalog and stores.
//!
//! Reading needs no lock and changes nothing: what the journal has erased and the keyring still
//! holds is punctured in memory. Changing takes the lock and first *settles* what an interrupted
//! command has left (see [`Repository::settle`]).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::File;

use tokio::runtime::Handle;

use crate::catalog::Catalog;
use crate::certificate::Certificate;
use crate::config::Config;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::{Domain, Incarnation, KeyedHash, RepoId, StoreName};
use crate::journal::Event;
use crate::keyring::{HostKeyring, Keyring};
use crate::piece::{self, Identity};
use crate::secret::DomainKey;
use crate::sign::{SigningKey, VerifyKey};
use crate::store::Store;
use crate::value::CustomerKey;

mod ahead;
mod apply;
pub mod arrivals;
mod catch_up;
mod changing;
mod failures;
mod former;
pub mod identity;
pub mod listing;
pub mod log;
pub mod objects;
mod own_rows;
pub mod places;
mod pruned;
mod read_in;
mod refind;
mod settle;
pub mod sole;
pub mod some;
pub mod state;
pub mod view;
mod windows;

pub use former::{Former, Placed};
use log::Log;
use places::open_store;
pub use settle::{ROOT_HASH, Settled};
use state::StateDir;

/// An opened repository.
pub struct Repository {
    /// The configuration that it was opened with.
    pub config: Config,
    /// The local index.
    pub catalog: Catalog,
    /// What can be read: punctured by the whole journal, also where the file is not yet.
    pub keyring: Keyring,
    /// The stores that can be reached.
    pub stores: Vec<Store>,
    /// The stores that cannot, and why.
    pub absent: BTreeMap<StoreName, Failure>,
    /// The root's public key.
    pub fingerprint: VerifyKey,
    /// The certificate of the incarnation that writes here.
    pub certificate: Certificate,
    /// The certificates of all incarnations that are known.
    pub writers: BTreeMap<Incarnation, Certificate>,
    /// Where the state lies.
    pub state: StateDir,
    /// What was found on opening, and somebody should see to, though the command can go on.
    pub notes: Vec<Failure>,
    log: Log,
    former: Vec<Former>,
    host: HostKeyring,
    writer: SigningKey,
    runtime: Handle,
    lock: Option<File>,
}

impl Repository {
    /// Opens for reading.
    pub fn read(config: Config, runtime: &Handle) -> Outcome<Self> {
        Self::open(config, runtime, None)
    }

    fn open(config: Config, runtime: &Handle, lock: Option<File>) -> Outcome<Self> {
        let state = StateDir::new(&config.state_dir);
        let (fingerprint, certificate) = state.identity()?;
        let writers = state.writers()?;
        let host = HostKeyring::open(&state.keyring(), &config.host_key)?;
        let (repo, inc) = (certificate.repo, certificate.inc);
        let (writer, mut keyring) = host.load(repo, inc, &fingerprint, &certificate.verify)?;
        let meta = meta(&keyring)?;
        let known = keyring.journal.iter().find(|position| position.inc == inc);
        let log = Log::open(&state, repo, inc, certificate.verify, known, &meta)?;
        keyring.forest.puncture(&log.erased_recently());
        let former = Former::all(&state, &writers, &keyring)?;
        let catalog = open_catalog(&state)?;
        let mut repository = Self {
            config,
            catalog,
            keyring,
            stores: Vec::new(),
            absent: BTreeMap::new(),
            fingerprint,
            certificate,
            writers,
            state,
            notes: Vec::new(),
            log,
            former,
            host,
            writer,
            runtime: runtime.clone(),
            lock,
        };
        // Which stores are known is for the journal to say, and what is in snapshots for them.
        let is_behind = repository.catch_up_with_journal()?;
        repository.open_stores()?;
        if is_behind {
            repository.catch_up_with_snapshots()?;
        }
        let revenants = repository.revenants()?;
        repository.keyring.forest.puncture(&revenants);
        if repository.lock.is_some() {
            repository.keep_numbers()?;
        } else {
            repository.read_ahead()?;
            repository.heed_former()?;
        }
        Ok(repository)
    }

    /// Opens for changing: under the lock, and after whatever was interrupted has been finished.
    pub fn change(config: Config, runtime: &Handle) -> Outcome<(Self, Settled)> {
        let state = StateDir::new(&config.state_dir);
        state.identity()?;
        let lock = state.lock()?;
        state.check_home()?;
        let mut repository = Self::open(config, runtime, Some(lock))?;
        let settled = repository
            .settle()
            .failed_to(|| "get the repository ready for changes")?;
        Ok((repository, settled))
    }

    /// Opens for changing what lies on this host alone: nothing is written to any store.
    pub fn rehearse(config: Config, runtime: &Handle) -> Outcome<Self> {
        let lock = StateDir::new(&config.state_dir).lock()?;
        Self::open(config, runtime, Some(lock))
    }

    /// Opens every configured store that is there and belongs to this repository.
    fn open_stores(&mut self) -> Outcome<()> {
        let known = self.catalog.key_places()?;
        for store in self.config.stores.clone() {
            let place = known.get(store.name.as_str());
            // What the place before still holds counts: under this name nobody would look there again.
            if let Some(place) = place.filter(|place| place.url != store.address()) {
                let what = format!("store {:?} was {} before", store.name.as_str(), place.url);
                let failure = Failure::new(what).hint(
                    "give the new place another name in the configuration; the keyrings in the old \
                     one stay pending until it was seen without them",
                );
                self.absent.insert(store.name.clone(), failure);
                continue;
            }
            let is_new = place.is_none();
            let opened = open_store(&store, is_new && self.lock.is_some(), &self.runtime);
            let checked = opened
                .map_err(Failure::from)
                .and_then(|opened| self.check_store(&opened, is_new).map(|()| opened));
            match checked {
                Ok(opened) => self.stores.push(opened),
                Err(failure) if failure.kind() == FailureKind::Refused => return Err(failure),
                Err(failure) => {
                    self.absent.insert(store.name.clone(), failure);
                }
            }
        }
        Ok(())
    }

    /// Opens a configured store without a look at what it holds: for those who look themselves.
    pub fn open_unchecked(&self, store: &crate::config::Store) -> Outcome<Store> {
        Ok(open_store(store, false, &self.runtime)?)
    }

    /// That a store holds this repository, or nothing yet.
    fn check_store(&self, store: &Store, is_new: bool) -> Outcome<()> {
        let name = store.name().as_str();
        let certificates = store.list("writer")?;
        if certificates.is_empty() && !is_new {
            let what = format!("store {name:?} held this repository before, and does not now");
            return Err(Failure::new(what).hint(
                "is it mounted? if it was replaced by an empty one, give it another name in the \
                 configuration",
            ));
        }
        if certificates.is_empty() {
            for folder in ["audit", "journal", "keyring", "packs", "pages", "snapshots"] {
                if let Some(path) = store.list(folder)?.keys().next() {
                    let what =
                        format!("store {name:?} holds {path}, which is not of this repository");
                    return Err(Failure::new(what).hint("give it a place of its own"));
                }
            }
            return Ok(());
        }
        let mut writers = Vec::new();
        for path in certificates.keys() {
            let bytes = store.get(path, 4096)?;
            let found = Certificate::read(&bytes, &self.fingerprint).map_err(|error| {
                let what = format!("store {name:?} does not hold this repository");
                let failure = Failure::new(what).because(Failure::from(error));
                failure.hint("give each repository a place of its own in the store")
            })?;
            writers.push(found);
        }
        // That this one was retired says more than who else was.
        writers.sort_by_key(|writer| Reverse(writer.ordinal));
        let mut writers = writers.iter();
        writers.try_for_each(|found| self.check_writer(name, found))
    }

    /// That an incarnation whose certificate stands in a store is this one, or one that it goes on from.
    fn check_writer(&self, store: &str, found: &Certificate) -> Outcome<()> {
        let (own, refused) = (&self.certificate, |what| {
            Failure::of(FailureKind::Refused, what)
        });
        if found.ordinal > own.ordinal {
            let what = format!("store {store:?} says that this host was retired by a recovery");
            return Err(refused(what).hint(
                "go on with the host that was recovered, and switch this one off; whatever it has that the \
                 stores have not, a `tenure recover` from them does not find",
            ));
        }
        if self.writers.get(&found.inc) == Some(found) {
            return Ok(());
        }
        let what = format!(
            "store {store:?} was gone on with by another recovery, apart from this one: neither knows what the \
             other has erased"
        );
        Err(refused(what).hint(
            "run `tenure recover` with --store for a store of each: it goes on from both, and retires both",
        ))
    }

    /// The repository's id.
    pub fn id(&self) -> RepoId {
        self.certificate.repo
    }

    /// The incarnation that writes here.
    pub fn inc(&self) -> Incarnation {
        self.certificate.inc
    }

    /// The key of Tenure's own control data, which is never punctured.
    pub fn meta(&self) -> Outcome<DomainKey> {
        meta(&self.keyring)
    }

    /// The same of any incarnation, whose control data it opens.
    pub fn meta_of(&self, inc: Incarnation) -> Outcome<DomainKey> {
        let key = self.keyring.forest.key(Domain::meta(inc));
        key.ok_or_else(|| Failure::new(format!("the keyring lacks incarnation {inc}")))
    }

    /// The incarnation that `init` has made. Customers and names are recognised under its key for
    /// the repository's whole life.
    fn first_inc(&self) -> Incarnation {
        let first = self.writers.values().min_by_key(|writer| writer.ordinal);
        first.map_or(self.inc(), |writer| writer.inc)
    }

    /// The incarnation's signing key.
    pub fn writer(&self) -> &SigningKey {
        &self.writer
    }

    /// Whether the journal has grown since the repository was opened, by another command.
    pub fn has_grown(&self) -> Outcome<bool> {
        self.log.has_grown()
    }

    /// Whether another command has decided something since then that bears upon what a reader may
    /// show.
    pub fn has_news(&self) -> Outcome<bool> {
        self.log.has_news(&self.meta()?)
    }

    /// How far the journal has come.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Decides something: when this returns, the journal has it. Returns the stores that did not
    /// take the entry, and get it when they are brought level.
    ///
    /// # Errors
    /// `Refused` when something would be destroyed while a store was not read since the recovery.
    pub fn decide(&mut self, event: Event) -> Outcome<Vec<StoreName>> {
        if matches!(event, Event::Erased { .. } | Event::Pruned { .. }) {
            self.check_all_read()?;
        }
        self.record(event)
    }

    /// The same for what was decided before, and only comes to be known here.
    fn record(&mut self, event: Event) -> Outcome<Vec<StoreName>> {
        let meta = self.meta()?;
        let appended = self.log.append(event, &meta, &self.writer, &self.stores);
        appended.map_err(|failure| match self.absent.values().next() {
            Some(why) if self.stores.is_empty() => {
                Failure::of(failure.kind(), failure.to_string()).because(why.again())
            }
            _ => failure,
        })
    }

    /// By what a customer is found who is asked for by key.
    pub fn key_hash(&self, key: &CustomerKey) -> Outcome<KeyedHash> {
        self.keyed_hash(b"key", &piece::encode_customer_key(key))
    }

    /// By what a register row is recognised.
    pub fn who(&self, identity: &Identity) -> Outcome<KeyedHash> {
        self.keyed_hash(b"who", &identity.encode())
    }

    /// By what something of the sources is numbered without being named.
    pub fn name_hash(&self, parts: &[&str]) -> Outcome<KeyedHash> {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        self.keyed_hash(b"name", &bytes)
    }

    fn keyed_hash(&self, kind: &[u8], bytes: &[u8]) -> Outcome<KeyedHash> {
        Ok(Recogniser::new(self)?.hash(kind, bytes))
    }

    /// Stores by name, reachable or not, in the order of the configuration.
    pub fn store(&self, name: &StoreName) -> Outcome<&Store> {
        if let Some(store) = self.stores.iter().find(|store| store.name() == name) {
            return Ok(store);
        }
        if let Some(failure) = self.absent.get(name) {
            let what = format!("store {:?} cannot be used: {failure}", name.as_str());
            return Err(Failure::new(what));
        }
        let known: Vec<_> = self
            .config
            .stores
            .iter()
            .map(|store| store.name.as_str())
            .collect();
        let what = format!("there is no store {:?}", name.as_str());
        Err(Failure::of(FailureKind::NotFound, what).hint(format!("stores: {}", known.join(", "))))
    }
}

/// Makes the keyed hashes by which customers are recognised, many at a time.
pub struct Recogniser(crate::secret::Seed);

impl Recogniser {
    /// With the key of the repository's own control data.
    pub fn new(repository: &Repository) -> Outcome<Self> {
        let meta = repository.meta_of(repository.first_inc())?;
        Ok(Self(meta.recognise_key()))
    }

    fn hash(&self, kind: &[u8], bytes: &[u8]) -> KeyedHash {
        // `kind` has a fixed length per use and no kind begins with another.
        let message = [kind, &[0], bytes].concat();
        KeyedHash(piece::name(&self.0, &message).0)
    }

    /// See [`Repository::key_hash`].
    pub fn key(&self, key: &CustomerKey) -> KeyedHash {
        self.hash(b"key", &piece::encode_customer_key(key))
    }

    /// See [`Repository::who`].
    pub fn who(&self, identity: &Identity) -> KeyedHash {
        self.hash(b"who", &identity.encode())
    }
}

fn open_catalog(state: &StateDir) -> Outcome<Catalog> {
    let path = state.catalog();
    Catalog::open(&path).map_err(|error| {
        let is_damage = error.is_damage();
        let failure = Failure::from(error);
        if is_damage {
            let path = path.display();
            return failure.hint(format!("move {path} away: what it says is found out anew"));
        }
        failure
    })
}

fn meta(keyring: &Keyring) -> Outcome<DomainKey> {
    keyring
        .forest
        .key(Domain::meta(keyring.inc))
        .ok_or_else(|| Failure::new("the keyring lacks the key of the repository's own data"))
}
