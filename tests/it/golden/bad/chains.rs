//! Journal entries and manifests.

use tenure::cbor::Malformed;
use tenure::ids::RepoId;
use tenure::object::{self, Chain, ObjectError};
use tenure::seal::SealError;

use super::super::craft::Object;
use super::super::keys::{ANN, INC, OTHER, key, stranger};
use super::super::read::Refusal;
use super::{Bad, cut, flipped, flipped_before_end, later, of};

/// The plain CBOR of a journal entry with this event.
fn event(bytes: &[u8]) -> Vec<u8> {
    [&[0x82, 0], bytes].concat()
}

const OPENED: [u8; 4] = [0x82, 1, 0x81, 0x80];

/// The second entry of the good journal, with something changed.
fn second(body: &[u8], change: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut entry = Object {
        number: 2,
        previous: object::hash(&of("journal/1-opened.bin")),
        ..Object::new(Chain::Journal, body)
    };
    change(&mut entry);
    entry.bytes()
}

pub fn journal() -> Vec<Bad> {
    let no = Refusal::Object;
    let sealed = || Refusal::Object(ObjectError::Sealed(SealError::NotAuthentic));
    let malformed = || Refusal::Object(ObjectError::Malformed(Malformed));
    vec![
        (
            "journal/not-an-entry.bin",
            no(ObjectError::NotOne("journal")),
            || of("manifest/1-full.bin"),
        ),
        (
            "journal/unknown-version.bin",
            no(ObjectError::UnknownVersion(2)),
            || later("journal/2-erased.bin"),
        ),
        ("journal/torn-in-magic.bin", no(ObjectError::Torn), || {
            cut("journal/2-erased.bin", 8)
        }),
        (
            "journal/torn-before-body.bin",
            no(ObjectError::Torn),
            || cut("journal/2-erased.bin", 152),
        ),
        (
            "journal/not-signed-cut-short.bin",
            no(ObjectError::NotSigned),
            || cut("journal/2-erased.bin", 153),
        ),
        ("journal/not-signed.bin", no(ObjectError::NotSigned), || {
            flipped("journal/2-erased.bin", 100)
        }),
        (
            "journal/not-signed-trailing-byte.bin",
            no(ObjectError::NotSigned),
            || [of("journal/2-erased.bin"), vec![0]].concat(),
        ),
        (
            "journal/not-signed-by-a-stranger.bin",
            no(ObjectError::NotSigned),
            || second(&event(&OPENED), |entry| entry.signer = stranger()),
        ),
        (
            "journal/not-signed-as-an-entry.bin",
            no(ObjectError::NotSigned),
            || second(&event(&OPENED), |entry| entry.word = "manifest"),
        ),
        (
            "journal/wrong-number.bin",
            no(ObjectError::WrongNumber {
                found: 3,
                expected: 2,
            }),
            || of("journal/3-readmitted.bin"),
        ),
        (
            "journal/foreign-repository.bin",
            no(ObjectError::Foreign("repository")),
            || second(&event(&OPENED), |entry| entry.repo = RepoId([9; 16])),
        ),
        (
            "journal/foreign-incarnation.bin",
            no(ObjectError::Foreign("incarnation")),
            || second(&event(&OPENED), |entry| entry.inc = OTHER),
        ),
        (
            "journal/broken-chain.bin",
            Refusal::Log(ObjectError::BrokenChain.to_string()),
            || second(&event(&OPENED), |entry| entry.previous = [3; 32]),
        ),
        ("journal/body-under-another-key.bin", sealed(), || {
            second(&event(&OPENED), |entry| entry.key = key(ANN))
        }),
        ("journal/unknown-event.bin", malformed(), || {
            second(&event(&[0x82, 0x18, 99, 0x80]), |_| ())
        }),
        ("journal/trailing-item.bin", malformed(), || {
            second(&[&event(&OPENED)[..], &[0]].concat(), |_| ())
        }),
        ("journal/erased-without-domains.bin", malformed(), || {
            second(&event(&[0x82, 2, 0x80]), |_| ())
        }),
        ("journal/erased-leaf-of-41-bits.bin", malformed(), || {
            let domain = [&[0x82, 0x48], &INC.0[..], &[0x1b, 0, 0, 1, 0, 0, 0, 0, 0]].concat();
            second(
                &event(&[&[0x82, 2, 0x82, 0x81][..], &domain, &[0x80]].concat()),
                |_| (),
            )
        }),
    ]
}

pub fn manifests() -> Vec<Bad> {
    let no = Refusal::Object;
    let malformed = || Refusal::Object(ObjectError::Malformed(Malformed));
    vec![
        (
            "manifest/not-a-manifest.bin",
            no(ObjectError::NotOne("manifest")),
            || of("journal/1-opened.bin"),
        ),
        (
            "manifest/unknown-version.bin",
            no(ObjectError::UnknownVersion(2)),
            || later("manifest/1-full.bin"),
        ),
        ("manifest/torn.bin", no(ObjectError::Torn), || {
            cut("manifest/1-full.bin", 80)
        }),
        (
            "manifest/not-signed.bin",
            no(ObjectError::NotSigned),
            || flipped_before_end("manifest/1-full.bin", 1),
        ),
        (
            "manifest/wrong-number.bin",
            no(ObjectError::WrongNumber {
                found: 2,
                expected: 1,
            }),
            || of("manifest/2-incremental.bin"),
        ),
        ("manifest/malformed.bin", malformed(), || {
            Object::new(Chain::Manifest, &[0x80]).bytes()
        }),
        ("manifest/unknown-kind.bin", malformed(), || {
            Object::new(Chain::Manifest, &[0x81, 2]).bytes()
        }),
        ("manifest/body-empty.bin", malformed(), || {
            Object::new(Chain::Manifest, &[]).bytes()
        }),
    ]
}
