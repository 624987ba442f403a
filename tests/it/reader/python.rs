//! Runs `tests/reader` in the place that `tests/setup.sh` makes for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::support::place::Place;
use crate::support::programs::has;

/// The reader, ready to run.
pub struct Reader(PathBuf);

impl Reader {
    /// None where its Python, or what it imports, is not installed.
    pub fn found() -> Option<Self> {
        let python = PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/target/reader/bin/python"
        ));
        let imports = "import blake3, cbor2, cryptography, zstandard";
        let what = "the independent reader's Python (tests/setup.sh)";
        let whole = has(what, &[python.to_str().unwrap(), "-c", imports])
            && has(
                "age, by which the reader opens keyrings",
                &["age", "--version"],
            );
        whole.then_some(Self(python))
    }

    /// Runs it on a store with an identity and a fingerprint.
    pub fn run(&self, store: &Path, identity: &Path, fingerprint: &str, asked: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/reader.py");
        let mut command = Command::new(&self.0);
        command.args(["-B", script, "--store"]).arg(store);
        command.arg("--identity").arg(identity);
        command.args(["--fingerprint", fingerprint]).args(asked);
        command.output().unwrap()
    }

    /// Runs it on one of a place's stores.
    pub fn at(&self, place: &Place, store: &str, asked: &[&str]) -> Output {
        let fingerprint = place.read().fingerprint;
        let identity = place.path("offline.key");
        fs::write(&identity, place.identity.to_file(&fingerprint).as_bytes()).unwrap();
        let store = place.path(store);
        self.run(&store, &identity, &fingerprint.to_string(), asked)
    }

    /// What it lists in one of a place's stores.
    pub fn list(&self, place: &Place, store: &str) -> Vec<Json> {
        serde_json::from_str(&done(self.at(place, store, &["list"]))).unwrap()
    }
}

/// What a run that succeeded has printed.
pub fn done(output: Output) -> String {
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}
