//! Pieces and identities.

use tenure::cbor::Malformed;

use super::super::keys::INC;
use super::super::read::Refusal;
use super::{Bad, cut, of};

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
