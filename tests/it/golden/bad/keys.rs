//! Keyrings in each of their forms, roots, and certificates.

use tenure::cbor::Malformed;
use tenure::certificate::{Certificate, CertificateError};
use tenure::keyring::KeyringError;
use tenure::keyring::recovery::{self, Identity};
use tenure::keyring::tree::TreeError;
use tenure::seal::SealError;

use super::super::craft::{self, node};
use super::super::keys::{INC, OTHER, certificate, stranger, writer};
use super::super::read::Refusal;
use super::{Bad, cut, flipped, flipped_before_end, later, of};

const WHOLE: (u64, u8) = (0, 0);

/// A keyring of one tree, with this cover.
fn tree(nodes: &[(u64, u8)]) -> Vec<u8> {
    let cover = nodes
        .iter()
        .flat_map(|(first, depth)| node(*first, *depth))
        .collect();
    craft::keyring(&[0x80], &[(INC, nodes.len() as u32, cover)])
}

/// A whole keyring with this before its signature.
fn keyring_and(trailing: &[u8]) -> Vec<u8> {
    let whole = [(INC, 1, node(WHOLE.0, WHOLE.1))];
    let bytes = craft::unsigned_keyring(&[0x80], &whole);
    craft::signed([&bytes, trailing].concat(), "keyring", &writer())
}

pub fn keyrings() -> Vec<Bad> {
    let no = Refusal::Keyring;
    let wrong = |error| Refusal::Keyring(KeyringError::Tree(error));
    vec![
        (
            "keyring/not-a-keyring.bin",
            no(KeyringError::NotAKeyring),
            || of("keyring/host.keys"),
        ),
        (
            "keyring/unknown-version.bin",
            no(KeyringError::UnknownVersion(2)),
            || later("keyring/keyring.bin"),
        ),
        ("keyring/torn.bin", no(KeyringError::Torn), || {
            cut("keyring/keyring.bin", 40)
        }),
        (
            "keyring/not-signed-cut-short.bin",
            no(KeyringError::NotSigned),
            || cut("keyring/keyring.bin", 400),
        ),
        (
            "keyring/not-signed.bin",
            no(KeyringError::NotSigned),
            || flipped("keyring/keyring.bin", 200),
        ),
        (
            "keyring/not-signed-by-a-known-writer.bin",
            no(KeyringError::NotSigned),
            || {
                let mut bytes = craft::unsigned_keyring(&[0x80], &[]);
                bytes[25..33].copy_from_slice(&OTHER.0);
                craft::signed(bytes, "keyring", &writer())
            },
        ),
        (
            "keyring/foreign-repository.bin",
            no(KeyringError::Foreign),
            || flipped("keyring/keyring.bin", 9),
        ),
        (
            "keyring/foreign-root.bin",
            no(KeyringError::Foreign),
            || flipped("keyring/keyring.bin", 41),
        ),
        (
            "keyring/torn-trailing-byte.bin",
            no(KeyringError::Torn),
            || keyring_and(&[0]),
        ),
        (
            "keyring/torn-nodes-missing.bin",
            no(KeyringError::Torn),
            || craft::keyring(&[0x80], &[(INC, 9, node(0, 0))]),
        ),
        (
            "keyring/torn-node-count-overflows.bin",
            no(KeyringError::Torn),
            || craft::keyring(&[0x80], &[(INC, u32::MAX, node(0, 0))]),
        ),
        (
            "keyring/torn-trees-in-disorder.bin",
            no(KeyringError::Torn),
            || craft::keyring(&[0x80], &[(OTHER, 1, node(0, 0)), (INC, 1, node(0, 0))]),
        ),
        (
            "keyring/torn-one-tree-twice.bin",
            no(KeyringError::Torn),
            || craft::keyring(&[0x80], &[(INC, 1, node(1 << 39, 1)), (INC, 1, node(0, 0))]),
        ),
        (
            "keyring/journal-malformed.bin",
            no(KeyringError::Malformed(Malformed)),
            || craft::keyring(&[0x81], &[]),
        ),
        (
            "keyring/tree-too-deep.bin",
            wrong(TreeError::Depth { node: 0, depth: 41 }),
            || tree(&[(0, 41)]),
        ),
        (
            "keyring/tree-not-aligned.bin",
            wrong(TreeError::Alignment { node: 0 }),
            || tree(&[(1, 39)]),
        ),
        (
            "keyring/tree-in-disorder.bin",
            wrong(TreeError::Order { node: 1 }),
            || tree(&[(4, 40), (0, 39)]),
        ),
        (
            "keyring/tree-covers-twice.bin",
            wrong(TreeError::Order { node: 1 }),
            || tree(&[WHOLE, (8, 40)]),
        ),
        (
            "keyring/tree-with-siblings.bin",
            wrong(TreeError::Siblings { node: 1 }),
            || tree(&[(2, 40), (3, 40)]),
        ),
        (
            "keyring/not-authentic.keys",
            no(KeyringError::Sealed(SealError::NotAuthentic)),
            || flipped_before_end("keyring/host.keys", 1),
        ),
        (
            "keyring/not-the-host-s.keys",
            no(KeyringError::NotAKeyring),
            || of("keyring/keyring.bin"),
        ),
        (
            "keyring/unknown-version.keys",
            no(KeyringError::UnknownVersion(2)),
            || later("keyring/host.keys"),
        ),
        (
            "keyring/foreign-repository.keys",
            no(KeyringError::Foreign),
            || flipped("keyring/host.keys", 9),
        ),
        ("keyring/torn.keys", no(KeyringError::Torn), || {
            cut("keyring/host.keys", 40)
        }),
        ("keyring/torn-inside.keys", no(KeyringError::Torn), || {
            craft::host_copy(&[1; 31])
        }),
        ("keyring/to-somebody-else.age", Refusal::Age, || {
            recovery::encrypt(&[Identity::generate().recipient()], b"keyring").unwrap()
        }),
        ("keyring/damaged.age", Refusal::Age, || {
            flipped_before_end("keyring/keyring.age", 1)
        }),
        ("keyring/cut-short.age", Refusal::Age, || {
            cut("keyring/keyring.age", 250)
        }),
    ]
}

pub fn certificates() -> Vec<Bad> {
    let no = Refusal::Certificate;
    vec![
        (
            "root/not-a-root.bin",
            no(CertificateError::NotOne("a repository's root")),
            || of("certificate/writer.bin"),
        ),
        (
            "root/unknown-version.bin",
            no(CertificateError::UnknownVersion(2)),
            || later("root/root.bin"),
        ),
        ("root/torn.bin", no(CertificateError::Torn), || {
            cut("root/root.bin", 56)
        }),
        ("root/torn-in-magic.bin", no(CertificateError::Torn), || {
            cut("root/root.bin", 8)
        }),
        (
            "root/torn-trailing-byte.bin",
            no(CertificateError::Torn),
            || [of("root/root.bin"), vec![0]].concat(),
        ),
        (
            "certificate/not-a-certificate.bin",
            no(CertificateError::NotOne("a writer's certificate")),
            || of("root/root.bin"),
        ),
        (
            "certificate/unknown-version.bin",
            no(CertificateError::UnknownVersion(2)),
            || later("certificate/writer.bin"),
        ),
        ("certificate/torn.bin", no(CertificateError::Torn), || {
            cut("certificate/writer.bin", 132)
        }),
        (
            "certificate/torn-trailing-byte.bin",
            no(CertificateError::Torn),
            || [of("certificate/writer.bin"), vec![0]].concat(),
        ),
        (
            "certificate/not-signed.bin",
            no(CertificateError::NotSigned),
            || flipped("certificate/writer.bin", 36),
        ),
        (
            "certificate/not-signed-by-this-root.bin",
            no(CertificateError::NotSigned),
            || Certificate::issue(&certificate(), &stranger()),
        ),
    ]
}
