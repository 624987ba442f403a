//! Restoring around damage: whoever has a piece that is lost with a pack which no store has whole is left out of that
//! source, and everybody else comes back.

use std::collections::{BTreeMap, BTreeSet};

use super::whole::own_rows;
use crate::error::{Failure, Outcome};
use crate::ids::{Class, Domain};
use crate::page::Entry;
use crate::repo::Repository;
use crate::repo::objects::{Fetcher, pack_path};
use crate::repo::view::View;
use crate::seal::Decompressor;

/// Who is left out, by source.
#[derive(Default)]
pub(super) struct Lost(BTreeMap<u32, Left>);

#[derive(Default)]
struct Left {
    /// Customers, and the domains of tables.
    owners: BTreeSet<Domain>,
    /// The tables, in words.
    tables: Vec<String>,
}

impl Lost {
    /// Asks for every piece, and notes who has a piece that is lost.
    ///
    /// # Errors
    /// When a store cannot answer, or nobody would be left.
    pub(super) fn look(repository: &Repository, view: &View, fetcher: &Fetcher) -> Outcome<Self> {
        let forest = &repository.keyring.forest;
        let (mut lost, mut is_any_whole) = (Self::default(), false);
        let mut keys = forest.walker();
        let mut decompressor = Decompressor::new()?;
        let mut entries = view.entries(fetcher, repository.id())?;
        while let Some(entry) = entries.next_entry()? {
            let Some(key) = keys.key(entry.domain) else {
                continue;
            };
            let mut is_whole = true;
            for piece in entry.pieces.iter().flatten() {
                is_whole = is_whole && fetcher.gives(piece, &key, forest, &mut decompressor)?;
            }
            match is_whole {
                true => is_any_whole = true,
                false => lost.add(view, &entry),
            }
        }
        match is_any_whole {
            true => Ok(lost),
            false => Err(Failure::new(
                "nothing of this snapshot can be read in the stores that were asked",
            )),
        }
    }

    fn add(&mut self, view: &View, entry: &Entry) {
        let left = self.0.entry(entry.source).or_default();
        let is_new = left.owners.insert(owner(entry.domain));
        if is_new && entry.domain.class == Class::OWN {
            left.tables.push(own_rows(view.manifest(), entry));
        }
    }

    /// Whether an entry is left out.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        let left = self.0.get(&entry.source);
        left.is_some_and(|left| left.owners.contains(&owner(entry.domain)))
    }

    /// What a source lacks, in words.
    pub(super) fn words(&self, source: u32, fetcher: &Fetcher) -> Vec<String> {
        let Some(left) = self.0.get(&source) else {
            return Vec::new();
        };
        let customers = left.owners.len() - left.tables.len();
        let customers = match customers {
            0 => None,
            1 => Some("1 customer".to_owned()),
            n => Some(format!("{n} customers")),
        };
        let packs = fetcher.lost().into_iter().map(pack_path);
        let packs = packs.collect::<Vec<_>>().join(", ");
        let what = customers.into_iter().chain(left.tables.iter().cloned());
        what.map(|what| {
            format!("left out, since no store that was asked has {packs} whole: {what}")
        })
        .collect()
    }
}

/// A customer has one domain for each class; a table's own stands alone.
fn owner(domain: Domain) -> Domain {
    match domain.class {
        Class::OWN => domain,
        _ => Domain {
            class: Class::CUSTOMER,
            ..domain
        },
    }
}
