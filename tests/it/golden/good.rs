//! Writes the good fixtures of version 1 once, and checks what they hold; for packs and pages, see [`super::packs`].

use tenure::certificate::{self, Certificate};
use tenure::journal::Entry as JournalEntry;
use tenure::keyring::file;
use tenure::keyring::recovery::{self, Identity};
use tenure::manifest::Manifest;
use tenure::object::{self, Chain, Head};
use tenure::piece::{self, Cell, Cutter, Opened};

use super::expected;
use super::keys::{ANN, BEN, INC, REPO, certificate, epoch_secret, host, key, meta, root, writer};
use super::packs::{PACK, PAGE};
use super::{Fixtures, read};

/// A row as the writers encode it.
pub fn encode(row: &expected::Row) -> Vec<u8> {
    let (table, rowid, cells) = row;
    let sealed: Vec<_> = cells
        .iter()
        .map(|cell| match cell {
            expected::Cell::Leads(domain, value) => {
                piece::seal_reference(REPO, *domain, &key(*domain), value.as_ref())
            }
            _ => Vec::new(),
        })
        .collect();
    let cells = cells.iter().zip(&sealed).map(|(cell, sealed)| match cell {
        expected::Cell::Is(value) => Cell::Value(value.as_ref()),
        expected::Cell::Leads(domain, _) | expected::Cell::Lost(domain) => Cell::Reference {
            domain: *domain,
            sealed,
        },
    });
    let mut out = Vec::new();
    piece::encode_row(&mut out, *table, *rowid, cells);
    out
}

/// The piece of [`expected::rows`].
pub fn rows() -> Vec<u8> {
    let (mut cutter, mut pieces) = (Cutter::default(), Vec::new());
    for row in expected::rows() {
        cutter.row(&encode(&row), &mut |piece| pieces.push(piece));
    }
    cutter.finish(&mut |piece| pieces.push(piece));
    assert_eq!(pieces.len(), 1);
    pieces.remove(0).plain
}

/// Both fragments: the row is far shorter than those that are cut, so they are made by hand.
fn fragments() -> [Vec<u8>; 2] {
    let row = encode(&expected::fragmented());
    let (head, rest) = row.split_at(100);
    [[&[2], head].concat(), [&[3], rest].concat()]
}

fn chained<T: minicbor::Encode<()>>(
    chain: Chain,
    before: Option<&[u8]>,
    n: u64,
    body: &T,
) -> Vec<u8> {
    let head = Head {
        repo: REPO,
        inc: INC,
        number: n,
        previous: before.map_or([0; 32], object::hash),
    };
    object::write(chain, &head, body, &meta(), &writer()).unwrap()
}

fn journal_entry(number: u64) -> JournalEntry {
    JournalEntry {
        time: expected::event_time(number),
        event: expected::events()[number as usize - 1].1.clone(),
    }
}

/// Writes what is missing, from what is there.
pub fn write(good: &Fixtures) {
    good.once("piece/rows.bin", rows);
    let [head, rest] = fragments();
    good.once("piece/fragment.bin", || head);
    good.once("piece/last-fragment.bin", || rest);
    for (name, domain) in [("since.bin", ANN), ("plain.bin", BEN)] {
        good.once(&format!("identity/{name}"), || {
            expected::identity(domain).encode()
        });
    }
    // Nobody writes packs and pages of version 1 any more.
    let [pack, full_page, changes] =
        [PACK, PAGE, "page/incremental.bin"].map(|name| good.read(name));
    let mut before = None;
    for (number, (name, _)) in (1..).zip(expected::events()) {
        let entry = journal_entry(number);
        before = Some(good.once(&format!("journal/{name}"), || {
            chained(Chain::Journal, before.as_deref(), number, &entry)
        }));
    }
    let full = good.once("manifest/1-full.bin", || {
        let body = expected::full(&full_page, &pack);
        chained(Chain::Manifest, None, 1, &body)
    });
    good.once("manifest/2-incremental.bin", || {
        let body = expected::incremental(&changes, &pack, &good.read("journal/1-opened.bin"));
        chained(Chain::Manifest, Some(&full), 2, &body)
    });
    write_keys(good);
}

fn write_keys(good: &Fixtures) {
    let identity = good.once("TEST-KEY-recovery-identity.txt", || {
        let text = Identity::generate().to_file(&root().verify_key());
        text.as_bytes().to_vec()
    });
    let identity = String::from_utf8(identity).unwrap();
    let to = [recovery::identities(&identity).unwrap()[0].recipient()];
    let keyring = good.once("keyring/keyring.bin", || {
        expected::keyring().encode(&writer()).to_vec()
    });
    good.once("keyring/keyring.age", || {
        recovery::encrypt(&to, &keyring).unwrap()
    });
    good.once("keyring/host.keys", || {
        file::seal_for_host(REPO, &writer(), &keyring, &host(), &epoch_secret()).unwrap()
    });
    let plain = good.once("root/root.bin", || {
        certificate::encode_root(REPO, &root()).to_vec()
    });
    good.once("root/root.age", || recovery::encrypt(&to, &plain).unwrap());
    good.once("certificate/writer.bin", || certificate().issue(&root()));
}

fn good() -> Fixtures {
    Fixtures::good(1)
}

/// That a decoded row is the expected one, references opened.
fn check_row(row: &piece::Row<'_>, wanted: &expected::Row) {
    assert_eq!((row.table, row.rowid), (wanted.0, wanted.1));
    assert_eq!(row.cells.len(), wanted.2.len());
    for (cell, wanted) in row.cells.iter().zip(&wanted.2) {
        match (cell, wanted) {
            (Cell::Value(found), expected::Cell::Is(value)) => assert!(*found == value.as_ref()),
            (Cell::Reference { domain, sealed }, expected::Cell::Leads(to, value)) => {
                assert_eq!(domain, to);
                let open = |as_if| piece::open_reference(REPO, as_if, &key(as_if), sealed);
                assert!(open(*to).unwrap() == Opened::Value(value.clone()));
                assert!(open(ANN).is_err());
            }
            (Cell::Reference { domain, sealed }, expected::Cell::Lost(to)) => {
                assert_eq!((domain, sealed.len()), (to, 0));
            }
            _ => panic!("a cell of another kind"),
        }
    }
}

#[test]
fn pieces_hold_their_rows() {
    let plain = good().read("piece/rows.bin");
    let mut wanted = expected::rows().into_iter();
    read::rows(&[&plain], |row| check_row(row, &wanted.next().unwrap())).unwrap();
    assert_eq!(wanted.count(), 0);
    let [head, rest] =
        ["fragment", "last-fragment"].map(|n| good().read(&format!("piece/{n}.bin")));
    let mut rows = 0;
    read::rows(&[&head, &rest], |row| {
        check_row(row, &expected::fragmented());
        rows += 1;
    })
    .unwrap();
    assert_eq!(rows, 1);
    // Rows have one encoding, so today's writers must give the same bytes.
    assert_eq!(self::rows(), plain);
    assert_eq!(fragments(), [head, rest]);
}

#[test]
fn identities_are_who_they_are() {
    for (name, domain) in [("since.bin", ANN), ("plain.bin", BEN)] {
        let bytes = good().read(&format!("identity/{name}"));
        let wanted = expected::identity(domain);
        assert!(piece::Identity::decode(&bytes).unwrap() == wanted);
        assert_eq!(wanted.encode(), bytes);
    }
}

#[test]
fn manifests_say_what_was_said() {
    let [full_page, changes, pack, opened] =
        [PAGE, "page/incremental.bin", PACK, "journal/1-opened.bin"].map(|name| good().read(name));
    let full = good().read("manifest/1-full.bin");
    let read = |n, bytes: &[u8]| read::object::<Manifest>(Chain::Manifest, n, bytes).unwrap();
    let (head, manifest) = read(1, &full);
    assert_eq!(head.previous, [0; 32]);
    assert_eq!(manifest, expected::full(&full_page, &pack));
    let (head, manifest) = read(2, &good().read("manifest/2-incremental.bin"));
    assert_eq!(head.previous, object::hash(&full));
    assert_eq!(manifest, expected::incremental(&changes, &pack, &opened));
}

#[test]
fn the_journal_says_what_was_decided() {
    let mut before = [0; 32];
    for (number, (name, _)) in (1..).zip(expected::events()) {
        let bytes = good().read(&format!("journal/{name}"));
        let (head, entry) = read::object::<JournalEntry>(Chain::Journal, number, &bytes).unwrap();
        assert_eq!((head.previous, head.number), (before, number));
        assert_eq!(entry, journal_entry(number));
        before = object::hash(&bytes);
    }
    let log = read::log(&read::good_journal()).unwrap();
    let number = expected::events().len();
    assert_eq!(
        (log.position().len, log.position().hash),
        (number as u64, before)
    );
    assert_eq!(log.recent().len(), number);
}

#[test]
fn keyrings_open_in_each_of_their_forms() {
    let bytes = good().read("keyring/keyring.bin");
    let opened = recovery::decrypt(&read::identities(), &good().read("keyring/keyring.age"));
    assert_eq!(*opened.unwrap(), bytes);
    let sealed = good().read("keyring/host.keys");
    let (signing, inside) = file::open_for_host(&sealed, REPO, &host(), &epoch_secret()).unwrap();
    assert_eq!(*inside, bytes);
    assert_eq!(signing.verify_key(), writer().verify_key());
    let (found, wanted) = (read::keyring(&bytes).unwrap(), expected::keyring());
    assert_eq!((found.repo, found.inc, found.epoch), (REPO, INC, 5));
    assert_eq!(found.journal, wanted.journal);
    let trees = |keyring: &tenure::keyring::Keyring| -> Vec<_> {
        let trees = keyring.forest.trees();
        trees
            .map(|(inc, tree)| (inc, tree.as_bytes().to_vec()))
            .collect()
    };
    assert_eq!(trees(&found), trees(&wanted));
    assert_eq!(*wanted.encode(&writer()), bytes);
}

#[test]
fn roots_and_certificates_name_their_keys() {
    let bytes = good().read("root/root.bin");
    let (repo, key) = certificate::decode_root(&bytes).unwrap();
    assert_eq!((repo, key.verify_key()), (REPO, root().verify_key()));
    let opened = recovery::decrypt(&read::identities(), &good().read("root/root.age")).unwrap();
    assert_eq!(
        (&*opened, &*certificate::encode_root(REPO, &root())),
        (&bytes, &bytes)
    );
    let fingerprint = recovery::fingerprint(&good().text("TEST-KEY-recovery-identity.txt"));
    assert_eq!(fingerprint, Some(root().verify_key()));
    let bytes = good().read("certificate/writer.bin");
    let found = Certificate::read(&bytes, &root().verify_key()).unwrap();
    assert_eq!(found, certificate());
    assert_eq!(certificate().issue(&root()), bytes);
}
