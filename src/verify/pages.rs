//! The pages of a store: every block of each, and that manifest and pages tell the same.

use std::collections::HashMap;

use super::expected::Expectations;
use super::snapshots::Wanted;
use super::{Look, told};
use crate::error::{Failure, Outcome};
use crate::ids::{Domain, ObjectName};
use crate::manifest::PageRef;
use crate::page::{Entry, Page, PageError};
use crate::piece::Identity;
use crate::repo::objects::page_path;

/// The key of the last entry before, from page to page.
pub(super) type Last = Option<(Domain, u32)>;

impl Look<'_> {
    /// One page. `packs` are those of its manifest.
    pub(super) fn page(
        &mut self,
        page: &PageRef,
        packs: &HashMap<ObjectName, u64>,
        last: &mut Last,
        wanted: &mut [Wanted],
        ranks: &HashMap<ObjectName, usize>,
        expected: &mut Expectations<'_>,
    ) -> Outcome<()> {
        let path = page_path(page.object.name);
        let Some(bytes) = self.whole(&path, page.object.size) else {
            return Ok(());
        };
        let index = match self.index(page, &bytes) {
            Ok(index) => index,
            Err(failure) => {
                self.problem(&path, told(&failure));
                return Ok(());
            }
        };
        for pack in index.packs() {
            if packs.get(&pack.name) != Some(&pack.size) {
                let what = format!(
                    "it refers to pack {}, which the manifest does not name so",
                    pack.name
                );
                self.problem(&path, what);
            }
            let head = (pack.salt, pack.dictionary);
            if let Some(rank) = ranks.get(&pack.name)
                && *wanted[*rank].head.get_or_insert(head) != head
            {
                self.problem(
                    &path,
                    format!("it gives pack {} another salt or dictionary", pack.name),
                );
            }
        }
        let rank = |name: &ObjectName| ranks.get(name).copied();
        let mut entries = 0;
        let mut first = None;
        let read = each_entry(&index, &bytes, &self.meta, last, &mut |entry| {
            entries += 1;
            first.get_or_insert(entry.domain);
            check_slots(&entry)?;
            let Some(key) = expected.key(entry.domain) else {
                return Ok(());
            };
            if let Some(id) = &entry.id {
                Identity::decode(&index.open_id(entry.domain, &key, id)?)?;
            }
            expected.take(&entry, rank)
        });
        if let Err(failure) = read {
            self.problem(&path, told(&failure));
        } else if (entries, first, last.map(|(domain, _)| domain))
            != (page.entries, Some(page.first), Some(page.last))
        {
            self.problem(&path, "it does not hold what the manifest says of it");
        }
        Ok(())
    }

    fn index(&self, page: &PageRef, bytes: &[u8]) -> Outcome<Page> {
        let (repo, size) = (self.repository.id(), page.object.size);
        let index = Page::read(repo, page.object.name, bytes, &self.meta)?;
        // Who looks for one customer fetches no more of the end than the manifest says.
        let tail = bytes
            .len()
            .checked_sub(page.tail as usize)
            .ok_or(PageError::Torn)?;
        Page::open(repo, bytes, &bytes[tail..], size, &self.meta)?;
        Ok(index)
    }
}

/// All entries of a page, which must ascend, and come after `last`.
fn each_entry(
    index: &Page,
    bytes: &[u8],
    meta: &crate::secret::DomainKey,
    last: &mut Last,
    each: &mut dyn FnMut(Entry) -> Outcome<()>,
) -> Outcome<()> {
    for block in index.blocks() {
        let range = block.offset as usize..(block.offset + block.len) as usize;
        let sealed = bytes.get(range).ok_or(PageError::Torn)?;
        let entries = index.entries(block, sealed, meta)?;
        if entries.first().map(|entry| entry.domain) != Some(block.first) {
            return Err(Failure::new("a block does not begin as the index says"));
        }
        for entry in entries {
            if last.is_some_and(|last| last >= entry.key()) {
                return Err(PageError::Disorder.into());
            }
            *last = Some(entry.key());
            each(entry)?;
        }
    }
    Ok(())
}

/// That every piece lies within its pack.
fn check_slots(entry: &Entry) -> Outcome<()> {
    let mut pieces = entry.pieces.iter().flatten();
    let end = |offset: u32, len: u32| u64::from(offset) + u64::from(len);
    if pieces.all(|piece| end(piece.slot.offset, piece.slot.len) <= piece.pack.size) {
        return Ok(());
    }
    Err(Failure::new(
        "an entry refers to a piece beyond the end of its pack",
    ))
}
