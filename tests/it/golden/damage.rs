//! Whatever bytes a decoder is given, it does not panic; and one byte changed in what is
//! authenticated is refused, never read as something else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use tenure::certificate::{self, Certificate};
use tenure::ids::ObjectName;
use tenure::journal::Entry as JournalEntry;
use tenure::keyring::{KeyringError, file};
use tenure::manifest::Manifest;
use tenure::object::{Chain, ObjectError};
use tenure::pack::PackError;
use tenure::page::PageError;
use tenure::piece::{self, Identity};

use super::craft::{self, Object};
use super::keys::{ANN, COMMON, INC, META, REPO, epoch_secret, host, key, root};
use super::packs::{PACK, PAGE, WITHOUT};
use super::read::{self, Refusal};
use super::{Fixtures, VERSIONS, audit, expected};

/// Every single-byte change of a file of version 1 (three for each byte), every truncation, and a byte more.
fn each_damage(name: &str, check: impl FnMut(&[u8])) {
    each_damage_of(1, name, check);
}

/// Likewise of any version.
fn each_damage_of(version: u8, name: &str, mut check: impl FnMut(&[u8])) {
    let good = Fixtures::good(version).read(name);
    let mut check = |bytes: &[u8], what: &str, at: usize| {
        let checked = catch_unwind(AssertUnwindSafe(|| check(bytes)));
        assert!(checked.is_ok(), "{name}: {what} {at}");
    };
    let mut bytes = good.clone();
    for at in 0..good.len() {
        for mask in [0x01, 0x80, 0xff] {
            bytes[at] ^= mask;
            check(&bytes, "changed at byte", at);
            bytes[at] = good[at];
        }
        check(&good[..at], "cut to byte", at);
    }
    bytes.push(0);
    check(&bytes, "longer than", good.len());
}

#[test]
fn damaged_packs_are_refused_by_their_names_and_open_nothing_else_by_others() {
    for (version, file) in [(1, PACK), (2, PACK), (2, WITHOUT)] {
        let good = Fixtures::good(version).read(file);
        let name = ObjectName::of(&good);
        let wanted = read::pack(name, &good).unwrap();
        each_damage_of(version, file, |bytes| {
            let by_name = read::pack(name, bytes).unwrap_err();
            assert_eq!(by_name, Refusal::Pack(PackError::WrongName));
            // Whoever could rename it: the writer's name in the header opens nothing.
            if let Ok(found) = read::pack(ObjectName::of(bytes), bytes) {
                assert_eq!(found, wanted);
            }
        });
    }
}

#[test]
fn damaged_pages_are_refused_by_their_names_and_open_nothing_else_by_others() {
    let files = [PAGE, "page/incremental.bin"];
    for (version, file) in VERSIONS
        .into_iter()
        .flat_map(|v| files.map(|file| (v, file)))
    {
        let good = Fixtures::good(version).read(file);
        let name = ObjectName::of(&good);
        let (_, wanted) = read::page(name, &good).unwrap();
        each_damage_of(version, file, |bytes| {
            let by_name = read::page(name, bytes).err();
            assert_eq!(by_name, Some(Refusal::Page(PageError::WrongName)));
            if let Ok((_, found)) = read::page(ObjectName::of(bytes), bytes) {
                assert_eq!(found, wanted);
            }
        });
    }
}

#[test]
fn damaged_manifests_and_journal_entries_are_refused() {
    for (number, name) in [(1, "1-full.bin"), (2, "2-incremental.bin")] {
        each_damage(&format!("manifest/{name}"), |bytes| {
            read::object::<Manifest>(Chain::Manifest, number, bytes).unwrap_err();
        });
    }
    for (number, (name, _)) in (1..).zip(expected::events()) {
        each_damage(&format!("journal/{name}"), |bytes| {
            read::object::<JournalEntry>(Chain::Journal, number, bytes).unwrap_err();
        });
    }
}

#[test]
fn damaged_keyrings_are_refused() {
    each_damage("keyring/keyring.bin", |bytes| {
        read::keyring(bytes).err().unwrap();
    });
    each_damage("keyring/host.keys", |bytes| {
        let opened = file::open_for_host(bytes, REPO, &host(), &epoch_secret());
        opened.err().unwrap();
    });
}

#[test]
fn damaged_certificates_are_refused() {
    each_damage("certificate/writer.bin", |bytes| {
        Certificate::read(bytes, &root().verify_key()).unwrap_err();
    });
}

#[test]
fn damaged_audit_records_and_checkpoints_are_refused() {
    each_damage("audit/record-2.bin", |bytes| {
        audit::record(bytes).unwrap_err();
    });
    each_damage("audit/checkpoint.txt", |bytes| {
        audit::checkpoint(bytes).unwrap_err();
    });
}

/// Not authenticated by themselves (their names and their blobs are): only that none panics.
#[test]
fn damaged_pieces_identities_and_roots_do_not_panic() {
    for name in ["rows.bin", "fragment.bin", "last-fragment.bin"] {
        each_damage(&format!("piece/{name}"), |bytes| {
            let _ = read::rows(&[bytes], |_| ());
        });
    }
    for name in ["since.bin", "plain.bin"] {
        each_damage(&format!("identity/{name}"), |bytes| {
            let _ = Identity::decode(bytes);
        });
    }
    each_damage("root/root.bin", |bytes| {
        let _ = certificate::decode_root(bytes);
    });
}

/// Arbitrary bytes, behind the first bytes of each format too, so that some get past its magic.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(vec![
        &b""[..],
        b"tenurePK\x01",
        b"tenurePK\x02",
        b"tenurePG\x01",
        b"tenurePG\x02",
        b"tenureMF\x01",
        b"tenureJN\x01",
        b"tenureKR\x01",
        b"tenureKH\x01",
        b"tenureWR\x01",
        b"tenureRT\x01",
        b"\x01",
        b"\x01\x83\x00\x01",
        b"\x03\x82",
    ]);
    (start, any::<Vec<u8>>()).prop_map(|(start, rest)| [start, &rest].concat())
}

/// CBOR, or nearly: heads of every kind with arguments that are small, or as large as can be.
fn cbor() -> impl Strategy<Value = Vec<u8>> {
    let small = (0_u8..8, 0_u8..24).prop_map(|(kind, n)| vec![kind << 5 | n]);
    let large = (0_u8..8, any::<u64>())
        .prop_map(|(kind, n)| [&[kind << 5 | 27][..], &n.to_be_bytes()].concat());
    let most = (0_u8..8).prop_map(|kind| [&[kind << 5 | 27][..], &[0xff; 8]].concat());
    let incarnation = Just([&[0x48], &INC.0[..]].concat());
    let simple = any::<u8>().prop_map(|byte| vec![byte]);
    let item = prop_oneof![8 => small, 1 => large, 1 => most, 2 => incarnation, 2 => simple];
    prop::collection::vec(item, 0..24).prop_map(|items| items.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused_by_every_authenticated_format(bytes in bytes()) {
        let name = ObjectName::of(&bytes);
        prop_assert!(read::pack(name, &bytes).is_err());
        prop_assert!(read::page(name, &bytes).is_err());
        prop_assert!(read::object::<Manifest>(Chain::Manifest, 1, &bytes).is_err());
        prop_assert!(read::object::<JournalEntry>(Chain::Journal, 1, &bytes).is_err());
        prop_assert!(read::keyring(&bytes).is_err());
        prop_assert!(file::open_for_host(&bytes, REPO, &host(), &epoch_secret()).is_err());
        prop_assert!(Certificate::read(&bytes, &root().verify_key()).is_err());
        prop_assert!(piece::open_reference(REPO, ANN, &key(ANN), &bytes).is_err());
        prop_assert!(audit::record(&bytes).is_err() && audit::checkpoint(&bytes).is_err());
        let _ = certificate::decode_root(&bytes);
    }

    #[test]
    fn arbitrary_rows_and_identities_do_not_panic(bytes in bytes(), cbor in cbor()) {
        for plain in [&bytes, &[&[1], &cbor[..]].concat(), &[&[3], &cbor[..]].concat()] {
            let _ = read::rows(&[plain], |_| ());
        }
        let _ = read::rows(&[&[&[2], &bytes[..]].concat(), &[&[3], &cbor[..]].concat()], |_| ());
        let _ = Identity::decode(&bytes);
        let _ = Identity::decode(&cbor);
    }

    /// What a writer with all keys could write: the readers stay on their feet.
    #[test]
    fn arbitrary_bodies_under_the_right_keys_do_not_panic(body in cbor(), other in cbor()) {
        let manifest = Object::new(Chain::Manifest, &body).bytes();
        if let Err(error) = read::object::<Manifest>(Chain::Manifest, 1, &manifest) {
            prop_assert!(matches!(error, ObjectError::Malformed(_)), "{error}");
        }
        let entry = Object::new(Chain::Journal, &body).bytes();
        if let Err(error) = read::object::<JournalEntry>(Chain::Journal, 1, &entry) {
            prop_assert!(matches!(error, ObjectError::Malformed(_)), "{error}");
        }
        for version in VERSIONS {
            let pack = craft::pack(version, &[(ANN, other.clone())], |_| body.clone());
            let _ = read::pack(ObjectName::of(&pack), &pack);
            let page = craft::page(version, std::slice::from_ref(&other), |_| body.clone());
            let _ = read::page(ObjectName::of(&page), &page);
            let page = craft::page(version, std::slice::from_ref(&body), |lens| {
                craft::index_with(&[INC], &[craft::pack_ref(3)], &[(0, META.leaf(), lens[0])])
            });
            let _ = read::page(ObjectName::of(&page), &page);
        }
        let dictionary = craft::dictionary(&key(COMMON), other.clone());
        let pack = craft::pack_with(dictionary, &[(ANN, body.clone())], |lens| {
            craft::contents(2, ANN, lens[0], [0; 16])
        });
        let _ = read::pack(ObjectName::of(&pack), &pack);
    }

    #[test]
    fn arbitrary_keyrings_that_are_signed_do_not_panic(
        journal in cbor(),
        trees in prop::collection::vec((any::<u32>(), any::<Vec<u8>>()), 0..3),
        depths in prop::collection::vec((any::<u64>(), 0_u8..45), 0..5),
    ) {
        let mut trees: Vec<_> = trees.into_iter().map(|(nodes, cover)| (INC, nodes, cover)).collect();
        let _ = read::keyring(&craft::keyring(&journal, &trees));
        let cover: Vec<u8> = depths.iter().flat_map(|(first, depth)| craft::node(*first, *depth)).collect();
        trees = vec![(INC, depths.len() as u32, cover)];
        match read::keyring(&craft::keyring(&[0x80], &trees)) {
            Ok(keyring) => prop_assert!(depths.is_empty() || keyring.forest.trees().len() == 1),
            Err(error) => prop_assert!(matches!(error, KeyringError::Tree(_)), "{error}"),
        }
    }
}
