//! Packs of both versions.

use tenure::cbor::Malformed;
use tenure::pack::PackError;
use tenure::seal::{Compressor, Dictionary, SealError, plain_frame};

use super::super::craft::{self, contents};
use super::super::keys::{ANN, BEN, COMMON, OTHER, key, meta};
use super::super::packs::{PACK, PAGE, WITHOUT, dictionary_of};
use super::super::read::Refusal;
use super::{Bad, flip, flip_before_end, of_unknown_version, of_version, overlong};

/// The good pack without a dictionary.
const fn bare<const V: u8>() -> &'static str {
    match V {
        1 => PACK,
        _ => WITHOUT,
    }
}

/// Where blobs begin in a pack that has no dictionary.
const fn header(version: u8) -> usize {
    match version {
        1 => 33,
        _ => 37,
    }
}

/// A pack of one blob of ANN's with this frame.
fn pack_of(version: u8, frame: &[u8]) -> Vec<u8> {
    craft::pack(version, &[(ANN, frame.to_vec())], |lens| {
        contents(version, ANN, lens[0], [0; 16])
    })
}

/// The same with a dictionary, which is these bytes, sealed as it should be.
fn pack_with(dictionary: &[u8], frame: &[u8]) -> Vec<u8> {
    with_dictionary(
        craft::dictionary(&key(COMMON), plain_frame(dictionary)),
        frame,
    )
}

/// The same with one that is sealed already.
fn with_dictionary(sealed: Vec<u8>, frame: &[u8]) -> Vec<u8> {
    craft::pack_with(sealed, &[(ANN, frame.to_vec())], |lens| {
        contents(2, ANN, lens[0], [0; 16])
    })
}

/// The good pack with two blobs, of the same length, one in the other's place.
fn exchanged(version: u8) -> Vec<u8> {
    let frame = |n| plain_frame(&[n; 40]);
    let mut pack = craft::pack(version, &[(ANN, frame(1)), (ANN, frame(2))], |lens| {
        [
            contents(version, ANN, lens[0], [0; 16]),
            contents(version, ANN, lens[1], [0; 16]),
        ]
        .concat()
    });
    let len = frame(1).len() + 16;
    let blobs = header(version)..header(version) + 2 * len;
    let (one, two) = pack[blobs].split_at_mut(len);
    one.swap_with_slice(two);
    pack
}

/// What both versions refuse.
pub fn packs<const V: u8>() -> Vec<Bad> {
    let pack = Refusal::Pack;
    let blob = Refusal::Seal;
    let malformed = || Refusal::Pack(PackError::Malformed(Malformed));
    vec![
        ("pack/wrong-name.bin", pack(PackError::WrongName), || {
            flip(of_version(V, PACK), 60)
        }),
        ("pack/not-a-pack.bin", pack(PackError::NotAPack), || {
            of_version(V, PAGE)
        }),
        (
            "pack/unknown-version.bin",
            pack(PackError::UnknownVersion(3)),
            || of_unknown_version(of_version(V, PACK), 3),
        ),
        ("pack/torn-in-header.bin", pack(PackError::Torn), || {
            of_version(V, PACK)[..32].to_vec()
        }),
        ("pack/torn-before-length.bin", pack(PackError::Torn), || {
            of_version(V, bare::<V>())[..header(V)].to_vec()
        }),
        (
            "pack/torn-overlong-contents.bin",
            pack(PackError::Torn),
            || overlong(of_version(V, PACK)),
        ),
        (
            "pack/torn-blobs-do-not-fill.bin",
            pack(PackError::Torn),
            || {
                let frame = plain_frame(b"x");
                craft::pack(V, &[(ANN, frame)], |lens| {
                    contents(V, ANN, lens[0] - 1, [0; 16])
                })
            },
        ),
        (
            "pack/torn-blobs-of-nobody.bin",
            pack(PackError::Torn),
            || craft::pack(V, &[(ANN, plain_frame(b"x"))], |_| Vec::new()),
        ),
        (
            "pack/contents-not-authentic.bin",
            pack(PackError::Contents(SealError::NotAuthentic)),
            || flip_before_end(of_version(V, PACK), 30),
        ),
        (
            "pack/contents-of-another-incarnation.bin",
            pack(PackError::Contents(SealError::NotAuthentic)),
            || {
                // The salt is part of the key.
                flip(of_version(V, bare::<V>()), 20)
            },
        ),
        ("pack/contents-malformed.bin", malformed(), || {
            craft::pack(V, &[], |_| vec![0x83, 0, 0, 0])
        }),
        ("pack/contents-leaf-of-41-bits.bin", malformed(), || {
            craft::pack(V, &[], |_| {
                let mut row = contents(V, ANN, 0, [0; 16]);
                // What stands there is the leaf, which takes nine bytes.
                row.splice(10..19, [0x1b, 0, 0, 1, 0, 0, 0, 0, 0]);
                row
            })
        }),
        ("pack/contents-lengths-overflow.bin", malformed(), || {
            craft::pack(V, &[], |_| contents(V, ANN, u32::MAX, [0; 16]))
        }),
        (
            "pack/blob-not-authentic.bin",
            blob(SealError::NotAuthentic),
            || flip(of_version(V, bare::<V>()), 60),
        ),
        (
            "pack/blob-in-another-s-place.bin",
            blob(SealError::NotAuthentic),
            || exchanged(V),
        ),
        (
            "pack/blob-of-another-domain.bin",
            blob(SealError::NotAuthentic),
            || {
                let frame = plain_frame(b"x");
                craft::pack(V, &[(ANN, frame)], |lens| {
                    contents(V, BEN, lens[0], [0; 16])
                })
            },
        ),
        (
            "pack/blob-unknown-codec.bin",
            blob(SealError::UnknownCodec(4)),
            || pack_of(V, &[4, 1, 0, 0, 0, 9]),
        ),
        (
            "pack/blob-shorter-than-it-says.bin",
            blob(SealError::BadFrame),
            || pack_of(V, &[0, 2, 0, 0, 0, 9]),
        ),
        (
            "pack/blob-without-frame.bin",
            blob(SealError::BadFrame),
            || pack_of(V, &[0, 1, 0, 0]),
        ),
        (
            "pack/blob-not-zstandard.bin",
            blob(SealError::BadFrame),
            || pack_of(V, &[1, 1, 0, 0, 0, 9]),
        ),
        (
            "pack/blob-beyond-256-mib.bin",
            blob(SealError::TooLong((256 << 20) + 1)),
            || pack_of(V, &[1, 1, 0, 0, 0x10, 9]),
        ),
    ]
}

pub fn packs_of_version_1() -> Vec<Bad> {
    vec![(
        "pack/blob-of-another-name.bin",
        Refusal::AnotherPiece,
        || pack_of(1, &[0, 1, 0, 0, 0, 9]),
    )]
}

/// A text at the far end of a dictionary's content.
const TEXT: &[u8; 40] = b"all that is said twice is said here once";

fn dictionary() -> Vec<u8> {
    dictionary_of(&[&TEXT[..], &[b'.'; 1000]].concat())
}

/// The frame of that text by codec 2, with any length.
fn short_frame(len: u16) -> Vec<u8> {
    let dictionary = Dictionary::new(dictionary()).unwrap();
    let mut compressor = Compressor::with(&dictionary).unwrap();
    let mut frame = compressor.frame(TEXT).unwrap();
    assert_eq!(frame[..3], [2, 40, 0]);
    frame[1..3].copy_from_slice(&len.to_le_bytes());
    frame
}

/// What only blobs of version 2 can have wrong.
pub fn packs_of_version_2() -> Vec<Bad> {
    let blob = Refusal::Seal;
    vec![
        (
            "pack/blob-without-its-dictionary.bin",
            blob(SealError::NoDictionary),
            || pack_of(2, &short_frame(40)),
        ),
        (
            "pack/blob-with-another-dictionary.bin",
            blob(SealError::BadFrame),
            || pack_with(&dictionary_of(b"too short"), &short_frame(40)),
        ),
        (
            "pack/blob-short-longer-than-it-says.bin",
            blob(SealError::BadFrame),
            || pack_with(&dictionary(), &short_frame(39)),
        ),
        (
            "pack/blob-short-shorter-than-it-says.bin",
            blob(SealError::BadFrame),
            || pack_with(&dictionary(), &short_frame(41)),
        ),
        (
            "pack/blob-short-of-nothing.bin",
            blob(SealError::BadFrame),
            || pack_with(&dictionary(), &short_frame(0)),
        ),
        (
            "pack/blob-short-not-zstandard.bin",
            blob(SealError::BadFrame),
            || pack_with(&dictionary(), &[2, 1, 0, 9]),
        ),
        (
            "pack/blob-short-without-length.bin",
            blob(SealError::BadFrame),
            || pack_with(&dictionary(), &[2, 1]),
        ),
        (
            "pack/blob-of-no-bytes.bin",
            blob(SealError::BadFrame),
            || pack_of(2, &[]),
        ),
        (
            "pack/torn-in-dictionary-s-length.bin",
            Refusal::Pack(PackError::Torn),
            || of_version(2, PACK)[..36].to_vec(),
        ),
        (
            "pack/torn-in-dictionary.bin",
            Refusal::Pack(PackError::Torn),
            || of_version(2, PACK)[..100].to_vec(),
        ),
        (
            "pack/torn-dictionary-beyond-the-end.bin",
            Refusal::Pack(PackError::Torn),
            || {
                let mut bytes = of_version(2, PACK);
                bytes[33..37].fill(0xff);
                bytes
            },
        ),
    ]
}

pub fn dictionaries() -> Vec<Bad> {
    let wrong = |error| Refusal::Pack(PackError::Dictionary(error));
    vec![
        (
            "pack/dictionary-not-authentic.bin",
            wrong(SealError::NotAuthentic),
            || flip(of_version(2, PACK), 60),
        ),
        (
            "pack/dictionary-of-another-length.bin",
            wrong(SealError::NotAuthentic),
            || flip(of_version(2, PACK), 33),
        ),
        (
            "pack/dictionary-under-another-key.bin",
            wrong(SealError::NotAuthentic),
            || with_dictionary(craft::dictionary(&meta(), plain_frame(TEXT)), &[3]),
        ),
        (
            "pack/dictionary-of-another-incarnation.bin",
            wrong(SealError::NotAuthentic),
            || {
                let common = key(tenure::ids::Domain::common(OTHER));
                with_dictionary(craft::dictionary(&common, plain_frame(TEXT)), &[3])
            },
        ),
        (
            "pack/dictionary-not-zstandard.bin",
            wrong(SealError::BadFrame),
            || pack_with(TEXT, &[3]),
        ),
        (
            "pack/dictionary-of-nothing.bin",
            wrong(SealError::BadFrame),
            || pack_with(&[], &[3]),
        ),
        (
            "pack/dictionary-with-wrong-tables.bin",
            wrong(SealError::BadFrame),
            || {
                let mut dictionary = dictionary();
                dictionary[8..20].fill(0xff);
                pack_with(&dictionary, &[3])
            },
        ),
        (
            "pack/dictionary-shorter-than-it-says.bin",
            wrong(SealError::BadFrame),
            || {
                let frame = vec![0, 200, 0, 0, 0, 1];
                with_dictionary(craft::dictionary(&key(COMMON), frame), &[3])
            },
        ),
        (
            "pack/dictionary-by-a-dictionary.bin",
            wrong(SealError::NoDictionary),
            || {
                let frame = short_frame(40);
                with_dictionary(craft::dictionary(&key(COMMON), frame), &[3])
            },
        ),
    ]
}
