//! Finds customers again whom the catalog lacks: in the pages of snapshots, which carry each one's identity.
//!
//! One thread reads pages, opens identities and seals them for the catalog, while the one that called enters
//! them: nothing is held but a few batches and one bit for each customer.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::Recogniser;
use super::arrivals::Arrivals;
use super::identity::seal_identity;
use super::objects::Fetcher;
use super::state::StateDir;
use crate::catalog::Customer;
use crate::error::{Context, Failure, Outcome};
use crate::ids::{Class, Domain, KeyedHash, RepoId, SnapshotId};
use crate::keyring::tree::Forest;
use crate::manifest::PageRef;
use crate::page::Page;
use crate::piece::Identity;
use crate::secret::{self, DomainKey};
use crate::store::Store;

/// How many customers are handed over at once: as many as there are salts in what is drawn at once.
const BATCH: usize = 256;

/// A customer as the catalog keeps one, and the keyed hash of the key.
pub(super) type Known = (Customer, KeyedHash);

/// The pages of one snapshot, and the key that opens them.
pub(super) struct Pages {
    pub(super) id: SnapshotId,
    pub(super) pages: Vec<PageRef>,
    pub(super) meta: DomainKey,
}

/// Whoever stands in pages and is not known, each domain once.
pub(super) struct Refinding<'a> {
    pub(super) repo: RepoId,
    pub(super) stores: Vec<Store>,
    pub(super) state: StateDir,
    pub(super) forest: &'a Forest,
    pub(super) recogniser: &'a Recogniser,
    /// Who is known, or was found.
    pub(super) known: Arrivals,
    /// Who was found and not handed over yet.
    pub(super) batch: Vec<(Domain, Identity)>,
}

impl Refinding<'_> {
    /// Gives everybody who is found to `enter`, which runs on the calling thread. Whoever stands in
    /// several snapshots is found in the first that is given.
    pub(super) fn run(
        self,
        snapshots: Vec<Pages>,
        mut enter: impl FnMut(Known) -> Outcome<()>,
    ) -> Outcome<()> {
        thread::scope(|scope| {
            let (to, from) = sync_channel(8);
            let reading = scope.spawn(move || self.read_all(snapshots, &to));
            let entered = from.iter().flatten().try_for_each(&mut enter);
            drop(from);
            let read = reading.join();
            let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            entered.and(read)
        })
    }

    fn read_all(mut self, snapshots: Vec<Pages>, to: &SyncSender<Vec<Known>>) -> Outcome<()> {
        let fetcher = Fetcher::new(self.repo, self.stores.clone(), Some(self.state.clone()));
        for Pages { id, pages, meta } in snapshots {
            for page in &pages {
                let read = self.page(&fetcher, page, &meta, to);
                let goes_on =
                    read.failed_to(|| format!("read the pages of snapshot {}", id.number))?;
                // Whoever takes no more has failed, and tells why.
                if !goes_on {
                    return Ok(());
                }
            }
        }
        self.hand_over(to).map(|_| ())
    }

    /// Whether somebody still takes what is found.
    fn page(
        &mut self,
        fetcher: &Fetcher,
        page: &PageRef,
        meta: &DomainKey,
        to: &SyncSender<Vec<Known>>,
    ) -> Outcome<bool> {
        let bytes = fetcher.page(page)?;
        let index = Page::read(self.repo, page.object.name, &bytes, meta)?;
        let mut keys = self.forest.walker();
        for block in index.blocks() {
            let range = block.offset as usize..(block.offset + block.len) as usize;
            let sealed = bytes.get(range);
            let sealed = sealed.ok_or_else(|| Failure::new("a page is cut short"))?;
            for entry in index.entries(block, sealed, meta)? {
                let Some(id) = entry.id.filter(|_| !self.known.contains(entry.domain)) else {
                    continue;
                };
                let Some(key) = keys.key(entry.domain) else {
                    continue;
                };
                let id = Identity::decode(&index.open_id(entry.domain, &key, &id)?)?;
                self.known.insert(entry.domain);
                self.batch.push((entry.domain, id));
            }
            if self.batch.len() >= BATCH && !self.hand_over(to)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn hand_over(&mut self, to: &SyncSender<Vec<Known>>) -> Outcome<bool> {
        let mut keys = self.forest.walker();
        for some in self.batch.chunks(BATCH) {
            let salts: [u8; 16 * BATCH] = secret::random()?;
            let mut sealed = Vec::with_capacity(some.len());
            for ((domain, identity), salt) in some.iter().zip(salts.as_chunks().0) {
                let domain = Domain {
                    class: Class::CUSTOMER,
                    ..*domain
                };
                // Where only another class lives on, the customer as such is gone.
                let Some(key) = keys.key(domain) else {
                    continue;
                };
                let customer = Customer {
                    domain,
                    who: self.recogniser.who(identity),
                    sealed: seal_identity(self.repo, domain, &key, identity, salt),
                };
                sealed.push((customer, self.recogniser.key(&identity.key)));
            }
            if to.send(sealed).is_err() {
                return Ok(false);
            }
        }
        self.batch.clear();
        Ok(true)
    }
}
