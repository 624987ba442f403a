//! Notices another writer: a copy of the state directory, or a host that was thought dead.
//!
//! Two writers give the same numbers to different things. Each looks, before it writes anything,
//! whether a store holds something under its own incarnation's numbers that it did not write.

use std::collections::BTreeMap;

use super::ahead::OLDER;
use super::state::StateDir;
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Incarnation, RepoId};
use crate::keyring::file;
use crate::object::{self, Chain};
use crate::sign::VerifyKey;
use crate::store::Store;

/// Looks for what another writer has put under this incarnation's numbers.
pub struct SoleWriter<'a> {
    /// Where what this host wrote lies.
    pub state: &'a StateDir,
    /// The repository.
    pub repo: RepoId,
    /// The incarnation that writes here.
    pub inc: Incarnation,
    /// Its public key.
    pub verify: &'a VerifyKey,
    /// The snapshots that were pruned, and the hashes of their manifests, which need not lie here
    /// any more: a store that was away has them still.
    pub pruned: BTreeMap<u64, [u8; 32]>,
}

impl SoleWriter<'_> {
    /// That the newest object of a chain in a store is ours: since each carries the hash of the one
    /// before, so are all before it. What nobody has signed is damage, not another writer, where
    /// we have written that number; one that we never wrote stops us either way. Returns the number of the newest if it
    /// is damaged.
    pub fn check(&self, chain: Chain, store: &Store) -> Outcome<Option<u64>> {
        let Some((number, path)) = self.newest(chain, store)? else {
            return Ok(None);
        };
        let mut own = self.own(chain, number)?;
        if own.is_none() {
            let intent = self.state.intent(chain, self.inc);
            own = fsx::read_if_there(&intent, object::MAX)?;
        }
        let pruned = self.pruned.get(&number);
        let pruned = pruned.filter(|_| chain == Chain::Manifest);
        let found = store.get(&path, object::MAX)?;
        if own.as_deref() == Some(&found[..]) || pruned == Some(&object::hash(&found)) {
            return Ok(None);
        }
        let signed = object::read(chain, self.repo, self.inc, number, &found, self.verify);
        // Nobody knows its hash any more; that its number was pruned, the journal says.
        if pruned == Some(&[0; 32]) && signed.is_ok() {
            return Ok(None);
        }
        if (own.is_some() || pruned.is_some()) && signed.is_err() {
            return Ok(Some(number));
        }
        Err(not_ours(store, &path))
    }

    /// The newest object of a chain in a store. Where that has the newest of ours, those before it are not looked at.
    fn newest(&self, chain: Chain, store: &Store) -> Outcome<Option<(u64, String)>> {
        let ours = fsx::names(&self.state.objects(chain, self.inc))?;
        let ours = ours
            .iter()
            .filter_map(|name| name.parse::<u64>().ok())
            .max();
        let folder = format!("{}/{}", chain.folder(), self.inc);
        let newest = |listed: BTreeMap<String, u64>| {
            let paths = listed.into_keys();
            let numbers = paths.filter_map(|path| Some((chain.parse(&path)?.1, path)));
            numbers.max()
        };
        if let Some(before) = ours.and_then(|number| number.checked_sub(1)) {
            let listed = store.list_after(&folder, &chain.path(self.inc, before))?;
            if let Some(found) = newest(listed) {
                return Ok(Some(found));
            }
        }
        Ok(newest(store.list(&folder)?))
    }

    fn own(&self, chain: Chain, number: u64) -> Outcome<Option<Vec<u8>>> {
        let own = self.state.object(chain, self.inc, number);
        Ok(fsx::read_if_there(&own, object::MAX)?)
    }

    /// That no store holds a keyring of a later epoch than `current`, which is ours.
    pub fn check_epochs(&self, store: &Store, current: u64) -> Outcome<()> {
        for path in store.list("keyring")?.keys() {
            let epoch = file::parse_path(path).filter(|(inc, _)| *inc == self.inc);
            if epoch.is_some_and(|(_, epoch)| epoch > current) {
                return Err(not_ours(store, path));
            }
        }
        Ok(())
    }

    /// Puts the newest object of a chain in a store there again, if it is damaged.
    pub fn mend(&self, chain: Chain, store: &Store) -> Outcome<()> {
        if let Some(number) = self.check(chain, store)?
            && let Some(own) = self.own(chain, number)?
        {
            store.replace(&chain.path(self.inc, number), own.into())?;
        }
        Ok(())
    }
}

fn not_ours(store: &Store, path: &str) -> Failure {
    let name = store.name().as_str();
    second_writer(format!(
        "store {name:?} has {path}, which this host did not write"
    ))
}

/// What is said when somebody else writes to the repository.
pub fn second_writer(what: impl Into<String>) -> Failure {
    Failure::of(FailureKind::Refused, what).hint(OLDER)
}
