//! Opens everything that a keyring opens, with no regard to the journal: what a thief of that keyring
//! could read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tenure::ids::{Domain, ObjectName, RepoId};
use tenure::keyring::Keyring;
use tenure::keyring::recovery::{self, Identity};
use tenure::manifest::Manifest;
use tenure::object::{self, Chain};
use tenure::pack::{self, Pack};
use tenure::page::Page;
use tenure::piece::{self, Cell, Found, RowReader};
use tenure::repo::Repository;
use tenure::repo::identity::open_identity;
use tenure::repo::objects::open_dictionary;
use tenure::seal::Decompressor;
use tenure::value::{CustomerKey, Value};

/// Opens a keyring's age file with a recovery identity.
pub fn keyring(repository: &Repository, identity: Identity, age: &[u8]) -> Keyring {
    let bytes = recovery::decrypt(&[identity], age).unwrap();
    let verify = |_| Some(repository.certificate.verify);
    Keyring::decode(&bytes, repository.id(), &repository.fingerprint, verify).unwrap()
}

/// Every plain byte in a store and in the state directory's catalog that the keyring opens: pieces,
/// dictionaries, values of references, identities in pages and catalog, manifests and journal. Also how
/// many dictionaries and blobs were opened, and how many blobs could not be.
pub struct Opened {
    pub plain: Vec<u8>,
    pub dictionaries: usize,
    pub blobs: usize,
    pub closed: usize,
}

pub fn open_everything(repository: &Repository, keyring: &Keyring, store: &Path) -> Opened {
    let mut opened = Opened {
        plain: Vec::new(),
        dictionaries: 0,
        blobs: 0,
        closed: 0,
    };
    let meta = keyring.forest.key(Domain::meta(keyring.inc)).unwrap();
    let repo = repository.id();
    for path in files(&store.join("packs")) {
        let pack = Pack::read(name_of(&path), fs::read(&path).unwrap().into()).unwrap();
        let head = pack.head();
        let dictionary = open_dictionary(repo, head, pack.bytes(), &keyring.forest).unwrap();
        if let Some(dictionary) = &dictionary {
            opened.dictionaries += 1;
            opened.plain.extend_from_slice(dictionary.bytes());
        }
        let mut pieces: BTreeMap<Domain, RowReader> = BTreeMap::new();
        for entry in pack.contents(repo, &meta).unwrap() {
            let Some(key) = keyring.forest.key(entry.domain) else {
                opened.closed += 1;
                continue;
            };
            opened.blobs += 1;
            let sealed = pack.blob(entry.slot).unwrap();
            let frame =
                pack::open_blob(repo, &key, head.salt(), entry.slot.offset, sealed).unwrap();
            let plain = Decompressor::new()
                .unwrap()
                .plain(&frame, dictionary.as_ref())
                .unwrap();
            opened.plain.extend_from_slice(&plain);
            let reader = pieces.entry(entry.domain).or_default();
            reader
                .piece::<tenure::cbor::Malformed>(&plain, |found| {
                    let Found::Row(row, _) = found else {
                        return Ok(());
                    };
                    for cell in row.cells {
                        if let Cell::Reference { domain, sealed } = cell
                            && let Some(value) = opened_reference(repo, keyring, domain, sealed)
                        {
                            let identity = CustomerKey(vec![value]);
                            opened.plain.extend_from_slice(identity.text().as_bytes());
                        }
                    }
                    Ok(())
                })
                .unwrap();
        }
    }
    for path in files(&store.join("pages")) {
        let bytes = fs::read(&path).unwrap();
        let page = Page::read(repo, name_of(&path), &bytes, &meta).unwrap();
        for block in page.blocks() {
            let sealed = &bytes[block.offset as usize..(block.offset + block.len) as usize];
            for entry in page.entries(block, sealed, &meta).unwrap() {
                let key = keyring.forest.key(entry.domain);
                if let (Some(id), Some(key)) = (&entry.id, key) {
                    opened
                        .plain
                        .extend_from_slice(&page.open_id(entry.domain, &key, id).unwrap());
                }
            }
        }
    }
    let verify = &repository.certificate.verify;
    for chain in [Chain::Manifest, Chain::Journal] {
        for path in files(&store.join(chain.folder())) {
            let place = path.strip_prefix(store).unwrap().to_str().unwrap();
            let (inc, number) = chain.parse(place).unwrap();
            let bytes = fs::read(&path).unwrap();
            let sealed = object::read(chain, repo, inc, number, &bytes, verify).unwrap();
            let text = match chain {
                Chain::Manifest => format!("{:?}", sealed.open::<Manifest>(&meta).unwrap()),
                Chain::Journal => {
                    let entry = sealed.open::<tenure::journal::Entry>(&meta).unwrap();
                    if let tenure::journal::Event::Readmitted {
                        domain, identity, ..
                    } = &entry.event
                        && let Some(key) = keyring.forest.key(*domain)
                    {
                        let who = open_identity(repo, *domain, &key, identity).unwrap();
                        opened.plain.extend_from_slice(&who.encode());
                    }
                    format!("{entry:?}")
                }
            };
            opened.plain.extend_from_slice(text.as_bytes());
        }
    }
    let catalog = rusqlite::Connection::open(repository.state.catalog()).unwrap();
    let mut rows = catalog
        .prepare("SELECT arrival, sealed FROM customer")
        .unwrap();
    let rows = rows
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))
        .unwrap();
    for row in rows {
        let (arrival, sealed) = row.unwrap();
        let class = tenure::ids::Class::CUSTOMER;
        let domain = Domain {
            inc: keyring.inc,
            class,
            arrival,
        };
        if let Some(key) = keyring.forest.key(domain) {
            let who = open_identity(repo, domain, &key, &sealed).unwrap();
            opened.plain.extend_from_slice(&who.encode());
        }
    }
    opened
}

fn name_of(path: &Path) -> ObjectName {
    path.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// All files below a directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies a folder's contents, with their modes, into one that is there.
pub fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
            let mode = fs::metadata(entry.path()).unwrap().permissions();
            fs::set_permissions(&target, mode).unwrap();
        }
    }
}

/// The value that a reference stands for, if it can be opened.
fn opened_reference(
    repo: RepoId,
    keyring: &Keyring,
    domain: Domain,
    sealed: &[u8],
) -> Option<Value> {
    let key = keyring.forest.key(domain)?;
    match piece::open_reference(repo, domain, &key, sealed).ok()? {
        piece::Opened::Value(value) => Some(value),
        piece::Opened::Reference(other, again) => opened_reference(repo, keyring, other, &again),
    }
}
