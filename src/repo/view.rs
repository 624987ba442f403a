//! A snapshot as it is read: its full and all incrementals from there on, newest first.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Repository;
use super::objects::Fetcher;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::{Domain, RepoId, SnapshotId};
use crate::manifest::{Manifest, PageRef};
use crate::object::{self, Chain};
use crate::page::{Entry, Page};
use crate::secret::DomainKey;

/// The manifests of one snapshot's chain.
pub struct View {
    /// Which snapshot.
    pub id: SnapshotId,
    /// Its manifest, then those before it, down to the full one.
    chain: Vec<Manifest>,
    /// Of the incarnation that wrote them.
    meta: DomainKey,
}

impl View {
    /// Opens the chain of a snapshot. Manifests come from the state directory where it has them.
    pub fn open(repository: &Repository, fetcher: &Fetcher, id: SnapshotId) -> Outcome<Self> {
        let newest = manifest(repository, fetcher, id)?;
        let base = newest.base;
        let mut chain = vec![newest];
        for number in (base..id.number).rev() {
            chain.push(manifest(repository, fetcher, SnapshotId { number, ..id })?);
        }
        let meta = repository.meta_of(id.inc)?;
        Ok(Self { id, chain, meta })
    }

    /// The snapshot's own manifest.
    pub fn manifest(&self) -> &Manifest {
        // A chain is never empty: `open` begins it.
        &self.chain[0]
    }

    /// The key that opens its pages.
    pub fn meta(&self) -> &DomainKey {
        &self.meta
    }

    /// All manifests that must be there to read the snapshot, newest first.
    pub fn chain(&self) -> &[Manifest] {
        &self.chain
    }

    /// All entries that count, in order.
    pub fn entries<'v>(&'v self, fetcher: &'v Fetcher, repo: RepoId) -> Outcome<Entries<'v>> {
        let streams = self.chain.iter().map(|manifest| PageStream {
            fetcher,
            meta: &self.meta,
            repo,
            pages: manifest.pages.iter().collect(),
            page: None,
            block: 0,
            ready: VecDeque::new(),
        });
        let mut entries = Entries {
            streams: streams.collect(),
        };
        for stream in &mut entries.streams {
            stream.fill()?;
        }
        Ok(entries)
    }

    /// What the snapshot has of one domain, in each source. Reads only the blocks that may hold it.
    pub fn find(&self, fetcher: &Fetcher, domain: Domain) -> Outcome<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        for manifest in &self.chain {
            let pages = manifest
                .pages
                .iter()
                .filter(|p| p.first <= domain && domain <= p.last);
            for page in pages {
                let index = fetcher.page_index(page, &self.meta)?;
                for block in index.blocks_of(domain) {
                    let sealed = fetcher.block(page, block)?;
                    for entry in index.entries(block, &sealed, &self.meta)? {
                        let newer = found.iter().any(|f| f.source == entry.source);
                        if entry.domain == domain && !newer {
                            found.push(entry);
                        }
                    }
                }
            }
        }
        found.retain(|entry| entry.pieces.is_some());
        found.sort_by_key(|entry| entry.source);
        Ok(found)
    }
}

/// Reads and checks one manifest: from the state directory if the fetcher uses it, else from a store.
pub fn manifest(repository: &Repository, fetcher: &Fetcher, id: SnapshotId) -> Outcome<Manifest> {
    let bytes = match fetcher.kept_object(Chain::Manifest, id.inc, id.number)? {
        Some(bytes) => bytes,
        None => fetcher.object(&Chain::Manifest.path(id.inc, id.number), object::MAX)?,
    };
    read_manifest(repository, id, &bytes)
        .failed_to(|| format!("read the manifest of snapshot {}", id.number))
}

/// Reads and checks a manifest's bytes.
pub fn read_manifest(repository: &Repository, id: SnapshotId, bytes: &[u8]) -> Outcome<Manifest> {
    let writer = repository.writers.get(&id.inc).ok_or_else(|| {
        let what = format!("snapshot {id} is of an incarnation that is not known here");
        Failure::of(FailureKind::NotFound, what)
    })?;
    let verify = &writer.verify;
    let sealed = object::read(
        Chain::Manifest,
        repository.id(),
        id.inc,
        id.number,
        bytes,
        verify,
    )?;
    let manifest: Manifest = sealed.open(&repository.meta_of(id.inc)?)?;
    match manifest.fault(id.number) {
        Some(fault) => Err(Failure::new(fault)),
        None => Ok(manifest),
    }
}

/// One manifest's entries, page by page and block by block.
struct PageStream<'v> {
    fetcher: &'v Fetcher,
    meta: &'v DomainKey,
    repo: RepoId,
    pages: VecDeque<&'v PageRef>,
    page: Option<(Page, Bytes)>,
    block: usize,
    ready: VecDeque<Entry>,
}

impl PageStream<'_> {
    /// Sees that the next entry is ready, if there is one.
    fn fill(&mut self) -> Outcome<()> {
        while self.ready.is_empty() {
            if self
                .page
                .as_ref()
                .is_some_and(|(page, _)| self.block < page.blocks().len())
            {
                self.next_block()?;
            } else if let Some(page) = self.pages.pop_front() {
                let bytes = self.fetcher.page(page)?;
                let index = Page::read(self.repo, page.object.name, &bytes, self.meta)?;
                self.page = Some((index, bytes));
                self.block = 0;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn next_block(&mut self) -> Outcome<()> {
        let Some((page, bytes)) = &self.page else {
            return Ok(());
        };
        let block = page.blocks()[self.block];
        self.block += 1;
        let range = block.offset as usize..(block.offset + block.len) as usize;
        let sealed = bytes
            .get(range)
            .ok_or_else(|| Failure::new("a page is cut short"))?;
        self.ready.extend(page.entries(&block, sealed, self.meta)?);
        Ok(())
    }
}

/// The entries of a whole chain, merged.
pub struct Entries<'v> {
    /// Newest first.
    streams: Vec<PageStream<'v>>,
}

impl Entries<'_> {
    /// The next entry that counts: the newest of its domain and source, unless that says that
    /// there is nothing any more.
    pub fn next_entry(&mut self) -> Outcome<Option<Entry>> {
        loop {
            let least = self
                .streams
                .iter()
                .filter_map(|s| s.ready.front())
                .map(Entry::key)
                .min();
            let Some(least) = least else {
                return Ok(None);
            };
            let mut newest = None;
            for stream in &mut self.streams {
                if stream
                    .ready
                    .front()
                    .is_some_and(|entry| entry.key() == least)
                {
                    newest = newest.or(stream.ready.pop_front());
                    stream.fill()?;
                }
            }
            if let Some(entry) = newest.filter(|entry| entry.pieces.is_some()) {
                return Ok(Some(entry));
            }
        }
    }
}
