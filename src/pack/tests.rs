//! The module `pack` against its promises.

use super::*;
use crate::seal::{Compressor, Decompressor, Dictionary};
use crate::secret::Seed;

const REPO: RepoId = RepoId([1; 16]);
const INC: Incarnation = Incarnation([2; 8]);
/// The number of the key that dictionaries are sealed under.
const COMMON: u8 = 77;

fn key(n: u8) -> DomainKey {
    DomainKey::new(Seed::from_bytes([n; 32]))
}

/// Of what the pieces of [`pack`] have in common.
fn dictionary() -> Dictionary {
    let samples: Vec<_> = (0..100).map(plain).collect();
    let lengths: Vec<_> = samples.iter().map(Vec::len).collect();
    let content = b"the words that all of them share, and a few more";
    Dictionary::of(content, &samples.concat(), &lengths).unwrap()
}

fn plain(n: u8) -> Vec<u8> {
    format!("number {n} has the words that all of them share").into()
}

/// A pack of the pieces [`plain`] 0 to 2, each under a key of its own.
fn pack(dictionary: Option<&Dictionary>) -> (ObjectName, Bytes, Vec<Slot>) {
    let common = key(COMMON);
    let with = dictionary.map(|dictionary| (dictionary, &common));
    let mut writer = PackWriter::new(REPO, INC, with).unwrap();
    let mut compressor = match dictionary {
        Some(dictionary) => Compressor::with(dictionary).unwrap(),
        None => Compressor::new().unwrap(),
    };
    let slots = (0..3_u8)
        .map(|n| {
            let domain = Domain {
                arrival: u32::from(n),
                ..Domain::meta(INC)
            };
            let frame = compressor.frame(&plain(n)).unwrap();
            writer.add(domain, &key(n), frame)
        })
        .collect();
    let (name, bytes) = writer.finish(&key(0)).unwrap();
    (name, bytes, slots)
}

#[test]
fn blobs_come_back_by_the_table_of_contents() {
    for wanted in [None, Some(dictionary())] {
        let (name, bytes, slots) = pack(wanted.as_ref());
        let pack = Pack::read(name, bytes).unwrap();
        let head = pack.head();
        assert_eq!(head.dictionary_len() > 0, wanted.is_some());
        let found = wanted.as_ref().map(|wanted| {
            let found = head.dictionary(REPO, &key(COMMON), pack.bytes()).unwrap();
            assert_eq!(found.bytes(), wanted.bytes());
            found
        });
        let contents = pack.contents(REPO, &key(0)).unwrap();
        assert_eq!(contents.iter().map(|e| e.slot).collect::<Vec<_>>(), slots);
        for (n, entry) in (0..3_u8).zip(contents) {
            assert_eq!((entry.domain.arrival, entry.name), (u32::from(n), None));
            let sealed = pack.blob(entry.slot).unwrap();
            let frame = open_blob(REPO, &key(n), head.salt(), entry.slot.offset, sealed).unwrap();
            assert_eq!(frame[0] == 2, wanted.is_some());
            let mut decompressor = Decompressor::new().unwrap();
            let opened = decompressor.plain(&frame, found.as_ref()).unwrap();
            assert_eq!(*opened, plain(n));
        }
    }
}

#[test]
fn a_dictionary_is_read_from_the_first_bytes_and_opens_with_its_own_key_alone() {
    let dictionary = dictionary();
    let (_, bytes, _) = pack(Some(&dictionary));
    let head = Head::read(&bytes[..HEADER]).unwrap();
    assert_eq!(head.incarnation(), INC);
    let len = Head::len(head.dictionary_len()) as usize;
    let open = |repo, n, len| head.dictionary(repo, &key(n), &bytes[..len]);
    let whole = open(REPO, COMMON, len).unwrap();
    assert_eq!(whole.bytes(), dictionary.bytes());
    assert_eq!(open(REPO, COMMON, len - 1).err(), Some(PackError::Torn));
    let closed = Some(PackError::Dictionary(SealError::NotAuthentic));
    assert_eq!(open(REPO, 0, len).err(), closed);
    assert_eq!(open(RepoId([9; 16]), COMMON, len).err(), closed);
}

#[test]
fn a_blob_opens_nowhere_else_and_with_no_other_key() {
    let (name, bytes, slots) = pack(None);
    let pack = Pack::read(name, bytes).unwrap();
    let sealed = pack.blob(slots[1]).unwrap();
    let (at, salt) = (slots[1].offset, pack.head().salt());
    assert!(open_blob(REPO, &key(1), salt, at, sealed).is_ok());
    assert!(open_blob(REPO, &key(1), salt, slots[2].offset, sealed).is_err());
    assert!(open_blob(REPO, &key(1), &[0; 16], at, sealed).is_err());
    assert!(open_blob(REPO, &key(2), salt, at, sealed).is_err());
    assert!(open_blob(RepoId([9; 16]), &key(1), salt, at, sealed).is_err());
}

#[test]
fn torn_and_foreign_bytes_are_refused() {
    let (name, bytes, _) = pack(None);
    let torn = bytes.slice(..bytes.len() - 1);
    assert_eq!(
        Pack::read(name, torn.clone()).err(),
        Some(PackError::WrongName)
    );
    let read = |bytes: Vec<u8>| Pack::read(ObjectName::of(&bytes), bytes.into());
    assert_eq!(read(vec![]).err(), Some(PackError::Torn));
    assert_eq!(read(vec![0; 60]).err(), Some(PackError::NotAPack));
    let mut later = bytes.to_vec();
    later[8] = 3;
    assert_eq!(read(later).err(), Some(PackError::UnknownVersion(3)));
    let torn = read(torn.to_vec()).unwrap();
    assert!(torn.contents(REPO, &key(0)).is_err());
    let pack = read(bytes.to_vec()).unwrap();
    assert_eq!(
        pack.contents(REPO, &key(1)),
        Err(PackError::Contents(SealError::NotAuthentic))
    );
}
