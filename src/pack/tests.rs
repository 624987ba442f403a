//! The module `pack` against its promises.

use super::*;
use crate::seal::{Compressor, Decompressor};
use crate::secret::Seed;

const REPO: RepoId = RepoId([1; 16]);
const INC: Incarnation = Incarnation([2; 8]);

fn key(n: u8) -> DomainKey {
    DomainKey::new(Seed::from_bytes([n; 32]))
}

fn pack() -> (ObjectName, Bytes, Vec<Slot>) {
    let mut writer = PackWriter::new(REPO, INC).unwrap();
    let mut compressor = Compressor::new().unwrap();
    let slots = (0..3_u8)
        .map(|n| {
            let domain = Domain {
                arrival: u32::from(n),
                ..Domain::meta(INC)
            };
            let frame = compressor.frame(&[n; 500]).unwrap();
            writer.add(domain, &key(n), PieceName([n; 16]), frame)
        })
        .collect();
    let (name, bytes) = writer.finish(&key(0)).unwrap();
    (name, bytes, slots)
}

#[test]
fn blobs_come_back_by_the_table_of_contents() {
    let (name, bytes, slots) = pack();
    let pack = Pack::read(name, bytes).unwrap();
    let contents = pack.contents(REPO, &key(0)).unwrap();
    assert_eq!(contents.iter().map(|e| e.slot).collect::<Vec<_>>(), slots);
    for (n, entry) in (0..3_u8).zip(contents) {
        let sealed = pack.blob(entry.slot).unwrap();
        let frame = open_blob(REPO, &key(n), pack.salt(), entry.slot.offset, sealed).unwrap();
        let plain = Decompressor::new().unwrap().plain(&frame).unwrap();
        assert_eq!(
            (plain.as_slice(), entry.name),
            (&[n; 500][..], PieceName([n; 16]))
        );
    }
}

#[test]
fn a_blob_opens_nowhere_else_and_with_no_other_key() {
    let (name, bytes, slots) = pack();
    let pack = Pack::read(name, bytes).unwrap();
    let sealed = pack.blob(slots[1]).unwrap();
    let at = slots[1].offset;
    assert!(open_blob(REPO, &key(1), pack.salt(), at, sealed).is_ok());
    assert!(open_blob(REPO, &key(1), pack.salt(), slots[2].offset, sealed).is_err());
    assert!(open_blob(REPO, &key(1), &[0; 16], at, sealed).is_err());
    assert!(open_blob(REPO, &key(2), pack.salt(), at, sealed).is_err());
    assert!(open_blob(RepoId([9; 16]), &key(1), pack.salt(), at, sealed).is_err());
}

#[test]
fn torn_and_foreign_bytes_are_refused() {
    let (name, bytes, _) = pack();
    let torn = bytes.slice(..bytes.len() - 1);
    assert_eq!(
        Pack::read(name, torn.clone()).err(),
        Some(PackError::WrongName)
    );
    let read = |bytes: Vec<u8>| Pack::read(ObjectName::of(&bytes), bytes.into());
    assert_eq!(read(vec![]).err(), Some(PackError::Torn));
    assert_eq!(read(vec![0; 60]).err(), Some(PackError::NotAPack));
    let mut later = bytes.to_vec();
    later[8] = 2;
    assert_eq!(read(later).err(), Some(PackError::UnknownVersion(2)));
    let torn = read(torn.to_vec()).unwrap();
    assert!(torn.contents(REPO, &key(0)).is_err());
    let pack = read(bytes.to_vec()).unwrap();
    assert_eq!(
        pack.contents(REPO, &key(1)),
        Err(PackError::Contents(SealError::NotAuthentic))
    );
}
