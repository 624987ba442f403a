//! The module `page` against its promises.

use super::*;
use crate::secret::Seed;

const REPO: RepoId = RepoId([1; 16]);
const INC: Incarnation = Incarnation([2; 8]);

fn meta() -> DomainKey {
    DomainKey::new(Seed::from_bytes([9; 32]))
}

fn entry(arrival: u32, source: u32) -> Entry {
    let pack = PackRef {
        name: ObjectName([arrival as u8 % 3; 32]),
        size: 1000,
        salt: [4; 16],
        dictionary: arrival % 3 * 500,
    };
    let slot = Slot {
        offset: arrival,
        len: 77,
    };
    let name = PieceName([5; 16]);
    let domain = Domain {
        inc: INC,
        class: crate::ids::Class::CUSTOMER,
        arrival,
    };
    let piece = PieceRef {
        pack,
        slot,
        plain: 100,
        rows: 3,
        name,
    };
    let pieces = (arrival % 7 != 6).then(|| vec![piece; 1 + source as usize]);
    Entry {
        domain,
        source,
        id: None,
        pieces,
    }
}

fn page(entries: &[Entry]) -> FinishedPage {
    let mut writer = PageWriter::new(REPO, INC).unwrap();
    for entry in entries {
        writer.add(entry, &meta()).unwrap();
    }
    writer.finish(&meta()).unwrap().unwrap()
}

#[test]
fn entries_come_back_whole_and_one_by_one() {
    let entries: Vec<_> = (0..5000)
        .flat_map(|n| [entry(2 * n, 0), entry(2 * n, 1)])
        .collect();
    let done = page(&entries);
    let page = Page::read(REPO, done.name, &done.bytes, &meta()).unwrap();
    assert!(page.blocks().len() > 3);
    let block = |b: &Block| {
        let sealed = &done.bytes[b.offset as usize..(b.offset + b.len) as usize];
        page.entries(b, sealed, &meta()).unwrap()
    };
    assert_eq!(
        page.blocks().iter().flat_map(block).collect::<Vec<_>>(),
        entries
    );
    for wanted in &entries {
        let found = page.blocks_of(wanted.domain).iter().flat_map(block);
        assert_eq!(found.filter(|e| e.key() == wanted.key()).count(), 1);
    }
    let tail = &done.bytes[done.bytes.len() - done.tail as usize..];
    let size = done.bytes.len() as u64;
    let partial = Page::open(REPO, &done.bytes[..HEAD], tail, size, &meta()).unwrap();
    assert_eq!(partial.blocks(), page.blocks());
    assert_eq!(
        Page::open(REPO, &done.bytes[..HEAD], tail, size + 1, &meta()).unwrap_err(),
        PageError::Torn
    );
}

#[test]
fn an_identity_opens_with_its_own_key_alone() {
    let writer = PageWriter::new(REPO, INC).unwrap();
    let key = DomainKey::new(Seed::from_bytes([7; 32]));
    let wanted = entry(8, 0);
    let sealed = writer.seal_id(wanted.domain, &key, b"who");
    let mut writer = writer;
    writer
        .add(
            &Entry {
                id: Some(sealed.clone()),
                ..wanted.clone()
            },
            &meta(),
        )
        .unwrap();
    let done = writer.finish(&meta()).unwrap().unwrap();
    let page = Page::read(REPO, done.name, &done.bytes, &meta()).unwrap();
    assert_eq!(
        page.open_id(wanted.domain, &key, &sealed)
            .unwrap()
            .as_slice(),
        b"who"
    );
    assert!(page.open_id(wanted.domain, &meta(), &sealed).is_err());
    assert!(page.open_id(entry(9, 0).domain, &key, &sealed).is_err());
}

#[test]
fn disorder_and_damage_are_refused() {
    let mut writer = PageWriter::new(REPO, INC).unwrap();
    writer.add(&entry(5, 1), &meta()).unwrap();
    for wrong in [entry(5, 1), entry(5, 0), entry(4, 2)] {
        assert_eq!(writer.add(&wrong, &meta()), Err(PageError::Disorder));
    }
    let done = page(&[entry(1, 0)]);
    let read = |bytes: &[u8]| Page::read(REPO, ObjectName::of(bytes), bytes, &meta()).unwrap_err();
    assert_eq!(
        Page::read(REPO, done.name, &done.bytes[1..], &meta()).unwrap_err(),
        PageError::WrongName
    );
    assert_eq!(read(&[]), PageError::Torn);
    assert_eq!(read(&[0; 60]), PageError::NotAPage);
    let mut later = done.bytes.to_vec();
    later[8] = 3;
    assert_eq!(read(&later), PageError::UnknownVersion(3));
    let mut flipped = done.bytes.to_vec();
    let at = flipped.len() - 10;
    flipped[at] ^= 1;
    assert_eq!(
        read(&flipped),
        PageError::Sealed("index", SealError::NotAuthentic)
    );
}
