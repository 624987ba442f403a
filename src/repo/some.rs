//! What a snapshot has of some domains, by way of no more blocks of its pages than these stand in.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::Fetcher;
use super::view::View;
use crate::error::Outcome;
use crate::ids::Domain;
use crate::manifest::PageRef;
use crate::page::Entry;
use crate::secret::DomainKey;

/// The entries that count, in order.
pub fn entries_of(
    view: &View,
    fetcher: &Fetcher,
    domains: &BTreeSet<Domain>,
) -> Outcome<Vec<Entry>> {
    let mut found = BTreeMap::new();
    // Newest first: what is found first counts.
    for manifest in view.chain() {
        for page in &manifest.pages {
            let wanted = domains.range(page.first..=page.last);
            if wanted.clone().next().is_some() {
                for entry in of_page(fetcher, view.meta(), page, wanted)? {
                    found.entry(entry.key()).or_insert(entry);
                }
            }
        }
    }
    let entries = found.into_values();
    Ok(entries.filter(|entry| entry.pieces.is_some()).collect())
}

fn of_page<'d>(
    fetcher: &Fetcher,
    meta: &DomainKey,
    page: &PageRef,
    wanted: impl Iterator<Item = &'d Domain>,
) -> Outcome<Vec<Entry>> {
    let index = fetcher.near_index(page, meta)?;
    let mut domains = BTreeSet::new();
    let mut blocks = BTreeMap::new();
    for domain in wanted {
        domains.insert(*domain);
        let there = index.blocks_of(*domain).iter();
        blocks.extend(there.map(|block| (block.number, *block)));
    }
    let mut found = Vec::new();
    for block in blocks.values() {
        let sealed = fetcher.near_block(page, block)?;
        let entries = index.entries(block, &sealed, meta)?.into_iter();
        found.extend(entries.filter(|entry| domains.contains(&entry.domain)));
    }
    Ok(found)
}
