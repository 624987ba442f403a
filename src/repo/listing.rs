//! What of snapshots lies in a store, told from a listing.

use std::collections::BTreeMap;

use super::objects::{pack_path, page_path};
use crate::error::Outcome;
use crate::ids::SnapshotId;
use crate::manifest::Manifest;
use crate::object::Chain;
use crate::store::Store;

/// Paths and sizes of what lies in a store.
pub type Listing = BTreeMap<String, u64>;

/// What of snapshots lies in a store, by path and size.
pub fn listing(store: &Store) -> Outcome<Listing> {
    let mut all = store.list("packs")?;
    all.append(&mut store.list("pages")?);
    all.append(&mut store.list("snapshots")?);
    Ok(all)
}

/// The objects that a manifest names, by path and size.
pub fn named(manifest: &Manifest) -> impl Iterator<Item = (String, u64)> {
    let packs = manifest
        .packs
        .iter()
        .map(|pack| (pack_path(pack.name), pack.size));
    let pages = manifest
        .pages
        .iter()
        .map(|page| (page_path(page.object.name), page.object.size));
    packs.chain(pages)
}

/// The first object of a snapshot that a store lacks, with no regard to what it builds upon.
pub fn lacks(id: SnapshotId, manifest: &Manifest, listing: &Listing) -> Option<String> {
    let path = Chain::Manifest.path(id.inc, id.number);
    if !listing.contains_key(&path) {
        return Some(path);
    }
    lacks_named(manifest, listing)
}

/// The first object that a manifest names and a store lacks.
pub fn lacks_named(manifest: &Manifest, listing: &Listing) -> Option<String> {
    named(manifest)
        .find(|(path, size)| listing.get(path) != Some(size))
        .map(|(path, _)| path)
}

/// For each snapshot the first object that a store lacks of it or of what it builds upon: none where
/// the snapshot is complete.
pub fn lacking(
    snapshots: &[(SnapshotId, Manifest)],
    listing: &Listing,
) -> Vec<(SnapshotId, Option<String>)> {
    let alone: Vec<_> = snapshots
        .iter()
        .map(|(id, manifest)| (*id, lacks(*id, manifest, listing)))
        .collect();
    let with_chain = |(id, manifest): &(SnapshotId, Manifest)| {
        let chain = manifest.base..=id.number;
        let in_chain = |below: SnapshotId| below.inc == id.inc && chain.contains(&below.number);
        let mut chain = alone.iter().filter(|(below, _)| in_chain(*below));
        (*id, chain.find_map(|(_, lack)| lack.clone()))
    };
    snapshots.iter().map(with_chain).collect()
}
