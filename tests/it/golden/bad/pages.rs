//! Pages.

use tenure::cbor::Malformed;
use tenure::page::PageError;
use tenure::seal::SealError;

use super::super::craft::{self, cbor, index, index_with, pack_ref, removal};
use super::super::keys::{ANN, INC, OTHER};
use super::super::packs::{PACK, PAGE};
use super::super::read::Refusal;
use super::{Bad, flip, flip_before_end, of_unknown_version, of_version, overlong};

/// A page of one block.
fn page_of(version: u8, block: Vec<u8>) -> Vec<u8> {
    craft::page(version, &[block], |lens| {
        index(&[INC], &[(0, ANN.leaf(), lens[0])])
    })
}

/// The entry of ANN whose last two items are these.
fn entry_of(id: &[u8], pieces: &[u8]) -> Vec<u8> {
    let head = cbor(|w| w.array(5)?.u64(0)?.u64(ANN.leaf())?.u32(0)?.ok());
    [&head, id, pieces].concat()
}

/// A page of that entry.
fn entry_with(version: u8, id: &[u8], pieces: &[u8]) -> Vec<u8> {
    page_of(version, entry_of(id, pieces))
}

/// What both versions refuse.
pub fn pages<const V: u8>() -> Vec<Bad> {
    let page = Refusal::Page;
    let sealed = |what| Refusal::Page(PageError::Sealed(what, SealError::NotAuthentic));
    let malformed = || Refusal::Page(PageError::Malformed(Malformed));
    vec![
        ("page/wrong-name.bin", page(PageError::WrongName), || {
            flip(of_version(V, PAGE), 60)
        }),
        ("page/not-a-page.bin", page(PageError::NotAPage), || {
            of_version(V, PACK)
        }),
        (
            "page/unknown-version.bin",
            page(PageError::UnknownVersion(3)),
            || of_unknown_version(of_version(V, PAGE), 3),
        ),
        ("page/torn-in-header.bin", page(PageError::Torn), || {
            of_version(V, PAGE)[..32].to_vec()
        }),
        (
            "page/torn-overlong-index.bin",
            page(PageError::Torn),
            || overlong(of_version(V, PAGE)),
        ),
        (
            "page/torn-blocks-do-not-fill.bin",
            page(PageError::Torn),
            || {
                let block = removal(0, ANN.leaf(), 0);
                craft::page(V, &[block], |lens| {
                    index(&[INC], &[(0, ANN.leaf(), lens[0] - 1)])
                })
            },
        ),
        (
            "page/torn-lengths-overflow.bin",
            page(PageError::Torn),
            || {
                craft::page(V, &[], |_| {
                    index(&[INC], &[(0, 1, u64::MAX - 40), (0, 2, 1)])
                })
            },
        ),
        (
            "page/torn-lengths-overflow-twice.bin",
            page(PageError::Torn),
            || {
                craft::page(V, &[], |_| {
                    index(&[INC], &[(0, 1, u64::MAX - 40), (0, 2, 40)])
                })
            },
        ),
        ("page/index-not-authentic.bin", sealed("index"), || {
            flip_before_end(of_version(V, PAGE), 30)
        }),
        ("page/index-malformed.bin", malformed(), || {
            craft::page(V, &[], |_| vec![0x80])
        }),
        ("page/index-trailing-incarnation.bin", malformed(), || {
            craft::page(V, &[], |_| index(&[INC], &[(1, 1, 0)]))
        }),
        ("page/index-leaf-of-41-bits.bin", malformed(), || {
            craft::page(V, &[], |_| index(&[INC], &[(0, 1 << 40, 0)]))
        }),
        ("page/block-not-authentic.bin", sealed("block"), || {
            flip(of_version(V, PAGE), 60)
        }),
        ("page/blocks-exchanged.bin", sealed("block"), || {
            let blocks = [removal(0, 1, 0), removal(0, 2, 0)];
            let mut page = craft::page(V, &blocks, |lens| {
                index(&[INC], &[(0, 1, lens[0]), (0, 2, lens[1])])
            });
            let len = blocks[0].len() + 5 + 16;
            let (one, two) = page[33..33 + 2 * len].split_at_mut(len);
            one.swap_with_slice(two);
            page
        }),
        ("page/block-malformed.bin", malformed(), || {
            page_of(V, vec![0x85, 0, 0])
        }),
        ("page/disorder.bin", page(PageError::Disorder), || {
            page_of(V, [removal(0, 2, 0), removal(0, 1, 0)].concat())
        }),
        (
            "page/disorder-same-twice.bin",
            page(PageError::Disorder),
            || page_of(V, [removal(0, 2, 1), removal(0, 2, 1)].concat()),
        ),
        (
            "page/disorder-sources.bin",
            page(PageError::Disorder),
            || page_of(V, [removal(0, 2, 1), removal(0, 2, 0)].concat()),
        ),
        (
            "page/disorder-incarnations.bin",
            page(PageError::Disorder),
            || {
                let block = [removal(0, 1, 0), removal(1, 1, 0)].concat();
                craft::page(V, &[block], |lens| index(&[OTHER, INC], &[(0, 1, lens[0])]))
            },
        ),
        ("page/entry-unknown-incarnation.bin", malformed(), || {
            page_of(V, removal(1, 1, 0))
        }),
        ("page/entry-unknown-pack.bin", malformed(), || {
            let piece = [&[0x81][..], &craft::piece(0, 0, 0)].concat();
            entry_with(V, &[0xf6], &piece)
        }),
        ("page/entry-pieces-not-an-array.bin", malformed(), || {
            entry_with(V, &[0xf6], &[0])
        }),
        ("page/entry-id-not-bytes.bin", malformed(), || {
            entry_with(V, &[0x61, b'a'], &[0xf6])
        }),
        (
            "page/entry-id-not-authentic.bin",
            Refusal::Seal(SealError::NotAuthentic),
            || {
                entry_with(
                    V,
                    &[
                        0x51, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    ],
                    &[0xf6],
                )
            },
        ),
    ]
}

/// A page of version 2 with one pack of `items` items, and pieces of ANN's in it: the gap before each, and its length.
fn with_pack(items: u64, pieces: &[(i64, u32)]) -> Vec<u8> {
    let mut list = cbor(|w| w.array(pieces.len() as u64)?.ok());
    for (gap, len) in pieces {
        list.extend_from_slice(&craft::piece(0, *gap, *len));
    }
    craft::page(2, &[entry_of(&[0xf6], &list)], |lens| {
        index_with(&[INC], &[pack_ref(items)], &[(0, ANN.leaf(), lens[0])])
    })
}

pub fn pages_of_version_2() -> Vec<Bad> {
    let malformed = || Refusal::Page(PageError::Malformed(Malformed));
    vec![
        ("page/index-pack-of-two-items.bin", malformed(), || {
            with_pack(2, &[])
        }),
        ("page/index-pack-of-five-items.bin", malformed(), || {
            with_pack(5, &[])
        }),
        ("page/entry-gap-below-zero.bin", malformed(), || {
            with_pack(4, &[(37, 20), (-58, 1)])
        }),
        ("page/entry-gap-beyond-32-bits.bin", malformed(), || {
            with_pack(4, &[(37, 20), (i64::from(u32::MAX) - 56, 0)])
        }),
        ("page/entry-end-beyond-32-bits.bin", malformed(), || {
            with_pack(3, &[(37, u32::MAX), (0, 1)])
        }),
        ("page/entry-gap-overflows.bin", malformed(), || {
            with_pack(3, &[(37, 20), (i64::MAX, 0)])
        }),
        (
            "page/entry-id-unknown-codec.bin",
            Refusal::Seal(SealError::UnknownCodec(4)),
            || id_with_frame(&[4, 0x82]),
        ),
        (
            "page/entry-id-by-a-dictionary.bin",
            Refusal::Seal(SealError::NoDictionary),
            || id_with_frame(&[2, 1, 0, 9]),
        ),
    ]
}

/// A page of ANN's identity with this frame.
fn id_with_frame(frame: &[u8]) -> Vec<u8> {
    let id = craft::id(ANN, frame.to_vec());
    entry_with(2, &cbor(|w| w.bytes(&id)?.ok()), &[0xf6])
}
