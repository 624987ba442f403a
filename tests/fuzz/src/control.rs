//! What the repository says of itself: keyrings and their trees, journal, manifests, certificates, the audit log.

use tenure::audit_entry;
use tenure::cbor;
use tenure::certificate::{self, Certificate};
use tenure::journal;
use tenure::keyring::Keyring;
use tenure::keyring::tree::{LEAVES, Tree};
use tenure::manifest::Manifest;
use tenure::object::{self, Chain};
use tenure::seal::{self, Kind, Place};
use tenure::secret::{DomainKey, Seed};
use tenure::sign::SigningKey;

use crate::data::{INC, REPO, meta};

fn signer() -> SigningKey {
    SigningKey::from_seed(Seed::from_bytes([5; 32]))
}

/// `bytes` with a signature that is right.
fn signed(what: &str, bytes: &[u8]) -> Vec<u8> {
    [bytes, &signer().sign(what, bytes)[..]].concat()
}

pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = cbor::from_slice::<Manifest>(bytes) {
        let written = cbor::to_vec(&manifest);
        assert!(cbor::from_slice::<Manifest>(&written).is_ok());
    }
}

pub fn journal(bytes: &[u8]) {
    if let Ok(entry) = cbor::from_slice::<journal::Entry>(bytes) {
        let written = cbor::to_vec(&entry);
        assert!(cbor::from_slice::<journal::Entry>(&written).is_ok());
    }
}

pub fn object(bytes: &[u8]) {
    let verify = signer().verify_key();
    for chain in [Chain::Manifest, Chain::Journal] {
        let whole = signed(chain.word(), bytes);
        if let Ok(read) = object::read(chain, REPO, INC, 1, &whole, &verify) {
            assert_eq!(read.head.number, 1);
            let _ = read.open::<Manifest>(&meta());
        }
    }
}

pub fn keyring(bytes: &[u8]) {
    let whole = signed("keyring", bytes);
    let verify = signer().verify_key();
    if let Ok(keyring) = Keyring::decode(&whole, REPO, &verify, |_| Some(verify)) {
        assert_eq!(keyring.encode(&signer()).as_slice(), whole);
    }
}

pub fn certificate(bytes: &[u8]) {
    let whole = signed("writer", bytes);
    if let Ok(certificate) = Certificate::read(&whole, &signer().verify_key()) {
        assert_eq!(certificate.issue(&signer()), whole);
    }
    let _ = Certificate::read_unchecked(bytes);
}

pub fn root(bytes: &[u8]) {
    if let Ok((repo, root)) = certificate::decode_root(bytes) {
        assert_eq!(certificate::encode_root(repo, &root).as_slice(), bytes);
    }
}

/// The first bytes say which leaf is looked at, the others are a cover.
pub fn tree(bytes: &[u8]) {
    let Some((leaf, cover)) = bytes.split_at_checked(5) else {
        return;
    };
    let leaf = leaf.iter().fold(0, |leaf, byte| leaf << 8 | u64::from(*byte));
    assert!(leaf < LEAVES);
    let Ok(tree) = Tree::decode(cover) else {
        return;
    };
    assert_eq!(tree.as_bytes(), cover);
    let walked = tree.walker().leaf(leaf);
    assert_eq!(tree.has(leaf), walked.is_some());
    let name = |key: DomainKey| *key.name_key().expose();
    assert_eq!(tree.leaf(leaf).map(name), walked.map(name));
}

pub fn audit(bytes: &[u8]) {
    const SALT: [u8; 16] = [6; 16];
    let place = Place {
        repo: REPO,
        kind: Kind::Audit,
        number: 1,
        field: &INC.0,
    };
    let key = meta().field_key(&SALT, b"audit");
    let sealed = seal::encrypt(&key, &place, seal::plain_frame(bytes));
    let record = [&SALT[..], &sealed].concat();
    let _ = audit_entry::Entry::open(REPO, INC, 1, &record, &meta());
}
