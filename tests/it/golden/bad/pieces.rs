//! Pieces, identities, and the packs that they lie in.

use tenure::cbor::Malformed;
use tenure::pack::PackError;
use tenure::seal::SealError;

use super::super::craft::{self, cbor, contents};
use super::super::keys::{ANN, BEN, INC};
use super::super::read::Refusal;
use super::{Bad, cut, flipped, flipped_before_end, later, of, overlong};

/// A piece of one row with one cell.
fn cell(bytes: &[u8]) -> Vec<u8> {
    [&[1, 0x83, 0, 1], bytes].concat()
}

pub fn pieces() -> Vec<Bad> {
    let no = || Refusal::Malformed(Malformed);
    vec![
        ("piece/empty.bin", no(), Vec::new),
        ("piece/unknown-kind.bin", no(), || vec![4, 0x82, 0, 1]),
        ("piece/cut-short.bin", no(), || cut("piece/rows.bin", 60)),
        ("piece/unfinished-row.bin", no(), || {
            of("piece/fragment.bin")
        }),
        ("piece/last-fragment-alone.bin", no(), || {
            of("piece/last-fragment.bin")
        }),
        ("piece/not-an-array.bin", no(), || vec![1, 0xf6]),
        ("piece/row-without-rowid.bin", no(), || vec![1, 0x81, 0]),
        ("piece/row-of-unknown-length.bin", no(), || {
            vec![1, 0x9f, 0, 1, 0xff]
        }),
        ("piece/table-beyond-32-bits.bin", no(), || {
            vec![1, 0x82, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        }),
        ("piece/integer-beyond-64-bits.bin", no(), || {
            cell(&[0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0])
        }),
        ("piece/real-of-32-bits.bin", no(), || {
            cell(&[0xfa, 0x3f, 0xc0, 0, 0])
        }),
        ("piece/boolean.bin", no(), || cell(&[0xf5])),
        ("piece/text-not-utf8.bin", no(), || cell(&[0x61, 0xff])),
        ("piece/text-in-chunks.bin", no(), || {
            cell(&[0x7f, 0x61, b'a', 0xff])
        }),
        ("piece/cell-of-two-items.bin", no(), || {
            cell(&[0x82, 0x40, 0x40])
        }),
        ("piece/reference-short-incarnation.bin", no(), || {
            cell(&[0x83, 0x41, 0, 0, 0x40])
        }),
        ("piece/reference-leaf-of-41-bits.bin", no(), || {
            let leaf = [0x1b, 0, 0, 1, 0, 0, 0, 0, 0];
            cell(&[&[0x83, 0x48], &INC.0[..], &leaf, &[0x40]].concat())
        }),
        ("identity/trailing-byte.bin", no(), || {
            [of("identity/plain.bin"), vec![0]].concat()
        }),
        ("identity/without-since.bin", no(), || vec![0x81, 0x81, 1]),
        ("identity/key-not-an-array.bin", no(), || {
            vec![0x82, 1, 0xf6]
        }),
        ("identity/reference-in-key.bin", no(), || {
            [&[0x82, 0x81, 0x83, 0x48], &INC.0[..], &[1, 0x40, 0xf6]].concat()
        }),
    ]
}

/// A pack of one blob of ANN's with this frame.
fn pack_of(frame: &[u8]) -> Vec<u8> {
    craft::pack(&[(ANN, frame.to_vec())], |lens| {
        contents(ANN, lens[0], [0; 16])
    })
}

/// The good pack with two blobs, of the same length, one in the other's place.
fn exchanged() -> Vec<u8> {
    let frame = |n| tenure::seal::plain_frame(&[n; 40]);
    let mut pack = craft::pack(&[(ANN, frame(1)), (ANN, frame(2))], |lens| {
        [
            contents(ANN, lens[0], [0; 16]),
            contents(ANN, lens[1], [0; 16]),
        ]
        .concat()
    });
    let len = frame(1).len() + 16;
    let (one, two) = pack[33..33 + 2 * len].split_at_mut(len);
    one.swap_with_slice(two);
    pack
}

pub fn packs() -> Vec<Bad> {
    let pack = Refusal::Pack;
    let blob = Refusal::Seal;
    let malformed = || Refusal::Pack(PackError::Malformed(Malformed));
    vec![
        ("pack/wrong-name.bin", pack(PackError::WrongName), || {
            flipped("pack/domains.bin", 60)
        }),
        ("pack/not-a-pack.bin", pack(PackError::NotAPack), || {
            of("page/full.bin")
        }),
        (
            "pack/unknown-version.bin",
            pack(PackError::UnknownVersion(2)),
            || later("pack/domains.bin"),
        ),
        ("pack/torn-in-header.bin", pack(PackError::Torn), || {
            cut("pack/domains.bin", 32)
        }),
        ("pack/torn-before-length.bin", pack(PackError::Torn), || {
            cut("pack/domains.bin", 33)
        }),
        (
            "pack/torn-overlong-contents.bin",
            pack(PackError::Torn),
            || overlong("pack/domains.bin"),
        ),
        (
            "pack/torn-blobs-do-not-fill.bin",
            pack(PackError::Torn),
            || {
                let frame = tenure::seal::plain_frame(b"x");
                craft::pack(&[(ANN, frame)], |lens| contents(ANN, lens[0] - 1, [0; 16]))
            },
        ),
        (
            "pack/torn-blobs-of-nobody.bin",
            pack(PackError::Torn),
            || craft::pack(&[(ANN, tenure::seal::plain_frame(b"x"))], |_| Vec::new()),
        ),
        (
            "pack/contents-not-authentic.bin",
            pack(PackError::Contents(SealError::NotAuthentic)),
            || flipped_before_end("pack/domains.bin", 30),
        ),
        (
            "pack/contents-of-another-incarnation.bin",
            pack(PackError::Contents(SealError::NotAuthentic)),
            || {
                // The salt is part of the key.
                flipped("pack/domains.bin", 20)
            },
        ),
        ("pack/contents-malformed.bin", malformed(), || {
            craft::pack(&[], |_| vec![0x83, 0, 0, 0])
        }),
        ("pack/contents-leaf-of-41-bits.bin", malformed(), || {
            craft::pack(&[], |_| {
                cbor(|w| {
                    w.array(4)?
                        .bytes(&INC.0)?
                        .u64(1 << 40)?
                        .u32(0)?
                        .bytes(&[0; 16])?
                        .ok()
                })
            })
        }),
        ("pack/contents-lengths-overflow.bin", malformed(), || {
            craft::pack(&[], |_| contents(ANN, u32::MAX, [0; 16]))
        }),
        (
            "pack/blob-not-authentic.bin",
            blob(SealError::NotAuthentic),
            || flipped("pack/domains.bin", 60),
        ),
        (
            "pack/blob-in-another-s-place.bin",
            blob(SealError::NotAuthentic),
            exchanged,
        ),
        (
            "pack/blob-of-another-domain.bin",
            blob(SealError::NotAuthentic),
            || {
                let frame = tenure::seal::plain_frame(b"x");
                craft::pack(&[(ANN, frame)], |lens| contents(BEN, lens[0], [0; 16]))
            },
        ),
        (
            "pack/blob-of-another-name.bin",
            Refusal::AnotherPiece,
            || pack_of(&[0, 1, 0, 0, 0, 9]),
        ),
        (
            "pack/blob-unknown-codec.bin",
            blob(SealError::UnknownCodec(2)),
            || pack_of(&[2, 1, 0, 0, 0, 9]),
        ),
        (
            "pack/blob-shorter-than-it-says.bin",
            blob(SealError::BadFrame),
            || pack_of(&[0, 2, 0, 0, 0, 9]),
        ),
        (
            "pack/blob-without-frame.bin",
            blob(SealError::BadFrame),
            || pack_of(&[0, 1, 0, 0]),
        ),
        (
            "pack/blob-not-zstandard.bin",
            blob(SealError::BadFrame),
            || pack_of(&[1, 1, 0, 0, 0, 9]),
        ),
        (
            "pack/blob-beyond-256-mib.bin",
            blob(SealError::TooLong((256 << 20) + 1)),
            || pack_of(&[1, 1, 0, 0, 0x10, 9]),
        ),
    ]
}
