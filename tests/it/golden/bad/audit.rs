//! Records of the audit log, and checkpoints.

use tenure::audit_entry::EntryError;
use tenure::cbor::Malformed;
use tenure::note::{self, NoteError};
use tenure::seal::{self, Kind, Place, SealError};
use tenure::secret::DomainKey;

use super::super::audit::{self, ORIGIN};
use super::super::keys::{ANN, INC, REPO, key, meta, stranger, writer};
use super::super::read::Refusal;
use super::{Bad, cut, flipped, of};

/// The second entry's record, of this plain CBOR.
fn record(body: &[u8], key: &DomainKey) -> Vec<u8> {
    let salt = [7; 16];
    let place = Place {
        repo: REPO,
        kind: Kind::Audit,
        number: 2,
        field: &INC.0,
    };
    let frame = seal::plain_frame(body);
    let sealed = seal::encrypt(&key.field_key(&salt, b"audit"), &place, frame);
    [&salt[..], &sealed].concat()
}

/// The CBOR of an entry in phase `phase`.
fn body(phase: u8) -> Vec<u8> {
    let who = [0x83, 0xf6, 0x60, 0x80];
    let object = [0x84, 0x80, 0x80, 0x80, 0xf6];
    [
        &[0x87, 1][..],
        &who,
        &[0x61, b'a'],
        &object,
        &[phase, 0x60, 0xf6],
    ]
    .concat()
}

pub fn records() -> Vec<Bad> {
    let sealed = || Refusal::Entry(EntryError::Sealed(SealError::NotAuthentic));
    let malformed = || Refusal::Entry(EntryError::Malformed(Malformed));
    vec![
        (
            "audit-record/torn.bin",
            Refusal::Entry(EntryError::Torn),
            || cut("audit/record-2.bin", 15),
        ),
        ("audit-record/cut-short.bin", sealed(), || {
            let record = of("audit/record-2.bin");
            record[..record.len() - 1].to_vec()
        }),
        ("audit-record/flipped.bin", sealed(), || {
            flipped("audit/record-2.bin", 20)
        }),
        ("audit-record/under-another-key.bin", sealed(), || {
            record(&body(2), &key(ANN))
        }),
        ("audit-record/unknown-phase.bin", malformed(), || {
            record(&body(9), &meta())
        }),
        ("audit-record/trailing-item.bin", malformed(), || {
            record(&[&body(2)[..], &[0]].concat(), &meta())
        }),
    ]
}

fn text() -> String {
    String::from_utf8(of("audit/checkpoint.txt")).unwrap()
}

/// The good checkpoint's text with something replaced, signed by the log's key.
fn signed(from: &str, to: &str) -> Vec<u8> {
    let whole = text();
    let text = whole.split_once("\n\n").unwrap().0;
    let text = format!("{text}\n").replacen(from, to, 1);
    note::sign(&text, ORIGIN, &writer()).unwrap().into_bytes()
}

pub fn checkpoints() -> Vec<Bad> {
    let no = Refusal::Note;
    vec![
        (
            "checkpoint/not-signed-by-a-stranger.txt",
            no(NoteError::NotSigned),
            || {
                let good = audit::checkpoint(text().as_bytes()).unwrap();
                good.sign(&stranger()).unwrap().into_bytes()
            },
        ),
        (
            "checkpoint/bad-signature.txt",
            no(NoteError::BadSignature),
            || text().replacen("\n3\n", "\n4\n", 1).into_bytes(),
        ),
        (
            "checkpoint/other-origin.txt",
            no(NoteError::OtherOrigin),
            || signed("tenure-audit/", "tenure-audit/0"),
        ),
        ("checkpoint/bad-size.txt", no(NoteError::BadSize), || {
            signed("\n3\n", "\n03\n")
        }),
        ("checkpoint/bad-root.txt", no(NoteError::BadRoot), || {
            signed("=\n", "\n")
        }),
        (
            "checkpoint/more-lines.txt",
            no(NoteError::NotCheckpoint),
            || signed("\n3\n", "\n3\nmore\n"),
        ),
        (
            "checkpoint/without-signatures.txt",
            no(NoteError::NotSignedText),
            || text().split_once("\n\n").unwrap().0.as_bytes().to_vec(),
        ),
        (
            "checkpoint/with-carriage-returns.txt",
            no(NoteError::NotText),
            || text().replace('\n', "\r\n").into_bytes(),
        ),
    ]
}
