//! The reader and what was written by each version: stores that are made up of the good fixtures, and the
//! bad ones, which it must refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tenure::ids::{Domain, ObjectName};
use tenure::journal::Position;
use tenure::keyring::file;
use tenure::keyring::recovery;
use tenure::manifest::Manifest;
use tenure::object::{self, Chain, Head};
use tenure::value::Value;

use super::python::{Reader, done, refused};
use crate::golden::Fixtures;
use crate::golden::expected::{self, Cell};
use crate::golden::keys::{ANN, BEN, EVA, INC, REPO, SHARED, meta, root, writer};

/// A store with two snapshots, whose pages and packs are a version's.
struct Store {
    dir: TempDir,
    version: u8,
}

impl Store {
    /// So much of the journal of version 1 stands in it: the second entry erases the shared table's domain, whose
    /// number the dictionaries' has since.
    fn new(version: u8, entries: usize) -> Self {
        let store = Self {
            dir: tempfile::tempdir().unwrap(),
            version,
        };
        let first = Fixtures::good(1);
        let events = expected::events();
        let journal: Vec<_> = events[..entries]
            .iter()
            .map(|(name, _)| first.read(&format!("journal/{name}")))
            .collect();
        for (number, entry) in (1..).zip(&journal) {
            store.put(&Chain::Journal.path(INC, number), entry);
        }
        store.put(
            &format!("writer/{INC}"),
            &first.read("certificate/writer.bin"),
        );
        let position = Position {
            inc: INC,
            len: entries as u64,
            hash: object::hash(&journal[entries - 1]),
        };
        store.put_keyring(position);
        store.put_snapshots(&journal[0]);
        store
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The keyring of version 1, which knows the journal here.
    fn put_keyring(&self, position: Position) {
        let mut keyring = expected::keyring();
        keyring.journal = vec![position];
        let text = Fixtures::good(1).text("TEST-KEY-recovery-identity.txt");
        let to = [recovery::identities(&text).unwrap()[0].recipient()];
        let age = recovery::encrypt(&to, &keyring.encode(&writer())).unwrap();
        self.put(&file::path(INC, 5), &age);
    }

    fn put_snapshots(&self, opened: &[u8]) {
        let good = Fixtures::good(self.version);
        let pack = good.read("pack/domains.bin");
        let [full, changes] = ["page/full.bin", "page/incremental.bin"].map(|name| good.read(name));
        for page in [&full, &changes] {
            self.put(&format!("pages/{}", ObjectName::of(page)), page);
        }
        for name in good.names().iter().filter(|name| name.starts_with("pack/")) {
            let pack = good.read(name);
            self.put(&format!("packs/{}", ObjectName::of(&pack)), &pack);
        }
        let first = match self.version {
            1 => good.read("manifest/1-full.bin"),
            _ => manifest(1, [0; 32], &expected::full(&full, &pack)),
        };
        let mut second = expected::incremental(&changes, &pack, opened);
        // It knows of another incarnation, which has left nothing.
        second.journal.truncate(1);
        self.put(&Chain::Manifest.path(INC, 1), &first);
        let second = manifest(2, object::hash(&first), &second);
        self.put(&Chain::Manifest.path(INC, 2), &second);
    }

    fn run(&self, reader: &Reader, asked: &[&str]) -> Output {
        let identity = fixtures().join("v1/good/TEST-KEY-recovery-identity.txt");
        let fingerprint = root().verify_key().to_string();
        reader.run(self.dir.path(), &identity, Some(&fingerprint), asked)
    }

    /// The rows of a snapshot by domain and source, in order.
    fn rows(&self, reader: &Reader, snapshot: &str) -> BTreeMap<(String, u64), Vec<Json>> {
        let mut rows: BTreeMap<_, Vec<Json>> = BTreeMap::new();
        for line in done(self.run(reader, &["dump", snapshot])).lines() {
            let mut row: Json = serde_json::from_str(line).unwrap();
            let domain = row["domain"].as_str().unwrap().to_owned();
            let of = (domain, row["source"].as_u64().unwrap());
            let row = row.as_object_mut().unwrap();
            row.retain(|field, _| field != "domain" && field != "source");
            rows.entry(of).or_default().push(json!(row));
        }
        rows
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats")
}

fn manifest(number: u64, previous: [u8; 32], body: &Manifest) -> Vec<u8> {
    let head = Head {
        repo: REPO,
        inc: INC,
        number,
        previous,
    };
    object::write(Chain::Manifest, &head, body, &meta(), &writer()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as the reader tells it.
fn told(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => json!({"int": number.to_string()}),
        Value::Real(number) => json!({"real": format!("{:016x}", number.to_bits())}),
        Value::Blob(bytes) => json!({"blob": hex(bytes)}),
        Value::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => json!(text),
            Err(_) => json!({"text": hex(text)}),
        },
    }
}

fn row(row: &expected::Row) -> Json {
    let (table, rowid, cells) = row;
    let cells = cells.iter().map(|cell| match cell {
        Cell::Is(value) | Cell::Leads(_, value) => told(value),
        Cell::Lost(domain) => json!({"lost": domain.to_string()}),
    });
    json!({"table": table, "rowid": rowid, "values": cells.collect::<Vec<_>>()})
}

/// A row of table 0 with one value.
fn single(rowid: i64, value: Value) -> Json {
    row(&(0, Some(rowid), vec![Cell::Is(value)]))
}

/// What the full snapshot holds of each domain, as the fixtures' own test has it.
fn wanted() -> BTreeMap<(String, u64), Vec<Json>> {
    let of = |domain: Domain| (domain.to_string(), 0);
    let short = |rowid| single(rowid, expected::text("xyz"));
    let mut ann: Vec<_> = expected::rows().iter().map(row).collect();
    ann.push(single(1, Value::Blob(vec![7; 1000])));
    BTreeMap::from([
        (of(SHARED), vec![short(5)]),
        (of(ANN), ann),
        (of(BEN), vec![short(6)]),
        (of(EVA), vec![short(7)]),
    ])
}

#[test]
fn packs_and_pages_of_each_version_are_read() {
    let Some(reader) = Reader::found() else {
        return;
    };
    // Version 2 has dictionaries, under the number that the journal of version 1 erases.
    for (version, entries) in [(1, 5), (2, 1)] {
        let store = Store::new(version, entries);
        let listed = done(store.run(&reader, &["list"]));
        let listed: Vec<Json> = serde_json::from_str(&listed).unwrap();
        let kinds: Vec<_> = listed.iter().map(|each| &each["kind"]).collect();
        assert_eq!(kinds, ["full", "incremental"]);
        assert_eq!(listed[0]["finished"], "2026-11-01T00:01:00.123Z");
        let mut wanted = wanted();
        if version == 1 {
            wanted.remove(&(SHARED.to_string(), 0));
        }
        assert_eq!(store.rows(&reader, "1"), wanted, "version {version}");
        // One customer has the piece twice, and nothing is left in the second source.
        let ben = wanted.get_mut(&(BEN.to_string(), 0)).unwrap();
        ben.extend_from_within(..);
        assert_eq!(store.rows(&reader, "2"), wanted, "version {version}");
    }
}

#[test]
fn the_golden_keyring_is_opened_and_its_journal_missed() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let store = Store::new(1, 5);
    let keyring = Fixtures::good(1).read("keyring/keyring.age");
    store.put(&file::path(INC, 5), &keyring);
    let why = refused(&store.run(&reader, &["list"]));
    assert!(
        why.contains("not the one that the keyring knows of"),
        "{why}"
    );
}

/// What the reader takes though the formats have no such thing: CBOR of unknown length and short reals, which
/// its package reads as well; and ids of customers, of which it opens none.
const TAKEN: [&str; 7] = [
    "v1/bad/page/entry-id-not-authentic.bin",
    "v1/bad/piece/real-of-32-bits.bin",
    "v1/bad/piece/row-of-unknown-length.bin",
    "v1/bad/piece/text-in-chunks.bin",
    "v2/bad/page/entry-id-by-a-dictionary.bin",
    "v2/bad/page/entry-id-not-authentic.bin",
    "v2/bad/page/entry-id-unknown-codec.bin",
];

#[test]
fn what_must_be_refused_is_refused_here_as_well() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let told = done(reader.script("fixtures.py", &[fixtures().to_str().unwrap()]));
    let told: BTreeMap<String, Option<String>> = serde_json::from_str(&told).unwrap();
    assert!(told.len() > 100, "{}", told.len());
    let taken = told.iter().filter(|(_, why)| why.is_none());
    let taken: BTreeSet<&str> = taken.map(|(name, _)| name.as_str()).collect();
    assert_eq!(taken, BTreeSet::from(TAKEN));
}
