//! What every hash and signature vouches for, and is wrong all the same: as a writer with a mistake
//! in it would leave it. `verify` does not believe the writer either.

use std::fs;

use tenure::catalog::Snapshot;
use tenure::clock::Timestamp;
use tenure::ids::{Class, Domain, PieceName, SnapshotId};
use tenure::manifest::{Manifest, ObjectRef, PageRef, SnapshotKind};
use tenure::object::{self, Chain, Head};
use tenure::pack::PackWriter;
use tenure::page::{Entry, PackRef, PageWriter, PieceRef};
use tenure::piece::{self, Cell};
use tenure::repo::Repository;
use tenure::repo::objects::{pack_path, page_path};
use tenure::repo::view;
use tenure::seal::{Compressor, Dictionary};
use tenure::secret::DomainKey;
use tenure::value::ValueRef;

use super::{look, named};
use crate::support::world::{STORES, World};

/// What is wrong with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Nothing,
    BlobLacksItsDictionary,
    BlobHasAnotherDictionary,
    DictionaryHasAnotherKey,
    BlobHasAnotherKey,
    PieceIsNoRows,
    EntryNamesAnotherPiece,
    EntryCountsOtherRows,
    EntryCountsOtherBytes,
    EntryHasAnotherSlot,
    EntryIsAnotherDomain,
    IdentityIsNone,
    EntryGoesBeyondThePack,
    ManifestLacksThePack,
    PageHasAnotherSizeOfThePack,
    PageHasAnotherSalt,
    PageHasAnotherDictionary,
    ManifestHasAnotherRange,
    ManifestHasAnotherCount,
    ManifestHasAShorterTail,
    PagesAreInDisorder,
}

/// Which object is to be named, and whether only `--data` can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    No,
    Pack { by_data: bool },
    Page { by_data: bool },
}

const LIES: [(Lie, Found); 21] = [
    (Lie::Nothing, Found::No),
    (Lie::BlobLacksItsDictionary, Found::Pack { by_data: true }),
    (Lie::BlobHasAnotherDictionary, Found::Pack { by_data: true }),
    (Lie::DictionaryHasAnotherKey, Found::Pack { by_data: true }),
    (Lie::BlobHasAnotherKey, Found::Pack { by_data: true }),
    (Lie::PieceIsNoRows, Found::Pack { by_data: true }),
    (Lie::EntryNamesAnotherPiece, Found::Pack { by_data: true }),
    (Lie::EntryCountsOtherRows, Found::Pack { by_data: true }),
    (Lie::EntryCountsOtherBytes, Found::Pack { by_data: true }),
    (Lie::EntryHasAnotherSlot, Found::Pack { by_data: true }),
    (Lie::EntryIsAnotherDomain, Found::Pack { by_data: true }),
    (Lie::IdentityIsNone, Found::Page { by_data: true }),
    (Lie::EntryGoesBeyondThePack, Found::Page { by_data: false }),
    (Lie::ManifestLacksThePack, Found::Page { by_data: false }),
    (
        Lie::PageHasAnotherSizeOfThePack,
        Found::Page { by_data: false },
    ),
    (Lie::PageHasAnotherSalt, Found::Pack { by_data: false }),
    (
        Lie::PageHasAnotherDictionary,
        Found::Pack { by_data: false },
    ),
    (Lie::ManifestHasAnotherRange, Found::Page { by_data: false }),
    (Lie::ManifestHasAnotherCount, Found::Page { by_data: false }),
    (Lie::ManifestHasAShorterTail, Found::Page { by_data: false }),
    (Lie::PagesAreInDisorder, Found::Page { by_data: false }),
];

#[test]
fn a_writer_s_mistakes_are_found() {
    for (lie, expected) in LIES {
        let world = World::with_stores(&STORES[..1]);
        world.snapshot(true);
        let (pack, page) = write_snapshot(&world, lie);
        for data in [false, true] {
            let found = look(&world, None, data);
            let (object, by_data) = match expected {
                Found::No => (None, false),
                Found::Pack { by_data } => (Some(&pack), by_data),
                Found::Page { by_data } => (Some(&page), by_data),
            };
            let object = object.filter(|_| data || !by_data);
            let expected: Vec<_> = object
                .into_iter()
                .map(|path| (STORES[0].to_owned(), path.clone()))
                .collect();
            assert_eq!(
                named(&found),
                expected,
                "{lie:?}, data {data}: {:#?}",
                found.problems
            );
        }
    }
}

fn domain(repository: &Repository, arrival: u32) -> Domain {
    Domain {
        inc: repository.inc(),
        class: Class::CUSTOMER,
        arrival,
    }
}

/// Writes a full snapshot of one customer with one row. Returns the paths of its pack, and of the
/// page that is to be blamed.
fn write_snapshot(world: &World, lie: Lie) -> (String, String) {
    let mut repository = world.change();
    let root = &world.store_dirs()[0];
    let meta = repository.meta().unwrap();
    let (entry, pack, bytes) = write_pack(&repository, &meta, lie);
    fs::write(root.join(pack_path(pack.name)), bytes).unwrap();
    let mut pages = vec![write_page(world, &repository, &meta, &entry)];
    if lie == Lie::PagesAreInDisorder {
        let before = Entry {
            domain: domain(&repository, 1),
            id: None,
            pieces: None,
            source: 0,
        };
        pages.push(write_page(world, &repository, &meta, &before));
    }
    let last = pages.last_mut().unwrap();
    match lie {
        Lie::ManifestHasAnotherRange => last.last.arrival += 1,
        Lie::ManifestHasAnotherCount => last.entries += 1,
        Lie::ManifestHasAShorterTail => last.tail -= 1,
        _ => {}
    }
    let page = page_path(last.object.name);
    let named = ObjectRef {
        name: pack.name,
        size: pack.size,
    };
    let packs = if lie == Lie::ManifestLacksThePack {
        vec![]
    } else {
        vec![named]
    };
    publish(world, &mut repository, &meta, pages, packs);
    (pack_path(pack.name), page)
}

const TEXT: &[u8] = b"a row that is long enough to be worth a dictionary";

fn dictionary(content: &[u8]) -> Dictionary {
    Dictionary::of(content, &[0; 100], &[50, 50]).unwrap()
}

fn pack_writer(repository: &Repository, lie: Lie) -> PackWriter {
    let inc = repository.inc();
    let dictionary = match lie {
        Lie::BlobLacksItsDictionary => None,
        Lie::BlobHasAnotherDictionary => {
            Some(dictionary(&TEXT.iter().rev().copied().collect::<Vec<_>>()))
        }
        _ => Some(dictionary(TEXT)),
    };
    let domain = match lie {
        Lie::DictionaryHasAnotherKey => Domain::meta(inc),
        _ => Domain::common(inc),
    };
    let key = repository.keyring.forest.key(domain).unwrap();
    let with = dictionary.as_ref().map(|dictionary| (dictionary, &key));
    PackWriter::new(repository.id(), inc, with).unwrap()
}

/// The pack, and the entry that refers to it.
fn write_pack(
    repository: &Repository,
    meta: &DomainKey,
    lie: Lie,
) -> (Entry, PackRef, bytes::Bytes) {
    let of = domain(repository, 2);
    let key = repository.keyring.forest.key(of).unwrap();
    let mut plain = vec![1];
    let cells = [
        Cell::Value(ValueRef::Int(5)),
        Cell::Value(ValueRef::Text(TEXT)),
    ];
    piece::encode_row(&mut plain, 0, Some(1), cells.into_iter());
    if lie == Lie::PieceIsNoRows {
        plain.push(0xff);
    }
    let frame = Compressor::with(&dictionary(TEXT)).unwrap().frame(&plain);
    let mut writer = pack_writer(repository, lie);
    let sealing = if lie == Lie::BlobHasAnotherKey {
        meta
    } else {
        &key
    };
    let mut slot = writer.add(of, sealing, frame.unwrap());
    let (salt, dictionary) = (writer.salt(), writer.dictionary());
    let (object, bytes) = writer.finish(meta).unwrap();
    let pack = PackRef {
        name: object,
        size: bytes.len() as u64,
        salt,
        dictionary,
    };
    let mut said = PieceRef {
        pack,
        slot,
        plain: plain.len() as u32,
        rows: 1,
        name: piece::name(&key.name_key(), &plain),
    };
    match lie {
        Lie::EntryNamesAnotherPiece => said.name = PieceName([7; 16]),
        Lie::EntryCountsOtherRows => said.rows += 1,
        Lie::EntryCountsOtherBytes => said.plain += 1,
        Lie::EntryHasAnotherSlot => slot.len -= 1,
        Lie::EntryGoesBeyondThePack => slot.len = bytes.len() as u32,
        Lie::PageHasAnotherSizeOfThePack => said.pack.size += 1,
        Lie::PageHasAnotherSalt => said.pack.salt[0] ^= 1,
        Lie::PageHasAnotherDictionary => said.pack.dictionary += 1,
        _ => {}
    }
    said.slot = slot;
    let domain = if lie == Lie::EntryIsAnotherDomain {
        domain(repository, 3)
    } else {
        of
    };
    let id = (lie == Lie::IdentityIsNone).then(|| b"no identity".to_vec());
    (
        Entry {
            domain,
            source: 0,
            id,
            pieces: Some(vec![said]),
        },
        pack,
        bytes,
    )
}

fn write_page(world: &World, repository: &Repository, meta: &DomainKey, entry: &Entry) -> PageRef {
    let mut writer = PageWriter::new(repository.id(), repository.inc()).unwrap();
    writer.add(entry, meta).unwrap();
    let page = writer.finish(meta).unwrap().unwrap();
    fs::write(
        world.store_dirs()[0].join(page_path(page.name)),
        &page.bytes,
    )
    .unwrap();
    let object = ObjectRef {
        name: page.name,
        size: page.bytes.len() as u64,
    };
    let (tail, first, last) = (page.tail, page.first, page.last);
    PageRef {
        object,
        tail,
        first,
        last,
        entries: page.entries,
    }
}

/// Signs a manifest that names these, and lets the catalog know of it.
fn publish(
    world: &World,
    repository: &mut Repository,
    meta: &DomainKey,
    pages: Vec<PageRef>,
    packs: Vec<ObjectRef>,
) {
    let before = repository.catalog.snapshots().unwrap().pop().unwrap();
    let fetcher = repository.fetcher(&repository.stores);
    let manifest = view::manifest(repository, &fetcher, before.id).unwrap();
    let (inc, number) = (repository.inc(), before.id.number + 1);
    let manifest = Manifest {
        kind: SnapshotKind::Full,
        base: number,
        pages,
        packs,
        ..manifest
    };
    let head = Head {
        repo: repository.id(),
        inc,
        number,
        previous: before.hash,
    };
    let bytes =
        object::write(Chain::Manifest, &head, &manifest, meta, repository.writer()).unwrap();
    let path = Chain::Manifest.path(inc, number);
    for root in [&world.store_dirs()[0], &world.state_dir()] {
        fs::write(root.join(&path), &bytes).unwrap();
    }
    let id = SnapshotId { inc, number };
    let (hash, finished) = (object::hash(&bytes), Timestamp::now());
    let snapshot = Snapshot {
        id,
        base: number,
        hash,
        finished,
        kind: manifest.kind,
        ..before
    };
    let store = STORES[0].parse().unwrap();
    let noted = repository.catalog.change(|change| {
        change.add_snapshot(&snapshot)?;
        change.set_complete(id, &store, true)
    });
    noted.unwrap();
}
