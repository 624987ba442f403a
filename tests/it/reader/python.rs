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

    /// Runs it on a store with an identity, and with a fingerprint if that is not the one in the identity's file.
    pub fn run(
        &self,
        store: &Path,
        identity: &Path,
        fingerprint: Option<&str>,
        asked: &[&str],
    ) -> Output {
        let mut command = self.command("reader.py");
        command.arg("--store").arg(store);
        command.arg("--identity").arg(identity);
        if let Some(fingerprint) = fingerprint {
            command.args(["--fingerprint", fingerprint]);
        }
        command.args(asked).output().unwrap()
    }

    /// Runs another script that stands beside it.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Output {
        self.command(name).args(arguments).output().unwrap()
    }

    fn command(&self, script: &str) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reader");
        let mut command = Command::new(&self.0);
        command.arg("-B").arg(scripts.join(script));
        command
    }

    /// Runs it on one of a place's stores.
    pub fn at(&self, place: &Place, store: &str, asked: &[&str]) -> Output {
        let fingerprint = place.read().fingerprint;
        let identity = place.path("offline.key");
        fs::write(&identity, place.identity.to_file(&fingerprint).as_bytes()).unwrap();
        let store = place.path(store);
        self.run(&store, &identity, Some(&fingerprint.to_string()), asked)
    }

    /// What it lists in one of a place's stores.
    pub fn list(&self, place: &Place, store: &str) -> Vec<Json> {
        serde_json::from_str(&done(self.at(place, store, &["list"]))).unwrap()
    }

    /// Restores a source of a snapshot from one of a place's stores; what it tells of that.
    pub fn restore(
        &self,
        place: &Place,
        store: &str,
        number: usize,
        source: &str,
        to: &Path,
    ) -> String {
        let (number, to) = (number.to_string(), to.to_str().unwrap());
        let output = self.at(
            place,
            store,
            &["restore", &number, "--source", source, "--to", to],
        );
        let told = String::from_utf8(output.stderr.clone()).unwrap();
        done(output);
        told
    }
}

/// Why a run was refused.
pub fn refused(output: &Output) -> String {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let why = told.strip_prefix("refused: ");
    why.unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// What a run that succeeded has printed.
pub fn done(output: Output) -> String {
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}
