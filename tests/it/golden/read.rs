//! Reads each format wholly, as its users do, and says by which error it refused.

use std::fs;
use std::path::Path;

use minicbor::Decoder;
use tenure::audit_entry::EntryError;
use tenure::cbor::Malformed;
use tenure::certificate::{self, Certificate, CertificateError};
use tenure::error::Failure;
use tenure::ids::{Domain, Incarnation, ObjectName};
use tenure::journal::Entry as JournalEntry;
use tenure::keyring::recovery::{self, Identity, RecoveryError};
use tenure::keyring::{Keyring, KeyringError, file};
use tenure::manifest::Manifest;
use tenure::note::NoteError;
use tenure::object::{self, Chain, Head, ObjectError};
use tenure::pack::{self, Pack, PackError};
use tenure::page::{Entry, Page, PageError};
use tenure::piece::{self, Found, Row, RowReader};
use tenure::repo::log::Log;
use tenure::repo::state::StateDir;
use tenure::seal::{Decompressor, Dictionary, SealError};
use tenure::sign::VerifyKey;

use super::keys::{COMMON, INC, REPO, epoch_secret, forest, host, key, meta, root, writer};
use super::packs::{PACK, PAGE};
use super::{Fixtures, audit, expected};

/// Why something was refused.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    Malformed(Malformed),
    Pack(PackError),
    Page(PageError),
    Object(ObjectError),
    Keyring(KeyringError),
    Certificate(CertificateError),
    Seal(SealError),
    Entry(EntryError),
    Note(NoteError),
    /// A piece that is whole, and not the one that its name stands for.
    AnotherPiece,
    /// What the log of a repository says, in words.
    Log(String),
    /// age does not open it.
    Age,
}

macro_rules! refusals {
    ($($kind:ident($error:ty)),*) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self::$kind(error)
            }
        })*
    };
}
refusals!(
    Malformed(Malformed),
    Pack(PackError),
    Page(PageError),
    Object(ObjectError),
    Keyring(KeyringError),
    Certificate(CertificateError),
    Seal(SealError),
    Entry(EntryError),
    Note(NoteError)
);

impl From<RecoveryError> for Refusal {
    fn from(error: RecoveryError) -> Self {
        assert!(matches!(error, RecoveryError::Decrypt(_)), "{error}");
        Self::Age
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Log(failure.causes().pop().unwrap_or_default())
    }
}

/// The rows of pieces that follow each other.
pub fn rows(pieces: &[&[u8]], mut each: impl FnMut(&Row<'_>)) -> Result<(), Malformed> {
    let (mut reader, mut cut) = (RowReader::default(), Vec::new());
    for piece in pieces {
        reader.piece(piece, |found| {
            match found {
                Found::Row(row, _) => each(&row),
                Found::Part { body, last } => {
                    cut.extend_from_slice(body);
                    if last {
                        each(&piece::decode_row(&mut Decoder::new(&cut))?);
                        cut.clear();
                    }
                }
            }
            Ok::<_, Malformed>(())
        })?;
    }
    reader.finish()
}

/// The pieces of a pack that the keyring opens, with their domains; the dictionary is opened in any case.
pub fn pack(name: ObjectName, bytes: &[u8]) -> Result<Vec<(Domain, Vec<u8>)>, Refusal> {
    let pack = Pack::read(name, bytes.to_vec().into())?;
    let dictionary = dictionary(&pack)?;
    let mut pieces = Vec::new();
    for entry in pack.contents(REPO, &meta())? {
        let Some(key) = forest().key(entry.domain) else {
            continue;
        };
        let sealed = pack.blob(entry.slot)?;
        let salt = pack.head().salt();
        let frame = pack::open_blob(REPO, &key, salt, entry.slot.offset, sealed)?;
        let plain = Decompressor::new()
            .unwrap()
            .plain(&frame, dictionary.as_ref())?;
        // Version 1 tells the name here as well.
        let found = piece::name(&key.name_key(), &plain);
        if entry.name.is_some_and(|name| name != found) {
            return Err(Refusal::AnotherPiece);
        }
        pieces.push((entry.domain, plain.to_vec()));
    }
    Ok(pieces)
}

/// A pack's dictionary, if it has one.
pub fn dictionary(pack: &Pack) -> Result<Option<Dictionary>, PackError> {
    let head = pack.head();
    if head.dictionary_len() == 0 {
        return Ok(None);
    }
    head.dictionary(REPO, &key(COMMON), pack.bytes()).map(Some)
}

/// A page's entries, of which every identity that the keyring opens has been opened.
pub fn page(name: ObjectName, bytes: &[u8]) -> Result<(Page, Vec<Entry>), Refusal> {
    let page = Page::read(REPO, name, bytes, &meta())?;
    let mut entries = Vec::new();
    for block in page.blocks() {
        let sealed = &bytes[block.offset as usize..(block.offset + block.len) as usize];
        for entry in page.entries(block, sealed, &meta())? {
            if let (Some(id), Some(key)) = (&entry.id, forest().key(entry.domain)) {
                page.open_id(entry.domain, &key, id)?;
            }
            entries.push(entry);
        }
    }
    Ok((page, entries))
}

pub fn object<T: for<'d> minicbor::Decode<'d, ()>>(
    chain: Chain,
    number: u64,
    bytes: &[u8],
) -> Result<(Head, T), ObjectError> {
    let verify = writer().verify_key();
    let sealed = object::read(chain, REPO, INC, number, bytes, &verify)?;
    Ok((sealed.head, sealed.open(&meta())?))
}

/// The entries of the good journal, in order.
pub fn good_journal() -> Vec<Vec<u8>> {
    let read = |(name, _)| Fixtures::good(1).read(&format!("journal/{name}"));
    expected::events().into_iter().map(read).collect()
}

/// Opens a journal as a repository does.
pub fn log(entries: &[Vec<u8>]) -> Result<Log, Failure> {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    for (number, entry) in (1..).zip(entries) {
        let path = state.object(Chain::Journal, INC, number);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, entry).unwrap();
    }
    Log::open(&state, REPO, INC, writer().verify_key(), None, &meta())
}

fn verify(inc: Incarnation) -> Option<VerifyKey> {
    (inc == INC).then(|| writer().verify_key())
}

pub fn keyring(bytes: &[u8]) -> Result<Keyring, KeyringError> {
    Keyring::decode(bytes, REPO, &root().verify_key(), verify)
}

pub fn identities() -> Vec<Identity> {
    recovery::identities(&Fixtures::good(1).text("TEST-KEY-recovery-identity.txt")).unwrap()
}

/// Reads a bad fixture of a version, by its folder and name, as what it pretends to be.
pub fn refusal(version: u8, path: &str, bytes: &[u8]) -> Option<Refusal> {
    let (folder, name) = path.split_once('/').unwrap();
    let read = || -> Result<(), Refusal> {
        match folder {
            "piece" => rows(&[bytes], |_| ())?,
            "identity" => drop(piece::Identity::decode(bytes)?),
            "pack" => drop(pack(name_of(version, PACK, name, bytes), bytes)?),
            "page" => drop(page(name_of(version, PAGE, name, bytes), bytes)?),
            "manifest" => drop(object::<Manifest>(Chain::Manifest, 1, bytes)?),
            "journal" => journal(bytes)?,
            "keyring" => any_keyring(name, bytes)?,
            "root" => drop(certificate::decode_root(bytes)?),
            "certificate" => drop(Certificate::read(bytes, &root().verify_key())?),
            "audit-record" => drop(audit::record(bytes)?),
            "checkpoint" => drop(audit::checkpoint(bytes)?),
            _ => panic!("no format is called {folder}"),
        }
        Ok(())
    };
    read().err()
}

/// The name by which an object is asked for: its own, unless that is what is wrong with it.
fn name_of(version: u8, good: &str, file: &str, bytes: &[u8]) -> ObjectName {
    if file == "wrong-name.bin" {
        ObjectName::of(&Fixtures::good(version).read(good))
    } else {
        ObjectName::of(bytes)
    }
}

/// As the second entry of the good journal: alone, then after the first.
fn journal(bytes: &[u8]) -> Result<(), Refusal> {
    object::<JournalEntry>(Chain::Journal, 2, bytes)?;
    let mut entries = good_journal();
    entries[1] = bytes.to_vec();
    log(&entries)?;
    Ok(())
}

fn any_keyring(name: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let plain = match Path::new(name).extension().and_then(|e| e.to_str()) {
        Some("age") => recovery::decrypt(&identities(), bytes)?,
        Some("keys") => file::open_for_host(bytes, REPO, &host(), &epoch_secret())?.1,
        _ => bytes.to_vec().into(),
    };
    keyring(&plain)?;
    Ok(())
}
