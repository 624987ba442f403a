//! Customers' data: packs, pages, pieces, rows, frames and dictionaries.

use bytes::Bytes;
use tenure::cbor::Malformed;
use tenure::ids::{Class, Domain, Incarnation, ObjectName, RepoId};
use tenure::pack::Pack;
use tenure::page::{self, Page};
use tenure::piece::{self, Found, RowReader, cut};
use tenure::seal::{self, Decompressor, Dictionary, Kind, Place};
use tenure::secret::{DomainKey, Seed};

pub const REPO: RepoId = RepoId([1; 16]);
pub const INC: Incarnation = Incarnation([2; 8]);
const SALT: [u8; 16] = [4; 16];

/// The key under which a repository's own data is sealed.
pub fn meta() -> DomainKey {
    DomainKey::new(Seed::from_bytes([3; 32]))
}

/// `plain` as a writer seals it outside of blobs.
fn sealed(label: &[u8], kind: Kind, number: u64, plain: &[u8]) -> Vec<u8> {
    let place = Place {
        repo: REPO,
        kind,
        number,
        field: b"",
    };
    seal::encrypt(&meta().field_key(&SALT, label), &place, seal::plain_frame(plain))
}

/// What packs and pages begin with.
fn head(magic: &[u8; 8], version: u8) -> Vec<u8> {
    [&magic[..], &[version], &INC.0, &SALT].concat()
}

/// The first byte says where what stands in front ends, the second how it is split further.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((&at, rest)) = bytes.split_first() else {
        return (&[], &[]);
    };
    rest.split_at(rest.len() * usize::from(at) / 256)
}

fn any_pack(version: u8, bytes: &[u8]) {
    let (blobs, contents) = split(bytes);
    let mut pack = head(b"tenurePK", version);
    if version > 1 {
        let (dictionary, _) = split(blobs);
        pack.extend_from_slice(&(dictionary.len() as u32).to_le_bytes());
    }
    pack.extend_from_slice(blobs);
    let contents = sealed(b"pack contents", Kind::PackContents, 0, contents);
    pack.extend_from_slice(&contents);
    pack.extend_from_slice(&(contents.len() as u32).to_le_bytes());
    let pack = Pack::read(ObjectName::of(&pack), Bytes::from(pack)).expect("its name is right");
    let _ = pack.head().dictionary(REPO, &meta(), pack.bytes());
    let Ok(entries) = pack.contents(REPO, &meta()) else {
        return;
    };
    let blobs = entries.iter().map(|entry| pack.blob(entry.slot).map(<[u8]>::len));
    let stored = blobs.sum::<Result<usize, _>>().expect("what is in the contents is in the pack");
    assert!(stored <= pack.len() as usize);
}

pub fn first_pack(bytes: &[u8]) {
    any_pack(1, bytes);
}

pub fn pack(bytes: &[u8]) {
    any_pack(2, bytes);
}

fn any_page(version: u8, bytes: &[u8]) {
    let (block, index) = split(bytes);
    let label = [&b"page block"[..], &[0; 8]].concat();
    let block = sealed(&label, Kind::PageBlock, 0, block);
    let index = sealed(b"page index", Kind::PageIndex, 0, index);
    let mut page = head(b"tenurePG", version);
    page.extend_from_slice(&block);
    page.extend_from_slice(&index);
    page.extend_from_slice(&(index.len() as u32).to_le_bytes());
    assert!(page::incarnation(&page).is_ok());
    let Ok(read) = Page::read(REPO, ObjectName::of(&page), &page, &meta()) else {
        return;
    };
    let domain = Domain {
        inc: INC,
        class: Class::CUSTOMER,
        arrival: 1,
    };
    assert!(read.blocks_of(domain).len() <= read.blocks().len());
    let Some(first) = read.blocks().first().filter(|first| first.len == block.len() as u64) else {
        return;
    };
    let Ok(entries) = read.entries(first, &block, &meta()) else {
        return;
    };
    assert!(entries.is_sorted_by(|a, b| a.key() < b.key()));
}

pub fn first_page(bytes: &[u8]) {
    any_page(1, bytes);
}

pub fn page(bytes: &[u8]) {
    any_page(2, bytes);
}

/// Pieces of one domain: each as long as the byte before it, times eight.
pub fn row(bytes: &[u8]) {
    let (mut reader, mut rest) = (RowReader::default(), bytes);
    let mut parts: Vec<Vec<u8>> = Vec::new();
    while let Some((&len, after)) = rest.split_first() {
        let (piece, after) = after.split_at((usize::from(len) * 8).min(after.len()));
        rest = after;
        let read = reader.piece(piece, |found| -> Result<(), Malformed> {
            match found {
                Found::Row(row, bytes) => {
                    assert_eq!(piece::head(bytes)?, (row.table, row.rowid));
                }
                Found::Part { body, last } => {
                    parts.push(body.to_vec());
                    if last {
                        cut_row(&std::mem::take(&mut parts));
                    }
                }
            }
            Ok(())
        });
        if read.is_err() {
            return;
        }
    }
    let _ = reader.finish();
}

fn cut_row(parts: &[Vec<u8>]) {
    let lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
    let read = cut::read_cut(&lengths, |part| parts.get(part).cloned().ok_or(Malformed));
    for cell in read.into_iter().flat_map(|row| row.cells) {
        if let cut::CutCell::Long(long) = cell {
            for (part, range) in long.places(&lengths) {
                assert!(parts[part].get(range).is_some(), "a long value leaves its parts");
            }
        }
    }
}

/// What a customer is known by, and single values.
pub fn identity(bytes: &[u8]) {
    if let Ok(identity) = piece::Identity::decode(bytes) {
        assert_eq!(piece::Identity::decode(&identity.encode()), Ok(identity));
    }
    if let Ok(value) = piece::decode_single(bytes) {
        let again = piece::decode_single(&piece::encode_single(&value));
        assert_eq!(format!("{again:?}"), format!("{:?}", Ok::<_, Malformed>(value)));
    }
}

pub fn frame(bytes: &[u8]) {
    let (dictionary, frame) = split(bytes);
    let dictionary = Dictionary::new(dictionary.to_vec()).ok();
    let mut decompressor = Decompressor::new().expect("there is memory");
    let plain = decompressor.plain(frame, dictionary.as_ref());
    let again = decompressor.plain(frame, dictionary.as_ref());
    assert_eq!(plain.as_deref().ok(), again.as_deref().ok());
}

pub fn dictionary(bytes: &[u8]) {
    let Ok(dictionary) = Dictionary::new(bytes.to_vec()) else {
        return;
    };
    let mut compressor = seal::Compressor::with(&dictionary).expect("there is memory");
    let plain = bytes.get(..bytes.len().min(300)).unwrap_or_default();
    let Ok(frame) = compressor.frame(plain) else {
        return;
    };
    let opened = Decompressor::new().expect("there is memory").plain(&frame, Some(&dictionary));
    assert_eq!(opened.expect("what was compressed comes back").as_slice(), plain);
}
