//! Bytes that were written once by the writers of each version are still read, and mean what they
//! meant; and what must be refused is refused by the error that it deserves. See
//! `tests/fixtures/formats/v1/README.md`, and the one of version 2 beside it.

mod audit;
mod bad;
mod craft;
mod damage;
pub mod expected;
mod good;
pub mod keys;
mod packs;
mod read;
mod repository;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use crate::support::raw::files;

/// The versions that there are: all formats have a first one, packs and pages a second.
pub const VERSIONS: [u8; 2] = [1, 2];

/// One of the two folders of a version's fixtures.
pub struct Fixtures(PathBuf);

impl Fixtures {
    fn folder(version: u8, name: &str) -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/formats");
        Self(PathBuf::from(root).join(format!("v{version}/{name}")))
    }

    pub fn good(version: u8) -> Self {
        Self::folder(version, "good")
    }

    pub fn bad(version: u8) -> Self {
        Self::folder(version, "bad")
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// The names of all files, by path from here, sorted.
    pub fn names(&self) -> Vec<String> {
        let name = |path: PathBuf| path.strip_prefix(&self.0).unwrap().display().to_string();
        files(&self.0).into_iter().map(name).collect()
    }

    /// What stands under a name; if nothing does, what `make` makes is written there. A file that is
    /// there is never written again.
    fn once(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let path = self.0.join(name);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create_new(&path).unwrap().write_all(&make()).unwrap();
        }
        self.read(name)
    }
}

/// With TENURE_WRITE_FIXTURES=1: writes the fixtures that are missing.
#[test]
fn fixtures_are_written_when_asked_for() {
    if std::env::var("TENURE_WRITE_FIXTURES").as_deref() == Ok("1") {
        good::write(&Fixtures::good(1));
        audit::write(&Fixtures::good(1));
        packs::write(&Fixtures::good(2));
        repository::write();
        VERSIONS.into_iter().for_each(bad::write);
    }
    let files = VERSIONS.map(|version| {
        let [good, bad] = [Fixtures::good(version), Fixtures::bad(version)];
        good.names().len() + bad.names().len()
    });
    assert!(files[0] > 100 && files[1] > 50, "{files:?}");
}
