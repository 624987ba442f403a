//! Good packs and pages of both versions: writes those of the second once, and checks what all hold.

use std::collections::BTreeSet;

use tenure::error::Failure;
use tenure::ids::{Domain, ObjectName};
use tenure::pack::{self, Pack, PackWriter};
use tenure::page::{self, PackRef, Page, PageWriter, PieceRef};
use tenure::piece;
use tenure::repo::objects::check_name;
use tenure::seal::{Compressor, Decompressor, Dictionary, plain_frame};

use super::expected::{self, FULL, INCREMENTAL, MANY};
use super::good::rows;
use super::keys::{ANN, BEN, COMMON, INC, REPO, key, meta};
use super::{Fixtures, VERSIONS, craft, read};

/// The pack from which bad ones are made; in version 2 it has a dictionary.
pub const PACK: &str = "pack/domains.bin";
/// Likewise the page.
pub const PAGE: &str = "page/full.bin";
pub const WITHOUT: &str = "pack/without-dictionary.bin";
const DICTIONARY: &str = "dictionary/plain.bin";

/// All packs of a version. The pages' `n`th piece is the `n`th of one of them, which take turns.
fn packs(version: u8) -> Vec<Pack> {
    let names: &[_] = match version {
        1 => &[PACK],
        _ => &[PACK, WITHOUT],
    };
    let read = |name: &&str| {
        let bytes = Fixtures::good(version).read(name);
        Pack::read(ObjectName::of(&bytes), bytes.into()).unwrap()
    };
    names.iter().map(read).collect()
}

/// A dictionary of which the short pieces here have something.
fn dictionary() -> Vec<u8> {
    dictionary_of(&[&rows()[..], b"\x01\x83\x00\x05\x63xyz"].concat())
}

/// A dictionary with this content.
pub fn dictionary_of(content: &[u8]) -> Vec<u8> {
    let samples: Vec<_> = (0..100)
        .map(|n| [1, 0x83, 0, n, 0x63, b'x', b'y', b'z'])
        .collect();
    let made = Dictionary::of(content, &samples.concat(), &[8; 100]);
    made.unwrap().bytes().to_vec()
}

fn pack(dictionary: Option<&Dictionary>) -> Vec<u8> {
    let common = key(COMMON);
    let with = dictionary.map(|dictionary| (dictionary, &common));
    let mut writer = PackWriter::new(REPO, INC, with).unwrap();
    let mut compressor = match dictionary {
        Some(dictionary) => Compressor::with(dictionary).unwrap(),
        None => Compressor::new().unwrap(),
    };
    for (domain, plain) in expected::packed(2, &rows()) {
        let frame = compressor.frame(&plain).unwrap();
        writer.add(domain, &key(domain), frame);
    }
    writer.finish(&meta()).unwrap().1.to_vec()
}

fn pack_ref(pack: &Pack) -> PackRef {
    PackRef {
        name: ObjectName::of(pack.bytes()),
        size: pack.bytes().len() as u64,
        salt: *pack.head().salt(),
        dictionary: pack.head().dictionary_len(),
    }
}

/// The pieces of the packs as pages refer to them.
fn piece_refs(version: u8) -> Vec<PieceRef> {
    let packs = packs(version);
    let contents: Vec<_> = packs
        .iter()
        .map(|pack| pack.contents(REPO, &meta()).unwrap())
        .collect();
    let plain = expected::packed(version, &rows());
    let refs = (0..).zip(&plain).map(|(n, (domain, plain))| {
        let pack = &packs[n % packs.len()];
        PieceRef {
            pack: pack_ref(pack),
            slot: contents[n % packs.len()][n].slot,
            plain: plain.len() as u32,
            rows: 1,
            name: piece::name(&key(*domain).name_key(), plain),
        }
    });
    refs.collect()
}

fn page(entries: &[expected::Entry], pieces: &[PieceRef]) -> Vec<u8> {
    let mut writer = PageWriter::new(REPO, INC).unwrap();
    for (domain, source, with_id, numbers) in entries {
        let identity = expected::identity(*domain).encode_short();
        let id = with_id.then(|| writer.seal_id(*domain, &key(*domain), &identity));
        let entry = page::Entry {
            domain: *domain,
            source: *source,
            id,
            pieces: numbers.map(|numbers| numbers.iter().map(|n| pieces[*n]).collect()),
        };
        writer.add(&entry, &meta()).unwrap();
    }
    writer.finish(&meta()).unwrap().unwrap().bytes.to_vec()
}

/// Two entries that are so long that each fills a block.
fn page_of_two_blocks(pieces: &[PieceRef]) -> Vec<u8> {
    let mut writer = PageWriter::new(REPO, INC).unwrap();
    for domain in [ANN, BEN] {
        let entry = page::Entry {
            domain,
            source: 0,
            id: None,
            pieces: Some(vec![pieces[0]; MANY]),
        };
        writer.add(&entry, &meta()).unwrap();
    }
    writer.finish(&meta()).unwrap().unwrap().bytes.to_vec()
}

/// Writes what is missing of version 2, from what is there.
pub fn write(good: &Fixtures) {
    let dictionary = Dictionary::new(good.once(DICTIONARY, dictionary)).unwrap();
    good.once(PACK, || pack(Some(&dictionary)));
    good.once(WITHOUT, || pack(None));
    let pieces = piece_refs(2);
    good.once(PAGE, || page(&FULL, &pieces));
    good.once("page/incremental.bin", || page(&INCREMENTAL, &pieces));
    good.once("page/two-blocks.bin", || page_of_two_blocks(&pieces));
    good.once("identity/since.bin", || {
        expected::identity(ANN).encode_short()
    });
}

#[test]
fn packs_hold_their_pieces() {
    for version in VERSIONS {
        for pack in packs(version) {
            assert_eq!(pack.head().incarnation(), INC);
            let found = read::pack(ObjectName::of(pack.bytes()), pack.bytes()).unwrap();
            assert_eq!(found, expected::packed(version, &rows()));
        }
    }
}

/// By which codecs the frames in a pack are made.
fn codecs(pack: &Pack) -> BTreeSet<u8> {
    let contents = pack.contents(REPO, &meta()).unwrap();
    let codec = |entry: pack::Entry| {
        let (key, salt) = (key(entry.domain), pack.head().salt());
        let sealed = pack.blob(entry.slot).unwrap();
        pack::open_blob(REPO, &key, salt, entry.slot.offset, sealed).unwrap()[0]
    };
    contents.into_iter().map(codec).collect()
}

#[test]
fn a_pack_has_a_dictionary_or_none_and_its_codecs_go_by_that() {
    let [with, without]: [Pack; 2] = packs(2).try_into().ok().unwrap();
    let found = read::dictionary(&with).unwrap().unwrap();
    assert_eq!(found.bytes(), Fixtures::good(2).read(DICTIONARY));
    assert_eq!(codecs(&with), BTreeSet::from([0, 1, 2]));
    assert_eq!(without.head().dictionary_len(), 0);
    assert_eq!(codecs(&without), BTreeSet::from([0, 1]));
    assert_eq!(codecs(&packs(1)[0]), BTreeSet::from([0, 1]));
}

#[test]
fn a_short_identity_is_who_it_was() {
    let bytes = Fixtures::good(2).read("identity/since.bin");
    let wanted = expected::identity(ANN);
    assert!(piece::Identity::decode(&bytes).unwrap() == wanted);
    assert_eq!(wanted.encode_short(), bytes);
    assert!(bytes.len() < wanted.encode().len());
}

/// What opening a piece from its pack gives.
fn opened(pack: &Pack, owner: Domain, piece: &PieceRef) -> Result<Vec<u8>, Failure> {
    let dictionary = read::dictionary(pack).unwrap();
    let sealed = pack.blob(piece.slot).unwrap();
    let mut decompressor = Decompressor::new().unwrap();
    let key = key(owner);
    let (slot, salt) = (piece.slot, &piece.pack.salt);
    let frame = pack::open_blob(REPO, &key, salt, slot.offset, sealed)?;
    let plain = decompressor.plain(&frame, dictionary.as_ref())?;
    check_name(&key, &plain, piece.name)?;
    Ok(plain.to_vec())
}

#[test]
fn what_another_dictionary_makes_of_a_piece_is_not_taken_for_it() {
    let plain: Vec<u8> = (1..=200).collect();
    let other: Vec<u8> = plain.iter().map(|byte| byte ^ 1).collect();
    let [right, wrong] = [&plain, &other].map(|content| dictionary_of(content));
    let right = Dictionary::new(right).unwrap();
    let frame = Compressor::with(&right).unwrap().frame(&plain).unwrap();
    assert_eq!(frame[0], 2);
    for (dictionary, found) in [(right.bytes(), true), (&wrong[..], false)] {
        let dictionary = craft::dictionary(&key(COMMON), plain_frame(dictionary));
        let bytes = craft::pack_with(dictionary, &[(ANN, frame.clone())], |lens| {
            craft::contents(2, ANN, lens[0], [0; 16])
        });
        let pack = Pack::read(ObjectName::of(&bytes), bytes.into()).unwrap();
        let slot = pack.contents(REPO, &meta()).unwrap()[0].slot;
        let piece = PieceRef {
            pack: pack_ref(&pack),
            slot,
            plain: 200,
            rows: 0,
            name: piece::name(&key(ANN).name_key(), &plain),
        };
        match opened(&pack, ANN, &piece) {
            Ok(opened) => assert!(found && opened == plain),
            Err(error) => {
                assert!(!found);
                assert!(
                    error.to_string().contains("not what its name says"),
                    "{error}"
                );
            }
        }
    }
}

/// That a page has these entries, and that each leads to its pieces in the packs.
fn check_page(version: u8, name: &str, wanted: &[expected::Entry]) {
    let bytes = Fixtures::good(version).read(name);
    let (packs, pieces) = (packs(version), piece_refs(version));
    let plain = expected::packed(version, &rows());
    let (index, entries) = read::page(ObjectName::of(&bytes), &bytes).unwrap();
    assert_eq!(entries.len(), wanted.len());
    for (entry, (domain, source, with_id, numbers)) in entries.iter().zip(wanted) {
        assert_eq!(entry.key(), (*domain, *source));
        let id = entry.id.as_ref();
        assert_eq!(id.is_some(), *with_id);
        if let Some(id) = id {
            let id = index.open_id(*domain, &key(*domain), id).unwrap();
            assert!(piece::Identity::decode(&id).unwrap() == expected::identity(*domain));
        }
        let refs = numbers.map(|numbers| numbers.iter().map(|n| pieces[*n]).collect::<Vec<_>>());
        assert_eq!(entry.pieces, refs);
        for number in numbers.unwrap_or_default() {
            let (owner, wanted) = &plain[*number];
            let pack = &packs[number % packs.len()];
            assert_eq!(opened(pack, *owner, &pieces[*number]).unwrap(), *wanted);
        }
    }
}

#[test]
fn pages_hold_their_entries() {
    for version in VERSIONS {
        check_page(version, PAGE, &FULL);
        check_page(version, "page/incremental.bin", &INCREMENTAL);
    }
    let bytes = Fixtures::good(2).read(PAGE);
    let (index, _) = read::page(ObjectName::of(&bytes), &bytes).unwrap();
    let with: Vec<_> = index
        .packs()
        .iter()
        .map(|pack| pack.dictionary > 0)
        .collect();
    assert_eq!(with, [true, false], "both kinds of packs");
}

#[test]
fn a_page_of_two_blocks_is_read_block_by_block() {
    for version in VERSIONS {
        let bytes = Fixtures::good(version).read("page/two-blocks.bin");
        let (head, tail) = bytes.split_at(bytes.len() - expected::tail(&bytes) as usize);
        let size = bytes.len() as u64;
        let page = Page::open(REPO, &head[..page::HEAD], tail, size, &meta()).unwrap();
        assert_eq!(page.packs().len(), 1);
        let firsts: Vec<Domain> = page.blocks().iter().map(|block| block.first).collect();
        assert_eq!(firsts, [ANN, BEN]);
        for block in page.blocks() {
            let sealed = &bytes[block.offset as usize..(block.offset + block.len) as usize];
            let entries = page.entries(block, sealed, &meta()).unwrap();
            assert_eq!((entries.len(), entries[0].domain), (1, block.first));
            let pieces = entries[0].pieces.as_ref().unwrap();
            assert_eq!(*pieces, vec![piece_refs(version)[0]; MANY]);
        }
    }
}
