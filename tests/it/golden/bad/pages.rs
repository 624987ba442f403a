//! Pages.

use tenure::cbor::Malformed;
use tenure::page::PageError;
use tenure::seal::SealError;

use super::super::craft::{self, cbor, index, removal};
use super::super::keys::{ANN, INC, OTHER};
use super::super::read::Refusal;
use super::{Bad, cut, flipped, flipped_before_end, later, of, overlong};

/// A page of one block.
fn page_of(block: Vec<u8>) -> Vec<u8> {
    craft::page(&[block], |lens| index(&[INC], &[(0, ANN.leaf(), lens[0])]))
}

/// A page of one entry for ANN whose last two items are these.
fn entry_with(id: &[u8], pieces: &[u8]) -> Vec<u8> {
    let head = cbor(|w| w.array(5)?.u64(0)?.u64(ANN.leaf())?.u32(0)?.ok());
    page_of([&head, id, pieces].concat())
}

pub fn pages() -> Vec<Bad> {
    let page = Refusal::Page;
    let sealed = |what| Refusal::Page(PageError::Sealed(what, SealError::NotAuthentic));
    let malformed = || Refusal::Page(PageError::Malformed(Malformed));
    vec![
        ("page/wrong-name.bin", page(PageError::WrongName), || {
            flipped("page/full.bin", 60)
        }),
        ("page/not-a-page.bin", page(PageError::NotAPage), || {
            of("pack/domains.bin")
        }),
        (
            "page/unknown-version.bin",
            page(PageError::UnknownVersion(2)),
            || later("page/full.bin"),
        ),
        ("page/torn-in-header.bin", page(PageError::Torn), || {
            cut("page/full.bin", 32)
        }),
        (
            "page/torn-overlong-index.bin",
            page(PageError::Torn),
            || overlong("page/full.bin"),
        ),
        (
            "page/torn-blocks-do-not-fill.bin",
            page(PageError::Torn),
            || {
                let block = removal(0, ANN.leaf(), 0);
                craft::page(&[block], |lens| {
                    index(&[INC], &[(0, ANN.leaf(), lens[0] - 1)])
                })
            },
        ),
        (
            "page/torn-lengths-overflow.bin",
            page(PageError::Torn),
            || craft::page(&[], |_| index(&[INC], &[(0, 1, u64::MAX - 40), (0, 2, 1)])),
        ),
        (
            "page/torn-lengths-overflow-twice.bin",
            page(PageError::Torn),
            || craft::page(&[], |_| index(&[INC], &[(0, 1, u64::MAX - 40), (0, 2, 40)])),
        ),
        ("page/index-not-authentic.bin", sealed("index"), || {
            flipped_before_end("page/full.bin", 30)
        }),
        ("page/index-malformed.bin", malformed(), || {
            craft::page(&[], |_| vec![0x80])
        }),
        ("page/index-trailing-incarnation.bin", malformed(), || {
            craft::page(&[], |_| index(&[INC], &[(1, 1, 0)]))
        }),
        ("page/index-leaf-of-41-bits.bin", malformed(), || {
            craft::page(&[], |_| index(&[INC], &[(0, 1 << 40, 0)]))
        }),
        ("page/block-not-authentic.bin", sealed("block"), || {
            flipped("page/full.bin", 60)
        }),
        ("page/blocks-exchanged.bin", sealed("block"), || {
            let blocks = [removal(0, 1, 0), removal(0, 2, 0)];
            let mut page = craft::page(&blocks, |lens| {
                index(&[INC], &[(0, 1, lens[0]), (0, 2, lens[1])])
            });
            let len = blocks[0].len() + 5 + 16;
            let (one, two) = page[33..33 + 2 * len].split_at_mut(len);
            one.swap_with_slice(two);
            page
        }),
        ("page/block-malformed.bin", malformed(), || {
            page_of(vec![0x85, 0, 0])
        }),
        ("page/disorder.bin", page(PageError::Disorder), || {
            page_of([removal(0, 2, 0), removal(0, 1, 0)].concat())
        }),
        (
            "page/disorder-same-twice.bin",
            page(PageError::Disorder),
            || page_of([removal(0, 2, 1), removal(0, 2, 1)].concat()),
        ),
        (
            "page/disorder-sources.bin",
            page(PageError::Disorder),
            || page_of([removal(0, 2, 1), removal(0, 2, 0)].concat()),
        ),
        (
            "page/disorder-incarnations.bin",
            page(PageError::Disorder),
            || {
                let block = [removal(0, 1, 0), removal(1, 1, 0)].concat();
                craft::page(&[block], |lens| index(&[OTHER, INC], &[(0, 1, lens[0])]))
            },
        ),
        ("page/entry-unknown-incarnation.bin", malformed(), || {
            page_of(removal(1, 1, 0))
        }),
        ("page/entry-unknown-pack.bin", malformed(), || {
            let piece = cbor(|w| {
                w.array(1)?
                    .array(6)?
                    .u8(0)?
                    .u8(0)?
                    .u8(0)?
                    .u8(0)?
                    .u8(0)?
                    .bytes(&[0; 16])?
                    .ok()
            });
            entry_with(&[0xf6], &piece)
        }),
        ("page/entry-pieces-not-an-array.bin", malformed(), || {
            entry_with(&[0xf6], &[0])
        }),
        ("page/entry-id-not-bytes.bin", malformed(), || {
            entry_with(&[0x61, b'a'], &[0xf6])
        }),
        (
            "page/entry-id-not-authentic.bin",
            Refusal::Seal(SealError::NotAuthentic),
            || {
                entry_with(
                    &[
                        0x51, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    ],
                    &[0xf6],
                )
            },
        ),
    ]
}
