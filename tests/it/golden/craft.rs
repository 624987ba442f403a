//! Objects made by hand, from the module texts alone: what no writer of ours would write, under keys
//! that are right.

use tenure::cbor::{self, Writer, Written};
use tenure::ids::{Domain, Incarnation, RepoId};
use tenure::object::Chain;
use tenure::seal::{self, Kind, Place, plain_frame};
use tenure::secret::DomainKey;
use tenure::sign::SigningKey;

use super::keys::{INC, REPO, key, meta, root, writer};

const SALT: [u8; 16] = [7; 16];

pub fn cbor(write: impl FnOnce(&mut Writer<'_>) -> Written) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::append(&mut out, write);
    out
}

pub fn place(kind: Kind, number: u64) -> Place<'static> {
    Place {
        repo: REPO,
        kind,
        number,
        field: b"",
    }
}

/// A manifest or journal entry before it is signed; every field can be made wrong.
pub struct Object<'a> {
    pub chain: Chain,
    pub version: u8,
    pub repo: RepoId,
    pub inc: Incarnation,
    pub number: u64,
    pub previous: [u8; 32],
    pub key: DomainKey,
    /// The plain CBOR.
    pub body: &'a [u8],
    /// As what it is signed.
    pub word: &'a str,
    pub signer: SigningKey,
}

impl<'a> Object<'a> {
    /// All as it should be, as number 1.
    pub fn new(chain: Chain, body: &'a [u8]) -> Self {
        Self {
            chain,
            version: 1,
            repo: REPO,
            inc: INC,
            number: 1,
            previous: [0; 32],
            key: meta(),
            body,
            word: chain.word(),
            signer: writer(),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (magic, kind, label) = match self.chain {
            Chain::Manifest => (b"tenureMF", Kind::Manifest, &b"manifest"[..]),
            Chain::Journal => (b"tenureJN", Kind::Journal, &b"journal"[..]),
        };
        let place = Place {
            repo: self.repo,
            kind,
            number: self.number,
            field: &self.inc.0,
        };
        let body = seal::seal(&self.key.field_key(&SALT, label), &place, self.body).unwrap();
        let bytes = [
            &magic[..],
            &[self.version],
            &self.repo.0,
            &self.inc.0,
            &self.number.to_be_bytes(),
            &self.previous,
            &SALT,
            &body,
        ]
        .concat();
        signed(bytes, self.word, &self.signer)
    }
}

pub fn signed(mut bytes: Vec<u8>, word: &str, by: &SigningKey) -> Vec<u8> {
    let signature = by.sign(word, &bytes);
    bytes.extend_from_slice(&signature);
    bytes
}

/// Header, parts, a sealed table, and the table's length.
fn container(magic: &[u8], parts: &[Vec<u8>], table: &[u8]) -> Vec<u8> {
    let header = [magic, &[1], &INC.0, &SALT].concat();
    let len = (table.len() as u32).to_le_bytes();
    [&header, &parts.concat(), table, &len].concat()
}

/// A page of these plain blocks; the index is made from the blocks' stored lengths.
pub fn page(blocks: &[Vec<u8>], index: impl FnOnce(&[u64]) -> Vec<u8>) -> Vec<u8> {
    let sealed = |(number, plain): (u64, &Vec<u8>)| {
        let label = [&b"page block"[..], &number.to_be_bytes()].concat();
        let key = meta().field_key(&SALT, &label);
        seal::seal(&key, &place(Kind::PageBlock, number), plain).unwrap()
    };
    let blocks: Vec<_> = (0..).zip(blocks).map(sealed).collect();
    let lens: Vec<_> = blocks.iter().map(|block| block.len() as u64).collect();
    let key = meta().field_key(&SALT, b"page index");
    let index = seal::seal(&key, &place(Kind::PageIndex, 0), &index(&lens)).unwrap();
    container(b"tenurePG", &blocks, &index)
}

/// A page's index without packs: incarnations, and (incarnation, leaf, length) of each block.
pub fn index(incs: &[Incarnation], blocks: &[(u64, u64, u64)]) -> Vec<u8> {
    cbor(|w| {
        w.array(3)?.array(incs.len() as u64)?;
        for inc in incs {
            w.bytes(&inc.0)?;
        }
        w.array(0)?.array(blocks.len() as u64)?;
        for (inc, leaf, len) in blocks {
            w.array(3)?.u64(*inc)?.u64(*leaf)?.u64(*len)?;
        }
        Ok(())
    })
}

/// The entry of a domain that has nothing any more.
pub fn removal(inc: u64, leaf: u64, source: u32) -> Vec<u8> {
    cbor(|w| {
        w.array(5)?.u64(inc)?.u64(leaf)?.u32(source)?;
        w.null()?.null()?.ok()
    })
}

/// A pack of these frames; the table of contents is made from the blobs' stored lengths.
pub fn pack(blobs: &[(Domain, Vec<u8>)], contents: impl FnOnce(&[u32]) -> Vec<u8>) -> Vec<u8> {
    let mut at = 33;
    let mut sealed = Vec::new();
    for (domain, frame) in blobs {
        let key = key(*domain).blob_key(&SALT, at);
        let blob = seal::encrypt(&key, &place(Kind::Blob, u64::from(at)), frame.clone());
        at += blob.len() as u32;
        sealed.push(blob);
    }
    let lens: Vec<_> = sealed.iter().map(|blob| blob.len() as u32).collect();
    let key = meta().field_key(&SALT, b"pack contents");
    let contents = seal::seal(&key, &place(Kind::PackContents, 0), &contents(&lens)).unwrap();
    container(b"tenurePK", &sealed, &contents)
}

/// One row of a pack's table of contents.
pub fn contents(domain: Domain, len: u32, name: [u8; 16]) -> Vec<u8> {
    cbor(|w| {
        w.array(4)?.bytes(&domain.inc.0)?.u64(domain.leaf())?;
        w.u32(len)?.bytes(&name)?.ok()
    })
}

/// A keyring, signed, whatever stands in it: journal positions, then per tree the number of nodes
/// that it says it has, and its cover.
pub fn keyring(journal: &[u8], trees: &[(Incarnation, u32, Vec<u8>)]) -> Vec<u8> {
    signed(unsigned_keyring(journal, trees), "keyring", &writer())
}

pub fn unsigned_keyring(journal: &[u8], trees: &[(Incarnation, u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = [
        &b"tenureKR"[..],
        &[1],
        &REPO.0,
        &INC.0,
        &5_u64.to_be_bytes(),
        &root().verify_key().0,
        &(journal.len() as u32).to_be_bytes(),
        journal,
        &(trees.len() as u32).to_be_bytes(),
    ]
    .concat();
    for (inc, nodes, cover) in trees {
        bytes.extend_from_slice(&inc.0);
        bytes.extend_from_slice(&nodes.to_be_bytes());
        bytes.extend_from_slice(cover);
    }
    bytes
}

/// One node of a cover.
pub fn node(first: u64, depth: u8) -> Vec<u8> {
    [&first.to_be_bytes()[3..], &[depth], &[8; 32]].concat()
}

/// The host's copy of something, under both halves.
pub fn host_copy(plain: &[u8]) -> Vec<u8> {
    let both = super::keys::host().keyed(super::keys::epoch_secret().expose());
    let key = DomainKey::new(both).field_key(&SALT, b"host keyring");
    let sealed = seal::encrypt(&key, &place(Kind::HostKeyring, 0), plain_frame(plain));
    [&b"tenureKH"[..], &[1], &REPO.0, &SALT, &sealed].concat()
}
