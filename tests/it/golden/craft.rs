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
fn container(magic: &[u8], version: u8, parts: &[Vec<u8>], table: &[u8]) -> Vec<u8> {
    let header = [magic, &[version], &INC.0, &SALT].concat();
    let len = (table.len() as u32).to_le_bytes();
    [&header, &parts.concat(), table, &len].concat()
}

/// A page of these plain blocks; the index is made from the blocks' stored lengths.
pub fn page(version: u8, blocks: &[Vec<u8>], index: impl FnOnce(&[u64]) -> Vec<u8>) -> Vec<u8> {
    let sealed = |(number, plain): (u64, &Vec<u8>)| {
        let label = [&b"page block"[..], &number.to_be_bytes()].concat();
        let key = meta().field_key(&SALT, &label);
        seal::seal(&key, &place(Kind::PageBlock, number), plain).unwrap()
    };
    let blocks: Vec<_> = (0..).zip(blocks).map(sealed).collect();
    let lens: Vec<_> = blocks.iter().map(|block| block.len() as u64).collect();
    let key = meta().field_key(&SALT, b"page index");
    let index = seal::seal(&key, &place(Kind::PageIndex, 0), &index(&lens)).unwrap();
    container(b"tenurePG", version, &blocks, &index)
}

/// A page's index without packs: incarnations, and (incarnation, leaf, length) of each block.
pub fn index(incs: &[Incarnation], blocks: &[(u64, u64, u64)]) -> Vec<u8> {
    index_with(incs, &[], blocks)
}

/// A page's index with these packs, each as its CBOR.
pub fn index_with(incs: &[Incarnation], packs: &[Vec<u8>], blocks: &[(u64, u64, u64)]) -> Vec<u8> {
    let before = cbor(|w| {
        w.array(3)?.array(incs.len() as u64)?;
        for inc in incs {
            w.bytes(&inc.0)?;
        }
        w.array(packs.len() as u64)?.ok()
    });
    let after = cbor(|w| {
        w.array(blocks.len() as u64)?;
        for (inc, leaf, len) in blocks {
            w.array(3)?.u64(*inc)?.u64(*leaf)?.u64(*len)?;
        }
        Ok(())
    });
    [before, packs.concat(), after].concat()
}

/// A pack in a page's index, of so many items: name, size, salt, and numbers behind them.
pub fn pack_ref(items: u64) -> Vec<u8> {
    cbor(|w| {
        w.array(items)?.bytes(&[6; 32])?.u64(1000)?;
        if items > 2 {
            w.bytes(&SALT)?;
        }
        (3..items).try_for_each(|_| w.u8(50)?.ok())
    })
}

/// The items of a piece in a page: which pack, where it begins, and how long it is stored.
pub fn piece(pack: u64, at: i64, len: u32) -> Vec<u8> {
    cbor(|w| {
        w.array(6)?.u64(pack)?.i64(at)?.u32(len)?;
        w.u8(0)?.u8(0)?.bytes(&[0; 16])?.ok()
    })
}

/// The entry of a domain that has nothing any more.
pub fn removal(inc: u64, leaf: u64, source: u32) -> Vec<u8> {
    cbor(|w| {
        w.array(5)?.u64(inc)?.u64(leaf)?.u32(source)?;
        w.null()?.null()?.ok()
    })
}

/// A customer's identity in a page: this frame, sealed.
pub fn id(domain: Domain, frame: Vec<u8>) -> Vec<u8> {
    let key = key(domain).field_key(&SALT, b"customer id");
    seal::encrypt(&key, &place(Kind::CustomerId, domain.leaf()), frame)
}

/// A pack of these frames, without a dictionary; the table of contents is made from the blobs' stored lengths.
pub fn pack(
    version: u8,
    blobs: &[(Domain, Vec<u8>)],
    contents: impl FnOnce(&[u32]) -> Vec<u8>,
) -> Vec<u8> {
    match version {
        1 => pack_behind(version, Vec::new(), blobs, contents),
        _ => pack_with(Vec::new(), blobs, contents),
    }
}

/// The same with this sealed dictionary.
pub fn pack_with(
    dictionary: Vec<u8>,
    blobs: &[(Domain, Vec<u8>)],
    contents: impl FnOnce(&[u32]) -> Vec<u8>,
) -> Vec<u8> {
    let len = (dictionary.len() as u32).to_le_bytes();
    pack_behind(2, [&len[..], &dictionary].concat(), blobs, contents)
}

/// The same behind whatever follows the salt.
fn pack_behind(
    version: u8,
    start: Vec<u8>,
    blobs: &[(Domain, Vec<u8>)],
    contents: impl FnOnce(&[u32]) -> Vec<u8>,
) -> Vec<u8> {
    let mut at = 33 + start.len() as u32;
    let mut parts = vec![start];
    let mut lens = Vec::new();
    for (domain, frame) in blobs {
        let blob = blob(&key(*domain), at, frame.clone());
        lens.push(blob.len() as u32);
        at += blob.len() as u32;
        parts.push(blob);
    }
    let key = meta().field_key(&SALT, b"pack contents");
    let contents = seal::seal(&key, &place(Kind::PackContents, 0), &contents(&lens)).unwrap();
    container(b"tenurePK", version, &parts, &contents)
}

fn blob(key: &DomainKey, at: u32, frame: Vec<u8>) -> Vec<u8> {
    let place = place(Kind::Blob, u64::from(at));
    seal::encrypt(&key.blob_key(&SALT, at), &place, frame)
}

/// A dictionary as it stands in a pack: this frame, sealed under this key.
pub fn dictionary(key: &DomainKey, frame: Vec<u8>) -> Vec<u8> {
    blob(key, 37, frame)
}

/// One row of a pack's table of contents; only version 1 gives the name.
pub fn contents(version: u8, domain: Domain, len: u32, name: [u8; 16]) -> Vec<u8> {
    cbor(|w| {
        w.array(if version == 1 { 4 } else { 3 })?;
        w.bytes(&domain.inc.0)?.u64(domain.leaf())?.u32(len)?;
        if version == 1 {
            w.bytes(&name)?;
        }
        Ok(())
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
